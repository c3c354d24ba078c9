/* Goal: what actor.h promises holds, one promise a test, on the stepper.
 * Method: stubs and small behaviors; every test ends with an ordered stop, so that ASan sees what stays
 * behind. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/base/memory.h"
#include "runtime/machine.h"
#include "tests/support/probe.h"
#include "tests/support/stage.h"

#include <stdio.h>
#include <string.h>

enum { KIND_PING = 1000, KIND_PONG, KIND_TICK, KIND_GO, KIND_OTHER };
enum { TO_TARGET = 5, TO_OTHER = 6 };

static struct message *numbered(uint32_t kind, uint64_t number)
{
    struct message *message = message_create(kind, sizeof number);
    *(uint64_t *)message->body = number;
    return message;
}

static uint64_t number_of(const struct message *message)
{
    return *(const uint64_t *)message->body;
}

/* --- asks --------------------------------------------------------------------------------------------- */

static void answer_plus_one(struct actor *self, void *context, const struct message *message)
{
    (void)context;
    struct message *reply = numbered(KIND_PONG, number_of(message) + 1);
    actor_reply(self, message, &reply);
    assert_null(reply);
    reply = numbered(KIND_PONG, 0);
    actor_reply(self, message, &reply); /* A second answer goes nowhere. */
    actor_refuse(self, message, STATUS_DENIED);
}

static void a_reply_completes_an_ask(void **state)
{
    struct stage *stage = *state;
    struct actor_id target = stub_spawn(stage->runtime, TO_TARGET, answer_plus_one, NULL);
    struct message *ping = numbered(KIND_PING, 41);
    struct probe_result result = probe_ask(stage->runtime, target, &ping, SECONDS(1));
    assert_true(result.completed);
    assert_int_equal(result.status, STATUS_OK);
    assert_int_equal(result.message->kind, KIND_PONG);
    assert_int_equal(number_of(result.message), 42);
    assert_true(actor_id_equal(result.message->sender, target));
    assert_int_equal(stepper_now_ns(stage->stepper), 0);
    message_destroy(&result.message);
}

static void refuse_with_story(struct actor *self, void *context, const struct message *message)
{
    (void)context;
    struct error error;
    (void)error_set(&error, STATUS_CONFLICT, "rev %d is not %d", 1, 2);
    actor_refuse_error(self, message, &error);
}

static void a_refusal_carries_its_story(void **state)
{
    struct stage *stage = *state;
    (void)stub_spawn(stage->runtime, TO_TARGET, refuse_with_story, NULL);
    struct message *ping = message_create(KIND_PING, 0);
    struct probe_result result = probe_ask_name(stage->runtime, TO_TARGET, &ping, SECONDS(1));
    assert_int_equal(result.status, STATUS_CONFLICT);
    assert_string_equal(result.error.message, "rev 1 is not 2");
}

static void stay_silent(struct actor *self, void *context, const struct message *message)
{
    (void)self, (void)message;
    if (context != NULL) ++*(int *)context;
}

static void silence_ends_with_the_deadline(void **state)
{
    struct stage *stage = *state;
    (void)stub_spawn(stage->runtime, TO_TARGET, stay_silent, NULL);
    struct message *ping = message_create(KIND_PING, 0);
    struct probe_result result = probe_ask_name(stage->runtime, TO_TARGET, &ping, MILLISECONDS(250));
    assert_int_equal(result.status, STATUS_DEADLINE);
    assert_int_equal(stepper_now_ns(stage->stepper), MILLISECONDS(250));
}

static void asking_nobody_is_not_found(void **state)
{
    struct stage *stage = *state;
    struct message *ping = message_create(KIND_PING, 0);
    struct probe_result result = probe_ask_name(stage->runtime, TO_TARGET, &ping, 0);
    assert_int_equal(result.status, STATUS_NOT_FOUND);
    ping = message_create(KIND_PING, 0);
    result = probe_ask(stage->runtime, (struct actor_id){ 4000000000u, 1 }, &ping, 0);
    assert_int_equal(result.status, STATUS_NOT_FOUND);
    ping = message_create(KIND_PING, 0);
    result = probe_ask_name(stage->runtime, 100000, &ping, 0);
    assert_int_equal(result.status, STATUS_NOT_FOUND);
}

