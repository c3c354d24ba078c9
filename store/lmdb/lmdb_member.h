/* lmdb_member: the file `member` in the data directory (I3): which cluster this node belongs to, from its
 * first durable entry on. It stands above the store directory, because it must outlive a doubted one. */
#ifndef AETHER_STORE_LMDB_LMDB_MEMBER_H
#define AETHER_STORE_LMDB_LMDB_MEMBER_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* *out_cluster_id is 0 when there is no such file. IO: there is one, but it says nothing. */
MUST_CHECK enum status lmdb_member_read(const char *directory, uint64_t *out_cluster_id, struct error *error);
/* Durable, and never half there, when it returns OK. */
MUST_CHECK enum status lmdb_member_write(const char *directory, uint64_t cluster_id, struct error *error);
/* The 16 hex digits that a line begins with; false: it doesn't, or they are zero. */
bool lmdb_member_parse(const char *line, uint64_t *out_id);

#endif
