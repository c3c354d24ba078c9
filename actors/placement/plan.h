/* plan: which nodes run the instances of one slice, and why not the others. Pure and stable: what is well
 * placed never moves; nothing moves because a node came back. Nodes are given in the order of their names, so
 * the same input gives the same plan on every node. */
#ifndef AETHER_ACTORS_PLACEMENT_PLAN_H
#define AETHER_ACTORS_PLACEMENT_PLAN_H

#include "runtime/base/arena.h"

#include <stdbool.h>
#include <stdint.h>

enum placement_presence { PLACEMENT_UP, PLACEMENT_SUSPECT, PLACEMENT_LOST };

struct placement_label {
    const char *name;
    const char *value;
};

struct placement_node {
    const char *name;
    const char *state; /* Only ON_DUTY takes and keeps instances. */
    enum placement_presence presence;
    const struct placement_label *labels;
    uint32_t label_count;
    uint32_t load;        /* Instances of any slice that are assigned to it. */
    const char *excluded; /* Not NULL: why this slice should rather go elsewhere. */
};

struct placement_instance { /* As it is. */
    uint32_t instance;
    uint32_t node; /* Index; PLACEMENT_NOWHERE: on a node that there is not. */
    bool active;
    bool leaving; /* Withdrawn, but still there: its number is taken, it doesn't count. */
};
enum { PLACEMENT_NOWHERE = UINT32_MAX };

/* Chooses among usable nodes; `count_here` has the slice's instances per node, `last` is the node that the
 * instance with the highest number is on. At least one node is usable. */
typedef uint32_t placement_strategy(const struct placement_node *nodes, const bool *usable,
                                    const uint32_t *count_here, uint32_t node_count, uint32_t last);
placement_strategy spread_choose;
placement_strategy round_robin_choose;

struct placement_request {
    const struct placement_node *nodes; /* By name. */
    uint32_t node_count;
    const struct placement_instance *instances;
    uint32_t instance_count;
    const struct placement_label *constraints; /* Labels that a node must have. */
    uint32_t constraint_count;
    uint32_t wanted;
    placement_strategy *strategy;
};

struct placement_choice {
    uint32_t instance;
    uint32_t node;
    bool fresh; /* Not there before. */
};
struct placement_plan {                    /* In the arena. */
    const struct placement_choice *chosen; /* By instance. */
    uint32_t chosen_count;
    uint32_t missing;            /* Wanted, but no node may take them. */
    const char *const *refusals; /* Per node: why it takes none; NULL: it may. */
    const char *reason;          /* When some are missing: all refusals in one line; else "". */
};

void placement_plan(struct arena *arena, const struct placement_request *request,
                    struct placement_plan *out_plan);

#endif
