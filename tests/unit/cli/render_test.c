/* Goal: a document reads the same on every terminal and in every pipe, as table, JSON, YAML and names;
 * nothing that a cluster holds can drive a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/failure.h"
#include "cli/render.h"
#include "runtime/base/memory.h"

static struct value *parsed(const char *json)
{
    struct value *value = NULL;
    struct error error;
    assert_int_equal(value_parse_json(json, strlen(json), &value, &error), STATUS_OK);
    return value;
}

static void expect(const char *command, enum argv_output output, const char *json, const char *wanted)
{
    struct value *document = parsed(json);
    struct text out = { 0 };
    render_document(&out, command_find(command), document, output);
    assert_string_equal(text_string(&out), wanted);
    text_fini(&out);
    value_free(&document);
}

static const char members[] =
    "{\"members\":[{\"node\":\"node-1\",\"replica-id\":\"0a\",\"role\":\"voter\",\"raft\":\"leader\","
    "\"presence\":\"UP\",\"address\":\"\",\"match-index\":7},{\"node\":\"node-2\",\"replica-id\":\"0b\","
    "\"role\":\"voter\",\"raft\":\"follower\",\"presence\":\"UP\",\"address\":\"\",\"match-index\":12}],"
    "\"configuration-index\":1}";

static void tables(void **unused)
{
    (void)unused;
    expect("cluster members", OUTPUT_TABLE, members,
           "NODE   ROLE  RAFT     PRESENCE MATCH REPLICA\n"
           "node-1 voter leader   UP           7 0a\n"
           "node-2 voter follower UP          12 0b\n"); /* A column without any content is left out. */
    expect("kv list", OUTPUT_TABLE, "{\"records\":[],\"more\":false}", "KEY REVISION VERSION VALUE\n");
    expect("kv get", OUTPUT_TABLE, "{\"key\":\"a\",\"value\":{\"b\":[1]},\"revision\":3,\"version\":1}",
           "KEY REVISION VERSION VALUE\n"
           "a          3       1 {\"b\":[1]}\n"); /* The value last: a long one pushes nothing away. */
}

static void records(void **unused)
{
    (void)unused;
    expect("kv put", OUTPUT_TABLE, "{\"revision\":42}", "revision: 42\n");
    expect("agent status", OUTPUT_TABLE, "{\"held\":false,\"holder\":\"\"}",
           "held: false\n"); /* Nobody's name. */
    expect("blueprint publish", OUTPUT_TABLE,
           "{\"name\":\"b\",\"instances\":[{\"artifact\":\"g:a:1\",\"instance\":1,"
           "\"node\":\"n\",\"state\":\"ACTIVE\",\"attempt\":0,\"since\":1795000000000,\"reason\":\"\","
           "\"text\":\"\"}],\"failed\":[\"quote\"]}",
           "name: b\nfailed:\n  quote\n"
           "ARTIFACT INSTANCE NODE STATE  ATTEMPT SINCE\n"
           "g:a:1           1 n    ACTIVE       0 2026-11-18T11:06:40Z\n");
    expect("call", OUTPUT_TABLE, "{\"payload\":{\"total\":3},\"node\":\"n\"}", "{\"total\":3}\n");
}

static void names(void **unused)
{
    (void)unused;
    expect("cluster members", OUTPUT_NAME, members, "node-1\nnode-2\n");
    expect("slice list", OUTPUT_NAME,
           "{\"instances\":[{\"artifact\":\"a\"},{\"artifact\":\"b\"},{\"artifact\":\"a\"}]}", "a\nb\n");
    expect("kv get", OUTPUT_NAME, "{\"key\":\"a\",\"value\":1}", "a\n");
    expect("agent status", OUTPUT_NAME, "{\"held\":false,\"holder\":\"\"}", "");
}

static void yaml(void **unused)
{
    (void)unused;
    expect(
        "kv get", OUTPUT_YAML,
        "{\"key\":\"a/b\",\"value\":{\"list\":[1,[2],{\"x\":\"no\",\"y\":{}}],\"text\":\"a: b\",\"n\":null,"
        "\"version\":\"1.0\",\"artifact\":\"g:a:1\",\"on\":\"\"},\"r\":[]}",
        "key: a/b\n"
        "value:\n"
        "  list:\n"
        "  - 1\n"
        "  - - 2\n"
        "  - x: \"no\"\n"
        "    \"y\": {}\n"
        "  text: \"a: b\"\n"
        "  \"n\": null\n"
        "  version: \"1.0\"\n"
        "  artifact: g:a:1\n"
        "  \"on\": \"\"\n"
        "r: []\n");
}

