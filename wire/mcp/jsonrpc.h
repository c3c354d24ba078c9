/* jsonrpc: one JSON-RPC 2.0 message in, one out, with what both revisions of MCP narrow: no batches, an id is
 * a string or an integer and never null, params is an object. */
#ifndef AETHER_WIRE_MCP_JSONRPC_H
#define AETHER_WIRE_MCP_JSONRPC_H

#include "wire/json/value.h"

enum jsonrpc_code {
    JSONRPC_PARSE_ERROR = -32700,
    JSONRPC_INVALID_REQUEST = -32600,
    JSONRPC_METHOD_NOT_FOUND = -32601,
    JSONRPC_INVALID_PARAMS = -32602,
    JSONRPC_INTERNAL_ERROR = -32603,
};

struct jsonrpc_request {
    struct value *document; /* Owns what follows. */
    const struct value *id; /* NULL: a notification, which is never answered. */
    const char *method;
    const struct value *params; /* NULL: none. */
};

/* Outside input. false: `*out_refusal` is the error response to send (the caller's), or NULL where there is
 * nothing to answer (a response to something that we never asked). */
bool jsonrpc_read(const char *text, size_t size, struct jsonrpc_request *out, struct value **out_refusal);
void jsonrpc_fini(struct jsonrpc_request *request);

/* The id of a message, whole or broken: the member "id" of the outermost object, found by brackets and quotes
 * alone, for who must refuse what it can't or needn't read. The caller's; NULL: none that is usable. */
struct value *jsonrpc_find_id(const char *text, size_t size);

/* Responses. `id` is borrowed; `result` and `data` (may be NULL) are taken. An error's `id` may be NULL,
 * where it could not be read: the response then has none, as MCP's schema has it. JSON-RPC's own `null` is
 * refused by MCP's official clients, who would never see why. */
struct value *jsonrpc_result(const struct value *id, struct value *result);
struct value *jsonrpc_error(const struct value *id, int code, const char *message, struct value *data);

#endif
