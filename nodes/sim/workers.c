/* workers: nodes that are in no configuration and follow the voters (consensus.md section 2). */
#include "nodes/sim/world.h"
#include "runtime/base/check.h"

#include <stdio.h>

void world_add_node(struct sim *sim, uint32_t index, const char *kind, uint32_t number)
{
    struct sim_node *node = &sim->nodes[index];
    node->sim = sim;
    node->index = index;
    node->clock_permille = 1000;
    (void)snprintf(node->name, sizeof node->name, "%s-%u", kind, number);
    node->disk = log_memory_disk_create();
    node->files = sim_files_create();
}

void world_add_workers(struct sim *sim)
{
    CHECK(sim->options.workers <= SIM_WORKERS_MAX);
    sim->worker_count = sim->options.workers;
    for (uint32_t i = 0; i < sim->worker_count; i++) {
        uint32_t index = sim->node_count + i;
        world_add_node(sim, index, "worker", i + 1);
        (void)network_add_worker(sim->network, sim->nodes[index].name);
    }
    for (uint32_t i = 0; i < sim->worker_count && !sim->options.no_start; i++)
        sim_start(sim, sim->node_count + i);
}

uint32_t sim_worker_count(const struct sim *sim)
{
    return sim->worker_count;
}

uint32_t sim_worker(const struct sim *sim, uint32_t number)
{
    CHECK(number < sim->worker_count);
    return sim->node_count + number;
}

static bool are_level(void *context)
{
    const struct sim *sim = context;
    uint32_t leader = sim_leader(sim);
    if (leader == SIM_NOBODY) return false;
    log_index last = sim->nodes[leader].status.last.index;
    for (uint32_t i = 0; i < sim->worker_count; i++) {
        const struct sim_node *worker = &sim->nodes[sim->node_count + i];
        if (worker->restarting) return false;
        if (worker->runtime != NULL && worker->applied != last) return false;
    }
    return true;
}

bool sim_workers_are_level(struct sim *sim, int64_t timeout_ns)
{
    return world_await(sim, are_level, sim, timeout_ns);
}
