/* Goal: what one instance of a shared process does or suffers in its actor costs the others nothing: one more
 * than there may be, one that was gone before it came in, calls that nobody awaits any more (shared_host.h).
 * Method: the real actor; its process is memory of ours, its guests are stubs that send what the test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/instance.h"
#include "actors/slice/shared_host.h"
#include "actors/slice/slice_frame.h"
#include "actors/slice/slice_host.h"
#include "actors/slice/slice_ring.h"
#include "runtime/base/check.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"

#include <stdlib.h>
#include <string.h>

enum { ANSWER_SIZE = 4000, ANSWERS = 1000, ASKERS = 4 };

struct world {
    struct scheduler *stepper;
    struct runtime *runtime;
    struct process_port processes;
    struct slice_adapters adapters;
    void *shared;
    struct slice_ring to_process; /* As the process reads it. */
    struct actor_id host;
    uint32_t kills;
    uint32_t refused_calls;
};
static struct world world;

/* --- the process ---------------------------------------------------------------------------------------- */

static enum status start(void *context, const struct process_spec *spec, struct process *out_process,
                         struct process_watch *out_watch, struct error *error)
{
    (void)context, (void)error;
    world.shared = aligned_alloc(64, spec->shared_size);
    memset(world.shared, 0, spec->shared_size);
    slice_ring_init(&world.to_process, world.shared);
    *out_process = (struct process){ .pid = 7, .shared = world.shared, .shared_size = spec->shared_size };
    *out_watch = (struct process_watch){ -1, -1, -1 };
    return STATUS_OK;
}

static void ring(void *context, const struct process *process)
{
    (void)context, (void)process;
}

static void note_kill(void *context, const struct process *process)
{
    (void)context, (void)process;
    world.kills++;
}

static void free_process(void *context, struct process *process)
{
    (void)context, (void)process;
    free(world.shared);
    world.shared = NULL;
}

/* The type of the next frame that the process would read; SLICE_FRAME_NONE: there is none. */
static uint32_t next_frame(uint32_t *out_guest)
{
    struct bytes *bytes = NULL;
    struct slice_frame frame;
    bool rings;
    if (slice_ring_read(&world.to_process, &bytes, &rings) != RING_DONE) return SLICE_FRAME_NONE;
    assert_int_equal(slice_frame_decode(bytes, &frame, NULL), STATUS_OK);
    *out_guest = frame.guest;
    uint32_t type = frame.type;
    bytes_unref(&bytes);
    return type;
}

/* --- its guests ----------------------------------------------------------------------------------------- */

static void send_frame(struct actor *self, uint32_t number, uint32_t type, uint64_t call)
{
    struct arena arena = { 0 };
    const void *head = NULL;
    size_t size = 0;
    static const uint8_t answer[ANSWER_SIZE];
    size_t payload_size = type == SLICE_FRAME_ANSWER ? sizeof answer : 0;
    const struct slice_frame frame = {
        .type = type, .guest = number, .id = call, .payload_size = payload_size
    };
    assert_int_equal(slice_frame_encode(&frame, &arena, &head, &size, NULL), STATUS_OK);
    struct message *message = message_create(KIND_SHARED_FRAME, sizeof(struct shared_frame));
    *(struct shared_frame *)message->body =
        (struct shared_frame){ .guest = number, .call = type == SLICE_FRAME_CALL ? call : 0 };
    struct bytes *bytes = bytes_create(size + payload_size);
    memcpy(bytes->data, head, size);
    memcpy(bytes->data + size, answer, payload_size);
    message_attach(message, &bytes);
    actor_tell(self, world.host, &message);
    arena_fini(&arena);
}

static void join(struct actor *self, uint32_t number)
{
    struct message *message = message_create(KIND_SHARED_JOIN, sizeof(struct shared_join));
    ((struct shared_join *)message->body)->guest = number;
    actor_tell(self, world.host, &message);
}

/* A guest's number is the tag of the message with which the test wakes it. */
enum order {
    ORDER_LOAD = KIND_DOORBELL_RANG,
    ORDER_LEAVE_AT_ONCE = KIND_SLICE_SWEEP,
    ORDER_CALL = KIND_SLICE_HEALTH,
    ORDER_ANSWERS = KIND_SLICE_TIMER
};

static void guest_handle(struct actor *self, void *context, const struct message *message)
{
    uint32_t number = (uint32_t)message->tag;
    (void)context;
    switch (message->kind) {
    case ORDER_LEAVE_AT_ONCE:
    case ORDER_LOAD:
        join(self, number);
        send_frame(self, number, SLICE_FRAME_LOAD, 0);
        if (message->kind == ORDER_LEAVE_AT_ONCE) actor_stop(self, actor_self(self));
        break;
    case ORDER_CALL: send_frame(self, number, SLICE_FRAME_CALL, 1); break;
    case ORDER_ANSWERS:
        join(self, number);
        for (uint64_t i = 1; i <= ANSWERS; i++)
            send_frame(self, number, SLICE_FRAME_ANSWER, i);
        break;
    case KIND_SHARED_REFUSED: world.refused_calls++; break;
    default: break;
    }
}

