/* command_gateway: looks up a command's row, authorises, asks whoever can answer, and hands the answer back.
 * Learns  the leader from ROLE_CHANGED; everything else from the rows.
 * Owns    the commands in flight (runs), each still owed exactly one answer.
 * Limits  RUNS_MAX commands in flight; one more is refused with OVERLOADED at once. A command that needs a
 * leader waits for one until shortly before its deadline, then answers NO_LEADER. */
#include "actors/gateway/command_gateway.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/command/command.h"
#include "wire/local.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/codec.h"
#include "wire/proto/gateway.pb-c.h"
#include "wire/remote.h"

#include <string.h>

enum { RUNS_MAX = 1024, PRINCIPAL_MAX = 128 };

static const int64_t patience_ns = SECONDS(30);       /* Of a request that named no deadline. */
static const int64_t long_patience_ns = SECONDS(300); /* The same, where the command waits for an outcome. */
static const int64_t preference_ns = SECONDS(2);  /* A leader that is silent so long isn't waited for where
                                                     this  node can answer as well (PREFERS_LEADER). */
static const int64_t retry_ns = MILLISECONDS(50); /* Between two tries while there is no leader. */
static const int64_t answer_margin_ns =
    MILLISECONDS(250); /* Our refusal must beat the asker's own DEADLINE. */

struct run {
    struct run *next;
    struct run **link; /* What points to this one. */
    struct command_gateway *gateway;
    struct message *request; /* Kept: owed one answer. */
    const struct command *command;
    const void *body; /* Of the row's request, in the request's arena. */
    char principal[PRINCIPAL_MAX];
    bool from_gateway; /* Another node's gateway passed it on: it ends here. */
    bool here;    /* This node answers although it doesn't lead (PREFERS_LEADER, and the leader is gone). */
    bool waiting; /* For a leader; the next tick or ROLE_CHANGED tries again. */
    bool maybe_done; /* Some try may have been carried out, though we never heard. */
    int64_t deadline_ns;
};

struct command_gateway {
    char node[NODE_NAME_MAX];
    char leader[NODE_NAME_MAX]; /* "" = none known. */
    bool leading;
    bool ticking;
    bool stopping;    /* Asks end CANCELLED from here on. */
    struct run *runs; /* Newest first. */
    uint32_t run_count;
};

/* --- the end of a run --------------------------------------------------------------------------------- */
static void end_run(struct run *run)
{
    struct command_gateway *gateway = run->gateway;
    *run->link = run->next;
    if (run->next != NULL) run->next->link = run->link;
    CHECK(gateway->run_count > 0);
    gateway->run_count--;
    message_destroy(&run->request);
    memory_free(run);
}

static void log_end(struct actor *self, const struct run *run, enum status status)
{
    if ((run->command->flags & COMMAND_CHANGES) == 0 || run->from_gateway) return;
    /* What the store itself carries out leaves its trace there, and may be thousands of lines a second. */
    int level = run->command->target == TO_PROPOSER ? 0 : 1;
    actor_log(self, level, "gateway.changed", "command=\"%s\" principal=%s outcome=%s", run->command->name,
              run->principal, status_name(status));
}

static bool unsure_at_end(const struct run *run)
{
    return (run->command->flags & (COMMAND_CHANGES | COMMAND_CALLS)) != 0;
}

/* Says that this try did nothing, or that nobody knows: no word on an earlier one. */
static bool tells_nothing(enum status status)
{
    return status == STATUS_NO_LEADER || status == STATUS_NOT_LEADER || status == STATUS_NODE_LOST ||
           status == STATUS_NOT_READY || status == STATUS_OVERLOADED || status == STATUS_CRASHED ||
           status == STATUS_CANCELLED;
}

