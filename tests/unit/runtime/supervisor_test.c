/* Goal: children start in order, stop in reverse, and restart by strategy, delay and intensity (ACT8).
 * Method: children that write their names down, on the stepper; one that ends in order, one that fails. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/supervisor.h"
#include "tests/support/probe.h"

#include <stdio.h>
#include <string.h>

enum { KIND_FAIL = 1000, KIND_END, KIND_ASK_WHO };
enum { TO_A = 1, TO_B = 2, TO_C = 3 };

struct journal {
    char text[512];
    bool refuse_start; /* The next inits fail. */
};

struct child_options {
    struct journal *journal;
    char name;
};

static void note(struct journal *journal, char name, const char *verb)
{
    size_t used = strlen(journal->text);
    (void)snprintf(journal->text + used, sizeof journal->text - used, "%c%s ", name, verb);
}

static enum status child_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self;
    *(struct child_options *)state = *(const struct child_options *)options;
    struct child_options *child = state;
    if (child->journal->refuse_start) return error_set(error, STATUS_IO, "no disk");
    note(child->journal, child->name, "+");
    return STATUS_OK;
}

static void child_handle(struct actor *self, void *state, const struct message *message)
{
    (void)state;
    struct error error;
    (void)error_set(&error, STATUS_CORRUPT, "bad page");
    if (message->kind == KIND_FAIL) actor_fail(self, &error);
    if (message->kind == KIND_END) actor_stop(self, actor_self(self));
}

static void child_fini(void *state)
{
    struct child_options *child = state;
    note(child->journal, child->name, "-");
}

static const struct behavior child_behavior = { .name = "child",
                                                .state_size = sizeof(struct child_options),
                                                .init = child_init,
                                                .otherwise = child_handle,
                                                .fini = child_fini };

struct world {
    struct scheduler *stepper;
    struct runtime *runtime;
    struct journal journal;
    struct child_options given[3];
    struct child_spec specs[3];
    struct supervisor_options options;
    struct error failure;
    uint32_t failures;
};

static void on_failure(void *context, const struct error *error)
{
    struct world *world = context;
    world->failures++;
    world->failure = *error;
}

static int set_up(void **state)
{
    static struct world world;
    world = (struct world){ .stepper = stepper_create(&(struct stepper_options){ .seed = 5 }) };
    world.runtime = runtime_create(&(struct runtime_options){
        .scheduler = world.stepper, .node = "n", .on_failure = on_failure, .failure_context = &world });
    for (uint32_t i = 0; i < 3; i++) {
        world.given[i] = (struct child_options){ &world.journal, (char)('a' + (char)i) };
        world.specs[i] = (struct child_spec){ .behavior = &child_behavior,
                                              .options = &world.given[i],
                                              .name = TO_A + i,
                                              .restart = CHILD_PERMANENT };
    }
    world.options = (struct supervisor_options){ .label = "root", .children = world.specs, .child_count = 3 };
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    bool stopped = runtime_stop(world->runtime, SECONDS(10));
    runtime_destroy(&world->runtime);
    scheduler_destroy(&world->stepper);
    return stopped ? 0 : -1;
}

static void start(struct world *world, enum supervisor_strategy strategy)
{
    world->options.strategy = strategy;
    struct actor_id id;
    struct spawn_options options = { .options = &world->options };
    assert_int_equal(runtime_spawn(world->runtime, &supervisor_behavior, &options, &id, NULL), STATUS_OK);
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper));
    assert_string_equal(world->journal.text, "a+ b+ c+ ");
    world->journal.text[0] = '\0';
}

static void tell(struct world *world, uint32_t name, uint32_t kind)
{
    struct message *message = message_create(kind, 0);
    probe_tell(world->runtime, runtime_find(world->runtime, name), &message);
}

static void run_for(struct world *world, int64_t time_ns)
{
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + time_ns);
}

static void one_for_one_restarts_the_one(void **state)
{
    struct world *world = *state;
    start(world, ONE_FOR_ONE);
    struct actor_id before = runtime_find(world->runtime, TO_B);
    tell(world, TO_B, KIND_FAIL);
    assert_string_equal(world->journal.text, "b- b+ "); /* The first of a quiet window: at once. */
    struct actor_id after = runtime_find(world->runtime, TO_B);
    assert_true(actor_id_is_set(after));
    assert_false(actor_id_equal(before, after));
    assert_true(runtime_stop(world->runtime, SECONDS(1)));
    assert_string_equal(world->journal.text, "b- b+ c- b- a- ");
    assert_int_equal(world->failures, 0);
}

static void rest_for_one_takes_those_started_later(void **state)
{
    struct world *world = *state;
    start(world, REST_FOR_ONE);
    tell(world, TO_B, KIND_FAIL);
    assert_string_equal(world->journal.text, "b- c- b+ c+ ");
}

static void one_for_all_takes_all(void **state)
{
    struct world *world = *state;
    start(world, ONE_FOR_ALL);
    tell(world, TO_B, KIND_FAIL);
    assert_string_equal(world->journal.text, "b- c- a- a+ b+ c+ ");
}

