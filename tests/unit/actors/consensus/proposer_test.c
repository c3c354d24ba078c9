/* Goal: what a leader answers, whatever it is, never becomes a wrong claim of the proposer (R9).
 * Method: the proposer on the stepper; the leader is a stand-in that answers as this test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/consensus/proposer.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/codec.h"
#include "wire/proto/store.pb-c.h"

#include <string.h>

struct world {
    struct scheduler *stepper;
    struct runtime *runtime;
    uint32_t answer; /* The kind that the leader answers with; 0: it refuses. */
    enum status refuse;
    enum status refuse_next; /* From the second refusal on; OK: the same. */
    bool opens_sessions;     /* The first command is answered as the opening of one. */
    uint32_t forwards;
};

static void reply_opened(struct actor *self, const struct message *message)
{
    struct message *reply = wire_message_create(KIND_PROPOSE_REPLY);
    Pb__ProposeReply *body = reply->body;
    body->n_results = 1;
    body->results = arena_array(&reply->arena, 1, sizeof(Pb__OperationResult *));
    body->results[0] = codec_create(&reply->arena, &pb__operation_result__descriptor);
    body->results[0]->value = 5;
    actor_reply(self, message, &reply);
}

static void on_leader(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    if (message->kind == KIND_ROLE_SUBSCRIBE) {
        struct message *changed = message_create(KIND_ROLE_CHANGED, sizeof(struct role_changed));
        struct role_changed *role = changed->body;
        role->term = 2;
        memcpy(role->leader, "n1", sizeof "n1");
        actor_tell(self, message->sender, &changed);
    } else if (world->opens_sessions) {
        world->opens_sessions = false;
        reply_opened(self, message);
    } else if (world->answer == 0) {
        world->forwards++;
        bool next = world->forwards > 1 && world->refuse_next != STATUS_OK;
        actor_refuse(self, message, next ? world->refuse_next : world->refuse);
    } else {
        world->forwards++;
        struct message *reply = wire_message_create(world->answer);
        actor_reply(self, message, &reply);
    }
}

static int set_up(void **state)
{
    static struct world world;
    struct error error = { 0 };
    world = (struct world){ .stepper = stepper_create(&(struct stepper_options){ .seed = 1 }) };
    world.runtime = runtime_create(&(struct runtime_options){ .scheduler = world.stepper, .node = "n1" });
    (void)stub_spawn(world.runtime, TO_LEADER, on_leader, &world);
    struct proposer_options options = { .node = "n1" };
    struct spawn_options spawn = { .options = &options, .name = TO_PROPOSER };
    struct actor_id id;
    assert_int_equal(runtime_spawn(world.runtime, &proposer_behavior, &spawn, &id, &error), STATUS_OK);
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

static enum status propose(struct world *world, bool retry)
{
    struct message *message = wire_message_create(KIND_PROPOSE_REQUEST);
    ((Pb__ProposeRequest *)message->body)->command = codec_create(&message->arena, &pb__command__descriptor);
    ((Pb__ProposeRequest *)message->body)->retry = retry;
    struct probe_result result = probe_ask_name(world->runtime, TO_PROPOSER, &message, SECONDS(2));
    assert_true(result.completed);
    message_destroy(&result.message);
    return result.status;
}

static void an_answer_of_another_kind_is_unknown(void **state)
{
    struct world *world = *state;
    world->answer = KIND_KV_CHANGE_REPLY;
    assert_int_equal(propose(world, false), STATUS_UNKNOWN);
    assert_int_equal(world->forwards, 1); /* And is not sent again: it may have happened. */
    world->answer = KIND_PROPOSE_REPLY;
    assert_int_equal(propose(world, false), STATUS_OK);
}

static void what_may_have_happened_is_unknown(void **state)
{
    struct world *world = *state;
    static const enum status lost[] = { STATUS_NODE_LOST, STATUS_CRASHED, STATUS_CANCELLED, STATUS_UNKNOWN };
    for (size_t i = 0; i < ARRAY_COUNT(lost); i++) {
        world->refuse = lost[i];
        assert_int_equal(propose(world, false), STATUS_UNKNOWN);
        assert_int_equal(world->forwards, i + 1);
    }
    world->refuse = STATUS_OVERLOADED; /* Nothing was appended: said as it is. */
    assert_int_equal(propose(world, false), STATUS_OVERLOADED);
}

/* A session may ask again; but a later refusal says nothing of the attempt that got lost. */
static void a_later_refusal_does_not_undo_an_earlier_attempt(void **state)
{
    struct world *world = *state;
    static const enum status later[] = { STATUS_OVERLOADED, STATUS_NOT_LEADER, STATUS_INVALID,
                                         STATUS_CORRUPT };
    for (size_t i = 0; i < ARRAY_COUNT(later); i++) {
        world->opens_sessions = i == 0; /* Then it is used again. */
        world->forwards = 0;
        world->refuse = STATUS_NODE_LOST;
        world->refuse_next = later[i];
        assert_int_equal(propose(world, true), STATUS_UNKNOWN);
        assert_true(world->forwards > 1);
    }
}

/* No timer has to come by first: a burst of clients would wait for it once for each few of them. */
static void a_session_that_comes_free_is_used_at_once(void **state)
{
    struct world *world = *state;
    world->opens_sessions = true;
    world->answer = KIND_PROPOSE_REPLY;
    int64_t began_ns = stepper_now_ns(world->stepper);
    assert_int_equal(propose(world, true), STATUS_OK);
    assert_int_equal(world->forwards, 1);
    assert_true(stepper_now_ns(world->stepper) - began_ns < MILLISECONDS(5));
}

/* What is refused at once is not asked for at once again. */
static void a_session_that_cannot_be_opened_is_asked_for_now_and_then(void **state)
{
    struct world *world = *state;
    world->refuse = STATUS_OVERLOADED;
    assert_int_not_equal(propose(world, true), STATUS_OK);
    assert_in_range(world->forwards, 2, 200); /* In two seconds. */
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_of_another_kind_is_unknown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_may_have_happened_is_unknown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_later_refusal_does_not_undo_an_earlier_attempt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_session_that_comes_free_is_used_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_session_that_cannot_be_opened_is_asked_for_now_and_then, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
