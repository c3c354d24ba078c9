/* actors: the set of actors that every node has (nodes/assembly.h), on the simulator's adapters. */
#include "nodes/sim/world.h"
#include "wire/kinds.h"

enum status world_start_actors(struct sim_node *node, struct error *error)
{
    struct sim *sim = node->sim;
    struct node_options *options = &node->options;
    node->transport = (struct network_transport_options){ .network = sim->network, .node = node->index };
    node->adapters = (struct slice_adapters){ .node = node->name, .context = &sim->slices };
    *options = (struct node_options){
        .node = node->name,
        .cluster_name = "sim",
        .address = node->name,
        .labels_json = "{}",
        .zone = "",
        .bootstrap = sim->names,
        .bootstrap_count = node->index < sim->options.voters ? sim->options.voters : 0,
        .peers = node->peers,
        .incarnation = node->life,
        .log = node->log,
        .core = sim->options.core,
        .log_keep_entries = sim->options.log_keep_entries,
        .snapshot_side_bytes = sim->options.snapshot_side_bytes,
        .snapshot_chunk_bytes = sim->options.snapshot_chunk_bytes,
        .probe = &node->probe,
        .transport = { .behavior = &network_transport_behavior,
                       .options = &node->transport,
                       .name = TO_TRANSPORT,
                       .restart = CHILD_NEVER },
        .artifact_store = { .behavior = &sim_artifact_store_behavior,
                            .options = &sim->artifacts,
                            .name = TO_ARTIFACT_STORE,
                            .restart = CHILD_PERMANENT },
        .end = world_on_end,
        .end_context = node,
        .slice_adapters = &node->adapters,
        .slice_backend = &sim_slice_backend,
    };
    if (sim->options.keeps_artifacts) {
        node->artifacts =
            (struct artifact_store_options){ .files = sim_files_port(node->files), .directory = "/data" };
        options->artifact_store.behavior = &artifact_store_behavior;
        options->artifact_store.options = &node->artifacts;
    }
    if (sim->options.bootstrap != NULL) {
        options->bootstrap = sim->options.bootstrap(node->index, &options->bootstrap_count);
    }
    options->worker = node->index >= sim->node_count;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (i == node->index) continue;
        node->peers[options->peer_count++] =
            (struct node_peer){ .name = sim->names[i], .address = sim->names[i] };
    }
    return node_start(node->runtime, options, &node->actors, error);
}

void world_free_actors(struct sim_node *node)
{
    if (node->actors != NULL) node_free(&node->actors);
}