static void refuse_run(struct actor *self, struct run *run, const struct error *error)
{
    struct error told = *error;
    bool unsure = run->maybe_done && (run->command->flags & COMMAND_CHANGES) != 0;
    if (unsure && tells_nothing(told.status))
        error_set(&told, STATUS_UNKNOWN,
                  "%s: the leader was lost while it carried this out; it may have happened",
                  run->command->name);
    if (run->gateway->stopping && told.status == STATUS_CANCELLED) /* What we asked for goes on without us. */
        error_set(&told, unsure_at_end(run) ? STATUS_UNKNOWN : STATUS_NODE_LOST, "%s: node %s stops%s",
                  run->command->name, run->gateway->node,
                  unsure_at_end(run) ? " while this is carried out; it may have happened" : "");
    log_end(self, run, told.status);
    actor_refuse_error(self, run->request, &told);
    end_run(run);
}

static void answer_run(struct actor *self, struct run *run)
{
    struct message *reply = actor_keep(self); /* The reply being handled goes on to our asker as it is. */
    log_end(self, run, STATUS_OK);
    actor_reply(self, run->request, &reply);
    CHECK(reply == NULL);
    end_run(run);
}

/* --- the way of a run --------------------------------------------------------------------------------- */
static void route(struct actor *self, struct run *run);

static bool needs_leader(const struct run *run)
{
    uint32_t flags = run->command->flags;
    if ((flags & (COMMAND_ON_LEADER | COMMAND_PREFERS_LEADER)) == 0 || run->here) return false;
    return !command_is_stale(run->command, run->body);
}

static bool may_repeat(const struct run *run)
{
    uint32_t flags = run->command->flags;
    return (flags & COMMAND_IDEMPOTENT) != 0 || (flags & (COMMAND_CHANGES | COMMAND_CALLS)) == 0;
}

static int64_t left_ns(const struct actor *self, const struct run *run)
{
    return run->deadline_ns - actor_now_ns(self);
}

static void wait_for_leader(struct actor *self, struct run *run)
{
    if (left_ns(self, run) <= 0) {
        struct error error;
        error_set(&error, STATUS_NO_LEADER, "%s: the cluster had no leader that could carry it out",
                  run->command->name);
        refuse_run(self, run, &error);
        return;
    }
    run->waiting = true;
    struct command_gateway *gateway = run->gateway;
    if (gateway->ticking) return;
    gateway->ticking = true;
    actor_after(self, retry_ns, KIND_GATEWAY_TICK, 0);
}

/* The leader is gone, or isn't one: the same command to whoever leads next, if that can do no harm. */
static void leader_failed(struct actor *self, struct run *run, const struct error *error)
{
    bool untouched = error->status == STATUS_NOT_LEADER || error->status == STATUS_NO_LEADER;
    if (!untouched) run->maybe_done = true;
    if (!untouched && !may_repeat(run)) {
        refuse_run(self, run, error);
        return;
    }
    if ((run->command->flags & COMMAND_PREFERS_LEADER) != 0) {
        run->here = true;
        route(self, run);
        return;
    }
    wait_for_leader(self, run);
}

static bool is_leader_failure(const struct run *run, enum status status)
{
    if (!needs_leader(run) || run->from_gateway) return false; /* Whoever passed it on decides. */
    if (status == STATUS_DEADLINE) return (run->command->flags & COMMAND_PREFERS_LEADER) != 0;
    return status == STATUS_NOT_LEADER || status == STATUS_NO_LEADER || status == STATUS_NODE_LOST ||
           status == STATUS_UNKNOWN;
}

static void on_answer(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct run *run = context;
    if (result->status == STATUS_OK) answer_run(self, run);
    else if (is_leader_failure(run, result->status)) leader_failed(self, run, result->error);
    else refuse_run(self, run, result->error);
}

/* A copy for the target: the request stays ours, for another try. */
static struct message *copy_request(const struct run *run)
{
    struct message *copy = message_create(run->command->request, 0);
    size_t size = codec_size(run->body);
    uint8_t *packed = arena_alloc(&copy->arena, size + 1);
    codec_pack(run->body, packed);
    enum status status =
        codec_unpack(&copy->arena, command_request_descriptor(run->command), packed, size, &copy->body, NULL);
    CHECK(status == STATUS_OK); /* We packed it ourselves. */
    copy->request_id = run->request->request_id;
    copy->tag = run->request->tag;       /* By which a call is withdrawn. */
    if (run->request->from_node != NULL) /* Through which node the caller speaks. */
        copy->from_node = arena_strdup(&copy->arena, run->request->from_node);
    return copy;
}

