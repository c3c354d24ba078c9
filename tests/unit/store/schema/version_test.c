/* version: the order that Maven gives (the expectations were printed by Maven's own ComparableVersion), and
 * what a range holds. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "store/schema/version.h"

#include <string.h>

static int sign(int number)
{
    return number < 0 ? -1 : number > 0;
}

static void versions_ascend(void **state)
{
    (void)state;
    static const char *const ascending[] = {
        "0.9",
        "1-alpha-1",
        "1-beta2",
        "1-milestone-3",
        "1-rc1",
        "1-rc2",
        "1-SNAPSHOT",
        "1",
        "1-sp",
        "1-sp1",
        "1-abc",
        "1-xyz",
        "1-1",
        "1-2",
        "1.0.1",
        "1.1",
        "1.2.0",
        "1.2.10",
        "1.10",
        "2.0.0.RC1",
        "2",
        "10",
        "99999999999999999999.1",
    };
    size_t count = sizeof ascending / sizeof ascending[0];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            assert_int_equal(sign(version_compare(ascending[i], ascending[j])), i < j ? -1 : i > j);
}

static void equal_versions_are_equal(void **state)
{
    (void)state;
    static const char *const same[][2] = {
        { "1", "1.0" },
        { "1.0.0", "1-ga" },
        { "1-final", "1.0" },
        { "1-a1", "1-alpha-1" },
        { "1-cr1", "1-rc1" },
        { "1-m3", "1-milestone3" },
        { "1.0-snapshot", "1-SNAPSHOT" },
        { "1.0.RC1", "1-RC1" },
        { "01.002", "1.2" },
        { "1.0.0-foo.0.0", "1-foo" },
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        assert_int_equal(version_compare(same[i][0], same[i][1]), 0);
        assert_int_equal(version_compare(same[i][1], same[i][0]), 0);
    }
}

static void any_text_is_comparable(void **state)
{
    (void)state;
    static const char *const odd[] = { "", ".", "-", "..--", "x", "1.", "-1", "1..2", "\xff\xfe" };
    char many[512];
    memset(many, '.', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        assert_int_equal(version_compare(odd[i], odd[i]), 0);
        assert_int_equal(sign(version_compare(odd[i], many)), -sign(version_compare(many, odd[i])));
    }
}

static void snapshots_are_known(void **state)
{
    (void)state;
    assert_true(version_is_snapshot("1.0-SNAPSHOT"));
    assert_false(version_is_snapshot("1.0"));
    assert_false(version_is_snapshot("-SNAPSHOT"));
    assert_false(version_is_snapshot("1.0-SNAPSHOT1"));
}

static void dated_snapshots_are_known(void **state)
{
    (void)state;
    assert_int_equal(version_dated_length("1.2-20261121.160117-2"), 3);
    assert_int_equal(version_dated_length("1.2-rc1-20261121.160117-12"), 7);
    static const char *const others[] = { "",
                                          "1.2",
                                          "1.2-SNAPSHOT",
                                          "1.2-20261121",
                                          "1.2-3-4",
                                          "20261121.160117-2",
                                          "-20261121.160117-2",
                                          "1.2-2026112.160117-2",
                                          "1.2-20261121.160117-",
                                          "1.2-20261121.160117-2a" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(version_dated_length(others[i]), 0);
}

static void ranges_are_told_from_versions(void **state)
{
    (void)state;
    static const char *const good[] = { "[1.0,2.0)", "[1.0,)", "(,2.0]", "[1.2]", "(,1.0],[1.2,)", "(,)" };
    static const char *const bad[] = { "",        "1.0",   "[1.0",    "[1.0,2.0", "(1.0)",
                                       "[]",      "[2,1]", "[1,2,3]", "[1,2]x",   "[1,2],",
                                       "[1,2],3", "[a b]", "[1/2]",   "[,]x",     "[1.0)(2]" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(version_is_range(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(version_is_range(bad[i]));
}

static void ranges_hold_their_versions(void **state)
{
    (void)state;
    static const struct {
        const char *range, *version;
        bool inside;
    } cases[] = {
        { "[1.0,2.0)", "1.0", true },
        { "[1.0,2.0)", "2.0", false },
        { "[1.0,2.0)", "1.9.9", true },
        { "[1.0,2.0)", "0.9", false },
        { "(1.0,2.0]", "1.0.0", false },
        { "(1.0,2.0]", "2", true },
        { "[1.0,)", "17", true },
        { "(,2.0]", "0.1-alpha", true },
        { "[1.2]", "1.2.0", true },
        { "[1.2]", "1.2.1", false },
        { "(,1.0],[1.2,)", "1.1", false },
        { "(,1.0],[1.2,)", "1.3", true },
        { "[1.0,2.0)", "2.0-SNAPSHOT", true },
        { "(,)", "x", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(version_range_contains(cases[i].range, cases[i].version), cases[i].inside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_ascend),
        cmocka_unit_test(equal_versions_are_equal),
        cmocka_unit_test(any_text_is_comparable),
        cmocka_unit_test(snapshots_are_known),
        cmocka_unit_test(dated_snapshots_are_known),
        cmocka_unit_test(ranges_are_told_from_versions),
        cmocka_unit_test(ranges_hold_their_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
