/* slice_store: the node's slice instances, each an actor of its own below this one.
 * Learns  what to do from its node_deployment_manager; the end of an instance from the runtime (KIND_DOWN).
 * Owns    one record for each instance, and the request that is under way for it, if any.
 * Limits  SLICE_STORE_INSTANCES_MAX instances, one request at a time for each; SLICE_PROBES_MAX probes. A
 *         request ends at its own deadline: an instance that hangs then is killed. What must be known is told
 *         again until it is taken.
 *
 * A request runs through stages; each stage is an ask, and its completion begins the next one:
 *
 *   LOAD        FETCHING (PROBING, inline only) LOADING (ACTIVATE's, when `activate`)
 *   ACTIVATE    (INHERITING RESTORING, for the first time and with that hook) STARTING;
 *               of an instance that is down: all of LOAD, then STARTING
 *   CONFIGURE   CONFIGURING
 *   DEACTIVATE  STOPPING
 *   UNLOAD      DESTROYING
 *   PROBE       FETCHING PROBING, of an instance that is made for it and never loaded
 *
 * A completion finds its instance by key and serial number, never by pointer: the instance may have been
 * unloaded meanwhile, and may even be there again. */
#include "actors/slice/slice_store.h"

#include "actors/slice/shared_processes.h"
#include "actors/slice/slice_frame.h"
#include "actors/slice/stored_instance.h"
#include "runtime/base/map.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"

#include <stdio.h>
#include <string.h>

static const int64_t TELL_AGAIN_NS = MILLISECONDS(200);
static const int64_t INHERIT_TIMEOUT_NS = SECONDS(10);
static const int64_t PROBE_TIMEOUT_NS = SECONDS(SLICE_PROBE_TIMEOUT_S);

struct slice_store {
    const struct slice_store_options *options;
    const struct slice_backend *backend;
    struct stored_instances stored;
    struct shared_processes shared;
    bool telling_again;
    struct actor_id slice_call; /* Whom we told last; monitored. */
    bool slice_call_lost;       /* The next one must be told all again. */
};

struct pursuit { /* The context of an ask. */
    char key[STORED_NAME_MAX];
    uint64_t serial;
};

/* --- asks ---------------------------------------------------------------------------------------------- */

static void *pursue(const struct stored_instance *instance)
{
    struct pursuit *pursuit = memory_zalloc(sizeof *pursuit);
    (void)text_copy(pursuit->key, sizeof pursuit->key, instance->name);
    pursuit->serial = instance->serial;
    return pursuit;
}

/* Takes the context. NULL: the instance has gone, or its request was cut short. */
static struct stored_instance *caught(struct slice_store *store, void *context, enum stored_stage stage)
{
    struct pursuit *pursuit = context;
    struct stored_instance *instance = map_get(&store->stored.by_name, pursuit->key);
    bool same = instance != NULL && instance->serial == pursuit->serial && instance->stage == stage;
    memory_free(pursuit);
    return same ? instance : NULL;
}

static void ask_step(struct actor *self, const struct stored_instance *instance, struct actor_id actor,
                     struct slice_step step, int64_t timeout_ns, ask_completion *complete)
{
    struct message *message = message_create(KIND_SLICE_STEP, sizeof(struct slice_step));
    *(struct slice_step *)message->body = step;
    actor_ask(self, actor, &message, timeout_ns, complete, pursue(instance));
}

/* --- telling ------------------------------------------------------------------------------------------- */

static const struct instance_entry *copy_entries(struct arena *arena, const struct instance_entry *from,
                                                 uint32_t count)
{
    struct instance_entry *to = arena_array(arena, count + 1, sizeof *to);
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
        to[i].name = arena_strdup(arena, from[i].name);
    }
    return to;
}

/* A slice_call that is started again knows nothing. */
static void monitor_slice_call(struct actor *self, struct slice_store *store)
{
    struct actor_id now = actor_find(self, TO_SLICE_CALL);
    if (!actor_id_is_set(now) || actor_id_equal(now, store->slice_call)) return;
    store->slice_call = now;
    actor_monitor(self, now);
}

