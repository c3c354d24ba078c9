/* Goal: every call ends in exactly one outcome, at most one instance handles it unless that is harmless,
 * queues are bounded, and each bad outcome becomes an event (product.md section 6, DEP11). Method:
 * tests/support/call_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/messages.h"
#include "actors/slice/serving.h"
#include "actors/slice/slice_call.h"
#include "runtime/port/transport.h"
#include "tests/support/call_world.h"
#include "wire/kinds.h"
#include "wire/outcome.h"
#include "wire/proto/cluster.pb-c.h"

#include <stdio.h>
#include <string.h>

/* --- tests -------------------------------------------------------------------------------------------- */

static void local_instance_comes_first(void **state)
{
    struct call_world *world = *state;
    for (uint32_t n = 0; n < CALL_NODES; n++)
        call_world_activate(world, n);
    for (int i = 0; i < 20; i++)
        call_world_expect(call_world_call(world, 1, "org.example:tax/quote", SECONDS(5)), STATUS_OK);
    assert_int_equal(world->instances[1].handled, 20);
    assert_string_equal(world->instances[1].payload, "{\"sku\":\"A1\"}");
    assert_string_equal(world->instances[1].caller, "client-00000000@node-2");
}

static void other_nodes_are_reached(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 2);
    call_world_settle(world, MILLISECONDS(1));
    struct message *message = call_world_message("org.example:tax:1.0.0/quote");
    Pb__CallRequest *request = message->body;
    request->request_id = wire_string(message, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    struct probe_result result =
        probe_ask_name(world->agreed.nodes[0].runtime, TO_SLICE_CALL, &message, SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    const Pb__CallReply *reply = result.message->body;
    assert_string_equal(reply->payload, "{\"by\":3}");
    assert_string_equal(reply->node, "node-3");
    assert_int_equal(reply->instance, 3);
    assert_string_equal(reply->request_id, "0af7651916cd43dd8448eb211c80319c"); /* W3C traceparent. */
    assert_in_range(world->instances[2].budget_ms, 4900, 5001);                 /* Handed down. */
    message_destroy(&result.message);
}

static void remote_calls_are_spread(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 1);
    call_world_activate(world, 2);
    call_world_settle(world, MILLISECONDS(1));
    for (int i = 0; i < 60; i++)
        call_world_expect(call_world_call(world, 0, "org.example:tax/quote", SECONDS(5)), STATUS_OK);
    assert_true(world->instances[1].handled > 10);
    assert_true(world->instances[2].handled > 10);
}

static void affinity_sticks(void **state)
{
    struct call_world *world = *state;
    for (uint32_t n = 0; n < CALL_NODES; n++)
        call_world_activate(world, n);
    call_world_settle(world, MILLISECONDS(1));
    for (int i = 0; i < 20; i++) {
        struct message *message = call_world_message("org.example:tax/quote");
        ((Pb__CallRequest *)message->body)->affinity = wire_string(message, "customer-4711");
        call_world_expect(
            probe_ask_name(world->agreed.nodes[i % CALL_NODES].runtime, TO_SLICE_CALL, &message, SECONDS(5)),
            STATUS_OK);
    }
    uint32_t used = 0;
    for (uint32_t n = 0; n < CALL_NODES; n++)
        used += world->instances[n].handled > 0 ? 1 : 0;
    assert_int_equal(used, 1);
}

static void unknown_names_have_no_endpoint(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 0);
    call_world_settle(world, MILLISECONDS(1));
    call_world_expect(call_world_call(world, 0, "org.example:nothing/quote", SECONDS(5)), STATUS_NO_ENDPOINT);
    call_world_expect(call_world_call(world, 0, "org.example:tax/nothing", SECONDS(5)), STATUS_NO_ENDPOINT);
    call_world_expect(call_world_call(world, 0, "org.example:tax:2.0.0/quote", SECONDS(5)),
                      STATUS_NO_ENDPOINT);
    call_world_expect(call_world_call(world, 0, "no target", SECONDS(5)), STATUS_INVALID);
    call_world_settle(world, SECONDS(2));
    assert_true(call_world_has_event(world, "NO_ENDPOINT"));
}

