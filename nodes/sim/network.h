/* network: the virtual network between the nodes of a simulation, and the transport actor that each node has
 * on it. Frames take a random time and so overtake each other, get lost, repeated, swallowed by a cut, held
 * by a clogged link, or come again much later. A connection stands between two nodes while both live; it
 * breaks at a death (told within milliseconds), and when a silence in either direction outlasts the
 * heartbeats (told after up to 3 s); it comes back by itself. */
#ifndef AETHER_NODES_SIM_NETWORK_H
#define AETHER_NODES_SIM_NETWORK_H

#include "runtime/scheduler.h"

#include <stdbool.h>
#include <stdint.h>

enum { NETWORK_NODES_MAX = 264 };

struct network_options {
    struct scheduler *stepper;
    uint64_t seed;
    int64_t latency_min_ns; /* 0 = 200 us. */
    int64_t latency_max_ns; /* 0 = 2 ms. */
    uint32_t loss_permille;
    uint32_t duplicate_permille;
    uint32_t straggler_permille; /* Frames that take up to 500 ms more. */
    uint32_t memory_permille;    /* Frames that are kept for network_replay. */
};

struct network;
struct network *network_create(const struct network_options *options);
void network_destroy(struct network **network); /* After the nodes' runtimes; drops what is on its way. */

uint32_t network_add(struct network *network, const char *node);        /* Its index, from 0. */
uint32_t network_add_worker(struct network *network, const char *node); /* Connects to no other worker. */

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
/* They wait, and go on in a new order once the link is free again. */
void network_clog(struct network *network, uint32_t from, uint32_t to, bool clogged);
/* The node says nothing (it stands still): its connections break as if it were cut off, its frames stay. */
void network_silence(struct network *network, uint32_t node, bool silent);
/* Sends up to `count` of the remembered frames again, each from and to whom it once was. Those to a node that
 * has started again since are left out: no connection outlives a process. Returns how many. */
uint32_t network_replay(struct network *network, uint32_t count);
/* For the time of faults and after it. */
void network_set_faults(struct network *network, const struct network_options *options);

#endif
