/* spread: where the fewest instances of this slice are, then where the least runs at all, then by name. */
#include "actors/placement/plan.h"

uint32_t spread_choose(const struct placement_node *nodes, const bool *usable, const uint32_t *count_here,
                       uint32_t node_count, uint32_t last)
{
    uint32_t best = PLACEMENT_NOWHERE;
    (void)last;
    for (uint32_t i = 0; i < node_count; i++) {
        if (!usable[i]) continue;
        bool fewer = best == PLACEMENT_NOWHERE || count_here[i] < count_here[best];
        bool same = best != PLACEMENT_NOWHERE && count_here[i] == count_here[best];
        if (fewer || (same && nodes[i].load < nodes[best].load)) best = i;
    }
    return best;
}
