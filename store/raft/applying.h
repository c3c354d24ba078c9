/* applying: hands committed entries to the state, in order, once (R9). */
#ifndef AETHER_STORE_RAFT_APPLYING_H
#define AETHER_STORE_RAFT_APPLYING_H

#include "store/raft/core_state.h"

void applying_on_applied(struct core *core, log_index index);
void applying_settle(struct core *core); /* Once a step. */

#endif
