/* world: nodes that live and die, time, and the stories' view of it all. */
#include "nodes/sim/sim.h"

#include "actors/slice/slice_frame.h"
#include "nodes/sim/chance.h"
#include "nodes/sim/checkers.h"
#include "nodes/sim/history.h"
#include "nodes/sim/reference.h"
#include "nodes/sim/world.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const int64_t restart_ns = MILLISECONDS(300); /* The service manager, after an exit 70. */
static const int64_t stop_ns = SECONDS(10);

/* --- life of a node --- */

static void print_log(void *context, const struct log_record *record)
{
    const struct sim *sim = context;
    int64_t now_us = stepper_now_ns(sim->stepper) / 1000;
    (void)fprintf(stderr, "%6" PRId64 ".%06" PRId64 " %s %s %s %s\n", now_us / 1000000, now_us % 1000000,
                  record->node, record->actor, record->event, record->text);
}

static void fill_random(void *context, void *buffer, size_t size)
{
    struct chance *chance = context;
    uint8_t *bytes = buffer;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)chance_next(chance);
}

static void on_core(void *context, const struct core *core)
{
    struct sim_node *node = context;
    core_status(core, &node->status);
    checkers_on_core(node->sim->checkers, node->index, core, node->disk);
}

static void on_applied(void *context, const struct raft_entry *entry, const uint8_t state_hash[16])
{
    struct sim_node *node = context;
    node->applied = entry->index;
    memcpy(node->state_hash, state_hash, sizeof node->state_hash);
    checkers_on_applied(node->sim->checkers, node->index, entry, state_hash, sim_now_ns(node->sim));
}

static void on_loaded(void *context, const struct log_position *position, const uint8_t state_hash[16])
{
    struct sim_node *node = context;
    node->applied = position->index;
    node->loads++;
    memcpy(node->state_hash, state_hash, sizeof node->state_hash);
    checkers_on_loaded(node->sim->checkers, node->index, position, state_hash);
}

static void bury(struct sim_node *node)
{
    node->hold = STEPPER_HOLD_NONE;
    network_down(node->sim->network, node->index);
    runtime_destroy(&node->runtime);
    world_free_actors(node);
    node->log->ops->close(node->log);
    node->log = NULL;
    memset(&node->status, 0, sizeof node->status);
    node->applied = 0;
}

static void on_restart(void *context, uint64_t life)
{
    struct sim_node *node = context;
    if (!node->restarting || node->life != life) return;
    sim_start(node->sim, node->index);
}

/* Exit 70, outside of the turn in which it was decided. */
static void on_exit(void *context, uint64_t life)
{
    struct sim_node *node = context;
    if (node->runtime == NULL || node->life != life) return;
    bury(node);
    struct scheduler *stepper = node->sim->stepper;
    if (node->removed) return;
    node->restarting = true;
    stepper_call_at(stepper, stepper_now_ns(stepper) + restart_ns, on_restart, node, node->life);
}

static void on_failure(void *context, const struct error *error)
{
    struct sim_node *node = context;
    struct scheduler *stepper = node->sim->stepper;
    /* A fault of the disk ends a node, or its removal (S12); anything else that does is a bug. */
    node->removed = error->status == STATUS_DENIED;
    bool expected = node->sim->split || checkers_expect_end(node->sim->checkers, node->index) ||
                    world_expects_lost_entries(node);
    if (error->status != STATUS_IO && !node->removed && !expected) {
        checkers_fail(node->sim->checkers, "%s ended: %s", node->name, error->message);
    }
    stepper_call_at(stepper, stepper_now_ns(stepper), on_exit, node, node->life);
}

void world_on_end(void *context, enum node_end how)
{
    struct sim_node *node = context;
    struct scheduler *stepper = node->sim->stepper;
    node->removed = how != NODE_END_RESTART; /* Nobody starts it again. */
    stepper_call_at(stepper, stepper_now_ns(stepper), on_exit, node, node->life);
}

