/* life: how actors begin and end.
 *
 *   spawn -> STARTING --init--> RUNNING --stop or fail asked--> ENDING --children gone--> FREE
 *
 * The end, in this order: children in reverse order of their start, each awaited; `stop` (ordered ends only);
 * the name and the id are gone; open asks complete CANCELLED; timers are cancelled; asks that wait for us are
 * refused (CRASHED after a failure, else NOT_FOUND); fini; only then do monitors, links and the parent hear
 * of it. A child that has not even begun to end within its deadline is stuck in a handler, which nothing can
 * end but the process: the runtime's owner is told, and goes on waiting. */
#include "runtime/home.h"

#include "runtime/base/memory.h"
#include "runtime/base/planted.h"

#define STOP_WITHIN_NS        SECONDS(5)
#define STOP_WITHIN_PINNED_NS SECONDS(30)

static void turn_inherit(struct turn *turn, const struct actor *parent)
{
    if (parent != NULL) {
        *turn = (struct turn){ .now_ns = parent->turn->now_ns,
                               .has_now = parent->turn->has_now,
                               .is_live = parent->turn->is_live,
                               .random = parent->turn->random,
                               .request_id = parent->turn->request_id,
                               .has_work = parent->turn->has_work };
        return;
    }
    *turn = (struct turn){ .is_live = true };
}

/* Gives the actor to whoever runs it from now on: perhaps another thread, and at once. What its init has sent
 * gathered with what its parent's turn sends, and must not be overtaken by what it sends next (ACT1). */
static void hand_over(struct actor *actor)
{
    send_gathered();
    struct scheduler *scheduler = actor->runtime->scheduler;
    bool pins = actor->behavior->home != ACTOR_POOLED && scheduler->machine->pin != NULL;
    if (pins && actor->phase == ACTOR_RUNNING) {
        scheduler->machine->pin(scheduler, actor);
        return;
    }
    bool has_work = actor->stop_asked || actor->fail_asked || actor->behavior->wait != NULL;
    if (has_work || !turn_rest(actor)) scheduler->machine->ready(scheduler, actor);
}

