/* lmdb_step: one durable step: all batches of a write in one transaction (consensus.md D3, D5, D7, N2, N3,
 * N6). */
#ifndef AETHER_STORE_LMDB_LMDB_STEP_H
#define AETHER_STORE_LMDB_LMDB_STEP_H

#include "store/lmdb/lmdb_state.h"

/* What a write has staged, for the parts that change tables (lmdb_entries, lmdb_copy). */
struct lmdb_step {
    struct lmdb_log *lmdb;
    MDB_txn *txn;
    struct lmdb_system system;
    log_index last;
    bool receiving_changed;
    struct error *error;
};

/* D5: the guard's slot, durable, when these batches change term or vote. Before anything else of them. */
MUST_CHECK enum status lmdb_step_guard(struct lmdb_log *lmdb, const struct log_batch *batches, uint32_t count,
                                       struct error *error);
/* One transaction: all that is pending in the journal, then these batches. On OK `lmdb` says what is durable
 * now. After anything else it is as before, and must not be written again (F1). */
MUST_CHECK enum status lmdb_step_write(struct lmdb_log *lmdb, const struct log_batch *batches, uint32_t count,
                                       struct error *error);
/* T6, at open: throws the damaged copy away, so that the log is replayed or a snapshot installed. */
MUST_CHECK enum status lmdb_step_drop_copy(struct lmdb_log *lmdb, struct error *error);
/* log.live, from what is committed: at open. */
MUST_CHECK enum status lmdb_step_look(struct lmdb_log *lmdb, struct error *error);

#endif
