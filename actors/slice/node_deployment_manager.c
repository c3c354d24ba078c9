/* node_deployment_manager: drives the instances that are allocated to this node through their lifecycle.
 * Learns  allocations, records, blueprints and this node's own record from the state's changes; what really
 *         is from the slice store; the incarnation that this process stands for from membership.
 * Owns    one managed_instance each. Every move is agreed as an entry first (OpSliceFact under this node's
 *         incarnation and the allocation's revision), then carried out; only a process that ended by itself
 *         is started again at once, and the facts follow when a leader takes them.
 * Limits  one proposal and one step at a time per instance; deadlines and retries by slice_lifecycle.h. */
#include "actors/slice/node_deployment_manager.h"

#include "actors/slice/lateness.h"
#include "actors/slice/managed.h"
#include "actors/slice/messages.h"
#include "actors/slice/proposal.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/schema/blueprint.h"
#include "store/schema/slice.h"
#include "wire/follow.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/store.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { WATCH_ALLOCATIONS = 1, WATCH_RECORDS, WATCH_BLUEPRINTS, WATCH_NODE, DRAIN_MS = 10000 };

static const int64_t propose_timeout_ns = SECONDS(5);
static const int64_t fence_timeout_ns = SECONDS(1);
static const int64_t refused_pause_ns = MILLISECONDS(100); /* Before the same move is proposed again. */
static const int64_t busy_pause_ns = MILLISECONDS(200);    /* Before the slice store is asked again. */
static const uint64_t tag_incarnation = 0;                 /* Of the timer; instances count from 1. */

struct node_deployment_manager {
    char node[SLICE_NODE_MAX];
    char records_prefix[SLICE_KEY_MAX];
    char node_key[SLICE_KEY_MAX];
    struct managed managed;
    struct map blueprints; /* Name -> its JSON text, owned. */
    struct follow allocations;
    struct follow records;
    struct follow published;
    struct follow node_record;
    uint64_t incarnation; /* That this process stands for; 0: not told yet. */
    uint64_t current;     /* That nodes/{node} shows; 0: none, or LOST. */
    bool asking_incarnation;
    bool fenced; /* A8 */
    struct slice_deadlines deadlines;
};

static void advance(struct actor *self, struct node_deployment_manager *manager,
                    struct managed_instance *instance);

static bool may_begin(const struct node_deployment_manager *manager)
{
    return manager->incarnation != 0 && manager->incarnation == manager->current;
}

static void advance_all(struct actor *self, struct node_deployment_manager *manager)
{
    struct managed_instance *instance = NULL;
    for (size_t i = 0; (instance = managed_next(&manager->managed, &i)) != NULL;)
        advance(self, manager, instance);
}

/* --- recording a move --------------------------------------------------------------------------------- */

static void tell_cause(Pb__OpSliceFact *fact, struct message *message, enum slice_cause cause,
                       const struct managed_instance *instance)
{
    if (cause == CAUSE_NONE) return;
    bool cancelled = cause == CAUSE_CANCELLED;
    enum status reason = cancelled ? STATUS_CANCELLED : instance->story.status;
    if (cause == CAUSE_CRASHED && reason == STATUS_OK) reason = STATUS_CRASHED;
    bool unhealthy = cause == CAUSE_CRASHED && instance->unhealthy;
    fact->reason = wire_string(message, unhealthy ? "UNHEALTHY" : status_name(reason));
    fact->text = wire_string(message, cancelled ? "its allocation was withdrawn" : instance->story.message);
    fact->fatal = !cancelled && instance->fatal;
}

static void add_entries(Pb__OpSliceFact *fact, struct message *message,
                        const struct managed_instance *instance)
{
    fact->entries = arena_array(&message->arena, instance->entry_count, sizeof(char *));
    fact->n_entries = instance->entry_count;
    for (uint32_t i = 0; i < instance->entry_count; i++)
        fact->entries[i] = wire_string(message, instance->entries[i]);
}

