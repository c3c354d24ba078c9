/* voter_keeper: drives the plan of who votes (voter_plan.h), lets joining nodes in, and answers the commands
 * on nodes once they are done. Learns  nodes/, config/members, config/wishes/, config/retired/ and slices/
 * from the state; who leads, and how far each replica is, from the leader actor. Owns    the orders and joins
 * that wait, and when a name's replica was last replaced (T2: once an hour). A new leader starts from the
 * agreed state; orders are refused NOT_LEADER and asked again there. Limits  NODE_ORDERS_MAX orders,
 * NODE_JOINS_MAX joins; one more is OVERLOADED. Looks each 100 ms while somebody waits, each second while
 * something is unsettled, else not at all. */
#include "actors/cluster/voter_keeper.h"

#include "actors/cluster/cluster_proposal.h"
#include "actors/cluster/keeper_state.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/schema/cluster.h"
#include "wire/kinds.h"
#include "wire/proto/codec.h"
#include "wire/remote.h"

#include <string.h>

enum { TRANSFERS_TRIED_MAX = 3 };

static const int64_t look_soon_ns = MILLISECONDS(100);
static const int64_t look_ns = SECONDS(1);
static const int64_t replaced_again_ns = SECONDS(3600); /* T2 */
const int64_t keeper_ask_timeout_ns = SECONDS(2);
const int64_t keeper_propose_timeout_ns = SECONDS(5);

bool keeper_may_act(const struct voter_keeper *keeper)
{
    return keeper->role.leading && keeper_view_is_complete(&keeper->view);
}

struct message *keeper_new_change(const struct voter_keeper *keeper, Pb__OpNodeChange **out_change)
{
    Pb__Operation *operation = NULL;
    struct message *proposal = cluster_proposal(PB__ORIGIN__ORIGIN_MANAGER, &operation);
    operation->op_case = PB__OPERATION__OP_NODE_CHANGE;
    operation->node_change = codec_create(&proposal->arena, &pb__op_node_change__descriptor);
    cluster_proposal_command(proposal)->leader_term = keeper->role.term; /* A5 */
    *out_change = operation->node_change;
    return proposal;
}

/* Asks under way hold a number: what they were for may be answered and gone. */
uint64_t *keeper_ticket(uint64_t number)
{
    uint64_t *ticket = memory_alloc(sizeof *ticket);
    *ticket = number;
    return ticket;
}

uint64_t keeper_take_ticket(uint64_t *ticket)
{
    uint64_t number = *ticket;
    memory_free(ticket);
    return number;
}

/* --- joins ---------------------------------------------------------------------------------------------- */

static void on_let_in(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct voter_keeper *keeper = state;
    struct error error = { 0 };
    uint64_t revision = 0;
    struct node_join *join = node_joins_find(&keeper->joins, keeper_take_ticket(context));
    if (join == NULL) return;
    if (cluster_proposal_outcome(result, &revision, &error) != STATUS_OK) {
        node_joins_refuse(self, &keeper->joins, join, &error);
        return;
    }
    join->known = true;
    keeper_review(self, keeper);
}

/* Its record first: then every node knows where it is before the first entry is sent to it. */
static void let_in(struct actor *self, struct voter_keeper *keeper, struct node_join *join)
{
    Pb__OpNodeChange *change = NULL;
    struct message *proposal = keeper_new_change(keeper, &change);
    change->node = wire_string(proposal, join->node);
    change->state = wire_string(proposal, "JOINING");
    change->address = wire_string(proposal, join->address);
    join->asking = true;
    log_info(self, "cluster.joining", "node=%s replica=%016llx address=%s", join->node,
             (unsigned long long)join->id, join->address);
    actor_ask_name(self, TO_PROPOSER, &proposal, keeper_propose_timeout_ns, on_let_in,
                   keeper_ticket(join->number));
}

