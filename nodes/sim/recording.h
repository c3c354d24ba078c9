/* recording: what the simulation's clients do, as a history for the linearizability checkers (history.h). */
#ifndef AETHER_NODES_SIM_RECORDING_H
#define AETHER_NODES_SIM_RECORDING_H

#include "nodes/sim/world.h"

bool recording_is_unknown(enum status status); /* It may have happened. */

void recording_begin_put(struct sim_request *request, const struct sim_put *put);
void recording_begin_delete(struct sim_request *request);
void recording_begin_get(struct sim_request *request, const struct sim_get *get);
void recording_end_change(struct sim_request *request, enum status status, uint64_t revision);
void recording_begin_list(struct sim_request *request, const struct sim_list *list);
/* The refusal of an absent key tells no revision: such a read is left to the other checkers (checkers.h); a
 * list has one always. */
void recording_end_read(struct sim_request *request);
void recording_end_list(struct sim_request *request);

#endif
