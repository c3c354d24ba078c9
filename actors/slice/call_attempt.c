/* call_attempt: see the header. A call costs one message to an instance of this node, and one frame to
 * another node, whose slice_call alone queues it. */
#include "actors/slice/call_attempt.h"

#include "actors/slice/call_choice.h"
#include "actors/slice/call_end.h"
#include "actors/slice/call_keyed.h"
#include "actors/slice/lateness.h"
#include "actors/slice/trace_context.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/outcome.h"
#include "wire/proto/slice.pb-c.h"
#include "wire/remote.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PAUSE_MIN_MS = 5, PAUSE_MAX_MS = 320 };
static const int64_t full_believed_ns = MILLISECONDS(100);

static void pump(struct actor *self, struct slice_call *calls, struct serving_instance *instance);

/* --- trying again -------------------------------------------------------------------------------------- */

static bool twice_is_harmless(const struct call *call)
{
    return call->key[0] != '\0' || (call->endpoint != NULL && call->endpoint->exact->repeatable);
}

/* Exponential with full jitter: those who failed together don't come back together. */
static int64_t pause_ns(struct actor *self, uint32_t tries)
{
    int64_t most_ms = PAUSE_MIN_MS;
    for (uint32_t i = 0; i < tries && most_ms < PAUSE_MAX_MS; i++)
        most_ms *= 2;
    return (int64_t)(actor_random(self) % (uint64_t)MILLISECONDS(most_ms));
}

static enum call_verdict judge(struct actor *self, struct slice_call *calls, const struct call *call,
                               const struct error *error, int64_t delay_ns)
{
    const struct outcome *outcome = outcome_find(outcome_of(error->status));
    CHECK(outcome != NULL);
    bool unstarted = outcome->retry == RETRY_ALWAYS || error->is_unstarted;
    if (call->source == FROM_NODE || call->source == FROM_KEY) return VERDICT_NOT_OURS;
    if (outcome->retry == RETRY_NEVER) return VERDICT_FINAL;
    if (!unstarted && !twice_is_harmless(call)) return VERDICT_UNSAFE;
    if (call->try_count == 1 && call->endpoint == NULL &&
        endpoint_table_find(&calls->table, call->target) == NULL)
        return VERDICT_NOBODY;
    if (call->try_count >= CALL_ATTEMPTS_MAX) return VERDICT_ENOUGH;
    if (actor_now_ns(self) + delay_ns >= call->deadline_ns) return VERDICT_NO_TIME;
    if (!retry_budget_spend(&calls->budget, call->budget, actor_now_ns(self))) return VERDICT_BUDGET;
    return unstarted ? VERDICT_AGAIN_UNSTARTED : VERDICT_AGAIN_HARMLESS;
}

void call_attempt_arm(struct actor *self, struct call *call, int64_t delay_ns)
{
    int64_t left_ns = call->deadline_ns - actor_now_ns(self);
    if (left_ns < 1) left_ns = 1;
    actor_cancel(self, &call->timer);
    call->timer =
        actor_after(self, delay_ns < left_ns ? delay_ns : left_ns, KIND_SLICE_CALL_TIMER, call->number);
}

void call_attempt_failed(struct actor *self, struct slice_call *calls, struct call *call,
                         const struct error *error)
{
    if (call->source == FROM_KEY) {
        call_keyed_end(self, calls, call, error, NULL, 0);
        return;
    }
    int64_t delay_ns = pause_ns(self, call->try_count);
    call->verdict = judge(self, calls, call, error, delay_ns);
    if (call->verdict != VERDICT_AGAIN_UNSTARTED && call->verdict != VERDICT_AGAIN_HARMLESS) {
        call_end_failed(self, calls, call, error);
        return;
    }
    call_end_note_try(self, call, error);
    call->phase = CALL_PAUSES;
    call_attempt_arm(self, call, delay_ns);
}

void call_attempt_failed_with(struct actor *self, struct slice_call *calls, struct call *call,
                              enum status status, const char *format, ...)
{
    struct error error;
    char text[ERROR_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)error_set(&error, status, "%s", text);
    call_attempt_failed(self, calls, call, &error);
}

