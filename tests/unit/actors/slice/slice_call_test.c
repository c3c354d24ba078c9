/* Goal: every call ends in exactly one outcome, at most one instance handles it unless that is harmless,
 * queues are bounded, and each bad outcome becomes an event (product.md section 6, DEP11). Method: the
 * slice_call actors of three nodes on the stepper over one agreed state (support/agreed), which also carries
 * their frames; instances are stand-ins that answer, hold or fail as the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/endpoint_registry.h"
#include "actors/slice/messages.h"
#include "actors/slice/serving.h"
#include "actors/slice/slice_call.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/port/transport.h"
#include "tests/support/agreed.h"
#include "tests/support/commands.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <string.h>

#define TAX    "org.example:tax:1.0.0"
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

enum { NODES = 3, HELD_MAX = 600 };

struct instance { /* The stand-in of one instance. */
    struct agreed_node *node;
    struct actor_id actor;
    uint32_t handled;
    bool holds;
    enum status refuses;
    struct message *held[HELD_MAX];
    uint32_t held_count;
    char caller[128];
    char payload[64];
    uint64_t budget_ms;
};

struct world {
    struct scheduler *stepper;
    struct agreed agreed;
    struct instance instances[NODES]; /* Instance n + 1 of TAX, on node n. */
};

static void on_instance(struct actor *self, void *context, const struct message *message)
{
    struct instance *instance = context;
    if (message->kind != KIND_INVOKE_REQUEST) return;
    const Pb__InvokeRequest *invoke = message->body;
    instance->handled++;
    instance->budget_ms = invoke->budget_ms;
    (void)text_copy(instance->caller, sizeof(instance->caller), invoke->caller);
    (void)snprintf(instance->payload, sizeof(instance->payload), "%.*s", (int)message->attachment->size,
                   (const char *)message->attachment->data);
    if (instance->refuses != STATUS_OK) {
        actor_refuse(self, message, instance->refuses);
        return;
    }
    if (instance->holds) {
        assert_true(instance->held_count < HELD_MAX);
        instance->held[instance->held_count++] = actor_keep(self);
        return;
    }
    char text[32];
    (void)snprintf(text, sizeof(text), "{\"by\":%u}", invoke->instance);
    struct message *reply = wire_message_create(KIND_INVOKE_REPLY);
    struct bytes *bytes = bytes_copy(text, strlen(text));
    message_attach(reply, &bytes);
    actor_reply(self, message, &reply);
}

static void announce(struct world *world, uint32_t number, uint32_t kind)
{
    static const struct instance_entry entries[] = { { .name = "quote", .readonly = true },
                                                     { .name = "order", .concurrency_max = 2 } };
    struct instance *instance = &world->instances[number];
    struct message *message = message_create(kind, sizeof(struct instance_serving));
    struct instance_serving *serving = message->body;
    (void)text_copy(serving->key.artifact, sizeof(serving->key.artifact), TAX);
    serving->key.instance = number + 1;
    if (kind == KIND_INSTANCE_SERVING) serving->actor = instance->actor;
    serving->entries = arena_memdup(&message->arena, entries, sizeof(entries));
    serving->entry_count = ARRAY_COUNT(entries);
    struct runtime *runtime = instance->node->runtime;
    assert_int_equal(runtime_send(runtime, runtime_find(runtime, TO_SLICE_CALL), &message), STATUS_OK);
}

