/* roster: the active configuration and those before it that a truncation may bring back (M1), and the peers
 * that follow from it. */
#ifndef AETHER_STORE_RAFT_ROSTER_H
#define AETHER_STORE_RAFT_ROSTER_H

#include "store/raft/core_state.h"

const struct configuration *roster_active(const struct core *core); /* Of no members: none known yet. */
log_index roster_active_index(const struct core *core);             /* Of its entry; 0: none. */
/* A configuration entry came into the log. One that M4 forbids stops the core. */
void roster_append(struct core *core, const struct raft_entry *entry);
void roster_truncate(struct core *core, log_index from);
void roster_tidy(struct core *core); /* Forgets what is older than the one in force at `applied`. */
/* The log begins anew after a snapshot that brought this one. */
void roster_replace(struct core *core, const struct core_log_configuration *configuration);
/* Makes the peers anew; what is known of those that stay is kept. */
void roster_refresh(struct core *core);
/* What a quorum of the active configuration agrees on, in both halves when joint: see quorum_value. */
uint64_t roster_quorum(const struct core *core, uint64_t (*value_of)(const void *core, replica_id voter));
struct progress *roster_peer(struct core *core, replica_id id); /* NULL: not a member, or ourselves. */
bool roster_self_is_voter(const struct core *core);
bool roster_is_incoming_voter(const struct core *core); /* We are one that stays. */
/* E3: a voter, or one until the newest configuration, which is not known to be committed: it may be the only
 * one whose log is new enough (Ongaro's thesis, 4.2.2). */
bool roster_self_may_lead(const struct core *core);

#endif
