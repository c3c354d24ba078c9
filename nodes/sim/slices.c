/* slices: the model of one instance, and the repositories that offer it.
 * Learns  steps and calls from the slice store and slice_call, as a real instance would.
 * Owns    the messages it has not answered yet: each has a timer whose tag is its number.
 * Limits  CALLS_MAX calls, then OVERLOADED. */
#include "nodes/sim/slices.h"

#include "actors/slice/slice_frame.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/map.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CALLS_MAX = 1024, TAG_CRASH = 1, TAG_DRAINED = 2, TAG_FIRST = 16 };

struct model {
    struct sim_slices *slices;
    const struct sim_slice *slice; /* NULL: no such object (a probe or LOAD then says INVALID). */
    struct message *step;
    uint64_t step_tag;
    struct map calls; /* Tag to kept INVOKE_REQUEST. */
    uint64_t last_tag;
    uint64_t ended; /* Calls, its predecessors' included. */
    bool probe;
    bool loaded;
    bool active;
    bool draining;
};

/* --- calls by number ------------------------------------------------------------------------------------ */

#define PAYLOAD_HEAD "{\"n\":"

void sim_slices_payload(uint64_t number, char payload[SIM_SLICES_PAYLOAD_MAX])
{
    (void)snprintf(payload, SIM_SLICES_PAYLOAD_MAX, PAYLOAD_HEAD "%" PRIu64 "}", number);
}

uint64_t sim_slices_number(const void *payload, size_t size)
{
    char text[SIM_SLICES_PAYLOAD_MAX];
    uint64_t number = 0;
    if (size >= sizeof text || size <= strlen(PAYLOAD_HEAD)) return 0;
    memcpy(text, payload, size);
    text[size - 1] = '\0'; /* The brace. */
    bool fits = text_starts_with(text, PAYLOAD_HEAD) && text_to_u64(text + strlen(PAYLOAD_HEAD), &number);
    return fits ? number : 0;
}

uint32_t sim_slices_executions(const struct sim_slices *slices, uint64_t number)
{
    return (uint32_t)(uintptr_t)map_get_number(&slices->executions, number);
}

static void note_execution(struct sim_slices *slices, const struct bytes *payload)
{
    uint64_t number = payload == NULL ? 0 : sim_slices_number(payload->data, payload->size);
    if (number == 0) return;
    uintptr_t count = sim_slices_executions(slices, number) + 1;
    (void)map_put_number(&slices->executions, number, (void *)count); /* NOLINT: a number, not an address. */
}

void sim_slices_fini(struct sim_slices *slices)
{
    map_fini(&slices->executions);
}

static const struct sim_slice *slice_named(const struct sim_slices *slices, const char *artifact)
{
    for (uint32_t i = 0; i < slices->slice_count; i++)
        if (strcmp(slices->slices[i].artifact, artifact) == 0) return &slices->slices[i];
    return NULL;
}

static void crash(struct actor *self, struct model *model)
{
    struct error error;
    (void)error_set(&error, STATUS_CRASHED, "killed by signal 11 (simulated)");
    model->slices->crashes++;
    actor_fail(self, &error); /* What is kept is refused CRASHED by the runtime. */
}

/* --- steps --------------------------------------------------------------------------------------------- */

/* What it leaves: how many calls it ended. */
static void leave_state(const struct model *model, struct message *reply)
{
    const struct slice_step *step = model->step->body;
    if (!step->snapshot || (model->slice->hooks & SLICE_HOOK_SNAPSHOT) == 0) return;
    struct bytes *state = bytes_copy(&model->ended, sizeof model->ended);
    message_attach(reply, &state);
}

static void take_state(struct model *model)
{
    const struct bytes *state = model->step->attachment;
    CHECK(state != NULL);
    CHECK(state->size == sizeof model->ended);
    memcpy(&model->ended, state->data, state->size);
    model->slices->restored++;
    model->slices->carried = model->ended;
}

