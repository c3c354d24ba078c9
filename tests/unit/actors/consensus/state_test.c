/* Goal: who watches the state and ends leaves its place to others, and only actors of this node may watch
 * (A6). Method: the state actor on the stepper, over an empty log; watchers are stand-ins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/consensus/state.h"
#include "actors/consensus/watches.h"
#include "store/memory/log_memory.h"
#include "store/schema/rules.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"

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

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(watchers_that_ended_leave_their_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_peer_has_no_stream, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
