/* pool: the machine of the daemon: a fixed set of threads for each of three groups (general, consensus,
 * inline), one thread for timers, one for each pinned actor.
 *
 * A worker has a queue of ready actors, and beside it one place (`next`) that thieves leave alone: the actor
 * that the current one just woke runs there next, on a warm core, so a conversation stays on one thread and
 * needs no lock. Who is not a worker of the group hands an actor in through `inbound`. A worker without work
 * shows it in `hungry`, looks around for about as long as a wake would cost, then parks. Whoever makes an
 * actor ready beyond `next` claims one hungry worker, if there is one, by taking its bit: so one ready actor
 * never wakes two threads, and nobody is woken for an actor that its waker will run itself.
 *
 * No wake is lost: a worker sets its bit, then looks once more; a waker hands in, then looks at the bits;
 * both steps are sequentially consistent, so at least one of the two sees the other. */
#include "runtime/machine.h"
#include "runtime/park.h"

#include "runtime/base/memory.h"

#include <stdio.h>
#include <unistd.h>

enum {
    WORKERS_MAX = 64, /* A group's bits stand in one word. */
    BATCH_FIRST = 32,
    BATCH_MAX = 100,
    NEXT_RUN_MAX = 64, /* Turns taken from `next` in a row while others wait in the queue. */
    SPINS = 500,       /* About 30 us: what a wake costs. */
};
#define TURN_NS MILLISECONDS(1)

enum park_state { PARK_LOOKING, PARK_SIGNALLED, PARK_ASLEEP };

struct worker {
    _Alignas(64) struct group *group;
    uint32_t index;
    pthread_t thread;
    uint64_t random;
    int64_t now_ns;
    struct actor *next;
    uint32_t next_run;
    struct watch watch;
    /* Touched by thieves and wakers. */
    _Alignas(64) bool queue_locked;
    uint32_t queue_count;
    struct actor *queue_first;
    struct actor *queue_last;
    uint32_t park; /* enum park_state. */
};

struct group {
    _Alignas(64) struct pool *pool;
    struct worker *workers;
    uint32_t count;
    _Alignas(64) struct actor *inbound; /* Newest first, linked by ready_next. */
    _Alignas(64) uint64_t hungry;       /* A bit for each worker that has nothing to do. */
};

/* A pinned actor's thread. */
struct pinned {
    struct pool *pool;
    struct actor *actor;
    pthread_t thread;
    uint32_t signal;         /* 1: has been woken. */
    uint32_t wakes_expected; /* How often a sender took the actor out of its rest: the thread's own count. */
    uint32_t wakes_done;     /* How many of these senders have left our memory. */
    struct watch watch;
    struct pinned *next; /* Finished ones, until they are joined. */
};

struct pool {
    struct scheduler base;
    const struct clock *clock;
    const struct random *random;
    struct group groups[POOL_COUNT];
    bool stopping;
    pthread_t timer_thread;
    uint32_t timer_signal;  /* Changes when a timer is armed that is due before the thread would wake. */
    int64_t timer_wakes_ns; /* Under the timers' lock. */
    pthread_mutex_t pinned_lock;
    struct pinned *finished;
    uint32_t pinned_running; /* Atomic; changes under the lock. */
    uint32_t runtime_count;  /* Ever made. */
};

static _Thread_local struct worker *this_worker;

static struct pool *pool_of(struct scheduler *scheduler)
{
    return (struct pool *)scheduler;
}

static int64_t read_clock(const struct pool *pool)
{
    return pool->clock->monotonic_ns(pool->clock->context);
}

/* --- a worker's queue --------------------------------------------------------------------------------- */

static bool queue_try_lock(struct worker *worker)
{
    return !__atomic_test_and_set(&worker->queue_locked, __ATOMIC_ACQUIRE);
}

static void queue_lock(struct worker *worker)
{
    while (!queue_try_lock(worker)) {
        __builtin_ia32_pause(); /* Held for a few instructions; thieves only try. */
    }
}

static void queue_unlock(struct worker *worker)
{
    __atomic_clear(&worker->queue_locked, __ATOMIC_RELEASE);
}