static void ask_target(struct actor *self, struct run *run)
{
    if (!actor_id_is_set(actor_find(self, run->command->target))) {
        /* The runtime's NOT_FOUND would read as the command's. */
        struct error error;
        error_set(&error, STATUS_NOT_READY, "%s: who answers this is not running on node %s",
                  run->command->name, run->gateway->node);
        refuse_run(self, run, &error);
        return;
    }
    struct message *request = copy_request(run);
    actor_ask_name(self, run->command->target, &request, left_ns(self, run), on_answer, run);
}

static void on_barrier(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct run *run = context;
    if (result->status == STATUS_OK) ask_target(self, run);
    else if (is_leader_failure(run, result->status)) leader_failed(self, run, result->error);
    else refuse_run(self, run, result->error);
}

static void run_here(struct actor *self, struct run *run)
{
    bool fresh = (run->command->flags & COMMAND_FRESH) != 0 && !command_is_stale(run->command, run->body);
    uint64_t after = run->command->target == TO_STATE ? 0 : command_after(run->command, run->body);
    if (!fresh && after == 0) {
        ask_target(self, run);
        return;
    }
    struct message *barrier = message_create(KIND_READ_BARRIER, sizeof(struct read_barrier));
    struct read_barrier *terms = barrier->body; /* Q1: then a watcher's view is fresh too. */
    terms->after = after;
    terms->stale = !fresh;
    actor_ask_name(self, TO_STATE, &barrier, left_ns(self, run), on_barrier, run);
}

static void pass_on(struct actor *self, struct run *run)
{
    struct message *message = wire_message_create(KIND_GATEWAY_FORWARD);
    Pb__GatewayForward *forward = message->body;
    forward->kind = run->command->request;
    forward->request.len = codec_size(run->body);
    forward->request.data = arena_alloc(&message->arena, forward->request.len + 1);
    codec_pack(run->body, forward->request.data);
    forward->principal = wire_string(message, run->principal);
    forward->forwarded = true;
    message->request_id = run->request->request_id;
    int64_t timeout_ns = left_ns(self, run);
    bool prefers = (run->command->flags & COMMAND_PREFERS_LEADER) != 0;
    if (prefers && timeout_ns > preference_ns) timeout_ns = preference_ns;
    wire_ask(self, run->gateway->leader, CHANNEL_DATA, &message, timeout_ns, on_answer, run);
}

static void route(struct actor *self, struct run *run)
{
    struct command_gateway *gateway = run->gateway;
    bool late = left_ns(self, run) <= 0; /* Only a run that waited in vain comes here late. */
    bool elsewhere = gateway->leader[0] != '\0' && strcmp(gateway->leader, gateway->node) != 0;
    run->waiting = false;
    if (!late && (!needs_leader(run) || gateway->leading)) {
        run_here(self, run);
    } else if (!late && run->from_gateway) {
        struct error error;
        error_set(&error, STATUS_NOT_LEADER, "node %s does not lead", gateway->node);
        refuse_run(self, run, &error);
    } else if (!late && elsewhere) {
        pass_on(self, run);
    } else if (!late && (run->command->flags & COMMAND_PREFERS_LEADER) != 0) {
        run->here = true;
        run_here(self, run);
    } else {
        wait_for_leader(self, run);
    }
}

static void retry_waiting(struct actor *self, struct command_gateway *gateway)
{
    struct run *next;
    for (struct run *run = gateway->runs; run != NULL; run = next) {
        next = run->next; /* route() may end this run, and only this one. */
        if (run->waiting) route(self, run);
    }
}

