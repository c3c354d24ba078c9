/* node_deployment_manager: TO_NODE_DEPLOYMENT_MANAGER, which brings this node's allocations to life. */
#ifndef AETHER_ACTORS_SLICE_NODE_DEPLOYMENT_MANAGER_H
#define AETHER_ACTORS_SLICE_NODE_DEPLOYMENT_MANAGER_H

#include "actors/slice/slice_deadlines.h"
#include "runtime/actor.h"

struct node_deployment_manager_options {
    const char *node;                 /* This node's name. */
    struct slice_deadlines deadlines; /* All 0: slice_deadlines_default. */
};
extern const struct behavior node_deployment_manager_behavior;

#endif
