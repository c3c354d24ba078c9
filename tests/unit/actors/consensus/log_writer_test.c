/* Goal: the log writer answers only what is durable, and does what nobody waits for when it is quiet, or has
 * become much or old; holds everything on a full disk and loses nothing of it (F2), drops the log's start as
 * far as it may (D7), and takes a snapshot's chunks, its flip and marks in order with the rest (N2, F4).
 * Method: the actor on the stepper, over a log in memory; a stand-in is the leader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/consensus/compaction.h"
#include "actors/consensus/log_writer.h"
#include "actors/consensus/messages.h"
#include "tests/support/log_fixture.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"

#include <string.h>

enum { KEPT = 20 };

struct world {
    struct log_fixture *fixture;
    struct scheduler *stepper;
    struct runtime *runtime;
    struct actor_id leader;
    struct actor_id writer;
    uint64_t persisted; /* As the leader was told last. */
    log_index base;
    bool full;
};

static void be_leader(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    (void)self;
    if (message->kind == KIND_LOG_PERSISTED) {
        world->persisted = ((const struct log_persisted *)message->body)->sequence;
    } else if (message->kind == KIND_LOG_COMPACTED) {
        world->base = ((const struct log_compacted *)message->body)->base.index;
    } else if (message->kind == KIND_LOG_SPACE) {
        world->full = ((const struct log_space *)message->body)->full;
    } else if (message->kind == KIND_LOG_PERSIST) { /* From the test: to be passed on as ours. */
        struct message *passed = messages_persist(message->body);
        actor_tell(self, world->writer, &passed);
    }
}

static int set_up_over(void **state, int (*log_of)(void **fixture))
{
    static struct world world;
    void *fixture = NULL;
    struct error error = { 0 };
    (void)log_of(&fixture);
    world = (struct world){ .fixture = fixture };
    world.stepper = stepper_create(&(struct stepper_options){ .seed = 1 });
    world.runtime = runtime_create(&(struct runtime_options){ .scheduler = world.stepper, .node = "n1" });
    struct log_writer_options options = { .log = world.fixture->log, .keep_entries = KEPT };
    struct spawn_options spawn = { .options = &options, .name = TO_LOG_WRITER };
    assert_int_equal(runtime_spawn(world.runtime, &log_writer_behavior, &spawn, &world.writer, &error),
                     STATUS_OK);
    world.leader = stub_spawn(world.runtime, TO_LEADER, be_leader, &world);
    (void)stub_spawn(world.runtime, TO_MEMBERSHIP, be_leader, &world); /* Hears of the room. */
    *state = &world;
    return 0;
}

static int set_up(void **state)
{
    return set_up_over(state, log_fixture_memory);
}

static int set_up_with_a_journal(void **state) /* With room for more than is let lie. */
{
    return set_up_over(state, log_fixture_journal);
}

static int set_up_without_a_journal(void **state)
{
    return set_up_over(state, log_fixture_lmdb);
}

static int tear_down(void **state)
{
    struct world *world = *state;
    bool stopped = runtime_stop(world->runtime, SECONDS(10));
    runtime_destroy(&world->runtime);
    scheduler_destroy(&world->stepper);
    void *fixture = world->fixture;
    (void)log_fixture_free(&fixture);
    return stopped ? 0 : -1;
}

static void let_pass(struct world *world, int64_t time_ns)
{
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + time_ns);
}

static void persist(struct world *world, const struct log_persist *persist)
{
    struct message *message = messages_persist(persist);
    probe_tell(world->runtime, world->leader, &message);
}

static void persist_entries(struct world *world, uint64_t sequence, log_index from, uint32_t count)
{
    struct raft_entry entries[128];
    assert_true(count <= 128);
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = log_fixture_entry(world->fixture, from + i, 1, ENTRY_COMMAND, "payload");
    }
    persist(world, &(struct log_persist){ .sequence = sequence, .entries = entries, .entry_count = count });
    for (uint32_t i = 0; i < count; i++) {
        bytes_unref(&entries[i].payload);
    }
}

