/* slice_call: finds an instance for a call, sends it there, answers with one outcome of product.md section 6.
 * At most once: it is tried again only when it surely did not start, or when the entry point may be called
 * twice (READONLY, IDEMPOTENT), after a random pause and out of a bounded budget.
 * Learns  endpoints and nodes from the state's changes, connections from the transport, and this node's own
 *         instances from the slice store.
 * Owns    the calls under way and the queues of this node's instances. A call costs one hop to an instance
 *         of this node and one frame to another node, whose slice_call alone queues it.
 * Limits  CALLS_MAX calls under way; per instance serving.h; more is refused OVERLOADED at once. */
#include "actors/slice/slice_call.h"

#include "actors/slice/call_outcomes.h"
#include "actors/slice/endpoint_table.h"
#include "actors/slice/messages.h"
#include "actors/slice/serving.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/port/transport.h"
#include "wire/follow.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/slice.pb-c.h"
#include "wire/proto/store.pb-c.h"
#include "wire/remote.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    CALLS_MAX = 16384,
    ATTEMPTS_MAX = 5,
    RETRY_TOKENS_MAX = 1000, /* In tenths of a retry: each call adds one, each retry takes ten. */
    RETRY_COST = 10,
    RETRY_PAUSE_MIN_MS = 5,
    RETRY_PAUSE_MAX_MS = 320,
    TARGET_TEXT_MAX = CALL_OUTCOMES_TARGET_MAX,
    WATCH_ENDPOINTS = 1,
    WATCH_NODES = 2,
};
static const int64_t deadline_default_ns = SECONDS(30);
static const uint64_t tag_outcomes = UINT64_MAX; /* Of the timer; calls count from 1. */

enum call_source { FROM_CLIENT, FROM_SLICE, FROM_NODE };
enum call_phase { CALL_CHOOSING, CALL_WAITS, CALL_ASKED, CALL_PAUSES };

struct call {
    struct serving_waiter waiter; /* First: a waiter is its call. */
    uint64_t number;
    enum call_source source;
    enum call_phase phase;
    struct message *request; /* Ours, owed exactly one answer. */
    struct bytes *payload;   /* May be NULL. */
    struct request_id request_id;
    int64_t began_ns;
    int64_t deadline_ns;
    struct timer_id timer; /* While it waits or pauses. */
    struct coordinates wanted;
    char entry[COORDINATES_ARTIFACT_MAX];
    char target[TARGET_TEXT_MAX];
    const char *affinity; /* In the request. */
    const char *caller;
    uint32_t attempts;
    /* The attempt under way, or the last one. */
    char artifact[COORDINATES_TEXT_MAX];
    char node[SLICE_NODE_MAX];
    uint32_t instance;
    uint64_t serving_number; /* Not 0: an instance of this node. */
};

struct slice_call {
    char node[SLICE_NODE_MAX];
    struct endpoint_table table;
    struct serving serving;
    struct map calls; /* Number -> struct call * */
    uint64_t number_last;
    uint32_t retry_tokens;
    bool fenced; /* A8: the cluster may be running our instances elsewhere. */
    struct follow endpoints;
    struct follow nodes;
    struct call_outcomes outcomes;
    struct timer_id outcomes_timer;
};

static void attempt(struct actor *self, struct slice_call *calls, struct call *call);
static void pump(struct actor *self, struct slice_call *calls, struct serving_instance *instance);

/* --- request ids -------------------------------------------------------------------------------------- */

/* 32 hex digits, or a W3C traceparent: version-traceid-parentid-flags. */
static bool read_request_id(const char *text, struct request_id *out_id)
{
    enum { TRACE_ID_AT = 3, DIGITS = 32 };
    uint8_t raw[DIGITS / 2];
    char digits[DIGITS + 1];
    const char *from = strlen(text) > DIGITS && text[2] == '-' ? text + TRACE_ID_AT : text;
    if (strlen(from) < DIGITS || (from != text && from[DIGITS] != '-')) return false;
    if (from == text && strlen(text) != DIGITS) return false;
    memcpy(digits, from, DIGITS);
    digits[DIGITS] = '\0';
    if (!text_from_hex(raw, sizeof(raw), digits)) return false;
    struct request_id id = { 0 };
    for (int i = 0; i < 8; i++) {
        id.high = id.high << 8 | raw[i];
        id.low = id.low << 8 | raw[8 + i];
    }
    if (id.high == 0 && id.low == 0) return false; /* The specification's "invalid". */
    *out_id = id;
    return true;
}