static void tell_slice_call(struct actor *self, struct slice_store *store,
                            const struct stored_instance *instance, uint32_t kind)
{
    monitor_slice_call(self, store);
    struct message *message = message_create(kind, sizeof(struct instance_serving));
    struct instance_serving *serving = message->body;
    serving->key = instance->key;
    if (kind == KIND_INSTANCE_SERVING) {
        serving->actor = instance->actor;
        serving->entries = copy_entries(&message->arena, instance->entries, instance->entry_count);
        serving->entry_count = instance->entry_count;
    }
    actor_tell_name(self, TO_SLICE_CALL, &message);
}

static bool tell_down(struct actor *self, const struct stored_instance *instance)
{
    struct message *message = message_create(KIND_INSTANCE_DOWN, sizeof(struct instance_down));
    struct instance_down *down = message->body;
    down->key = instance->key;
    down->reason = instance->down_error.status;
    down->text = arena_strdup(&message->arena, instance->down_error.message);
    enum status status = actor_send(self, actor_find(self, TO_NODE_DEPLOYMENT_MANAGER), &message);
    message_destroy(&message);
    return status == STATUS_OK;
}

static void tell_again_later(struct actor *self, struct slice_store *store)
{
    if (store->telling_again) return;
    store->telling_again = true;
    (void)actor_after(self, TELL_AGAIN_NS, KIND_SLICE_SWEEP, 0);
}

/* No new call comes from here on. Once: an instance that was withdrawn counts as loaded. */
static void withdraw(struct actor *self, struct slice_store *store, struct stored_instance *instance)
{
    if (instance->condition != INSTANCE_IS_ACTIVE) return;
    instance->condition = INSTANCE_IS_LOADED;
    tell_slice_call(self, store, instance, KIND_INSTANCE_GONE);
}

static void tell_new_slice_call(struct actor *self, struct slice_store *store)
{
    if (!actor_id_is_set(actor_find(self, TO_SLICE_CALL))) {
        tell_again_later(self, store);
        return;
    }
    store->slice_call_lost = false;
    size_t at = 0;
    const char *key;
    void *value;
    while (map_next(&store->stored.by_name, &at, &key, &value)) {
        const struct stored_instance *instance = value;
        if (instance->condition == INSTANCE_IS_ACTIVE)
            tell_slice_call(self, store, instance, KIND_INSTANCE_SERVING);
    }
}

/* An end that its manager never hears of would be an endpoint that stays. */
static void on_tell_again(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct slice_store *store = state;
    store->telling_again = false;
    if (store->slice_call_lost) tell_new_slice_call(self, store);
    size_t at = 0;
    const char *key;
    void *value;
    while (map_next(&store->stored.by_name, &at, &key, &value)) {
        struct stored_instance *instance = value;
        if (instance->down_untold) instance->down_untold = !tell_down(self, instance);
        if (instance->down_untold) tell_again_later(self, store);
    }
}

/* --- ends of a request --------------------------------------------------------------------------------- */

static struct message *done_message(const struct instance_key *key)
{
    struct message *reply = message_create(KIND_INSTANCE_DONE, sizeof(struct instance_done));
    ((struct instance_done *)reply->body)->key = *key;
    return reply;
}

static void reply_done(struct actor *self, const struct message *request,
                       const struct stored_instance *instance)
{
    struct message *reply = done_message(&instance->key);
    struct instance_done *done = reply->body;
    done->entries = copy_entries(&reply->arena, instance->entries, instance->entry_count);
    done->entry_count = instance->entry_count;
    done->host_pid = instance->host_pid;
    actor_reply(self, request, &reply);
}

/* The instance has no actor any more: ends the process that nobody shares now. */
static void leave_process(struct actor *self, struct slice_store *store, struct stored_instance *instance)
{
    struct actor_id host = instance->shared;
    if (!actor_id_is_set(host)) return;
    instance->shared = (struct actor_id){ 0 };
    if (!stored_instance_any_shares(&store->stored, host)) shared_processes_end(self, &store->shared, host);
}

static void succeed(struct actor *self, struct stored_instance *instance)
{
    instance->stage = STAGE_NONE;
    reply_done(self, instance->request, instance);
    message_destroy(&instance->request);
}

