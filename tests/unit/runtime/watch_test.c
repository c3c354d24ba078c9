/* Goal: a turn that takes too long is reported by actor and message kind, once; over 2 s the node is
 * degraded, while it runs and for a minute after; pinned actors are given more time, those that say so any.
 * Method: the pool on a clock that handlers push forward, so nothing here waits for time to pass; what is
 * awaited is the report itself. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/machine.h"
#include "runtime/metrics.h"
#include "runtime/os/clock.h"
#include "runtime/os/random.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { KIND_LINGER = 1000, KIND_STAY };

struct world {
    struct scheduler *pool;
    struct runtime *runtime;
    struct clock clock;
    int64_t pushed_ns; /* Atomic: how far the clock is ahead. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t handled;
    uint32_t reports;
    bool degraded_told;
    char report[256];
};

static int64_t pushed_clock_ns(void *context)
{
    const struct world *world = context;
    return clock_os.monotonic_ns(clock_os.context) + __atomic_load_n(&world->pushed_ns, __ATOMIC_SEQ_CST);
}

static int64_t wall_ms(void *context)
{
    (void)context;
    return clock_os.wall_ms(clock_os.context);
}

static void push_clock(struct world *world, int64_t by_ns)
{
    __atomic_fetch_add(&world->pushed_ns, by_ns, __ATOMIC_SEQ_CST);
}

static void await_reports(struct world *world, uint32_t count, bool degraded)
{
    pthread_mutex_lock(&world->lock);
    while (world->reports < count || (degraded && !world->degraded_told)) {
        pthread_cond_wait(&world->changed, &world->lock);
    }
    pthread_mutex_unlock(&world->lock);
}

/* body: how long the turn is to take. */
static void linger(struct actor *self, void *state, const struct message *message)
{
    (void)self;
    struct world *world = *(struct world **)state;
    int64_t turn_ns;
    memcpy(&turn_ns, message->body, sizeof turn_ns);
    push_clock(world, turn_ns);
    if (message->kind == KIND_STAY) await_reports(world, 1, true); /* Seen while we are still inside. */
    pthread_mutex_lock(&world->lock);
    world->handled++;
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->lock);
}

static enum status take_world(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    memcpy(state, &options, sizeof options);
    return STATUS_OK;
}

#define LINGERER(where, is_blocking)                                                                         \
    {                                                                                                        \
        .name = "lingerer", .state_size = sizeof(struct world *), .home = (where), .blocks = (is_blocking),  \
        .init = take_world, .otherwise = linger                                                              \
    }
static const struct behavior pooled = LINGERER(ACTOR_POOLED, false);
static const struct behavior pinned = LINGERER(ACTOR_PINNED, false);
static const struct behavior blocking = LINGERER(ACTOR_PINNED, true);

static void on_log(void *context, const struct log_record *record)
{
    struct world *world = context;
    if (strcmp(record->event, "actor.long_turn") != 0) return;
    pthread_mutex_lock(&world->lock);
    world->reports++;
    if (strstr(record->text, "degraded") != NULL) world->degraded_told = true;
    (void)snprintf(world->report, sizeof world->report, "%s %s", record->actor, record->text);
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->lock);
}

static const char *kind_name(uint32_t kind)
{
    return kind == KIND_LINGER ? "LINGER" : NULL;
}

static int set_up(void **state)
{
    static struct world world;
    world = (struct world){ 0 };
    world.clock = (struct clock){ .context = &world, .monotonic_ns = pushed_clock_ns, .wall_ms = wall_ms };
    pthread_mutex_init(&world.lock, NULL);
    pthread_cond_init(&world.changed, NULL);
    world.pool = pool_create(
        &(struct pool_options){ .threads = { 2, 1, 1 }, .clock = &world.clock, .random = &random_os });
    world.runtime = runtime_create(&(struct runtime_options){
        .scheduler = world.pool, .node = "n", .log = on_log, .log_context = &world, .kind_name = kind_name });
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    bool stopped = runtime_stop(world->runtime, SECONDS(60));
    runtime_destroy(&world->runtime);
    scheduler_destroy(&world->pool);
    return stopped ? 0 : -1;
}