/* --- the start of a run ------------------------------------------------------------------------------- */
/* Keys and roles come with their own issue; until then every listener is on loopback, and whoever reaches it
 * is an admin (product.md section 9). */
static enum status authorise(const char *principal, const struct command *command, struct error *error)
{
    (void)principal, (void)command, (void)error;
    return STATUS_OK;
}

/* A row whose target answers for itself, here, and whose outcome nobody records: handed over whole, so that
 * it costs one hop and no copy. The proposer is such a target for changes too: it finds the leader, repeats
 * under a session and says UNKNOWN where nobody knows, and the store keeps the trace of what it did. Takes
 * the request if it does. */
static bool hand_over(struct actor *self, const struct command *command, struct message **request)
{
    uint32_t handled = COMMAND_ON_LEADER | COMMAND_PREFERS_LEADER | COMMAND_FRESH;
    if (command->target != TO_PROPOSER) handled |= COMMAND_CHANGES;
    if ((command->flags & handled) != 0 || (*request)->kind != command->request) return false;
    if (command->target != TO_STATE && command_after(command, (*request)->body) != 0) return false;
    struct actor_id target = actor_find(self, command->target);
    if (!actor_id_is_set(target)) return false;
    actor_forward(self, target, request);
    return true;
}

/* Takes the request. */
static void refuse(struct actor *self, struct message **request, const struct error *error)
{
    actor_refuse_error(self, *request, error);
    message_destroy(request);
}

struct order { /* A command as it came: from a client, or wrapped by a gateway or the MCP server. */
    const struct command *command; /* NULL: there is no such command. */
    const void *body;              /* In the request's arena. */
    const char *principal;
    bool from_gateway;
};

/* Takes the request. */
static void start_run(struct actor *self, struct command_gateway *gateway, struct message *request,
                      const struct order *order)
{
    struct run *run = memory_zalloc(sizeof *run);
    run->gateway = gateway;
    run->command = order->command;
    run->body = order->body;
    run->from_gateway = order->from_gateway;
    (void)text_copy(run->principal, sizeof run->principal, order->principal);
    run->request = request;
    int64_t now = actor_now_ns(self);
    int64_t patience = (run->command->flags & COMMAND_WAITS) != 0 ? long_patience_ns : patience_ns;
    int64_t asked = request->deadline_ns != 0 ? request->deadline_ns - now : patience;
    int64_t margin = asked / 8 < answer_margin_ns ? asked / 8 : answer_margin_ns;
    run->deadline_ns = now + asked - margin;
    run->next = gateway->runs;
    if (run->next != NULL) run->next->link = &run->next;
    run->link = &gateway->runs;
    gateway->runs = run;
    gateway->run_count++;
    route(self, run);
}

/* Takes the request. */
static void begin(struct actor *self, struct command_gateway *gateway, struct message *request,
                  const struct order *order)
{
    struct error error;
    if (order->command == NULL) {
        error_set(&error, STATUS_INVALID, "%s is no command", kind_name(request->kind));
        refuse(self, &request, &error);
        return;
    }
    if (authorise(order->principal, order->command, &error) != STATUS_OK) {
        refuse(self, &request, &error);
        return;
    }
    if (hand_over(self, order->command, &request)) return;
    if (gateway->run_count == RUNS_MAX) {
        error_set(&error, STATUS_OVERLOADED, "%d commands are in flight on this node", RUNS_MAX);
        refuse(self, &request, &error);
        return;
    }
    start_run(self, gateway, request, order);
}

/* --- messages ----------------------------------------------------------------------------------------- */
static void on_request(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct message *request = actor_keep(self);
    const struct order order = {
        .command = command_find_request(request->kind),
        .body = request->body,
        .principal = "local",
    };
    begin(self, state, request, &order);
}

