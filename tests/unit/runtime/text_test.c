/* Goal: text grows without losing a byte, and its parsers have one reading of what they accept.
 * Method: tables of good and bad input, the limits of each type among them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <string.h>

static void grows_by_parts(void **unused)
{
    (void)unused;
    struct text text = { 0 };
    assert_string_equal(text_string(&text), "");
    for (int i = 0; i < 1000; i++) {
        text_add(&text, "ab");
        text_printf(&text, "%d", i % 10);
        text_add_bytes(&text, "c", 1);
    }
    assert_int_equal(text.size, 4000);
    assert_int_equal(strlen(text.data), 4000);
    assert_memory_equal(text.data + 3996, "ab9c", 5);
    char *taken = text_take(&text);
    assert_int_equal(strlen(taken), 4000);
    assert_int_equal(text.size, 0);
    memory_free(taken);
    taken = text_take(&text);
    assert_string_equal(taken, "");
    memory_free(taken);
    text_fini(&text);
}

static void copy_says_when_it_cut(void **unused)
{
    (void)unused;
    char buffer[4];
    assert_true(text_copy(buffer, sizeof buffer, "abc"));
    assert_string_equal(buffer, "abc");
    assert_false(text_copy(buffer, sizeof buffer, "abcd"));
    assert_string_equal(buffer, "abc");
    assert_false(text_copy(buffer, 1, "a"));
    assert_string_equal(buffer, "");
}

static void begins_and_ends(void **unused)
{
    (void)unused;
    assert_true(text_starts_with("slices/a", "slices/"));
    assert_false(text_starts_with("sli", "slices/"));
    assert_true(text_ends_with("a.so", ".so"));
    assert_false(text_ends_with("so", ".so"));
    assert_true(text_ends_with("x", ""));
}

static void utf8_follows_rfc_3629(void **unused)
{
    (void)unused;
    const char *good[] = { "",
                           "plain",
                           "\xC2\x80",
                           "\xDF\xBF",
                           "\xE0\xA0\x80",
                           "\xED\x9F\xBF",
                           "\xEE\x80\x80",
                           "\xF0\x90\x80\x80",
                           "\xF4\x8F\xBF\xBF" };
    const char *bad[] = { "\x80",
                          "\xC0\x80",
                          "\xC1\xBF",
                          "\xC2",
                          "\xC2\x41",
                          "\xE0\x9F\xBF",
                          "\xED\xA0\x80",
                          "\xE1\x80",
                          "\xFF",
                          "\xF0\x8F\xBF\xBF",
                          "\xF5\x80\x80\x80",
                          "\xF4\x90\x80\x80",
                          "\xF1\x80\x80\x41" };
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        assert_true(text_is_utf8(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_false(text_is_utf8(bad[i], strlen(bad[i])));
    }
    assert_true(text_is_utf8("a\0b", 3));
}

static void numbers_are_whole_and_in_range(void **unused)
{
    (void)unused;
    uint64_t u = 0;
    int64_t i = 0;
    assert_true(text_to_u64("18446744073709551615", &u));
    assert_true(u == UINT64_MAX);
    assert_true(text_to_i64("-9223372036854775808", &i));
    assert_true(i == INT64_MIN);
    assert_true(text_to_i64("9223372036854775807", &i));
    assert_true(i == INT64_MAX);
    assert_true(text_to_u64("007", &u));
    assert_int_equal(u, 7);
    const char *bad[] = {
        "", "-", "+1", " 1", "1 ", "1x", "0x10", "--1", "18446744073709551616", "99999999999999999999"
    };
    for (size_t n = 0; n < ARRAY_COUNT(bad); n++) {
        assert_false(text_to_u64(bad[n], &u));
        assert_false(text_to_i64(bad[n], &i));
    }
    assert_false(text_to_u64("-1", &u));
    assert_false(text_to_i64("9223372036854775808", &i));
    assert_false(text_to_i64("-9223372036854775809", &i));
}

static void durations_need_units(void **unused)
{
    (void)unused;
    int64_t ns = 0;
    const struct {
        const char *text;
        int64_t ns;
    } good[] = { { "150ms", 150000000 },
                 { "2s", 2000000000 },
                 { "1m30s", INT64_C(90000000000) },
                 { "250us", 250000 },
                 { "1h", INT64_C(3600000000000) },
                 { "0s", 0 },
                 { "1h1ns", INT64_C(3600000000001) } };
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        assert_true(text_to_duration_ns(good[i].text, &ns));
        assert_true(ns == good[i].ns);
    }
    const char *bad[] = {
        "", "5", "s", "1d", "-1s", "1 s", "1s ", "1.5s", "9223372036854775807s", "3000000h"
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_false(text_to_duration_ns(bad[i], &ns));
    }
}

static void sizes_use_binary_units(void **unused)
{
    (void)unused;
    uint64_t bytes = 0;
    assert_true(text_to_bytes("64Mi", &bytes));
    assert_int_equal(bytes, 64 << 20);
    assert_true(text_to_bytes("1000", &bytes));
    assert_int_equal(bytes, 1000);
    assert_true(text_to_bytes("512Ki", &bytes));
    assert_int_equal(bytes, 512 << 10);
    const char *bad[] = { "", "Mi", "1M", "1mi", "-1", "1MiB", "1Mi1", "99999999999Gi" };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_false(text_to_bytes(bad[i], &bytes));
    }
}

static void hex_there_and_back(void **unused)
{
    (void)unused;
    const uint8_t data[] = { 0x00, 0xAF, 0x19 };
    char hex[7];
    uint8_t back[3] = { 0 };
    text_hex(hex, data, sizeof data);
    assert_string_equal(hex, "00af19");
    assert_true(text_from_hex(back, sizeof back, "00AF19"));
    assert_memory_equal(back, data, sizeof data);
    assert_false(text_from_hex(back, sizeof back, "00af1"));
    assert_false(text_from_hex(back, sizeof back, "00af1g"));
    assert_false(text_from_hex(back, sizeof back, "00af1900"));
}

static void distance_is_levenshteins(void **unused)
{
    (void)unused;
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_int_equal(text_distance("list", ""), 4);
    assert_int_equal(text_distance("blueprint", "bluepirnt"), 2);
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[199] = '\0';
    assert_int_equal(text_distance(longer, ""), 63);
}

static void stray_bytes_become_replacements(void **unused)
{
    (void)unused;
    struct text text = { 0 };
    text_add_utf8(&text, "gr\xC3\xBC\xC3n\xFF");
    assert_string_equal(text_string(&text), "gr\xC3\xBC\xEF\xBF\xBDn\xEF\xBF\xBD");
    text_add_utf8(&text, "");
    text_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stray_bytes_become_replacements),
        cmocka_unit_test(grows_by_parts),
        cmocka_unit_test(copy_says_when_it_cut),
        cmocka_unit_test(begins_and_ends),
        cmocka_unit_test(utf8_follows_rfc_3629),
        cmocka_unit_test(numbers_are_whole_and_in_range),
        cmocka_unit_test(durations_need_units),
        cmocka_unit_test(sizes_use_binary_units),
        cmocka_unit_test(hex_there_and_back),
        cmocka_unit_test(distance_is_levenshteins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
