/* Goal: links, monitors and deadlines of the end keep actor.h's promises; asks don't go in circles for ever.
 * Method: actors that do what they are told, on the stepper; one that is stuck, on the pool. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/os/clock.h"
#include "runtime/os/random.h"
#include "tests/support/probe.h"
#include "tests/support/stage.h"

#include <pthread.h>
#include <string.h>

enum { KIND_LINK_TO = 1000, KIND_UNLINK_FROM, KIND_WATCH, KIND_UNWATCH, KIND_BREAK, KIND_LEAVE, KIND_CIRCLE };
enum { TO_RING = 5 };

struct puppet {
    uint32_t downs;
    struct actor_down last;
};

static void obey(struct actor *self, void *context, const struct message *message)
{
    struct puppet *puppet = context;
    struct actor_id id = { 0, 0 };
    if (message->kind <= KIND_UNWATCH && message->kind >= KIND_LINK_TO) memcpy(&id, message->body, sizeof id);
    struct error error;
    switch (message->kind) {
    case KIND_LINK_TO: actor_link(self, id); break;
    case KIND_UNLINK_FROM: actor_unlink(self, id); break;
    case KIND_WATCH: actor_monitor(self, id); break;
    case KIND_UNWATCH: actor_demonitor(self, id); break;
    case KIND_BREAK:
        (void)error_set(&error, STATUS_IO, "no disk");
        actor_fail(self, &error);
        break;
    case KIND_LEAVE: actor_stop(self, actor_self(self)); break;
    case KIND_DOWN:
        puppet->downs++;
        puppet->last = *(const struct actor_down *)message->body;
        break;
    default: break;
    }
}

static void tell(struct stage *stage, struct actor_id who, uint32_t kind, struct actor_id about)
{
    struct message *message = message_create(kind, sizeof about);
    *(struct actor_id *)message->body = about;
    stage_send(stage, who, message);
    stage_settle(stage);
}

static const struct actor_id nobody = { 0, 0 };

static bool lives(struct stage *stage, struct actor_id id)
{
    struct message *message = message_create(KIND_CIRCLE, 0); /* It says nothing to a puppet. */
    if (runtime_send(stage->runtime, id, &message) == STATUS_OK) return true;
    message_destroy(&message);
    return false;
}

/* Three in a row, linked one to the next; and one that watches the last. */
struct row {
    struct puppet puppets[4];
    struct actor_id ids[4];
};

static void row_begin(struct stage *stage, struct row *row)
{
    memset(row, 0, sizeof *row);
    for (uint32_t i = 0; i < 4; i++) {
        row->ids[i] = stub_spawn(stage->runtime, 0, obey, &row->puppets[i]);
    }
    tell(stage, row->ids[0], KIND_LINK_TO, row->ids[1]);
    tell(stage, row->ids[1], KIND_LINK_TO, row->ids[2]);
    tell(stage, row->ids[3], KIND_WATCH, row->ids[2]);
}

static void linked_actors_fail_together_both_ways(void **state)
{
    struct stage *stage = *state;
    for (uint32_t first = 0; first < 3; first++) {
        struct row row;
        row_begin(stage, &row);
        tell(stage, row.ids[first], KIND_BREAK, nobody);
        for (uint32_t i = 0; i < 3; i++) {
            assert_false(lives(stage, row.ids[i]));
        }
        assert_int_equal(row.puppets[3].downs, 1);
        assert_int_equal(row.puppets[3].last.reason, STATUS_IO); /* The status goes along. */
        assert_true(lives(stage, row.ids[3]));                   /* A monitor is no link. */
    }
}

static void an_ordered_end_only_ends_the_link(void **state)
{
    struct stage *stage = *state;
    struct row row;
    row_begin(stage, &row);
    tell(stage, row.ids[1], KIND_LEAVE, nobody);
    assert_true(lives(stage, row.ids[0]));
    assert_true(lives(stage, row.ids[2]));
    assert_int_equal(stage->failures, 0);
}

static void unlinked_is_unlinked(void **state)
{
    struct stage *stage = *state;
    struct row row;
    row_begin(stage, &row);
    tell(stage, row.ids[2], KIND_UNLINK_FROM, row.ids[1]); /* Either side may. */
    tell(stage, row.ids[1], KIND_BREAK, nobody);
    assert_false(lives(stage, row.ids[0]));
    assert_true(lives(stage, row.ids[2]));
}

static void a_link_to_the_dead_fails_at_once(void **state)
{
    struct stage *stage = *state;
    struct row row;
    row_begin(stage, &row);
    struct actor_id gone = row.ids[2];
    tell(stage, gone, KIND_LEAVE, nobody);
    tell(stage, row.ids[3], KIND_LINK_TO, gone);
    assert_false(lives(stage, row.ids[3]));
    assert_int_equal(stage->failure.status, STATUS_NOT_FOUND);
}

static void who_links_and_fails_at_once_takes_the_other_along(void **state)
{
    struct stage *stage = *state;
    struct row row;
    row_begin(stage, &row);
    struct message *link = message_create(KIND_LINK_TO, sizeof row.ids[0]);
    *(struct actor_id *)link->body = row.ids[0];
    stage_send(stage, row.ids[3], link);
    stage_send(stage, row.ids[3], message_create(KIND_BREAK, 0)); /* Before the other has heard of it. */
    stage_settle(stage);
    assert_false(lives(stage, row.ids[0]));
}

