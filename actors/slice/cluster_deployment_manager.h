/* cluster_deployment_manager: TO_CLUSTER_DEPLOYMENT_MANAGER, which turns blueprints into allocations. On
 * every node; it answers reads everywhere and acts only where the node leads. No options. */
#ifndef AETHER_ACTORS_SLICE_CLUSTER_DEPLOYMENT_MANAGER_H
#define AETHER_ACTORS_SLICE_CLUSTER_DEPLOYMENT_MANAGER_H

#include "runtime/actor.h"

extern const struct behavior cluster_deployment_manager_behavior;

#endif
