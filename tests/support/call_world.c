/* call_world: see the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/endpoint_registry.h"
#include "actors/slice/messages.h"
#include "actors/slice/slice_call.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/port/transport.h"
#include "tests/support/call_world.h"
#include "tests/support/commands.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/store.pb-c.h"

#include <stdio.h>
#include <string.h>

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void answer(struct actor *self, const struct message *request)
{
    const Pb__InvokeRequest *invoke = request->body;
    char text[32];
    (void)snprintf(text, sizeof(text), "{\"by\":%u}", invoke->instance);
    struct message *reply = wire_message_create(KIND_INVOKE_REPLY);
    struct bytes *bytes = bytes_copy(text, strlen(text));
    message_attach(reply, &bytes);
    actor_reply(self, request, &reply);
}

static void drop_held(struct call_instance *instance, uint32_t position)
{
    message_destroy(&instance->held[position]);
    instance->held_count--;
    for (uint32_t i = position; i < instance->held_count; i++)
        instance->held[i] = instance->held[i + 1];
}

static void on_withdrawn(struct actor *self, struct call_instance *instance, const struct message *message)
{
    const struct invoke_withdrawn *withdrawn = message->body;
    for (uint32_t i = 0; i < instance->held_count; i++) {
        if (instance->held[i]->tag != withdrawn->tag) continue;
        instance->withdrawn++;
        actor_refuse(self, instance->held[i], STATUS_CANCELLED);
        drop_held(instance, i);
        return;
    }
}

static bool refuses_now(struct call_instance *instance)
{
    if (instance->refuses == STATUS_OK) return false;
    if (instance->refusals == 0) return true;
    bool last = --instance->refusals == 0;
    if (last) instance->refusals = UINT32_MAX; /* No more of them, and no endless refusal either. */
    return true;
}

static void on_invoke(struct actor *self, struct call_instance *instance, const struct message *message)
{
    const Pb__InvokeRequest *invoke = message->body;
    instance->handled++;
    instance->budget_ms = invoke->budget_ms;
    instance->depth = invoke->depth;
    (void)text_copy(instance->caller, sizeof(instance->caller), invoke->caller);
    (void)snprintf(instance->payload, sizeof(instance->payload), "%.*s", (int)message->attachment->size,
                   (const char *)message->attachment->data);
    if (refuses_now(instance)) {
        actor_refuse(self, message, instance->refuses);
    } else if (instance->holds) {
        assert_true(instance->held_count < CALL_HELD_MAX);
        instance->held[instance->held_count++] = actor_keep(self);
    } else {
        answer(self, message);
    }
}

/* A held call is answered by the instance's own actor: it is told which. */
static void on_release(struct actor *self, struct call_instance *instance, const struct message *message)
{
    uint32_t position = (uint32_t)message->tag;
    assert_true(position < instance->held_count);
    answer(self, instance->held[position]);
    drop_held(instance, position);
}

static void on_instance(struct actor *self, void *context, const struct message *message)
{
    struct call_instance *instance = context;
    switch (message->kind) {
    case KIND_INVOKE_REQUEST: on_invoke(self, instance, message); break;
    case KIND_INVOKE_WITHDRAWN: on_withdrawn(self, instance, message); break;
    case KIND_SLICE_STEP: on_release(self, instance, message); break; /* Of call_world_release. */
    case KIND_SLICE_ROUTE: instance->routes++; break;
    default: break;
    }
}

void call_world_release(struct call_instance *instance, uint32_t position)
{
    struct message *message = message_create(KIND_SLICE_STEP, 0);
    message->tag = position;
    probe_tell(instance->node->runtime, instance->actor, &message);
}

void call_world_announce(struct call_world *world, uint32_t number, uint32_t kind)
{
    static const struct instance_entry entries[] = { { .name = "quote", .readonly = true },
                                                     { .name = "order", .concurrency_max = 2 },
                                                     { .name = "brief", .deadline_ms = 100 } };
    struct call_instance *instance = &world->instances[number];
    struct message *message = message_create(kind, sizeof(struct instance_serving));
    struct instance_serving *serving = message->body;
    (void)text_copy(serving->key.artifact, sizeof(serving->key.artifact), CALL_TAX);
    serving->key.instance = number + 1;
    if (kind == KIND_INSTANCE_SERVING) serving->actor = instance->actor;
    serving->entries = arena_memdup(&message->arena, entries, sizeof(entries));
    serving->entry_count = ARRAY_COUNT(entries);
    struct runtime *runtime = instance->node->runtime;
    assert_int_equal(runtime_send(runtime, runtime_find(runtime, TO_SLICE_CALL), &message), STATUS_OK);
}