struct parked {
    struct message *message;
    int64_t deadline_ns;
};

static void park_then_reply(struct actor *self, void *context, const struct message *message)
{
    struct parked *parked = context;
    if (message->kind == KIND_PING) {
        parked->message = actor_keep(self);
        parked->deadline_ns = message->deadline_ns;
        return;
    }
    struct message *reply = numbered(KIND_PONG, 7);
    actor_reply(self, parked->message, &reply);
    message_destroy(&parked->message);
}

static void nudge(void *context, uint64_t tag)
{
    struct stage *stage = context;
    struct message *go = message_create((uint32_t)tag, 0);
    enum status status = runtime_send(stage->runtime, runtime_find(stage->runtime, TO_TARGET), &go);
    assert_int_equal(status, STATUS_OK);
}

static void a_kept_ask_is_answered_later(void **state)
{
    struct stage *stage = *state;
    struct parked parked = { 0 };
    (void)stub_spawn(stage->runtime, TO_TARGET, park_then_reply, &parked);
    stepper_call_at(stage->stepper, MILLISECONDS(30), nudge, stage, KIND_GO);
    struct message *ping = message_create(KIND_PING, 0);
    struct probe_result result = probe_ask_name(stage->runtime, TO_TARGET, &ping, SECONDS(1));
    assert_int_equal(result.status, STATUS_OK);
    assert_int_equal(stepper_now_ns(stage->stepper), MILLISECONDS(30));
    assert_int_equal(parked.deadline_ns, SECONDS(1));
    message_destroy(&result.message);
}

static void forward_to_other(struct actor *self, void *context, const struct message *message)
{
    (void)context, (void)message;
    struct message *kept = actor_keep(self);
    actor_forward(self, actor_find(self, TO_OTHER), &kept);
    assert_null(kept);
}

static void a_forwarded_ask_is_answered_by_the_last(void **state)
{
    struct stage *stage = *state;
    (void)stub_spawn(stage->runtime, TO_TARGET, forward_to_other, NULL);
    struct message *ping = numbered(KIND_PING, 1);
    struct probe_result result = probe_ask_name(stage->runtime, TO_TARGET, &ping, SECONDS(1));
    assert_int_equal(result.status, STATUS_NOT_FOUND); /* The other isn't there yet. */
    (void)stub_spawn(stage->runtime, TO_OTHER, answer_plus_one, NULL);
    ping = numbered(KIND_PING, 1);
    result = probe_ask_name(stage->runtime, TO_TARGET, &ping, SECONDS(1));
    assert_int_equal(result.status, STATUS_OK);
    assert_int_equal(number_of(result.message), 2);
    message_destroy(&result.message);
}

/* Asks on behalf of what it was asked, with a longer timeout than it has. */
struct middle {
    struct message *question;
    struct request_id id_inside;
    struct request_id id_after;
    int64_t inner_deadline_ns;
};

static void middle_answered(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct middle *middle = context;
    struct message *note = message_create(KIND_OTHER, 0);
    actor_tell(self, actor_self(self), &note);
    assert_int_equal(result->status, STATUS_DEADLINE);
    actor_refuse_error(self, middle->question, result->error);
    message_destroy(&middle->question);
}

static void middle_handle(struct actor *self, void *context, const struct message *message)
{
    struct middle *middle = context;
    if (message->kind == KIND_OTHER) {
        middle->id_after = message->request_id;
        return;
    }
    middle->question = actor_keep(self);
    struct message *inner = message_create(KIND_GO, 0);
    actor_ask_name(self, TO_OTHER, &inner, SECONDS(60), middle_answered, middle);
}