/* Records instance n + 1 as ACTIVE on node n, by every move. */
static void activate(struct world *world, uint32_t number)
{
    static const char *const road[] = { "LOAD", "LOADING", "LOADED", "ACTIVATE", "ACTIVATING", "ACTIVE" };
    static char quote[] = "quote";
    static char order[] = "order";
    struct arena arena = { 0 };
    char key[128];
    (void)snprintf(key, sizeof(key), "allocations/" TAX "/node-%u", number + 1);
    Pb__Command *command = commands_put(
        &arena, key,
        arena_printf(&arena,
                     "{\"instances\":[{\"instance\":%u}],\"desired\":\"ACTIVE\",\"blueprint\":\"shop\","
                     "\"sha256\":\"" DIGEST "\"}",
                     number + 1));
    command->origin = PB__ORIGIN__ORIGIN_FORCED;
    assert_int_equal(agreed_apply(&world->agreed, command)->status, STATUS_OK);
    uint64_t rev = world->agreed.index;
    for (size_t i = 0; i < ARRAY_COUNT(road); i++) {
        command = commands_new(&arena);
        Pb__Operation *operation = commands_add(&arena, command);
        Pb__OpSliceFact *fact = arena_alloc(&arena, sizeof(*fact));
        pb__op_slice_fact__init(fact);
        fact->artifact = arena_strdup(&arena, TAX);
        fact->instance = number + 1;
        fact->state = arena_strdup(&arena, road[i]);
        fact->allocation_revision = rev;
        fact->entries = arena_array(&arena, 2, sizeof(char *));
        fact->entries[0] = quote;
        fact->entries[1] = order;
        fact->n_entries = 2;
        operation->op_case = PB__OPERATION__OP_SLICE_FACT;
        operation->slice_fact = fact;
        command->origin = PB__ORIGIN__ORIGIN_NODE;
        command->node = world->agreed.nodes[number].name;
        command->incarnation = world->agreed.nodes[number].incarnation;
        assert_int_equal(agreed_apply(&world->agreed, command)->status, STATUS_OK);
    }
    arena_fini(&arena);
    announce(world, number, KIND_INSTANCE_SERVING);
}

static void settle(struct world *world, int64_t duration_ns)
{
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + duration_ns);
}

/* Every node hears that its connection to every other one is up. */
static void connect_all(struct world *world)
{
    for (uint32_t n = 0; n < NODES; n++) {
        struct runtime *runtime = world->agreed.nodes[n].runtime;
        for (uint32_t other = 0; other < NODES; other++) {
            if (other == n) continue;
            struct message *message = message_create(KIND_PEER_UP, sizeof(struct transport_peer_change));
            struct transport_peer_change *change = message->body;
            (void)text_copy(change->node, sizeof(change->node), world->agreed.nodes[other].name);
            probe_tell(runtime, runtime_find(runtime, TO_SLICE_CALL), &message);
        }
    }
}

static int set_up(void **state)
{
    struct world *world = memory_zalloc(sizeof(*world));
    struct arena arena = { 0 };
    world->stepper = stepper_create(&(struct stepper_options){ .seed = 11 });
    agreed_init(&world->agreed, world->stepper);
    for (uint32_t n = 0; n < NODES; n++) {
        struct agreed_node *node = agreed_start(&world->agreed, n, "{}");
        struct actor_id id;
        struct error error;
        const struct slice_call_options options = { .node = node->name };
        struct spawn_options spawn = { .options = &options, .name = TO_SLICE_CALL };
        assert_int_equal(runtime_spawn(node->runtime, &slice_call_behavior, &spawn, &id, &error), STATUS_OK);
        spawn = (struct spawn_options){ .name = TO_ENDPOINT_REGISTRY };
        assert_int_equal(runtime_spawn(node->runtime, &endpoint_registry_behavior, &spawn, &id, &error),
                         STATUS_OK);
        world->instances[n] = (struct instance){ .node = node };
        world->instances[n].actor = stub_spawn(node->runtime, 0, on_instance, &world->instances[n]);
    }
    agreed_lead(&world->agreed, 0);
    connect_all(world);
    Pb__Command *command = commands_put(&arena, "blueprints/shop",
                                        "{\"slices\":[{\"artifact\":\"" TAX
                                        "\",\"instances\":3,\"sha256\":\"" DIGEST "\"}],\"timestamp\":0}");
    command->origin = PB__ORIGIN__ORIGIN_FORCED;
    assert_int_equal(agreed_apply(&world->agreed, command)->status, STATUS_OK);
    arena_fini(&arena);
    settle(world, MILLISECONDS(1));
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    for (uint32_t n = 0; n < NODES; n++) {
        for (uint32_t i = 0; i < world->instances[n].held_count; i++)
            message_destroy(&world->instances[n].held[i]);
    }
    agreed_fini(&world->agreed);
    scheduler_destroy(&world->stepper);
    memory_free(world);
    return 0;
}

static struct message *call_message(const char *target)
{
    struct message *message = wire_message_create(KIND_CALL_REQUEST);
    Pb__CallRequest *request = message->body;
    request->target = wire_string(message, target);
    request->payload = wire_string(message, "{\"sku\":\"A1\"}");
    return message;
}

