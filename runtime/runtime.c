/* runtime: one node's actors: the table that holds them, and the doors from outside (see scheduler.h).
 * Places come in blocks of doubling size that never move, so a sender finds an actor without a lock. */
#include "runtime/machine.h"
#include "runtime/park.h"

#include "runtime/base/memory.h"

#include <stdio.h>
#include <string.h>

enum { FIRST_BLOCK = CELL_FIRST_BLOCK, PLACE_ALIGNMENT = 64 };

/* --- the table ---------------------------------------------------------------------------------------- */

struct actor *runtime_cell(const struct runtime *runtime, struct actor_id id)
{
    if (id.index >= __atomic_load_n(&runtime->cell_count, __ATOMIC_ACQUIRE)) return NULL;
    struct actor *actor = runtime_cell_at(runtime, id.index);
    uint32_t generation = __atomic_load_n(&actor->generation, __ATOMIC_ACQUIRE);
    return generation != 0 && generation == id.generation ? actor : NULL;
}

/* Under the lock. The new place is owned. */
static struct actor *cell_add(struct runtime *runtime)
{
    uint32_t index = runtime->cell_count;
    uint32_t shifted = index + FIRST_BLOCK;
    if ((shifted & (shifted - 1)) == 0) {
        uint32_t number = 31 - (uint32_t)__builtin_clz(shifted) - CELL_BLOCK_BITS;
        CHECK(number < CELL_BLOCKS);
        /* Zeroed by the kernel, place by place as they are used: a block is half of all there is. */
        runtime->block_memory[number] = memory_array(shifted + 1, sizeof(struct actor));
        uintptr_t from = (uintptr_t)runtime->block_memory[number];
        from = (from + PLACE_ALIGNMENT - 1) & ~(uintptr_t)(PLACE_ALIGNMENT - 1);
        runtime->blocks[number + CELL_BLOCK_BITS] = from - shifted * sizeof(struct actor);
    }
    struct actor *actor = runtime_cell_at(runtime, index);
    mailbox_init(&actor->mailbox);
    actor->runtime = runtime;
    actor->id.index = index;
    bool claimed = mailbox_claim(&actor->mailbox);
    CHECK(claimed);
    __atomic_store_n(&runtime->cell_count, index + 1, __ATOMIC_RELEASE);
    return actor;
}

bool runtime_holds(const struct runtime *runtime, const struct actor *place)
{
    for (uint32_t bits = CELL_BLOCK_BITS; bits < CELL_BLOCK_BITS + CELL_BLOCKS; bits++) {
        if (runtime->blocks[bits] == 0) return false;             /* They are made in their order. */
        uintptr_t size = (uintptr_t)sizeof(struct actor) << bits; /* Of the block, and of all before it. */
        uintptr_t at = (uintptr_t)place - runtime->blocks[bits];
        if (at - size < size) return at % sizeof(struct actor) == 0; /* Else it was another runtime's. */
    }
    return false;
}

/* Under the lock. */
static void free_list_add(struct runtime *runtime, struct actor *actor)
{
    actor->free_next = NULL;
    if (runtime->free_last != NULL) runtime->free_last->free_next = actor;
    else runtime->free_first = actor;
    runtime->free_last = actor;
}

/* Under the lock. A place freed long ago, or NULL. */
static struct actor *free_list_claim(struct runtime *runtime)
{
    struct actor *actor = runtime->free_first;
    if (actor == NULL) return NULL;
    runtime->free_first = actor->free_next;
    if (runtime->free_first == NULL) runtime->free_last = NULL;
    if (mailbox_claim(&actor->mailbox)) return actor;
    /* Its predecessor is about to rest, or a late message for that one is being refused, just now. */
    free_list_add(runtime, actor);
    return NULL;
}

struct actor *runtime_cell_take(struct runtime *runtime, const struct behavior *behavior, const char *label,
                                struct actor_id parent)
{
    char *label_copy = label == NULL ? NULL : memory_strdup(label);
    pthread_mutex_lock(&runtime->lock);
    struct actor *actor = free_list_claim(runtime);
    if (actor == NULL) actor = cell_add(runtime);
    CHECK(actor->phase == ACTOR_FREE);
    actor->behavior = behavior;
    if (label_copy != NULL) extras_make(actor)->label = label_copy;
    actor->parent = parent;
    metrics_tally(runtime, behavior)->started++;
    actor->id.generation = actor->id.generation == UINT32_MAX ? 1 : actor->id.generation + 1;
    __atomic_store_n(&actor->phase, ACTOR_STARTING, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&runtime->lock);
    uint32_t capacity = machine_mailbox_capacity(behavior);
    if (behavior->policy == MAILBOX_DROP_OLDEST) capacity *= 2;
    mailbox_set_capacity(&actor->mailbox, capacity);
    __atomic_store_n(&actor->generation, actor->id.generation, __ATOMIC_RELEASE);
    return actor;
}

