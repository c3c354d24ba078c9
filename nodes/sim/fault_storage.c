/* fault_storage: disks that fill up, and copies of the state that rot (FLT14, FLT15, T6). Damage is dealt to
 * one node at a time: of more than one there may be a majority of which nobody may lead. */
#include "nodes/sim/fault.h"
#include "runtime/base/mark.h"

/* --- full --- */

static void fill(struct chaos *chaos, uint32_t node, struct chance *chance)
{
    struct log_memory_disk *disk = sim_disk(chaos->sim, node);
    uint64_t left = (uint64_t)chance_between(chance, 0, INT64_C(2) * LOG_MEMORY_LOW_BYTES);
    log_memory_disk_set_capacity(disk, log_memory_disk_used(disk) + left);
    chaos->empty_ns[node] = sim_now_ns(chaos->sim) + fault_span(chance, SECONDS(2), SECONDS(10));
}

static void make_room(struct chaos *chaos, uint32_t node)
{
    chaos->empty_ns[node] = 0;
    log_memory_disk_set_capacity(sim_disk(chaos->sim, node), UINT64_MAX);
}

/* One, a majority, or all. */
static void strike_full(struct chaos *chaos, struct trouble *trouble)
{
    uint32_t count = sim_node_count(chaos->sim);
    uint64_t drawn = chance_next(&trouble->chance);
    uint32_t wanted = drawn % 4 == 0 ? count : drawn % 4 == 1 ? count / 2 + 1 : 1;
    uint32_t first = (uint32_t)(drawn >> 32) % count;
    for (uint32_t i = 0; i < wanted; i++)
        fill(chaos, (first + i) % count, &trouble->chance);
}

static void look_full(struct chaos *chaos, struct trouble *trouble)
{
    (void)trouble;
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        if (chaos->empty_ns[i] != 0 && sim_now_ns(chaos->sim) >= chaos->empty_ns[i]) make_room(chaos, i);
    }
}

static void heal_full(struct chaos *chaos, uint64_t nodes)
{
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        if (((nodes >> i) & 1) != 0) make_room(chaos, i);
    }
}

const struct fault_family fault_full = { .name = "full",
                                         .permille = 250,
                                         .pause_max_ns = SECONDS(6),
                                         .strike = strike_full,
                                         .look = look_full,
                                         .heal = heal_full };

/* --- damage to the copy of the state: the replica stays who it is (T6) --- */

static void strike_rot(struct chaos *chaos, struct trouble *trouble)
{
    struct chance *chance = &trouble->chance;
    uint32_t node = fault_any_node(chaos, chance);
    bool history = chance_permille(chance, 300);
    uint64_t pick = chance_next(chance);
    if (!sim_is_up(chaos->sim, node) || !fault_is_mended(chaos)) return;
    struct configuration configuration;
    bool others =
        sim_configuration(chaos->sim, node, &configuration) != 0 && fault_count_voters(&configuration) >= 3;
    if (!others) return; /* T6: a sole voter has nobody to get its state from. */
    sim_kill(chaos->sim, node);
    chaos->unwell = node;
    chaos->reborn = false;
    enum log_memory_damage damage = history ? LOG_MEMORY_DAMAGE_HISTORY : LOG_MEMORY_DAMAGE_RECORD;
    if (sim_damage(chaos->sim, node, damage, pick)) MARK("sim.copy_rotted");
    chaos->result->kills++;
    chaos->go_on_ns[node] = 0;
    chaos->start_ns[node] =
        sim_now_ns(chaos->sim) + chance_between(chance, MILLISECONDS(10), MILLISECONDS(500));
}

const struct fault_family fault_rot = {
    .name = "rot", .permille = 300, .pause_max_ns = SECONDS(4), .strike = strike_rot, .look = fault_revive
};