static struct probe_result call(struct world *world, uint32_t node, const char *target, int64_t timeout_ns)
{
    struct message *message = call_message(target);
    return probe_ask_name(world->agreed.nodes[node].runtime, TO_SLICE_CALL, &message, timeout_ns);
}

static void assert_outcome(struct probe_result result, enum status status)
{
    if (result.status != status) fail_msg("%s: %s", status_name(result.status), result.error.message);
    message_destroy(&result.message);
}

static bool has_event(struct world *world, const char *outcome)
{
    struct arena arena = { 0 };
    char wanted[64];
    bool found = false;
    (void)snprintf(wanted, sizeof(wanted), "\"outcome\":\"%s\"", outcome);
    for (uint32_t i = 1; i <= agreed_count(&world->agreed, "events/") && !found; i++) {
        char key[40];
        (void)snprintf(key, sizeof(key), "events/%016u", i);
        const char *text = agreed_text(&world->agreed, key, &arena);
        found = text != NULL && strstr(text, "call.failed") != NULL && strstr(text, wanted) != NULL;
    }
    arena_fini(&arena);
    return found;
}

/* --- tests -------------------------------------------------------------------------------------------- */

static void local_instance_comes_first(void **state)
{
    struct world *world = *state;
    for (uint32_t n = 0; n < NODES; n++)
        activate(world, n);
    for (int i = 0; i < 20; i++)
        assert_outcome(call(world, 1, "org.example:tax/quote", SECONDS(5)), STATUS_OK);
    assert_int_equal(world->instances[1].handled, 20);
    assert_string_equal(world->instances[1].payload, "{\"sku\":\"A1\"}");
    assert_string_equal(world->instances[1].caller, "client-00000000@node-2");
}

static void other_nodes_are_reached(void **state)
{
    struct world *world = *state;
    activate(world, 2);
    settle(world, MILLISECONDS(1));
    struct message *message = call_message("org.example:tax:1.0.0/quote");
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
    struct world *world = *state;
    activate(world, 1);
    activate(world, 2);
    settle(world, MILLISECONDS(1));
    for (int i = 0; i < 60; i++)
        assert_outcome(call(world, 0, "org.example:tax/quote", SECONDS(5)), STATUS_OK);
    assert_true(world->instances[1].handled > 10);
    assert_true(world->instances[2].handled > 10);
}

static void affinity_sticks(void **state)
{
    struct world *world = *state;
    for (uint32_t n = 0; n < NODES; n++)
        activate(world, n);
    settle(world, MILLISECONDS(1));
    for (int i = 0; i < 20; i++) {
        struct message *message = call_message("org.example:tax/quote");
        ((Pb__CallRequest *)message->body)->affinity = wire_string(message, "customer-4711");
        assert_outcome(
            probe_ask_name(world->agreed.nodes[i % NODES].runtime, TO_SLICE_CALL, &message, SECONDS(5)),
            STATUS_OK);
    }
    uint32_t used = 0;
    for (uint32_t n = 0; n < NODES; n++)
        used += world->instances[n].handled > 0 ? 1 : 0;
    assert_int_equal(used, 1);
}

static void unknown_names_have_no_endpoint(void **state)
{
    struct world *world = *state;
    activate(world, 0);
    settle(world, MILLISECONDS(1));
    assert_outcome(call(world, 0, "org.example:nothing/quote", SECONDS(5)), STATUS_NO_ENDPOINT);
    assert_outcome(call(world, 0, "org.example:tax/nothing", SECONDS(5)), STATUS_NO_ENDPOINT);
    assert_outcome(call(world, 0, "org.example:tax:2.0.0/quote", SECONDS(5)), STATUS_NO_ENDPOINT);
    assert_outcome(call(world, 0, "no target", SECONDS(5)), STATUS_INVALID);
    settle(world, SECONDS(2));
    assert_true(has_event(world, "NO_ENDPOINT"));
}

