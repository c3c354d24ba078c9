/* slice_runner: hooks in order, and the host table.
 *
 * Calls, wishes (invoke, kv) and timers live in tables of fixed size. What the slice holds of them is a
 * number made of a slot and its generation, so that a second reply, or a cancel after the fact, finds nothing
 * instead of somebody else's slot. */
#include "actors/slice/slice_runner.h"

#include "actors/slice/sdk/aether/slice.h"
#include "actors/slice/slice_buffers.h"
#include "actors/slice/slice_descriptor.h"
#include "actors/slice/slice_metrics.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

enum { SLOT_BITS = 10, SLOT_COUNT = 1 << SLOT_BITS, EXPLANATION_MAX = 400, CALL_BYTES_MAX = 16 << 20 };
_Static_assert((int)SLOT_COUNT == (int)AETHER_CALLS_MAX && (int)SLOT_COUNT == (int)AETHER_OUTBOUND_MAX &&
                   (int)SLOT_COUNT == (int)AETHER_TIMERS_MAX,
               "the three tables have the sizes that slice.h promises");
_Static_assert((int)AETHER_UNKNOWN == (int)STATUS_UNKNOWN && (int)AETHER_DEADLINE == (int)STATUS_DEADLINE &&
                   (int)AETHER_CONFLICT == (int)STATUS_CONFLICT,
               "slice.h repeats the numbers of status.h");

struct call {
    uint64_t number; /* 0 = free. */
    uint64_t id;     /* The node's. */
    uint32_t entry;  /* Index of the entry point. */
    bool given_up;   /* Its caller was answered: a reply goes nowhere. */
    int64_t begun_ns;
    int64_t deadline_ns;
    struct request_id request_id;
    struct arena arena;
};

struct wish {
    uint64_t number;
    aether_done *done;
    void *context;
};

struct timer {
    uint64_t number;
    int64_t due_ns;
    aether_timer *fire;
    void *context;
};

enum phase { EMPTY, LOADED, STARTED, STOPPED, DESTROYED };

struct slice_runner {
    struct aether_host host; /* What the slice holds a pointer to. */
    const struct slice_runner_options *options;
    enum phase phase;
    struct library *library;
    const struct aether_slice *slice;
    void *instance;
    struct instance_entry *entries;
    uint32_t entry_count;
    uint32_t open_calls[AETHER_ENTRIES_MAX]; /* Unanswered, by entry point. */
    struct arena arena;                      /* Entries, names. */
    struct bytes *config;
    struct bytes *inherited; /* A predecessor's state, as far as it has come; NULL: none is coming. */
    size_t inherited_size;   /* That has come. */
    struct call calls[SLOT_COUNT];
    struct wish wishes[SLOT_COUNT];
    struct timer timers[SLOT_COUNT];
    uint32_t timers_armed;
    uint64_t generation;
    struct request_id current; /* Of the call being handled, for logs. */
    char explanation[EXPLANATION_MAX];
    struct slice_metrics metrics;
    struct slice_buffers buffers;
};

static struct slice_runner *runner_of(const struct aether_host *host)
{
    return CONTAINER_OF(host, struct slice_runner, host); /* Drops const: only the slice must not write. */
}

static uint64_t number_new(struct slice_runner *runner, uint32_t slot)
{
    return ++runner->generation << SLOT_BITS | slot;
}

static uint32_t slot_of(uint64_t number)
{
    return (uint32_t)(number & (SLOT_COUNT - 1));
}

static int64_t now_ns(const struct slice_runner *runner)
{
    return runner->options->clock->monotonic_ns(runner->options->clock->context);
}

static void emit(struct slice_runner *runner, const struct slice_frame *frame)
{
    runner->options->emit(runner->options->context, frame);
}

/* --- the host table: time, chance, timers -------------------------------------------------------------- */

static int64_t host_now_ns(const struct aether_host *host)
{
    return now_ns(runner_of(host));
}

static int64_t host_wall_ms(const struct aether_host *host)
{
    const struct clock *clock = runner_of(host)->options->clock;
    return clock->wall_ms(clock->context);
}