static enum status may_join(const struct voter_keeper *keeper, const struct consensus_status_reply *status,
                            const struct voter_plan_input *input, const struct node_join *join,
                            struct error *error)
{
    if (join->cluster_id != 0 && join->cluster_id != status->cluster_id)
        return error_set(error, STATUS_CONFLICT, "this is cluster %016llx, not %016llx",
                         (unsigned long long)status->cluster_id, (unsigned long long)join->cluster_id);
    if (keeper_view_is_retired(&keeper->view, join->id)) { /* E5, S12 */
        (void)error_set(error, STATUS_DENIED, "%s was removed from the cluster", join->node);
        error_hint(error, "to let it in again, start it with an empty node.data");
        return STATUS_DENIED;
    }
    bool leaves = strcmp(keeper_view_state(&keeper->view, join->node), "DECOMMISSIONED") == 0;
    if (leaves && cluster_members_find(&keeper->view.members, join->node) != NULL)
        return error_set(error, STATUS_CONFLICT, "%s is being removed", join->node);
    const struct voter_plan_join wanted = { .node = join->node, .id = join->id };
    return voter_plan_admits(input, &wanted, keeper_view_address(&keeper->view, join->node), error);
}

static void judge_joins(struct actor *self, struct voter_keeper *keeper,
                        const struct consensus_status_reply *status, const struct voter_plan_input *input)
{
    struct node_join *next = NULL;
    for (struct node_join *join = keeper->joins.first; join != NULL; join = next) {
        struct error error = { 0 };
        next = join->next;
        const struct configuration *agreed = &keeper->view.members.configuration;
        if (!agreed->joint && configuration_find(agreed, join->id) != NULL) {
            node_joins_admit(self, &keeper->joins, join, status->cluster_id);
        } else if (!join->asking) {
            if (may_join(keeper, status, input, join, &error) == STATUS_OK) let_in(self, keeper, join);
            else node_joins_refuse(self, &keeper->joins, join, &error);
        }
    }
}

static void on_passed_on(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct message *request = context;
    (void)state;
    if (result->status == STATUS_OK) {
        struct message *reply = actor_keep(self);
        actor_reply(self, request, &reply);
    } else {
        actor_refuse_error(self, request, result->error);
    }
    message_destroy(&request);
}

/* A member that doesn't lead passes it on; the leader's word comes back the same way. */
static void pass_on(struct actor *self, const struct voter_keeper *keeper, const struct message *message)
{
    const Pb__Join *join = message->body;
    bool passed_before = message->from_node == NULL || strcmp(message->from_node, join->node) != 0;
    if (keeper->role.leader[0] == '\0' || passed_before) {
        actor_refuse(self, message, STATUS_NO_LEADER);
        return;
    }
    struct message *copy = message_create(KIND_JOIN, 0);
    size_t size = codec_size(join);
    uint8_t *packed = arena_alloc(&copy->arena, size + 1);
    codec_pack(join, packed);
    enum status status = codec_unpack(&copy->arena, &pb__join__descriptor, packed, size, &copy->body, NULL);
    CHECK(status == STATUS_OK); /* We packed it ourselves. */
    wire_ask(self, keeper->role.leader, CHANNEL_CONSENSUS, &copy, 0, on_passed_on, actor_keep(self));
}

/* M3: a join, and the retirement that it reports, counts under the name's own key only; of a member that
 * passes it on we know that it looked. */
static bool speaks_for(const struct voter_keeper *keeper, const char *from, const char *node)
{
    return strcmp(from, node) == 0 || cluster_members_find(&keeper->view.members, from) != NULL;
}

static void on_join(struct actor *self, void *state, const struct message *message)
{
    struct voter_keeper *keeper = state;
    const Pb__Join *join = message->body;
    bool sound = cluster_name_is_valid(join->node, CLUSTER_NODE_NAME_MAX) && join->replica_id != 0;
    if (!sound || message->from_node == NULL) {
        actor_refuse(self, message, STATUS_INVALID);
    } else if (!keeper_may_act(keeper)) {
        pass_on(self, keeper, message);
    } else if (!speaks_for(keeper, message->from_node, join->node)) {
        actor_refuse(self, message, STATUS_NOT_READY); /* Who passed it on may be a member yet. */
    } else if (keeper->joins.count == NODE_JOINS_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
    } else {
        node_joins_add(self, &keeper->joins, actor_keep(self));
        keeper_review(self, keeper);
    }
}

/* --- the plan ------------------------------------------------------------------------------------------- */