static void bad_request_ids_are_invalid(void **state)
{
    struct call_world *world = *state;
    static const char *const bad[] = { "xyz", "0af7651916cd43dd8448eb211c80319",
                                       "00-0af7651916cd43dd8448eb211c80319",
                                       "00000000000000000000000000000000",
                                       "00-zzf7651916cd43dd8448eb211c80319c-1-01" };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct message *message = call_world_message("org.example:tax/quote");
        ((Pb__CallRequest *)message->body)->request_id = wire_string(message, bad[i]);
        call_world_expect(probe_ask_name(world->agreed.nodes[0].runtime, TO_SLICE_CALL, &message, SECONDS(5)),
                          STATUS_INVALID);
    }
}

static void failures_of_the_slice_are_not_retried(void **state)
{
    struct call_world *world = *state;
    for (uint32_t n = 0; n < CALL_NODES; n++)
        call_world_activate(world, n);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[0].refuses = STATUS_APP_ERROR;
    call_world_expect(call_world_call(world, 0, "org.example:tax/quote", SECONDS(5)), STATUS_APP_ERROR);
    assert_int_equal(world->instances[0].handled + world->instances[1].handled + world->instances[2].handled,
                     1);
}

static void crashed_calls_are_repeated_only_when_harmless(void **state) /* At most once. */
{
    struct call_world *world = *state;
    call_world_activate(world, 0);
    call_world_activate(world, 1);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[0].refuses = STATUS_CRASHED;
    call_world_expect(call_world_call(world, 0, "org.example:tax/order", SECONDS(5)), STATUS_CRASHED);
    assert_int_equal(world->instances[1].handled, 0);
    call_world_expect(call_world_call(world, 0, "org.example:tax/quote", SECONDS(5)),
                      STATUS_OK); /* READONLY */
    assert_int_equal(world->instances[1].handled, 1);
    call_world_settle(world, SECONDS(2));
    assert_true(call_world_has_event(world, "CRASHED"));
}

static void what_did_not_start_goes_elsewhere(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 1);
    call_world_activate(world, 2);
    call_world_settle(world, MILLISECONDS(1));
    call_world_announce(world, 1, KIND_INSTANCE_GONE); /* Its endpoint is still listed. */
    for (int i = 0; i < 10; i++)
        call_world_expect(call_world_call(world, 0, "org.example:tax/order", SECONDS(5)), STATUS_OK);
    assert_int_equal(world->instances[1].handled, 0);
    assert_int_equal(world->instances[2].handled, 10);
}

static void lost_node_ends_its_calls(void **state) /* FLT31 */
{
    struct call_world *world = *state;
    call_world_activate(world, 2);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[2].holds = true;
    struct message *message = call_world_message("org.example:tax/order");
    struct runtime *runtime = world->agreed.nodes[0].runtime;
    assert_int_equal(runtime_send(runtime, runtime_find(runtime, TO_SLICE_CALL), &message), STATUS_OK);
    call_world_settle(world, MILLISECONDS(5));
    assert_int_equal(world->instances[2].held_count, 1);
    message_destroy(&world->instances[2].held[0]);
    world->instances[2].held_count = 0;
    agreed_crash(&world->agreed, 2);
    call_world_settle(world, SECONDS(2));
    assert_true(call_world_has_event(world, "NODE_LOST"));
    /* Avoided at once, before anybody declared it lost. */
    call_world_expect(call_world_call(world, 0, "org.example:tax/order", SECONDS(5)), STATUS_NO_ENDPOINT);
}

static void set_fenced(struct call_world *world, uint32_t node, bool fenced)
{
    struct message *message = wire_message_create(KIND_NODE_FENCED);
    ((Pb__NodeFenced *)message->body)->fenced = fenced;
    struct runtime *runtime = world->agreed.nodes[node].runtime;
    probe_tell(runtime, runtime_find(runtime, TO_SLICE_CALL), &message);
}

/* A node that lost the cluster says NODE_LOST, and that it began nothing: so even what must not run twice
 * goes to another node. */
