/* Goal: calls find the right instance and come back when they may: choice by load and by key, retries within
 * a budget, shares of a queue, time that is each call's own, circles that end, and words for all of it.
 * Method: tests/support/call_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/call.h"
#include "actors/slice/messages.h"
#include "actors/slice/retry_budget.h"
#include "actors/slice/sdk/aether/slice.h"
#include "runtime/base/check.h"
#include "runtime/port/transport.h"
#include "tests/support/call_world.h"
#include "wire/kinds.h"
#include "wire/outcome.h"

#include <stdio.h>
#include <string.h>

#define TAX_ORDER "org.example:tax/order"
#define TAX_QUOTE "org.example:tax/quote"

static void activate_all(struct call_world *world)
{
    for (uint32_t n = 0; n < CALL_NODES; n++)
        call_world_activate(world, n);
    call_world_settle(world, MILLISECONDS(1));
}

static void hold_all(struct call_world *world)
{
    for (uint32_t n = 0; n < CALL_NODES; n++)
        world->instances[n].holds = true;
}

static struct message *keyed(const char *target, const char *affinity)
{
    struct message *message = call_world_message(target);
    ((Pb__CallRequest *)message->body)->affinity = wire_string(message, affinity);
    return message;
}

static struct message *explained(const char *target)
{
    struct message *message = call_world_message(target);
    ((Pb__CallRequest *)message->body)->explain = true;
    return message;
}

/* --- choice ----------------------------------------------------------------------------------------------
 */

static void a_long_queue_at_home_sends_calls_away(void **state)
{
    struct call_world *world = *state;
    static struct call_pending pending[40];
    activate_all(world);
    hold_all(world);
    for (size_t i = 0; i < ARRAY_COUNT(pending); i++)
        call_world_begin(world, 0, call_world_message(TAX_ORDER), SECONDS(20), &pending[i]);
    call_world_settle(world, MILLISECONDS(5));
    assert_int_equal(world->instances[0].held_count, 2); /* Its places; eight more wait there. */
    assert_int_equal(world->instances[1].held_count, 2);
    assert_int_equal(world->instances[2].held_count, 2); /* The rest went there, by load. */
}

static uint32_t home_of(struct call_world *world, uint32_t asker, const char *key)
{
    uint32_t before[CALL_NODES];
    for (uint32_t n = 0; n < CALL_NODES; n++)
        before[n] = world->instances[n].handled;
    call_world_expect(call_world_ask(world, asker, keyed(TAX_QUOTE, key), SECONDS(5)), STATUS_OK);
    for (uint32_t n = 0; n < CALL_NODES; n++)
        if (world->instances[n].handled != before[n]) return n;
    fail_msg("nobody handled it");
    return 0;
}

/* What an instance said of its load is believed by those who choose next, though it comes of others' calls.
 */
static void load_is_told_in_replies(void **state)
{
    struct call_world *world = *state;
    static struct call_pending pending[30];
    char key[16] = "";
    call_world_activate(world, 1);
    call_world_activate(world, 2);
    call_world_settle(world, MILLISECONDS(1));
    for (uint32_t i = 0; i == 0 || home_of(world, 0, key) != 1; i++)
        (void)snprintf(key, sizeof(key), "key-%u", i);
    world->instances[1].holds = true; /* Node 2's own callers have it busy. */
    for (size_t i = 0; i < ARRAY_COUNT(pending); i++)
        call_world_begin(world, 1, keyed(TAX_QUOTE, key), SECONDS(20), &pending[i]);
    call_world_settle(world, MILLISECONDS(5));
    assert_int_equal(world->instances[1].held_count, ARRAY_COUNT(pending));
    world->instances[1].holds = false;
    call_world_expect(call_world_ask(world, 0, keyed(TAX_QUOTE, key), SECONDS(5)), STATUS_OK); /* It tells. */
    uint32_t before = world->instances[1].handled;
    for (int i = 0; i < 20; i++)
        call_world_expect(call_world_call(world, 0, TAX_QUOTE, SECONDS(5)), STATUS_OK);
    assert_int_equal(world->instances[1].handled, before);
    call_world_settle(world, SECONDS(1)); /* Old news is none. */
    for (int i = 0; i < 20; i++)
        call_world_expect(call_world_call(world, 0, TAX_QUOTE, SECONDS(5)), STATUS_OK);
    assert_true(world->instances[1].handled > before);
}

