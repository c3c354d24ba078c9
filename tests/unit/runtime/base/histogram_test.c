/* Goal: a quantile is never told too low, and at most an eighth too high. Method: against the sorted values
 * themselves, over every order of magnitude. */
#include "runtime/base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { VALUES = 2000 };

static int by_size(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 11;
}

static void quantiles_are_an_eighth_off_at_most(void **unused)
{
    (void)unused;
    static const uint32_t asked[] = { 1, 10, 250, 500, 900, 990, 999, 1000 };
    uint64_t values[VALUES];
    uint64_t state = 7;
    struct histogram histogram = { 0 };
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = next_random(&state) >> (11 + next_random(&state) % 40);
        histogram_add(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof values[0], by_size);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        uint64_t exact = values[(VALUES * (uint64_t)asked[i] + 999) / 1000 - 1];
        uint64_t told = histogram_quantile(&histogram, asked[i]);
        assert_true(told >= exact);
        assert_true(told <= exact + exact / 8);
    }
    assert_int_equal(histogram.total, VALUES);
    assert_int_equal(histogram.max, values[VALUES - 1]);
}

static void bounds_hold(void **unused)
{
    (void)unused;
    struct histogram histogram = { 0 };
    assert_int_equal(histogram_quantile(&histogram, 500), 0);
    histogram_add(&histogram, 0);
    assert_int_equal(histogram_quantile(&histogram, 1000), 0);
    histogram_add(&histogram, UINT64_MAX);
    assert_int_equal(histogram_quantile(&histogram, 1000), HISTOGRAM_VALUE_MAX);
    for (uint32_t shift = 0; shift < 42; shift++) { /* Each edge has its bucket. */
        histogram_add(&histogram, UINT64_C(1) << shift);
        histogram_add(&histogram, (UINT64_C(1) << shift) - 1);
    }
    assert_int_equal(histogram.total, 86);
}

static void a_full_count_fades_and_the_shape_stays(void **unused)
{
    (void)unused;
    struct histogram histogram = { 0 };
    for (int i = 0; i < 100; i++)
        histogram_add(&histogram, i < 90 ? 1000 : 100000);
    histogram.counts[0] = UINT32_MAX;
    histogram_add(&histogram, 0);
    assert_int_equal(histogram.counts[0], UINT32_MAX / 2 + 1);
    histogram.counts[0] = 0;
    assert_in_range(histogram_quantile(&histogram, 500), 1000, 1125);
    assert_in_range(histogram_quantile(&histogram, 950), 100000, 112500);
}

static void merged_is_as_if_added_to_one(void **unused)
{
    (void)unused;
    struct histogram one = { 0 };
    struct histogram other = { 0 };
    for (uint64_t i = 0; i < 100; i++) {
        histogram_add(&one, i);
        histogram_add(&other, 1000 + i);
    }
    histogram_merge(&one, &other);
    assert_int_equal(one.total, 200);
    assert_int_equal(one.max, 1099);
    assert_in_range(histogram_quantile(&one, 500), 99, 112);
    assert_int_equal(histogram_quantile(&one, 1000), 1099);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_an_eighth_off_at_most),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(a_full_count_fades_and_the_shape_stays),
        cmocka_unit_test(merged_is_as_if_added_to_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
