/* snapshots: a state instead of the entries that made it, for who is too far behind (R1, N2-N4, T6). The
 * bytes travel outside the core: it decides when one is needed, which one is taken, and what becomes of the
 * log. */
#ifndef AETHER_STORE_RAFT_SNAPSHOTS_H
#define AETHER_STORE_RAFT_SNAPSHOTS_H

#include "store/raft/core_state.h"

/* The leader's half. true: the log no longer holds what the peer needs; it is not fed until it was sent one.
 */
bool snapshots_must_send(struct core *core, struct progress *peer);
void snapshots_begin(struct core *core, struct progress *peer);
void snapshots_on_sent(struct core *core, replica_id replica, log_index index);

/* The follower's half. */
void snapshots_on_offered(struct core *core, replica_id from, log_term term, bool asked,
                          const struct core_snapshot *snapshot);
void snapshots_on_ready(struct core *core, const struct log_position *position);
void snapshots_on_failed(struct core *core, const struct log_position *position);
void snapshots_on_persisted(struct core *core); /* More is durable: the flip, perhaps. */
void snapshots_on_applied(struct core *core);   /* The state holds more: the installed one, perhaps. */
void snapshots_on_tick(struct core *core);      /* T6: asks. */
/* N4: gives up what was being received from another than `leader`; 0: from anybody. */
void snapshots_cancel(struct core *core, replica_id leader);
bool snapshots_is_installing(const struct core *core); /* From ACCEPT until the state is loaded. */
/* The state is about to be replaced, or was and is not loaded yet: nothing is applied. */
bool snapshots_holds_apply(const struct core *core);
uint64_t snapshots_due(const struct core *core); /* Tick; UINT64_MAX: none. */

#endif
