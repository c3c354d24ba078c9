/* event: see the header. The next index follows from the last record, so nothing is counted beside them. */
#include "store/schema/event.h"

#include "store/schema/document.h"

#include <stdarg.h>

static uint64_t last_index(struct kv_txn *txn)
{
    uint64_t index = 0;
    const struct kv_record *last = kv_txn_last(txn, EVENT_KEY_PREFIX);
    return last != NULL && event_key_parse(last->key, &index) ? index : 0;
}

static void drop_old(struct kv_txn *txn, uint64_t newest)
{
    for (;;) {
        uint64_t index = 0;
        const struct kv_record *first = kv_txn_first(txn, EVENT_KEY_PREFIX);
        if (first == NULL || !event_key_parse(first->key, &index)) return;
        if (index + EVENTS_KEPT > newest) return;
        (void)kv_txn_delete(txn, first->key);
    }
}

static void add_fields(struct value *event, const struct value *fields)
{
    const char *name = NULL;
    const struct value *member = NULL;
    for (size_t i = 0; value_member(fields, i, &name, &member); i++) {
        if (value_get(event, name) == NULL) value_set(event, name, value_clone(member));
    }
}

void event_add(struct kv_txn *txn, const struct kv_context *context, const char *type, struct value **fields)
{
    uint64_t index = last_index(txn) + 1;
    struct value *event = value_new_object();
    value_set_integer(event, "index", (int64_t)index);
    value_set_integer(event, "timestamp", (int64_t)context->stamp_ms);
    value_set_integer(event, "revision", (int64_t)context->revision);
    value_set_string(event, "type", type);
    if (fields != NULL && *fields != NULL) {
        add_fields(event, *fields);
        value_free(fields);
    }
    char key[EVENT_KEY_SIZE];
    event_key(key, index);
    document_put(txn, key, &event);
    drop_old(txn, index);
}

void event_add_text(struct kv_txn *txn, const struct kv_context *context, const char *type, ...)
{
    struct value *fields = value_new_object();
    va_list arguments;
    va_start(arguments, type);
    for (const char *name = va_arg(arguments, const char *); name != NULL;
         name = va_arg(arguments, const char *)) {
        value_set_string(fields, name, va_arg(arguments, const char *));
    }
    va_end(arguments);
    event_add(txn, context, type, &fields);
}
