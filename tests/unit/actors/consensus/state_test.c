/* Goal: who watches the state and ends leaves its place to others, and only actors of this node may watch
 * (A6). Method: the state actor on the stepper, over an empty log; watchers are stand-ins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/consensus/messages.h"
#include "actors/consensus/state.h"
#include "actors/consensus/watches.h"
#include "store/memory/log_memory.h"
#include "store/schema/rules.h"
#include "tests/support/commands.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"

#include <stdio.h>
#include <string.h>

static void fill_random(void *context, void *buffer, size_t size)
{
    (void)context;
    memset(buffer, 7, size);
}
static const struct random test_random = { .fill = fill_random };

struct world {
    struct scheduler *stepper;
    struct runtime *runtime;
    struct log_memory_disk *disk;
    struct log *log;
    uint32_t snapshots; /* That watchers were sent. */
    uint32_t events;
    uint32_t seen;    /* By the watcher when it was asked; read points by the leader. */
    uint32_t patient; /* Of those. */
};

static int set_up(void **state)
{
    static struct world world;
    struct error error = { 0 };
    world = (struct world){ .stepper = stepper_create(&(struct stepper_options){ .seed = 1 }) };
    world.runtime = runtime_create(&(struct runtime_options){ .scheduler = world.stepper, .node = "n1" });
    world.disk = log_memory_disk_create();
    assert_int_equal(log_memory_open(world.disk, &test_random, &world.log, &error), STATUS_OK);
    struct state_options options = { .log = world.log, .rules = &schema_rules };
    struct spawn_options spawn = { .options = &options, .name = TO_STATE };
    struct actor_id id;
    assert_int_equal(runtime_spawn(world.runtime, &state_behavior, &spawn, &id, &error), STATUS_OK);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    bool stopped = runtime_stop(world->runtime, SECONDS(10));
    runtime_destroy(&world->runtime);
    scheduler_destroy(&world->stepper);
    world->log->ops->close(world->log);
    log_memory_disk_destroy(&world->disk);
    return stopped ? 0 : -1;
}

static struct message *new_watch(void)
{
    struct message *message = wire_message_create(KIND_STATE_WATCH);
    Pb__StateWatch *watch = message->body;
    watch->watch_id = 1;
    watch->prefix = wire_string(message, "w/");
    return message;
}

/* Told to watch it watches; sent its snapshot it ends. */
static void watch_once(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    if (message->kind == KIND_STATE_WATCH) {
        struct message *watch = new_watch();
        actor_tell_name(self, TO_STATE, &watch);
        return;
    }
    if (message->kind != KIND_STATE_CHANGED) return;
    world->snapshots++;
    actor_stop(self, actor_self(self));
}

static void watchers_that_ended_leave_their_places(void **state)
{
    struct world *world = *state;
    for (uint32_t i = 0; i < 2 * WATCHES_MAX; i++) {
        struct actor_id watcher = stub_spawn(world->runtime, 0, watch_once, world);
        struct message *message = new_watch();
        probe_tell(world->runtime, watcher, &message);
    }
    assert_int_equal(world->snapshots, 2 * WATCHES_MAX);
}

static void a_peer_has_no_stream(void **state)
{
    struct world *world = *state;
    struct message *message = new_watch();
    message->from_node = arena_strdup(&message->arena, "n2");
    struct probe_result result = probe_ask_name(world->runtime, TO_STATE, &message, SECONDS(1));
    assert_true(result.completed);
    assert_int_equal(result.status, STATUS_INVALID);
}

static void watch_on(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    if (message->kind == KIND_STATE_WATCH) {
        struct message *watch = new_watch();
        actor_tell_name(self, TO_STATE, &watch);
    } else if (message->kind == KIND_STATE_CHANGED) {
        world->events += (uint32_t)((const Pb__StateChanged *)message->body)->n_events;
    } else { /* Asked for what it has seen. */
        world->seen = world->events;
        struct message *reply = message_create(KIND_READ_BARRIER_REPLY, 0);
        actor_reply(self, message, &reply);
    }
}

