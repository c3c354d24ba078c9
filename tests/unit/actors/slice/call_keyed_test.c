/* Goal: an idempotency key means one run and one answer, whoever asks and how often; a call that nobody wants
 * any more ends, here and wherever it went. Method: tests/support/call_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/messages.h"
#include "actors/slice/reply_cache.h"
#include "actors/slice/serving.h"
#include "runtime/base/check.h"
#include "runtime/port/transport.h"
#include "tests/support/call_world.h"
#include "wire/kinds.h"

#include <stdio.h>
#include <string.h>

#define TAX_ORDER "org.example:tax/order"

static void activate_all(struct call_world *world)
{
    for (uint32_t n = 0; n < CALL_NODES; n++)
        call_world_activate(world, n);
    call_world_settle(world, MILLISECONDS(1));
}

static void hold_all(struct call_world *world, bool holds)
{
    for (uint32_t n = 0; n < CALL_NODES; n++)
        world->instances[n].holds = holds;
}

static uint32_t held(const struct call_world *world)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < CALL_NODES; n++)
        count += world->instances[n].held_count;
    return count;
}

static uint32_t withdrawn(const struct call_world *world)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < CALL_NODES; n++)
        count += world->instances[n].withdrawn;
    return count;
}

static void release_all(struct call_world *world)
{
    for (uint32_t n = 0; n < CALL_NODES; n++)
        while (world->instances[n].held_count > 0)
            call_world_release(&world->instances[n], 0);
    call_world_settle(world, MILLISECONDS(5));
}

static struct message *keyed(const char *key, const char *payload)
{
    struct message *message = call_world_message(TAX_ORDER);
    Pb__CallRequest *request = message->body;
    request->idempotency_key = wire_string(message, key);
    request->payload = wire_string(message, payload);
    return message;
}

static struct message *tagged(struct message *message, uint64_t tag)
{
    message->tag = tag;
    return message;
}

/* --- keys -------------------------------------------------------------------------------------------------
 */

static void those_who_ask_meanwhile_hear_the_same(void **state)
{
    struct call_world *world = *state;
    static struct call_pending pending[6];
    activate_all(world);
    hold_all(world, true);
    for (uint32_t i = 0; i < ARRAY_COUNT(pending); i++) /* Of every node: a key is an affinity, too. */
        call_world_begin(world, i % CALL_NODES, keyed("k", "1"), SECONDS(20), &pending[i]);
    call_world_settle(world, MILLISECONDS(5));
    assert_int_equal(call_world_handled(world), 1);
    assert_int_equal(held(world), 1);
    release_all(world);
    for (uint32_t i = 0; i < ARRAY_COUNT(pending); i++) {
        assert_int_equal(pending[i].status, STATUS_OK);
        assert_string_equal(pending[i].payload, pending[0].payload);
    }
    call_world_expect(call_world_ask(world, 1, keyed("k", "1"), SECONDS(5)), STATUS_OK); /* Kept. */
    assert_int_equal(call_world_handled(world), 1);
    hold_all(world, false);
    call_world_expect(call_world_ask(world, 1, keyed("k", "2"), SECONDS(5)), STATUS_INVALID);
    call_world_expect(call_world_ask(world, 1, keyed("other", "2"), SECONDS(5)), STATUS_OK);
    assert_int_equal(call_world_handled(world), 2);
}

static void an_answer_is_kept_for_its_time(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 0);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[0].refuses = STATUS_APP_ERROR; /* The slice's own no is an answer. */
    call_world_expect(call_world_ask(world, 0, keyed("k", "1"), SECONDS(5)), STATUS_APP_ERROR);
    world->instances[0].refuses = STATUS_OK;
    call_world_settle(world, SECONDS(REPLY_CACHE_KEEP_S - 10));
    call_world_expect(call_world_ask(world, 0, keyed("k", "1"), SECONDS(5)), STATUS_APP_ERROR);
    assert_int_equal(world->instances[0].handled, 1);
    call_world_settle(world, SECONDS(20));
    call_world_expect(call_world_ask(world, 0, keyed("k", "1"), SECONDS(5)), STATUS_OK);
    assert_int_equal(world->instances[0].handled, 2);
}

/* What surely did not start, and a crash, leave the key as it was: with a key a call may be tried again. */
static void a_crash_may_be_tried_again(void **state)
{
    struct call_world *world = *state;
    activate_all(world);
    for (uint32_t n = 0; n < CALL_NODES; n++) {
        world->instances[n].refuses = STATUS_CRASHED;
        world->instances[n].refusals = 1;
    }
    struct probe_result result = call_world_ask(world, 0, keyed("k", "1"), SECONDS(5));
    assert_true(call_world_handled(world) > 1);
    call_world_expect(result, result.status);
}

static void a_deadline_is_its_callers_and_not_the_keys(void **state)
{
    struct call_world *world = *state;
    static struct call_pending hurried;
    call_world_activate(world, 1);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[1].holds = true;
    call_world_begin(world, 0, keyed("k", "1"), MILLISECONDS(200), &hurried);
    call_world_settle(world, SECONDS(1));
    assert_int_equal(hurried.status, STATUS_DEADLINE);
    assert_int_equal(withdrawn(world), 0);
    release_all(world); /* It ran on, and its answer is kept. */
    call_world_expect(call_world_ask(world, 0, keyed("k", "1"), SECONDS(5)), STATUS_OK);
    assert_int_equal(call_world_handled(world), 1);
}

