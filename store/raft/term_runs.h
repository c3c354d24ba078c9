/* term_runs: which term each entry of the log has, as runs of equal terms. Knows terms of entries that are no
 * longer in memory, so that hints (R2) and the leader's skipping need no disk. A zeroed one is empty. */
#ifndef AETHER_STORE_RAFT_TERM_RUNS_H
#define AETHER_STORE_RAFT_TERM_RUNS_H

#include "store/raft/core.h"

struct term_runs {
    uint32_t count;
    struct core_term_run items[CORE_TERM_RUNS_MAX]; /* Ascending in both. */
};

/* The entry after all before; does nothing when the last run has this term. When full, a quarter is
 * forgotten. */
void term_runs_append(struct term_runs *runs, log_index index, log_term term);
void term_runs_truncate(struct term_runs *runs, log_index from); /* `from` and all after it go. */
/* 0: unknown, because it was forgotten or is 0. `index` is not beyond the log's last. */
log_term term_runs_at(const struct term_runs *runs, log_index index);
/* The largest index <= `index` of a term <= `term`; 0: none known. */
log_index term_runs_last_not_above(const struct term_runs *runs, log_index index, log_term term);

#endif