static void note_inner(struct actor *self, void *context, const struct message *message)
{
    (void)self;
    struct middle *middle = context;
    middle->id_inside = message->request_id;
    middle->inner_deadline_ns = message->deadline_ns;
}

static void nested_work_inherits_deadline_and_request_id(void **state)
{
    struct stage *stage = *state;
    struct middle middle = { 0 };
    (void)stub_spawn(stage->runtime, TO_TARGET, middle_handle, &middle);
    (void)stub_spawn(stage->runtime, TO_OTHER, note_inner, &middle);
    struct message *ping = message_create(KIND_PING, 0);
    ping->request_id = (struct request_id){ 3, 4 };
    struct probe_result result = probe_ask_name(stage->runtime, TO_TARGET, &ping, SECONDS(2));
    assert_int_equal(result.status, STATUS_DEADLINE);
    assert_int_equal(stepper_now_ns(stage->stepper), SECONDS(2));
    assert_int_equal(middle.inner_deadline_ns, SECONDS(2)); /* Capped: not 60 s. */
    stage_settle(stage);
    assert_int_equal(middle.id_inside.low, 4);
    assert_int_equal(middle.id_after.high, 3); /* The completion works for the same request. */
}

/* --- mailboxes ---------------------------------------------------------------------------------------- */

struct flood {
    uint32_t handled;
    uint64_t last;
    bool in_order;
};

static void flood_handle(struct actor *self, void *state, const struct message *message)
{
    (void)self;
    struct flood *flood = *(struct flood **)state;
    if (flood->handled > 0 && number_of(message) <= flood->last) flood->in_order = false;
    flood->last = number_of(message);
    flood->handled++;
}

static enum status flood_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    memcpy(state, &options, sizeof options);
    return STATUS_OK;
}

static void a_full_mailbox_refuses(void **state) /* ACT4 */
{
    struct stage *stage = *state;
    struct flood flood = { .in_order = true };
    const struct behavior behavior = { .name = "flood",
                                       .state_size = 8,
                                       .mailbox_capacity = 10,
                                       .init = flood_init,
                                       .otherwise = flood_handle };
    struct actor_id id;
    assert_int_equal(
        runtime_spawn(stage->runtime, &behavior, &(struct spawn_options){ .options = &flood }, &id, NULL),
        STATUS_OK);
    for (uint64_t i = 0; i < 10; i++) {
        stage_send(stage, id, numbered(KIND_PING, i));
    }
    struct message *surplus = numbered(KIND_PING, 10);
    assert_int_equal(runtime_send(stage->runtime, id, &surplus), STATUS_OVERLOADED);
    assert_non_null(surplus); /* Still ours. */
    stage_settle(stage);
    assert_int_equal(flood.handled, 10);
    assert_int_equal(runtime_send(stage->runtime, id, &surplus), STATUS_OK);
    stage_settle(stage);
    assert_int_equal(flood.handled, 11);
    assert_true(flood.in_order);
    assert_true(runtime_stop(stage->runtime, SECONDS(1)));
}

static void drop_oldest_keeps_the_newest(void **state)
{
    struct stage *stage = *state;
    struct flood flood = { .in_order = true };
    const struct behavior behavior = { .name = "flood",
                                       .state_size = 8,
                                       .mailbox_capacity = 10,
                                       .policy = MAILBOX_DROP_OLDEST,
                                       .init = flood_init,
                                       .otherwise = flood_handle };
    struct actor_id id;
    assert_int_equal(
        runtime_spawn(stage->runtime, &behavior, &(struct spawn_options){ .options = &flood }, &id, NULL),
        STATUS_OK);
    for (uint64_t i = 0; i < 15; i++) {
        stage_send(stage, id, numbered(KIND_PING, i));
    }
    stage_settle(stage);
    assert_int_equal(flood.handled, 10);
    assert_int_equal(flood.last, 14);
    assert_true(flood.in_order);
    assert_true(runtime_stop(stage->runtime, SECONDS(1)));
}

