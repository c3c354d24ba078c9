/* Goal: a walk over the state gives exactly the state as of its beginning, whatever is applied between its
 * steps (N1), and what it gives loads into an equal state (K10).
 * Method: by seed, a random state is walked in small steps with random entries between them; the stream is
 * read back into a fresh state, which must equal a copy that was taken when the walk began. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "store/memory/kv_snapshot.h"
#include "tests/support/commands.h"
#include "tests/support/kv_replica.h"

#include <stdio.h>
#include <string.h>

enum { SEEDS = 60, SESSIONS = 20 };

struct walk_test {
    struct kv_replica *replica;
    uint64_t random;
    uint64_t sessions[SESSIONS];
};

static uint64_t draw(struct walk_test *test, uint64_t below)
{
    test->random = hash64_mix(test->random, 7);
    return test->random % below;
}

/* Values of very different sizes, so that chunks end everywhere. */
static const char *random_value(struct walk_test *test)
{
    size_t size = draw(test, 50) == 0 ? draw(test, 300000) : draw(test, 200);
    char *value = arena_alloc(&test->replica->arena, size + 1);
    memset(value, 'a' + (int)draw(test, 26), size);
    return value;
}

static void apply_random(struct walk_test *test)
{
    struct arena *arena = &test->replica->arena;
    uint64_t what = draw(test, 100);
    if (what < 3) {
        test->sessions[draw(test, SESSIONS)] = kv_replica_open_session(test->replica);
        return;
    }
    Pb__Command *command = commands_new(arena);
    if (what < 6) {
        Pb__Operation *operation = commands_add(arena, command);
        operation->op_case = PB__OPERATION__OP_SESSION_CLOSE;
        operation->session_close = arena_alloc(arena, sizeof *operation->session_close);
        pb__op_session_close__init(operation->session_close);
        operation->session_close->session = test->sessions[draw(test, SESSIONS)];
    }
    for (uint64_t i = 0, count = what < 6 ? 0 : 1 + draw(test, 4); i < count; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "k/%llu", (unsigned long long)draw(test, 400));
        if (draw(test, 3) == 0) commands_add_delete(arena, command, key);
        else commands_add_put(arena, command, key, random_value(test));
    }
    if (what >= 50) {
        command->session = test->sessions[draw(test, SESSIONS)];
        command->sequence = test->replica->index + 1;
    }
    kv_replica_apply(test->replica, command);
}

static enum status load(void *kv, const struct log_copy_record *record, struct error *error)
{
    return kv_load(kv, record, error);
}

/* The walk as a stream, read by a fresh state at once. */
static struct kv *walk(struct walk_test *test, struct kv_snapshot *snapshot, bool disturb)
{
    struct kv *copy = kv_create(&kv_replica_rules);
    struct snapshot_chunk chunk = { 0 };
    struct snapshot_progress made = { 0 };
    struct snapshot_progress read = { 0 };
    struct error error = { 0 };
    struct snapshot_header header = { .id = 1, .cluster_id = 2, .configuration_index = 1 };
    enum snapshot_block_type type = 0;
    header.position = kv_snapshot_position(snapshot);
    kv_snapshot_hash(snapshot, header.state_hash);
    assert_int_equal(configuration_add(&header.configuration, 5, "node-1", true), STATUS_OK);
    struct bytes *block = snapshot_header_block(&header);
    for (bool last = false;; last = kv_snapshot_is_done(snapshot)) {
        if (block != NULL) {
            snapshot_progress_add(&made, block, 0);
            assert_int_equal(
                snapshot_read(&read, &header, block->data, block->size, load, copy, &type, &error),
                STATUS_OK);
            assert_memory_equal(made.digest, read.digest, sizeof made.digest);
            bytes_unref(&block);
        }
        if (last) break;
        for (uint64_t i = disturb ? draw(test, 30) : 0; i > 0; i--)
            apply_random(test);
        assert_int_equal(kv_snapshot_fill(snapshot, &chunk), STATUS_OK);
        if (chunk.record_count == 0) continue;
        made.record_count += chunk.record_count;
        block = snapshot_chunk_block(&chunk);
    }
    block = snapshot_end_block(&made);
    assert_int_equal(snapshot_read(&read, &header, block->data, block->size, NULL, NULL, &type, &error),
                     STATUS_OK);
    assert_int_equal(type, SNAPSHOT_BLOCK_END);
    bytes_unref(&block);
    assert_int_equal(
        kv_load_end(copy, &header.position, header.position.index + 1, header.state_hash, &error), STATUS_OK);
    return copy;
}

struct listing {
    struct record_hash hash;
    uint32_t count;
    char last[KV_KEY_MAX + 1];
};

static bool list(void *context, const struct kv_record *record)
{
    struct listing *listing = context;
    struct record_hash part = record_hash(record);
    /* Order counts. */
    listing->hash.low = hash64_mix(listing->hash.low, part.low);
    listing->hash.high = hash64_mix(listing->hash.high, part.high);
    listing->count++;
    (void)snprintf(listing->last, sizeof listing->last, "%s", record->key);
    return true;
}