static bool is_held_back(const void *context, const char *node)
{
    const struct voter_keeper *keeper = context;
    return map_get(&keeper->replaced, node) != NULL;
}

static void forget_old_replacements(struct voter_keeper *keeper, int64_t now_ns)
{
    const char *node = NULL;
    void *value = NULL;
    for (size_t i = 0; map_next(&keeper->replaced, &i, &node, &value);) {
        if (now_ns - *(const int64_t *)value >= replaced_again_ns)
            memory_free(map_remove(&keeper->replaced, node));
    }
}

static void note_replaced(struct actor *self, struct voter_keeper *keeper)
{
    for (uint32_t i = 0; i < keeper->plan.replaced_count; i++) {
        int64_t *when = memory_alloc(sizeof *when);
        *when = actor_now_ns(self);
        log_warn(self, "cluster.replica_replaced", "node=%s", keeper->plan.replaced[i]);
        memory_free(map_put(&keeper->replaced, keeper->plan.replaced[i], when));
    }
}

static void on_configured(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct voter_keeper *keeper = state;
    (void)context;
    keeper->acting = false;
    if (result->status != STATUS_OK) /* The next look plans again, if we still lead. */
        log_info(self, "cluster.not_configured", "%s", result->error->message);
    else note_replaced(self, keeper);
}

static void change(struct actor *self, struct voter_keeper *keeper, uint64_t based_on)
{
    struct message *message = message_create(KIND_CONFIGURE, sizeof(struct configure));
    struct configure *wish = message->body;
    struct text text = { 0 };
    wish->based_on = based_on;
    for (uint32_t i = 0; i < keeper->plan.wanted.member_count; i++) {
        const struct configuration_member *from = &keeper->plan.wanted.members[i];
        struct configure_member *to = &wish->members[wish->member_count++];
        (void)text_copy(to->node, sizeof to->node, from->name);
        to->replica_id = from->id;
        to->voter = from->voter;
        text_printf(&text, " %s%s", from->name, from->voter ? "" : "(learns)");
    }
    log_info(self, "cluster.configures", "members:%s", text_string(&text));
    text_fini(&text);
    keeper->acting = true;
    actor_ask_name(self, TO_LEADER, &message, keeper_ask_timeout_ns, on_configured, NULL);
}

static void on_led_away(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct voter_keeper *keeper = state;
    (void)self, (void)context;
    keeper->acting = false;
    if (result->status != STATUS_OK) keeper->transfers++;
}

/* E6: a leader that loses its vote hands over first; where that fails, it steps down when the change commits.
 */
static void lead_away(struct actor *self, struct voter_keeper *keeper)
{
    struct message *ask = message_create(KIND_TRANSFER_LEADERSHIP, sizeof(struct transfer_leadership));
    (void)text_copy(((struct transfer_leadership *)ask->body)->node, NODE_NAME_MAX, keeper->plan.successor);
    keeper->acting = true;
    actor_ask_name(self, TO_LEADER, &ask, keeper_ask_timeout_ns, on_led_away, NULL);
}

/* For cluster members and node show, which the membership actor answers. */
static void tell_reasons(struct actor *self, const struct voter_keeper *keeper)
{
    const struct voter_plan *plan = &keeper->plan;
    struct message *message = message_create(KIND_MEMBER_NEWS, sizeof(struct member_news));
    struct member_news *news = message->body;
    struct member_reason *reasons = arena_array(&message->arena, plan->reason_count, sizeof *reasons);
    for (uint32_t i = 0; i < plan->reason_count; i++) {
        (void)text_copy(reasons[i].node, sizeof reasons[i].node, plan->reasons[i].node);
        (void)text_copy(reasons[i].text, sizeof reasons[i].text, plan->reasons[i].text);
    }
    news->term = keeper->role.term;
    news->reasons = reasons;
    news->reason_count = plan->reason_count;
    actor_tell_name(self, TO_MEMBERSHIP, &message);
}

/* What is planned from is what is committed and applied here: neither half a change nor a former view. */
static bool is_level(const struct voter_keeper *keeper, const struct consensus_status_reply *status)
{
    return status->role == CONSENSUS_LEADER && !status->joint &&
           status->configuration_index <= status->commit &&
           keeper->view.members.index == status->configuration_index;
}