static uint64_t host_random(const struct aether_host *host)
{
    return random_u64(runner_of(host)->options->random);
}

static uint64_t host_after(const struct aether_host *host, int64_t delay_ns, aether_timer *fire,
                           void *context)
{
    struct slice_runner *runner = runner_of(host);
    if (fire == NULL || runner->timers_armed == AETHER_TIMERS_MAX) return 0;
    uint32_t slot = 0;
    while (runner->timers[slot].number != 0)
        slot++;
    CHECK(slot < SLOT_COUNT);
    int64_t now = now_ns(runner);
    if (delay_ns < 0) delay_ns = 0;
    runner->timers[slot] = (struct timer){
        .number = number_new(runner, slot),
        .due_ns = delay_ns < INT64_MAX - now ? now + delay_ns : INT64_MAX - 1,
        .fire = fire,
        .context = context,
    };
    runner->timers_armed++;
    return runner->timers[slot].number;
}

static void host_cancel(const struct aether_host *host, uint64_t number)
{
    struct slice_runner *runner = runner_of(host);
    struct timer *timer = &runner->timers[slot_of(number)];
    if (number == 0 || timer->number != number) return;
    timer->number = 0;
    runner->timers_armed--;
}

int64_t slice_runner_due_ns(const struct slice_runner *runner)
{
    int64_t due = INT64_MAX;
    uint32_t left = runner->timers_armed;
    for (uint32_t i = 0; left > 0; i++) {
        if (runner->timers[i].number == 0) continue;
        if (runner->timers[i].due_ns < due) due = runner->timers[i].due_ns;
        left--;
    }
    return due;
}

void slice_runner_fire(struct slice_runner *runner)
{
    if (slice_runner_due_ns(runner) == INT64_MAX) return;
    int64_t now = now_ns(runner);
    uint64_t before = runner->generation; /* A timer armed by a timer waits for the next round. */
    for (uint32_t i = 0; i < SLOT_COUNT && runner->timers_armed > 0; i++) {
        struct timer timer = runner->timers[i];
        if (timer.number == 0 || timer.due_ns > now || timer.number >> SLOT_BITS > before) continue;
        runner->timers[i].number = 0;
        runner->timers_armed--;
        timer.fire(runner->instance, timer.context);
    }
}

/* --- the host table: calls ----------------------------------------------------------------------------- */

static struct aether_call *handle_of(const struct call *call)
{
    /* A number in a pointer's clothes: never followed, only looked up. */
    return (struct aether_call *)(uintptr_t)call->number; /* NOLINT(performance-no-int-to-ptr) */
}

static struct call *call_of(struct slice_runner *runner, const struct aether_call *handle)
{
    uint64_t number = (uintptr_t)handle;
    struct call *call = &runner->calls[slot_of(number)];
    return number != 0 && call->number == number ? call : NULL;
}

static void call_end(struct slice_runner *runner, struct call *call)
{
    runner->open_calls[call->entry]--;
    arena_fini(&call->arena);
    *call = (struct call){ 0 };
}

static void emit_reply(struct slice_runner *runner, uint64_t id, int32_t status, int64_t handled_ns,
                       struct slice_given given)
{
    if (slice_given_is_too_large(&given)) {
        static const char text[] =
            "the slice's answer is larger than 1 MiB, or than the buffer that it is in";
        status = AETHER_INVALID;
        given =
            (struct slice_given){ { text, sizeof text - 1 }, NULL }; /* The buffer is its caller's still. */
    }
    emit(runner, &(struct slice_frame){ .type = SLICE_FRAME_REPLY,
                                        .id = id,
                                        .status = status,
                                        .number = (uint64_t)handled_ns,
                                        .payload = given.payload.data,
                                        .payload_size = given.payload.size,
                                        .whole = given.buffer });
}

static void refuse_call(struct slice_runner *runner, uint64_t id, int32_t status, const char *text)
{
    emit_reply(runner, id, status, 0, (struct slice_given){ { text, strlen(text) }, NULL });
}

