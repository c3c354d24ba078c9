/* cluster_node: nodes/{id}, which says who is here: presence is the leader's, state and labels are people's
 * (cluster_change.c), the rest the node's own. */
#include "store/schema/cluster_node.h"
#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/planted.h"
#include "store/schema/cluster.h"
#include "store/schema/cluster_space.h"
#include "store/schema/cluster_worker.h"
#include "store/schema/document.h"
#include "store/schema/event.h"
#include "store/schema/slice_rules.h"

#include <string.h>

/* 64-bit integers in values stay below 2^53: JSON readers elsewhere keep no more. */
static const uint64_t INTEGER_MAX = UINT64_C(1) << 53;

struct value *cluster_node_get(struct kv_txn *txn, const char *node)
{
    char key[CLUSTER_KEY_SIZE];
    if (!cluster_name_is_valid(node, CLUSTER_NODE_NAME_MAX)) return NULL;
    cluster_key_node(key, node);
    return document_get(txn, key);
}

void cluster_node_put(struct kv_txn *txn, const char *node, struct value **record)
{
    char key[CLUSTER_KEY_SIZE];
    cluster_key_node(key, node);
    document_put(txn, key, record);
}

static uint64_t incarnation_of(const struct value *record)
{
    int64_t incarnation = value_get_integer(record, "incarnation", 0);
    return incarnation < 0 ? 0 : (uint64_t)incarnation;
}

static bool is_lost(const struct value *record)
{
    return strcmp(value_get_string(record, "presence", ""), "LOST") == 0;
}

enum status cluster_rules_check_node(struct kv_txn *txn, const struct kv_context *context,
                                     struct error *error)
{
    const Pb__Command *command = context->command;
    struct value *record = cluster_node_get(txn, command->node);
    bool current = record != NULL && incarnation_of(record) == command->incarnation && !is_lost(record);
    if (PLANTED("cluster_node.old_incarnation_counts")) current = record != NULL;
    value_free(&record);
    if (current) return STATUS_OK;
    MARK("cluster_node.incarnation_is_old");
    return error_set(error, STATUS_CONFLICT, "incarnation %llu of node \"%.63s\" is not current",
                     (unsigned long long)command->incarnation, command->node);
}

static void set_fact(struct value *record, const struct value *facts, const char *name, enum value_type type,
                     struct value *otherwise)
{
    const struct value *fact = value_get(facts, name);
    if (fact == NULL || value_type(fact) != type) {
        value_set(record, name, otherwise);
        return;
    }
    value_free(&otherwise);
    value_set(record, name, value_clone(fact));
}

static struct value *protocol_default(void)
{
    struct value *range = value_new_array();
    value_append(range, value_new_integer(1));
    value_append(range, value_new_integer(1));
    return range;
}

/* The fields of product.md section 5, in its order, whatever the node sent; after them where its clients
 * connect to, if it says so. */
static struct value *node_record(const struct value *before, const struct value *facts, uint64_t incarnation)
{
    const char *state = value_get_string(before, "state", "");
    bool kept = strcmp(state, "DRAINING") == 0 || strcmp(state, "DECOMMISSIONED") == 0;
    struct value *record = value_new_object();
    value_set_string(record, "state", kept ? state : "ON_DUTY");
    value_set_string(record, "presence", "UP");
    value_set_integer(record, "incarnation", (int64_t)incarnation);
    set_fact(record, facts, "address", VALUE_STRING, value_new_string(""));
    set_fact(record, facts, "public-key", VALUE_STRING, value_new_string(""));
    set_fact(record, facts, "labels", VALUE_OBJECT, value_new_object());
    set_fact(record, facts, "zone", VALUE_STRING, value_new_string(""));
    set_fact(record, facts, "capacity", VALUE_OBJECT, value_new_object());
    set_fact(record, facts, "protocol", VALUE_ARRAY, protocol_default());
    set_fact(record, facts, "role", VALUE_STRING, value_new_string("voter"));
    const char *clients = value_get_string(facts, "client-address", "");
    if (clients[0] != '\0') value_set_string(record, "client-address", clients);
    return record;
}

