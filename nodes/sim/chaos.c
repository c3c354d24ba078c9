/* chaos: a phase of faults, a phase of healing, a last look.
 *
 * Each family of faults has its own stream of chance, and is on or off for a whole seed: a run with few kinds
 * of trouble reaches corners that one with every kind never does (Groce et al., "Swarm testing", ISSTA 2012).
 */
#include "nodes/sim/chaos.h"

#include "nodes/sim/chance.h"
#include "nodes/sim/sim.h"
#include "store/schema/slice.h"

#include <stdio.h>
#include <string.h>

enum { CLIENTS_MAX = 8, KEYS = 6, VALUE_MAX = 32, BURST_MAX = 12 };
static const int64_t slice_ns = MILLISECONDS(10); /* Between two looks at clients and faults. */
static const int64_t faults_ns = SECONDS(12);
static const int64_t settle_ns = SECONDS(10);
static const int64_t deploy_ns = SECONDS(45); /* The back-off of a failed instance is up to 30 s. */

enum family {
    FAMILY_SETUP = 1,
    FAMILY_CLIENT = 10, /* And one for each client after it. */
    FAMILY_KILL = 30,
    FAMILY_CUT,
    FAMILY_DISK,
    FAMILY_LEADER,
    FAMILY_PUBLISHER,
    FAMILY_CALLER,
};

struct client {
    struct chance chance;
    uint32_t node;
    bool busy;
    bool writes;
    struct sim_call call;
    int64_t next_ns;
};

/* One kind of trouble: when it strikes next, and how often. */
struct trouble {
    bool on;
    struct chance chance;
    int64_t next_ns;
    int64_t pause_min_ns;
    int64_t pause_max_ns;
};

struct chaos {
    struct sim *sim;
    struct chaos_result *result;
    struct client clients[CLIENTS_MAX];
    uint32_t client_count;
    uint32_t value_count;
    struct trouble kills;
    struct trouble cuts;
    struct trouble disks;
    struct trouble leaders; /* The carousel's. */
    struct trouble publisher;
    struct trouble caller;
    struct sim_call call;
    bool calling;
    uint32_t isolated; /* Whom it cut off last, or is about to. */
    bool isolating;
    int64_t start_ns[SIM_NODES_MAX]; /* Of a dead node; 0: it lives, or starts by itself. */
};

/* --- clients --- */

static void begin_write(struct chaos *chaos, struct client *client, const char *key, int64_t timeout_ns)
{
    char value[VALUE_MAX];
    (void)snprintf(value, sizeof value, "\"v%u\"", chaos->value_count++);
    struct sim_put put = { .key = key, .value = value, .timeout_ns = timeout_ns };
    if (chance_permille(&client->chance, 50)) { /* Must be absent: mostly a CONFLICT, never half done. */
        put.has_if_rev = true;
    }
    client->call = sim_put(chaos->sim, client->node, &put);
}

static void begin_read(struct chaos *chaos, struct client *client, const char *key, int64_t timeout_ns)
{
    struct sim_get get = { .key = key, .timeout_ns = timeout_ns };
    get.stale = chance_permille(&client->chance, 100);
    client->call = sim_get(chaos->sim, client->node, &get);
}

static void note_end(struct chaos *chaos, struct client *client)
{
    client->busy = false;
    enum status status = sim_call_status(chaos->sim, client->call);
    struct chaos_result *result = chaos->result;
    if (!client->writes) {
        result->reads += status == STATUS_OK;
    } else if (status == STATUS_OK) {
        result->acknowledged++;
    } else if (status == STATUS_CONFLICT || status == STATUS_NO_LEADER || status == STATUS_OVERLOADED) {
        result->refused++;
    } else {
        result->unknown++;
    }
}

