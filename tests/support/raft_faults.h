/* raft_faults: what goes wrong in a run of the swarm, until it heals. */
#ifndef AETHER_TESTS_SUPPORT_RAFT_FAULTS_H
#define AETHER_TESTS_SUPPORT_RAFT_FAULTS_H

#include "tests/support/raft_swarm_state.h"

void faults_draw_families(struct swarm *swarm);
void faults_one(struct swarm *swarm);
/* The replica comes back after a crash; perhaps from an old copy of its directory, or a damaged one. */
void faults_restart(struct swarm *swarm, uint32_t at);
/* From now on a majority works well; the others are gone, cut off in some way, or well too. */
void faults_heal(struct swarm *swarm);

#endif
