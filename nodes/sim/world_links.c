/* world_links: cuts, clogs and replays, as stories and faults ask for them. */
#include "nodes/sim/world.h"

void sim_cut(struct sim *sim, uint64_t nodes)
{
    for (uint32_t a = 0; a < sim->node_count; a++) {
        for (uint32_t b = 0; b < sim->node_count; b++) {
            bool apart = ((nodes >> a) & 1) != ((nodes >> b) & 1);
            if (apart) network_cut(sim->network, a, b, true);
        }
    }
}

void sim_cut_link(struct sim *sim, uint32_t from, uint32_t to)
{
    network_cut(sim->network, from, to, true);
}

void sim_clog_link(struct sim *sim, uint32_t from, uint32_t to)
{
    network_clog(sim->network, from, to, true);
}

uint32_t sim_replay(struct sim *sim, uint32_t count)
{
    return network_replay(sim->network, count);
}

void sim_mend_link(struct sim *sim, uint32_t from, uint32_t to)
{
    network_cut(sim->network, from, to, false);
    network_clog(sim->network, from, to, false);
}

void sim_mend(struct sim *sim)
{
    for (uint32_t a = 0; a < sim->node_count; a++) {
        for (uint32_t b = 0; b < sim->node_count; b++)
            sim_mend_link(sim, a, b);
    }
}

void sim_calm(struct sim *sim)
{
    struct network_options calm = sim->network_options;
    calm.loss_permille = 0;
    calm.duplicate_permille = 0;
    calm.straggler_permille = 0;
    calm.memory_permille = 0;
    network_set_faults(sim->network, &calm);
}

void sim_heal(struct sim *sim)
{
    sim_mend(sim);
    sim_calm(sim);
}
