/* kv_item: one version of a record: immutable, counted (the tree, the history and a transaction may hold the
 * same one), and one block of memory. Not thread-safe: all counts belong to the state actor. */
#ifndef AETHER_STORE_MEMORY_KV_ITEM_H
#define AETHER_STORE_MEMORY_KV_ITEM_H

#include "store/kv.h"
#include "store/record.h"

struct kv_item {
    struct kv_record record; /* Points into data. */
    struct record_hash hash; /* Its part of the state hash (D2). */
    uint32_t references;
    bool current; /* It stands in the records now, not in the history alone. */
    char data[];  /* Key, 0, lease, 0, value, 0. */
};

struct kv_item *kv_item_create(const struct kv_record *record); /* Copies; one reference. */
struct kv_item *kv_item_ref(struct kv_item *item);              /* NULL stays NULL. */
void kv_item_unref(struct kv_item **item);                      /* Takes; leaves NULL; NULL is fine. */
size_t kv_item_bytes(const struct kv_item *item);               /* NULL: 0. */
/* Of a record that a kv_item holds: what the read-only interface hands out. NULL stays NULL. */
struct kv_item *kv_item_of(const struct kv_record *record);

#endif
