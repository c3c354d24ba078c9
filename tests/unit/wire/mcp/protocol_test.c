/* Goal: the protocol step answers both eras as their revisions say, and everything malformed with the right
 * code; it never answers a notification. (docs/decisions/0007-mcp-eras.md) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/memory.h"
#include "wire/mcp/protocol.h"

#define META(version)                                                                                        \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"" version "\","                                \
    "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"robot\",\"version\":\"1\"},"                         \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}"

static struct value *tools;
static struct mcp_server_facts facts = { .version = "1.2.3", .instructions = "be careful" };
static struct mcp_session session;

static int setup(void **unused)
{
    (void)unused;
    session = (struct mcp_session){ 0 };
    tools = value_new_array();
    struct value *tool = value_new_object();
    value_set_string(tool, "name", "kv_get");
    value_append(tools, tool);
    facts.tools = tools;
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    value_free(&tools);
    return 0;
}

static struct mcp_step step_of(const char *text)
{
    struct mcp_step step;
    mcp_step(&facts, &session, text, strlen(text), &step);
    return step;
}

static void expect_error(const char *text, int code)
{
    struct mcp_step step = step_of(text);
    assert_int_equal(step.action, MCP_ANSWER);
    assert_string_equal(value_get_string(step.answer, "jsonrpc", ""), "2.0");
    assert_int_equal(value_get_integer(value_get(step.answer, "error"), "code", 0), code);
    assert_null(value_get(step.answer, "result"));
    const struct value *id = value_get(step.answer, "id"); /* Absent or usable: MCP's clients refuse null. */
    assert_true(id == NULL || value_type(id) == VALUE_INTEGER || value_type(id) == VALUE_STRING);
    mcp_step_fini(&step);
}

static void malformed(void **unused)
{
    (void)unused;
    static const char *const broken[] = {
        "",     "{",  "nonsense",     "{\"jsonrpc\":\"2.0\",\"id\":1,}", "{\"a\":1,\"a\":2}",
        "\xff", "[1", "{\"x\":1e999}"
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        expect_error(broken[i], JSONRPC_PARSE_ERROR);
    static const char *const invalid[] = {
        "[]", /* Batches: neither revision has them. */
        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
        "7",
        "\"ping\"",
        "{}",
        "{\"id\":1,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}",
        "{\"jsonrpc\":2.0,\"id\":1,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}",
    };
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
        expect_error(invalid[i], JSONRPC_INVALID_REQUEST);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":[]}",
                 JSONRPC_INVALID_PARAMS);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/liszt\"}", JSONRPC_METHOD_NOT_FOUND);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/list\"}", JSONRPC_METHOD_NOT_FOUND);
}

static void ids_come_back_as_they_were(void **unused)
{
    (void)unused;
    struct mcp_step step = step_of("{\"jsonrpc\":\"2.0\",\"id\":\"a-1\",\"method\":\"ping\"}");
    char *dump = value_dump(step.answer);
    assert_string_equal(dump, "{\"jsonrpc\":\"2.0\",\"id\":\"a-1\",\"result\":{}}");
    memory_free(dump);
    mcp_step_fini(&step);
    step = step_of("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"nope\"}");
    assert_int_equal(value_type(value_get(step.answer, "id")), VALUE_INTEGER);
    mcp_step_fini(&step);
}

/* The official TypeScript client (1.32) waits until its timeout for what is refused without its id. */
static void ids_of_unreadable_messages(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        const char *id; /* NULL: the answer has none. */
    } cases[] = {
        { "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"x\",\"params\":{\"a\":\"\\u0000\"}}", "6" },
        { "{\"params\":{\"id\":1,\"a\":\"\\ud800\"},\"id\":-7,\"method\":\"x\"}", "-7" },
        { "{\"a\":[{\"id\":1}],\"b\":100000000000000000000, \"id\" : \"q\\\"\\u00e9\" }",
          "\"q\\\"\xc3\xa9\"" },
        { "{\"id\":\"\\\\\",\"a\":1,\"a\":2}", "\"\\\\\"" },
        { "{\"x\":\"id\",\"id\":3,\"method\":", "3" },
        { "{\"method\":\"ping\",\"id\":12", NULL }, /* Perhaps 123. */
        { "{\"method\":\"ping\",\"id\":\"ab", NULL },
        { "{\"id\":100000000000000000000}", NULL },
        { "{\"id\":null,\"a\":1,\"a\":2}", NULL },
        { "{\"id\":1.5,\"a\":1,\"a\":2}", NULL },
        { "{\"id\":\"\\u0000\"}", NULL },
        { "{\"a\":{\"id\":1}", NULL },
        { "}}{\"ids\":1,", NULL },
        { "{\"id\"", NULL },
        { "{\"id\":", NULL },
        { "{\"\\", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mcp_step step = step_of(cases[i].text);
        assert_int_equal(step.action, MCP_ANSWER);
        const struct value *error = value_get(step.answer, "error");
        assert_int_equal(value_get_integer(error, "code", 0), JSONRPC_PARSE_ERROR);
        const struct value *id = value_get(step.answer, "id");
        char *dump = id == NULL ? NULL : value_dump(id);
        if (cases[i].id == NULL) assert_null(dump);
        else assert_string_equal(dump, cases[i].id);
        memory_free(dump);
        mcp_step_fini(&step);
    }
}

