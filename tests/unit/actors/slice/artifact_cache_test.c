/* Goal: the cache stays within its bound, evicts what was used longest ago and never what is pinned, finds
 * damage before a load, and begins with what is whole: across restarts, and under any sequence of steps.
 * Method: the real cache on files in memory; a model of what must be there beside a random walk. */
#include "actors/slice/artifact_cache.h"

#include "nodes/sim/files.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { BYTES_MAX = 1000, SIZE = 100, LARGE = 3 * SIZE };

struct fixture {
    struct sim_files *files;
    struct artifact_cache cache;
};

static void open_cache(struct fixture *fixture, int64_t wall_ms)
{
    assert_int_equal(artifact_cache_open(&fixture->cache, sim_files_port(fixture->files), "/data", BYTES_MAX,
                                         wall_ms, NULL),
                     STATUS_OK);
}

static int set_up(void **state)
{
    struct fixture *fixture = memory_zalloc(sizeof *fixture);
    fixture->files = sim_files_create();
    open_cache(fixture, 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    artifact_cache_close(&fixture->cache);
    sim_files_destroy(&fixture->files);
    memory_free(fixture);
    return 0;
}

static void restart(struct fixture *fixture, int64_t wall_ms)
{
    artifact_cache_close(&fixture->cache);
    open_cache(fixture, wall_ms);
}

/* The object number n: its bytes all are n. */
static void sha256_of(uint8_t number, size_t size, char text[DIGEST_TEXT_MAX])
{
    struct digest digest;
    digest_begin(&digest, DIGEST_SHA256);
    for (size_t i = 0; i < size; i++)
        digest_add(&digest, &number, 1);
    digest_end(&digest, text);
}

static enum status keep(struct fixture *fixture, uint8_t number, size_t size, struct error *error)
{
    char part[ARTIFACT_PATH_SIZE], sha256[DIGEST_TEXT_MAX];
    uint8_t data[BYTES_MAX];
    memset(data, number, size);
    sha256_of(number, size, sha256);
    artifact_cache_part_path(&fixture->cache, part, sha256, ".part");
    sim_files_write(fixture->files, part, data, size);
    return artifact_cache_keep(&fixture->cache, part, sha256, size, error);
}

static bool has(struct fixture *fixture, uint8_t number)
{
    char sha256[DIGEST_TEXT_MAX];
    uint64_t size;
    sha256_of(number, SIZE, sha256);
    return artifact_cache_has(&fixture->cache, sha256, &size);
}

static enum status check(struct fixture *fixture, uint8_t number)
{
    char sha256[DIGEST_TEXT_MAX];
    uint64_t size;
    struct error error;
    sha256_of(number, SIZE, sha256);
    return artifact_cache_check(&fixture->cache, sha256, &size, &error);
}

static void pin(struct fixture *fixture, const uint8_t *numbers, uint32_t count)
{
    struct artifact_pin pins[16] = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        char sha256[DIGEST_TEXT_MAX];
        sha256_of(numbers[i], SIZE, sha256);
        (void)text_copy(pins[i].sha256, sizeof pins[i].sha256, sha256);
    }
    artifact_cache_pin(&fixture->cache, pins, count);
}

static void the_longest_unused_goes_first(void **state)
{
    struct fixture *fixture = *state;
    for (uint8_t i = 1; i <= 10; i++)
        assert_int_equal(keep(fixture, i, SIZE, NULL), STATUS_OK);
    assert_int_equal(check(fixture, 1), STATUS_OK); /* A use. */
    assert_int_equal(keep(fixture, 11, SIZE, NULL), STATUS_OK);
    assert_true(has(fixture, 1));
    assert_false(has(fixture, 2));
    restart(fixture, 0); /* The order of use survives. */
    assert_int_equal(keep(fixture, 12, SIZE, NULL), STATUS_OK);
    assert_false(has(fixture, 3));
    assert_true(has(fixture, 1));
    assert_int_equal(fixture->cache.bytes, BYTES_MAX);
}