static void request_id_bytes(struct request_id id, uint8_t raw[16])
{
    for (int i = 0; i < 8; i++) {
        raw[i] = (uint8_t)(id.high >> (56 - 8 * i));
        raw[8 + i] = (uint8_t)(id.low >> (56 - 8 * i));
    }
}

static void request_id_text(struct request_id id, char text[33])
{
    uint8_t raw[16];
    request_id_bytes(id, raw);
    text_hex(text, raw, sizeof(raw));
}

/* --- the end of a call -------------------------------------------------------------------------------- */

static void call_destroy(struct actor *self, struct slice_call *calls, struct call *call)
{
    actor_cancel(self, &call->timer);
    (void)map_remove_number(&calls->calls, call->number);
    bytes_unref(&call->payload);
    message_destroy(&call->request);
    memory_free(call);
}

static void reply_to_client(struct actor *self, const struct call *call, const struct message *answer)
{
    struct message *reply = wire_message_create(KIND_CALL_REPLY);
    Pb__CallReply *body = reply->body;
    struct text payload = { 0 };
    char request_id[33];
    if (answer->attachment != NULL) {
        char *copy =
            arena_strndup(&reply->arena, (const char *)answer->attachment->data, answer->attachment->size);
        text_add_utf8(&payload, copy); /* A string field holds UTF-8, whatever the slice answered. */
    }
    request_id_text(call->request_id, request_id);
    body->payload = wire_string(reply, text_string(&payload));
    body->node = wire_string(reply, call->node);
    body->instance = call->instance;
    body->request_id = wire_string(reply, request_id);
    body->elapsed_us = (uint64_t)(actor_now_ns(self) - call->began_ns) / 1000;
    text_fini(&payload);
    actor_reply(self, call->request, &reply);
}

static void reply_with_attachment(struct actor *self, struct slice_call *calls, const struct call *call,
                                  const struct message *answer)
{
    struct message *reply = wire_message_create(KIND_INVOKE_REPLY);
    Pb__InvokeReply *body = reply->body;
    struct bytes *payload = bytes_ref(answer->attachment);
    body->handled_us = (uint64_t)(actor_now_ns(self) - call->began_ns) / 1000;
    body->repeatable = endpoint_table_is_repeatable(&calls->table, call->artifact, call->entry);
    if (payload != NULL) message_attach(reply, &payload);
    actor_reply(self, call->request, &reply);
}

static void finish_ok(struct actor *self, struct slice_call *calls, struct call *call,
                      const struct message *answer)
{
    if (call->source == FROM_CLIENT) reply_to_client(self, call, answer);
    else reply_with_attachment(self, calls, call, answer);
    call_destroy(self, calls, call);
}

static void note_outcome(struct actor *self, struct slice_call *calls, const struct call *call,
                         enum status status)
{
    char request_id[33];
    if (!call_outcomes_matter(status) || call->source == FROM_NODE) return; /* Its own node tells it. */
    request_id_text(call->request_id, request_id);
    call_outcomes_note(&calls->outcomes, status, call->target, call->node, request_id);
    if (calls->outcomes_timer.value != 0) return;
    calls->outcomes_timer = actor_after(self, SECONDS(1), KIND_SLICE_CALL_TIMER, tag_outcomes);
}

static void finish_failed(struct actor *self, struct slice_call *calls, struct call *call,
                          const struct error *error)
{
    note_outcome(self, calls, call, error->status);
    actor_refuse_error(self, call->request, error);
    call_destroy(self, calls, call);
}

/* --- trying again ------------------------------------------------------------------------------------- */

/* These are said before an instance's code runs; after it ran nobody says them (a slice's own failure is
 * APP_ERROR, whatever it failed with). */
static bool surely_not_started(enum status status)
{
    return status == STATUS_NO_ENDPOINT || status == STATUS_NOT_READY || status == STATUS_OVERLOADED;
}