static Pb__OpSliceFact *make_fact(struct actor *self, const struct node_deployment_manager *manager,
                                  struct message *message, const struct managed_instance *instance,
                                  enum slice_state to, enum slice_cause cause)
{
    Pb__OpSliceFact *fact = arena_alloc(&message->arena, sizeof(*fact));
    pb__op_slice_fact__init(fact);
    fact->artifact = wire_string(message, instance->key.artifact);
    fact->instance = instance->key.instance;
    fact->state = wire_string(message, slice_state_name(to));
    fact->allocation_revision = instance->rev;
    fact->attempt = instance->attempt;
    int64_t deadline_ns = slice_lifecycle_deadline_ns(&manager->deadlines, to);
    if (deadline_ns != 0) fact->deadline = (uint64_t)(actor_wall_ms(self) + deadline_ns / MILLISECONDS(1));
    tell_cause(fact, message, cause, instance);
    bool retries = to == SLICE_FAILED && !fact->fatal && instance->attempt < SLICE_ATTEMPTS_MAX;
    int64_t rest_ns = instance->resting_ns - actor_now_ns(self);
    if (retries && rest_ns > 0) fact->retry_at = (uint64_t)(actor_wall_ms(self) + rest_ns / MILLISECONDS(1));
    if (to == SLICE_ACTIVE) add_entries(fact, message, instance);
    if (to != SLICE_LOADING) return fact;
    fact->download_bytes = instance->download_bytes;
    fact->download_total_bytes = instance->download_total_bytes;
    return fact;
}

static void on_recorded(struct actor *self, void *state, void *context, const struct ask_result *result);

static void record(struct actor *self, struct node_deployment_manager *manager,
                   struct managed_instance *instance, enum slice_state to, enum slice_cause cause)
{
    struct proposal proposal = proposal_begin(PB__ORIGIN__ORIGIN_NODE, 1);
    struct message *message = proposal.message;
    Pb__Operation *operation = arena_alloc(&message->arena, sizeof(*operation));
    pb__operation__init(operation);
    operation->op_case = PB__OPERATION__OP_SLICE_FACT;
    operation->slice_fact = make_fact(self, manager, message, instance, to, cause);
    proposal.command->node = wire_string(message, manager->node);
    proposal.command->incarnation = manager->incarnation;
    proposal_add(&proposal, operation);
    instance->proposing = true;
    instance->remarking = instance->recorded == to;
    instance->proposed = to;
    instance->proposed_rev = instance->rev;
    actor_ask_name(self, TO_PROPOSER, &message, propose_timeout_ns, on_recorded, instance);
}

/* UNLOADING ended by its deadline: what could not be unmapped stays pinned, and nobody counts on it. */
static void pin_if_left(struct actor *self, struct managed_instance *instance)
{
    if (instance->recorded != SLICE_GONE || instance->reality == REALITY_NONE) return;
    log_warn(self, "slice.pinned", "instance=%s#%u", instance->key.artifact, instance->key.instance);
    MARK("node_deployment.is_pinned");
    instance->reality = REALITY_NONE;
}

/* The state is as it was, but more is said of it. */
static void take_remarked(struct managed_instance *instance, uint64_t revision)
{
    if (revision < instance->recorded_revision) return;
    instance->recorded_revision = revision;
    if (instance->recorded != SLICE_ACTIVE) return;
    instance->recorded_rev = instance->proposed_rev;
    managed_settle_adoption(instance);
}

/* The record is where we proposed it to be; its news may be here already, or still on their way. */
static void take_recorded(struct actor *self, const struct node_deployment_manager *manager,
                          struct managed_instance *instance, uint64_t revision)
{
    enum slice_state to = instance->proposed;
    int64_t deadline_ns = slice_lifecycle_deadline_ns(&manager->deadlines, to);
    if (to == SLICE_DEACTIVATE) instance->crashed = false;
    if (to == SLICE_ACTIVE) instance->active_since_ns = actor_now_ns(self);
    if (revision >= instance->recorded_revision && instance->recorded != to) {
        if (to == SLICE_LOAD) instance->recorded_rev = instance->proposed_rev;
        instance->recorded = to;
        instance->recorded_revision = revision;
        instance->failed = false;
    }
    if (instance->recorded != to) return;
    instance->overdue_ns = deadline_ns == 0 ? 0 : actor_now_ns(self) + deadline_ns;
    pin_if_left(self, instance);
}

static void on_recorded(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct node_deployment_manager *manager = state;
    struct managed_instance *instance = context; /* It stays while anything of it is under way. */
    struct error error = { 0 };
    uint64_t revision = 0;
    enum status status = proposal_outcome(result, &revision, &error);
    instance->proposing = false;
    if (status == STATUS_OK && instance->remarking) take_remarked(instance, revision);
    else if (status == STATUS_OK) take_recorded(self, manager, instance, revision);
    if (status != STATUS_OK) { /* No leader, or our view was old: the news will tell, but not at once. */
        instance->held_ns = actor_now_ns(self) + refused_pause_ns +
                            (int64_t)(actor_random(self) % (uint64_t)refused_pause_ns);
        log_debug(self, "slice.move_refused", "instance=%s#%u to=%s status=%s why=%s", instance->key.artifact,
                  instance->key.instance, slice_state_name(instance->proposed), status_name(status),
                  error.message);
    }
    advance(self, manager, instance);
}