static void pinned_ones_stay_and_then_there_is_no_room(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t pinned[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct error error;
    pin(fixture, pinned, ARRAY_COUNT(pinned)); /* Some before they come. */
    for (uint8_t i = 1; i <= 10; i++)
        assert_int_equal(keep(fixture, i, SIZE, NULL), STATUS_OK);
    assert_int_equal(keep(fixture, 11, SIZE, NULL), STATUS_OK);
    assert_int_equal(keep(fixture, 12, SIZE, NULL), STATUS_OK);
    for (uint8_t i = 1; i <= 8; i++)
        assert_true(has(fixture, i));
    assert_int_equal(keep(fixture, 13, LARGE, &error), STATUS_OVERLOADED);
    assert_string_equal(error.hint, "raise limits.artifact-cache of this node");
    assert_true(has(fixture, 11)); /* Nothing was evicted in vain. */
    pin(fixture, pinned, 1);
    assert_int_equal(keep(fixture, 13, LARGE, NULL), STATUS_OK);
    assert_true(has(fixture, 1));
    assert_false(has(fixture, 2));
}

static void what_is_promised_counts(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(keep(fixture, 1, SIZE, NULL), STATUS_OK);
    assert_int_equal(artifact_cache_reserve(&fixture->cache, BYTES_MAX - SIZE, NULL), STATUS_OK);
    assert_true(has(fixture, 1));
    assert_int_equal(artifact_cache_reserve(&fixture->cache, SIZE, NULL), STATUS_OK);
    assert_false(has(fixture, 1));
    assert_int_equal(artifact_cache_reserve(&fixture->cache, 1, NULL), STATUS_OVERLOADED);
    assert_int_equal(artifact_cache_reserve(&fixture->cache, UINT64_MAX, NULL), STATUS_OVERLOADED);
    artifact_cache_release(&fixture->cache, BYTES_MAX);
    assert_int_equal(keep(fixture, 2, SIZE, NULL), STATUS_OK);
}

static void damage_and_loss_are_seen(void **state)
{
    struct fixture *fixture = *state;
    char path[ARTIFACT_PATH_SIZE], sha256[DIGEST_TEXT_MAX];
    for (uint8_t i = 1; i <= 3; i++)
        assert_int_equal(keep(fixture, i, SIZE, NULL), STATUS_OK);
    sha256_of(1, SIZE, sha256);
    artifact_cache_path(&fixture->cache, path, sha256);
    assert_true(sim_files_damage(fixture->files, path));
    assert_true(has(fixture, 1)); /* As far as its size tells. */
    assert_int_equal(check(fixture, 1), STATUS_CORRUPT);
    assert_false(sim_files_has(fixture->files, path));
    assert_int_equal(check(fixture, 1), STATUS_NOT_FOUND);
    sha256_of(2, SIZE, sha256);
    artifact_cache_path(&fixture->cache, path, sha256);
    assert_true(sim_files_lose(fixture->files, path));
    assert_false(has(fixture, 2));
    assert_int_equal(fixture->cache.bytes, SIZE);
}

static void a_start_sweeps_what_is_not_whole(void **state)
{
    struct fixture *fixture = *state;
    char sha256[DIGEST_TEXT_MAX], path[ARTIFACT_PATH_SIZE + 8];
    uint8_t data[BYTES_MAX] = { 0 };
    assert_int_equal(keep(fixture, 1, SIZE, NULL), STATUS_OK);
    sha256_of(1, SIZE, sha256);
    (void)snprintf(path, sizeof path, "/data/artifacts/%s.sig", sha256);
    sim_files_write(fixture->files, path, "x", 1);
    sha256_of(9, SIZE, sha256);
    (void)snprintf(path, sizeof path, "/data/artifacts/%s.sig", sha256); /* Its object is gone. */
    sim_files_write(fixture->files, path, "x", 1);
    (void)snprintf(path, sizeof path, "/data/artifacts/%s.sig.part", sha256);
    sim_files_write(fixture->files, path, "x", 1);
    sim_files_write(fixture->files, "/data/artifacts/README", "not ours", 8);
    sim_files_write(fixture->files, "/data/artifacts/tmp/a.part", data, BYTES_MAX / 8);
    sim_files_write(fixture->files, "/data/artifacts/tmp/b.upload", data, BYTES_MAX / 8);
    sim_files_write(fixture->files, "/data/artifacts/tmp/c.copy", data, BYTES_MAX / 8);
    restart(fixture, 0);
    assert_int_equal(sim_files_count(fixture->files, "/data/artifacts"), 3); /* Object, signature, README. */
    assert_false(
        sim_files_has(fixture->files, "/data/artifacts/tmp/a.part")); /* The oldest, beyond a quarter. */
    assert_true(sim_files_has(fixture->files, "/data/artifacts/tmp/c.copy")); /* May be continued. */
    restart(fixture, INT64_C(25) * 60 * 60 * 1000);
    assert_int_equal(sim_files_count(fixture->files, "/data/artifacts/tmp"), 0);
    assert_int_equal(check(fixture, 1), STATUS_OK);
}

/* A walk of keeps, uses, pins, promises, losses and restarts: the bound holds after each, a pin is never
 * evicted. */
static void random_walk(void **unused)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        void *state = NULL;
        (void)unused, (void)set_up(&state);
        struct fixture *fixture = state;
        uint64_t chance = seed * UINT64_C(0x9e3779b97f4a7c15), promised = 0;
        uint8_t pinned[4] = { 0 };
        bool was_there[4] = { false };
        for (int step = 0; step < 300; step++) {
            chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407u;
            uint8_t number = (uint8_t)(1 + (chance >> 40) % 20);
            switch ((chance >> 33) % 6) {
            case 0:
            case 1: (void)!keep(fixture, number, SIZE, NULL); break;
            case 2: (void)!check(fixture, number); break;
            case 3:
                for (uint8_t i = 0; i < 4; i++)
                    pinned[i] = (uint8_t)(1 + (number + i) % 20);
                pin(fixture, pinned, 4);
                break;
            case 4:
                if (promised > 0) artifact_cache_release(&fixture->cache, promised);
                promised = (chance >> 20) % (BYTES_MAX / 2);
                if (artifact_cache_reserve(&fixture->cache, promised, NULL) != STATUS_OK) promised = 0;
                break;
            default:
                if (promised > 0 || number > 3) break;
                restart(fixture, 0);
                pin(fixture, pinned, pinned[0] == 0 ? 0 : 4);
            }
            assert_true(fixture->cache.bytes + fixture->cache.reserved_bytes <= BYTES_MAX);
            assert_int_equal(sim_files_count(fixture->files, "/data/artifacts") * SIZE, fixture->cache.bytes);
            bool same_pins = (chance >> 33) % 6 != 3;
            for (uint8_t i = 0; i < 4 && pinned[0] != 0; i++) {
                if (same_pins && was_there[i]) assert_true(has(fixture, pinned[i]));
                was_there[i] = has(fixture, pinned[i]);
            }
        }
        (void)tear_down(&state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_longest_unused_goes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pinned_ones_stay_and_then_there_is_no_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_promised_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_and_loss_are_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_start_sweeps_what_is_not_whole, set_up, tear_down),
        cmocka_unit_test(random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