/* Records instance n + 1 as ACTIVE on node n, by every move. */
void call_world_activate(struct call_world *world, uint32_t number)
{
    static const char *const road[] = { "LOAD", "LOADING", "LOADED", "ACTIVATE", "ACTIVATING", "ACTIVE" };
    static char quote[] = "quote";
    static char order[] = "order";
    static char brief[] = "brief";
    struct arena arena = { 0 };
    char key[128];
    (void)snprintf(key, sizeof(key), "allocations/" CALL_TAX "/node-%u", number + 1);
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
        fact->artifact = arena_strdup(&arena, CALL_TAX);
        fact->instance = number + 1;
        fact->state = arena_strdup(&arena, road[i]);
        fact->allocation_revision = rev;
        fact->entries = arena_array(&arena, 3, sizeof(char *));
        fact->entries[0] = quote;
        fact->entries[1] = order;
        fact->entries[2] = brief;
        fact->n_entries = 3;
        operation->op_case = PB__OPERATION__OP_SLICE_FACT;
        operation->slice_fact = fact;
        command->origin = PB__ORIGIN__ORIGIN_NODE;
        command->node = world->agreed.nodes[number].name;
        command->incarnation = world->agreed.nodes[number].incarnation;
        assert_int_equal(agreed_apply(&world->agreed, command)->status, STATUS_OK);
    }
    arena_fini(&arena);
    call_world_announce(world, number, KIND_INSTANCE_SERVING);
}

void call_world_settle(struct call_world *world, int64_t duration_ns)
{
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + duration_ns);
}

/* Every node hears that its connection to every other one is up. */
static void connect_all(struct call_world *world)
{
    for (uint32_t n = 0; n < CALL_NODES; n++) {
        struct runtime *runtime = world->agreed.nodes[n].runtime;
        for (uint32_t other = 0; other < CALL_NODES; other++) {
            if (other == n) continue;
            struct message *message = message_create(KIND_PEER_UP, sizeof(struct transport_peer_change));
            struct transport_peer_change *change = message->body;
            (void)text_copy(change->node, sizeof(change->node), world->agreed.nodes[other].name);
            probe_tell(runtime, runtime_find(runtime, TO_SLICE_CALL), &message);
        }
    }
}

int call_world_set_up(void **state)
{
    struct call_world *world = memory_zalloc(sizeof(*world));
    struct arena arena = { 0 };
    world->stepper = stepper_create(&(struct stepper_options){ .seed = 11 });
    agreed_init(&world->agreed, world->stepper);
    for (uint32_t n = 0; n < CALL_NODES; n++) {
        struct agreed_node *node = agreed_start(&world->agreed, n, "{}");
        struct actor_id id;
        struct error error;
        const struct slice_call_options options = { .node = node->name };
        struct spawn_options spawn = { .options = &options, .name = TO_SLICE_CALL };
        assert_int_equal(runtime_spawn(node->runtime, &slice_call_behavior, &spawn, &id, &error), STATUS_OK);
        spawn = (struct spawn_options){ .name = TO_ENDPOINT_REGISTRY };
        assert_int_equal(runtime_spawn(node->runtime, &endpoint_registry_behavior, &spawn, &id, &error),
                         STATUS_OK);
        world->instances[n] = (struct call_instance){ .node = node };
        world->instances[n].actor = stub_spawn(node->runtime, 0, on_instance, &world->instances[n]);
    }
    agreed_lead(&world->agreed, 0);
    connect_all(world);
    Pb__Command *command = commands_put(&arena, "blueprints/shop",
                                        "{\"slices\":[{\"artifact\":\"" CALL_TAX
                                        "\",\"instances\":3,\"sha256\":\"" DIGEST "\"}],\"timestamp\":0}");
    command->origin = PB__ORIGIN__ORIGIN_FORCED;
    assert_int_equal(agreed_apply(&world->agreed, command)->status, STATUS_OK);
    arena_fini(&arena);
    call_world_settle(world, MILLISECONDS(1));
    *state = world;
    return 0;
}