/* Rendezvous hashing: of an instance that goes only its own keys move, and they come back with it. */
static void keys_move_only_with_their_instance(void **state)
{
    enum { KEYS = 30 };
    struct call_world *world = *state;
    uint32_t home[KEYS];
    uint32_t at_last = 0;
    char key[16];
    activate_all(world);
    for (uint32_t i = 0; i < KEYS; i++) {
        (void)snprintf(key, sizeof(key), "customer-%u", i);
        home[i] = home_of(world, i % CALL_NODES, key);
        at_last += home[i] == 2 ? 1 : 0;
    }
    assert_in_range(at_last, 3, KEYS - 3);
    agreed_crash(&world->agreed, 2);
    call_world_settle(world, MILLISECONDS(5));
    for (uint32_t i = 0; i < KEYS; i++) {
        (void)snprintf(key, sizeof(key), "customer-%u", i);
        uint32_t now = home_of(world, i % 2, key);
        if (home[i] == 2) assert_int_not_equal(now, 2);
        else assert_int_equal(now, home[i]);
    }
}

static void a_full_instance_keeps_its_keys(void **state)
{
    struct call_world *world = *state;
    activate_all(world);
    uint32_t home = home_of(world, 0, "customer-1");
    world->instances[home].refuses = STATUS_OVERLOADED;
    call_world_expect(call_world_ask(world, 0, keyed(TAX_QUOTE, "customer-1"), SECONDS(5)),
                      STATUS_OVERLOADED);
    assert_int_equal(call_world_handled(world), 1 + CALL_ATTEMPTS_MAX); /* All of them there. */
    assert_int_equal(world->instances[home].handled, 1 + CALL_ATTEMPTS_MAX);
}

static void broken_connections_are_avoided_at_once(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 1);
    call_world_activate(world, 2);
    call_world_settle(world, MILLISECONDS(1));
    struct message *message = message_create(KIND_PEER_DOWN, sizeof(struct transport_peer_change));
    (void)snprintf(((struct transport_peer_change *)message->body)->node, 16, "node-2");
    struct runtime *runtime = world->agreed.nodes[0].runtime;
    probe_tell(runtime, runtime_find(runtime, TO_SLICE_CALL), &message);
    for (int i = 0; i < 20; i++)
        call_world_expect(call_world_call(world, 0, TAX_ORDER, SECONDS(5)), STATUS_OK);
    assert_int_equal(world->instances[1].handled, 0);
}

/* --- retries ---------------------------------------------------------------------------------------------
 */

static void what_did_not_start_is_tried_elsewhere(void **state)
{
    struct call_world *world = *state;
    activate_all(world);
    world->instances[0].refuses = STATUS_NOT_READY;
    call_world_expect(call_world_call(world, 0, TAX_ORDER, SECONDS(5)), STATUS_OK);
    assert_int_equal(world->instances[0].handled, 1);
    assert_int_equal(call_world_handled(world), 2);
}

static void the_budget_ends_retries_at_once(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 0);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[0].refuses = STATUS_OVERLOADED;
    for (int i = 0; i < RETRY_BUDGET_CONSTANT; i++)
        call_world_expect(call_world_call(world, 0, TAX_ORDER, SECONDS(5)), STATUS_OVERLOADED);
    uint32_t before = world->instances[0].handled;
    struct probe_result result = call_world_call(world, 0, TAX_ORDER, SECONDS(5));
    assert_int_equal(world->instances[0].handled - before, 1);
    assert_non_null(strstr(result.error.message, "retry budget is exhausted"));
    assert_true(result.error.hint[0] != '\0');
    /* Another target's retries are its own. */
    before = world->instances[0].handled;
    call_world_expect(call_world_call(world, 0, TAX_QUOTE, SECONDS(5)), STATUS_OVERLOADED);
    assert_int_equal(world->instances[0].handled - before, CALL_ATTEMPTS_MAX);
}

