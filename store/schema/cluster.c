/* cluster: see the header. Names and keys, plain writes, and events; nodes/ is in cluster_node.c. */
#include "store/schema/cluster.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "store/schema/cluster_space.h"
#include "store/schema/document.h"
#include "store/schema/event.h"
#include "store/schema/slice_rules.h"

#include <stdio.h>
#include <string.h>

#define NODES_PREFIX  "nodes/"
#define EVENTS_PREFIX "events/"
#define AUDIT_PREFIX  "audit/"

void cluster_key_node(char key[CLUSTER_KEY_SIZE], const char *node)
{
    (void)snprintf(key, CLUSTER_KEY_SIZE, NODES_PREFIX "%s", node);
}

bool cluster_name_is_valid(const char *name, size_t length_max)
{
    static const char alphanumeric[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t length = strlen(name);
    if (length == 0 || length > length_max) return false;
    if (strchr(alphanumeric, name[0]) == NULL) return false;
    size_t plain = 0;
    while (plain < length &&
           (strchr(alphanumeric, name[plain]) != NULL || strchr("-_.", name[plain]) != NULL)) {
        plain++;
    }
    return plain == length;
}

/* --- plain writes --------------------------------------------------------------------------------------- */

enum status cluster_rules_put(struct kv_txn *txn, const struct kv_context *context, const Pb__OpPut *put,
                              struct error *error)
{
    (void)context;
    bool derived = text_starts_with(put->key, EVENTS_PREFIX) || text_starts_with(put->key, AUDIT_PREFIX);
    if (derived) { /* A foreign key among them would break their numbering. */
        return error_set(error, STATUS_DENIED, "%.200s: events and audit records are derived, never written",
                         put->key);
    }
    struct value *value = NULL;
    enum status status = document_parse(put->value.data, put->value.len, &value, error);
    if (status != STATUS_OK) return status;
    value_free(&value);
    kv_txn_put(txn, put->key, put->value.data, put->value.len, "");
    return STATUS_OK;
}

enum status cluster_rules_delete(struct kv_txn *txn, const struct kv_context *context, const char *key,
                                 struct error *error)
{
    (void)error;
    if (text_starts_with(key, NODES_PREFIX) && kv_txn_get(txn, key) != NULL) { /* DEP7 */
        slice_rules_forget_node(txn, context, key + strlen(NODES_PREFIX));
        cluster_space_forget(txn, key + strlen(NODES_PREFIX));
    }
    (void)kv_txn_delete(txn, key);
    return STATUS_OK;
}

/* --- events --------------------------------------------------------------------------------------------- */

enum status cluster_rules_event(struct kv_txn *txn, const struct kv_context *context,
                                const Pb__OpEvent *event, struct error *error)
{
    if (!cluster_name_is_valid(event->type, EVENT_TYPE_MAX)) {
        return error_set(error, STATUS_INVALID, "\"%.64s\" is no type of event", event->type);
    }
    if (event->fields.len > EVENT_FIELDS_MAX) {
        return error_set(error, STATUS_INVALID, "the event's fields are %zu bytes long; at most %d",
                         event->fields.len, EVENT_FIELDS_MAX);
    }
    struct value *fields = NULL;
    if (event->fields.len > 0) {
        enum status status = document_parse(event->fields.data, event->fields.len, &fields, error);
        if (status != STATUS_OK) return status;
    }
    event_add(txn, context, event->type, &fields);
    return STATUS_OK;
}
