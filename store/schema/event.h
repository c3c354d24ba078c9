/* event: events/{index}, what people and agents are told happened, derived in the entry that made it happen.
 * Bounded: the oldest go in the same entry. */
#ifndef AETHER_STORE_SCHEMA_EVENT_H
#define AETHER_STORE_SCHEMA_EVENT_H

#include "store/kv.h"

struct value;

enum { EVENTS_KEPT = 1000 };

/* Adds {index, timestamp, revision, type, ...fields}. Takes `fields` (an object, or NULL for none); members
 * that repeat a name of ours are dropped. */
void event_add(struct kv_txn *txn, const struct kv_context *context, const char *type, struct value **fields);
/* The same with up to four string fields: name, value, ..., NULL. */
void event_add_text(struct kv_txn *txn, const struct kv_context *context, const char *type, ...)
    __attribute__((sentinel));
void event_key(char key[32], uint64_t index); /* "events/0000000000000042" */

#endif