static void an_explanation_says_it_all(void **state)
{
    struct call_world *world = *state;
    activate_all(world);
    world->instances[0].refuses = STATUS_CRASHED;
    struct probe_result result = call_world_ask(world, 0, explained(TAX_ORDER), SECONDS(5));
    assert_int_equal(result.status, STATUS_OK); /* The reply says how it ended. */
    const Pb__CallReply *reply = result.message->body;
    const Pb__CallExplanation *said = reply->explanation;
    assert_non_null(said);
    assert_string_equal(said->outcome, "CRASHED");
    assert_string_equal(said->retry_class, retry_class_name(RETRY_IF_HARMLESS));
    assert_true(said->may_have_run);
    assert_false(said->retried);
    assert_non_null(strstr(said->why, "READONLY"));
    assert_true(said->next[0] != '\0');
    assert_int_equal(said->n_attempts, 1);
    assert_string_equal(said->attempts[0]->node, "node-1");
    assert_string_equal(said->attempts[0]->artifact, CALL_TAX);
    assert_string_equal(said->attempts[0]->outcome, "CRASHED");
    message_destroy(&result.message);
    result = call_world_ask(world, 0, explained(TAX_QUOTE), SECONDS(5)); /* READONLY: again, elsewhere. */
    reply = result.message->body;
    said = reply->explanation;
    assert_string_equal(said->outcome, "OK");
    assert_true(said->retried);
    assert_non_null(strstr(said->why, "harmless"));
    assert_int_equal(said->n_attempts, 2);
    assert_string_not_equal(said->attempts[1]->node, "node-1");
    assert_true(said->attempts[1]->after_us >= said->attempts[0]->after_us);
    message_destroy(&result.message);
    result = call_world_ask(world, 0, explained("org.example:nothing/quote"), SECONDS(5));
    said = ((const Pb__CallReply *)result.message->body)->explanation;
    assert_string_equal(said->outcome, "NO_ENDPOINT");
    assert_non_null(strstr(said->why, "nothing serves the target"));
    message_destroy(&result.message);
}

/* What is no outcome of a call (product.md section 6) becomes one. */
static void only_thirteen_words_are_told(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 1);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[1].refuses = STATUS_CORRUPT;
    struct probe_result result = call_world_call(world, 0, TAX_ORDER, SECONDS(5));
    assert_int_equal(result.status, STATUS_APP_ERROR);
    assert_non_null(strstr(result.error.message, "CORRUPT"));
}

/* --- queues ----------------------------------------------------------------------------------------------
 */

static struct message *outbound(const char *caller, uint32_t depth)
{
    struct message *message = message_create(KIND_SLICE_OUTBOUND, sizeof(struct slice_outbound));
    *(struct slice_outbound *)message->body = (struct slice_outbound){
        .target = TAX_ORDER, .caller = caller, .affinity = "", .idempotency_key = "", .depth = depth
    };
    struct bytes *payload = bytes_copy("1", 1);
    message_attach(message, &payload);
    return message;
}

static void one_caller_cannot_fill_a_queue(void **state)
{
    struct call_world *world = *state;
    static struct call_pending greedy[SERVING_CALLER_MAX + 10];
    static struct call_pending modest;
    uint32_t refused = 0;
    call_world_activate(world, 0);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[0].holds = true;
    for (size_t i = 0; i < ARRAY_COUNT(greedy); i++)
        call_world_begin(world, 0, outbound("org.example:greedy:1.0.0#1@node-1", 0), SECONDS(20), &greedy[i]);
    call_world_settle(world, SECONDS(2)); /* Retries are over, too. */
    for (size_t i = 0; i < ARRAY_COUNT(greedy); i++)
        refused += greedy[i].ended && greedy[i].status == STATUS_OVERLOADED ? 1 : 0;
    assert_int_equal(refused, 10 - 2); /* Two have places. */
    call_world_begin(world, 0, outbound("org.example:modest:1.0.0#1@node-1", 0), SECONDS(20), &modest);
    call_world_settle(world, MILLISECONDS(1));
    assert_false(modest.ended); /* There is room for others. */
}