static void drop_actors(struct actor *self, struct slice_store *store, struct stored_instance *instance)
{
    if (actor_id_is_set(instance->actor)) actor_stop(self, instance->actor);
    if (actor_id_is_set(instance->prober)) actor_stop(self, instance->prober);
    instance->actor = instance->prober = (struct actor_id){ 0 };
    instance->host_pid = 0;
    leave_process(self, store, instance);
}

/* A hook that says no leaves its instance as it was; every other failure of a stage ends it. */
static void fail(struct actor *self, struct slice_store *store, struct stored_instance *instance,
                 const struct error *error)
{
    bool lives = actor_id_is_set(instance->actor) && error->status == STATUS_APP_ERROR &&
                 (instance->stage == STAGE_STARTING || instance->stage == STAGE_STOPPING);
    bool is_new = instance->only_probed || instance->request->kind == KIND_INSTANCE_LOAD;
    log_warn(self, instance->only_probed ? "slice.probe_failed" : "slice.step_failed", "%s: %s: %s",
             instance->name, status_name(error->status), error->message);
    actor_refuse_error(self, instance->request, error);
    message_destroy(&instance->request);
    instance->stage = STAGE_NONE;
    if (is_new || !lives) drop_actors(self, store, instance);
    if (is_new) stored_instance_forget(&store->stored, instance);
    else instance->condition = lives ? INSTANCE_IS_LOADED : INSTANCE_IS_DOWN;
}

/* --- stages -------------------------------------------------------------------------------------------- */

static enum status spawn(struct actor *self, struct slice_store *store, struct stored_instance *instance,
                         bool probe, struct actor_id *out_id, struct error *error)
{
    struct slice_instance_options options = {
        .key = instance->key,
        .path = instance->path,
        .config = instance->load.config,
        .cpu_millis = instance->load.cpu_millis,
        .memory_bytes = instance->load.memory_bytes,
        .probe = probe,
        .adapters = store->options->adapters,
    };
    struct spawn_options how = { .options = &options, .label = instance->name };
    bool inside = instance->load.inline_isolation && !probe;
    bool shares = instance->load.shared_host && !probe && store->backend->shared != NULL;
    const struct behavior *behavior = inside ? store->backend->inlined : store->backend->isolated;
    enum status status = STATUS_OK;
    if (shares) {
        behavior = store->backend->guest;
        status = shared_processes_join(self, &store->shared, store->backend->shared, &instance->load,
                                       &options, error);
    }
    if (status == STATUS_OK) status = actor_spawn(self, behavior, &how, out_id, error);
    if (status == STATUS_OK) actor_monitor(self, *out_id);
    if (!probe) instance->shared = options.shared;
    if (status != STATUS_OK && shares) leave_process(self, store, instance);
    return status;
}

static void on_started(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_store *store = state;
    struct stored_instance *instance = caught(store, context, STAGE_STARTING);
    if (instance == NULL) return;
    if (result->status != STATUS_OK) {
        fail(self, store, instance, result->error);
        return;
    }
    instance->condition = INSTANCE_IS_ACTIVE;
    tell_slice_call(self, store, instance, KIND_INSTANCE_SERVING);
    succeed(self, instance);
}

static void start(struct actor *self, struct stored_instance *instance)
{
    instance->stage = STAGE_STARTING;
    instance->may_inherit = false;
    ask_step(self, instance, instance->actor, (struct slice_step){ .kind = SLICE_STEP_START }, 0, on_started);
}

static void on_restored(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_store *store = state;
    struct stored_instance *instance = caught(store, context, STAGE_RESTORING);
    if (instance == NULL) return;
    if (result->status != STATUS_OK) {
        MARK("slice_store.restore_refused");
        fail(self, store, instance,
             result->error); /* Half restored, perhaps: the next one is created anew. */
        return;
    }
    log_info(self, "slice.restored", "%s", instance->name);
    start(self, instance);
}

