/* journal_scan: what a journal's sectors prove after a start: pure, no I/O (consensus.md section 4, D8).
 *
 * A batch is written when the one before it is durable, and acknowledged when it is durable itself. So of all
 * batches only the newest may be incomplete: it was cut short, nobody was told, and it is dropped (J1).
 * Everything else that is not whole was acknowledged and is damage, and evidence (T2):
 * - an incomplete batch that another one follows, or a sequence that is missing between two;
 * - a sector that is neither what was written nor what was there before, where the newest batch is or the
 *   next one would be: a power cut loses sectors, it does not change them;
 * - a journal older than what the tables have of it already.
 * What the tables have, and what another journal wrote, is never looked at again, however sound. A newest
 * batch of which every sector went back to what was there before is told from one that was never written by
 * nobody here (J6): that is for the gate (T3), as is an environment that lost a commit. */
#ifndef AETHER_STORE_JOURNAL_JOURNAL_SCAN_H
#define AETHER_STORE_JOURNAL_JOURNAL_SCAN_H

#include "store/journal/journal_batch.h"

enum { JOURNAL_SEGMENTS = 2 };

struct journal_image { /* Its segments, one after another; borrowed. */
    const uint8_t *data;
    size_t segment_size; /* Whole blocks. */
    uint64_t journal;
};

/* Where the tables stand. */
struct journal_point {
    uint64_t sequence; /* Of the newest batch that they have; 0: of none. */
    uint64_t at; /* Offset in the segments: where the next one goes, unless it begins the other segment. */
};

struct journal_scan {
    struct journal_point end; /* After the last complete batch. */
    /* J2: what is left of a batch that was cut short, whole blocks. To be erased, durably, before anything is
     * written: its sequence is the next one's, and nothing of both may ever lie side by side. */
    uint64_t torn_at;
    size_t torn_size; /* 0: there is none. */
};

/* Adds the complete batches beyond `tables` to pending, in order. OK or CORRUPT. */
MUST_CHECK enum status journal_scan(const struct journal_image *image, const struct journal_point *tables,
                                    struct journal_pending *pending, struct journal_scan *out_scan,
                                    struct error *error);

#endif