static void host_reply(const struct aether_host *host, struct aether_call *handle, int32_t status,
                       struct aether_bytes payload)
{
    struct slice_runner *runner = runner_of(host);
    struct call *call = call_of(runner, handle);
    struct slice_given answer = slice_buffers_give(&runner->buffers, payload);
    bool awaited = call != NULL && !call->given_up; /* And not answered before. */
    if (awaited) emit_reply(runner, call->id, status, now_ns(runner) - call->begun_ns, answer);
    bytes_unref(&answer.buffer);
    if (call != NULL) call_end(runner, call);
}

static int32_t host_is_cancelled(const struct aether_host *host, const struct aether_call *handle)
{
    struct slice_runner *runner = runner_of(host);
    const struct call *call = call_of(runner, handle);
    return call == NULL || call->given_up || now_ns(runner) >= call->deadline_ns;
}

static void *host_alloc(const struct aether_host *host, struct aether_call *handle, size_t size)
{
    struct call *call = call_of(runner_of(host), handle);
    if (call == NULL || size > CALL_BYTES_MAX || call->arena.used_bytes > CALL_BYTES_MAX - size) return NULL;
    return arena_alloc(&call->arena, size);
}

static void *host_buffer(const struct aether_host *host, size_t size)
{
    return slice_buffers_add(&runner_of(host)->buffers, size);
}

static void host_drop(const struct aether_host *host, void *buffer)
{
    struct bytes *gone = slice_buffers_take(&runner_of(host)->buffers, buffer);
    bytes_unref(&gone);
}

/* --- the host table: wishes ---------------------------------------------------------------------------- */

static int32_t wish_begin(struct slice_runner *runner, const char *name, const struct slice_given *payload,
                          aether_done *done, void *context, struct wish **out_wish)
{
    if (runner->phase != STARTED) return AETHER_NOT_READY;
    if (name == NULL || name[0] == '\0' || strlen(name) >= AETHER_NAME_MAX) return AETHER_INVALID;
    if (done == NULL || slice_given_is_too_large(payload)) return AETHER_INVALID;
    for (uint32_t i = 0; i < SLOT_COUNT; i++) {
        if (runner->wishes[i].number != 0) continue;
        runner->wishes[i] = (struct wish){ number_new(runner, i), done, context };
        *out_wish = &runner->wishes[i];
        return AETHER_OK;
    }
    return AETHER_OVERLOADED;
}

static int32_t invoke_with(struct slice_runner *runner, const struct aether_invoke *invoke,
                           const struct slice_given *payload, aether_done *done, void *context)
{
    struct wish *wish;
    if (invoke->size < offsetof(struct aether_invoke, idempotency_key)) return AETHER_INVALID;
    bool has_key = invoke->size >= sizeof *invoke && invoke->idempotency_key != NULL; /* Since minor 1. */
    const char *key = has_key ? invoke->idempotency_key : "";
    const char *affinity = invoke->affinity != NULL ? invoke->affinity : "";
    if (strlen(affinity) >= AETHER_NAME_MAX || strlen(key) >= AETHER_NAME_MAX) return AETHER_INVALID;
    const struct call *parent = call_of(runner, invoke->parent);
    if (invoke->parent != NULL && parent == NULL) return AETHER_CANCELLED; /* It was answered before. */
    int32_t status = wish_begin(runner, invoke->target, payload, done, context, &wish);
    if (status != AETHER_OK) return status;
    int64_t budget_ns = invoke->timeout_ns > 0 ? invoke->timeout_ns : SECONDS(30);
    struct request_id request_id = { 0 };
    if (parent != NULL) {
        int64_t left_ns = parent->deadline_ns - now_ns(runner);
        if (left_ns < budget_ns) budget_ns = left_ns > 0 ? left_ns : 1;
        request_id = parent->request_id;
    }
    emit(runner, &(struct slice_frame){ .type = SLICE_FRAME_INVOKE,
                                        .id = wish->number,
                                        .number = parent != NULL ? parent->id : 0,
                                        .status = invoke->timeout_ns > 0 ? 1 : 0,
                                        .words = { invoke->target, affinity, key },
                                        .budget_ns = budget_ns,
                                        .request_id = request_id,
                                        .payload = payload->payload.data,
                                        .payload_size = payload->payload.size,
                                        .whole = payload->buffer });
    return AETHER_OK;
}

