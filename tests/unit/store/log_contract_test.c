/* Goal: both logs keep store/log.h alike: what a write acknowledged is there after a reopen, all of it or
 * nothing (D1, D3, N6), the prefix goes only as far as it may (D7), a snapshot comes in by resumable steps
 * and one flip (N2, N3), damage is doubt or T6, and full is not lost (F2). Method: the same tests on a log in
 * memory and on LMDB in a temporary directory; then planned crashes and damage of the one in memory, which
 * the simulator uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/log_fixture.h"

#include <stdio.h>
#include <string.h>

static const replica_id three[] = { 11, 22, 33 };

/* A log of a configuration and of `count` commands behind it. */
static void append_founded(struct log_fixture *fixture, uint32_t count)
{
    struct raft_entry first = log_fixture_configuration(fixture, 1, 1, three, 3);
    log_fixture_write_ok(fixture, &(struct log_batch){ .entries = &first, .entry_count = 1 });
    bytes_unref(&first.payload);
    if (count > 0) log_fixture_append(fixture, 2, count, 1);
}

/* --- entries, hard state -------------------------------------------------------------------------------- */

static void an_empty_log_has_a_replica_id_for_good(void **state) /* I1 */
{
    struct log_fixture *fixture = *state;
    struct log_boot first = fixture->log->boot;
    assert_int_not_equal(first.identity.replica_id, 0);
    assert_int_equal(first.identity.cluster_id, 0);
    assert_int_equal(first.last.index, 0);
    assert_int_equal(first.base.index, 0);
    assert_int_equal(first.applied.index, 0);
    assert_int_equal(first.hard.term, 0);
    assert_int_equal(first.copy_state, LOG_COPY_SOUND);
    assert_string_equal(first.doubt_reason, "");
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.identity.replica_id, first.identity.replica_id);
}

static void entries_are_there_after_a_reopen(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_append(fixture, 1, 3, 1);
    log_fixture_append(fixture, 4, 1, 2);
    struct raft_entry no_op = log_fixture_entry(fixture, 5, 3, ENTRY_NO_OP, NULL);
    log_fixture_write_ok(fixture, &(struct log_batch){ .entries = &no_op, .entry_count = 1 });
    for (int i = 0; i < 2; i++) {
        assert_string_equal(log_fixture_read(fixture, 1, 100, SIZE_MAX), "1:1:1 2:1:2 3:1:3 4:2:4 5:3: ");
        assert_int_equal(log_fixture_position(fixture, 5).chain, fixture->chain);
        log_fixture_reopen(fixture);
    }
    assert_int_equal(fixture->log->boot.last.index, 5);
    assert_int_equal(fixture->log->boot.last.term, 3);
    assert_int_equal(fixture->log->boot.last.chain, fixture->chain);
}

static void reads_are_bounded_but_give_at_least_one(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_append(fixture, 1, 5, 1);
    assert_string_equal(log_fixture_read(fixture, 2, 3, SIZE_MAX), "2:1:2 3:1:3 ");
    assert_string_equal(log_fixture_read(fixture, 2, 5, 1), "2:1:2 ");
    assert_string_equal(log_fixture_read(fixture, 2, 5, 2), "2:1:2 3:1:3 ");
    assert_string_equal(log_fixture_read(fixture, 6, 9, SIZE_MAX), "");
}

static void truncation_goes_before_the_append(void **state) /* R3 */
{
    struct log_fixture *fixture = *state;
    log_fixture_append(fixture, 1, 2, 1);
    uint64_t kept = fixture->chain;
    log_fixture_append(fixture, 3, 3, 1);
    fixture->chain = kept;
    struct raft_entry entry = log_fixture_entry(fixture, 3, 2, ENTRY_COMMAND, "new");
    log_fixture_write_ok(fixture,
                         &(struct log_batch){ .truncate_from = 3, .entries = &entry, .entry_count = 1 });
    bytes_unref(&entry.payload);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(log_fixture_read(fixture, 1, 9, SIZE_MAX), "1:1:1 2:1:2 3:2:new ");
        log_fixture_reopen(fixture);
    }
    log_fixture_append(fixture, 4, 1, 2);
    assert_int_equal(log_fixture_count(fixture, 1), 4);
    log_fixture_write_ok(fixture, &(struct log_batch){ .truncate_from = 1 });
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.last.index, 0);
}

