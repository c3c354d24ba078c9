/* Goal: the document tree takes what JSON and YAML 1.2 (core schema) say and nothing that could surprise,
 * says where a refused text is wrong, and prints the same bytes for the same tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/memory.h"
#include "wire/json/value.h"

static struct value *json(const char *text)
{
    struct value *value = NULL;
    struct error error = { 0 };
    enum status status = value_parse_json(text, strlen(text), &value, &error);
    if (status != STATUS_OK) print_message("%s\n", error.message);
    assert_int_equal(status, STATUS_OK);
    return value;
}

static struct value *yaml(const char *text)
{
    struct value *value = NULL;
    struct error error = { 0 };
    enum status status = value_parse_yaml(text, strlen(text), &value, NULL, &error);
    if (status != STATUS_OK) print_message("%s\n", error.message);
    assert_int_equal(status, STATUS_OK);
    return value;
}

static void assert_dump(struct value *value, const char *expected)
{
    char *text = value_dump(value);
    assert_string_equal(text, expected);
    memory_free(text);
    value_free(&value);
    assert_null(value);
}

static void refused_json(const char *text, size_t size, const char *expected)
{
    struct value *value = NULL;
    struct error error = { 0 };
    assert_int_equal(value_parse_json(text, size, &value, &error), STATUS_INVALID);
    assert_null(value);
    if (strstr(error.message, expected) == NULL) print_message("got: %s\n", error.message);
    assert_non_null(strstr(error.message, expected));
}

static void refused_yaml(const char *text, const char *expected)
{
    struct value *value = NULL;
    struct value_positions *positions = NULL;
    struct error error = { 0 };
    assert_int_equal(value_parse_yaml(text, strlen(text), &value, &positions, &error), STATUS_INVALID);
    assert_null(value);
    assert_null(positions);
    if (strstr(error.message, expected) == NULL) print_message("got: %s\n", error.message);
    assert_non_null(strstr(error.message, expected));
}

static void json_keeps_order_and_prints_alike(void **unused)
{
    (void)unused;
    assert_dump(json("{ \"z\": 1, \"a\": [true, null, \"x\", -9223372036854775808], \"m\": {} }"),
                "{\"z\":1,\"a\":[true,null,\"x\",-9223372036854775808],\"m\":{}}");
    assert_dump(json("[1.0, -0.25, 0.1, 1e300, 0.30000000000000004, 1.0e16, -0.0]"),
                "[1.0,-0.25,0.1,1e+300,0.30000000000000004,1e+16,-0.0]");
    assert_dump(json("\"\\u0001\\/\\\\ \\\" \\t\\b\\f\\r\\u001f\x7f\""),
                "\"\\u0001/\\\\ \\\" \\t\\b\\f\\r\\u001f\x7f\"");
    assert_dump(json("\"\\u00e9\\n\""), "\"é\\n\"");
    struct value *value = json("{\"a\":[1,{}],\"b\":{\"c\":[]}}");
    char *text = value_dump_pretty(value);
    assert_string_equal(text, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": []\n  }\n}");
    memory_free(text);
    value_free(&value);
}

static void json_refuses_with_a_place(void **unused)
{
    (void)unused;
    refused_json("{\"a\":1,\n\"a\":2}", 14, "line 2, column");
    refused_json("{\"a\":1,\n\"a\":2}", 14, "duplicate");
    refused_json("", 0, "line 1, column 1");
    refused_json("[1] x", 5, "line 1");
    refused_json("\"a\\u0000b\"", 10, "line 1");
    refused_json("[18446744073709551616]", 22, "line 1");
    refused_json("[1e999]", 7, "line 1");
    refused_json("[NaN]", 5, "line 1");
    refused_json("\"\xff\"", 3, "line 1");
    static char large[VALUE_SIZE_MAX + 1];
    memset(large, ' ', sizeof large);
    refused_json(large, sizeof large, "at most 4194304");
}

/* Every text of up to five of these bytes: the short cut says what the parser says. */
static void json_is_known_as_the_parser_knows_it(void **unused)
{
    (void)unused;
    static const char bytes[] = { '"', '\\', 'n', ' ', '\n', '\x7f', '\x80', '1', '[', ']' };
    enum { BYTES = sizeof bytes, LENGTH_MAX = 5 };
    size_t texts = 1;
    uint32_t strings = 0;
    for (size_t length = 0; length <= LENGTH_MAX; length++, texts *= BYTES) {
        for (size_t number = 0; number < texts; number++) {
            char text[LENGTH_MAX + 1] = { 0 };
            size_t rest = number;
            for (size_t i = 0; i < length; i++, rest /= BYTES)
                text[i] = bytes[rest % BYTES];
            struct value *value = NULL;
            bool taken = value_parse_json(text, length, &value, NULL) == STATUS_OK;
            strings += taken && value_string(value) != NULL;
            value_free(&value);
            assert_int_equal(value_is_json(text, length), taken);
        }
    }
    assert_true(strings > 100);
}