static int32_t host_invoke(const struct aether_host *host, const struct aether_invoke *invoke,
                           aether_done *done, void *context)
{
    struct slice_runner *runner = runner_of(host);
    struct slice_given payload = slice_buffers_give(&runner->buffers, invoke->payload);
    int32_t status = invoke_with(runner, invoke, &payload, done, context);
    bytes_unref(&payload.buffer);
    return status;
}

static int32_t host_kv_get(const struct aether_host *host, const char *key, aether_done *done, void *context)
{
    struct slice_runner *runner = runner_of(host);
    struct wish *wish;
    int32_t status = wish_begin(runner, key, &(struct slice_given){ 0 }, done, context, &wish);
    if (status != AETHER_OK) return status;
    emit(runner, &(struct slice_frame){ .type = SLICE_FRAME_KV_GET, .id = wish->number, .words = { key } });
    return AETHER_OK;
}

static int32_t host_kv_put(const struct aether_host *host, const char *key, struct aether_bytes value,
                           uint64_t if_revision, aether_done *done, void *context)
{
    struct slice_runner *runner = runner_of(host);
    struct wish *wish;
    struct slice_given payload = slice_buffers_give(&runner->buffers, value);
    int32_t status = wish_begin(runner, key, &payload, done, context, &wish);
    if (status == AETHER_OK)
        emit(runner, &(struct slice_frame){ .type = SLICE_FRAME_KV_PUT,
                                            .id = wish->number,
                                            .words = { key },
                                            .number = if_revision,
                                            .payload = value.data,
                                            .payload_size = value.size });
    bytes_unref(&payload.buffer);
    return status;
}

static int32_t host_publish(const struct aether_host *host, const char *topic, struct aether_bytes payload)
{
    (void)host, (void)topic, (void)payload;
    return AETHER_NOT_READY; /* This cluster has no subscribers to publish to (slice.h says so). */
}

static void on_answer(struct slice_runner *runner, const struct slice_frame *frame)
{
    struct wish *slot = &runner->wishes[slot_of(frame->id)];
    if (frame->id == 0 || slot->number != frame->id || runner->phase == DESTROYED) return;
    struct wish wish = *slot;
    slot->number = 0;
    struct aether_result result = {
        .size = sizeof result,
        .status = frame->status,
        .value = { frame->payload, frame->payload_size },
        .revision = frame->number,
    };
    wish.done(runner->instance, wish.context, &result);
}

/* --- the host table: words and figures ----------------------------------------------------------------- */

static struct aether_bytes host_config(const struct aether_host *host)
{
    const struct bytes *config = runner_of(host)->config;
    return config != NULL ? (struct aether_bytes){ config->data, config->size }
                          : (struct aether_bytes){ "{}", 2 };
}

/* As UTF-8, and not longer than size_max bytes; a character that is cut goes whole. */
static void add_clean(struct text *to, const char *from, size_t size_max)
{
    text_add_utf8(to, from);
    if (to->size <= size_max) return;
    to->size = size_max;
    while (!text_is_utf8(to->data, to->size))
        to->size--;
    to->data[to->size] = '\0';
}

static void host_log(const struct aether_host *host, int32_t level, const char *text)
{
    struct slice_runner *runner = runner_of(host);
    struct text line = { 0 };
    add_clean(&line, text != NULL ? text : "", SLICE_FRAME_WORD_MAX / 2);
    uint64_t known = level < AETHER_DEBUG || level > AETHER_ERROR ? AETHER_INFO : (uint64_t)level;
    emit(runner, &(struct slice_frame){ .type = SLICE_FRAME_LOG,
                                        .number = known,
                                        .request_id = runner->current,
                                        .words = { text_string(&line) } });
    text_fini(&line);
}

static void host_count(const struct aether_host *host, const char *name, uint64_t amount)
{
    slice_metrics_count(&runner_of(host)->metrics, name, amount);
}

