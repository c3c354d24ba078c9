/* client_socket: see the header.
 * Owns    its ROUTER and the asks that clients wait for (`open`).
 * Limits  OPEN_MAX asks in all and OPEN_PER_CLIENT_MAX a client, OPEN_BYTES_MAX of requests: beyond,
 * OVERLOADED; ANSWER_BYTES_MAX of answers that clients don't read: beyond, dropped and counted. */
#include "wire/zmq/client_socket.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/frame.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/mcp/jsonrpc.h"
#include "wire/proto/slice.pb-c.h"

#include <string.h>

enum {
    OPEN_MAX = 1024,
    OPEN_PER_CLIENT_MAX = 64,
    OPEN_BYTES_MAX = 64 * 1024 * 1024,
    ANSWER_BYTES_MAX = 64 * 1024 * 1024,
    TURN_MAX = 128,    /* Messages before other input has its turn. */
    UNREAD_MAX = 32,   /* Messages a client, up to 4 MiB each, that the library reads before we do. */
    UNSENT_MAX = 1000, /* Messages to a client that doesn't read. */
};

static const int64_t patience_default_ns = SECONDS(30);
static const int64_t patience_max_ns = SECONDS(600);
static const int64_t log_period_ns = SECONDS(1);
static const int64_t probe_period_ns = MILLISECONDS(500); /* Of clients whose calls are under way. */
#define PROBE_CORRELATION UINT64_MAX /* Of no request: what it comes back with is for nobody. */

struct requester { /* Who asked, and what its answer must carry. */
    struct socket_identity client;
    uint64_t client_hash;
    bool delimiter; /* A REQ: it is answered by exactly one message, and with its empty part. */
    uint64_t correlation;
    struct request_id request_id;
};

struct open_ask {
    struct open_ask *next;
    struct open_ask *previous;
    struct client_socket *clients;
    struct requester requester;
    struct bytes *text; /* Of JSON-RPC: for the id in it, should we have to answer ourselves. Else NULL. */
    size_t size;
    uint64_t tag; /* Not 0: a call, which is withdrawn by it (wire/local.h). */
};

struct client_socket {
    const struct socket_keys *keys;
    void *router;
    bool unsure;               /* Its descriptor may be silent of input (node_peer.h, struct input). */
    struct open_ask open;      /* Head of a ring. */
    struct map open_by_client; /* client_hash -> how many, as a pointer; none: not there. */
    uint32_t open_count;
    size_t open_bytes;
    struct socket_budget answers;
    uint64_t dropped;
    uint64_t dropped_logged;
    int64_t logged_ns;
    int64_t probed_ns;
};

/* --- life ----------------------------------------------------------------------------------------------- */

struct client_socket *client_socket_create(void *zmq, const struct socket_keys *keys)
{
    struct client_socket *clients = memory_zalloc(sizeof *clients);
    clients->keys = keys;
    clients->answers.max = ANSWER_BYTES_MAX;
    clients->open.next = clients->open.previous = &clients->open;
    clients->router = socket_io_create(zmq, ZMQ_ROUTER);
    clients->unsure = true;
    socket_io_set(clients->router, ZMQ_RCVHWM, UNREAD_MAX);
    socket_io_set(clients->router, ZMQ_SNDHWM, UNSENT_MAX);
    socket_io_set(clients->router, ZMQ_ROUTER_MANDATORY, 1); /* An answer to one who left is noticed. */
    return clients;
}

enum status client_socket_bind(struct client_socket *clients, const char *endpoint, struct error *error)
{
    return socket_io_bind(clients->router, endpoint, clients->keys, error);
}

void client_socket_close(struct client_socket *clients)
{
    if (clients != NULL) socket_io_close(&clients->router);
}

void *client_socket_handle(const struct client_socket *clients)
{
    return clients->router;
}

static uint32_t open_of(const struct client_socket *clients, uint64_t client_hash)
{
    return (uint32_t)(uintptr_t)map_get_number(&clients->open_by_client, client_hash);
}

static void set_open_of(struct client_socket *clients, uint64_t client_hash, uint32_t count)
{
    if (count == 0) (void)map_remove_number(&clients->open_by_client, client_hash);
    else (void)map_put_number(&clients->open_by_client, client_hash, (void *)(uintptr_t)count);
}

