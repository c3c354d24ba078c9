/* node_orders: see the header. */
#include "actors/cluster/node_orders.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"

#include <stdio.h>
#include <string.h>

/* --- the list ------------------------------------------------------------------------------------------- */

struct node_order *node_orders_add(struct node_orders *orders, struct message *request)
{
    struct node_order *order = memory_zalloc(sizeof *order);
    const char *node = "";
    order->request = request;
    order->number = ++orders->number;
    (void)node_order_target(request, &node, &order->detach);
    (void)text_copy(order->node, sizeof order->node, node);
    struct node_order **link = &orders->first;
    while (*link != NULL)
        link = &(*link)->next;
    *link = order;
    orders->count++;
    return order;
}

struct node_order *node_orders_find(const struct node_orders *orders, uint64_t number)
{
    struct node_order *order = orders->first;
    while (order != NULL && order->number != number)
        order = order->next;
    return order;
}

void node_orders_remove(struct node_orders *orders, struct node_order *order)
{
    struct node_order **link = &orders->first;
    while (*link != order)
        link = &(*link)->next;
    *link = order->next;
    CHECK(orders->count > 0);
    orders->count--;
    message_destroy(&order->request);
    memory_free(order);
}

void node_orders_fini(struct node_orders *orders)
{
    while (orders->first != NULL)
        node_orders_remove(orders, orders->first);
}

/* --- what is asked -------------------------------------------------------------------------------------- */

bool node_order_target(const struct message *request, const char **out_node, bool *out_detach)
{
    const void *body = request->body;
    *out_detach = false;
    switch (request->kind) {
    case KIND_NODE_PROMOTE_REQUEST:
        *out_node = ((const Pb__NodePromoteRequest *)body)->node;
        *out_detach = ((const Pb__NodePromoteRequest *)body)->detach;
        return true;
    case KIND_NODE_DEMOTE_REQUEST:
        *out_node = ((const Pb__NodeDemoteRequest *)body)->node;
        *out_detach = ((const Pb__NodeDemoteRequest *)body)->detach;
        return true;
    case KIND_NODE_REMOVE_REQUEST:
        *out_node = ((const Pb__NodeRemoveRequest *)body)->node;
        *out_detach = ((const Pb__NodeRemoveRequest *)body)->detach;
        return true;
    case KIND_NODE_DRAIN_REQUEST:
        *out_node = ((const Pb__NodeDrainRequest *)body)->node;
        *out_detach = ((const Pb__NodeDrainRequest *)body)->detach;
        return true;
    case KIND_NODE_STOP_REQUEST:
        *out_node = ((const Pb__NodeStopRequest *)body)->node;
        *out_detach = ((const Pb__NodeStopRequest *)body)->detach;
        return true;
    case KIND_NODE_RESTART_REQUEST:
        *out_node = ((const Pb__NodeRestartRequest *)body)->node;
        *out_detach = ((const Pb__NodeRestartRequest *)body)->detach;
        return true;
    case KIND_NODE_RESUME_REQUEST: *out_node = ((const Pb__NodeResumeRequest *)body)->node; return true;
    case KIND_NODE_LABEL_REQUEST: *out_node = ((const Pb__NodeLabelRequest *)body)->node; return true;
    case KIND_CLUSTER_TRANSFER_LEADERSHIP_REQUEST: {
        const Pb__ClusterTransferLeadershipRequest *transfer = body;
        bool named = transfer->has_node_case != PB__CLUSTER_TRANSFER_LEADERSHIP_REQUEST__HAS_NODE__NOT_SET;
        *out_node = named ? transfer->node : "";
        return true;
    }
    default: return false;
    }
}

static enum status check_removal(const struct keeper_view *view, const Pb__NodeRemoveRequest *request,
                                 struct error *error)
{
    uint32_t instances = keeper_view_instances(view, request->node);
    if (instances == 0 || request->force || strcmp(keeper_view_presence(view, request->node), "LOST") == 0)
        return STATUS_OK;
    (void)error_set(error, STATUS_CONFLICT, "%s still runs %u instance%s", request->node, instances,
                    instances == 1 ? "" : "s");
    error_hint(error, "aether node drain %s first, or --force", request->node);
    return STATUS_CONFLICT;
}

