/* jsonrpc: see the header. */
#include "wire/mcp/jsonrpc.h"

#include <string.h>

struct value *jsonrpc_result(const struct value *id, struct value *result)
{
    struct value *response = value_new_object();
    value_set_string(response, "jsonrpc", "2.0");
    value_set(response, "id", id == NULL ? value_new_null() : value_clone(id));
    value_set(response, "result", result);
    return response;
}

struct value *jsonrpc_error(const struct value *id, int code, const char *message, struct value *data)
{
    struct value *error = value_new_object();
    value_set_integer(error, "code", code);
    value_set_string(error, "message", message);
    if (data != NULL) value_set(error, "data", data);
    struct value *response = value_new_object();
    value_set_string(response, "jsonrpc", "2.0");
    value_set(response, "id", id == NULL ? value_new_null() : value_clone(id));
    value_set(response, "error", error);
    return response;
}

static bool is_id(const struct value *id)
{
    return value_type(id) == VALUE_STRING || value_type(id) == VALUE_INTEGER;
}

/* NULL: the message is well-formed. */
static const char *fault_of(const struct value *document)
{
    if (value_type(document) == VALUE_ARRAY) return "batches are no part of MCP: send one message at a time";
    if (value_type(document) != VALUE_OBJECT) return "a message is an object";
    if (strcmp(value_get_string(document, "jsonrpc", ""), "2.0") != 0) return "\"jsonrpc\" must be \"2.0\"";
    const struct value *id = value_get(document, "id");
    if (id != NULL && !is_id(id)) return "\"id\" must be a string or an integer";
    if (value_get_string(document, "method", NULL) == NULL) return "\"method\" must be a string";
    return NULL;
}

/* A response to us, who never ask: nothing to do and nothing to say. */
static bool is_response(const struct value *document)
{
    return value_get(document, "method") == NULL &&
           (value_get(document, "result") != NULL || value_get(document, "error") != NULL);
}

bool jsonrpc_read(const char *text, size_t size, struct jsonrpc_request *out, struct value **out_refusal)
{
    *out = (struct jsonrpc_request){ 0 };
    *out_refusal = NULL;
    struct error error = { 0 };
    struct value *document = NULL;
    if (value_parse_json(text, size, &document, &error) != STATUS_OK) {
        *out_refusal = jsonrpc_error(NULL, JSONRPC_PARSE_ERROR, error.message, NULL);
        return false;
    }
    const struct value *id = value_get(document, "id");
    const char *fault = is_response(document) ? NULL : fault_of(document);
    const struct value *params = value_get(document, "params");
    bool usable = fault == NULL && !is_response(document);
    if (fault != NULL) {
        *out_refusal = jsonrpc_error(is_id(id) ? id : NULL, JSONRPC_INVALID_REQUEST, fault, NULL);
    } else if (usable && params != NULL && value_type(params) != VALUE_OBJECT) {
        usable = false;
        if (id != NULL)
            *out_refusal = jsonrpc_error(id, JSONRPC_INVALID_PARAMS, "\"params\" must be an object", NULL);
    }
    if (!usable) {
        value_free(&document);
        return false;
    }
    *out = (struct jsonrpc_request){
        .document = document,
        .id = id,
        .method = value_get_string(document, "method", NULL),
        .params = params,
    };
    return true;
}

void jsonrpc_fini(struct jsonrpc_request *request)
{
    value_free(&request->document);
    *request = (struct jsonrpc_request){ 0 };
}
