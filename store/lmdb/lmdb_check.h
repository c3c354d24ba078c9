/* lmdb_check: what a start verifies before it believes a directory (consensus.md section 4): everything that
 * can be read is read. A damaged file can end the process that does so, so lmdb_probe runs it in one of its
 * own. */
#ifndef AETHER_STORE_LMDB_LMDB_CHECK_H
#define AETHER_STORE_LMDB_LMDB_CHECK_H

#include "store/lmdb/lmdb_guard.h"
#include "store/lmdb/lmdb_tables.h"

struct lmdb_check_options {
    const char *store;
    uint64_t member; /* Of the file; 0: there is none. */
    size_t map_bytes;
};

struct lmdb_check {
    struct lmdb_system system;     /* As stored. */
    struct hard_state hard;        /* T1: the newer of `hard` (the journal's, if it has one) and guard. */
    bool guard_lost;               /* T1: by a sole voter, who may make it anew. */
    struct log_position last;      /* Of the tables; the journal's entries are yet to be brought there. */
    log_index configuration_index; /* Of their newest configuration; 0: none. */
    bool copy_damaged;             /* T6: the rest is sound. */
    struct error copy_error;       /* What is wrong with it. */
};

/* `out_check->system.identity` is filled as soon as it is known, and `say` is told what comes next: whoever
 * watches a process that does not come back from this knows where it was.
 * OK: sound, but for what the result says. CORRUPT: doubt (T2). CONFLICT: another cluster's store.
 * VERSION_MISMATCH, IO: nothing may be concluded. Nothing is repaired (D8), nothing is written. */
MUST_CHECK enum status lmdb_check(const struct lmdb_check_options *options, struct lmdb_check *out_check,
                                  void (*say)(void *context, const char *what), void *context,
                                  struct error *error);

#endif