/* --- taking a step ------------------------------------------------------------------------------------ */

static void on_step_done(struct actor *self, void *state, void *context, const struct ask_result *result);

/* The slice as its blueprint has it now; false: the blueprint doesn't have it. */
static bool find_slice(const struct node_deployment_manager *manager, const struct managed_instance *instance,
                       struct arena *arena, const struct blueprint_slice **out_slice)
{
    struct blueprint blueprint;
    const char *text = map_get(&manager->blueprints, instance->blueprint);
    if (text == NULL) return false;
    if (blueprint_read(arena, instance->blueprint, text, strlen(text), &blueprint, NULL) != STATUS_OK)
        return false;
    *out_slice = blueprint_find(&blueprint, instance->key.artifact);
    return *out_slice != NULL;
}

static struct managed_form form_of(const struct managed_instance *instance,
                                   const struct blueprint_slice *slice)
{
    struct managed_form form = {
        .inline_isolation = slice->inline_isolation,
        .shared_host = slice->shared_host,
        .exclusive = slice->exclusive,
        .cpu_millis = slice->cpu_millis,
        .memory_bytes = slice->memory_bytes,
        .config_hash = hash64(slice->config, strlen(slice->config), 0),
    };
    (void)text_copy(form.sha256, sizeof(form.sha256), instance->sha256);
    return form;
}

/* May what runs take the newer assignment over as it runs? */
static bool is_adoptable(const struct node_deployment_manager *manager,
                         const struct managed_instance *instance)
{
    bool newer = instance->assigned && instance->recorded == SLICE_ACTIVE &&
                 instance->reality == REALITY_ACTIVE && instance->rev != instance->recorded_rev;
    if (!newer || instance->refused_rev == instance->rev) return false;
    struct arena arena = { 0 };
    const struct blueprint_slice *slice = NULL;
    bool adoptable = false;
    if (find_slice(manager, instance, &arena, &slice)) {
        struct managed_form form = form_of(instance, slice);
        adoptable = managed_differs_in_config_only(&instance->form, &form);
    }
    arena_fini(&arena);
    return adoptable;
}

static struct message *configure_message(struct node_deployment_manager *manager,
                                         struct managed_instance *instance)
{
    struct message *message = message_create(KIND_INSTANCE_CONFIGURE, sizeof(struct instance_configure));
    struct instance_configure *configure = message->body;
    const struct blueprint_slice *slice = NULL;
    if (!find_slice(manager, instance, &message->arena, &slice)) {
        message_destroy(&message);
        return NULL;
    }
    configure->key = instance->key;
    configure->config = slice->config;
    instance->adopting_rev = instance->rev;
    instance->adopting_hash = hash64(slice->config, strlen(slice->config), 0);
    return message;
}

/* NULL: nothing says how to load it; its allocation is about to be withdrawn. */
static struct message *load_message(struct node_deployment_manager *manager,
                                    struct managed_instance *instance)
{
    struct message *message = message_create(KIND_INSTANCE_LOAD, sizeof(struct instance_load));
    struct instance_load *load = message->body;
    const struct blueprint_slice *slice = NULL;
    if (!find_slice(manager, instance, &message->arena, &slice)) {
        message_destroy(&message);
        return NULL;
    }
    load->key = instance->key;
    (void)text_copy(load->sha256, sizeof(load->sha256), instance->sha256);
    load->inline_isolation = slice->inline_isolation;
    load->shared_host = slice->shared_host;
    load->pinned = slice->pinned;
    load->exclusive = slice->exclusive;
    load->config = slice->config;
    load->cpu_millis = slice->cpu_millis;
    load->memory_bytes = slice->memory_bytes;
    instance->exclusive = slice->exclusive;
    instance->form = form_of(instance, slice);
    instance->reality_rev = instance->rev;
    instance->adopted_rev = 0;
    instance->refused_rev = 0;
    instance->download_bytes = instance->download_total_bytes = 0;
    return message;
}

static struct message *step_message(struct managed_instance *instance, uint32_t kind)
{
    struct message *message = message_create(kind, sizeof(struct instance_step));
    struct instance_step *step = message->body;
    step->key = instance->key;
    step->drain_ms = DRAIN_MS;
    return message;
}

