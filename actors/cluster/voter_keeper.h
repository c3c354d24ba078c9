/* voter_keeper: who takes part in the log, and who is on duty: lets nodes in (I2, M3), moves the voters to
 * what people wish (M5), and carries out the commands on nodes. Acts on the leader only; on every node it
 * makes the others' addresses known to the transport and ends the node when it is told to. TO_VOTER_KEEPER.
 */
#ifndef AETHER_ACTORS_CLUSTER_VOTER_KEEPER_H
#define AETHER_ACTORS_CLUSTER_VOTER_KEEPER_H

#include "runtime/actor.h"

/* How a node is told to end, in order. */
enum node_end {
    NODE_END_STOP = 1, /* For good: exit 0. */
    NODE_END_RESTART,  /* The service manager starts it again: exit 70. */
    NODE_END_REMOVED,  /* It is no part of the cluster any more: exit 75. */
};

struct voter_keeper_options { /* Borrowed for the actor's life. */
    const char *node;
    const char *const *peers; /* Names whose addresses the configuration gives. */
    uint32_t peer_count;
    void (*end)(void *context, enum node_end how); /* Any thread; returns at once. NULL: it can't be ended. */
    void *end_context;
};

extern const struct behavior voter_keeper_behavior;

#endif