static void host_gauge(const struct aether_host *host, const char *name, double value)
{
    slice_metrics_gauge(&runner_of(host)->metrics, name, value);
}

static void emit_metrics(struct slice_runner *runner)
{
    struct slice_frame frame;
    for (uint32_t at = 0; slice_metrics_next(&runner->metrics, &at, &frame);)
        emit(runner, &frame);
}

static void host_explain(const struct aether_host *host, const char *text)
{
    struct slice_runner *runner = runner_of(host);
    (void)text_copy(runner->explanation, sizeof runner->explanation, text != NULL ? text : "");
}

/* --- steps --------------------------------------------------------------------------------------------- */

static void emit_done_with(struct slice_runner *runner, uint64_t step, enum status status, const char *text,
                           uint64_t number)
{
    struct arena arena = { 0 };
    const void *entries = NULL;
    size_t size = 0;
    if (status == STATUS_OK)
        slice_frame_put_entries(runner->entries, runner->entry_count, &arena, &entries, &size);
    struct text line = { 0 };
    add_clean(&line, text, EXPLANATION_MAX);
    emit(runner, &(struct slice_frame){ .type = SLICE_FRAME_DONE,
                                        .id = step,
                                        .status = (int32_t)status,
                                        .number = number,
                                        .words = { text_string(&line) },
                                        .payload = entries,
                                        .payload_size = size });
    text_fini(&line);
    arena_fini(&arena);
}

static void emit_done(struct slice_runner *runner, uint64_t step, enum status status, const char *text)
{
    emit_done_with(runner, step, status, text, 0);
}

static void tell_no(const struct slice_runner *runner, const char *hook, int32_t result, char *text,
                    size_t size)
{
    const char *word = status_name(status_from_number(result));
    snprintf(text, size, "%s said %s%s%s", hook, word, runner->explanation[0] != '\0' ? ": " : "",
             runner->explanation);
}

/* A hook's "no" is the slice's own error, whatever number it chose. */
static void emit_hook_done(struct slice_runner *runner, uint64_t step, const char *hook, int32_t result,
                           uint64_t number)
{
    char text[EXPLANATION_MAX + 64];
    if (result == AETHER_OK) {
        emit_done_with(runner, step, STATUS_OK, "", number);
        return;
    }
    tell_no(runner, hook, result, text, sizeof text);
    emit_done(runner, step, STATUS_APP_ERROR, text);
}

static enum status map_library(struct slice_runner *runner, const struct slice_frame *frame,
                               struct error *error)
{
    const struct library_port *libraries = runner->options->libraries;
    if (runner->phase != EMPTY || runner->library != NULL)
        return error_set(error, STATUS_CONFLICT, "something is loaded already");
    enum status status = libraries->open(libraries->context, frame->words[0], &runner->library, error);
    if (status != STATUS_OK) return status;
    runner->slice = libraries->symbol(libraries->context, runner->library, "AETHER_SLICE_DESCRIPTOR");
    if (runner->slice == NULL)
        return error_set(error, STATUS_INVALID, "it exports no AETHER_SLICE_DESCRIPTOR: not a slice");
    const char *artifact = frame->words[1][0] != '\0' ? frame->words[1] : NULL;
    return slice_descriptor_check(runner->slice, artifact, &runner->arena, &runner->entries,
                                  &runner->entry_count, error);
}

static void on_probe(struct slice_runner *runner, const struct slice_frame *frame)
{
    struct error error = { 0 };
    enum status status = map_library(runner, frame, &error);
    if (status != STATUS_OK) {
        emit_done(runner, frame->id, status, error.message);
        return;
    }
    const struct library_port *libraries = runner->options->libraries;
    runner->slice = NULL;
    bool unmapped = libraries->close(libraries->context, &runner->library);
    emit_done_with(runner, frame->id, STATUS_OK, "", unmapped ? 0 : (uint64_t)SLICE_STAYS_MAPPED);
}

static uint64_t hooks_of(const struct aether_slice *slice)
{
    return (slice->snapshot != NULL ? (uint64_t)SLICE_HOOK_SNAPSHOT : 0) |
           (slice->restore != NULL ? (uint64_t)SLICE_HOOK_RESTORE : 0) |
           (slice->config_changed != NULL ? (uint64_t)SLICE_HOOK_CONFIG_CHANGED : 0);
}

