/* mcp_server: answers JSON-RPC texts; tool calls go the way of every command, through the gateway. Before a
 * tool changes the cluster, the agent who called it must hold the lease `agent` (product.md section 8): one
 * log entry grants or renews it, so that no two agents change things at a time whatever node each speaks to.
 * Learns  nothing: the lease is asked for each time, because a person may have ended it meanwhile.
 * Owns    what each connection's `initialize` said, and the calls in flight, each owed exactly one answer.
 * Limits  CALLS_MAX calls in flight, then OVERLOADED; SESSIONS_MAX connections remembered, the oldest
 * forgotten. */
#include "actors/gateway/mcp_server.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/command/document.h"
#include "wire/command/schema.h"
#include "wire/local.h"
#include "wire/mcp/protocol.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/codec.h"
#include "wire/proto/gateway.pb-c.h"
#include "wire/proto/store.pb-c.h"

#include <string.h>

enum { CALLS_MAX = 256, SESSIONS_MAX = 256, LEASE_MS = 60000 };

static const char lease_name[] = "agent";
static const char default_principal[] = "local-agent";
static const char instructions[] =
    "Aether runs slices on a cluster of nodes. Start with cluster_status, node_list and slice_list. Publish "
    "what "
    "should run with blueprint_publish; it waits until every instance is ACTIVE. The first tool that changes "
    "something takes the agent lease: only one agent may change the cluster at a time; end with "
    "agent_release.";
static const int64_t call_ns = SECONDS(30);
static const int64_t long_call_ns = SECONDS(300); /* Where the command waits for an outcome. */
static const int64_t lease_ns = SECONDS(10);

struct session {
    uint64_t client; /* 0 = free. */
    uint64_t used;   /* Larger = later. */
    struct mcp_session said;
};

struct call {
    struct call *next;
    struct mcp_server *server;
    struct message *request; /* Kept: owed one MCP_REPLY. */
    uint64_t client;
    struct mcp_step step; /* Owns the JSON-RPC request. */
    const struct command *command;
    struct message *command_request; /* Ours until it is sent. */
    bool cancelled;
    uint64_t tag; /* Of a call of a slice: by which it is withdrawn. */
};

struct mcp_server {
    struct value *tools;
    struct mcp_server_facts facts;
    struct session sessions[SESSIONS_MAX];
    uint64_t uses;
    struct call *calls; /* Newest first. */
    uint32_t call_count;
};

/* --- answers ------------------------------------------------------------------------------------------ */
/* `answer` is taken; NULL: nothing to say. */
static void reply(struct actor *self, const struct message *request, struct value *answer)
{
    struct message *message = message_create(KIND_MCP_REPLY, 0);
    if (answer != NULL) {
        char *dump = value_dump(answer);
        struct bytes *bytes = bytes_copy(dump, strlen(dump));
        message_attach(message, &bytes);
        memory_free(dump);
        value_free(&answer);
    }
    actor_reply(self, request, &message);
}

static void free_call(struct call *call)
{
    struct mcp_server *server = call->server;
    struct call **link = &server->calls;
    while (*link != call)
        link = &(*link)->next;
    *link = call->next;
    CHECK(server->call_count > 0);
    server->call_count--;
    if (call->command_request != NULL) message_destroy(&call->command_request);
    message_destroy(&call->request);
    mcp_step_fini(&call->step);
    memory_free(call);
}

/* `content` is taken. A cancelled call's answer goes nowhere (both revisions: cancellation). */
static void end_call(struct actor *self, struct call *call, struct value *content, bool is_error)
{
    struct value *answer = mcp_tool_result(&call->server->facts, &call->step, content, is_error);
    if (call->cancelled) value_free(&answer);
    reply(self, call->request, answer);
    free_call(call);
}

static void fail_call(struct actor *self, struct call *call, const struct error *error)
{
    end_call(self, call, document_from_error(error), true);
}

/* --- the command itself ------------------------------------------------------------------------------- */
static void on_command_done(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct call *call = context;
    if (result->status != STATUS_OK) {
        fail_call(self, call, result->error);
        return;
    }
    struct value *document = document_from_reply(call->command, result->message->body);
    const struct value *details = NULL;
    struct error error;
    if (!document_is_failure(call->command, document, &error, &details)) {
        end_call(self, call, document, false);
        return;
    }
    end_call(self, call, document_from_failure(&error, details), true);
    value_free(&document);
}