static void plan(struct actor *self, struct voter_keeper *keeper, const struct consensus_status_reply *status)
{
    struct voter_plan_input input;
    arena_fini(&keeper->planned);
    forget_old_replacements(keeper, actor_now_ns(self));
    keeper_view_plan_input(&keeper->view, status, &keeper->planned, &input);
    input.held_back = is_held_back;
    input.context = keeper;
    node_joins_fill(&keeper->joins, &keeper->planned, &input);
    voter_plan(&input, &keeper->plan);
    keeper->has_plan = true;
    tell_reasons(self, keeper);
    judge_joins(self, keeper, status, &input);
    bool stays = keeper->plan.step == VOTER_PLAN_CHANGE || keeper->transfers >= TRANSFERS_TRIED_MAX;
    if (keeper->plan.step == VOTER_PLAN_REST || keeper->acting) return;
    if (stays) change(self, keeper, status->configuration_index);
    else lead_away(self, keeper);
}

/* --- removed nodes: the last of them -------------------------------------------------------------------- */

static void on_forgotten(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct voter_keeper *keeper = state;
    struct message *halt = context;
    struct error error = { 0 };
    uint64_t revision = 0;
    keeper->forgetting = false;
    const char *node = ((const Pb__NodeHalt *)halt->body)->node;
    if (cluster_proposal_outcome(result, &revision, &error) == STATUS_OK) {
        log_info(self, "cluster.node_removed", "node=%s", node);
        wire_post(self, node, CHANNEL_DATA, &halt); /* If it is there, it ends (S12). */
        return;
    }
    log_info(self, "cluster.node_not_removed", "node=%s: %s", node, error.message);
    message_destroy(&halt);
}

static bool is_out(const struct keeper_view *view, const char *node)
{
    if (strcmp(keeper_view_state(view, node), "DECOMMISSIONED") != 0) return false;
    if (cluster_members_find(&view->members, node) != NULL || view->members.configuration.joint) return false;
    /* DEP2: what still runs there moves first, or its node is fenced. */
    return keeper_view_instances(view, node) == 0 || strcmp(keeper_view_presence(view, node), "LOST") == 0;
}

static void forget_removed(struct actor *self, struct voter_keeper *keeper)
{
    const struct keeper_view *view = &keeper->view;
    if (keeper->forgetting) return;
    for (const char *node = NULL; cluster_view_next(&view->cluster.nodes, &node) != NULL;) {
        if (!is_out(view, node)) continue;
        Pb__OpNodeChange *change = NULL;
        struct message *proposal = keeper_new_change(keeper, &change);
        change->node = wire_string(proposal, node);
        change->gone = true;
        keeper->forgetting = true;
        actor_ask_name(self, TO_PROPOSER, &proposal, keeper_propose_timeout_ns, on_forgotten,
                       keeper_new_halt(view, node, NODE_END_REMOVED));
        return; /* One at a time. */
    }
}

/* --- looking -------------------------------------------------------------------------------------------- */

static void on_status(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct voter_keeper *keeper = state;
    (void)context;
    keeper->asking = false;
    if (!keeper_may_act(keeper) || result->status != STATUS_OK) return;
    const struct consensus_status_reply *status = result->message->body;
    if (is_level(keeper, status)) plan(self, keeper, status);
    forget_removed(self, keeper);
    keeper_judge_orders(self, keeper);
}

void keeper_review(struct actor *self, struct voter_keeper *keeper)
{
    if (!keeper_may_act(keeper)) return;
    bool somebody_waits = keeper->orders.count > 0 || keeper->joins.count > 0;
    if (!somebody_waits && !keeper_view_is_unsettled(&keeper->view)) {
        if (keeper->has_plan) { /* All is done: nothing is waited for any more. */
            memset(&keeper->plan, 0, sizeof keeper->plan);
            keeper->has_plan = false;
            tell_reasons(self, keeper);
        }
        return;
    }
    actor_cancel(self, &keeper->look);
    keeper->look = actor_after(self, somebody_waits ? look_soon_ns : look_ns, KIND_VOTER_KEEPER_TICK, 0);
    if (keeper->asking) return;
    keeper->asking = true;
    struct message *ask = message_create(KIND_CONSENSUS_STATUS, 0);
    actor_ask_name(self, TO_LEADER, &ask, keeper_ask_timeout_ns, on_status, NULL);
}

