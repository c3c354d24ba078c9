/* proposer: the one way for this node's actors and clients to change the agreed state (PROPOSE_REQUEST,
 * and the requests of client_commands.h). */
#ifndef AETHER_ACTORS_CONSENSUS_PROPOSER_H
#define AETHER_ACTORS_CONSENSUS_PROPOSER_H

#include "runtime/actor.h"

struct proposer_options {
    const char *node;
};

extern const struct behavior proposer_behavior;

#endif