/* Without an answer there is nothing to inherit: a successor starts all the same. */
static void on_inherited(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_store *store = state;
    struct stored_instance *instance = caught(store, context, STAGE_INHERITING);
    if (instance == NULL) return;
    struct bytes *left = result->status == STATUS_OK ? bytes_ref(result->message->attachment) : NULL;
    if (left == NULL) {
        start(self, instance);
        return;
    }
    struct message *message = message_create(KIND_SLICE_STEP, sizeof(struct slice_step));
    ((struct slice_step *)message->body)->kind = SLICE_STEP_RESTORE;
    message_attach(message, &left);
    instance->stage = STAGE_RESTORING;
    actor_ask(self, instance->actor, &message, 0, on_restored, pursue(instance));
}

static void inherit(struct actor *self, struct stored_instance *instance)
{
    struct message *message = message_create(KIND_SLICE_STATE_TAKE, sizeof(struct slice_state_take));
    ((struct slice_state_take *)message->body)->key = instance->key;
    instance->stage = STAGE_INHERITING;
    instance->may_inherit = false;
    actor_ask_name(self, TO_SLICE_CARRIER, &message, INHERIT_TIMEOUT_NS, on_inherited, pursue(instance));
}

static void restore_or_start(struct actor *self, struct stored_instance *instance)
{
    bool restores = (instance->hooks & SLICE_HOOK_RESTORE) != 0;
    if (restores && instance->may_inherit) inherit(self, instance);
    else start(self, instance);
}

static void take_entries(struct stored_instance *instance, const struct slice_step_done *done)
{
    arena_fini(&instance->arena);
    instance->entries = copy_entries(&instance->arena, done->entries, done->entry_count);
    instance->entry_count = done->entry_count;
}

static void on_loaded(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_store *store = state;
    struct stored_instance *instance = caught(store, context, STAGE_LOADING);
    if (instance == NULL) return;
    if (result->status != STATUS_OK) {
        fail(self, store, instance, result->error);
        return;
    }
    const struct slice_step_done *done = result->message->body;
    take_entries(instance, done);
    instance->host_pid = done->host_pid;
    instance->hooks = done->hooks;
    instance->limits = done->limits;
    instance->condition = INSTANCE_IS_LOADED;
    if (instance->then_start) restore_or_start(self, instance);
    else succeed(self, instance);
}

static void load(struct actor *self, struct slice_store *store, struct stored_instance *instance)
{
    struct error error;
    if (spawn(self, store, instance, false, &instance->actor, &error) != STATUS_OK) {
        fail(self, store, instance, &error);
        return;
    }
    instance->stage = STAGE_LOADING;
    ask_step(self, instance, instance->actor, (struct slice_step){ .kind = SLICE_STEP_LOAD }, 0, on_loaded);
}

static void fail_probe(struct actor *self, struct slice_store *store, struct stored_instance *instance,
                       const struct error *why)
{
    struct error error = *why;
    if (why->status == STATUS_DEADLINE)
        (void)error_set(&error, STATUS_DEADLINE,
                        "the object was not mapped and checked in time (%d s at most)",
                        SLICE_PROBE_TIMEOUT_S);
    fail(self, store, instance, &error);
}

static void finish_probe(struct actor *self, struct slice_store *store, struct stored_instance *instance,
                         const struct slice_step_done *done)
{
    take_entries(instance, done);
    succeed(self, instance);
    stored_instance_forget(&store->stored, instance);
}

/* What can't be unmapped stays in the node until its end, and so does each of its versions. */
static bool may_come_in(const struct stored_instance *instance, const struct slice_step_done *done)
{
    return instance->load.pinned || (done->hooks & SLICE_STAYS_MAPPED) == 0;
}

static void refuse_to_pin(struct actor *self, struct slice_store *store, struct stored_instance *instance)
{
    struct error error;
    (void)error_set(&error, STATUS_INVALID,
                    "it could not be unloaded again (aether slice check FILE says why); pinned: true in its "
                    "blueprint accepts that, isolation: process avoids it");
    fail(self, store, instance, &error);
}

static void on_probed(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_store *store = state;
    struct stored_instance *instance = caught(store, context, STAGE_PROBING);
    if (instance == NULL) return;
    actor_stop(self, instance->prober);
    instance->prober = (struct actor_id){ 0 };
    if (result->status != STATUS_OK) fail_probe(self, store, instance, result->error);
    else if (instance->only_probed) finish_probe(self, store, instance, result->message->body);
    else if (may_come_in(instance, result->message->body)) load(self, store, instance);
    else refuse_to_pin(self, store, instance);
}

