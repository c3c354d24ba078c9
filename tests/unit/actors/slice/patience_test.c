/* Goal: hope lasts for some misses, then only every PATIENCE_TRIES-th occasion is tried; a success is
 * enough to bring it back. */
#include "actors/slice/patience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void hope_ends_and_comes_back(void **unused)
{
    (void)unused;
    struct patience patience = { 0 };
    for (uint32_t i = 0; i < PATIENCE_MISSES_MAX; i++) {
        assert_true(patience_tries(&patience));
        patience_note(&patience, false);
    }
    uint32_t tried = 0;
    for (uint32_t i = 0; i < 10 * PATIENCE_TRIES; i++)
        if (patience_tries(&patience)) {
            patience_note(&patience, false);
            tried++;
        }
    assert_int_equal(tried, 10);
    while (!patience_tries(&patience))
        ;
    patience_note(&patience, true);
    assert_true(patience_tries(&patience));
    assert_true(patience_tries(&patience));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(hope_ends_and_comes_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
