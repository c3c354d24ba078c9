/* slice_call: finds an instance for a call, sends it there, answers with one outcome of product.md section 6.
 * At most once: it is tried again only when it surely did not start, or when twice is harmless (READONLY,
 * IDEMPOTENT, an idempotency key), after a random pause and out of a bounded budget.
 * Learns  endpoints and nodes from the state's changes, connections from the transport, and this node's own
 *         instances from the slice store.
 * Owns    the calls under way, the queues of this node's instances, the answers kept for idempotency keys. A
 *         call costs one hop to an instance of this node and one frame to another node, whose slice_call
 * alone queues it. Limits  CALLS_MAX calls under way, CALL_DEPTH_MAX calls in each other; per instance
 * serving.h; per key reply_cache.h. More is refused at once. */
#include "actors/slice/slice_call.h"

#include "actors/slice/call.h"
#include "actors/slice/call_attempt.h"
#include "actors/slice/call_end.h"
#include "actors/slice/sdk/aether/slice.h"
#include "actors/slice/trace_context.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/port/transport.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/slice.pb-c.h"
#include "wire/proto/store.pb-c.h"

#include <string.h>

enum { CALLS_MAX = 16384, WATCH_ENDPOINTS = 1, WATCH_NODES = 2 };
static const int64_t deadline_default_ns = SECONDS(30);
static const int64_t telling_max_ns = MILLISECONDS(100);
static const int64_t fence_timeout_ns = SECONDS(1);

/* --- requests ----------------------------------------------------------------------------------------- */

/* The kept request becomes a call; NULL: refused. The caller fills in what it wants and starts it. */
static struct call *call_create(struct actor *self, struct slice_call *calls, const struct message *message,
                                enum call_source source)
{
    if (calls->calls.count >= CALLS_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return NULL;
    }
    struct call *call = memory_zalloc(sizeof(*call));
    call->number = ++calls->number_last;
    call->source = source;
    call->request_id = message->request_id;
    if (call->request_id.high == 0 && call->request_id.low == 0)
        call->request_id = actor_request_id_new(self);
    call->began_ns = actor_now_ns(self);
    call->deadline_ns =
        message->deadline_ns != 0 ? message->deadline_ns : call->began_ns + deadline_default_ns;
    call->payload = bytes_ref(message->attachment);
    call->target = call->affinity = call->key = call->caller = "";
    call->tag = message->tag;
    call->request = actor_keep(self);
    (void)map_put_number(&calls->calls, call->number, call);
    return call;
}

static void refuse(struct actor *self, struct slice_call *calls, struct call *call, const struct error *error)
{
    call->verdict = VERDICT_FINAL;
    call_end_failed(self, calls, call, error);
}

static enum status check(const struct call *call, struct error *error)
{
    struct coordinates parsed;
    char entry[COORDINATES_ARTIFACT_MAX];
    if (call->payload != NULL && call->payload->size > AETHER_PAYLOAD_MAX)
        return error_set(error, STATUS_INVALID, "a payload of %zu bytes; at most %d", call->payload->size,
                         AETHER_PAYLOAD_MAX);
    if (strlen(call->key) >= REPLY_CACHE_KEY_MAX)
        return error_set(error, STATUS_INVALID, "an idempotency key of %zu bytes; at most %d",
                         strlen(call->key), REPLY_CACHE_KEY_MAX - 1);
    if (call->depth > CALL_DEPTH_MAX) { /* INVALID and not OVERLOADED: again would be as deep. */
        (void)error_set(error, STATUS_INVALID, "%s is called %u calls deep; at most %d", call->target,
                        call->depth, CALL_DEPTH_MAX);
        error_hint(error, "the slices call each other in a circle: see the caller of each in their logs");
        return STATUS_INVALID;
    }
    return coordinates_parse_target(call->target, &parsed, entry, error);
}

