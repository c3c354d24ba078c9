/* raft_replica: drives one core of the swarm: its clock, disk, state and the network it sends to. */
#ifndef AETHER_TESTS_SUPPORT_RAFT_REPLICA_H
#define AETHER_TESTS_SUPPORT_RAFT_REPLICA_H

#include "tests/support/raft_swarm_state.h"

void replica_start(struct swarm *swarm, uint32_t at, enum core_start how);
/* What was on its way to the disk may have come through. restart_at 0: it stays away. */
void replica_crash(struct swarm *swarm, uint32_t at, uint64_t restart_at);
/* For good (T2): another replica takes the place of its node, if there is one left to make. */
void replica_retire(struct swarm *swarm, uint32_t at);
/* One event, with everything that follows from it. Ticks that went by come first. */
void replica_step(struct swarm *swarm, uint32_t at, const struct core_event *event);
/* An occasion of one replica comes about. */
void replica_on_occasion(struct swarm *swarm, const struct occasion *occasion);
/* Empty, in nobody's configuration yet, under the name of that node. SWARM_REPLICAS_MAX: no room. */
uint32_t replica_make(struct swarm *swarm, uint32_t node);

#endif
