/* event: events/{index}, what people and agents are told happened, derived in the entry that made it happen.
 * Bounded: the oldest go in the same entry. */
#ifndef AETHER_STORE_SCHEMA_EVENT_H
#define AETHER_STORE_SCHEMA_EVENT_H

#include "store/kv.h"
#include "store/schema/event_key.h"
#include "wire/json/value.h"

enum { EVENTS_KEPT = 1000, EVENT_TYPE_MAX = 64, EVENT_FIELDS_MAX = 16 * 1024 };

/* Adds {index, timestamp, revision, type, ...fields}. Takes `fields` (an object, or NULL for none); members
 * named as ours are dropped. `type` is "domain.what_happened". */
void event_add(struct kv_txn *txn, const struct kv_context *context, const char *type, struct value **fields);
/* The same with string fields: name, value, ..., NULL. */
void event_add_text(struct kv_txn *txn, const struct kv_context *context, const char *type, ...)
    __attribute__((sentinel));

#endif
