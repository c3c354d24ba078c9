/* Goal: a worker takes from a replica only what it can apply; what is damaged sends it to another stream, and
 * ends nothing (section 2, M4, D1). Method: observer and log writer on the stepper over a log in memory; the
 * replica, the transport and the state are stand-ins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/consensus/log_writer.h"
#include "actors/consensus/messages.h"
#include "actors/consensus/observer.h"
#include "store/memory/log_memory.h"
#include "store/raft/configuration.h"
#include "tests/support/log_fixture.h"
#include "tests/support/probe.h"
#include "wire/frame.h"
#include "wire/kinds.h"
#include "wire/proto/codec.h"
#include "wire/proto/consensus.pb-c.h"
#include "wire/remote.h"

#include <string.h>

struct world {
    struct scheduler *stepper;
    struct runtime *runtime;
    struct log_memory_disk *disk;
    struct log *log;
    struct actor_id observer;
    uint64_t stream;  /* The last one that it asked for. */
    uint64_t applied; /* Entries that reached the state. */
};

/* --- stand-ins --- */

static void on_state(struct actor *self, void *context, const struct message *message)
{
    (void)self;
    struct world *world = context;
    if (message->kind == KIND_APPLY) world->applied += ((const struct apply *)message->body)->entry_count;
}

static void on_transport(struct actor *self, void *context, const struct message *message)
{
    (void)self;
    struct world *world = context;
    if (message->kind != KIND_TRANSPORT_SEND) return;
    struct bytes *frame = bytes_copy(message->attachment->data, message->attachment->size);
    struct frame_header header = { .protocol = PROTOCOL_MIN };
    struct message *sent = NULL;
    struct error error = { 0 };
    frame_seal(frame, &header);
    assert_int_equal(frame_parse(frame->data, frame->size, &header, &error), STATUS_OK);
    assert_int_equal(frame_decode(frame->data, frame->size, &header, &sent, &error), STATUS_OK);
    if (sent->kind == KIND_OBSERVE) world->stream = ((const Pb__Observe *)sent->body)->stream;
    message_destroy(&sent);
    bytes_unref(&frame);
}

/* --- the replica --- */

static void settle(struct world *world)
{
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + MILLISECONDS(300));
}

static void say(struct world *world, struct message *message)
{
    message->from_node = arena_strdup(&message->arena, "n1");
    message->from_replica = 5;
    probe_tell(world->runtime, world->observer, &message);
    settle(world);
}

static void tell_cluster(struct world *world)
{
    struct message *message = wire_message_create(KIND_WHO_REPLY);
    Pb__WhoReply *reply = message->body;
    reply->node = wire_string(message, "n1");
    reply->replica_id = 5;
    reply->cluster_id = 2;
    say(world, message);
}

/* Entry 1, which every log begins with: its chain is right, whatever is in it. */
static void send_first(struct world *world, const void *payload, size_t size)
{
    struct message *message = wire_message_create(KIND_COMMITTED);
    Pb__Committed *part = message->body;
    Pb__LogEntry *entry = codec_create(&message->arena, &pb__log_entry__descriptor);
    entry->index = 1;
    entry->term = 1;
    entry->type = ENTRY_CONFIGURATION;
    entry->chain = entry_chain(0, 1, 1, ENTRY_CONFIGURATION, payload, size);
    entry->payload.data = arena_memdup(&message->arena, payload, size);
    entry->payload.len = size;
    part->entries = arena_array(&message->arena, 1, sizeof entry);
    part->entries[0] = entry;
    part->n_entries = 1;
    part->stream = world->stream;
    part->commit = 1;
    say(world, message);
}

/* --- life --- */

static int set_up(void **state)
{
    static struct world world;
    static const char *const peers[] = { "n1" };
    struct error error = { 0 };
    world = (struct world){ .stepper = stepper_create(&(struct stepper_options){ .seed = 1 }) };
    world.disk = log_memory_disk_create();
    world.runtime = runtime_create(&(struct runtime_options){ .scheduler = world.stepper, .node = "w1" });
    assert_int_equal(log_memory_open(world.disk, &log_fixture_random, &world.log, &error), STATUS_OK);
    (void)stub_spawn(world.runtime, TO_STATE, on_state, &world);
    (void)stub_spawn(world.runtime, TO_TRANSPORT, on_transport, &world);
    struct log_writer_options log = { .log = world.log };
    struct observer_options options = { .node = "w1", .log = world.log, .peers = peers, .peer_count = 1 };
    struct spawn_options writer = { .options = &log, .name = TO_LOG_WRITER };
    struct spawn_options observer = { .options = &options, .name = TO_LEADER };
    struct actor_id id;
    assert_int_equal(runtime_spawn(world.runtime, &log_writer_behavior, &writer, &id, &error), STATUS_OK);
    assert_int_equal(runtime_spawn(world.runtime, &observer_behavior, &observer, &world.observer, &error),
                     STATUS_OK);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    runtime_destroy(&world->runtime);
    world->log->ops->close(world->log);
    scheduler_destroy(&world->stepper);
    log_memory_disk_destroy(&world->disk);
    return 0;
}

/* --- tests --- */

static void what_is_no_configuration_is_not_taken(void **state) /* M4 */
{
    struct world *world = *state;
    struct configuration configuration = { 0 };
    tell_cluster(world);
    uint64_t first = world->stream;
    assert_true(first != 0);
    send_first(world, "nonsense", 8);
    assert_int_equal(world->applied, 0);
    assert_int_equal(world->log->live.last, 0); /* Else every start would find it again. */
    assert_true(world->stream != first);
    assert_int_equal(configuration_add(&configuration, 5, "n1", true), STATUS_OK);
    struct bytes *packed = configuration_pack(&configuration);
    send_first(world, packed->data, packed->size);
    assert_int_equal(world->applied, 1);
    assert_int_equal(world->log->live.last, 1);
    bytes_unref(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_no_configuration_is_not_taken, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("observer", tests, NULL, NULL);
}
