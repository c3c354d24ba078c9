/* replication: the leader's half of the log's way to the others, and of commit (R1, R6, R7, R10, E7). */
#ifndef AETHER_STORE_RAFT_REPLICATION_H
#define AETHER_STORE_RAFT_REPLICATION_H

#include "store/raft/core_state.h"

void replication_start(struct core *core); /* We lead: append the no-op. */
/* false: no room for it now. */
bool replication_append_configuration(struct core *core, struct bytes *payload);
void replication_on_propose(struct core *core, const struct core_proposal *proposals, uint32_t count);
void replication_on_append_reply(struct core *core, const struct core_message *message);
void replication_on_log_read(struct core *core, uint64_t tag, const struct raft_entry *entries,
                             uint32_t count);
void replication_on_peer_down(struct core *core, replica_id id);
void replication_on_tick(struct core *core);
uint64_t replication_due(const struct core *core); /* Tick at which it acts, when we lead. */
/* Once a step, when we lead: commits what a quorum holds, */
void replication_commit(struct core *core);
/* and sends what the windows allow; in a read round a heartbeat to each. */
void replication_send(struct core *core, bool read_round);

#endif
