/* path: realpath, mkdtemp, nftw. */
#include "runtime/os/path.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
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

enum status path_make_temporary(const char *prefix, struct text *out_path, struct error *error)
{
    char path[PATH_MAX];
    const char *below = getenv("TMPDIR");
    if (below == NULL || below[0] != '/') below = "/tmp";
    if (snprintf(path, sizeof path, "%s/%sXXXXXX", below, prefix) >= (int)sizeof path)
        return error_set(error, STATUS_INVALID, "TMPDIR is too long");
    if (mkdtemp(path) == NULL)
        return error_set(error, STATUS_IO, "%s can't be made: %s", path, strerror(errno));
    return path_resolve(path, out_path, error);
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *place)
{
    (void)facts;
    (void)kind;
    (void)place;
    return remove(path);
}

enum status path_remove_tree(const char *path, struct error *error)
{
    enum { OPEN_FOLDERS_MAX = 16 };
    if (nftw(path, remove_one, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT)
        return STATUS_OK;
    return error_set(error, STATUS_IO, "%s can't be removed: %s", path, strerror(errno));
}
