/* lmdb_check: what a start verifies before it believes a directory (consensus.md section 4). */
#ifndef AETHER_STORE_LMDB_LMDB_CHECK_H
#define AETHER_STORE_LMDB_LMDB_CHECK_H

#include "store/lmdb/lmdb_guard.h"
#include "store/lmdb/lmdb_tables.h"

struct lmdb_check_log {
    struct log_position last;
    log_index configuration_index; /* Of the newest configuration; 0: none. */
};
/* Walks the whole log: contiguous from base, checksums, chain (D1), terms never fall, `conf` has its newest
 * configuration, and what was applied is in it. CORRUPT otherwise; nothing is repaired (D8). */
MUST_CHECK enum status lmdb_check_log(struct lmdb_tables *tables, MDB_txn *txn,
                                      const struct lmdb_system *system, struct lmdb_check_log *out_log,
                                      struct error *error);
/* T1: OK with *out_hard the newer of the two (a crash may have come between guard and transaction); CORRUPT
 * when the guard is missing, another's, or older than `hard`: the environment can't be trusted to be ours, or
 * a vote may have been forgotten. */
MUST_CHECK enum status lmdb_check_guard(const struct lmdb_guard *guard, const struct lmdb_system *system,
                                        struct hard_state *out_hard, struct error *error);

#endif
