/* telemetry: what a node tells of itself: its metrics and its tree of actors, of this node or, asked for
 * there, of another. TO_TELEMETRY answers metric list, NODE_TREE_REQUEST, and node show --tree, which
 * membership hands on. */
#ifndef AETHER_ACTORS_CLUSTER_TELEMETRY_H
#define AETHER_ACTORS_CLUSTER_TELEMETRY_H

#include "runtime/actor.h"

struct telemetry_options { /* Borrowed for the actor's life. */
    const char *node;
};

extern const struct behavior telemetry_behavior;

#endif
