/* inlet: is a message from another replica one that the rest of the core may believe in form? */
#ifndef AETHER_STORE_RAFT_INLET_H
#define AETHER_STORE_RAFT_INLET_H

#include "store/raft/core_state.h"

/* false: damaged, misaddressed or out of bounds; it is dropped and counted. What it claims is not judged. */
bool inlet_accepts(const struct core *core, const struct core_message *message);

#endif
