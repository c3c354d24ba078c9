/* slice_inspector: what of slices only the nodes know. TO_SLICE_INSPECTOR answers `slice show` (what the
 * state says, from the cluster_deployment_manager beside it, and what each node concerned says now) and
 * `slice logs` (what each node kept); from its peers, SLICE_FACTS_REQUEST and SLICE_LOGS_REQUEST for this
 * node alone. A node that does not answer in time is shown as such. */
#ifndef AETHER_ACTORS_SLICE_SLICE_INSPECTOR_H
#define AETHER_ACTORS_SLICE_SLICE_INSPECTOR_H

#include "runtime/actor.h"

struct slice_inspector_options {
    const char *node; /* This node's name; lives as long as the node. */
};
extern const struct behavior slice_inspector_behavior;

#endif