static void drop_oldest_has_room_by_default(void **state)
{
    struct stage *stage = *state;
    struct flood flood = { .in_order = true };
    const struct behavior behavior = { .name = "flood",
                                       .state_size = 8,
                                       .policy = MAILBOX_DROP_OLDEST,
                                       .init = flood_init,
                                       .otherwise = flood_handle };
    struct actor_id id;
    assert_int_equal(
        runtime_spawn(stage->runtime, &behavior, &(struct spawn_options){ .options = &flood }, &id, NULL),
        STATUS_OK);
    for (uint64_t i = 0; i < 1500; i++) {
        stage_send(stage, id, numbered(KIND_PING, i));
    }
    stage_settle(stage);
    assert_int_equal(flood.handled, 1024);
    assert_int_equal(flood.last, 1499);
    assert_true(runtime_stop(stage->runtime, SECONDS(1)));
}

static void stop_overtakes_a_full_user_lane(void **state)
{
    struct stage *stage = *state;
    int handled = 0;
    struct actor_id id = stub_spawn(stage->runtime, 0, stay_silent, &handled);
    for (int i = 0; i < 1024; i++) {
        stage_send(stage, id, message_create(KIND_PING, 0));
    }
    struct message *stop = message_create(KIND_STOP, 0);
    stop->lane = LANE_SYSTEM;
    stage_send(stage, id, stop);
    stage_settle(stage);
    assert_int_equal(handled, 0);
    assert_int_equal(runtime_dropped(stage->runtime), 1024); /* ACT3: none of them vanished uncounted. */
    struct message *late = message_create(KIND_PING, 0);
    assert_int_equal(runtime_send(stage->runtime, id, &late), STATUS_NOT_FOUND);
    message_destroy(&late);
}

/* --- timers ------------------------------------------------------------------------------------------- */

struct clockwork {
    int64_t at[16];
    uint64_t tag[16];
    uint32_t count;
    struct timer_id cancelled;
};

static void clockwork_handle(struct actor *self, void *context, const struct message *message)
{
    struct clockwork *clockwork = context;
    if (message->kind == KIND_GO) {
        (void)actor_after(self, MILLISECONDS(20), KIND_TICK, 20);
        (void)actor_after(self, MILLISECONDS(5), KIND_TICK, 5);
        (void)actor_after(self, MILLISECONDS(5), KIND_TICK, 6); /* Same instant: in order of arming. */
        clockwork->cancelled = actor_after(self, MILLISECONDS(5), KIND_TICK, 7);
        (void)actor_after(self, 0, KIND_TICK, 0);
        return;
    }
    clockwork->at[clockwork->count] = actor_now_ns(self);
    clockwork->tag[clockwork->count++] = message->tag;
    if (message->tag == 5) { /* The cancelled one has fired already, and must not arrive. */
        actor_cancel(self, &clockwork->cancelled);
        assert_int_equal(clockwork->cancelled.value, 0);
        actor_cancel(self, &clockwork->cancelled);
    }
}

static void timers_arrive_in_order_and_cancelled_ones_never(void **state)
{
    struct stage *stage = *state;
    struct clockwork clockwork = { 0 };
    struct actor_id id = stub_spawn(stage->runtime, 0, clockwork_handle, &clockwork);
    stage_send(stage, id, message_create(KIND_GO, 0));
    stepper_run_until(stage->stepper, SECONDS(1));
    const uint64_t tags[] = { 0, 5, 6, 20 };
    const int64_t times[] = { 0, MILLISECONDS(5), MILLISECONDS(5), MILLISECONDS(20) };
    assert_int_equal(clockwork.count, 4);
    assert_memory_equal(clockwork.tag, tags, sizeof tags);
    assert_memory_equal(clockwork.at, times, sizeof times);
}

