/* round_robin: the next node by name after the one that was chosen last, whatever runs there; with nodes that
 * come and go it still never stacks instances on one node while another has fewer. */
#include "actors/placement/plan.h"

uint32_t round_robin_choose(const struct placement_node *nodes, const bool *usable,
                            const uint32_t *count_here, uint32_t node_count, uint32_t last)
{
    uint32_t best = PLACEMENT_NOWHERE;
    uint32_t first = last == PLACEMENT_NOWHERE ? 0 : last + 1;
    (void)nodes;
    for (uint32_t step = 0; step < node_count; step++) {
        uint32_t i = (first + step) % node_count;
        if (usable[i] && (best == PLACEMENT_NOWHERE || count_here[i] < count_here[best])) best = i;
    }
    return best;
}
