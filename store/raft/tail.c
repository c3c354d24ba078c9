/* tail: see the header. Slots are twice the limit, so entries are moved to the front at most once for each
 * `keep_entries` appended. */
#include "store/raft/tail.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <string.h>

void tail_init(struct tail *tail, uint32_t keep_entries, size_t keep_bytes)
{
    tail->keep_entries = keep_entries;
    tail->keep_bytes = keep_bytes;
    tail->slot_count = 2 * keep_entries + TAIL_STEP_ENTRIES_MAX;
    tail->slots = memory_array(tail->slot_count, sizeof tail->slots[0]);
}

void tail_drop_first(struct tail *tail)
{
    CHECK(tail->count > 0);
    struct raft_entry *entry = &tail->slots[tail->first];
    tail->bytes -= tail_entry_bytes(entry);
    tail->before = (struct log_position){ .index = entry->index, .term = entry->term, .chain = entry->chain };
    bytes_unref(&entry->payload);
    tail->first++;
    tail->count--;
}

static void drop_last(struct tail *tail)
{
    struct raft_entry *entry = &tail->slots[tail->first + tail->count - 1];
    tail->bytes -= tail_entry_bytes(entry);
    bytes_unref(&entry->payload);
    tail->count--;
}

void tail_fini(struct tail *tail)
{
    while (tail->count > 0) {
        drop_last(tail);
    }
    memory_free(tail->slots);
    *tail = (struct tail){ 0 };
}

struct log_position tail_last(const struct tail *tail)
{
    if (tail->count == 0) return tail->before;
    const struct raft_entry *entry = &tail->slots[tail->first + tail->count - 1];
    return (struct log_position){ .index = entry->index, .term = entry->term, .chain = entry->chain };
}

const struct raft_entry *tail_at(const struct tail *tail, log_index index)
{
    if (index <= tail->before.index) return NULL;
    if (index - tail->before.index > tail->count) return NULL;
    return &tail->slots[tail->first + (uint32_t)(index - tail->before.index) - 1];
}

bool tail_position(const struct tail *tail, log_index index, struct log_position *out_position)
{
    const struct raft_entry *entry = tail_at(tail, index);
    if (entry != NULL) {
        *out_position =
            (struct log_position){ .index = entry->index, .term = entry->term, .chain = entry->chain };
        return true;
    }
    if (index == tail->before.index) *out_position = tail->before;
    else if (index == tail->base.index) *out_position = tail->base;
    else if (index == 0) *out_position = (struct log_position){ 0 };
    else return false;
    return true;
}

log_term tail_term_at(const struct tail *tail, log_index index)
{
    if (index > tail_last(tail).index) return 0;
    const struct raft_entry *entry = tail_at(tail, index);
    if (entry != NULL) return entry->term;
    if (index == tail->before.index) return tail->before.term;
    if (index == tail->base.index) return tail->base.term;
    if (index < tail->base.index) return 0;
    return term_runs_at(&tail->runs, index);
}

size_t tail_entry_bytes(const struct raft_entry *entry)
{
    return sizeof *entry + (entry->payload == NULL ? 0 : entry->payload->size);
}

uint32_t tail_fit(const struct raft_entry *entries, uint32_t count, uint32_t entries_max, size_t bytes_max)
{
    size_t bytes = 0;
    uint32_t fit = 0;
    while (fit < count && fit < entries_max) {
        bytes += tail_entry_bytes(&entries[fit]);
        if (fit > 0 && bytes > bytes_max) break;
        fit++;
    }
    return fit;
}

bool tail_has_room(const struct tail *tail, uint32_t entries, size_t bytes)
{
    if (tail->count + entries > 2 * tail->keep_entries) return false;
    return tail->bytes + bytes <= 2 * tail->keep_bytes + CORE_APPEND_BYTES_MAX;
}

void tail_append(struct tail *tail, const struct raft_entry *entry)
{
    CHECK(entry->index == tail_last(tail).index + 1);
    CHECK(tail->first + tail->count < tail->slot_count);
    struct raft_entry *slot = &tail->slots[tail->first + tail->count];
    *slot = *entry;
    slot->payload = bytes_ref(entry->payload);
    tail->count++;
    tail->bytes += tail_entry_bytes(slot);
    if (slot->stamp_ms > tail->last_stamp_ms) tail->last_stamp_ms = slot->stamp_ms;
    term_runs_append(&tail->runs, slot->index, slot->term);
}

void tail_truncate(struct tail *tail, const struct log_position *last)
{
    while (tail->count > 0 && tail_last(tail).index > last->index) {
        drop_last(tail);
    }
    if (tail->count == 0) tail->before = *last;
    term_runs_truncate(&tail->runs, last->index + 1);
}

void tail_restart(struct tail *tail, const struct log_position *base)
{
    while (tail->count > 0) {
        drop_last(tail);
    }
    tail->base = *base;
    tail->before = *base;
    term_runs_truncate(&tail->runs, 1);
    if (base->index > 0) term_runs_append(&tail->runs, base->index, base->term);
}

void tail_compact(struct tail *tail, const struct log_position *base)
{
    tail->base = *base;
    while (tail->before.index < base->index) {
        tail_drop_first(tail);
    }
}

void tail_tidy(struct tail *tail, log_index not_needed)
{
    while (tail->count > 0 && tail->slots[tail->first].index <= not_needed &&
           (tail->count > tail->keep_entries || tail->bytes > tail->keep_bytes)) {
        tail_drop_first(tail);
    }
    if (tail->first + tail->count + TAIL_STEP_ENTRIES_MAX <= tail->slot_count) return;
    memmove(tail->slots, tail->slots + tail->first, tail->count * sizeof tail->slots[0]);
    tail->first = 0;
}
