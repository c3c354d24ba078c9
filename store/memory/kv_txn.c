/* kv_txn: the staged view of one entry. An abort forgets what was staged, a commit moves it down in key order
 * (A2: never in the order of addresses). */
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/planted.h"
#include "runtime/base/text.h"
#include "store/memory/kv_state.h"

#include <stdio.h>
#include <string.h>

void kv_txn_begin(struct kv_txn *txn, struct kv *kv, const struct kv_context *context)
{
    *txn = (struct kv_txn){ .kv = kv, .context = context };
    kv_view_init(&txn->view, &kv->records, &kv->outcome);
}

struct arena *kv_txn_arena(struct kv_txn *txn)
{
    return &txn->kv->outcome;
}

static const struct kv_record *record_of(const struct kv_item *item)
{
    return item == NULL ? NULL : &item->record;
}

const struct kv_record *kv_txn_get(struct kv_txn *txn, const char *key)
{
    return record_of(kv_view_get(&txn->view, key));
}

void kv_txn_put(struct kv_txn *txn, const char *key, const void *value, size_t size, const char *lease)
{
    if (strlen(key) > KV_KEY_MAX || size > KV_VALUE_MAX) { /* A rule made it of what a client sent. */
        txn->oversized = true;
        return;
    }
    struct kv_found found;
    const struct kv_item *before = kv_view_find(&txn->view, key, &found);
    uint64_t revision = txn->context->revision;
    struct kv_record record = { .key = key, .value = value, .value_size = size };
    record.lease = lease == NULL ? "" : lease;
    record.revision = revision;
    record.term = txn->context->term;
    record.create_revision = before == NULL ? revision : before->record.create_revision;
    if (before == NULL) record.version = 1;
    else record.version = before->record.version + (before->record.revision == revision ? 0 : 1);
    struct kv_item *item = kv_item_create(&record); /* Copied first: key or value may be the former's own. */
    kv_view_cover_found(&txn->view, &found, item->record.key, item);
}

bool kv_txn_delete(struct kv_txn *txn, const char *key)
{
    if (kv_view_get(&txn->view, key) == NULL) return false;
    kv_view_cover(&txn->view, key, NULL);
    return true;
}

/* The first record under the prefix, after `after` unless that is NULL; NULL: none. */
static struct kv_item *next_under(const struct kv_txn *txn, const char *prefix, const char *after)
{
    struct kv_item *item = kv_view_next(&txn->view, after == NULL ? prefix : after, after == NULL);
    return item != NULL && text_starts_with(item->record.key, prefix) ? item : NULL;
}

const struct kv_record *kv_txn_first(struct kv_txn *txn, const char *prefix)
{
    return record_of(next_under(txn, prefix, NULL));
}

const struct kv_record *kv_txn_last(struct kv_txn *txn, const char *prefix)
{
    char end[KV_KEY_MAX + 2];
    (void)snprintf(end, sizeof end, "%s\xff", prefix); /* Above every key under it: keys are UTF-8. */
    const struct kv_item *item = kv_view_before(&txn->view, end);
    return item != NULL && text_starts_with(item->record.key, prefix) ? &item->record : NULL;
}

struct item_list {
    struct kv_item **items; /* References of ours: they outlive what is done to their keys. */
    uint32_t count;
    uint32_t capacity;
};

static struct item_list list_under(const struct kv_txn *txn, const char *prefix, uint32_t limit)
{
    struct item_list list = { 0 };
    for (struct kv_item *item = next_under(txn, prefix, NULL); item != NULL && list.count < limit;
         item = next_under(txn, prefix, item->record.key)) {
        if (list.count == list.capacity) {
            list.capacity = list.capacity == 0 ? 64 : list.capacity * 2;
            list.items = memory_realloc(list.items, list.capacity * sizeof(struct kv_item *));
        }
        list.items[list.count++] = kv_item_ref(item);
    }
    return list;
}

uint32_t kv_txn_keys(struct kv_txn *txn, const char *prefix, uint32_t limit, const char ***out_keys)
{
    struct item_list list = list_under(txn, prefix, limit);
    const char **keys = arena_array(&txn->kv->outcome, list.count, sizeof *keys);
    for (uint32_t i = 0; i < list.count; i++) {
        keys[i] = arena_strdup(&txn->kv->outcome, list.items[i]->record.key);
        kv_item_unref(&list.items[i]);
    }
    memory_free(list.items);
    *out_keys = keys;
    return list.count;
}

void kv_txn_scan(struct kv_txn *txn, const char *prefix,
                 bool (*visit)(void *context, const struct kv_record *record), void *context)
{
    struct item_list list = list_under(txn, prefix, UINT32_MAX);
    bool go_on = true;
    for (uint32_t i = 0; i < list.count; i++) {
        if (go_on) go_on = visit(context, &list.items[i]->record);
        kv_item_unref(&list.items[i]);
    }
    memory_free(list.items);
}

