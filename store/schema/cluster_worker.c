/* cluster_worker: see the header. */
#include "store/schema/cluster_worker.h"

#include "store/schema/cluster.h"
#include "store/schema/document.h"

#include <inttypes.h>
#include <stdio.h>

enum { REPLICA_TEXT_MAX = 17 };

static void replica_text(char text[REPLICA_TEXT_MAX], replica_id id)
{
    (void)snprintf(text, REPLICA_TEXT_MAX, "%016" PRIx64, (uint64_t)id);
}

static void worker_key(char key[CLUSTER_KEY_SIZE], const char *node)
{
    (void)snprintf(key, CLUSTER_KEY_SIZE, CLUSTER_WORKERS_PREFIX "%s", node);
}

bool cluster_worker_is_retired(struct kv_txn *txn, replica_id id)
{
    char key[CLUSTER_KEY_SIZE];
    char text[REPLICA_TEXT_MAX];
    replica_text(text, id);
    (void)snprintf(key, sizeof key, CLUSTER_RETIRED_WORKERS_PREFIX "%s", text);
    return kv_txn_get(txn, key) != NULL;
}

void cluster_worker_put(struct kv_txn *txn, const char *node, replica_id id)
{
    char key[CLUSTER_KEY_SIZE];
    char text[REPLICA_TEXT_MAX];
    struct value *document = value_new_object();
    worker_key(key, node);
    replica_text(text, id);
    value_set_string(document, "replica", text);
    document_put(txn, key, &document);
}

void cluster_worker_retire(struct kv_txn *txn, const struct kv_context *context, const char *node)
{
    char key[CLUSTER_KEY_SIZE];
    worker_key(key, node);
    struct value *known = document_get(txn, key);
    if (known == NULL) return;
    (void)kv_txn_delete(txn, key);
    (void)snprintf(key, sizeof key, CLUSTER_RETIRED_WORKERS_PREFIX "%s",
                   value_get_string(known, "replica", ""));
    struct value *document = value_new_object();
    value_set_string(document, "node", node);
    value_set_integer(document, "revision", (int64_t)context->revision);
    document_put(txn, key, &document);
    value_free(&known);
}
