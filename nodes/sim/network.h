/* network: the virtual network between the nodes of a simulation, and the transport actor that each node has
 * on it. Frames take a random time and so overtake each other, get lost, repeated, or swallowed by a cut. A
 * connection stands between two nodes while both live; it breaks at a death (told within milliseconds), and
 * when a cut in either direction outlasts the heartbeats (told after up to 3 s); it comes back by itself. */
#ifndef AETHER_NODES_SIM_NETWORK_H
#define AETHER_NODES_SIM_NETWORK_H

#include "runtime/scheduler.h"

#include <stdbool.h>
#include <stdint.h>

enum { NETWORK_NODES_MAX = 16 };

struct network_options {
    struct scheduler *stepper;
    uint64_t seed;
    int64_t latency_min_ns; /* 0 = 200 us. */
    int64_t latency_max_ns; /* 0 = 2 ms. */
    uint32_t loss_permille;
    uint32_t duplicate_permille;
    uint32_t straggler_permille; /* Frames that take up to 500 ms more. */
};

struct network;
struct network *network_create(const struct network_options *options);
void network_destroy(struct network **network); /* After the nodes' runtimes; drops what is on its way. */

uint32_t network_add(struct network *network, const char *node); /* Its index, from 0. */

/* The options of the node's transport: give &network_transport_behavior these. Borrowed by its runtime. */
struct network_transport_options {
    struct network *network;
    uint32_t node;
};
extern const struct behavior network_transport_behavior;

/* The node's runtime is about to start, or has just ended. */
void network_up(struct network *network, uint32_t node, struct runtime *runtime);
void network_down(struct network *network, uint32_t node);

/* Frames from `from` to `to` vanish, or no longer do. */
void network_cut(struct network *network, uint32_t from, uint32_t to, bool cut);
/* For the time of faults and after it. */
void network_set_faults(struct network *network, const struct network_options *options);

#endif
