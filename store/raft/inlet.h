/* inlet: is a message from another replica one that the rest of the core may believe in form? */
#ifndef AETHER_STORE_RAFT_INLET_H
#define AETHER_STORE_RAFT_INLET_H

#include "store/raft/core_state.h"

/* false: damaged, misaddressed or out of bounds; it is dropped and counted. What it claims is not judged. */
bool inlet_accepts(const struct core *core, const struct core_message *message);
/* Terms rise one by one: a replica that was away for years is not that far behind. Without this bound one
 * damaged message, or offer of a snapshot, could use up all terms there are. */
bool inlet_term_is_near(const struct core *core, log_term term);

#endif
