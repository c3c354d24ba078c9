/* call_end: see the header. A client is answered with CALL_REPLY, everybody else with INVOKE_REPLY; a failure
 * is a refusal, unless a client asked for an explanation: then that is the reply. */
#include "actors/slice/call_end.h"

#include "actors/slice/trace_context.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/outcome.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <string.h>

void call_end_destroy(struct slice_call *calls, struct call *call)
{
    for (uint32_t i = 0; i < call->try_count; i++) {
        endpoint_table_release(&calls->table, &call->tries[i].endpoint);
        memory_free(call->tries[i].message);
    }
    bytes_unref(&call->payload);
    message_destroy(&call->request);
    arena_fini(&call->arena);
    memory_free(call);
}

void call_end_silently(struct actor *self, struct slice_call *calls, struct call *call)
{
    CHECK(call->run == NULL);
    actor_cancel(self, &call->timer);
    (void)map_remove_number(&calls->calls, call->number);
    call_end_destroy(calls, call);
}

void call_end_note_try(struct actor *self, struct call *call, const struct error *error)
{
    if (call->try_count == 0) return; /* Others' choice, or refused before there was any. */
    struct call_try *last = &call->tries[call->try_count - 1];
    last->ended_ns = actor_now_ns(self);
    last->status = error == NULL ? STATUS_OK : error->status;
    if (error != NULL && call->explains && last->message == NULL)
        last->message = memory_strdup(error->message);
}

/* --- explanations -------------------------------------------------------------------------------------- */

static const char *why(const struct call *call)
{
    switch (call->verdict) {
    case VERDICT_AGAIN_UNSTARTED: return "it was tried again, because it surely had not started";
    case VERDICT_AGAIN_HARMLESS:
        return "it was tried again, because twice is harmless: by the entry point's flags or an idempotency "
               "key";
    case VERDICT_UNSAFE:
        return "not tried again: it may have run, and neither the entry point (READONLY, IDEMPOTENT) nor an "
               "idempotency key says that twice is harmless";
    case VERDICT_NOBODY:
        return "not tried again: nothing serves the target, and waiting for that is the caller's "
               "choice";
    case VERDICT_BUDGET: return "not tried again: the retry budget is exhausted";
    case VERDICT_ENOUGH: return "not tried again: five attempts were made";
    case VERDICT_NO_TIME: return "not tried again: its deadline leaves no time";
    case VERDICT_FINAL:
    case VERDICT_NOT_OURS:
    case VERDICT_NONE: break;
    }
    return "not tried again: such an outcome never is";
}

static Pb__CallAttempt *explain_try(struct message *reply, const struct call *call,
                                    const struct call_try *made)
{
    Pb__CallAttempt *attempt = arena_alloc(&reply->arena, sizeof(*attempt));
    pb__call_attempt__init(attempt);
    if (made->endpoint != NULL) {
        attempt->node = wire_string(reply, made->endpoint->node->name);
        attempt->artifact = wire_string(reply, made->endpoint->artifact);
        attempt->instance = made->endpoint->instance;
    }
    attempt->outcome = wire_string(reply, status_name(outcome_of(made->status)));
    attempt->message = wire_string(reply, made->message);
    attempt->after_us = (uint64_t)(made->began_ns - call->began_ns) / 1000;
    attempt->took_us =
        made->ended_ns > made->began_ns ? (uint64_t)(made->ended_ns - made->began_ns) / 1000 : 0;
    return attempt;
}

static void explain(struct message *reply, Pb__CallReply *body, const struct call *call,
                    const struct error *error)
{
    const struct outcome *outcome = outcome_find(error == NULL ? STATUS_OK : error->status);
    CHECK(outcome != NULL);
    bool answered = error == NULL && call->try_count <= 1;
    Pb__CallExplanation *said = arena_alloc(&reply->arena, sizeof(*said));
    pb__call_explanation__init(said);
    said->outcome = wire_string(reply, status_name(outcome->status));
    said->retry_class = wire_string(reply, retry_class_name(outcome->retry));
    said->may_have_run = outcome->may_have_run;
    said->message = wire_string(reply, error == NULL ? "" : error->message);
    said->retried = call->try_count > 1;
    said->why =
        wire_string(reply, answered ? "there was no need: the first attempt was answered" : why(call));
    said->next = wire_string(reply, error != NULL && error->hint[0] != '\0' ? error->hint : outcome->next);
    said->attempts = arena_array(&reply->arena, call->try_count + 1, sizeof(Pb__CallAttempt *));
    for (uint32_t i = 0; i < call->try_count; i++)
        said->attempts[said->n_attempts++] = explain_try(reply, call, &call->tries[i]);
    body->explanation = said;
}

/* --- answers ------------------------------------------------------------------------------------------- */

/* What `aether dev` shows. Once for each call: a call from another node is told there. */
static void log_end(struct actor *self, const struct slice_call *calls, const struct call *call,
                    enum status status, const char *why)
{
    if (call->source == FROM_NODE) return;
    log_debug(self, "call.ended", "%s %s in %lld us, on %s#%u, for %s%s%s", call->target, status_name(status),
              (long long)(actor_now_ns(self) - call->began_ns) / 1000,
              call->instance == 0 ? "nobody" : call_node(calls, call), call->instance, call->caller,
              why[0] == '\0' ? "" : ": ", why);
}

/* A string field holds UTF-8 without zeros, whatever the slice answered. */
static char *text_of(struct message *reply, const struct bytes *payload)
{
    if (payload == NULL) return wire_string(reply, "");
    char *copy = arena_strndup(&reply->arena, (const char *)payload->data, payload->size);
    return text_is_utf8(payload->data, payload->size) ? copy : wire_string(reply, copy);
}

