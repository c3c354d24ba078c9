/* Goal: the same entries make the same state (A2), and what it writes down is what it loads (D2, D3, K5).
 * Method: a random history is applied twice, and again through the copy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "store/kv.h"
#include "tests/support/commands.h"
#include "tests/support/kv_replica.h"

#include <stdio.h>
#include <string.h>

static Pb__Command *random_command(struct kv_replica *replica, uint64_t *random, uint64_t session)
{
    Pb__Command *command = commands_new(&replica->arena);
    for (uint64_t i = 0, count = 1 + *random % 4; i < count; i++) {
        char key[16];
        char value[32];
        *random = hash64_mix(*random, i);
        (void)snprintf(key, sizeof key, "k/%llu", (unsigned long long)(*random % 50));
        (void)snprintf(value, sizeof value, "%llx", (unsigned long long)*random);
        if (*random % 5 == 0) commands_add_delete(&replica->arena, command, key);
        else commands_add_put(&replica->arena, command, *random % 97 == 0 ? "forbidden" : key, value);
    }
    if (*random % 3 == 0) {
        command->session = session;
        command->sequence = 1 + *random % 400;
    }
    return command;
}

/* Takes the copy as log_batch would carry it, into `to` as a start would load it. */
struct copies {
    struct arena arena;
    struct kv_copy steps[64];
    uint32_t count;
};

static void assert_same(const struct kv *a, const struct kv *b)
{
    uint8_t left[16];
    uint8_t right[16];
    kv_state_hash(a, left);
    kv_state_hash_scan(b, right);
    assert_memory_equal(left, right, sizeof left);
    assert_int_equal(kv_applied(a).index, kv_applied(b).index);
}

static void same_entries_same_state(void **state) /* A2, K5 */
{
    struct kv_replica *replica = *state;
    struct kv_replica other = { .kv = kv_create(&kv_replica_rules), .term = 1 };
    uint64_t random[2] = { 42, 42 };
    uint64_t session = kv_replica_open_session(replica);
    (void)kv_replica_open_session(&other);
    for (int i = 0; i < 2000; i++) {
        kv_replica_apply(replica, random_command(replica, &random[0], session));
        kv_replica_apply(&other, random_command(&other, &random[1], session));
    }
    assert_same(replica->kv, other.kv);
    kv_destroy(&other.kv);
    arena_fini(&other.arena);
}

/* What a disk would hold after the steps: the last write of each key counts. */
static void load_all(const struct copies *copies, struct kv *kv)
{
    struct error error = { 0 };
    const struct kv_copy *last = &copies->steps[copies->count - 1];
    for (int space = 0; space < COPY_SPACE_COUNT; space++) {
        for (uint32_t s = 0; s < copies->count; s++) {
            for (uint32_t i = 0; i < copies->steps[s].count; i++) {
                const struct log_copy_record *record = &copies->steps[s].records[i];
                bool replaced = record->value == NULL || (int)record->space != space;
                for (uint32_t later = s + 1; later < copies->count && !replaced; later++) {
                    for (uint32_t j = 0; j < copies->steps[later].count && !replaced; j++) {
                        const struct log_copy_record *newer = &copies->steps[later].records[j];
                        replaced = newer->space == record->space && strcmp(newer->key, record->key) == 0;
                    }
                }
                if (!replaced) assert_int_equal(kv_load(kv, record, &error), STATUS_OK);
            }
        }
    }
    assert_int_equal(kv_load_end(kv, &last->to, last->history_first, last->state_hash, &error), STATUS_OK);
}

