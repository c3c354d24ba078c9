/* scheduler: what pool and stepper have in common: the timers of all actors, and the streams of chance. */
#include "runtime/machine.h"

void scheduler_init(struct scheduler *scheduler, const struct machine *machine, int64_t now_ns)
{
    scheduler->machine = machine;
    scheduler->timers = timers_create(now_ns);
    CHECK(pthread_mutex_init(&scheduler->timers_lock, NULL) == 0);
    watchdog_init(&scheduler->watchdog);
}

void scheduler_fini(struct scheduler *scheduler)
{
    CHECK(timers_count(scheduler->timers) == 0);
    timers_destroy(&scheduler->timers);
    (void)pthread_mutex_destroy(&scheduler->timers_lock);
    watchdog_fini(&scheduler->watchdog);
}

void scheduler_destroy(struct scheduler **scheduler)
{
    struct scheduler *taken = *scheduler;
    *scheduler = NULL;
    if (taken == NULL) return;
    CHECK(taken->runtimes == 0);
    taken->machine->destroy(taken);
}

int64_t scheduler_turn_now_ns(struct actor *actor)
{
    struct turn *turn = actor->turn;
    struct scheduler *scheduler = actor->runtime->scheduler;
    const struct machine *machine = scheduler->machine;
    if (turn->has_now && !turn->is_live) return turn->now_ns;
    turn->has_now = true;
    turn->now_ns = machine->local_ns != NULL ? machine->local_ns(actor->runtime) : machine->now_ns(scheduler);
    return turn->now_ns;
}

/* The wheel goes by the scheduler's time, and the actor by its node's clock. */
static struct timer by_common_time(const struct actor *actor, const struct timer *what)
{
    const struct runtime *runtime = actor->runtime;
    const struct machine *machine = runtime->scheduler->machine;
    struct timer timer = *what;
    if (machine->common_ns == NULL) return timer;
    timer.due_ns = machine->common_ns(runtime, what->due_ns);
    if (what->period_ns > 0 && what->due_ns <= INT64_MAX - what->period_ns) {
        timer.period_ns = machine->common_ns(runtime, what->due_ns + what->period_ns) - timer.due_ns;
    }
    return timer;
}

uint64_t scheduler_timer_arm(struct actor *actor, const struct timer *what)
{
    struct scheduler *scheduler = actor->runtime->scheduler;
    struct timer timer = by_common_time(actor, what);
    pthread_mutex_lock(&scheduler->timers_lock);
    uint64_t id = timers_arm(scheduler->timers, &timer, &actor->timers);
    if (scheduler->machine->timer_armed != NULL) scheduler->machine->timer_armed(scheduler, timer.due_ns);
    pthread_mutex_unlock(&scheduler->timers_lock);
    return id;
}

void scheduler_timer_cancel(struct actor *actor, uint64_t id)
{
    struct scheduler *scheduler = actor->runtime->scheduler;
    pthread_mutex_lock(&scheduler->timers_lock);
    timers_cancel(scheduler->timers, id, &actor->timers);
    pthread_mutex_unlock(&scheduler->timers_lock);
}

void scheduler_timers_cancel_all(struct actor *actor)
{
    if (actor->timers == 0) return;
    struct scheduler *scheduler = actor->runtime->scheduler;
    pthread_mutex_lock(&scheduler->timers_lock);
    timers_cancel_all(scheduler->timers, &actor->timers);
    pthread_mutex_unlock(&scheduler->timers_lock);
}

bool scheduler_timer_deliver(struct actor *actor, uint64_t id)
{
    struct scheduler *scheduler = actor->runtime->scheduler;
    bool own_clock = scheduler->machine->common_ns != NULL;
    (void)scheduler_turn_now_ns(actor);
    int64_t common_ns = own_clock ? scheduler->machine->now_ns(scheduler) : 0;
    int64_t *now_ns = own_clock ? &common_ns : &actor->turn->now_ns;
    pthread_mutex_lock(&scheduler->timers_lock);
    bool live = timers_deliver(scheduler->timers, id, now_ns, &actor->timers);
    int64_t next_ns = timers_next_ns(scheduler->timers);
    if (scheduler->machine->timer_armed != NULL) scheduler->machine->timer_armed(scheduler, next_ns);
    pthread_mutex_unlock(&scheduler->timers_lock);
    return live;
}

/* Under the timers' lock, so the owner can't end meanwhile: its end cancels its timers first. */
static void fire(void *context, const struct timer *timer, uint64_t id)
{
    (void)context;
    struct actor *owner = timer->owner;
    struct message *message = message_create(timer->kind, 0);
    message->tag = timer->tag;
    message->ask_id = id;
    message->flags = MESSAGE_TIMER;
    struct actor_id to = { owner->id.index, __atomic_load_n(&owner->generation, __ATOMIC_ACQUIRE) };
    send_system(owner->runtime, to, to, &message);
}

uint32_t scheduler_fire_timers(struct scheduler *scheduler, int64_t now_ns)
{
    pthread_mutex_lock(&scheduler->timers_lock);
    uint32_t fired = timers_advance(scheduler->timers, now_ns, fire, NULL);
    pthread_mutex_unlock(&scheduler->timers_lock);
    return fired;
}

uint32_t scheduler_timers_count(struct scheduler *scheduler)
{
    pthread_mutex_lock(&scheduler->timers_lock);
    uint32_t count = timers_count(scheduler->timers);
    pthread_mutex_unlock(&scheduler->timers_lock);
    return count;
}

int64_t scheduler_next_timer_ns(struct scheduler *scheduler)
{
    pthread_mutex_lock(&scheduler->timers_lock);
    int64_t next_ns = timers_next_ns(scheduler->timers);
    pthread_mutex_unlock(&scheduler->timers_lock);
    return next_ns;
}

/* Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014. */
uint64_t scheduler_random(uint64_t *state)
{
    uint64_t word = *state += UINT64_C(0x9E3779B97F4A7C15);
    word = (word ^ word >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    word = (word ^ word >> 27) * UINT64_C(0x94D049BB133111EB);
    return word ^ word >> 31;
}
