/* outbox: the actions of one step, and the messages that wait for the disk (E3, R5, D5). */
#ifndef AETHER_STORE_RAFT_OUTBOX_H
#define AETHER_STORE_RAFT_OUTBOX_H

#include "store/raft/core_state.h"

void outbox_begin(struct core *core);
const struct core_actions *outbox_end(struct core *core);

/* A new zeroed action; never NULL (beyond the bound the core stops, and the action is thrown away). */
struct core_action *outbox_add(struct core *core, enum core_action_type type);
/* Fills in from; term too unless it is set. Leaves now if our term and vote are durable, else when they are.
 */
void outbox_send(struct core *core, struct core_message message);
/* An acknowledgement of message.match: not before that is durable. */
void outbox_acknowledge(struct core *core, struct core_message message);
void outbox_reject(struct core *core, uint64_t tag, enum status status);
void outbox_release(struct core *core);   /* What may leave now that more is durable. */
void outbox_drop_held(struct core *core); /* R5: the term changed. */
/* The log that they speak of is about to be replaced by a snapshot. */
void outbox_drop_acknowledgements(struct core *core);

#endif
