/* slice_desk: what is open between the node and one instance.
 * Learns  calls and steps from the node, ends and wishes from the instance.
 * Owns    kept requests until they are answered; the table of wishes.
 * Limits  AETHER_CALLS_MAX calls, AETHER_OUTBOUND_MAX wishes, LOG_LINES_MAX lines a second. A call past its
 *         deadline is refused here, within SWEEP_NS, whatever the instance does; an instance that doesn't
 * answer its health check for HEALTH_SILENCE_NS is unhealthy (slice.h promises the figures). */
#include "actors/slice/slice_desk.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/kv.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/outcome.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { LOG_LINES_MAX = 1000, NODE_LOG_LINES_MAX = 100, HEALTH_BAD_MAX = 3 };
static const int64_t SWEEP_NS = MILLISECONDS(50);
static const int64_t HEALTH_PERIOD_NS = SECONDS(5);
static const int64_t HEALTH_SILENCE_NS = SECONDS(15);
static const int64_t BUDGET_DEFAULT_NS = SECONDS(30);
static const int64_t BUDGET_MAX_NS = SECONDS(3600);

struct open_call {
    struct message *request; /* Kept; owed one answer. */
    int64_t deadline_ns;
    uint64_t number;
    uint32_t depth;
    uint32_t nested; /* Calls under way on its behalf: they end with it. */
};

void slice_desk_init(struct slice_desk *desk, const struct slice_instance_options *options,
                     slice_desk_send *send)
{
    desk->send = send;
    desk->key = options->key;
    desk->path = memory_strdup(options->path);
    desk->config = memory_strdup(options->config);
    desk->node = memory_strdup(options->adapters->node);
    struct text caller = { 0 };
    text_printf(&caller, "%s#%u@%s", desk->key.artifact, desk->key.instance, desk->node);
    desk->caller = text_take(&caller);
    desk->probe = options->probe;
    desk->limits = "none";
}

void slice_desk_fini(struct slice_desk *desk)
{
    desk_routes_fini(&desk->routes);
    size_t at = 0;
    uint64_t number;
    void *value;
    while (map_next_number(&desk->calls, &at, &number, &value)) {
        struct open_call *call = value;
        message_destroy(&call->request);
        memory_free(call);
    }
    map_fini(&desk->calls);
    message_destroy(&desk->step);
    arena_fini(&desk->arena);
    text_fini(&desk->snapshot);
    memory_free(desk->path);
    memory_free(desk->config);
    memory_free(desk->node);
    memory_free(desk->caller);
}

static void keep_line(struct actor *self, const struct slice_desk *desk, enum slice_line_level level,
                      const char *text);

/* --- steps --------------------------------------------------------------------------------------------- */

static void refuse_step(struct actor *self, struct slice_desk *desk, const struct error *error)
{
    actor_refuse_error(self, desk->step, error);
    message_destroy(&desk->step);
}

static void send_step(struct actor *self, struct slice_desk *desk, uint32_t type)
{
    struct slice_frame frame = { .type = type, .id = desk->step_number };
    if (type == SLICE_FRAME_LOAD || type == SLICE_FRAME_PROBE) {
        frame.words[0] = desk->path;
        frame.words[1] = desk->key.artifact;
        frame.words[2] = desk->node;
        frame.number = desk->key.instance;
        frame.payload = desk->config;
        frame.payload_size = strlen(desk->config);
    }
    (void)desk->send(self, desk, &frame); /* Only calls find no room. */
}

static void watch_health(struct actor *self, struct slice_desk *desk)
{
    if (desk->watching_health) return;
    desk->watching_health = true;
    (void)actor_every(self, HEALTH_PERIOD_NS, KIND_SLICE_HEALTH);
}

static void sweep_later(struct actor *self, struct slice_desk *desk)
{
    if (desk->sweeping) return;
    desk->sweeping = true;
    (void)actor_after(self, SWEEP_NS, KIND_SLICE_SWEEP, 0);
}

/* STOP goes to the instance once its calls have ended: its snapshot comes after the last one. */
static void stop_if_drained(struct actor *self, struct slice_desk *desk)
{
    if (desk->phase != DESK_DRAINING || desk->calls.count > 0) return;
    const struct slice_step *step = desk->step->body;
    bool snapshot = step->snapshot && (desk->hooks & SLICE_HOOK_SNAPSHOT) != 0;
    desk->phase = DESK_STOPPED;
    (void)desk->send(self, desk,
                     &(struct slice_frame){
                         .type = SLICE_FRAME_STOP, .id = desk->step_number, .number = snapshot ? 1 : 0 });
}

