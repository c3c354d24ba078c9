/* fault_doubt: directories that no replica may go on from: damaged, emptied, an old copy of themselves, or
 * those of another node (FLT15, FLT17, FLT18; T1, T2, T3, I1). What costs a replica its id is dealt to one
 * node at a time, and only while all others are who they were: a quorum has to keep what it acknowledged.
 * Each name has it happen once, since more within the hour take a person (T2). */
#include "nodes/sim/fault.h"
#include "runtime/base/mark.h"

#include <string.h>

enum { DAMAGE_WIPE = -1 };

/* --- who may lose its id -------------------------------------------------------------------------------- */

/* M3: in the configuration that the leader works with, nobody but this replica has the node's name. */
static bool is_who_it_was(const struct chaos *chaos, uint32_t node)
{
    struct core_status status;
    uint32_t leader = sim_leader(chaos->sim);
    if (leader == SIM_NOBODY) return false;
    sim_status(chaos->sim, leader, &status);
    if (status.configuration.joint || status.configuration_index > status.commit) return false;
    for (uint32_t i = 0; i < status.configuration.member_count; i++) {
        const struct configuration_member *member = &status.configuration.members[i];
        bool named = strcmp(member->name, sim_node_name(chaos->sim, node)) == 0;
        if (named && member->id != sim_replica(chaos->sim, node)) return false;
    }
    return true;
}

static bool is_well(const struct chaos *chaos, uint32_t node)
{
    struct core_status status;
    sim_status(chaos->sim, node, &status);
    return status.role != 0 && !status.damaged && !status.gated && !status.installing && status.leader != 0 &&
           sim_applied(chaos->sim, node) >= status.commit;
}

bool fault_is_mended(const struct chaos *chaos)
{
    if (chaos->exchange.on) return false;
    if (chaos->unwell == SIM_NOBODY) return true;
    /* Who is to be removed is not let in again: it may wait for a candidate in its place (M5). */
    bool gone = sim_is_removed(chaos->sim, chaos->unwell) || sim_has_wish(chaos->sim, chaos->unwell);
    if (!gone && !is_well(chaos, chaos->unwell)) return false;
    return !chaos->reborn || gone || is_who_it_was(chaos, chaos->unwell);
}

uint32_t fault_count_voters(const struct configuration *configuration)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < configuration->member_count; i++)
        count += configuration->members[i].voter ? 1 : 0;
    return count;
}

/* With two voters or one, the cluster would wait for ever. */
static bool may_lose_its_id(const struct chaos *chaos, uint32_t node)
{
    struct core_status status;
    uint32_t leader = sim_leader(chaos->sim);
    bool spent = ((chaos->spent >> node) & 1) != 0;
    if (spent || leader == SIM_NOBODY || !sim_is_up(chaos->sim, node)) return false;
    sim_status(chaos->sim, leader, &status);
    struct configuration steady;
    if (!fault_members_are_steady(chaos, &steady)) return false;
    bool member = configuration_find(&status.configuration, sim_replica(chaos->sim, node)) != NULL;
    return member && fault_count_voters(&status.configuration) >= 3 && is_who_it_was(chaos, node) &&
           fault_is_mended(chaos);
}

bool fault_may_be_emptied(const struct chaos *chaos, uint32_t node)
{
    return chaos->result->voters > 1 || node > 0;
}

static void will_be_another(struct chaos *chaos, uint32_t node, bool reborn)
{
    chaos->unwell = node;
    chaos->reborn = reborn;
    if (reborn) chaos->spent |= UINT64_C(1) << node;
}

static void start_soon(struct chaos *chaos, uint32_t node, struct chance *chance)
{
    chaos->start_ns[node] =
        sim_now_ns(chaos->sim) + chance_between(chance, MILLISECONDS(10), MILLISECONDS(500));
}

static void take_down(struct chaos *chaos, uint32_t node)
{
    if (sim_is_up(chaos->sim, node)) chaos->result->kills++;
    sim_kill(chaos->sim, node);
    chaos->go_on_ns[node] = 0;
    chaos->start_ns[node] = 0;
}

/* --- damaged, or emptied -------------------------------------------------------------------------------- */

static bool spoil(struct chaos *chaos, uint32_t node, int damage, uint64_t pick)
{
    if (damage != DAMAGE_WIPE) return sim_damage(chaos->sim, node, (enum log_memory_damage)damage, pick);
    MARK("sim.directory_emptied");
    sim_wipe(chaos->sim, node);
    return true;
}