static void note_index(void *context, const struct raft_entry *entry)
{
    char *text = context;
    size_t used = strlen(text);
    (void)snprintf(text + used, 64 - used, "%llu ", (unsigned long long)entry->index);
    assert_non_null(entry->payload);
}

static const char *configurations(struct log_fixture *fixture)
{
    static char text[64];
    text[0] = '\0';
    assert_int_equal(fixture->log->ops->read_configurations(fixture->log, note_index, text, NULL), STATUS_OK);
    return text;
}

static void the_newest_configuration_is_found(void **state) /* M1 */
{
    struct log_fixture *fixture = *state;
    append_founded(fixture, 1);
    struct raft_entry second = log_fixture_configuration(fixture, 3, 1, three, 1);
    log_fixture_write_ok(fixture, &(struct log_batch){ .entries = &second, .entry_count = 1 });
    bytes_unref(&second.payload);
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.configuration_index, 3);
    assert_string_equal(configurations(fixture), "1 3 ");
    log_fixture_write_ok(fixture, &(struct log_batch){ .truncate_from = 3 });
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.configuration_index, 1);
    assert_string_equal(configurations(fixture), "1 ");
}

static void term_and_vote_change_as_one(void **state) /* D5 */
{
    struct log_fixture *fixture = *state;
    for (log_term term = 1; term <= 5; term++) {
        struct hard_state hard = { term, term * 11 };
        log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard });
        log_fixture_reopen(fixture);
        assert_int_equal(fixture->log->boot.hard.term, term);
        assert_int_equal(fixture->log->boot.hard.vote, term * 11);
    }
    log_fixture_append(fixture, 1, 1, 5); /* A batch without hard leaves it. */
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.hard.vote, 55);
}

static void batches_are_joined_in_order(void **state)
{
    struct log_fixture *fixture = *state;
    struct hard_state hards[2] = { { 1, 7 }, { 2, 0 } };
    struct raft_entry old = log_fixture_entry(fixture, 1, 1, ENTRY_COMMAND, "old");
    fixture->chain = 0;
    struct raft_entry new = log_fixture_entry(fixture, 1, 2, ENTRY_COMMAND, "new");
    struct log_batch batches[] = {
        { .hard = &hards[0], .entries = &old, .entry_count = 1, .cluster_id = 99 },
        { .hard = &hards[1], .truncate_from = 1, .entries = &new, .entry_count = 1 },
    };
    struct error error;
    assert_int_equal(fixture->log->ops->write(fixture->log, batches, 2, &error), STATUS_OK);
    log_fixture_reopen(fixture);
    assert_string_equal(log_fixture_read(fixture, 1, 9, SIZE_MAX), "1:2:new ");
    assert_int_equal(fixture->log->boot.hard.term, 2);
    assert_int_equal(fixture->log->boot.hard.vote, 0);
    assert_int_equal(fixture->log->boot.identity.cluster_id, 99);
    bytes_unref(&old.payload);
    bytes_unref(&new.payload);
}

/* --- the copy ------------------------------------------------------------------------------------------- */

static void the_copy_is_kept_with_its_position(void **state) /* D2, D3 */
{
    struct log_fixture *fixture = *state;
    struct log_fixture_state *copied = &fixture->state;
    log_fixture_append(fixture, 1, 1, 1);
    log_fixture_put(fixture, copied, "b", "1");
    log_fixture_put(fixture, copied, "a", "1");
    log_fixture_put(fixture, copied, "c", "");
    log_fixture_put_session(fixture, copied, 1);
    log_fixture_put_history(fixture, copied, 1);
    struct log_batch batch = log_fixture_copy(fixture, 1);
    log_fixture_write_ok(fixture, &batch);
    log_fixture_append(fixture, 2, 1, 1);
    log_fixture_put(fixture, copied, "a", "2");
    log_fixture_put(fixture, copied, "b", NULL);
    log_fixture_put(fixture, copied, "never", NULL);
    log_fixture_put_history(fixture, copied, 2);
    batch = log_fixture_copy(fixture, 2);
    batch.copy_history_first = 2;
    log_fixture_write_ok(fixture, &batch);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(log_fixture_read_copy(fixture, 0), "a=2 c= s:1 h:2 ");
        assert_int_equal(fixture->log->live.applied.index, 2);
        log_fixture_reopen(fixture);
        assert_int_equal(fixture->log->boot.copy_state, LOG_COPY_SOUND);
        assert_memory_equal(fixture->log->boot.state_hash, batch.state_hash, 16);
    }
    assert_int_equal(fixture->log->boot.applied.index, 2);
    assert_int_equal(fixture->log->boot.committed, 2);
    assert_int_equal(fixture->log->boot.applied.chain, fixture->chain);
    assert_int_equal(fixture->log->boot.history_first, 2);
}