static bool all_persisted(void *context)
{
    return ((struct world *)context)->persisted == 3;
}
static bool second_persisted(void *context)
{
    return ((struct world *)context)->persisted == 2;
}
static bool first_persisted(void *context)
{
    return ((struct world *)context)->persisted == 1;
}
static bool is_full(void *context)
{
    return ((struct world *)context)->full;
}

static bool has_room(void *context)
{
    return !((struct world *)context)->full;
}

static void a_full_disk_holds_and_loses_nothing(void **state) /* F2, FLT14, R5 */
{
    struct world *world = *state;
    persist_entries(world, 1, 1, 5);
    assert_true(probe_await(world->stepper, first_persisted, world, SECONDS(1)));
    log_memory_disk_set_capacity(world->fixture->disk, 1);
    let_pass(world, SECONDS(2));
    persist_entries(world, 2, 6, 5);
    persist_entries(world, 3, 11, 5);
    assert_true(probe_await(world->stepper, is_full, world, SECONDS(5)));
    let_pass(world, SECONDS(30));
    assert_int_equal(world->persisted, 1); /* It lives, and acknowledges nothing. */
    assert_int_equal(log_memory_disk_last(world->fixture->disk), 5);
    log_memory_disk_set_capacity(world->fixture->disk, UINT64_MAX);
    assert_true(probe_await(world->stepper, all_persisted, world, SECONDS(5)));
    assert_int_equal(log_memory_disk_last(world->fixture->disk), 15);
    assert_true(probe_await(world->stepper, has_room, world, SECONDS(5)));
}

/* The copy of nothing, as of an index. */
static void copy_up_to(struct world *world, log_index index)
{
    struct message *message = messages_create(KIND_LOG_COPY, sizeof(struct kv_copy));
    *(struct kv_copy *)message->body = (struct kv_copy){ .from = world->fixture->log->live.applied.index,
                                                         .to = log_fixture_position(world->fixture, index),
                                                         .history_first = 1 };
    struct probe_result result = probe_ask_name(world->runtime, TO_LOG_WRITER, &message, SECONDS(1));
    assert_int_equal(result.status, STATUS_OK);
    message_destroy(&result.message);
}

/* Nobody waits for it. */
static void send_copy(struct world *world, log_index index)
{
    struct message *message = messages_create(KIND_LOG_COPY, sizeof(struct kv_copy));
    *(struct kv_copy *)message->body = (struct kv_copy){ .from = world->fixture->log->live.applied.index,
                                                         .to = log_fixture_position(world->fixture, index),
                                                         .history_first = 1 };
    probe_tell(world->runtime, world->writer, &message);
}

static void what_nobody_waits_for_waits_for_quiet(void **state)
{
    struct world *world = *state;
    const struct log_live *live = &world->fixture->log->live;
    persist_entries(world, 1, 1, 1);
    assert_true(probe_await(world->stepper, first_persisted, world, MILLISECONDS(10)));
    assert_true(live->unsettled);
    send_copy(world, 1);
    let_pass(world, MILLISECONDS(300));
    assert_int_equal(live->applied.index, 0);
    let_pass(world, MILLISECONDS(400)); /* Nothing else came. */
    assert_int_equal(live->applied.index, 1);
    assert_false(live->unsettled);
}

static void it_does_not_wait_for_ever(void **state)
{
    struct world *world = *state;
    const struct log_live *live = &world->fixture->log->live;
    log_index at_2s = 0;
    for (log_index index = 1; index <= 60; index++) {
        persist_entries(world, index, index, 1);
        let_pass(world, MILLISECONDS(100));
        assert_int_equal(world->persisted, index);
        if (index == 1) send_copy(world, 1);
        if (index == 20) at_2s = live->applied.index;
    }
    assert_int_equal(at_2s, 0);
    assert_int_equal(live->applied.index, 1);
}

