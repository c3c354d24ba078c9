/* fault_clocks: clocks that go wrong: up to a year off, up to 10 % too fast or slow, or not at all (FLT11).
 */
#include "nodes/sim/fault.h"

enum { RATE_RIGHT = 1000, RATE_FROZEN = 1, DRIFT_MAX = 100 };

static void set_clock(struct chaos *chaos, uint32_t node)
{
    uint32_t rate = chaos->rate_permille[node] == 0 ? RATE_RIGHT : chaos->rate_permille[node];
    if (chaos->thaw_ns[node] != 0) rate = RATE_FROZEN;
    sim_set_clock(chaos->sim, node, rate, chaos->wall_offset_ms[node]);
}

static void strike_drift(struct chaos *chaos, struct trouble *trouble)
{
    uint32_t node = fault_any_node(chaos, &trouble->chance);
    chaos->rate_permille[node] =
        (uint32_t)chance_between(&trouble->chance, RATE_RIGHT - DRIFT_MAX, RATE_RIGHT + DRIFT_MAX);
    set_clock(chaos, node);
}

const struct fault_family fault_drift = {
    .name = "drift", .permille = 300, .pause_max_ns = SECONDS(4), .strike = strike_drift
};

static void strike_freeze(struct chaos *chaos, struct trouble *trouble)
{
    uint32_t node = fault_any_node(chaos, &trouble->chance);
    chaos->thaw_ns[node] = sim_now_ns(chaos->sim) + fault_span(&trouble->chance, SECONDS(1), SECONDS(10));
    set_clock(chaos, node);
}

static void look_freeze(struct chaos *chaos, struct trouble *trouble)
{
    (void)trouble;
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        if (chaos->thaw_ns[i] == 0 || sim_now_ns(chaos->sim) < chaos->thaw_ns[i]) continue;
        chaos->thaw_ns[i] = 0;
        set_clock(chaos, i);
    }
}

/* A drift within its bounds is no fault that ends: S14 has to hold with it. */
static void heal_freezes(struct chaos *chaos, uint64_t nodes)
{
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        if (((nodes >> i) & 1) == 0 || chaos->thaw_ns[i] == 0) continue;
        chaos->thaw_ns[i] = 0;
        set_clock(chaos, i);
    }
}

const struct fault_family fault_freeze = { .name = "freeze",
                                           .permille = 200,
                                           .pause_max_ns = SECONDS(4),
                                           .strike = strike_freeze,
                                           .look = look_freeze,
                                           .heal = heal_freezes };

static void strike_wall(struct chaos *chaos, struct trouble *trouble)
{
    const int64_t year_ms = INT64_C(365) * 24 * 3600 * 1000;
    uint32_t node = fault_any_node(chaos, &trouble->chance);
    bool small = chance_permille(&trouble->chance, 500);
    int64_t most_ms = small ? 5000 : year_ms;
    chaos->wall_offset_ms[node] = chance_between(&trouble->chance, -most_ms, most_ms);
    set_clock(chaos, node);
}

const struct fault_family fault_wall = {
    .name = "wall", .permille = 300, .pause_max_ns = SECONDS(3), .strike = strike_wall
};
