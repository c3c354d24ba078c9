/* socket_io: what our ZeroMQ sockets have in common: the options that keep a stranger from hurting us, whole
 * messages in and out, and an account of the bytes that the library holds for a slow reader. A socket belongs
 * to one thread at a time; it may move with its owner. */
#ifndef AETHER_WIRE_ZMQ_SOCKET_IO_H
#define AETHER_WIRE_ZMQ_SOCKET_IO_H

#include "runtime/base/bytes.h"
#include "runtime/base/error.h"

#include <zmq.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys come with CURVE; without them (NULL) every endpoint must be on this machine: loopback, ipc or inproc.
 */
struct socket_keys;

/* Bounds of every kind of socket are set; the caller adds what its type needs before bind or connect. */
void *socket_io_create(void *zmq, int type);
void socket_io_close(void **socket); /* NULL content is fine. Unsent messages are lost. */
void socket_io_set(void *socket, int option, int number);
int socket_io_fd(void *socket); /* ZMQ_FD: readable, if there may be news since the last call of any kind. */
/* Takes note of connections that came or went, too. */
bool socket_io_has_input(void *socket);
/* INVALID: no endpoint, or not on this machine and no keys. IO: in use, no permission, ... */
MUST_CHECK enum status socket_io_bind(void *socket, const char *endpoint, const struct socket_keys *keys,
                                      struct error *error);
MUST_CHECK enum status socket_io_connect(void *socket, const char *endpoint, const struct socket_keys *keys,
                                         struct error *error);

/* Events of `socket` (a mask of ZMQ_EVENT_...) as messages of the PAIR that this returns; `name` is unique in
 * the context. Closed with socket_io_unmonitor, before the socket. */
void *socket_io_monitor(void *zmq, void *socket, const char *name, int events);
void socket_io_unmonitor(void *socket, void **monitor);
bool socket_io_next_event(void *monitor, uint16_t *out_event);

/* Bytes that were given to the library and are not yet written out. Any thread; must outlive the context. */
struct socket_budget {
    uint64_t used;
    uint64_t max;
};
struct socket_identity {
    uint8_t data[256];
    size_t size; /* 0: none; the socket is no ROUTER. */
};
/* One message, never blocking: [identity] [empty part] frame. OK takes the frame; NODE_LOST: no such
 * connection; OVERLOADED: its queue or the budget is full. */
enum status socket_io_send(void *socket, const struct socket_identity *to, bool delimiter,
                           struct bytes **frame, struct socket_budget *budget);

/* One whole message. */
struct socket_message {
    struct socket_identity from; /* Of a ROUTER. */
    bool delimiter;              /* An empty part stood before the body, as REQ sends it. */
    bool odd;                    /* More parts than that, or fewer: there is no body. */
    zmq_msg_t body;
};
bool socket_io_receive(void *socket, bool router,
                       struct socket_message *out_message); /* false: none waits. */
void socket_io_message_fini(struct socket_message *message);
const uint8_t *socket_io_data(struct socket_message *message);
size_t socket_io_size(const struct socket_message *message);
/* The address that it came from, over TCP ("127.0.0.1"); else NULL, or none of TCP. The message's. */
const char *socket_io_host(struct socket_message *message);

#endif