static void a_copy_that_does_not_continue_is_dropped(void **state) /* N6 */
{
    struct log_fixture *fixture = *state;
    log_fixture_append(fixture, 1, 1, 1);
    log_fixture_put(fixture, &fixture->state, "a", "1");
    struct log_batch batch = log_fixture_copy(fixture, 1);
    struct raft_entry entry = log_fixture_entry(fixture, 2, 1, ENTRY_COMMAND, "2");
    batch.copy_from = 5;
    batch.entries = &entry;
    batch.entry_count = 1;
    log_fixture_write_ok(fixture, &batch); /* Its entries count all the same. */
    bytes_unref(&entry.payload);
    batch.copy_from = 0;
    batch.copy_generation = 1;
    batch.entry_count = 0;
    log_fixture_write_ok(fixture, &batch);
    log_fixture_reopen(fixture);
    assert_string_equal(log_fixture_read_copy(fixture, 0), "");
    assert_int_equal(fixture->log->boot.applied.index, 0);
    assert_int_equal(fixture->log->boot.last.index, 2);
}

/* --- compaction ----------------------------------------------------------------------------------------- */

static void the_prefix_goes_up_to_the_durable_copy(void **state) /* D7 */
{
    struct log_fixture *fixture = *state;
    append_founded(fixture, 9);
    struct log_batch compact = { .compact_to = 8 };
    log_fixture_write_ok(fixture, &compact); /* Nothing is copied yet: nothing may go. */
    assert_int_equal(fixture->log->live.base.index, 0);
    log_fixture_put(fixture, &fixture->state, "a", "1");
    struct log_batch copy = log_fixture_copy(fixture, 6);
    log_fixture_write_ok(fixture, &copy);
    struct log_position sixth = log_fixture_position(fixture, 6);
    log_fixture_write_ok(fixture, &compact);
    assert_int_equal(fixture->log->live.base.index, 6);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(log_fixture_read(fixture, 7, 9, SIZE_MAX), "7:1:7 8:1:8 9:1:9 ");
        assert_string_equal(log_fixture_read(fixture, 6, 9, SIZE_MAX), "");
        assert_string_equal(configurations(fixture), "1 "); /* Still the one in force. */
        log_fixture_reopen(fixture);
    }
    assert_int_equal(fixture->log->boot.base.index, 6);
    assert_int_equal(fixture->log->boot.base.term, sixth.term);
    assert_int_equal(fixture->log->boot.base.chain, sixth.chain);
    assert_int_equal(fixture->log->boot.last.index, 10);
    assert_int_equal(fixture->log->boot.configuration_index, 1);
    log_fixture_append(fixture, 11, 1, 1);
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.last.index, 11);
}

static void all_of_a_log_may_be_compacted(void **state) /* D7, M1 */
{
    struct log_fixture *fixture = *state;
    append_founded(fixture, 1);
    struct raft_entry second = log_fixture_configuration(fixture, 3, 2, three, 1);
    log_fixture_write_ok(fixture, &(struct log_batch){ .entries = &second, .entry_count = 1 });
    bytes_unref(&second.payload);
    struct log_batch copy = log_fixture_copy(fixture, 3);
    copy.compact_to = 3;
    log_fixture_write_ok(fixture, &copy);
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.base.index, 3);
    assert_int_equal(fixture->log->boot.last.index, 3);
    assert_int_equal(fixture->log->boot.last.chain, fixture->chain);
    assert_string_equal(configurations(fixture), "3 ");
    log_fixture_append(fixture, 4, 2, 2);
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.last.index, 5);
    assert_int_equal(fixture->log->boot.configuration_index, 3);
}