/* A predecessor's state, in pieces that a frame can carry; an empty one is a piece as well. */
static void send_state(struct actor *self, struct slice_desk *desk)
{
    const struct bytes *state = desk->step->attachment;
    size_t size = state == NULL ? 0 : state->size;
    for (size_t at = 0;;) {
        size_t piece = size - at < AETHER_PAYLOAD_MAX ? size - at : AETHER_PAYLOAD_MAX;
        (void)desk->send(self, desk,
                         &(struct slice_frame){ .type = SLICE_FRAME_RESTORE,
                                                .id = desk->step_number,
                                                .number = size - at - piece,
                                                .payload = piece == 0 ? NULL : state->data + at,
                                                .payload_size = piece });
        at += piece;
        if (at == size || desk->phase == DESK_DESTROYED) return;
    }
}

static void send_config(struct actor *self, struct slice_desk *desk, const char *config)
{
    (void)desk->send(self, desk,
                     &(struct slice_frame){ .type = SLICE_FRAME_CONFIGURE,
                                            .id = desk->step_number,
                                            .payload = config,
                                            .payload_size = strlen(config) });
}

static void begin_step(struct actor *self, struct slice_desk *desk, const struct slice_step *step)
{
    switch (step->kind) {
    case SLICE_STEP_LOAD: send_step(self, desk, desk->probe ? SLICE_FRAME_PROBE : SLICE_FRAME_LOAD); return;
    case SLICE_STEP_RESTORE: send_state(self, desk); return;
    case SLICE_STEP_START: send_step(self, desk, SLICE_FRAME_START); return;
    case SLICE_STEP_CONFIGURE: send_config(self, desk, step->config); return;
    case SLICE_STEP_STOP:
        desk->phase = DESK_DRAINING;
        desk->drain_until_ns = actor_now_ns(self) + step->drain_ns;
        sweep_later(self, desk);
        stop_if_drained(self, desk);
        return;
    case SLICE_STEP_DESTROY: send_step(self, desk, SLICE_FRAME_DESTROY); return;
    }
}

static bool step_fits(const struct slice_desk *desk, enum slice_step_kind kind)
{
    switch (kind) {
    case SLICE_STEP_LOAD: return desk->phase == DESK_EMPTY;
    case SLICE_STEP_RESTORE: return desk->phase == DESK_LOADED;
    case SLICE_STEP_START: return desk->phase == DESK_LOADED || desk->phase == DESK_STOPPED;
    case SLICE_STEP_CONFIGURE:
    case SLICE_STEP_STOP: return desk->phase == DESK_ACTIVE;
    case SLICE_STEP_DESTROY: return desk->phase != DESK_DESTROYED;
    }
    return false;
}

void slice_desk_on_step(struct actor *self, struct slice_desk *desk, const struct message *message)
{
    const struct slice_step *step = message->body;
    if (desk->step != NULL || !step_fits(desk, step->kind)) {
        actor_refuse(self, message, STATUS_CONFLICT);
        return;
    }
    desk->step = actor_keep(self);
    desk->step_number++;
    begin_step(self, desk, step);
}

/* Takes the state that a STOP left; NULL: none. */
static void answer_step(struct actor *self, struct slice_desk *desk, struct bytes *state)
{
    struct message *reply = message_create(KIND_SLICE_STEP_DONE, sizeof(struct slice_step_done));
    struct slice_step_done *done = reply->body;
    struct instance_entry *entries = arena_array(&reply->arena, desk->entry_count + 1, sizeof *entries);
    for (uint32_t i = 0; i < desk->entry_count; i++) {
        entries[i] = desk->entries[i];
        entries[i].name = arena_strdup(&reply->arena, desk->entries[i].name);
    }
    *done = (struct slice_step_done){ entries, desk->entry_count, desk->pid, desk->hooks, desk->limits };
    if (state != NULL) message_attach(reply, &state);
    actor_reply(self, desk->step, &reply);
    message_destroy(&desk->step);
}

static enum status take_entries(struct slice_desk *desk, const struct slice_frame *frame, struct error *error)
{
    return slice_frame_get_entries(frame->payload, frame->payload_size, &desk->arena, &desk->entries,
                                   &desk->entry_count, error);
}

