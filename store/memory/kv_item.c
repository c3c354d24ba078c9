/* kv_item: see the header. */
#include "store/memory/kv_item.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <string.h>

struct kv_item *kv_item_create(const struct kv_record *record)
{
    size_t key_size = strlen(record->key) + 1;
    size_t lease_size = strlen(record->lease) + 1;
    struct kv_item *item = memory_alloc(sizeof *item + key_size + lease_size + record->value_size + 1);
    char *value = item->data + key_size + lease_size;
    memcpy(item->data, record->key, key_size);
    memcpy(item->data + key_size, record->lease, lease_size);
    if (record->value_size > 0) memcpy(value, record->value, record->value_size);
    value[record->value_size] = '\0';
    item->record = *record;
    item->record.key = item->data;
    item->record.lease = item->data + key_size;
    item->record.value = (const uint8_t *)value;
    item->hash = record_hash(&item->record);
    item->references = 1;
    item->current = false;
    return item;
}

struct kv_item *kv_item_ref(struct kv_item *item)
{
    if (item != NULL) item->references++;
    return item;
}

void kv_item_unref(struct kv_item **item)
{
    struct kv_item *taken = *item;
    *item = NULL;
    if (taken == NULL) return;
    CHECK(taken->references > 0);
    if (--taken->references == 0) memory_free(taken);
}

size_t kv_item_bytes(const struct kv_item *item)
{
    if (item == NULL) return 0;
    return sizeof *item + strlen(item->record.key) + strlen(item->record.lease) + item->record.value_size + 3;
}

struct kv_item *kv_item_of(const struct kv_record *record)
{
    return record == NULL ? NULL : CONTAINER_OF(record, struct kv_item, record);
}
