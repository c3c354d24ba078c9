/* node_socket: the transport of the daemon (runtime/port/transport.h) over ZeroMQ: one pinned actor owns
 * every socket of the node. One ROUTER is bound on `listen`; to each peer lead two DEALERs with the
 * identities "ID/c" and "ID/d", so that bulk never delays a heartbeat. The client socket (client_socket.h) is
 * served by the same thread. Spawn it under the name TO_TRANSPORT. */
#ifndef AETHER_WIRE_ZMQ_NODE_SOCKET_H
#define AETHER_WIRE_ZMQ_NODE_SOCKET_H

#include "runtime/actor.h"
#include "wire/zmq/socket_io.h"

struct node_socket_options {        /* Borrowed for init. */
    const char *node;               /* Our name; at most NODE_NAME_MAX - 1 bytes, no '/'. */
    const char *listen;             /* "tcp://127.0.0.1:7400" */
    const char *client_listen;      /* "tcp://127.0.0.1:7401"; NULL: none. */
    const char *client_ipc;         /* "ipc:///var/lib/aether/client.sock"; NULL: none. */
    const struct socket_keys *keys; /* NULL: every address must be on this machine. */
};

extern const struct behavior node_socket_behavior;

#endif