static void a_permanent_child_returns_from_an_ordered_end_too(void **state)
{
    struct world *world = *state;
    world->specs[2].restart = CHILD_TRANSIENT;
    start(world, ONE_FOR_ONE);
    tell(world, TO_A, KIND_END);
    assert_string_equal(world->journal.text, "a- a+ ");
    tell(world, TO_C, KIND_END);
    run_for(world, SECONDS(60));
    assert_string_equal(world->journal.text, "a- a+ c- "); /* Transient: it had done its work. */
    assert_int_equal(world->failures, 0);
}

static void delays_double_and_too_many_restarts_fail_upward(void **state) /* ACT8: 3 in 5 s */
{
    struct world *world = *state;
    start(world, ONE_FOR_ONE);
    tell(world, TO_A, KIND_FAIL); /* At once. */
    assert_true(actor_id_is_set(runtime_find(world->runtime, TO_A)));
    tell(world, TO_A, KIND_FAIL); /* 50 ms, give or take a quarter. */
    run_for(world, MILLISECONDS(37));
    assert_false(actor_id_is_set(runtime_find(world->runtime, TO_A)));
    run_for(world, MILLISECONDS(26));
    assert_true(actor_id_is_set(runtime_find(world->runtime, TO_A)));
    tell(world, TO_A, KIND_FAIL); /* 100 ms. */
    run_for(world, MILLISECONDS(74));
    assert_false(actor_id_is_set(runtime_find(world->runtime, TO_A)));
    run_for(world, MILLISECONDS(52));
    assert_true(actor_id_is_set(runtime_find(world->runtime, TO_A)));
    assert_int_equal(world->failures, 0);
    tell(world, TO_A, KIND_FAIL); /* One too many. */
    run_for(world, SECONDS(1));
    assert_int_equal(world->failures, 1);
    assert_int_equal(world->failure.status, STATUS_CORRUPT);
    assert_string_equal(world->failure.message, "root: child failed: bad page");
    assert_true(strstr(world->journal.text, "a- c- b- ") != NULL); /* It took the others down in reverse. */
}

static void a_quiet_window_forgives(void **state)
{
    struct world *world = *state;
    start(world, ONE_FOR_ONE);
    for (uint32_t i = 0; i < 20; i++) {
        tell(world, TO_A, KIND_FAIL);
        run_for(world, SECONDS(5));
        assert_true(actor_id_is_set(runtime_find(world->runtime, TO_A)));
    }
    assert_int_equal(world->failures, 0);
}

static void a_child_that_must_not_return_fails_all(void **state)
{
    struct world *world = *state;
    world->specs[0].restart = CHILD_NEVER;
    start(world, ONE_FOR_ONE);
    tell(world, TO_A, KIND_FAIL);
    assert_int_equal(world->failures, 1);
    assert_string_equal(world->journal.text, "a- c- b- ");
}

static void a_restart_that_cannot_start_counts_too(void **state)
{
    struct world *world = *state;
    start(world, ONE_FOR_ONE);
    world->journal.refuse_start = true;
    tell(world, TO_B, KIND_FAIL);
    run_for(world, MILLISECONDS(60));
    assert_int_equal(world->failures, 0);
    run_for(world, SECONDS(1));
    assert_int_equal(world->failures, 1);
    assert_int_equal(world->failure.status, STATUS_IO);
}

static void a_first_start_that_fails_undoes_the_others(void **state)
{
    struct world *world = *state;
    world->options.child_count = 2;
    struct supervisor_options outer_options = { .label = "outer",
                                                .children = world->specs,
                                                .child_count = 3 };
    world->specs[2] = (struct child_spec){ .behavior = &supervisor_behavior, .options = &world->options };
    static const struct behavior unwilling = { .name = "unwilling", .state_size = 16, .init = child_init };
    static struct journal unwilling_journal = { .refuse_start = true };
    static const struct child_options unwilling_options = { &unwilling_journal, 'x' };
    static const struct child_spec inner[] = { { .behavior = &unwilling, .options = &unwilling_options } };
    world->options.children = inner;
    world->options.child_count = 1;
    struct actor_id id;
    struct error error;
    enum status status = runtime_spawn(world->runtime, &supervisor_behavior,
                                       &(struct spawn_options){ .options = &outer_options }, &id, &error);
    assert_int_equal(status, STATUS_IO);
    assert_string_equal(error.message, "start supervisor: start unwilling: no disk");
    run_for(world, SECONDS(1));
    assert_string_equal(world->journal.text, "a+ b+ b- a- ");
    assert_int_equal(world->failures, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_for_one_restarts_the_one),
        TEST(rest_for_one_takes_those_started_later),
        TEST(one_for_all_takes_all),
        TEST(a_permanent_child_returns_from_an_ordered_end_too),
        TEST(delays_double_and_too_many_restarts_fail_upward),
        TEST(a_quiet_window_forgives),
        TEST(a_child_that_must_not_return_fails_all),
        TEST(a_restart_that_cannot_start_counts_too),
        TEST(a_first_start_that_fails_undoes_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