static enum status run_init(struct actor *actor, struct turn *turn, const struct spawn_options *options,
                            struct error *error)
{
    const struct behavior *behavior = actor->behavior;
    if (options != NULL && options->name != 0) {
        names_set(actor->runtime, options->name, actor->id);
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

/* --- children: linked through their places, which nobody else takes before the parent gives them back --- */

static struct actor *find_child(const struct actor *parent, struct actor_id id)
{
    struct actor *child = extras_of(parent)->newest_child;
    while (child != NULL && !actor_id_equal(child->id, id)) {
        child = child->older;
    }
    return child;
}

/* `newer` NULL: as the newest. */
static void link_child(struct extras *parent, struct actor *child, struct actor *newer)
{
    struct actor **from = newer == NULL ? &parent->newest_child : &newer->older;
    child->newer = newer;
    child->older = *from;
    if (child->older != NULL) child->older->newer = child;
    *from = child;
}

static void unlink_child(struct extras *parent, struct actor *child)
{
    struct actor **from = child->newer == NULL ? &parent->newest_child : &child->newer->older;
    CHECK(*from == child);
    *from = child->older;
    if (child->older != NULL) child->older->newer = child->newer;
}

static void become_child(struct actor *actor, struct actor *parent, const struct spawn_options *options)
{
    bool newest = options == NULL || !actor_id_is_set(options->before);
    link_child(extras_make(parent), actor, newest ? NULL : find_child(parent, options->before));
    if (options != NULL && options->monitored) id_list_add(&extras_make(actor)->monitors, parent->id);
}

/* Those that run on a pool, and whose messages need no look when they come. */
static uint8_t kin_of(const struct behavior *behavior)
{
    bool plain =
        behavior->home == ACTOR_POOLED && behavior->policy == MAILBOX_REFUSE && !behavior->follows_caller;
    return plain ? (uint8_t)(behavior->pool + 1) : 0;
}

/* --- the start ---------------------------------------------------------------------------------------- */

static void count_restart(struct actor *actor, uint32_t restarts)
{
    struct runtime *runtime = actor->runtime;
    __atomic_store_n(&extras_make(actor)->restarts, restarts, __ATOMIC_RELAXED);
    pthread_mutex_lock(&runtime->lock);
    metrics_tally(runtime, actor->behavior)->restarts++;
    pthread_mutex_unlock(&runtime->lock);
}

enum status life_spawn(struct runtime *runtime, struct actor *parent, const struct behavior *behavior,
                       const struct spawn_options *options, struct actor_id *out_id, struct error *error)
{
    if (parent != NULL && parent->phase == ACTOR_ENDING)
        return error_set(error, STATUS_CANCELLED, "%s is ending and starts nothing", parent->behavior->name);
    struct actor_id parent_id = parent == NULL ? (struct actor_id){ 0, 0 } : parent->id;
    struct actor *actor =
        runtime_cell_take(runtime, behavior, options == NULL ? NULL : options->label, parent_id);
    if (options != NULL && options->restarts > 0) count_restart(actor, options->restarts);
    struct actor_id id = actor->id;
    struct turn turn;
    turn_inherit(&turn, parent);
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
    __atomic_store_n(&actor->kin, kin_of(behavior), __ATOMIC_RELAXED);
    actor->usual = behavior->turn_end == NULL && behavior->linger == NULL && behavior->row_count > 0 &&
                   !actor->stop_asked && !actor->fail_asked;
    if (parent != NULL) become_child(actor, parent, options);
    else runtime_root_add(runtime, id);
    hand_over(actor);
    *out_id = id;
    return STATUS_OK;
}

/* --- the end ------------------------------------------------------------------------------------------ */

static void cancel_asks(struct actor *actor)
{
    if (extras_of(actor)->asks == NULL) return;
    struct error error;
    (void)error_set(&error, STATUS_CANCELLED, "%s is ending", actor->behavior->name);
    struct ask ask;
    while (asks_take_any(extras_of(actor)->asks, &ask)) {
        turn_complete_ask(actor, &ask, NULL, &error);
    }
    asks_destroy(&actor->extras->asks);
}

static void refuse_kept(struct actor *actor, enum status status)
{
    const struct extras *extras = actor->extras;
    struct error error;
    (void)error_set(&error, status, "%s ended: %s", actor->behavior->name,
                    extras->failure != NULL ? extras->failure->message : "it was stopped");
    while (extras->kept_asks != NULL) {
        send_refusal(actor->runtime, extras->kept_asks, &error); /* Takes it off the list. */
    }
}

static void refuse_waiting(struct actor *actor)
{
    const struct extras *extras = extras_of(actor);
    bool failed = extras->failure != NULL;
    /* What it took is not what never reached it: only who hears NOT_FOUND may safely ask somebody else. Few
     * have kept any: no words for nobody. */
    if (extras->kept_asks != NULL) refuse_kept(actor, failed ? STATUS_CRASHED : STATUS_CANCELLED);
    turn_refuse_queued(actor, failed ? STATUS_CRASHED : STATUS_NOT_FOUND);
}

/* What ends alike in order, in failure and in a crash. */
static void release_all(struct actor *actor)
{
    __atomic_store_n(&actor->generation, 0, __ATOMIC_RELEASE);
    if (actor->has_name) names_release(actor->runtime, actor->id);
    cancel_asks(actor);
    scheduler_timers_cancel_all(actor);
    refuse_waiting(actor);
    actor->turn = NULL;
    if (actor->state != NULL && actor->behavior->fini != NULL) actor->behavior->fini(actor->state);
    CHECK(extras_of(actor)->kept_asks == NULL);
    memory_free(actor->state);
    actor->state = NULL;
}

/* What is still to be told, and to whom, when the place is somebody else's already. */
struct last_words {
    struct runtime *runtime;
    struct actor_id id;
    struct actor_id parent;
    struct id_list *monitors;
    struct id_list *links;
    struct error *failure;
    bool started;
    bool escalates;
};

/* Whether it is its parent that gives its place back. */
static bool is_listed_child(const struct last_words *words)
{
    return words->started && actor_id_is_set(words->parent);
}

static void say_last_words(struct last_words *words)
{
    struct runtime *runtime = words->runtime;
    for (uint32_t i = 0; i < id_list_count(words->links); i++) {
        send_down(runtime, KIND_LINK_DOWN, words->id, words->links->ids[i], words->failure, false);
    }
    for (uint32_t i = 0; i < id_list_count(words->monitors); i++) {
        send_down(runtime, KIND_DOWN, words->id, words->monitors->ids[i], words->failure, words->escalates);
    }
    memory_free(words->links);
    memory_free(words->monitors);
    if (!words->started) return;
    if (!actor_id_is_set(words->parent)) {
        runtime_root_ended(runtime, words->id, words->failure);
        return;
    }
    struct message *message = message_create(KIND_CHILD_ENDED, sizeof words->id);
    *(struct actor_id *)message->body = words->id;
    send_system(runtime, words->id, words->parent, &message);
}

static void finish(struct actor *actor)
{
    const struct behavior *behavior = actor->behavior;
    struct scheduler *scheduler = actor->runtime->scheduler;
    bool started = actor->state != NULL;
    if (started && extras_of(actor)->failure == NULL && behavior->stop != NULL)
        behavior->stop(actor, actor->state);
    bool unpins = behavior->home != ACTOR_POOLED && scheduler->machine->unpin != NULL;
    if (unpins && started) scheduler->machine->unpin(scheduler, actor);
    watch_end(actor->turn, actor);
    release_all(actor);
    const struct extras *extras = extras_of(actor);
    struct last_words words = { .runtime = actor->runtime,
                                .id = actor->id,
                                .parent = actor->parent,
                                .monitors = extras->monitors,
                                .links = extras->links,
                                .failure = extras->failure,
                                .started = started,
                                .escalates = actor->escalates };
    runtime_cell_clear(actor);
    say_last_words(&words);
    send_gathered(); /* While the place is ours, and thus the runtime there. */
    if (is_listed_child(&words)) runtime_cell_rest(actor);
    else runtime_cell_give(actor);
    memory_free(words.failure);
}

static int64_t stop_within_ns(struct runtime *runtime, const struct actor *place)
{
    pthread_mutex_lock(&runtime->lock); /* It may be clearing its place just now. */
    const struct behavior *behavior = place->behavior;
    int64_t within_ns = behavior == NULL ? 0 : behavior->stop_within_ns;
    bool pinned = behavior != NULL && behavior->home == ACTOR_PINNED;
    pthread_mutex_unlock(&runtime->lock);
    if (within_ns > 0) return within_ns;
    return pinned ? STOP_WITHIN_PINNED_NS : STOP_WITHIN_NS;
}

/* A child that is told to stop has so long to begin with it. */
static void arm_stop_deadline(struct actor *actor, struct actor_id child)
{
    const struct actor *place = runtime_cell(actor->runtime, child);
    if (place == NULL) return; /* It has ended, and the message that says so is under way. */
    struct timer timer = { .due_ns = scheduler_turn_now_ns(actor) + stop_within_ns(actor->runtime, place),
                           .kind = KIND_STOP_LATE,
                           .tag = names_pack(child),
                           .owner = actor };
    (void)scheduler_timer_arm(actor, &timer);
}

static bool continue_end(struct actor *actor)
{
    const struct actor *child = extras_of(actor)->newest_child;
    if (child == NULL) {
        finish(actor);
        return true;
    }
    while (PLANTED("runtime.children_stop_forward") && child->older != NULL) {
        child = child->older;
    }
    struct actor_id last = child->id;
    struct message *stop = message_create(KIND_STOP, 0);
    send_system(actor->runtime, actor->id, last, &stop);
    arm_stop_deadline(actor, last);
    return false;
}

bool life_end(struct actor *actor)
{
    CHECK(actor->phase != ACTOR_ENDING);
    CHECK(actor->phase != ACTOR_FREE);
    actor->usual = false;
    __atomic_store_n(&actor->kin, 0, __ATOMIC_RELAXED);
    if (actor->home != 0) home_leave(actor->turn->home, actor);
    __atomic_store_n(&actor->phase, ACTOR_ENDING, __ATOMIC_RELAXED);
    return continue_end(actor);
}

static bool on_child_ended(struct actor *actor, struct actor_id child)
{
    struct actor *place = runtime_cell_at(actor->runtime, child.index);
    CHECK(place->id.generation == child.generation);
    unlink_child(actor->extras, place);
    runtime_cell_reuse(place);
    return actor->phase == ACTOR_ENDING && continue_end(actor);
}

static void on_stop_late(struct actor *actor, struct actor_id child)
{
    struct runtime *runtime = actor->runtime;
    const struct actor *place = runtime_cell(runtime, child);
    bool begun = place == NULL || __atomic_load_n(&place->phase, __ATOMIC_RELAXED) != ACTOR_RUNNING;
    if (begun) return; /* Its own children have deadlines too. */
    const char *label = extras_of(actor)->label;
    struct error error;
    (void)error_set(&error, STATUS_DEADLINE, "a child of %s is stuck in a handler and doesn't stop",
                    label != NULL ? label : actor->behavior->name);
    log_error(actor, "life.stop_late", "%s", error.message);
    if (runtime->options.on_failure != NULL)
        runtime->options.on_failure(runtime->options.failure_context, &error);
}

/* --- links and monitors ------------------------------------------------------------------------------- */

static void add_once(struct id_list **list, struct actor_id id)
{
    if (!id_list_holds(*list, id)) id_list_add(list, id);
}

void life_link(struct actor *actor, struct actor_id to)
{
    add_once(&extras_make(actor)->links, to);
}

void life_unlink(struct actor *actor, struct actor_id to)
{
    (void)id_list_remove(extras_of(actor)->links, to);
}

static void on_link_down(struct actor *actor, const struct actor_down *down)
{
    if (!id_list_remove(extras_of(actor)->links, down->id) || down->reason == STATUS_OK) return;
    if (PLANTED("runtime.link_not_followed")) return;
    struct error error = down->error;
    (void)error_wrap(&error, "an actor that %s is linked to failed", actor->behavior->name);
    actor_fail(actor, &error);
}

bool life_handles(struct actor *actor, const struct message *message, bool *out_ended)
{
    switch (message->kind) {
    case KIND_CHILD_ENDED: *out_ended = on_child_ended(actor, *(const struct actor_id *)message->body); break;
    case KIND_STOP_LATE: on_stop_late(actor, names_unpack(message->tag)); break;
    case KIND_MONITOR: add_once(&extras_make(actor)->monitors, message->sender); break;
    case KIND_DEMONITOR: (void)id_list_remove(extras_of(actor)->monitors, message->sender); break;
    case KIND_LINK: life_link(actor, message->sender); break;
    case KIND_UNLINK: life_unlink(actor, message->sender); break;
    case KIND_LINK_DOWN: on_link_down(actor, message->body); break;
    default: return false;
    }
    return true;
}

bool life_refuses(struct runtime *runtime, struct actor_id gone, const struct message *message)
{
    if (message->kind != KIND_MONITOR && message->kind != KIND_LINK) return false;
    struct error error;
    (void)error_set(&error, STATUS_NOT_FOUND, "the actor had ended before");
    uint32_t kind = message->kind == KIND_LINK ? KIND_LINK_DOWN : KIND_DOWN;
    send_down(runtime, kind, gone, message->sender, &error, false);
    return true;
}

/* --- a node's crash ----------------------------------------------------------------------------------- */

void life_crash(struct actor *actor)
{
    CHECK(actor->runtime->muted);
    (void)mailbox_claim(&actor->mailbox); /* Resting or ready: it runs no more, and is ours. */
    if (actor->phase == ACTOR_FREE) {
        turn_refuse_queued(actor, STATUS_NOT_FOUND);
        (void)turn_rest(actor); /* Nobody will wake it; but what its mailbox still held goes. */
        return;
    }
    struct turn turn;
    turn_inherit(&turn, NULL);
    turn.random = &actor->runtime->random;
    __atomic_store_n(&actor->phase, ACTOR_ENDING, __ATOMIC_RELAXED);
    actor->turn = &turn; /* For what refusing and cancelling ask of it; gone before this returns. */
    release_all(actor);
    actor->turn = NULL;
    (void)turn_rest(actor);
    if (actor->extras == NULL) return;
    memory_free(actor->extras->monitors);
    memory_free(actor->extras->links);
    memory_free(actor->extras->failure);
    extras_free(actor);
}
