/* compaction: see the header. The log tells the bytes of all its entries, so the size of one is the average.
 */
#include "actors/consensus/compaction.h"
#include "runtime/base/planted.h"

/* The index before the newest entries that take at most so many bytes. */
static log_index before_bytes(const struct log_live *live, uint64_t bytes)
{
    uint64_t count = live->last - live->base.index;
    if (count == 0 || live->entry_bytes <= bytes) return live->base.index;
    uint64_t each = live->entry_bytes / count + 1;
    uint64_t kept = bytes / each;
    return kept < count ? live->last - kept : live->base.index;
}

static log_index larger(log_index a, log_index b)
{
    return a > b ? a : b;
}

log_index compaction_target(const struct log_live *live, const struct compaction_limits *limits,
                            log_index needed_from)
{
    log_index applied = live->applied.index;
    log_index by_entries = applied > limits->entries ? applied - limits->entries : 0;
    log_index target = larger(by_entries, before_bytes(live, limits->bytes));
    if (needed_from != 0) {
        log_index spared = larger(needed_from - 1, before_bytes(live, limits->follower_bytes));
        if (target > spared) target = spared;
    }
    if (PLANTED("compaction.beyond_the_applied_index")) return live->last;
    return target < applied ? target : applied;
}
