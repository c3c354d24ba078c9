/* membership: this node's incarnation and presence, and, while it leads, the presence of all.
 * Learns  nodes/, slices/ and blueprints/ from the state, its role from the leader actor, broken connections
 *         from the transport, each second how much room the store has from the log writer; so a restart loses
 *         nothing but the time that passed.
 * Owns    the table of presence, the view, and the requests that wait for a barrier or a page.
 * Limits  WAITING_MAX such requests; one more is refused with OVERLOADED. Renewals have room beyond it: no
 * crowd of clients makes a live node look lost. Two clocks make A8 safe: a node counts its time from when it
 * sent a renewal, the leader from when it had confirmed it, which is later; and the node gives up a second
 * before the leader declares it lost. */
#include "actors/cluster/membership.h"

#include "actors/cluster/actor_tree.h"
#include "actors/cluster/cluster_answers.h"
#include "actors/cluster/cluster_proposal.h"
#include "actors/cluster/cluster_view.h"
#include "actors/cluster/node_space.h"
#include "actors/cluster/presence.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/schema/cluster_members.h"
#include "store/schema/event_key.h"
#include "store/schema/space_alarm.h"
#include "wire/follow.h"
#include "wire/frame.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/codec.h"
#include "wire/remote.h"

#include <string.h>

#define NODES_PREFIX      "nodes/"
#define SLICES_PREFIX     "slices/"
#define BLUEPRINTS_PREFIX "blueprints/"
#define WISHES_PREFIX     "config/wishes/"

enum {
    WATCH_NODES = 1,
    WATCH_SLICES = 2,
    WATCH_BLUEPRINTS = 3,
    WATCH_WISHES = 4,
    WATCH_ALARMS = 5,
    WATCH_MEMBERS = 6,
    WAITING_MAX = 1024,
    RENEWING_MAX = WAITING_MAX + 512
};

static const int64_t lost_after_default_ns = SECONDS(3);
static const int64_t fence_margin_ns = SECONDS(1);
static const int64_t judge_every_ns = MILLISECONDS(250);
static const int64_t start_timeout_ns = SECONDS(2);
static const int64_t decide_timeout_ns = SECONDS(2);
static const int64_t consensus_timeout_ns = SECONDS(2);

struct waiting { /* For an ask of ours; in a list, so that nothing is lost when the actor ends. */
    struct waiting *next;
    struct waiting **link;
    struct message *request;  /* Kept, and owed an answer; NULL for what is our own. */
    struct message *reply;    /* Being gathered: event list. */
    char node[NODE_NAME_MAX]; /* A decision: of whom, */
    enum presence_state to;   /* and what. */
    uint64_t incarnation;     /* A start of ours. */
    int64_t sent_ns;          /* A renewal of ours, */
    uint64_t led_term;        /* confirmed by ourselves, leading in this term; 0: by another. */
};

struct membership {
    const struct membership_options *options;
    int64_t lost_after_ns;
    uint64_t incarnation;
    bool started;      /* Our incarnation is written. */
    uint64_t starting; /* The incarnation whose command is under way; 0: none. */
    struct role_changed role;
    struct follow nodes;
    struct follow slices;
    struct follow blueprints;
    struct follow wishes;
    struct follow alarms;
    struct follow members;
    bool says_space; /* A proposal about our own alarm is under way. */
    struct message
        *news; /* MEMBER_NEWS: for what wishes wait, as the leader's voter_keeper said; NULL: nothing. */
    struct cluster_view view;
    struct presence presence;
    struct timer_id judge_timer;
    bool fenced;
    struct timer_id fence_timer;
    struct waiting *waiting;
    uint32_t waiting_count;
};

/* --- requests that wait --------------------------------------------------------------------------------- */

static struct waiting *wait_add(struct membership *membership)
{
    struct waiting *waiting = memory_zalloc(sizeof *waiting);
    waiting->next = membership->waiting;
    waiting->link = &membership->waiting;
    if (waiting->next != NULL) waiting->next->link = &waiting->next;
    membership->waiting = waiting;
    membership->waiting_count++;
    return waiting;
}