/* What our YAML says, our own reader reads back as the same tree. */
static void yaml_reads_back(void **unused)
{
    (void)unused;
    struct value *document =
        parsed("{\"a\":[{\"b\":\"yes\"},{\"c\":[[],[{}]]},\"- x\",\"#\",\" \"],\"1\":\"1\","
               "\"t\":\"line\\nline\",\"x\":true,\"z\":-1.5,\"e\":\"\",\"q\":\"a'b\\\"\"}");
    struct text out = { 0 };
    render_yaml(&out, document);
    struct value *again = NULL;
    struct error error;
    assert_int_equal(value_parse_yaml(text_string(&out), out.size, &again, NULL, &error), STATUS_OK);
    assert_true(value_equal(document, again));
    value_free(&again);
    value_free(&document);
    text_fini(&out);
}

static void nothing_drives_a_terminal(void **unused)
{
    (void)unused;
    expect("agent status", OUTPUT_TABLE, "{\"held\":true,\"holder\":\"\\u001b[2Jx\\n\"}",
           "held: true\nholder: \\x1b[2Jx\\x0a\n");
    struct value *document = parsed("{\"records\":[{\"key\":\"a\\u001b[2J\",\"value\":1,\"revision\":1,"
                                    "\"version\":1}]}");
    struct text out = { 0 };
    render_document(&out, command_find("kv list"), document, OUTPUT_TABLE);
    assert_null(strchr(text_string(&out), 0x1b));
    assert_non_null(strstr(text_string(&out), "\na\\x1b[2J ")); /* Escaped once, as everywhere else. */
    text_fini(&out);
    value_free(&document);
}

/* Whatever is in the cells and whatever the locale is: the library that did this before never ended here. */
static void more_than_ascii(void **unused)
{
    (void)unused;
    expect("kv list", OUTPUT_TABLE,
           "{\"records\":[{\"key\":\"k\u00e4se/\u00fc \U0001f9c0\",\"value\":1,\"revision\":4,\"version\":1},"
           "{\"key\":\"\u65e5\u672c\",\"value\":\"\u00e9\",\"revision\":12,\"version\":1},"
           "{\"key\":\"e\u0301\",\"value\":2,\"revision\":3,\"version\":1}]}",
           "KEY       REVISION VERSION VALUE\n"
           "k\u00e4se/\u00fc \U0001f9c0        4       1 1\n"
           "\u65e5\u672c            12       1 \u00e9\n"
           "e\u0301                3       1 2\n");
    expect("kv get", OUTPUT_TABLE,
           "{\"key\":\"a\",\"value\":\"\u00c2\u00a0\xc2\x9b\x32J\",\"revision\":3,\"version\":1}",
           "KEY REVISION VERSION VALUE\na          3       1 \u00c2\u00a0\\x9b2J\n");
}

static void times(void **unused)
{
    (void)unused;
    static const struct {
        int64_t ms;
        const char *wanted;
    } cases[] = { { 0, "" },
                  { 1000, "1970-01-01T00:00:01Z" },
                  { INT64_C(951782400000), "2000-02-29T00:00:00Z" },
                  { INT64_C(1709251199999), "2024-02-29T23:59:59Z" },
                  { INT64_C(4102444800000), "2100-01-01T00:00:00Z" } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text out = { 0 };
        render_time(&out, cases[i].ms);
        assert_string_equal(text_string(&out), cases[i].wanted);
        text_fini(&out);
    }
}

static void failures(void **unused)
{
    (void)unused;
    struct failure failure = { .what = "kv get" };
    error_set(&failure.error, STATUS_NOT_FOUND, "no key a\033");
    error_hint(&failure.error, "aether kv list");
    struct text out = { 0 };
    failure_words(&out, &failure);
    assert_string_equal(text_string(&out), "error: kv get: NOT_FOUND, there is no such thing\n"
                                           "no key a\\x1b\n"
                                           "try: aether kv list\n");
    text_fini(&out);
    assert_int_equal(failure_exit(&failure), 4);
    struct value *document = failure_document(&failure);
    char *dump = value_dump(document);
    assert_string_equal(dump, "{\"error\":{\"code\":\"NOT_FOUND\",\"message\":\"no key a\\u001b\","
                              "\"hint\":\"aether kv list\",\"details\":{}}}");
    memory_free(dump);
    value_free(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables),          cmocka_unit_test(records),
        cmocka_unit_test(names),           cmocka_unit_test(yaml),
        cmocka_unit_test(more_than_ascii), cmocka_unit_test(times),
        cmocka_unit_test(yaml_reads_back), cmocka_unit_test(nothing_drives_a_terminal),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
