/* Fuzz target: the MCP step with arbitrary bytes, and for tool calls the whole way from arguments to a
 * request. Whatever comes, it answers or stays silent; nothing it says is malformed itself. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "wire/command/document.h"
#include "wire/command/schema.h"
#include "wire/mcp/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void call_tool(const struct mcp_step *step)
{
    const struct command *command = command_find_tool(step->tool);
    if (command == NULL) return;
    struct value *arguments = step->arguments != NULL ? value_clone(step->arguments) : value_new_object();
    document_arguments(command, arguments);
    struct message *request = NULL;
    struct error error;
    if (document_to_request(command, arguments, &request, &error) == STATUS_OK) message_destroy(&request);
    else CHECK(error.status == STATUS_INVALID);
    value_free(&arguments);
}

static void check_answer(const struct value *answer)
{
    char *dump = value_dump(answer);
    struct value *again = NULL;
    CHECK(value_parse_json(dump, strlen(dump), &again, NULL) == STATUS_OK);
    CHECK(strcmp(value_get_string(again, "jsonrpc", ""), "2.0") == 0);
    CHECK((value_get(again, "result") == NULL) != (value_get(again, "error") == NULL));
    value_free(&again);
    memory_free(dump);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct value *tools;
    if (tools == NULL) {
        tools = value_new_array();
        value_append(tools, schema_tool(command_at(0)));
    }
    const struct mcp_server_facts facts = { .version = "0", .instructions = "", .tools = tools };
    struct mcp_session session = { 0 };
    struct mcp_step step;
    mcp_step(&facts, &session, (const char *)data, size, &step);
    if (step.action == MCP_ANSWER) check_answer(step.answer);
    if (step.action == MCP_CALL) call_tool(&step);
    mcp_step_fini(&step);
    return 0;
}
