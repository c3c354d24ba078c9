/* history_index: who wrote which value, and at which revision: what the checks have in common. Finding it out
 * already convicts a history in which a value was seen that nobody wrote, or that was refused for certain
 * (K4), or that was seen at two revisions (K9). */
#ifndef AETHER_NODES_SIM_HISTORY_INDEX_H
#define AETHER_NODES_SIM_HISTORY_INDEX_H

#include "nodes/sim/history_records.h"

enum history_trust { HISTORY_TRUST_REVISIONS, HISTORY_TRUST_NONE /* They are not even looked at. */ };

struct history_index {
    const struct history *history;
    enum history_trust trust;
    struct map writers;  /* Value to its put's part + 1. */
    uint64_t *revisions; /* By operation: as told, or as others saw it; 0: not known. */
    int64_t *end_ns;     /* By operation: its return; earlier: of the first that saw what it wrote. */
    bool *seen;          /* By operation: somebody saw what it wrote. */
};

/* CORRUPT: as above; INVALID: two writes of one value (a mistake of whoever recorded). _fini in every case.
 */
MUST_CHECK enum status history_index_init(struct history_index *index, const struct history *history,
                                          enum history_trust trust, struct error *error);
void history_index_fini(struct history_index *index);
const struct history_part *history_index_writer(const struct history_index *index,
                                                uint64_t value); /* Or NULL. */

#endif