/* --- time ------------------------------------------------------------------------------------------------
 */

/* A call that waited is asked in the turn of the one whose end made room: under its own deadline. */
static void a_wait_keeps_its_own_deadline(void **state)
{
    struct call_world *world = *state;
    static struct call_pending hurried[2];
    static struct call_pending patient;
    call_world_activate(world, 0);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[0].holds = true;
    for (size_t i = 0; i < ARRAY_COUNT(hurried); i++)
        call_world_begin(world, 0, call_world_message(TAX_ORDER), MILLISECONDS(50), &hurried[i]);
    call_world_begin(world, 0, call_world_message(TAX_ORDER), SECONDS(10), &patient);
    call_world_settle(world, MILLISECONDS(10));
    call_world_release(&world->instances[0], 0);
    call_world_settle(world, SECONDS(5)); /* Far beyond the first ones' time. */
    assert_false(patient.ended);
    assert_in_range(world->instances[0].budget_ms, 9900, 10000);
    call_world_release(&world->instances[0], world->instances[0].held_count - 1);
    call_world_settle(world, MILLISECONDS(1));
    assert_true(patient.ended);
    assert_int_equal(patient.status, STATUS_OK);
}

static void an_entry_points_deadline_is_for_those_who_name_none(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 1);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[1].holds = true;
    for (uint32_t asker = 0; asker < 2; asker++) { /* From another node, and from its own. */
        int64_t before_ns = stepper_now_ns(world->stepper);
        call_world_expect(call_world_call(world, asker, "org.example:tax/brief", SECONDS(5)),
                          STATUS_DEADLINE);
        assert_in_range(stepper_now_ns(world->stepper) - before_ns, MILLISECONDS(100), MILLISECONDS(110));
        struct message *message = call_world_message("org.example:tax/brief");
        ((Pb__CallRequest *)message->body)->deadline_named = true;
        before_ns = stepper_now_ns(world->stepper);
        call_world_expect(call_world_ask(world, asker, message, SECONDS(2)), STATUS_DEADLINE);
        assert_in_range(stepper_now_ns(world->stepper) - before_ns, SECONDS(2),
                        SECONDS(2) + MILLISECONDS(10));
    }
}

static void circles_end(void **state)
{
    struct call_world *world = *state;
    static struct call_pending pending;
    call_world_activate(world, 1);
    call_world_settle(world, MILLISECONDS(1));
    call_world_begin(world, 0, outbound("org.example:a:1.0.0#1@node-1", CALL_DEPTH_MAX), SECONDS(5),
                     &pending);
    call_world_settle(world, MILLISECONDS(5));
    assert_int_equal(pending.status, STATUS_OK);
    assert_int_equal(world->instances[1].depth, CALL_DEPTH_MAX); /* Told on. */
    call_world_begin(world, 0, outbound("org.example:a:1.0.0#1@node-1", CALL_DEPTH_MAX + 1), SECONDS(5),
                     &pending);
    call_world_settle(world, MILLISECONDS(5));
    assert_int_equal(pending.status, STATUS_INVALID); /* Not OVERLOADED: each on the way would try again. */
    assert_non_null(strstr(pending.error.message, "deep"));
    assert_int_equal(world->instances[1].handled, 1);
}

/* --- what is refused before it goes anywhere
 * ---------------------------------------------------------------- */

