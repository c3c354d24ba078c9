/* node_joins: the replicas that ask to be let in, each owed one answer by the leader's voter_keeper, and
 * which former replicas their nodes reported as retired (T2). */
#ifndef AETHER_ACTORS_CLUSTER_NODE_JOINS_H
#define AETHER_ACTORS_CLUSTER_NODE_JOINS_H

#include "actors/cluster/voter_plan.h"
#include "runtime/actor.h"
#include "runtime/base/arena.h"
#include "runtime/port/transport.h"

enum { NODE_JOINS_MAX = VOTER_PLAN_JOINS_MAX, NODE_JOINS_REPORTED_MAX = 32 };

struct node_join {
    struct node_join *next;
    uint64_t number;
    struct message *request; /* Kept. */
    char node[NODE_NAME_MAX];
    const char *address; /* In the request. */
    replica_id id;
    uint64_t cluster_id; /* The only one that it may join; 0: any. */
    bool asking;         /* It may join: its record is being written, */
    bool known;          /* or is. */
};

struct node_joins { /* A zeroed one is empty. */
    struct node_join *first;
    uint32_t count;
    uint64_t number;
    /* By name: a report counts for the replica that its own node names. */
    struct node_retired {
        char node[NODE_NAME_MAX];
        replica_id id;
    } retired[NODE_JOINS_REPORTED_MAX];
    uint32_t retired_count; /* Counts on: the oldest gives way. */
};

/* Takes a kept KIND_JOIN; there is room. A replica that asks again takes the place of its earlier ask. */
void node_joins_add(struct actor *self, struct node_joins *joins, struct message *message);
struct node_join *node_joins_find(const struct node_joins *joins, uint64_t number);
void node_joins_admit(struct actor *self, struct node_joins *joins, struct node_join *join,
                      uint64_t cluster_id);
void node_joins_refuse(struct actor *self, struct node_joins *joins, struct node_join *join,
                       const struct error *error);
void node_joins_drop(struct actor *self, struct node_joins *joins); /* All: this node leads no longer. */
void node_joins_fini(struct node_joins *joins);

/* Adds those who may join to the planner's input, and which of its replicas are retired. */
void node_joins_fill(const struct node_joins *joins, struct arena *arena, struct voter_plan_input *input);

#endif