/* Foreign code enters the node only after a process that is thrown away has mapped and checked it. */
static void probe(struct actor *self, struct slice_store *store, struct stored_instance *instance)
{
    struct error error;
    if (spawn(self, store, instance, true, &instance->prober, &error) != STATUS_OK) {
        fail(self, store, instance, &error);
        return;
    }
    instance->stage = STAGE_PROBING;
    ask_step(self, instance, instance->prober, (struct slice_step){ .kind = SLICE_STEP_LOAD },
             PROBE_TIMEOUT_NS, on_probed);
}

static void on_fetched(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_store *store = state;
    struct stored_instance *instance = caught(store, context, STAGE_FETCHING);
    if (instance == NULL) return;
    if (result->status != STATUS_OK) {
        fail(self, store, instance, result->error);
        return;
    }
    const struct artifact_ready *ready = result->message->body;
    memory_free(instance->path);
    instance->path = memory_strdup(ready->path);
    (void)text_copy(instance->load.sha256, sizeof instance->load.sha256,
                    ready->sha256); /* From now on these. */
    if (instance->only_probed || instance->load.inline_isolation) probe(self, store, instance);
    else load(self, store, instance);
}

static void fetch(struct actor *self, struct stored_instance *instance)
{
    struct message *message = message_create(KIND_ARTIFACT_FETCH, sizeof(struct artifact_fetch));
    struct artifact_fetch *wanted = message->body;
    wanted->artifact = arena_strdup(&message->arena, instance->key.artifact);
    (void)text_copy(wanted->sha256, sizeof wanted->sha256, instance->load.sha256);
    instance->stage = STAGE_FETCHING;
    actor_ask_name(self, TO_ARTIFACT_STORE, &message, 0, on_fetched, pursue(instance));
}

/* What it left is kept for its successor, which may be loaded on another node. */
static void keep_state(struct actor *self, const struct stored_instance *instance, const struct message *done)
{
    if (done->attachment == NULL) return;
    struct message *message = message_create(KIND_SLICE_STATE_KEEP, sizeof(struct slice_state_keep));
    struct bytes *state = bytes_ref(done->attachment);
    ((struct slice_state_keep *)message->body)->key = instance->key;
    message_attach(message, &state);
    actor_tell_name(self, TO_SLICE_CARRIER, &message);
}

static void on_stopped(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_store *store = state;
    struct stored_instance *instance = caught(store, context, STAGE_STOPPING);
    if (instance == NULL) return;
    if (result->status != STATUS_OK) {
        fail(self, store, instance, result->error);
        return;
    }
    instance->condition = INSTANCE_IS_LOADED;
    keep_state(self, instance, result->message);
    succeed(self, instance);
}

static void leave(struct actor *self, struct slice_store *store, struct stored_instance *instance)
{
    struct message *reply = done_message(&instance->key);
    actor_reply(self, instance->request, &reply);
    drop_actors(self, store, instance);
    stored_instance_forget(&store->stored, instance);
}

static void on_destroyed(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_store *store = state;
    struct stored_instance *instance = caught(store, context, STAGE_DESTROYING);
    if (instance == NULL) return;
    if (result->status != STATUS_OK) { /* It hangs or has crashed: nothing to wait for. */
        leave(self, store, instance);
        return;
    }
    instance->stage = STAGE_LEAVING; /* DONE when it is unmapped: on_down. */
    actor_stop(self, instance->actor);
}

/* --- requests ------------------------------------------------------------------------------------------ */

static void on_load(struct actor *self, void *state, const struct message *message)
{
    struct slice_store *store = state;
    const struct instance_load *wanted = message->body;
    if (stored_instance_find(&store->stored, &wanted->key) != NULL) {
        actor_refuse(self, message, STATUS_CONFLICT);
        return;
    }
    if (store->stored.by_name.count == SLICE_STORE_INSTANCES_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return;
    }
    struct stored_instance *instance = stored_instance_new(&store->stored, wanted, false);
    instance->then_start = wanted->activate;
    instance->may_inherit = true;
    instance->request = actor_keep(self);
    fetch(self, instance);
}