static void on_look(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    keeper_review(self, state);
}

struct seeing {
    struct actor *self;
    const struct voter_keeper *keeper;
};

static void see_node(void *context, const char *node, const struct value *record)
{
    const struct seeing *seeing = context;
    peer_book_see(seeing->self, &seeing->keeper->peers, node, value_get_string(record, "address", ""));
}

static void on_changed(struct actor *self, void *state, const struct message *message)
{
    struct voter_keeper *keeper = state;
    struct seeing seeing = { self, keeper };
    keeper_view_accept(self, &keeper->view, message, see_node, &seeing);
    keeper_review(self, keeper);
}

static void forget_replacements(struct voter_keeper *keeper)
{
    void *when = NULL;
    for (size_t i = 0; map_next(&keeper->replaced, &i, NULL, &when);)
        memory_free(when);
    map_fini(&keeper->replaced);
}

static void on_role(struct actor *self, void *state, const struct message *message)
{
    struct voter_keeper *keeper = state;
    const struct role_changed *role = message->body;
    bool anew = role->leading && (!keeper->role.leading || keeper->role.term != role->term);
    bool over = keeper->role.leading && (!role->leading || keeper->role.term != role->term);
    keeper->role = *role;
    if (over) {
        keeper_drop_orders(self, keeper);
        node_joins_drop(self, &keeper->joins);
    }
    if (!role->leading) keeper_answer_transfers(self, keeper);
    if (!anew) return;
    forget_replacements(keeper); /* T2: a new leader starts the hour again. */
    keeper->has_plan = false;
    keeper->transfers = 0;
    keeper_review(self, keeper);
}

/* --- life ----------------------------------------------------------------------------------------------- */

static enum status keeper_init(struct actor *self, void *state, const void *options, struct error *error)
{
    struct voter_keeper *keeper = state;
    (void)error;
    keeper->options = options;
    keeper->peers = (struct peer_book){ .self = keeper->options->node,
                                        .configured = keeper->options->peers,
                                        .configured_count = keeper->options->peer_count };
    keeper_view_start(self, &keeper->view);
    struct message *subscribe = message_create(KIND_ROLE_SUBSCRIBE, 0);
    actor_tell_name(self, TO_LEADER, &subscribe);
    return STATUS_OK;
}

static void keeper_fini(void *state)
{
    struct voter_keeper *keeper = state;
    node_orders_fini(&keeper->orders);
    node_joins_fini(&keeper->joins);
    forget_replacements(keeper);
    keeper_view_fini(&keeper->view);
    arena_fini(&keeper->planned);
}

static const struct behavior_row rows[] = {
    { KIND_STATE_CHANGED, on_changed },
    { KIND_ROLE_CHANGED, on_role },
    { KIND_VOTER_KEEPER_TICK, on_look },
    { KIND_NODE_END, keeper_on_end },
    { KIND_NODE_HALT, keeper_on_halt },
    { KIND_JOIN, on_join },
    { KIND_NODE_PROMOTE_REQUEST, keeper_on_order },
    { KIND_NODE_DEMOTE_REQUEST, keeper_on_order },
    { KIND_NODE_REMOVE_REQUEST, keeper_on_order },
    { KIND_NODE_DRAIN_REQUEST, keeper_on_order },
    { KIND_NODE_RESUME_REQUEST, keeper_on_order },
    { KIND_NODE_STOP_REQUEST, keeper_on_order },
    { KIND_NODE_RESTART_REQUEST, keeper_on_order },
    { KIND_NODE_LABEL_REQUEST, keeper_on_order },
    { KIND_CLUSTER_TRANSFER_LEADERSHIP_REQUEST, keeper_on_order },
};
const struct behavior voter_keeper_behavior = {
    .name = "voter_keeper",
    .state_size = sizeof(struct voter_keeper),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 4096,
    .init = keeper_init,
    .fini = keeper_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