/* --- to an instance of this node ----------------------------------------------------------------------- */

static struct message *invoke_message(struct actor *self, const struct call *call)
{
    actor_set_request_id(self, call->request_id);
    actor_set_deadline(self, call->deadline_ns); /* The turn may be another call's, whose end made room. */
    struct message *message = wire_message_create(KIND_INVOKE_REQUEST);
    Pb__InvokeRequest *invoke = message->body;
    int64_t left_ns = call->deadline_ns - actor_now_ns(self);
    invoke->artifact = wire_string(message, call->artifact);
    invoke->instance = call->instance;
    invoke->entry = wire_string(message, call->entry);
    invoke->budget_ms = left_ns <= 0 ? 1 : (uint64_t)(left_ns / MILLISECONDS(1)) + 1;
    invoke->caller = wire_string(message, call->caller);
    invoke->depth = call->depth;
    struct bytes *payload = bytes_ref(call->payload);
    if (payload != NULL) message_attach(message, &payload);
    return message;
}

static uint32_t load_of(const struct serving_instance *instance)
{
    return instance == NULL ? 0 : instance->in_flight + instance->waiting;
}

/* What the instance was asked has completed: its place is free again, and the figures know. */
static void end_place(struct actor *self, struct call *call, struct serving_instance *instance, bool answered,
                      enum status status)
{
    if (instance == NULL) return; /* It ended meanwhile, and its entries with it. */
    serving_end(instance, call->serving_entry);
    if (!answered) return;
    histogram_add(&instance->took, (uint64_t)(actor_now_ns(self) - call->began_ns));
    instance->failed += status == STATUS_OK ? 0 : 1;
}

/* Its slice may ask the instance itself the next time (actors/slice/messages.h). */
static void tell_route(struct actor *self, const struct call *call, const struct serving_instance *instance)
{
    if (call->source != FROM_SLICE || instance == NULL) return;
    if (call->affinity[0] != '\0' || call->key[0] != '\0') return;
    struct message *message = message_create(KIND_SLICE_ROUTE, sizeof(struct slice_route));
    struct slice_route *route = message->body;
    *route = (struct slice_route){ .target = arena_strdup(&message->arena, call->target),
                                   .artifact = arena_strdup(&message->arena, call->artifact),
                                   .entry = arena_strdup(&message->arena, call->entry),
                                   .instance = call->instance,
                                   .actor = instance->actor,
                                   .deadline_ms = call->serving_entry->deadline_ms,
                                   .repeatable = call->serving_entry->repeatable };
    actor_tell(self, call->request->sender, &message);
}

/* The instance's own answer, or that it ended under the call. */
static void take_local_answer(struct actor *self, struct slice_call *calls, struct call *call,
                              struct serving_instance *instance, const struct ask_result *result)
{
    if (call->withdrawn) {
        call_end_silently(self, calls, call);
    } else if (result->status == STATUS_OK && call->source == FROM_KEY) {
        call_keyed_end(self, calls, call, NULL, result->message->attachment, load_of(instance));
    } else if (result->status == STATUS_OK) {
        tell_route(self, call, instance);
        call_end_with_reply(self, calls, call, result->message, load_of(instance));
    } else if (result->status == STATUS_NOT_FOUND) { /* The actor was gone before it got the message. */
        call_attempt_failed_with(self, calls, call, STATUS_NO_ENDPOINT, "%s#%u is stopping", call->artifact,
                                 call->instance);
    } else if (result->status == STATUS_CANCELLED) { /* Nobody withdrew it: the instance ended under it. */
        call_attempt_failed_with(self, calls, call, STATUS_CRASHED, "%s#%u ended", call->artifact,
                                 call->instance);
    } else {
        call_attempt_failed(self, calls, call, result->error);
    }
}

static bool is_answer(enum status status)
{
    const struct outcome *outcome = outcome_find(status);
    return outcome != NULL && outcome->retry != RETRY_ALWAYS && status != STATUS_CANCELLED;
}

