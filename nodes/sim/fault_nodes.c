/* fault_nodes: nodes that die, that stand still, and slices that fail on them (FLT7, FLT8, FLT10, FLT27). */
#include "nodes/sim/fault.h"

/* --- deaths --- */

void fault_kill(struct chaos *chaos, uint32_t node, struct chance *chance, int64_t dead_max_ns)
{
    if (!sim_is_up(chaos->sim, node)) return;
    bool ordered = chance_permille(chance, 100);
    if (ordered) (void)sim_stop(chaos->sim, node);
    else sim_kill(chaos->sim, node);
    chaos->result->kills++;
    chaos->go_on_ns[node] = 0;
    chaos->start_ns[node] = sim_now_ns(chaos->sim) + chance_between(chance, MILLISECONDS(10), dead_max_ns);
}

static void strike_kill(struct chaos *chaos, struct trouble *trouble)
{
    struct chance *chance = &trouble->chance;
    uint32_t leader = sim_leader(chaos->sim);
    switch (chance_next(chance) % 4) {
    case 0: /* All at once (FLT8). */
        for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++)
            fault_kill(chaos, i, chance, MILLISECONDS(300));
        break;
    case 1:
        if (leader != SIM_NOBODY) fault_kill(chaos, leader, chance, SECONDS(2));
        break;
    default: fault_kill(chaos, fault_any_node(chaos, chance), chance, SECONDS(2)); break;
    }
}

void fault_revive(struct chaos *chaos, struct trouble *trouble)
{
    (void)trouble;
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        if (chaos->start_ns[i] == 0 || sim_now_ns(chaos->sim) < chaos->start_ns[i]) continue;
        chaos->start_ns[i] = 0;
        if (!sim_is_up(chaos->sim, i)) sim_start(chaos->sim, i);
    }
}

static void heal_deaths(struct chaos *chaos, uint64_t nodes)
{
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        if (((nodes >> i) & 1) == 0) continue;
        chaos->start_ns[i] = 0;
        if (!sim_is_up(chaos->sim, i) && !sim_restarts(chaos->sim, i)) sim_start(chaos->sim, i);
    }
}

const struct fault_family fault_kills = { .name = "kill",
                                          .permille = 600,
                                          .pause_max_ns = SECONDS(3),
                                          .strike = strike_kill,
                                          .look = fault_revive,
                                          .heal = heal_deaths };

/* --- pauses: one node, the leader, all --- */

static void pause_node(struct chaos *chaos, uint32_t node, struct chance *chance)
{
    if (!sim_is_up(chaos->sim, node)) return;
    bool brief = chance_permille(chance, 500); /* Shorter than what anybody notices. */
    int64_t mean_ns = brief ? MILLISECONDS(200) : SECONDS(2);
    sim_hold(chaos->sim, node, STEPPER_HOLD_ALL);
    chaos->go_on_ns[node] =
        sim_now_ns(chaos->sim) + MILLISECONDS(10) + fault_span(chance, mean_ns, SECONDS(60));
}

static void strike_pause(struct chaos *chaos, struct trouble *trouble)
{
    struct chance *chance = &trouble->chance;
    uint32_t claimant = sim_claimant(chaos->sim);
    uint64_t drawn = chance_next(chance);
    if (drawn % 8 == 0) {
        for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++)
            pause_node(chaos, i, chance);
    } else if (drawn % 2 == 0 && claimant != SIM_NOBODY) {
        pause_node(chaos, claimant, chance);
    } else {
        pause_node(chaos, fault_any_node(chaos, chance), chance);
    }
}

static void look_pause(struct chaos *chaos, struct trouble *trouble)
{
    (void)trouble;
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        if (chaos->go_on_ns[i] == 0 || sim_now_ns(chaos->sim) < chaos->go_on_ns[i]) continue;
        chaos->go_on_ns[i] = 0;
        sim_hold(chaos->sim, i, STEPPER_HOLD_NONE);
    }
}

static void heal_pauses(struct chaos *chaos, uint64_t nodes)
{
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        if (((nodes >> i) & 1) == 0) continue;
        chaos->go_on_ns[i] = 0;
        sim_hold(chaos->sim, i, STEPPER_HOLD_NONE);
    }
}

const struct fault_family fault_pause = { .name = "pause",
                                          .permille = 350,
                                          .pause_max_ns = SECONDS(3),
                                          .strike = strike_pause,
                                          .look = look_pause,
                                          .heal = heal_pauses };

/* --- slices that say no, crash, or live short --- */

static void setup_slices(struct trouble *trouble, struct sim_options *world)
{
    struct chance *chance = &trouble->chance;
    if (chance_permille(chance, 500)) world->slices.no_permille = (uint32_t)chance_between(chance, 1, 200);
    if (chance_permille(chance, 500)) world->slices.crash_permille = (uint32_t)chance_between(chance, 1, 100);
    if (chance_permille(chance, 500)) {
        world->slices.life_max_ns = chance_between(chance, SECONDS(1), SECONDS(10));
    }
    world->exclusive = chance_permille(chance, 250);
    world->configures = chance_permille(chance, 300);
}

static void heal_slices(struct chaos *chaos, uint64_t nodes)
{
    (void)nodes; /* They belong to no node: what is healed is all of them. */
    sim_set_slice_faults(chaos->sim, &(struct sim_slice_faults){ 0 });
}

const struct fault_family fault_slices = {
    .name = "slices", .permille = 600, .setup = setup_slices, .heal = heal_slices
};