static void notifications_are_never_answered(void **unused)
{
    (void)unused;
    static const char *const silent[] = {
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"tools/list\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"no/such\",\"params\":{}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":[]}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", /* A response to nothing that we asked. */
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\"}",
    };
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
        struct mcp_step step = step_of(silent[i]);
        assert_int_equal(step.action, MCP_SILENT);
        assert_null(step.answer);
        mcp_step_fini(&step);
    }
    struct mcp_step step = step_of("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
                                   "\"params\":{\"requestId\":7,\"reason\":\"bored\"}}");
    int64_t id = 0;
    assert_int_equal(step.action, MCP_CANCEL);
    assert_true(value_integer(step.cancelled, &id));
    assert_int_equal(id, 7);
    mcp_step_fini(&step);
}

static const struct value *result_of(const struct mcp_step *step)
{
    assert_int_equal(step->action, MCP_ANSWER);
    const struct value *result = value_get(step->answer, "result");
    assert_non_null(result);
    return result;
}

static void initialize_negotiates(void **unused)
{
    (void)unused;
    static const struct {
        const char *wanted;
        const char *agreed;
    } cases[] = { { "2025-11-25", "2025-11-25" },
                  { "2025-06-18", "2025-06-18" },
                  { "2024-11-05", "2025-11-25" },
                  { "2026-07-28", "2025-11-25" }, /* That era has no initialize. */
                  { "soon", "2025-11-25" } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        snprintf(
            text, sizeof text,
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"%s\","
            "\"capabilities\":{},\"clientInfo\":{\"name\":\"tester\",\"version\":\"1\"}}}",
            cases[i].wanted);
        struct mcp_step step = step_of(text);
        const struct value *result = result_of(&step);
        assert_string_equal(value_get_string(result, "protocolVersion", ""), cases[i].agreed);
        assert_string_equal(value_get_string(value_get(result, "serverInfo"), "name", ""), "aether");
        assert_string_equal(value_get_string(value_get(result, "serverInfo"), "version", ""), "1.2.3");
        assert_non_null(value_get(value_get(result, "capabilities"), "tools"));
        assert_string_equal(value_get_string(result, "instructions", ""), "be careful");
        assert_null(value_get(result, "resultType")); /* A word of the other era. */
        mcp_step_fini(&step);
    }
    assert_string_equal(session.principal, "tester");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}", JSONRPC_INVALID_PARAMS);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":1,"
                 "\"capabilities\":{},\"clientInfo\":{\"name\":\"x\"}}}",
                 JSONRPC_INVALID_PARAMS);
}

static void discover_tells_both_eras(void **unused)
{
    (void)unused;
    struct mcp_step step =
        step_of("{\"jsonrpc\":\"2.0\",\"id\":\"d\",\"method\":\"server/discover\",\"params\":{" META(
            "2026-07-28") "}}");
    const struct value *result = result_of(&step);
    assert_string_equal(value_get_string(result, "resultType", ""), "complete");
    assert_string_equal(value_string(value_at(value_get(result, "supportedVersions"), 0)), "2026-07-28");
    assert_string_equal(value_string(value_at(value_get(result, "supportedVersions"), 1)), "2025-11-25");
    assert_non_null(value_get(value_get(result, "capabilities"), "tools"));
    assert_true(value_get_integer(result, "ttlMs", -1) > 0);
    assert_string_equal(value_get_string(result, "cacheScope", ""), "public");
    const struct value *server = value_get(value_get(result, "_meta"), "io.modelcontextprotocol/serverInfo");
    assert_string_equal(value_get_string(server, "version", ""), "1.2.3");
    mcp_step_fini(&step);
}

