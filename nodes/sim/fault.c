/* fault: the table of families, and when each has its turn. */
#include "nodes/sim/fault.h"

_Static_assert((int)FAULT_COUNT <= (int)CHAOS_FAMILIES_MAX, "each family has its place in a run");

const struct fault_family *fault_family(enum fault_id id)
{
    static const struct fault_family *const families[FAULT_COUNT] = {
        [FAULT_LOSS] = &fault_loss,
        [FAULT_DUPLICATES] = &fault_duplicates,
        [FAULT_REPLAY] = &fault_replay,
        [FAULT_STRAGGLERS] = &fault_stragglers,
        [FAULT_LATENCY] = &fault_latency,
        [FAULT_CLOG] = &fault_clog,
        [FAULT_CUT] = &fault_cut,
        [FAULT_FLAPPING] = &fault_flapping,
        [FAULT_ONE_WAY] = &fault_one_way,
        [FAULT_TOPOLOGY] = &fault_topology,
        [FAULT_KILL] = &fault_kills,
        [FAULT_WRITE] = &fault_write,
        [FAULT_PAUSE] = &fault_pause,
        [FAULT_HANG] = &fault_hang,
        [FAULT_SLOW_DISK] = &fault_slow_disk,
        [FAULT_DRIFT] = &fault_drift,
        [FAULT_FREEZE] = &fault_freeze,
        [FAULT_WALL] = &fault_wall,
        [FAULT_CAROUSEL] = &fault_carousel,
        [FAULT_TRANSFER] = &fault_transfer,
        [FAULT_TINY] = &fault_tiny,
        [FAULT_SLICES] = &fault_slices,
        [FAULT_FULL] = &fault_full,
        [FAULT_ROT] = &fault_rot,
        [FAULT_DOUBT] = &fault_doubt,
        [FAULT_OLD_COPY] = &fault_old_copy,
        [FAULT_EXCHANGE] = &fault_exchange,
        [FAULT_MEMBERS] = &fault_members,
        [FAULT_WORKERS] = &fault_workers,
        [FAULT_STEP] = &fault_step,
    };
    return families[id];
}

/* How much of everything a seed has: from nearly nothing to all at once. */
static uint32_t draw_density(uint64_t seed)
{
    static const uint32_t densities[] = { 250, 500, 750, 1000 };
    struct chance chance = chance_of(seed, STREAM_FAULT - 1);
    return densities[chance_next(&chance) % ARRAY_COUNT(densities)];
}

void fault_draw(struct chaos *chaos, struct sim_options *world)
{
    uint32_t density = draw_density(chaos->seed);
    for (uint32_t id = 0; id < FAULT_COUNT; id++) {
        const struct fault_family *family = fault_family(id);
        struct chance chance = chance_of(chaos->seed, STREAM_FAULT + id);
        struct trouble *trouble = &chaos->troubles[id];
        *trouble = chaos_trouble(&chance, family->permille * density / 1000, family->pause_max_ns);
        if (!trouble->on) continue;
        chaos->result->families |= UINT64_C(1) << id;
        if (family->setup != NULL) family->setup(trouble, world);
    }
}

void fault_look(struct chaos *chaos)
{
    for (uint32_t id = 0; id < FAULT_COUNT; id++) {
        const struct fault_family *family = fault_family(id);
        struct trouble *trouble = &chaos->troubles[id];
        if (!trouble->on) continue;
        if (family->strike != NULL && chaos_strikes(chaos, trouble)) {
            family->strike(chaos, trouble);
            chaos->result->strikes++;
        }
        if (family->look != NULL) family->look(chaos, trouble);
    }
}

void fault_heal(struct chaos *chaos, uint64_t nodes)
{
    for (uint32_t id = 0; id < FAULT_COUNT; id++) {
        const struct fault_family *family = fault_family(id);
        if (family->heal != NULL) family->heal(chaos, nodes);
    }
}

/* --- for the families --- */

uint32_t fault_any_node(struct chaos *chaos, struct chance *chance)
{
    return (uint32_t)(chance_next(chance) % sim_node_count(chaos->sim));
}

/* By a series of halves: no logarithm, which might differ between machines. */
int64_t fault_span(struct chance *chance, int64_t mean_ns, int64_t max_ns)
{
    int64_t span_ns = chance_between(chance, 0, mean_ns);
    while (span_ns < max_ns && chance_permille(chance, 500))
        span_ns += chance_between(chance, 0, mean_ns * 2);
    return span_ns < max_ns ? span_ns : max_ns;
}
