/* lmdb_state: what the parts of the LMDB log (lmdb_log, lmdb_step, lmdb_journal, lmdb_read, lmdb_space)
 * share. Private to them. */
#ifndef AETHER_STORE_LMDB_LMDB_STATE_H
#define AETHER_STORE_LMDB_LMDB_STATE_H

#include "store/lmdb/lmdb_guard.h"
#include "store/lmdb/lmdb_journal.h"
#include "store/lmdb/lmdb_map.h"
#include "store/lmdb/lmdb_tables.h"

struct lmdb_log {
    struct log log;
    char *directory; /* DATA */
    char *store;     /* DATA/store */
    int lock;        /* On DATA; -1: not held. */
    struct lmdb_guard guard;
    struct lmdb_tables tables;
    struct lmdb_map map;
    struct lmdb_system system; /* As committed last. */
    log_index last;            /* Of the tables; journal_pending_last is the log's. */
    struct lmdb_journal journal;
    uint64_t member;        /* What the file says; 0: there is none. */
    uint64_t reserve_bytes; /* F2; 0: no reserve is kept. */
    bool reserved;          /* The file is there. */
    bool dead;              /* A write has failed (F1). */
};

/* From a port's log. */
struct lmdb_log *lmdb_log_of(struct log *log);

#endif
