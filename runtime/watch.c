/* watch: see the header. The watched thread shows an actor's place, which may be a lost runtime's by the time
 * somebody looks: so nobody follows it before he has found, under the lock that keeps runtimes from going
 * away, whose it is; and who lives there he reads under that runtime's lock, under which actors come and go.
 */
#include "runtime/machine.h"

#include <stdio.h>

#define REPORT_NS        MILLISECONDS(50)
#define REPORT_PINNED_NS SECONDS(2)
#define DEGRADED_NS      SECONDS(2)
#define DEGRADED_HOLD_NS SECONDS(60)
#define LOOK_NS          MILLISECONDS(50)
#define LOOK_IDLE_NS     SECONDS(1)

enum { LENGTH_FIRST_BITS = 10 }; /* 2^10 ns: the first bound. */

/* --- who is watched ----------------------------------------------------------------------------------- */

void watchdog_init(struct watchdog *watchdog)
{
    CHECK(pthread_mutex_init(&watchdog->lock, NULL) == 0);
}

void watchdog_fini(struct watchdog *watchdog)
{
    CHECK(watchdog->runtimes == NULL);
    (void)pthread_mutex_destroy(&watchdog->lock);
}

void watchdog_add(struct watchdog *watchdog, struct watch *watch)
{
    pthread_mutex_lock(&watchdog->lock);
    watch->next = watchdog->watches;
    watchdog->watches = watch;
    pthread_mutex_unlock(&watchdog->lock);
}

static void add_counts(struct watch *sum, const struct watch *watch)
{
    sum->turns += __atomic_load_n(&watch->turns, __ATOMIC_RELAXED);
    sum->turns_ns += __atomic_load_n(&watch->turns_ns, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < WATCH_LENGTHS; i++) {
        sum->lengths[i] += __atomic_load_n(&watch->lengths[i], __ATOMIC_RELAXED);
    }
}

void watchdog_remove(struct watchdog *watchdog, struct watch *watch)
{
    pthread_mutex_lock(&watchdog->lock);
    struct watch **link = &watchdog->watches;
    while (*link != watch) {
        link = &(*link)->next;
    }
    *link = watch->next;
    add_counts(&watchdog->gone, watch);
    pthread_mutex_unlock(&watchdog->lock);
}

void watchdog_attach(struct watchdog *watchdog, struct runtime *runtime)
{
    pthread_mutex_lock(&watchdog->lock);
    runtime->next_watched = watchdog->runtimes;
    watchdog->runtimes = runtime;
    pthread_mutex_unlock(&watchdog->lock);
}

void watchdog_detach(struct watchdog *watchdog, struct runtime *runtime)
{
    pthread_mutex_lock(&watchdog->lock);
    struct runtime **link = &watchdog->runtimes;
    while (*link != runtime) {
        link = &(*link)->next_watched;
    }
    *link = runtime->next_watched;
    pthread_mutex_unlock(&watchdog->lock);
}

void watchdog_sum(struct watchdog *watchdog, struct watch *out_sum)
{
    *out_sum = (struct watch){ 0 };
    pthread_mutex_lock(&watchdog->lock);
    add_counts(out_sum, &watchdog->gone);
    for (const struct watch *watch = watchdog->watches; watch != NULL; watch = watch->next) {
        add_counts(out_sum, watch);
    }
    pthread_mutex_unlock(&watchdog->lock);
}

/* --- judging, under the watchdog's lock --------------------------------------------------------------- */

struct sight { /* What was seen of one turn. */
    int64_t since_ns;
    const struct actor *actor;
    uint32_t kind;
};

/* false: no turn runs (yet: nobody has been shown since the thread woke), or another than a moment ago. */
static bool see(const struct watch *watch, struct sight *sight)
{
    sight->since_ns = __atomic_load_n(&watch->since_ns, __ATOMIC_ACQUIRE);
    if (sight->since_ns == 0) return false;
    sight->actor = __atomic_load_n(&watch->actor, __ATOMIC_ACQUIRE);
    if (sight->actor == NULL) return false;
    sight->kind = __atomic_load_n(&watch->kind, __ATOMIC_ACQUIRE);
    return __atomic_load_n(&watch->since_ns, __ATOMIC_RELAXED) == sight->since_ns;
}

/* Locked, if there is one that holds the actor's place. */
static struct runtime *lock_runtime(const struct watchdog *watchdog, const struct actor *actor)
{
    for (struct runtime *runtime = watchdog->runtimes; runtime != NULL; runtime = runtime->next_watched) {
        pthread_mutex_lock(&runtime->lock);
        if (runtime_holds(runtime, actor)) return runtime;
        pthread_mutex_unlock(&runtime->lock);
    }
    return NULL;
}

