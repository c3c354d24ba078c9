/* following: what a replica does with its leader's messages (R2-R5). */
#ifndef AETHER_STORE_RAFT_FOLLOWING_H
#define AETHER_STORE_RAFT_FOLLOWING_H

#include "store/raft/core_state.h"

/* Messages of our own term, from the leader of that term. */
void following_on_append(struct core *core, const struct core_message *message);
void following_on_heartbeat(struct core *core, const struct core_message *message);
/* Of a lower term: tells the sender ours (E4). */
void following_refuse(struct core *core, const struct core_message *message);

#endif
