/* Goal: an instance in the node is called as slice.h promises: one hook, completion or timer at a time, and
 * never from within a function of the host table that it is in. Method: the real actor over a slice of this
 * file's own; what asks it are stubs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/slice_inline.h"

#include "actors/slice/instance.h"
#include "actors/slice/sdk/aether/slice.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"

#include <string.h>

#define ARTIFACT "org.test:inner:1.0.0"

/* --- the slice ------------------------------------------------------------------------------------------ */

static struct {
    const struct aether_host *host;
    struct aether_call *held;
    bool busy; /* In a hook, completion or timer. */
    bool entered_twice;
    uint32_t replies;
    uint32_t answers;
    uint32_t stops;
    int32_t answer_status;
} slice;

static bool enter(void)
{
    bool was = slice.busy;
    slice.entered_twice |= was;
    slice.busy = true;
    return was;
}

static int32_t on_create(const struct aether_host *host, struct aether_bytes config, void **out_instance)
{
    (void)config;
    slice.host = host;
    *out_instance = &slice;
    return AETHER_OK;
}

static void on_answered(void *instance, void *context, const struct aether_result *result)
{
    (void)instance, (void)context;
    bool was = enter();
    slice.answers++;
    slice.answer_status = result->status;
    slice.busy = was;
}

static void on_timer(void *instance, void *context)
{
    (void)instance, (void)context;
    bool was = enter();
    slice.host->reply(slice.host, slice.held, AETHER_OK, (struct aether_bytes){ "x", 1 });
    slice.replies++;
    slice.busy = was;
}

/* Answers in 100 ms, and puts what can't be put meanwhile. */
static void on_handle(void *instance, struct aether_call *call, const struct aether_request *request)
{
    (void)instance, (void)request;
    bool was = enter();
    slice.held = call;
    assert_true(slice.host->after(slice.host, MILLISECONDS(100), on_timer, NULL) != 0);
    assert_int_equal(slice.host->kv_put(slice.host, "k", (struct aether_bytes){ "\xff", 1 },
                                        AETHER_ANY_REVISION, on_answered, NULL),
                     AETHER_OK);
    slice.busy = was;
}

static int32_t on_stop(void *instance)
{
    (void)instance;
    bool was = enter();
    slice.stops++;
    slice.busy = was;
    return AETHER_OK;
}

static const struct aether_entry entries[] = { { "later", 1, 0, 0, 0 } };
static const struct aether_slice descriptor = {
    AETHER_SLICE_HEAD,
    "org.test",
    "inner",
    "1.0.0",
    AETHER_ENTRIES(entries),
    AETHER_NO_DEPENDENCIES,
    on_create,
    NULL,
    on_handle,
    on_stop,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
};

static enum status fake_open(void *context, const char *path, struct library **out_library,
                             struct error *error)
{
    (void)path, (void)error;
    *out_library = context;
    return STATUS_OK;
}

static void *fake_symbol(void *context, struct library *library, const char *name)
{
    (void)context, (void)library, (void)name;
    return (void *)(uintptr_t)&descriptor;
}

static bool fake_close(void *context, struct library **library)
{
    (void)context;
    *library = NULL;
    return true;
}

/* --- the world ------------------------------------------------------------------------------------------ */

static struct {
    struct scheduler *stepper;
    struct runtime *runtime;
    struct library_port libraries;
    struct slice_adapters adapters;
    struct actor_id instance;
    uint32_t answered;
} world;

static int set_up(void **state)
{
    (void)state;
    memset(&slice, 0, sizeof slice);
    memset(&world, 0, sizeof world);
    world.stepper = stepper_create(&(struct stepper_options){ .seed = 1 });
    world.runtime = runtime_create(&(struct runtime_options){ .scheduler = world.stepper, .node = "n1" });
    world.libraries = (struct library_port){ &world, fake_open, fake_symbol, fake_close };
    world.adapters = (struct slice_adapters){ .node = "n1", .libraries = &world.libraries };
    struct slice_instance_options options = { .key = { .artifact = ARTIFACT, .instance = 1 },
                                              .path = "x",
                                              .config = "{}",
                                              .adapters = &world.adapters };
    return runtime_spawn(world.runtime, &slice_inline_behavior,
                         &(struct spawn_options){ .options = &options }, &world.instance, NULL) == STATUS_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    runtime_destroy(&world.runtime);
    scheduler_destroy(&world.stepper);
    return 0;
}

static void step(enum slice_step_kind kind)
{
    struct message *message = message_create(KIND_SLICE_STEP, sizeof(struct slice_step));
    *(struct slice_step *)message->body = (struct slice_step){ .kind = kind, .drain_ns = SECONDS(5) };
    struct probe_result result = probe_ask(world.runtime, world.instance, &message, SECONDS(10));
    if (result.status != STATUS_OK) fail_msg("%s", result.error.message);
    message_destroy(&result.message);
}

static void on_call_ended(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)self, (void)state, (void)context;
    assert_int_equal(result->status, STATUS_OK);
    world.answered++;
}

static void client_handle(struct actor *self, void *context, const struct message *message)
{
    (void)context, (void)message;
    struct message *call = wire_message_create(KIND_INVOKE_REQUEST);
    Pb__InvokeRequest *request = call->body;
    request->artifact = wire_string(call, ARTIFACT);
    request->entry = wire_string(call, "later");
    actor_ask(self, world.instance, &call, SECONDS(5), on_call_ended, NULL);
}

static void begin_call(void)
{
    struct actor_id client = stub_spawn(world.runtime, 0, client_handle, NULL);
    struct message *order = message_create(KIND_SLICE_SWEEP, 0);
    probe_tell(world.runtime, client, &order);
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static void nothing_calls_it_while_it_speaks(void **state)
{
    (void)state;
    step(SLICE_STEP_LOAD);
    step(SLICE_STEP_START);
    begin_call();
    assert_int_equal(slice.answers, 1);
    assert_int_equal(slice.answer_status, AETHER_INVALID);
    step(SLICE_STEP_STOP); /* Drains: its last call's reply brings the stop. */
    assert_int_equal(slice.replies, 1);
    assert_int_equal(slice.stops, 1);
    assert_int_equal(world.answered, 1);
    assert_false(slice.entered_twice);
    step(SLICE_STEP_DESTROY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_calls_it_while_it_speaks, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