static bool may_try_again(struct actor *self, struct slice_call *calls, const struct call *call,
                          enum status status)
{
    bool lost = status == STATUS_NODE_LOST || status == STATUS_CRASHED;
    bool repeatable = endpoint_table_is_repeatable(&calls->table, call->artifact, call->entry);
    if (call->source == FROM_NODE || call->attempts >= ATTEMPTS_MAX) return false;
    if (!surely_not_started(status) && !(lost && repeatable)) return false;
    if (calls->retry_tokens < RETRY_COST || actor_now_ns(self) >= call->deadline_ns) return false;
    calls->retry_tokens -= RETRY_COST;
    return true;
}

/* Exponential with full jitter: those who failed together don't come back together. */
static int64_t pause_ns(struct actor *self, uint32_t attempts)
{
    int64_t most_ms = RETRY_PAUSE_MIN_MS;
    for (uint32_t i = 0; i < attempts && most_ms < RETRY_PAUSE_MAX_MS; i++)
        most_ms *= 2;
    return (int64_t)(actor_random(self) % (uint64_t)MILLISECONDS(most_ms));
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void arm(struct actor *self, struct call *call, int64_t delay_ns)
{
    int64_t left_ns = call->deadline_ns - actor_now_ns(self);
    actor_cancel(self, &call->timer);
    call->timer =
        actor_after(self, least(delay_ns, left_ns < 1 ? 1 : left_ns), KIND_SLICE_CALL_TIMER, call->number);
}

static void attempt_failed(struct actor *self, struct slice_call *calls, struct call *call,
                           const struct error *error)
{
    if (!may_try_again(self, calls, call, error->status)) {
        finish_failed(self, calls, call, error);
        return;
    }
    call->phase = CALL_PAUSES;
    arm(self, call, pause_ns(self, call->attempts));
}

__attribute__((format(printf, 5, 6))) static void attempt_failed_with(struct actor *self,
                                                                      struct slice_call *calls,
                                                                      struct call *call, enum status status,
                                                                      const char *format, ...)
{
    struct error error;
    char text[ERROR_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)error_set(&error, status, "%s", text);
    attempt_failed(self, calls, call, &error);
}

/* --- choosing an instance ----------------------------------------------------------------------------- */

static bool version_fits(const struct call *call, const struct endpoint *endpoint)
{
    if (call->wanted.version[0] == '\0') return true;
    const char *version = strrchr(endpoint->artifact, ':');
    return version != NULL && strcmp(version + 1, call->wanted.version) == 0;
}

static bool failed_last(const struct call *call, const struct endpoint *endpoint)
{
    return call->attempts > 0 && endpoint->instance == call->instance &&
           strcmp(endpoint->node, call->node) == 0 && strcmp(endpoint->artifact, call->artifact) == 0;
}

static bool is_here(const struct slice_call *calls, const struct endpoint *endpoint)
{
    return strcmp(endpoint->node, calls->node) == 0;
}

/* Ours are as good as what the slice store says; others as good as their node. */
static enum endpoint_standing standing_of(const struct slice_call *calls, const struct endpoint *endpoint)
{
    if (!is_here(calls, endpoint)) return endpoint_table_standing(&calls->table, endpoint->node);
    return serving_find(&calls->serving, endpoint->artifact, endpoint->instance) != NULL ? ENDPOINT_GOOD
                                                                                         : ENDPOINT_AVOIDED;
}

static bool has_place(const struct slice_call *calls, const struct endpoint *endpoint)
{
    const struct serving_instance *instance =
        serving_find(&calls->serving, endpoint->artifact, endpoint->instance);
    const struct serving_entry *entry = instance == NULL ? NULL : serving_entry(instance, endpoint->entry);
    return entry != NULL && instance->waiting == 0 && entry->in_flight < entry->concurrency_max;
}

/* Highest random weight (Thaler, Ravishankar 1998): the same key meets the same instance while it serves. */
static uint64_t affinity_weight(const struct call *call, const struct endpoint *endpoint)
{
    uint64_t key = hash64(call->affinity, strlen(call->affinity), 1);
    return hash64_mix(key, hash64(endpoint->artifact, strlen(endpoint->artifact), endpoint->instance));
}

/* Two draws without replacement, the less loaded of them; `count` > 0. */
static struct endpoint *less_loaded_of_two(struct actor *self, struct endpoint *const *list, uint32_t count)
{
    if (count == 1) return list[0];
    uint32_t first = (uint32_t)(actor_random(self) % count);
    uint32_t second = (uint32_t)(actor_random(self) % (count - 1));
    if (second >= first) second++;
    return list[second]->in_flight < list[first]->in_flight ? list[second] : list[first];
}

static struct endpoint *choose_among(struct actor *self, struct slice_call *calls, const struct call *call,
                                     struct endpoint *const *list, uint32_t count)
{
    struct endpoint *best = NULL;
    uint64_t best_weight = 0;
    for (uint32_t i = 0; i < count && call->affinity[0] != '\0'; i++) {
        uint64_t weight = affinity_weight(call, list[i]);
        if (best != NULL && weight <= best_weight) continue;
        best = list[i];
        best_weight = weight;
    }
    for (uint32_t i = 0; i < count && best == NULL; i++) {
        if (is_here(calls, list[i]) && has_place(calls, list[i])) best = list[i];
    }
    return best != NULL ? best : less_loaded_of_two(self, list, count);
}

/* The best standing first; the one that failed last only where there is no other. */
static struct endpoint *choose(struct actor *self, struct slice_call *calls, const struct call *call)
{
    uint32_t count = 0;
    struct endpoint *const *all = endpoint_table_find(&calls->table, &call->wanted, call->entry, &count);
    struct endpoint **fit = memory_array(count + 1, sizeof(struct endpoint *));
    struct endpoint *chosen = NULL;
    for (int spare = 0; spare <= 1 && chosen == NULL; spare++) {
        for (int wanted = ENDPOINT_GOOD; wanted >= ENDPOINT_DOUBTED && chosen == NULL; wanted--) {
            uint32_t fitting = 0;
            for (uint32_t i = 0; i < count; i++) {
                if (!version_fits(call, all[i]) || failed_last(call, all[i]) != (spare == 1)) continue;
                if ((int)standing_of(calls, all[i]) == wanted) fit[fitting++] = all[i];
            }
            if (fitting > 0) chosen = choose_among(self, calls, call, fit, fitting);
        }
    }
    memory_free(fit);
    return chosen;
}

/* --- sending it there --------------------------------------------------------------------------------- */

static struct message *invoke_message(struct actor *self, const struct call *call)
{
    actor_set_request_id(self, call->request_id);
    struct message *message = wire_message_create(KIND_INVOKE_REQUEST);
    Pb__InvokeRequest *invoke = message->body;
    int64_t left_ns = call->deadline_ns - actor_now_ns(self);
    invoke->artifact = wire_string(message, call->artifact);
    invoke->instance = call->instance;
    invoke->entry = wire_string(message, call->entry);
    invoke->budget_ms = left_ns <= 0 ? 1 : (uint64_t)(left_ns / MILLISECONDS(1)) + 1;
    invoke->request_id.data = arena_alloc(&message->arena, 16);
    invoke->request_id.len = 16;
    request_id_bytes(call->request_id, invoke->request_id.data);
    invoke->caller = wire_string(message, call->caller);
    struct bytes *payload = bytes_ref(call->payload);
    if (payload != NULL) message_attach(message, &payload);
    return message;
}

static void on_local_answer(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_call *calls = state;
    struct call *call = context; /* An asked call stays until its one completion. */
    struct serving_instance *instance = serving_find_number(&calls->serving, call->serving_number);
    if (instance != NULL) serving_end(serving_entry(instance, call->entry));
    if (result->status == STATUS_OK) {
        finish_ok(self, calls, call, result->message);
    } else if (result->status == STATUS_NOT_FOUND) { /* The actor was gone before it got the message. */
        attempt_failed_with(self, calls, call, STATUS_NO_ENDPOINT, "%s#%u is stopping", call->artifact,
                            call->instance);
    } else if (result->status == STATUS_CANCELLED) { /* Nobody withdrew it: the instance ended under it. */
        attempt_failed_with(self, calls, call, STATUS_CRASHED, "%s#%u ended", call->artifact, call->instance);
    } else {
        attempt_failed(self, calls, call, result->error);
    }
    if (instance != NULL) pump(self, calls, instance);
}

static void ask_local(struct actor *self, struct serving_instance *instance, struct call *call)
{
    struct message *message = invoke_message(self, call);
    call->phase = CALL_ASKED;
    call->serving_number = instance->number;
    actor_cancel(self, &call->timer);
    actor_ask(self, instance->actor, &message, call->deadline_ns - actor_now_ns(self), on_local_answer, call);
}

static void deliver_here(struct actor *self, struct slice_call *calls, struct call *call)
{
    struct serving_instance *instance = serving_find(&calls->serving, call->artifact, call->instance);
    struct serving_entry *entry = instance == NULL ? NULL : serving_entry(instance, call->entry);
    (void)text_copy(call->node, sizeof(call->node), calls->node);
    if (entry == NULL) {
        attempt_failed_with(self, calls, call, STATUS_NO_ENDPOINT, "%s#%u does not serve %s on node %s",
                            call->artifact, call->instance, call->entry, calls->node);
        return;
    }
    if (entry->repeatable) endpoint_table_learn_repeatable(&calls->table, call->artifact, call->entry);
    if (instance->waiting == 0 && serving_begin(entry)) {
        ask_local(self, instance, call);
        return;
    }
    if (!serving_wait(instance, entry, &call->waiter)) {
        attempt_failed_with(self, calls, call, STATUS_OVERLOADED, "%s#%u has %d calls waiting",
                            call->artifact, call->instance, SERVING_WAITING_MAX);
        return;
    }
    call->phase = CALL_WAITS;
    call->serving_number = instance->number;
    arm(self, call, call->deadline_ns - actor_now_ns(self));
    pump(self, calls, instance); /* Another entry point's calls may be what waits. */
}

/* Whoever waits and now has a place goes on, oldest first. */
static void pump(struct actor *self, struct slice_call *calls, struct serving_instance *instance)
{
    (void)calls;
    struct serving_waiter *waiter = NULL;
    while ((waiter = serving_next_waiter(instance, false)) != NULL) {
        bool begun = serving_begin(waiter->entry);
        CHECK(begun); /* serving_next_waiter gave one that has a place. */
        ask_local(self, instance, CONTAINER_OF(waiter, struct call, waiter));
    }
}

static void on_remote_answer(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_call *calls = state;
    struct call *call = context;
    struct endpoint *endpoint =
        endpoint_table_get(&calls->table, call->artifact, call->entry, call->instance);
    if (endpoint != NULL && endpoint->in_flight > 0) endpoint->in_flight--; /* 0: it came anew meanwhile. */
    if (result->status == STATUS_CANCELLED) { /* Nobody withdrew it: the node stops. */
        attempt_failed_with(self, calls, call, STATUS_NODE_LOST, "node %s is stopping", call->node);
        return;
    }
    if (result->status == STATUS_NOT_FOUND) { /* Its slice_call isn't there (yet): nothing has started. */
        attempt_failed_with(self, calls, call, STATUS_NO_ENDPOINT, "node %s is starting", call->node);
        return;
    }
    if (result->status != STATUS_OK) {
        attempt_failed(self, calls, call, result->error);
        return;
    }
    if (result->message->kind != KIND_INVOKE_REPLY) { /* It may have run: nobody can tell. */
        attempt_failed_with(self, calls, call, STATUS_UNKNOWN, "node %s gave no answer", call->node);
        return;
    }
    const Pb__InvokeReply *reply = result->message->body;
    if (reply->repeatable) endpoint_table_learn_repeatable(&calls->table, call->artifact, call->entry);
    finish_ok(self, calls, call, result->message);
}

static void ask_remote(struct actor *self, struct endpoint *endpoint, struct call *call)
{
    struct message *message = invoke_message(self, call);
    call->phase = CALL_ASKED;
    call->serving_number = 0;
    endpoint->in_flight++;
    wire_ask(self, endpoint->node, CHANNEL_DATA, &message, call->deadline_ns - actor_now_ns(self),
             on_remote_answer, call);
}

static void attempt(struct actor *self, struct slice_call *calls, struct call *call)
{
    struct endpoint *endpoint = choose(self, calls, call);
    if (endpoint == NULL) {
        struct error error;
        (void)error_set(&error, STATUS_NO_ENDPOINT, "no live instance serves %s", call->target);
        error_hint(&error, "aether endpoint list shows what is served");
        finish_failed(self, calls, call, &error); /* Waiting for one is the caller's choice. */
        return;
    }
    call->attempts++;
    call->instance = endpoint->instance;
    (void)text_copy(call->artifact, sizeof(call->artifact), endpoint->artifact);
    (void)text_copy(call->node, sizeof(call->node), endpoint->node);
    if (is_here(calls, endpoint)) deliver_here(self, calls, call);
    else ask_remote(self, endpoint, call);
}

/* --- requests ----------------------------------------------------------------------------------------- */

/* The kept request becomes a call; NULL: refused. The caller fills in the target and starts it. */
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
    call->affinity = call->caller = "";
    call->request = actor_keep(self);
    (void)map_put_number(&calls->calls, call->number, call);
    if (calls->retry_tokens < RETRY_TOKENS_MAX) calls->retry_tokens++;
    return call;
}