static void json_depth_is_bounded(void **unused)
{
    (void)unused;
    char text[VALUE_DEPTH_MAX * 2 + 3] = { 0 };
    memset(text, '[', VALUE_DEPTH_MAX);
    memset(text + VALUE_DEPTH_MAX, ']', VALUE_DEPTH_MAX);
    struct value *value = json(text);
    value_free(&value);
    memset(text, '[', VALUE_DEPTH_MAX + 1);
    memset(text + VALUE_DEPTH_MAX + 1, ']', VALUE_DEPTH_MAX + 1);
    refused_json(text, strlen(text), "line 1, column 65: nested deeper than 64");
    value = json("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"]");
    value_free(&value);
}

static void json_members_are_bounded(void **unused)
{
    (void)unused;
    char *text = memory_alloc(16 * (VALUE_MEMBERS_MAX + 2));
    size_t size = 0;
    text[size++] = '[';
    for (int i = 0; i <= VALUE_MEMBERS_MAX; i++)
        size += (size_t)sprintf(text + size, "%s\"k%d\":0", i == 0 ? "{" : ",", i);
    memcpy(text + size, "}]", 3);
    refused_json(text, size + 2, "more than 4096 members");
    memory_free(text);
}

static void readers_never_fail(void **unused)
{
    (void)unused;
    struct value *value = json("{\"s\":\"x\",\"i\":7,\"b\":true,\"r\":1.5,\"a\":[1,2],\"n\":null}");
    assert_int_equal(value_type(NULL), VALUE_NULL);
    assert_int_equal(value_type(value_get(value, "r")), VALUE_REAL);
    assert_int_equal(value_type(value_get(value, "n")), VALUE_NULL);
    assert_string_equal(value_get_string(value, "s", "-"), "x");
    assert_string_equal(value_get_string(value, "i", "-"), "-");
    assert_string_equal(value_get_string(NULL, "i", "-"), "-");
    assert_int_equal(value_get_integer(value, "i", 1), 7);
    assert_int_equal(value_get_integer(value, "r", 1), 1);
    assert_true(value_get_boolean(value, "b", false));
    assert_true(value_get_boolean(value, "absent", true));
    double number = 0;
    assert_true(value_number(value_get(value, "i"), &number) && number == 7);
    assert_true(value_number(value_get(value, "r"), &number) && number == 1.5);
    assert_false(value_number(value_get(value, "s"), &number));
    assert_int_equal(value_size(value), 6);
    assert_int_equal(value_size(value_get(value, "a")), 2);
    assert_int_equal(value_size(value_get(value, "s")), 0);
    assert_null(value_at(value_get(value, "a"), 2));
    assert_null(value_at(NULL, 0));
    assert_null(value_get(value_get(value, "a"), "x"));
    const char *key = NULL;
    const struct value *member = NULL;
    assert_true(value_member(value, 5, &key, &member));
    assert_string_equal(key, "n");
    assert_false(value_member(value, 6, &key, &member));
    size_t count = 0;
    for (void *cursor = NULL; value_next(value, &cursor, &key, &member);)
        count++;
    assert_int_equal(count, 6);
    value_free(&value);
}

