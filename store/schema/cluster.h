/* cluster: the rules of nodes/, leases/, events/, audit/ and of what the store keeps under config/ for itself
 * (product.md section 5). Called by rules.c only, with the origin's right already checked; every function is
 * one step of a transaction: an error undoes all of it. */
#ifndef AETHER_STORE_SCHEMA_CLUSTER_H
#define AETHER_STORE_SCHEMA_CLUSTER_H

#include "store/kv.h"
#include "wire/json/value.h"

enum {
    CLUSTER_NODE_NAME_MAX = 63, /* Characters. */
    CLUSTER_LEASE_NAME_MAX = 128,
    CLUSTER_LEASE_TTL_MIN_MS = 500,
    CLUSTER_LEASE_TTL_MAX_MS = 24 * 3600 * 1000,
    CLUSTER_NO_OPS_KEPT = 4, /* A3 */
    CLUSTER_KEY_SIZE = KV_KEY_MAX + 1,
};

/* "nodes/{id}", "leases/{name}", "config/leases/{name}" (the time to live that it was granted for:
 * {"ttl": ms}, which the value of leases/{name} has no field for). */
void cluster_key_node(char key[CLUSTER_KEY_SIZE], const char *node);
void cluster_key_lease(char key[CLUSTER_KEY_SIZE], const char *name);
void cluster_key_lease_ttl(char key[CLUSTER_KEY_SIZE], const char *name);
/* Letters, digits, '-', '_' and '.', starting with a letter or digit: names stand in keys and on the wire. */
bool cluster_name_is_valid(const char *name, size_t length_max);

/* A forced write or delete under nodes/, leases/, events/ or audit/. */
MUST_CHECK enum status cluster_rules_put(struct kv_txn *txn, const struct kv_context *context,
                                         const Pb__OpPut *put, struct error *error);
MUST_CHECK enum status cluster_rules_delete(struct kv_txn *txn, const struct kv_context *context,
                                            const char *key, struct error *error);
/* A node's own write (ORIGIN_NODE): CONFLICT unless Command.incarnation is the current one and not lost (A7).
 */
MUST_CHECK enum status cluster_rules_check_node(struct kv_txn *txn, const struct kv_context *context,
                                                struct error *error);
MUST_CHECK enum status cluster_rules_node_started(struct kv_txn *txn, const struct kv_context *context,
                                                  const Pb__OpNodeStarted *started, struct error *error);
MUST_CHECK enum status cluster_rules_node_lost(struct kv_txn *txn, const struct kv_context *context,
                                               const Pb__OpNodeLost *lost, struct error *error);
MUST_CHECK enum status cluster_rules_node_presence(struct kv_txn *txn, const struct kv_context *context,
                                                   const Pb__OpNodePresence *presence, struct error *error);
/* cluster_change.c: what people and the leader's voter_keeper decide. */
MUST_CHECK enum status cluster_rules_node_change(struct kv_txn *txn, const struct kv_context *context,
                                                 const Pb__OpNodeChange *change, struct error *error);
MUST_CHECK enum status cluster_rules_event(struct kv_txn *txn, const struct kv_context *context,
                                           const Pb__OpEvent *event, struct error *error);

/* --- cluster_lease.c --------------------------------------------------------------------------------------
 */
MUST_CHECK enum status cluster_lease_grant(struct kv_txn *txn, const struct kv_context *context,
                                           const Pb__OpLeaseGrant *grant, Pb__OperationResult *out_result,
                                           struct error *error);
MUST_CHECK enum status cluster_lease_renew(struct kv_txn *txn, const struct kv_context *context,
                                           const Pb__OpLeaseRenew *renew, Pb__OperationResult *out_result,
                                           struct error *error);
MUST_CHECK enum status cluster_lease_revoke(struct kv_txn *txn, const struct kv_context *context,
                                            const Pb__OpLeaseRevoke *revoke, struct error *error);
MUST_CHECK enum status cluster_lease_expire(struct kv_txn *txn, const struct kv_context *context,
                                            const Pb__OpLeaseExpire *expire, struct error *error);
/* A new leader's entry: what was not renewed since the fourth-last of these expires now (A3). */
void cluster_lease_no_op(struct kv_txn *txn, const struct kv_context *context);
bool cluster_lease_exists(struct kv_txn *txn, const char *name);

#endif