static void compaction_takes_bounded_steps(void **state)
{
    struct log_fixture *fixture = *state;
    log_index last = LOG_COMPACT_STEP_MAX + 500;
    log_fixture_append(fixture, 1, (uint32_t)last, 1);
    struct log_batch copy = log_fixture_copy(fixture, last);
    log_fixture_write_ok(fixture, &copy);
    log_fixture_write_ok(fixture, &(struct log_batch){ .compact_to = last });
    assert_int_equal(fixture->log->live.base.index, LOG_COMPACT_STEP_MAX);
    log_fixture_write_ok(fixture, &(struct log_batch){ .compact_to = last });
    assert_int_equal(fixture->log->live.base.index, last);
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.base.index, last);
    assert_int_equal(fixture->log->boot.last.chain, fixture->chain);
}

/* --- snapshots ------------------------------------------------------------------------------------------ */

/* A state as of another log's entry 50: a chunk each for x, y and a session; then the flip. */
struct incoming {
    struct log_fixture_state state;
    struct log_chunk chunks[3];
    struct log_install install;
    struct raft_entry configuration;
};

static void prepare_snapshot(struct log_fixture *fixture, struct incoming *incoming, log_index index)
{
    *incoming = (struct incoming){ .state = { .change_count = 0 } };
    log_fixture_put(fixture, &incoming->state, "x", "1");
    log_fixture_put(fixture, &incoming->state, "y", "2");
    log_fixture_put_session(fixture, &incoming->state, 7);
    for (uint32_t i = 0; i < 3; i++) {
        incoming->chunks[i] = (struct log_chunk){ .snapshot_id = 77,
                                                  .from = i * 100,
                                                  .to = (i + 1) * 100,
                                                  .records = &incoming->state.changes[i],
                                                  .record_count = 1,
                                                  .note = "note",
                                                  .note_size = i + 1 };
    }
    uint64_t chain = fixture->chain;
    incoming->configuration = log_fixture_configuration(fixture, index - 5, 1, three, 1);
    fixture->chain = chain;
    incoming->install = (struct log_install){ .snapshot_id = 77,
                                              .position = { index, 4, 12345 },
                                              .configuration_index = index - 5,
                                              .configuration = incoming->configuration.payload };
    record_hash_bytes(&incoming->state.hash, incoming->install.state_hash);
}

static void receive_all(struct log_fixture *fixture, const struct incoming *incoming)
{
    for (int i = 0; i < 3; i++) {
        log_fixture_write_ok(fixture, &(struct log_batch){ .chunk = &incoming->chunks[i] });
    }
}

static void a_snapshot_comes_in_steps_that_survive(void **state) /* N2 */
{
    struct log_fixture *fixture = *state;
    struct incoming incoming;
    append_founded(fixture, 2);
    log_fixture_put(fixture, &fixture->state, "old", "1");
    struct log_batch copy = log_fixture_copy(fixture, 3);
    log_fixture_write_ok(fixture, &copy);
    prepare_snapshot(fixture, &incoming, 50);
    static const int order[] = { 0, 0, 2, 1, 1, 0, 2 }; /* Twice, too early, too late. */
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        log_fixture_write_ok(fixture, &(struct log_batch){ .chunk = &incoming.chunks[order[i]] });
        log_fixture_reopen(fixture); /* A crash before the flip changes nothing. */
        assert_int_equal(fixture->log->boot.applied.index, 3);
        assert_string_equal(log_fixture_read_copy(fixture, 0), "old=1 ");
    }
    const struct log_receiving *receiving = &fixture->log->boot.receiving;
    assert_int_equal(receiving->snapshot_id, 77);
    assert_int_equal(receiving->offset, 300);
    assert_int_equal(receiving->note_size, 3);
    assert_memory_equal(receiving->note, "not", 3);
    assert_string_equal(log_fixture_read_copy(fixture, 1), "x=1 y=2 s:7 ");
    assert_false(fixture->log->live.inactive_empty);
    bytes_unref(&incoming.configuration.payload);
}

