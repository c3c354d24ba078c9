/* kv_copy: the way of the state to the disk and back. What changed since the last take leaves as one step
 * (D3); at start all of it is loaded and must have the hash that was kept with it (D2). */
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/planted.h"
#include "store/memory/kv_state.h"

#include <string.h>

size_t kv_copy_pending(const struct kv *kv)
{
    return kv->dirty.count + kv->sessions.dirty.count + kv_history_uncopied(&kv->history);
}

bool kv_is_copied(const struct kv *kv)
{
    return kv->applied.index == kv->copied.index;
}

void kv_dirty_add(struct kv_dirty *dirty, struct kv_item *item)
{
    enum { ROOM_FIRST = 64 };
    if (dirty->count == dirty->room) {
        dirty->room = dirty->room == 0 ? ROOM_FIRST : dirty->room * 2;
        dirty->items = memory_realloc(dirty->items, dirty->room * sizeof(struct kv_item *));
    }
    dirty->items[dirty->count++] = kv_item_ref(item);
}

void kv_dirty_fini(struct kv_dirty *dirty)
{
    for (uint32_t i = 0; i < dirty->count; i++)
        kv_item_unref(&dirty->items[i]);
    memory_free(dirty->items);
    *dirty = (struct kv_dirty){ 0 };
}

/* What is current is packed; what is not was replaced by a later one of the list, or its key is gone. */
static uint32_t copy_records(struct kv *kv, struct arena *arena, struct log_copy_record *copies)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < kv->dirty.count; i++) {
        const struct kv_item *item = kv->dirty.items[i];
        if (!item->current && kv_get(kv, item->record.key) != NULL) continue;
        struct log_copy_record *copy = &copies[count++];
        *copy =
            (struct log_copy_record){ .space = COPY_RECORD, .key = arena_strdup(arena, item->record.key) };
        if (!item->current) continue;
        struct record_blob blob = record_pack(&item->record, arena);
        copy->value = blob.data;
        copy->value_size = blob.size;
    }
    kv_dirty_fini(&kv->dirty);
    return count;
}

bool kv_copy_take(struct kv *kv, struct arena *arena, struct kv_copy *out_copy)
{
    if (kv_is_copied(kv)) return false;
    size_t room = kv_copy_pending(kv);
    struct log_copy_record *copies = arena_array(arena, room, sizeof *copies);
    uint32_t count = copy_records(kv, arena, copies);
    count += kv_sessions_copy(&kv->sessions, arena, copies + count);
    count += kv_history_copy(&kv->history, arena, copies + count);
    CHECK(count <= room);
    if (PLANTED("kv.copy_leaves_out_the_last_record") && count > 0) count--;
    *out_copy = (struct kv_copy){ .from = kv->copied.index,
                                  .to = kv->applied,
                                  .history_first = kv_history_first_copied(&kv->history),
                                  .records = copies,
                                  .count = count };
    kv_state_hash(kv, out_copy->state_hash);
    kv->copied = kv->applied;
    return true;
}

/* --- loading -------------------------------------------------------------------------------------------- */

static enum status load_record(struct kv *kv, const struct log_copy_record *copy, struct error *error)
{
    struct kv_record record;
    enum status status = record_unpack(copy->key, copy->value, copy->value_size, &record, error);
    if (status == STATUS_OK) kv_place(kv, copy->key, NULL, kv_item_create(&record));
    return status;
}

static enum status load_session(struct kv *kv, const struct log_copy_record *copy, struct error *error)
{
    struct record_session session;
    enum status status = record_unpack_session(copy->key, copy->value, copy->value_size, &session, error);
    if (status != STATUS_OK) return status;
    if (kv->sessions.by_id.count >= KV_SESSIONS_MAX) {
        return error_set(error, STATUS_CORRUPT, "the state copy holds more than %d sessions",
                         KV_SESSIONS_MAX);
    }
    kv_sessions_put(&kv->sessions, &session);
    return STATUS_OK;
}

/* The version that the state holds now is shared with the history, as it was before the restart. */
static struct kv_item *item_for(const struct kv *kv, const struct kv_record *record)
{
    if (record == NULL) return NULL;
    struct kv_item *current = tree_get(&kv->records, record->key);
    bool same = current != NULL && current->record.revision == record->revision;
    return same ? kv_item_ref(current) : kv_item_create(record);
}

static void add_revision(struct kv *kv, const struct record_history *loaded)
{
    struct kv_change *changes = memory_array(loaded->count, sizeof *changes);
    for (uint32_t i = 0; i < loaded->count; i++) {
        struct kv_item *previous = item_for(kv, loaded->changes[i].previous);
        struct kv_item *item = item_for(kv, loaded->changes[i].record);
        changes[i] = (struct kv_change){ .key = item != NULL ? item->record.key : previous->record.key,
                                         .previous = previous == NULL ? NULL : &previous->record,
                                         .record = item == NULL ? NULL : &item->record };
    }
    (void)kv_history_add(&kv->history, loaded->revision, changes, loaded->count);
}

static enum status load_history(struct kv *kv, const struct log_copy_record *copy, struct error *error)
{
    struct arena scratch = { 0 };
    struct record_history loaded;
    enum status status =
        record_unpack_history(copy->key, copy->value, copy->value_size, &scratch, &loaded, error);
    const struct kv_history *history = &kv->history;
    bool rises =
        history->count == 0 ||
        (status == STATUS_OK && kv_history_at(history, history->count - 1)->revision < loaded.revision);
    if (status == STATUS_OK && !rises) {
        status = error_set(error, STATUS_CORRUPT, "history \"%.64s\" is out of order", copy->key);
    }
    if (status == STATUS_OK) add_revision(kv, &loaded);
    arena_fini(&scratch);
    return status;
}

enum status kv_load(void *kv, const struct log_copy_record *record, struct error *error)
{
    switch (record->space) {
    case COPY_RECORD: return load_record(kv, record, error);
    case COPY_SESSION: return load_session(kv, record, error);
    case COPY_HISTORY: return load_history(kv, record, error);
    default: return error_set(error, STATUS_CORRUPT, "the state copy has no space %d", (int)record->space);
    }
}

enum status kv_load_end(struct kv *kv, const struct log_position *applied, uint64_t history_first,
                        const uint8_t state_hash[16], struct error *error)
{
    uint8_t hash[16];
    kv_state_hash(kv, hash);
    if (applied->index != 0 && memcmp(hash, state_hash, sizeof hash) != 0) {
        return error_set(error, STATUS_CORRUPT,
                         "the state copy does not have the hash that was kept with it");
    }
    kv->applied = *applied;
    kv->copied = *applied;
    kv_sessions_clean(&kv->sessions);
    kv_history_clean(&kv->history, history_first == 0 ? 1 : history_first);
    return STATUS_OK;
}
