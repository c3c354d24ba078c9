/* Goal: the rows are whole: every field they name exists, no two share a name, a tool or a request kind, and
 * what every surface derives from them (schemas, documents, help) follows the descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/memory.h"
#include "wire/command/document.h"
#include "wire/command/schema.h"
#include "wire/command/usage.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/slice.pb-c.h"

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *descriptor,
                                                const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(descriptor, name);
}

/* The message whose fields the columns and the identity name. */
static const ProtobufCMessageDescriptor *shown_descriptor(const struct command *command)
{
    const ProtobufCMessageDescriptor *reply = command_reply_descriptor(command);
    const char *inner = command->list != NULL ? command->list : command->record;
    if (inner == NULL) return reply;
    const ProtobufCFieldDescriptor *field = field_of(reply, inner);
    assert_non_null(field);
    assert_int_equal(field->type, PROTOBUF_C_TYPE_MESSAGE);
    return field->descriptor;
}

static void rows_name_what_there_is(void **unused)
{
    (void)unused;
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        assert_non_null(command->help);
        assert_non_null(command->example);
        assert_true(strncmp(command->example, "aether ", 7) == 0);
        assert_non_null(command->http);
        const struct kind_row *request = kind_find(command->request);
        assert_non_null(request);
        assert_true((request->flags & KIND_FROM_CLIENT) != 0); /* The client socket lets it in. */
        assert_int_equal(request->receiver, command->target);
        const struct command_argument *argument;
        const ProtobufCFieldDescriptor *field;
        for (size_t j = 0; command_argument_at(command, j, &argument, &field); j++)
            assert_non_null(argument->help);
        const ProtobufCMessageDescriptor *shown = shown_descriptor(command);
        for (const struct command_column *column = command->columns; column != NULL && column->field != NULL;
             column++)
            assert_non_null(field_of(shown, column->field));
        if (command->identity != NULL)
            assert_true(field_of(shown, command->identity) != NULL ||
                        field_of(command_reply_descriptor(command), command->identity) != NULL);
        if (command->plain != NULL)
            assert_non_null(field_of(command_reply_descriptor(command), command->plain));
    }
    assert_true(command_count() >= 24); /* None is lost by accident. */
}

static void rows_are_distinct(void **unused)
{
    (void)unused;
    const struct command *a;
    for (size_t i = 0; (a = command_at(i)) != NULL; i++) {
        char tool[64];
        command_tool_name(tool, sizeof tool, a);
        assert_ptr_equal(command_find(a->name), a);
        assert_ptr_equal(command_find_tool(tool), a);
        assert_ptr_equal(command_find_request(a->request), a);
    }
    assert_null(command_find("kv"));
    assert_null(command_find_tool("kv get"));
    assert_null(command_find_request(KIND_KV_GET_REPLY));
}

/* Every kind that clients may send is a row: nothing is reachable that no table names, but for what the
 * client library says of its own (cli/connection.h). */
static void clients_reach_rows_only(void **unused)
{
    (void)unused;
    const struct kind_row *row;
    for (size_t i = 0; (row = kind_at(i)) != NULL; i++) {
        bool library = row->kind == KIND_PING || row->kind == KIND_SESSION_OPEN_REQUEST ||
                       row->kind == KIND_CALL_WITHDRAW;
        if ((row->flags & KIND_FROM_CLIENT) != 0 && !library)
            assert_non_null(command_find_request(row->kind));
    }
}

static char *dumped(struct value *value)
{
    char *dump = value_dump(value);
    value_free(&value);
    return dump;
}

static void expect_dump(struct value *value, const char *wanted)
{
    char *dump = dumped(value);
    assert_string_equal(dump, wanted);
    memory_free(dump);
}

static void input_schemas(void **unused)
{
    (void)unused;
    expect_dump(
        schema_input(command_find("kv put")),
        "{\"type\":\"object\",\"properties\":{"
        "\"key\":{\"type\":\"string\",\"description\":\"which key\"},"
        "\"value\":{\"description\":\"its value, JSON; @FILE, or - for standard input\"},"
        "\"if-rev\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"only if its last change is "
        "revision N; 0: only if it is absent\"},"
        "\"lease\":{\"type\":\"string\",\"description\":\"deleted when this lease ends\"},"
        "\"fence\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"only while the lease is held under "
        "fence N\"},"
        "\"force\":{\"type\":\"boolean\",\"description\":\"also a key that the cluster manages itself\"}},"
        "\"required\":[\"key\",\"value\"],\"additionalProperties\":false}");
    expect_dump(
        schema_input(command_find("agent status")),
        "{\"type\":\"object\",\"properties\":{\"after\":{\"type\":\"integer\",\"minimum\":0,\"description\":"
        "\"wait until this revision is visible, or fail with DEADLINE\"}},\"additionalProperties\":false}");
}