/* Keeps the message being handled; NULL (it is refused then): too many wait already. */
static struct waiting *wait_begin(struct actor *self, struct membership *membership,
                                  const struct message *message, uint32_t count_max)
{
    if (membership->waiting_count >= count_max) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return NULL;
    }
    struct waiting *waiting = wait_add(membership);
    waiting->request = actor_keep(self);
    return waiting;
}

static void wait_end(struct membership *membership, struct waiting **waiting)
{
    struct waiting *taken = *waiting;
    *waiting = NULL;
    *taken->link = taken->next;
    if (taken->next != NULL) taken->next->link = taken->link;
    membership->waiting_count--;
    message_destroy(&taken->request);
    message_destroy(&taken->reply);
    memory_free(taken);
}

static void wait_refuse(struct actor *self, struct membership *membership, struct waiting **waiting,
                        const struct error *error)
{
    actor_refuse_error(self, (*waiting)->request, error);
    wait_end(membership, waiting);
}

/* --- our own incarnation -------------------------------------------------------------------------------- */

/* Strictly newer than any that was ours or is recorded. */
static void choose_incarnation(struct actor *self, struct membership *membership)
{
    const struct value *record = cluster_view_node(&membership->view, membership->options->node);
    uint64_t recorded = (uint64_t)value_get_integer(record, "incarnation", 0);
    uint64_t next = (uint64_t)actor_wall_ms(self);
    if (next <= membership->incarnation) next = membership->incarnation + 1;
    if (next <= recorded) next = recorded + 1;
    membership->incarnation = next;
    membership->started = false;
}

static void set_facts(const struct membership_options *options, struct message *message,
                      Pb__OpNodeStarted *started)
{
    struct value *facts = value_new_object();
    struct value *labels = NULL;
    const char *json = options->labels_json == NULL ? "{}" : options->labels_json;
    value_set_string(facts, "address", options->address);
    if (options->client_address != NULL) value_set_string(facts, "client-address", options->client_address);
    if (value_parse_json(json, strlen(json), &labels, NULL) == STATUS_OK) value_set(facts, "labels", labels);
    value_set_string(facts, "zone", options->zone == NULL ? "" : options->zone);
    struct value *protocol = value_new_array();
    value_append(protocol, value_new_integer(PROTOCOL_MIN));
    value_append(protocol, value_new_integer(PROTOCOL_MAX));
    value_set(facts, "protocol", protocol);
    value_set_string(facts, "role", options->role == NULL ? "voter" : options->role);
    char *text = value_dump(facts);
    started->facts.len = strlen(text);
    started->facts.data = arena_memdup(&message->arena, text, started->facts.len);
    memory_free(text);
    value_free(&facts);
}

static void renew(struct actor *self, struct membership *membership);

static void started(struct actor *self, struct membership *membership)
{
    membership->started = true;
    log_info(self, "cluster.node_started", "incarnation=%llu", (unsigned long long)membership->incarnation);
    renew(self, membership);
}

/* A worker that was removed while it was off: it ends as if it had been told then. */
static void end_removed(struct actor *self, const struct membership *membership)
{
    struct message *message = wire_message_create(KIND_NODE_HALT);
    Pb__NodeHalt *halt = message->body;
    halt->node = wire_string(message, membership->options->node);
    halt->incarnation = membership->incarnation;
    halt->removed = true;
    actor_tell_name(self, TO_VOTER_KEEPER, &message);
}

static void on_start_done(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct membership *membership = state;
    struct waiting *waiting = context;
    uint64_t tried = waiting->incarnation;
    enum status status = cluster_proposal_status(result);
    wait_end(membership, &waiting);
    if (membership->starting == tried) membership->starting = 0;
    if (membership->started || tried != membership->incarnation)
        return; /* Seen before; or another is chosen. */
    if (status == STATUS_OK) {
        started(self, membership);
    } else if (status == STATUS_CONFLICT) { /* Not newer than what is recorded. */
        choose_incarnation(self, membership);
    } else if (status == STATUS_DENIED) {
        end_removed(self, membership);
    } else {
        log_debug(self, "cluster.start_not_written", "%s",
                  status_name(status)); /* The next tick tries again. */
    }
}

