/* Goal: whatever comes in whatever order, a snapshot is received whole or not at all, what is said to be
 * durable is, and after a start the same snapshot goes on where it was (N2, FLT19). Method: receiver and log
 * writer on the stepper over a log in memory; the sender, the leader actor and the transport are stand-ins
 * that count what they are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/consensus/log_writer.h"
#include "actors/consensus/messages.h"
#include "actors/consensus/snapshot_messages.h"
#include "actors/consensus/snapshot_receiver.h"
#include "store/memory/log_memory.h"
#include "tests/support/log_fixture.h"
#include "tests/support/probe.h"
#include "wire/frame.h"
#include "wire/kinds.h"
#include "wire/proto/consensus.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { CHUNKS = 5, BLOCKS = CHUNKS + 2, SELF = 77, SENDER = 5 };

struct world {
    struct scheduler *stepper;
    struct runtime *runtime;
    struct log_memory_disk *disk;
    struct log *log;
    struct actor_id receiver;
    struct snapshot_header header;
    struct bytes *blocks[BLOCKS];
    uint64_t offsets[BLOCKS + 1];
    bool accepts; /* What the leader actor says to an offer. */
    bool holds;
    uint32_t offered;  /* To the leader actor. */
    uint32_t complete; /* It was told that one is here, whole. */
    uint32_t failed;
    uint64_t said_of; /* The id of that. */
    uint32_t acknowledgements;
    Pb__SnapState state; /* Of the last one. */
    uint64_t offset;
};

/* --- stand-ins --- */

static void on_leader(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    if (message->kind == KIND_SNAPSHOT_OFFERED) {
        world->offered++;
        struct message *answer = messages_create(KIND_SNAPSHOT_VERDICT, sizeof(struct snapshot_verdict));
        *(struct snapshot_verdict *)answer->body = (struct snapshot_verdict){ world->accepts, world->holds };
        actor_reply(self, message, &answer);
    }
    if (message->kind != KIND_SNAPSHOT_RECEIVED) return;
    bool failed = ((const struct snapshot_received *)message->body)->failed;
    world->said_of = ((const struct snapshot_received *)message->body)->id;
    world->complete += !failed;
    world->failed += failed;
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
    assert_int_equal(sent->kind, KIND_SNAP_ACK);
    const Pb__SnapAck *ack = sent->body;
    assert_int_equal(ack->to, SENDER);
    world->acknowledgements++;
    world->state = ack->state;
    world->offset = ack->offset;
    message_destroy(&sent);
    bytes_unref(&frame);
}

/* --- the stream --- */

static void add_record(struct snapshot_chunk *chunk, struct record_hash *hash, uint32_t number)
{
    struct arena arena = { 0 };
    char key[16];
    (void)snprintf(key, sizeof key, "k/%03u", number);
    struct kv_record record = { .key = key, .value = (const uint8_t *)"{}", .value_size = 2, .lease = "" };
    record.create_revision = number + 1;
    record.revision = number + 1;
    record.version = 1;
    record.term = 1;
    struct record_blob blob = record_pack(&record, &arena);
    struct record_hash part = record_hash(&record);
    record_hash_add(hash, &part);
    snapshot_chunk_add(chunk, &(struct log_copy_record){ COPY_RECORD, key, blob.data, blob.size });
    arena_fini(&arena);
}

static void make_stream(struct world *world)
{
    struct snapshot_progress progress = { 0 };
    struct record_hash hash = { 0 };
    world->header = (struct snapshot_header){ .id = 9, .cluster_id = 2, .position = { 100, 2, 3 } };
    world->header.configuration_index = 1;
    assert_int_equal(configuration_add(&world->header.configuration, SELF, "n1", true), STATUS_OK);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        struct snapshot_chunk chunk = { 0 };
        for (uint32_t r = 0; r < 4; r++)
            add_record(&chunk, &hash, i * 4 + r);
        world->blocks[i + 1] = snapshot_chunk_block(&chunk);
    }
    record_hash_bytes(&hash, world->header.state_hash);
    world->blocks[0] = snapshot_header_block(&world->header);
    for (uint32_t i = 0; i <= CHUNKS; i++)
        snapshot_progress_add(&progress, world->blocks[i], i == 0 ? 0 : 4);
    world->blocks[CHUNKS + 1] = snapshot_end_block(&progress);
    for (uint32_t i = 0; i < BLOCKS; i++)
        world->offsets[i + 1] = world->offsets[i] + world->blocks[i]->size;
}

