/* The parts of the Raft core that are plain data structures, against simple models: quorum (M2), term runs
 * (R2), tail and chain (D1). */
#include "store/raft/quorum.h"
#include "store/raft/tail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static uint64_t state = 1;

static uint64_t draw(uint64_t below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (state >> 33) % below;
}

/* --- quorum --- */

static uint64_t value_by_id(const void *context, replica_id voter)
{
    const uint64_t *values = context;
    return values[voter];
}

/* By definition: the largest value v that more than half of the half's voters reach. */
static uint64_t majority_by_definition(const struct configuration *configuration, bool outgoing,
                                       const uint64_t *values, uint64_t value_max)
{
    for (uint64_t value = value_max; value > 0; value--) {
        uint32_t voters = 0;
        uint32_t reach = 0;
        for (uint32_t i = 0; i < configuration->member_count; i++) {
            const struct configuration_member *member = &configuration->members[i];
            if (outgoing ? !member->outgoing_voter : !member->voter) continue;
            voters++;
            if (values[member->id] >= value) reach++;
        }
        if (2 * reach > voters) return value;
    }
    return 0;
}

static void quorum_is_what_its_definition_says(void **unused)
{
    (void)unused;
    for (int round = 0; round < 20000; round++) {
        struct configuration configuration = { .joint = draw(2) == 0 };
        uint64_t values[REPLICAS_MAX + 1] = { 0 };
        uint64_t members = 1 + draw(9);
        for (uint64_t id = 1; id <= members; id++) {
            char name[16];
            (void)snprintf(name, sizeof name, "n%u", (unsigned)id);
            assert_int_equal(configuration_add(&configuration, id, name, draw(4) > 0), STATUS_OK);
            configuration.members[id - 1].outgoing_voter = configuration.joint && draw(2) == 0;
            values[id] = draw(6);
        }
        uint64_t expected = majority_by_definition(&configuration, false, values, 6);
        if (configuration.joint) {
            uint64_t outgoing = majority_by_definition(&configuration, true, values, 6);
            if (outgoing < expected) expected = outgoing;
        }
        assert_int_equal(quorum_value(&configuration, value_by_id, values), expected);
    }
}

/* --- term runs --- */

enum { MODEL_MAX = 200 };

static void term_runs_know_every_term(void **unused)
{
    (void)unused;
    static struct term_runs runs;
    log_term model[MODEL_MAX + 1] = { 0 }; /* By index. */
    log_index last = 0;
    for (int round = 0; round < 20000; round++) {
        if (last == MODEL_MAX || (last > 0 && draw(8) == 0)) {
            log_index from = 1 + draw(last);
            term_runs_truncate(&runs, from);
            last = from - 1;
        } else {
            log_term term = (last == 0 ? 1 : model[last]) + (draw(3) == 0 ? 1 + draw(3) : 0);
            model[++last] = term;
            term_runs_append(&runs, last, term);
        }
        if (last == 0) continue;
        log_index index = 1 + draw(last);
        assert_int_equal(term_runs_at(&runs, index), model[index]);
        log_term term = draw(model[last] + 3);
        log_index expected = index;
        while (expected > 0 && model[expected] > term) {
            expected--;
        }
        assert_int_equal(term_runs_last_not_above(&runs, index, term), expected);
    }
}

static void full_term_runs_forget_the_oldest(void **unused)
{
    (void)unused;
    static struct term_runs runs;
    log_index last = 2 * CORE_TERM_RUNS_MAX;
    for (log_index index = 1; index <= last; index++) {
        term_runs_append(&runs, index, index + 5);
    }
    assert_true(runs.count <= CORE_TERM_RUNS_MAX);
    assert_int_equal(term_runs_at(&runs, last), last + 5);
    assert_int_equal(term_runs_at(&runs, last - CORE_TERM_RUNS_MAX / 2), last - CORE_TERM_RUNS_MAX / 2 + 5);
    assert_int_equal(term_runs_at(&runs, 1), 0);
    assert_int_equal(term_runs_last_not_above(&runs, last, 6), 0);
}

/* --- tail --- */

static struct raft_entry next_entry(const struct tail *tail, log_term term, struct bytes *payload)
{
    struct log_position last = tail_last(tail);
    struct raft_entry entry = {
        .index = last.index + 1, .term = term, .type = ENTRY_COMMAND, .payload = payload
    };
    entry.chain = entry_chain(last.chain, entry.index, term, entry.type, payload->data, payload->size);
    return entry;
}

static void tail_keeps_the_newest_and_knows_the_rest(void **unused)
{
    (void)unused;
    struct bytes *payload = bytes_copy("payload", 7);
    struct tail tail = { 0 };
    tail_init(&tail, 4, 1024 * 1024);
    for (log_index index = 1; index <= 3000; index++) {
        tail_tidy(&tail, index - 1);
        struct raft_entry entry = next_entry(&tail, 1 + index / 10, payload);
        tail_append(&tail, &entry);
        assert_int_equal(tail_last(&tail).index, index);
        assert_true(tail.count <= 5);
    }
    assert_null(tail_at(&tail, 2000));
    assert_int_equal(tail_term_at(&tail, 2000), 201);
    assert_int_equal(tail_term_at(&tail, 3001), 0);
    struct log_position before;
    assert_false(tail_position(&tail, 2000, &before));
    assert_true(tail_position(&tail, tail.before.index, &before)); /* The one before the first is known. */
    tail_fini(&tail);
    assert_int_equal(payload->references, 1);
    bytes_unref(&payload);
}