/* Idempotent by its incarnation (A7), so trying again after UNKNOWN is harmless. */
static void start(struct actor *self, struct membership *membership)
{
    if (membership->started || membership->starting == membership->incarnation) return;
    Pb__Operation *operation = NULL;
    struct message *message = cluster_proposal(PB__ORIGIN__ORIGIN_NODE, &operation);
    Pb__OpNodeStarted *begins = codec_create(&message->arena, &pb__op_node_started__descriptor);
    begins->node = wire_string(message, membership->options->node);
    begins->incarnation = membership->incarnation;
    begins->replica = membership->options->worker_replica;
    set_facts(membership->options, message, begins);
    operation->op_case = PB__OPERATION__OP_NODE_STARTED;
    operation->node_started = begins;
    Pb__Command *command = cluster_proposal_command(message);
    command->node = begins->node;
    command->incarnation = membership->incarnation;
    membership->starting = membership->incarnation;
    struct waiting *waiting = wait_add(membership);
    waiting->incarnation = membership->incarnation;
    actor_ask_name(self, TO_PROPOSER, &message, start_timeout_ns, on_start_done, waiting);
}

/* Declared lost though we live, or another start of this node wrote after us: we start over, and whoever runs
 * instances here sees the new incarnation in nodes/ and does too. The record also tells that our start was
 * written when the answer to its command got lost. */
static void check_own_record(struct actor *self, struct membership *membership)
{
    const struct value *record = cluster_view_node(&membership->view, membership->options->node);
    if (record == NULL) return;
    uint64_t recorded = (uint64_t)value_get_integer(record, "incarnation", 0);
    bool lost = presence_from_name(value_get_string(record, "presence", "")) == PRESENCE_LOST;
    bool ours = recorded == membership->incarnation;
    if (ours && !lost && !membership->started) started(self, membership);
    bool superseded = membership->started && recorded > membership->incarnation;
    if (!superseded && !(ours && lost)) return;
    log_warn(self, "cluster.node_starts_over", "incarnation=%llu %s",
             (unsigned long long)membership->incarnation, lost ? "was declared lost" : "was superseded");
    choose_incarnation(self, membership);
    start(self, membership);
}

static void on_incarnation(struct actor *self, void *state, const struct message *message)
{
    const struct membership *membership = state;
    struct message *reply = wire_message_create(KIND_NODE_INCARNATION_REPLY);
    ((Pb__NodeIncarnationReply *)reply->body)->incarnation = membership->incarnation;
    actor_reply(self, message, &reply);
}

/* --- renewing our presence ------------------------------------------------------------------------------ */

static void tell_fenced(struct actor *self, const struct membership *membership, uint32_t name)
{
    struct message *message = wire_message_create(KIND_NODE_FENCED);
    ((Pb__NodeFenced *)message->body)->fenced = membership->fenced;
    actor_tell_name(self, name, &message);
}

/* Who was started again asks how it stands. */
static void on_fence_asked(struct actor *self, void *state, const struct message *message)
{
    const struct membership *membership = state;
    struct message *reply = wire_message_create(KIND_NODE_FENCED);
    ((Pb__NodeFenced *)reply->body)->fenced = membership->fenced;
    actor_reply(self, message, &reply);
}

static void set_fenced(struct actor *self, struct membership *membership, bool fenced)
{
    if (membership->fenced == fenced) return;
    membership->fenced = fenced;
    MARK("membership.fence_changes");
    if (fenced) log_warn(self, "cluster.cut_off", "no renewal was confirmed in time");
    else log_info(self, "cluster.confirmed_again", "leader=%s", membership->role.leader);
    tell_fenced(self, membership, TO_NODE_DEPLOYMENT_MANAGER);
    tell_fenced(self, membership, TO_SLICE_CALL);
}

static void arm_fence(struct actor *self, struct membership *membership)
{
    int64_t end_ns = *membership->options->confirmed_ns + membership->lost_after_ns - fence_margin_ns;
    int64_t left_ns = end_ns - actor_now_ns(self);
    actor_cancel(self, &membership->fence_timer);
    if (left_ns > 0) membership->fence_timer = actor_after(self, left_ns, KIND_MEMBERSHIP_FENCE, 0);
    set_fenced(self, membership, left_ns <= 0); /* A confirmation can come too late to count. */
}

