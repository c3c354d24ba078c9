/* protocol: the Model Context Protocol as a step function, without I/O: a text in; an answer, a tool call to
 * carry out, or nothing out. Serves both eras side by side (docs/decisions/0007-mcp-eras.md): the one that
 * opens with `initialize` (2025-11-25) and the stateless one, whose every request carries its version and
 * client in
 * `_meta` (2026-07-28; `server/discover`). */
#ifndef AETHER_WIRE_MCP_PROTOCOL_H
#define AETHER_WIRE_MCP_PROTOCOL_H

#include "wire/mcp/jsonrpc.h"

#define MCP_VERSION_SESSION   "2025-11-25"
#define MCP_VERSION_STATELESS "2026-07-28"

/* In `_meta`, ours: a bridge says on whose behalf it speaks where the client itself says so only once. */
#define MCP_META_PRINCIPAL "dev.aether/principal"

enum { MCP_UNSUPPORTED_VERSION = -32022, MCP_PRINCIPAL_MAX = 128 };

struct mcp_server_facts {      /* Borrowed by every step. */
    const char *version;       /* Of the program. */
    const char *instructions;  /* For the model behind the client. */
    const struct value *tools; /* An array of tools, as tools/list gives them. */
};

/* What a connection's `initialize` said; zeroed before. The stateless era never reads or writes it. */
struct mcp_session {
    char principal[MCP_PRINCIPAL_MAX]; /* clientInfo.name; "" = none yet. */
};

enum mcp_action {
    MCP_ANSWER, /* `answer` goes back. */
    MCP_SILENT, /* Nothing goes back. */
    MCP_CALL,   /* Carry out `tool` with `arguments`, then answer mcp_tool_result or mcp_tool_unknown. */
    MCP_CANCEL, /* The request named by `cancelled` isn't waited for any more. */
};

struct mcp_step {
    enum mcp_action action;
    struct value *answer;              /* MCP_ANSWER. */
    struct jsonrpc_request request;    /* Owns the borrowed pointers below. */
    bool stateless;                    /* The era of this request. */
    const char *tool;                  /* MCP_CALL. */
    const struct value *arguments;     /* MCP_CALL: an object, or NULL: none. */
    const struct value *cancelled;     /* MCP_CANCEL: a request id. */
    char principal[MCP_PRINCIPAL_MAX]; /* Who asks: "" = they didn't say. */
};

/* Outside input. `out_step` is the caller's (mcp_step_fini). */
void mcp_step(const struct mcp_server_facts *facts, struct mcp_session *session, const char *text,
              size_t size, struct mcp_step *out_step);
void mcp_step_fini(struct mcp_step *step);

/* Answers to MCP_CALL. `content` (an object) is taken; a failure is content too: {"error":{…}}. */
struct value *mcp_tool_result(const struct mcp_server_facts *facts, const struct mcp_step *step,
                              struct value *content, bool is_error);
struct value *mcp_tool_unknown(const struct mcp_step *step);

#endif
