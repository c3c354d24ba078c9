/* recording: when the leader has to write down what each voter holds (T5). */
#ifndef AETHER_STORE_RAFT_RECORDING_H
#define AETHER_STORE_RAFT_RECORDING_H

#include "store/raft/core_state.h"

void recording_start_term(struct core *core);
void recording_appended(struct core *core, log_index index); /* A CHECKPOINT of ours is in the log. */
void recording_settle(struct core *core);                    /* Once a step, when we lead: CHECKPOINT_DUE. */
uint64_t recording_due(const struct core *core);             /* Tick; UINT64_MAX: nothing to record. */

#endif
