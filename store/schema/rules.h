/* rules: what must hold between keys, checked and derived in the entry that changes them (A5), identically on
 * every replica. rules.c dispatches by key prefix and operation; each domain keeps its own file (slice.c,
 * cluster.c). */
#ifndef AETHER_STORE_SCHEMA_RULES_H
#define AETHER_STORE_SCHEMA_RULES_H

#include "store/kv.h"

extern const struct kv_rules schema_rules;

/* --- for the domains' files ------------------------------------------------------------------------------
 */
struct value;

/* A record's value as a tree; NULL: absent, or not JSON. The caller frees it (value_free). */
struct value *rules_get(struct kv_txn *txn, const char *key);
/* Writes the tree as JSON. */
void rules_put(struct kv_txn *txn, const char *key, const struct value *value);
/* The same, and takes the tree. */
void rules_put_take(struct kv_txn *txn, const char *key, struct value **value);

/* Origin and leader term (A5): OK only for what the leader's managers write in their own term, or the store
 * itself, or (where allow_forced) an admin by force. */
enum status rules_check_manager(const struct kv_context *context, const char *key, bool allow_forced,
                                struct error *error);

#endif