static void set_clock(const struct sim_node *node)
{
    struct scheduler *stepper = node->sim->stepper;
    stepper_set_rate(stepper, node->runtime, node->clock_permille);
    stepper_set_wall_offset(stepper, node->runtime, node->wall_offset_ms);
}

void sim_set_clock(struct sim *sim, uint32_t index, uint32_t rate_permille, int64_t wall_offset_ms)
{
    struct sim_node *node = &sim->nodes[index];
    node->clock_permille = rate_permille;
    node->wall_offset_ms = wall_offset_ms;
    if (node->runtime != NULL) set_clock(node);
}

void sim_hold(struct sim *sim, uint32_t index, enum stepper_hold hold)
{
    struct sim_node *node = &sim->nodes[index];
    if (node->runtime == NULL || node->hold == hold) return;
    node->hold = hold;
    stepper_hold(sim->stepper, node->runtime, hold);
    network_silence(sim->network, index, hold == STEPPER_HOLD_ALL);
}

void sim_start(struct sim *sim, uint32_t index)
{
    struct sim_node *node = &sim->nodes[index];
    CHECK(node->runtime == NULL);
    struct error error = { 0 };
    struct random random = { .fill = fill_random, .context = &sim->identities };
    enum status status = log_memory_open(node->disk, &random, &node->log, &error);
    if (status != STATUS_OK) {
        sim_fail(sim, "%s does not open its log: %s", node->name, error.message);
        return;
    }
    world_check_boot(node);
    node->life++;
    node->restarting = false;
    node->removed = false;
    if (index < sim->node_count) checkers_on_start(sim->checkers, index, &node->log->boot);
    node->applied = node->log->boot.applied.index;
    node->runtime = runtime_create(&(struct runtime_options){
        .scheduler = sim->stepper,
        .node = node->name,
        .log = sim->options.verbose ? print_log : NULL,
        .log_context = sim,
        .on_failure = on_failure,
        .failure_context = node,
        .fingerprint = wire_fingerprint,
        .kind_name = kind_name,
    });
    set_clock(node);
    node->probe = (struct consensus_probe){
        .on_core = on_core, .on_applied = on_applied, .on_loaded = on_loaded, .context = node
    };
    network_up(sim->network, index, node->runtime);
    status = world_start_actors(node, &error);
    if (status == STATUS_OK) {
        status = runtime_spawn(node->runtime, &client_behavior, NULL, &node->client, &error);
    }
    if (status == STATUS_OK) return;
    if (!world_refuses_foreign(node)) sim_fail(sim, "%s does not start: %s", node->name, error.message);
    else bury(node);
}

void sim_kill(struct sim *sim, uint32_t index)
{
    sim->nodes[index].restarting = false;
    if (sim->nodes[index].runtime != NULL) bury(&sim->nodes[index]);
}

bool sim_stop(struct sim *sim, uint32_t index)
{
    struct sim_node *node = &sim->nodes[index];
    CHECK(node->runtime != NULL);
    sim_hold(sim, index, STEPPER_HOLD_NONE); /* Or nobody would hear of it. */
    bool stopped = runtime_stop(node->runtime, stop_ns);
    bury(node);
    return stopped;
}

/* --- the world --- */

static const struct instance_entry model_entries[] = { { .name = "quote", .id = 1, .readonly = true },
                                                       { .name = "book", .id = 2 } };
static const struct sim_slice models[] = {
    { .artifact = SIM_PRICING, .entries = model_entries, .entry_count = ARRAY_COUNT(model_entries) },
    { .artifact = SIM_ORDERS,
      .entries = model_entries,
      .entry_count = ARRAY_COUNT(model_entries),
      .hooks = SLICE_HOOK_SNAPSHOT | SLICE_HOOK_RESTORE | SLICE_HOOK_CONFIG_CHANGED },
};

static const int64_t call_max_ns = MILLISECONDS(10);

