/* lmdb_entry: how an entry lies under its index in `log` and `conf`: u32 crc32c (of the index and all that
 * follows), u64 term, u8 type, u64 stamp, u64 chain, payload. */
#ifndef AETHER_STORE_LMDB_LMDB_ENTRY_H
#define AETHER_STORE_LMDB_LMDB_ENTRY_H

#include "store/log.h"

#include <lmdb.h>

size_t lmdb_entry_size(const struct raft_entry *entry);
void lmdb_entry_pack(const struct raft_entry *entry, uint8_t *to); /* Exactly lmdb_entry_size bytes. */

struct lmdb_entry_view {
    struct raft_entry entry; /* Without its payload: */
    const uint8_t *payload;  /* borrowed from the data. */
    size_t payload_size;
};
/* Outside input: CORRUPT. */
MUST_CHECK enum status lmdb_entry_unpack(log_index index, const void *data, size_t size,
                                         struct lmdb_entry_view *out_view, struct error *error);

/* The index that a key of `log` or `conf` is; 0, or MDB_CORRUPTED. */
int lmdb_entry_index(const MDB_val *key, log_index *out_index);

#endif