/* The instance was asked, and its time is up: that it is late is told, whatever becomes of the call. */
static void tell_late(struct actor *self, const struct call *call, struct serving_instance *instance)
{
    int64_t now_ns = actor_now_ns(self);
    if (instance->late_told_ns != 0 && now_ns - instance->late_told_ns < LATENESS_EVERY_NS) return;
    instance->late_told_ns = now_ns;
    struct message *message = message_create(KIND_INSTANCE_LATE, sizeof(struct instance_late));
    struct instance_late *late = message->body;
    late->key = instance->key;
    late->allowed_ms = (uint64_t)((call->deadline_ns - call->began_ns) / MILLISECONDS(1));
    (void)text_copy(late->entry, sizeof(late->entry), call->entry);
    actor_tell_name(self, TO_NODE_DEPLOYMENT_MANAGER, &message);
}

static void on_local_answer(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_call *calls = state;
    struct call *call = context; /* An asked call stays until its one completion. */
    struct serving_instance *instance = serving_find_number(&calls->serving, call->serving_number);
    end_place(self, call, instance, is_answer(result->status), result->status);
    if (instance == NULL) call->serving_number = 0;
    else if (result->status == STATUS_DEADLINE) tell_late(self, call, instance);
    take_local_answer(self, calls, call, instance, result);
    if (instance != NULL) pump(self, calls, instance);
}

static void ask_local(struct actor *self, struct serving_instance *instance, struct call *call)
{
    struct message *message = invoke_message(self, call);
    message->tag = call->number; /* By which it is withdrawn. */
    call->phase = CALL_ASKED;
    actor_cancel(self, &call->timer);
    actor_ask(self, instance->actor, &message, call->deadline_ns - actor_now_ns(self), on_local_answer, call);
}

void call_attempt_queue(struct actor *self, struct slice_call *calls, struct call *call,
                        struct serving_instance *instance, struct serving_entry *entry)
{
    call->serving_number = instance->number;
    call->serving_entry = entry;
    if (instance->waiting == 0 && serving_begin(instance, entry)) {
        ask_local(self, instance, call);
        return;
    }
    switch (serving_wait(instance, entry, &call->waiter, call->caller_hash)) {
    case SERVING_FULL:
        call_attempt_failed_with(self, calls, call, STATUS_OVERLOADED, "%s#%u has %d calls waiting",
                                 call->artifact, call->instance, SERVING_WAITING_MAX);
        return;
    case SERVING_SHARE_FULL:
        call_attempt_failed_with(self, calls, call, STATUS_OVERLOADED, "%s has %d calls waiting for %s#%u",
                                 call->caller, SERVING_CALLER_MAX, call->artifact, call->instance);
        return;
    case SERVING_WAITS: break;
    }
    call->phase = CALL_WAITS;
    call_attempt_arm(self, call, call->deadline_ns - actor_now_ns(self));
    pump(self, calls, instance); /* Another entry point's calls may be what waits. */
}

/* Whoever waits and now has a place goes on, oldest first. */
static void pump(struct actor *self, struct slice_call *calls, struct serving_instance *instance)
{
    (void)calls;
    struct serving_waiter *waiter = NULL;
    while ((waiter = serving_next_waiter(instance, false)) != NULL) {
        bool begun = serving_begin(instance, waiter->entry);
        CHECK(begun); /* serving_next_waiter gave one that has a place. */
        ask_local(self, instance, CONTAINER_OF(waiter, struct call, waiter));
    }
}

/* The deadline of the entry point, where the caller named none. */
static void limit_time(struct call *call, const struct serving_entry *entry)
{
    int64_t most_ns = call->began_ns + MILLISECONDS((int64_t)entry->deadline_ms);
    if (call->deadline_named || entry->deadline_ms == 0 || most_ns >= call->deadline_ns) return;
    call->deadline_ns = most_ns;
}

static void deliver(struct actor *self, struct slice_call *calls, struct call *call,
                    struct serving_instance *instance, struct serving_entry *entry)
{
    if (entry == NULL) {
        call_attempt_failed_with(self, calls, call, STATUS_NO_ENDPOINT, "%s#%u does not serve %s on node %s",
                                 call->artifact, call->instance, call->entry, calls->node->name);
        return;
    }
    limit_time(call, entry);
    if (entry->repeatable && call->endpoint != NULL) call->endpoint->exact->repeatable = true;
    if (call->key[0] != '\0') call_keyed_join(self, calls, call, instance, entry);
    else call_attempt_queue(self, calls, call, instance, entry);
}

