/* keeper_orders: the commands on nodes: what is written, told or handed over for each, and its answer once it
 * is done; and the end of this node, when another one's command is about it. A part of the voter_keeper
 * actor. */
#include "actors/cluster/cluster_proposal.h"
#include "actors/cluster/keeper_state.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/remote.h"

#include <string.h>

static const int64_t answer_before_ns =
    MILLISECONDS(300);                                 /* A waiting command is told before its time is up. */
static const int64_t end_after_ns = MILLISECONDS(300); /* The answer that it ends has left by then. */

/* --- ending this node ----------------------------------------------------------------------------------- */

static void end_soon(struct actor *self, struct voter_keeper *keeper, enum node_end how)
{
    if (keeper->end != 0) return;
    keeper->end = how;
    log_warn(self, "cluster.node_ends", "%s",
             how == NODE_END_STOP      ? "told to stop"
             : how == NODE_END_RESTART ? "told to start again"
                                       : "removed from the cluster");
    (void)actor_after(self, end_after_ns, KIND_NODE_END, 0);
}

void keeper_on_end(struct actor *self, void *state, const struct message *message)
{
    const struct voter_keeper *keeper = state;
    (void)self, (void)message;
    if (keeper->options->end != NULL) keeper->options->end(keeper->options->end_context, keeper->end);
}

/* Only the start of this node that is meant: a late word must not end its successor. */
static void on_own_incarnation(struct actor *self, void *state, void *context,
                               const struct ask_result *result)
{
    struct voter_keeper *keeper = state;
    struct message *request = context;
    const Pb__NodeHalt *halt = request->body;
    bool meant = result->status == STATUS_OK &&
                 ((const Pb__NodeIncarnationReply *)result->message->body)->incarnation == halt->incarnation;
    if (meant) {
        struct message *reply = wire_message_create(KIND_NODE_HALT);
        actor_reply(self, request, &reply);
        end_soon(self, keeper,
                 halt->removed   ? NODE_END_REMOVED
                 : halt->restart ? NODE_END_RESTART
                                 : NODE_END_STOP);
    } else {
        actor_refuse(self, request, result->status == STATUS_OK ? STATUS_CONFLICT : result->status);
    }
    message_destroy(&request);
}

void keeper_on_halt(struct actor *self, void *state, const struct message *message)
{
    const struct voter_keeper *keeper = state;
    const Pb__NodeHalt *halt = message->body;
    if (strcmp(halt->node, keeper->options->node) != 0) {
        actor_refuse(self, message, STATUS_NOT_FOUND);
        return;
    }
    struct message *ask = wire_message_create(KIND_NODE_INCARNATION_REQUEST);
    actor_ask_name(self, TO_MEMBERSHIP, &ask, keeper_ask_timeout_ns, on_own_incarnation, actor_keep(self));
}

struct message *keeper_new_halt(const struct keeper_view *view, const char *node, enum node_end how)
{
    struct message *message = wire_message_create(KIND_NODE_HALT);
    Pb__NodeHalt *halt = message->body;
    halt->node = wire_string(message, node);
    halt->incarnation = keeper_view_incarnation(view, node);
    halt->restart = how == NODE_END_RESTART;
    halt->removed = how == NODE_END_REMOVED;
    return message;
}

/* --- orders: their end ---------------------------------------------------------------------------------- */

static void refuse_order(struct actor *self, struct voter_keeper *keeper, struct node_order *order,
                         const struct error *error)
{
    actor_refuse_error(self, order->request, error);
    node_orders_remove(&keeper->orders, order);
}

static void refuse_order_status(struct actor *self, struct voter_keeper *keeper, struct node_order *order,
                                enum status status)
{
    actor_refuse(self, order->request, status);
    node_orders_remove(&keeper->orders, order);
}

static void answer_order(struct actor *self, struct voter_keeper *keeper, struct node_order *order,
                         const struct node_order_state *state)
{
    struct message *reply = node_order_reply(order, &keeper->view, state);
    actor_reply(self, order->request, &reply);
    node_orders_remove(&keeper->orders, order);
}

static bool is_late(const struct actor *self, const struct node_order *order)
{
    int64_t deadline_ns = order->request->deadline_ns;
    return deadline_ns != 0 && actor_now_ns(self) >= deadline_ns - answer_before_ns;
}

