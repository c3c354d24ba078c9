/* slice_rules: what must hold between blueprints, allocations, slices and endpoints, checked and derived in
 * the entry that changes them (A5, A7, DEP4-DEP6, DEP9). Called by rules.c only. */
#ifndef AETHER_STORE_SCHEMA_SLICE_RULES_H
#define AETHER_STORE_SCHEMA_SLICE_RULES_H

#include "store/kv.h"

/* Puts and deletes under blueprints/, blueprint-history/, allocations/, slices/ and endpoints/, from any
 * origin: ORIGIN_CLIENT was refused before. Each is one step of a transaction: an error undoes all of it. */
MUST_CHECK enum status slice_rules_put(struct kv_txn *txn, const struct kv_context *context,
                                       const Pb__OpPut *put, struct error *error);
MUST_CHECK enum status slice_rules_delete(struct kv_txn *txn, const struct kv_context *context,
                                          const char *key, struct error *error);
/* A node's fact. rules.c has checked that Command.incarnation is the node's current one (A7); the
 * allocation's revision, the move and the one live owner are checked here. A fence only for what begins an
 * ascent or serves (LOAD, ACTIVATE, ACTIVE): an instance whose allocation was withdrawn must still be able to
 * follow the arrows down, and from LOAD or ACTIVATE these lead through LOADING or ACTIVATING. */
MUST_CHECK enum status slice_rules_fact(struct kv_txn *txn, const struct kv_context *context,
                                        const Pb__OpSliceFact *fact, struct error *error);
/* The node was lost, or started anew: its records and endpoints go in this entry (A7, DEP3). */
void slice_rules_forget_node(struct kv_txn *txn, const struct kv_context *context, const char *node);

#endif