static void the_flip_is_one_step(void **state) /* N2, N3 */
{
    struct log_fixture *fixture = *state;
    struct incoming incoming;
    struct hard_state hard = { 3, 22 };
    append_founded(fixture, 2);
    log_fixture_put(fixture, &fixture->state, "old", "1");
    log_fixture_put_history(fixture, &fixture->state, 2);
    struct log_batch copy = log_fixture_copy(fixture, 3);
    copy.hard = &hard;
    log_fixture_write_ok(fixture, &copy);
    prepare_snapshot(fixture, &incoming, 50);
    receive_all(fixture, &incoming);
    log_fixture_write_ok(fixture, &(struct log_batch){ .install = &incoming.install });
    for (int i = 0; i < 2; i++) {
        const struct log_live *live = &fixture->log->live;
        assert_int_equal(live->generation, 1);
        assert_int_equal(live->applied.index, 50);
        assert_int_equal(live->base.index, 50);
        assert_int_equal(live->receiving.snapshot_id, 0);
        assert_false(live->inactive_empty); /* What was before, until it is cleared. */
        assert_string_equal(log_fixture_read_copy(fixture, 1), "x=1 y=2 s:7 ");
        assert_string_equal(log_fixture_read(fixture, 1, 3, SIZE_MAX), "");
        assert_string_equal(configurations(fixture), "45 ");
        log_fixture_reopen(fixture);
    }
    const struct log_boot *boot = &fixture->log->boot;
    assert_int_equal(boot->copy_state, LOG_COPY_SOUND);
    assert_int_equal(boot->hard.vote, 22); /* Our own. */
    assert_int_equal(boot->base.chain, 12345);
    assert_int_equal(boot->last.index, 50);
    assert_int_equal(boot->history_first, 51);
    assert_int_equal(boot->configuration_index, 45);
    bytes_unref(&incoming.configuration.payload);
}

static void the_log_goes_on_after_a_flip(void **state) /* N6 */
{
    struct log_fixture *fixture = *state;
    struct incoming incoming;
    append_founded(fixture, 2);
    struct log_batch late = log_fixture_copy(fixture, 3);
    prepare_snapshot(fixture, &incoming, 50);
    receive_all(fixture, &incoming);
    log_fixture_write_ok(fixture, &(struct log_batch){ .install = &incoming.install });
    bytes_unref(&incoming.configuration.payload);
    log_fixture_write_ok(fixture, &late); /* Sent before the flip: of the other generation. */
    assert_int_equal(fixture->log->live.applied.index, 50);
    fixture->chain = 12345;
    fixture->state = incoming.state;
    fixture->state.change_count = 0;
    log_fixture_append(fixture, 51, 2, 4);
    log_fixture_put(fixture, &fixture->state, "z", "3");
    struct log_batch copy = log_fixture_copy(fixture, 52);
    copy.copy_history_first = 51;
    log_fixture_write_ok(fixture, &copy);
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.copy_state, LOG_COPY_SOUND);
    assert_int_equal(fixture->log->boot.applied.index, 52);
    assert_string_equal(log_fixture_read_copy(fixture, 1), "x=1 y=2 z=3 s:7 ");
    while (!fixture->log->live.inactive_empty) {
        log_fixture_write_ok(fixture, &(struct log_batch){ .clear_inactive = true });
    }
    assert_string_equal(log_fixture_read_copy(fixture, 0), "");
    assert_string_equal(log_fixture_read_copy(fixture, 1), "x=1 y=2 z=3 s:7 ");
}

static void a_snapshot_may_keep_the_log(void **state) /* N3 */
{
    struct log_fixture *fixture = *state;
    struct incoming incoming;
    append_founded(fixture, 9);
    prepare_snapshot(fixture, &incoming, 7);
    incoming.install.position = log_fixture_position(fixture, 7);
    incoming.install.keep_log = true;
    incoming.install.configuration_index = 1;
    receive_all(fixture, &incoming);
    log_fixture_write_ok(fixture, &(struct log_batch){ .install = &incoming.install });
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.base.index, 0);
    assert_int_equal(fixture->log->boot.last.index, 10);
    assert_int_equal(fixture->log->boot.applied.index, 7);
    assert_int_equal(fixture->log->boot.configuration_index, 1);
    assert_int_equal(log_fixture_count(fixture, 1), 10);
    bytes_unref(&incoming.configuration.payload);
}

