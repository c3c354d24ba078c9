/* Goal: the states of product.md section 3 and no other move; keys and values that come back as they went.
 * Method: all pairs of states against the drawing written down a second time; round trips; values cut and
 * garbled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "store/schema/slice.h"

#include <string.h>

/* The drawing, as text: every move there is. "" is no record. */
static const char *const drawn[][2] = {
    { "", "LOAD" },
    { "LOAD", "LOADING" },
    { "LOADING", "LOADED" },
    { "LOADING", "FAILED" },
    { "LOADED", "ACTIVATE" },
    { "LOADED", "UNLOAD" },
    { "ACTIVATE", "ACTIVATING" },
    { "ACTIVATING", "ACTIVE" },
    { "ACTIVATING", "FAILED" },
    { "ACTIVE", "DEACTIVATE" },
    { "DEACTIVATE", "DEACTIVATING" },
    { "DEACTIVATING", "LOADED" },
    { "DEACTIVATING", "FAILED" },
    { "UNLOAD", "UNLOADING" },
    { "UNLOADING", "" },
    { "FAILED", "UNLOAD" },
};

static void only_drawn_moves_are_allowed(void **unused) /* DEP5 */
{
    (void)unused;
    for (int from = 0; from < SLICE_STATE_COUNT; from++) {
        for (int to = 0; to < SLICE_STATE_COUNT; to++) {
            bool expected = false;
            for (size_t i = 0; i < ARRAY_COUNT(drawn); i++) {
                expected |= strcmp(drawn[i][0], slice_state_name((enum slice_state)from)) == 0 &&
                            strcmp(drawn[i][1], slice_state_name((enum slice_state)to)) == 0;
            }
            assert_int_equal(slice_state_allows((enum slice_state)from, (enum slice_state)to), expected);
        }
    }
    assert_false(slice_state_allows(SLICE_LOAD, SLICE_STATE_COUNT));
}

static void names_come_back(void **unused)
{
    (void)unused;
    for (int state = 0; state < SLICE_STATE_COUNT; state++)
        assert_int_equal(slice_state_from_name(slice_state_name((enum slice_state)state)), state);
    assert_int_equal(slice_state_from_name("active"), SLICE_STATE_COUNT);
    assert_int_equal(slice_state_from_name("READY"), SLICE_STATE_COUNT);
}

static void least_advanced_is_farthest_from_active(void **unused)
{
    (void)unused;
    static const enum slice_state order[] = { SLICE_FAILED, SLICE_UNLOAD,   SLICE_UNLOADING,  SLICE_LOAD,
                                              SLICE_LOADED, SLICE_ACTIVATE, SLICE_ACTIVATING, SLICE_ACTIVE };
    for (size_t low = 0; low < ARRAY_COUNT(order); low++) {
        for (size_t high = low; high < ARRAY_COUNT(order); high++) {
            assert_int_equal(slice_state_least(order[low], order[high]), order[low]);
            assert_int_equal(slice_state_least(order[high], order[low]), order[low]);
        }
    }
    for (int a = 0; a < SLICE_STATE_COUNT; a++) {
        for (int b = 0; b < SLICE_STATE_COUNT; b++)
            assert_int_equal(slice_state_least((enum slice_state)a, (enum slice_state)b),
                             slice_state_least((enum slice_state)b, (enum slice_state)a));
    }
}

static void keys_are_as_documented(void **unused) /* product.md section 5 */
{
    (void)unused;
    char key[SLICE_KEY_MAX];
    char artifact[COORDINATES_TEXT_MAX];
    char node[SLICE_NODE_MAX];
    char entry[COORDINATES_ARTIFACT_MAX];
    uint32_t instance = 0;
    slice_key_allocation(key, "org.example:tax:1.0.0", "node-1");
    assert_string_equal(key, "allocations/org.example:tax:1.0.0/node-1");
    assert_true(slice_key_allocation_parse(key, artifact, node));
    assert_string_equal(artifact, "org.example:tax:1.0.0");
    assert_string_equal(node, "node-1");
    slice_key_record(key, "node-1", "org.example:tax:1.0.0");
    assert_string_equal(key, "slices/node-1/org.example:tax:1.0.0");
    assert_true(slice_key_record_parse(key, node, artifact));
    slice_key_endpoint(key, "org.example:tax:1.0.0", "rate", 12);
    assert_string_equal(key, "endpoints/org.example:tax:1.0.0/rate:12");
    assert_true(slice_key_endpoint_parse(key, artifact, entry, &instance));
    assert_string_equal(entry, "rate");
    assert_int_equal(instance, 12);
    slice_key_history(key, "shop", 41);
    assert_string_equal(key, "blueprint-history/shop/41");
}