static void strike_doubt(struct chaos *chaos, struct trouble *trouble)
{
    static const int damages[] = { LOG_MEMORY_DAMAGE_ENTRY, LOG_MEMORY_DAMAGE_PAGE,    LOG_MEMORY_DAMAGE_SLOT,
                                   LOG_MEMORY_DAMAGE_GUARD, LOG_MEMORY_DAMAGE_JOURNAL, DAMAGE_WIPE };
    struct chance *chance = &trouble->chance;
    uint32_t node = fault_any_node(chaos, chance);
    int damage = damages[chance_next(chance) % ARRAY_COUNT(damages)];
    uint64_t pick = chance_next(chance);
    if (!may_lose_its_id(chaos, node)) return;
    if (damage == DAMAGE_WIPE && !fault_may_be_emptied(chaos, node)) return;
    take_down(chaos, node);
    if (spoil(chaos, node, damage, pick)) {
        MARK("sim.directory_spoilt");
        will_be_another(chaos, node, true);
    }
    start_soon(chaos, node, chance);
}

const struct fault_family fault_doubt = {
    .name = "doubt", .permille = 300, .pause_max_ns = SECONDS(4), .strike = strike_doubt, .look = fault_revive
};

/* --- an old copy ---------------------------------------------------------------------------------------- */

/* T5: records that are frequent enough to find it out within a seed. */
static void setup_old_copy(struct trouble *trouble, struct sim_options *world)
{
    world->core.checkpoint_entries = (uint32_t)chance_between(&trouble->chance, 8, 60);
    world->core.checkpoint_ticks = (uint32_t)chance_between(&trouble->chance, 50, 400);
}

static void strike_old_copy(struct chaos *chaos, struct trouble *trouble)
{
    struct chance *chance = &trouble->chance;
    uint32_t node = fault_any_node(chaos, chance);
    if (chaos->copy == NULL) {
        if (!sim_is_founded(chaos->sim, node)) return;
        chaos->copy = sim_copy_disk(chaos->sim, node);
        chaos->copied = node;
        return;
    }
    node = chaos->copied;
    if (!may_lose_its_id(chaos, node)) return;
    take_down(chaos, node);
    if (sim_put_back(chaos->sim, node, &chaos->copy)) {
        MARK("sim.old_copy_put_back");
        will_be_another(chaos, node, true);
    }
    start_soon(chaos, node, chance);
}

const struct fault_family fault_old_copy = { .name = "old-copy",
                                             .permille = 250,
                                             .pause_max_ns = SECONDS(2),
                                             .setup = setup_old_copy,
                                             .strike = strike_old_copy,
                                             .look = fault_revive };

/* --- those of two nodes exchanged ----------------------------------------------------------------------- */

static void exchange(struct chaos *chaos)
{
    take_down(chaos, chaos->exchange.a);
    take_down(chaos, chaos->exchange.b);
    sim_exchange_disks(chaos->sim, chaos->exchange.a, chaos->exchange.b);
    chaos->exchange.on = !chaos->exchange.on;
}

static void strike_exchange(struct chaos *chaos, struct trouble *trouble)
{
    struct chance *chance = &trouble->chance;
    uint32_t a = fault_any_node(chaos, chance);
    uint32_t b = fault_any_node(chaos, chance);
    if (a == b || !fault_is_mended(chaos)) return;
    if (!sim_is_up(chaos->sim, a) || !sim_is_up(chaos->sim, b)) return;
    if (!sim_is_founded(chaos->sim, a) || !sim_is_founded(chaos->sim, b)) return;
    MARK("sim.directories_exchanged");
    chaos->exchange.a = a;
    chaos->exchange.b = b;
    exchange(chaos);
    chaos->exchange.end_ns = sim_now_ns(chaos->sim) + SECONDS(1) + fault_span(chance, SECONDS(2), SECONDS(8));
    start_soon(chaos, a, chance);
    start_soon(chaos, b, chance);
}

static void look_exchange(struct chaos *chaos, struct trouble *trouble)
{
    if (chaos->exchange.on && sim_now_ns(chaos->sim) >= chaos->exchange.end_ns) {
        exchange(chaos);
        start_soon(chaos, chaos->exchange.a, &trouble->chance);
        start_soon(chaos, chaos->exchange.b, &trouble->chance);
    }
    fault_revive(chaos, trouble);
}

static void heal_exchange(struct chaos *chaos, uint64_t nodes)
{
    (void)nodes; /* Both have their own again, wherever they are. */
    if (!chaos->exchange.on) return;
    exchange(chaos);
    sim_start(chaos->sim, chaos->exchange.a);
    sim_start(chaos->sim, chaos->exchange.b);
}

const struct fault_family fault_exchange = { .name = "exchange",
                                             .permille = 200,
                                             .pause_max_ns = SECONDS(5),
                                             .strike = strike_exchange,
                                             .look = look_exchange,
                                             .heal = heal_exchange };
