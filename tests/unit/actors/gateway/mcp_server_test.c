/* Goal: tool calls go through the gateway with the caller's principal; before the first change the agent
 * lease is taken, and a refusal names the holder; failures are results with isError; cancelled calls stay
 * silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "actors/gateway/mcp_server.h"
#include "runtime/base/text.h"
#include "tests/support/probe.h"
#include "wire/command/command.h"
#include "wire/json/value.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/codec.h"
#include "wire/proto/gateway.pb-c.h"
#include "wire/proto/store.pb-c.h"

struct node {
    struct scheduler *stepper;
    struct runtime *runtime;
    uint32_t commands;
    uint32_t leases;
    char holder[64]; /* Who holds the lease; "" = nobody. */
    char principal[64];
    char released[64];
    enum status command_status;
    struct message *parked; /* Where the gateway doesn't answer yet. */
    bool parks;
};

static struct node node;

static void on_proposer_stub(struct actor *self, void *context, const struct message *message)
{
    struct node *at = context;
    const Pb__ProposeRequest *propose = message->body;
    assert_int_equal(propose->command->n_success, 1);
    const Pb__Operation *operation = propose->command->success[0];
    assert_int_equal(operation->op_case, PB__OPERATION__OP_LEASE_GRANT);
    assert_string_equal(operation->lease_grant->name, "agent");
    assert_int_equal(operation->lease_grant->ttl_ms, 60000);
    at->leases++;
    struct message *reply = wire_message_create(KIND_PROPOSE_REPLY);
    Pb__ProposeReply *body = reply->body;
    if (at->holder[0] == '\0') (void)text_copy(at->holder, sizeof at->holder, operation->lease_grant->holder);
    if (strcmp(at->holder, operation->lease_grant->holder) != 0) {
        body->status = STATUS_CONFLICT;
        body->message = wire_string(reply, "lease agent is held by alice for another 42 s");
    }
    actor_reply(self, message, &reply);
}

static void on_gateway_stub(struct actor *self, void *context, const struct message *message)
{
    struct node *at = context;
    const Pb__GatewayForward *forward = message->body;
    at->commands++;
    (void)text_copy(at->principal, sizeof at->principal, forward->principal);
    if (forward->kind == KIND_AGENT_RELEASE_REQUEST) {
        struct arena arena = { 0 };
        void *body = NULL;
        assert_int_equal(codec_unpack(&arena, &pb__agent_release_request__descriptor, forward->request.data,
                                      forward->request.len, &body, NULL),
                         STATUS_OK);
        (void)text_copy(at->released, sizeof at->released, ((Pb__AgentReleaseRequest *)body)->holder);
        arena_fini(&arena);
    }
    if (at->parks) {
        at->parked = actor_keep(self);
        return;
    }
    if (at->command_status != STATUS_OK) {
        struct error error;
        error_set(&error, at->command_status, "no key a");
        error_hint(&error, "aether kv list");
        actor_refuse_error(self, message, &error);
        return;
    }
    struct message *reply =
        wire_message_create(forward->kind == KIND_KV_PUT_REQUEST ? KIND_KV_CHANGE_REPLY : forward->kind + 1);
    if (forward->kind == KIND_KV_PUT_REQUEST) ((Pb__KvChangeReply *)reply->body)->revision = 9;
    actor_reply(self, message, &reply);
}

static int setup(void **unused)
{
    (void)unused;
    node = (struct node){ .stepper = stepper_create(&(struct stepper_options){ .seed = 7 }) };
    node.runtime = runtime_create(&(struct runtime_options){ .scheduler = node.stepper, .node = "node-1" });
    stub_spawn(node.runtime, TO_PROPOSER, on_proposer_stub, &node);
    stub_spawn(node.runtime, TO_COMMAND_GATEWAY, on_gateway_stub, &node);
    struct spawn_options spawn = { .name = TO_MCP_SERVER };
    struct actor_id id;
    assert_int_equal(runtime_spawn(node.runtime, &mcp_server_behavior, &spawn, &id, NULL), STATUS_OK);
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    if (node.parked != NULL) message_destroy(&node.parked);
    (void)runtime_stop(node.runtime, SECONDS(1));
    runtime_destroy(&node.runtime);
    scheduler_destroy(&node.stepper);
    return 0;
}

static struct message *request_of(uint64_t client, const char *text)
{
    struct message *message = message_create(KIND_MCP_REQUEST, sizeof(struct mcp_request));
    ((struct mcp_request *)message->body)->client = client;
    struct bytes *bytes = bytes_copy(text, strlen(text));
    message_attach(message, &bytes);
    return message;
}

/* The answer as a tree; NULL: nothing was said. */
static struct value *say(uint64_t client, const char *text)
{
    struct message *request = request_of(client, text);
    struct probe_result result = probe_ask_name(node.runtime, TO_MCP_SERVER, &request, SECONDS(60));
    assert_true(result.completed);
    assert_int_equal(result.status, STATUS_OK);
    assert_int_equal(result.message->kind, KIND_MCP_REPLY);
    struct value *value = NULL;
    const struct bytes *bytes = result.message->attachment;
    if (bytes != NULL)
        assert_int_equal(value_parse_json((const char *)bytes->data, bytes->size, &value, NULL), STATUS_OK);
    message_destroy(&result.message);
    return value;
}

#define CALL(tool, arguments)                                                                                \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"" tool                   \
    "\",\"arguments\":" arguments "}}"
#define HELLO(name)                                                                                          \
    "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"               \
    "\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"" name "\",\"version\":\"1\"}}}"