static void drive_client(struct chaos *chaos, struct client *client)
{
    struct sim *sim = chaos->sim;
    if (client->busy && sim_has_ended(sim, client->call)) note_end(chaos, client);
    if (client->busy || sim_now_ns(sim) < client->next_ns) return;
    client->next_ns = sim_now_ns(sim) + chance_between(&client->chance, 0, MILLISECONDS(80));
    if (chance_permille(&client->chance, 50)) {
        client->node = (uint32_t)(chance_next(&client->chance) % sim_node_count(sim));
    }
    if (!sim_is_up(sim, client->node)) return;
    char key[16];
    (void)snprintf(key, sizeof key, "key%u", (unsigned)(chance_next(&client->chance) % KEYS));
    int64_t timeout_ns = chance_between(&client->chance, MILLISECONDS(200), SECONDS(3));
    client->busy = true;
    client->writes = chance_permille(&client->chance, 700);
    if (client->writes) begin_write(chaos, client, key, timeout_ns);
    else begin_read(chaos, client, key, timeout_ns);
}

/* --- when things happen --- */

static bool strikes(struct chaos *chaos, struct trouble *trouble)
{
    int64_t now_ns = sim_now_ns(chaos->sim);
    if (!trouble->on || now_ns < trouble->next_ns) return false;
    trouble->next_ns =
        now_ns + chance_between(&trouble->chance, trouble->pause_min_ns, trouble->pause_max_ns);
    return true;
}

static uint32_t any_node(struct chaos *chaos, struct chance *chance)
{
    return (uint32_t)(chance_next(chance) % sim_node_count(chaos->sim));
}

/* --- slices: one who publishes, some who call --- */

static void publish(struct chaos *chaos)
{
    struct trouble *publisher = &chaos->publisher;
    if (!strikes(chaos, publisher)) return;
    uint32_t pricing = (uint32_t)chance_between(&publisher->chance, 0, 4);
    uint32_t orders = (uint32_t)chance_between(&publisher->chance, 0, 3);
    if (chance_permille(&publisher->chance, 150)) pricing = orders = 0; /* Deletes it. */
    (void)sim_publish(chaos->sim, "shop", pricing, orders);
}

static void invoke(struct chaos *chaos)
{
    struct trouble *caller = &chaos->caller;
    if (chaos->calling && sim_has_ended(chaos->sim, chaos->call)) {
        chaos->calling = false;
        chaos->result->calls += sim_call_status(chaos->sim, chaos->call) == STATUS_OK;
    }
    if (chaos->calling || !strikes(chaos, caller)) return;
    uint32_t node = any_node(chaos, &caller->chance);
    if (!sim_is_up(chaos->sim, node)) return;
    const char *artifact = chance_permille(&caller->chance, 500) ? SIM_PRICING : SIM_ORDERS;
    chaos->call = sim_invoke(chaos->sim, node, artifact, SECONDS(1));
    chaos->calling = true;
}

/* --- troubles --- */

static void kill_node(struct chaos *chaos, uint32_t node, int64_t dead_max_ns)
{
    if (!sim_is_up(chaos->sim, node)) return;
    struct chance *chance = &chaos->kills.chance;
    bool ordered = chance_permille(chance, 100);
    if (ordered) (void)sim_stop(chaos->sim, node);
    else sim_kill(chaos->sim, node);
    chaos->result->kills++;
    chaos->start_ns[node] = sim_now_ns(chaos->sim) + chance_between(chance, MILLISECONDS(10), dead_max_ns);
}

static void strike_kill(struct chaos *chaos)
{
    struct chance *chance = &chaos->kills.chance;
    uint32_t leader = sim_leader(chaos->sim);
    switch (chance_next(chance) % 4) {
    case 0: /* All at once (FLT8). */
        for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++)
            kill_node(chaos, i, MILLISECONDS(300));
        break;
    case 1:
        if (leader != SIM_NOBODY) kill_node(chaos, leader, SECONDS(2));
        break;
    default: kill_node(chaos, any_node(chaos, chance), SECONDS(2)); break;
    }
}

static void revive(struct chaos *chaos)
{
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        if (chaos->start_ns[i] == 0 || sim_now_ns(chaos->sim) < chaos->start_ns[i]) continue;
        chaos->start_ns[i] = 0;
        if (!sim_is_up(chaos->sim, i)) sim_start(chaos->sim, i);
    }
}

