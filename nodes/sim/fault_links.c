/* fault_links: who cannot reach whom (FLT4, FLT5, FLT6). */
#include "nodes/sim/fault.h"

/* --- two sides --- */

static void strike_cut(struct chaos *chaos, struct trouble *trouble)
{
    struct sim *sim = chaos->sim;
    struct chance *chance = &trouble->chance;
    chaos->result->cuts++;
    switch (chance_next(chance) % 4) {
    case 0: sim_mend(sim); break;
    case 1: sim_cut(sim, chance_next(chance) % (UINT64_C(1) << sim_node_count(sim))); break;
    case 2: sim_cut(sim, UINT64_C(1) << fault_any_node(chaos, chance)); break;
    default:
        sim_mend(sim);
        sim_cut(sim, UINT64_C(1) << fault_any_node(chaos, chance));
        break;
    }
}

static void heal_links(struct chaos *chaos, uint64_t nodes)
{
    for (uint32_t a = 0; a < sim_node_count(chaos->sim); a++) {
        for (uint32_t b = 0; b < sim_node_count(chaos->sim); b++) {
            bool both = ((nodes >> a) & (nodes >> b) & 1) != 0;
            if (both && a != b) sim_mend_link(chaos->sim, a, b);
        }
    }
}

const struct fault_family fault_cut = {
    .name = "cut", .permille = 500, .pause_max_ns = SECONDS(2), .strike = strike_cut, .heal = heal_links
};

/* --- one link that comes and goes every 50 ms --- */

static const int64_t flap_ns = MILLISECONDS(50);

static void strike_flapping(struct chaos *chaos, struct trouble *trouble)
{
    if (chaos->flap.end_ns != 0) return;
    chaos->flap.a = fault_any_node(chaos, &trouble->chance);
    chaos->flap.b = fault_any_node(chaos, &trouble->chance);
    chaos->flap.end_ns = sim_now_ns(chaos->sim) + fault_span(&trouble->chance, SECONDS(1), SECONDS(5));
    chaos->flap.turn_ns = 0;
}

static void look_flapping(struct chaos *chaos, struct trouble *trouble)
{
    (void)trouble;
    int64_t now_ns = sim_now_ns(chaos->sim);
    if (chaos->flap.end_ns == 0 || now_ns < chaos->flap.turn_ns) return;
    bool ends = now_ns >= chaos->flap.end_ns;
    chaos->flap.cut = !ends && !chaos->flap.cut;
    chaos->flap.turn_ns = now_ns + flap_ns;
    if (ends) chaos->flap.end_ns = 0;
    uint32_t a = chaos->flap.a;
    uint32_t b = chaos->flap.b;
    if (chaos->flap.cut) {
        sim_cut_link(chaos->sim, a, b);
        sim_cut_link(chaos->sim, b, a);
    } else {
        sim_mend_link(chaos->sim, a, b);
        sim_mend_link(chaos->sim, b, a);
    }
}

const struct fault_family fault_flapping = { .name = "flapping",
                                             .permille = 250,
                                             .pause_max_ns = SECONDS(4),
                                             .strike = strike_flapping,
                                             .look = look_flapping };

/* --- one way only --- */

static void strike_one_way(struct chaos *chaos, struct trouble *trouble)
{
    struct sim *sim = chaos->sim;
    struct chance *chance = &trouble->chance;
    uint32_t node = fault_any_node(chaos, chance);
    chaos->result->cuts++;
    switch (chance_next(chance) % 4) {
    case 0: sim_mend(sim); break;
    case 1: /* Nobody hears it. */
        for (uint32_t peer = 0; peer < sim_node_count(sim); peer++)
            sim_cut_link(sim, node, peer);
        break;
    case 2: /* It hears nobody. */
        for (uint32_t peer = 0; peer < sim_node_count(sim); peer++)
            sim_cut_link(sim, peer, node);
        break;
    default: sim_cut_link(sim, node, fault_any_node(chaos, chance)); break;
    }
}

const struct fault_family fault_one_way = {
    .name = "one-way", .permille = 350, .pause_max_ns = SECONDS(2), .strike = strike_one_way
};

/* --- partial topologies: some see each other, some do not --- */

static void cut_both(struct sim *sim, uint32_t a, uint32_t b)
{
    sim_cut_link(sim, a, b);
    sim_cut_link(sim, b, a);
}

enum shape { SHAPE_STAR, SHAPE_CHAIN, SHAPE_RING, SHAPE_CLOUDFLARE, SHAPE_COUNT };

/* Do nodes at these places of the shape see each other? `rotation` says which node stands where. */
static bool sees(enum shape shape, uint32_t a, uint32_t b, uint32_t count)
{
    uint32_t low = a < b ? a : b;
    uint32_t high = a < b ? b : a;
    switch (shape) {
    case SHAPE_STAR: return low == 0;
    case SHAPE_CHAIN: return high == low + 1;
    case SHAPE_RING: return high == low + 1 || (low == 0 && high == count - 1);
    /* Two that do not see each other, both seen by all others: as at Cloudflare in November 2020. */
    case SHAPE_CLOUDFLARE: return low != 0 || high != 1;
    default: return true;
    }
}

static void strike_topology(struct chaos *chaos, struct trouble *trouble)
{
    struct sim *sim = chaos->sim;
    uint32_t count = sim_node_count(sim);
    uint64_t drawn = chance_next(&trouble->chance);
    enum shape shape = (enum shape)(drawn % (SHAPE_COUNT + 1));
    uint32_t rotation = (uint32_t)(drawn >> 32) % count;
    chaos->result->cuts++;
    sim_mend(sim);
    for (uint32_t a = 0; a < count; a++) {
        for (uint32_t b = 0; b < a; b++) {
            if (!sees(shape, a, b, count)) cut_both(sim, (a + rotation) % count, (b + rotation) % count);
        }
    }
}

const struct fault_family fault_topology = {
    .name = "topology", .permille = 300, .pause_max_ns = SECONDS(5), .strike = strike_topology
};