/* Confirms every round, and takes every copy. */
static void on_neighbour(struct actor *self, void *context, const struct message *message)
{
    (void)context;
    struct message *reply = NULL;
    if (message->kind == KIND_READ_POINT)
        reply = messages_create(KIND_READ_POINT_REPLY, sizeof(struct read_point_reply));
    if (message->kind == KIND_LOG_COPY) reply = messages_create(KIND_LOG_COPY, 0);
    if (reply != NULL) actor_reply(self, message, &reply);
}

static void send_puts(const struct world *world, log_index first, uint32_t count)
{
    struct arena arena = { 0 };
    struct raft_entry *entries = arena_array(&arena, count, sizeof *entries);
    for (uint32_t i = 0; i < count; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "w/%llu", (unsigned long long)first + i);
        entries[i] = commands_entry(first + i, 1, commands_put(&arena, key, "1"));
    }
    struct message *message = messages_apply(entries, count, first + count - 1);
    assert_int_equal(runtime_send(world->runtime, runtime_find(world->runtime, TO_STATE), &message),
                     STATUS_OK);
    for (uint32_t i = 0; i < count; i++)
        bytes_unref(&entries[i].payload);
    arena_fini(&arena);
}

/* What the state asks of the leader for a barrier. */
static void on_point(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    if (message->kind != KIND_READ_POINT) return;
    world->seen++;
    world->patient += ((const struct read_point *)message->body)->patient;
    if (((const struct read_point *)message->body)->patient) return; /* Until the next heartbeat. */
    struct message *reply = messages_create(KIND_READ_POINT_REPLY, sizeof(struct read_point_reply));
    actor_reply(self, message, &reply);
}

/* Q2: those who can wait make one round, and stand in nobody's way. */
static void who_is_patient_keeps_nobody_waiting(void **state)
{
    struct world *world = *state;
    (void)stub_spawn(world->runtime, TO_LEADER, on_point, world);
    for (int i = 0; i < 3; i++) {
        struct message *barrier = message_create(KIND_READ_BARRIER, sizeof(struct read_barrier));
        ((struct read_barrier *)barrier->body)->patient = true;
        struct probe_result result = probe_ask_name(world->runtime, TO_STATE, &barrier, MILLISECONDS(50));
        assert_int_not_equal(result.status, STATUS_OK);
    }
    assert_int_equal(world->seen, 1);
    assert_int_equal(world->patient, 1);
    for (int i = 0; i < 3; i++) {
        struct message *barrier = message_create(KIND_READ_BARRIER, 0);
        struct probe_result result = probe_ask_name(world->runtime, TO_STATE, &barrier, MILLISECONDS(50));
        assert_int_equal(result.status, STATUS_OK);
        message_destroy(&result.message);
    }
    assert_int_equal(world->patient, 1);
}

/* More revisions in one turn than the watcher's mailbox takes: the rest comes later, and the barrier after
 * it. */
static void a_barrier_waits_for_the_watchers(void **state)
{
    enum { BATCH = 512, BATCHES = 3 };
    struct world *world = *state;
    (void)stub_spawn(world->runtime, TO_LEADER, on_neighbour, world);
    (void)stub_spawn(world->runtime, TO_LOG_WRITER, on_neighbour, world);
    struct actor_id watcher = stub_spawn(world->runtime, 0, watch_on, world);
    struct message *message = new_watch();
    probe_tell(world->runtime, watcher, &message);
    for (uint32_t i = 0; i < BATCHES; i++)
        send_puts(world, 1 + (log_index)i * BATCH, BATCH);
    message = message_create(KIND_READ_BARRIER, 0);
    struct probe_result result = probe_ask_name(world->runtime, TO_STATE, &message, SECONDS(1));
    assert_true(result.completed);
    assert_int_equal(result.status, STATUS_OK);
    message_destroy(&result.message);
    message = message_create(KIND_READ_BARRIER, 0);
    result = probe_ask(world->runtime, watcher, &message, SECONDS(1));
    message_destroy(&result.message);
    assert_int_equal(world->seen, BATCH * BATCHES);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(watchers_that_ended_leave_their_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_peer_has_no_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_patient_keeps_nobody_waiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_barrier_waits_for_the_watchers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