static void on_probe(struct actor *self, void *state, const struct message *message)
{
    struct slice_store *store = state;
    const struct instance_probe *wanted = message->body;
    if (store->stored.probe_count == SLICE_PROBES_MAX) {
        struct error error;
        (void)error_set(&error, STATUS_OVERLOADED, "%d artifacts are being probed on this node already",
                        SLICE_PROBES_MAX);
        actor_refuse_error(self, message, &error);
        return;
    }
    struct instance_load load = { .config = "{}" };
    (void)text_copy(load.key.artifact, sizeof load.key.artifact, wanted->artifact);
    (void)text_copy(load.sha256, sizeof load.sha256, wanted->sha256);
    struct stored_instance *instance = stored_instance_new(&store->stored, &load, true);
    instance->request = actor_keep(self);
    fetch(self, instance);
}

static void on_activate(struct actor *self, void *state, const struct message *message)
{
    struct slice_store *store = state;
    struct stored_instance *instance =
        stored_instance_find(&store->stored, &((const struct instance_step *)message->body)->key);
    if (instance == NULL || instance->request != NULL) {
        actor_refuse(self, message, instance == NULL ? STATUS_NOT_FOUND : STATUS_NOT_READY);
        return;
    }
    if (instance->condition == INSTANCE_IS_ACTIVE) {
        reply_done(self, message, instance);
        return;
    }
    instance->request = actor_keep(self);
    instance->then_start = true;
    instance->down_untold = false; /* Whoever asks this knows. */
    if (instance->condition == INSTANCE_IS_DOWN) fetch(self, instance);
    else restore_or_start(self, instance);
}

static void on_deactivate(struct actor *self, void *state, const struct message *message)
{
    struct slice_store *store = state;
    const struct instance_step *step = message->body;
    struct stored_instance *instance = stored_instance_find(&store->stored, &step->key);
    if (instance != NULL && instance->request != NULL) {
        actor_refuse(self, message, STATUS_NOT_READY);
        return;
    }
    if (instance == NULL || instance->condition != INSTANCE_IS_ACTIVE) {
        struct message *reply = done_message(&step->key);
        actor_reply(self, message, &reply);
        return;
    }
    int64_t drain_ns = MILLISECONDS((int64_t)step->drain_ms);
    instance->request = actor_keep(self);
    instance->stage = STAGE_STOPPING;
    withdraw(self, store, instance);
    struct slice_step stop = { .kind = SLICE_STEP_STOP, .drain_ns = drain_ns, .snapshot = true };
    ask_step(self, instance, instance->actor, stop, 0, on_stopped);
}

/* A hook that said no leaves it running as it was; whatever else went wrong has ended it. */
static void on_configured(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_store *store = state;
    struct stored_instance *instance = caught(store, context, STAGE_CONFIGURING);
    if (instance == NULL) return;
    if (result->status == STATUS_OK) {
        const struct instance_configure *wanted = instance->request->body;
        memory_free(instance->config);
        instance->config = memory_strdup(wanted->config);
        instance->load.config = instance->config;
        succeed(self, instance);
        return;
    }
    bool lives = result->status == STATUS_APP_ERROR || result->status == STATUS_NOT_FOUND;
    if (!lives || !actor_id_is_set(instance->actor)) {
        withdraw(self, store, instance);
        fail(self, store, instance, result->error);
        return;
    }
    instance->stage = STAGE_NONE;
    actor_refuse_error(self, instance->request, result->error);
    message_destroy(&instance->request);
}

static void on_configure(struct actor *self, void *state, const struct message *message)
{
    struct slice_store *store = state;
    const struct instance_configure *wanted = message->body;
    struct stored_instance *instance = stored_instance_find(&store->stored, &wanted->key);
    bool able = instance != NULL && (instance->hooks & SLICE_HOOK_CONFIG_CHANGED) != 0;
    if (!able || instance->request != NULL || instance->condition != INSTANCE_IS_ACTIVE) {
        actor_refuse(self, message, able ? STATUS_NOT_READY : STATUS_NOT_FOUND);
        return;
    }
    instance->request = actor_keep(self);
    instance->stage = STAGE_CONFIGURING;
    struct message *step = message_create(KIND_SLICE_STEP, sizeof(struct slice_step));
    struct slice_step *configure = step->body;
    configure->kind = SLICE_STEP_CONFIGURE;
    configure->config = arena_strdup(&step->arena, wanted->config);
    actor_ask(self, instance->actor, &step, 0, on_configured, pursue(instance));
}

