/* kv: the live state and its reads; kv_apply.c changes it, kv_copy.c writes it down. */
#include "store/kv.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/memory/kv_state.h"

#include <string.h>

struct kv *kv_create(const struct kv_rules *rules)
{
    struct kv *kv = memory_zalloc(sizeof *kv);
    kv->rules = rules;
    kv_history_init(&kv->history);
    kv->sessions.before_change = kv_snapshot_before_session;
    kv->sessions.context = kv;
    return kv;
}

void kv_destroy(struct kv **kv)
{
    struct kv *taken = *kv;
    *kv = NULL;
    if (taken == NULL) return;
    for (uint32_t i = 0; i < KV_SNAPSHOTS_MAX; i++)
        CHECK(taken->snapshots[i] == NULL);
    const char *key = "";
    void *value = NULL;
    for (bool more = tree_at_or_after(&taken->records, key, &key, &value); more;
         more = tree_after(&taken->records, key, &key, &value)) {
        struct kv_item *item = value;
        kv_item_unref(&item);
    }
    tree_fini(&taken->records);
    tree_fini(&taken->leased);
    kv_dirty_fini(&taken->dirty);
    kv_sessions_fini(&taken->sessions);
    kv_history_fini(&taken->history);
    arena_fini(&taken->outcome);
    memory_free(taken);
}

struct log_position kv_applied(const struct kv *kv)
{
    return kv->applied;
}

const struct kv_record *kv_get(const struct kv *kv, const char *key)
{
    const struct kv_item *item = tree_get(&kv->records, key);
    return item == NULL ? NULL : &item->record;
}

uint64_t kv_history_first(const struct kv *kv)
{
    return kv->history.first;
}

bool kv_history(const struct kv *kv, uint64_t from,
                bool (*visit)(void *context, uint64_t revision, const struct kv_change *changes,
                              uint32_t change_count),
                void *context)
{
    if (from < kv->history.first) return false;
    for (uint32_t i = kv_history_position(&kv->history, from); i < kv->history.count; i++) {
        const struct kv_revision *revision = kv_history_at(&kv->history, i);
        if (!visit(context, revision->revision, revision->changes, revision->count)) break;
    }
    return true;
}

/* Covers each key that changed after `at` with what it was then: the oldest change after it knows. */
static void look_back(const struct kv *kv, uint64_t at, struct kv_view *view)
{
    for (uint32_t i = kv_history_position(&kv->history, at + 1); i < kv->history.count; i++) {
        const struct kv_revision *revision = kv_history_at(&kv->history, i);
        for (uint32_t c = 0; c < revision->count; c++) {
            const struct kv_change *change = &revision->changes[c];
            if (kv_view_covers(view, change->key)) continue;
            kv_view_cover(view, change->key, kv_item_ref(kv_item_of(change->previous)));
        }
    }
}

static bool in_range(const struct kv_range *range, const char *key)
{
    if (range->prefix) return text_starts_with(key, range->key);
    if (range->range_end != NULL && range->range_end[0] != '\0') return strcmp(key, range->range_end) < 0;
    return strcmp(key, range->key) == 0;
}

/* true: there is more than was visited. */
static bool walk(const struct kv_view *view, const struct kv_range *range, kv_visit *visit, void *context)
{
    uint32_t limit = range->limit == 0 || range->limit > KV_SCAN_LIMIT ? KV_SCAN_LIMIT : range->limit;
    bool resumes = range->start_after != NULL && strcmp(range->start_after, range->key) >= 0;
    const struct kv_item *item = kv_view_next(view, resumes ? range->start_after : range->key, !resumes);
    size_t bytes = 0;
    for (uint32_t count = 0; item != NULL && in_range(range, item->record.key); count++) {
        bytes += item->record.value_size;
        if (count == limit || (count > 0 && bytes > KV_SCAN_BYTES_MAX)) return true;
        if (!visit(context, &item->record)) return false;
        item = kv_view_next(view, item->record.key, false);
    }
    return false;
}

enum status kv_scan(const struct kv *kv, const struct kv_range *range, kv_visit *visit, void *context,
                    bool *out_more, struct error *error)
{
    if (range->at > kv->applied.index) {
        return error_set(error, STATUS_INVALID, "revision %llu is not applied here yet; the newest is %llu",
                         (unsigned long long)range->at, (unsigned long long)kv->applied.index);
    }
    if (range->at != 0 && range->at + 1 < kv->history.first) {
        return error_set(error, STATUS_NOT_FOUND, "revision %llu is compacted; the oldest kept is %llu",
                         (unsigned long long)range->at, (unsigned long long)kv->history.first - 1);
    }
    struct arena scratch = { 0 };
    struct kv_view view;
    kv_view_init(&view, &kv->records, &scratch);
    if (range->at != 0) look_back(kv, range->at, &view);
    *out_more = walk(&view, range, visit, context);
    kv_view_fini(&view);
    arena_fini(&scratch);
    return STATUS_OK;
}

void kv_state_hash(const struct kv *kv, uint8_t out_hash[16])
{
    struct record_hash sum = kv->hash;
    record_hash_add(&sum, &kv->sessions.hash);
    record_hash_bytes(&sum, out_hash);
}

void kv_state_hash_scan(const struct kv *kv, uint8_t out_hash[16])
{
    struct record_hash sum = kv_sessions_hash_scan(&kv->sessions);
    const char *key = "";
    void *value = NULL;
    for (bool more = tree_at_or_after(&kv->records, key, &key, &value); more;
         more = tree_after(&kv->records, key, &key, &value)) {
        const struct kv_item *item = value;
        struct record_hash part = record_hash(&item->record);
        record_hash_add(&sum, &part);
    }
    record_hash_bytes(&sum, out_hash);
}