static void much_is_settled_at_once(void **state)
{
    struct world *world = *state;
    uint64_t most = 0;
    for (log_index i = 0; i < 80; i++) {
        persist_entries(world, i + 1, i * 100 + 1, 100);
        let_pass(world, MILLISECONDS(1));
        if (world->fixture->log->live.unsettled_entries > most)
            most = world->fixture->log->live.unsettled_entries;
    }
    assert_in_range(most, 1000, 2200); /* Drawn anew each time, from 1,024 to 2,048. */
}

/* A log that has no journal (yet) leaves nothing unsettled: all the same, what the state keeps for the next
 * copy while one waits has to stay bounded. */
static void a_copy_waits_for_so_many_entries_at_most(void **state)
{
    struct world *world = *state;
    const struct log_live *live = &world->fixture->log->live;
    log_index taken_at = 0;
    for (log_index i = 0; i < 30; i++) {
        persist_entries(world, i + 1, i * 100 + 1, 100);
        let_pass(world, MILLISECONDS(1));
        assert_false(live->unsettled);
        if (i == 0) send_copy(world, 100);
        if (taken_at == 0 && live->applied.index == 100) taken_at = live->last;
    }
    assert_in_range(taken_at, 1000, 2300);
}

static void compact(struct world *world, log_index needed_from)
{
    struct message *message = messages_create(KIND_LOG_COMPACT, sizeof(struct log_compact));
    ((struct log_compact *)message->body)->needed_from = needed_from;
    probe_tell(world->runtime, world->writer, &message);
    let_pass(world, SECONDS(1));
}

static void the_start_of_the_log_goes_as_far_as_it_may(void **state) /* D7 */
{
    struct world *world = *state;
    persist_entries(world, 1, 1, 100);
    assert_true(probe_await(world->stepper, first_persisted, world, SECONDS(1)));
    compact(world, 0);
    assert_int_equal(world->base, 0); /* The copy is not durable. */
    copy_up_to(world, 90);
    compact(world, 41);
    assert_int_equal(world->base, 40); /* A follower needs the rest. */
    compact(world, 0);
    assert_int_equal(world->base, 90 - KEPT);
    persist_entries(world, 2, 101, 1);
    assert_true(probe_await(world->stepper, second_persisted, world, SECONDS(1)));
    copy_up_to(world, 101); /* It goes on without being asked again. */
    let_pass(world, SECONDS(1));
    assert_int_equal(world->base, 101 - KEPT);
}

static void the_bounds_of_what_stays(void **state) /* D7 */
{
    (void)state;
    const struct compaction_limits limits = { .entries = 100, .bytes = 10000, .follower_bytes = 40000 };
    static const struct {
        log_index base, applied, last, needed_from, target;
        uint64_t bytes;
    } cases[] = {
        { 0, 50, 50, 0, 0, 1000 },         /* Few and small. */
        { 0, 500, 510, 0, 400, 5000 },     /* So many behind the applied one. */
        { 0, 500, 500, 0, 450, 99900 },    /* Large ones: 200 each, of which 50 may stay. */
        { 0, 500, 500, 300, 299, 30000 },  /* A follower needs them. */
        { 0, 500, 500, 1, 300, 99900 },    /* Not at any price. */
        { 100, 120, 900, 0, 120, 900000 }, /* Never beyond what is applied. */
        { 400, 500, 500, 300, 400, 2000 }, /* It needs what is gone. */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct log_live live = { .base = { .index = cases[i].base },
                                 .applied = { .index = cases[i].applied },
                                 .last = cases[i].last,
                                 .entry_bytes = cases[i].bytes };
        log_index target = compaction_target(&live, &limits, cases[i].needed_from);
        log_index at_least = cases[i].target;
        bool nothing = at_least <= cases[i].base && target <= cases[i].base;
        if (!nothing && target != at_least) {
            fail_msg("case %zu: %llu", i, (unsigned long long)target);
        }
    }
}

/* --- snapshots ------------------------------------------------------------------------------------------ */