static void log_long_turn(const struct runtime *runtime, const struct runtime_health *health)
{
    const struct runtime_options *options = &runtime->options;
    if (options->log == NULL || options->log_level > 2) return;
    char text[160];
    const char *kind = options->kind_name == NULL ? NULL : options->kind_name(health->kind);
    (void)snprintf(text, sizeof text, "kind=%u%s%s turn_ms=%lld%s", health->kind, kind == NULL ? "" : " ",
                   kind == NULL ? "" : kind, (long long)health->turn_ms,
                   health->degraded ? ", the node is degraded" : "");
    struct log_record record = { .level = 2,
                                 .wall_ms = runtime->scheduler->machine->wall_ms(runtime),
                                 .node = runtime->node,
                                 .actor = health->actor,
                                 .event = "actor.long_turn",
                                 .text = text };
    options->log(options->log_context, &record);
}

static int64_t limit_ns(const struct behavior *behavior)
{
    if (behavior->blocks) return INT64_MAX;
    return behavior->home == ACTOR_PINNED ? REPORT_PINNED_NS : REPORT_NS;
}

/* Under the runtime's lock. true: the log should say so. */
static bool note_long_turn(struct runtime *runtime, const struct sight *sight, int64_t now_ns, bool first)
{
    const struct behavior *behavior = sight->actor->behavior;
    struct runtime_health *health = &runtime->health;
    int64_t turn_ns = now_ns - sight->since_ns;
    bool was_degraded = now_ns < runtime->degraded_until_ns;
    if (turn_ns >= DEGRADED_NS) runtime->degraded_until_ns = now_ns + DEGRADED_HOLD_NS;
    health->degraded = now_ns < runtime->degraded_until_ns;
    health->kind = sight->kind;
    health->turn_ms = turn_ns / 1000000;
    runtime_actor_name(runtime, sight->actor->id, behavior, health->actor, sizeof health->actor);
    if (first) metrics_tally(runtime, behavior)->long_turns++;
    return first || (health->degraded && !was_degraded);
}

static void judge(const struct watchdog *watchdog, struct watch *watch, const struct sight *sight,
                  int64_t now_ns)
{
    int64_t turn_ns = now_ns - sight->since_ns;
    if (turn_ns < REPORT_NS) return; /* Nobody's limit is less. */
    struct runtime *runtime = lock_runtime(watchdog, sight->actor);
    if (runtime == NULL) return; /* Gone meanwhile. */
    const struct behavior *behavior = sight->actor->behavior;
    bool late = behavior != NULL && turn_ns >= limit_ns(behavior); /* NULL: it has ended meanwhile. */
    bool first = watch->reported_ns != sight->since_ns;
    bool told = false;
    if (late) watch->reported_ns = sight->since_ns;
    if (late && (first || turn_ns >= DEGRADED_NS)) told = note_long_turn(runtime, sight, now_ns, first);
    struct runtime_health health = runtime->health;
    pthread_mutex_unlock(&runtime->lock);
    if (told) log_long_turn(runtime, &health);
}

int64_t watchdog_look(struct watchdog *watchdog, int64_t now_ns)
{
    bool busy = false;
    pthread_mutex_lock(&watchdog->lock);
    for (struct watch *watch = watchdog->watches; watch != NULL; watch = watch->next) {
        struct sight sight;
        if (!see(watch, &sight)) continue;
        busy = true;
        judge(watchdog, watch, &sight, now_ns);
    }
    pthread_mutex_unlock(&watchdog->lock);
    return busy ? LOOK_NS : LOOK_IDLE_NS;
}

/* --- the end of a turn, by its own thread ------------------------------------------------------------- */

uint64_t watch_length_bound_ns(uint32_t at)
{
    return at + 1 == WATCH_LENGTHS ? UINT64_MAX : UINT64_C(1) << (LENGTH_FIRST_BITS + 2 * at);
}

static uint32_t length_index(uint64_t turn_ns)
{
    uint64_t over = (turn_ns - (turn_ns > 0)) >> LENGTH_FIRST_BITS; /* Bounds are inclusive. */
    if (over == 0) return 0;
    uint32_t at = 1 + (uint32_t)(63 - __builtin_clzll(over)) / 2;
    return at < WATCH_LENGTHS ? at : WATCH_LENGTHS - 1;
}

static void count(uint64_t *counter, uint64_t by)
{
    __atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED); /* Nobody else writes it. */
}