static void what_a_fenced_node_refused_goes_elsewhere(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 1);
    call_world_activate(world, 2);
    call_world_settle(world, MILLISECONDS(1));
    set_fenced(world, 1, true);
    for (int i = 0; i < 10; i++)
        call_world_expect(call_world_call(world, 0, "org.example:tax/order", SECONDS(5)), STATUS_OK);
    assert_int_equal(world->instances[1].handled, 0);
    assert_int_equal(world->instances[2].handled, 10);
}

static void silent_instances_cost_a_deadline(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 0);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[0].holds = true;
    int64_t before_ns = stepper_now_ns(world->stepper);
    call_world_expect(call_world_call(world, 0, "org.example:tax/quote", SECONDS(2)), STATUS_DEADLINE);
    assert_in_range(stepper_now_ns(world->stepper) - before_ns, SECONDS(2),
                    SECONDS(2) + MILLISECONDS(10)); /* ACT5 */
    call_world_settle(world, SECONDS(2));
    assert_true(call_world_has_event(world, "DEADLINE"));
}

static void queues_are_bounded(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 0);
    call_world_settle(world, MILLISECONDS(1));
    world->instances[0].holds = true;
    struct runtime *runtime = world->agreed.nodes[0].runtime;
    for (uint32_t i = 0; i < 2 + SERVING_WAITING_MAX; i++) {
        struct message *message = call_world_message("org.example:tax/order");
        assert_int_equal(runtime_send(runtime, runtime_find(runtime, TO_SLICE_CALL), &message), STATUS_OK);
    }
    call_world_settle(world, MILLISECONDS(1));
    assert_int_equal(world->instances[0].held_count, 2); /* concurrency-max of `order` */
    call_world_expect(call_world_call(world, 0, "org.example:tax/order", SECONDS(5)), STATUS_OVERLOADED);
    call_world_announce(world, 0, KIND_INSTANCE_GONE); /* Those who wait are told; nothing is left behind. */
    call_world_settle(world, SECONDS(40));
    call_world_announce(world, 0, KIND_INSTANCE_SERVING);
    world->instances[0].holds = false;
    call_world_expect(call_world_call(world, 0, "org.example:tax/order", SECONDS(5)), STATUS_OK);
}

static void fenced_node_refuses_those_outside(void **state) /* A8 */
{
    struct call_world *world = *state;
    call_world_activate(world, 0);
    call_world_settle(world, MILLISECONDS(1));
    set_fenced(world, 0, true);
    struct runtime *runtime = world->agreed.nodes[0].runtime;
    struct message *message = wire_message_create(KIND_INVOKE_REQUEST); /* As another node asks it. */
    Pb__InvokeRequest *invoke = message->body;
    invoke->artifact = wire_string(message, CALL_TAX);
    invoke->entry = wire_string(message, "quote");
    invoke->instance = 1;
    call_world_expect(probe_ask_name(runtime, TO_SLICE_CALL, &message, SECONDS(5)), STATUS_NODE_LOST);
    call_world_expect(call_world_call(world, 0, "org.example:tax/quote", SECONDS(5)),
                      STATUS_OK); /* Local ones go on. */
    message = message_create(KIND_SLICE_OUTBOUND, sizeof(struct slice_outbound));
    *(struct slice_outbound *)message->body =
        (struct slice_outbound){ .target = "org.example:tax/quote",
                                 .caller = "org.example:orders:1#1@node-1",
                                 .affinity = "",
                                 .idempotency_key = "" };
    struct bytes *payload = bytes_copy("1", 1);
    message_attach(message, &payload);
    call_world_expect(probe_ask_name(runtime, TO_SLICE_CALL, &message, SECONDS(5)), STATUS_OK);
    assert_string_equal(world->instances[0].caller, "org.example:orders:1#1@node-1");
}

static void say_fenced(struct actor *self, void *context, const struct message *message)
{
    const bool *fenced = context;
    if (message->kind != KIND_NODE_FENCED) return;
    struct message *reply = wire_message_create(KIND_NODE_FENCED);
    ((Pb__NodeFenced *)reply->body)->fenced = *fenced;
    actor_reply(self, message, &reply);
}

