/* cluster_node: what the rules of nodes/{id} share (cluster_node.c, cluster_change.c). */
#ifndef AETHER_STORE_SCHEMA_CLUSTER_NODE_H
#define AETHER_STORE_SCHEMA_CLUSTER_NODE_H

#include "store/kv.h"
#include "wire/json/value.h"

struct value *cluster_node_get(struct kv_txn *txn, const char *node); /* NULL: none. The caller frees it. */
void cluster_node_put(struct kv_txn *txn, const char *node, struct value **record); /* Takes the record. */
/* config/labels/{node}: what people set by command goes over what the node's configuration says. */
void cluster_labels_apply(struct kv_txn *txn, const char *node, struct value *record);

#endif
