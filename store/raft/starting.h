/* starting: what a replica begins with (INIT). */
#ifndef AETHER_STORE_RAFT_STARTING_H
#define AETHER_STORE_RAFT_STARTING_H

#include "store/raft/core_state.h"

void starting_on_init(struct core *core, const struct core_init *init);

#endif
