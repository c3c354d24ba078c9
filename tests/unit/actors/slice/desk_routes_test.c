/* Goal: a slice's call goes straight to the instance that TO_SLICE_CALL lately told of, and ends as if it had
 * gone by it: what surely did not start, or may be repeated, goes round; failures and figures are told to it.
 * Method: an actor with routes of its own between a stub of slice_call and a stub of an instance. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "actors/slice/desk_routes.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "tests/support/probe.h"
#include "tests/support/stage.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { KIND_CALL_IT = KIND_SLICE_SWEEP, KIND_TELL = KIND_SLICE_HEALTH };

struct world {
    struct desk_routes routes;
    /* What is called, */
    const char *affinity;
    const char *key;
    uint64_t tag;
    uint64_t withdraw; /* Right after it was begun; 0: nothing. */
    /* and what came of it. */
    uint32_t ended;
    enum status status;
    char answer[32];
    /* The stubs. */
    enum status instance_says;
    uint32_t around;
    uint32_t direct;
    uint64_t withdrawn_around;
    uint64_t withdrawn_direct;
    struct slice_route_used used;
    uint32_t used_count;
};

static void on_end(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)self, (void)state;
    struct world *world = context;
    world->ended++;
    world->status = result->status;
    if (result->status != STATUS_OK) return;
    const struct bytes *payload = result->message->attachment;
    (void)snprintf(world->answer, sizeof world->answer, "%.*s", (int)payload->size,
                   (const char *)payload->data);
}

static void call_it(struct actor *self, struct world *world)
{
    const struct slice_frame frame = { .payload = "?", .payload_size = 1 };
    const struct desk_call call = { .target = "org.test:other/thing",
                                    .affinity = world->affinity,
                                    .idempotency_key = world->key,
                                    .caller = "org.test:one:1.0.0#1@n1",
                                    .frame = &frame,
                                    .tag = world->tag,
                                    .request_id = { 7, 7 },
                                    .budget_ns = SECONDS(10),
                                    .deadline_named = true };
    desk_routes_call(self, &world->routes, &call, on_end, world);
    if (world->withdraw != 0) desk_routes_withdraw(self, &world->routes, world->withdraw);
}

static void caller_handle(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    if (message->kind == KIND_CALL_IT) call_it(self, world);
    if (message->kind == KIND_TELL) desk_routes_tell(self, &world->routes);
    if (message->kind == KIND_SLICE_ROUTE) desk_routes_learn(self, &world->routes, message->body);
}

static void answer(struct actor *self, const struct message *request, const char *text)
{
    struct message *reply = wire_message_create(KIND_INVOKE_REPLY);
    struct bytes *payload = bytes_copy(text, strlen(text));
    message_attach(reply, &payload);
    actor_reply(self, request, &reply);
}

static void slice_call_handle(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    if (message->kind == KIND_SLICE_OUTBOUND) {
        world->around++;
        assert_string_equal(((const struct slice_outbound *)message->body)->target, "org.test:other/thing");
        answer(self, message, "around");
    } else if (message->kind == KIND_SLICE_ROUTE_USED) {
        world->used = *(const struct slice_route_used *)message->body;
        world->used_count++;
    } else if (message->kind == KIND_CALL_WITHDRAWN) {
        world->withdrawn_around = ((const struct call_withdrawn *)message->body)->tag;
    }
}

static void instance_handle(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    if (message->kind == KIND_INVOKE_WITHDRAWN) {
        world->withdrawn_direct = ((const struct invoke_withdrawn *)message->body)->tag;
        return;
    }
    const Pb__InvokeRequest *request = message->body;
    world->direct++;
    assert_string_equal(request->artifact, "org.test:other:1.0.0");
    assert_string_equal(request->entry, "thing");
    assert_int_equal(request->instance, 3);
    if (world->instance_says == STATUS_OK) answer(self, message, "direct");
    else actor_refuse(self, message, world->instance_says);
}

struct scene {
    struct stage *stage;
    struct world world;
    struct actor_id caller;
    struct actor_id instance;
};

static void scene_init(struct scene *scene, void **state)
{
    *scene = (struct scene){ .stage = *state, .world = { .affinity = "", .key = "", .tag = 42 } };
    struct runtime *runtime = scene->stage->runtime;
    (void)stub_spawn(runtime, TO_SLICE_CALL, slice_call_handle, &scene->world);
    scene->instance = stub_spawn(runtime, 0, instance_handle, &scene->world);
    scene->caller = stub_spawn(runtime, 0, caller_handle, &scene->world);
}

static void tell(struct scene *scene, uint32_t kind)
{
    struct message *message = message_create(kind, 0);
    probe_tell(scene->stage->runtime, scene->caller, &message);
    stage_settle(scene->stage);
}

static void learn(struct scene *scene, bool repeatable)
{
    struct message *message = message_create(KIND_SLICE_ROUTE, sizeof(struct slice_route));
    *(struct slice_route *)message->body = (struct slice_route){ .target = "org.test:other/thing",
                                                                 .artifact = "org.test:other:1.0.0",
                                                                 .entry = "thing",
                                                                 .instance = 3,
                                                                 .actor = scene->instance,
                                                                 .repeatable = repeatable };
    probe_tell(scene->stage->runtime, scene->caller, &message);
    stage_settle(scene->stage);
}

