/* proposer: finds the leader for a command, and sends it until its outcome is known or its time is up.
 * Learns  who leads from ROLE_CHANGED, outcomes from the leader's replies.
 * Owns    each call until its asker has one answer, and the sessions that make repeating safe (A4).
 * Limits  CALLS_MAX calls at a time, one more is OVERLOADED; SESSIONS_MAX sessions.
 *
 * A command goes out again only if it surely was not appended (NOT_LEADER, NO_LEADER, NOT_READY, OVERLOADED),
 * or goes through a session. What may have happened and can't be repeated is answered UNKNOWN. */
#include "actors/consensus/proposer.h"

#include "actors/consensus/client_commands.h"
#include "actors/consensus/messages.h"
#include "actors/consensus/patience.h"
#include "actors/consensus/sessions.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/planted.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/remote.h"

#include <string.h>

enum { CALLS_MAX = 1024, PLACES = CALLS_MAX + SESSIONS_OPENING_MAX };
static const int64_t sweep_ns = MILLISECONDS(20);
static const int64_t attempt_ns = SECONDS(1); /* Of a command that may be repeated. */

struct call;

/* An ask of a leader. Its end frees it, whatever became of the call meanwhile. */
struct attempt {
    struct call *call; /* NULL: nobody waits for it any more. */
    char leader[NODE_NAME_MAX];
};

struct call {
    struct call *next; /* In the order of their arrival: who waits longest goes first. */
    struct call *previous;
    struct message *request; /* NULL: our own OpSessionOpen. */
    Pb__Command *command;    /* In the request's arena, or in `own`. */
    struct arena own;
    bool retry;
    bool carries_session; /* Of its client's own: the same command may come from other nodes too. */
    bool waits;           /* For a session: counted. */
    struct session *session;
    struct bytes *packed;    /* The command, as it is sent. */
    struct attempt *attempt; /* Under way; NULL: it waits for a leader, a session, or the end of a pause. */
    bool maybe;              /* An attempt ended without saying whether the command was appended. */
    int64_t end_ns;
    int64_t pause_until_ns; /* Not sent again before. */
};

struct proposer {
    char node[NODE_NAME_MAX];
    struct role_changed role;
    struct sessions sessions;
    struct call calls; /* Head of a ring. */
    uint32_t call_count;
    uint32_t waiting_count; /* Calls that wait for a session. */
    bool
        session_is_free; /* One came free in this turn: whoever waits for it has it by the end of the turn. */
    bool sweeping;
};

static void advance(struct actor *self, struct proposer *proposer, struct call *call);

/* --- calls --- */

static struct call *call_create(struct proposer *proposer)
{
    CHECK(proposer->call_count < PLACES);
    struct call *call = memory_zalloc(sizeof *call);
    call->next = &proposer->calls;
    call->previous = proposer->calls.previous;
    call->next->previous = call->previous->next = call;
    proposer->call_count++;
    return call;
}

static void set_waits(struct proposer *proposer, struct call *call, bool waits)
{
    if (call->waits && !waits) proposer->waiting_count--;
    if (!call->waits && waits) proposer->waiting_count++;
    call->waits = waits;
}

static void call_free(struct call *call)
{
    if (call->request != NULL) message_destroy(&call->request);
    bytes_unref(&call->packed);
    arena_fini(&call->own);
    memory_free(call);
}

static void call_destroy(struct proposer *proposer, struct call *call)
{
    call->next->previous = call->previous;
    call->previous->next = call->next;
    set_waits(proposer, call, false);
    proposer->call_count--;
    call_free(call);
}

/* Its outcome is of no interest any more. */
static void abandon_attempt(struct call *call)
{
    if (call->attempt == NULL) return;
    call->attempt->call = NULL;
    call->attempt = NULL;
}

/* The asker has its answer. The session is free again: should this command still be on its way somewhere, the
 * store ignores it once the session's next one was applied (A4). */
