/* quorum: what a majority agrees on. One function serves votes (0 or 1), matches, tokens and silence, so both
 * halves of a joint configuration are counted in one place (M2). */
#ifndef AETHER_STORE_RAFT_QUORUM_H
#define AETHER_STORE_RAFT_QUORUM_H

#include "store/raft/configuration.h"

/* The largest number that a majority of the voters reaches, in both halves when joint: value_of is asked for
 * each voter. 0 for a configuration without voters. */
uint64_t quorum_value(const struct configuration *configuration,
                      uint64_t (*value_of)(const void *context, replica_id voter), const void *context);

#endif
