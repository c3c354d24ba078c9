/* protocol: see the header. A request is of the stateless era when its `_meta` names a protocol version. */
#include "wire/mcp/protocol.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <string.h>

static const char meta_version[] = "io.modelcontextprotocol/protocolVersion";
static const char meta_client[] = "io.modelcontextprotocol/clientInfo";
static const char meta_capabilities[] = "io.modelcontextprotocol/clientCapabilities";
static const char meta_server[] = "io.modelcontextprotocol/serverInfo";

enum { LIST_TTL_MS = 300000 }; /* The tools change with the program only. */

/* Revisions that open with `initialize` and differ in nothing that we use; the first is our own choice. */
static const char *const session_versions[] = { MCP_VERSION_SESSION, "2025-06-18" };

static void answer(struct mcp_step *step, struct value *response)
{
    CHECK(step->answer == NULL);
    step->action = MCP_ANSWER;
    step->answer = response;
}

static void refuse(struct mcp_step *step, int code, const char *message)
{
    if (step->request.id == NULL) step->action = MCP_SILENT; /* A notification is never answered. */
    else answer(step, jsonrpc_error(step->request.id, code, message, NULL));
}

/* --- pieces of results -------------------------------------------------------------------------------- */
static struct value *server_info(const struct mcp_server_facts *facts)
{
    struct value *info = value_new_object();
    value_set_string(info, "name", "aether");
    value_set_string(info, "title", "Aether");
    value_set_string(info, "version", facts->version);
    return info;
}

static struct value *capabilities(void)
{
    struct value *tools = value_new_object();
    value_set_boolean(tools, "listChanged", false);
    struct value *all = value_new_object();
    value_set(all, "tools", tools);
    return all;
}

static struct value *supported_versions(void)
{
    struct value *versions = value_new_array();
    value_append(versions, value_new_string(MCP_VERSION_STATELESS));
    for (size_t i = 0; i < ARRAY_COUNT(session_versions); i++)
        value_append(versions, value_new_string(session_versions[i]));
    return versions;
}

/* What every result of the stateless era carries. */
static struct value *complete(const struct mcp_server_facts *facts, struct value *result)
{
    struct value *meta = value_new_object();
    value_set(meta, meta_server, server_info(facts));
    value_set_string(result, "resultType", "complete");
    value_set(result, "_meta", meta);
    return result;
}

static struct value *cacheable(struct value *result)
{
    value_set_integer(result, "ttlMs", LIST_TTL_MS);
    value_set_string(result, "cacheScope", "public");
    return result;
}

static void answer_result(const struct mcp_server_facts *facts, struct mcp_step *step, struct value *result)
{
    if (step->stateless) result = complete(facts, result);
    answer(step, jsonrpc_result(step->request.id, result));
}

/* --- methods ------------------------------------------------------------------------------------------ */
static void on_initialize(const struct mcp_server_facts *facts, struct mcp_session *session,
                          struct mcp_step *step)
{
    const struct value *params = step->request.params;
    const char *wanted = value_get_string(params, "protocolVersion", NULL);
    const struct value *client = value_get(params, "clientInfo");
    const char *name = value_get_string(client, "name", NULL);
    if (wanted == NULL || name == NULL || value_type(value_get(params, "capabilities")) != VALUE_OBJECT) {
        refuse(step, JSONRPC_INVALID_PARAMS,
               "initialize needs protocolVersion, capabilities and clientInfo with a name");
        return;
    }
    const char *agreed = session_versions[0];
    for (size_t i = 0; i < ARRAY_COUNT(session_versions); i++) {
        if (strcmp(wanted, session_versions[i]) == 0) agreed = session_versions[i];
    }
    (void)text_copy(session->principal, sizeof session->principal, name);
    struct value *result = value_new_object();
    value_set_string(result, "protocolVersion", agreed);
    value_set(result, "capabilities", capabilities());
    value_set(result, "serverInfo", server_info(facts));
    value_set_string(result, "instructions", facts->instructions);
    answer_result(facts, step, result);
}

static void on_discover(const struct mcp_server_facts *facts, struct mcp_step *step)
{
    struct value *result = value_new_object();
    value_set(result, "supportedVersions", supported_versions());
    value_set(result, "capabilities", capabilities());
    value_set(result, "serverInfo", server_info(facts)); /* Where drafts had it; `_meta` has it too. */
    value_set_string(result, "instructions", facts->instructions);
    answer_result(facts, step, cacheable(result));
}

/* All tools fit one page, so that any cursor is none of ours; "" and null say "from the start". */
static void on_tools_list(const struct mcp_server_facts *facts, struct mcp_step *step)
{
    const struct value *cursor = value_get(step->request.params, "cursor");
    const char *position = value_string(cursor);
    if (cursor != NULL && value_type(cursor) != VALUE_NULL && (position == NULL || *position != '\0')) {
        refuse(step, JSONRPC_INVALID_PARAMS, "cursor is none that this server gave out");
        return;
    }
    struct value *result = value_new_object();
    value_set(result, "tools", value_clone(facts->tools));
    answer_result(facts, step, step->stateless ? cacheable(result) : result);
}

static void on_tools_call(struct mcp_step *step)
{
    const struct value *params = step->request.params;
    step->tool = value_get_string(params, "name", NULL);
    step->arguments = value_get(params, "arguments");
    if (value_type(step->arguments) == VALUE_NULL) step->arguments = NULL;
    if (step->tool == NULL) {
        refuse(step, JSONRPC_INVALID_PARAMS, "tools/call needs the name of a tool");
    } else if (step->arguments != NULL && value_type(step->arguments) != VALUE_OBJECT) {
        refuse(step, JSONRPC_INVALID_PARAMS, "arguments must be an object");
    } else {
        step->action = MCP_CALL;
    }
}

