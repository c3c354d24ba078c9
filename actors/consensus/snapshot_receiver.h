/* snapshot_receiver: takes the state of another node into the inactive generation of this one (N2).
 * Registered as TO_SNAPSHOT_RECEIVER. */
#ifndef AETHER_ACTORS_CONSENSUS_SNAPSHOT_RECEIVER_H
#define AETHER_ACTORS_CONSENSUS_SNAPSHOT_RECEIVER_H

#include "runtime/actor.h"

extern const struct behavior snapshot_receiver_behavior;

#endif
