/* fault_leaders: leaders that change faster than anybody likes (FLT21), and bounds so small that each of them
 * matters. */
#include "nodes/sim/fault.h"

enum { BURST_MAX = 12 };

/* --- the carousel --- */

/* Writes that only their leader has when it is cut off. */
static void burst(struct chaos *chaos, uint32_t node, struct chance *chance)
{
    int64_t count = chance_between(chance, 0, BURST_MAX);
    for (int64_t i = 0; i < count; i++)
        (void)chaos_put(chaos, node, chance, SECONDS(2));
}

/* Each new leader, ready or not, is soon alone on one side, with entries that nobody else has; the one before
 * it comes back with its own. Logs of many terms meet (figure 8 of the Raft paper needs this). */
static void look_carousel(struct chaos *chaos, struct trouble *trouble)
{
    struct sim *sim = chaos->sim;
    uint32_t claimant = sim_claimant(sim);
    if (claimant == SIM_NOBODY) return;
    if (claimant != chaos->isolated) {
        chaos->isolated = claimant;
        chaos->isolating = true;
        trouble->next_ns = sim_now_ns(sim) + chance_between(&trouble->chance, 0, trouble->pause_max_ns);
    }
    if (!chaos->isolating || sim_now_ns(sim) < trouble->next_ns) return;
    chaos->isolating = false;
    chaos->result->cuts++;
    sim_mend(sim);
    sim_cut(sim, UINT64_C(1) << claimant);
    burst(chaos, claimant, &trouble->chance);
}

static void heal_carousel(struct chaos *chaos, uint64_t nodes)
{
    (void)nodes;
    chaos->isolated = SIM_NOBODY;
    chaos->isolating = false;
}

const struct fault_family fault_carousel = { .name = "carousel",
                                             .permille = 400,
                                             .pause_max_ns = MILLISECONDS(400),
                                             .look = look_carousel,
                                             .heal = heal_carousel };

/* --- transfers, storms of them --- */

static void strike_transfer(struct chaos *chaos, struct trouble *trouble)
{
    (void)trouble;
    uint32_t leader = sim_claimant(chaos->sim);
    if (leader == SIM_NOBODY || !sim_is_up(chaos->sim, leader)) return;
    (void)sim_transfer(chaos->sim, leader);
}

const struct fault_family fault_transfer = {
    .name = "transfer", .permille = 300, .pause_max_ns = MILLISECONDS(800), .strike = strike_transfer
};

/* --- tiny bounds: each opens windows that are shut at its default --- */

static void setup_tiny(struct trouble *trouble, struct sim_options *world)
{
    struct chance *chance = &trouble->chance;
    struct core_options *core = &world->core;
    if (chance_permille(chance, 600)) core->append_entries = (uint32_t)chance_between(chance, 1, 3);
    if (chance_permille(chance, 600)) core->window_messages = (uint32_t)chance_between(chance, 1, 3);
    if (chance_permille(chance, 400)) {
        core->tail_entries = core->append_entries == 0 ? CORE_APPEND_ENTRIES_MAX : core->append_entries + 1;
    }
    if (chance_permille(chance, 500)) world->log_keep_entries = (uint64_t)chance_between(chance, 1, 60);
    if (chance_permille(chance, 300)) core->preference_ticks = (uint32_t)chance_between(chance, 50, 400);
    if (core->preference_ticks != 0) core->preference_max_ticks = core->preference_ticks * 8;
    if (chance_permille(chance, 500)) world->snapshot_chunk_bytes = (size_t)chance_between(chance, 1, 2000);
    if (chance_permille(chance, 200)) world->snapshot_side_bytes = (size_t)chance_between(chance, 500, 8000);
}

const struct fault_family fault_tiny = { .name = "tiny", .permille = 700, .setup = setup_tiny };
