/* transfer: handing leadership over, on request and towards the preferred voter (E9; Ongaro's thesis, 3.10).
 */
#ifndef AETHER_STORE_RAFT_TRANSFER_H
#define AETHER_STORE_RAFT_TRANSFER_H

#include "store/raft/core_state.h"

void transfer_start_term(struct core *core);                    /* We lead. */
void transfer_on_request(struct core *core, replica_id target); /* 0: whom we find best. */
void transfer_on_tick(struct core *core);
/* We lead no longer: who has everything is told to stand for election at once. */
void transfer_bequeath(struct core *core);
void transfer_settle(struct core *core);        /* Once a step: the target has all? Then it is told. */
uint64_t transfer_due(const struct core *core); /* Tick at which it acts, when we lead; UINT64_MAX: none. */
void transfer_end(struct core *core);           /* We lead no longer. */

#endif