static void a_snapshot_begins_in_an_empty_generation(void **state) /* N4, N6 */
{
    struct log_fixture *fixture = *state;
    struct incoming incoming;
    append_founded(fixture, 2);
    prepare_snapshot(fixture, &incoming, 50);
    receive_all(fixture, &incoming);
    struct log_chunk other = incoming.chunks[0];
    other.snapshot_id = 78;
    log_fixture_write_ok(fixture, &(struct log_batch){ .chunk = &other });
    assert_int_equal(fixture->log->live.receiving.snapshot_id, 77); /* Dropped: the other is in the way. */
    log_fixture_write_ok(fixture, &(struct log_batch){ .clear_inactive = true });
    assert_true(fixture->log->live.inactive_empty);
    assert_int_equal(fixture->log->live.receiving.snapshot_id, 0);
    log_fixture_write_ok(fixture, &(struct log_batch){ .chunk = &other });
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.receiving.snapshot_id, 78);
    assert_int_equal(fixture->log->boot.receiving.offset, 100);
    bytes_unref(&incoming.configuration.payload);
}

/* --- T3, F4 --------------------------------------------------------------------------------------------- */

static void a_lost_replica_is_retired_at_the_next_open(void **state) /* T2, T3, S12 */
{
    struct log_fixture *fixture = *state;
    append_founded(fixture, 2);
    replica_id former = fixture->log->boot.identity.replica_id;
    log_fixture_write_ok(fixture, &(struct log_batch){ .cluster_id = 99 });
    log_fixture_write_ok(fixture, &(struct log_batch){ .doubt = "others hold more of it" });
    for (int i = 0; i < 2; i++) { /* It is still told after another restart. */
        log_fixture_reopen(fixture);
        const struct log_boot *boot = &fixture->log->boot;
        assert_int_equal(boot->last.index, 0);
        assert_int_not_equal(boot->identity.replica_id, former);
        assert_int_equal(boot->identity.cluster_id, 99); /* I3: it may only join that one. */
        assert_int_equal(boot->retired_id, former);
        assert_string_equal(boot->doubt_reason, "others hold more of it");
    }
}

static void a_copy_marked_damaged_takes_a_snapshot(void **state) /* F4, T6 */
{
    struct log_fixture *fixture = *state;
    struct incoming incoming;
    append_founded(fixture, 9);
    log_fixture_put(fixture, &fixture->state, "a", "1");
    struct log_batch copy = log_fixture_copy(fixture, 6);
    log_fixture_write_ok(fixture, &copy);
    replica_id id = fixture->log->boot.identity.replica_id;
    log_fixture_write_ok(fixture, &(struct log_batch){ .copy_damaged = true });
    for (int i = 0; i < 2; i++) {
        log_fixture_reopen(fixture);
        const struct log_boot *boot = &fixture->log->boot;
        assert_int_equal(boot->copy_state, LOG_COPY_SNAPSHOT);
        assert_int_equal(boot->identity.replica_id, id);
        assert_int_equal(boot->applied.index, 0);
        assert_int_equal(boot->committed, 6);
        assert_int_equal(boot->last.index, 10);
    }
    prepare_snapshot(fixture, &incoming, 8);
    incoming.install.position = log_fixture_position(fixture, 8);
    incoming.install.keep_log = true;
    incoming.install.configuration_index = 1;
    receive_all(fixture, &incoming);
    log_fixture_write_ok(fixture, &(struct log_batch){ .install = &incoming.install });
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.copy_state, LOG_COPY_SOUND);
    assert_int_equal(fixture->log->boot.applied.index, 8);
    assert_int_equal(fixture->log->boot.last.index, 10);
    bytes_unref(&incoming.configuration.payload);
}

/* --- memory: planned crashes ---------------------------------------------------------------------------- */