static struct open_ask *open_create(struct client_socket *clients, const struct requester *requester,
                                    size_t size)
{
    struct open_ask *ask = memory_alloc(sizeof *ask);
    *ask = (struct open_ask){ .clients = clients, .requester = *requester, .size = size };
    ask->next = &clients->open;
    ask->previous = clients->open.previous;
    ask->next->previous = ask->previous->next = ask;
    clients->open_count++;
    clients->open_bytes += size;
    set_open_of(clients, requester->client_hash, open_of(clients, requester->client_hash) + 1);
    return ask;
}

static void open_destroy(struct open_ask *ask)
{
    struct client_socket *clients = ask->clients;
    clients->open_count--;
    clients->open_bytes -= ask->size;
    set_open_of(clients, ask->requester.client_hash, open_of(clients, ask->requester.client_hash) - 1);
    ask->next->previous = ask->previous;
    ask->previous->next = ask->next;
    bytes_unref(&ask->text);
    memory_free(ask);
}

void client_socket_destroy(struct client_socket **clients)
{
    struct client_socket *gone = *clients;
    *clients = NULL;
    if (gone == NULL) return;
    while (gone->open.next != &gone->open)
        open_destroy(gone->open.next);
    map_fini(&gone->open_by_client);
    memory_free(gone);
}

/* --- answers -------------------------------------------------------------------------------------------- */

static void drop(struct client_socket *clients, struct actor *self, const char *reason)
{
    clients->dropped++;
    int64_t now_ns = actor_now_ns(self);
    if (clients->logged_ns != 0 && now_ns - clients->logged_ns < log_period_ns) return;
    log_warn(self, "client.dropped", "count=%llu: %s",
             (unsigned long long)(clients->dropped - clients->dropped_logged), reason);
    clients->dropped_logged = clients->dropped;
    clients->logged_ns = now_ns;
}

/* Takes the bytes. A client that has left is no event: it didn't want the answer. */
static void answer_bytes(struct client_socket *clients, struct actor *self, const struct requester *to,
                         struct bytes **answer)
{
    clients->unsure = true;
    enum status status =
        socket_io_send(clients->router, &to->client, to->delimiter, answer, &clients->answers);
    if (status == STATUS_OVERLOADED) drop(clients, self, "a client doesn't read its answers");
    bytes_unref(answer);
}

static void answer_message(struct client_socket *clients, struct actor *self, const struct requester *to,
                           const struct message *reply)
{
    struct bytes *frame = NULL;
    struct error error;
    if (frame_pack(reply, &frame, &error) != STATUS_OK) {
        struct message *refusal = wire_refusal_create(&error);
        enum status status = frame_pack(refusal, &frame, NULL);
        CHECK(status == STATUS_OK); /* Its texts are bounded. */
        message_destroy(&refusal);
    }
    frame_seal(frame, &(struct frame_header){ .protocol = PROTOCOL_MAX,
                                              .flags = FRAME_REPLY,
                                              .correlation = to->correlation,
                                              .request_id = to->request_id });
    answer_bytes(clients, self, to, &frame);
}

static void answer_error(struct client_socket *clients, struct actor *self, const struct requester *to,
                         const struct error *error)
{
    struct message *refusal = wire_refusal_create(error);
    answer_message(clients, self, to, refusal);
    message_destroy(&refusal);
}

/* The MCP server answers errors itself; this is for when it can't. A client finds an answer by its id, and a
 * notification, which has none, wants no answer; but a REQ waits for something. */
static void answer_text_error(struct client_socket *clients, struct actor *self, const struct requester *to,
                              const struct bytes *request, const struct error *error)
{
    struct value *id = jsonrpc_find_id((const char *)request->data, request->size);
    if (id == NULL && !to->delimiter) return;
    struct text message = { 0 };
    text_printf(&message, "%s: %s", status_name(error->status), error->message);
    struct value *response = jsonrpc_error(id, status_json_rpc(error->status), text_string(&message), NULL);
    char *dump = value_dump(response);
    struct bytes *answer = bytes_copy(dump, strlen(dump));
    memory_free(dump);
    value_free(&response);
    value_free(&id);
    text_fini(&message);
    answer_bytes(clients, self, to, &answer);
}

/* --- asks ----------------------------------------------------------------------------------------------- */

static enum status check_room(const struct client_socket *clients, const struct requester *requester,
                              size_t size, struct error *error)
{
    uint32_t count = open_of(clients, requester->client_hash);
    if (count >= OPEN_PER_CLIENT_MAX)
        return error_set(error, STATUS_OVERLOADED, "this client has %u requests without an answer", count);
    if (clients->open_count >= OPEN_MAX || clients->open_bytes + size > OPEN_BYTES_MAX)
        return error_set(error, STATUS_OVERLOADED, "this node has %u requests without an answer",
                         clients->open_count);
    return STATUS_OK;
}