static const char *principal_of(const struct call *call)
{
    return call->step.principal[0] != '\0' ? call->step.principal : default_principal;
}

static void run_command(struct actor *self, struct call *call)
{
    struct message *message = wire_message_create(KIND_GATEWAY_FORWARD);
    const void *body = call->command_request->body;
    Pb__GatewayForward *forward = message->body;
    forward->kind = call->command->request;
    forward->request.len = codec_size(body);
    forward->request.data = arena_alloc(&message->arena, forward->request.len + 1);
    codec_pack(body, forward->request.data);
    forward->principal = wire_string(message, principal_of(call));
    bool waits = (call->command->flags & COMMAND_WAITS) != 0;
    message->tag = call->tag;
    actor_ask_name(self, TO_COMMAND_GATEWAY, &message, waits ? long_call_ns : call_ns, on_command_done, call);
}

/* --- the agent lease ---------------------------------------------------------------------------------- */
/* The store's refusal names the holder and the time left. */
static void refuse_for_holder(struct actor *self, struct call *call, const char *message)
{
    struct error error;
    error_set(&error, STATUS_DENIED, "only one agent may change the cluster at a time: %s", message);
    error_hint(&error, "read on, or wait; `aether agent release` ends the other agent's lease");
    fail_call(self, call, &error);
}

static void on_lease(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct call *call = context;
    const Pb__ProposeReply *granted = result->status == STATUS_OK ? result->message->body : NULL;
    if (granted != NULL && granted->status == STATUS_OK) {
        run_command(self, call);
    } else if (granted != NULL) {
        refuse_for_holder(self, call, granted->message);
    } else if (result->status == STATUS_CONFLICT) {
        refuse_for_holder(self, call, result->error->message);
    } else {
        struct error error = *result->error;
        error_wrap(&error, "the agent lease can't be taken");
        fail_call(self, call, &error);
    }
}

/* Granted when it is free or ours already: then this renews it. */
static void take_lease(struct actor *self, struct call *call)
{
    struct message *message = wire_message_create(KIND_PROPOSE_REQUEST);
    struct arena *arena = &message->arena;
    Pb__OpLeaseGrant *grant = codec_create(arena, &pb__op_lease_grant__descriptor);
    grant->name = wire_string(message, lease_name);
    grant->holder = wire_string(message, principal_of(call));
    grant->ttl_ms = LEASE_MS;
    Pb__Operation *operation = codec_create(arena, &pb__operation__descriptor);
    operation->op_case = PB__OPERATION__OP_LEASE_GRANT;
    operation->lease_grant = grant;
    Pb__Command *command = codec_create(arena, &pb__command__descriptor);
    command->origin = PB__ORIGIN__ORIGIN_SYSTEM;
    command->principal = wire_string(message, principal_of(call));
    command->n_success = 1;
    command->success = arena_array(arena, 1, sizeof(Pb__Operation *));
    command->success[0] = operation;
    Pb__ProposeRequest *propose = message->body;
    propose->command = command;
    propose->retry = true;
    actor_ask_name(self, TO_PROPOSER, &message, lease_ns, on_lease, call);
}

/* --- tool calls --------------------------------------------------------------------------------------- */
static enum status read_arguments(struct call *call, struct error *error)
{
    const struct value *given = call->step.arguments;
    struct value *arguments = given != NULL ? value_clone(given) : value_new_object();
    document_arguments(call->command, arguments);
    enum status status = document_to_request(call->command, arguments, &call->command_request, error);
    value_free(&arguments);
    return status;
}

static void start_call(struct actor *self, struct call *call)
{
    struct error error;
    if (read_arguments(call, &error) != STATUS_OK) {
        fail_call(self, call, &error);
        return;
    }
    if (call->command->request == KIND_AGENT_RELEASE_REQUEST) {
        /* An agent ends its own lease; somebody else's is for people to end. */
        Pb__AgentReleaseRequest *release = call->command_request->body;
        release->holder = wire_string(call->command_request, principal_of(call));
        run_command(self, call);
    } else if ((call->command->flags & COMMAND_CHANGES) != 0) {
        take_lease(self, call);
    } else {
        run_command(self, call);
    }
}

