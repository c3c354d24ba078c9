/* client: see the header. A DEALER and the monitor of its connection; the monitor tells "nobody there" from
 * "slow". Time is the library's stopwatch: this runs in programs that have no clock port. */
#include "wire/zmq/client.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "wire/frame.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"
#include "wire/zmq/socket_io.h"

#include <errno.h>
#include <string.h>

enum { ENDPOINT_MAX = 256, BUDGET = 64 * 1024 * 1024 };
#define PING_CORRELATION UINT64_MAX /* Of no request. */

struct client {
    char endpoint[ENDPOINT_MAX];
    void *zmq;
    void *socket;
    void *monitor;
    struct socket_budget budget;
    uint64_t correlation;
    bool connected;
    bool lost;  /* Since the last client_wait or client_ask looked. */
    bool heard; /* Since client_heard looked. */
};

/* --- waiting -------------------------------------------------------------------------------------------- */

static int64_t left_ns(void *stopwatch, int64_t timeout_ns)
{
    if (timeout_ns < 0) return -1;
    int64_t passed = MICROSECONDS((int64_t)zmq_stopwatch_intermediate(stopwatch));
    return passed >= timeout_ns ? 0 : timeout_ns - passed;
}

static long round_up_ms(int64_t ns)
{
    return ns < 0 ? -1 : (long)((ns + MILLISECONDS(1) - 1) / MILLISECONDS(1));
}

static void read_events(struct client *client)
{
    for (uint16_t event; socket_io_next_event(client->monitor, &event);) {
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) client->connected = true;
        if (event == ZMQ_EVENT_DISCONNECTED) {
            client->connected = false;
            client->lost = true;
        }
    }
}

/* Returns whether there is input on the socket; true too when `fd` is readable (told in *out_fd). */
static void wait_input(struct client *client, int fd, int64_t timeout_ns, bool *out_input, bool *out_fd)
{
    zmq_pollitem_t items[] = {
        { .socket = client->socket, .events = ZMQ_POLLIN },
        { .socket = client->monitor, .events = ZMQ_POLLIN },
        { .fd = fd, .events = ZMQ_POLLIN },
    };
    int ready = zmq_poll(items, fd < 0 ? 2 : 3, round_up_ms(timeout_ns));
    read_events(client);
    *out_input = ready > 0 && (items[0].revents & ZMQ_POLLIN) != 0;
    *out_fd = ready > 0 && fd >= 0 && items[2].revents != 0; /* An error shows when it is read. */
}

/* --- life ----------------------------------------------------------------------------------------------- */

void client_close(struct client **client)
{
    struct client *gone = *client;
    *client = NULL;
    if (gone == NULL) return;
    socket_io_unmonitor(gone->socket, &gone->monitor);
    socket_io_close(&gone->socket);
    while (zmq_ctx_term(gone->zmq) != 0 && zmq_errno() == EINTR) {
    }
    memory_free(gone);
}

static enum status wait_connected(struct client *client, int64_t timeout_ns, struct error *error)
{
    void *stopwatch = zmq_stopwatch_start();
    int64_t left = timeout_ns;
    for (; !client->connected && left != 0; left = left_ns(stopwatch, timeout_ns)) {
        bool input;
        bool unused_fd;
        wait_input(client, -1, left, &input, &unused_fd);
    }
    (void)zmq_stopwatch_stop(stopwatch);
    if (client->connected) return STATUS_OK;
    enum status status = error_set(error, STATUS_NO_LEADER, "no node answers at %s", client->endpoint);
    error_hint(error, "start a node, or name another endpoint with --endpoint or AETHER_ENDPOINT");
    return status;
}

enum status client_open(const char *endpoint, int64_t timeout_ns, struct client **out_client,
                        struct error *error)
{
    if (strlen(endpoint) >= ENDPOINT_MAX)
        return error_set(error, STATUS_INVALID, "an endpoint of more than %d characters", ENDPOINT_MAX - 1);
    struct client *client = memory_zalloc(sizeof *client);
    memcpy(client->endpoint, endpoint, strlen(endpoint));
    client->budget.max = BUDGET;
    client->zmq = zmq_ctx_new();
    CHECK(client->zmq != NULL);
    client->socket = socket_io_create(client->zmq, ZMQ_DEALER);
    client->monitor = socket_io_monitor(client->zmq, client->socket, "client",
                                        ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
    enum status status = socket_io_connect(client->socket, endpoint, NULL, error);
    if (status == STATUS_OK) status = wait_connected(client, timeout_ns, error);
    if (status == STATUS_OK) *out_client = client;
    else client_close(&client);
    return status;
}

/* --- commands ------------------------------------------------------------------------------------------- */

static enum status send_bytes(struct client *client, struct bytes **frame, struct error *error)
{
    /* The library may take a message for a connection whose end it has reported already. */
    read_events(client);
    if (!client->connected)
        return error_set(error, STATUS_NODE_LOST, "the node at %s went away; nothing was sent",
                         client->endpoint);
    enum status status = socket_io_send(client->socket, NULL, false, frame, &client->budget);
    if (status == STATUS_OK) return STATUS_OK;
    return error_set(error, status, "%s takes no more just now", client->endpoint);
}

static enum status send_request(struct client *client, struct message **request, uint64_t correlation,
                                int64_t timeout_ns, struct error *error)
{
    struct bytes *frame = NULL;
    enum status status = frame_pack(*request, &frame, error);
    struct request_id request_id = (*request)->request_id;
    message_destroy(request);
    if (status != STATUS_OK) return status;
    int64_t budget_ms = timeout_ns < 0 ? 0 : round_up_ms(timeout_ns);
    frame_seal(frame, &(struct frame_header){
                          .protocol = PROTOCOL_MAX,
                          .correlation = correlation,
                          .request_id = request_id,
                          .budget_ms = budget_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)budget_ms,
                      });
    status = send_bytes(client, &frame, error);
    bytes_unref(&frame);
    return status;
}