/* A node starts its sockets before who answers and stops them after: then NOT_FOUND says that nobody took the
 * request, and not that what the client named is absent. The gateway may be there and whom it handed the
 * request to gone: then the runtime said so, which names nothing; a command's own NOT_FOUND always does. */
static void tell_nobody(const struct actor *self, uint32_t target, struct error *error)
{
    bool names_nothing = strcmp(error->message, status_text(STATUS_NOT_FOUND)) == 0;
    bool nobody = names_nothing || !actor_id_is_set(actor_find(self, target));
    if (error->status != STATUS_NOT_FOUND || !nobody) return;
    (void)error_set(error, STATUS_NODE_LOST, "this node starts or stops; nothing was begun");
}

static void on_answered(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct open_ask *ask = context;
    if (result->status == STATUS_OK) {
        answer_message(ask->clients, self, &ask->requester, result->message);
    } else {
        struct error error = *result->error;
        tell_nobody(self, TO_COMMAND_GATEWAY, &error);
        answer_error(ask->clients, self, &ask->requester, &error);
    }
    open_destroy(ask);
}

static int64_t patience_ns(uint32_t budget_ms)
{
    int64_t patience = MILLISECONDS(budget_ms);
    if (patience == 0) return patience_default_ns;
    return patience < patience_max_ns ? patience : patience_max_ns;
}

static enum status check_frame(const uint8_t *data, size_t size, struct frame_header *out_header,
                               struct error *error)
{
    enum status status = frame_parse(data, size, out_header, error);
    if (status != STATUS_OK) return status;
    if (out_header->protocol < PROTOCOL_MIN || out_header->protocol > PROTOCOL_MAX)
        return error_set(error, STATUS_VERSION_MISMATCH, "protocol %u; this node speaks %d to %d",
                         out_header->protocol, PROTOCOL_MIN, PROTOCOL_MAX);
    const struct kind_row *row = kind_find(out_header->kind);
    if (row == NULL) return error_set(error, STATUS_INVALID, "kind %u is not known here", out_header->kind);
    if ((row->flags & KIND_FROM_CLIENT) == 0 || (out_header->flags & FRAME_REPLY) != 0)
        return error_set(error, STATUS_INVALID, "%s is no request of clients", row->name);
    return STATUS_OK;
}

/* What the store's actors answer goes to the gateway on their thread. */
static uint32_t gateway_for(const struct actor *self, uint32_t kind)
{
    uint32_t receiver = kind_find(kind)->receiver;
    bool is_stores = receiver == TO_PROPOSER || receiver == TO_STATE;
    return is_stores && actor_id_is_set(actor_find(self, TO_STORE_GATEWAY)) ? TO_STORE_GATEWAY
                                                                            : TO_COMMAND_GATEWAY;
}

/* --- withdrawn calls ------------------------------------------------------------------------------------ */

/* Nobody else's: the connection in the upper half (slice_call tells its clients apart by it), the request in
 * the lower one. */
static uint64_t tag_of(const struct requester *requester, uint64_t correlation)
{
    uint64_t connection = requester->client_hash >> 32 | 1; /* Never 0. */
    return connection << 32 | (correlation & UINT32_MAX);
}

static void withdraw(struct actor *self, uint64_t tag)
{
    struct message *message = message_create(KIND_CALL_WITHDRAWN, sizeof(struct call_withdrawn));
    ((struct call_withdrawn *)message->body)->tag = tag;
    actor_tell_name(self, TO_SLICE_CALL, &message);
}

/* Is the client still there? A router that is told to be strict says so when it is sent something. */
static bool is_there(struct client_socket *clients, const struct requester *requester)
{
    struct bytes *frame = NULL;
    struct message *pong = wire_message_create(KIND_PONG);
    enum status status = frame_pack(pong, &frame, NULL);
    CHECK(status == STATUS_OK); /* It is empty. */
    message_destroy(&pong);
    frame_seal(frame, &(struct frame_header){
                          .protocol = PROTOCOL_MAX, .flags = FRAME_REPLY, .correlation = PROBE_CORRELATION });
    clients->unsure = true;
    status = socket_io_send(clients->router, &requester->client, false, &frame, &clients->answers);
    bytes_unref(&frame);
    return status != STATUS_NODE_LOST;
}