static void a_withdrawn_key_is_spent(void **state)
{
    struct call_world *world = *state;
    static struct call_pending one;
    static struct call_pending other;
    call_world_activate(world, 0);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[0].holds = true;
    call_world_begin(world, 0, tagged(keyed("k", "1"), 71), SECONDS(20), &one);
    call_world_begin(world, 0, tagged(keyed("k", "1"), 72), SECONDS(20), &other);
    call_world_settle(world, MILLISECONDS(1));
    call_world_withdraw(world, 0, 71);
    call_world_settle(world, MILLISECONDS(1));
    assert_int_equal(one.status, STATUS_CANCELLED);
    assert_false(other.ended); /* Somebody else wants it. */
    assert_int_equal(withdrawn(world), 0);
    call_world_withdraw(world, 0, 72);
    call_world_settle(world, MILLISECONDS(1));
    assert_int_equal(other.status, STATUS_CANCELLED);
    assert_int_equal(withdrawn(world), 1);
    world->instances[0].holds = false;
    call_world_expect(call_world_ask(world, 0, keyed("k", "1"), SECONDS(5)), STATUS_CANCELLED);
    assert_int_equal(call_world_handled(world), 1); /* It may have run: not twice under one key. */
}

/* --- withdrawals
 * -------------------------------------------------------------------------------------------- */

static void a_call_is_withdrawn_where_it_is(void **state)
{
    struct call_world *world = *state;
    for (uint32_t serving = 0; serving < 2; serving++) { /* At home, then on another node. */
        static struct call_pending pending;
        call_world_activate(world, serving);
        if (serving == 1) call_world_announce(world, 0, KIND_INSTANCE_GONE);
        call_world_settle(world, MILLISECONDS(1));
        world->instances[serving].holds = true;
        call_world_begin(world, 0, tagged(call_world_message(TAX_ORDER), 71), SECONDS(20), &pending);
        call_world_settle(world, MILLISECONDS(5));
        assert_int_equal(world->instances[serving].held_count, 1);
        call_world_withdraw(world, 0, 72); /* Nobody's. */
        call_world_withdraw(world, 0, 0);
        call_world_settle(world, MILLISECONDS(5));
        assert_false(pending.ended);
        call_world_withdraw(world, 0, 71);
        call_world_settle(world, MILLISECONDS(5));
        assert_int_equal(pending.status, STATUS_CANCELLED);
        assert_non_null(strstr(pending.error.message, "may have run"));
        assert_int_equal(world->instances[serving].withdrawn, 1);
        world->instances[serving].holds = false;
        call_world_expect(call_world_call(world, 0, TAX_ORDER, SECONDS(5)),
                          STATUS_OK); /* Its place is free. */
    }
}

static void what_waits_is_withdrawn_unstarted(void **state)
{
    struct call_world *world = *state;
    static struct call_pending first[2];
    static struct call_pending waits;
    call_world_activate(world, 0);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[0].holds = true;
    for (size_t i = 0; i < ARRAY_COUNT(first); i++)
        call_world_begin(world, 0, call_world_message(TAX_ORDER), SECONDS(20), &first[i]);
    call_world_begin(world, 0, tagged(call_world_message(TAX_ORDER), 71), SECONDS(20), &waits);
    call_world_settle(world, MILLISECONDS(1));
    call_world_withdraw(world, 0, 71);
    call_world_settle(world, MILLISECONDS(1));
    assert_int_equal(waits.status, STATUS_CANCELLED);
    assert_non_null(strstr(waits.error.message, "had not started"));
    assert_int_equal(withdrawn(world), 0);
    release_all(world);
    assert_true(first[0].status == STATUS_OK && first[1].status == STATUS_OK);
    assert_int_equal(call_world_handled(world), 2);
}

static void what_pauses_is_withdrawn(void **state)
{
    struct call_world *world = *state;
    static struct call_pending pending;
    call_world_activate(world, 0);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[0].refuses = STATUS_OVERLOADED;
    call_world_begin(world, 0, tagged(call_world_message(TAX_ORDER), 71), SECONDS(20), &pending);
    call_world_withdraw(world, 0, 71); /* In its first pause. */
    call_world_settle(world, SECONDS(2));
    assert_int_equal(pending.status, STATUS_CANCELLED);
    assert_int_equal(call_world_handled(world), 1);
}

static void the_end_of_a_node_withdraws_its_calls(void **state)
{
    struct call_world *world = *state;
    static struct call_pending pending;
    call_world_activate(world, 1);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[1].holds = true;
    call_world_begin(world, 0, call_world_message(TAX_ORDER), SECONDS(20), &pending);
    call_world_settle(world, MILLISECONDS(5));
    assert_int_equal(world->instances[1].held_count, 1);
    agreed_crash(&world->agreed, 0);
    call_world_settle(world, MILLISECONDS(5));
    assert_int_equal(world->instances[1].withdrawn, 1);
    assert_int_equal(world->instances[1].held_count, 0);
}

#define CALL_TEST(name) cmocka_unit_test_setup_teardown(name, call_world_set_up, call_world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CALL_TEST(those_who_ask_meanwhile_hear_the_same),
        CALL_TEST(an_answer_is_kept_for_its_time),
        CALL_TEST(a_crash_may_be_tried_again),
        CALL_TEST(a_deadline_is_its_callers_and_not_the_keys),
        CALL_TEST(a_withdrawn_key_is_spent),
        CALL_TEST(a_call_is_withdrawn_where_it_is),
        CALL_TEST(what_waits_is_withdrawn_unstarted),
        CALL_TEST(what_pauses_is_withdrawn),
        CALL_TEST(the_end_of_a_node_withdraws_its_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