static void judge_order(struct actor *self, struct voter_keeper *keeper, struct node_order *order)
{
    struct arena arena = { 0 };
    bool seen = keeper->view.follows[KEEPER_NODES].revision >= order->revision;
    if (order->phase != ORDER_WAITING || !seen) return;
    struct node_order_state state =
        node_order_judge(order, &keeper->view, keeper->has_plan ? &keeper->plan : NULL, &arena);
    if (state.done || state.stuck || order->detach) {
        answer_order(self, keeper, order, &state);
    } else if (is_late(self, order)) {
        struct error error = { 0 };
        (void)error_set(&error, STATUS_NOT_READY, "not done in time, the cluster goes on: %s", state.wait);
        error_hint(&error, "a longer --timeout waits longer; --detach doesn't wait");
        refuse_order(self, keeper, order, &error);
    }
    arena_fini(&arena);
}

void keeper_judge_orders(struct actor *self, struct voter_keeper *keeper)
{
    struct node_order *next = NULL;
    for (struct node_order *order = keeper->orders.first; order != NULL; order = next) {
        next = order->next; /* Judged ones may leave the list. */
        judge_order(self, keeper, order);
    }
}

/* --- orders: their beginning ---------------------------------------------------------------------------- */

static void on_written(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct voter_keeper *keeper = state;
    struct error error = { 0 };
    uint64_t revision = 0;
    struct node_order *order = node_orders_find(&keeper->orders, keeper_take_ticket(context));
    if (order == NULL) return;
    enum status status = cluster_proposal_outcome(result, &revision, &error);
    if (status != STATUS_OK) {
        refuse_order(self, keeper, order, &error);
    } else if (!keeper->role.leading) { /* It is written; whoever leads now sees it through. */
        refuse_order_status(self, keeper, order, STATUS_NOT_LEADER);
    } else {
        order->revision = revision;
        order->phase = ORDER_WAITING;
        keeper->has_plan = false; /* Made before this wish. */
        keeper_review(self, keeper);
    }
}

static void write_order(struct actor *self, struct voter_keeper *keeper, struct node_order *order)
{
    Pb__OpNodeChange *change = NULL;
    struct message *proposal = keeper_new_change(keeper, &change);
    bool made = node_order_change(proposal, order->request, change);
    CHECK(made);
    actor_ask_name(self, TO_PROPOSER, &proposal, keeper_propose_timeout_ns, on_written,
                   keeper_ticket(order->number));
}

/* The node that shall end has said that it will. */
static void on_told(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct voter_keeper *keeper = state;
    struct node_order *order = node_orders_find(&keeper->orders, keeper_take_ticket(context));
    if (order == NULL) return;
    if (result->status != STATUS_OK) {
        refuse_order(self, keeper, order, result->error);
        return;
    }
    order->phase = ORDER_WAITING;
    if (order->detach) {
        const struct node_order_state told = { .wait = "it was told" };
        answer_order(self, keeper, order, &told);
    } else {
        keeper_review(self, keeper);
    }
}

/* This node: it leads, so it hands over first (E9), whether that works or not. */
static void on_handed_over(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct voter_keeper *keeper = state;
    struct node_order *order = node_orders_find(&keeper->orders, keeper_take_ticket(context));
    (void)result;
    if (order == NULL) return;
    bool restart = order->request->kind == KIND_NODE_RESTART_REQUEST;
    const struct node_order_state told = { .done = true, .wait = "" };
    answer_order(self, keeper, order, &told);
    end_soon(self, keeper, restart ? NODE_END_RESTART : NODE_END_STOP);
}

static void hand_over(struct actor *self, struct node_order *order, const char *to, ask_completion *done)
{
    struct message *ask = message_create(KIND_TRANSFER_LEADERSHIP, sizeof(struct transfer_leadership));
    (void)text_copy(((struct transfer_leadership *)ask->body)->node, NODE_NAME_MAX, to);
    order->phase = ORDER_LEAVING;
    actor_ask_name(self, TO_LEADER, &ask, keeper_ask_timeout_ns, done, keeper_ticket(order->number));
}

static void end_node(struct actor *self, struct voter_keeper *keeper, struct node_order *order)
{
    bool restart = order->request->kind == KIND_NODE_RESTART_REQUEST;
    const char *presence = keeper_view_presence(&keeper->view, order->node);
    order->incarnation = keeper_view_incarnation(&keeper->view, order->node);
    const char *through =
        order->request->from_node; /* Who speaks through the node that ends hears no more. */
    if (through != NULL && strcmp(through, order->node) == 0) order->detach = true;
    if (strcmp(order->node, keeper->options->node) == 0) {
        hand_over(self, order, "", on_handed_over);
        return;
    }
    if (strcmp(presence, "UP") != 0) {
        struct error error = { 0 };
        (void)error_set(&error, STATUS_CONFLICT, "%s is %s: it does not run", order->node, presence);
        error_hint(&error, "start it where it lives; or take it out for good: aether node remove %s",
                   order->node);
        refuse_order(self, keeper, order, &error);
        return;
    }
    struct message *halt =
        keeper_new_halt(&keeper->view, order->node, restart ? NODE_END_RESTART : NODE_END_STOP);
    wire_ask(self, order->node, CHANNEL_DATA, &halt, keeper_ask_timeout_ns, on_told,
             keeper_ticket(order->number));
}