/* Under the lock. Appends a chain of `count`. */
static void queue_append(struct worker *worker, struct actor *first, struct actor *last, uint32_t count)
{
    last->ready_next = NULL;
    if (worker->queue_last != NULL) worker->queue_last->ready_next = first;
    else worker->queue_first = first;
    worker->queue_last = last;
    __atomic_store_n(&worker->queue_count, worker->queue_count + count, __ATOMIC_RELAXED);
}

/* Under the lock. Takes the oldest. */
static struct actor *queue_take(struct worker *worker)
{
    struct actor *actor = worker->queue_first;
    if (actor == NULL) return NULL;
    worker->queue_first = actor->ready_next;
    if (worker->queue_first == NULL) worker->queue_last = NULL;
    __atomic_store_n(&worker->queue_count, worker->queue_count - 1, __ATOMIC_RELAXED);
    return actor;
}

static uint32_t queue_length(const struct worker *worker)
{
    return __atomic_load_n(&worker->queue_count, __ATOMIC_RELAXED);
}

/* --- waking ------------------------------------------------------------------------------------------- */

static void worker_signal(struct worker *worker)
{
    uint32_t before = __atomic_exchange_n(&worker->park, PARK_SIGNALLED, __ATOMIC_SEQ_CST);
    if (before == PARK_ASLEEP) park_wake_one(&worker->park);
}

static void wake_one_hungry(struct group *group)
{
    uint64_t hungry = __atomic_load_n(&group->hungry, __ATOMIC_SEQ_CST);
    while (hungry != 0) {
        uint32_t index = (uint32_t)__builtin_ctzll(hungry);
        uint64_t bit = UINT64_C(1) << index;
        uint64_t before = __atomic_fetch_and(&group->hungry, ~bit, __ATOMIC_SEQ_CST);
        if ((before & bit) != 0) {
            worker_signal(&group->workers[index]);
            return;
        }
        hungry = before & ~bit;
    }
}