static void reply_to_client(struct actor *self, const struct slice_call *calls, const struct call *call,
                            const struct bytes *payload, const struct error *error)
{
    struct message *reply = wire_message_create(KIND_CALL_REPLY);
    Pb__CallReply *body = reply->body;
    char request_id[TRACE_CONTEXT_TEXT_SIZE];
    trace_context_text(call->request_id, request_id);
    body->payload = text_of(reply, payload);
    body->node = wire_string(reply, call_node(calls, call));
    body->instance = call->instance;
    body->request_id = wire_string(reply, request_id);
    body->elapsed_us = (uint64_t)(actor_now_ns(self) - call->began_ns) / 1000;
    if (call->explains) explain(reply, body, call, error);
    actor_reply(self, call->request, &reply);
}

static bool is_repeatable(const struct call *call)
{
    if (call->endpoint != NULL && call->endpoint->exact->repeatable) return true;
    return call->serving_number != 0 && call->serving_entry->repeatable;
}

static void fill_invoke_reply(struct actor *self, const struct call *call, Pb__InvokeReply *body,
                              uint32_t load)
{
    body->handled_us = (uint64_t)(actor_now_ns(self) - call->began_ns) / 1000;
    body->repeatable = is_repeatable(call);
    body->load = load;
}

void call_end_ok(struct actor *self, struct slice_call *calls, struct call *call, const struct bytes *payload,
                 uint32_t load)
{
    call_end_note_try(self, call, NULL);
    log_end(self, calls, call, STATUS_OK, "");
    if (call->source == FROM_CLIENT) {
        reply_to_client(self, calls, call, payload, NULL);
    } else {
        struct message *reply = wire_message_create(KIND_INVOKE_REPLY);
        struct bytes *copy = payload == NULL ? NULL : bytes_ref((struct bytes *)(uintptr_t)payload);
        fill_invoke_reply(self, call, reply->body, load);
        if (copy != NULL) message_attach(reply, &copy);
        actor_reply(self, call->request, &reply);
    }
    call_end_silently(self, calls, call);
}

void call_end_with_reply(struct actor *self, struct slice_call *calls, struct call *call,
                         const struct message *reply, uint32_t load)
{
    if (call->source == FROM_CLIENT) {
        call_end_ok(self, calls, call, reply->attachment, load);
        return;
    }
    call_end_note_try(self, call, NULL);
    log_end(self, calls, call, STATUS_OK, "");
    struct message *kept = actor_keep(self);
    CHECK(kept == reply);
    fill_invoke_reply(self, call, kept->body, load);
    actor_reply(self, call->request, &kept);
    call_end_silently(self, calls, call);
}

static void note_outcome(struct actor *self, struct slice_call *calls, const struct call *call,
                         enum status status)
{
    char request_id[TRACE_CONTEXT_TEXT_SIZE];
    if (!call_outcomes_matter(status) || call->source == FROM_NODE) return; /* Its own node tells it. */
    trace_context_text(call->request_id, request_id);
    call_outcomes_note(&calls->outcomes, status, call->target, call_node(calls, call), request_id);
    if (calls->outcomes_timer.value != 0) return;
    calls->outcomes_timer = actor_after(self, SECONDS(1), KIND_SLICE_CALL_TIMER, CALL_TAG_OUTCOMES);
}

void call_end_note_direct(struct actor *self, struct slice_call *calls, const struct slice_route_used *used,
                          enum status status)
{
    char request_id[TRACE_CONTEXT_TEXT_SIZE];
    if (!call_outcomes_matter(status)) return;
    trace_context_text(used->first_failure, request_id);
    for (uint32_t i = 0; i < used->failed[status]; i++)
        call_outcomes_note(&calls->outcomes, status, used->target, calls->node->name, request_id);
    if (calls->outcomes_timer.value != 0) return;
    calls->outcomes_timer = actor_after(self, SECONDS(1), KIND_SLICE_CALL_TIMER, CALL_TAG_OUTCOMES);
}

/* The error as every surface tells it: one of the thirteen words, and what to do. */
static struct error told(const struct call *call, const struct error *error)
{
    struct error told = *error;
    told.status = outcome_of(error->status);
    told.is_unstarted = error->is_unstarted && call->try_count <= 1; /* Of all attempts. */
    const struct outcome *outcome = outcome_find(told.status);
    if (told.status != error->status) (void)error_wrap(&told, "%s", status_name(error->status));
    if (call->source == FROM_NODE) return told; /* Whoever asked knows what its caller needs. */
    if (call->verdict == VERDICT_BUDGET) {
        struct error before = told;
        (void)error_set(&told, before.status, "%.400s; not tried again: the retry budget is exhausted",
                        before.message);
    }
    if (told.hint[0] == '\0') error_hint(&told, "%s", outcome->next);
    return told;
}

static void refuse(struct actor *self, struct slice_call *calls, const struct call *call,
                   const struct error *error)
{
    struct error said = told(call, error);
    actor_set_request_id(self, call->request_id);
    log_end(self, calls, call, said.status, said.message);
    note_outcome(self, calls, call, said.status);
    if (call->explains) reply_to_client(self, calls, call, NULL, &said);
    else actor_refuse_error(self, call->request, &said);
}

void call_end_failed(struct actor *self, struct slice_call *calls, struct call *call,
                     const struct error *error)
{
    call_end_note_try(self, call, error);
    refuse(self, calls, call, error);
    call_end_silently(self, calls, call);
}

void call_end_withdrawn(struct actor *self, struct slice_call *calls, struct call *call,
                        const struct error *error)
{
    call_end_note_try(self, call, error);
    refuse(self, calls, call, error);
    message_destroy(&call->request);
    call->withdrawn = true;
}