static void start(struct actor *self, struct slice_call *calls, struct call *call, const char *target)
{
    struct error error = { 0 };
    if (coordinates_parse_target(target, &call->wanted, call->entry, &error) != STATUS_OK) {
        finish_failed(self, calls, call, &error);
        return;
    }
    (void)text_copy(call->target, sizeof(call->target), target);
    attempt(self, calls, call);
}

static void on_call(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    const Pb__CallRequest *request = message->body;
    struct call *call = call_create(self, calls, message, FROM_CLIENT);
    if (call == NULL) return;
    struct error error;
    if (request->request_id[0] != '\0' && !read_request_id(request->request_id, &call->request_id)) {
        (void)error_set(&error, STATUS_INVALID, "the request id is neither 32 hex digits nor a traceparent");
        finish_failed(self, calls, call, &error);
        return;
    }
    const char *payload = request->payload[0] == '\0' ? "null" : request->payload;
    bytes_unref(&call->payload);
    call->payload = bytes_copy(payload, strlen(payload));
    call->affinity = request->affinity;
    call->caller = "client";
    start(self, calls, call, request->target);
}

static void on_outbound(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    const struct slice_outbound *outbound = message->body;
    struct call *call = call_create(self, calls, message, FROM_SLICE);
    if (call == NULL) return;
    call->affinity = outbound->affinity;
    call->caller = arena_printf(&call->request->arena, "%s@%s", outbound->caller, calls->node);
    start(self, calls, call, outbound->target);
}