/* What came as the snapshot of the step that has ended; NULL: none, or not all of it. */
static struct bytes *take_snapshot(struct slice_desk *desk, const struct slice_frame *frame)
{
    bool whole = frame->number == 1;
    struct bytes *state = whole ? bytes_copy(text_string(&desk->snapshot), desk->snapshot.size) : NULL;
    text_fini(&desk->snapshot);
    return state;
}

static enum status on_snapshot(struct slice_desk *desk, const struct slice_frame *frame, struct error *error)
{
    bool asked = desk->step != NULL && frame->id == desk->step_number && desk->phase == DESK_STOPPED &&
                 ((const struct slice_step *)desk->step->body)->snapshot;
    if (!asked || frame->payload_size > AETHER_SNAPSHOT_MAX - desk->snapshot.size)
        return error_set(error, STATUS_INVALID, "a snapshot that nobody asked for, or too large");
    text_add_bytes(&desk->snapshot, frame->payload, frame->payload_size);
    return STATUS_OK;
}

/* Between its own lines, for whoever reads them. */
static void keep_step(struct actor *self, const struct slice_desk *desk, enum slice_step_kind kind)
{
    static const char *const words[] = {
        [SLICE_STEP_LOAD] = "loaded",   [SLICE_STEP_RESTORE] = "its predecessor's state is restored",
        [SLICE_STEP_START] = "started", [SLICE_STEP_CONFIGURE] = "took its new configuration over",
        [SLICE_STEP_STOP] = "stopped",  [SLICE_STEP_DESTROY] = "destroyed",
    };
    char text[64];
    if (desk->pid != 0 && kind == SLICE_STEP_LOAD)
        snprintf(text, sizeof text, "%s, pid %d", words[kind], (int)desk->pid);
    else snprintf(text, sizeof text, "%s", words[kind]);
    keep_line(self, desk, LINE_NODE, text);
}

/* A step has ended; what follows for the phase. A failed step leaves the phase, but for STOP, after which the
 * instance is stopped in any case. */
static enum status on_step_done(struct actor *self, struct slice_desk *desk, const struct slice_frame *frame,
                                struct error *error)
{
    enum slice_step_kind kind = ((const struct slice_step *)desk->step->body)->kind;
    if (frame->status != STATUS_OK) {
        struct error refusal;
        (void)error_set(&refusal, status_from_number(frame->status), "%s", frame->words[0]);
        text_fini(&desk->snapshot);
        keep_line(self, desk, LINE_NODE, refusal.message);
        refuse_step(self, desk, &refusal);
        return STATUS_OK;
    }
    if (kind == SLICE_STEP_LOAD) {
        enum status status = take_entries(desk, frame, error);
        if (status != STATUS_OK) return status;
        desk->hooks = (uint32_t)frame->number;
        desk->phase = DESK_LOADED;
    }
    if (kind == SLICE_STEP_START) {
        desk->phase = DESK_ACTIVE;
        desk->health_bad = 0;
        watch_health(self, desk);
    }
    if (kind == SLICE_STEP_DESTROY) desk->phase = DESK_DESTROYED;
    keep_step(self, desk, kind);
    answer_step(self, desk, kind == SLICE_STEP_STOP ? take_snapshot(desk, frame) : NULL);
    return STATUS_OK;
}

/* --- health -------------------------------------------------------------------------------------------- */

static void fail_unhealthy(struct actor *self, struct slice_desk *desk, const char *text)
{
    struct error error;
    (void)error_set(&error, STATUS_NOT_READY, "unhealthy: %s", text);
    slice_desk_fail(self, desk, &error);
}

void slice_desk_on_health(struct actor *self, struct slice_desk *desk)
{
    desk_routes_tell(self, &desk->routes);
    if (desk->phase != DESK_ACTIVE && desk->phase != DESK_DRAINING) return;
    int64_t now_ns = actor_now_ns(self);
    if (desk->health_asked_ns != 0) {
        if (now_ns - desk->health_asked_ns >= HEALTH_SILENCE_NS)
            fail_unhealthy(self, desk, "it has not answered for 15 s");
        return;
    }
    desk->health_asked_ns = now_ns;
    desk->health_number = UINT64_C(1) << 63 | ++desk->health_count; /* Never a step's number. */
    (void)desk->send(self, desk,
                     &(struct slice_frame){ .type = SLICE_FRAME_HEALTH, .id = desk->health_number });
}

static void on_health_done(struct actor *self, struct slice_desk *desk, const struct slice_frame *frame)
{
    desk->health_asked_ns = 0;
    desk->health_bad = frame->status == STATUS_OK ? 0 : desk->health_bad + 1;
    if (desk->health_bad == HEALTH_BAD_MAX) fail_unhealthy(self, desk, frame->words[0]);
}

