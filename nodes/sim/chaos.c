/* chaos: the phases of a run: faults; a healed majority; all healed; a last look.
 *
 * In the first, safety must hold: the checkers look on after every turn. In the second, a random majority is
 * well and connected, and the rest stays as broken as it is, or more so: it must elect and commit in time
 * (S14). In the third, everything comes to rest. */
#include "nodes/sim/chaos.h"

#include "nodes/sim/chaos_state.h"
#include "nodes/sim/fault.h"
#include "runtime/base/check.h"
#include "runtime/base/planted.h"
#include "store/schema/slice.h"

#include <stdio.h>
#include <string.h>

enum { LONG_SEED = 40 }; /* One in so many is long: what is minutes old is minutes old there. */
static const int64_t slice_ns = MILLISECONDS(10); /* Between two looks at clients and faults. */
static const int64_t founding_ns = SECONDS(5);
static const int64_t faults_ns = SECONDS(10);
static const int64_t faults_long_ns = SECONDS(150);
/* S14: 5 T_max for a leader and 10 T_max for a commit, from when a restarted node is back (0.3 s) and each
 * end of a connection has noticed that it stands, both by the slowest clock there may be. */
static const int64_t leader_ns = SECONDS(6);
static const int64_t commit_ns = SECONDS(11);
static const int64_t settle_ns = SECONDS(40);
/* One entry a round trip, at 60 ms a way and 60 ms a write, is what a seed may ask of who was left behind. */
static const int64_t catch_up_entry_ns = MILLISECONDS(180);
static const int64_t mend_ns =
    SECONDS(40); /* M3: the old replica was silent for 10 s, the new one caught up. */
static const int64_t deploy_ns = SECONDS(45); /* The back-off of a failed instance is up to 30 s. */

static uint64_t all_nodes(const struct chaos *chaos)
{
    return (UINT64_C(1) << sim_node_count(chaos->sim)) - 1;
}

static uint64_t founders(const struct chaos *chaos)
{
    return (UINT64_C(1) << chaos->result->voters) - 1;
}

/* --- the first phase --- */

/* Founding takes every node of the list (I2): where faults begin at once, there may be no cluster for long.
 */
static bool is_founded(const struct chaos *chaos, uint64_t nodes)
{
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        if (((nodes >> i) & 1) != 0 && !sim_is_founded(chaos->sim, i)) return false;
    }
    return true;
}

static void await_founding(struct chaos *chaos)
{
    while (chaos_goes_on(chaos) && !is_founded(chaos, founders(chaos)) &&
           sim_now_ns(chaos->sim) < founding_ns) {
        sim_run(chaos->sim, slice_ns);
    }
}

static void run_faults(struct chaos *chaos)
{
    if (!chaos->early) await_founding(chaos);
    while (chaos_goes_on(chaos) && sim_now_ns(chaos->sim) < chaos->faults_ns) {
        fault_look(chaos);
        chaos_clients_look(chaos);
        chaos_calls_look(chaos);
        chaos_watchers_look(chaos);
        chaos_leases_look(chaos);
        sim_run(chaos->sim, slice_ns);
    }
}

/* --- the second: a connected majority --- */

static uint64_t voters_of(const struct chaos *chaos, const struct configuration *configuration)
{
    uint64_t voters = 0;
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        bool votes = configuration_is_voter(configuration, sim_replica(chaos->sim, i));
        if (votes) voters |= UINT64_C(1) << i;
    }
    return voters;
}

/* 0: who they are is not known, or about to change. */
static uint64_t draw_majority(struct chaos *chaos, struct chance *chance)
{
    struct configuration configuration;
    if (!fault_members_are_steady(chaos, &configuration)) return 0;
    uint64_t voters = voters_of(chaos, &configuration);
    int wanted = (int)fault_count_voters(&configuration) / 2 + 1;
    uint64_t majority = 0;
    if (__builtin_popcountll(voters) < wanted) return 0; /* One of them has lost its directory. */
    while (__builtin_popcountll(majority) < wanted)
        majority |= voters & (UINT64_C(1) << fault_any_node(chaos, chance));
    return majority;
}

/* For good: dead, standing still, or with links that are cut both ways, one way, or not at all. */
static void break_node(struct chaos *chaos, uint32_t node, uint64_t majority, struct chance *chance)
{
    struct sim *sim = chaos->sim;
    switch (chance_next(chance) % 4) {
    case 0: sim_kill(sim, node); return;
    case 1: sim_hold(sim, node, STEPPER_HOLD_ALL); return;
    case 2: sim_hold(sim, node, STEPPER_HOLD_PINNED); break; /* F3 */
    default: break;
    }
    for (uint32_t peer = 0; peer < sim_node_count(sim); peer++) {
        if (((majority >> peer) & 1) == 0) continue;
        if (chance_permille(chance, 500)) sim_cut_link(sim, node, peer);
        if (chance_permille(chance, 500)) sim_cut_link(sim, peer, node);
    }
}