static void node_event(struct kv_txn *txn, const struct kv_context *context, const char *type,
                       const char *node, uint64_t incarnation, const char *reason)
{
    struct value *fields = value_new_object();
    value_set_string(fields, "node", node);
    value_set_integer(fields, "incarnation", (int64_t)incarnation);
    if (reason[0] != '\0') value_set_string(fields, "reason", reason);
    event_add(txn, context, type, &fields);
}

/* A repeated start of the current incarnation is fine (its command was sent twice), but never brings one back
 * that was declared lost: its records are gone, and it must start over (A7). */
static enum status check_incarnation(const struct value *before, const Pb__OpNodeStarted *started,
                                     bool *out_repeated, struct error *error)
{
    uint64_t current = incarnation_of(before);
    *out_repeated = before != NULL && started->incarnation == current && !is_lost(before);
    if (*out_repeated) return STATUS_OK;
    if (started->incarnation > current && started->incarnation < INTEGER_MAX) return STATUS_OK;
    MARK("cluster_node.start_is_old");
    return error_set(error, STATUS_CONFLICT, "incarnation %llu of %s is not newer than %llu",
                     (unsigned long long)started->incarnation, started->node, (unsigned long long)current);
}

enum status cluster_rules_node_started(struct kv_txn *txn, const struct kv_context *context,
                                       const Pb__OpNodeStarted *started, struct error *error)
{
    if (!cluster_name_is_valid(started->node, CLUSTER_NODE_NAME_MAX)) {
        return error_set(error, STATUS_INVALID, "\"%.63s\" is no node name", started->node);
    }
    if (started->replica != 0 && cluster_worker_is_retired(txn, started->replica)) {
        MARK("cluster_node.removed_worker_is_told");
        (void)error_set(error, STATUS_DENIED, "%s was removed from the cluster", started->node);
        error_hint(error, "to let it in again, start it with an empty node.data");
        return STATUS_DENIED;
    }
    struct value *facts = NULL;
    enum status status = document_parse(started->facts.data, started->facts.len, &facts, error);
    if (status != STATUS_OK) return status;
    bool repeated = false;
    struct value *before = cluster_node_get(txn, started->node);
    status = check_incarnation(before, started, &repeated, error);
    if (status == STATUS_OK && !repeated) {
        struct value *record = node_record(before, facts, started->incarnation);
        cluster_labels_apply(txn, started->node, record);
        slice_rules_forget_node(txn, context, started->node);
        if (started->replica != 0) cluster_worker_put(txn, started->node, started->replica);
        cluster_node_put(txn, started->node, &record);
        node_event(txn, context, "node.started", started->node, started->incarnation, "");
    }
    value_free(&before);
    value_free(&facts);
    return status;
}

enum status cluster_rules_node_lost(struct kv_txn *txn, const struct kv_context *context,
                                    const Pb__OpNodeLost *lost, struct error *error)
{
    (void)error;
    struct value *record = cluster_node_get(txn, lost->node);
    bool current = record != NULL && incarnation_of(record) == lost->incarnation && !is_lost(record);
    if (PLANTED("cluster_node.any_incarnation_is_lost")) current = record != NULL && !is_lost(record);
    if (current) {
        value_set_string(record, "presence", "LOST");
        cluster_node_put(txn, lost->node, &record);
        slice_rules_forget_node(txn, context, lost->node);
        cluster_space_forget(txn, lost->node);
        node_event(txn, context, "node.lost", lost->node, lost->incarnation, lost->reason);
    }
    value_free(&record);
    return STATUS_OK;
}

enum status cluster_rules_node_presence(struct kv_txn *txn, const struct kv_context *context,
                                        const Pb__OpNodePresence *presence, struct error *error)
{
    bool up = strcmp(presence->presence, "UP") == 0;
    if (!up && strcmp(presence->presence, "SUSPECT") != 0) {
        return error_set(error, STATUS_INVALID, "presence is UP or SUSPECT, not \"%.32s\"",
                         presence->presence);
    }
    struct value *record = cluster_node_get(txn, presence->node);
    bool current = record != NULL && incarnation_of(record) == presence->incarnation && !is_lost(record);
    if (current && strcmp(value_get_string(record, "presence", ""), presence->presence) != 0) {
        value_set_string(record, "presence", presence->presence);
        cluster_node_put(txn, presence->node, &record);
        node_event(txn, context, up ? "node.up" : "node.suspect", presence->node, presence->incarnation, "");
    }
    value_free(&record);
    return STATUS_OK;
}
