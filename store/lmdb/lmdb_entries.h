/* lmdb_entries: the tables `log` and `conf` within one step: append, truncate (R3), compact (D7), and what a
 * snapshot leaves of them (N3). */
#ifndef AETHER_STORE_LMDB_LMDB_ENTRIES_H
#define AETHER_STORE_LMDB_LMDB_ENTRIES_H

#include "store/lmdb/lmdb_step.h"

MUST_CHECK enum status lmdb_entries_truncate(struct lmdb_step *step, log_index from);
MUST_CHECK enum status lmdb_entries_append(struct lmdb_step *step, const struct raft_entry *entries,
                                           uint32_t count);
/* At most LOG_COMPACT_STEP_MAX entries, and never beyond what the durable copy holds. */
MUST_CHECK enum status lmdb_entries_compact(struct lmdb_step *step, log_index to);
MUST_CHECK enum status lmdb_entries_install(struct lmdb_step *step, const struct log_install *install);

#endif
