/* raft_occasions: what is going to happen in a run of the swarm, by time. */
#ifndef AETHER_TESTS_SUPPORT_RAFT_OCCASIONS_H
#define AETHER_TESTS_SUPPORT_RAFT_OCCASIONS_H

#include "tests/support/raft_swarm_state.h"

/* To be filled by the caller; the swarm keeps it. */
struct occasion *occasions_add(struct swarm *swarm, enum occasion_type type, uint32_t replica, uint64_t at);
struct occasion *occasions_next(struct swarm *swarm); /* The caller's, to destroy. There is always one. */
void occasions_destroy(struct occasion *occasion);
void occasions_fini(struct swarm *swarm);

#endif