static void on_invoke(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    const Pb__InvokeRequest *invoke = message->body;
    if (calls->fenced) { /* A8: others may not count on what runs here; callers of this node may. */
        struct error error;
        (void)error_set(&error, STATUS_NODE_LOST, "node %s has lost the cluster; nothing was started",
                        calls->node);
        actor_refuse_error(self, message, &error);
        return;
    }
    struct call *call = call_create(self, calls, message, FROM_NODE);
    if (call == NULL) return;
    struct coordinates parsed;
    struct error error;
    if (coordinates_parse(invoke->artifact, COORDINATES_EXACT, &parsed, &error) != STATUS_OK) {
        finish_failed(self, calls, call, &error);
        return;
    }
    (void)text_copy(call->artifact, sizeof(call->artifact), invoke->artifact);
    (void)text_copy(call->entry, sizeof(call->entry), invoke->entry);
    (void)snprintf(call->target, sizeof(call->target), "%s/%s", call->artifact, call->entry);
    call->instance = invoke->instance;
    call->caller = invoke->caller;
    deliver_here(self, calls, call);
}

/* --- what it learns ----------------------------------------------------------------------------------- */

/* Those who wait for an instance that is gone surely did not start. */
static void release_waiters(struct actor *self, struct slice_call *calls, struct serving_instance *instance)
{
    struct serving_waiter *waiter = NULL;
    while ((waiter = serving_next_waiter(instance, true)) != NULL) {
        struct call *call = CONTAINER_OF(waiter, struct call, waiter);
        attempt_failed_with(self, calls, call, STATUS_NO_ENDPOINT, "%s#%u ended", call->artifact,
                            call->instance);
    }
}