static bool await_leader(struct chaos *chaos, int64_t end_ns)
{
    while (chaos_goes_on(chaos) && sim_now_ns(chaos->sim) < end_ns) {
        uint32_t leader = sim_claimant(chaos->sim);
        if (leader != SIM_NOBODY && !sim_stands_still(chaos->sim, leader)) return true;
        sim_run(chaos->sim, slice_ns);
    }
    return false;
}

/* One of them gets its write through. Not each of them has to: a leader from among the broken, whom some of
 * the majority see, may lead on, and who does not see it cannot reach it. */
static bool await_commit(struct chaos *chaos, uint64_t nodes, struct chance *chance, int64_t end_ns)
{
    struct sim *sim = chaos->sim;
    while (chaos_goes_on(chaos) && sim_now_ns(sim) < end_ns) {
        for (uint32_t i = 0; i < sim_node_count(sim); i++) {
            if (((nodes >> i) & 1) == 0) continue;
            struct sim_call put = chaos_put(chaos, i, chance, MILLISECONDS(500));
            if (sim_await(sim, put, SECONDS(1)) == STATUS_OK) return true;
        }
        sim_run(sim, slice_ns);
    }
    return false;
}

static void run_majority(struct chaos *chaos)
{
    struct sim *sim = chaos->sim;
    struct chance chance = chance_of(chaos->seed, STREAM_HEAL);
    if (chance_permille(&chance, 400)) return; /* All are healed at once. */
    /* Nor may it be one that only a replica with a damaged state could lead (T6). */
    uint64_t majority = fault_is_mended(chaos) ? draw_majority(chaos, &chance) : 0;
    if (majority == 0 || !is_founded(chaos, majority)) return;
    int64_t begin_ns = sim_now_ns(sim);
    sim_calm(sim);
    fault_heal(chaos, majority);
    for (uint32_t i = 0; i < sim_node_count(sim); i++) {
        if (((majority >> i) & 1) == 0) break_node(chaos, i, majority, &chance);
    }
    if (!await_leader(chaos, begin_ns + leader_ns)) {
        sim_fail(sim, "S14: no leader %d s after the healing of a majority", (int)(leader_ns / SECONDS(1)));
    } else if (!await_commit(chaos, majority, &chance, begin_ns + commit_ns)) {
        sim_fail(sim, "S14: nothing committed %d s after the healing of a majority",
                 (int)(commit_ns / SECONDS(1)));
    }
}

/* --- the third: all is well --- */

/* T2, T3, M3: who lost its directory has one again, and its vote. */
static void await_mending(struct chaos *chaos)
{
    int64_t end_ns = sim_now_ns(chaos->sim) + mend_ns;
    while (chaos_goes_on(chaos) && !fault_is_mended(chaos) && sim_now_ns(chaos->sim) < end_ns)
        sim_run(chaos->sim, slice_ns);
    if (!chaos_goes_on(chaos) || fault_is_mended(chaos)) return;
    sim_fail(chaos->sim, "M3: %s has not taken its own place again %d s after the healing",
             sim_node_name(chaos->sim, chaos->unwell), (int)(mend_ns / SECONDS(1)));
}

/* How many entries whoever is furthest behind has to catch up with. */
static log_index greatest_lag(const struct chaos *chaos)
{
    log_index committed = sim_committed(chaos->sim);
    log_index lag = 0;
    for (uint32_t i = 0; i < sim_node_count(chaos->sim); i++) {
        log_index held = log_memory_disk_last(sim_disk(chaos->sim, i));
        if (held > 0 && committed > held && committed - held > lag) lag = committed - held;
    }
    return lag;
}

static void heal(struct chaos *chaos)
{
    struct sim *sim = chaos->sim;
    sim_heal(sim);
    fault_heal(chaos, all_nodes(chaos));
    chaos->healed_ns = sim_now_ns(sim);
    int64_t allowed_ns = settle_ns + (int64_t)greatest_lag(chaos) * catch_up_entry_ns;
    if (!sim_settles(sim, allowed_ns)) {
        char standing[SIM_STANDING_MAX];
        sim_tell_standing(sim, standing);
        sim_fail(sim, "S14: the cluster did not settle within %d s of its healing: %s",
                 (int)(allowed_ns / SECONDS(1)), standing);
    }
    await_mending(chaos);
    if (chaos_goes_on(chaos) && !sim_workers_are_level(sim, settle_ns))
        sim_fail(sim, "a worker is not level with the leader %d s after the healing",
                 (int)(settle_ns / SECONDS(1)));
    chaos_clients_end(chaos);
    chaos_calls_end(chaos);
}