static void answer_step(struct actor *self, struct model *model)
{
    enum slice_step_kind kind = ((const struct slice_step *)model->step->body)->kind;
    struct message *reply = message_create(KIND_SLICE_STEP_DONE, sizeof(struct slice_step_done));
    struct slice_step_done *done = reply->body;
    if (kind == SLICE_STEP_LOAD) {
        done->entries = model->slice->entries;
        done->entry_count = model->slice->entry_count;
        done->hooks = model->slice->hooks;
        done->limits = "none";
        model->slices->alive += model->loaded ? 0 : 1;
        model->loaded = true;
    }
    if (kind == SLICE_STEP_STOP) leave_state(model, reply);
    if (kind == SLICE_STEP_RESTORE) take_state(model);
    if (kind == SLICE_STEP_CONFIGURE) model->slices->configured++;
    if (kind == SLICE_STEP_START) {
        model->active = true;
        int64_t life_ns = model->slices->life_ns_max;
        if (life_ns > 0)
            (void)actor_after(self, chance_between(&model->slices->chance, 0, life_ns), KIND_SLICE_TIMER,
                              TAG_CRASH);
    }
    actor_reply(self, model->step, &reply);
    message_destroy(&model->step);
}

static void end_step(struct actor *self, struct model *model)
{
    struct error error;
    enum slice_step_kind kind = ((const struct slice_step *)model->step->body)->kind;
    if (chance_permille(&model->slices->chance, model->slices->crash_permille)) {
        crash(self, model);
        return;
    }
    if (kind == SLICE_STEP_LOAD && model->slice == NULL) {
        (void)error_set(&error, STATUS_INVALID, "it exports no AETHER_SLICE_DESCRIPTOR");
    } else if (kind == SLICE_STEP_LOAD && model->slice->unloadable != STATUS_OK) {
        (void)error_set(&error, model->slice->unloadable, "it can't be loaded (simulated)");
    } else if (kind != SLICE_STEP_DESTROY && !model->probe && /* A probe runs no hook. */
               chance_permille(&model->slices->chance, model->slices->no_permille)) {
        (void)error_set(&error, STATUS_APP_ERROR, "a hook said no (simulated)");
    } else {
        answer_step(self, model);
        return;
    }
    actor_refuse_error(self, model->step, &error);
    message_destroy(&model->step);
}

static void begin_step(struct actor *self, struct model *model)
{
    model->draining = false;
    model->step_tag = TAG_FIRST + ++model->last_tag;
    int64_t delay_ns = chance_between(&model->slices->chance, 0, model->slices->step_ns_max);
    (void)actor_after(self, delay_ns, KIND_SLICE_TIMER, model->step_tag);
}

static void on_step(struct actor *self, void *state, const struct message *message)
{
    struct model *model = state;
    if (model->step != NULL) {
        actor_refuse(self, message, STATUS_CONFLICT);
        return;
    }
    const struct slice_step *step = message->body;
    model->step = actor_keep(self);
    if (step->kind != SLICE_STEP_STOP) {
        begin_step(self, model);
        return;
    }
    model->active = false;
    model->draining = true;
    if (model->calls.count == 0) begin_step(self, model);
    else (void)actor_after(self, step->drain_ns, KIND_SLICE_TIMER, TAG_DRAINED);
}

/* --- calls --------------------------------------------------------------------------------------------- */

static bool has_entry(const struct sim_slice *slice, const char *name)
{
    for (uint32_t i = 0; i < slice->entry_count; i++)
        if (strcmp(slice->entries[i].name, name) == 0) return true;
    return false;
}

static void on_invoke(struct actor *self, void *state, const struct message *message)
{
    struct model *model = state;
    const Pb__InvokeRequest *request = message->body;
    enum status status = STATUS_OK;
    if (!model->active) status = STATUS_NOT_READY;
    else if (!has_entry(model->slice, request->entry)) status = STATUS_NO_ENDPOINT;
    else if (model->calls.count == CALLS_MAX) status = STATUS_OVERLOADED;
    if (status != STATUS_OK) {
        actor_refuse(self, message, status);
        return;
    }
    note_execution(model->slices, message->attachment);
    uint64_t tag = TAG_FIRST + ++model->last_tag;
    (void)map_put_number(&model->calls, tag, actor_keep(self));
    int64_t delay_ns = chance_between(&model->slices->chance, 0, model->slices->call_ns_max);
    (void)actor_after(self, delay_ns, KIND_SLICE_TIMER, tag);
}

