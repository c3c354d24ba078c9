/* observer: what stands in the leader actor's place on a worker: it is in no configuration, and follows the
 * committed entries from any replica (section 2). Registered as TO_LEADER. */
#ifndef AETHER_ACTORS_CONSENSUS_OBSERVER_H
#define AETHER_ACTORS_CONSENSUS_OBSERVER_H

#include "runtime/actor.h"
#include "store/log.h"

struct observer_options {
    const char *node;
    struct log *log;          /* Opened; read by init only. */
    const char *const *peers; /* Names of nodes to follow; those that are no replicas do not answer. */
    uint32_t peer_count;
};

extern const struct behavior observer_behavior;

#endif
