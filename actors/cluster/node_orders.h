/* node_orders: the commands on nodes that the leader's voter_keeper carries out and answers when they are
 * done. What one asks, what it may not be given for, and whether it is done are pure questions to the view.
 */
#ifndef AETHER_ACTORS_CLUSTER_NODE_ORDERS_H
#define AETHER_ACTORS_CLUSTER_NODE_ORDERS_H

#include "actors/cluster/keeper_view.h"
#include "runtime/port/transport.h"
#include "wire/proto/cluster.pb-c.h"

enum { NODE_ORDERS_MAX = 256 };

enum node_order_phase {
    ORDER_WRITING, /* Its change is proposed, or its node is being told. */
    ORDER_WAITING, /* For what follows from it. */
    ORDER_LEAVING, /* This node hands over the lead: the answer is ours though we lead no longer. */
};

struct node_order {
    struct node_order *next;
    uint64_t number;         /* Asks under way hold this: the order may have been answered meanwhile. */
    struct message *request; /* Kept, owed an answer. */
    char node[NODE_NAME_MAX];
    enum node_order_phase phase;
    bool detach;
    uint64_t revision;    /* Of its change; 0: nothing was written. */
    uint64_t incarnation; /* STOP, RESTART: of the start that ends. */
};

struct node_orders {          /* A zeroed one is empty. */
    struct node_order *first; /* In the order of arrival. */
    uint32_t count;
    uint64_t number;
};

struct node_order *node_orders_add(struct node_orders *orders, struct message *request); /* Takes it. */
struct node_order *node_orders_find(const struct node_orders *orders, uint64_t number);  /* NULL: answered. */
void node_orders_remove(struct node_orders *orders, struct node_order *order);
void node_orders_fini(struct node_orders *orders);

/* The node that a request is about; "": whichever (TRANSFER). Is it one of ours at all? */
bool node_order_target(const struct message *request, const char **out_node, bool *out_detach);
/* What speaks against it, before anything is written. */
MUST_CHECK enum status node_order_check(const struct keeper_view *view, const struct message *request,
                                        struct error *error);
/* The change that it proposes; false: none (STOP, RESTART, TRANSFER). */
bool node_order_change(struct message *proposal, const struct message *request, Pb__OpNodeChange *change);
/* "zone=eu-1" and "gpu-" as the JSON of OpNodeChange. */
MUST_CHECK enum status node_order_labels(const Pb__NodeLabelRequest *request, struct arena *arena,
                                         const char **out_json, struct error *error);

struct node_order_state {
    bool done;
    bool stuck;       /* Nothing that happens by itself will help. */
    const char *wait; /* For what; in the arena, or constant. */
};
/* `plan` as of a view that has the order's change; NULL: none yet. */
struct node_order_state node_order_judge(const struct node_order *order, const struct keeper_view *view,
                                         const struct voter_plan *plan, struct arena *arena);
struct message *node_order_reply(const struct node_order *order, const struct keeper_view *view,
                                 const struct node_order_state *state);

#endif