static struct message *from_sender(uint32_t kind, struct bytes *block)
{
    struct message *message = wire_message_create(kind);
    message->from_node = arena_strdup(&message->arena, "n2");
    message->from_replica = SENDER;
    struct bytes *kept = bytes_ref(block);
    message_attach(message, &kept);
    return message;
}

static void settle(struct world *world)
{
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + MILLISECONDS(200));
}

static void offer(struct world *world)
{
    struct message *message = from_sender(KIND_SNAP_OFFER, world->blocks[0]);
    Pb__SnapOffer *body = message->body;
    body->to = SELF;
    body->term = 2;
    body->snapshot_id = world->header.id;
    probe_tell(world->runtime, world->receiver, &message);
    settle(world);
}

static void send_bytes(struct world *world, uint32_t number, struct bytes *block)
{
    struct message *message = from_sender(KIND_SNAP_CHUNK, block);
    Pb__SnapChunk *body = message->body;
    body->to = SELF;
    body->snapshot_id = world->header.id;
    body->offset = world->offsets[number];
    probe_tell(world->runtime, world->receiver, &message);
    settle(world);
}

static void send(struct world *world, uint32_t number)
{
    send_bytes(world, number, world->blocks[number]);
}

/* --- life --- */

static void start(struct world *world)
{
    struct error error = { 0 };
    world->runtime = runtime_create(&(struct runtime_options){ .scheduler = world->stepper, .node = "n1" });
    assert_int_equal(log_memory_open(world->disk, &log_fixture_random, &world->log, &error), STATUS_OK);
    (void)stub_spawn(world->runtime, TO_LEADER, on_leader, world);
    (void)stub_spawn(world->runtime, TO_TRANSPORT, on_transport, world);
    struct log_writer_options options = { .log = world->log };
    struct spawn_options writer = { .options = &options, .name = TO_LOG_WRITER };
    struct spawn_options receiver = { .name = TO_SNAPSHOT_RECEIVER };
    struct actor_id id;
    assert_int_equal(runtime_spawn(world->runtime, &log_writer_behavior, &writer, &id, &error), STATUS_OK);
    assert_int_equal(
        runtime_spawn(world->runtime, &snapshot_receiver_behavior, &receiver, &world->receiver, &error),
        STATUS_OK);
}

static void end(struct world *world)
{
    runtime_destroy(&world->runtime); /* As a crash: nothing is said any more. */
    world->log->ops->close(world->log);
}

static int set_up(void **state)
{
    static struct world world;
    world = (struct world){ .stepper = stepper_create(&(struct stepper_options){ .seed = 1 }) };
    world.disk = log_memory_disk_create();
    world.accepts = true;
    make_stream(&world);
    start(&world);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    end(world);
    scheduler_destroy(&world->stepper);
    log_memory_disk_destroy(&world->disk);
    for (uint32_t i = 0; i < BLOCKS; i++)
        bytes_unref(&world->blocks[i]);
    return 0;
}

/* --- tests --- */

static void assert_stands(const struct world *world, uint32_t blocks)
{
    assert_int_equal(world->state, PB__SNAP_STATE__SNAP_RECEIVING);
    assert_int_equal(world->offset, world->offsets[blocks]);
}

static void blocks_in_order(void **state)
{
    struct world *world = *state;
    offer(world);
    assert_stands(world, 1); /* The header is durable. */
    for (uint32_t i = 1; i <= CHUNKS; i++) {
        send(world, i);
        assert_stands(world, i + 1);
    }
    assert_int_equal(world->complete, 0);
    send(world, CHUNKS + 1);
    assert_int_equal(world->complete, 1);
    struct message *installed = messages_create(KIND_SNAPSHOT_INSTALLED, 0);
    probe_tell(world->runtime, world->receiver, &installed);
    settle(world);
    assert_int_equal(world->state, PB__SNAP_STATE__SNAP_HOLDS);
}

static void blocks_twice_and_in_another_order(void **state)
{
    struct world *world = *state;
    static const uint32_t order[] = { 3, 2, 2, 5, 1, 1, 4, 3, 6, 4, 6 };
    offer(world);
    for (uint32_t i = 0; i < ARRAY_COUNT(order); i++)
        send(world, order[i]);
    assert_int_equal(world->complete, 1);
    assert_int_equal(world->failed, 0);
    assert_int_equal(world->offered, 1);
}

static void a_damaged_block_is_asked_for_again(void **state)
{
    struct world *world = *state;
    offer(world);
    send(world, 1);
    struct bytes *damaged = bytes_copy(world->blocks[2]->data, world->blocks[2]->size);
    damaged->data[damaged->size - 1] ^= 1;
    send_bytes(world, 2, damaged);
    assert_stands(world, 2);
    for (uint32_t i = 2; i < BLOCKS; i++)
        send(world, i);
    assert_int_equal(world->complete, 1);
    bytes_unref(&damaged);
}

