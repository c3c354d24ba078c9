/* membership: changes of the configuration, and the leader's way through a joint one (E6, M2, M4; Ongaro's
 * thesis, 4.3). */
#ifndef AETHER_STORE_RAFT_MEMBERSHIP_H
#define AETHER_STORE_RAFT_MEMBERSHIP_H

#include "store/raft/core_state.h"

void membership_on_conf(struct core *core, uint64_t tag, const struct configuration *wanted);
/* Once a step, after commit, when we lead: leaves a joint configuration, or the lead that we no longer have.
 */
void membership_settle(struct core *core);
void membership_announce(struct core *core); /* Once a step: CONFIGURED. */

#endif