/* The watchdog: a step ends at its state's deadline; without such a state at that of what it does. */
static int64_t step_timeout_ns(const struct node_deployment_manager *manager, enum slice_step step)
{
    switch (step) {
    case STEP_LOAD: return manager->deadlines.loading_ns;
    case STEP_ACTIVATE: return manager->deadlines.activating_ns;
    case STEP_CONFIGURE:
    case STEP_DEACTIVATE: return manager->deadlines.deactivating_ns;
    default: return manager->deadlines.unloading_ns;
    }
}

static void take_step(struct actor *self, struct node_deployment_manager *manager,
                      struct managed_instance *instance, enum slice_step step)
{
    struct message *message = NULL;
    if (step == STEP_LOAD) message = load_message(manager, instance);
    else if (step == STEP_ACTIVATE) message = step_message(instance, KIND_INSTANCE_ACTIVATE);
    else if (step == STEP_CONFIGURE) message = configure_message(manager, instance);
    else if (step == STEP_DEACTIVATE) message = step_message(instance, KIND_INSTANCE_DEACTIVATE);
    else message = step_message(instance, KIND_INSTANCE_UNLOAD);
    if (message == NULL) return;
    instance->stepping = step;
    actor_ask_name(self, TO_SLICE_STORE, &message, step_timeout_ns(manager, step), on_step_done, instance);
}

static void take_success(struct actor *self, struct managed_instance *instance, enum slice_step step,
                         const struct instance_done *done)
{
    switch (step) {
    case STEP_LOAD:
        instance->reality = REALITY_LOADED;
        managed_set_entries(instance, done->entries, done->entry_count);
        break;
    case STEP_CONFIGURE:
        instance->adopted_rev = instance->adopting_rev;
        instance->form.config_hash = instance->adopting_hash;
        log_info(self, "slice.configured", "instance=%s#%u", instance->key.artifact, instance->key.instance);
        break;
    case STEP_ACTIVATE:
        instance->activations++;
        instance->reality = REALITY_ACTIVE;
        if (done->entry_count > 0) managed_set_entries(instance, done->entries, done->entry_count);
        log_info(self, "slice.active", "instance=%s#%u pid=%d", instance->key.artifact,
                 instance->key.instance, (int)done->host_pid);
        break;
    case STEP_DEACTIVATE: instance->reality = REALITY_LOADED; break;
    default: instance->reality = REALITY_NONE; break;
    }
}

/* What is left after a refused step: slice_store's promises (messages.h). */
static enum slice_reality left_after(enum slice_step step, enum slice_reality before, enum status status)
{
    if (step == STEP_LOAD) return status == STATUS_CONFLICT ? REALITY_DOWN : REALITY_NONE;
    if (step == STEP_ACTIVATE && status == STATUS_NOT_FOUND) return REALITY_NONE;
    return step == STEP_UNLOAD ? before : REALITY_DOWN;
}

/* It goes on with its old configuration until it is replaced in order (slice.h), unless this ended it. */
static void take_unconfigured(struct actor *self, struct managed_instance *instance,
                              const struct error *error)
{
    instance->refused_rev = instance->adopting_rev;
    log_info(self, "slice.not_configured", "instance=%s#%u status=%s why=%s", instance->key.artifact,
             instance->key.instance, status_name(error->status), error->message);
    MARK("node_deployment.configuration_refused");
    if (error->status == STATUS_NOT_FOUND || error->status == STATUS_APP_ERROR) return;
    instance->reality = REALITY_DOWN;
    instance->story_ms = actor_wall_ms(self);
    managed_note_crash(instance, actor_now_ns(self), error);
}

static void take_failure(struct actor *self, struct managed_instance *instance, enum slice_step step,
                         const struct error *error)
{
    int64_t now_ns = actor_now_ns(self);
    if (error->status == STATUS_NOT_READY || error->status == STATUS_OVERLOADED) {
        instance->resting_ns = now_ns + busy_pause_ns; /* It has another step to end first: no failure. */
        return;
    }
    if (step == STEP_CONFIGURE) {
        take_unconfigured(self, instance, error);
        return;
    }
    instance->reality = left_after(step, instance->reality, error->status);
    if (step == STEP_LOAD && error->status == STATUS_CONFLICT) {
        instance->reality_rev = 0; /* Something of it is there that we didn't load: it goes first. */
        return;
    }
    if (error->status == STATUS_CANCELLED) return; /* We cut it short ourselves. */
    MARK("node_deployment.step_failed");
    log_warn(self, "slice.step_failed", "instance=%s#%u step=%d status=%s why=%s", instance->key.artifact,
             instance->key.instance, (int)step, status_name(error->status), error->message);
    bool starting = step == STEP_LOAD || step == STEP_ACTIVATE;
    instance->story_ms = actor_wall_ms(self);
    instance->unhealthy = false;
    if (starting) managed_note_failure(instance, now_ns, error);
    else instance->story = *error;
    if (step == STEP_UNLOAD) instance->resting_ns = now_ns + busy_pause_ns;
    /* A restart out of turn fails for itself; it is tried again while the record catches up. */
    bool in_turn = instance->recorded == SLICE_LOADING || instance->recorded == SLICE_ACTIVATING ||
                   (instance->recorded == SLICE_DEACTIVATING && !starting) ||
                   instance->recorded == SLICE_GONE;
    instance->failed = in_turn;
}