static void on_load(struct slice_runner *runner, const struct slice_frame *frame)
{
    struct error error = { 0 };
    enum status status = map_library(runner, frame, &error);
    if (status != STATUS_OK) {
        emit_done(runner, frame->id, status, error.message);
        return;
    }
    runner->host.artifact = arena_strdup(&runner->arena, frame->words[1]);
    runner->host.node = arena_strdup(&runner->arena, frame->words[2]);
    runner->host.instance = (uint32_t)frame->number;
    runner->config = bytes_copy(frame->payload, frame->payload_size);
    runner->explanation[0] = '\0';
    struct aether_bytes config = { runner->config->data, runner->config->size };
    int32_t result = runner->slice->create(&runner->host, config, &runner->instance);
    if (result == AETHER_OK) runner->phase = LOADED;
    emit_hook_done(runner, frame->id, "create", result, hooks_of(runner->slice));
}

static void on_start(struct slice_runner *runner, const struct slice_frame *frame)
{
    if (runner->phase != LOADED && runner->phase != STOPPED) {
        emit_done(runner, frame->id, STATUS_CONFLICT, "not loaded");
        return;
    }
    enum phase before = runner->phase;
    runner->phase = STARTED; /* Its start may call others. */
    runner->explanation[0] = '\0';
    int32_t result = runner->slice->start != NULL ? runner->slice->start(runner->instance) : AETHER_OK;
    if (result != AETHER_OK) runner->phase = before;
    emit_hook_done(runner, frame->id, "start", result, 0);
}

/* --- state carried over, configuration taken over ------------------------------------------------------ */

struct snapshot { /* Being taken. */
    struct slice_runner *runner;
    uint64_t step;
    size_t size; /* Written so far. */
};

static int32_t write_snapshot(void *context, struct aether_bytes part)
{
    struct snapshot *snapshot = context;
    if (part.size > AETHER_SNAPSHOT_MAX - snapshot->size) return AETHER_OVERLOADED;
    snapshot->size += part.size;
    for (size_t at = 0; at < part.size;) {
        size_t left = part.size - at;
        size_t piece = left < AETHER_PAYLOAD_MAX ? left : AETHER_PAYLOAD_MAX;
        emit(snapshot->runner, &(struct slice_frame){ .type = SLICE_FRAME_STATE,
                                                      .id = snapshot->step,
                                                      .payload = (const uint8_t *)part.data + at,
                                                      .payload_size = piece });
        at += piece;
    }
    return AETHER_OK;
}

/* true: what was emitted is whole. A slice that can't say what it holds is stopped all the same. */
static bool take_snapshot(struct slice_runner *runner, uint64_t step)
{
    struct snapshot snapshot = { .runner = runner, .step = step };
    char text[EXPLANATION_MAX + 64];
    if (runner->slice->snapshot == NULL) return false;
    runner->explanation[0] = '\0';
    int32_t result = runner->slice->snapshot(runner->instance, write_snapshot, &snapshot);
    if (result == AETHER_OK) return true;
    tell_no(runner, "snapshot", result, text, sizeof text);
    host_log(&runner->host, AETHER_WARN, text);
    return false;
}

static void on_restore(struct slice_runner *runner, const struct slice_frame *frame)
{
    if (runner->phase != LOADED || runner->slice->restore == NULL) {
        emit_done(runner, frame->id, STATUS_CONFLICT, "not just created, or without restore");
        return;
    }
    if (runner->inherited == NULL) runner->inherited = bytes_create(frame->payload_size + frame->number);
    struct bytes *whole = runner->inherited;
    CHECK(frame->payload_size + frame->number ==
          whole->size - runner->inherited_size); /* The node's pieces. */
    if (frame->payload_size > 0)
        memcpy(whole->data + runner->inherited_size, frame->payload, frame->payload_size);
    runner->inherited_size += frame->payload_size;
    if (frame->number > 0) return;
    runner->explanation[0] = '\0';
    int32_t result =
        runner->slice->restore(runner->instance, (struct aether_bytes){ whole->data, whole->size });
    bytes_unref(&runner->inherited);
    runner->inherited_size = 0;
    emit_hook_done(runner, frame->id, "restore", result, 0);
}

