/* life: how actors begin and end.
 *
 *   spawn -> STARTING --init--> RUNNING --stop or fail asked--> ENDING --children gone--> FREE
 *
 * The end, in this order: children in reverse order of their start, each awaited; `stop` (ordered ends only);
 * the name and the id are gone; open asks complete CANCELLED; timers are cancelled; asks that wait for us are
 * refused (CRASHED after a failure, else NOT_FOUND); fini; only then do monitors and the parent hear of it.
 */
#include "runtime/machine.h"

#include "runtime/base/memory.h"

static struct actor_id id_of(const struct actor *actor)
{
    return (struct actor_id){ actor->index, actor->last_generation };
}

static void turn_inherit(struct turn *turn, struct runtime *runtime, const struct actor *parent)
{
    struct scheduler *scheduler = runtime->scheduler;
    if (parent != NULL) {
        *turn = (struct turn){ .now_ns = parent->turn->now_ns,
                               .is_live = parent->turn->is_live,
                               .random = parent->turn->random,
                               .request_id = parent->turn->request_id };
        return;
    }
    *turn = (struct turn){ .now_ns = scheduler->machine->now_ns(scheduler), .is_live = true };
}

/* Gives the actor to whoever runs it from now on. */
static void hand_over(struct actor *actor)
{
    struct scheduler *scheduler = actor->runtime->scheduler;
    bool pinned = actor->behavior->home == ACTOR_PINNED && scheduler->machine->pin != NULL;
    if (pinned && actor->phase == ACTOR_RUNNING) {
        scheduler->machine->pin(scheduler, actor);
        return;
    }
    bool has_work = actor->stop_asked || actor->fail_asked || actor->behavior->wait != NULL;
    if (has_work || !mailbox_rest(&actor->mailbox)) scheduler->machine->ready(scheduler, actor);
}

static enum status run_init(struct actor *actor, struct turn *turn, const struct spawn_options *options,
                            struct error *error)
{
    const struct behavior *behavior = actor->behavior;
    if (options != NULL && options->name != 0) {
        names_set(actor->runtime, options->name, id_of(actor));
        actor->has_name = true;
    }
    actor->state = memory_zalloc(behavior->state_size);
    if (behavior->init == NULL) return STATUS_OK;
    actor->turn = turn;
    enum status status =
        behavior->init(actor, actor->state, options == NULL ? NULL : options->options, error);
    actor->turn = NULL;
    return status;
}

/* init undid what it did; the runtime undoes the rest. */
static void abandon_start(struct actor *actor, struct turn *turn)
{
    memory_free(actor->state);
    actor->state = NULL;
    actor->turn = turn;
    if (life_end(actor)) return;
    actor->turn = NULL;
    hand_over(actor); /* It has children, which go first. */
}

static void become_child(struct actor *actor, struct actor *parent, const struct spawn_options *options)
{
    if (options == NULL) {
        id_list_add(&parent->children, id_of(actor));
        return;
    }
    id_list_add_before(&parent->children, id_of(actor), options->before);
    if (options->monitored) life_monitored(actor, id_of(parent));
}

enum status life_spawn(struct runtime *runtime, struct actor *parent, const struct behavior *behavior,
                       const struct spawn_options *options, struct actor_id *out_id, struct error *error)
{
    if (parent != NULL && parent->phase == ACTOR_ENDING)
        return error_set(error, STATUS_CANCELLED, "%s is ending and starts nothing", parent->behavior->name);
    struct actor_id parent_id = parent == NULL ? (struct actor_id){ 0, 0 } : id_of(parent);
    struct actor *actor =
        runtime_cell_take(runtime, behavior, options == NULL ? NULL : options->label, parent_id);
    if (options != NULL) __atomic_store_n(&actor->restarts, options->restarts, __ATOMIC_RELAXED);
    struct actor_id id = id_of(actor);
    struct turn turn;
    turn_inherit(&turn, runtime, parent);
    uint64_t random;
    if (turn.random == NULL) {
        pthread_mutex_lock(&runtime->lock);
        random = scheduler_random(&runtime->random);
        pthread_mutex_unlock(&runtime->lock);
        turn.random = &random;
    }
    enum status status = run_init(actor, &turn, options, error);
    if (status != STATUS_OK) {
        abandon_start(actor, &turn);
        return status;
    }
    __atomic_store_n(&actor->phase, ACTOR_RUNNING, __ATOMIC_RELAXED);
    if (parent != NULL) become_child(actor, parent, options);
    else runtime_root_add(runtime, id);
    hand_over(actor);
    *out_id = id;
    return STATUS_OK;
}

/* --- the end ------------------------------------------------------------------------------------------ */

