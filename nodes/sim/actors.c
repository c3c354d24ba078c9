/* actors: the set of actors that every node has, on the simulator's adapters. */
#include "actors/consensus/leader.h"
#include "actors/consensus/log_writer.h"
#include "actors/consensus/proposer.h"
#include "actors/consensus/state.h"
#include "nodes/sim/world.h"
#include "runtime/base/memory.h"
#include "store/schema/rules.h"
#include "wire/kinds.h"

enum status world_start_actors(struct sim_node *node, struct error *error)
{
    struct sim *sim = node->sim;
    const char *const *bootstrap = sim->names;
    uint32_t count = sim->node_count;
    if (sim->options.bootstrap != NULL) bootstrap = sim->options.bootstrap(node->index, &count);
    node->transport = (struct network_transport_options){ .network = sim->network, .node = node->index };
    struct log_writer_options log_writer = { .log = node->log };
    struct state_options state = { .log = node->log, .rules = &schema_rules, .probe = &node->probe };
    struct leader_options leader = { .node = node->name,
                                     .log = node->log,
                                     .bootstrap = bootstrap,
                                     .bootstrap_count = count,
                                     .peers = sim->names,
                                     .peer_count = sim->node_count,
                                     .core = sim->options.core,
                                     .probe = &node->probe };
    struct proposer_options proposer = { .node = node->name };
    const struct child_spec children[] = {
        { .behavior = &log_writer_behavior, .options = &log_writer, .name = TO_LOG_WRITER },
        { .behavior = &state_behavior, .options = &state, .name = TO_STATE },
        { .behavior = &network_transport_behavior, .options = &node->transport, .name = TO_TRANSPORT },
        { .behavior = &leader_behavior, .options = &leader, .name = TO_LEADER },
        { .behavior = &proposer_behavior, .options = &proposer, .name = TO_PROPOSER },
    };
    for (uint32_t i = 0; i < ARRAY_COUNT(children); i++) {
        struct spawn_options options = { .options = children[i].options, .name = children[i].name };
        struct actor_id id;
        enum status status = runtime_spawn(node->runtime, children[i].behavior, &options, &id, error);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

void world_free_actors(struct sim_node *node)
{
    (void)node;
}