static void expect_result(uint64_t client, const char *text, bool is_error)
{
    struct value *answer = say(client, text);
    const struct value *result = value_get(answer, "result");
    assert_non_null(result);
    assert_int_equal(value_get_boolean(result, "isError", !is_error), is_error);
    assert_int_equal(value_type(value_get(result, "structuredContent")), VALUE_OBJECT);
    assert_int_equal(value_get(value_get(result, "structuredContent"), "error") != NULL, is_error);
    assert_int_equal(value_size(value_get(result, "content")), 1);
    value_free(&answer);
}

static void expect_failure(uint64_t client, const char *text, const char *code, const char *named)
{
    struct value *answer = say(client, text);
    const struct value *result = value_get(answer, "result");
    assert_true(value_get_boolean(result, "isError", false));
    const struct value *error = value_get(value_get(result, "structuredContent"), "error");
    assert_string_equal(value_get_string(error, "code", ""), code);
    assert_non_null(strstr(value_get_string(error, "message", ""), named));
    value_free(&answer);
}

static void every_row_is_a_tool(void **unused)
{
    (void)unused;
    struct value *answer = say(1, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}");
    const struct value *tools = value_get(value_get(answer, "result"), "tools");
    assert_int_equal(value_size(tools), command_count());
    for (size_t i = 0; i < value_size(tools); i++) {
        assert_int_equal(value_type(value_get(value_at(tools, i), "inputSchema")), VALUE_OBJECT);
        assert_int_equal(value_type(value_get(value_at(tools, i), "outputSchema")), VALUE_OBJECT);
    }
    value_free(&answer);
}

static void reading_takes_no_lease(void **unused)
{
    (void)unused;
    expect_result(1, CALL("kv_get", "{\"key\":\"a\"}"), false);
    expect_result(1, CALL("call", "{\"target\":\"g:a/e\",\"payload\":{\"x\":1}}"), false);
    assert_int_equal(node.leases, 0);
    assert_string_equal(node.principal, "local-agent");
}

static void changing_takes_the_lease(void **unused)
{
    (void)unused;
    struct value *hello = say(1, HELLO("alice"));
    value_free(&hello);
    expect_result(1, CALL("kv_put", "{\"key\":\"a\",\"value\":1}"), false);
    assert_int_equal(node.leases, 1);
    assert_string_equal(node.holder, "alice");
    assert_string_equal(node.principal, "alice");
    expect_result(1, CALL("kv_put", "{\"key\":\"a\",\"value\":2}"), false); /* Renewed by use. */
    assert_int_equal(node.leases, 2);
    assert_int_equal(node.commands, 2);

    hello = say(2, HELLO("bob")); /* Another connection, another principal. */
    value_free(&hello);
    expect_failure(2, CALL("kv_put", "{\"key\":\"a\",\"value\":3}"), "DENIED", "alice for another 42 s");
    assert_int_equal(node.commands, 2);
    expect_result(2, CALL("kv_get", "{\"key\":\"a\"}"), false); /* Reading is free for all. */
}

static void release_names_its_own_lease(void **unused)
{
    (void)unused;
    struct value *hello = say(1, HELLO("bob"));
    value_free(&hello);
    (void)text_copy(node.holder, sizeof node.holder, "alice");
    expect_result(1, CALL("agent_release", "{}"), false);
    assert_int_equal(node.leases, 0);
    assert_string_equal(node.released, "bob"); /* Never whoever holds it. */
    expect_result(1, CALL("agent_release", "{\"holder\":\"alice\"}"), false);
    assert_string_equal(node.released, "bob");
}

static void failures_are_results(void **unused)
{
    (void)unused;
    node.command_status = STATUS_NOT_FOUND;
    expect_failure(1, CALL("kv_get", "{\"key\":\"a\"}"), "NOT_FOUND", "no key a");
    expect_failure(1, CALL("kv_get", "{}"), "INVALID", "key is missing");
    expect_failure(1, CALL("kv_get", "{\"key\":[1]}"), "INVALID", "key");
    expect_failure(1, CALL("kv_get", "{\"key\":\"a\",\"stael\":true}"), "INVALID", "stael");
    assert_int_equal(node.commands, 1);
    struct value *answer =
        say(1, CALL("kv_gte", "{}")); /* A tool that isn't there is the protocol's error. */
    assert_int_equal(value_get_integer(value_get(answer, "error"), "code", 0), -32602);
    value_free(&answer);
    answer = say(1, "{\"jsonrpc\":\"2.0\",\"id\":");
    assert_int_equal(value_get_integer(value_get(answer, "error"), "code", 0), -32700);
    value_free(&answer);
    answer = say(1, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
    assert_null(answer);
}

static void cancel_later(void *context, uint64_t tag)
{
    (void)context, (void)tag;
    struct message *cancel = request_of(1, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
                                           "\"params\":{\"requestId\":1}}");
    assert_int_equal(runtime_send(node.runtime, runtime_find(node.runtime, TO_MCP_SERVER), &cancel),
                     STATUS_OK);
}

static void cancelled_calls_stay_silent(void **unused)
{
    (void)unused;
    node.parks = true; /* The command never answers: its deadline ends it. */
    stepper_call_at(node.stepper, stepper_now_ns(node.stepper) + SECONDS(1), cancel_later, NULL, 0);
    struct value *answer = say(1, CALL("kv_get", "{\"key\":\"a\"}"));
    assert_null(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_row_is_a_tool, setup, teardown),
        cmocka_unit_test_setup_teardown(reading_takes_no_lease, setup, teardown),
        cmocka_unit_test_setup_teardown(changing_takes_the_lease, setup, teardown),
        cmocka_unit_test_setup_teardown(release_names_its_own_lease, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_are_results, setup, teardown),
        cmocka_unit_test_setup_teardown(cancelled_calls_stay_silent, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