static void on_step_done(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct node_deployment_manager *manager = state;
    struct managed_instance *instance = context; /* It stays while anything of it is under way. */
    enum slice_step step = instance->stepping;
    instance->stepping = STEP_NONE;
    if (result->status == STATUS_OK) take_success(self, instance, step, result->message->body);
    else take_failure(self, instance, step, result->error);
    advance(self, manager, instance);
}

/* --- downloads ---------------------------------------------------------------------------------------- */

/* How far its download is becomes part of its record, while nothing else is to be said. */
static void tell_progress(struct actor *self, struct node_deployment_manager *manager,
                          struct managed_instance *instance)
{
    bool current = instance->recorded == SLICE_LOADING && instance->assigned &&
                   instance->rev == instance->recorded_rev && may_begin(manager);
    if (!instance->download_untold || !current) return;
    instance->download_untold = false;
    record(self, manager, instance, SLICE_LOADING, CAUSE_NONE);
}

static void on_progress(struct actor *self, void *state, const struct message *message)
{
    struct node_deployment_manager *manager = state;
    const struct instance_progress *progress = message->body;
    struct managed_instance *instance = NULL;
    for (size_t i = 0; (instance = managed_next(&manager->managed, &i)) != NULL;) {
        bool loads = strcmp(instance->key.artifact, progress->artifact) == 0 &&
                     instance->stepping == STEP_LOAD && instance->recorded == SLICE_LOADING;
        if (!loads) continue;
        instance->download_bytes = progress->received_bytes;
        instance->download_total_bytes = progress->total_bytes;
        instance->download_untold = true;
        advance(self, manager, instance);
    }
}

/* --- what comes next ---------------------------------------------------------------------------------- */

/* Wakes up when the next thing that only time brings is due. */
static void arm(struct actor *self, struct managed_instance *instance)
{
    int64_t now_ns = actor_now_ns(self);
    const int64_t times[] = { instance->resting_ns, instance->held_ns, instance->overdue_ns };
    int64_t due_ns = 0;
    for (size_t i = 0; i < ARRAY_COUNT(times); i++) {
        if (times[i] > now_ns && (due_ns == 0 || times[i] < due_ns)) due_ns = times[i];
    }
    actor_cancel(self, &instance->timer);
    if (due_ns != 0)
        instance->timer = actor_after(self, due_ns - now_ns, KIND_NODE_DEPLOYMENT_TIMER, instance->number);
}

static void advance(struct actor *self, struct node_deployment_manager *manager,
                    struct managed_instance *instance)
{
    enum slice_state to = SLICE_GONE;
    enum slice_cause cause = CAUSE_NONE;
    struct slice_situation situation =
        managed_situation(instance, actor_now_ns(self), may_begin(manager), is_adoptable(manager, instance));
    if (manager->fenced && instance->exclusive) {
        situation.resting = true;
        situation.may_begin = false;
    }
    bool free = !instance->proposing && actor_now_ns(self) >= instance->held_ns;
    if (free && slice_lifecycle_record(&situation, &to, &cause)) record(self, manager, instance, to, cause);
    else if (free) tell_progress(self, manager, instance);
    /* The step of a state follows its entry; only a restart doesn't wait. A resting UNLOAD waits as well. */
    enum slice_step step = slice_lifecycle_step(&situation);
    bool waits = situation.resting && step == STEP_UNLOAD;
    if (step != STEP_NONE && !waits) take_step(self, manager, instance, step);
    if (managed_is_over(instance)) {
        actor_cancel(self, &instance->timer);
        managed_remove(&manager->managed, instance);
        return;
    }
    arm(self, instance);
}

/* --- what it learns: wanted --------------------------------------------------------------------------- */

