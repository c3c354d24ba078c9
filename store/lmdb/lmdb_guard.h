/* lmdb_guard: term and vote beside the environment (consensus.md sections 3 and 4): two slots used in turn,
 * so that a torn write damages the older one at most. It is written before the transaction that changes term
 * or vote (D5), and tells a start whether the environment went back in time (T1). */
#ifndef AETHER_STORE_LMDB_LMDB_GUARD_H
#define AETHER_STORE_LMDB_LMDB_GUARD_H

#include "store/log.h"

struct lmdb_guard_state {
    struct log_identity identity; /* Cluster id 0: written before the cluster was known. */
    struct hard_state hard;
};

struct lmdb_guard {
    int fd;            /* -1: closed. */
    uint64_t sequence; /* Of the newest slot; 0: none is valid. */
    struct lmdb_guard_state state;
};

/* Of the bytes of a guard file, whatever they are: the newest slot that is valid. 0: none is. */
uint64_t lmdb_guard_unpack(const void *data, size_t size, struct lmdb_guard_state *out_state);

/* To write: the file is made if it isn't there. To look only: one that isn't there has no valid slot. IO. */
MUST_CHECK enum status lmdb_guard_open(struct lmdb_guard *guard, const char *file, bool writes,
                                       struct error *error);
/* Durable when it returns OK. IO: never to be tried again (F1). */
MUST_CHECK enum status lmdb_guard_write(struct lmdb_guard *guard, const struct lmdb_guard_state *state,
                                        struct error *error);
void lmdb_guard_close(struct lmdb_guard *guard);

#endif