static void on_configure(struct slice_runner *runner, const struct slice_frame *frame)
{
    if (runner->phase != STARTED || runner->slice->config_changed == NULL) {
        emit_done(runner, frame->id, STATUS_NOT_FOUND, "it takes no configuration over while it runs");
        return;
    }
    struct bytes *config = bytes_copy(frame->payload, frame->payload_size);
    struct aether_bytes borrowed = { config->data, config->size };
    runner->explanation[0] = '\0';
    int32_t result = runner->slice->config_changed(runner->instance, borrowed);
    if (result == AETHER_OK) { /* host->config gives the new one from here on. */
        struct bytes *former = runner->config;
        runner->config = config;
        config = former;
    }
    bytes_unref(&config);
    emit_hook_done(runner, frame->id, "config_changed", result, 0);
}

static void give_up_calls(struct slice_runner *runner)
{
    for (uint32_t i = 0; i < SLOT_COUNT; i++)
        if (runner->calls[i].number != 0) runner->calls[i].given_up = true;
}

static void on_stop(struct slice_runner *runner, const struct slice_frame *frame)
{
    if (runner->phase != STARTED) {
        emit_done(runner, frame->id, STATUS_CONFLICT, "not started");
        return;
    }
    give_up_calls(runner);
    bool left = frame->number == 1 && take_snapshot(runner, frame->id);
    runner->explanation[0] = '\0';
    int32_t result = runner->slice->stop != NULL ? runner->slice->stop(runner->instance) : AETHER_OK;
    runner->phase = STOPPED; /* Also after a "no": nothing will call it again. */
    emit_metrics(runner);
    emit_hook_done(runner, frame->id, "stop", result, left ? 1 : 0);
}

static void on_destroy(struct slice_runner *runner, const struct slice_frame *frame)
{
    if (runner->phase == STARTED) { /* Skipped steps are made up for: a slice sees its hooks in order. */
        give_up_calls(runner);
        if (runner->slice->stop != NULL) (void)runner->slice->stop(runner->instance);
    }
    bool created = runner->phase == LOADED || runner->phase == STARTED || runner->phase == STOPPED;
    runner->phase = DESTROYED;
    if (created && runner->slice->destroy != NULL) runner->slice->destroy(runner->instance);
    runner->timers_armed = 0;
    memset(runner->timers, 0, sizeof runner->timers);
    emit_done(runner, frame->id, STATUS_OK, "");
}

static void on_health(struct slice_runner *runner, const struct slice_frame *frame)
{
    runner->explanation[0] = '\0';
    bool asked = runner->phase == STARTED && runner->slice->health != NULL;
    int32_t result = asked ? runner->slice->health(runner->instance) : AETHER_OK;
    emit_metrics(runner);
    emit_hook_done(runner, frame->id, "health", result, 0);
}

/* --- calls --------------------------------------------------------------------------------------------- */

static struct call *call_begin(struct slice_runner *runner, const struct slice_frame *frame, uint32_t entry)
{
    uint32_t most = runner->entries[entry].concurrency_max;
    if (most != 0 && runner->open_calls[entry] >= most) return NULL;
    for (uint32_t i = 0; i < SLOT_COUNT; i++) {
        struct call *call = &runner->calls[i];
        if (call->number != 0) continue;
        *call = (struct call){
            .number = number_new(runner, i),
            .id = frame->id,
            .entry = entry,
            .begun_ns = now_ns(runner),
            .request_id = frame->request_id,
        };
        call->deadline_ns = call->begun_ns + frame->budget_ns;
        runner->open_calls[entry]++;
        return call;
    }
    return NULL;
}

