/* election: who leads (E1-E8, E10). */
#ifndef AETHER_STORE_RAFT_ELECTION_H
#define AETHER_STORE_RAFT_ELECTION_H

#include "store/raft/core_state.h"

void election_start(struct core *core, enum core_start start);
void election_soon(struct core *core); /* E10: the gate opened. */
void election_on_tick(struct core *core);
uint64_t election_due(const struct core *core); /* Tick at which it acts; UINT64_MAX: none. */
void election_on_prevote(struct core *core, const struct core_message *message);
void election_on_prevote_reply(struct core *core, const struct core_message *message);
void election_on_vote(struct core *core, const struct core_message *message);
void election_on_vote_reply(struct core *core, const struct core_message *message);
void election_on_timeout_now(struct core *core, const struct core_message *message);
void election_on_peer_up(struct core *core, replica_id id);
void election_on_peer_down(struct core *core, replica_id id);
/* Our term and vote became durable, or the disk became idle. */
void election_on_persisted(struct core *core);

/* E4: a message of a higher term that makes a follower of that term. */
bool election_must_follow(const struct core *core, const struct core_message *message);
/* A follower of `term`, which is ours or higher; leader 0: unknown. Ends whatever role we had. */
void election_follow(struct core *core, log_term term, replica_id leader);
/* A message of the leader of our term came. false: it can't be (two leaders in a term: STOP). */
bool election_hear_leader(struct core *core, replica_id leader);
void election_step_down_if_unheard(struct core *core); /* E6 */

#endif
