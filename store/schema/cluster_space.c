/* cluster_space: see the header. */
#include "store/schema/cluster_space.h"

#include "runtime/base/mark.h"
#include "store/schema/cluster.h"
#include "store/schema/document.h"
#include "store/schema/event.h"
#include "store/schema/space_alarm.h"

#include <stdio.h>
#include <string.h>

/* 64-bit integers in values stay below 2^53. */
static const uint64_t INTEGER_MAX = (UINT64_C(1) << 53) - 1;

static void alarm_key(char key[CLUSTER_KEY_SIZE], const char *node)
{
    (void)snprintf(key, CLUSTER_KEY_SIZE, SPACE_ALARM_PREFIX "%s", node);
}

static int64_t integer_of(uint64_t number)
{
    return (int64_t)(number > INTEGER_MAX ? INTEGER_MAX : number);
}

static void raise_alarm(struct kv_txn *txn, const struct kv_context *context, const char *key,
                        const Pb__OpNodeSpace *space)
{
    struct value *alarm = value_new_object();
    value_set_string(alarm, "place", space->place);
    value_set_integer(alarm, "free", integer_of(space->free));
    value_set_integer(alarm, "mark", integer_of(space->mark));
    value_set_integer(alarm, "timestamp", integer_of(context->stamp_ms));
    document_put(txn, key, &alarm);
    event_add_text(txn, context, "node.no_space", "node", context->command->node, "place", space->place,
                   NULL);
}

enum status cluster_rules_node_space(struct kv_txn *txn, const struct kv_context *context,
                                     const Pb__OpNodeSpace *space, struct error *error)
{
    char key[CLUSTER_KEY_SIZE];
    const char *node = context->command->node;
    if (strcmp(space->place, SPACE_ALARM_DISK) != 0 && strcmp(space->place, SPACE_ALARM_MAP) != 0)
        return error_set(error, STATUS_INVALID, "room is short on the disk or in the map, not in \"%.32s\"",
                         space->place);
    alarm_key(key, node);
    bool stands = kv_txn_get(txn, key) != NULL;
    if (space->low && !stands) raise_alarm(txn, context, key, space);
    if (!space->low && kv_txn_delete(txn, key))
        event_add_text(txn, context, "node.space_again", "node", node, NULL);
    return STATUS_OK;
}

enum status cluster_space_check(struct kv_txn *txn, struct error *error)
{
    char text[SPACE_ALARM_TEXT_SIZE];
    char node[CLUSTER_NODE_NAME_MAX + 1];
    const struct kv_record *record = kv_txn_first(txn, SPACE_ALARM_PREFIX);
    if (record == NULL) return STATUS_OK;
    MARK("cluster_space.put_is_refused");
    (void)snprintf(node, sizeof node, "%s", record->key + strlen(SPACE_ALARM_PREFIX));
    struct value *alarm = document_get(txn, record->key);
    space_alarm_describe(alarm, text);
    value_free(&alarm);
    (void)error_set(error, STATUS_OVERLOADED, "%s has %s: only deletes are taken", node, text);
    error_hint(error,
               "make room there, delete what is not needed, or take the node away: aether node remove %s",
               node);
    return STATUS_OVERLOADED;
}

void cluster_space_forget(struct kv_txn *txn, const char *node)
{
    char key[CLUSTER_KEY_SIZE];
    if (!cluster_name_is_valid(node, CLUSTER_NODE_NAME_MAX)) return;
    alarm_key(key, node);
    (void)kv_txn_delete(txn, key);
}
