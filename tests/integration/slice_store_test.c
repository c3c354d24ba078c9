/* Goal: an instance goes through load, activate, calls, deactivate and unload, in a process of its own and in
 * the node; whatever an isolated slice does (crash, exit, hang, damage its shared memory), its callers hear
 * CRASHED, its manager hears INSTANCE_DOWN, and the node goes on.
 * Method: slice_store, doorbell and real slice processes on the real pool; slices from tests/slices and
 * examples; slice_call, the managers, the state and the artifact store are stand-ins of this file. */
#include "actors/slice/slice_store.h"

#include "actors/slice/doorbell.h"
#include "actors/slice/messages.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/os/library.h"
#include "runtime/os/process.h"
#include "tests/support/pool_probe.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/slice.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ODD "org.test:odd:1.0.0"

struct world {
    struct pool_probe *probe;
    char host_program[300];
    struct slice_adapters adapters;
    struct slice_store_options options;
    struct doorbell_options doorbell;
    char kept[64]; /* What the stand-in of the store holds; its actor's own. */
};

/* --- stand-ins ----------------------------------------------------------------------------------------- */

static const char *object_of(const char *artifact)
{
    static const char *const objects[][2] = {
        { "org.test:odd:1.0.0", "tests/slices/odd.so" },
        { "org.test:odd:2.0.0", "tests/slices/odd.so" }, /* Says 1.0.0. */
        { "org.test:other-abi:1.0.0", "tests/slices/other_abi.so" },
        { "org.test:no-descriptor:1.0.0", "tests/slices/no_descriptor.so" },
        { "org.test:constructor:1.0.0", "tests/slices/constructor.so" },
        { "org.test:stays:1.0.0", "tests/slices/stays.so" },
        { "org.test:text:1.0.0", "build.ninja" },
        { "org.example:pricing:1.0.0", "examples/pricing/pricing-1.0.0.so" },
        { "org.example:orders:1.0.0", "examples/orders/orders-1.0.0.so" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(objects); i++)
        if (strcmp(objects[i][0], artifact) == 0) return objects[i][1];
    return NULL;
}

static bool give_artifact(struct actor *self, void *context, const struct message *message)
{
    (void)context;
    const struct artifact_fetch *fetch = message->body;
    const char *object = object_of(fetch->artifact);
    if (object == NULL) {
        actor_refuse(self, message, STATUS_NOT_FOUND);
        return true;
    }
    struct message *reply = message_create(KIND_ARTIFACT_READY, sizeof(struct artifact_ready));
    struct artifact_ready *ready = reply->body;
    ready->path = arena_printf(&reply->arena, "%s/%s", getenv("AETHER_BUILD"), object);
    actor_reply(self, message, &reply);
    return true;
}

/* Echoes what slices ask of others, with who asked. */
static bool answer_outbound(struct actor *self, void *context, const struct message *message)
{
    (void)context;
    if (message->kind != KIND_SLICE_OUTBOUND) return false;
    const struct slice_outbound *outbound = message->body;
    char text[512];
    int size = snprintf(text, sizeof text, "{\"target\":\"%s\",\"caller\":\"%s\",\"deadline\":%s}",
                        outbound->target, outbound->caller, message->deadline_ns != 0 ? "true" : "false");
    struct message *reply = wire_message_create(KIND_INVOKE_REPLY);
    struct bytes *payload = bytes_copy(text, (size_t)size);
    message_attach(reply, &payload);
    actor_reply(self, message, &reply);
    return true;
}

static bool put_record(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    const Pb__KvPutRequest *request = message->body;
    if (strcmp(request->key, "slice-data/org.test:odd/kept") != 0) {
        actor_refuse(self, message, STATUS_DENIED);
        return true;
    }
    (void)text_copy(world->kept, sizeof world->kept, request->value);
    struct message *reply = wire_message_create(KIND_KV_CHANGE_REPLY);
    ((Pb__KvChangeReply *)reply->body)->revision = 5;
    actor_reply(self, message, &reply);
    return true;
}

static bool get_record(struct actor *self, void *context, const struct message *message)
{
    const struct world *world = context;
    struct message *reply = wire_message_create(KIND_KV_GET_REPLY);
    Pb__KvRecord *record = arena_alloc(&reply->arena, sizeof *record);
    pb__kv_record__init(record);
    record->revision = 5;
    record->value.data = (uint8_t *)arena_strdup(&reply->arena, world->kept);
    record->value.len = strlen(world->kept);
    ((Pb__KvGetReply *)reply->body)->record = record;
    actor_reply(self, message, &reply);
    return true;
}

static struct world *world_create(void)
{
    struct world *world = memory_zalloc(sizeof *world);
    assert_non_null(getenv("AETHER_BUILD"));
    snprintf(world->host_program, sizeof world->host_program, "%s/bin/aether-slice-host",
             getenv("AETHER_BUILD"));
    world->adapters = (struct slice_adapters){ .node = "node-1",
                                               .host_program = world->host_program,
                                               .processes = &process_os,
                                               .libraries = &library_os };
    world->options.adapters = &world->adapters;
    world->doorbell.processes = &process_os;
    world->probe = pool_probe_create("node-1");
    pool_probe_stub(world->probe, TO_ARTIFACT_STORE, give_artifact, world);
    pool_probe_stub(world->probe, TO_SLICE_CALL, answer_outbound, world);
    pool_probe_stub(world->probe, TO_PROPOSER, put_record, world);
    pool_probe_stub(world->probe, TO_STATE, get_record, world);
    pool_probe_stub(world->probe, TO_NODE_DEPLOYMENT_MANAGER, NULL, NULL);
    (void)pool_probe_spawn(world->probe, &doorbell_behavior, &world->doorbell, TO_DOORBELL);
    (void)pool_probe_spawn(world->probe, &slice_store_behavior, &world->options, TO_SLICE_STORE);
    return world;
}

static void world_destroy(struct world **world)
{
    pool_probe_destroy(&(*world)->probe);
    memory_free(*world);
    *world = NULL;
}

/* --- steps --------------------------------------------------------------------------------------------- */

struct how {
    bool inside;
    bool activate;
    bool pinned;
    const char *config;
    int64_t timeout_ns;
};

static struct message *load_message(const char *artifact, struct how how)
{
    struct message *message = message_create(KIND_INSTANCE_LOAD, sizeof(struct instance_load));
    struct instance_load *load = message->body;
    (void)text_copy(load->key.artifact, sizeof load->key.artifact, artifact);
    load->key.instance = 1;
    load->inline_isolation = how.inside;
    load->activate = how.activate;
    load->pinned = how.pinned;
    load->config = arena_strdup(&message->arena, how.config != NULL ? how.config : "{}");
    return message;
}

static struct probe_result load(struct world *world, const char *artifact, struct how how)
{
    struct message *message = load_message(artifact, how);
    int64_t timeout_ns = how.timeout_ns != 0 ? how.timeout_ns : SECONDS(30);
    return pool_probe_ask_name(world->probe, TO_SLICE_STORE, &message, timeout_ns);
}

static struct message *step_message(const char *artifact, uint32_t kind)
{
    struct message *message = message_create(kind, sizeof(struct instance_step));
    struct instance_step *step = message->body;
    (void)text_copy(step->key.artifact, sizeof step->key.artifact, artifact);
    step->key.instance = 1;
    step->drain_ms = 300;
    return message;
}

static struct probe_result step(struct world *world, const char *artifact, uint32_t kind)
{
    struct message *message = step_message(artifact, kind);
    return pool_probe_ask_name(world->probe, TO_SLICE_STORE, &message, SECONDS(30));
}

static void assert_done(struct probe_result result)
{
    if (result.status != STATUS_OK) print_error("%s\n", result.error.message);
    assert_int_equal(result.status, STATUS_OK);
    assert_int_equal(result.message->kind, KIND_INSTANCE_DONE);
    message_destroy(&result.message);
}

static void assert_refused(struct probe_result result, enum status status, const char *words)
{
    message_destroy(&result.message);
    if (result.status != status) print_error("%s\n", result.error.message);
    assert_int_equal(result.status, status);
    if (strstr(result.error.message, words) == NULL)
        fail_msg("\"%s\" doesn't say \"%s\"", result.error.message, words);
}

static struct actor_id await_serving(struct world *world)
{
    struct message *message = pool_probe_await(world->probe, KIND_INSTANCE_SERVING, SECONDS(10));
    assert_non_null(message);
    struct actor_id actor = ((struct instance_serving *)message->body)->actor;
    message_destroy(&message);
    return actor;
}

static struct actor_id activated(struct world *world, const char *artifact, struct how how)
{
    how.activate = true;
    assert_done(load(world, artifact, how));
    return await_serving(world);
}

/* Takes the payload. */
static struct message *invoke_bytes(const char *entry, struct bytes **payload)
{
    struct message *message = wire_message_create(KIND_INVOKE_REQUEST);
    Pb__InvokeRequest *request = message->body;
    request->artifact = wire_string(message, ODD);
    request->entry = wire_string(message, entry);
    request->caller = wire_string(message, "test");
    message_attach(message, payload);
    return message;
}

static struct message *invoke_message(const char *entry, const char *payload)
{
    struct bytes *bytes = bytes_copy(payload, strlen(payload));
    return invoke_bytes(entry, &bytes);
}

static struct message *invoke_echo_of(size_t size)
{
    struct bytes *bytes = bytes_create(size);
    memset(bytes->data, 'x', size);
    return invoke_bytes("echo", &bytes);
}

static struct probe_result invoke(struct world *world, struct actor_id actor, const char *entry,
                                  const char *payload, int64_t timeout_ns)
{
    struct message *message = invoke_message(entry, payload);
    return pool_probe_ask(world->probe, actor, &message, timeout_ns);
}

static void assert_answer(struct probe_result result, const char *expected)
{
    if (result.status != STATUS_OK) print_error("%s\n", result.error.message);
    assert_int_equal(result.status, STATUS_OK);
    const struct bytes *payload = result.message->attachment;
    assert_int_equal(payload->size, strlen(expected));
    if (payload->size > 0) assert_memory_equal(payload->data, expected, payload->size);
    message_destroy(&result.message);
}

static void assert_down(struct world *world, enum status reason, const char *words)
{
    struct message *gone = pool_probe_await(world->probe, KIND_INSTANCE_GONE, SECONDS(30));
    assert_non_null(gone);
    message_destroy(&gone);
    struct message *message = pool_probe_await(world->probe, KIND_INSTANCE_DOWN, SECONDS(10));
    assert_non_null(message);
    const struct instance_down *down = message->body;
    assert_string_equal(down->key.artifact, ODD);
    assert_int_equal(down->reason, reason);
    if (strstr(down->text, words) == NULL) fail_msg("\"%s\" doesn't say \"%s\"", down->text, words);
    message_destroy(&message);
}

/* --- the tests ----------------------------------------------------------------------------------------- */

static void whole_life(bool inside)
{
    struct world *world = world_create();
    struct probe_result loaded = load(world, ODD, (struct how){ .inside = inside });
    assert_int_equal(loaded.status, STATUS_OK);
    const struct instance_done *done = loaded.message->body;
    assert_int_equal(done->entry_count, 14);
    assert_string_equal(done->entries[0].name, "echo");
    assert_true(done->entries[0].readonly);
    assert_true(inside ? done->host_pid == 0 : done->host_pid > 1);
    message_destroy(&loaded.message);
    assert_refused(load(world, ODD, (struct how){ .inside = inside }), STATUS_CONFLICT, "");
    assert_done(step(world, ODD, KIND_INSTANCE_ACTIVATE));
    struct actor_id actor = await_serving(world);
    assert_done(step(world, ODD, KIND_INSTANCE_ACTIVATE)); /* Again: the same. */
    assert_answer(invoke(world, actor, "echo", "{\"a\":1}", SECONDS(10)), "{\"a\":1}");
    assert_answer(invoke(world, actor, "echo", "", SECONDS(10)), "");
    assert_answer(invoke(world, actor, "later", "", SECONDS(10)), "later");
    assert_answer(invoke(world, actor, "keep", "{\"n\":7}", SECONDS(10)), "{\"n\":7}");
    assert_answer(invoke(world, actor, "ask", "{}", SECONDS(10)),
                  "{\"target\":\"org.test:other/thing\",\"caller\":\"" ODD "#1@node-1\",\"deadline\":true}");
    assert_refused(invoke(world, actor, "no", "", SECONDS(10)), STATUS_APP_ERROR, "no, and this is why");
    assert_refused(invoke(world, actor, "nothing", "", SECONDS(10)), STATUS_NO_ENDPOINT, "nothing");
    assert_refused(invoke(world, actor, "never", "", MILLISECONDS(100)), STATUS_DEADLINE, "");
    assert_done(step(world, ODD, KIND_INSTANCE_DEACTIVATE));
    struct message *gone = pool_probe_await(world->probe, KIND_INSTANCE_GONE, SECONDS(10));
    assert_non_null(gone);
    message_destroy(&gone);
    assert_refused(invoke(world, actor, "echo", "", SECONDS(10)), STATUS_NOT_READY, "not active");
    assert_done(step(world, ODD, KIND_INSTANCE_DEACTIVATE)); /* Again: the same. */
    assert_done(step(world, ODD, KIND_INSTANCE_ACTIVATE));
    actor = await_serving(world);
    assert_answer(invoke(world, actor, "hooks", "", SECONDS(10)), "create start stop start ");
    assert_done(step(world, ODD, KIND_INSTANCE_UNLOAD));
    assert_done(step(world, ODD, KIND_INSTANCE_UNLOAD)); /* Again: nothing there. */
    assert_refused(step(world, ODD, KIND_INSTANCE_ACTIVATE), STATUS_NOT_FOUND, "");
    actor = activated(world, ODD, (struct how){ .inside = inside }); /* And anew. */
    assert_answer(invoke(world, actor, "hooks", "", SECONDS(10)), "create start ");
    world_destroy(&world);
}

/* Into the node comes only what can leave it again, or what a person says may stay. */
static void what_stays_mapped_is_refused_unless_pinned(void **unused)
{
    (void)unused;
    static const char stays[] = "org.test:stays:1.0.0";
    struct world *world = world_create();
    assert_refused(load(world, stays, (struct how){ .inside = true }), STATUS_INVALID, "pinned: true");
    assert_done(load(world, stays, (struct how){ .inside = true, .pinned = true }));
    assert_done(step(world, stays, KIND_INSTANCE_UNLOAD));
    assert_done(load(world, stays, (struct how){ .inside = false })); /* A process takes it along. */
    assert_done(step(world, stays, KIND_INSTANCE_UNLOAD));
    world_destroy(&world);
}

static void a_whole_life_in_its_own_process(void **unused)
{
    (void)unused;
    whole_life(false);
}

static void a_whole_life_in_the_node(void **unused)
{
    (void)unused;
    whole_life(true);
}

static void killed_by_hand(void **unused)
{
    (void)unused;
    struct world *world = world_create();
    struct actor_id actor = activated(world, ODD, (struct how){ 0 });
    struct probe_result pid = invoke(world, actor, "pid", "", SECONDS(10));
    assert_int_equal(pid.status, STATUS_OK);
    char text[16] = { 0 };
    memcpy(text, pid.message->attachment->data, pid.message->attachment->size);
    message_destroy(&pid.message);
    struct message *never = invoke_message("never", "");
    uint64_t number = pool_probe_begin(world->probe, actor, &never, SECONDS(20));
    assert_answer(invoke(world, actor, "echo", "after it", SECONDS(10)), "after it");
    assert_int_equal(kill((pid_t)atoi(text), SIGKILL), 0);
    assert_refused(pool_probe_end(world->probe, number), STATUS_CRASHED, "signal 9");
    assert_down(world, STATUS_CRASHED, "signal 9");
    /* As a manager goes on: DEACTIVATE finds nothing to do, ACTIVATE starts the process again. */
    assert_done(step(world, ODD, KIND_INSTANCE_DEACTIVATE));
    assert_done(step(world, ODD, KIND_INSTANCE_ACTIVATE));
    actor = await_serving(world);
    assert_answer(invoke(world, actor, "hooks", "", SECONDS(10)), "create start ");
    world_destroy(&world);
}

static void ends_by_its_own_hand(void **unused)
{
    (void)unused;
    static const struct {
        const char *entry;
        const char *words;
    } ways[] = {
        { "crash", "" }, /* SIGSEGV, or ASan's exit code in a sanitised host. */
        { "exit", "exit code 7" },
        { "ring", "" },
    };
    struct world *world = world_create();
    assert_done(load(world, ODD, (struct how){ 0 }));
    for (size_t i = 0; i < ARRAY_COUNT(ways); i++) {
        assert_done(step(world, ODD, KIND_INSTANCE_ACTIVATE));
        struct actor_id actor = await_serving(world);
        assert_refused(invoke(world, actor, ways[i].entry, "", SECONDS(20)), STATUS_CRASHED, ways[i].words);
        assert_down(world, STATUS_CRASHED, ways[i].words);
    }
    world_destroy(&world);
}

static void large_payloads_and_many_calls(void **unused)
{
    (void)unused;
    struct world *world = world_create();
    struct actor_id actor = activated(world, ODD, (struct how){ 0 });
    enum { COUNT = 200, LARGE = 1024 * 1024 };
    uint64_t numbers[COUNT];
    for (int i = 0; i < COUNT; i++) { /* 200 MiB through rings of 4 MiB. */
        struct message *message = invoke_message(i % 2 ? "large" : "echo", "small");
        numbers[i] = pool_probe_begin(world->probe, actor, &message, SECONDS(60));
    }
    for (int i = 0; i < COUNT; i++) {
        struct probe_result result = pool_probe_end(world->probe, numbers[i]);
        assert_int_equal(result.status, STATUS_OK);
        assert_int_equal(result.message->attachment->size, i % 2 ? LARGE : 5);
        message_destroy(&result.message);
    }
    struct message *message = invoke_echo_of(LARGE);
    struct probe_result result = pool_probe_ask(world->probe, actor, &message, SECONDS(20));
    assert_int_equal(result.status, STATUS_OK);
    assert_int_equal(result.message->attachment->size, LARGE);
    message_destroy(&result.message);
    message = invoke_echo_of(LARGE + 1);
    assert_refused(pool_probe_ask(world->probe, actor, &message, SECONDS(20)), STATUS_INVALID, "at most");
    world_destroy(&world);
}

static void a_full_ring_is_overloaded_not_a_wait(void **unused)
{
    (void)unused;
    struct world *world = world_create();
    struct actor_id actor = activated(world, ODD, (struct how){ 0 });
    struct message *message = invoke_message("hang", "");
    uint64_t hanging = pool_probe_begin(world->probe, actor, &message, SECONDS(4));
    enum { LARGE = 1024 * 1024 };
    unsigned overloaded = 0;
    uint64_t numbers[8];
    for (int i = 0; i < 8; i++) {
        message = invoke_echo_of(LARGE);
        numbers[i] = pool_probe_begin(world->probe, actor, &message, SECONDS(1));
    }
    for (int i = 0; i < 8; i++) {
        struct probe_result result = pool_probe_end(world->probe, numbers[i]);
        assert_true(result.status == STATUS_OVERLOADED || result.status == STATUS_DEADLINE);
        if (result.status == STATUS_OVERLOADED) overloaded++;
    }
    assert_in_range(overloaded, 4, 6); /* Three or so fit. */
    assert_refused(pool_probe_end(world->probe, hanging), STATUS_DEADLINE, "");
    assert_done(step(world, ODD, KIND_INSTANCE_UNLOAD)); /* A hanging instance is killed. */
    world_destroy(&world);
}

static void bad_objects_are_refused(bool inside)
{
    struct world *world = world_create();
    struct how how = { .inside = inside };
    assert_refused(load(world, "org.test:absent:1.0.0", how), STATUS_NOT_FOUND, "");
    assert_refused(load(world, "org.test:odd:2.0.0", how), STATUS_VERSION_MISMATCH, "it calls itself " ODD);
    assert_refused(load(world, "org.test:other-abi:1.0.0", how), STATUS_VERSION_MISMATCH, "slice ABI 2.0");
    assert_refused(load(world, "org.test:text:1.0.0", how), STATUS_INVALID, "ELF");
    how.config = "{\"do\":\"create-no\"}";
    assert_refused(load(world, ODD, how), STATUS_APP_ERROR, "create said NOT_READY: not on this node");
    how.config = "{\"do\":\"start-no\"}";
    how.activate = true;
    assert_refused(load(world, ODD, how), STATUS_APP_ERROR, "start said IO");
    assert_refused(step(world, ODD, KIND_INSTANCE_ACTIVATE), STATUS_NOT_FOUND, ""); /* Nothing is left. */
    how.config = "{}";
    assert_done(load(world, ODD, how));
    world_destroy(&world);
}

static void bad_objects_are_refused_by_a_process(void **unused)
{
    (void)unused;
    bad_objects_are_refused(false);
}

static void bad_objects_are_refused_by_the_node(void **unused)
{
    (void)unused;
    bad_objects_are_refused(true);
}

static struct probe_result probe(struct world *world, const char *artifact)
{
    struct message *message = message_create(KIND_INSTANCE_PROBE, sizeof(struct instance_probe));
    struct instance_probe *wanted = message->body;
    (void)text_copy(wanted->artifact, sizeof wanted->artifact, artifact);
    return pool_probe_ask_name(world->probe, TO_SLICE_STORE, &message, SECONDS(30));
}

static void a_probe_finds_what_could_not_be_loaded(void **unused)
{
    (void)unused;
    struct world *world = world_create();
    assert_refused(probe(world, "org.test:absent:1.0.0"), STATUS_NOT_FOUND, "");
    assert_refused(probe(world, "org.test:odd:2.0.0"), STATUS_VERSION_MISMATCH, "it calls itself " ODD);
    assert_refused(probe(world, "org.test:other-abi:1.0.0"), STATUS_VERSION_MISMATCH, "slice ABI 2.0");
    assert_refused(probe(world, "org.test:no-descriptor:1.0.0"), STATUS_INVALID,
                   "no AETHER_SLICE_DESCRIPTOR");
    assert_refused(probe(world, "org.test:text:1.0.0"), STATUS_INVALID, "ELF");
    assert_refused(probe(world, "org.test:constructor:1.0.0"), STATUS_CRASHED, "exit code 9");
    struct probe_result found = probe(world, ODD);
    assert_int_equal(found.status, STATUS_OK);
    const struct instance_done *done = found.message->body;
    assert_int_equal(done->entry_count, 14);
    assert_int_equal(done->host_pid, 0); /* That process has gone. */
    message_destroy(&found.message);
    assert_done(load(world, ODD, (struct how){ 0 })); /* And nothing is in its way. */
    world_destroy(&world);
}

static void hooks_that_end_or_hang(void **unused)
{
    (void)unused;
    struct world *world = world_create();
    struct how how = { .config = "{\"do\":\"create-exit\"}" };
    assert_refused(load(world, ODD, how), STATUS_CRASHED, "exit code 3");
    how = (struct how){ .config = "{\"do\":\"create-hang\"}", .timeout_ns = MILLISECONDS(700) };
    assert_refused(load(world, ODD, how), STATUS_DEADLINE, "");
    /* While one hangs: another step is told to wait, UNLOAD cuts it short. */
    how.timeout_ns = 0;
    struct message *message = load_message(ODD, how);
    uint64_t number = pool_probe_begin_name(world->probe, TO_SLICE_STORE, &message, SECONDS(30));
    assert_refused(step(world, ODD, KIND_INSTANCE_DEACTIVATE), STATUS_NOT_READY, "");
    assert_done(step(world, ODD, KIND_INSTANCE_UNLOAD));
    assert_refused(pool_probe_end(world->probe, number), STATUS_CANCELLED, "");
    how = (struct how){ .config = "{\"do\":\"stop-no\"}" };
    (void)activated(world, ODD, how);
    assert_refused(step(world, ODD, KIND_INSTANCE_DEACTIVATE), STATUS_APP_ERROR, "stop said IO");
    assert_done(step(world, ODD, KIND_INSTANCE_UNLOAD));
    world_destroy(&world);
}

static void an_unhealthy_instance_goes_down(void **unused)
{
    (void)unused;
    struct world *world = world_create();
    (void)activated(world, ODD, (struct how){ .config = "{\"do\":\"unhealthy\"}" });
    assert_down(world, STATUS_NOT_READY, "unhealthy: health said IO"); /* The third no, after 15 s. */
    world_destroy(&world);
}

static void draining_lets_calls_end_and_cuts_the_rest(void **unused)
{
    (void)unused;
    struct world *world = world_create();
    struct actor_id actor = activated(world, ODD, (struct how){ 0 });
    struct message *message = invoke_message("later", "");
    uint64_t later = pool_probe_begin(world->probe, actor, &message, SECONDS(20));
    message = invoke_message("never", "");
    uint64_t never = pool_probe_begin(world->probe, actor, &message, SECONDS(20));
    assert_answer(invoke(world, actor, "echo", "both have arrived", SECONDS(10)), "both have arrived");
    assert_done(step(world, ODD, KIND_INSTANCE_DEACTIVATE));
    assert_answer(pool_probe_end(world->probe, later), "later");
    assert_refused(pool_probe_end(world->probe, never), STATUS_CANCELLED, "");
    world_destroy(&world);
}

static void the_examples_run(void **unused)
{
    (void)unused;
    for (int inside = 0; inside < 2; inside++) {
        struct world *world = world_create();
        struct how how = { .inside = inside != 0, .config = "{\"tax-percent\":7,\"currency\":\"CHF\"}" };
        struct actor_id pricing = activated(world, "org.example:pricing:1.0.0", how);
        assert_answer(invoke(world, pricing, "quote", "{\"net-cents\": 1999, \"quantity\": 3}", SECONDS(10)),
                      "{\"net-cents\":5997,\"tax-cents\":420,\"gross-cents\":6417,\"tax-percent\":7,"
                      "\"currency\":\"CHF\"}");
        assert_refused(invoke(world, pricing, "quote", "{\"net-cents\": \"much\"}", SECONDS(10)),
                       STATUS_INVALID, "net-cents must be");
        assert_refused(invoke(world, pricing, "quote", "[1,2", SECONDS(10)), STATUS_INVALID, "net-cents");
        struct actor_id orders =
            activated(world, "org.example:orders:1.0.0", (struct how){ .inside = inside });
        struct probe_result placed =
            invoke(world, orders, "place", "{\"item\":\"a \\\"lamp\\\"\"}", SECONDS(10));
        assert_int_equal(placed.status, STATUS_OK);
        char text[512] = { 0 };
        memcpy(text, placed.message->attachment->data, placed.message->attachment->size);
        assert_non_null(
            strstr(text, "\"item\":\"a \\\"lamp\\\"\",\"price\":{\"target\":\"org.example:pricing/quote\""));
        message_destroy(&placed.message);
        assert_answer(invoke(world, orders, "placed", "{}", SECONDS(10)), "{\"placed\":1,\"instance\":1}");
        how.config = "{\"tax-percent\":190}";
        assert_done(step(world, "org.example:pricing:1.0.0", KIND_INSTANCE_UNLOAD));
        assert_refused(load(world, "org.example:pricing:1.0.0", how), STATUS_APP_ERROR,
                       "tax-percent must be a whole number");
        world_destroy(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_life_in_its_own_process),
        cmocka_unit_test(what_stays_mapped_is_refused_unless_pinned),
        cmocka_unit_test(a_whole_life_in_the_node),
        cmocka_unit_test(killed_by_hand),
        cmocka_unit_test(ends_by_its_own_hand),
        cmocka_unit_test(large_payloads_and_many_calls),
        cmocka_unit_test(a_full_ring_is_overloaded_not_a_wait),
        cmocka_unit_test(bad_objects_are_refused_by_a_process),
        cmocka_unit_test(bad_objects_are_refused_by_the_node),
        cmocka_unit_test(a_probe_finds_what_could_not_be_loaded),
        cmocka_unit_test(hooks_that_end_or_hang),
        cmocka_unit_test(an_unhealthy_instance_goes_down),
        cmocka_unit_test(draining_lets_calls_end_and_cuts_the_rest),
        cmocka_unit_test(the_examples_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