static struct log_received receive(struct world *world, bool clear, const struct log_chunk *chunk)
{
    struct message *message = messages_create(KIND_LOG_RECEIVE, sizeof(struct log_receive));
    *(struct log_receive *)message->body = (struct log_receive){ .clear = clear, .chunk = chunk };
    struct probe_result result = probe_ask_name(world->runtime, TO_LOG_WRITER, &message, SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    struct log_received received = *(const struct log_received *)result.message->body;
    message_destroy(&result.message);
    return received;
}

static uint32_t count_page(struct world *world, uint32_t generation)
{
    struct message *message = messages_create(KIND_LOG_COPY_READ, sizeof(struct log_copy_read));
    *(struct log_copy_read *)message->body =
        (struct log_copy_read){ .generation = generation, .max_bytes = SIZE_MAX };
    struct probe_result result = probe_ask_name(world->runtime, TO_LOG_WRITER, &message, SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    const struct log_copy_page *page = result.message->body;
    uint32_t count = page->record_count;
    assert_true(page->cursor.done);
    message_destroy(&result.message);
    return count;
}

static void a_snapshot_goes_through_the_writer(void **state) /* N2, N6 */
{
    struct world *world = *state;
    static const replica_id voters[] = { 5 };
    struct log_fixture_state incoming = { .change_count = 0 };
    log_fixture_put(world->fixture, &incoming, "x", "1");
    log_fixture_put(world->fixture, &incoming, "y", "2");
    struct log_chunk chunk = { .snapshot_id = 9, .to = 10, .records = incoming.changes, .record_count = 2 };
    persist_entries(world, 1, 1, 3);
    assert_int_equal(receive(world, false, NULL).receiving.snapshot_id, 0);
    assert_int_equal(receive(world, false, &chunk).receiving.offset, 10);
    assert_int_equal(count_page(world, 1), 2);
    assert_int_equal(count_page(world, 0), 0);
    struct raft_entry configuration = log_fixture_configuration(world->fixture, 7, 1, voters, 1);
    struct log_install install = { .snapshot_id = 9,
                                   .position = { 8, 2, 3 },
                                   .configuration_index = 7,
                                   .configuration = configuration.payload };
    record_hash_bytes(&incoming.hash, install.state_hash);
    persist(world, &(struct log_persist){ .sequence = 2, .install = &install });
    bytes_unref(&configuration.payload);
    assert_true(probe_await(world->stepper, second_persisted, world, SECONDS(1)));
    struct log_received received = receive(world, true, NULL);
    assert_int_equal(received.generation, 1);
    assert_int_equal(received.receiving.snapshot_id, 0);
    assert_true(world->fixture->log->live.inactive_empty);
    assert_int_equal(count_page(world, 1), 2);
}

static void a_mark_is_durable_when_it_is_answered(void **state) /* F4, T3 */
{
    struct world *world = *state;
    persist_entries(world, 1, 1, 3);
    struct message *message = messages_create(KIND_LOG_MARK, sizeof(struct log_mark));
    (void)strcpy(((struct log_mark *)message->body)->doubt, "others hold more of it");
    struct probe_result result = probe_ask_name(world->runtime, TO_LOG_WRITER, &message, SECONDS(1));
    assert_int_equal(result.status, STATUS_OK);
    message_destroy(&result.message);
    struct log_memory_disk *copy = log_memory_disk_clone(world->fixture->disk);
    struct log *log = NULL;
    assert_int_equal(log_memory_open(copy, &log_fixture_random, &log, NULL), STATUS_OK);
    assert_string_equal(log->boot.doubt_reason, "others hold more of it");
    log->ops->close(log);
    log_memory_disk_destroy(&copy);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_holds_and_loses_nothing),
        TEST(what_nobody_waits_for_waits_for_quiet),
        TEST(it_does_not_wait_for_ever),
        cmocka_unit_test_setup_teardown(much_is_settled_at_once, set_up_with_a_journal, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_waits_for_so_many_entries_at_most, set_up_without_a_journal,
                                        tear_down),
        TEST(the_start_of_the_log_goes_as_far_as_it_may),
        TEST(the_bounds_of_what_stays),
        TEST(a_snapshot_goes_through_the_writer),
        TEST(a_mark_is_durable_when_it_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