static void finish(struct proposer *proposer, struct call *call)
{
    if (call->session != NULL) {
        sessions_release(&proposer->sessions, call->session);
        proposer->session_is_free = true;
    }
    abandon_attempt(call);
    call_destroy(proposer, call);
}

static void finish_error(struct actor *self, struct proposer *proposer, struct call *call,
                         const struct error *error)
{
    if (call->request != NULL) actor_refuse_error(self, call->request, error);
    else sessions_end_open(&proposer->sessions, 0);
    finish(proposer, call);
}

/* --- answers --- */

static void answer_client(struct actor *self, const struct call *call, const Pb__ProposeReply *reply)
{
    if (reply->status != STATUS_OK) {
        struct error error = { 0 };
        (void)error_set(&error, status_from_number((int)reply->status), "%s", reply->message);
        error_hint(&error, "%s", reply->hint);
        client_commands_explain(call->command, &error);
        actor_refuse_error(self, call->request, &error);
        return;
    }
    struct message *answer = client_commands_answer(call->request, call->command, reply);
    actor_reply(self, call->request, &answer);
}

/* The outcome is known. */
static void answer(struct actor *self, struct proposer *proposer, struct call *call, struct message *message)
{
    const Pb__ProposeReply *reply = message->body;
    call->maybe = false;
    if (call->request == NULL) {
        bool opened = reply->status == STATUS_OK && reply->n_results == 1;
        uint64_t id = opened ? reply->results[0]->value : 0;
        if (id != 0) proposer->session_is_free = true; /* Else the sweep tries again. */
        sessions_end_open(&proposer->sessions, id);
    } else if (call->request->kind == KIND_PROPOSE_REQUEST) {
        actor_reply(self, call->request, &message);
        message = NULL;
    } else {
        answer_client(self, call, reply);
    }
    if (message != NULL) message_destroy(&message);
    finish(proposer, call);
}

static void give_up(struct actor *self, struct proposer *proposer, struct call *call)
{
    struct error error = { 0 };
    if (call->maybe || call->attempt != NULL) {
        (void)error_set(&error, STATUS_UNKNOWN, "the leader did not answer in time: it may have happened");
        MARK("proposer.gave_up_while_sent");
    } else if (proposer->role.leader[0] == '\0') {
        (void)error_set(&error, STATUS_NO_LEADER, "the cluster had no leader within the time given");
        MARK("proposer.gave_up_without_a_leader");
    } else {
        (void)error_set(&error, STATUS_DEADLINE, "no turn came within the time given; nothing was changed");
    }
    finish_error(self, proposer, call, &error);
}

/* --- attempts --- */

static bool surely_not_appended(enum status status)
{
    return status == STATUS_NOT_LEADER || status == STATUS_NO_LEADER || status == STATUS_NOT_READY ||
           status == STATUS_NOT_FOUND;
}

static bool outcome_is_unknown(enum status status)
{
    return status == STATUS_NODE_LOST || status == STATUS_UNKNOWN || status == STATUS_CRASHED ||
           status == STATUS_DEADLINE || status == STATUS_CANCELLED;
}

/* Opened twice, the one that nobody uses is dropped when it is the oldest. */
static bool opens_session(const struct call *call)
{
    return call->request != NULL && call->request->kind == KIND_SESSION_OPEN_REQUEST;
}

/* Sent twice, it is applied once (A4), or does no harm. */
static bool is_repeatable(const struct call *call)
{
    if (PLANTED("proposer.repeats_without_a_session")) return true;
    return call->session != NULL || call->carries_session || opens_session(call);
}

static void wait_again(struct actor *self, struct call *call)
{
    call->pause_until_ns = actor_now_ns(self) + sweep_ns;
}