static void forget_instance(struct actor *self, struct slice_call *calls, const struct instance_key *key)
{
    struct serving_instance *instance = serving_find(&calls->serving, key->artifact, key->instance);
    if (instance == NULL) return;
    release_waiters(self, calls, instance);
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
    (void)self;
    endpoint_table_set_connected(&calls->table, change->node, message->kind == KIND_PEER_UP);
}

static void on_fenced(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    const Pb__NodeFenced *fenced = message->body;
    if (calls->fenced == (fenced->fenced != 0)) return;
    calls->fenced = fenced->fenced != 0;
    log_warn(self, "call.fenced", "fenced=%d", (int)calls->fenced);
    MARK("slice_call.fence_changes");
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
    calls->outcomes_timer = actor_after(self, SECONDS(1), KIND_SLICE_CALL_TIMER, tag_outcomes);
}

static void on_timer(struct actor *self, void *state, const struct message *message)
{
    struct slice_call *calls = state;
    if (message->tag == tag_outcomes) {
        calls->outcomes_timer = (struct timer_id){ 0 };
        call_outcomes_tell(&calls->outcomes, self, calls->node, on_outcomes_told);
        return;
    }
    struct call *call = map_get_number(&calls->calls, message->tag);
    if (call == NULL) return;
    call->timer = (struct timer_id){ 0 };
    if (call->phase == CALL_WAITS) {
        struct serving_instance *instance = serving_find_number(&calls->serving, call->serving_number);
        CHECK(instance != NULL); /* Else its waiters were released. */
        serving_stop_waiting(instance, &call->waiter);
    }
    if (actor_now_ns(self) >= call->deadline_ns) {
        struct error error;
        (void)error_set(&error, STATUS_DEADLINE, "%s did not start in time", call->target);
        finish_failed(self, calls, call, &error);
    } else if (call->phase == CALL_PAUSES) {
        attempt(self, calls, call);
    }
}

