/* Goal: histogram, lifecycle and ring of runtime/base keep their contracts.
 * Method: known distributions beside exact quantiles; a small table; a ring that wraps. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/histogram.h"
#include "runtime/base/lifecycle.h"
#include "runtime/base/ring.h"

#include <stdlib.h>

static void an_empty_histogram_answers_zero(void **unused)
{
    (void)unused;
    struct histogram histogram = { 0 };
    assert_int_equal(histogram_quantile(&histogram, 500), 0);
    assert_int_equal(histogram_mean(&histogram), 0);
}

static void small_values_are_exact(void **unused)
{
    (void)unused;
    struct histogram histogram = { 0 };
    for (uint64_t i = 1; i <= 50; i++) {
        histogram_add(&histogram, i);
    }
    assert_int_equal(histogram_quantile(&histogram, 0), 1);
    assert_int_equal(histogram_quantile(&histogram, 500), 25);
    assert_int_equal(histogram_quantile(&histogram, 1000), 50);
    assert_int_equal(histogram_mean(&histogram), 25);
    assert_int_equal(histogram.min, 1);
    assert_int_equal(histogram.max, 50);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void quantiles_are_within_a_thirtysecond(void **unused)
{
    (void)unused;
    enum { COUNT = 10000 };
    static uint64_t values[COUNT];
    static struct histogram halves[2];
    uint64_t state = 3;
    for (uint32_t i = 0; i < COUNT; i++) {
        state = hash64_mix(state, i);
        values[i] = state >> (state % 64); /* All orders of magnitude. */
        histogram_add(&halves[i % 2], values[i]);
    }
    histogram_merge(&halves[0], &halves[1]);
    qsort(values, COUNT, sizeof values[0], compare);
    for (uint32_t per_mille = 1; per_mille <= 1000; per_mille++) {
        uint64_t exact = values[(COUNT * per_mille + 999) / 1000 - 1];
        uint64_t found = histogram_quantile(&halves[0], per_mille);
        assert_true(found >= exact);
        assert_true(found - exact <= exact / 32);
    }
    histogram_add(&halves[0], UINT64_MAX);
    assert_true(histogram_quantile(&halves[0], 1000) == UINT64_MAX);
}

enum { EGG, LARVA, BEETLE, GONE };
static const struct lifecycle_state beetle_states[] = {
    [EGG] = { "EGG", LIFECYCLE_TO(LARVA) | LIFECYCLE_TO(GONE) },
    [LARVA] = { "LARVA", LIFECYCLE_TO(BEETLE) | LIFECYCLE_TO(GONE) },
    [BEETLE] = { "BEETLE", LIFECYCLE_TO(GONE) },
    [GONE] = { "GONE", 0 },
};

static void only_drawn_moves_are_allowed(void **unused)
{
    (void)unused;
    const struct lifecycle beetle = { beetle_states, ARRAY_COUNT(beetle_states) };
    lifecycle_check(&beetle);
    assert_true(lifecycle_allows(&beetle, EGG, LARVA));
    assert_false(lifecycle_allows(&beetle, EGG, BEETLE));
    assert_false(lifecycle_allows(&beetle, LARVA, EGG));
    assert_false(lifecycle_allows(&beetle, EGG, EGG));
    assert_false(lifecycle_allows(&beetle, EGG, 31)); /* From outside: refused, not CHECKed. */
    assert_string_equal(lifecycle_name(&beetle, LARVA), "LARVA");
    assert_int_equal(lifecycle_from_name(&beetle, "GONE"), GONE);
    assert_int_equal(lifecycle_from_name(&beetle, "larva"), beetle.count);
}

static void a_ring_wraps_and_refuses(void **unused)
{
    (void)unused;
    static char items[10];
    struct ring ring;
    ring_init(&ring, 3);
    assert_null(ring_pop(&ring));
    for (uint32_t i = 0; i < 7; i++) {
        assert_true(ring_push(&ring, &items[i]));
        assert_true(ring_push(&ring, &items[i + 1]));
        assert_true(ring_push(&ring, &items[i + 2]));
        assert_false(ring_push(&ring, &items[0]));
        assert_ptr_equal(ring_peek(&ring), &items[i]);
        assert_ptr_equal(ring_pop(&ring), &items[i]);
        assert_ptr_equal(ring_pop(&ring), &items[i + 1]);
        assert_ptr_equal(ring_pop(&ring), &items[i + 2]);
    }
    ring_fini(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_histogram_answers_zero),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(quantiles_are_within_a_thirtysecond),
        cmocka_unit_test(only_drawn_moves_are_allowed),
        cmocka_unit_test(a_ring_wraps_and_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
