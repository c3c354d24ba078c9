/* Goal: ACT1 (first in, first out per pair), ACT2 (never two turns of an actor at once), ACT3 (each message
 * handled or counted), ACT4 (bounds), ACT5 (each ask completes once and in time) hold under every order that
 * chance makes; a seed names one run, bit for bit. Method: the crowd of tests/support/actor_model on the
 * stepper, many seeds; some run twice. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/support/actor_model.h"

enum { NODES = 2 };
#if defined(__SANITIZE_THREAD__)
enum { SEEDS = 20 }; /* One thread: nothing to find, and slow. */
#else
enum { SEEDS = 200 };
#endif

struct run {
    uint64_t trace;
    uint64_t handled;
    uint64_t refused;
    uint64_t answers[STATUS_COUNT];
};

static struct run run_seed(uint64_t seed)
{
    struct scheduler *stepper =
        stepper_create(&(struct stepper_options){ .seed = seed,
                                                  .pinned_delay_max_ns = MILLISECONDS(1),
                                                  .message_delay_max_ns = seed % 2 * MICROSECONDS(300) });
    struct model models[NODES] = { { .judges_time = true }, { .judges_time = true } };
    struct runtime *runtimes[NODES];
    for (uint32_t i = 0; i < NODES; i++) {
        runtimes[i] = runtime_create(&(struct runtime_options){ .scheduler = stepper, .node = "n" });
        model_start(&models[i], runtimes[i], 40 * (1 + seed % 8), 40);
    }
    uint32_t steps = 0;
    while (stepper_step(stepper)) {
        if (++steps % 64 == 0) model_watch_bounds(&models[0]);
    }
    struct run run = { .trace = stepper_trace_hash(stepper) };
    for (uint32_t i = 0; i < NODES; i++) {
        assert_true(model_is_quiet(&models[i]));
        assert_int_equal(model_violations(&models[i]), 0);
        run.handled += models[i].handled;
        run.refused += models[i].refused;
        for (uint32_t status = 0; status < STATUS_COUNT; status++) {
            run.answers[status] += models[i].answers[status];
        }
        assert_true(runtime_stop(runtimes[i], SECONDS(1)));
        runtime_destroy(&runtimes[i]);
    }
    scheduler_destroy(&stepper);
    return run;
}

static void promises_hold_for_all_seeds(void **unused)
{
    (void)unused;
    struct run sum = { 0 };
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run run = run_seed(seed);
        sum.handled += run.handled;
        sum.refused += run.refused;
        for (uint32_t status = 0; status < STATUS_COUNT; status++) {
            sum.answers[status] += run.answers[status];
        }
    }
    /* The crowd did go everywhere, or the promises were not tested. */
    assert_true(sum.handled > 500 * SEEDS);
    assert_true(sum.refused > 0);
    const enum status endings[] = { STATUS_OK, STATUS_CONFLICT, STATUS_DEADLINE, STATUS_CRASHED,
                                    STATUS_OVERLOADED };
    for (size_t i = 0; i < ARRAY_COUNT(endings); i++) {
        assert_true(sum.answers[endings[i]] > 0);
    }
}

static void a_seed_names_one_run(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct run first = run_seed(seed);
        struct run second = run_seed(seed);
        assert_true(first.trace == second.trace);
        assert_true(run_seed(seed + 1000).trace != first.trace);
    }
}

static void note_time(void *context, uint64_t tag)
{
    uint64_t *order = context;
    *order = *order * 10 + tag;
}

static void calls_come_in_order_of_time(void **unused)
{
    (void)unused;
    struct scheduler *stepper = stepper_create(&(struct stepper_options){ .seed = 1 });
    uint64_t order = 0;
    stepper_call_at(stepper, MILLISECONDS(5), note_time, &order, 3);
    stepper_call_at(stepper, MILLISECONDS(1), note_time, &order, 1);
    stepper_call_at(stepper, MILLISECONDS(5), note_time, &order, 4);
    stepper_call_at(stepper, MILLISECONDS(2), note_time, &order, 2);
    stepper_run_until(stepper, MILLISECONDS(4));
    assert_int_equal(order, 12);
    assert_int_equal(stepper_now_ns(stepper), MILLISECONDS(4));
    while (stepper_step(stepper)) {
    }
    assert_int_equal(order, 1234);
    assert_int_equal(stepper_now_ns(stepper), MILLISECONDS(5));
    assert_true(stepper_random(stepper) != stepper_random(stepper));
    scheduler_destroy(&stepper);
}

static void crash_at(void *context, uint64_t tag)
{
    struct runtime **runtimes = context;
    runtime_destroy(&runtimes[tag]);
}

/* A node's crash at any moment frees all it had and leaves the other's promises whole. */
static void crashes_in_the_middle(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct scheduler *stepper =
            stepper_create(&(struct stepper_options){ .seed = seed,
                                                      .pinned_delay_max_ns = MILLISECONDS(1),
                                                      .message_delay_max_ns = seed % 2 * MICROSECONDS(300) });
        struct model models[NODES] = { { .judges_time = true }, { .judges_time = true } };
        struct runtime *runtimes[NODES];
        for (uint32_t i = 0; i < NODES; i++) {
            runtimes[i] = runtime_create(&(struct runtime_options){ .scheduler = stepper, .node = "n" });
            model_start(&models[i], runtimes[i], 100, 40);
        }
        stepper_call_at(stepper, (int64_t)seed * MICROSECONDS(200), crash_at, runtimes, 1);
        while (stepper_step(stepper)) {
        }
        assert_null(runtimes[1]);
        assert_true(model_is_quiet(&models[0]));
        assert_int_equal(model_violations(&models[0]), 0);
        assert_true(models[1].completed == models[1].asked); /* CANCELLED where the crash came first. */
        assert_true(runtime_stop(runtimes[0], SECONDS(1)));
        runtime_destroy(&runtimes[0]);
        scheduler_destroy(&stepper);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promises_hold_for_all_seeds),
        cmocka_unit_test(a_seed_names_one_run),
        cmocka_unit_test(calls_come_in_order_of_time),
        cmocka_unit_test(crashes_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