static void stateless_requests_are_checked(void **unused)
{
    (void)unused;
    struct mcp_step step = step_of(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{" META("1900-01-01") "}}");
    const struct value *error = value_get(step.answer, "error");
    assert_int_equal(value_get_integer(error, "code", 0), MCP_UNSUPPORTED_VERSION);
    assert_string_equal(value_get_string(value_get(error, "data"), "requested", ""), "1900-01-01");
    assert_int_equal(value_size(value_get(value_get(error, "data"), "supported")), 3);
    mcp_step_fini(&step);
    /* Without its required keys a request is malformed. */
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"_meta\":"
                 "{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}}}",
                 JSONRPC_INVALID_PARAMS);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"_meta\":"
                 "{\"io.modelcontextprotocol/protocolVersion\":20260728}}}",
                 JSONRPC_INVALID_PARAMS);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\"}", JSONRPC_INVALID_PARAMS);
    /* What that revision removed. */
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{" META("2026-07-28") "}}",
                 JSONRPC_METHOD_NOT_FOUND);
    expect_error(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{" META("2026-07-28") "}}",
        JSONRPC_METHOD_NOT_FOUND);
}

static void tools_are_listed(void **unused)
{
    (void)unused;
    struct mcp_step step = step_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}");
    assert_int_equal(value_size(value_get(result_of(&step), "tools")), 1);
    assert_null(value_get(result_of(&step), "nextCursor"));
    assert_null(value_get(result_of(&step), "ttlMs"));
    mcp_step_fini(&step);
    step =
        step_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"cursor\":\"\"," META(
            "2026-07-28") "}}");
    assert_string_equal(value_get_string(result_of(&step), "resultType", ""), "complete");
    assert_true(value_get_integer(result_of(&step), "ttlMs", -1) > 0);
    mcp_step_fini(&step);
    expect_error(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"cursor\":\"page-9\"}}",
        JSONRPC_INVALID_PARAMS);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"cursor\":7}}",
                 JSONRPC_INVALID_PARAMS);
}

static void calls_carry_tool_and_principal(void **unused)
{
    (void)unused;
    (void)snprintf(session.principal, sizeof session.principal, "tester");
    struct mcp_step step = step_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":"
                                   "{\"name\":\"kv_get\",\"arguments\":{\"key\":\"a\"}}}");
    assert_int_equal(step.action, MCP_CALL);
    assert_string_equal(step.tool, "kv_get");
    assert_string_equal(value_get_string(step.arguments, "key", ""), "a");
    assert_string_equal(step.principal, "tester"); /* As initialize said. */
    struct value *content = value_new_object();
    value_set_integer(content, "revision", 7);
    struct value *response = mcp_tool_result(&facts, &step, content, false);
    char *dump = value_dump(response);
    assert_string_equal(dump,
                        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":"
                        "\"{\\\"revision\\\":7}\"}],\"structuredContent\":{\"revision\":7},"
                        "\"isError\":false}}");
    memory_free(dump);
    value_free(&response);
    response = mcp_tool_unknown(&step);
    assert_int_equal(value_get_integer(value_get(response, "error"), "code", 0), JSONRPC_INVALID_PARAMS);
    value_free(&response);
    mcp_step_fini(&step);

    step = step_of(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"kv_get\"," META(
            "2026-07-28") "}}");
    assert_string_equal(step.principal, "robot"); /* The request's own word; the session is another era's. */
    assert_true(step.stateless);
    mcp_step_fini(&step);
    step = step_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"kv_get\","
                   "\"_meta\":{\"" MCP_META_PRINCIPAL "\":\"bridged\"}}}");
    assert_string_equal(step.principal, "bridged");
    mcp_step_fini(&step);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{}}",
                 JSONRPC_INVALID_PARAMS);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":7}}",
                 JSONRPC_INVALID_PARAMS);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"kv_get\","
                 "\"arguments\":[]}}",
                 JSONRPC_INVALID_PARAMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(malformed, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_come_back_as_they_were, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_of_unreadable_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(notifications_are_never_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(initialize_negotiates, setup, teardown),
        cmocka_unit_test_setup_teardown(discover_tells_both_eras, setup, teardown),
        cmocka_unit_test_setup_teardown(stateless_requests_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(tools_are_listed, setup, teardown),
        cmocka_unit_test_setup_teardown(calls_carry_tool_and_principal, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