/* Somebody else votes, or is wished to. */
static bool has_other_voter(const struct keeper_view *view, const char *node)
{
    const struct configuration *configuration = &view->members.configuration;
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        const struct configuration_member *member = &configuration->members[i];
        if (strcmp(member->name, node) == 0) continue;
        if (member->voter || keeper_view_wish(view, member->name) == CLUSTER_WISH_VOTER) return true;
    }
    return false;
}

static enum status check_last_voter(const struct keeper_view *view, const char *node, struct error *error)
{
    if (strcmp(keeper_view_role(view, node), "voter") != 0 || has_other_voter(view, node)) return STATUS_OK;
    (void)error_set(error, STATUS_CONFLICT, "%s is the last voter", node);
    error_hint(error, "aether node promote names one that takes its place");
    return STATUS_CONFLICT;
}

static enum status check_transfer(const struct keeper_view *view, const char *node, struct error *error)
{
    if (node[0] == '\0') return STATUS_OK;
    if (strcmp(keeper_view_role(view, node), "voter") == 0) return STATUS_OK;
    (void)error_set(error, STATUS_CONFLICT, "%s is no voter: it can't lead", node);
    error_hint(error, "aether cluster members shows who votes");
    return STATUS_CONFLICT;
}

enum status node_order_check(const struct keeper_view *view, const struct message *request,
                             struct error *error)
{
    const char *node = "";
    bool detach = false;
    (void)node_order_target(request, &node, &detach);
    bool transfer = request->kind == KIND_CLUSTER_TRANSFER_LEADERSHIP_REQUEST;
    bool removal = request->kind == KIND_NODE_REMOVE_REQUEST;
    if (removal && keeper_view_was_removed(view, node)) return STATUS_OK;
    if (!(transfer && node[0] == '\0') && keeper_view_node(view, node) == NULL) {
        (void)error_set(error, STATUS_NOT_FOUND, "there is no node %.64s", node);
        error_hint(error, "aether node list shows them all");
        return STATUS_NOT_FOUND;
    }
    if (transfer) return check_transfer(view, node, error);
    enum status status = STATUS_OK;
    if (removal || request->kind == KIND_NODE_DEMOTE_REQUEST) status = check_last_voter(view, node, error);
    if (removal && status == STATUS_OK) status = check_removal(view, request->body, error);
    return status;
}

/* --- what is proposed ----------------------------------------------------------------------------------- */

enum status node_order_labels(const Pb__NodeLabelRequest *request, struct arena *arena, const char **out_json,
                              struct error *error)
{
    struct value *labels = value_new_object();
    enum status status = STATUS_OK;
    for (size_t i = 0; i < request->n_labels && status == STATUS_OK; i++) {
        const char *word = request->labels[i];
        const char *equals = strchr(word, '=');
        size_t length = strlen(word);
        char *name = arena_strdup(arena, word);
        if (equals != NULL) {
            name[equals - word] = '\0';
            value_set_string(labels, name, equals + 1);
        } else if (length > 1 && word[length - 1] == '-') {
            name[length - 1] = '\0';
            value_set(labels, name, value_new_null());
        } else {
            status = error_set(error, STATUS_INVALID, "\"%.64s\" is neither NAME=VALUE nor NAME-", word);
        }
    }
    if (status == STATUS_OK && request->n_labels == 0)
        status = error_set(error, STATUS_INVALID, "which labels? NAME=VALUE sets one, NAME- removes it");
    if (status == STATUS_OK) {
        char *text = value_dump(labels);
        *out_json = arena_strdup(arena, text);
        memory_free(text);
    }
    value_free(&labels);
    return status;
}

bool node_order_change(struct message *proposal, const struct message *request, Pb__OpNodeChange *change)
{
    const char *node = "";
    const char *json = "";
    bool detach = false;
    (void)node_order_target(request, &node, &detach);
    change->node = wire_string(proposal, node);
    switch (request->kind) {
    case KIND_NODE_PROMOTE_REQUEST: change->wish = wire_string(proposal, "voter"); return true;
    case KIND_NODE_DEMOTE_REQUEST: change->wish = wire_string(proposal, "learner"); return true;
    case KIND_NODE_DRAIN_REQUEST: change->state = wire_string(proposal, "DRAINING"); return true;
    case KIND_NODE_RESUME_REQUEST: change->state = wire_string(proposal, "ON_DUTY"); return true;
    case KIND_NODE_REMOVE_REQUEST:
        change->state = wire_string(proposal, "DECOMMISSIONED");
        change->wish = wire_string(proposal, "removed");
        change->allow_even = ((const Pb__NodeRemoveRequest *)request->body)->allow_even;
        return true;
    case KIND_NODE_LABEL_REQUEST:
        if (node_order_labels(request->body, &proposal->arena, &json, NULL) != STATUS_OK) return false;
        change->labels.data = (uint8_t *)wire_string(proposal, json);
        change->labels.len = strlen(json);
        return true;
    default: return false;
    }
}

