/* fault_members: nodes that join, gain and lose their vote, are removed, the leader too, and come back under
 * their name with an empty directory; workers that come and go (FLT20; section 8). The commands are those
 * that people give, asked of any node; one is under way at a time, but what became of the last may be
 * unknown. */
#include "nodes/sim/fault.h"
#include "runtime/base/mark.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"

static const int64_t order_ns = SECONDS(3);

static void setup_members(struct trouble *trouble, struct sim_options *world)
{
    static const struct {
        uint32_t voters;
        uint32_t joiners_max;
    } sizes[] = { { 1, 4 }, { 3, 3 }, { 3, 2 }, { 5, 2 } };
    struct chance *chance = &trouble->chance;
    uint64_t drawn = chance_next(chance) % ARRAY_COUNT(sizes);
    world->voters = sizes[drawn].voters;
    world->joiners = (uint32_t)chance_between(chance, 1, sizes[drawn].joiners_max);
}

/* --- orders --------------------------------------------------------------------------------------------- */

static struct message *promote(const char *node)
{
    struct message *message = wire_message_create(KIND_NODE_PROMOTE_REQUEST);
    Pb__NodePromoteRequest *request = message->body;
    request->node = wire_string(message, node);
    request->detach = true;
    return message;
}

static struct message *demote(const char *node)
{
    struct message *message = wire_message_create(KIND_NODE_DEMOTE_REQUEST);
    Pb__NodeDemoteRequest *request = message->body;
    request->node = wire_string(message, node);
    request->detach = true;
    return message;
}

static struct message *remove_node(const char *node, bool allow_even)
{
    struct message *message = wire_message_create(KIND_NODE_REMOVE_REQUEST);
    Pb__NodeRemoveRequest *request = message->body;
    request->node = wire_string(message, node);
    request->force = true;
    request->allow_even = allow_even;
    request->detach = true;
    return message;
}

static bool may_order(const struct chaos *chaos)
{
    return !chaos->ordering || sim_has_ended(chaos->sim, chaos->order);
}

static void order(struct chaos *chaos, struct message *message, struct chance *chance)
{
    uint32_t asked = fault_any_node(chaos, chance);
    chaos->order = sim_ask(chaos->sim, asked, TO_COMMAND_GATEWAY, &message, order_ns);
    chaos->ordering = true;
}

/* --- nodes ---------------------------------------------------------------------------------------------- */

static uint32_t founders(const struct chaos *chaos)
{
    return chaos->result->voters;
}

/* One that was never there, or one that was removed: with an empty directory, or as if nothing had happened.
 */
static void come(struct chaos *chaos, uint32_t node, struct chance *chance)
{
    bool empty = chance_permille(chance, 700);
    if (sim_is_up(chaos->sim, node)) return;
    if (sim_is_removed(chaos->sim, node)) {
        MARK("sim.removed_node_comes_back");
        if (empty && fault_may_be_emptied(chaos, node)) sim_wipe(chaos->sim, node);
        sim_start(chaos->sim, node);
        return;
    }
    bool is_new = node >= founders(chaos) && sim_replica(chaos->sim, node) == 0;
    if (is_new) sim_start(chaos->sim, node);
}

static void strike_members(struct chaos *chaos, struct trouble *trouble)
{
    struct chance *chance = &trouble->chance;
    struct sim *sim = chaos->sim;
    uint64_t deed = chance_next(chance) % 10;
    uint32_t node = fault_any_node(chaos, chance);
    uint32_t leader = sim_claimant(sim);
    bool of_leader = chance_permille(chance, 300);
    if (deed < 4) {
        come(chaos, node, chance);
        return;
    }
    /* A vote that was lost and one that is taken away are together more than a quorum bears: until the leader
     * has missed the first for a while, it may think that the voters to be can do without it. */
    bool takes_votes = deed >= 7;
    if (!may_order(chaos) || (takes_votes && !fault_is_mended(chaos))) return;
    if (of_leader && leader != SIM_NOBODY && takes_votes) node = leader;
    const char *name = sim_node_name(sim, node);
    bool allow_even = chance_permille(chance, 200);
    if (deed < 7) order(chaos, promote(name), chance);
    else if (deed == 7) order(chaos, demote(name), chance);
    else order(chaos, remove_node(name, allow_even), chance);
}

const struct fault_family fault_members = { .name = "members",
                                            .permille = 350,
                                            .pause_max_ns = MILLISECONDS(1200),
                                            .setup = setup_members,
                                            .strike = strike_members };

bool fault_members_are_steady(const struct chaos *chaos, struct configuration *out_configuration)
{
    const struct sim *sim = chaos->sim;
    log_index newest = 0;
    for (uint32_t i = 0; i < sim_node_count(sim); i++) {
        struct core_status status;
        struct configuration configuration;
        log_index index = sim_configuration(sim, i, &configuration);
        sim_status(sim, i, &status);
        if (status.configuration_index > index && status.configuration_index > newest) {
            newest = status.configuration_index;
            *out_configuration = status.configuration;
        } else if (index > newest) {
            newest = index;
            *out_configuration = configuration;
        }
    }
    return newest != 0 && newest <= sim_committed(sim) && !out_configuration->joint && may_order(chaos) &&
           !sim_has_wish(sim, SIM_NOBODY);
}

/* --- workers -------------------------------------------------------------------------------------------- */

enum { WORKERS_MAX = 3 };

static void setup_workers(struct trouble *trouble, struct sim_options *world)
{
    world->workers = (uint32_t)chance_between(&trouble->chance, 1, WORKERS_MAX);
}

/* They die and come back; one is removed now and then, also while it is off. */
static void strike_workers(struct chaos *chaos, struct trouble *trouble)
{
    struct chance *chance = &trouble->chance;
    struct sim *sim = chaos->sim;
    uint32_t number = (uint32_t)(chance_next(chance) % sim_worker_count(sim));
    uint32_t node = sim_worker(sim, number);
    uint64_t deed = chance_next(chance) % 8;
    if (deed == 0 && may_order(chaos)) {
        order(chaos, remove_node(sim_node_name(sim, node), false), chance);
    } else if (deed < 4 && sim_is_up(sim, node)) {
        sim_kill(sim, node);
        chaos->result->kills++;
    } else if (!sim_is_up(sim, node) && !sim_restarts(sim, node)) {
        sim_start(sim, node);
    }
}

static void heal_workers(struct chaos *chaos, uint64_t nodes)
{
    (void)nodes; /* They are in no majority. */
    for (uint32_t i = 0; i < sim_worker_count(chaos->sim); i++) {
        uint32_t node = sim_worker(chaos->sim, i);
        if (!sim_is_up(chaos->sim, node) && !sim_restarts(chaos->sim, node)) sim_start(chaos->sim, node);
    }
}

const struct fault_family fault_workers = { .name = "workers",
                                            .permille = 200,
                                            .pause_max_ns = SECONDS(2),
                                            .setup = setup_workers,
                                            .strike = strike_workers,
                                            .heal = heal_workers };