/* Whether it came to pass shows in ROLE_CHANGED; a refusal shows here. */
static void on_transferred(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct voter_keeper *keeper = state;
    struct node_order *order = node_orders_find(&keeper->orders, keeper_take_ticket(context));
    if (order == NULL || result->status == STATUS_OK) return;
    struct error error = { 0 };
    enum status status = result->status == STATUS_DEADLINE ? STATUS_NOT_READY : result->status;
    (void)error_set(&error, status, "the lead was not handed over: %s",
                    result->status == STATUS_DEADLINE ? "nobody took over in time" : result->error->message);
    error_hint(&error, "%s",
               result->error->hint[0] != '\0' ? result->error->hint
                                              : "aether cluster members shows who keeps up");
    refuse_order(self, keeper, order, &error);
}

static void answer_transfer(struct actor *self, struct voter_keeper *keeper, struct node_order *order,
                            const char *leader, uint64_t term)
{
    struct message *message = wire_message_create(KIND_CLUSTER_TRANSFER_LEADERSHIP_REPLY);
    Pb__ClusterTransferLeadershipReply *reply = message->body;
    reply->leader = wire_string(message, leader);
    reply->former = wire_string(message, keeper->options->node);
    reply->term = term;
    actor_reply(self, order->request, &message);
    node_orders_remove(&keeper->orders, order);
}

static void transfer(struct actor *self, struct voter_keeper *keeper, struct node_order *order)
{
    if (strcmp(order->node, keeper->options->node) == 0)
        answer_transfer(self, keeper, order, keeper->options->node, keeper->role.term);
    else hand_over(self, order, order->node, on_transferred);
}

/* The lead is elsewhere: those who asked for that, if it is where they wanted it. */
void keeper_answer_transfers(struct actor *self, struct voter_keeper *keeper)
{
    const char *leader = keeper->role.leader;
    struct node_order *next = NULL;
    if (leader[0] == '\0' || strcmp(leader, keeper->options->node) == 0) return;
    for (struct node_order *order = keeper->orders.first; order != NULL; order = next) {
        next = order->next;
        if (order->request->kind == KIND_CLUSTER_TRANSFER_LEADERSHIP_REQUEST)
            answer_transfer(self, keeper, order, leader, keeper->role.term);
    }
}

static void start_order(struct actor *self, struct voter_keeper *keeper, struct node_order *order)
{
    struct error error = { 0 };
    enum status status = node_order_check(&keeper->view, order->request, &error);
    if (status == STATUS_OK && order->request->kind == KIND_NODE_LABEL_REQUEST) {
        const char *json = NULL;
        status = node_order_labels(order->request->body, &order->request->arena, &json, &error);
    }
    if (status != STATUS_OK) {
        refuse_order(self, keeper, order, &error);
        return;
    }
    if (keeper_view_was_removed(&keeper->view,
                                order->node)) { /* Asked again, as a new leader is: it is done. */
        const struct node_order_state done = { .done = true, .wait = "" };
        answer_order(self, keeper, order, &done);
        return;
    }
    switch (order->request->kind) {
    case KIND_NODE_STOP_REQUEST:
    case KIND_NODE_RESTART_REQUEST: end_node(self, keeper, order); return;
    case KIND_CLUSTER_TRANSFER_LEADERSHIP_REQUEST: transfer(self, keeper, order); return;
    case KIND_NODE_PROMOTE_REQUEST: /* T2: a person allows it. */
        if (((const Pb__NodePromoteRequest *)order->request->body)->replace)
            memory_free(map_remove(&keeper->replaced, order->node));
        break;
    default: break;
    }
    write_order(self, keeper, order);
}

void keeper_on_order(struct actor *self, void *state, const struct message *message)
{
    struct voter_keeper *keeper = state;
    if (!keeper_may_act(keeper)) {
        actor_refuse(self, message, STATUS_NOT_LEADER);
        return;
    }
    if (keeper->orders.count == NODE_ORDERS_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return;
    }
    start_order(self, keeper, node_orders_add(&keeper->orders, actor_keep(self)));
}

/* --- the lead is gone --- */

void keeper_drop_orders(struct actor *self, struct voter_keeper *keeper)
{
    struct node_order *next = NULL;
    for (struct node_order *order = keeper->orders.first; order != NULL; order = next) {
        next = order->next;
        if (order->phase == ORDER_WAITING) refuse_order_status(self, keeper, order, STATUS_NOT_LEADER);
    }
}
