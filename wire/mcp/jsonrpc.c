/* jsonrpc: see the header. */
#include "wire/mcp/jsonrpc.h"

#include "runtime/base/check.h"

#include <string.h>

struct value *jsonrpc_result(const struct value *id, struct value *result)
{
    CHECK(id != NULL);
    struct value *response = value_new_object();
    value_set_string(response, "jsonrpc", "2.0");
    value_set(response, "id", value_clone(id));
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
    if (id != NULL) value_set(response, "id", value_clone(id));
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

/* --- the id of what can't be read ------------------------------------------------------------------------
 * Much that the reader refuses is JSON still: U+0000, half a surrogate pair, an integer beyond 64 bits, a
 * document too deep or too large. A client waits for the answer to its id, so an answer without it is none:
 * the id is looked for in the text itself. */
static size_t skip_space(const char *text, size_t size, size_t at)
{
    while (at < size && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n'))
        at++;
    return at;
}

/* Past the closing quote of the string that opens at `at`, or `size`. */
static size_t skip_string(const char *text, size_t size, size_t at)
{
    for (at++; at < size; at++) {
        if (text[at] == '\\') at++;
        else if (text[at] == '"') return at + 1;
    }
    return size;
}

/* Past the string or number at `at`. */
static size_t skip_id(const char *text, size_t size, size_t at)
{
    if (at < size && text[at] == '"') return skip_string(text, size, at);
    while (at < size && (text[at] == '-' || (text[at] >= '0' && text[at] <= '9')))
        at++;
    return at;
}

/* NULL: no id there, or one cut off, which would be somebody else's. */
static struct value *id_at(const char *text, size_t size, size_t at)
{
    size_t end = skip_id(text, size, at);
    if (end >= size || strchr(",} \t\r\n", text[end]) == NULL) return NULL;
    struct value *id = NULL;
    if (value_parse_json(text + at, end - at, &id, NULL) != STATUS_OK) return NULL;
    if (!is_id(id)) value_free(&id);
    return id;
}

struct value *jsonrpc_find_id(const char *text, size_t size)
{
    static const char key[] = "\"id\"";
    size_t depth = 0;
    for (size_t at = 0; at < size;) {
        if (text[at] != '"') {
            if (text[at] == '{' || text[at] == '[') depth++;
            else if ((text[at] == '}' || text[at] == ']') && depth > 0) depth--;
            at++;
            continue;
        }
        size_t end = skip_string(text, size, at);
        size_t colon = skip_space(text, size, end);
        bool is_key = depth == 1 && end - at == sizeof key - 1 && memcmp(text + at, key, end - at) == 0;
        if (is_key && colon < size && text[colon] == ':')
            return id_at(text, size, skip_space(text, size, colon + 1));
        at = end;
    }
    return NULL;
}

/* --- reading ------------------------------------------------------------------------------------------- */
bool jsonrpc_read(const char *text, size_t size, struct jsonrpc_request *out, struct value **out_refusal)
{
    *out = (struct jsonrpc_request){ 0 };
    *out_refusal = NULL;
    struct error error = { 0 };
    struct value *document = NULL;
    if (value_parse_json(text, size, &document, &error) != STATUS_OK) {
        struct value *id = jsonrpc_find_id(text, size);
        *out_refusal = jsonrpc_error(id, JSONRPC_PARSE_ERROR, error.message, NULL);
        value_free(&id);
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
