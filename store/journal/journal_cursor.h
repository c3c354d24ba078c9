/* journal_cursor: where the next batch goes, and whether it may go there. Pure; whoever keeps the bytes (the
 * real log, or the disk of the simulator) asks it before each write and tells it after. */
#ifndef AETHER_STORE_JOURNAL_JOURNAL_CURSOR_H
#define AETHER_STORE_JOURNAL_JOURNAL_CURSOR_H

#include "store/journal/journal_scan.h"

struct journal_cursor {
    size_t segment_size;                     /* Whole blocks. */
    struct journal_point end;                /* After the newest batch. */
    uint64_t segment_last[JOURNAL_SEGMENTS]; /* The newest batch in each; 0: none since the start. */
    uint64_t settled;                        /* The newest that the tables have. */
};

/* In a journal that is new. */
void journal_cursor_begin(struct journal_cursor *cursor, size_t segment_size);
/* After a start that found so much; the tables had batches up to `settled` before. J2: what is beyond them is
 * settled, and what is left of a torn one erased, before anything else is written. */
void journal_cursor_resume(struct journal_cursor *cursor, size_t segment_size,
                           const struct journal_scan *scan, uint64_t settled);
/* For a batch of that size on disk. false: the tables have to take it, since it is too large, or would be
 * written over what only the journal has (J3). */
bool journal_cursor_find(const struct journal_cursor *cursor, size_t size, uint64_t *out_at);
/* A batch of the next sequence, end.sequence + 1, is there. */
void journal_cursor_wrote(struct journal_cursor *cursor, uint64_t at, size_t size);
/* The tables have all of it. */
void journal_cursor_settle(struct journal_cursor *cursor);

#endif