static enum status slice_call_init(struct actor *self, void *state, const void *options, struct error *error)
{
    struct slice_call *calls = state;
    const struct slice_call_options *given = options;
    if (!text_copy(calls->node, sizeof(calls->node), given->node))
        return error_set(error, STATUS_INVALID, "the node's name is too long");
    calls->retry_tokens = RETRY_TOKENS_MAX / 10;
    calls->endpoints = (struct follow){ .prefix = "endpoints/", .watch_id = WATCH_ENDPOINTS };
    calls->nodes = (struct follow){ .prefix = "nodes/", .watch_id = WATCH_NODES };
    follow_start(self, &calls->endpoints);
    follow_start(self, &calls->nodes);
    return STATUS_OK;
}

static void slice_call_fini(void *state)
{
    struct slice_call *calls = state;
    uint64_t number = 0;
    void *value = NULL;
    serving_fini(&calls->serving); /* Before the calls: it links those that wait. */
    for (size_t i = 0; map_next_number(&calls->calls, &i, &number, &value);) {
        struct call *call = value;
        bytes_unref(&call->payload);
        message_destroy(&call->request);
        memory_free(call);
    }
    map_fini(&calls->calls);
    endpoint_table_fini(&calls->table);
}

static const struct behavior_row rows[] = {
    { KIND_CALL_REQUEST, on_call },     { KIND_SLICE_OUTBOUND, on_outbound },
    { KIND_INVOKE_REQUEST, on_invoke }, { KIND_INSTANCE_SERVING, on_serving },
    { KIND_INSTANCE_GONE, on_gone },    { KIND_STATE_CHANGED, on_changed },
    { KIND_PEER_UP, on_peer },          { KIND_PEER_DOWN, on_peer },
    { KIND_NODE_FENCED, on_fenced },    { KIND_SLICE_CALL_TIMER, on_timer },
};
const struct behavior slice_call_behavior = {
    .name = "slice_call",
    .state_size = sizeof(struct slice_call),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 16384,
    .init = slice_call_init,
    .fini = slice_call_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
