/* journal_pending: see the header. */
#include "store/journal/journal_pending.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

enum { ROOM_FIRST = 64 };

static void drop_from(struct journal_pending *pending, uint32_t count)
{
    while (pending->entry_count > count) {
        struct raft_entry *entry = &pending->entries[--pending->entry_count];
        if (entry->payload != NULL) pending->bytes -= entry->payload->size;
        bytes_unref(&entry->payload);
    }
}

void journal_pending_begin(struct journal_pending *pending, log_index tables_last, log_index floor)
{
    *pending = (struct journal_pending){ .tables_last = tables_last, .floor = floor };
}

void journal_pending_clear(struct journal_pending *pending)
{
    drop_from(pending, 0);
    memory_free(pending->entries);
    *pending = (struct journal_pending){ .tables_last = pending->tables_last, .floor = pending->floor };
}

bool journal_pending_is_empty(const struct journal_pending *pending)
{
    return !pending->has_hard && pending->truncate_from == 0 && pending->entry_count == 0;
}

log_index journal_pending_settled_last(const struct journal_pending *pending)
{
    return pending->truncate_from == 0 ? pending->tables_last : pending->truncate_from - 1;
}

void journal_pending_keep(struct journal_pending *pending, const struct log_batch *batch)
{
    enum status status = STATUS_OK;
    if (batch->hard != NULL) status = journal_pending_set_hard(pending, batch->hard, NULL);
    CHECK(status == STATUS_OK);
    if (batch->truncate_from != 0) status = journal_pending_truncate(pending, batch->truncate_from, NULL);
    CHECK(status == STATUS_OK); /* R3 */
    for (uint32_t i = 0; i < batch->entry_count; i++) {
        status = journal_pending_append(pending, &batch->entries[i], NULL);
        CHECK(status == STATUS_OK);
    }
}

log_index journal_pending_last(const struct journal_pending *pending)
{
    return journal_pending_settled_last(pending) + pending->entry_count;
}

const struct raft_entry *journal_pending_entry(const struct journal_pending *pending, log_index index)
{
    log_index before = journal_pending_settled_last(pending);
    bool holds = index > before && index - before <= pending->entry_count;
    return holds ? &pending->entries[index - before - 1] : NULL;
}

enum status journal_pending_set_hard(struct journal_pending *pending, const struct hard_state *hard,
                                     struct error *error)
{
    if (pending->has_hard && hard->term < pending->hard.term) {
        return error_set(error, STATUS_CORRUPT, "the journal's term falls from %llu to %llu",
                         (unsigned long long)pending->hard.term, (unsigned long long)hard->term);
    }
    pending->has_hard = true;
    pending->hard = *hard;
    return STATUS_OK;
}

enum status journal_pending_truncate(struct journal_pending *pending, log_index from, struct error *error)
{
    log_index settled = journal_pending_settled_last(pending);
    if (from <= pending->floor) {
        return error_set(error, STATUS_CORRUPT, "the journal truncates at %llu, below %llu",
                         (unsigned long long)from, (unsigned long long)pending->floor);
    }
    if (from > settled) { /* Nothing of the tables. */
        if (from - settled - 1 < pending->entry_count) drop_from(pending, (uint32_t)(from - settled - 1));
        return STATUS_OK;
    }
    drop_from(pending, 0);
    pending->truncate_from = from;
    return STATUS_OK;
}

enum status journal_pending_append(struct journal_pending *pending, const struct raft_entry *entry,
                                   struct error *error)
{
    if (entry->index != journal_pending_last(pending) + 1) {
        return error_set(error, STATUS_CORRUPT, "entry %llu follows entry %llu in the journal",
                         (unsigned long long)entry->index, (unsigned long long)journal_pending_last(pending));
    }
    if (pending->entry_count == pending->entry_room) {
        pending->entry_room = pending->entry_room == 0 ? ROOM_FIRST : pending->entry_room * 2;
        pending->entries = memory_realloc(pending->entries, pending->entry_room * sizeof *pending->entries);
    }
    struct raft_entry *kept = &pending->entries[pending->entry_count++];
    *kept = *entry;
    kept->payload = bytes_ref(entry->payload);
    if (kept->payload != NULL) pending->bytes += kept->payload->size;
    return STATUS_OK;
}

struct log_batch journal_pending_batch(const struct journal_pending *pending)
{
    return (struct log_batch){
        .hard = pending->has_hard ? &pending->hard : NULL,
        .truncate_from = pending->truncate_from,
        .entries = pending->entries,
        .entry_count = pending->entry_count,
    };
}