static void assert_called(struct scene *scene, enum status status, uint32_t around, uint32_t direct)
{
    uint32_t ended = scene->world.ended;
    tell(scene, KIND_CALL_IT);
    assert_int_equal(scene->world.ended, ended + 1);
    assert_int_equal(scene->world.status, status);
    assert_int_equal(scene->world.around, around);
    assert_int_equal(scene->world.direct, direct);
}

static void a_route_holds_for_a_while(void **state)
{
    struct scene scene;
    scene_init(&scene, state);
    assert_called(&scene, STATUS_OK, 1, 0);
    assert_string_equal(scene.world.answer, "around");
    learn(&scene, false);
    assert_called(&scene, STATUS_OK, 1, 1);
    assert_string_equal(scene.world.answer, "direct");
    scene.world.affinity = "key";
    assert_called(&scene, STATUS_OK, 2, 1);
    scene.world.affinity = "";
    scene.world.key = "once";
    assert_called(&scene, STATUS_OK, 3, 1);
    scene.world.key = "";
    stepper_run_until(scene.stage->stepper, stepper_now_ns(scene.stage->stepper) + SLICE_ROUTE_NS);
    assert_called(&scene, STATUS_OK, 4, 1);
    desk_routes_fini(&scene.world.routes);
}

static void what_did_not_start_goes_round(void **state)
{
    static const enum status unstarted[] = { STATUS_NOT_READY, STATUS_OVERLOADED, STATUS_NO_ENDPOINT,
                                             STATUS_NOT_FOUND };
    struct scene scene;
    scene_init(&scene, state);
    for (uint32_t i = 0; i < ARRAY_COUNT(unstarted); i++) {
        scene.world.instance_says = unstarted[i];
        learn(&scene, false);
        assert_called(&scene, STATUS_OK, 2 * i + 1, i + 1);
        assert_called(&scene, STATUS_OK, 2 * i + 2, i + 1); /* It leads nowhere, and is forgotten. */
    }
    desk_routes_fini(&scene.world.routes);
}

static void what_may_have_run_goes_round_only_if_it_may_be_repeated(void **state)
{
    struct scene scene;
    scene_init(&scene, state);
    scene.world.instance_says = STATUS_CRASHED;
    learn(&scene, false);
    assert_called(&scene, STATUS_CRASHED, 0, 1);
    scene.world.instance_says = STATUS_CANCELLED; /* The instance ended under it: nobody withdrew it. */
    assert_called(&scene, STATUS_CRASHED, 0, 2);
    scene.world.instance_says = STATUS_APP_ERROR;
    assert_called(&scene, STATUS_APP_ERROR, 0, 3);
    learn(&scene, true);
    assert_called(&scene, STATUS_APP_ERROR, 0, 4);
    scene.world.instance_says = STATUS_CRASHED;
    assert_called(&scene, STATUS_OK, 1, 5);
    desk_routes_fini(&scene.world.routes);
}

static void figures_and_failures_are_told(void **state)
{
    struct scene scene;
    scene_init(&scene, state);
    learn(&scene, false);
    for (uint32_t i = 1; i <= 5; i++)
        assert_called(&scene, STATUS_OK, 0, i);
    scene.world.instance_says = STATUS_CRASHED;
    assert_called(&scene, STATUS_CRASHED, 0, 6);
    tell(&scene, KIND_TELL);
    assert_int_equal(scene.world.used_count, 1);
    assert_int_equal(scene.world.used.took.total, 6);
    assert_int_equal(scene.world.used.failed[STATUS_CRASHED], 1);
    assert_int_equal(scene.world.used.first_failure.low, 7);
    assert_string_equal(scene.world.used.key.artifact, "org.test:other:1.0.0");
    assert_string_equal(scene.world.used.target, "org.test:other/thing");
    tell(&scene, KIND_TELL); /* Once. */
    assert_int_equal(scene.world.used_count, 1);
    desk_routes_fini(&scene.world.routes);
}

static void a_withdrawal_finds_the_call(void **state)
{
    struct scene scene;
    scene_init(&scene, state);
    scene.world.withdraw = scene.world.tag;
    scene.world.instance_says = STATUS_CANCELLED;
    assert_called(&scene, STATUS_OK, 1, 0); /* The stub is quicker. */
    assert_int_equal(scene.world.withdrawn_around, scene.world.tag);
    learn(&scene, true);
    scene.world.withdrawn_around = 0;
    assert_called(&scene, STATUS_CANCELLED, 1, 1);
    assert_int_equal(scene.world.withdrawn_direct, scene.world.tag);
    assert_int_equal(scene.world.withdrawn_around, 0);
    desk_routes_fini(&scene.world.routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_route_holds_for_a_while, stage_set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(what_did_not_start_goes_round, stage_set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(what_may_have_run_goes_round_only_if_it_may_be_repeated, stage_set_up,
                                        stage_tear_down),
        cmocka_unit_test_setup_teardown(figures_and_failures_are_told, stage_set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(a_withdrawal_finds_the_call, stage_set_up, stage_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