void runtime_cell_clear(struct actor *actor)
{
    struct runtime *runtime = actor->runtime;
    pthread_mutex_lock(&runtime->lock);
    metrics_fold(metrics_tally(runtime, actor->behavior), actor);
    extras_free(actor);
    actor->behavior = NULL;
    actor->parent = (struct actor_id){ 0, 0 };
    __atomic_store_n(&actor->phase, ACTOR_FREE, __ATOMIC_RELAXED);
    __atomic_store_n(&actor->handled, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&actor->refused, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&actor->busy_ns, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&runtime->lock);
    actor->batch = 0;
    memset(actor->row_hints, 0, sizeof actor->row_hints);
    actor->stop_asked = false;
    actor->fail_asked = false;
    actor->has_name = false;
    actor->escalates = false;
    actor->is_among_inline = false;
}

void runtime_cell_rest(struct actor *actor)
{
    while (!turn_rest(actor)) {
        turn_refuse_queued(actor, STATUS_NOT_FOUND);
    }
}

void runtime_cell_reuse(struct actor *actor)
{
    struct runtime *runtime = actor->runtime;
    pthread_mutex_lock(&runtime->lock);
    free_list_add(runtime, actor);
    pthread_mutex_unlock(&runtime->lock);
}

void runtime_cell_give(struct actor *actor)
{
    struct runtime *runtime = actor->runtime;
    pthread_mutex_lock(&runtime->lock);
    while (!turn_rest(actor)) {
        pthread_mutex_unlock(&runtime->lock);
        turn_refuse_queued(actor, STATUS_NOT_FOUND);
        pthread_mutex_lock(&runtime->lock);
    }
    /* A late sender may own the place already; but free_next is the lock's. */
    free_list_add(runtime, actor);
    pthread_mutex_unlock(&runtime->lock);
}

/* --- roots -------------------------------------------------------------------------------------------- */

void runtime_root_add(struct runtime *runtime, struct actor_id id)
{
    pthread_mutex_lock(&runtime->lock);
    id_list_add(&runtime->roots, id);
    pthread_mutex_unlock(&runtime->lock);
}

void runtime_root_ended(struct runtime *runtime, struct actor_id id, const struct error *failure)
{
    pthread_mutex_lock(&runtime->lock);
    (void)id_list_remove(runtime->roots, id);
    pthread_mutex_unlock(&runtime->lock);
    __atomic_fetch_add(&runtime->ended, 1, __ATOMIC_RELEASE);
    park_wake_all(&runtime->ended);
    if (failure != NULL && runtime->options.on_failure != NULL)
        runtime->options.on_failure(runtime->options.failure_context, failure);
}

static struct actor_id last_root(struct runtime *runtime)
{
    pthread_mutex_lock(&runtime->lock);
    uint32_t count = id_list_count(runtime->roots);
    struct actor_id id = count == 0 ? (struct actor_id){ 0, 0 } : runtime->roots->ids[count - 1];
    pthread_mutex_unlock(&runtime->lock);
    return id;
}

/* --- doors from outside ------------------------------------------------------------------------------- */

struct runtime *runtime_create(const struct runtime_options *options)
{
    CHECK(options->scheduler != NULL);
    struct runtime *runtime = memory_zalloc(sizeof *runtime);
    runtime->scheduler = options->scheduler;
    runtime->options = *options;
    runtime->quarantine = quarantine_create();
    runtime->metrics = metrics_create();
    runtime->node = memory_strdup(options->node == NULL ? "" : options->node);
    CHECK(pthread_mutex_init(&runtime->lock, NULL) == 0);
    const struct machine *machine = options->scheduler->machine;
    machine->attach(options->scheduler, runtime);
    runtime->random = machine->seed(options->scheduler, runtime->number);
    watchdog_attach(&options->scheduler->watchdog, runtime);
    return runtime;
}

enum status runtime_spawn(struct runtime *runtime, const struct behavior *behavior,
                          const struct spawn_options *options, struct actor_id *out_id, struct error *error)
{
    return life_spawn(runtime, NULL, behavior, options, out_id, error);
}

enum status runtime_send(struct runtime *runtime, struct actor_id to, struct message **message)
{
    (*message)->sender = (struct actor_id){ 0, 0 };
    return send_deliver(runtime, to, message, (*message)->lane == LANE_USER);
}

struct actor_id runtime_find(const struct runtime *runtime, uint32_t name)
{
    return names_find(runtime, name);
}

