/* lmdb_meta: looks at both meta pages before LMDB does. LMDB takes the newest one that parses, so a damaged
 * page would silently bring back the state of one commit before, and what that commit acknowledged would be
 * lost. */
#ifndef AETHER_STORE_LMDB_LMDB_META_H
#define AETHER_STORE_LMDB_LMDB_META_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LMDB_META_SIZE = 152 };
struct lmdb_meta {
    uint32_t page_size;
    uint64_t transaction;
};
/* Of the start of a page. false: it is no meta page. */
bool lmdb_meta_parse(const uint8_t page[LMDB_META_SIZE], struct lmdb_meta *out_meta);

/* OK: both parse and their transaction numbers differ by one. CORRUPT otherwise, or if it is missing. The
 * length of the file is no evidence: LMDB may leave its last pages unwritten while they are free. */
MUST_CHECK enum status lmdb_meta_check(const char *file, struct error *error);

#endif