static void a_fault_leaves_what_it_says(void **state) /* F1, FLT7 */
{
    struct log_fixture *fixture = *state;
    static const struct {
        enum log_memory_fault fault;
        log_term term; /* After the restart. */
        log_index last;
    } cases[] = { { LOG_MEMORY_FAIL, 1, 1 },
                  { LOG_MEMORY_LOSE, 1, 1 },
                  { LOG_MEMORY_TEAR_GUARD, 1, 1 },
                  { LOG_MEMORY_GUARD_ONLY, 2, 1 }, /* T1: the guard counts. */
                  { LOG_MEMORY_KEEP, 2, 2 } };
    struct hard_state hard = { 1, 0 };
    log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard });
    log_fixture_append(fixture, 1, 1, 1);
    struct raft_entry entry = log_fixture_entry(fixture, 2, 2, ENTRY_COMMAND, "x");
    hard.term = 2;
    struct log_batch batch = { .hard = &hard, .entries = &entry, .entry_count = 1 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error;
        log_memory_disk_set_fault(fixture->disk, cases[i].fault);
        assert_int_equal(log_fixture_write(fixture, &batch, &error), STATUS_IO);
        assert_int_equal(log_fixture_write(fixture, &batch, &error), STATUS_IO); /* Dead for good. */
        log_fixture_reopen(fixture);
        assert_int_equal(fixture->log->boot.hard.term, cases[i].term);
        assert_int_equal(fixture->log->boot.last.index, cases[i].last);
        assert_string_equal(fixture->log->boot.doubt_reason, "");
    }
    bytes_unref(&entry.payload);
    assert_int_equal(log_memory_disk_hard(fixture->disk).term, 2);
    assert_int_equal(log_memory_disk_entry(fixture->disk, 2)->term, 2);
    assert_null(log_memory_disk_entry(fixture->disk, 3));
}

static void fill_for_damage(struct log_fixture *fixture)
{
    struct hard_state hard = { 1, 11 };
    log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard });
    append_founded(fixture, 3);
    hard.vote = 0;
    hard.term = 2;
    log_fixture_put(fixture, &fixture->state, "a", "1");
    log_fixture_put_history(fixture, &fixture->state, 2);
    struct log_batch copy = log_fixture_copy(fixture, 4);
    copy.hard = &hard;
    log_fixture_write_ok(fixture, &copy);
    log_fixture_close(fixture);
}

static void damage_of_log_or_guard_is_doubt(void **state) /* T1, T2, FLT15, FLT17 */
{
    struct log_fixture *fixture = *state;
    static const struct {
        enum log_memory_damage damage;
        const char *word;
    } cases[] = { { LOG_MEMORY_DAMAGE_ENTRY, "checksum of entry" },
                  { LOG_MEMORY_DAMAGE_PAGE, "signal" },
                  { LOG_MEMORY_DAMAGE_GUARD, "no valid slot" } };
    fill_for_damage(fixture);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct log_memory_disk *sound = log_memory_disk_clone(fixture->disk);
        assert_true(log_memory_disk_damage(fixture->disk, cases[i].damage, 3));
        log_fixture_open(fixture);
        assert_non_null(strstr(fixture->log->boot.doubt_reason, cases[i].word));
        assert_int_equal(fixture->log->boot.last.index, 0);
        log_fixture_close(fixture);
        log_memory_disk_destroy(&fixture->disk);
        fixture->disk = sound;
    }
    log_fixture_open(fixture);
    assert_int_equal(fixture->log->boot.last.index, 4);
}

static void damage_of_the_copy_keeps_the_id(void **state) /* T6 */
{
    struct log_fixture *fixture = *state;
    fill_for_damage(fixture);
    assert_true(log_memory_disk_damage(fixture->disk, LOG_MEMORY_DAMAGE_RECORD, 12345));
    log_fixture_open(fixture);
    assert_int_equal(fixture->log->boot.copy_state, LOG_COPY_REPLAY);
    assert_int_equal(fixture->log->boot.retired_id, 0);
    assert_int_equal(fixture->log->boot.last.index, 4);
    assert_int_equal(fixture->log->boot.applied.index, 0);
    assert_int_equal(fixture->log->boot.committed, 4);
    fixture->state = (struct log_fixture_state){ .change_count = 0 };
    log_fixture_put(fixture, &fixture->state, "a", "1");
    struct log_batch copy = log_fixture_copy(fixture, 4); /* Replayed. */
    log_fixture_write_ok(fixture, &copy);
    log_fixture_write_ok(fixture, &(struct log_batch){ .compact_to = 3 });
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.copy_state, LOG_COPY_SOUND);
    log_fixture_close(fixture);
    assert_true(log_memory_disk_damage(fixture->disk, LOG_MEMORY_DAMAGE_RECORD, 99));
    log_fixture_open(fixture); /* The log no longer reaches back. */
    assert_int_equal(fixture->log->boot.copy_state, LOG_COPY_SNAPSHOT);
}

