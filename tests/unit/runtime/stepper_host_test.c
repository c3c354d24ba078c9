/* Goal: the stepper's trouble with the machine under a node (FLT10, FLT11): a hold stops actors and loses
 * nothing; a clock that goes wrong takes the node's timers along, and no other node's. Method: two nodes,
 * each with an actor on the pool and a pinned one that count their ticks and note what time they see. */
#include "runtime/base/check.h"
#include "runtime/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { KIND_TICK = 1000, NODES = 2 };

struct view {
    uint32_t ticks;
    int64_t now_ns;
    int64_t wall_ms;
};

struct ticker {
    struct view *view;
};

static enum status on_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)error;
    ((struct ticker *)state)->view = *(struct view *const *)options;
    actor_every(self, MILLISECONDS(10), KIND_TICK);
    return STATUS_OK;
}

static void on_tick(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct view *view = ((struct ticker *)state)->view;
    view->ticks++;
    view->now_ns = actor_now_ns(self);
    view->wall_ms = actor_wall_ms(self);
}

static const struct behavior_row rows[] = { { KIND_TICK, on_tick } };
static const struct behavior pooled = { .name = "pooled",
                                        .state_size = sizeof(struct ticker),
                                        .home = ACTOR_POOLED,
                                        .init = on_init,
                                        .rows = rows,
                                        .row_count = ARRAY_COUNT(rows) };
static const struct behavior pinned = { .name = "pinned",
                                        .state_size = sizeof(struct ticker),
                                        .home = ACTOR_PINNED,
                                        .init = on_init,
                                        .rows = rows,
                                        .row_count = ARRAY_COUNT(rows) };

static struct scheduler *stepper;
static struct runtime *runtimes[NODES];
static struct view pool_views[NODES];
static struct view pin_views[NODES];

static int setup(void **unused)
{
    (void)unused;
    stepper = stepper_create(&(struct stepper_options){ .seed = 7 });
    for (uint32_t i = 0; i < NODES; i++) {
        runtimes[i] = runtime_create(&(struct runtime_options){ .scheduler = stepper, .node = "n" });
        pool_views[i] = pin_views[i] = (struct view){ 0 };
        struct view *pool_view = &pool_views[i];
        struct view *pin_view = &pin_views[i];
        struct actor_id id;
        struct spawn_options pool_options = { .options = &pool_view };
        struct spawn_options pin_options = { .options = &pin_view };
        assert_int_equal(runtime_spawn(runtimes[i], &pooled, &pool_options, &id, NULL), STATUS_OK);
        assert_int_equal(runtime_spawn(runtimes[i], &pinned, &pin_options, &id, NULL), STATUS_OK);
    }
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    for (uint32_t i = 0; i < NODES; i++) {
        if (runtimes[i] != NULL) runtime_destroy(&runtimes[i]);
    }
    scheduler_destroy(&stepper);
    return 0;
}

static void run_for(int64_t span_ns)
{
    stepper_run_until(stepper, stepper_now_ns(stepper) + span_ns);
}

static void a_held_node_stands_still_and_then_goes_on(void **unused)
{
    (void)unused;
    run_for(MILLISECONDS(105));
    stepper_hold(stepper, runtimes[0], STEPPER_HOLD_ALL);
    run_for(SECONDS(1));
    assert_int_equal(pool_views[0].ticks, 10);
    assert_int_equal(pin_views[0].ticks, 10);
    assert_int_equal(pool_views[1].ticks, 110);
    stepper_hold(stepper, runtimes[0], STEPPER_HOLD_NONE);
    run_for(MILLISECONDS(1));
    assert_int_equal(pool_views[0].ticks, 11); /* One was due; what was missed is skipped. */
    assert_true(pool_views[0].now_ns >= MILLISECONDS(1105));
    run_for(MILLISECONDS(99));
    assert_in_range(pool_views[0].ticks, 20, 21);
}

static void a_hanging_disk_leaves_the_pool_alone(void **unused)
{
    (void)unused;
    run_for(MILLISECONDS(105));
    stepper_hold(stepper, runtimes[0], STEPPER_HOLD_PINNED);
    run_for(MILLISECONDS(100));
    assert_int_equal(pin_views[0].ticks, 10);
    assert_int_equal(pool_views[0].ticks, 20);
    stepper_hold(stepper, runtimes[0], STEPPER_HOLD_NONE);
    run_for(MILLISECONDS(10));
    assert_true(pin_views[0].ticks > 10);
}

static void a_held_node_can_crash(void **unused)
{
    (void)unused;
    run_for(MILLISECONDS(15));
    stepper_hold(stepper, runtimes[0], STEPPER_HOLD_ALL);
    run_for(MILLISECONDS(100));
    runtime_destroy(&runtimes[0]);
    run_for(MILLISECONDS(100));
    assert_int_equal(pool_views[0].ticks, 1);
}

static void a_slow_clock_slows_its_timers(void **unused)
{
    (void)unused;
    run_for(MILLISECONDS(105));
    stepper_set_rate(stepper, runtimes[0], 500);
    run_for(SECONDS(1));
    assert_in_range(pool_views[0].ticks, 10 + 49, 10 + 51);
    assert_int_equal(pool_views[1].ticks, 110);
    assert_in_range(pool_views[0].now_ns, MILLISECONDS(590), MILLISECONDS(606));
    stepper_set_rate(stepper, runtimes[0], 1000);
    run_for(SECONDS(1));
    assert_in_range(pool_views[0].ticks, 10 + 49 + 99, 10 + 51 + 101);
    assert_in_range(pool_views[0].now_ns, MILLISECONDS(1590), MILLISECONDS(1606));
}

static void a_frozen_clock_fires_nothing_and_shows_no_time(void **unused)
{
    (void)unused;
    run_for(MILLISECONDS(105));
    stepper_set_rate(stepper, runtimes[0], 1);
    run_for(SECONDS(4)); /* 4 ms by its clock. */
    assert_int_equal(pool_views[0].ticks, 10);
    stepper_set_rate(stepper, runtimes[0], 1000);
    run_for(MILLISECONDS(2)); /* 111 ms by its clock: the eleventh tick. */
    assert_int_equal(pool_views[0].ticks, 11);
    assert_in_range(pool_views[0].now_ns, MILLISECONDS(110), MILLISECONDS(112));
}

static void the_wall_clock_jumps_alone(void **unused)
{
    (void)unused;
    run_for(MILLISECONDS(105));
    const int64_t year_ms = INT64_C(365) * 24 * 3600 * 1000;
    stepper_set_wall_offset(stepper, runtimes[0], -year_ms);
    run_for(MILLISECONDS(100));
    assert_int_equal(pool_views[0].ticks, 20);
    assert_true(pool_views[1].wall_ms - pool_views[0].wall_ms == year_ms);
    assert_true(pool_views[0].now_ns == pool_views[1].now_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_held_node_stands_still_and_then_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_hanging_disk_leaves_the_pool_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_held_node_can_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_clock_slows_its_timers, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frozen_clock_fires_nothing_and_shows_no_time, setup, teardown),
        cmocka_unit_test_setup_teardown(the_wall_clock_jumps_alone, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