static void on_call(struct slice_runner *runner, const struct slice_frame *frame)
{
    uint32_t entry = 0;
    while (entry < runner->entry_count && runner->entries[entry].id != frame->number)
        entry++;
    if (entry == runner->entry_count || runner->phase != STARTED) {
        refuse_call(runner, frame->id, AETHER_NOT_READY, "");
        return;
    }
    struct call *call = call_begin(runner, frame, entry);
    if (call == NULL) {
        refuse_call(runner, frame->id, AETHER_OVERLOADED, "it holds as many calls as it may");
        return;
    }
    struct aether_request request = {
        .size = sizeof request,
        .entry = (uint32_t)frame->number,
        .payload = { frame->payload, frame->payload_size },
        .deadline_ns = call->deadline_ns,
        .request_id = { frame->request_id.high, frame->request_id.low },
        .caller = frame->words[0],
    };
    runner->current = frame->request_id;
    runner->slice->handle(runner->instance, handle_of(call), &request);
    runner->current = (struct request_id){ 0 };
}

static void on_cancel(struct slice_runner *runner, const struct slice_frame *frame)
{
    for (uint32_t i = 0; i < SLOT_COUNT; i++)
        if (runner->calls[i].number != 0 && runner->calls[i].id == frame->id)
            runner->calls[i].given_up = true;
}

/* --- the runner ---------------------------------------------------------------------------------------- */

void slice_runner_take(struct slice_runner *runner, const struct slice_frame *frame)
{
    switch (frame->type) {
    case SLICE_FRAME_LOAD: on_load(runner, frame); break;
    case SLICE_FRAME_PROBE: on_probe(runner, frame); break;
    case SLICE_FRAME_START: on_start(runner, frame); break;
    case SLICE_FRAME_CONFIGURE: on_configure(runner, frame); break;
    case SLICE_FRAME_RESTORE: on_restore(runner, frame); break;
    case SLICE_FRAME_STOP: on_stop(runner, frame); break;
    case SLICE_FRAME_DESTROY: on_destroy(runner, frame); break;
    case SLICE_FRAME_HEALTH: on_health(runner, frame); break;
    case SLICE_FRAME_CALL: on_call(runner, frame); break;
    case SLICE_FRAME_CANCEL: on_cancel(runner, frame); break;
    case SLICE_FRAME_ANSWER: on_answer(runner, frame); break;
    default: break; /* The node says nothing else. */
    }
}

bool slice_runner_is_destroyed(const struct slice_runner *runner)
{
    return runner->phase == DESTROYED;
}

static const struct aether_host host_table = {
    .abi_major = AETHER_ABI_MAJOR,
    .abi_minor = AETHER_ABI_MINOR,
    .size = sizeof(struct aether_host),
    .artifact = "",
    .node = "",
    .now_ns = host_now_ns,
    .wall_ms = host_wall_ms,
    .random = host_random,
    .after = host_after,
    .cancel = host_cancel,
    .reply = host_reply,
    .invoke = host_invoke,
    .alloc = host_alloc,
    .kv_get = host_kv_get,
    .kv_put = host_kv_put,
    .publish = host_publish,
    .config = host_config,
    .log = host_log,
    .count = host_count,
    .gauge = host_gauge,
    .explain = host_explain,
    .is_cancelled = host_is_cancelled,
    .buffer = host_buffer,
    .drop = host_drop,
};

struct slice_runner *slice_runner_create(const struct slice_runner_options *options)
{
    struct slice_runner *runner = memory_zalloc(sizeof *runner);
    runner->host = host_table;
    runner->options = options;
    return runner;
}

void slice_runner_destroy(struct slice_runner **runner, bool *out_pinned)
{
    struct slice_runner *gone = *runner;
    if (gone == NULL) return;
    *runner = NULL;
    const struct library_port *libraries = gone->options->libraries;
    bool unmapped = gone->library == NULL || libraries->close(libraries->context, &gone->library);
    if (out_pinned != NULL) *out_pinned = !unmapped;
    for (uint32_t i = 0; i < SLOT_COUNT; i++)
        arena_fini(&gone->calls[i].arena);
    arena_fini(&gone->arena);
    slice_buffers_fini(&gone->buffers);
    bytes_unref(&gone->config);
    bytes_unref(&gone->inherited);
    memory_free(gone);
}