/* Page by page: a page ends with the last key that was listed. */
static struct listing list_all(const struct kv *kv)
{
    struct listing listing = { 0 };
    struct error error = { 0 };
    for (bool more = true; more;) {
        char after[KV_KEY_MAX + 1];
        (void)snprintf(after, sizeof after, "%s", listing.last);
        struct kv_range range = { .key = "", .prefix = true, .start_after = after };
        assert_int_equal(kv_scan(kv, &range, list, &listing, &more, &error), STATUS_OK);
    }
    return listing;
}

static void one_seed(struct kv_replica *replica, uint64_t seed)
{
    struct walk_test test = { .replica = replica, .random = seed };
    for (uint32_t i = 0; i < SESSIONS; i++)
        test.sessions[i] = kv_replica_open_session(replica);
    for (uint64_t i = 0, count = draw(&test, 600); i < count; i++)
        apply_random(&test);
    uint8_t hash[16];
    uint8_t copied[16];
    struct listing before = list_all(replica->kv);
    struct kv_snapshot *snapshot = kv_snapshot_begin(replica->kv, 0);
    struct kv_snapshot *still = kv_snapshot_begin(replica->kv, 0);
    kv_state_hash(replica->kv, hash);
    struct kv *disturbed = walk(&test, snapshot, true);
    struct kv *second = walk(&test, still, false); /* All of it was changed behind its back already. */
    kv_snapshot_end(&snapshot);
    kv_snapshot_end(&still);
    kv_state_hash_scan(disturbed, copied);
    assert_memory_equal(hash, copied, sizeof hash);
    kv_state_hash_scan(second, copied);
    assert_memory_equal(hash, copied, sizeof hash);
    struct listing after = list_all(disturbed);
    assert_int_equal(before.count, after.count);
    assert_int_equal(before.hash.low, after.hash.low);
    assert_int_equal(before.hash.high, after.hash.high);
    kv_destroy(&disturbed);
    kv_destroy(&second);
}

static void a_walk_gives_the_state_of_its_beginning(void **state) /* N1, K10 */
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        void *replica = NULL;
        kv_replica_set_up(&replica);
        one_seed(replica, seed);
        kv_replica_tear_down(&replica);
    }
}

static void a_side_table_that_outgrows_its_bound_ends_the_walk(void **state) /* N1 */
{
    struct kv_replica *replica = *state;
    struct snapshot_chunk chunk = { 0 };
    char value[1001];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0; i < 100; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "k/%03d", i);
        kv_replica_put(replica, key, value);
    }
    struct kv_snapshot *snapshot = kv_snapshot_begin(replica->kv, 20000);
    for (int i = 0; i < 100; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "k/%03d", i);
        kv_replica_put(replica, key, "new");
    }
    assert_int_equal(kv_snapshot_fill(snapshot, &chunk), STATUS_OVERLOADED);
    kv_snapshot_end(&snapshot);
    snapshot_chunk_fini(&chunk);
}

static void changes_behind_the_cursor_cost_nothing(void **state) /* N1 */
{
    struct kv_replica *replica = *state;
    struct snapshot_chunk chunk = { 0 };
    kv_replica_put(replica, "k/1", "one");
    struct kv_snapshot *snapshot = kv_snapshot_begin(replica->kv, 1);
    while (!kv_snapshot_is_done(snapshot))
        assert_int_equal(kv_snapshot_fill(snapshot, &chunk), STATUS_OK);
    kv_replica_put(replica, "k/1", "two");
    kv_replica_put(replica, "k/2", "three");
    assert_int_equal(kv_snapshot_fill(snapshot, &chunk), STATUS_OK);
    assert_int_equal(chunk.record_count, 1);
    kv_snapshot_end(&snapshot);
    snapshot_chunk_fini(&chunk);
}

static void only_so_many_walks_at_a_time(void **state)
{
    struct kv_replica *replica = *state;
    struct kv_snapshot *snapshots[KV_SNAPSHOTS_MAX];
    for (int i = 0; i < KV_SNAPSHOTS_MAX; i++) {
        snapshots[i] = kv_snapshot_begin(replica->kv, 0);
        assert_non_null(snapshots[i]);
    }
    assert_null(kv_snapshot_begin(replica->kv, 0));
    for (int i = 0; i < KV_SNAPSHOTS_MAX; i++)
        kv_snapshot_end(&snapshots[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_gives_the_state_of_its_beginning),
        cmocka_unit_test_setup_teardown(a_side_table_that_outgrows_its_bound_ends_the_walk, kv_replica_set_up,
                                        kv_replica_tear_down),
        cmocka_unit_test_setup_teardown(changes_behind_the_cursor_cost_nothing, kv_replica_set_up,
                                        kv_replica_tear_down),
        cmocka_unit_test_setup_teardown(only_so_many_walks_at_a_time, kv_replica_set_up,
                                        kv_replica_tear_down),
    };
    return cmocka_run_group_tests_name("kv_snapshot", tests, NULL, NULL);
}
