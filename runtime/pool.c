/* pool: the machine of the daemon: a fixed set of workers for each of three groups (general, consensus,
 * inline; worker.h says how they share), one thread for timers, one for each pinned actor. */
#include "runtime/machine.h"
#include "runtime/park.h"
#include "runtime/worker.h"

#include "runtime/base/memory.h"

#include <unistd.h>

enum { PINNED_BATCH = 100 };

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
    struct group *groups[POOL_COUNT];
    bool stopping;
    pthread_t timer_thread;
    uint32_t timer_signal;  /* Changes when a timer is armed that is due before the thread would wake. */
    int64_t timer_wakes_ns; /* Under the timers' lock. */
    pthread_mutex_t pinned_lock;
    struct pinned *finished;
    uint32_t pinned_running; /* Atomic; changes under the lock. */
    uint32_t runtime_count;  /* Ever made. */
};

static struct pool *pool_of(struct scheduler *scheduler)
{
    return (struct pool *)scheduler;
}

static int64_t read_clock(const struct pool *pool)
{
    return pool->clock->monotonic_ns(pool->clock->context);
}

static bool is_stopping(const struct pool *pool)
{
    return __atomic_load_n(&pool->stopping, __ATOMIC_ACQUIRE);
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

/* The caller owns it. */
static struct group *group_for(const struct pool *pool, struct actor *actor)
{
    if (actor->phase == ACTOR_FREE) return pool->groups[POOL_GENERAL];
    const struct behavior *behavior = actor->behavior;
    if (!behavior->follows_caller) return pool->groups[behavior->pool];
    if (worker_is_current()) actor->is_among_inline = worker_is_of(pool->groups[POOL_INLINE]);
    return pool->groups[actor->is_among_inline ? POOL_INLINE : behavior->pool];
}

static void machine_ready(struct scheduler *scheduler, struct actor *actor)
{
    struct pool *pool = pool_of(scheduler);
    struct pinned *pinned = extras_of(actor)->pinned;
    if (pinned != NULL) {
        wake_pinned(pinned);
        return;
    }
    group_ready(group_for(pool, actor), actor);
}

static void machine_call(struct scheduler *scheduler, uint16_t number)
{
    uint32_t home = number - 1u; /* As group_create counts. */
    group_call(pool_of(scheduler)->groups[home / WORKERS_MAX], home % WORKERS_MAX);
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
        struct turn turn = {
            .watch = &pinned->watch, .is_live = true, .random = &random, .batch_max = PINNED_BATCH
        };
        if (!turn_run(pinned->actor, &turn)) break;
        watch_rest(&pool->base, &pinned->watch);
        if (turn_settle(pinned->actor, NULL)) pinned_rest(pinned, &random);
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

static void machine_pin(struct scheduler *scheduler, struct actor *actor)
{
    struct pool *pool = pool_of(scheduler);
    const struct behavior *behavior = actor->behavior;
    if (behavior->home == ACTOR_PORTER && group_engage(pool->groups[behavior->pool], actor)) {
        group_ready(pool->groups[behavior->pool], actor); /* Its first turn, and the end of an older sleep. */
        return;
    }
    join_finished(pool);
    struct pinned *pinned = memory_aligned_array(64, 1, sizeof *pinned); /* For its watch's line. */
    pinned->pool = pool;
    pinned->actor = actor;
    extras_make(actor)->pinned = pinned;
    pthread_mutex_lock(&pool->pinned_lock); /* So that it can't be joined before its thread is known. */
    worker_thread_start(&pinned->thread, actor->behavior->name, pinned_main, pinned);
    __atomic_fetch_add(&pool->pinned_running, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&pool->pinned_lock);
}

static void machine_unpin(struct scheduler *scheduler, struct actor *actor)
{
    struct pinned *pinned = extras_of(actor)->pinned;
    if (pinned == NULL) {
        group_dismiss(pool_of(scheduler)->groups[actor->behavior->pool], actor);
        return;
    }
    while (__atomic_load_n(&pinned->wakes_done, __ATOMIC_ACQUIRE) != pinned->wakes_expected) {
        __builtin_ia32_pause(); /* A sender is inside `wake`, which doesn't block. */
    }
    actor->extras->pinned = NULL;
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
    CHECK(!worker_is_current());
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
        group_stop(pool->groups[g]);
    }
    __atomic_fetch_add(&pool->timer_signal, 1, __ATOMIC_SEQ_CST);
    park_wake_one(&pool->timer_signal);
    (void)pthread_join(pool->timer_thread, NULL);
    for (uint32_t g = 0; g < POOL_COUNT; g++) {
        group_destroy(&pool->groups[g]);
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
    .call = machine_call,
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

struct scheduler *pool_create(const struct pool_options *options)
{
    static const char *const names[POOL_COUNT] = { "general", "consensus", "inline" };
    CHECK(options->clock != NULL);
    CHECK(options->random != NULL);
    struct pool *pool = memory_zalloc(sizeof *pool);
    pool->clock = options->clock;
    pool->random = options->random;
    CHECK(pthread_mutex_init(&pool->pinned_lock, NULL) == 0);
    scheduler_init(&pool->base, &pool_machine, read_clock(pool));
    for (uint32_t i = 0; i < POOL_COUNT; i++) {
        uint32_t threads = options->threads[i] == 0 ? default_threads(i) : options->threads[i];
        pool->groups[i] = group_create(&(struct group_options){ .name = names[i],
                                                                .number = i,
                                                                .threads = threads,
                                                                .scheduler = &pool->base,
                                                                .random = options->random });
    }
    worker_thread_start(&pool->timer_thread, "timers", timer_main, pool);
    return &pool->base;
}