static void bad_request_ids_are_invalid(void **state)
{
    struct world *world = *state;
    static const char *const bad[] = { "xyz", "0af7651916cd43dd8448eb211c80319",
                                       "00-0af7651916cd43dd8448eb211c80319",
                                       "00000000000000000000000000000000",
                                       "00-zzf7651916cd43dd8448eb211c80319c-1-01" };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct message *message = call_message("org.example:tax/quote");
        ((Pb__CallRequest *)message->body)->request_id = wire_string(message, bad[i]);
        assert_outcome(probe_ask_name(world->agreed.nodes[0].runtime, TO_SLICE_CALL, &message, SECONDS(5)),
                       STATUS_INVALID);
    }
}

static void failures_of_the_slice_are_not_retried(void **state)
{
    struct world *world = *state;
    for (uint32_t n = 0; n < NODES; n++)
        activate(world, n);
    settle(world, MILLISECONDS(1));
    world->instances[0].refuses = STATUS_APP_ERROR;
    assert_outcome(call(world, 0, "org.example:tax/quote", SECONDS(5)), STATUS_APP_ERROR);
    assert_int_equal(world->instances[0].handled + world->instances[1].handled + world->instances[2].handled,
                     1);
}

static void crashed_calls_are_repeated_only_when_harmless(void **state) /* At most once. */
{
    struct world *world = *state;
    activate(world, 0);
    activate(world, 1);
    settle(world, MILLISECONDS(1));
    world->instances[0].refuses = STATUS_CRASHED;
    assert_outcome(call(world, 0, "org.example:tax/order", SECONDS(5)), STATUS_CRASHED);
    assert_int_equal(world->instances[1].handled, 0);
    assert_outcome(call(world, 0, "org.example:tax/quote", SECONDS(5)), STATUS_OK); /* READONLY */
    assert_int_equal(world->instances[1].handled, 1);
    settle(world, SECONDS(2));
    assert_true(has_event(world, "CRASHED"));
}

static void what_did_not_start_goes_elsewhere(void **state)
{
    struct world *world = *state;
    activate(world, 1);
    activate(world, 2);
    settle(world, MILLISECONDS(1));
    announce(world, 1, KIND_INSTANCE_GONE); /* Its endpoint is still listed. */
    for (int i = 0; i < 10; i++)
        assert_outcome(call(world, 0, "org.example:tax/order", SECONDS(5)), STATUS_OK);
    assert_int_equal(world->instances[1].handled, 0);
    assert_int_equal(world->instances[2].handled, 10);
}

static void lost_node_ends_its_calls(void **state) /* FLT31 */
{
    struct world *world = *state;
    activate(world, 2);
    settle(world, MILLISECONDS(1));
    world->instances[2].holds = true;
    struct message *message = call_message("org.example:tax/order");
    struct runtime *runtime = world->agreed.nodes[0].runtime;
    assert_int_equal(runtime_send(runtime, runtime_find(runtime, TO_SLICE_CALL), &message), STATUS_OK);
    settle(world, MILLISECONDS(5));
    assert_int_equal(world->instances[2].held_count, 1);
    message_destroy(&world->instances[2].held[0]);
    world->instances[2].held_count = 0;
    agreed_crash(&world->agreed, 2);
    settle(world, SECONDS(2));
    assert_true(has_event(world, "NODE_LOST"));
    /* Avoided at once, before anybody declared it lost. */
    assert_outcome(call(world, 0, "org.example:tax/order", SECONDS(5)), STATUS_NO_ENDPOINT);
}

static void silent_instances_cost_a_deadline(void **state)
{
    struct world *world = *state;
    activate(world, 0);
    settle(world, MILLISECONDS(1));
    world->instances[0].holds = true;
    int64_t before_ns = stepper_now_ns(world->stepper);
    assert_outcome(call(world, 0, "org.example:tax/quote", SECONDS(2)), STATUS_DEADLINE);
    assert_in_range(stepper_now_ns(world->stepper) - before_ns, SECONDS(2),
                    SECONDS(2) + MILLISECONDS(10)); /* ACT5 */
    settle(world, SECONDS(2));
    assert_true(has_event(world, "DEADLINE"));
}