/* `payer`: whose retries they are. */
static void start(struct actor *self, struct slice_call *calls, struct call *call, uint64_t payer)
{
    struct error error = { 0 };
    call->caller_hash = hash64(call->caller, strlen(call->caller), 0);
    call->budget = hash64_mix(payer, hash64(call->target, strlen(call->target), 0));
    retry_budget_earn(&calls->budget, call->budget);
    bool known = endpoint_table_find(&calls->table, call->target) != NULL; /* Then its form is fine. */
    bool plain = known && call->key[0] == '\0' && call->depth <= CALL_DEPTH_MAX &&
                 (call->payload == NULL || call->payload->size <= AETHER_PAYLOAD_MAX);
    if (!plain && check(call, &error) != STATUS_OK) refuse(self, calls, call, &error);
    else call_attempt_begin(self, calls, call);
}

static enum status read_request_id(const Pb__CallRequest *request, struct request_id *out_id,
                                   struct error *error)
{
    bool traced = request->traceparent[0] != '\0';
    const char *given = traced ? request->traceparent : request->request_id;
    if (traced && request->request_id[0] != '\0')
        return error_set(error, STATUS_INVALID, "a request id and a traceparent: which of them?");
    if (traced && strchr(given, '-') == NULL)
        return error_set(error, STATUS_INVALID, "the traceparent is none of W3C Trace Context");
    if (given[0] == '\0' || trace_context_read(given, out_id)) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "the request id is neither 32 hex digits nor a traceparent");
}

/* Whoever awaits the explanation is told DEADLINE by others when the time is over: it must be there before.
 */
static int64_t telling_ns(int64_t budget_ns)
{
    return budget_ns / 16 < telling_max_ns ? budget_ns / 16 : telling_max_ns;
}

static void on_call(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    const Pb__CallRequest *request = message->body;
    struct call *call = call_create(self, calls, message, FROM_CLIENT);
    if (call == NULL) return;
    struct error error;
    call->target = request->target;
    call->explains = request->explain;
    call->deadline_named = request->deadline_named;
    call->affinity = request->affinity;
    call->key = request->idempotency_key;
    /* The client's connection is the upper half of the tag (wire/zmq/client_socket.c). */
    call->caller =
        arena_printf(&call->request->arena, "client-%08x@%s", (unsigned)(call->tag >> 32), calls->node->name);
    if (call->explains) call->deadline_ns -= telling_ns(call->deadline_ns - call->began_ns);
    if (read_request_id(request, &call->request_id, &error) != STATUS_OK) {
        refuse(self, calls, call, &error);
        return;
    }
    const char *payload = request->payload[0] == '\0' ? "null" : request->payload;
    bytes_unref(&call->payload);
    call->payload = bytes_copy(payload, strlen(payload));
    start(self, calls, call, FROM_CLIENT); /* All clients of a node are one payer. */
}

static void on_outbound(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    const struct slice_outbound *outbound = message->body;
    struct call *call = call_create(self, calls, message, FROM_SLICE);
    if (call == NULL) return;
    call->target = outbound->target;
    call->affinity = outbound->affinity;
    call->key = outbound->idempotency_key;
    call->caller = outbound->caller;
    call->depth = outbound->depth;
    call->deadline_named = outbound->deadline_named;
    start(self, calls, call, hash64(call->caller, strlen(call->caller), FROM_SLICE));
}

/* By which the asking node withdraws it. */
static uint64_t node_tag(const char *node, uint64_t call)
{
    return call == 0 || node == NULL ? 0 : hash64_mix(hash64(node, strlen(node), 0), call);
}

