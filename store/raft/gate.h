/* gate: who comes back with a log asks first whether the others know more of it than it does (T3), and
 * whoever is retired is told so (E5). */
#ifndef AETHER_STORE_RAFT_GATE_H
#define AETHER_STORE_RAFT_GATE_H

#include "store/raft/core_state.h"

void gate_start(struct core *core, enum core_start start);
void gate_on_tick(struct core *core);
void gate_on_peer_up(struct core *core, replica_id id);
void gate_on_hello(struct core *core, const struct core_message *message);
void gate_on_hello_reply(struct core *core, const struct core_message *message);
/* false: the sender is retired (it is told), or we are gated and this is no HELLO: it goes no further. */
bool gate_admits(struct core *core, const struct core_message *message);
void gate_on_retired(struct core *core, const replica_id *ids, uint32_t count);
bool gate_is_retired(const struct core *core, replica_id id);
uint64_t gate_due(const struct core *core); /* Tick at which it acts; UINT64_MAX: none. */

#endif