static void on_notification(struct mcp_step *step)
{
    step->action = MCP_SILENT;
    if (strcmp(step->request.method, "notifications/cancelled") != 0) return;
    step->cancelled = value_get(step->request.params, "requestId");
    if (step->cancelled != NULL) step->action = MCP_CANCEL;
}

static void on_request(const struct mcp_server_facts *facts, struct mcp_session *session,
                       struct mcp_step *step)
{
    const char *method = step->request.method;
    bool stateless = step->stateless;
    if (strcmp(method, "tools/list") == 0) on_tools_list(facts, step);
    else if (strcmp(method, "tools/call") == 0) on_tools_call(step);
    else if (stateless && strcmp(method, "server/discover") == 0) on_discover(facts, step);
    else if (!stateless && strcmp(method, "initialize") == 0) on_initialize(facts, session, step);
    else if (!stateless && strcmp(method, "ping") == 0) answer_result(facts, step, value_new_object());
    else if (strcmp(method, "server/discover") == 0)
        refuse(step, JSONRPC_INVALID_PARAMS,
               "server/discover needs _meta with io.modelcontextprotocol/protocolVersion and "
               "io.modelcontextprotocol/clientCapabilities");
    else refuse(step, JSONRPC_METHOD_NOT_FOUND, "no such method");
}

/* --- eras --------------------------------------------------------------------------------------------- */
static void refuse_version(struct mcp_step *step, const char *requested)
{
    struct value *data = value_new_object();
    value_set(data, "supported", supported_versions());
    value_set_string(data, "requested", requested);
    answer(step,
           jsonrpc_error(step->request.id, MCP_UNSUPPORTED_VERSION, "Unsupported protocol version", data));
}

static bool is_session_version(const char *version)
{
    for (size_t i = 0; i < ARRAY_COUNT(session_versions); i++) {
        if (strcmp(version, session_versions[i]) == 0) return true;
    }
    return false;
}

/* Decides the era of a request by its `_meta`; false: it is refused, `step` has the answer. */
static bool read_era(struct mcp_step *step)
{
    const struct value *meta = value_get(step->request.params, "_meta");
    const struct value *version = value_get(meta, meta_version);
    if (version == NULL) return true;
    const char *requested = value_string(version);
    if (requested == NULL) {
        refuse(step, JSONRPC_INVALID_PARAMS, "io.modelcontextprotocol/protocolVersion must be a string");
        return false;
    }
    if (is_session_version(requested)) return true; /* Served as that revision says. */
    if (strcmp(requested, MCP_VERSION_STATELESS) != 0) {
        refuse_version(step, requested);
        return false;
    }
    step->stateless = true;
    if (value_type(value_get(meta, meta_capabilities)) == VALUE_OBJECT) return true;
    refuse(step, JSONRPC_INVALID_PARAMS, "_meta needs io.modelcontextprotocol/clientCapabilities, an object");
    return false;
}

/* By request first, and by the connection only where the client's era knows connections. */
static void read_principal(const struct mcp_session *session, struct mcp_step *step)
{
    const struct value *meta = value_get(step->request.params, "_meta");
    const char *principal = value_get_string(meta, MCP_META_PRINCIPAL, NULL);
    if (principal == NULL) principal = value_get_string(value_get(meta, meta_client), "name", NULL);
    if (principal == NULL && !step->stateless) principal = session->principal;
    if (principal != NULL) (void)text_copy(step->principal, sizeof step->principal, principal);
}

void mcp_step(const struct mcp_server_facts *facts, struct mcp_session *session, const char *text,
              size_t size, struct mcp_step *out_step)
{
    *out_step = (struct mcp_step){ .action = MCP_SILENT };
    struct value *refusal = NULL;
    if (!jsonrpc_read(text, size, &out_step->request, &refusal)) {
        if (refusal != NULL) answer(out_step, refusal);
        return;
    }
    if (out_step->request.id == NULL) {
        on_notification(out_step);
        return;
    }
    if (!read_era(out_step)) return;
    read_principal(session, out_step);
    on_request(facts, session, out_step);
}

void mcp_step_fini(struct mcp_step *step)
{
    value_free(&step->answer);
    jsonrpc_fini(&step->request);
    *step = (struct mcp_step){ 0 };
}

struct value *mcp_tool_result(const struct mcp_server_facts *facts, const struct mcp_step *step,
                              struct value *content, bool is_error)
{
    CHECK(step->action == MCP_CALL);
    char *dump = value_dump(content);
    struct value *text = value_new_object();
    value_set_string(text, "type", "text");
    value_set_string(text, "text", dump);
    memory_free(dump);
    struct value *texts = value_new_array();
    value_append(texts, text);
    struct value *result = value_new_object();
    value_set(result, "content", texts);
    value_set(result, "structuredContent", content);
    value_set_boolean(result, "isError", is_error);
    return jsonrpc_result(step->request.id, step->stateless ? complete(facts, result) : result);
}

struct value *mcp_tool_unknown(const struct mcp_step *step)
{
    CHECK(step->action == MCP_CALL);
    struct text message = { 0 };
    text_printf(&message, "Unknown tool: %s", step->tool);
    struct value *response =
        jsonrpc_error(step->request.id, JSONRPC_INVALID_PARAMS, text_string(&message), NULL);
    text_fini(&message);
    return response;
}