static void on_invoke(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    const Pb__InvokeRequest *invoke = message->body;
    struct error error;
    if (calls->fence_asked) { /* A8: a slice_call that was started again does not know yet. */
        (void)error_set(&error, STATUS_NOT_READY, "node %s is starting; nothing was started",
                        calls->node->name);
        actor_refuse_error(self, message, &error);
        return;
    }
    if (calls->fenced) { /* A8: others may not count on what runs here; callers of this node may. */
        (void)error_set(&error, STATUS_NODE_LOST, "node %s has lost the cluster; nothing was started",
                        calls->node->name);
        error.is_unstarted = true;
        actor_refuse_error(self, message, &error);
        return;
    }
    struct call *call = call_create(self, calls, message, FROM_NODE);
    if (call == NULL) return;
    call->artifact = invoke->artifact;
    call->entry = invoke->entry;
    call->instance = invoke->instance;
    call->target = arena_printf(&call->request->arena, "%s/%s", invoke->artifact, invoke->entry);
    call->key = invoke->idempotency_key;
    call->caller = invoke->caller;
    call->caller_hash = hash64(call->caller, strlen(call->caller), 0);
    call->depth = invoke->depth;
    call->deadline_named = invoke->deadline_named;
    call->tag = node_tag(call->request->from_node, invoke->call);
    if (check(call, &error) != STATUS_OK) refuse(self, calls, call, &error);
    else call_attempt_here(self, calls, call);
}

/* --- withdrawals -------------------------------------------------------------------------------------- */

/* Rare, so a call isn't listed by its tag on its way. */
static void withdraw_by_tag(struct actor *self, struct slice_call *calls, uint64_t tag, const char *who)
{
    uint64_t number = 0;
    void *value = NULL;
    if (tag == 0) return;
    for (size_t i = 0; map_next_number(&calls->calls, &i, &number, &value);) {
        struct call *call = value;
        if (call->tag != tag || call->withdrawn) continue;
        call_attempt_withdraw(self, calls, call, who);
        return;
    }
}

static void on_withdrawn(struct actor *self, void *state, const struct message *message)
{
    const struct call_withdrawn *withdrawn = message->body;
    withdraw_by_tag(self, state, withdrawn->tag, "its caller");
}

static void on_invoke_withdraw(struct actor *self, void *state, const struct message *message)
{
    const Pb__InvokeWithdraw *withdraw = message->body;
    withdraw_by_tag(self, state, node_tag(message->from_node, withdraw->call), "its caller");
}

/* Their node is gone, and with it whoever awaited them. */
static void withdraw_of_node(struct actor *self, struct slice_call *calls, const char *node)
{
    uint64_t number = 0;
    void *value = NULL;
    struct arena arena = { 0 };
    uint64_t *numbers = arena_array(&arena, calls->calls.count + 1, sizeof(uint64_t));
    size_t count = 0;
    for (size_t i = 0; map_next_number(&calls->calls, &i, &number, &value);) {
        const struct call *call = value;
        const struct message *request = call->request;
        if (call->source != FROM_NODE || request == NULL || request->from_node == NULL) continue;
        if (strcmp(request->from_node, node) == 0) numbers[count++] = number;
    }
    for (size_t i = 0; i < count; i++) {
        struct call *call = map_get_number(&calls->calls, numbers[i]);
        if (call != NULL) call_attempt_withdraw(self, calls, call, "the end of its caller's node");
    }
    arena_fini(&arena);
}

/* --- what it learns ----------------------------------------------------------------------------------- */

static void forget_instance(struct actor *self, struct slice_call *calls, const struct instance_key *key)
{
    struct serving_instance *instance = serving_find(&calls->serving, key->artifact, key->instance);
    if (instance == NULL) return;
    call_attempt_release_waiters(self, calls, instance);
    serving_remove(&calls->serving, instance);
}

static void on_serving(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    const struct instance_serving *announced = message->body;
    forget_instance(self, calls, &announced->key);
    serving_add(&calls->serving, announced);
}

static void on_gone(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    const struct instance_serving *gone = message->body;
    forget_instance(self, calls, &gone->key);
}

static void see_endpoint(void *context, const Pb__KvEvent *event)
{
    struct slice_call *calls = context;
    if (event == NULL) endpoint_table_clear(&calls->table);
    else if (event->deleted) endpoint_table_set(&calls->table, event->record->key, NULL, 0);
    else
        endpoint_table_set(&calls->table, event->record->key, event->record->value.data,
                           event->record->value.len);
}