static void on_fence(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    arm_fence(self, state);
}

static void on_renewed(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct membership *membership = state;
    struct waiting *waiting = context;
    int64_t sent_ns = waiting->sent_ns;
    uint64_t led_term = waiting->led_term;
    wait_end(membership, &waiting);
    if (result->status != STATUS_OK) return;
    /* Deposed meanwhile: then another leader confirmed the round, and never heard of our renewal. */
    if (led_term != 0 && led_term != membership->role.term) return;
    int64_t *confirmed_ns = membership->options->confirmed_ns;
    if (sent_ns > *confirmed_ns) *confirmed_ns = sent_ns;
    arm_fence(self, membership);
}

/* Renewals have time until the next heartbeat: rounds of their own would be half of what a cluster at rest
 * sends. */
static struct message *patient_barrier(void)
{
    struct message *barrier = message_create(KIND_READ_BARRIER, sizeof(struct read_barrier));
    ((struct read_barrier *)barrier->body)->patient = true;
    return barrier;
}

static void renew(struct actor *self, struct membership *membership)
{
    if (!membership->started || membership->role.leader[0] == '\0') return;
    struct waiting *sent = wait_add(membership);
    char degraded[ACTOR_TREE_DEGRADED_MAX];
    actor_tree_degraded(actor_runtime(self), degraded);
    sent->sent_ns = actor_now_ns(self);
    if (strcmp(membership->role.leader, membership->options->node) == 0) {
        struct message *barrier = patient_barrier(); /* The same round, but here. */
        sent->led_term = membership->role.term;
        presence_note_degraded(&membership->presence, membership->options->node, degraded);
        actor_ask_name(self, TO_STATE, &barrier, membership->lost_after_ns, on_renewed, sent);
        return;
    }
    struct message *message = wire_message_create(KIND_PRESENCE_RENEW);
    Pb__PresenceRenew *renewal = message->body;
    renewal->node = wire_string(message, membership->options->node);
    renewal->incarnation = membership->incarnation;
    renewal->degraded = wire_string(message, degraded);
    wire_ask(self, membership->role.leader, CHANNEL_CONSENSUS, &message, membership->lost_after_ns,
             on_renewed, sent);
}

static void on_tick(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct membership *membership = state;
    start(self, membership);
    renew(self, membership);
    if (!membership->fenced) return;
    tell_fenced(self, membership, TO_NODE_DEPLOYMENT_MANAGER); /* Also who asked before we knew. */
    tell_fenced(self, membership, TO_SLICE_CALL);
}

/* --- the leader: confirming ----------------------------------------------------------------------------- */

static void on_barrier(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct membership *membership = state;
    struct waiting *waiting = context;
    const Pb__PresenceRenew *renewal = waiting->request->body;
    struct error error = { 0 };
    if (result->status != STATUS_OK) {
        wait_refuse(self, membership, &waiting, result->error);
        return;
    }
    /* Looked at again: its loss may have been decided while the round ran. */
    bool may = membership->role.leading &&
               presence_may_renew(&membership->presence, renewal->node, renewal->incarnation);
    if (!may) {
        (void)error_set(&error, STATUS_CONFLICT, "incarnation %llu of %s is not present here",
                        (unsigned long long)renewal->incarnation, renewal->node);
        wait_refuse(self, membership, &waiting, &error);
        return;
    }
    presence_renewed(&membership->presence, renewal->node, renewal->incarnation, actor_now_ns(self));
    presence_note_degraded(&membership->presence, renewal->node, renewal->degraded);
    struct message *reply = wire_message_create(KIND_PRESENCE_RENEWED);
    ((Pb__PresenceRenewed *)reply->body)->term = membership->role.term;
    actor_reply(self, waiting->request, &reply);
    wait_end(membership, &waiting);
}