static void hand_in(struct group *group, struct actor *actor)
{
    struct actor *newest = __atomic_load_n(&group->inbound, __ATOMIC_RELAXED);
    do {
        actor->ready_next = newest;
    } while (!__atomic_compare_exchange_n(&group->inbound, &newest, actor, true, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    wake_one_hungry(group);
}

/* Wakes another only for what this worker won't come to next. */
static void worker_queue(struct worker *worker, struct actor *actor)
{
    queue_lock(worker);
    queue_append(worker, actor, actor, 1);
    bool surplus = worker->next != NULL || worker->queue_count > 1;
    queue_unlock(worker);
    if (surplus) wake_one_hungry(worker->group);
}

static void wake_pinned(struct pinned *pinned)
{
    struct actor *actor = pinned->actor;
    if (actor->behavior->wait != NULL) {
        actor->behavior->wake(actor->state);
    } else {
        __atomic_store_n(&pinned->signal, 1, __ATOMIC_SEQ_CST);
        park_wake_one(&pinned->signal);
    }
    __atomic_fetch_add(&pinned->wakes_done, 1, __ATOMIC_RELEASE); /* Nothing of it is touched after this. */
}

static void machine_ready(struct scheduler *scheduler, struct actor *actor)
{
    struct pool *pool = pool_of(scheduler);
    if (actor->pinned != NULL) {
        wake_pinned(actor->pinned);
        return;
    }
    struct group *group = &pool->groups[actor->phase == ACTOR_FREE ? POOL_GENERAL : actor->behavior->pool];
    struct worker *worker = this_worker;
    if (worker == NULL || worker->group != group) hand_in(group, actor);
    else if (worker->next == NULL) worker->next = actor;
    else worker_queue(worker, actor);
}

/* --- finding work ------------------------------------------------------------------------------------- */

/* Moves all that was handed in to the worker's queue, oldest first. */
static void accept_inbound(struct worker *worker)
{
    struct group *group = worker->group;
    if (__atomic_load_n(&group->inbound, __ATOMIC_RELAXED) == NULL) return;
    struct actor *actor = __atomic_exchange_n(&group->inbound, NULL, __ATOMIC_ACQUIRE);
    struct actor *last = actor;
    struct actor *oldest = NULL;
    uint32_t count = 0;
    for (; actor != NULL; count++) {
        struct actor *older = actor->ready_next;
        actor->ready_next = oldest;
        oldest = actor;
        actor = older;
    }
    if (oldest == NULL) return;
    queue_lock(worker);
    queue_append(worker, oldest, last, count);
    queue_unlock(worker);
    if (count > 1) wake_one_hungry(group);
}

/* Takes the older half of a sibling's queue. */
static bool steal_from(struct worker *thief, struct worker *victim)
{
    if (queue_length(victim) == 0 || !queue_try_lock(victim)) return false;
    uint32_t count = (victim->queue_count + 1) / 2;
    struct actor *first = NULL;
    struct actor *last = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct actor *actor = queue_take(victim);
        actor->ready_next = NULL;
        if (last != NULL) last->ready_next = actor;
        else first = actor;
        last = actor;
    }
    queue_unlock(victim);
    if (first == NULL) return false;
    queue_lock(thief);
    queue_append(thief, first, last, count);
    queue_unlock(thief);
    return true;
}

static bool steal(struct worker *worker)
{
    struct group *group = worker->group;
    for (uint32_t i = 1; i < group->count; i++) {
        if (steal_from(worker, &group->workers[(worker->index + i) % group->count])) return true;
    }
    return false;
}

static struct actor *take_own(struct worker *worker)
{
    struct actor *actor = worker->next;
    if (actor != NULL && (worker->next_run < NEXT_RUN_MAX || queue_length(worker) == 0)) {
        worker->next = NULL;
        worker->next_run++;
        return actor;
    }
    worker->next_run = 0;
    if (queue_length(worker) == 0) return NULL;
    queue_lock(worker);
    actor = queue_take(worker);
    queue_unlock(worker);
    return actor;
}

static struct actor *find_work(struct worker *worker)
{
    accept_inbound(worker);
    struct actor *actor = take_own(worker);
    if (actor == NULL && steal(worker)) actor = take_own(worker);
    return actor;
}

/* --- a worker ----------------------------------------------------------------------------------------- */

static bool is_stopping(const struct pool *pool)
{
    return __atomic_load_n(&pool->stopping, __ATOMIC_ACQUIRE);
}

/* Looks around with its bit set, first awake, then asleep, until there may be work. May return an actor. */
static struct actor *wait_for_work(struct worker *worker)
{
    struct group *group = worker->group;
    uint64_t bit = UINT64_C(1) << worker->index;
    struct actor *actor = NULL;
    __atomic_store_n(&worker->park, PARK_LOOKING, __ATOMIC_SEQ_CST);
    (void)__atomic_fetch_or(&group->hungry, bit, __ATOMIC_SEQ_CST);
    for (uint32_t spin = 0; spin < SPINS && actor == NULL; spin++) {
        if (__atomic_load_n(&worker->park, __ATOMIC_RELAXED) == PARK_SIGNALLED || is_stopping(group->pool))
            break;
        actor = find_work(worker);
        __builtin_ia32_pause();
    }
    uint32_t expected = PARK_LOOKING;
    if (actor == NULL && !is_stopping(group->pool) &&
        __atomic_compare_exchange_n(&worker->park, &expected, PARK_ASLEEP, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST)) {
        while (__atomic_load_n(&worker->park, __ATOMIC_SEQ_CST) == PARK_ASLEEP) {
            park_wait(&worker->park, PARK_ASLEEP, -1);
        }
    }
    (void)__atomic_fetch_and(&group->hungry, ~bit, __ATOMIC_SEQ_CST);
    return actor;
}

/* The next batch takes as many messages as fit in a turn at the speed of this one, so a turn needs no clock
 * but the one reading between it and the next. */
static void adapt_batch(struct actor *actor, uint32_t handled, int64_t elapsed_ns)
{
    if (handled == 0) return;
    int64_t fits = elapsed_ns <= 0 ? BATCH_MAX : (int64_t)handled * TURN_NS / elapsed_ns;
    int64_t most = (int64_t)handled * 2; /* One quick turn doesn't speak for the next hundred messages. */
    if (fits > most) fits = most;
    if (fits > BATCH_MAX) fits = BATCH_MAX;
    actor->batch = (uint8_t)(fits < 1 ? 1 : fits);
}

/* Returns when the turn ended. */
static int64_t end_watch(struct pool *pool, const struct turn *turn)
{
    int64_t end_ns = turn->end_ns != 0 ? turn->end_ns : read_clock(pool);
    if (turn->watch->since_ns != 0) watch_end(&pool->base.watchdog, turn->watch, end_ns);
    return end_ns;
}

static void run_turn(struct worker *worker, struct actor *actor)
{
    struct pool *pool = worker->group->pool;
    struct turn turn = { .now_ns = worker->now_ns,
                         .watch = &worker->watch,
                         .random = &worker->random,
                         .batch_max = actor->batch == 0 ? BATCH_FIRST : actor->batch };
    enum turn_end end = turn_run(actor, &turn);
    int64_t began_ns = worker->now_ns;
    worker->now_ns = end_watch(pool, &turn);
    if (end != TURN_READY) return;
    adapt_batch(actor, turn.handled, worker->now_ns - began_ns);
    worker_queue(worker, actor);
}

static void *worker_main(void *context)
{
    struct worker *worker = context;
    struct pool *pool = worker->group->pool;
    this_worker = worker;
    worker->now_ns = read_clock(pool);
    while (!is_stopping(pool)) {
        struct actor *actor = find_work(worker);
        if (actor == NULL) {
            actor = wait_for_work(worker);
            worker->now_ns = read_clock(pool);
        }
        if (actor != NULL) run_turn(worker, actor);
    }
    return NULL;
}

/* --- pinned actors ------------------------------------------------------------------------------------ */

/* The actor rests; returns when it may have something to do, and is ours again. */
static void pinned_rest(struct pinned *pinned, uint64_t *random)
{
    struct actor *actor = pinned->actor;
    if (actor->behavior->wait == NULL) {
        while (__atomic_exchange_n(&pinned->signal, 0, __ATOMIC_SEQ_CST) == 0) {
            park_wait(&pinned->signal, 0, -1);
        }
        pinned->wakes_expected++;
        return;
    }
    struct turn turn = { .is_live = true, .random = random };
    actor->turn = &turn;
    actor->behavior->wait(actor, actor->state, -1);
    actor->turn = NULL;
    /* It came back by itself, or for a sender that has called wake, or is about to. */
    if (!mailbox_claim(&actor->mailbox)) pinned->wakes_expected++;
}

static void *pinned_main(void *context)
{
    struct pinned *pinned = context;
    struct pool *pool = pinned->pool;
    uint64_t random = random_u64(pool->random);
    watchdog_add(&pool->base.watchdog, &pinned->watch);
    for (;;) {
        struct turn turn = { .now_ns = read_clock(pool),
                             .watch = &pinned->watch,
                             .is_live = true,
                             .random = &random,
                             .batch_max = BATCH_MAX };
        enum turn_end end = turn_run(pinned->actor, &turn);
        (void)end_watch(pool, &turn);
        if (end == TURN_ENDED) break;
        if (end == TURN_RESTS) pinned_rest(pinned, &random);
    }
    watchdog_remove(&pool->base.watchdog, &pinned->watch);
    pthread_mutex_lock(&pool->pinned_lock);
    pinned->next = pool->finished;
    pool->finished = pinned;
    __atomic_fetch_sub(&pool->pinned_running, 1, __ATOMIC_RELEASE);
    park_wake_all(&pool->pinned_running);
    pthread_mutex_unlock(&pool->pinned_lock);
    return NULL;
}

static void join_finished(struct pool *pool)
{
    pthread_mutex_lock(&pool->pinned_lock);
    struct pinned *pinned = pool->finished;
    pool->finished = NULL;
    pthread_mutex_unlock(&pool->pinned_lock);
    while (pinned != NULL) {
        struct pinned *next = pinned->next;
        (void)pthread_join(pinned->thread, NULL);
        memory_free(pinned);
        pinned = next;
    }
}

static void thread_start(pthread_t *thread, const char *name, void *(*main)(void *), void *context)
{
    CHECK(pthread_create(thread, NULL, main, context) == 0);
    char cut[16]; /* The kernel's limit. */
    (void)snprintf(cut, sizeof cut, "%s", name);
    (void)pthread_setname_np(*thread, cut);
}

static void machine_pin(struct scheduler *scheduler, struct actor *actor)
{
    struct pool *pool = pool_of(scheduler);
    join_finished(pool);
    struct pinned *pinned = memory_aligned_array(64, 1, sizeof *pinned); /* For its watch's line. */
    pinned->pool = pool;
    pinned->actor = actor;
    actor->pinned = pinned;
    pthread_mutex_lock(&pool->pinned_lock); /* So that it can't be joined before its thread is known. */
    thread_start(&pinned->thread, actor->behavior->name, pinned_main, pinned);
    __atomic_fetch_add(&pool->pinned_running, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&pool->pinned_lock);
}

static void machine_unpin(struct scheduler *scheduler, struct actor *actor)
{
    (void)scheduler;
    struct pinned *pinned = actor->pinned;
    while (__atomic_load_n(&pinned->wakes_done, __ATOMIC_ACQUIRE) != pinned->wakes_expected) {
        __builtin_ia32_pause(); /* A sender is inside `wake`, which doesn't block. */
    }
    actor->pinned = NULL;
}

/* --- timers ------------------------------------------------------------------------------------------- */

/* Under the timers' lock. */
static void machine_timer_armed(struct scheduler *scheduler, int64_t due_ns)
{
    struct pool *pool = pool_of(scheduler);
    if (due_ns >= pool->timer_wakes_ns) return;
    pool->timer_wakes_ns = due_ns;
    __atomic_fetch_add(&pool->timer_signal, 1, __ATOMIC_SEQ_CST);
    park_wake_one(&pool->timer_signal);
}

static void *timer_main(void *context)
{
    struct pool *pool = context;
    int64_t looks_ns = 0; /* When to look at the turns again. */
    while (!is_stopping(pool)) {
        int64_t now_ns = read_clock(pool);
        (void)scheduler_fire_timers(&pool->base, now_ns);
        if (now_ns >= looks_ns) looks_ns = now_ns + watchdog_look(&pool->base.watchdog, now_ns);
        pthread_mutex_lock(&pool->base.timers_lock);
        int64_t next_ns = timers_next_ns(pool->base.timers);
        pool->timer_wakes_ns = next_ns;
        uint32_t seen = __atomic_load_n(&pool->timer_signal, __ATOMIC_SEQ_CST);
        pthread_mutex_unlock(&pool->base.timers_lock);
        int64_t wait_ns = (next_ns < looks_ns ? next_ns : looks_ns) - read_clock(pool);
        if (is_stopping(pool)) break;
        if (wait_ns > 0) park_wait(&pool->timer_signal, seen, wait_ns);
    }
    return NULL;
}

/* --- what else a machine does -------------------------------------------------------------------------- */

static int64_t machine_now_ns(struct scheduler *scheduler)
{
    return read_clock(pool_of(scheduler));
}

static int64_t machine_wall_ms(const struct runtime *runtime)
{
    const struct clock *clock = pool_of(runtime->scheduler)->clock;
    return clock->wall_ms(clock->context);
}

static uint64_t machine_seed(struct scheduler *scheduler, uint32_t runtime_number)
{
    return random_u64(pool_of(scheduler)->random) + runtime_number;
}

static void machine_attach(struct scheduler *scheduler, struct runtime *runtime)
{
    runtime->number = __atomic_fetch_add(&pool_of(scheduler)->runtime_count, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&scheduler->runtimes, 1, __ATOMIC_RELAXED);
}

/* All actors have ended; waits until no thread is inside one's place any more, by owning every place. */
static void machine_detach(struct scheduler *scheduler, struct runtime *runtime)
{
    uint32_t never = 0;
    uint32_t count = __atomic_load_n(&runtime->cell_count, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < count; i++) {
        struct actor *actor = runtime_cell_at(runtime, i);
        while (!mailbox_claim(&actor->mailbox)) {
            park_wait(&never, 0, MICROSECONDS(50));
        }
        CHECK(actor->phase == ACTOR_FREE); /* runtime_stop has succeeded. */
    }
    pthread_mutex_lock(&runtime->lock); /* The last to give a place back may still hold it. */
    pthread_mutex_unlock(&runtime->lock);
    __atomic_fetch_sub(&scheduler->runtimes, 1, __ATOMIC_RELAXED);
}

static bool machine_await_end(struct scheduler *scheduler, struct runtime *runtime, uint32_t seen,
                              int64_t until_ns)
{
    CHECK(this_worker == NULL);
    while (__atomic_load_n(&runtime->ended, __ATOMIC_ACQUIRE) == seen) {
        int64_t left_ns = until_ns - machine_now_ns(scheduler);
        if (left_ns <= 0) return false;
        park_wait(&runtime->ended, seen, left_ns);
    }
    return true;
}

static void machine_destroy(struct scheduler *scheduler)
{
    struct pool *pool = pool_of(scheduler);
    __atomic_store_n(&pool->stopping, true, __ATOMIC_SEQ_CST);
    for (uint32_t g = 0; g < POOL_COUNT; g++) {
        for (uint32_t i = 0; i < pool->groups[g].count; i++) {
            worker_signal(&pool->groups[g].workers[i]);
        }
    }
    __atomic_fetch_add(&pool->timer_signal, 1, __ATOMIC_SEQ_CST);
    park_wake_one(&pool->timer_signal);
    (void)pthread_join(pool->timer_thread, NULL);
    for (uint32_t g = 0; g < POOL_COUNT; g++) {
        for (uint32_t i = 0; i < pool->groups[g].count; i++) {
            (void)pthread_join(pool->groups[g].workers[i].thread, NULL);
            watchdog_remove(&pool->base.watchdog, &pool->groups[g].workers[i].watch);
        }
        memory_free(pool->groups[g].workers);
    }
    uint32_t running;
    while ((running = __atomic_load_n(&pool->pinned_running, __ATOMIC_ACQUIRE)) != 0) {
        park_wait(&pool->pinned_running, running, -1);
    }
    join_finished(pool);
    scheduler_fini(scheduler);
    (void)pthread_mutex_destroy(&pool->pinned_lock);
    memory_free(pool);
}

static const struct machine pool_machine = {
    .ready = machine_ready,
    .now_ns = machine_now_ns,
    .wall_ms = machine_wall_ms,
    .seed = machine_seed,
    .attach = machine_attach,
    .detach = machine_detach,
    .pin = machine_pin,
    .unpin = machine_unpin,
    .await_end = machine_await_end,
    .timer_armed = machine_timer_armed,
    .destroy = machine_destroy,
};

static uint32_t default_threads(uint32_t group)
{
    if (group != POOL_GENERAL) return 1;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : (uint32_t)cores;
}

static void group_start(struct pool *pool, uint32_t number, uint32_t threads)
{
    static const char *const names[POOL_COUNT] = { "general", "consensus", "inline" };
    struct group *group = &pool->groups[number];
    group->pool = pool;
    group->count = threads == 0 ? default_threads(number) : threads;
    if (group->count > WORKERS_MAX) group->count = WORKERS_MAX;
    group->workers = memory_aligned_array(64, group->count, sizeof *group->workers);
    for (uint32_t i = 0; i < group->count; i++) {
        group->workers[i].group = group;
        group->workers[i].index = i;
        group->workers[i].random = random_u64(pool->random);
        watchdog_add(&pool->base.watchdog, &group->workers[i].watch);
    }
    for (uint32_t i = 0; i < group->count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s-%u", names[number], i);
        thread_start(&group->workers[i].thread, name, worker_main, &group->workers[i]);
    }
}

struct scheduler *pool_create(const struct pool_options *options)
{
    CHECK(options->clock != NULL);
    CHECK(options->random != NULL);
    struct pool *pool = memory_aligned_array(64, 1, sizeof *pool);
    pool->clock = options->clock;
    pool->random = options->random;
    CHECK(pthread_mutex_init(&pool->pinned_lock, NULL) == 0);
    scheduler_init(&pool->base, &pool_machine, read_clock(pool));
    for (uint32_t i = 0; i < POOL_COUNT; i++) {
        group_start(pool, i, options->threads[i]);
    }
    thread_start(&pool->timer_thread, "timers", timer_main, pool);
    return &pool->base;
}