/* The one of this number, or the next that takes part: it was not removed, nor waits to be let in. */
static uint32_t any_that_takes_part(const struct sim *sim, uint32_t number)
{
    uint32_t count = sim_node_count(sim);
    CHECK(count > 0);
    for (uint32_t i = 0; i < count; i++) {
        struct core_status status;
        sim_status(sim, (number + i) % count, &status);
        if (status.role != 0) return (number + i) % count;
    }
    return number % count;
}

/* K8: nobody renews any more, and a leader is there: all leases end, each in time. */
static void await_lease_ends(struct chaos *chaos)
{
    const char *overdue = NULL;
    while (chaos_goes_on(chaos) && sim_has_leases(chaos->sim, chaos->healed_ns, &overdue) && overdue == NULL)
        sim_run(chaos->sim, slice_ns);
    if (overdue == NULL) return;
    sim_fail(chaos->sim, "K8: lease %s is still held, more than a second after its time", overdue);
}

/* A removal that was wished for may come to its end only now, under a read (M5). */
static bool leaves_just_now(struct chaos *chaos, uint32_t node)
{
    sim_run(chaos->sim, SECONDS(1));
    return sim_is_removed(chaos->sim, node);
}

/* From each node: what is there is no older than what was acknowledged (the checkers see the answers). */
static void look_at_all(struct chaos *chaos)
{
    struct sim *sim = chaos->sim;
    for (uint32_t i = 0; i < CHAOS_KEYS && chaos_goes_on(chaos); i++) {
        char key[CHAOS_KEY_MAX];
        chaos_key(chaos, i, key);
        struct sim_get wish = { .key = key, .recorded = true, .deletable = i == CHAOS_KEYS - 1 };
        uint32_t node = any_that_takes_part(sim, i);
        struct sim_call get = sim_get(sim, node, &wish);
        enum status status = sim_await(sim, get, SECONDS(6));
        if (status != STATUS_OK && status != STATUS_NOT_FOUND && !leaves_just_now(chaos, node)) {
            sim_fail(sim, "S14: a read from %s on the healed cluster ended %s: %s", sim_node_name(sim, node),
                     status_name(status), sim_call_error(sim, get)->message);
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

/* --- the whole --- */

static void plant(const struct mutant *mutant, struct sim_options *world)
{
    bool planted = planted_select(mutant == NULL || mutant->core != CORE_MUTANT_NONE ? NULL : mutant->name);
    CHECK(planted);
    if (mutant != NULL) world->core.mutant = mutant->core;
}

static void begin(struct chaos *chaos, const struct chaos_options *options)
{
    struct chance setup = chance_of(options->seed, STREAM_SETUP);
    struct sim_options world = { .seed = options->seed, .verbose = options->verbose };
    world.voters = chance_permille(&setup, 500) ? 3 : 5;
    if (options->voters != 0) world.voters = options->voters;
    world.disk_delay_max_ns = chance_between(&setup, MICROSECONDS(50), MILLISECONDS(2));
    chaos->seed = options->seed;
    chaos->faults_ns = options->seed % LONG_SEED == 0 ? faults_long_ns : faults_ns;
    chaos->early = chance_permille(&setup, 100);
    chaos->isolated = SIM_NOBODY;
    chaos->unwell = SIM_NOBODY;
    fault_draw(chaos, &world);
    chaos->result->voters = world.voters;
    plant(options->mutant, &world);
    chaos->sim = sim_create(&world);
    chaos_clients_init(chaos, &setup);
    chaos_calls_init(chaos);
    chaos_watchers_init(chaos, &setup);
    chaos_leases_init(chaos, &setup);
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
    struct chaos chaos = { .result = out_result };
    begin(&chaos, options);
    run_faults(&chaos);
    if (chaos_goes_on(&chaos)) run_majority(&chaos);
    if (chaos_goes_on(&chaos)) heal(&chaos);
    if (chaos_goes_on(&chaos)) await_lease_ends(&chaos);
    if (chaos_goes_on(&chaos)) look_at_all(&chaos);
    if (chaos_goes_on(&chaos)) await_deployment(&chaos);
    if (chaos_goes_on(&chaos)) chaos_watchers_end(&chaos);
    if (chaos_goes_on(&chaos)) sim_judge(chaos.sim);
    conclude(&chaos);
    log_memory_disk_destroy(&chaos.copy);
    chaos_calls_fini(&chaos);
    sim_destroy(&chaos.sim);
}