static void on_refused(struct actor *self, struct proposer *proposer, struct call *call,
                       const struct error *error)
{
    /* Nothing of this attempt was appended; what an earlier one did, only the session knows: ask on. */
    bool earlier = call->maybe && !outcome_is_unknown(error->status);
    MARK("proposer.attempt_failed");
    if (surely_not_appended(error->status) || earlier) {
        wait_again(self, call);
    } else if (outcome_is_unknown(error->status)) {
        call->maybe = true;
        MARK("proposer.outcome_is_unknown");
        if (is_repeatable(call)) {
            wait_again(self, call);
            return;
        }
        struct error unknown = { 0 };
        const char *why =
            error->status == STATUS_DEADLINE ? "the leader has not answered in time" : "the leader was lost";
        (void)error_set(&unknown, STATUS_UNKNOWN, "%s (%s): it may have happened", why, error->message);
        finish_error(self, proposer, call, &unknown);
    } else {
        finish_error(self, proposer, call, error);
    }
}

/* A peer that answers with anything else did not say what became of the command. */
static void on_wrong_reply(struct actor *self, struct proposer *proposer, struct call *call)
{
    struct error error = { 0 };
    (void)error_set(&error, STATUS_UNKNOWN, "its answer is of another kind");
    on_refused(self, proposer, call, &error);
}

/* A4: the store doesn't know the session (any more). Nothing of this attempt was executed; of an earlier one
 * nobody can tell. */
static bool lost_session(const struct call *call, const Pb__ProposeReply *reply)
{
    return call->session != NULL && reply->status == STATUS_UNKNOWN;
}

static void on_outcome(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct proposer *proposer = state;
    struct attempt *attempt = context;
    struct call *call = attempt->call;
    memory_free(attempt);
    if (call == NULL) {
        MARK("proposer.answered_before_its_ask_ended");
        return;
    }
    call->attempt = NULL;
    if (result->status != STATUS_OK) {
        on_refused(self, proposer, call, result->error);
        return;
    }
    if (result->message->kind != KIND_PROPOSE_REPLY) {
        on_wrong_reply(self, proposer, call);
        return;
    }
    const Pb__ProposeReply *reply = result->message->body;
    if (lost_session(call, reply)) {
        sessions_drop(&proposer->sessions, call->session);
        MARK("proposer.session_is_lost");
        call->session = NULL;
        if (!call->maybe) return; /* Again, through another one. */
    }
    answer(self, proposer, call, actor_keep(self));
}

/* Once for each session that it goes through: what is repeated is the same, byte by byte. */
static void pack(struct actor *self, struct call *call)
{
    int64_t left_ns = call->end_ns - actor_now_ns(self);
    call->command->budget_ms = left_ns > 0 ? (uint64_t)(left_ns / MILLISECONDS(1)) : 0;
    if (call->session != NULL) {
        call->command->session = call->session->id;
        call->command->sequence = call->session->sequence;
        if (PLANTED("proposer.session_is_left_out")) call->command->session = 0;
    }
    bytes_unref(&call->packed);
    call->packed = bytes_create(pb__command__get_packed_size(call->command));
    (void)pb__command__pack(call->command, call->packed->data);
}

static void send(struct actor *self, struct proposer *proposer, struct call *call)
{
    struct message *message = wire_message_create(KIND_FORWARD_REQUEST);
    struct bytes *command = bytes_ref(call->packed);
    message_attach(message, &command);
    int64_t left_ns = call->end_ns - actor_now_ns(self);
    int64_t timeout_ns = is_repeatable(call) && attempt_ns < left_ns ? attempt_ns : left_ns;
    if (timeout_ns < 1) timeout_ns = 1; /* The sweep ends it in a moment. */
    struct attempt *attempt = memory_zalloc(sizeof *attempt);
    attempt->call = call;
    (void)text_copy(attempt->leader, sizeof attempt->leader, proposer->role.leader);
    call->attempt = attempt;
    if (strcmp(attempt->leader, proposer->node) == 0) {
        actor_ask_name(self, TO_LEADER, &message, timeout_ns, on_outcome, attempt);
    } else {
        wire_ask(self, attempt->leader, CHANNEL_DATA, &message, timeout_ns, on_outcome, attempt);
    }
}