static void on_forward(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct message *request = actor_keep(self);
    const Pb__GatewayForward *forward = request->body;
    struct order order = {
        .command = command_find_request(forward->kind),
        .principal = forward->principal,
        /* Only another node's gateway passes on; whoever asks here goes through all of the path. */
        .from_gateway = request->from_node != NULL,
    };
    void *body = NULL;
    struct error error;
    if (order.command != NULL &&
        codec_unpack(&request->arena, command_request_descriptor(order.command), forward->request.data,
                     forward->request.len, &body, &error) != STATUS_OK) {
        refuse(self, &request, &error);
        return;
    }
    order.body = body;
    begin(self, state, request, &order);
}

/* Of the client library: is anybody there? Whatever this node's stores and slices are busy with. */
static void on_ping(struct actor *self, void *state, const struct message *message)
{
    const struct command_gateway *gateway = state;
    struct message *reply = wire_message_create(KIND_PONG);
    Pb__Pong *pong = reply->body;
    pong->node = wire_string(reply, gateway->node);
    pong->leader = wire_string(reply, gateway->leader);
    actor_reply(self, message, &reply);
}

/* A session is no command of the table: nobody but the library asks for one. */
static void on_session_open(struct actor *self, void *state, const struct message *message)
{
    (void)state, (void)message;
    struct message *request = actor_keep(self);
    struct actor_id proposer = actor_find(self, TO_PROPOSER);
    if (actor_id_is_set(proposer)) {
        actor_forward(self, proposer, &request);
        return;
    }
    actor_refuse(self, request, STATUS_NOT_READY);
    message_destroy(&request);
}

static void on_role_changed(struct actor *self, void *state, const struct message *message)
{
    struct command_gateway *gateway = state;
    const struct role_changed *role = message->body;
    gateway->leading = role->leading;
    (void)text_copy(gateway->leader, sizeof gateway->leader, role->leader);
    retry_waiting(self, gateway);
}

static void on_tick(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct command_gateway *gateway = state;
    gateway->ticking = false; /* wait_for_leader arms it again for those that still wait. */
    retry_waiting(self, gateway);
}

static enum status gateway_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)error;
    struct command_gateway *gateway = state;
    const struct command_gateway_options *given = options;
    (void)text_copy(gateway->node, sizeof gateway->node, given->node);
    struct message *subscribe = message_create(KIND_ROLE_SUBSCRIBE, 0);
    actor_tell_name(self, TO_LEADER, &subscribe);
    return STATUS_OK;
}

/* Runs that wait for a leader end here; those that asked somebody end when their asks are cancelled. */
static void gateway_stop(struct actor *self, void *state)
{
    struct command_gateway *gateway = state;
    gateway->stopping = true;
    struct run *next;
    for (struct run *run = gateway->runs; run != NULL; run = next) {
        next = run->next;
        if (!run->waiting) continue;
        struct error error;
        error_set(&error, STATUS_NO_LEADER, "%s: node %s stops before there was a leader", run->command->name,
                  gateway->node);
        refuse_run(self, run, &error);
    }
}

static void gateway_fini(void *state)
{
    struct command_gateway *gateway = state;
    while (gateway->runs != NULL)
        end_run(gateway->runs);
}

static const struct behavior_row rows[] = {
    { KIND_GATEWAY_FORWARD, on_forward },
    { KIND_ROLE_CHANGED, on_role_changed },
    { KIND_GATEWAY_TICK, on_tick },
    { KIND_PING, on_ping },
    { KIND_SESSION_OPEN_REQUEST, on_session_open },
};
#define GATEWAY(label, group)                                                                                \
    {                                                                                                        \
        .name = (label), .state_size = sizeof(struct command_gateway), .home = ACTOR_POOLED,                 \
        .pool = (group), .mailbox_capacity = 4096, .init = gateway_init, .stop = gateway_stop,               \
        .fini = gateway_fini, .otherwise = on_request, .rows = rows, .row_count = ARRAY_COUNT(rows),         \
    }

const struct behavior command_gateway_behavior = GATEWAY("command_gateway", POOL_GENERAL);
const struct behavior store_gateway_behavior = GATEWAY("store_gateway", POOL_CONSENSUS);
