/* Goal: map behaves as a list of pairs would, whatever the history, and iterates in order of insertion.
 * Method: small cases by hand, then 20,000 random steps beside a plain array as the model. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/map.h"

#include <stdio.h>
#include <string.h>

static int marks[8];

static void a_zeroed_map_is_empty(void **unused)
{
    (void)unused;
    struct map map = { 0 };
    size_t position = 0;
    assert_null(map_get(&map, "x"));
    assert_null(map_remove(&map, "x"));
    assert_false(map_next(&map, &position, NULL, NULL));
    map_fini(&map);
}

static void put_answers_the_former_value(void **unused)
{
    (void)unused;
    struct map map = { 0 };
    char key[] = "colour";
    assert_null(map_put(&map, key, &marks[0]));
    key[0] = 'X'; /* The map holds a copy. */
    assert_ptr_equal(map_put(&map, "colour", &marks[1]), &marks[0]);
    assert_ptr_equal(map_get(&map, "colour"), &marks[1]);
    assert_int_equal(map.count, 1);
    assert_ptr_equal(map_remove(&map, "colour"), &marks[1]);
    assert_null(map_get(&map, "colour"));
    assert_int_equal(map.count, 0);
    map_fini(&map);
}

static void iterates_in_order_of_insertion(void **unused)
{
    (void)unused;
    struct map map = { 0 };
    const char *names[] = { "pear", "apple", "fig", "", "date" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        (void)map_put(&map, names[i], &marks[i]);
    }
    (void)map_put(&map, "apple", &marks[7]); /* Replacing doesn't move it. */
    const char *key = NULL;
    void *value = NULL;
    size_t position = 0;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        assert_true(map_next(&map, &position, &key, &value));
        assert_string_equal(key, names[i]);
        assert_ptr_equal(value, &marks[i == 1 ? 7 : i]);
    }
    assert_false(map_next(&map, &position, &key, &value));
    map_fini(&map);
}

static void removing_the_entry_just_seen_keeps_the_walk(void **unused)
{
    (void)unused;
    struct map map = { 0 };
    for (uint64_t i = 1; i <= 100; i++) {
        (void)map_put_number(&map, i, &marks[0]);
    }
    uint64_t key = 0;
    uint64_t expected = 1;
    for (size_t at = 0; map_next_number(&map, &at, &key, NULL); expected++) {
        assert_int_equal(key, expected);
        assert_non_null(map_remove_number(&map, key));
    }
    assert_int_equal(expected, 101);
    assert_int_equal(map.count, 0);
    map_fini(&map);
}

enum { MODEL_KEYS = 512 };

static void random_history_matches_a_model(void **unused)
{
    (void)unused;
    struct map map = { 0 };
    void *model[MODEL_KEYS] = { NULL };
    uint32_t live = 0;
    uint64_t state = 42;
    for (uint32_t step = 0; step < 20000; step++) {
        state = hash64_mix(state, step);
        uint64_t key = state % MODEL_KEYS;
        void *value = &marks[(state >> 20) % ARRAY_COUNT(marks)];
        bool is_put = (state >> 40) % 2 == 0;
        void *former = is_put ? map_put_number(&map, key * 4096, value) : map_remove_number(&map, key * 4096);
        assert_ptr_equal(former, model[key]);
        if (is_put && former == NULL) live++;
        if (!is_put && former != NULL) live--;
        model[key] = is_put ? value : NULL;
        assert_int_equal(map.count, live);
    }
    for (uint64_t key = 0; key < MODEL_KEYS; key++) {
        assert_ptr_equal(map_get_number(&map, key * 4096), model[key]);
    }
    assert_true(map.capacity <= 4 * MODEL_KEYS); /* Churn doesn't grow it. */
    map_fini(&map);
}

static void text_keys_survive_growth_and_sweeps(void **unused)
{
    (void)unused;
    struct map map = { 0 };
    char key[32];
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(key, sizeof key, "slices/%d", i);
        assert_null(map_put(&map, key, &marks[i % 8]));
        if (i % 3 != 0) assert_non_null(map_remove(&map, key));
    }
    assert_int_equal(map.count, 1000);
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(key, sizeof key, "slices/%d", i);
        assert_ptr_equal(map_get(&map, key), i % 3 == 0 ? (void *)&marks[i % 8] : NULL);
    }
    map_fini(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zeroed_map_is_empty),
        cmocka_unit_test(put_answers_the_former_value),
        cmocka_unit_test(iterates_in_order_of_insertion),
        cmocka_unit_test(removing_the_entry_just_seen_keeps_the_walk),
        cmocka_unit_test(random_history_matches_a_model),
        cmocka_unit_test(text_keys_survive_growth_and_sweeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