void call_attempt_here(struct actor *self, struct slice_call *calls, struct call *call)
{
    struct serving_instance *instance = serving_find(&calls->serving, call->artifact, call->instance);
    deliver(self, calls, call, instance, instance == NULL ? NULL : serving_entry(instance, call->entry));
}

/* --- to another node ----------------------------------------------------------------------------------- */

static void take_remote_answer(struct actor *self, struct slice_call *calls, struct call *call,
                               const struct ask_result *result)
{
    struct endpoint *endpoint = call->endpoint;
    if (result->status == STATUS_CANCELLED) { /* Nobody withdrew it: the node stops. */
        call_attempt_failed_with(self, calls, call, STATUS_NODE_LOST, "node %s is stopping",
                                 endpoint->node->name);
    } else if (result->status ==
               STATUS_NOT_FOUND) { /* Its slice_call isn't there (yet): nothing has started. */
        call_attempt_failed_with(self, calls, call, STATUS_NO_ENDPOINT, "node %s is starting",
                                 endpoint->node->name);
    } else if (result->status != STATUS_OK) {
        call_attempt_failed(self, calls, call, result->error);
    } else if (result->message->kind != KIND_INVOKE_REPLY) { /* It may have run: nobody can tell. */
        call_attempt_failed_with(self, calls, call, STATUS_UNKNOWN, "node %s gave no answer",
                                 endpoint->node->name);
    } else {
        const Pb__InvokeReply *reply = result->message->body;
        if (reply->repeatable) endpoint->exact->repeatable = true;
        call_choice_learn(endpoint, reply->load, actor_now_ns(self));
        call_end_with_reply(self, calls, call, result->message, reply->load);
    }
}

static void on_remote_answer(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_call *calls = state;
    struct call *call = context;
    CHECK(call->endpoint->in_flight > 0);
    call->endpoint->in_flight--;
    if (result->status == STATUS_OVERLOADED) { /* Said without a figure: it has more than anybody. */
        call->endpoint->others = SERVING_WAITING_MAX;
        call->endpoint->others_until_ns = actor_now_ns(self) + full_believed_ns;
    }
    if (call->withdrawn) call_end_silently(self, calls, call);
    else take_remote_answer(self, calls, call, result);
}

/* The time goes along as what is left of it (in the frame's header, too): clocks may differ. */
static void ask_remote(struct actor *self, struct call *call)
{
    struct message *message = invoke_message(self, call);
    Pb__InvokeRequest *invoke = message->body;
    invoke->request_id.data = arena_alloc(&message->arena, 16);
    invoke->request_id.len = 16;
    trace_context_bytes(call->request_id, invoke->request_id.data);
    invoke->call = call->number;
    invoke->idempotency_key = wire_string(message, call->key);
    invoke->deadline_named = call->deadline_named;
    call->phase = CALL_ASKED;
    call->serving_number = 0;
    call->endpoint->in_flight++;
    wire_ask(self, call->endpoint->node->name, CHANNEL_DATA, &message, call->deadline_ns - actor_now_ns(self),
             on_remote_answer, call);
}

/* --- an attempt ---------------------------------------------------------------------------------------- */

void call_attempt_begin(struct actor *self, struct slice_call *calls, struct call *call)
{
    CHECK(call->try_count < CALL_ATTEMPTS_MAX);
    struct call_try *made = &call->tries[call->try_count++];
    made->began_ns = actor_now_ns(self);
    call->endpoint = call_choice(self, calls, call);
    if (call->endpoint == NULL) {
        struct error error;
        (void)error_set(&error, STATUS_NO_ENDPOINT, "no live instance serves %s", call->target);
        error_hint(&error, "aether endpoint list shows what is served");
        call_attempt_failed(self, calls, call, &error);
        return;
    }
    made->endpoint = endpoint_table_acquire(call->endpoint);
    call->instance = call->endpoint->instance;
    call->artifact = call->endpoint->artifact;
    call->entry = call->endpoint->entry;
    struct serving_instance *here = call_choice_here(calls, call->endpoint);
    if (call->endpoint->node != calls->node) ask_remote(self, call);
    else deliver(self, calls, call, here, here == NULL ? NULL : call->endpoint->here_entry);
}