static struct actor_id spawn(struct world *world, const struct behavior *behavior)
{
    struct actor_id id;
    struct spawn_options options = { .options = world, .label = "x" };
    assert_int_equal(runtime_spawn(world->runtime, behavior, &options, &id, NULL), STATUS_OK);
    return id;
}

static void order(struct world *world, struct actor_id id, uint32_t kind, int64_t turn_ns)
{
    struct message *message = message_create(kind, sizeof turn_ns);
    memcpy(message->body, &turn_ns, sizeof turn_ns);
    assert_int_equal(runtime_send(world->runtime, id, &message), STATUS_OK);
}

static void await_handled(struct world *world, uint32_t count)
{
    pthread_mutex_lock(&world->lock);
    while (world->handled < count) {
        pthread_cond_wait(&world->changed, &world->lock);
    }
    pthread_mutex_unlock(&world->lock);
}

/* Waits for the turns, with their reports, to be over: an actor that ended runs no more. */
static void stop_all(struct world *world)
{
    assert_true(runtime_stop(world->runtime, SECONDS(60)));
}

static void find_long_turns(void *context, const struct metric_sample *sample)
{
    bool found = strcmp(sample->metric->name, "aether_actor_long_turns") == 0;
    if (found && strcmp(sample->label_value, "lingerer") == 0) *(double *)context += sample->value;
}

static double long_turns(struct world *world)
{
    double count = 0;
    runtime_visit_metrics(world->runtime, find_long_turns, &count);
    return count;
}

static void a_long_turn_is_reported_once(void **state)
{
    struct world *world = *state;
    struct actor_id id = spawn(world, &pooled);
    order(world, id, KIND_LINGER, MILLISECONDS(60));
    await_reports(world, 1, false);
    assert_memory_equal(world->report, "lingerer[x] kind=1000 LINGER turn_ms=", 37);
    stop_all(world);
    assert_int_equal(world->reports, 1);
    assert_true(long_turns(world) == 1);
    struct runtime_health health;
    runtime_health(world->runtime, &health);
    assert_false(health.degraded);
    assert_string_equal(health.actor, "lingerer[x]");
    assert_int_equal(health.kind, KIND_LINGER);
    assert_true(health.turn_ms >= 60);
}

static void over_two_seconds_the_node_is_degraded(void **state)
{
    struct world *world = *state;
    struct actor_id id = spawn(world, &pooled);
    order(world, id, KIND_STAY, SECONDS(3)); /* Returns only when it was told, so it is told while it runs. */
    await_handled(world, 1);
    struct runtime_health health;
    runtime_health(world->runtime, &health);
    assert_true(health.degraded);
    assert_int_equal(health.kind, KIND_STAY);
    push_clock(world, SECONDS(59));
    runtime_health(world->runtime, &health);
    assert_true(health.degraded);
    stop_all(world);
    push_clock(world, SECONDS(62));
    runtime_health(world->runtime, &health);
    assert_false(health.degraded);
    assert_true(world->degraded_told);
    assert_true(long_turns(world) >= 1);
}

static void pinned_actors_may_block_for_a_while(void **state)
{
    struct world *world = *state;
    struct actor_id id = spawn(world, &pinned);
    order(world, id, KIND_LINGER, MILLISECONDS(1500));
    await_handled(world, 1);
    stop_all(world);
    assert_int_equal(world->reports, 0);
    id = spawn(world, &pinned);
    order(world, id, KIND_LINGER, SECONDS(3));
    await_reports(world, 1, true);
}