static void output_schemas(void **unused)
{
    (void)unused;
    struct value *schema = schema_output(command_find("kv get"));
    const struct value *properties = value_get(schema, "properties");
    /* Flat: the record's fields are the document's own. */
    assert_string_equal(value_get_string(value_get(properties, "key"), "type", ""), "string");
    assert_int_equal(value_size(value_get(properties, "value")), 0); /* Any JSON. */
    assert_non_null(value_get(properties, "create-revision"));
    assert_null(value_get(properties, "record"));
    assert_non_null(value_get(properties, "error"));
    const struct value *required = value_get(value_at(value_get(schema, "anyOf"), 0), "required");
    char *dump = value_dump(required);
    assert_string_equal(dump, "[\"key\",\"value\",\"create-revision\",\"revision\",\"version\",\"term\"]");
    memory_free(dump);
    value_free(&schema);
    schema = schema_output(command_find("slice list"));
    const struct value *instances = value_get(value_get(schema, "properties"), "instances");
    assert_string_equal(value_get_string(instances, "type", ""), "array");
    assert_string_equal(value_get_string(value_get(instances, "items"), "type", ""), "object");
    value_free(&schema);
}

static void annotations(void **unused)
{
    (void)unused;
    static const struct {
        const char *command;
        bool reads;
        bool destroys;
        bool idempotent;
    } cases[] = {
        { "kv get", true, false, true },
        { "kv delete", false, true, false },
        { "blueprint publish", false, false, true },
        { "blueprint delete", false, true, true },
        { "call", false, true, false },
        { "agent release", false, false, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct value *tool = schema_tool(command_find(cases[i].command));
        const struct value *hints = value_get(tool, "annotations");
        assert_int_equal(value_get_boolean(hints, "readOnlyHint", !cases[i].reads), cases[i].reads);
        assert_int_equal(value_get_boolean(hints, "destructiveHint", !cases[i].destroys), cases[i].destroys);
        assert_int_equal(value_get_boolean(hints, "idempotentHint", !cases[i].idempotent),
                         cases[i].idempotent);
        value_free(&tool);
    }
}

static struct value *parsed(const char *json)
{
    struct value *value = NULL;
    struct error error;
    assert_int_equal(value_parse_json(json, strlen(json), &value, &error), STATUS_OK);
    return value;
}

static void requests(void **unused)
{
    (void)unused;
    const struct command *put = command_find("kv put");
    struct value *arguments = parsed("{\"key\":\"a\",\"value\":{\"x\":1},\"if-rev\":0}");
    document_arguments(put, arguments); /* FORM_JSON: any JSON value becomes its text. */
    struct message *request = NULL;
    assert_int_equal(document_to_request(put, arguments, &request, NULL), STATUS_OK);
    const Pb__KvPutRequest *body = request->body;
    assert_int_equal(request->kind, KIND_KV_PUT_REQUEST);
    assert_string_equal(body->value, "{\"x\":1}");
    assert_int_equal(body->has_if_rev_case, PB__KV_PUT_REQUEST__HAS_IF_REV_IF_REV);
    message_destroy(&request);
    value_free(&arguments);

    const struct command *publish = command_find("blueprint publish");
    arguments = parsed("{\"document\":\"name: shop\\n\"}"); /* A document's text stays as it is … */
    document_arguments(publish, arguments);
    assert_string_equal(value_get_string(arguments, "document", ""), "name: shop\n");
    value_free(&arguments);
    arguments = parsed("{\"document\":{\"name\":\"shop\"}}"); /* … and an object becomes text. */
    document_arguments(publish, arguments);
    assert_string_equal(value_get_string(arguments, "document", ""), "{\"name\":\"shop\"}");
    value_free(&arguments);
}

static void bad_requests(void **unused)
{
    (void)unused;
    static const struct {
        const char *command;
        const char *arguments;
        const char *named; /* What the message names. */
    } cases[] = {
        { "kv get", "{}", "key is missing" },
        { "kv get", "{\"key\":null}", "key is missing" },
        { "kv get", "{\"key\":7}", "key" },
        { "kv get", "{\"key\":\"a\",\"stael\":true}", "stael" },
        { "kv put", "{\"key\":\"a\",\"value\":\"1\",\"if-rev\":\"x\"}", "if-rev" },
        { "kv put", "{\"key\":\"a\",\"value\":\"1\",\"if-rev\":-1}", "if-rev" },
        { "event list", "{\"limit\":4294967296}", "limit" },
        { "call", "{\"target\":\"g:a/e\",\"payload\":\"{bad\"}", "payload is no JSON" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct value *arguments = parsed(cases[i].arguments);
        struct message *request = NULL;
        struct error error;
        assert_int_equal(document_to_request(command_find(cases[i].command), arguments, &request, &error),
                         STATUS_INVALID);
        assert_non_null(strstr(error.message, cases[i].named));
        assert_null(request);
        value_free(&arguments);
    }
}

static void replies(void **unused)
{
    (void)unused;
    Pb__KvRecord record = PB__KV_RECORD__INIT;
    char key[] = "blueprints/shop";
    /* A stored string that looks like a number stays a string; a user's own "lease" stays where it is. */
    uint8_t value[] = "{\"lease\":\"\",\"n\":\"42\"}";
    record.key = key;
    record.value = (ProtobufCBinaryData){ .data = value, .len = sizeof value - 1 };
    record.create_revision = 2;
    record.revision = 9;
    record.version = 3;
    record.term = 4;
    Pb__KvGetReply reply = PB__KV_GET_REPLY__INIT;
    reply.record = &record;
    reply.index = 12;
    expect_dump(document_from_reply(command_find("kv get"), &reply),
                "{\"key\":\"blueprints/shop\",\"value\":{\"lease\":\"\",\"n\":\"42\"},\"create-revision\":2,"
                "\"revision\":9,\"version\":3,\"term\":4}");
    reply.stale = 1;
    struct value *document = document_from_reply(command_find("kv get"), &reply);
    assert_int_equal(value_get_integer(document, "index", 0), 12);
    assert_true(value_get_boolean(document, "stale", false));
    value_free(&document);

    Pb__CallReply called = PB__CALL_REPLY__INIT;
    char payload[] = "{\"total\":3}";
    char node[] = "node-1";
    called.payload = payload;
    called.node = node;
    document = document_from_reply(command_find("call"), &called);
    assert_int_equal(value_get_integer(value_get(document, "payload"), "total", 0), 3);
    value_free(&document);
    payload[0] = '?'; /* No JSON: the text itself. */
    document = document_from_reply(command_find("call"), &called);
    assert_string_equal(value_get_string(document, "payload", ""), "?\"total\":3}");
    value_free(&document);
}

static void staleness(void **unused)
{
    (void)unused;
    Pb__SliceListRequest request = PB__SLICE_LIST_REQUEST__INIT;
    assert_false(command_is_stale(command_find("slice list"), &request));
    request.stale = 1;
    assert_true(command_is_stale(command_find("slice list"), &request));
    Pb__KvPutRequest put = PB__KV_PUT_REQUEST__INIT;
    assert_false(command_is_stale(command_find("kv put"), &put));
}

static void synopses(void **unused)
{
    (void)unused;
    struct text out = { 0 };
    usage_synopsis(&out, command_find("kv put"));
    assert_string_equal(text_string(&out),
                        "aether kv put KEY VALUE [--if-rev N] [--lease NAME] [--fence N] [--force]");
    text_fini(&out);
    usage_synopsis(&out, command_find("call"));
    assert_string_equal(text_string(&out),
                        "aether call TARGET [JSON] [--affinity KEY] [--idempotency-key KEY] [--explain] "
                        "[--request-id ID] [--traceparent TRACEPARENT]");
    text_fini(&out);
    assert_false(usage_noun(&out, "kvv"));
    assert_true(usage_noun(&out, "call"));
    text_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_name_what_there_is),
        cmocka_unit_test(rows_are_distinct),
        cmocka_unit_test(clients_reach_rows_only),
        cmocka_unit_test(input_schemas),
        cmocka_unit_test(output_schemas),
        cmocka_unit_test(annotations),
        cmocka_unit_test(requests),
        cmocka_unit_test(bad_requests),
        cmocka_unit_test(replies),
        cmocka_unit_test(staleness),
        cmocka_unit_test(synopses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