/* Takes `step`. */
static void on_call(struct actor *self, struct mcp_server *server, const struct message *message,
                    struct mcp_step *step)
{
    const struct mcp_request *from = message->body;
    const struct command *command = command_find_tool(step->tool);
    if (command == NULL) {
        reply(self, message, mcp_tool_unknown(step));
        mcp_step_fini(step);
        return;
    }
    struct call *call = memory_zalloc(sizeof *call);
    call->server = server;
    call->client = from->client;
    call->command = command;
    call->tag = (command->flags & COMMAND_CALLS) == 0 ? 0 : actor_random(self) | 1;
    call->step = *step;
    *step = (struct mcp_step){ 0 };
    call->request = actor_keep(self);
    call->next = server->calls;
    server->calls = call;
    if (server->call_count++ < CALLS_MAX) {
        start_call(self, call);
        return;
    }
    struct error error;
    error_set(&error, STATUS_OVERLOADED, "%d tool calls are in flight on this node", CALLS_MAX);
    fail_call(self, call, &error);
}

static void withdraw(struct actor *self, const struct call *call)
{
    struct message *message = message_create(KIND_CALL_WITHDRAWN, sizeof(struct call_withdrawn));
    ((struct call_withdrawn *)message->body)->tag = call->tag;
    actor_tell_name(self, TO_SLICE_CALL, &message);
}

/* Cancellation frees the caller, not the cluster: a change that was asked for may still happen. The call of a
 * slice is withdrawn. */
static void on_cancel(struct actor *self, struct mcp_server *server, uint64_t client, const struct value *id)
{
    for (struct call *call = server->calls; call != NULL; call = call->next) {
        if (call->cancelled || call->client != client || !value_equal(call->step.request.id, id)) continue;
        call->cancelled = true;
        if (call->tag != 0) withdraw(self, call);
    }
}

/* --- requests ----------------------------------------------------------------------------------------- */
static struct mcp_session *session_of(struct mcp_server *server, uint64_t client)
{
    struct session *oldest = &server->sessions[0];
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *session = &server->sessions[i];
        if (session->client == client && session->used != 0) {
            session->used = ++server->uses;
            return &session->said;
        }
        if (session->used < oldest->used) oldest = session;
    }
    *oldest = (struct session){ .client = client, .used = ++server->uses };
    return &oldest->said;
}

static void on_mcp_request(struct actor *self, void *state, const struct message *message)
{
    struct mcp_server *server = state;
    const struct mcp_request *from = message->body;
    const struct bytes *text = message->attachment;
    struct mcp_step step;
    mcp_step(&server->facts, session_of(server, from->client), text == NULL ? "" : (const char *)text->data,
             text == NULL ? 0 : text->size, &step);
    switch (step.action) {
    case MCP_CALL: on_call(self, server, message, &step); return;
    case MCP_CANCEL: on_cancel(self, server, from->client, step.cancelled); break;
    case MCP_ANSWER:
    case MCP_SILENT: break;
    }
    struct value *answer = step.answer;
    step.answer = NULL;
    reply(self, message, answer);
    mcp_step_fini(&step);
}

static enum status mcp_server_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)options, (void)error;
    struct mcp_server *server = state;
    server->tools = value_new_array();
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        value_append(server->tools, schema_tool(command));
    server->facts = (struct mcp_server_facts){ .version = AETHER_VERSION,
                                               .instructions = instructions,
                                               .tools = server->tools };
    return STATUS_OK;
}

static void mcp_server_fini(void *state)
{
    struct mcp_server *server = state;
    while (server->calls != NULL)
        free_call(server->calls);
    value_free(&server->tools);
}

static const struct behavior_row rows[] = {
    { KIND_MCP_REQUEST, on_mcp_request },
};
const struct behavior mcp_server_behavior = {
    .name = "mcp_server",
    .state_size = sizeof(struct mcp_server),
    .home = ACTOR_POOLED,
    .init = mcp_server_init,
    .fini = mcp_server_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