/* --- calls --------------------------------------------------------------------------------------------- */

static const struct instance_entry *entry_named(const struct slice_desk *desk, const char *name)
{
    for (uint32_t i = 0; i < desk->entry_count; i++)
        if (strcmp(desk->entries[i].name, name) == 0) return &desk->entries[i];
    return NULL;
}

static int64_t deadline_of(const struct message *message, int64_t now_ns)
{
    const Pb__InvokeRequest *request = message->body;
    int64_t budget_ns = BUDGET_DEFAULT_NS;
    if (request->budget_ms != 0 && request->budget_ms < (uint64_t)(BUDGET_MAX_NS / MILLISECONDS(1)))
        budget_ns = MILLISECONDS((int64_t)request->budget_ms);
    int64_t deadline_ns = now_ns + budget_ns;
    bool sooner = message->deadline_ns != 0 && message->deadline_ns < deadline_ns;
    return sooner ? message->deadline_ns : deadline_ns;
}

static enum status check_call(const struct slice_desk *desk, const struct message *message,
                              const struct instance_entry *entry, struct error *error)
{
    const Pb__InvokeRequest *request = message->body;
    const char *artifact = desk->key.artifact;
    if (desk->phase != DESK_ACTIVE)
        return error_set(error, STATUS_NOT_READY, "%s#%u is not active", artifact, desk->key.instance);
    if (entry == NULL)
        return error_set(error, STATUS_NO_ENDPOINT, "%s has no entry point %s", artifact, request->entry);
    if (desk->calls.count >= AETHER_CALLS_MAX)
        return error_set(error, STATUS_OVERLOADED, "%s#%u has %d calls in flight", artifact,
                         desk->key.instance, AETHER_CALLS_MAX);
    if (message->attachment != NULL && message->attachment->size > AETHER_PAYLOAD_MAX)
        return error_set(error, STATUS_INVALID, "a request of %zu bytes; at most %d",
                         message->attachment->size, AETHER_PAYLOAD_MAX);
    return STATUS_OK;
}

static struct open_call *take_call(struct slice_desk *desk, uint64_t number)
{
    return map_remove_number(&desk->calls, number);
}

uint32_t slice_desk_calls(const struct slice_desk *desk)
{
    return (uint32_t)desk->calls.count;
}

/* By which TO_SLICE_CALL knows what a wish asked of it: nobody else's tag. */
static uint64_t wish_tag(const struct actor *self, uint64_t wish)
{
    struct actor_id id = actor_self(self);
    return hash64_mix((uint64_t)id.generation << 32 | id.index, wish);
}

/* The calls made on behalf of `parent`, or all (0), complete CANCELLED. */
static void withdraw_wishes(struct actor *self, struct slice_desk *desk, uint64_t parent)
{
    for (uint32_t i = 0; i < AETHER_OUTBOUND_MAX; i++) {
        const struct slice_desk_wish *wish = &desk->wishes[i];
        if (!wish->used || wish->type != SLICE_FRAME_INVOKE) continue;
        if (parent != 0 && wish->parent != parent) continue;
        desk_routes_withdraw(self, &desk->routes, wish_tag(self, wish->id));
    }
}

static void end_call(struct actor *self, struct slice_desk *desk, struct open_call **call)
{
    if ((*call)->nested > 0) withdraw_wishes(self, desk, (*call)->number); /* Its end is theirs. */
    message_destroy(&(*call)->request);
    memory_free(*call);
    *call = NULL;
}

void slice_desk_on_invoke(struct actor *self, struct slice_desk *desk, const struct message *message)
{
    const Pb__InvokeRequest *request = message->body;
    const struct instance_entry *entry = entry_named(desk, request->entry);
    struct error error;
    if (check_call(desk, message, entry, &error) != STATUS_OK) {
        actor_refuse_error(self, message, &error);
        return;
    }
    if (actor_refuse_if_late(self, message)) return;
    struct open_call *call = memory_zalloc(sizeof *call);
    call->deadline_ns = deadline_of(message, actor_now_ns(self));
    call->request = actor_keep(self);
    uint64_t number = ++desk->call_number;
    call->number = number;
    call->depth = request->depth;
    (void)map_put_number(&desk->calls, number, call);
    sweep_later(self, desk);
    struct slice_frame frame = {
        .type = SLICE_FRAME_CALL,
        .id = number,
        .number = entry->id,
        .budget_ns = call->deadline_ns - actor_now_ns(self),
        .request_id = message->request_id,
        .words = { strlen(request->caller) < AETHER_NAME_MAX ? request->caller : "" },
        .payload = message->attachment != NULL ? message->attachment->data : NULL,
        .payload_size = message->attachment != NULL ? message->attachment->size : 0,
    };
    if (desk->send(self, desk, &frame)) return; /* An inline instance may have answered already. */
    call = take_call(desk, number);
    (void)error_set(&error, STATUS_OVERLOADED, "%s#%u has its queue full", desk->key.artifact,
                    desk->key.instance);
    actor_refuse_error(self, call->request, &error);
    end_call(self, desk, &call);
}