struct scheduler *runtime_scheduler(const struct runtime *runtime)
{
    return runtime->scheduler;
}

uint64_t runtime_dropped(const struct runtime *runtime)
{
    return __atomic_load_n(&runtime->dropped, __ATOMIC_RELAXED);
}

bool runtime_stop(struct runtime *runtime, int64_t timeout_ns)
{
    struct scheduler *scheduler = runtime->scheduler;
    int64_t until_ns = scheduler->machine->now_ns(scheduler) + timeout_ns;
    struct actor_id stopping = { 0, 0 };
    for (;;) {
        uint32_t seen = __atomic_load_n(&runtime->ended, __ATOMIC_ACQUIRE);
        struct actor_id root = last_root(runtime);
        if (!actor_id_is_set(root)) return true;
        if (!actor_id_equal(root, stopping)) {
            struct message *stop = message_create(KIND_STOP, 0);
            send_system(runtime, (struct actor_id){ 0, 0 }, root, &stop);
            stopping = root;
        }
        if (!scheduler->machine->await_end(scheduler, runtime, seen, until_ns)) return false;
    }
}

void runtime_destroy(struct runtime **runtime)
{
    struct runtime *taken = *runtime;
    *runtime = NULL;
    if (taken == NULL) return;
    watchdog_detach(&taken->scheduler->watchdog, taken);
    taken->scheduler->machine->detach(taken->scheduler, taken);
    for (uint32_t i = 0; i < CELL_BLOCKS; i++) {
        memory_free(taken->block_memory[i]);
    }
    quarantine_destroy(&taken->quarantine);
    metrics_destroy(&taken->metrics);
    memory_free(taken->roots);
    memory_free(taken->node);
    (void)pthread_mutex_destroy(&taken->lock);
    memory_free(taken);
}

/* --- for people --------------------------------------------------------------------------------------- */

void runtime_actor_name(const struct runtime *runtime, struct actor_id id, const struct behavior *behavior,
                        char *to, size_t size)
{
    const struct actor *actor = runtime_cell(runtime, id);
    const char *label = actor == NULL ? NULL : extras_of(actor)->label;
    if (label == NULL) (void)snprintf(to, size, "%s", behavior->name);
    else (void)snprintf(to, size, "%s[%s]", behavior->name, label);
}

/* The credits that are out, but for those that the owner has in its hands. */
static uint32_t waiting(const struct actor *actor)
{
    uint32_t out = mailbox_length(&actor->mailbox);
    uint32_t owed = __atomic_load_n(&actor->credits_owed, __ATOMIC_RELAXED);
    return out > owed ? out - owed : 0; /* One of the two may be a moment older. */
}

static void view_fill(const struct actor *actor, uint32_t generation, struct actor_view *view)
{
    static const char *const phases[] = { "free", "starting", "running", "ending" };
    const struct behavior *behavior = actor->behavior;
    const struct extras *extras = extras_of(actor);
    *view = (struct actor_view){
        .id = { actor->id.index, generation },
        .parent = actor->parent,
        .behavior = behavior->name,
        .label = extras->label,
        .phase = phases[__atomic_load_n(&actor->phase, __ATOMIC_RELAXED)],
        .home = behavior->home,
        .pool = behavior->pool,
        .mailbox_length = waiting(actor),
        .mailbox_capacity = machine_mailbox_capacity(behavior),
        .handled = __atomic_load_n(&actor->handled, __ATOMIC_RELAXED),
        .refused = __atomic_load_n(&actor->refused, __ATOMIC_RELAXED),
        .dropped = __atomic_load_n(&extras->dropped, __ATOMIC_RELAXED),
        .quarantined = __atomic_load_n(&extras->quarantined, __ATOMIC_RELAXED),
        .restarts = __atomic_load_n(&extras->restarts, __ATOMIC_RELAXED),
        .busy_ns = (int64_t)__atomic_load_n(&actor->busy_ns, __ATOMIC_RELAXED),
    };
}

void runtime_visit_actors(struct runtime *runtime,
                          void (*visit)(void *context, const struct actor_view *view), void *context)
{
    pthread_mutex_lock(&runtime->lock);
    for (uint32_t i = 0; i < runtime->cell_count; i++) {
        const struct actor *actor = runtime_cell_at(runtime, i);
        uint32_t generation = __atomic_load_n(&actor->generation, __ATOMIC_ACQUIRE);
        if (generation == 0 || actor->behavior == NULL) continue;
        struct actor_view view;
        view_fill(actor, generation, &view);
        visit(context, &view);
    }
    pthread_mutex_unlock(&runtime->lock);
}