/* The clock was read: the span is over, and the next begins. */
static void end_span(struct watchdog *watchdog, struct watch *watch, int64_t now_ns)
{
    uint32_t turns = watch_span_turns(watch);
    int64_t span_ns = now_ns - watch->since_ns;
    if (turns > 0) {
        int64_t turn_ns = turns == 1 ? span_ns : span_ns / turns;
        count(&watch->turns, turns);
        count(&watch->turns_ns, (uint64_t)span_ns);
        count(&watch->lengths[length_index((uint64_t)turn_ns)], turns);
        watch->span_ns = span_ns;
        watch->span_handled = watch_span_messages(watch);
        watch->turn_ns = (watch->turn_ns * 3 + turn_ns) / 4;
    }
    if (span_ns >= REPORT_NS && turns > 0) {
        struct sight sight = { .since_ns = watch->since_ns, .actor = watch->actor, .kind = watch->kind };
        pthread_mutex_lock(&watchdog->lock);
        judge(watchdog, watch, &sight, now_ns);
        pthread_mutex_unlock(&watchdog->lock);
    }
    watch->span = 0;
    __atomic_store_n(&watch->since_ns, now_ns, __ATOMIC_RELEASE);
}

static uint8_t fitting_batch(uint32_t batch, uint32_t handled, int64_t span_ns)
{
    int64_t fits = span_ns <= 0 ? WATCH_BATCH_MAX : (int64_t)handled * WATCH_TURN_NS / span_ns;
    int64_t most = (int64_t)batch * 2; /* One quick turn doesn't speak for the next hundred messages. */
    if (fits > most) fits = most;
    if (fits > WATCH_BATCH_MAX) fits = WATCH_BATCH_MAX;
    return (uint8_t)(fits < 1 ? 1 : fits);
}

MACHINE_APART static void begin_span(struct watch *watch, struct scheduler *scheduler)
{
    end_span(&scheduler->watchdog, watch, scheduler->machine->now_ns(scheduler));
}

void watch_begin(const struct turn *turn, const struct actor *actor)
{
    struct watch *watch = turn->watch;
    if (watch == NULL) return;
    watch_shows(watch, actor);
    bool alone = watch->since_ns == 0 ||
                 (watch_span_turns(watch) > 0 && actor->batch != 0 && !watch_knows_quick(actor));
    if (alone) begin_span(watch, actor->runtime->scheduler);
}

MACHINE_COLD void watch_note_time(const struct turn *turn, struct actor *actor, bool quick)
{
    struct watch *watch = turn->watch;
    struct scheduler *scheduler = actor->runtime->scheduler;
    int64_t now_ns = scheduler->machine->now_ns(scheduler);
    int64_t span_ns = now_ns - watch->since_ns;
    count(&actor->busy_ns, (uint64_t)span_ns);
    bool all_quick = span_ns * WATCH_BATCH_MAX <= watch_span_messages(watch) * WATCH_TURN_NS;
    if (turn->handled > 0 && !(quick && all_quick))
        actor->batch = fitting_batch(turn->batch_max, turn->handled, span_ns);
    end_span(&scheduler->watchdog, watch, now_ns);
}

void watch_end(const struct turn *turn, struct actor *actor)
{
    struct watch *watch = turn->watch;
    if (watch == NULL) return;
    bool quick = watch_knows_quick(actor) && !turn->is_live;
    watch_span_add(watch, turn->handled);
    if (!quick || watch_span_messages(watch) >= WATCH_MESSAGES) watch_note_time(turn, actor, quick);
}

void watch_rest(struct scheduler *scheduler, struct watch *watch)
{
    if (watch_span_turns(watch) > 0)
        end_span(&scheduler->watchdog, watch, scheduler->machine->now_ns(scheduler));
    __atomic_store_n(&watch->since_ns, 0, __ATOMIC_RELEASE);
}

void watch_wake(struct scheduler *scheduler, struct watch *watch)
{
    __atomic_store_n(&watch->actor, NULL, __ATOMIC_RELAXED);
    begin_span(watch, scheduler);
}

/* --- for people --------------------------------------------------------------------------------------- */

void runtime_health(struct runtime *runtime, struct runtime_health *out_health)
{
    struct scheduler *scheduler = runtime->scheduler;
    int64_t now_ns = scheduler->machine->now_ns(scheduler);
    pthread_mutex_lock(&runtime->lock);
    *out_health = runtime->health;
    out_health->degraded = now_ns < runtime->degraded_until_ns;
    pthread_mutex_unlock(&runtime->lock);
}
