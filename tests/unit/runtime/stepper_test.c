/* Goal: ACT1 (first in, first out per pair), ACT2 (never two turns of an actor at once), ACT3 (each message
 * handled or counted), ACT4 (bounds), ACT5 (each ask completes once and in time) hold under every order that
 * chance makes; a seed names one run, bit for bit. Method: the crowd of tests/support/actor_model on the
 * stepper, many seeds; some run twice. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/base/planted.h"
#include "tests/support/actor_model.h"

#include <stdio.h>
#include <string.h>

enum { NODES = 2, PLANTED_SEEDS = 500 };
#if defined(__SANITIZE_THREAD__)
enum { SEEDS = 20 }; /* One thread: nothing to find, and slow. */
#else
enum { SEEDS = 1000 };
#endif

struct run {
    uint64_t trace;
    uint64_t handled;
    uint64_t refused;
    uint64_t failed;
    uint64_t left;
    uint64_t gave_up;
    uint64_t answers[STATUS_COUNT];
    uint64_t violations;
    int64_t unaccounted;
    bool quiet;
};

static struct runtime *runtime_for(struct scheduler *stepper, struct model *model)
{
    return runtime_create(&(struct runtime_options){ .scheduler = stepper,
                                                     .node = "n",
                                                     .log = model_log,
                                                     .log_context = model,
                                                     .log_level = 2,
                                                     .fingerprint = model_fingerprint });
}

static struct scheduler *stepper_for(uint64_t seed)
{
    return stepper_create(&(struct stepper_options){ .seed = seed,
                                                     .pinned_delay_max_ns = MILLISECONDS(1),
                                                     .message_delay_max_ns = seed % 2 * MICROSECONDS(300) });
}

static void end_model(struct run *run, struct model *model, struct runtime *runtime)
{
    run->quiet = run->quiet && model_is_quiet(model);
    run->unaccounted += model_unaccounted(model);
    run->violations += model_outlived_links(model);
    model->stopping = true;
    assert_true(runtime_stop(runtime, SECONDS(1)));
    runtime_destroy(&runtime);
    run->violations += model_violations(model);
    run->handled += model->handled;
    run->refused += model->refused;
    run->failed += model->failed;
    run->left += model->left;
    run->gave_up += model->gave_up;
    for (uint32_t status = 0; status < STATUS_COUNT; status++) {
        run->answers[status] += model->answers[status];
    }
    model_free(model);
}

static struct run run_seed(uint64_t seed)
{
    struct scheduler *stepper = stepper_for(seed);
    struct model models[NODES] = { { .judges_time = true }, { .judges_time = true } };
    struct runtime *runtimes[NODES];
    for (uint32_t i = 0; i < NODES; i++) {
        runtimes[i] = runtime_for(stepper, &models[i]);
        model_start(&models[i], runtimes[i], 16 * (1 + seed % 8), 40);
    }
    uint32_t steps = 0;
    while (stepper_step(stepper)) {
        if (++steps % 64 == 0) model_watch_bounds(&models[0]);
    }
    struct run run = { .trace = stepper_trace_hash(stepper), .quiet = true };
    for (uint32_t i = 0; i < NODES; i++) {
        end_model(&run, &models[i], runtimes[i]);
    }
    scheduler_destroy(&stepper);
    return run;
}

static bool holds(const struct run *run)
{
    return run->quiet && run->violations == 0 && run->unaccounted == 0;
}

static void promises_hold_for_all_seeds(void **unused)
{
    (void)unused;
    struct run sum = { 0 };
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run run = run_seed(seed);
        if (!holds(&run))
            fail_msg("seed %llu: %llu violations, %lld messages without a fate%s", (unsigned long long)seed,
                     (unsigned long long)run.violations, (long long)run.unaccounted,
                     run.quiet ? "" : ", not quiet");
        sum.handled += run.handled;
        sum.refused += run.refused;
        sum.failed += run.failed;
        sum.left += run.left;
        sum.gave_up += run.gave_up;
        for (uint32_t status = 0; status < STATUS_COUNT; status++) {
            sum.answers[status] += run.answers[status];
        }
    }
    /* The crowd did go everywhere, or the promises were not tested. */
    assert_true(sum.handled > 500 * SEEDS);
    assert_true(sum.refused > 0);
    assert_true(sum.failed > SEEDS);
    assert_true(sum.left > 0);
    assert_true(sum.gave_up > 0);
    if (SEEDS < 1000) return; /* Some ends are rarer than so few seeds show. */
    const enum status endings[] = { STATUS_OK,         STATUS_CONFLICT,  STATUS_DEADLINE, STATUS_CRASHED,
                                    STATUS_OVERLOADED, STATUS_NOT_FOUND, STATUS_INVALID };
    for (size_t i = 0; i < ARRAY_COUNT(endings); i++) {
        if (sum.answers[endings[i]] == 0) fail_msg("no ask ended %s", status_name(endings[i]));
    }
}

/* In builds with planted bugs: each of the runtime's is found. */
static void planted_bugs_are_found(void **unused)
{
    (void)unused;
    uint32_t count = 0;
    const struct planted *bugs = planted_all(&count);
    for (uint32_t i = 0; i < count; i++) {
        if (strncmp(bugs[i].name, "runtime.", 8) != 0 ||
            (i > 0 && strcmp(bugs[i].name, bugs[i - 1].name) == 0))
            continue;
        assert_true(planted_select(bugs[i].name));
        uint64_t seed = 1;
        struct run run = run_seed(seed);
        while (holds(&run) && seed < PLANTED_SEEDS) {
            run = run_seed(++seed);
        }
        (void)planted_select(NULL);
        if (holds(&run)) fail_msg("%s was not found in %u seeds", bugs[i].name, PLANTED_SEEDS);
        print_message("planted bug %s: found by seed %llu\n", bugs[i].name, (unsigned long long)seed);
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
        struct scheduler *stepper = stepper_for(seed);
        struct model models[NODES] = { { .judges_time = true }, { .judges_time = true } };
        struct runtime *runtimes[NODES];
        for (uint32_t i = 0; i < NODES; i++) {
            runtimes[i] = runtime_for(stepper, &models[i]);
            model_start(&models[i], runtimes[i], 100, 40);
        }
        stepper_call_at(stepper, (int64_t)seed * MICROSECONDS(200), crash_at, runtimes, 1);
        while (stepper_step(stepper)) {
        }
        assert_null(runtimes[1]);
        struct run run = { .quiet = true };
        end_model(&run, &models[0], runtimes[0]);
        assert_true(holds(&run));
        assert_true(models[1].completed == models[1].asked); /* CANCELLED where the crash came first. */
        assert_int_equal(models[1].open, 0); /* What was on its way, or waited, is gone too. */
        assert_int_equal(models[1].destroyed_twice, 0);
        model_free(&models[1]);
        scheduler_destroy(&stepper);
    }
}

/* `--traces`: one line a seed, for ./dev to compare over builds (with ASan and without) and processes (each
 * has its addresses elsewhere). */
static int print_traces(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        (void)printf("%llu %016llx\n", (unsigned long long)seed, (unsigned long long)run_seed(seed).trace);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--traces") == 0) return print_traces();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promises_hold_for_all_seeds), cmocka_unit_test(planted_bugs_are_found),
        cmocka_unit_test(a_seed_names_one_run),        cmocka_unit_test(calls_come_in_order_of_time),
        cmocka_unit_test(crashes_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