static void on_renew(struct actor *self, void *state, const struct message *message)
{
    struct membership *membership = state;
    const Pb__PresenceRenew *renewal = message->body;
    struct error error = { 0 };
    if (message->from_node == NULL || strcmp(message->from_node, renewal->node) != 0) {
        actor_refuse(self, message, STATUS_DENIED); /* Everybody renews for itself. */
        return;
    }
    if (!membership->role.leading) {
        actor_refuse(self, message, STATUS_NOT_LEADER);
        return;
    }
    if (!presence_may_renew(&membership->presence, renewal->node, renewal->incarnation)) {
        (void)error_set(&error, STATUS_CONFLICT, "incarnation %llu of %s is not present here",
                        (unsigned long long)renewal->incarnation, renewal->node);
        actor_refuse_error(self, message, &error);
        return;
    }
    struct waiting *waiting = wait_begin(self, membership, message, RENEWING_MAX);
    if (waiting == NULL) return;
    struct message *barrier = patient_barrier();
    actor_ask_name(self, TO_STATE, &barrier, membership->lost_after_ns, on_barrier, waiting);
}

/* --- the leader: judging -------------------------------------------------------------------------------- */

static void on_decided(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct membership *membership = state;
    struct waiting *waiting = context;
    enum status status = cluster_proposal_status(result);
    const char *to = presence_name(waiting->to);
    presence_decided(&membership->presence, waiting->node);
    if (status == STATUS_OK) log_info(self, "cluster.presence", "node=%s presence=%s", waiting->node, to);
    else /* The next look decides again, if we still lead. */
        log_warn(self, "cluster.presence_not_written", "node=%s presence=%s %s", waiting->node, to,
                 status_name(status));
    wait_end(membership, &waiting);
}

static void set_operation(struct message *message, Pb__Operation *operation,
                          const struct presence_decision *decision)
{
    if (decision->to == PRESENCE_LOST) {
        operation->op_case = PB__OPERATION__OP_NODE_LOST;
        operation->node_lost = codec_create(&message->arena, &pb__op_node_lost__descriptor);
        operation->node_lost->node = wire_string(message, decision->name);
        operation->node_lost->incarnation = decision->incarnation;
        operation->node_lost->reason = wire_string(message, "no renewal in time");
        return;
    }
    operation->op_case = PB__OPERATION__OP_NODE_PRESENCE;
    operation->node_presence = codec_create(&message->arena, &pb__op_node_presence__descriptor);
    operation->node_presence->node = wire_string(message, decision->name);
    operation->node_presence->incarnation = decision->incarnation;
    operation->node_presence->presence = wire_string(message, presence_name(decision->to));
}

static void decide(struct actor *self, struct membership *membership,
                   const struct presence_decision *decision)
{
    Pb__Operation *operation = NULL;
    struct message *message = cluster_proposal(PB__ORIGIN__ORIGIN_MANAGER, &operation);
    struct waiting *waiting = wait_add(membership);
    (void)text_copy(waiting->node, sizeof waiting->node, decision->name);
    waiting->to = decision->to;
    set_operation(message, operation, decision);
    cluster_proposal_command(message)->leader_term =
        membership->role.term; /* A5: nobody acts for a former leader. */
    actor_ask_name(self, TO_PROPOSER, &message, decide_timeout_ns, on_decided, waiting);
}

static void judge(struct actor *self, struct membership *membership)
{
    struct presence_decision decision;
    if (!membership->role.leading) return;
    for (size_t i = 0; presence_next(&membership->presence, &i, actor_now_ns(self), membership->options->node,
                                     &decision);) {
        decide(self, membership, &decision);
    }
}

static void on_judge(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    judge(self, state);
}

static void on_peer_down(struct actor *self, void *state, const struct message *message)
{
    struct membership *membership = state;
    const struct transport_peer_change *change = message->body;
    presence_disconnected(&membership->presence, change->node);
    judge(self, membership); /* SUSPECT at once: callers avoid it from now on. */
}

static void on_role(struct actor *self, void *state, const struct message *message)
{
    struct membership *membership = state;
    const struct role_changed *role = message->body;
    bool begins = role->leading && (!membership->role.leading || membership->role.term != role->term);
    bool other = strcmp(membership->role.leader, role->leader) != 0;
    membership->role = *role;
    actor_cancel(self, &membership->judge_timer);
    if (begins) presence_lead(&membership->presence, actor_now_ns(self));
    if (role->leading) membership->judge_timer = actor_every(self, judge_every_ns, KIND_PRESENCE_TICK);
    start(self, membership);
    if (other) renew(self, membership); /* A new leader hears of us before it must ask itself. */
}

