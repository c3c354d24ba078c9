/* raft_clients: what is asked of the swarm: proposals, reads, and changes of who takes part. */
#ifndef AETHER_TESTS_SUPPORT_RAFT_CLIENTS_H
#define AETHER_TESTS_SUPPORT_RAFT_CLIENTS_H

#include "tests/support/raft_swarm_state.h"

void clients_one(struct swarm *swarm);
void clients_operate(struct swarm *swarm); /* One change of the configuration, or several at once. */
/* The driver's part in T5, after each step that asked for it. */
void clients_checkpoint(struct swarm *swarm, uint32_t at);

#endif