static void one_down_a_monitor_and_none_without(void **state)
{
    struct stage *stage = *state;
    struct row row;
    row_begin(stage, &row);
    tell(stage, row.ids[3], KIND_WATCH, row.ids[2]); /* Twice is once. */
    tell(stage, row.ids[0], KIND_WATCH, row.ids[3]);
    tell(stage, row.ids[0], KIND_UNWATCH, row.ids[3]);
    tell(stage, row.ids[2], KIND_LEAVE, nobody);
    assert_int_equal(row.puppets[3].downs, 1);
    assert_int_equal(row.puppets[3].last.reason, STATUS_OK);
    tell(stage, row.ids[3], KIND_LEAVE, nobody);
    assert_int_equal(row.puppets[0].downs, 0);
}

/* --- asks that go in a circle ------------------------------------------------------------------------- */

struct circle {
    uint32_t rounds;
    enum status end;
};

static void on_round_done(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct message *request = context;
    if (result->error != NULL) {
        actor_refuse_error(self, request, result->error);
    } else {
        struct message *reply = message_create(KIND_CIRCLE, 0);
        actor_reply(self, request, &reply);
    }
    message_destroy(&request);
}

static void ask_next(struct actor *self, void *context, const struct message *message)
{
    (void)message;
    struct circle *circle = context;
    circle->rounds++;
    struct message *next = message_create(KIND_CIRCLE, 0);
    actor_ask_name(self, TO_RING, &next, 0, on_round_done, actor_keep(self));
}

static void asks_are_64_deep_at_most(void **state)
{
    struct stage *stage = *state;
    struct circle circle = { 0 };
    (void)stub_spawn(stage->runtime, TO_RING, ask_next, &circle);
    struct message *first = message_create(KIND_CIRCLE, 0);
    struct probe_result result = probe_ask_name(stage->runtime, TO_RING, &first, SECONDS(10));
    assert_int_equal(result.status, STATUS_OVERLOADED); /* All the way back, at once. */
    assert_int_equal(circle.rounds, 64);
    assert_int_equal(stepper_now_ns(stage->stepper), 0);
}

/* --- an end that doesn't come ------------------------------------------------------------------------- */

struct trap { /* Holds a handler until the deadline has been told. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool inside;
    uint32_t told;
    struct error error;
};

static void trap_wait(struct trap *trap, const bool *until, const uint32_t *or_until)
{
    pthread_mutex_lock(&trap->lock);
    while (!(until != NULL ? *until : *or_until > 0)) {
        pthread_cond_wait(&trap->changed, &trap->lock);
    }
    pthread_mutex_unlock(&trap->lock);
}

static void get_stuck(struct actor *self, void *state, const struct message *message)
{
    (void)self, (void)message;
    struct trap *trap = *(struct trap **)state;
    pthread_mutex_lock(&trap->lock);
    trap->inside = true;
    pthread_cond_broadcast(&trap->changed);
    pthread_mutex_unlock(&trap->lock);
    trap_wait(trap, NULL, &trap->told);
}

static enum status take_options(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    memcpy(state, &options, sizeof options);
    return STATUS_OK;
}

static const struct behavior stuck_behavior = { .name = "stuck",
                                                .state_size = sizeof(struct trap *),
                                                .home = ACTOR_PINNED,
                                                .init = take_options,
                                                .stop_within_ns = MILLISECONDS(20),
                                                .otherwise = get_stuck };

static enum status parent_init(struct actor *self, void *state, const void *options, struct error *error)
{
    struct actor_id child;
    enum status status = actor_spawn(
        self, &stuck_behavior, &(struct spawn_options){ .options = options, .name = TO_RING }, &child, error);
    return status == STATUS_OK ? take_options(self, state, options, error) : status;
}

static const struct behavior parent_behavior = { .name = "parent",
                                                 .state_size = sizeof(struct trap *),
                                                 .init = parent_init };

static void trap_told(void *context, const struct error *error)
{
    struct trap *trap = context;
    pthread_mutex_lock(&trap->lock);
    trap->told++;
    trap->error = *error;
    pthread_cond_broadcast(&trap->changed);
    pthread_mutex_unlock(&trap->lock);
}

static void a_child_that_is_stuck_is_told(void **state)
{
    (void)state;
    struct trap trap = { 0 };
    pthread_mutex_init(&trap.lock, NULL);
    pthread_cond_init(&trap.changed, NULL);
    struct scheduler *pool = pool_create(&(struct pool_options){ .clock = &clock_os, .random = &random_os });
    struct runtime *runtime = runtime_create(
        &(struct runtime_options){ .scheduler = pool, .on_failure = trap_told, .failure_context = &trap });
    struct actor_id id;
    struct spawn_options options = { .options = &trap };
    assert_int_equal(runtime_spawn(runtime, &parent_behavior, &options, &id, NULL), STATUS_OK);
    struct message *message = message_create(KIND_CIRCLE, 0);
    assert_int_equal(runtime_send(runtime, runtime_find(runtime, TO_RING), &message), STATUS_OK);
    trap_wait(&trap, &trap.inside, NULL);
    assert_true(runtime_stop(runtime, SECONDS(60))); /* It ends once the deadline has been told. */
    assert_int_equal(trap.told, 1);
    assert_int_equal(trap.error.status, STATUS_DEADLINE);
    assert_string_equal(trap.error.message, "a child of parent is stuck in a handler and doesn't stop");
    runtime_destroy(&runtime);
    scheduler_destroy(&pool);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_set_up, stage_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(linked_actors_fail_together_both_ways),
        TEST(an_ordered_end_only_ends_the_link),
        TEST(unlinked_is_unlinked),
        TEST(a_link_to_the_dead_fails_at_once),
        TEST(who_links_and_fails_at_once_takes_the_other_along),
        TEST(one_down_a_monitor_and_none_without),
        TEST(asks_are_64_deep_at_most),
        cmocka_unit_test(a_child_that_is_stuck_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
