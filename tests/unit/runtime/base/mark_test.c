/* Goal: marks and planted bugs are known by name where they are compiled in, and cost nothing elsewhere.
 * Method: one of each in this file; what the linker gathered is looked through. */
#include "runtime/base/mark.h"
#include "runtime/base/planted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint64_t hits_of(const char *name)
{
    uint32_t count = 0;
    const struct mark *marks = mark_all(&count);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(marks[i].name, name) == 0) return marks[i].hits;
    }
    return UINT64_MAX;
}

static void pass(bool rare)
{
    if (rare) MARK("mark_test.rare");
}

static bool is_wrong(void)
{
    return PLANTED("mark_test.wrong");
}

static void a_mark_counts_its_hits(void **unused)
{
    (void)unused;
    pass(false);
    assert_true(hits_of("mark_test.rare") == (AETHER_MUTANTS ? 0 : UINT64_MAX));
    pass(true);
    pass(true);
    assert_true(hits_of("mark_test.rare") == (AETHER_MUTANTS ? 2 : UINT64_MAX));
    assert_true(hits_of("mark_test.no_such_mark") == UINT64_MAX);
}

static void a_planted_bug_is_off_until_it_is_selected(void **unused)
{
    (void)unused;
    assert_false(is_wrong());
    assert_true(planted_select("mark_test.wrong") == (AETHER_MUTANTS != 0));
    assert_true(is_wrong() == (AETHER_MUTANTS != 0));
    assert_false(planted_select("mark_test.no_such_bug"));
    assert_false(is_wrong());
    assert_true(planted_select(NULL));
    assert_false(is_wrong());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_counts_its_hits),
        cmocka_unit_test(a_planted_bug_is_off_until_it_is_selected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