static void assign(struct managed_instance *instance, const struct allocation *allocation,
                   const struct allocation_instance *assigned)
{
    bool anew = !instance->assigned || instance->rev != assigned->rev;
    instance->assigned = true;
    instance->rev = assigned->rev;
    (void)text_copy(instance->blueprint, sizeof(instance->blueprint), allocation->blueprint);
    (void)text_copy(instance->sha256, sizeof(instance->sha256), allocation->sha256);
    if (!anew) return;
    /* The count goes on where the allocation has it, but a node that started anew may try once more. */
    uint32_t most = SLICE_ATTEMPTS_MAX - 1;
    instance->attempt = assigned->attempt < most ? assigned->attempt : most;
    instance->fatal = false;
    instance->resting_ns = 0;
}

static void see_allocated(struct node_deployment_manager *manager, const char *artifact, const void *value,
                          size_t size)
{
    struct arena arena = { 0 };
    struct allocation allocation = { 0 };
    struct managed_instance *instance = NULL;
    if (value != NULL && slice_allocation_read(&arena, value, size, &allocation, NULL) != STATUS_OK)
        allocation.instance_count = 0;
    for (size_t i = 0; (instance = managed_next(&manager->managed, &i)) != NULL;) {
        if (strcmp(instance->key.artifact, artifact) != 0) continue;
        if (slice_allocation_find(&allocation, instance->key.instance) == NULL) instance->assigned = false;
    }
    for (uint32_t i = 0; i < allocation.instance_count; i++)
        assign(managed_get(&manager->managed, artifact, allocation.instances[i].instance), &allocation,
               &allocation.instances[i]);
    arena_fini(&arena);
}

static void see_allocation(void *context, const Pb__KvEvent *event)
{
    struct node_deployment_manager *manager = context;
    struct managed_instance *instance = NULL;
    char artifact[COORDINATES_TEXT_MAX];
    char node[SLICE_NODE_MAX];
    if (event == NULL) {
        for (size_t i = 0; (instance = managed_next(&manager->managed, &i)) != NULL;)
            instance->assigned = false;
        return;
    }
    if (!slice_key_allocation_parse(event->record->key, artifact, node)) return;
    if (strcmp(node, manager->node) != 0) return;
    see_allocated(manager, artifact, event->deleted ? NULL : event->record->value.data,
                  event->record->value.len);
}

static void see_blueprint(void *context, const Pb__KvEvent *event)
{
    struct node_deployment_manager *manager = context;
    const char *name = NULL;
    if (event == NULL || !slice_key_blueprint_parse(event->record->key, &name)) return;
    char *text = NULL;
    if (!event->deleted) {
        text = memory_alloc(event->record->value.len + 1);
        memcpy(text, event->record->value.data, event->record->value.len);
        text[event->record->value.len] = '\0';
    }
    memory_free(text != NULL ? map_put(&manager->blueprints, name, text)
                             : map_remove(&manager->blueprints, name));
}

/* --- what it learns: agreed --------------------------------------------------------------------------- */

static void see_state(struct managed_instance *instance, const struct slice_instance *recorded,
                      uint64_t revision)
{
    if (revision < instance->recorded_revision) return;
    instance->recorded_revision = revision;
    enum slice_state state = recorded == NULL ? SLICE_GONE : recorded->state;
    if (recorded != NULL) instance->recorded_rev = recorded->rev;
    managed_settle_adoption(instance);
    if (state == instance->recorded) return;
    instance->recorded = state;
    instance->failed = false;
    instance->overdue_ns = 0; /* Somebody else's move: only a new incarnation brings that about. */
}

static void see_record(void *context, const Pb__KvEvent *event)
{
    struct node_deployment_manager *manager = context;
    struct managed_instance *instance = NULL;
    struct slice_record read = { 0 };
    char artifact[COORDINATES_TEXT_MAX];
    char node[SLICE_NODE_MAX];
    if (event == NULL) { /* What is still there is told again, under the revisions that we know. */
        for (size_t i = 0; (instance = managed_next(&manager->managed, &i)) != NULL;)
            instance->recorded = SLICE_GONE;
        return;
    }
    if (!slice_key_record_parse(event->record->key, node, artifact)) return;
    struct arena arena = { 0 };
    if (!event->deleted && slice_record_read(&arena, event->record->value.data, event->record->value.len,
                                             &read, NULL) != STATUS_OK)
        read.instance_count = 0;
    for (uint32_t i = 0; i < read.instance_count; i++)
        (void)managed_get(&manager->managed, artifact, read.instances[i].instance);
    for (size_t i = 0; (instance = managed_next(&manager->managed, &i)) != NULL;) {
        if (strcmp(instance->key.artifact, artifact) != 0) continue;
        see_state(instance, slice_record_find(&read, instance->key.instance), event->record->revision);
    }
    arena_fini(&arena);
}

