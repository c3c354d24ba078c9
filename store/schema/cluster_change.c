/* cluster_change: what people decide about a node (OpNodeChange): its state, its labels, and what is wished
 * of its vote (M5). The moves that follow are the leader's voter_keeper's; here is only what must hold in the
 * entry itself.
 *
 *   config/labels/{node}   {"zone":"eu-1","gpu":null}: set by command, or taken away (null); it outlives the
 *                          node's start, which brings the labels of its configuration again. */
#include "runtime/base/check.h"
#include "store/schema/cluster.h"
#include "store/schema/cluster_members.h"
#include "store/schema/cluster_node.h"
#include "store/schema/cluster_space.h"
#include "store/schema/cluster_worker.h"
#include "store/schema/document.h"
#include "store/schema/event.h"
#include "store/schema/slice_rules.h"

#include <stdio.h>
#include <string.h>

enum { LABELS_MAX = 64, LABEL_VALUE_MAX = 256 };

/* --- labels --------------------------------------------------------------------------------------------- */

static void labels_key(char key[CLUSTER_KEY_SIZE], const char *node)
{
    (void)snprintf(key, CLUSTER_KEY_SIZE, "config/labels/%s", node);
}

/* Members of `from` into `to`; null takes one away, unless it has to be remembered. */
static void merge_labels(struct value *to, const struct value *from, bool keeps_null)
{
    void *cursor = NULL;
    const char *name = NULL;
    const struct value *label = NULL;
    while (value_next(from, &cursor, &name, &label)) {
        if (value_type(label) == VALUE_NULL && !keeps_null) value_remove(to, name);
        else value_set(to, name, value_clone(label));
    }
}

static void overlay(struct value *record, const struct value *labels)
{
    if (value_type(value_get(record, "labels")) != VALUE_OBJECT)
        value_set(record, "labels", value_new_object());
    merge_labels(value_edit(record, "labels"), labels, false);
    const char *zone = value_string(value_get(value_get(record, "labels"), "zone"));
    if (value_get(labels, "zone") != NULL) value_set_string(record, "zone", zone == NULL ? "" : zone);
}

void cluster_labels_apply(struct kv_txn *txn, const char *node, struct value *record)
{
    char key[CLUSTER_KEY_SIZE];
    labels_key(key, node);
    struct value *labels = document_get(txn, key);
    if (labels != NULL) overlay(record, labels);
    value_free(&labels);
}

static enum status check_labels(const struct value *labels, struct error *error)
{
    void *cursor = NULL;
    const char *name = NULL;
    const struct value *label = NULL;
    while (value_next(labels, &cursor, &name, &label)) {
        const char *text = value_string(label);
        bool fits = value_type(label) == VALUE_NULL || (text != NULL && strlen(text) <= LABEL_VALUE_MAX);
        if (cluster_name_is_valid(name, CLUSTER_NODE_NAME_MAX) && fits) continue;
        return error_set(error, STATUS_INVALID, "\"%.64s\" is no label, or its value is no short text", name);
    }
    return STATUS_OK;
}

static enum status set_labels(struct kv_txn *txn, const Pb__OpNodeChange *change, struct value *record,
                              struct error *error)
{
    char key[CLUSTER_KEY_SIZE];
    struct value *labels = NULL;
    enum status status = document_parse(change->labels.data, change->labels.len, &labels, error);
    if (status == STATUS_OK) status = check_labels(labels, error);
    if (status == STATUS_OK) {
        labels_key(key, change->node);
        struct value *kept = document_get(txn, key);
        if (kept == NULL) kept = value_new_object();
        merge_labels(kept, labels, true);
        overlay(record, labels);
        bool too_many = value_size(kept) > LABELS_MAX;
        document_put(txn, key, &kept);
        if (too_many)
            status = error_set(error, STATUS_INVALID, "more than %d labels of %s", LABELS_MAX, change->node);
    }
    value_free(&labels);
    return status;
}

/* --- state ---------------------------------------------------------------------------------------------- */

static bool is_state(const struct value *record, const char *state)
{
    return strcmp(value_get_string(record, "state", ""), state) == 0;
}

static void tell(struct kv_txn *txn, const struct kv_context *context, const char *type, const char *node)
{
    event_add_text(txn, context, type, "node", node, NULL);
}

/* A node that is let in: it has no incarnation until it has started, and takes no instance before. */
static struct value *joining_record(const Pb__OpNodeChange *change)
{
    struct value *record = value_new_object();
    struct value *protocol = value_new_array();
    value_append(protocol, value_new_integer(1));
    value_append(protocol, value_new_integer(1));
    value_set_string(record, "state", "JOINING");
    value_set_string(record, "presence", "LOST");
    value_set_integer(record, "incarnation", 0);
    value_set_string(record, "address", change->address);
    value_set_string(record, "public-key", "");
    value_set(record, "labels", value_new_object());
    value_set_string(record, "zone", "");
    value_set(record, "capacity", value_new_object());
    value_set(record, "protocol", protocol);
    value_set_string(record, "role", "voter");
    return record;
}

/* Known by this name already, and not on its way out: only its address may be news. Who was removed begins
 * anew; its last incarnation stays, so that no older start of it counts (A7). */
