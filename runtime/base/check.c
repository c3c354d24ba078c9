/* check: see the header. */
#include "runtime/base/check.h"

#include <stdio.h>
#include <stdlib.h>

static void (*failure_hook)(const char *text);

void check_on_failure(void (*hook)(const char *text))
{
    failure_hook = hook;
}

_Noreturn void check_failed(const char *condition, const char *file, int line)
{
    char text[512];
    (void)snprintf(text, sizeof text, "CHECK failed: %s at %s:%d", condition, file, line);
    (void)fprintf(stderr, "%s\n", text);
    void (*hook)(const char *) = failure_hook;
    failure_hook = NULL;
    if (hook != NULL) hook(text);
    abort();
}
