/* error: see the header. Text that doesn't fit is cut, never refused. */
#include "runtime/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum status error_set(struct error *error, enum status status, const char *format, ...)
{
    if (error == NULL) return status;
    error->status = status;
    error->hint[0] = '\0';
    error->is_final = error->is_unstarted = false;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return status;
}

enum status error_wrap(struct error *error, const char *format, ...)
{
    if (error == NULL) return STATUS_UNKNOWN;
    char inner[ERROR_MESSAGE_MAX];
    memcpy(inner, error->message, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    int prefix = vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    if (prefix < 0 || (size_t)prefix >= sizeof error->message) return error->status;
    (void)snprintf(error->message + prefix, sizeof error->message - (size_t)prefix, ": %s", inner);
    return error->status;
}

void error_hint(struct error *error, const char *format, ...)
{
    if (error == NULL) return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->hint, sizeof error->hint, format, arguments);
    va_end(arguments);
}
