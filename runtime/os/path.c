/* path: realpath. */
#include "runtime/os/path.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum status path_resolve(const char *name, struct text *out_path, struct error *error)
{
    char path[PATH_MAX]; /* realpath's bound. */
    if (realpath(name, path) == NULL)
        return error_set(error, STATUS_NOT_FOUND, "%s: %s", name, strerror(errno));
    text_add(out_path, path);
    return STATUS_OK;
}