static void one_that_stays_damaged_is_given_up(void **state)
{
    struct world *world = *state;
    offer(world);
    struct bytes *damaged = bytes_copy(world->blocks[1]->data, world->blocks[1]->size);
    damaged->data[40] ^= 1;
    for (uint32_t i = 0; i < 3; i++)
        send_bytes(world, 1, damaged);
    assert_int_equal(world->failed, 1);
    assert_int_equal(world->state, PB__SNAP_STATE__SNAP_REFUSED);
    send(world, 1); /* Nobody waits for it any more. */
    assert_int_equal(world->complete, 0);
    bytes_unref(&damaged);
}

/* Every checksum is right, and still the records are not those of the header (D2). */
static void another_state_than_the_header_says_is_given_up(void **state)
{
    struct world *world = *state;
    struct snapshot_header header = world->header;
    struct snapshot_progress progress = { 0 };
    header.state_hash[0] ^= 1;
    bytes_unref(&world->blocks[0]);
    world->blocks[0] = snapshot_header_block(&header);
    for (uint32_t i = 0; i <= CHUNKS; i++)
        snapshot_progress_add(&progress, world->blocks[i], i == 0 ? 0 : 4);
    bytes_unref(&world->blocks[CHUNKS + 1]);
    world->blocks[CHUNKS + 1] = snapshot_end_block(&progress);
    offer(world);
    for (uint32_t i = 1; i < BLOCKS; i++)
        send(world, i);
    for (uint32_t i = 0; i < 2; i++)
        send(world, CHUNKS + 1);
    assert_int_equal(world->complete, 0);
    assert_int_equal(world->failed, 1);
}

static void it_goes_on_after_a_crash(void **state) /* N2 */
{
    struct world *world = *state;
    for (uint32_t i = 1; i < BLOCKS; i++) {
        offer(world);
        assert_stands(world, i); /* Where it was before the crash. */
        send(world, i);
        if (i <= CHUNKS) assert_stands(world, i + 1);
        if (i == CHUNKS + 1) break;
        end(world);
        start(world);
    }
    assert_int_equal(world->complete, 1);
}

static void another_snapshot_begins_anew(void **state) /* N4 */
{
    struct world *world = *state;
    offer(world);
    send(world, 1);
    send(world, 2);
    world->header.id = 10;
    struct snapshot_progress progress = { 0 };
    bytes_unref(&world->blocks[0]);
    world->blocks[0] = snapshot_header_block(&world->header);
    for (uint32_t i = 0; i <= CHUNKS; i++)
        snapshot_progress_add(&progress, world->blocks[i], i == 0 ? 0 : 4);
    bytes_unref(&world->blocks[CHUNKS + 1]);
    world->blocks[CHUNKS + 1] = snapshot_end_block(&progress);
    offer(world);
    assert_stands(world, 1);
    for (uint32_t i = 1; i < BLOCKS; i++)
        send(world, i);
    assert_int_equal(world->complete, 1);
}

static void what_the_core_ignores_is_not_taken(void **state) /* N3 */
{
    struct world *world = *state;
    world->accepts = false;
    offer(world);
    assert_int_equal(world->state, PB__SNAP_STATE__SNAP_REFUSED);
    world->holds = true;
    offer(world);
    assert_int_equal(world->state, PB__SNAP_STATE__SNAP_HOLDS);
    uint32_t before = world->acknowledgements;
    send(world, 1);
    assert_int_equal(world->acknowledgements, before);
}

static void a_silent_sender_is_given_up(void **state)
{
    struct world *world = *state;
    offer(world);
    send(world, 1);
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + SECONDS(15));
    send(world, 2); /* Not yet. */
    assert_int_equal(world->failed, 0);
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + SECONDS(15));
    assert_int_equal(world->failed, 0);
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + SECONDS(10));
    assert_int_equal(world->failed, 1);
    assert_int_equal(world->state, PB__SNAP_STATE__SNAP_REFUSED);
    offer(world); /* It is back. */
    assert_stands(world, 3);
    for (uint32_t i = 3; i < BLOCKS; i++)
        send(world, i);
    assert_int_equal(world->complete, 1);
    assert_int_equal(world->said_of, world->header.id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blocks_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(blocks_twice_and_in_another_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_block_is_asked_for_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_stays_damaged_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_state_than_the_header_says_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_goes_on_after_a_crash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_snapshot_begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_core_ignores_is_not_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_sender_is_given_up, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("snapshot_receiver", tests, NULL, NULL);
}
