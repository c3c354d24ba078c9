/* probe: see the header. A probe is an actor that asks in its init and stops when it is answered; a stub is
 * one whose handler is given at run time. */
#include "tests/support/probe.h"

#include "runtime/base/check.h"

#include <string.h>

struct probe_order {
    struct actor_id to;
    struct message *message;
    int64_t timeout_ns;
    struct probe_result *result;
};

static void on_answer(struct actor *self, void *state, void *context, const struct ask_result *answer)
{
    (void)state;
    struct probe_result *result = context;
    CHECK(!result->completed); /* ACT5. */
    result->completed = true;
    result->status = answer->status;
    if (answer->error != NULL) result->error = *answer->error;
    if (answer->message != NULL) result->message = actor_keep(self);
    actor_stop(self, actor_self(self));
}

static enum status probe_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)state, (void)error;
    const struct probe_order *order = options;
    struct message *message = order->message;
    actor_ask(self, order->to, &message, order->timeout_ns, on_answer, order->result);
    return STATUS_OK;
}

static const struct behavior probe_behavior = { .name = "probe", .init = probe_init };

static bool is_completed(void *context)
{
    return ((const struct probe_result *)context)->completed;
}

struct probe_result probe_ask(struct runtime *runtime, struct actor_id to, struct message **message,
                              int64_t timeout_ns)
{
    struct probe_result result = { .status = STATUS_UNKNOWN };
    struct probe_order order = { .to = to, .message = *message, .timeout_ns = timeout_ns, .result = &result };
    *message = NULL;
    struct actor_id id;
    enum status status =
        runtime_spawn(runtime, &probe_behavior, &(struct spawn_options){ .options = &order }, &id, NULL);
    CHECK(status == STATUS_OK);
    int64_t limit_ns = (timeout_ns > 0 ? timeout_ns : SECONDS(30)) + SECONDS(1);
    if (!probe_await(runtime_scheduler(runtime), is_completed, &result, limit_ns)) {
        struct message *stop = message_create(KIND_STOP, 0); /* Its context is ours, and we leave. */
        stop->lane = LANE_SYSTEM;
        CHECK(runtime_send(runtime, id, &stop) == STATUS_OK);
        (void)probe_await(runtime_scheduler(runtime), is_completed, &result, 0);
        result.completed = false;
    }
    return result;
}

struct probe_result probe_ask_name(struct runtime *runtime, uint32_t name, struct message **message,
                                   int64_t timeout_ns)
{
    return probe_ask(runtime, runtime_find(runtime, name), message, timeout_ns);
}

void probe_tell(struct runtime *runtime, struct actor_id to, struct message **message)
{
    enum status status = runtime_send(runtime, to, message);
    CHECK(status == STATUS_OK);
    struct scheduler *stepper = runtime_scheduler(runtime);
    stepper_run_until(stepper, stepper_now_ns(stepper));
}

bool probe_await(struct scheduler *stepper, bool (*done)(void *context), void *context, int64_t limit_ns)
{
    int64_t until_ns = stepper_now_ns(stepper) + limit_ns;
    while (!done(context)) {
        if (stepper_now_ns(stepper) > until_ns || !stepper_step(stepper)) return done(context);
    }
    return true;
}

struct stub {
    stub_handler *handle;
    void *context;
};

static enum status stub_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    *(struct stub *)state = *(const struct stub *)options;
    return STATUS_OK;
}

static void stub_handle(struct actor *self, void *state, const struct message *message)
{
    const struct stub *stub = state;
    stub->handle(self, stub->context, message);
}

static const struct behavior stub_behavior = {
    .name = "stub", .state_size = sizeof(struct stub), .init = stub_init, .otherwise = stub_handle
};

struct actor_id stub_spawn(struct runtime *runtime, uint32_t name, stub_handler *handle, void *context)
{
    struct stub stub = { handle, context };
    struct spawn_options options = { .options = &stub, .name = name };
    struct actor_id id = { 0, 0 };
    enum status status = runtime_spawn(runtime, &stub_behavior, &options, &id, NULL);
    CHECK(status == STATUS_OK);
    return id;
}