static void tail_keeps_what_is_needed(void **unused)
{
    (void)unused;
    struct bytes *payload = bytes_copy("payload", 7);
    struct tail tail = { 0 };
    tail_init(&tail, 4, 1024 * 1024);
    while (tail_has_room(&tail, 1, 100)) {
        tail_tidy(&tail, 2);
        struct raft_entry entry = next_entry(&tail, 1, payload);
        tail_append(&tail, &entry);
    }
    assert_int_equal(tail_at(&tail, 3)->index, 3); /* Not let go, though above the limit. */
    struct log_position last = { .index = 1, .term = 1, .chain = 77 };
    tail_truncate(&tail, &last); /* Below what is in memory. */
    assert_int_equal(tail.count, 0);
    assert_int_equal(tail_last(&tail).chain, 77);
    assert_int_equal(tail.bytes, 0);
    tail_fini(&tail);
    bytes_unref(&payload);
}

static void fitting_takes_at_least_one(void **unused)
{
    (void)unused;
    struct bytes *payload = bytes_create(1000);
    struct raft_entry entries[3] = { { .payload = payload }, { .payload = payload }, { .payload = payload } };
    size_t each = tail_entry_bytes(&entries[0]);
    assert_int_equal(tail_fit(entries, 3, 10, 1), 1);
    assert_int_equal(tail_fit(entries, 3, 10, 2 * each), 2);
    assert_int_equal(tail_fit(entries, 3, 2, 10 * each), 2);
    assert_int_equal(tail_fit(entries, 3, 10, 10 * each), 3);
    bytes_unref(&payload);
}

static void chain_tells_every_part_apart(void **unused) /* D1 */
{
    (void)unused;
    uint64_t chain = entry_chain(5, 1, 1, ENTRY_COMMAND, "ab", 2);
    assert_true(chain == entry_chain(5, 1, 1, ENTRY_COMMAND, "ab", 2));
    assert_true(chain != entry_chain(6, 1, 1, ENTRY_COMMAND, "ab", 2));
    assert_true(chain != entry_chain(5, 2, 1, ENTRY_COMMAND, "ab", 2));
    assert_true(chain != entry_chain(5, 1, 2, ENTRY_COMMAND, "ab", 2));
    assert_true(chain != entry_chain(5, 1, 1, ENTRY_CHECKPOINT, "ab", 2));
    assert_true(chain != entry_chain(5, 1, 1, ENTRY_COMMAND, "ac", 2));
    assert_true(chain != entry_chain(5, 1, 1, ENTRY_COMMAND, "ab", 1));
}

static void checkpoints_come_back_as_they_went(void **unused) /* T5 */
{
    (void)unused;
    struct checkpoint checkpoint = { .count = 2, .matches = { { 7, 100 }, { UINT64_MAX, UINT64_MAX } } };
    struct bytes *packed = checkpoint_pack(&checkpoint);
    struct checkpoint read;
    assert_int_equal(checkpoint_unpack(packed->data, packed->size, &read), STATUS_OK);
    assert_int_equal(checkpoint_match_of(&read, 7), 100);
    assert_true(checkpoint_match_of(&read, UINT64_MAX) == UINT64_MAX);
    assert_int_equal(checkpoint_match_of(&read, 8), 0);
    for (size_t size = 0; size < packed->size; size++) {
        assert_int_equal(checkpoint_unpack(packed->data, size, &read), STATUS_CORRUPT);
    }
    packed->data[1] = 17; /* More than there can be. */
    assert_int_equal(checkpoint_unpack(packed->data, packed->size, &read), STATUS_CORRUPT);
    bytes_unref(&packed);
}

static void a_restarted_log_begins_behind_its_base(void **unused) /* N3 */
{
    (void)unused;
    struct tail tail = { 0 };
    tail_init(&tail, 8, 1000);
    struct log_position base = { .index = 40, .term = 3, .chain = 77 };
    tail_restart(&tail, &base);
    struct log_position found;
    assert_int_equal(tail_last(&tail).index, 40);
    assert_true(tail_position(&tail, 40, &found) && found.chain == 77);
    assert_false(tail_position(&tail, 39, &found));
    assert_int_equal(tail_term_at(&tail, 40), 3);
    assert_int_equal(tail_term_at(&tail, 39), 0);
    struct raft_entry entry = { .index = 41, .term = 4, .type = ENTRY_NO_OP };
    tail_append(&tail, &entry);
    tail_compact(&tail, &(struct log_position){ .index = 41, .term = 4 });
    assert_int_equal(tail.count, 0);
    assert_int_equal(tail_last(&tail).index, 41);
    tail_fini(&tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quorum_is_what_its_definition_says),
        cmocka_unit_test(term_runs_know_every_term),
        cmocka_unit_test(full_term_runs_forget_the_oldest),
        cmocka_unit_test(tail_keeps_the_newest_and_knows_the_rest),
        cmocka_unit_test(tail_keeps_what_is_needed),
        cmocka_unit_test(fitting_takes_at_least_one),
        cmocka_unit_test(chain_tells_every_part_apart),
        cmocka_unit_test(checkpoints_come_back_as_they_went),
        cmocka_unit_test(a_restarted_log_begins_behind_its_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