static void strike_cut(struct chaos *chaos)
{
    struct sim *sim = chaos->sim;
    struct chance *chance = &chaos->cuts.chance;
    chaos->result->cuts++;
    switch (chance_next(chance) % 4) {
    case 0: sim_mend(sim); break;
    case 1: sim_cut(sim, chance_next(chance) % (UINT64_C(1) << sim_node_count(sim))); break;
    case 2: sim_cut_link(sim, any_node(chaos, chance), any_node(chaos, chance)); break;
    default:
        sim_mend(sim);
        sim_cut(sim, UINT64_C(1) << any_node(chaos, chance));
        break;
    }
}

static void strike_disk(struct chaos *chaos)
{
    static const enum log_memory_fault faults[] = { LOG_MEMORY_FAIL, LOG_MEMORY_LOSE, LOG_MEMORY_GUARD_ONLY,
                                                    LOG_MEMORY_KEEP };
    struct chance *chance = &chaos->disks.chance;
    uint32_t node = any_node(chaos, chance);
    sim_kill_at_write(chaos->sim, node, faults[chance_next(chance) % ARRAY_COUNT(faults)]);
}

/* Writes that only their leader has when it is cut off. */
static void burst(struct chaos *chaos, uint32_t node)
{
    int64_t count = chance_between(&chaos->leaders.chance, 0, BURST_MAX);
    for (int64_t i = 0; i < count; i++) {
        char key[16];
        char value[VALUE_MAX];
        (void)snprintf(key, sizeof key, "key%u", (unsigned)(chance_next(&chaos->leaders.chance) % KEYS));
        (void)snprintf(value, sizeof value, "\"v%u\"", chaos->value_count++);
        (void)sim_put(
            chaos->sim, node,
            &(struct sim_put){ .key = key, .value = value, .once = true, .timeout_ns = SECONDS(2) });
    }
}

/* Each new leader, ready or not, is soon alone on one side, with entries that nobody else has; the one before
 * it comes back with its own. Logs of many terms meet (figure 8 of the Raft paper needs this). */
static void turn_carousel(struct chaos *chaos)
{
    struct trouble *leaders = &chaos->leaders;
    struct sim *sim = chaos->sim;
    if (!leaders->on) return;
    uint32_t claimant = sim_claimant(sim);
    if (claimant == SIM_NOBODY) return;
    if (claimant != chaos->isolated) {
        chaos->isolated = claimant;
        leaders->next_ns =
            sim_now_ns(sim) + chance_between(&leaders->chance, leaders->pause_min_ns, leaders->pause_max_ns);
        chaos->isolating = true;
    }
    if (!chaos->isolating || sim_now_ns(sim) < leaders->next_ns) return;
    chaos->isolating = false;
    chaos->result->cuts++;
    sim_mend(sim);
    sim_cut(sim, UINT64_C(1) << claimant);
    burst(chaos, claimant);
}

static void make_trouble(struct chaos *chaos)
{
    if (strikes(chaos, &chaos->kills)) strike_kill(chaos);
    if (strikes(chaos, &chaos->cuts)) strike_cut(chaos);
    if (strikes(chaos, &chaos->disks)) strike_disk(chaos);
    turn_carousel(chaos);
    revive(chaos);
    publish(chaos);
    invoke(chaos);
}

/* --- planted bugs --- */

static const char *const mutant_names[CHAOS_MUTANT_COUNT] = {
    [CHAOS_MUTANT_NONE] = "",
    [CHAOS_MUTANT_OLD_TERM_BY_COUNTING] = "old-term-by-counting",
    [CHAOS_MUTANT_ACK_BEFORE_SYNC] = "ack-before-sync",
    [CHAOS_MUTANT_ENDPOINT_KEPT] = "endpoint-kept",
};

const char *chaos_mutant_name(enum chaos_mutant mutant)
{
    return mutant_names[mutant];
}

enum chaos_mutant chaos_mutant_from_name(const char *name)
{
    uint32_t mutant = 0;
    while (mutant < CHAOS_MUTANT_COUNT && strcmp(mutant_names[mutant], name) != 0)
        mutant++;
    return (enum chaos_mutant)mutant;
}