static void queues_are_bounded(void **state)
{
    struct world *world = *state;
    activate(world, 0);
    settle(world, MILLISECONDS(1));
    world->instances[0].holds = true;
    struct runtime *runtime = world->agreed.nodes[0].runtime;
    for (uint32_t i = 0; i < 2 + SERVING_WAITING_MAX; i++) {
        struct message *message = call_message("org.example:tax/order");
        assert_int_equal(runtime_send(runtime, runtime_find(runtime, TO_SLICE_CALL), &message), STATUS_OK);
    }
    settle(world, MILLISECONDS(1));
    assert_int_equal(world->instances[0].held_count, 2); /* concurrency-max of `order` */
    assert_outcome(call(world, 0, "org.example:tax/order", SECONDS(5)), STATUS_OVERLOADED);
    announce(world, 0, KIND_INSTANCE_GONE); /* Those who wait are told; nothing is left behind. */
    settle(world, SECONDS(40));
    announce(world, 0, KIND_INSTANCE_SERVING);
    world->instances[0].holds = false;
    assert_outcome(call(world, 0, "org.example:tax/order", SECONDS(5)), STATUS_OK);
}

static void fenced_node_refuses_those_outside(void **state) /* A8 */
{
    struct world *world = *state;
    activate(world, 0);
    settle(world, MILLISECONDS(1));
    struct message *message = wire_message_create(KIND_NODE_FENCED);
    ((Pb__NodeFenced *)message->body)->fenced = 1;
    struct runtime *runtime = world->agreed.nodes[0].runtime;
    probe_tell(runtime, runtime_find(runtime, TO_SLICE_CALL), &message);
    message = wire_message_create(KIND_INVOKE_REQUEST); /* As another node asks it. */
    Pb__InvokeRequest *invoke = message->body;
    invoke->artifact = wire_string(message, TAX);
    invoke->entry = wire_string(message, "quote");
    invoke->instance = 1;
    assert_outcome(probe_ask_name(runtime, TO_SLICE_CALL, &message, SECONDS(5)), STATUS_NODE_LOST);
    assert_outcome(call(world, 0, "org.example:tax/quote", SECONDS(5)), STATUS_OK); /* Local ones go on. */
    message = message_create(KIND_SLICE_OUTBOUND, sizeof(struct slice_outbound));
    *(struct slice_outbound *)message->body =
        (struct slice_outbound){ .target = "org.example:tax/quote",
                                 .caller = "org.example:orders:1#1@node-1",
                                 .affinity = "",
                                 .idempotency_key = "" };
    struct bytes *payload = bytes_copy("1", 1);
    message_attach(message, &payload);
    assert_outcome(probe_ask_name(runtime, TO_SLICE_CALL, &message, SECONDS(5)), STATUS_OK);
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
    invoke->artifact = wire_string(message, TAX);
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
    struct world *world = *state;
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
    settle(world, MILLISECONDS(1));
    assert_int_equal(asked_from_outside(runtime), STATUS_NODE_LOST);
    runtime_destroy(&runtime);
}

static void registry_lists_what_is_served(void **state)
{
    struct world *world = *state;
    activate(world, 0);
    activate(world, 2);
    settle(world, MILLISECONDS(1));
    struct message *message = wire_message_create(KIND_ENDPOINT_LIST_REQUEST);
    struct probe_result result =
        probe_ask_name(world->agreed.nodes[1].runtime, TO_ENDPOINT_REGISTRY, &message, SECONDS(1));
    assert_int_equal(result.status, STATUS_OK);
    const Pb__EndpointListReply *list = result.message->body;
    assert_int_equal(list->n_endpoints, 4);
    assert_string_equal(list->endpoints[0]->entry, "order");
    assert_string_equal(list->endpoints[0]->node, "node-1");
    message_destroy(&result.message);
    message = wire_message_create(KIND_ENDPOINT_LIST_REQUEST);
    ((Pb__EndpointListRequest *)message->body)->artifact = wire_string(message, "org.example:other");
    result = probe_ask_name(world->agreed.nodes[1].runtime, TO_ENDPOINT_REGISTRY, &message, SECONDS(1));
    assert_int_equal(((const Pb__EndpointListReply *)result.message->body)->n_endpoints, 0);
    message_destroy(&result.message);
}

#define CALL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
        CALL_TEST(silent_instances_cost_a_deadline),
        CALL_TEST(queues_are_bounded),
        CALL_TEST(fenced_node_refuses_those_outside),
        CALL_TEST(one_that_starts_again_asks_whether_it_is_fenced),
        CALL_TEST(registry_lists_what_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