/* OK with *out_reply NULL: this was the answer to something earlier. */
static enum status read_reply(struct client *client, struct socket_message *input, struct message **out_reply,
                              struct error *error)
{
    const uint8_t *data = socket_io_data(input);
    size_t size = socket_io_size(input);
    struct frame_header header;
    enum status status = frame_parse(data, size, &header, error);
    if (status != STATUS_OK) return error_wrap(error, "the answer of %s", client->endpoint);
    if (header.correlation != client->correlation || (header.flags & FRAME_REPLY) == 0) return STATUS_OK;
    status = frame_decode(data, size, &header, out_reply, error);
    if (status != STATUS_OK) return error_wrap(error, "the answer of %s", client->endpoint);
    if ((*out_reply)->kind != KIND_REFUSAL) return STATUS_OK;
    struct error refusal;
    wire_refusal_read(*out_reply, &refusal);
    message_destroy(out_reply);
    if (error != NULL) *error = refusal;
    return refusal.status;
}

enum status client_receive(struct client *client, struct message **out_reply, struct error *error)
{
    struct message *reply = NULL;
    struct socket_message message;
    while (reply == NULL && socket_io_receive(client->socket, false, &message)) {
        client->heard = true;
        enum status status = read_reply(client, &message, &reply, error);
        socket_io_message_fini(&message);
        if (status != STATUS_OK) return status;
    }
    *out_reply = reply;
    return STATUS_OK;
}

static enum status await_reply(struct client *client, int64_t timeout_ns, struct message **out_reply,
                               struct error *error)
{
    void *stopwatch = zmq_stopwatch_start();
    enum status status;
    for (;;) {
        status = client_receive(client, out_reply, error);
        if (status != STATUS_OK || *out_reply != NULL) break;
        int64_t left = left_ns(stopwatch, timeout_ns);
        if (client->lost)
            status = error_set(error, STATUS_NODE_LOST, "the node at %s went away; the outcome is unknown",
                               client->endpoint);
        else if (left == 0)
            status = error_set(error, STATUS_DEADLINE, "no answer of %s in time; the outcome is unknown",
                               client->endpoint);
        if (status != STATUS_OK) break;
        bool input;
        bool unused_fd;
        wait_input(client, -1, left, &input, &unused_fd);
    }
    (void)zmq_stopwatch_stop(stopwatch);
    return status;
}

enum status client_send(struct client *client, struct message **request, int64_t timeout_ns,
                        struct error *error)
{
    read_events(client);
    client->lost = false;
    return send_request(client, request, ++client->correlation, timeout_ns, error);
}

enum status client_withdraw(struct client *client, struct error *error)
{
    struct message *withdraw = wire_message_create(KIND_CALL_WITHDRAW);
    ((Pb__CallWithdraw *)withdraw->body)->correlation = client->correlation;
    return send_request(client, &withdraw, 0, SECONDS(1), error); /* It has no reply of its own. */
}

enum status client_ping(struct client *client, struct error *error)
{
    struct message *ping = wire_message_create(KIND_PING);
    return send_request(client, &ping, PING_CORRELATION, SECONDS(1), error);
}

bool client_heard(struct client *client)
{
    bool heard = client->heard;
    client->heard = false;
    return heard;
}

enum status client_ask(struct client *client, struct message **request, int64_t timeout_ns,
                       struct message **out_reply, struct error *error)
{
    enum status status = client_send(client, request, timeout_ns, error);
    if (status != STATUS_OK) return status;
    struct message *reply = NULL;
    status = await_reply(client, timeout_ns, &reply, error);
    if (status == STATUS_OK) *out_reply = reply;
    return status;
}

/* --- JSON-RPC ------------------------------------------------------------------------------------------- */

enum status client_send_text(struct client *client, const char *text, size_t size, struct error *error)
{
    if (size > FRAME_SIZE_MAX)
        return error_set(error, STATUS_INVALID, "a text of %zu bytes; %d at most", size, FRAME_SIZE_MAX);
    struct bytes *frame = bytes_copy(text, size);
    enum status status = send_bytes(client, &frame, error);
    bytes_unref(&frame);
    return status;
}

char *client_next_text(struct client *client)
{
    struct socket_message message;
    while (socket_io_receive(client->socket, false, &message)) {
        size_t size = socket_io_size(&message);
        char *text = NULL;
        if (size > 0) {
            text = memory_alloc(size + 1);
            memcpy(text, socket_io_data(&message), size);
            text[size] = 0;
        }
        socket_io_message_fini(&message);
        if (text != NULL) return text;
    }
    return NULL;
}

struct client_events client_wait(struct client *client, int fd, int64_t timeout_ns)
{
    struct client_events events = { 0 };
    wait_input(client, fd, timeout_ns, &events.text, &events.fd);
    events.lost = client->lost;
    client->lost = false;
    return events;
}