static void stock(struct sim *sim)
{
    sim->slices = (struct sim_slices){
        .slices = models,
        .slice_count = ARRAY_COUNT(models),
        .chance = chance_of(sim->options.seed, 101),
        .fetch_ns_max = MILLISECONDS(20),
        .step_ns_max = MILLISECONDS(20),
    };
    sim_set_slice_faults(sim, &sim->options.slices);
    sim->artifacts.slices = &sim->slices;
}

void sim_set_slice_faults(struct sim *sim, const struct sim_slice_faults *faults)
{
    sim->slices.no_permille = faults->no_permille;
    sim->slices.crash_permille = faults->crash_permille;
    sim->slices.life_ns_max = faults->life_max_ns;
    sim->slices.call_ns_max = faults->call_max_ns > 0 ? faults->call_max_ns : call_max_ns;
}

struct sim *sim_create(const struct sim_options *options)
{
    struct sim *sim = memory_zalloc(sizeof *sim);
    sim->options = *options;
    if (sim->options.voters == 0) sim->options.voters = 3;
    if (sim->options.disk_delay_max_ns == 0) sim->options.disk_delay_max_ns = MILLISECONDS(1);
    sim->node_count = sim->options.voters + sim->options.joiners;
    CHECK(sim->node_count <= SIM_NODES_MAX);
    sim->identities = chance_of(options->seed, 100);
    sim->stepper = stepper_create(&(struct stepper_options){
        .seed = options->seed,
        .pinned_delay_max_ns = sim->options.disk_delay_max_ns,
        .message_delay_max_ns = options->seed % 2 == 0 ? MICROSECONDS(200) : 0, /* Half of the seeds. */
    });
    sim->checkers = checkers_create();
    sim->history = history_create();
    sim->network_options = (struct network_options){
        .stepper = sim->stepper,
        .seed = options->seed,
        .latency_min_ns = options->latency_min_ns,
        .latency_max_ns = options->latency_max_ns,
        .loss_permille = options->loss_permille,
        .duplicate_permille = options->duplicate_permille,
        .straggler_permille = options->straggler_permille,
    };
    sim->expected = (UINT64_C(1) << sim->node_count) - 1;
    sim->network_options.memory_permille = options->memory_permille;
    sim->network = network_create(&sim->network_options);
    stock(sim);
    for (uint32_t i = 0; i < sim->node_count; i++) {
        world_add_node(sim, i, "node", i + 1);
        sim->names[i] = sim->nodes[i].name;
        (void)network_add(sim->network, sim->names[i]);
    }
    world_add_workers(sim);
    for (uint32_t i = 0; i < sim->options.voters && !options->no_start; i++)
        sim_start(sim, i);
    return sim;
}

void sim_destroy(struct sim **sim)
{
    struct sim *taken = *sim;
    *sim = NULL;
    if (taken == NULL) return;
    for (uint32_t i = 0; i < taken->node_count + taken->worker_count; i++) {
        sim_kill(taken, i);
        log_memory_disk_destroy(&taken->nodes[i].disk);
        sim_files_destroy(&taken->nodes[i].files);
    }
    network_destroy(&taken->network);
    scheduler_destroy(&taken->stepper);
    world_free_calls(taken);
    checkers_destroy(&taken->checkers);
    history_destroy(&taken->history);
    sim_slices_fini(&taken->slices);
    memory_free(taken);
}

/* --- time --- */

void sim_run(struct sim *sim, int64_t duration_ns)
{
    stepper_run_until(sim->stepper, stepper_now_ns(sim->stepper) + duration_ns);
}

int64_t sim_now_ns(const struct sim *sim)
{
    return stepper_now_ns(sim->stepper);
}

struct scheduler *sim_stepper(const struct sim *sim)
{
    return sim->stepper;
}

uint64_t sim_trace_hash(const struct sim *sim)
{
    return stepper_trace_hash(sim->stepper);
}