static void end_call(struct actor *self, struct model *model, struct message *call)
{
    if (!actor_refuse_if_late(self, call)) {
        struct message *reply = wire_message_create(KIND_INVOKE_REPLY);
        struct bytes *payload = call->attachment != NULL ? bytes_ref(call->attachment) : bytes_copy("", 0);
        message_attach(reply, &payload);
        actor_reply(self, call, &reply);
    }
    message_destroy(&call);
    model->ended++;
    if (model->draining && model->calls.count == 0) begin_step(self, model);
}

static void on_withdrawn(struct actor *self, void *state, const struct message *message)
{
    struct model *model = state;
    const struct invoke_withdrawn *withdrawn = message->body;
    size_t at = 0;
    uint64_t tag;
    void *value;
    while (map_next_number(&model->calls, &at, &tag, &value)) {
        struct message *call = value;
        if (call->tag != withdrawn->tag || !actor_id_equal(call->sender, message->sender)) continue;
        (void)map_remove_number(&model->calls, tag);
        actor_refuse(self, call, STATUS_CANCELLED);
        message_destroy(&call);
        model->slices->withdrawn++;
        break;
    }
    if (model->draining && model->calls.count == 0) begin_step(self, model);
}

static void cut_calls(struct actor *self, struct model *model)
{
    size_t at = 0;
    uint64_t tag;
    void *value;
    while (map_next_number(&model->calls, &at, &tag, &value)) {
        struct message *call = map_remove_number(&model->calls, tag);
        actor_refuse(self, call, STATUS_CANCELLED);
        message_destroy(&call);
    }
    begin_step(self, model);
}

static void on_timer(struct actor *self, void *state, const struct message *message)
{
    struct model *model = state;
    if (message->tag == TAG_CRASH) {
        if (model->active) crash(self, model);
        return;
    }
    if (message->tag == TAG_DRAINED) {
        if (model->draining) cut_calls(self, model);
        return;
    }
    if (model->step != NULL && message->tag == model->step_tag) {
        end_step(self, model);
        return;
    }
    struct message *call = map_remove_number(&model->calls, message->tag);
    if (call == NULL) return; /* Cut. */
    if (!chance_permille(&model->slices->chance, model->slices->crash_permille)) {
        end_call(self, model, call);
        return;
    }
    actor_refuse(self, call, STATUS_CRASHED);
    message_destroy(&call);
    crash(self, model);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static enum status model_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    struct model *model = state;
    const struct slice_instance_options *instance = options;
    model->slices = instance->adapters->context;
    model->probe = instance->probe;
    model->slice = slice_named(model->slices, instance->key.artifact);
    return STATUS_OK;
}

static void model_fini(void *state)
{
    struct model *model = state;
    size_t at = 0;
    uint64_t tag;
    void *value;
    while (map_next_number(&model->calls, &at, &tag, &value)) {
        struct message *call = value;
        message_destroy(&call);
    }
    map_fini(&model->calls);
    message_destroy(&model->step);
    model->slices->alive -= model->loaded ? 1 : 0;
}

static const struct behavior_row model_rows[] = {
    { KIND_SLICE_STEP, on_step },
    { KIND_INVOKE_REQUEST, on_invoke },
    { KIND_INVOKE_WITHDRAWN, on_withdrawn },
    { KIND_SLICE_TIMER, on_timer },
};
static const struct behavior sim_slice_behavior = {
    .name = "sim_slice",
    .state_size = sizeof(struct model),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 2048,
    .init = model_init,
    .fini = model_fini,
    .rows = model_rows,
    .row_count = ARRAY_COUNT(model_rows),
};
const struct slice_backend sim_slice_backend = {
    .isolated = &sim_slice_behavior,
    .inlined = &sim_slice_behavior,
};

/* --- repositories -------------------------------------------------------------------------------------- */