static void the_copy_loads_to_the_same_state(void **state) /* D3, K5 */
{
    struct kv_replica *replica = *state;
    struct copies copies = { 0 };
    uint64_t random = 7;
    uint64_t session = kv_replica_open_session(replica);
    for (int i = 0; i < 300; i++) {
        kv_replica_apply(replica, random_command(replica, &random, session));
        if (i % 30 != 29) continue;
        struct kv_copy *step = &copies.steps[copies.count];
        assert_true(kv_copy_take(replica->kv, &copies.arena, step));
        assert_int_equal(step->from, copies.count == 0 ? 0 : copies.steps[copies.count - 1].to.index);
        copies.count++;
    }
    assert_int_equal(kv_copy_pending(replica->kv), 0);
    assert_false(kv_copy_take(replica->kv, &copies.arena, &copies.steps[copies.count]));

    struct kv_replica loaded = { .kv = kv_create(&kv_replica_rules), .term = 1, .index = replica->index };
    load_all(&copies, loaded.kv);
    assert_same(replica->kv, loaded.kv);
    char now[4096];
    (void)snprintf(now, sizeof now, "%s", kv_replica_list_prefix(replica, "", 150)); /* History came along. */
    assert_string_equal(kv_replica_list_prefix(&loaded, "", 150), now);
    Pb__Command *next = random_command(replica, &random, session); /* And it goes on alike. */
    kv_replica_apply(replica, next);
    kv_replica_apply(&loaded, next);
    assert_same(replica->kv, loaded.kv);
    assert_true(kv_copy_take(loaded.kv, &copies.arena, &copies.steps[copies.count]));
    assert_int_equal(copies.steps[copies.count].from, replica->index - 1);
    kv_destroy(&loaded.kv);
    arena_fini(&loaded.arena);
    arena_fini(&copies.arena);
}

static void a_revision_too_large_to_keep_is_not_copied(void **state)
{
    struct kv_replica *replica = *state;
    struct arena arena = { 0 };
    struct kv_copy copy;
    struct kv_replica_seen seen = { 0 };
    char *large = arena_alloc(&replica->arena, KV_VALUE_MAX + 1);
    memset(large, 'v', KV_VALUE_MAX);
    char key[8];
    for (int i = 0; i < 140; i++) {
        (void)snprintf(key, sizeof key, "p/%03d", i);
        kv_replica_put(replica, key, large);
    }
    assert_true(kv_copy_take(replica->kv, &arena, &copy));
    uint64_t revision = kv_replica_delete_prefix(replica, "p/")->revision; /* 70 MiB of former values. */
    assert_true(kv_history(replica->kv, revision, kv_replica_see, &seen));
    assert_int_equal(seen.count, 1);
    assert_true(kv_copy_take(replica->kv, &arena, &copy));
    assert_int_equal(copy.count, 140); /* Deletions; no history. */
    assert_int_equal(copy.history_first, revision + 1);
    kv_replica_put(replica, "a", "1");
    assert_true(kv_copy_take(replica->kv, &arena, &copy));
    assert_int_equal(copy.count, 2);
    assert_int_equal(copy.history_first, revision + 1);
    arena_fini(&arena);
}

static void a_damaged_copy_is_corrupt(void **state) /* D2 */
{
    struct kv_replica *replica = *state;
    struct arena arena = { 0 };
    struct kv_copy copy;
    struct error error;
    (void)kv_replica_open_session(replica);
    kv_replica_put(replica, "a", "value");
    assert_true(kv_copy_take(replica->kv, &arena, &copy));
    assert_int_equal(copy.count, 3); /* Record, session, history: the opening changed no record. */
    for (uint32_t i = 0; i < copy.count; i++) {
        struct kv *kv = kv_create(&kv_replica_rules);
        uint8_t *damaged = arena_memdup(&arena, copy.records[i].value, copy.records[i].value_size);
        struct log_copy_record record = copy.records[i];
        damaged[record.value_size - 1] ^= 1;
        record.value = damaged;
        assert_int_equal(kv_load(kv, &record, &error), STATUS_CORRUPT);
        record = copy.records[i];
        record.key = "00000000000000ff";
        assert_int_equal(kv_load(kv, &record, &error), STATUS_CORRUPT); /* Sound, but another's. */
        kv_destroy(&kv);
    }
    struct kv *empty = kv_create(&kv_replica_rules);
    assert_int_equal(kv_load_end(empty, &copy.to, 1, copy.state_hash, &error), STATUS_CORRUPT);
    kv_destroy(&empty);
    arena_fini(&arena);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, kv_replica_set_up, kv_replica_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(same_entries_same_state),
        TEST(the_copy_loads_to_the_same_state),
        TEST(a_revision_too_large_to_keep_is_not_copied),
        TEST(a_damaged_copy_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