/* A REQ takes one message for its answer, whatever it is: those are left in peace. */
void client_socket_on_tick(struct client_socket *clients, struct actor *self)
{
    clients->unsure = true; /* Should a descriptor have kept silent after all, it was no longer than this. */
    if (clients->open_count == 0 || actor_now_ns(self) - clients->probed_ns < probe_period_ns) return;
    clients->probed_ns = actor_now_ns(self);
    for (struct open_ask *ask = clients->open.next; ask != &clients->open; ask = ask->next) {
        if (ask->tag == 0 || ask->requester.delimiter || is_there(clients, &ask->requester)) continue;
        withdraw(self, ask->tag);
        ask->tag = 0;
    }
}

/* --- requests ------------------------------------------------------------------------------------------- */

static void on_frame(struct client_socket *clients, struct actor *self, struct requester *requester,
                     const uint8_t *data, size_t size)
{
    struct frame_header header = { 0 };
    struct message *message = NULL;
    struct error error;
    enum status status = check_frame(data, size, &header, &error);
    requester->correlation = header.correlation;
    requester->request_id = header.request_id;
    if (status == STATUS_OK) status = check_room(clients, requester, size, &error);
    if (status == STATUS_OK) status = frame_decode(data, size, &header, &message, &error);
    if (status != STATUS_OK) {
        answer_error(clients, self, requester, &error);
        return;
    }
    message->from_replica = 0; /* Clients are no replicas, whatever they say. */
    if (header.kind == KIND_CALL_WITHDRAW) {
        withdraw(self, tag_of(requester, ((const Pb__CallWithdraw *)message->body)->correlation));
        message_destroy(&message);
        return;
    }
    struct open_ask *ask = open_create(clients, requester, size);
    if (header.kind == KIND_CALL_REQUEST) message->tag = ask->tag = tag_of(requester, header.correlation);
    actor_ask_name(self, gateway_for(self, header.kind), &message, patience_ns(header.budget_ms), on_answered,
                   ask);
}

static void on_text_answered(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct open_ask *ask = context;
    if (result->status != STATUS_OK) {
        struct error error = *result->error;
        tell_nobody(self, TO_MCP_SERVER, &error);
        answer_text_error(ask->clients, self, &ask->requester, ask->text, &error);
    } else if (result->message->attachment != NULL || ask->requester.delimiter) {
        struct bytes *answer = bytes_ref(result->message->attachment);
        if (answer == NULL) answer = bytes_create(0); /* A REQ waits for something. */
        answer_bytes(ask->clients, self, &ask->requester, &answer);
    }
    open_destroy(ask);
}

static void on_text(struct client_socket *clients, struct actor *self, const struct requester *requester,
                    const uint8_t *data, size_t size)
{
    struct error error;
    struct bytes *text = bytes_copy(data, size);
    if (check_room(clients, requester, size, &error) != STATUS_OK) {
        answer_text_error(clients, self, requester, text, &error);
        bytes_unref(&text);
        return;
    }
    struct message *message = message_create(KIND_MCP_REQUEST, sizeof(struct mcp_request));
    ((struct mcp_request *)message->body)->client = requester->client_hash;
    struct open_ask *ask = open_create(clients, requester, size);
    ask->text = bytes_ref(text);
    message_attach(message, &text);
    actor_ask_name(self, TO_MCP_SERVER, &message, patience_max_ns, on_text_answered, ask);
}

/* --- input ---------------------------------------------------------------------------------------------- */

static void on_message(struct client_socket *clients, struct actor *self, struct socket_message *message)
{
    const uint8_t *data = socket_io_data(message);
    size_t size = socket_io_size(message);
    struct requester requester = { .client = message->from, .delimiter = message->delimiter };
    requester.client_hash = hash64(message->from.data, message->from.size, 0);
    if (message->from.size == 0) drop(clients, self, "a message without a sender");
    else if (size > 0 && (data[0] == '{' || data[0] == '[')) on_text(clients, self, &requester, data, size);
    else on_frame(clients, self, &requester, data, size);
}

void client_socket_on_input(struct client_socket *clients, struct actor *self)
{
    struct socket_message message;
    int taken = 0;
    clients->unsure = false; /* Unless we send while we read. */
    for (; taken < TURN_MAX && socket_io_receive(clients->router, true, &message); taken++) {
        on_message(clients, self, &message);
        socket_io_message_fini(&message);
    }
    if (taken == TURN_MAX) clients->unsure = true;
}

bool client_socket_has_input(struct client_socket *clients)
{
    clients->unsure = clients->unsure && socket_io_has_input(clients->router);
    return clients->unsure;
}