/* --- what the state says -------------------------------------------------------------------------------- */

struct visit {
    struct membership *membership;
    int64_t now_ns;
};

static void visit_node(void *context, const Pb__KvEvent *event)
{
    const struct visit *visit = context;
    struct membership *membership = visit->membership;
    cluster_view_accept(&membership->view.nodes, NODES_PREFIX, event);
    if (event == NULL) {
        presence_forget_all(&membership->presence);
        return;
    }
    const char *name = event->record->key + strlen(NODES_PREFIX);
    const struct value *record = cluster_view_node(&membership->view, name);
    if (record == NULL) {
        presence_forget(&membership->presence, name);
        return;
    }
    presence_set(&membership->presence, name, (uint64_t)value_get_integer(record, "incarnation", 0),
                 presence_from_name(value_get_string(record, "presence", "")), visit->now_ns);
}

static void visit_slice(void *context, const Pb__KvEvent *event)
{
    struct membership *membership = context;
    cluster_view_accept(&membership->view.slices, SLICES_PREFIX, event);
}

static void visit_blueprint(void *context, const Pb__KvEvent *event)
{
    struct membership *membership = context;
    cluster_view_accept(&membership->view.blueprints, BLUEPRINTS_PREFIX, event);
}

static void visit_wish(void *context, const Pb__KvEvent *event)
{
    struct membership *membership = context;
    cluster_view_accept(&membership->view.wishes, WISHES_PREFIX, event);
}

static void visit_alarm(void *context, const Pb__KvEvent *event)
{
    struct membership *membership = context;
    cluster_view_accept(&membership->view.alarms, SPACE_ALARM_PREFIX, event);
}

static void visit_members(void *context, const Pb__KvEvent *event)
{
    struct membership *membership = context;
    cluster_view_accept(&membership->view.members, CLUSTER_MEMBERS_KEY, event);
}

static void on_changed(struct actor *self, void *state, const struct message *message)
{
    struct membership *membership = state;
    struct visit visit = { membership, actor_now_ns(self) };
    if (follow_accept(self, &membership->slices, message, visit_slice, membership)) return;
    if (follow_accept(self, &membership->blueprints, message, visit_blueprint, membership)) return;
    if (follow_accept(self, &membership->wishes, message, visit_wish, membership)) return;
    if (follow_accept(self, &membership->alarms, message, visit_alarm, membership)) return;
    if (follow_accept(self, &membership->members, message, visit_members, membership)) return;
    if (!follow_accept(self, &membership->nodes, message, visit_node, &visit)) return;
    presence_sweep(&membership->presence);
    check_own_record(self, membership);
}

/* --- the room of our store (F2) ------------------------------------------------------------------------- */

static void on_space_said(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct membership *membership = state;
    (void)context;
    membership->says_space = false;
    enum status status = cluster_proposal_status(result);
    if (status != STATUS_OK) /* The next measurement tries again. */
        log_debug(self, "cluster.space_not_written", "%s", status_name(status));
}

static void on_space(struct actor *self, void *state, const struct message *message)
{
    struct membership *membership = state;
    if (!membership->started || membership->says_space || !membership->alarms.has_snapshot) return;
    bool stands = tree_get(&membership->view.alarms, membership->options->node) != NULL;
    struct message *proposal =
        node_space_proposal(message->body, stands, membership->options->node, membership->incarnation);
    if (proposal == NULL) return;
    membership->says_space = true;
    actor_ask_name(self, TO_PROPOSER, &proposal, start_timeout_ns, on_space_said, NULL);
}

/* --- commands ------------------------------------------------------------------------------------------- */

static void on_news(struct actor *self, void *state, const struct message *message)
{
    struct membership *membership = state;
    (void)message;
    message_destroy(&membership->news);
    membership->news = actor_keep(self);
}

/* NULL: nothing is known, or another leads by now. */
static const struct member_news *news_of(const struct membership *membership)
{
    const struct member_news *news = membership->news == NULL ? NULL : membership->news->body;
    bool current = news != NULL && membership->role.leading && news->term == membership->role.term;
    return current ? news : NULL;
}

