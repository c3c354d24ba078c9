/* Goal: a message whose handler fails twice reaches no handler again, is counted and seen with its hash and
 * origin; three in a minute end the restarting; what may not be judged is not. Method: a supervised actor on
 * the stepper that fails at poison, and a fingerprint that reads the poison. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/supervisor.h"
#include "tests/support/probe.h"

#include <string.h>

enum { KIND_EAT = 1000, KIND_TICK, TO_EATER = 1, FOOD = 0, PLAIN = UINT32_MAX };

struct meal {
    uint32_t poison; /* FOOD: none. PLAIN: none either, and the fingerprint knows nothing of it. */
    bool kept;
};

struct world {
    struct scheduler *stepper;
    struct runtime *runtime;
    struct child_spec child;
    struct supervisor_options options;
    uint32_t eaten;
    uint32_t poisoned; /* Handlers that saw poison. */
    uint32_t failures;
    char log[256];
};

static void eat(struct actor *self, void *state, const struct message *message)
{
    struct world *world = *(struct world **)state;
    const struct meal *meal = message->body;
    world->eaten++;
    if (meal->poison == FOOD) return;
    world->poisoned++;
    struct error error;
    (void)error_set(&error, STATUS_CORRUPT, "poison %u", meal->poison);
    if (meal->kept) {
        struct message *kept = actor_keep(self);
        message_destroy(&kept);
    }
    actor_fail(self, &error);
}

static enum status eater_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    memcpy(state, &options, sizeof options);
    return STATUS_OK;
}

static const struct behavior_row rows[] = { { KIND_EAT, eat } };
static const struct behavior eater_behavior = {
    .name = "eater", .state_size = sizeof(struct world *), .init = eater_init, .rows = rows, .row_count = 1
};

static uint64_t fingerprint(const struct message *message)
{
    const struct meal *meal = message->body;
    return meal->poison == PLAIN ? 0 : UINT64_C(7000) + meal->poison;
}

static void on_failure(void *context, const struct error *error)
{
    (void)error;
    ((struct world *)context)->failures++;
}

static void on_log(void *context, const struct log_record *record)
{
    struct world *world = context;
    if (record->level == 3 && strcmp(record->event, "actor.message_quarantined") == 0)
        (void)strncpy(world->log, record->text, sizeof world->log - 1);
}

static int set_up(void **state)
{
    static struct world world;
    world = (struct world){ .stepper = stepper_create(&(struct stepper_options){ .seed = 3 }) };
    world.runtime = runtime_create(&(struct runtime_options){ .scheduler = world.stepper,
                                                              .node = "n",
                                                              .on_failure = on_failure,
                                                              .failure_context = &world,
                                                              .log = on_log,
                                                              .log_context = &world,
                                                              .fingerprint = fingerprint });
    world.child = (struct child_spec){ .behavior = &eater_behavior, .options = &world, .name = TO_EATER };
    world.options =
        (struct supervisor_options){ .label = "root", .children = &world.child, .child_count = 1 };
    struct actor_id id;
    struct spawn_options spawn = { .options = &world.options };
    assert_int_equal(runtime_spawn(world.runtime, &supervisor_behavior, &spawn, &id, NULL), STATUS_OK);
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

static struct probe_result serve(struct world *world, struct meal meal, struct request_id request)
{
    struct message *message = message_create(KIND_EAT, sizeof meal);
    *(struct meal *)message->body = meal;
    message->request_id = request;
    struct probe_result result =
        probe_ask_name(world->runtime, TO_EATER, &message, SECONDS(1)); /* Food gets no answer: DEADLINE. */
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + SECONDS(6)); /* A quiet window. */
    return result;
}

static struct probe_result serve_poison(struct world *world, uint32_t poison)
{
    return serve(world, (struct meal){ .poison = poison }, (struct request_id){ 0, 0 });
}

static void find_case(void *context, const struct quarantine_view *view)
{
    struct quarantine_view *found = context;
    *found = *view;
    found->origin = NULL;
    assert_string_equal(view->behavior, "eater");
    assert_memory_equal(view->origin, "actor ", 6);
}

static void find_eater(void *context, const struct actor_view *view)
{
    if (strcmp(view->behavior, "eater") == 0) *(struct actor_view *)context = *view;
}

