/* term_runs: see the header. */
#include "store/raft/term_runs.h"

#include <string.h>

void term_runs_append(struct term_runs *runs, log_index index, log_term term)
{
    if (runs->count > 0 && runs->items[runs->count - 1].term == term) return;
    if (runs->count == CORE_TERM_RUNS_MAX) {
        uint32_t forgotten = CORE_TERM_RUNS_MAX / 4;
        runs->count -= forgotten;
        memmove(runs->items, runs->items + forgotten, runs->count * sizeof runs->items[0]);
    }
    runs->items[runs->count++] = (struct core_term_run){ .term = term, .first = index };
}

void term_runs_truncate(struct term_runs *runs, log_index from)
{
    while (runs->count > 0 && runs->items[runs->count - 1].first >= from) {
        runs->count--;
    }
}

/* How many runs begin at or before index. */
static uint32_t runs_begun(const struct term_runs *runs, log_index index)
{
    uint32_t low = 0;
    uint32_t high = runs->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (runs->items[middle].first <= index) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* How many runs have a term at or below term. */
static uint32_t runs_not_above(const struct term_runs *runs, log_term term)
{
    uint32_t low = 0;
    uint32_t high = runs->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (runs->items[middle].term <= term) low = middle + 1;
        else high = middle;
    }
    return low;
}

log_term term_runs_at(const struct term_runs *runs, log_index index)
{
    uint32_t begun = runs_begun(runs, index);
    return begun == 0 ? 0 : runs->items[begun - 1].term;
}

log_index term_runs_last_not_above(const struct term_runs *runs, log_index index, log_term term)
{
    uint32_t begun = runs_begun(runs, index);
    uint32_t fit = runs_not_above(runs, term);
    if (fit >= begun) return begun == 0 ? 0 : index;
    return fit == 0 ? 0 : runs->items[fit].first - 1; /* Just before the first entry of a higher term. */
}
