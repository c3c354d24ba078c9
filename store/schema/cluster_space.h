/* cluster_space: config/alarms/no-space/{node} (space_alarm.h), the agreed word that a node's store has
 * little room left (F2). The node itself raises and ends it (OpNodeSpace); it goes with the node's loss or
 * removal, since who is not here holds up nobody, and says it again when it is back. While any stands, what
 * makes the state larger at a client's wish (puts, blueprints) is refused on every replica alike (A2);
 * deletes, and what the cluster writes for itself (leases, presence, facts, no-ops), go on. Nobody writes
 * these keys by hand. Called by rules.c and its domains only. */
#ifndef AETHER_STORE_SCHEMA_CLUSTER_SPACE_H
#define AETHER_STORE_SCHEMA_CLUSTER_SPACE_H

#include "store/kv.h"

/* An alarm that stands already, or one that does not, changes nothing. rules.c has checked that
 * Command.incarnation is the node's current one (A7). */
MUST_CHECK enum status cluster_rules_node_space(struct kv_txn *txn, const struct kv_context *context,
                                                const Pb__OpNodeSpace *space, struct error *error);
/* OVERLOADED, naming the first node, while an alarm stands. */
MUST_CHECK enum status cluster_space_check(struct kv_txn *txn, struct error *error);
void cluster_space_forget(struct kv_txn *txn, const char *node);

#endif
