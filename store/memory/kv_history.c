/* kv_history: see the header. A ring, oldest first; revisions rise, so finding one is a binary search. */
#include "store/memory/kv_history.h"

#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "store/memory/kv_item.h"
#include "store/record.h"

enum { RING_SIZE = KV_HISTORY_REVISIONS_MAX + 1 };

void kv_history_init(struct kv_history *history)
{
    *history = (struct kv_history){ .first = 1 };
}

const struct kv_revision *kv_history_at(const struct kv_history *history, uint32_t position)
{
    CHECK(position < history->count);
    return &history->ring[(history->start + position) % RING_SIZE];
}

static void revision_fini(struct kv_revision *revision)
{
    for (uint32_t i = 0; i < revision->count; i++) {
        struct kv_item *previous = kv_item_of(revision->changes[i].previous);
        struct kv_item *item = kv_item_of(revision->changes[i].record);
        kv_item_unref(&previous);
        kv_item_unref(&item);
    }
    memory_free(revision->changes);
    *revision = (struct kv_revision){ 0 };
}

static void drop_first(struct kv_history *history)
{
    struct kv_revision *oldest = &history->ring[history->start];
    MARK("kv.history_drops_its_first");
    history->first = oldest->revision + 1;
    history->bytes -= oldest->bytes;
    revision_fini(oldest);
    history->start = (history->start + 1) % RING_SIZE;
    history->count--;
}

static bool exceeds(const struct kv_history *history)
{
    return history->count > KV_HISTORY_REVISIONS_MAX ||
           (history->bytes > KV_HISTORY_BYTES_MAX && history->count > 1);
}

/* A version counts twice, as what came and as what went: an upper bound, and the same on every replica. */
static size_t bytes_of(const struct kv_change *changes, uint32_t count)
{
    size_t bytes = count * sizeof *changes;
    for (uint32_t i = 0; i < count; i++) {
        bytes +=
            kv_item_bytes(kv_item_of(changes[i].previous)) + kv_item_bytes(kv_item_of(changes[i].record));
    }
    return bytes;
}

const struct kv_change *kv_history_add(struct kv_history *history, uint64_t revision,
                                       struct kv_change *changes, uint32_t count)
{
    CHECK(history->count == 0 || kv_history_at(history, history->count - 1)->revision < revision);
    if (history->ring == NULL) history->ring = memory_array(RING_SIZE, sizeof *history->ring);
    struct kv_revision *place = &history->ring[(history->start + history->count) % RING_SIZE];
    *place = (struct kv_revision){ revision, changes, count, bytes_of(changes, count) };
    history->count++;
    history->bytes += place->bytes;
    while (exceeds(history)) {
        drop_first(history);
    }
    return changes;
}

uint32_t kv_history_position(const struct kv_history *history, uint64_t revision)
{
    uint32_t low = 0;
    uint32_t high = history->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (kv_history_at(history, middle)->revision < revision) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Only the newest is kept beyond the bounds, so then it is the only one. */
static bool is_oversized(const struct kv_history *history)
{
    return history->bytes > KV_HISTORY_BYTES_MAX;
}

uint64_t kv_history_first_copied(const struct kv_history *history)
{
    return is_oversized(history) ? kv_history_at(history, 0)->revision + 1 : history->first;
}

uint32_t kv_history_uncopied(const struct kv_history *history)
{
    if (is_oversized(history)) return 0;
    return history->count - kv_history_position(history, history->copied + 1);
}

uint32_t kv_history_copy(struct kv_history *history, struct arena *arena, struct log_copy_record *records)
{
    uint32_t count = 0;
    if (is_oversized(history)) return 0;
    for (uint32_t i = kv_history_position(history, history->copied + 1); i < history->count; i++) {
        const struct kv_revision *revision = kv_history_at(history, i);
        char key[RECORD_NUMBER_KEY_SIZE];
        record_number_key(key, revision->revision);
        struct record_blob blob =
            record_pack_history(revision->revision, revision->changes, revision->count, arena);
        records[count++] = (struct log_copy_record){ .space = COPY_HISTORY,
                                                     .key = arena_strdup(arena, key),
                                                     .value = blob.data,
                                                     .value_size = blob.size };
        history->copied = revision->revision;
    }
    return count;
}

void kv_history_clean(struct kv_history *history, uint64_t first)
{
    while (history->count > 0 && kv_history_at(history, 0)->revision < first) {
        drop_first(history);
    }
    history->first = first;
    history->copied = history->count == 0 ? 0 : kv_history_at(history, history->count - 1)->revision;
}

void kv_history_fini(struct kv_history *history)
{
    while (history->count > 0) {
        drop_first(history);
    }
    memory_free(history->ring);
    kv_history_init(history);
    history->ring = NULL;
}
