/* checkpoint: what each member was known to hold durably, as the payload of a CHECKPOINT entry (T5). It lets
 * a replica that comes back with an old copy of its directory be found out (T3). Held by value; no heap. */
#ifndef AETHER_STORE_RAFT_CHECKPOINT_H
#define AETHER_STORE_RAFT_CHECKPOINT_H

#include "store/raft/entry.h"

#include "runtime/base/status.h"

struct checkpoint_match {
    replica_id id;
    log_index match; /* Durable there, as far as it was committed. */
};

struct checkpoint {
    uint32_t count;
    struct checkpoint_match matches[REPLICAS_MAX]; /* In the order of their ids. */
};

log_index checkpoint_match_of(const struct checkpoint *checkpoint,
                              replica_id id); /* 0: says nothing of it. */

/* The same checkpoint gives the same bytes on every build. A reference for the caller. */
struct bytes *checkpoint_pack(const struct checkpoint *checkpoint);
/* CORRUPT: not the bytes of a checkpoint. */
enum status checkpoint_unpack(const void *data, size_t size, struct checkpoint *out_checkpoint) MUST_CHECK;

#endif
