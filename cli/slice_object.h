/* slice_object: what an ELF shared object says of itself without being loaded (libelf). */
#ifndef AETHER_CLI_SLICE_OBJECT_H
#define AETHER_CLI_SLICE_OBJECT_H

#include "runtime/base/error.h"
#include "wire/json/value.h"

/* Adds four lists of the document: `libraries` it needs, `undefined` symbols that these have to give,
 * `exported` names beside the descriptor, and `hindrances` of unloading. INVALID: it is no shared object. */
MUST_CHECK enum status slice_object_describe(const char *path, struct value *document, struct error *error);

#endif