static void building_takes_and_replaces(void **unused)
{
    (void)unused;
    struct value *value = value_new_object();
    value_set_string(value, "name", "old");
    value_set_integer(value, "count", INT64_MAX);
    value_set_string(value, "name", "new");
    value_set_boolean(value, "on", false);
    value_set(value, "list", value_new_array());
    value_append(value_edit(value, "list"), value_new_real(0.5));
    value_append(value_edit(value, "list"), value_new_real(__builtin_nan("")));
    value_append(value_edit(value, "list"), value_new_null());
    value_remove_at(value_edit(value, "list"), 1);
    value_remove(value, "on");
    value_remove(value, "absent");
    assert_null(value_edit_at(value_edit(value, "list"), 2));
    struct value *clone = value_clone(value);
    assert_true(value_equal(value, clone));
    value_set_integer(clone, "count", 1);
    assert_false(value_equal(value, clone));
    value_free(&clone);
    assert_dump(value, "{\"name\":\"new\",\"count\":9223372036854775807,\"list\":[0.5,null]}");
}

static void stray_bytes_become_replacements(void **unused)
{
    (void)unused;
    assert_dump(value_new_string("a\xff\xc3z"), "\"a\xef\xbf\xbd\xef\xbf\xbdz\"");
    assert_dump(value_new_string("\xed\xa0\x80"),
                "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");                   /* Surrogate. */
    assert_dump(value_new_string("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\""); /* Overlong. */
    assert_dump(value_new_string("\xf4\x90\x80\x80z"),
                "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
    assert_dump(value_new_string("\xf0\x9f\x98\x80"), "\"\xf0\x9f\x98\x80\"");
    struct value *value = value_new_object();
    value_set_integer(value, "k\xff", 1);
    assert_dump(value, "{\"k\xef\xbf\xbd\":1}");
}

static void yaml_reads_the_core_schema(void **unused)
{
    (void)unused;
    assert_dump(yaml("[null, Null, NULL, ~, '', nUll]"), "[null,null,null,null,\"\",\"nUll\"]");
    assert_dump(yaml("[true, True, TRUE, false, False, FALSE, yes, no, on, off]"),
                "[true,true,true,false,false,false,\"yes\",\"no\",\"on\",\"off\"]");
    assert_dump(yaml("[0, -7, +7, 007, 0x1F, 0o17, 9223372036854775807, 0b1, 0x, 0o8, 1_000, '1']"),
                "[0,-7,7,7,31,15,9223372036854775807,\"0b1\",\"0x\",\"0o8\",\"1_000\",\"1\"]");
    assert_dump(yaml("[1.5, .5, 1., 1e3, -1.5E+2, 1.2.0, '.', -, e3, 1e]"),
                "[1.5,0.5,1.0,1000.0,-150.0,\"1.2.0\",\".\",\"-\",\"e3\",\"1e\"]");
    assert_dump(yaml("a:\n"), "{\"a\":null}");
    assert_dump(yaml("# nothing\n"), "null");
    assert_dump(yaml(""), "null");
    assert_dump(yaml("text: |\n  two\n  lines\n1: x\n"), "{\"text\":\"two\\nlines\\n\",\"1\":\"x\"}");
    assert_dump(yaml("{\"a\": [1, \"b\"], \"c\": {\"d\": null}}"), "{\"a\":[1,\"b\"],\"c\":{\"d\":null}}");
}

/* libyaml's own words for the commonest mistake of all would help nobody. */
static void yaml_hints_at_tabs(void **unused)
{
    (void)unused;
    static const char *const cases[] = { "a:\n\tb: 1\n", "a: 1\n\tb: 1\n", "a:\n- b: c\n\td: 1\n" };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct value *value = NULL;
        struct error error = { 0 };
        assert_int_equal(value_parse_yaml(cases[i], strlen(cases[i]), &value, NULL, &error), STATUS_INVALID);
        assert_non_null(strstr(error.message, "line 2") != NULL ? error.message
                                                                : strstr(error.message, "line 3"));
        assert_non_null(strstr(error.hint, "no tabs"));
    }
}

static void yaml_refuses_with_a_place(void **unused)
{
    (void)unused;
    refused_yaml("a: &x 1\n", "line 1, column 4: anchors");
    refused_yaml("a: 1\nb: *x\n", "line 2, column 4: aliases");
    refused_yaml("a: !!str 1\n", "line 1, column 4: tags");
    refused_yaml("a: ! 1\n", "tags");
    refused_yaml("- !t {a: 1}\n", "tags");
    refused_yaml("- &t [1]\n", "anchors");
    refused_yaml("a: 1\nb: 2\na: 3\n", "line 3, column 1: the key \"a\" is there twice");
    refused_yaml("? [a]\n: 1\n", "line 1, column 3: a key must be text");
    refused_yaml("a: 99999999999999999999\n", "line 1, column 4: an integer beyond 64 bits");
    refused_yaml("a: 1e999\n", "too large");
    refused_yaml("a: .inf\n", "infinity");
    refused_yaml("a: \"x\\0y\"\n", "U+0000");
    refused_yaml("a: [1\nb: 2\n", "line 2");
    refused_yaml("a: 1\n---\nb: 2\n", "a second document");
    refused_yaml("a: \xff\n", "line 1");
    refused_yaml("\t- a\n", "line 1");
    refused_yaml("a: 1\n b: 2\n", "line 2");
}

static void yaml_depth_is_bounded(void **unused)
{
    (void)unused;
    char text[VALUE_DEPTH_MAX * 2 + 3] = { 0 };
    memset(text, '[', VALUE_DEPTH_MAX);
    memset(text + VALUE_DEPTH_MAX, ']', VALUE_DEPTH_MAX);
    struct value *value = yaml(text);
    value_free(&value);
    memset(text, '[', VALUE_DEPTH_MAX + 1);
    memset(text + VALUE_DEPTH_MAX + 1, ']', VALUE_DEPTH_MAX + 1);
    refused_yaml(text, "line 1, column 65: nested deeper than 64");
}

static void yaml_knows_where_things_stood(void **unused)
{
    (void)unused;
    const char *text = "name: shop\n"
                       "slices:\n"
                       "  - artifact: a\n"
                       "    instances: 3\n"
                       "  -\n"
                       "    artifact: b\n"
                       "    labels: {a.b: 1,\n"
                       "      a: {b: 2}}\n"
                       "empty: []\n";
    struct value *value = NULL;
    struct value_positions *positions = NULL;
    struct error error = { 0 };
    assert_int_equal(value_parse_yaml(text, strlen(text), &value, &positions, &error), STATUS_OK);
    assert_int_equal(value_positions_line(positions, ""), 1);
    assert_int_equal(value_positions_line(positions, "name"), 1);
    assert_int_equal(value_positions_line(positions, "slices"), 2);
    assert_int_equal(value_positions_line(positions, "slices[0].instances"), 4);
    assert_int_equal(value_positions_line(positions, "slices[1].artifact"), 6);
    assert_int_equal(value_positions_line(positions, "slices[1].labels.a.b"), 7);
    assert_int_equal(value_positions_line(positions, "slices[1].labels.a"), 8);
    assert_int_equal(value_positions_line(positions, "empty"), 9);
    assert_int_equal(value_positions_line(positions, "empty[0]"), 0);
    assert_int_equal(value_positions_line(positions, "slices[2]"), 0);
    assert_int_equal(value_positions_line(positions, "slices[x]"), 0);
    assert_int_equal(value_positions_line(positions, "name[0]"), 0);
    assert_int_equal(value_positions_line(positions, "absent"), 0);
    assert_int_equal(value_positions_line(NULL, "name"), 0);
    value_positions_free(&positions);
    assert_null(positions);
    value_free(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_keeps_order_and_prints_alike),
        cmocka_unit_test(json_refuses_with_a_place),
        cmocka_unit_test(json_is_known_as_the_parser_knows_it),
        cmocka_unit_test(json_depth_is_bounded),
        cmocka_unit_test(json_members_are_bounded),
        cmocka_unit_test(readers_never_fail),
        cmocka_unit_test(building_takes_and_replaces),
        cmocka_unit_test(stray_bytes_become_replacements),
        cmocka_unit_test(yaml_reads_the_core_schema),
        cmocka_unit_test(yaml_hints_at_tabs),
        cmocka_unit_test(yaml_refuses_with_a_place),
        cmocka_unit_test(yaml_depth_is_bounded),
        cmocka_unit_test(yaml_knows_where_things_stood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