static void on_unload(struct actor *self, void *state, const struct message *message)
{
    struct slice_store *store = state;
    const struct instance_step *step = message->body;
    struct stored_instance *instance = stored_instance_find(&store->stored, &step->key);
    if (instance == NULL) {
        struct message *reply = done_message(&step->key);
        actor_reply(self, message, &reply);
        return;
    }
    withdraw(self, store, instance);
    bool cut = instance->request != NULL;
    if (cut) actor_refuse(self, instance->request, STATUS_CANCELLED);
    message_destroy(&instance->request);
    instance->request = actor_keep(self);
    if (cut || !actor_id_is_set(instance->actor)) {
        leave(self, store, instance);
        return;
    }
    instance->stage = STAGE_DESTROYING;
    ask_step(self, instance, instance->actor, (struct slice_step){ .kind = SLICE_STEP_DESTROY }, 0,
             on_destroyed);
}

/* --- what is here now ---------------------------------------------------------------------------------- */

static void on_facts(struct actor *self, void *state, const struct message *message)
{
    const struct slice_store *store = state;
    const struct instance_ask *ask = message->body;
    struct message *reply = message_create(KIND_INSTANCE_FACTS_DONE, sizeof(struct instance_facts));
    stored_instance_facts(&store->stored, ask->artifact, store->options->adapters->processes, &reply->arena,
                          reply->body);
    actor_reply(self, message, &reply);
}

/* --- ends of instances --------------------------------------------------------------------------------- */

static void on_down(struct actor *self, void *state, const struct message *message)
{
    struct slice_store *store = state;
    const struct actor_down *down = message->body;
    if (actor_id_equal(down->id, store->slice_call)) {
        store->slice_call_lost = true;
        tell_again_later(self, store);
        return;
    }
    if (shared_processes_ended(&store->shared, down->id)) return; /* Its guests' ends come one by one. */
    struct stored_instance *instance = stored_instance_of_actor(&store->stored, down->id);
    if (instance == NULL) return; /* A prober, or one that was dropped. */
    instance->actor = (struct actor_id){ 0 };
    instance->host_pid = 0;
    leave_process(self, store, instance);
    if (instance->stage == STAGE_LEAVING) {
        leave(self, store, instance);
        return;
    }
    withdraw(self, store, instance);
    instance->condition = INSTANCE_IS_DOWN;
    if (instance->request != NULL) return; /* The stage's ask completes, too, and says why. */
    log_warn(self, "slice.down", "%s#%u: %s", instance->key.artifact, instance->key.instance,
             down->error.message);
    instance->down_error = down->error;
    instance->down_untold = !tell_down(self, instance);
    if (instance->down_untold) tell_again_later(self, store);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static enum status store_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    struct slice_store *store = state;
    store->options = options;
    store->backend = store->options->backend != NULL ? store->options->backend : &slice_backend_real;
    return STATUS_OK;
}

static void store_fini(void *state)
{
    struct slice_store *store = state;
    shared_processes_fini(&store->shared);
    stored_instances_fini(&store->stored);
}

static const struct behavior_row rows[] = {
    { KIND_INSTANCE_LOAD, on_load },
    { KIND_INSTANCE_ACTIVATE, on_activate },
    { KIND_INSTANCE_UNLOAD, on_unload },
    { KIND_INSTANCE_DEACTIVATE, on_deactivate },
    { KIND_INSTANCE_PROBE, on_probe },
    { KIND_INSTANCE_CONFIGURE, on_configure },
    { KIND_INSTANCE_FACTS, on_facts },
    { KIND_SLICE_SWEEP, on_tell_again },
    { KIND_DOWN, on_down },
};

const struct behavior slice_store_behavior = {
    .name = "slice_store",
    .state_size = sizeof(struct slice_store),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 4096,
    .init = store_init,
    .fini = store_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