/* A text that the slice gave, made fit for an error. */
static void set_slice_error(struct error *error, int32_t status, const void *text, size_t size)
{
    char line[ERROR_MESSAGE_MAX];
    size_t length = size < sizeof line - 1 ? size : sizeof line - 1;
    if (length > 0) memcpy(line, text, length);
    line[length] = '\0';
    struct text clean = { 0 };
    enum status said = status_from_number(status);
    enum status known = outcome_of_slice(said);
    if (known != said) text_printf(&clean, "%s%s", status_name(said), length > 0 ? ": " : "");
    text_add_utf8(&clean, line);
    (void)error_set(error, known, "%s", clean.size > 0 ? text_string(&clean) : status_text(known));
    text_fini(&clean);
}

/* An inline slice that answers with what it was sent, or a part of it, shares that. */
static struct bytes *reply_payload(const struct open_call *call, const struct slice_frame *frame)
{
    struct slice_frame shared = *frame;
    struct bytes *sent = call->request->attachment;
    uintptr_t from = sent == NULL ? 0 : (uintptr_t)sent->data, at = (uintptr_t)frame->payload;
    if (sent != NULL && at >= from && at + frame->payload_size <= from + sent->size) shared.whole = sent;
    return slice_frame_payload(&shared);
}

static enum status on_reply(struct actor *self, struct slice_desk *desk, const struct slice_frame *frame,
                            struct error *error)
{
    if (frame->id == 0 || frame->id > desk->call_number)
        return error_set(error, STATUS_INVALID, "a reply to a call that never was");
    struct open_call *call = take_call(desk, frame->id);
    if (call == NULL) return STATUS_OK; /* Its caller was told DEADLINE. */
    if (frame->status == STATUS_OK) {
        struct message *reply = wire_message_create(KIND_INVOKE_REPLY);
        ((Pb__InvokeReply *)reply->body)->handled_us = frame->number / 1000;
        struct bytes *payload = reply_payload(call, frame);
        message_attach(reply, &payload);
        actor_reply(self, call->request, &reply);
    } else {
        struct error refusal;
        set_slice_error(&refusal, frame->status, frame->payload, frame->payload_size);
        actor_refuse_error(self, call->request, &refusal);
    }
    end_call(self, desk, &call);
    stop_if_drained(self, desk);
    return STATUS_OK;
}

/* The slice may learn it (host->is_cancelled); its answer goes nowhere. */
static void give_up(struct actor *self, struct slice_desk *desk, struct open_call *call,
                    const struct error *error)
{
    uint64_t number = call->number;
    (void)take_call(desk, number);
    actor_refuse_error(self, call->request, error);
    end_call(self, desk, &call);
    (void)desk->send(self, desk, &(struct slice_frame){ .type = SLICE_FRAME_CANCEL, .id = number });
}

void slice_desk_on_route(struct actor *self, struct slice_desk *desk, const struct message *message)
{
    desk_routes_learn(self, &desk->routes, message->body);
}

void slice_desk_on_withdrawn(struct actor *self, struct slice_desk *desk, const struct message *message)
{
    const struct invoke_withdrawn *withdrawn = message->body;
    size_t at = 0;
    uint64_t number;
    void *value;
    struct error error;
    (void)error_set(&error, STATUS_CANCELLED, "its caller withdrew it");
    while (map_next_number(&desk->calls, &at, &number, &value)) {
        struct open_call *call = value;
        if (call->request->tag != withdrawn->tag || !actor_id_equal(call->request->sender, message->sender))
            continue;
        give_up(self, desk, call, &error);
        break;
    }
    stop_if_drained(self, desk);
}

