/* Goal: tree is an ordered map with exact range starts, and stays shallow under sorted keys.
 * Method: small cases by hand, then random steps beside an array of slots as the model. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/tree.h"

#include <stdio.h>
#include <string.h>

static int mark;

static void a_zeroed_tree_is_empty(void **unused)
{
    (void)unused;
    struct tree tree = { 0 };
    assert_null(tree_get(&tree, ""));
    assert_null(tree_remove(&tree, "x"));
    assert_false(tree_at_or_after(&tree, "", NULL, NULL));
    tree_fini(&tree);
}

static void ranges_start_where_they_say(void **unused)
{
    (void)unused;
    struct tree tree = { 0 };
    const char *keys[] = { "b", "a", "c/2", "c/1", "\xC3\xA4", "c" };
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        assert_null(tree_put(&tree, keys[i], &mark));
    }
    const char *key = NULL;
    assert_true(tree_at_or_after(&tree, "c", &key, NULL));
    assert_string_equal(key, "c");
    assert_true(tree_after(&tree, "c", &key, NULL));
    assert_string_equal(key, "c/1");
    assert_true(tree_after(&tree, "c/1", &key, NULL));
    assert_string_equal(key, "c/2");
    assert_true(tree_after(&tree, key, &key, NULL)); /* The output may be the input. */
    assert_string_equal(key, "\xC3\xA4");            /* Bytes compare unsigned. */
    assert_false(tree_after(&tree, key, &key, NULL));
    assert_true(tree_at_or_after(&tree, "aa", &key, NULL));
    assert_string_equal(key, "b");
    tree_fini(&tree);
}

static void sorted_keys_of_any_number_walk_in_order(void **unused)
{
    (void)unused;
    struct tree tree = { 0 };
    char name[16];
    enum { COUNT = 20000 };
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(name, sizeof name, "%08d", i);
        assert_null(tree_put(&tree, name, &mark));
    }
    assert_int_equal(tree.count, COUNT);
    const char *key = "";
    int seen = 0;
    while (tree_after(&tree, key, &key, NULL)) {
        (void)snprintf(name, sizeof name, "%08d", seen++);
        assert_string_equal(key, name);
    }
    assert_int_equal(seen, COUNT);
    tree_fini(&tree);
}

enum { MODEL_KEYS = 300 };

static void next_of_model(const bool *present, int from, const char *key, bool found)
{
    while (from < MODEL_KEYS && !present[from]) {
        from++;
    }
    assert_int_equal(found, from < MODEL_KEYS);
    char name[16];
    (void)snprintf(name, sizeof name, "%05d", from);
    if (found) assert_string_equal(key, name);
}

static void random_history_matches_a_model(void **unused)
{
    (void)unused;
    struct tree tree = { 0 };
    bool present[MODEL_KEYS] = { false };
    uint64_t state = 7;
    for (uint32_t step = 0; step < 20000; step++) {
        state = hash64_mix(state, step);
        int index = (int)(state % MODEL_KEYS);
        char name[16];
        (void)snprintf(name, sizeof name, "%05d", index);
        bool is_put = (state >> 32) % 5 < 2 + (step / 4000) % 2;
        void *former = is_put ? tree_put(&tree, name, &mark) : tree_remove(&tree, name);
        assert_int_equal(former != NULL, present[index]);
        present[index] = is_put;
        const char *key = NULL;
        bool found = tree_at_or_after(&tree, name, &key, NULL);
        next_of_model(present, index, key, found);
        found = tree_after(&tree, name, &key, NULL);
        next_of_model(present, index + 1, key, found);
    }
    size_t count = 0;
    for (int i = 0; i < MODEL_KEYS; i++) {
        count += present[i] ? 1 : 0;
    }
    assert_int_equal(tree.count, count);
    tree_fini(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zeroed_tree_is_empty),
        cmocka_unit_test(ranges_start_where_they_say),
        cmocka_unit_test(sorted_keys_of_any_number_walk_in_order),
        cmocka_unit_test(random_history_matches_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
