/* fault_frames: what befalls single frames, and links that hold them back (FLT1, FLT2, FLT3). */
#include "nodes/sim/fault.h"

static void setup_loss(struct trouble *trouble, struct sim_options *world)
{
    bool heavy = chance_permille(&trouble->chance, 200);
    world->loss_permille = (uint32_t)chance_between(&trouble->chance, 1, heavy ? 500 : 200);
}

const struct fault_family fault_loss = { .name = "loss", .permille = 500, .setup = setup_loss };

static void setup_duplicates(struct trouble *trouble, struct sim_options *world)
{
    world->duplicate_permille = (uint32_t)chance_between(&trouble->chance, 1, 500);
}

const struct fault_family fault_duplicates = { .name = "duplicates",
                                               .permille = 400,
                                               .setup = setup_duplicates };

static void setup_replay(struct trouble *trouble, struct sim_options *world)
{
    world->memory_permille = (uint32_t)chance_between(&trouble->chance, 5, 200);
}

static void strike_replay(struct chaos *chaos, struct trouble *trouble)
{
    (void)sim_replay(chaos->sim, (uint32_t)chance_between(&trouble->chance, 1, 64));
}

const struct fault_family fault_replay = { .name = "replay",
                                           .permille = 400,
                                           .pause_max_ns = SECONDS(2),
                                           .setup = setup_replay,
                                           .strike = strike_replay };

static void setup_stragglers(struct trouble *trouble, struct sim_options *world)
{
    world->straggler_permille = (uint32_t)chance_between(&trouble->chance, 1, 100);
}

const struct fault_family fault_stragglers = { .name = "stragglers",
                                               .permille = 400,
                                               .setup = setup_stragglers };

static void setup_latency(struct trouble *trouble, struct sim_options *world)
{
    world->latency_max_ns = chance_between(&trouble->chance, MILLISECONDS(2), MILLISECONDS(60));
}

const struct fault_family fault_latency = { .name = "latency", .permille = 500, .setup = setup_latency };

/* --- clogs --- */

static void clog_node(struct chaos *chaos, uint32_t node, struct chance *chance)
{
    for (uint32_t peer = 0; peer < sim_node_count(chaos->sim); peer++) {
        if (chance_permille(chance, 700)) sim_clog_link(chaos->sim, node, peer);
        if (chance_permille(chance, 700)) sim_clog_link(chaos->sim, peer, node);
    }
}

static void unclog_node(struct chaos *chaos, uint32_t node)
{
    chaos->unclog_ns[node] = 0;
    for (uint32_t peer = 0; peer < sim_node_count(chaos->sim); peer++) {
        sim_mend_link(chaos->sim, node, peer);
        sim_mend_link(chaos->sim, peer, node);
    }
}

/* One node, or some of them one after the other, to be freed in an order of their own (FoundationDB's
 * swizzle). */
static void strike_clog(struct chaos *chaos, struct trouble *trouble)
{
    struct chance *chance = &trouble->chance;
    bool swizzle = chance_permille(chance, 400);
    uint32_t only = fault_any_node(chaos, chance);
    for (uint32_t node = 0; node < sim_node_count(chaos->sim); node++) {
        bool chosen = swizzle ? chance_permille(chance, 500) : node == only;
        if (!chosen) continue;
        clog_node(chaos, node, chance);
        chaos->unclog_ns[node] = sim_now_ns(chaos->sim) + fault_span(chance, SECONDS(1), SECONDS(5));
    }
}

static void look_clog(struct chaos *chaos, struct trouble *trouble)
{
    (void)trouble;
    for (uint32_t node = 0; node < sim_node_count(chaos->sim); node++) {
        if (chaos->unclog_ns[node] == 0 || sim_now_ns(chaos->sim) < chaos->unclog_ns[node]) continue;
        unclog_node(chaos, node);
    }
}

const struct fault_family fault_clog = {
    .name = "clog", .permille = 350, .pause_max_ns = SECONDS(4), .strike = strike_clog, .look = look_clog
};