void slice_desk_on_sweep(struct actor *self, struct slice_desk *desk)
{
    desk->sweeping = false;
    int64_t now_ns = actor_now_ns(self);
    bool cut = desk->phase == DESK_DRAINING && now_ns >= desk->drain_until_ns;
    size_t at = 0;
    uint64_t number;
    void *value;
    while (map_next_number(&desk->calls, &at, &number, &value)) {
        struct open_call *call = value;
        bool late = now_ns >= call->deadline_ns;
        if (!late && !cut) continue;
        struct error error;
        if (late) (void)error_set(&error, STATUS_DEADLINE, "%s", status_text(STATUS_DEADLINE));
        else
            (void)error_set(&error, STATUS_CANCELLED, "%s",
                            "the instance stops, and its time to drain is over");
        give_up(self, desk, call, &error);
    }
    stop_if_drained(self, desk);
    if (desk->calls.count > 0) sweep_later(self, desk);
}

/* --- wishes -------------------------------------------------------------------------------------------- */

/* NULL: its number is none that the runner gives. The runner keeps its wishes in slots; only a forged frame
 * repeats one or asks for more. */
static struct slice_desk_wish *wish_begin(struct slice_desk *desk, const struct slice_frame *frame,
                                          struct error *error)
{
    struct slice_desk_wish *wish = &desk->wishes[frame->id % AETHER_OUTBOUND_MAX];
    if (frame->id == 0 || wish->used) {
        (void)error_set(error, STATUS_INVALID, "it wishes under a number that is in use");
        return NULL;
    }
    *wish = (struct slice_desk_wish){ .desk = desk, .id = frame->id, .used = true, .type = frame->type };
    return wish;
}

static void answer_wish(struct actor *self, struct slice_desk_wish *wish, enum status status,
                        uint64_t revision, const void *data, size_t size)
{
    struct slice_desk *desk = wish->desk;
    wish->used = false;
    if (desk->phase == DESK_DESTROYED) return;
    if (size > AETHER_PAYLOAD_MAX) {
        static const char text[] = "the answer is larger than 1 MiB";
        status = STATUS_INVALID;
        data = text;
        size = sizeof text - 1;
    }
    (void)desk->send(self, desk,
                     &(struct slice_frame){ .type = SLICE_FRAME_ANSWER,
                                            .id = wish->id,
                                            .status = (int32_t)status,
                                            .number = revision,
                                            .payload = data,
                                            .payload_size = size });
}

/* The call on whose behalf it was asked for has one less to wait for. */
static void leave_parent(struct slice_desk *desk, const struct slice_desk_wish *wish)
{
    struct open_call *parent = wish->parent == 0 ? NULL : map_get_number(&desk->calls, wish->parent);
    if (parent == NULL) return; /* It ended first. */
    CHECK(parent->nested > 0);
    parent->nested--;
}

static void on_wish_granted(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct slice_desk_wish *wish = context;
    const struct message *message = result->message;
    leave_parent(wish->desk, wish);
    if (result->status == STATUS_NOT_FOUND && wish->type == SLICE_FRAME_KV_GET) {
        answer_wish(self, wish, STATUS_OK, 0, NULL, 0); /* An absent record is an answer, too. */
        return;
    }
    if (result->status != STATUS_OK) {
        const char *text = result->error->message;
        answer_wish(self, wish, result->status, 0, text, strlen(text));
        return;
    }
    if (message->kind == KIND_KV_GET_REPLY) {
        const Pb__KvRecord *record = ((const Pb__KvGetReply *)message->body)->record;
        if (record == NULL) answer_wish(self, wish, STATUS_OK, 0, NULL, 0);
        else answer_wish(self, wish, STATUS_OK, record->revision, record->value.data, record->value.len);
        return;
    }
    if (message->kind == KIND_KV_CHANGE_REPLY) {
        answer_wish(self, wish, STATUS_OK, ((const Pb__KvChangeReply *)message->body)->revision, NULL, 0);
        return;
    }
    const struct bytes *payload = message->attachment;
    answer_wish(self, wish, STATUS_OK, 0, payload != NULL ? payload->data : NULL,
                payload != NULL ? payload->size : 0);
}

