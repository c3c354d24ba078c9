/* path: what a name in this process means on the disk. */
#ifndef AETHER_RUNTIME_OS_PATH_H
#define AETHER_RUNTIME_OS_PATH_H

#include "runtime/base/error.h"
#include "runtime/base/text.h"

/* Adds the absolute path, links resolved, of what must be there. NOT_FOUND, with the reason. */
MUST_CHECK enum status path_resolve(const char *name, struct text *out_path, struct error *error);
/* Makes a folder of a new name, `prefix` and some letters, where temporary files belong ($TMPDIR, else /tmp);
 * adds its absolute path. */
MUST_CHECK enum status path_make_temporary(const char *prefix, struct text *out_path, struct error *error);
/* A folder and everything below it; links are removed, not followed. */
MUST_CHECK enum status path_remove_tree(const char *path, struct error *error);

#endif