static void on_consensus(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct membership *membership = state;
    struct waiting *waiting = context;
    if (result->status != STATUS_OK) {
        wait_refuse(self, membership, &waiting, result->error);
        return;
    }
    const struct consensus_status_reply *consensus = result->message->body;
    bool status = waiting->request->kind == KIND_CLUSTER_STATUS_REQUEST;
    struct message *reply = status
                                ? cluster_answers_status(&membership->view, membership->options->cluster_name,
                                                         consensus, &membership->presence)
                                : cluster_answers_members(&membership->view, consensus, news_of(membership));
    actor_reply(self, waiting->request, &reply);
    wait_end(membership, &waiting);
}

/* cluster status and cluster members: this replica's own view, with or without a leader. */
static void on_cluster(struct actor *self, void *state, const struct message *message)
{
    struct waiting *waiting = wait_begin(self, state, message, WAITING_MAX);
    if (waiting == NULL) return;
    struct message *ask = message_create(KIND_CONSENSUS_STATUS, 0);
    actor_ask_name(self, TO_LEADER, &ask, consensus_timeout_ns, on_consensus, waiting);
}

static void on_node_list(struct actor *self, void *state, const struct message *message)
{
    const struct membership *membership = state;
    struct message *reply =
        cluster_answers_nodes(&membership->view, membership->role.leader, news_of(membership));
    actor_reply(self, message, &reply);
}

static void on_node_show(struct actor *self, void *state, const struct message *message)
{
    const struct membership *membership = state;
    const Pb__NodeShowRequest *request = message->body;
    if (cluster_view_node(&membership->view, request->node) == NULL) {
        struct error error = { 0 };
        (void)error_set(&error, STATUS_NOT_FOUND, "there is no node %.64s", request->node);
        error_hint(&error, "aether node list shows them all");
        actor_refuse_error(self, message, &error);
        return;
    }
    if (request->tree) { /* Its actors are the telemetry's to show; it comes back here for the rest. */
        struct message *kept = actor_keep(self);
        actor_forward(self, actor_find(self, TO_TELEMETRY), &kept);
        return;
    }
    struct message *reply =
        cluster_answers_node(&membership->view, membership->role.leader, request->node, news_of(membership));
    actor_reply(self, message, &reply);
}

static void read_events(struct actor *self, struct waiting *waiting, const char *start_after);

static void on_events_read(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct membership *membership = state;
    struct waiting *waiting = context;
    const Pb__EventListRequest *request = waiting->request->body;
    if (result->status != STATUS_OK) {
        wait_refuse(self, membership, &waiting, result->error);
        return;
    }
    const Pb__KvReadReply *page = result->message->body;
    cluster_answers_add_events(waiting->reply, page);
    if (page->more && page->n_records > 0) {
        read_events(self, waiting, page->records[page->n_records - 1]->key);
        return;
    }
    bool has_from = request->has_from_case != PB__EVENT_LIST_REQUEST__HAS_FROM__NOT_SET;
    bool has_limit = request->has_limit_case != PB__EVENT_LIST_REQUEST__HAS_LIMIT__NOT_SET;
    cluster_answers_end_events(waiting->reply, has_from ? request->from : 0, has_limit ? request->limit : 0);
    actor_reply(self, waiting->request, &waiting->reply);
    wait_end(membership, &waiting);
}

/* Read here: the gateway's barrier came first, unless the caller asked for less. */
static void read_events(struct actor *self, struct waiting *waiting, const char *start_after)
{
    const Pb__EventListRequest *request = waiting->request->body;
    struct message *message = wire_message_create(KIND_KV_READ_REQUEST);
    Pb__KvReadRequest *read = message->body;
    char first[EVENT_KEY_SIZE];
    bool has_from = request->has_from_case != PB__EVENT_LIST_REQUEST__HAS_FROM__NOT_SET;
    event_key(first, has_from ? request->from : 0);
    read->key = wire_string(message, first);
    read->range_end = wire_string(message, EVENT_KEY_END);
    read->start_after = wire_string(message, start_after);
    read->stale = true;
    actor_ask_name(self, TO_STATE, &message, 0, on_events_read, waiting);
}