/* Neither a lease's name nor a key holds control characters. */
static void leased_name(struct text *out_name, const char *lease, const char *key)
{
    text_printf(out_name, "%s\x01%s", lease, key);
}

static void list_under_lease(struct kv *kv, const struct kv_record *record, bool is_there)
{
    if (record->lease[0] == '\0') return;
    struct text name = { 0 };
    leased_name(&name, record->lease, record->key);
    if (is_there) (void)tree_put(&kv->leased, text_string(&name), kv);
    else (void)tree_remove(&kv->leased, text_string(&name));
    text_fini(&name);
}

/* Into a tree, so each of them once and in order. */
static struct tree keys_under_lease(const struct kv_txn *txn, const char *lease)
{
    struct tree keys = { 0 };
    struct text prefix = { 0 };
    leased_name(&prefix, lease, "");
    const char *name = text_string(&prefix);
    for (bool more = tree_at_or_after(&txn->kv->leased, name, &name, NULL);
         more && text_starts_with(name, text_string(&prefix));
         more = tree_after(&txn->kv->leased, name, &name, NULL)) {
        (void)tree_put(&keys, name + prefix.size, txn->kv);
    }
    text_fini(&prefix);
    const struct kv_cover *cover = NULL;
    for (const char *key = NULL; (cover = kv_view_each(&txn->view, &key)) != NULL;) {
        if (cover->now != NULL) (void)tree_put(&keys, key, txn->kv);
    }
    return keys;
}

void kv_txn_delete_leased(struct kv_txn *txn, const char *lease)
{
    struct tree keys = keys_under_lease(txn, lease);
    const char *key = "";
    for (bool more = tree_at_or_after(&keys, key, &key, NULL); more;
         more = tree_after(&keys, key, &key, NULL)) {
        const struct kv_record *record = kv_txn_get(txn, key);
        if (record != NULL && strcmp(record->lease, lease) == 0) (void)kv_txn_delete(txn, key);
    }
    tree_fini(&keys);
}

/* What stood there before; NULL: nothing. */
static struct kv_item *exchange(struct kv *kv, const char *key, struct tree_node *place, struct kv_item *item)
{
    if (item == NULL) return tree_remove(&kv->records, key);
    return place != NULL ? tree_node_replace(place, item) : tree_put(&kv->records, key, item);
}

void kv_place(struct kv *kv, const char *key, struct tree_node *place, struct kv_item *item)
{
    struct kv_item *former = exchange(kv, key, place, item);
    if (item != NULL) {
        record_hash_add(&kv->hash, &item->hash);
        item->current = true;
    }
    if (former != NULL) {
        former->current = false;
        record_hash_subtract(&kv->hash, &former->hash);
        list_under_lease(kv, &former->record, false);
        kv_item_unref(&former);
    }
    if (item != NULL) list_under_lease(kv, &item->record, true);
}

/* Gives the staged reference to the tree, and the history one of its own for each side. */
static struct kv_change settle(struct kv *kv, const char *key, struct kv_cover *cover)
{
    kv_snapshot_before_record(kv, key, cover->base);
    struct kv_item *previous =
        kv_item_ref(PLANTED("kv.previous_is_the_new_value") && cover->now ? cover->now : cover->base);
    struct kv_item *item = kv_item_ref(cover->now);
    kv_place(kv, key, cover->place, cover->now);
    cover->now = NULL;
    kv_dirty_add(&kv->dirty, item != NULL ? item : previous);
    return (struct kv_change){ .key = item != NULL ? item->record.key : previous->record.key,
                               .previous = record_of(previous),
                               .record = record_of(item) };
}

const struct kv_change *kv_txn_commit(struct kv_txn *txn, uint32_t *out_count)
{
    struct kv_change *changes = memory_array(txn->view.over.count, sizeof *changes);
    uint32_t count = 0;
    struct kv_cover *cover = NULL;
    for (const char *key = NULL; (cover = kv_view_each(&txn->view, &key)) != NULL;) {
        if (cover->base == NULL && cover->now == NULL) continue; /* Made and deleted again. */
        if (PLANTED("kv.transaction_loses_a_change") && count == 2) continue;
        changes[count++] = settle(txn->kv, key, cover);
    }
    kv_view_fini(&txn->view);
    *out_count = count;
    if (count > 0) return kv_history_add(&txn->kv->history, txn->context->revision, changes, count);
    memory_free(changes);
    return NULL;
}

void kv_txn_abort(struct kv_txn *txn)
{
    kv_view_fini(&txn->view);
}