static void other_keys_are_not_taken(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "allocations/",
                                       "allocations/a",
                                       "allocations//n",
                                       "allocations/a/",
                                       "allocations/a/b/c",
                                       "slices/n/a/b",
                                       "endpoints/a:b:1/e",
                                       "endpoints/a:b:1/e:",
                                       "endpoints/a:b:1/e:x",
                                       "endpoints/a/e:1/x",
                                       "endpoints/a:b:1/e:-1",
                                       "nodes/node-1",
                                       "endpoints/a/e:4294967297" };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        char first[COORDINATES_TEXT_MAX];
        char second[COORDINATES_TEXT_MAX];
        uint32_t instance = 0;
        assert_false(slice_key_allocation_parse(bad[i], first, second));
        assert_false(slice_key_record_parse(bad[i], second, first));
        assert_false(slice_key_endpoint_parse(bad[i], first, second, &instance));
    }
}

static void allocation_comes_back(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    struct error error = { 0 };
    const struct allocation_instance instances[] = { { 1, 41, 0 }, { 3, 57, 4 } };
    const struct allocation allocation = { .instances = instances,
                                           .instance_count = 2,
                                           .desired = SLICE_ACTIVE,
                                           .blueprint = "shop",
                                           .sha256 = "ab",
                                           .timestamp = 1234567890 };
    char *text = slice_allocation_write(&arena, &allocation);
    assert_string_equal(text, "{\"assigned\":2,\"instances\":[{\"instance\":1,\"rev\":41,\"attempt\":0},"
                              "{\"instance\":3,\"rev\":57,\"attempt\":4}],\"desired\":\"ACTIVE\","
                              "\"blueprint\":\"shop\",\"sha256\":\"ab\",\"timestamp\":1234567890}");
    struct allocation read;
    assert_int_equal(slice_allocation_read(&arena, text, strlen(text), &read, &error), STATUS_OK);
    assert_string_equal(slice_allocation_write(&arena, &read), text);
    assert_int_equal(slice_allocation_find(&read, 3)->rev, 57);
    assert_null(slice_allocation_find(&read, 2));
    arena_fini(&arena);
}

static void record_comes_back(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    const struct slice_instance instances[] = {
        { .instance = 1, .state = SLICE_ACTIVE, .rev = 9, .since = 5, .reason = "", .text = "" },
        { .instance = 2,
          .state = SLICE_FAILED,
          .rev = 9,
          .since = 6,
          .reason = "CORRUPT",
          .text = "sha256",
          .attempt = 5,
          .fatal = true,
          .retry_at = 77 },
        { .instance = 7,
          .state = SLICE_LOADING,
          .rev = 10,
          .since = 7,
          .deadline = 99,
          .reason = "",
          .text = "" },
    };
    const struct slice_record record = {
        .state = SLICE_FAILED, .timestamp = 7, .incarnation = 3, .instances = instances, .instance_count = 3
    };
    char *text = slice_record_write(&arena, &record);
    struct slice_record read;
    assert_int_equal(slice_record_read(&arena, text, strlen(text), &read, NULL), STATUS_OK);
    assert_string_equal(slice_record_write(&arena, &read), text);
    assert_int_equal(read.state, SLICE_FAILED);
    assert_true(slice_record_find(&read, 2)->fatal);
    assert_string_equal(slice_record_find(&read, 2)->reason, "CORRUPT");
    assert_int_equal(slice_record_find(&read, 7)->deadline, 99);
    arena_fini(&arena);
}

/* Whatever stands under a key: CORRUPT or read, never a crash, never something half read. */
static void damaged_values_are_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "",
        "[]",
        "{",
        "\"x\"",
        "{\"desired\":\"ACTIVE\",\"instances\":{}}",
        "{\"desired\":\"ACTIVE\",\"instances\":[{}]}",
        "{\"desired\":\"ACTIVE\",\"instances\":[{\"instance\":0}]}",
        "{\"desired\":\"ACTIVE\",\"instances\":[{\"instance\":2},{\"instance\":1}]}",
        "{\"desired\":\"ACTIVE\",\"instances\":[{\"instance\":1},{\"instance\":1}]}",
        "{\"desired\":\"ACTIVE\",\"instances\":[{\"instance\":4294967297}]}",
        "{\"desired\":\"LOADED\",\"instances\":[]}",
    };
    struct arena arena = { 0 };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct allocation allocation;
        struct error error = { 0 };
        assert_int_equal(slice_allocation_read(&arena, bad[i], strlen(bad[i]), &allocation, &error),
                         STATUS_CORRUPT);
        assert_string_not_equal(error.message, "");
    }
    static const char record[] =
        "{\"state\":\"ACTIVE\",\"instances\":[{\"instance\":1,\"state\":\"SLEEPING\"}]}";
    struct slice_record read;
    assert_int_equal(slice_record_read(&arena, record, strlen(record), &read, NULL), STATUS_CORRUPT);
    arena_fini(&arena);
}

