/* keeper_state: what the files of the voter_keeper actor (voter_keeper.c, keeper_orders.c) share. Nothing
 * else includes this. */
#ifndef AETHER_ACTORS_CLUSTER_KEEPER_STATE_H
#define AETHER_ACTORS_CLUSTER_KEEPER_STATE_H

#include "actors/cluster/keeper_view.h"
#include "actors/cluster/node_joins.h"
#include "actors/cluster/node_orders.h"
#include "actors/cluster/peer_book.h"
#include "actors/cluster/voter_keeper.h"
#include "runtime/base/map.h"
#include "wire/proto/store.pb-c.h"

struct voter_keeper {
    const struct voter_keeper_options *options;
    struct peer_book peers;
    struct keeper_view view;
    struct role_changed role;
    struct node_orders orders;
    struct node_joins joins;
    struct map replaced;  /* Node name to when (heap int64_t): by our clock, since we lead. */
    struct arena planned; /* What `plan` points into. */
    struct voter_plan plan;
    bool has_plan;
    bool asking;        /* The leader actor for its status. */
    bool acting;        /* A change or a transfer is under way. */
    bool forgetting;    /* A removed node's last record. */
    uint32_t transfers; /* Tried in vain. */
    struct timer_id look;
    enum node_end end; /* Is about to. */
};

/* --- voter_keeper.c --- */
extern const int64_t keeper_ask_timeout_ns;
extern const int64_t keeper_propose_timeout_ns;
bool keeper_may_act(const struct voter_keeper *keeper); /* Leads, and knows the state. */
void keeper_review(struct actor *self, struct voter_keeper *keeper);
/* A proposal of one OpNodeChange, under our term (A5). */
struct message *keeper_new_change(const struct voter_keeper *keeper, Pb__OpNodeChange **out_change);
/* Asks under way hold a number: what they were for may be answered and gone. */
uint64_t *keeper_ticket(uint64_t number);
uint64_t keeper_take_ticket(uint64_t *ticket);

/* --- keeper_orders.c: the commands on nodes, and the end of this one --- */
actor_handler keeper_on_order;
actor_handler keeper_on_halt;
actor_handler keeper_on_end;
struct message *keeper_new_halt(const struct keeper_view *view, const char *node, enum node_end how);
void keeper_judge_orders(struct actor *self, struct voter_keeper *keeper);
void keeper_answer_transfers(struct actor *self, struct voter_keeper *keeper);
/* Orders that wait are asked again at the next leader; those by which we ceased to lead are still ours. */
void keeper_drop_orders(struct actor *self, struct voter_keeper *keeper);

#endif