/* --- whether it is done --------------------------------------------------------------------------------- */

static struct node_order_state done_if(bool done, const char *wait)
{
    return (struct node_order_state){ .done = done, .wait = done ? "" : wait };
}

/* M5, M3: the voters are where the wish wants them; else what the planner says of it. */
static struct node_order_state judge_wish(const struct node_order *order, const struct keeper_view *view,
                                          const struct voter_plan *plan, bool voter)
{
    bool votes = strcmp(keeper_view_role(view, order->node), "voter") == 0;
    bool half_way = view->members.configuration.joint || (voter && keeper_view_is_doubled(view, order->node));
    if (votes == voter && !half_way) return done_if(true, "");
    const struct voter_plan_reason *reason = plan == NULL ? NULL : voter_plan_reason(plan, order->node);
    if (reason == NULL) return done_if(false, "the voters are changing");
    return (struct node_order_state){ .wait = reason->text, .stuck = reason->needs_person };
}

static struct node_order_state judge_removal(const struct node_order *order, const struct keeper_view *view,
                                             const struct voter_plan *plan, struct arena *arena)
{
    if (keeper_view_node(view, order->node) == NULL) return done_if(true, "");
    if (cluster_members_find(&view->members, order->node) != NULL) {
        const struct voter_plan_reason *reason = plan == NULL ? NULL : voter_plan_reason(plan, order->node);
        if (reason == NULL) return done_if(false, "the voters are changing");
        return (struct node_order_state){ .wait = reason->text, .stuck = reason->needs_person };
    }
    uint32_t instances = keeper_view_instances(view, order->node);
    return done_if(false, arena_printf(arena, "%u instances still run there", instances));
}

struct node_order_state node_order_judge(const struct node_order *order, const struct keeper_view *view,
                                         const struct voter_plan *plan, struct arena *arena)
{
    uint64_t incarnation = keeper_view_incarnation(view, order->node);
    bool up = strcmp(keeper_view_presence(view, order->node), "UP") == 0;
    uint32_t instances = keeper_view_instances(view, order->node);
    switch (order->request->kind) {
    case KIND_NODE_PROMOTE_REQUEST: return judge_wish(order, view, plan, true);
    case KIND_NODE_DEMOTE_REQUEST: return judge_wish(order, view, plan, false);
    case KIND_NODE_REMOVE_REQUEST: return judge_removal(order, view, plan, arena);
    case KIND_NODE_DRAIN_REQUEST:
        return done_if(instances == 0, arena_printf(arena, "%u instances still run there", instances));
    case KIND_NODE_STOP_REQUEST:
        return done_if(!up || incarnation != order->incarnation, "it has not ended yet");
    case KIND_NODE_RESTART_REQUEST:
        return done_if(up && incarnation > order->incarnation, "it has not started again yet");
    default: return done_if(true, "");
    }
}

struct message *node_order_reply(const struct node_order *order, const struct keeper_view *view,
                                 const struct node_order_state *state)
{
    struct message *message = wire_message_create(KIND_NODE_CHANGE_REPLY);
    Pb__NodeChangeReply *reply = message->body;
    const struct value *labels = value_get(keeper_view_node(view, order->node), "labels");
    reply->node = wire_string(message, order->node);
    reply->state = wire_string(message, keeper_view_state(view, order->node));
    reply->role = wire_string(message, keeper_view_role(view, order->node));
    reply->wish = wire_string(message, cluster_wish_name(keeper_view_wish(view, order->node)));
    reply->waiting = wire_string(message, state->wait);
    reply->complete = state->done;
    reply->revision = order->revision;
    char *text = labels == NULL ? memory_strdup("{}") : value_dump(labels);
    reply->labels = wire_string(message, text);
    memory_free(text);
    return message;
}