static void open_session(struct actor *self, struct proposer *proposer)
{
    struct call *call = call_create(proposer);
    call->command = arena_alloc(&call->own, sizeof *call->command);
    pb__command__init(call->command);
    Pb__Operation *operation = arena_alloc(&call->own, sizeof *operation);
    pb__operation__init(operation);
    operation->op_case = PB__OPERATION__OP_SESSION_OPEN;
    operation->session_open = arena_alloc(&call->own, sizeof *operation->session_open);
    pb__op_session_open__init(operation->session_open);
    operation->session_open->client = arena_strdup(&call->own, proposer->node);
    call->command->success = arena_array(&call->own, 1, sizeof operation);
    call->command->success[0] = operation;
    call->command->n_success = 1;
    call->command->origin = PB__ORIGIN__ORIGIN_SYSTEM;
    call->end_ns = actor_now_ns(self) + SECONDS(10);
    advance(self, proposer, call);
}

/* As far as this call can come now. */
static void advance(struct actor *self, struct proposer *proposer, struct call *call)
{
    if (call->attempt != NULL || actor_now_ns(self) < call->pause_until_ns) return;
    if (proposer->role.leader[0] == '\0') return;
    if (call->retry && call->session == NULL) {
        call->session = sessions_acquire(&proposer->sessions);
        if (call->session != NULL) pack(self, call);
    }
    set_waits(proposer, call, call->retry && call->session == NULL);
    if (!call->waits) {
        if (call->packed == NULL) pack(self, call);
        send(self, proposer, call);
        return;
    }
    bool room = proposer->call_count < PLACES;
    if (room && sessions_begin_open(&proposer->sessions, proposer->waiting_count)) {
        open_session(self, proposer);
    }
}

static void advance_all(struct actor *self, struct proposer *proposer)
{
    for (struct call *call = proposer->calls.next; call != &proposer->calls; call = call->next)
        advance(self, proposer, call); /* Ends no call; may add one at the end. */
}

/* --- requests --- */

static struct call *begin(struct actor *self, struct proposer *proposer, const struct message *request)
{
    if (actor_refuse_if_late(self, request)) return NULL;
    if (proposer->call_count >= CALLS_MAX) {
        actor_refuse(self, request, STATUS_OVERLOADED);
        return NULL;
    }
    struct call *call = call_create(proposer);
    call->end_ns = patience_end_ns(request, actor_now_ns(self));
    return call;
}

static void on_propose(struct actor *self, void *state, const struct message *message)
{
    struct proposer *proposer = state;
    const Pb__ProposeRequest *request = message->body;
    if (request->command == NULL) {
        actor_refuse(self, message, STATUS_INVALID);
        return;
    }
    struct call *call = begin(self, proposer, message);
    if (call == NULL) return;
    call->command = request->command;
    call->retry = request->retry;
    call->request = actor_keep(self);
    advance(self, proposer, call);
}

static void on_client(struct actor *self, void *state, const struct message *message)
{
    struct proposer *proposer = state;
    struct call *call = begin(self, proposer, message);
    if (call == NULL) return;
    struct error error = { 0 };
    if (client_commands_build(message, &call->own, &call->command, &error) != STATUS_OK) {
        actor_refuse_error(self, message, &error);
        call_destroy(proposer, call);
        return;
    }
    call->carries_session = call->command->session != 0;
    /* A session is opened without one. */
    call->retry = !call->carries_session && message->kind != KIND_SESSION_OPEN_REQUEST;
    call->request = actor_keep(self);
    advance(self, proposer, call);
}

/* --- role, timer, life --- */

/* What another leader was asked may never be answered: it may stand still, its connections open. What can be
 * repeated doesn't wait for that (A4). */
