/* fault_disks: writes that fail, are lost, or take their time (FLT7, FLT9, FLT10, FLT12, FLT13). */
#include "nodes/sim/fault.h"

/* --- the next write --- */

/* Who is taking a snapshot, if there is one: its writes are rare. */
static uint32_t prefer_installing(struct chaos *chaos, uint32_t otherwise)
{
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        struct core_status status;
        sim_status(chaos->sim, i, &status);
        if (status.installing) return i;
    }
    return otherwise;
}

static enum log_memory_fault draw_fault(struct chance *chance)
{
    static const enum log_memory_fault faults[] = { LOG_MEMORY_FAIL,       LOG_MEMORY_LOSE,
                                                    LOG_MEMORY_GUARD_ONLY, LOG_MEMORY_TEAR_GUARD,
                                                    LOG_MEMORY_TEAR,       LOG_MEMORY_KEEP };
    return faults[chance_next(chance) % ARRAY_COUNT(faults)];
}

static void strike_write(struct chaos *chaos, struct trouble *trouble)
{
    struct chance *chance = &trouble->chance;
    uint32_t node = fault_any_node(chaos, chance);
    if (chance_permille(chance, 500)) node = prefer_installing(chaos, node);
    sim_kill_at_write(chaos->sim, node, draw_fault(chance));
}

static void heal_writes(struct chaos *chaos, uint64_t nodes)
{
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        if (((nodes >> i) & 1) != 0) sim_kill_at_write(chaos->sim, i, LOG_MEMORY_NO_FAULT);
    }
}

const struct fault_family fault_write = {
    .name = "write", .permille = 350, .pause_max_ns = SECONDS(2), .strike = strike_write, .heal = heal_writes
};

/* --- the next write of a kind: the steps that are few among all writes, one as often as another --- */

/* A flip is so rare that whoever makes the next one dies of it. */
static void strike_step(struct chaos *chaos, struct trouble *trouble)
{
    struct chance *chance = &trouble->chance;
    uint32_t node = fault_any_node(chaos, chance);
    uint64_t drawn = chance_next(chance);
    enum log_memory_fault fault = draw_fault(chance);
    if (drawn % 2 == 0) {
        for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++)
            sim_kill_at(chaos->sim, i, fault, LOG_MEMORY_AT_INSTALL);
        return;
    }
    uint64_t step = LOG_MEMORY_AT_ANY_WRITE + 1 + (drawn >> 1) % (LOG_MEMORY_OCCASION_COUNT - 1);
    sim_kill_at(chaos->sim, node, fault, (enum log_memory_occasion)step);
}

const struct fault_family fault_step = {
    .name = "step", .permille = 300, .pause_max_ns = SECONDS(3), .strike = strike_step, .heal = heal_writes
};

/* --- the disk's thread alone stands still: up to 10 s --- */

static void strike_hang(struct chaos *chaos, struct trouble *trouble)
{
    struct chance *chance = &trouble->chance;
    uint32_t claimant = sim_claimant(chaos->sim);
    bool leader = claimant != SIM_NOBODY && chance_permille(chance, 500);
    uint32_t node = leader ? claimant : fault_any_node(chaos, chance);
    if (!sim_is_up(chaos->sim, node) || chaos->go_on_ns[node] != 0) return;
    sim_hold(chaos->sim, node, STEPPER_HOLD_PINNED);
    chaos->go_on_ns[node] = sim_now_ns(chaos->sim) + fault_span(chance, SECONDS(1), SECONDS(10));
}

const struct fault_family fault_hang = {
    .name = "hang", .permille = 300, .pause_max_ns = SECONDS(3), .strike = strike_hang
};

static void setup_slow_disk(struct trouble *trouble, struct sim_options *world)
{
    world->disk_delay_max_ns = chance_between(&trouble->chance, MILLISECONDS(5), MILLISECONDS(60));
}

const struct fault_family fault_slow_disk = { .name = "slow-disk",
                                              .permille = 600,
                                              .setup = setup_slow_disk };
