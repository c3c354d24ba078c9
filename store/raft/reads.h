/* reads: linearizable reads by read index (Q1, Q2; Ongaro's thesis, 6.4). */
#ifndef AETHER_STORE_RAFT_READS_H
#define AETHER_STORE_RAFT_READS_H

#include "store/raft/core_state.h"

void reads_start_term(struct core *core); /* We lead a new term: tokens begin anew. */
void reads_on_read(struct core *core, uint64_t tag, bool patient);
void reads_on_read_index(struct core *core, const struct core_message *message);
void reads_on_read_index_reply(struct core *core, const struct core_message *message);
void reads_on_heartbeat_reply(struct core *core, struct progress *peer, uint64_t token);
void reads_on_tick(struct core *core);
/* On the leader, before its heartbeats leave: whoever waits for a round goes along. */
void reads_on_heartbeat(struct core *core);
uint64_t reads_due(const struct core *core);            /* Tick at which it acts; UINT64_MAX: none. */
void reads_fail(struct core *core, enum status status); /* All that wait. */
/* Once a step: gives tokens, asks the leader, and answers what is confirmed and applied. true: a new round of
 * heartbeats has to leave. */
bool reads_settle(struct core *core);

#endif