static enum status on_invoke_wish(struct actor *self, struct slice_desk *desk,
                                  const struct slice_frame *frame, struct error *error)
{
    static const char ended[] = "the call on whose behalf it was made has ended";
    struct slice_desk_wish *wish = wish_begin(desk, frame, error);
    if (wish == NULL) return STATUS_INVALID;
    struct open_call *parent = frame->number == 0 ? NULL : map_get_number(&desk->calls, frame->number);
    if (frame->number != 0 && parent == NULL) {
        answer_wish(self, wish, STATUS_CANCELLED, 0, ended, sizeof ended - 1);
        return STATUS_OK;
    }
    if (parent != NULL) parent->nested++;
    wish->parent = frame->number;
    bool inherited = frame->request_id.high != 0 || frame->request_id.low != 0;
    struct request_id request_id = inherited ? frame->request_id : actor_request_id_new(self);
    actor_set_request_id(self, request_id);
    int64_t budget_ns = frame->budget_ns;
    if (budget_ns <= 0) budget_ns = MILLISECONDS(1);
    if (budget_ns > BUDGET_MAX_NS) budget_ns = BUDGET_MAX_NS;
    const struct desk_call call = { .target = frame->words[0],
                                    .affinity = frame->words[1],
                                    .idempotency_key = frame->words[2],
                                    .caller = desk->caller,
                                    .frame = frame,
                                    .tag = wish_tag(self, wish->id),
                                    .request_id = request_id,
                                    .budget_ns = budget_ns,
                                    .depth = parent == NULL ? 0 : parent->depth + 1,
                                    .deadline_named = frame->status != 0 };
    desk_routes_call(self, &desk->routes, &call, on_wish_granted, wish);
    return STATUS_OK;
}

/* slice-data/{group}:{artifact}/{key}: a slice reaches its own records and no others. NULL: not a key. */
static char *own_key(const struct slice_desk *desk, struct message *message, const char *key)
{
    const char *version = strrchr(desk->key.artifact, ':');
    CHECK(version != NULL);
    int length = (int)(version - desk->key.artifact);
    char *full = arena_printf(&message->arena, "slice-data/%.*s/%s", length, desk->key.artifact, key);
    for (const char *c = key; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c == 0x7f) return NULL;
    return key[0] == '\0' || strlen(full) > KV_KEY_MAX ? NULL : full;
}

static enum status on_kv_wish(struct actor *self, struct slice_desk *desk, const struct slice_frame *frame,
                              struct error *error)
{
    struct slice_desk_wish *wish = wish_begin(desk, frame, error);
    if (wish == NULL) return STATUS_INVALID;
    bool put = frame->type == SLICE_FRAME_KV_PUT;
    struct message *message = wire_message_create(put ? KIND_KV_PUT_REQUEST : KIND_KV_GET_REQUEST);
    char *key = own_key(desk, message, frame->words[0]);
    bool text = frame->payload_size == 0 || (text_is_utf8(frame->payload, frame->payload_size) &&
                                             memchr(frame->payload, 0, frame->payload_size) == NULL);
    if (key == NULL || !text || frame->payload_size > KV_VALUE_MAX) {
        static const char complaint[] = "not a key, or a value that is not JSON text of at most 512 KiB";
        message_destroy(&message);
        answer_wish(self, wish, STATUS_INVALID, 0, complaint, sizeof complaint - 1);
        return STATUS_OK;
    }
    if (put) {
        Pb__KvPutRequest *request = message->body;
        request->key = key;
        request->value = arena_strndup(&message->arena, frame->payload_size > 0 ? frame->payload : "",
                                       frame->payload_size);
        if (frame->number != AETHER_ANY_REVISION) {
            request->has_if_rev_case = PB__KV_PUT_REQUEST__HAS_IF_REV_IF_REV;
            request->if_rev = frame->number;
        }
    } else {
        ((Pb__KvGetRequest *)message->body)->key = key;
    }
    actor_ask_name(self, put ? TO_PROPOSER : TO_STATE, &message, BUDGET_DEFAULT_NS, on_wish_granted, wish);
    return STATUS_OK;
}

/* --- words and figures --------------------------------------------------------------------------------- */

/* To its own log, which outlives it. */
static void keep_line(struct actor *self, const struct slice_desk *desk, enum slice_line_level level,
                      const char *text)
{
    if (desk->probe) return; /* It is nobody's instance. */
    struct message *message = message_create(KIND_SLICE_LINE, sizeof(struct slice_line));
    struct slice_line *line = message->body;
    line->key = desk->key;
    line->level = level;
    line->wall_ms = actor_wall_ms(self);
    line->text = arena_strdup(&message->arena, text);
    actor_tell_name(self, TO_SLICE_LOG, &message);
}

