/* socket_io: see the header. Options and traps: docs of libzmq 4.3.4; facts.md. Every message of ours is one
 * part (besides what ROUTER and REQ put before it), and nothing here blocks. */
#include "wire/zmq/socket_io.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/frame.h"

#include <errno.h>
#include <string.h>

/* libzmq is not compiled with TSan, so its hand-over of a frame from our thread to its own is told here.
 * Present only where the program is linked with TSan. */
__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

enum {
    QUEUE_MAX = 10000, /* Messages; bytes are bounded by the budgets. */
    HANDSHAKE_MS = 3000,
    CONNECT_MS = 3000,
    HEARTBEAT_MS = 2000, /* Each one wakes both nodes; the transport's own traffic tells sooner. */
    SILENCE_MS = 3000,
    RECONNECT_MIN_MS = 50,
    RECONNECT_MAX_MS = 500,
};

void socket_io_set(void *socket, int option, int number)
{
    int failed = zmq_setsockopt(socket, option, &number, sizeof number);
    CHECK(failed == 0);
}

void *socket_io_create(void *zmq, int type)
{
    void *socket = zmq_socket(zmq, type);
    CHECK(socket != NULL); /* Out of descriptors: the daemon can't go on, and comes back. */
    const int64_t size_max = FRAME_SIZE_MAX;
    int failed = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &size_max, sizeof size_max);
    CHECK(failed == 0);
    socket_io_set(socket, ZMQ_LINGER, 0);
    socket_io_set(socket, ZMQ_SNDHWM, QUEUE_MAX);
    socket_io_set(socket, ZMQ_RCVHWM, QUEUE_MAX);
    socket_io_set(socket, ZMQ_IMMEDIATE, 1); /* Nothing is queued for a connection that isn't there. */
    socket_io_set(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    socket_io_set(socket, ZMQ_CONNECT_TIMEOUT, CONNECT_MS);
    socket_io_set(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
    socket_io_set(socket, ZMQ_HEARTBEAT_TIMEOUT, SILENCE_MS);
    socket_io_set(socket, ZMQ_HEARTBEAT_TTL, SILENCE_MS);
    socket_io_set(socket, ZMQ_TCP_MAXRT, SILENCE_MS);
    socket_io_set(socket, ZMQ_RECONNECT_IVL, RECONNECT_MIN_MS);
    socket_io_set(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    return socket;
}

void socket_io_close(void **socket)
{
    if (*socket == NULL) return;
    int failed = zmq_close(*socket);
    CHECK(failed == 0);
    *socket = NULL;
}

int socket_io_fd(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    int failed = zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
    CHECK(failed == 0);
    return fd;
}

static int events_of(void *socket)
{
    int events = 0;
    size_t size = sizeof events;
    return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 ? events : 0;
}

bool socket_io_has_input(void *socket)
{
    return (events_of(socket) & ZMQ_POLLIN) != 0;
}

/* --- endpoints ------------------------------------------------------------------------------------------ */

static bool is_on_this_machine(const char *endpoint)
{
    static const char *const prefixes[] = { "ipc://", "inproc://", "tcp://127.",
                                            "tcp://[::1]:", "tcp://localhost:" };
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++)
        if (text_starts_with(endpoint, prefixes[i])) return true;
    return false;
}

/* The library takes a port modulo 65536. */
static bool is_port_good(const char *endpoint)
{
    if (!text_starts_with(endpoint, "tcp://")) return true;
    const char *colon = strrchr(endpoint, ':');
    uint64_t port = 0;
    if (strcmp(colon + 1, "*") == 0) return true; /* Bind only: the library refuses it elsewhere. */
    return text_to_u64(colon + 1, &port) && port <= UINT16_MAX;
}

/* The place of CURVE: with keys, their half of the handshake is set here and any address will do. */
static enum status secure_socket(void *socket, const char *endpoint, const struct socket_keys *keys,
                                 struct error *error)
{
    CHECK(socket != NULL);
    if (!is_port_good(endpoint))
        return error_set(error, STATUS_INVALID, "%s has no port from 0 to 65535", endpoint);
    if (keys == NULL && is_on_this_machine(endpoint)) return STATUS_OK;
    enum status status =
        error_set(error, STATUS_INVALID, "%s is not on this machine, and there are no keys", endpoint);
    error_hint(error, "use tcp://127.0.0.1:PORT or ipc://PATH");
    return status;
}

static enum status refuse_endpoint(const char *verb, const char *endpoint, struct error *error)
{
    int number = zmq_errno();
    bool wrong = number == EINVAL || number == EPROTONOSUPPORT || number == ENOCOMPATPROTO ||
                 number == ENAMETOOLONG || number == ENODEV;
    enum status status = error_set(error, wrong ? STATUS_INVALID : STATUS_IO, "%s %s: %s", verb, endpoint,
                                   zmq_strerror(number));
    if (number == EADDRINUSE)
        error_hint(error, "another process listens there; stop it, or use another port");
    if (number == ENAMETOOLONG) error_hint(error, "a socket's path has 107 characters at most");
    return status;
}

enum status socket_io_bind(void *socket, const char *endpoint, const struct socket_keys *keys,
                           struct error *error)
{
    enum status status = secure_socket(socket, endpoint, keys, error);
    if (status != STATUS_OK) return status;
    if (zmq_bind(socket, endpoint) != 0) return refuse_endpoint("listen on", endpoint, error);
    return STATUS_OK;
}

enum status socket_io_connect(void *socket, const char *endpoint, const struct socket_keys *keys,
                              struct error *error)
{
    enum status status = secure_socket(socket, endpoint, keys, error);
    if (status != STATUS_OK) return status;
    if (zmq_connect(socket, endpoint) != 0) return refuse_endpoint("connect to", endpoint, error);
    return STATUS_OK;
}

/* --- monitors ------------------------------------------------------------------------------------------- */

void *socket_io_monitor(void *zmq, void *socket, const char *name, int events)
{
    char endpoint[128];
    struct text text = { 0 };
    text_printf(&text, "inproc://%s", name);
    bool whole = text_copy(endpoint, sizeof endpoint, text_string(&text));
    text_fini(&text);
    CHECK(whole);
    int failed = zmq_socket_monitor(socket, endpoint, events);
    CHECK(failed == 0);
    void *monitor = zmq_socket(zmq, ZMQ_PAIR);
    CHECK(monitor != NULL);
    socket_io_set(monitor, ZMQ_LINGER, 0);
    failed = zmq_connect(monitor, endpoint);
    CHECK(failed == 0);
    /* A fresh pipe counts as being read: until its reader found it empty, nothing wakes the descriptor. */
    uint16_t event;
    (void)socket_io_next_event(monitor, &event); /* None: the socket isn't connected yet. */
    return monitor;
}

void socket_io_unmonitor(void *socket, void **monitor)
{
    if (*monitor == NULL) return;
    int failed = zmq_socket_monitor(socket, NULL, 0);
    CHECK(failed == 0);
    socket_io_close(monitor);
}

/* An event is two parts: u16 event and u32 value, then the address. */
bool socket_io_next_event(void *monitor, uint16_t *out_event)
{
    struct socket_message message;
    zmq_msg_t first;
    (void)zmq_msg_init(&first);
    if (zmq_msg_recv(&first, monitor, ZMQ_DONTWAIT) < (int)sizeof *out_event) {
        (void)zmq_msg_close(&first);
        return false;
    }
    memcpy(out_event, zmq_msg_data(&first), sizeof *out_event);
    (void)zmq_msg_close(&first);
    if (socket_io_receive(monitor, false, &message)) socket_io_message_fini(&message);
    return true;
}

/* --- out ------------------------------------------------------------------------------------------------ */

struct in_flight {
    struct bytes *frame;
    struct socket_budget *budget;
};

/* On the library's own thread, when the frame was written out or its connection ended. */
static void landed(void *data, void *hint)
{
    (void)data;
    struct in_flight *flight = hint;
    if (__tsan_acquire != NULL) __tsan_acquire(flight);
    __atomic_fetch_sub(&flight->budget->used, flight->frame->size, __ATOMIC_RELAXED);
    bytes_unref(&flight->frame);
    memory_free(flight);
}

static enum status status_of_failure(void)
{
    int number = zmq_errno();
    return number == EHOSTUNREACH ? STATUS_NODE_LOST : STATUS_OVERLOADED;
}

/* Asking for the events makes the library notice connections that came or went since it last looked; a send
 * that never waits looks only now and then. */
static bool has_room(void *socket)
{
    return (events_of(socket) & ZMQ_POLLOUT) != 0;
}

/* The parts before the body. Once the first one is taken, the library takes the rest of the message too. */
static enum status send_envelope(void *socket, const struct socket_identity *to, bool delimiter)
{
    if (to != NULL && zmq_send(socket, to->data, to->size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return status_of_failure();
    if (delimiter && zmq_send(socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) return status_of_failure();
    return STATUS_OK;
}

enum status socket_io_send(void *socket, const struct socket_identity *to, bool delimiter,
                           struct bytes **frame, struct socket_budget *budget)
{
    size_t size = (*frame)->size;
    uint64_t used = __atomic_load_n(&budget->used, __ATOMIC_RELAXED);
    if (used + size > budget->max) return STATUS_OVERLOADED;
    enum status status = send_envelope(socket, to, delimiter);
    if (status != STATUS_OK) return status;
    struct in_flight *flight = memory_alloc(sizeof *flight);
    *flight = (struct in_flight){ .frame = *frame, .budget = budget };
    __atomic_fetch_add(&budget->used, size, __ATOMIC_RELAXED);
    zmq_msg_t body;
    int failed = zmq_msg_init_data(&body, (*frame)->data, size, landed, flight);
    CHECK(failed == 0);
    *frame = NULL;
    if (__tsan_release != NULL) __tsan_release(flight);
    if (zmq_msg_send(&body, socket, ZMQ_DONTWAIT) >= 0) return STATUS_OK;
    if (to == NULL && has_room(socket) && zmq_msg_send(&body, socket, ZMQ_DONTWAIT) >= 0) return STATUS_OK;
    status = status_of_failure();
    *frame = bytes_ref(flight->frame); /* Back to the caller before the close below lets ours go. */
    (void)zmq_msg_close(&body);
    return status;
}

/* --- in ------------------------------------------------------------------------------------------------- */

static bool receive_part(void *socket, zmq_msg_t *part)
{
    (void)zmq_msg_init(part);
    if (zmq_msg_recv(part, socket, ZMQ_DONTWAIT) >= 0) return true;
    (void)zmq_msg_close(part);
    return false;
}

static void take_identity(struct socket_message *message)
{
    size_t size = zmq_msg_size(&message->body);
    if (size <= sizeof message->from.data) {
        message->from.size = size;
        memcpy(message->from.data, zmq_msg_data(&message->body), size);
    } else {
        message->odd = true;
    }
}

/* Drops the rest of a message that has too many parts, so that the next receive begins with a whole one. */
static void drop_rest(void *socket, struct socket_message *message)
{
    while (zmq_msg_more(&message->body)) {
        message->odd = true;
        (void)zmq_msg_close(&message->body);
        if (!receive_part(socket, &message->body)) break;
    }
}

/* The library hands a message over when all of its parts are there. */
bool socket_io_receive(void *socket, bool router, struct socket_message *out_message)
{
    struct socket_message *message = out_message;
    message->from.size = 0;
    message->delimiter = message->odd = false;
    if (!receive_part(socket, &message->body)) return false;
    if (router) {
        take_identity(message);
        if (!zmq_msg_more(&message->body)) {
            message->odd = true; /* An identity alone. */
            return true;
        }
        (void)zmq_msg_close(&message->body);
        if (!receive_part(socket, &message->body)) return false;
    }
    if (zmq_msg_size(&message->body) == 0 && zmq_msg_more(&message->body)) {
        message->delimiter = true;
        (void)zmq_msg_close(&message->body);
        if (!receive_part(socket, &message->body)) return false;
    }
    drop_rest(socket, message);
    return true;
}

void socket_io_message_fini(struct socket_message *message)
{
    (void)zmq_msg_close(&message->body);
}

const uint8_t *socket_io_data(struct socket_message *message)
{
    return zmq_msg_data(&message->body);
}

size_t socket_io_size(const struct socket_message *message)
{
    return message->odd ? 0 : zmq_msg_size(&message->body);
}

const char *socket_io_host(struct socket_message *message)
{
    return zmq_msg_gets(&message->body, "Peer-Address");
}