static void every_handle(struct actor *self, void *context, const struct message *message)
{
    struct clockwork *clockwork = context;
    if (message->kind == KIND_GO) {
        clockwork->cancelled = actor_every(self, MILLISECONDS(100), KIND_TICK);
        return;
    }
    clockwork->at[clockwork->count++] = actor_now_ns(self);
    if (clockwork->count == 5) actor_cancel(self, &clockwork->cancelled);
}

static void a_periodic_timer_does_not_drift(void **state)
{
    struct stage *stage = *state;
    struct clockwork clockwork = { 0 };
    struct actor_id id = stub_spawn(stage->runtime, 0, every_handle, &clockwork);
    stage_send(stage, id, message_create(KIND_GO, 0));
    stepper_run_until(stage->stepper, SECONDS(10));
    assert_int_equal(clockwork.count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(clockwork.at[i], MILLISECONDS(100) * (i + 1));
    }
}

/* --- what else --------------------------------------------------------------------------------------- */

static void kept_asks_are_refused_when_their_keeper_ends(void **state)
{
    struct stage *stage = *state;
    struct parked parked = { 0 };
    struct actor_id id = stub_spawn(stage->runtime, TO_TARGET, park_then_reply, &parked);
    struct message *stop = message_create(KIND_STOP, 0);
    stop->lane = LANE_SYSTEM;
    struct message *ping = message_create(KIND_PING, 0);
    stepper_call_at(stage->stepper, MILLISECONDS(10), nudge, stage, KIND_STOP);
    struct probe_result result = probe_ask(stage->runtime, id, &ping, SECONDS(5));
    assert_int_equal(result.status, STATUS_CANCELLED); /* It had it: NOT_FOUND would say that it had not. */
    assert_int_equal(stepper_now_ns(stage->stepper), MILLISECONDS(10));
    message_destroy(&parked.message);
    message_destroy(&stop);
}

static void an_unknown_kind_is_refused_or_dropped(void **state)
{
    struct stage *stage = *state;
    const struct behavior deaf = { .name = "deaf" };
    struct actor_id id;
    assert_int_equal(runtime_spawn(stage->runtime, &deaf, NULL, &id, NULL), STATUS_OK);
    struct message *ping = message_create(KIND_PING, 0);
    struct probe_result result = probe_ask(stage->runtime, id, &ping, SECONDS(1));
    assert_int_equal(result.status, STATUS_INVALID);
    stage_send(stage, id, message_create(KIND_PING, 0));
    stage_settle(stage);
    assert_true(runtime_stop(stage->runtime, SECONDS(1)));
}

static void log_handle(struct actor *self, void *context, const struct message *message)
{
    (void)context, (void)message;
    log_debug(self, "test.below", "not shown");
    log_warn(self, "test.happened", "what=%s", "a\nb\x1b[31m");
}

static void logs_are_filtered_and_harmless(void **state)
{
    struct stage *stage = *state;
    struct actor_id id = stub_spawn(stage->runtime, 0, log_handle, NULL);
    stage_send(stage, id, message_create(KIND_GO, 0));
    stage_settle(stage);
    assert_string_equal(stage->log, "2 n1 stub test.happened what=a b [31m");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_set_up, stage_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_reply_completes_an_ask),
        TEST(a_refusal_carries_its_story),
        TEST(silence_ends_with_the_deadline),
        TEST(asking_nobody_is_not_found),
        TEST(a_kept_ask_is_answered_later),
        TEST(a_forwarded_ask_is_answered_by_the_last),
        TEST(nested_work_inherits_deadline_and_request_id),
        TEST(a_full_mailbox_refuses),
        TEST(drop_oldest_keeps_the_newest),
        TEST(drop_oldest_has_room_by_default),
        TEST(stop_overtakes_a_full_user_lane),
        TEST(timers_arrive_in_order_and_cancelled_ones_never),
        TEST(a_periodic_timer_does_not_drift),
        TEST(kept_asks_are_refused_when_their_keeper_ends),
        TEST(an_unknown_kind_is_refused_or_dropped),
        TEST(logs_are_filtered_and_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