static void let_in(struct kv_txn *txn, const struct kv_context *context, const Pb__OpNodeChange *change,
                   struct value **record)
{
    if (*record != NULL && !is_state(*record, "DECOMMISSIONED")) {
        if (change->address[0] != '\0') value_set_string(*record, "address", change->address);
        return;
    }
    int64_t incarnation = value_get_integer(*record, "incarnation", 0);
    value_free(record);
    *record = joining_record(change);
    value_set_integer(*record, "incarnation", incarnation);
    cluster_labels_apply(txn, change->node, *record);
    cluster_wish_put(txn, context, change->node, CLUSTER_WISH_NONE, false);
    tell(txn, context, "node.joining", change->node);
}

static enum status move(struct kv_txn *txn, const struct kv_context *context, const Pb__OpNodeChange *change,
                        struct value *record, struct error *error)
{
    const char *from = value_get_string(record, "state", "");
    const char *to = change->state;
    if (strcmp(from, to) == 0) return STATUS_OK;
    bool leaves = strcmp(from, "DECOMMISSIONED") == 0;
    if (strcmp(to, "DRAINING") == 0 && leaves) {
        (void)error_set(error, STATUS_CONFLICT, "%s is being removed", change->node);
        error_hint(error, "aether node resume %s withdraws that", change->node);
        return STATUS_CONFLICT;
    }
    if (strcmp(to, "ON_DUTY") == 0) {
        if (strcmp(from, "JOINING") == 0)
            return error_set(error, STATUS_CONFLICT, "%s has not started yet", change->node);
        if (leaves) cluster_wish_put(txn, context, change->node, CLUSTER_WISH_NONE, false);
        tell(txn, context, "node.resumed", change->node);
    } else if (strcmp(to, "DRAINING") == 0) {
        tell(txn, context, "node.draining", change->node);
    } else if (strcmp(to, "DECOMMISSIONED") == 0) {
        tell(txn, context, "node.decommissioned", change->node);
    } else {
        return error_set(error, STATUS_INVALID, "\"%.32s\" is no state of a node", to);
    }
    value_set_string(record, "state", to);
    return STATUS_OK;
}

/* --- wishes --------------------------------------------------------------------------------------------- */

static enum status wish(struct kv_txn *txn, const struct kv_context *context, const Pb__OpNodeChange *change,
                        const struct value *record, struct error *error)
{
    enum cluster_wish wished;
    if (!cluster_wish_parse(change->wish, &wished))
        return error_set(error, STATUS_INVALID, "\"%.32s\" is no wish", change->wish);
    bool votes = wished == CLUSTER_WISH_VOTER || wished == CLUSTER_WISH_LEARNER;
    if (votes && strcmp(value_get_string(record, "role", ""), "worker") == 0)
        return error_set(error, STATUS_CONFLICT, "%s is a worker: it takes no part in the log", change->node);
    if (votes && is_state(record, "DECOMMISSIONED")) {
        (void)error_set(error, STATUS_CONFLICT, "%s is being removed", change->node);
        error_hint(error, "aether node resume %s withdraws that", change->node);
        return STATUS_CONFLICT;
    }
    cluster_wish_put(txn, context, change->node, wished, change->allow_even != 0);
    cluster_wish_settle(txn, change->node);
    return STATUS_OK;
}

/* DEP7: the last of a removed node. A replica that still takes part is not gone. */
static enum status forget(struct kv_txn *txn, const struct kv_context *context, const char *node,
                          struct error *error)
{
    char key[CLUSTER_KEY_SIZE];
    struct cluster_members members;
    cluster_members_get(txn, &members);
    if (cluster_members_find(&members, node) != NULL)
        return error_set(error, STATUS_CONFLICT, "%s still takes part in the log", node);
    slice_rules_forget_node(txn, context, node);
    cluster_worker_retire(txn, context, node);
    cluster_space_forget(txn, node);
    cluster_wish_put(txn, context, node, CLUSTER_WISH_NONE, false);
    labels_key(key, node);
    (void)kv_txn_delete(txn, key);
    cluster_key_node(key, node);
    if (kv_txn_delete(txn, key)) tell(txn, context, "node.removed", node);
    return STATUS_OK;
}

enum status cluster_rules_node_change(struct kv_txn *txn, const struct kv_context *context,
                                      const Pb__OpNodeChange *change, struct error *error)
{
    if (!cluster_name_is_valid(change->node, CLUSTER_NODE_NAME_MAX))
        return error_set(error, STATUS_INVALID, "\"%.63s\" is no node name", change->node);
    if (change->gone) return forget(txn, context, change->node, error);
    struct value *record = cluster_node_get(txn, change->node);
    enum status status = STATUS_OK;
    bool joins = strcmp(change->state, "JOINING") == 0;
    if (joins) let_in(txn, context, change, &record);
    if (record == NULL) return error_set(error, STATUS_NOT_FOUND, "there is no node %.63s", change->node);
    if (!joins && change->state[0] != '\0') status = move(txn, context, change, record, error);
    if (status == STATUS_OK && change->wish[0] != '\0') status = wish(txn, context, change, record, error);
    if (status == STATUS_OK && change->labels.len > 0) {
        status = set_labels(txn, change, record, error);
        if (status == STATUS_OK) tell(txn, context, "node.labelled", change->node);
    }
    if (status == STATUS_OK) cluster_node_put(txn, change->node, &record);
    value_free(&record);
    return status;
}
