/* path: what a name in this process means on the disk. */
#ifndef AETHER_RUNTIME_OS_PATH_H
#define AETHER_RUNTIME_OS_PATH_H

#include "runtime/base/error.h"
#include "runtime/base/text.h"

/* Adds the absolute path, links resolved, of what must be there. NOT_FOUND, with the reason. */
MUST_CHECK enum status path_resolve(const char *name, struct text *out_path, struct error *error);

#endif
