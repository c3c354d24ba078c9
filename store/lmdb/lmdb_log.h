/* lmdb_log: the real log of a replica: one LMDB environment, the guard and the file `member`, under the
 * node's data directory (consensus.md sections 2 to 4): DATA/member        which cluster (I3) DATA/store/ the
 * environment (data.mdb, lock.mdb) and `guard`; locked by its one opener */
#ifndef AETHER_STORE_LMDB_LMDB_LOG_H
#define AETHER_STORE_LMDB_LMDB_LOG_H

#include "runtime/port/random.h"
#include "store/log.h"

struct lmdb_log_options {
    const char *directory;       /* DATA; made if only its last part is missing. */
    const struct random *random; /* Borrowed for the call. */
    size_t map_bytes;            /* D6; 0 = 16 GiB. */
};

/* CONFLICT: another process has it open. CORRUPT: something in it doesn't fit together, in which case nothing
 * was changed: this is doubt (T2), and it takes the place of a start. */
MUST_CHECK enum status lmdb_log_open(const struct lmdb_log_options *options, struct log **out_log,
                                     struct error *error);

#endif
