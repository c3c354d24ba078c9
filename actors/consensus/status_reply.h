/* status_reply: what CONSENSUS_STATUS is told of this replica's core. A part of the leader actor. */
#ifndef AETHER_ACTORS_CONSENSUS_STATUS_REPLY_H
#define AETHER_ACTORS_CONSENSUS_STATUS_REPLY_H

#include "runtime/message.h"
#include "store/raft/core.h"

/* Into a KIND_CONSENSUS_STATUS_REPLY that names its node and replica already; the members go into its arena.
 */
void status_reply_put_core(struct message *message, const struct core *core, log_index applied);

#endif