static void see_node(void *context, const Pb__KvEvent *event)
{
    struct slice_call *calls = context;
    if (event == NULL) return; /* Each node is told again; one that is gone serves nothing. */
    const char *node = event->record->key + strlen(calls->nodes.prefix);
    if (event->deleted) endpoint_table_set_node(&calls->table, node, NULL, 0);
    else endpoint_table_set_node(&calls->table, node, event->record->value.data, event->record->value.len);
}

static void on_changed(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    if (follow_accept(self, &calls->endpoints, message, see_endpoint, calls)) return;
    (void)follow_accept(self, &calls->nodes, message, see_node, calls);
}

static void on_peer(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    const struct transport_peer_change *change = message->body;
    endpoint_table_set_connected(&calls->table, change->node, message->kind == KIND_PEER_UP);
    if (message->kind == KIND_PEER_DOWN) withdraw_of_node(self, calls, change->node);
}

static void on_fenced(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    const Pb__NodeFenced *fenced = message->body;
    calls->fence_asked = false;
    if (calls->fenced == (fenced->fenced != 0)) return;
    calls->fenced = fenced->fenced != 0;
    log_warn(self, "call.fenced", "fenced=%d", (int)calls->fenced);
    MARK("slice_call.fence_changes");
}

/* Without a membership actor nobody fences. */
static void on_fence_answered(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_call *calls = state;
    (void)context;
    calls->fence_asked = false;
    if (result->status == STATUS_OK) on_fenced(self, state, result->message);
}

static void ask_fence(struct actor *self, struct slice_call *calls)
{
    struct message *message = wire_message_create(KIND_NODE_FENCED);
    calls->fence_asked = true;
    actor_ask_name(self, TO_MEMBERSHIP, &message, fence_timeout_ns, on_fence_answered, NULL);
}

/* --- time --------------------------------------------------------------------------------------------- */

static void on_outcomes_told(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_call *calls = state;
    (void)context;
    bool written = result->status == STATUS_OK;
    if (written) written = ((const Pb__ProposeReply *)result->message->body)->status == STATUS_OK;
    call_outcomes_told(&calls->outcomes, written);
    if (calls->outcomes.count == 0 || calls->outcomes_timer.value != 0) return;
    calls->outcomes_timer = actor_after(self, SECONDS(1), KIND_SLICE_CALL_TIMER, CALL_TAG_OUTCOMES);
}

static void on_timer(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    if (message->tag == CALL_TAG_OUTCOMES) {
        calls->outcomes_timer = (struct timer_id){ 0 };
        call_outcomes_tell(&calls->outcomes, self, calls->node->name, on_outcomes_told);
        return;
    }
    struct call *call = map_get_number(&calls->calls, message->tag);
    if (call != NULL) call_attempt_on_time(self, calls, call);
}

/* --- figures ------------------------------------------------------------------------------------------ */

static Pb__InstanceCalls *figures_of(struct message *reply, const struct serving_instance *instance)
{
    Pb__InstanceCalls *figures = arena_alloc(&reply->arena, sizeof(*figures));
    pb__instance_calls__init(figures);
    figures->artifact = wire_string(reply, instance->key.artifact);
    figures->instance = instance->key.instance;
    figures->calls = instance->took.total;
    figures->failed = instance->failed;
    figures->in_flight = instance->in_flight;
    figures->waiting = instance->waiting;
    figures->p50_us = histogram_quantile(&instance->took, 500) / 1000;
    figures->p99_us = histogram_quantile(&instance->took, 990) / 1000;
    figures->max_us = instance->took.max / 1000;
    return figures;
}

