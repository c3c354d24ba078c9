/* retired: the replica ids that left the cluster, as the applied state lists them under config/retired/ (E5,
 * S12): the leader actor's own watch of them, for the core. */
#ifndef AETHER_ACTORS_CONSENSUS_RETIRED_H
#define AETHER_ACTORS_CONSENSUS_RETIRED_H

#include "store/raft/core.h"
#include "wire/follow.h"

struct retired {
    struct follow follow;
    replica_id ids[CORE_RETIRED_MAX];
    uint64_t
        revisions[CORE_RETIRED_MAX]; /* When each left: the oldest is forgotten where there is no room. */
    uint32_t count;
};

void retired_start(struct actor *self, struct retired *retired);
/* A KIND_STATE_CHANGED message. true: the list changed. */
bool retired_accept(struct actor *self, struct retired *retired, const struct message *message);
bool retired_has(const struct retired *retired, replica_id id);

#endif
