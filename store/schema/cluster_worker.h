/* cluster_worker: which directory a worker's name stands for. A worker is in no configuration, so nothing
 * there tells that it was removed while it was off; as with a replica's, its directory is not let in again.
 *
 *   config/workers/{node}              {"replica":"00…"}: as it said at its last start
 *   config/retired-workers/{replica}   {"node":"worker-1","revision":40}: its node was removed
 *
 * Both are derived (A5): nobody writes them by hand. */
#ifndef AETHER_STORE_SCHEMA_CLUSTER_WORKER_H
#define AETHER_STORE_SCHEMA_CLUSTER_WORKER_H

#include "store/kv.h"
#include "store/raft/entry.h"

#define CLUSTER_WORKERS_PREFIX         "config/workers/"
#define CLUSTER_RETIRED_WORKERS_PREFIX "config/retired-workers/"

/* --- rules, called by cluster_node.c and cluster_change.c only -------------------------------------------
 */

bool cluster_worker_is_retired(struct kv_txn *txn, replica_id id);
void cluster_worker_put(struct kv_txn *txn, const char *node, replica_id id);
void cluster_worker_retire(struct kv_txn *txn, const struct kv_context *context, const char *node);

#endif
