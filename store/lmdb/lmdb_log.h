/* lmdb_log: the real log of a replica: one LMDB environment, its guard, and small files beside it, under the
 * node's data directory (consensus.md sections 2 to 4):
 * - DATA/store/: the environment (data.mdb, lock.mdb), `guard` and `journal`; made as store.new without a
 * journal, so that it is whole or not there; DATA is locked by its one opener
 * - DATA/member: which cluster (I3)
 * - DATA/retired, DATA/store.doubt-ID: what was doubted (T2)
 * - DATA/reserve: room for a full disk (F2) */
#ifndef AETHER_STORE_LMDB_LMDB_LOG_H
#define AETHER_STORE_LMDB_LMDB_LOG_H

#include "runtime/port/random.h"
#include "store/log.h"

enum { LMDB_LOG_RESERVE_BYTES = 32 * 1024 * 1024, LMDB_LOG_SEGMENT_BYTES = 16 * 1024 * 1024 };

struct lmdb_log_options {
    const char *directory;       /* DATA; made if only its last part is missing. */
    const struct random *random; /* Borrowed for the call. */
    size_t map_bytes;            /* D6; 0 = 16 GiB. */
    uint64_t reserve_bytes;      /* F2; 0: none is kept. */
    size_t segment_bytes; /* Of each half of a journal to be made; 0: none is. Whole blocks of 4 KiB. */
};

/* As store/log.h says. An existing store is first checked by a forked process (lmdb_probe.h): call this while
 * the process has one thread. */
MUST_CHECK enum status lmdb_log_open(const struct lmdb_log_options *options, struct log **out_log,
                                     struct error *error);

#endif
