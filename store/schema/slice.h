/* slice: the rules of blueprints/, blueprint-history/, allocations/, slices/ and endpoints/ (product.md
 * sections 3 and 5): who may write them, the drawn lifecycle moves, and the endpoints that follow from the
 * slices in the same entry (A5, DEP4). Called by rules.c only; every function is one step of a transaction:
 * an error undoes the whole of it. */
#ifndef AETHER_STORE_SCHEMA_SLICE_H
#define AETHER_STORE_SCHEMA_SLICE_H

#include "store/kv.h"

/* Puts and deletes of keys under those five prefixes, from any origin: ORIGIN_CLIENT was refused before. */
enum status slice_rules_put(struct kv_txn *txn, const struct kv_context *context, const Pb__OpPut *put,
                            struct error *error);
enum status slice_rules_delete(struct kv_txn *txn, const struct kv_context *context, const char *key,
                               struct error *error);
/* A node's fact. rules.c has checked that Command.incarnation is the node's current one (A7); the
 * allocation's revision and the move are checked here. */
enum status slice_rules_fact(struct kv_txn *txn, const struct kv_context *context,
                             const Pb__OpSliceFact *fact, struct error *error);
/* The node's incarnation ended: its slices/{node}/ records and its endpoints go, in this entry (A7, DEP3). */
void slice_rules_forget_node(struct kv_txn *txn, const struct kv_context *context, const char *node);

#endif