static void leave_former_leader(const struct proposer *proposer, struct call *call)
{
    bool elsewhere = call->attempt != NULL && strcmp(call->attempt->leader, proposer->role.leader) != 0;
    if (!elsewhere || !is_repeatable(call)) return;
    MARK("proposer.leaves_a_former_leader");
    call->maybe = true;
    abandon_attempt(call);
}

static void on_role_changed(struct actor *self, void *state, const struct message *message)
{
    struct proposer *proposer = state;
    proposer->role = *(const struct role_changed *)message->body;
    for (struct call *call = proposer->calls.next; call != &proposer->calls; call = call->next) {
        call->pause_until_ns = 0;
        if (proposer->role.leader[0] != '\0') leave_former_leader(proposer, call);
    }
    advance_all(self, proposer);
}

static void on_sweep(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct proposer *proposer = state;
    proposer->sweeping = false;
    int64_t now_ns = actor_now_ns(self);
    struct call *next = NULL;
    for (struct call *call = proposer->calls.next; call != &proposer->calls; call = next) {
        next = call->next;
        if (now_ns >= call->end_ns) give_up(self, proposer, call);
    }
    advance_all(self, proposer);
}

static void on_turn_end(struct actor *self, void *state)
{
    struct proposer *proposer = state;
    if (proposer->session_is_free && proposer->waiting_count > 0) advance_all(self, proposer);
    proposer->session_is_free = false;
    if (proposer->sweeping || proposer->call_count == 0) return;
    proposer->sweeping = true;
    (void)actor_after(self, sweep_ns, KIND_PROPOSER_SWEEP, 0);
}

static enum status on_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)error;
    const struct proposer_options *given = options;
    struct proposer *proposer = state;
    (void)text_copy(proposer->node, sizeof proposer->node, given->node);
    proposer->calls.next = proposer->calls.previous = &proposer->calls;
    struct message *subscribe = messages_create(KIND_ROLE_SUBSCRIBE, 0);
    actor_tell_name(self, TO_LEADER, &subscribe);
    return STATUS_OK;
}

/* Nobody may take the end of this node for the failure of a command that is on its way. */
static void on_stop(struct actor *self, void *state)
{
    struct proposer *proposer = state;
    for (const struct call *call = proposer->calls.next; call != &proposer->calls; call = call->next) {
        if (call->request == NULL) continue;
        bool maybe = call->maybe || call->attempt != NULL;
        struct error error = { 0 };
        if (maybe) (void)error_set(&error, STATUS_UNKNOWN, "this node stops: it may have happened");
        else (void)error_set(&error, STATUS_NOT_READY, "this node stops; nothing was changed");
        actor_refuse_error(self, call->request, &error);
    }
}

static void on_fini(void *state)
{
    struct proposer *proposer = state;
    while (proposer->calls.next != &proposer->calls)
        call_destroy(proposer, proposer->calls.next);
}

static const struct behavior_row rows[] = {
    { KIND_PROPOSE_REQUEST, on_propose },     { KIND_KV_PUT_REQUEST, on_client },
    { KIND_KV_DELETE_REQUEST, on_client },    { KIND_KV_TXN_REQUEST, on_client },
    { KIND_LEASE_GRANT_REQUEST, on_client },  { KIND_LEASE_RENEW_REQUEST, on_client },
    { KIND_LEASE_REVOKE_REQUEST, on_client }, { KIND_SESSION_OPEN_REQUEST, on_client },
    { KIND_ROLE_CHANGED, on_role_changed },   { KIND_PROPOSER_SWEEP, on_sweep },
};

const struct behavior proposer_behavior = {
    .name = "proposer",
    .state_size = sizeof(struct proposer),
    .home = ACTOR_POOLED,
    .pool = POOL_CONSENSUS,
    .mailbox_capacity = 4096,
    .init = on_init,
    .stop = on_stop,
    .fini = on_fini,
    .turn_end = on_turn_end,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