static void what_is_too_large_is_refused_at_once(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 1);
    call_world_settle(world, MILLISECONDS(1));
    struct message *message = call_world_message(TAX_ORDER);
    char *payload = arena_alloc(&message->arena, AETHER_PAYLOAD_MAX + 2);
    memset(payload, 'x', AETHER_PAYLOAD_MAX + 1);
    ((Pb__CallRequest *)message->body)->payload = payload;
    call_world_expect(call_world_ask(world, 0, message, SECONDS(5)), STATUS_INVALID);
    message = call_world_message(TAX_ORDER);
    Pb__CallRequest *request = message->body;
    request->idempotency_key = arena_alloc(&message->arena, REPLY_CACHE_KEY_MAX + 1);
    memset(request->idempotency_key, 'k', REPLY_CACHE_KEY_MAX);
    call_world_expect(call_world_ask(world, 0, message, SECONDS(5)), STATUS_INVALID);
    message = call_world_message(TAX_ORDER);
    request = message->body;
    request->traceparent =
        wire_string(message, "0af7651916cd43dd8448eb211c80319c"); /* A request id's form. */
    call_world_expect(call_world_ask(world, 0, message, SECONDS(5)), STATUS_INVALID);
    assert_int_equal(call_world_handled(world), 0);
}

/* --- figures ---------------------------------------------------------------------------------------------
 */

static void figures_count_what_the_instance_answered(void **state)
{
    struct call_world *world = *state;
    static struct call_pending pending;
    call_world_activate(world, 0);
    call_world_settle(world, MILLISECONDS(1));
    for (int i = 0; i < 3; i++)
        call_world_expect(call_world_call(world, i, TAX_QUOTE, SECONDS(5)), STATUS_OK); /* Whoever asks. */
    world->instances[0].refuses = STATUS_APP_ERROR;
    call_world_expect(call_world_call(world, 0, TAX_QUOTE, SECONDS(5)), STATUS_APP_ERROR);
    world->instances[0].refuses = STATUS_OK;
    world->instances[0].holds = true;
    call_world_begin(world, 0, call_world_message(TAX_ORDER), SECONDS(20), &pending);
    call_world_settle(world, MILLISECONDS(7));
    struct message *message = wire_message_create(KIND_CALL_STATS_REQUEST);
    struct probe_result result = call_world_ask(world, 0, message, SECONDS(1));
    const Pb__CallStatsReply *stats = result.message->body;
    assert_int_equal(stats->n_instances, 1);
    assert_string_equal(stats->instances[0]->artifact, CALL_TAX);
    assert_true(stats->instances[0]->calls == 4 && stats->instances[0]->failed == 1);
    assert_true(stats->instances[0]->in_flight == 1 && stats->instances[0]->waiting == 0);
    message_destroy(&result.message);
    call_world_release(&world->instances[0], 0);
    call_world_settle(world, MILLISECONDS(1));
    message = wire_message_create(KIND_CALL_STATS_REQUEST);
    ((Pb__CallStatsRequest *)message->body)->artifact = wire_string(message, "org.example:tax");
    result = call_world_ask(world, 0, message, SECONDS(1));
    stats = result.message->body;
    assert_int_equal(stats->instances[0]->calls, 5);
    assert_in_range(stats->instances[0]->p99_us, 7000, 9000);
    message_destroy(&result.message);
}

#define CALL_TEST(name) cmocka_unit_test_setup_teardown(name, call_world_set_up, call_world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CALL_TEST(a_long_queue_at_home_sends_calls_away),
        CALL_TEST(load_is_told_in_replies),
        CALL_TEST(keys_move_only_with_their_instance),
        CALL_TEST(a_full_instance_keeps_its_keys),
        CALL_TEST(broken_connections_are_avoided_at_once),
        CALL_TEST(what_did_not_start_is_tried_elsewhere),
        CALL_TEST(the_budget_ends_retries_at_once),
        CALL_TEST(an_explanation_says_it_all),
        CALL_TEST(only_thirteen_words_are_told),
        CALL_TEST(one_caller_cannot_fill_a_queue),
        CALL_TEST(a_wait_keeps_its_own_deadline),
        CALL_TEST(an_entry_points_deadline_is_for_those_who_name_none),
        CALL_TEST(circles_end),
        CALL_TEST(what_is_too_large_is_refused_at_once),
        CALL_TEST(figures_count_what_the_instance_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