static void who_says_that_it_blocks_is_let_alone(void **state)
{
    struct world *world = *state;
    struct actor_id id = spawn(world, &blocking);
    order(world, id, KIND_LINGER, SECONDS(100));
    await_handled(world, 1);
    stop_all(world);
    assert_int_equal(world->reports, 0);
}

/* --- what turns cost, as the metrics tell ------------------------------------------------------------- */

struct totals {
    double messages;
    double busy;
    double turns;
    double below;     /* Turns of at most a millisecond, or so. */
    double turns_sum; /* Seconds. */
};

static void add_sample(void *context, const struct metric_sample *sample)
{
    struct totals *totals = context;
    bool ours = sample->label_value != NULL && strcmp(sample->label_value, "lingerer") == 0;
    const char *name = sample->metric->name;
    if (ours && strcmp(name, "aether_actor_messages") == 0) totals->messages += sample->value;
    if (ours && strcmp(name, "aether_actor_busy_seconds") == 0) totals->busy += sample->value;
    if (strcmp(name, "aether_turn_seconds") != 0) return;
    if (strcmp(sample->suffix, "_count") == 0) totals->turns = sample->value;
    if (strcmp(sample->suffix, "_sum") == 0) totals->turns_sum = sample->value;
    if (sample->label_value != NULL && strcmp(sample->label_value, "0.001048576") == 0)
        totals->below = sample->value;
}

static void time_in_handlers_is_counted_by_turn(void **state)
{
    struct world *world = *state;
    struct actor_id id = spawn(world, &pooled);
    for (uint32_t i = 1; i <= 5; i++) {
        order(world, id, KIND_LINGER, SECONDS(1));
        await_handled(world, i);
    }
    stop_all(world); /* What it counted outlives it. */
    struct totals totals;
    do { /* The last turn ends a moment after its actor. */
        totals = (struct totals){ 0 };
        runtime_visit_metrics(world->runtime, add_sample, &totals);
    } while (totals.turns_sum < 5);
    assert_true(totals.messages == 6); /* The stop among them. */
    assert_true(totals.busy >= 5);     /* That of the turn in which it ended too. */
    assert_true(totals.turns >= 1);    /* A turn takes what comes while it runs. */
    assert_true(totals.turns - totals.below >= 1);
}

/* A thread that has woken, and has run nobody yet, is looked at (the pool's own, at its start). */
static void who_has_run_nobody_is_not_judged(void **unused)
{
    (void)unused;
    struct watchdog watchdog = { 0 };
    watchdog_init(&watchdog);
    struct watch watch = { .since_ns = 1 };
    watchdog_add(&watchdog, &watch);
    (void)watchdog_look(&watchdog, SECONDS(10));
    assert_int_equal(watch.reported_ns, 0);
    watchdog_remove(&watchdog, &watch);
    watchdog_fini(&watchdog);
}

/* What a thread shows may point into memory that was another runtime's, with other places, when it was shown.
 */
static void a_place_is_where_one_begins(void **state)
{
    struct world *world = *state;
    static const struct behavior idle_behavior = { .name = "idle" };
    struct actor_id id;
    assert_int_equal(runtime_spawn(world->runtime, &idle_behavior, NULL, &id, NULL), STATUS_OK);
    const struct actor *place = runtime_cell(world->runtime, id);
    assert_non_null(place);
    assert_true(runtime_holds(world->runtime, place));
    const uint8_t *inside = (const uint8_t *)place + _Alignof(struct actor);
    assert_false(runtime_holds(world->runtime, (const struct actor *)(const void *)inside));
    assert_false(runtime_holds(world->runtime, (const struct actor *)(const void *)world));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_long_turn_is_reported_once),        TEST(over_two_seconds_the_node_is_degraded),
        TEST(pinned_actors_may_block_for_a_while), TEST(who_says_that_it_blocks_is_let_alone),
        TEST(time_in_handlers_is_counted_by_turn), cmocka_unit_test(who_has_run_nobody_is_not_judged),
        TEST(a_place_is_where_one_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