void call_attempt_release_waiters(struct actor *self, struct slice_call *calls,
                                  struct serving_instance *instance)
{
    struct serving_waiter *waiter = NULL;
    while ((waiter = serving_next_waiter(instance, true)) != NULL) {
        struct call *call = CONTAINER_OF(waiter, struct call, waiter);
        call->serving_number = 0;
        call_attempt_failed_with(self, calls, call, STATUS_NO_ENDPOINT, "%s#%u ended", call->artifact,
                                 call->instance);
    }
}

static void stop_waiting(struct slice_call *calls, struct call *call)
{
    struct serving_instance *instance = serving_find_number(&calls->serving, call->serving_number);
    CHECK(instance != NULL); /* Else its waiters were released. */
    serving_stop_waiting(instance, &call->waiter);
}

void call_attempt_on_time(struct actor *self, struct slice_call *calls, struct call *call)
{
    struct error error;
    call->timer = (struct timer_id){ 0 };
    if (call->phase == CALL_PAUSES && actor_now_ns(self) < call->deadline_ns) {
        call_attempt_begin(self, calls, call);
        return;
    }
    if (call->phase == CALL_WAITS) stop_waiting(calls, call);
    if (call->phase == CALL_JOINED) (void)call_keyed_leave(call); /* What its key began runs on. */
    (void)error_set(&error, STATUS_DEADLINE, "%s did not %s in time", call->target,
                    call->phase == CALL_JOINED ? "answer" : "start");
    call_attempt_failed(self, calls, call, &error);
}

/* --- withdrawal ---------------------------------------------------------------------------------------- */

static void tell_withdrawn(struct actor *self, struct slice_call *calls, const struct call *call)
{
    if (call->serving_number != 0) {
        const struct serving_instance *instance = serving_find_number(&calls->serving, call->serving_number);
        if (instance == NULL) return; /* It ended under the call, which is about to hear of it. */
        struct message *message = message_create(KIND_INVOKE_WITHDRAWN, sizeof(struct invoke_withdrawn));
        ((struct invoke_withdrawn *)message->body)->tag = call->number;
        actor_tell(self, instance->actor, &message);
        return;
    }
    struct message *message = wire_message_create(KIND_INVOKE_WITHDRAW);
    ((Pb__InvokeWithdraw *)message->body)->call = call->number;
    wire_post(self, call->endpoint->node->name, CHANNEL_DATA, &message);
}

/* What a call FROM_KEY had begun goes with the last that wanted it. */
static void withdraw_run(struct actor *self, struct slice_call *calls, struct call *run)
{
    if (run->phase == CALL_WAITS) stop_waiting(calls, run);
    call_keyed_withdrawn(self, calls, run);
    if (run->phase == CALL_ASKED) {
        run->withdrawn = true;
        tell_withdrawn(self, calls, run);
    } else {
        call_end_silently(self, calls, run);
    }
}

void call_attempt_withdraw(struct actor *self, struct slice_call *calls, struct call *call, const char *who)
{
    struct error error;
    if (call->withdrawn || call->source == FROM_KEY) return;
    bool asked = call->phase == CALL_ASKED;
    bool started = asked || (call->phase == CALL_JOINED && call->run->phase == CALL_ASKED);
    struct call *run = call->phase == CALL_JOINED ? call_keyed_leave(call) : NULL;
    if (call->phase == CALL_WAITS) stop_waiting(calls, call);
    (void)error_set(&error, STATUS_CANCELLED, "%s withdrew %s; it %s", who, call->target,
                    started ? "may have run" : "had not started");
    call->verdict = VERDICT_FINAL;
    if (asked) {
        tell_withdrawn(self, calls, call);
        call_end_withdrawn(self, calls, call, &error);
    } else {
        call_end_failed(self, calls, call, &error);
    }
    if (run != NULL) withdraw_run(self, calls, run);
}