static void see_node(void *context, const Pb__KvEvent *event)
{
    struct node_deployment_manager *manager = context;
    struct slice_node node;
    if (event == NULL || strcmp(event->record->key, manager->node_key) != 0) return;
    struct arena arena = { 0 };
    manager->current = 0;
    bool there = !event->deleted && slice_node_read(&arena, event->record->value.data,
                                                    event->record->value.len, &node, NULL) == STATUS_OK;
    if (there && strcmp(node.presence, "LOST") != 0) manager->current = node.incarnation;
    arena_fini(&arena);
}

static void on_incarnation(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct node_deployment_manager *manager = state;
    (void)context;
    manager->asking_incarnation = false;
    if (result->status == STATUS_OK)
        manager->incarnation = ((const Pb__NodeIncarnationReply *)result->message->body)->incarnation;
    if (may_begin(manager)) {
        log_info(self, "node.incarnation", "incarnation=%llu", (unsigned long long)manager->incarnation);
        advance_all(self, manager);
    } else {
        (void)actor_after(self, busy_pause_ns, KIND_NODE_DEPLOYMENT_TIMER, tag_incarnation);
    }
}

/* Is the incarnation that nodes/{node} shows this process's own? Until then nothing is begun: it may be that
 * of the process before, whose records are about to be deleted (A7). */
static void ask_incarnation(struct actor *self, struct node_deployment_manager *manager)
{
    if (manager->asking_incarnation || manager->current == 0 || may_begin(manager)) return;
    struct message *message = wire_message_create(KIND_NODE_INCARNATION_REQUEST);
    manager->asking_incarnation = true;
    actor_ask_name(self, TO_MEMBERSHIP, &message, SECONDS(5), on_incarnation, NULL);
}

static void on_changed(struct actor *self, void *state, const struct message *message)
{
    struct node_deployment_manager *manager = state;
    bool taken = follow_accept(self, &manager->allocations, message, see_allocation, manager) ||
                 follow_accept(self, &manager->records, message, see_record, manager) ||
                 follow_accept(self, &manager->published, message, see_blueprint, manager) ||
                 follow_accept(self, &manager->node_record, message, see_node, manager);
    if (!taken) return;
    ask_incarnation(self, manager);
    advance_all(self, manager);
}

static void on_late(struct actor *self, void *state, const struct message *message)
{
    const struct node_deployment_manager *manager = state;
    lateness_note(self, &manager->managed, manager->node, message->body);
}

/* --- what it learns: real ----------------------------------------------------------------------------- */

static void on_down(struct actor *self, void *state, const struct message *message)
{
    struct node_deployment_manager *manager = state;
    const struct instance_down *down = message->body;
    struct managed_instance *instance =
        managed_find(&manager->managed, down->key.artifact, down->key.instance);
    if (instance == NULL || instance->reality == REALITY_NONE) return;
    struct error story;
    (void)error_set(&story, down->reason, "%s", down->text == NULL ? "" : down->text);
    instance->unhealthy = down->reason == STATUS_NOT_READY;
    if (instance->unhealthy) (void)error_set(&story, STATUS_CRASHED, "%s", down->text);
    MARK("node_deployment.instance_went_down");
    log_warn(self, "slice.down", "instance=%s#%u reason=%s why=%s", down->key.artifact, down->key.instance,
             status_name(down->reason), story.message);
    instance->reality = REALITY_DOWN;
    instance->story_ms = actor_wall_ms(self);
    managed_note_crash(instance, actor_now_ns(self), &story);
    instance->crashed = instance->recorded == SLICE_ACTIVE;
    advance(self, manager, instance);
}

/* A8: the cluster may soon run it elsewhere, so it ends here first, whatever it is doing. */
static void kill_exclusive(struct actor *self, const struct node_deployment_manager *manager,
                           struct managed_instance *instance)
{
    if (!instance->exclusive || instance->reality == REALITY_NONE) return;
    struct error story;
    struct message *message = step_message(instance, KIND_INSTANCE_UNLOAD);
    ((struct instance_step *)message->body)->drain_ms = 0;
    (void)error_set(&story, STATUS_NODE_LOST, "this node lost the cluster");
    MARK("node_deployment.exclusive_is_killed");
    log_warn(self, "slice.exclusive_killed", "instance=%s#%u", instance->key.artifact,
             instance->key.instance);
    if (instance->stepping != STEP_NONE) { /* That step is cut short and completes; this one is a tell. */
        actor_tell_name(self, TO_SLICE_STORE, &message);
    } else {
        instance->stepping = STEP_UNLOAD;
        actor_ask_name(self, TO_SLICE_STORE, &message, step_timeout_ns(manager, STEP_UNLOAD), on_step_done,
                       instance);
    }
    instance->story = story;
    instance->crashed = instance->recorded == SLICE_ACTIVE;
}