static void the_older_slot_may_be_damaged(void **state) /* T1 */
{
    struct log_fixture *fixture = *state;
    fill_for_damage(fixture);
    uint32_t doubted = 0;
    for (uint64_t slot = 0; slot < 2; slot++) {
        struct log_memory_disk *sound = log_memory_disk_clone(fixture->disk);
        assert_true(log_memory_disk_damage(fixture->disk, LOG_MEMORY_DAMAGE_SLOT, slot));
        log_fixture_open(fixture);
        if (fixture->log->boot.doubt_reason[0] != '\0') doubted++;
        log_fixture_close(fixture);
        log_memory_disk_destroy(&fixture->disk);
        fixture->disk = sound;
    }
    assert_int_equal(doubted, 1);
}

static void a_full_disk_fails_and_takes_again_what_was_freed(void **state) /* F2, FLT14 */
{
    struct log_fixture *fixture = *state;
    struct log_space space;
    append_founded(fixture, 9);
    fixture->log->ops->space(fixture->log, &space);
    assert_false(space.low);
    log_memory_disk_set_capacity(fixture->disk, log_memory_disk_used(fixture->disk) + 10);
    fixture->log->ops->space(fixture->log, &space);
    assert_true(space.full);
    struct error error;
    struct raft_entry entry = log_fixture_entry(fixture, 11, 1, ENTRY_COMMAND, "more");
    struct log_batch batch = { .entries = &entry, .entry_count = 1 };
    assert_int_equal(log_fixture_write(fixture, &batch, &error), STATUS_IO);
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.last.index, 10);
    struct log_batch copy = log_fixture_copy(fixture, 10);
    copy.compact_to = 10;
    log_fixture_write_ok(fixture, &copy);
    log_fixture_write_ok(fixture, &batch);
    bytes_unref(&entry.payload);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
#define MEMORY(name)  cmocka_unit_test_setup_teardown(name, log_fixture_memory, log_fixture_free)
#define LMDB(name)    cmocka_unit_test_setup_teardown(name, log_fixture_lmdb, log_fixture_free)
#define JOURNAL(name) cmocka_unit_test_setup_teardown(name, log_fixture_journal, log_fixture_free)
#define EACH(name)    MEMORY(name), LMDB(name), JOURNAL(name)
    const struct CMUnitTest tests[] = {
        EACH(an_empty_log_has_a_replica_id_for_good),
        EACH(entries_are_there_after_a_reopen),
        EACH(reads_are_bounded_but_give_at_least_one),
        EACH(truncation_goes_before_the_append),
        EACH(the_newest_configuration_is_found),
        EACH(term_and_vote_change_as_one),
        EACH(batches_are_joined_in_order),
        EACH(the_copy_is_kept_with_its_position),
        EACH(a_copy_that_does_not_continue_is_dropped),
        EACH(the_prefix_goes_up_to_the_durable_copy),
        EACH(all_of_a_log_may_be_compacted),
        EACH(compaction_takes_bounded_steps),
        EACH(a_snapshot_comes_in_steps_that_survive),
        EACH(the_flip_is_one_step),
        EACH(the_log_goes_on_after_a_flip),
        EACH(a_snapshot_may_keep_the_log),
        EACH(a_snapshot_begins_in_an_empty_generation),
        EACH(a_lost_replica_is_retired_at_the_next_open),
        EACH(a_copy_marked_damaged_takes_a_snapshot),
        MEMORY(a_fault_leaves_what_it_says),
        MEMORY(damage_of_log_or_guard_is_doubt),
        MEMORY(damage_of_the_copy_keeps_the_id),
        MEMORY(the_older_slot_may_be_damaged),
        MEMORY(a_full_disk_fails_and_takes_again_what_was_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