static void plant(enum chaos_mutant mutant, struct core_options *core)
{
    if (mutant == CHAOS_MUTANT_OLD_TERM_BY_COUNTING) core->mutant = CORE_MUTANT_OLD_TERM_BY_COUNTING;
    if (mutant == CHAOS_MUTANT_ACK_BEFORE_SYNC) core->mutant = CORE_MUTANT_ACK_BEFORE_SYNC;
#if AETHER_MUTANTS
    slice_rules_mutant = mutant == CHAOS_MUTANT_ENDPOINT_KEPT;
#endif
}

/* --- phases --- */

static struct trouble trouble(struct chance *setup, uint64_t seed, enum family family, uint32_t permille,
                              int64_t pause_max_ns)
{
    struct trouble trouble = { .on = chance_permille(setup, permille), .chance = chance_of(seed, family) };
    trouble.pause_max_ns = chance_between(setup, pause_max_ns / 4, pause_max_ns);
    trouble.pause_min_ns = trouble.pause_max_ns / 8;
    trouble.next_ns = chance_between(&trouble.chance, 0, trouble.pause_max_ns);
    return trouble;
}

/* Each bound that the seed makes tiny opens windows that are shut at its default. */
static void draw_core(struct chance *setup, bool carousel, struct core_options *core)
{
    uint32_t tiny_permille = carousel ? 800 : 300; /* Its foreign entries should travel one by one. */
    if (chance_permille(setup, tiny_permille)) core->append_entries = (uint32_t)chance_between(setup, 1, 3);
    if (chance_permille(setup, tiny_permille)) core->window_messages = (uint32_t)chance_between(setup, 1, 3);
    if (chance_permille(setup, 200)) core->tail_entries = CORE_APPEND_ENTRIES_MAX;
    if (chance_permille(setup, 200)) core->preference_ticks = (uint32_t)chance_between(setup, 50, 400);
    if (core->preference_ticks != 0) core->preference_max_ticks = core->preference_ticks * 8;
}

static struct sim *draw_world(const struct chaos_options *options, struct chance *setup, bool carousel,
                              struct chaos_result *result)
{
    struct sim_options world = { .seed = options->seed, .verbose = options->verbose };
    world.voters = chance_permille(setup, 500) ? 3 : 5;
    if (options->voters != 0) world.voters = options->voters;
    result->voters = world.voters;
    if (chance_permille(setup, 400)) world.loss_permille = (uint32_t)chance_between(setup, 1, 250);
    if (chance_permille(setup, 300)) world.duplicate_permille = (uint32_t)chance_between(setup, 1, 300);
    if (chance_permille(setup, 300)) world.straggler_permille = (uint32_t)chance_between(setup, 1, 100);
    if (chance_permille(setup, 400))
        world.latency_max_ns = chance_between(setup, MILLISECONDS(2), MILLISECONDS(60));
    world.disk_delay_max_ns = chance_permille(setup, 500)
                                  ? chance_between(setup, MILLISECONDS(5), MILLISECONDS(60))
                                  : chance_between(setup, MICROSECONDS(50), MILLISECONDS(2));
    draw_core(setup, carousel, &world.core);
    plant(options->mutant, &world.core);
    if (chance_permille(setup, 300)) world.slices.no_permille = (uint32_t)chance_between(setup, 1, 200);
    if (chance_permille(setup, 300)) world.slices.crash_permille = (uint32_t)chance_between(setup, 1, 100);
    if (chance_permille(setup, 300))
        world.slices.life_max_ns = chance_between(setup, SECONDS(1), SECONDS(10));
    return sim_create(&world);
}

static bool goes_on(const struct chaos *chaos)
{
    return sim_failure(chaos->sim) == NULL;
}

static void run_faults(struct chaos *chaos)
{
    while (goes_on(chaos) && sim_now_ns(chaos->sim) < faults_ns) {
        make_trouble(chaos);
        for (uint32_t i = 0; i < chaos->client_count; i++)
            drive_client(chaos, &chaos->clients[i]);
        sim_run(chaos->sim, slice_ns);
    }
}

