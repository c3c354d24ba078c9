/* journal_cursor: see the header. */
#include "store/journal/journal_cursor.h"

#include "runtime/base/check.h"
#include "runtime/base/planted.h"

void journal_cursor_begin(struct journal_cursor *cursor, size_t segment_size)
{
    *cursor = (struct journal_cursor){ .segment_size = segment_size };
}

void journal_cursor_resume(struct journal_cursor *cursor, size_t segment_size,
                           const struct journal_scan *scan, uint64_t settled)
{
    journal_cursor_begin(cursor, segment_size);
    cursor->end = scan->end;
    cursor->settled = settled;
}

static size_t segment_of(const struct journal_cursor *cursor, uint64_t at)
{
    return (size_t)(at / cursor->segment_size);
}

/* On, or to the start of the other segment. */
static uint64_t place_for(const struct journal_cursor *cursor, size_t size)
{
    size_t segment = segment_of(cursor, cursor->end.at);
    uint64_t left = (segment + 1) * cursor->segment_size - cursor->end.at;
    if (size <= left) return cursor->end.at;
    return (segment + 1) % JOURNAL_SEGMENTS * cursor->segment_size;
}

bool journal_cursor_find(const struct journal_cursor *cursor, size_t size, uint64_t *out_at)
{
    if (size > cursor->segment_size) return false;
    *out_at = place_for(cursor, size);
    bool begins_segment = *out_at % cursor->segment_size == 0;
    if (!begins_segment || PLANTED("journal.segment_is_written_over")) return true;
    return cursor->segment_last[segment_of(cursor, *out_at)] <= cursor->settled;
}

void journal_cursor_wrote(struct journal_cursor *cursor, uint64_t at, size_t size)
{
    uint64_t whole = JOURNAL_SEGMENTS * (uint64_t)cursor->segment_size;
    uint64_t sequence = cursor->end.sequence + 1;
    CHECK(at + size <= whole);
    cursor->segment_last[segment_of(cursor, at)] = sequence;
    cursor->end = (struct journal_point){ sequence, (at + size) % whole };
}

void journal_cursor_settle(struct journal_cursor *cursor)
{
    cursor->settled = cursor->end.sequence;
}