static void on_stats(struct actor *self, void *state, const struct message *message)
{
    const struct slice_call *calls = state;
    const Pb__CallStatsRequest *request = message->body;
    struct coordinates wanted = { 0 };
    struct error error = { 0 };
    bool all = request->artifact[0] == '\0';
    if (!all && coordinates_parse(request->artifact, COORDINATES_ANY, &wanted, &error) != STATUS_OK) {
        actor_refuse_error(self, message, &error);
        return;
    }
    struct message *reply = wire_message_create(KIND_CALL_STATS_REPLY);
    Pb__CallStatsReply *stats = reply->body;
    const char *key = NULL;
    void *instance = NULL;
    stats->instances =
        arena_array(&reply->arena, calls->serving.by_key.count + 1, sizeof(Pb__InstanceCalls *));
    for (size_t i = 0; map_next(&calls->serving.by_key, &i, &key, &instance);) {
        const struct serving_instance *serving = instance;
        if (all || coordinates_match(&wanted, serving->key.artifact))
            stats->instances[stats->n_instances++] = figures_of(reply, serving);
    }
    actor_reply(self, message, &reply);
}

/* --- life --------------------------------------------------------------------------------------------- */

static enum status slice_call_init(struct actor *self, void *state, const void *options, struct error *error)
{
    struct slice_call *calls = state;
    const struct slice_call_options *given = options;
    if (strlen(given->node) >= SLICE_NODE_MAX)
        return error_set(error, STATUS_INVALID, "the node's name is too long");
    calls->node = endpoint_table_node(&calls->table, given->node);
    calls->number_last = actor_random(self) >> 2;
    calls->serving.changes = 1; /* 0 is what an endpoint that nobody looked at says. */
    calls->endpoints = (struct follow){ .prefix = "endpoints/", .watch_id = WATCH_ENDPOINTS };
    calls->nodes = (struct follow){ .prefix = "nodes/", .watch_id = WATCH_NODES };
    follow_start(self, &calls->endpoints);
    follow_start(self, &calls->nodes);
    ask_fence(self, calls);
    return STATUS_OK;
}

static void slice_call_fini(void *state)
{
    struct slice_call *calls = state;
    uint64_t number = 0;
    void *value = NULL;
    serving_fini(&calls->serving); /* Before the calls: it links those that wait. */
    for (size_t i = 0; map_next_number(&calls->calls, &i, &number, &value);) {
        call_end_destroy(calls, value);
    }
    map_fini(&calls->calls);
    reply_cache_fini(&calls->replies);
    endpoint_table_fini(&calls->table);
}

/* What slices called by a route, past us. */
static void on_route_used(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    const struct slice_route_used *used = message->body;
    struct serving_instance *instance = serving_find(&calls->serving, used->key.artifact, used->key.instance);
    if (instance != NULL) histogram_merge(&instance->took, &used->took);
    for (uint32_t status = STATUS_OK + 1; status < STATUS_COUNT; status++) {
        if (used->failed[status] == 0) continue;
        if (instance != NULL) instance->failed += used->failed[status];
        call_end_note_direct(self, calls, used, (enum status)status);
    }
}

static const struct behavior_row rows[] = {
    { KIND_CALL_REQUEST, on_call },
    { KIND_SLICE_OUTBOUND, on_outbound },
    { KIND_INVOKE_REQUEST, on_invoke },
    { KIND_INSTANCE_SERVING, on_serving },
    { KIND_INSTANCE_GONE, on_gone },
    { KIND_STATE_CHANGED, on_changed },
    { KIND_PEER_UP, on_peer },
    { KIND_PEER_DOWN, on_peer },
    { KIND_NODE_FENCED, on_fenced },
    { KIND_SLICE_CALL_TIMER, on_timer },
    { KIND_CALL_WITHDRAWN, on_withdrawn },
    { KIND_INVOKE_WITHDRAW, on_invoke_withdraw },
    { KIND_CALL_STATS_REQUEST, on_stats },
    { KIND_SLICE_ROUTE_USED, on_route_used },
};
const struct behavior slice_call_behavior = {
    .name = "slice_call",
    .state_size = sizeof(struct slice_call),
    .home = ACTOR_POOLED,
    .pool = POOL_CONSENSUS,
    .mailbox_capacity = 16384,
    .init = slice_call_init,
    .fini = slice_call_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
