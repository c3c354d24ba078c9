/* lease_keeper: times every lease there is, on the node that leads (consensus.md A3), and answers agent
 * status and agent release. TO_LEASE_KEEPER; no options. */
#ifndef AETHER_ACTORS_CLUSTER_LEASE_KEEPER_H
#define AETHER_ACTORS_CLUSTER_LEASE_KEEPER_H

#include "runtime/actor.h"

extern const struct behavior lease_keeper_behavior;

#endif