static void on_fenced(struct actor *self, void *state, const struct message *message)
{
    struct node_deployment_manager *manager = state;
    bool fenced = ((const Pb__NodeFenced *)message->body)->fenced != 0;
    struct managed_instance *instance = NULL;
    if (fenced == manager->fenced) return;
    manager->fenced = fenced;
    for (size_t i = 0; fenced && (instance = managed_next(&manager->managed, &i)) != NULL;)
        kill_exclusive(self, manager, instance);
    advance_all(self, manager);
}

/* A8: started again on a node that is cut off, it must not wait to be told. */
static void on_fence_answered(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)context;
    if (result->status == STATUS_OK) on_fenced(self, state, result->message);
}

static void ask_fence(struct actor *self)
{
    struct message *message = wire_message_create(KIND_NODE_FENCED);
    actor_ask_name(self, TO_MEMBERSHIP, &message, fence_timeout_ns, on_fence_answered, NULL);
}

static void on_timer(struct actor *self, void *state, const struct message *message)
{
    struct node_deployment_manager *manager = state;
    if (message->tag == tag_incarnation) {
        ask_incarnation(self, manager);
        return;
    }
    struct managed_instance *instance = managed_find_number(&manager->managed, message->tag);
    if (instance == NULL) return;
    instance->timer = (struct timer_id){ 0 };
    advance(self, manager, instance);
}

static void on_facts(struct actor *self, void *state, const struct message *message)
{
    const struct node_deployment_manager *manager = state;
    const struct instance_ask *ask = message->body;
    struct message *reply = message_create(KIND_INSTANCE_FACTS_DONE, sizeof(struct instance_facts));
    managed_facts(&manager->managed, ask->artifact, &reply->arena, reply->body);
    actor_reply(self, message, &reply);
}

/* --- life --------------------------------------------------------------------------------------------- */

static enum status manager_init(struct actor *self, void *state, const void *options, struct error *error)
{
    struct node_deployment_manager *manager = state;
    const struct node_deployment_manager_options *given = options;
    if (!text_copy(manager->node, sizeof(manager->node), given->node))
        return error_set(error, STATUS_INVALID, "the node's name is too long");
    manager->deadlines = given->deadlines.loading_ns == 0 ? slice_deadlines_default : given->deadlines;
    slice_key_record(manager->records_prefix, manager->node, "");
    (void)snprintf(manager->node_key, sizeof(manager->node_key), "nodes/%s", manager->node);
    /* Blueprints first: an allocation's news must not meet an older blueprint. */
    manager->published = (struct follow){ .prefix = "blueprints/", .watch_id = WATCH_BLUEPRINTS };
    manager->node_record = (struct follow){ .prefix = manager->node_key, .watch_id = WATCH_NODE };
    manager->records = (struct follow){ .prefix = manager->records_prefix, .watch_id = WATCH_RECORDS };
    manager->allocations = (struct follow){ .prefix = "allocations/", .watch_id = WATCH_ALLOCATIONS };
    follow_start(self, &manager->published);
    follow_start(self, &manager->node_record);
    follow_start(self, &manager->records);
    follow_start(self, &manager->allocations);
    ask_fence(self);
    return STATUS_OK;
}

static void manager_fini(void *state)
{
    struct node_deployment_manager *manager = state;
    const char *name = NULL;
    void *text = NULL;
    for (size_t i = 0; map_next(&manager->blueprints, &i, &name, &text);)
        memory_free(text);
    map_fini(&manager->blueprints);
    managed_fini(&manager->managed);
}

static const struct behavior_row rows[] = {
    { KIND_STATE_CHANGED, on_changed }, { KIND_INSTANCE_DOWN, on_down },
    { KIND_NODE_FENCED, on_fenced },    { KIND_NODE_DEPLOYMENT_TIMER, on_timer },
    { KIND_INSTANCE_LATE, on_late },    { KIND_INSTANCE_PROGRESS, on_progress },
    { KIND_INSTANCE_FACTS, on_facts },
};
const struct behavior node_deployment_manager_behavior = {
    .name = "node_deployment_manager",
    .state_size = sizeof(struct node_deployment_manager),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 4096,
    .init = manager_init,
    .fini = manager_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