static struct actor_id guest(uint32_t number, enum order order)
{
    struct actor_id id = stub_spawn(world.runtime, 0, guest_handle, NULL);
    struct message *message = message_create((uint32_t)order, 0);
    message->tag = number;
    probe_tell(world.runtime, id, &message);
    return id;
}

/* --- the world ------------------------------------------------------------------------------------------ */

static void watch(struct actor *self, void *context, const struct message *message)
{
    (void)self, (void)context, (void)message;
}

static int set_up(void **state)
{
    (void)state;
    world = (struct world){ .stepper = stepper_create(&(struct stepper_options){ .seed = 1 }) };
    world.runtime = runtime_create(&(struct runtime_options){ .scheduler = world.stepper, .node = "n1" });
    world.processes =
        (struct process_port){ .start = start, .ring = ring, .kill = note_kill, .close = free_process };
    world.adapters =
        (struct slice_adapters){ .node = "n1", .host_program = "x", .processes = &world.processes };
    (void)stub_spawn(world.runtime, TO_DOORBELL, watch, NULL);
    struct slice_instance_options options = { .path = "x", .config = "{}", .adapters = &world.adapters };
    return runtime_spawn(world.runtime, &shared_host_behavior, &(struct spawn_options){ .options = &options },
                         &world.host, NULL) == STATUS_OK
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

/* --- tests ---------------------------------------------------------------------------------------------- */

static void one_too_many_never_reaches_the_process(void **state)
{
    (void)state;
    uint32_t number, loads = 0;
    for (uint32_t i = 1; i <= SHARED_GUESTS_MAX + 2; i++)
        (void)guest(i, ORDER_LOAD);
    while (next_frame(&number) == SLICE_FRAME_LOAD)
        loads++;
    assert_int_equal(loads, SHARED_GUESTS_MAX); /* One more, and the process gives up. */
    (void)guest(1000, ORDER_CALL);              /* Of one that was never let in. */
    assert_int_equal(next_frame(&number), SLICE_FRAME_NONE);
    assert_int_equal(world.refused_calls, 1);
    assert_int_equal(world.kills, 0);
}

static void who_was_gone_before_it_came_in_takes_nobody_along(void **state)
{
    (void)state;
    uint32_t number;
    (void)guest(1, ORDER_LOAD);
    (void)guest(2, ORDER_LEAVE_AT_ONCE);
    assert_int_equal(world.kills, 0);
    assert_int_equal(next_frame(&number), SLICE_FRAME_LOAD);
    uint32_t type = next_frame(&number);
    while (type == SLICE_FRAME_LOAD) /* Whether it came that far or not: it is forgotten. */
        type = next_frame(&number);
    assert_int_equal(type, SLICE_FRAME_FORGET);
    assert_int_equal(number, 2);
}

/* slice.h gives a hook 15 s: so long may one hold up that another is forgotten. */
static void a_busy_process_may_take_as_long_as_a_hook_to_forget(void **state)
{
    (void)state;
    (void)guest(1, ORDER_LOAD);
    (void)guest(2, ORDER_LEAVE_AT_ONCE);
    stepper_run_until(world.stepper, SECONDS(14));
    assert_int_equal(world.kills, 0);
    stepper_run_until(world.stepper, SECONDS(30));
    assert_int_equal(world.kills, 1);
}

/* Each instance may have AETHER_OUTBOUND_MAX answers coming while another holds the thread. */
static void the_answers_of_many_wait_for_a_busy_process(void **state)
{
    (void)state;
    uint32_t number, count = 0;
    for (uint32_t i = 1; i <= ASKERS; i++)
        (void)guest(i, ORDER_ANSWERS);
    assert_int_equal(world.kills, 0);
    for (uint32_t type = SLICE_FRAME_ANSWER; type == SLICE_FRAME_ANSWER;) {
        while ((type = next_frame(&number)) == SLICE_FRAME_ANSWER)
            assert_int_equal(number, 1 + count++ / ANSWERS);
        struct message *rang = message_create(KIND_DOORBELL_RANG, 0);
        probe_tell(world.runtime, world.host, &rang);
        if ((type = next_frame(&number)) == SLICE_FRAME_ANSWER)
            assert_int_equal(number, 1 + count++ / ANSWERS);
    }
    assert_int_equal(count, ASKERS * ANSWERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_too_many_never_reaches_the_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_was_gone_before_it_came_in_takes_nobody_along, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_busy_process_may_take_as_long_as_a_hook_to_forget, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_answers_of_many_wait_for_a_busy_process, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