int call_world_tear_down(void **state)
{
    struct call_world *world = *state;
    for (uint32_t n = 0; n < CALL_NODES; n++) {
        for (uint32_t i = 0; i < world->instances[n].held_count; i++)
            message_destroy(&world->instances[n].held[i]);
    }
    agreed_fini(&world->agreed);
    scheduler_destroy(&world->stepper);
    memory_free(world);
    return 0;
}

struct message *call_world_message(const char *target)
{
    struct message *message = wire_message_create(KIND_CALL_REQUEST);
    Pb__CallRequest *request = message->body;
    request->target = wire_string(message, target);
    request->payload = wire_string(message, "{\"sku\":\"A1\"}");
    return message;
}

struct probe_result call_world_call(struct call_world *world, uint32_t node, const char *target,
                                    int64_t timeout_ns)
{
    struct message *message = call_world_message(target);
    return probe_ask_name(world->agreed.nodes[node].runtime, TO_SLICE_CALL, &message, timeout_ns);
}

void call_world_expect(struct probe_result result, enum status status)
{
    if (result.status != status) fail_msg("%s: %s", status_name(result.status), result.error.message);
    message_destroy(&result.message);
}

bool call_world_has_event(struct call_world *world, const char *outcome)
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

struct probe_result call_world_ask(struct call_world *world, uint32_t node, struct message *message,
                                   int64_t timeout_ns)
{
    return probe_ask_name(world->agreed.nodes[node].runtime, TO_SLICE_CALL, &message, timeout_ns);
}

uint32_t call_world_handled(const struct call_world *world)
{
    uint32_t handled = 0;
    for (uint32_t n = 0; n < CALL_NODES; n++)
        handled += world->instances[n].handled;
    return handled;
}

/* --- calls under way ------------------------------------------------------------------------------------ */

struct beginning { /* Body of the message that an asker acts on. */
    struct message *message;
    int64_t timeout_ns;
    struct call_pending *pending;
};

static void on_ended(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)self, (void)state;
    struct call_pending *pending = context;
    pending->ended = true;
    pending->status = result->status;
    if (result->status != STATUS_OK) {
        pending->error = *result->error;
        return;
    }
    const struct message *reply = result->message;
    if (reply->kind == KIND_CALL_REPLY) {
        const Pb__CallReply *body = reply->body;
        (void)text_copy(pending->payload, sizeof(pending->payload), body->payload);
    } else {
        (void)snprintf(pending->payload, sizeof(pending->payload), "%.*s", (int)reply->attachment->size,
                       (const char *)reply->attachment->data);
    }
}

static void on_asker(struct actor *self, void *context, const struct message *message)
{
    (void)context;
    const struct beginning *beginning = message->body;
    struct message *request = beginning->message;
    actor_ask_name(self, TO_SLICE_CALL, &request, beginning->timeout_ns, on_ended, beginning->pending);
}

void call_world_begin(struct call_world *world, uint32_t node, struct message *message, int64_t timeout_ns,
                      struct call_pending *pending)
{
    struct runtime *runtime = world->agreed.nodes[node].runtime;
    struct actor_id asker = stub_spawn(runtime, 0, on_asker, world);
    struct message *order = message_create(KIND_SLICE_STEP, sizeof(struct beginning));
    *(struct beginning *)order->body = (struct beginning){ message, timeout_ns, pending };
    *pending = (struct call_pending){ 0 };
    probe_tell(runtime, asker, &order);
}

void call_world_withdraw(struct call_world *world, uint32_t node, uint64_t tag)
{
    struct runtime *runtime = world->agreed.nodes[node].runtime;
    struct message *message = message_create(KIND_CALL_WITHDRAWN, sizeof(struct call_withdrawn));
    ((struct call_withdrawn *)message->body)->tag = tag;
    probe_tell(runtime, runtime_find(runtime, TO_SLICE_CALL), &message);
}
