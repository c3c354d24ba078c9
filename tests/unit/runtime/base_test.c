/* Goal: the small values of runtime/base (status, error, bytes, arena, hash) keep their contracts.
 * Method: known vectors and limits. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <malloc.h>

#include "runtime/base/arena.h"
#include "runtime/base/bytes.h"
#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/status.h"

#include <string.h>

static void each_status_has_its_row(void **unused)
{
    (void)unused;
    for (int i = 0; i < STATUS_COUNT; i++) {
        enum status status = status_from_number(i);
        assert_int_equal(status, i);
        assert_int_equal(status_from_name(status_name(status)), i);
        assert_true(strlen(status_text(status)) > 0);
        assert_int_equal(status_exit(status) == 0, i == STATUS_OK);
        assert_true(i == STATUS_OK || status_json_rpc(status) < 0);
    }
}

static void status_numbers_from_outside_are_bounded(void **unused)
{
    (void)unused;
    assert_int_equal(status_from_number(-1), STATUS_UNKNOWN);
    assert_int_equal(status_from_number(STATUS_COUNT), STATUS_UNKNOWN);
    assert_int_equal(status_from_name("no_leader"), STATUS_COUNT);
    assert_int_equal(status_http(STATUS_NO_ENDPOINT), 404);
    assert_int_equal(status_exit(STATUS_NO_LEADER), 3);
}

static void error_wraps_and_hints(void **unused)
{
    (void)unused;
    struct error error;
    assert_int_equal(error_set(&error, STATUS_IO, "open %s", "f"), STATUS_IO);
    error_hint(&error, "try %d", 2);
    assert_int_equal(error_wrap(&error, "load %s", "a"), STATUS_IO);
    assert_string_equal(error.message, "load a: open f");
    assert_string_equal(error.hint, "try 2");
    (void)error_set(&error, STATUS_CORRUPT, "x");
    assert_string_equal(error.hint, "");
    assert_int_equal(error_set(NULL, STATUS_DENIED, "y"), STATUS_DENIED);
}

static void error_text_is_cut_not_overrun(void **unused)
{
    (void)unused;
    char longer[2000];
    memset(longer, 'e', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    struct error error;
    (void)error_set(&error, STATUS_IO, "%s", longer);
    assert_int_equal(strlen(error.message), ERROR_MESSAGE_MAX - 1);
    (void)error_wrap(&error, "%s", longer);
    assert_int_equal(strlen(error.message), ERROR_MESSAGE_MAX - 1);
    error_hint(&error, "%s", longer);
    assert_int_equal(strlen(error.hint), ERROR_HINT_MAX - 1);
}

static void count_release(void *owner)
{
    (*(int *)owner)++;
}

static void bytes_free_with_the_last_reference(void **unused)
{
    (void)unused;
    int released = 0;
    char data[3] = "ab";
    struct bytes *first = bytes_wrap(data, 2, count_release, &released);
    struct bytes *second = bytes_ref(first);
    bytes_unref(&first);
    assert_null(first);
    assert_int_equal(released, 0);
    bytes_unref(&second);
    assert_int_equal(released, 1);
    bytes_unref(&second); /* NULL is fine. */
    struct bytes *copy = bytes_copy("xyz", 3);
    assert_memory_equal(copy->data, "xyz", 3);
    bytes_unref(&copy);
}

/* Large ones come from blocks that are kept; no two may be in one. */
static void large_bytes_are_nobody_elses(void **unused)
{
    (void)unused;
    enum { COUNT = 8, ROUNDS = 3 };
    static const size_t sizes[COUNT] = { 128 * 1024 - 1,     128 * 1024, 300000, 1024 * 1024,
                                         1024 * 1024 + 5000, 2000000,    600000, 1024 * 1024 };
    struct bytes *held[COUNT];
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < COUNT; i++) {
            held[i] = bytes_create(sizes[i]);
            assert_int_equal((uintptr_t)held[i]->data % 16, 0);
            assert_true(malloc_usable_size(held[i]) <=
                        2 * sizes[i] + 4096); /* It counts as that elsewhere. */
            memset(held[i]->data, round * COUNT + i, sizes[i]);
        }
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(held[i]->size, sizes[i]);
            assert_int_equal(held[i]->data[0], round * COUNT + i);
            assert_int_equal(held[i]->data[sizes[i] - 1], round * COUNT + i);
        }
        for (int i = 0; i < COUNT; i++)
            bytes_unref(&held[i]);
    }
}

static void arena_blocks_are_zeroed_and_aligned(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    for (size_t size = 1; size < 200000; size = size * 3 + 1) {
        unsigned char *block = arena_alloc(&arena, size);
        assert_int_equal((uintptr_t)block % 16, 0);
        assert_int_equal(block[0] | block[size - 1], 0);
        memset(block, 0xFF, size);
    }
    assert_string_equal(arena_strdup(&arena, "text"), "text");
    assert_null(arena_strdup(&arena, NULL));
    assert_string_equal(arena_strndup(&arena, "text", 2), "te");
    assert_string_equal(arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
    assert_memory_equal(arena_memdup(&arena, "abc", 4), "abc", 4);
    arena_fini(&arena);
    assert_null(arena.chunks);
    assert_int_equal(arena.used_bytes, 0);
}

static void crc32c_knows_its_vectors(void **unused) /* RFC 3720, appendix B.4. */
{
    (void)unused;
    uint8_t data[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
    memset(data, 0, sizeof data);
    assert_int_equal(crc32c(0, data, sizeof data), 0x8A9136AA);
    memset(data, 0xFF, sizeof data);
    assert_int_equal(crc32c(0, data, sizeof data), 0x62A8AB43);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)i;
    }
    assert_int_equal(crc32c(0, data, sizeof data), 0x46DD794E);
    for (size_t cut = 0; cut <= sizeof data; cut++) { /* In two parts it is the same. */
        uint32_t crc = crc32c(0, data, cut);
        assert_int_equal(crc32c(crc, data + cut, sizeof data - cut), 0x46DD794E);
        assert_int_equal(crc32c_portable(7, data, cut), crc32c(7, data, cut));
    }
}

static void hash64_tells_lengths_seeds_and_bits_apart(void **unused)
{
    (void)unused;
    const uint8_t zeros[64] = { 0 };
    uint8_t one[64] = { 0 };
    assert_true(hash64("abc", 3, 0) == hash64("abc", 3, 0));
    assert_true(hash64("abc", 3, 0) != hash64("abc", 3, 1));
    for (size_t size = 1; size <= sizeof zeros; size++) {
        assert_true(hash64(zeros, size, 0) != hash64(zeros, size - 1, 0));
        one[size - 1] = 1;
        assert_true(hash64(one, size, 0) != hash64(zeros, size, 0));
        one[size - 1] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_status_has_its_row),
        cmocka_unit_test(status_numbers_from_outside_are_bounded),
        cmocka_unit_test(error_wraps_and_hints),
        cmocka_unit_test(error_text_is_cut_not_overrun),
        cmocka_unit_test(bytes_free_with_the_last_reference),
        cmocka_unit_test(large_bytes_are_nobody_elses),
        cmocka_unit_test(arena_blocks_are_zeroed_and_aligned),
        cmocka_unit_test(crc32c_knows_its_vectors),
        cmocka_unit_test(hash64_tells_lengths_seeds_and_bits_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