static void node_labels_are_read(void **unused)
{
    (void)unused;
    static const char text[] = "{\"state\":\"ON_DUTY\",\"presence\":\"UP\",\"incarnation\":7,"
                               "\"labels\":{\"zone\":\"eu-1\",\"count\":3,\"disk\":\"ssd\"}}";
    struct arena arena = { 0 };
    struct slice_node node;
    assert_int_equal(slice_node_read(&arena, text, strlen(text), &node, NULL), STATUS_OK);
    assert_int_equal(node.label_count, 2);
    assert_string_equal(node.labels[2], "disk");
    assert_string_equal(node.labels[3], "ssd");
    assert_int_equal(node.incarnation, 7);
    arena_fini(&arena);
}

static void coordinates_are_strict(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "",         "a",           "a:b",       ":b:1",       "a::1",
                                       "a:b:",     "a:b:1:2",     "a..b:c:1",  "../a:b:1",   "a:b:../1",
                                       "a/b:c:1",  "a:b c:1",     ".a:b:1",    "a.:b:1",     "a:b:-1",
                                       "a:b:1\n",  "a:b:\x1b[0m", "a:b:[1,2)", "a:b:LATEST", "a:b:RELEASE",
                                       "a:b:1/..", "\xc3\xa4:b:1" };
    struct coordinates parsed;
    struct error error;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(coordinates_parse(bad[i], COORDINATES_EXACT, &parsed, &error), STATUS_INVALID);
        for (const char *c = error.message; *c != '\0'; c++)
            assert_in_range(*c, ' ', '~');
    }
    assert_int_equal(coordinates_parse("org.ex-a_b:c:1.2.0+x", COORDINATES_EXACT, &parsed, &error),
                     STATUS_OK);
    assert_string_equal(parsed.version, "1.2.0+x");
    assert_int_equal(coordinates_parse("a:b:[1.0,2.0)", COORDINATES_WANTED, &parsed, &error), STATUS_OK);
    assert_int_equal(coordinates_parse("a:b:LATEST", COORDINATES_WANTED, &parsed, &error), STATUS_OK);
    assert_int_equal(coordinates_parse("a:b:[1,2,3]", COORDINATES_WANTED, &parsed, &error), STATUS_INVALID);
    assert_int_equal(coordinates_parse("a:b", COORDINATES_ANY, &parsed, &error), STATUS_OK);
    assert_true(coordinates_match(&parsed, "a:b:1.0"));
    assert_false(coordinates_match(&parsed, "a:c:1.0"));
    char group[200];
    memset(group, 'g', sizeof(group));
    memcpy(group + 150, ":b:1", 5);
    assert_int_equal(coordinates_parse(group, COORDINATES_EXACT, &parsed, &error), STATUS_INVALID);
}

static void targets_are_parsed(void **unused)
{
    (void)unused;
    struct coordinates parsed;
    char entry[COORDINATES_ARTIFACT_MAX];
    assert_int_equal(coordinates_parse_target("a.b:c/quote", &parsed, entry, NULL), STATUS_OK);
    assert_string_equal(parsed.version, "");
    assert_string_equal(entry, "quote");
    assert_int_equal(coordinates_parse_target("a.b:c:2.0/quote", &parsed, entry, NULL), STATUS_OK);
    assert_string_equal(parsed.version, "2.0");
    static const char *const bad[] = { "",       "/",  "a:b", "a:b/", "a:b/x/y", "a/b", "a:b:LATEST/x",
                                       "a:b/..", ":/x" };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_int_equal(coordinates_parse_target(bad[i], &parsed, entry, NULL), STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_drawn_moves_are_allowed),
        cmocka_unit_test(names_come_back),
        cmocka_unit_test(least_advanced_is_farthest_from_active),
        cmocka_unit_test(keys_are_as_documented),
        cmocka_unit_test(other_keys_are_not_taken),
        cmocka_unit_test(allocation_comes_back),
        cmocka_unit_test(record_comes_back),
        cmocka_unit_test(damaged_values_are_refused),
        cmocka_unit_test(node_labels_are_read),
        cmocka_unit_test(coordinates_are_strict),
        cmocka_unit_test(targets_are_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