static void heal(struct chaos *chaos)
{
    struct sim *sim = chaos->sim;
    sim_heal(sim);
    sim_set_slice_faults(sim, &(struct sim_slice_faults){ 0 });
    for (uint32_t i = 0; i < sim_node_count(sim); i++) {
        sim_kill_at_write(sim, i, LOG_MEMORY_NO_FAULT);
        if (!sim_is_up(sim, i) && !sim_restarts(sim, i)) sim_start(sim, i);
    }
    if (!sim_settles(sim, settle_ns)) {
        sim_fail(sim, "S14: the cluster did not settle within %d s of its healing",
                 (int)(settle_ns / SECONDS(1)));
    }
    for (uint32_t i = 0; i < chaos->client_count; i++) {
        if (chaos->clients[i].busy) note_end(chaos, &chaos->clients[i]);
    }
}

/* From each node: what is there is no older than what was acknowledged (the checkers see the answers). */
static void look_at_all(struct chaos *chaos)
{
    struct sim *sim = chaos->sim;
    for (uint32_t i = 0; i < KEYS && goes_on(chaos); i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key%u", i);
        struct sim_call get = sim_get(sim, i % sim_node_count(sim), &(struct sim_get){ .key = key });
        enum status status = sim_await(sim, get, SECONDS(6));
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            sim_fail(sim, "S14: a read on the healed cluster ended %s", status_name(status));
        }
    }
}

/* DEP1: what is published runs, what is not is gone, and the cluster comes to rest again. */
static void await_deployment(struct chaos *chaos)
{
    struct sim *sim = chaos->sim;
    if (sim_deploys(sim, deploy_ns)) return;
    uint32_t wanted = 0;
    uint32_t active = 0;
    sim_slice_counts(sim, &wanted, &active);
    sim_fail(sim, "DEP1: %u of %u instances are ACTIVE %d s after the healing", active, wanted,
             (int)(deploy_ns / SECONDS(1)));
}

static void conclude(struct chaos *chaos)
{
    struct sim *sim = chaos->sim;
    struct chaos_result *result = chaos->result;
    struct core_status status;
    for (uint32_t i = 0; i < sim_node_count(sim); i++) {
        sim_status(sim, i, &status);
        if (status.hard.term > result->terms) result->terms = status.hard.term;
    }
    result->trace_hash = sim_trace_hash(sim);
    result->virtual_ns = sim_now_ns(sim);
    const char *failure = sim_failure(sim);
    if (failure != NULL) (void)snprintf(result->failure, sizeof result->failure, "%s", failure);
}

void chaos_run(const struct chaos_options *options, struct chaos_result *out_result)
{
    memset(out_result, 0, sizeof *out_result);
    struct chance setup = chance_of(options->seed, FAMILY_SETUP);
    struct chaos chaos = { .result = out_result };
    chaos.kills = trouble(&setup, options->seed, FAMILY_KILL, 600, SECONDS(3));
    chaos.cuts = trouble(&setup, options->seed, FAMILY_CUT, 500, SECONDS(2));
    chaos.disks = trouble(&setup, options->seed, FAMILY_DISK, 300, SECONDS(2));
    chaos.leaders = trouble(&setup, options->seed, FAMILY_LEADER, 400, MILLISECONDS(400));
    chaos.leaders.pause_min_ns = 0;
    chaos.isolated = SIM_NOBODY;
    chaos.publisher = trouble(&setup, options->seed, FAMILY_PUBLISHER, 700, SECONDS(4));
    chaos.caller = trouble(&setup, options->seed, FAMILY_CALLER, 500, MILLISECONDS(100));
    chaos.sim = draw_world(options, &setup, chaos.leaders.on, out_result);
    chaos.client_count = (uint32_t)chance_between(&setup, 2, CLIENTS_MAX);
    for (uint32_t i = 0; i < chaos.client_count; i++) {
        chaos.clients[i].chance = chance_of(options->seed, FAMILY_CLIENT + i);
        chaos.clients[i].node = i % sim_node_count(chaos.sim);
    }
    run_faults(&chaos);
    if (goes_on(&chaos)) heal(&chaos);
    if (goes_on(&chaos)) look_at_all(&chaos);
    if (goes_on(&chaos)) await_deployment(&chaos);
    conclude(&chaos);
    sim_destroy(&chaos.sim);
}
