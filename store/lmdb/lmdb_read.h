/* lmdb_read: the reading half of struct log_ops on LMDB. Every read transaction copies out and ends (D6).
 * Entries that the tables don't have yet come from what is pending; configurations and the copy are read from
 * the tables alone: the former only at a start, after the replay, and the journal holds nothing of the
 * latter.
 */
#ifndef AETHER_STORE_LMDB_LMDB_READ_H
#define AETHER_STORE_LMDB_LMDB_READ_H

#include "store/lmdb/lmdb_state.h"

MUST_CHECK enum status lmdb_read_entries(struct log *log, log_index from, log_index to, size_t max_bytes,
                                         void (*emit)(void *context, const struct raft_entry *entry),
                                         void *context, struct error *error);
MUST_CHECK enum status lmdb_read_configurations(struct log *log,
                                                void (*emit)(void *context, const struct raft_entry *entry),
                                                void *context, struct error *error);
MUST_CHECK enum status lmdb_read_copy(struct log *log, uint32_t generation, struct log_copy_cursor *cursor,
                                      size_t max_bytes, log_emit_copy *emit, void *context,
                                      struct error *error);

/* What the tables' log ends with (system.base when it holds nothing), and their newest configuration: at
 * open, after a replay. */
MUST_CHECK enum status lmdb_read_end(struct lmdb_log *lmdb, struct log_position *out_last,
                                     log_index *out_configuration_index, struct error *error);

/* The same walk in a transaction of the caller's: for checks. */
struct lmdb_copy_walk {
    uint32_t generation;
    bool with_history; /* Which is the active generation's. */
    log_emit_copy *emit;
    void *context;
};
MUST_CHECK enum status lmdb_read_copy_in(const struct lmdb_tables *tables, MDB_txn *txn,
                                         const struct lmdb_copy_walk *walk, struct log_copy_cursor *cursor,
                                         size_t max_bytes, struct error *error);

#endif