static void twice_is_enough(void **state)
{
    struct world *world = *state;
    assert_int_equal(serve_poison(world, 5).status, STATUS_CRASHED);
    struct quarantine_view seen = { 0 };
    runtime_visit_quarantine(world->runtime, find_case, &seen);
    assert_int_equal(seen.kind, 0); /* Only a suspect. */
    assert_int_equal(serve_poison(world, 5).status, STATUS_CRASHED);
    assert_memory_equal(world->log, "kind=1000 hash=", 15);
    struct probe_result third = serve_poison(world, 5);
    assert_int_equal(third.status, STATUS_INVALID);
    assert_string_equal(third.error.message, "eater has failed twice at a message that said the same");
    assert_int_equal(world->poisoned, 2); /* Never delivered again, */
    assert_int_equal(serve_poison(world, FOOD).status, STATUS_DEADLINE);
    assert_int_equal(world->eaten, 3); /* and what says something else still is. */
    runtime_visit_quarantine(world->runtime, find_case, &seen);
    assert_int_equal(seen.kind, KIND_EAT);
    assert_int_equal(seen.refused, 1);
    assert_true(seen.hash != 0);
    struct actor_view view = { 0 };
    runtime_visit_actors(world->runtime, find_eater, &view);
    assert_int_equal(view.quarantined, 1);
    assert_int_equal(view.restarts, 2);
    assert_int_equal(world->failures, 0);
}

static void three_in_a_minute_escalate(void **state)
{
    struct world *world = *state;
    for (uint32_t poison = 1; poison <= 3; poison++) {
        assert_int_equal(world->failures, 0);
        assert_int_equal(serve_poison(world, poison).status, STATUS_CRASHED);
        assert_int_equal(serve_poison(world, poison).status, STATUS_CRASHED);
    }
    assert_int_equal(world->failures, 1); /* The windows were quiet: it isn't the restarts' intensity. */
}

static void three_in_two_minutes_do_not(void **state)
{
    struct world *world = *state;
    for (uint32_t poison = 1; poison <= 4; poison++) {
        (void)serve_poison(world, poison);
        (void)serve_poison(world, poison);
        stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + SECONDS(30));
    }
    assert_int_equal(world->failures, 0);
}

static void an_hour_apart_is_chance(void **state)
{
    struct world *world = *state;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(serve_poison(world, 9).status, STATUS_CRASHED);
        stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + SECONDS(3601));
    }
    assert_int_equal(world->poisoned, 3);
}

static void a_request_stands_for_what_cannot_be_read(void **state)
{
    struct world *world = *state;
    struct request_id request = { 1, 2 };
    struct meal plain = { .poison = PLAIN };
    (void)serve(world, plain, request);
    (void)serve(world, plain, request);
    assert_int_equal(serve(world, plain, request).status, STATUS_INVALID);
    assert_int_equal(serve(world, plain, (struct request_id){ 1, 3 }).status, STATUS_CRASHED);
}

static void what_was_kept_is_not_judged(void **state)
{
    struct world *world = *state;
    for (uint32_t i = 1; i <= 4; i++) {
        struct meal meal = { .poison = 5, .kept = true };
        (void)serve(world, meal, (struct request_id){ 0, 0 });
        assert_int_equal(world->poisoned, i);
    }
}

static void old_suspects_make_room(void **state)
{
    struct world *world = *state;
    assert_int_equal(serve_poison(world, 1).status, STATUS_CRASHED);
    for (uint32_t i = 0; i < 256; i++) {
        assert_int_equal(serve_poison(world, 100 + i).status, STATUS_CRASHED);
    }
    assert_int_equal(serve_poison(world, 1).status, STATUS_CRASHED); /* Forgotten: a first time again, */
    assert_int_equal(serve_poison(world, 1).status, STATUS_CRASHED);
    assert_int_equal(serve_poison(world, 1).status, STATUS_INVALID); /* and a second. */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(twice_is_enough),
        TEST(three_in_a_minute_escalate),
        TEST(three_in_two_minutes_do_not),
        TEST(an_hour_apart_is_chance),
        TEST(a_request_stands_for_what_cannot_be_read),
        TEST(what_was_kept_is_not_judged),
        TEST(old_suspects_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
