/* network: who is on it, and what is wrong with it. */
#include "nodes/sim/network.h"

#include "nodes/sim/network_state.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

enum family {
    FAMILY_LATENCY = 1,
    FAMILY_LOSS,
    FAMILY_DUPLICATE,
    FAMILY_STRAGGLER,
    FAMILY_NOTICE,
    FAMILY_REPLAY,
};

void network_set_faults(struct network *network, const struct network_options *options)
{
    network->options.latency_min_ns =
        options->latency_min_ns > 0 ? options->latency_min_ns : MICROSECONDS(200);
    network->options.latency_max_ns = options->latency_max_ns > 0 ? options->latency_max_ns : MILLISECONDS(2);
    network->options.loss_permille = options->loss_permille;
    network->options.duplicate_permille = options->duplicate_permille;
    network->options.straggler_permille = options->straggler_permille;
    network->options.memory_permille = options->memory_permille;
}

struct network *network_create(const struct network_options *options)
{
    struct network *network = memory_zalloc(sizeof *network);
    network->options = *options;
    network_set_faults(network, options);
    network->flights.next = network->flights.previous = &network->flights;
    network->notices.next = network->notices.previous = &network->notices;
    network->latency = chance_of(options->seed, FAMILY_LATENCY);
    network->loss = chance_of(options->seed, FAMILY_LOSS);
    network->duplicate = chance_of(options->seed, FAMILY_DUPLICATE);
    network->straggler = chance_of(options->seed, FAMILY_STRAGGLER);
    network->notice = chance_of(options->seed, FAMILY_NOTICE);
    network->replay = chance_of(options->seed, FAMILY_REPLAY);
    return network;
}

void network_destroy(struct network **network)
{
    struct network *taken = *network;
    *network = NULL;
    if (taken == NULL) return;
    network_forget_frames(taken);
    network_forget_notices(taken);
    memory_free(taken);
}

uint32_t network_add(struct network *network, const char *node)
{
    CHECK(network->node_count < NETWORK_NODES_MAX);
    CHECK(text_copy(network->nodes[network->node_count].name, NODE_NAME_MAX, node));
    return network->node_count++;
}

uint32_t network_add_worker(struct network *network, const char *node)
{
    uint32_t index = network_add(network, node);
    network->nodes[index].worker = true;
    return index;
}

static void review_all(struct network *network, uint32_t node)
{
    for (uint32_t i = 0; i < network->node_count; i++) {
        if (i != node) network_review(network, node, i);
    }
}

void network_up(struct network *network, uint32_t node, struct runtime *runtime)
{
    CHECK(network->nodes[node].runtime == NULL);
    network->nodes[node].runtime = runtime;
    network->nodes[node].life++;
    review_all(network, node);
}

void network_down(struct network *network, uint32_t node)
{
    network->nodes[node].runtime = NULL;
    network->nodes[node].silent = false;
    review_all(network, node);
}

void network_cut(struct network *network, uint32_t from, uint32_t to, bool cut)
{
    if (from == to || network->cut[from][to] == cut) return;
    network->cut[from][to] = cut;
    network_review(network, from, to);
}

void network_clog(struct network *network, uint32_t from, uint32_t to, bool clogged)
{
    if (from == to || network->clogged[from][to] == clogged) return;
    network->clogged[from][to] = clogged;
    if (!clogged) network_release(network, from, to);
    network_review(network, from, to);
}

void network_silence(struct network *network, uint32_t node, bool silent)
{
    if (network->nodes[node].silent == silent) return;
    network->nodes[node].silent = silent;
    review_all(network, node);
}