static void cancel_asks(struct actor *actor)
{
    struct error error;
    (void)error_set(&error, STATUS_CANCELLED, "%s is ending", actor->behavior->name);
    struct ask ask;
    while (asks_take_any(actor->asks, &ask)) {
        turn_complete_ask(actor, &ask, NULL, &error);
    }
    asks_destroy(&actor->asks);
}

static void refuse_waiting(struct actor *actor)
{
    struct error error;
    enum status status = actor->failure != NULL ? STATUS_CRASHED : STATUS_NOT_FOUND;
    (void)error_set(&error, status, "%s ended: %s", actor->behavior->name,
                    actor->failure != NULL ? actor->failure->message : "it was stopped");
    while (actor->kept_asks != NULL) {
        send_refusal(actor->runtime, actor->kept_asks, &error); /* Takes it off the list. */
    }
    turn_refuse_queued(actor, status);
}

/* What ends alike in order, in failure and in a crash. */
static void release_all(struct actor *actor)
{
    __atomic_store_n(&actor->generation, 0, __ATOMIC_RELEASE);
    if (actor->has_name) names_release(actor->runtime, id_of(actor));
    cancel_asks(actor);
    scheduler_timers_cancel_all(actor);
    refuse_waiting(actor);
    actor->turn = NULL;
    if (actor->state != NULL && actor->behavior->fini != NULL) actor->behavior->fini(actor->state);
    CHECK(actor->kept_asks == NULL);
    memory_free(actor->state);
    actor->state = NULL;
}

static void tell_end(struct actor *actor, struct id_list *monitors, const struct error *failure,
                     struct actor_id parent, bool started)
{
    struct runtime *runtime = actor->runtime;
    struct actor_id id = id_of(actor);
    for (uint32_t i = 0; i < id_list_count(monitors); i++) {
        send_down(runtime, id, monitors->ids[i], failure);
    }
    if (!started) return;
    if (!actor_id_is_set(parent)) {
        runtime_root_ended(runtime, id, failure);
        return;
    }
    struct message *message = message_create(KIND_CHILD_ENDED, sizeof id);
    *(struct actor_id *)message->body = id;
    send_system(runtime, id, parent, &message);
}

static void finish(struct actor *actor)
{
    const struct behavior *behavior = actor->behavior;
    struct scheduler *scheduler = actor->runtime->scheduler;
    bool started = actor->state != NULL;
    if (started && actor->failure == NULL && behavior->stop != NULL) behavior->stop(actor, actor->state);
    if (actor->pinned != NULL) scheduler->machine->unpin(scheduler, actor);
    release_all(actor);
    struct id_list *monitors = actor->monitors;
    struct error *failure = actor->failure;
    struct actor_id parent = actor->parent;
    memory_free(actor->children);
    actor->children = NULL;
    actor->monitors = NULL;
    actor->failure = NULL;
    runtime_cell_clear(actor);
    tell_end(actor, monitors, failure, parent, started);
    runtime_cell_give(actor);
    memory_free(monitors);
    memory_free(failure);
}

static bool continue_end(struct actor *actor)
{
    uint32_t count = id_list_count(actor->children);
    if (count == 0) {
        finish(actor);
        return true;
    }
    struct message *stop = message_create(KIND_STOP, 0);
    send_system(actor->runtime, id_of(actor), actor->children->ids[count - 1], &stop);
    return false;
}

bool life_end(struct actor *actor)
{
    CHECK(actor->phase != ACTOR_ENDING);
    CHECK(actor->phase != ACTOR_FREE);
    __atomic_store_n(&actor->phase, ACTOR_ENDING, __ATOMIC_RELAXED);
    return continue_end(actor);
}

bool life_child_ended(struct actor *actor, struct actor_id child)
{
    (void)id_list_remove(actor->children, child);
    return actor->phase == ACTOR_ENDING && continue_end(actor);
}

void life_monitored(struct actor *actor, struct actor_id by)
{
    id_list_add(&actor->monitors, by);
}

void life_crash(struct actor *actor)
{
    CHECK(actor->runtime->muted);
    (void)mailbox_claim(&actor->mailbox); /* Resting or ready: it runs no more, and is ours. */
    if (actor->phase == ACTOR_FREE) {
        turn_refuse_queued(actor, STATUS_NOT_FOUND);
        return;
    }
    struct turn turn;
    turn_inherit(&turn, actor->runtime, NULL);
    turn.random = &actor->runtime->random;
    __atomic_store_n(&actor->phase, ACTOR_ENDING, __ATOMIC_RELAXED);
    actor->turn = &turn; /* For what refusing and cancelling ask of it; gone before this returns. */
    release_all(actor);
    actor->turn = NULL;
    memory_free(actor->children);
    memory_free(actor->monitors);
    memory_free(actor->failure);
    memory_free(actor->label);
}