static void tell_cut(struct actor *self, const struct slice_desk *desk)
{
    char text[64];
    snprintf(text, sizeof text, "%u more lines in one second", desk->log_dropped);
    log_warn(self, "slice.log_cut", "%s#%u: %s", desk->key.artifact, desk->key.instance, text);
    keep_line(self, desk, LINE_NODE, text);
}

void slice_desk_on_output(struct actor *self, struct slice_desk *desk, int level, const char *text)
{
    int64_t second = actor_now_ns(self) / SECONDS(1);
    if (second != desk->log_second) {
        if (desk->log_dropped > 0) tell_cut(self, desk);
        desk->log_second = second;
        desk->log_lines = desk->log_dropped = 0;
    }
    if (desk->log_lines == LOG_LINES_MAX) {
        desk->log_dropped++;
        return;
    }
    desk->log_lines++;
    keep_line(self, desk, (enum slice_line_level)level, text);
    if (desk->log_lines <= NODE_LOG_LINES_MAX)
        actor_log(self, level, "slice.log", "%s#%u: %s", desk->key.artifact, desk->key.instance, text);
}

static void on_metric(struct actor *self, struct slice_desk *desk, const struct slice_frame *frame)
{
    char value[32];
    double gauge;
    memcpy(&gauge, &frame->number, sizeof gauge);
    if (frame->id == 1) snprintf(value, sizeof value, "%g", gauge);
    else snprintf(value, sizeof value, "%llu", (unsigned long long)frame->number);
    log_debug(self, "slice.metric", "%s#%u: %s=%s", desk->key.artifact, desk->key.instance, frame->words[0],
              value);
}

/* --- all that the instance says ------------------------------------------------------------------------ */

static enum status on_done(struct actor *self, struct slice_desk *desk, const struct slice_frame *frame,
                           struct error *error)
{
    if (desk->health_asked_ns != 0 && frame->id == desk->health_number) {
        on_health_done(self, desk, frame);
        return STATUS_OK;
    }
    if (desk->step != NULL && frame->id == desk->step_number) return on_step_done(self, desk, frame, error);
    return error_set(error, STATUS_INVALID, "it ended a step that nobody asked for");
}

enum status slice_desk_on_frame(struct actor *self, struct slice_desk *desk, const struct slice_frame *frame,
                                struct error *error)
{
    if (desk->phase == DESK_DESTROYED) return STATUS_OK; /* Last words. */
    switch (frame->type) {
    case SLICE_FRAME_DONE: return on_done(self, desk, frame, error);
    case SLICE_FRAME_REPLY: return on_reply(self, desk, frame, error);
    case SLICE_FRAME_INVOKE: return on_invoke_wish(self, desk, frame, error);
    case SLICE_FRAME_KV_GET:
    case SLICE_FRAME_KV_PUT: return on_kv_wish(self, desk, frame, error);
    case SLICE_FRAME_LOG:
        if (frame->request_id.high != 0) actor_set_request_id(self, frame->request_id);
        slice_desk_on_output(self, desk, (int)(frame->number <= 3 ? frame->number : 1), frame->words[0]);
        return STATUS_OK;
    case SLICE_FRAME_METRIC: on_metric(self, desk, frame); return STATUS_OK;
    case SLICE_FRAME_STATE: return on_snapshot(desk, frame, error);
    default: return error_set(error, STATUS_INVALID, "it said what only a node says (type %u)", frame->type);
    }
}

/* Calls in flight may have happened: CRASHED, whatever the reason was. */
static void refuse_calls(struct actor *self, struct slice_desk *desk, const char *text)
{
    size_t at = 0;
    uint64_t number;
    void *value;
    struct error error;
    (void)error_set(&error, STATUS_CRASHED, "%s", text);
    while (map_next_number(&desk->calls, &at, &number, &value)) {
        struct open_call *call = take_call(desk, number);
        actor_refuse_error(self, call->request, &error);
        end_call(self, desk, &call);
    }
    withdraw_wishes(self, desk, 0); /* Nobody hears them answered. */
}

void slice_desk_close(struct actor *self, struct slice_desk *desk)
{
    desk->phase = DESK_DESTROYED;
    refuse_calls(self, desk, "the instance was ended");
}

void slice_desk_fail(struct actor *self, struct slice_desk *desk, const struct error *error)
{
    if (desk->phase == DESK_DESTROYED) return;
    desk->phase = DESK_DESTROYED;
    keep_line(self, desk, LINE_NODE, error->message);
    refuse_calls(self, desk, error->message);
    if (desk->step != NULL) refuse_step(self, desk, error);
    actor_fail(self, error);
}