static enum status asked_from_outside(struct runtime *runtime)
{
    struct message *message = wire_message_create(KIND_INVOKE_REQUEST);
    Pb__InvokeRequest *invoke = message->body;
    invoke->artifact = wire_string(message, CALL_TAX);
    invoke->entry = wire_string(message, "quote");
    invoke->instance = 1;
    struct probe_result result = probe_ask_name(runtime, TO_SLICE_CALL, &message, SECONDS(5));
    message_destroy(&result.message);
    return result.status;
}

/* A8: what a supervisor starts again on a node that is cut off serves nobody outside, from its first turn on.
 */
static void one_that_starts_again_asks_whether_it_is_fenced(void **state)
{
    struct call_world *world = *state;
    bool fenced = true;
    struct actor_id id;
    struct error error;
    struct runtime *runtime =
        runtime_create(&(struct runtime_options){ .scheduler = world->stepper, .node = "node-9" });
    (void)stub_spawn(runtime, TO_MEMBERSHIP, say_fenced, &fenced);
    struct spawn_options spawn = { .options = &(struct slice_call_options){ .node = "node-9" },
                                   .name = TO_SLICE_CALL };
    assert_int_equal(runtime_spawn(runtime, &slice_call_behavior, &spawn, &id, &error), STATUS_OK);
    enum status first = asked_from_outside(runtime);
    assert_true(first == STATUS_NOT_READY || first == STATUS_NODE_LOST);
    call_world_settle(world, MILLISECONDS(1));
    assert_int_equal(asked_from_outside(runtime), STATUS_NODE_LOST);
    runtime_destroy(&runtime);
}

static void registry_lists_what_is_served(void **state)
{
    struct call_world *world = *state;
    call_world_activate(world, 0);
    call_world_activate(world, 2);
    call_world_settle(world, MILLISECONDS(1));
    struct message *message = wire_message_create(KIND_ENDPOINT_LIST_REQUEST);
    struct probe_result result =
        probe_ask_name(world->agreed.nodes[1].runtime, TO_ENDPOINT_REGISTRY, &message, SECONDS(1));
    assert_int_equal(result.status, STATUS_OK);
    const Pb__EndpointListReply *list = result.message->body;
    assert_int_equal(list->n_endpoints, 6);
    assert_string_equal(list->endpoints[2]->entry, "order");
    assert_string_equal(list->endpoints[0]->node, "node-1");
    message_destroy(&result.message);
    message = wire_message_create(KIND_ENDPOINT_LIST_REQUEST);
    ((Pb__EndpointListRequest *)message->body)->artifact = wire_string(message, "org.example:other");
    result = probe_ask_name(world->agreed.nodes[1].runtime, TO_ENDPOINT_REGISTRY, &message, SECONDS(1));
    assert_int_equal(((const Pb__EndpointListReply *)result.message->body)->n_endpoints, 0);
    message_destroy(&result.message);
}

#define CALL_TEST(name) cmocka_unit_test_setup_teardown(name, call_world_set_up, call_world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CALL_TEST(local_instance_comes_first),
        CALL_TEST(other_nodes_are_reached),
        CALL_TEST(remote_calls_are_spread),
        CALL_TEST(affinity_sticks),
        CALL_TEST(unknown_names_have_no_endpoint),
        CALL_TEST(bad_request_ids_are_invalid),
        CALL_TEST(failures_of_the_slice_are_not_retried),
        CALL_TEST(crashed_calls_are_repeated_only_when_harmless),
        CALL_TEST(what_did_not_start_goes_elsewhere),
        CALL_TEST(lost_node_ends_its_calls),
        CALL_TEST(what_a_fenced_node_refused_goes_elsewhere),
        CALL_TEST(silent_instances_cost_a_deadline),
        CALL_TEST(queues_are_bounded),
        CALL_TEST(fenced_node_refuses_those_outside),
        CALL_TEST(one_that_starts_again_asks_whether_it_is_fenced),
        CALL_TEST(registry_lists_what_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