struct repositories {
    struct sim_slices *slices;
    struct map waiting; /* Tag to kept request. */
    uint64_t last_tag;
};

void sim_slices_sha256(const char *artifact, char sha256[SHA256_TEXT_SIZE])
{
    uint64_t words[4];
    for (uint64_t i = 0; i < 4; i++)
        words[i] = hash64(artifact, strlen(artifact), i);
    text_hex(sha256, words, sizeof words);
}

static void answer_resolve(struct actor *self, const struct message *request)
{
    const char *artifact = ((const struct artifact_resolve *)request->body)->artifact;
    struct message *reply = message_create(KIND_ARTIFACT_RESOLVED, sizeof(struct artifact_resolved));
    struct artifact_resolved *resolved = reply->body;
    (void)text_copy(resolved->artifact, sizeof resolved->artifact, artifact);
    sim_slices_sha256(artifact, resolved->sha256);
    resolved->size_bytes = 4096;
    actor_reply(self, request, &reply);
}

static void answer_fetch(struct actor *self, const struct message *request)
{
    const struct artifact_fetch *fetch = request->body;
    char sha256[SHA256_TEXT_SIZE];
    sim_slices_sha256(fetch->artifact, sha256);
    if (fetch->sha256[0] != '\0' && strcmp(fetch->sha256, sha256) != 0) {
        actor_refuse(self, request, STATUS_CORRUPT);
        return;
    }
    struct message *reply = message_create(KIND_ARTIFACT_READY, sizeof(struct artifact_ready));
    struct artifact_ready *ready = reply->body;
    ready->path = arena_printf(&reply->arena, "/artifacts/%s", sha256);
    (void)text_copy(ready->sha256, sizeof ready->sha256, sha256);
    actor_reply(self, request, &reply);
}

static void on_request(struct actor *self, void *state, const struct message *message)
{
    (void)message; /* Kept. */
    struct repositories *repositories = state;
    uint64_t tag = ++repositories->last_tag;
    (void)map_put_number(&repositories->waiting, tag, actor_keep(self));
    struct sim_slices *slices = repositories->slices;
    (void)actor_after(self, chance_between(&slices->chance, 0, slices->fetch_ns_max), KIND_SLICE_TIMER, tag);
}

static void on_fetched(struct actor *self, void *state, const struct message *message)
{
    struct repositories *repositories = state;
    struct message *request = map_remove_number(&repositories->waiting, message->tag);
    CHECK(request != NULL); /* Timers fire once. */
    const char *artifact = request->kind == KIND_ARTIFACT_RESOLVE
                               ? ((const struct artifact_resolve *)request->body)->artifact
                               : ((const struct artifact_fetch *)request->body)->artifact;
    if (slice_named(repositories->slices, artifact) == NULL) actor_refuse(self, request, STATUS_NOT_FOUND);
    else if (request->kind == KIND_ARTIFACT_RESOLVE) answer_resolve(self, request);
    else answer_fetch(self, request);
    message_destroy(&request);
}

static enum status repositories_init(struct actor *self, void *state, const void *options,
                                     struct error *error)
{
    (void)self, (void)error;
    ((struct repositories *)state)->slices = ((const struct sim_artifact_store_options *)options)->slices;
    return STATUS_OK;
}

static void repositories_fini(void *state)
{
    struct repositories *repositories = state;
    size_t at = 0;
    uint64_t tag;
    void *value;
    while (map_next_number(&repositories->waiting, &at, &tag, &value)) {
        struct message *request = value;
        message_destroy(&request);
    }
    map_fini(&repositories->waiting);
}

static const struct behavior_row repositories_rows[] = {
    { KIND_ARTIFACT_RESOLVE, on_request },
    { KIND_ARTIFACT_FETCH, on_request },
    { KIND_SLICE_TIMER, on_fetched },
};
const struct behavior sim_artifact_store_behavior = {
    .name = "sim_artifact_store",
    .state_size = sizeof(struct repositories),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 1024,
    .init = repositories_init,
    .fini = repositories_fini,
    .rows = repositories_rows,
    .row_count = ARRAY_COUNT(repositories_rows),
};