static void on_event_list(struct actor *self, void *state, const struct message *message)
{
    struct waiting *waiting = wait_begin(self, state, message, WAITING_MAX);
    if (waiting == NULL) return;
    waiting->reply = cluster_answers_events();
    read_events(self, waiting, "");
}

/* --- life
 * ---------------------------------------------------------------------------------------------------------
 */

static enum status membership_init(struct actor *self, void *state, const void *options, struct error *error)
{
    struct membership *membership = state;
    const struct membership_options *given = options;
    (void)error;
    membership->options = given;
    membership->lost_after_ns = given->lost_after_ns == 0 ? lost_after_default_ns : given->lost_after_ns;
    membership->incarnation = given->incarnation;
    if (membership->incarnation == 0) choose_incarnation(self, membership);
    presence_init(&membership->presence, membership->lost_after_ns);
    membership->nodes = (struct follow){ .prefix = NODES_PREFIX, .watch_id = WATCH_NODES };
    membership->slices = (struct follow){ .prefix = SLICES_PREFIX, .watch_id = WATCH_SLICES };
    membership->blueprints = (struct follow){ .prefix = BLUEPRINTS_PREFIX, .watch_id = WATCH_BLUEPRINTS };
    follow_start(self, &membership->nodes);
    follow_start(self, &membership->slices);
    membership->wishes = (struct follow){ .prefix = WISHES_PREFIX, .watch_id = WATCH_WISHES };
    follow_start(self, &membership->blueprints);
    follow_start(self, &membership->wishes);
    membership->alarms = (struct follow){ .prefix = SPACE_ALARM_PREFIX, .watch_id = WATCH_ALARMS };
    follow_start(self, &membership->alarms);
    membership->members = (struct follow){ .prefix = CLUSTER_MEMBERS_KEY, .watch_id = WATCH_MEMBERS };
    follow_start(self, &membership->members);
    struct message *subscribe = message_create(KIND_ROLE_SUBSCRIBE, 0);
    actor_tell_name(self, TO_LEADER, &subscribe);
    if (*given->confirmed_ns == 0) *given->confirmed_ns = actor_now_ns(self); /* The grace of a start. */
    arm_fence(self, membership);
    (void)actor_every(self, MILLISECONDS(PRESENCE_RENEW_MS), KIND_MEMBERSHIP_TICK);
    start(self, membership);
    return STATUS_OK;
}

static void membership_fini(void *state)
{
    struct membership *membership = state;
    while (membership->waiting != NULL) {
        struct waiting *waiting = membership->waiting;
        wait_end(membership, &waiting);
    }
    presence_fini(&membership->presence);
    cluster_view_fini(&membership->view);
    message_destroy(&membership->news);
}

static const struct behavior_row rows[] = {
    { KIND_MEMBERSHIP_TICK, on_tick },
    { KIND_MEMBERSHIP_FENCE, on_fence },
    { KIND_NODE_FENCED, on_fence_asked },
    { KIND_PRESENCE_TICK, on_judge },
    { KIND_PRESENCE_RENEW, on_renew },
    { KIND_ROLE_CHANGED, on_role },
    { KIND_PEER_DOWN, on_peer_down },
    { KIND_STATE_CHANGED, on_changed },
    { KIND_MEMBER_NEWS, on_news },
    { KIND_LOG_SPACE, on_space },
    { KIND_NODE_INCARNATION_REQUEST, on_incarnation },
    { KIND_CLUSTER_STATUS_REQUEST, on_cluster },
    { KIND_CLUSTER_MEMBERS_REQUEST, on_cluster },
    { KIND_NODE_LIST_REQUEST, on_node_list },
    { KIND_NODE_SHOW_REQUEST, on_node_show },
    { KIND_EVENT_LIST_REQUEST, on_event_list },
};
const struct behavior membership_behavior = {
    .name = "membership",
    .state_size = sizeof(struct membership),
    .home = ACTOR_POOLED,
    .pool = POOL_CONSENSUS,
    .mailbox_capacity = 4096,
    .init = membership_init,
    .fini = membership_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
