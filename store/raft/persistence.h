/* persistence: what was given to the disk, and what of it is durable (C2, R8). */
#ifndef AETHER_STORE_RAFT_PERSISTENCE_H
#define AETHER_STORE_RAFT_PERSISTENCE_H

#include "store/raft/core_state.h"

/* How many batches proposals leave to messages, and messages to changes of term, when the disk is slow. */
enum { PERSISTENCE_SPARE_PROPOSAL = 128, PERSISTENCE_SPARE_MESSAGE = 8 };

/* One PERSIST: the term and vote if they changed, a truncation (0: none), and the tail's entries from `from`
 * to the last (0: none). */
void persistence_issue(struct core *core, log_index truncate_from, log_index from);
/* The flip of a snapshot (N2, N3), in its place among them; its sequence. */
uint64_t persistence_install(struct core *core, const struct core_snapshot *snapshot, bool keep_log);
/* F3: ticks since the oldest unfinished one was issued; 0: none is unfinished. */
uint64_t persistence_oldest_age(const struct core *core);
/* E6, F3: that took longer than T_min. Who stands still so says nothing that would keep a leader, or make
 * one. */
bool persistence_stalls(const struct core *core);
void persistence_on_persisted(struct core *core, uint64_t sequence);
bool persistence_is_idle(const struct core *core);
bool persistence_hard_is_durable(const struct core *core);
/* Room for one more batch and `spare` others. */
bool persistence_has_room(const struct core *core, uint64_t spare);
/* Takes effect with the next PERSIST of this step. A second vote in a term stops the core. */
void persistence_set_hard(struct core *core, log_term term, replica_id vote);

#endif
