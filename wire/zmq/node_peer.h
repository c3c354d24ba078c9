/* node_peer: what a node's transport knows of the other nodes, and its own state: for the files of
 * node_socket.
 *
 *   node_socket.c    the actor: what is sent, what comes in, waiting
 *   node_peer.c      who is there: connecting, UP and DOWN
 *   node_greeting.c  hellos: who may talk
 *   node_streams.c   streams: the short way for frames between nodes that have greeted each other
 */
#ifndef AETHER_WIRE_ZMQ_NODE_PEER_H
#define AETHER_WIRE_ZMQ_NODE_PEER_H

#include "runtime/actor.h"
#include "runtime/base/map.h"
#include "runtime/port/transport.h"
#include "wire/remote.h"
#include "wire/tcp/frame_stream.h"
#include "wire/tcp/tcp_socket.h"
#include "wire/zmq/client_socket.h"
#include "wire/zmq/socket_io.h"

enum {
    PEERS_MAX = 256,
    STRANGERS_MAX = 128, /* Of them may have come by themselves; the rest is kept for those we are told of. */
    REFUSAL_MAX = 256,
    STREAM_TOKEN_SIZE = 16,
    ARRIVALS_MAX = 32,
};

/* Whose a descriptor is; lives as long as the transport, so that no event can refer to one that is gone. */
enum source_kind {
    SOURCE_WAKE,
    SOURCE_ROUTER,
    SOURCE_CLIENTS,
    SOURCE_CONNECTION,
    SOURCE_STREAM,
    SOURCE_LISTENER,
    SOURCE_ARRIVAL,
};
struct source {
    enum source_kind kind;
    enum transport_channel channel;
    struct peer *peer;
    struct arrival *arrival;
};

/* The descriptor of a socket that is read tells of what came since it was last read to its end. It is silent
 * about what came before the first time, and about what a send took note of (manual of the library, ZMQ_FD).
 */
struct input {
    struct source source;
    int fd;
    bool unsure; /* The descriptor may be silent. */
    bool ready;
};

struct connection { /* One DEALER that we made. */
    void *socket;   /* NULL: we have no address. */
    void *monitor;
    struct input input;
    struct input monitor_input;
    bool connected;   /* The handshake was done; not broken since. */
    uint64_t session; /* Of the peer, as its accepted hello on this connection said; 0: none yet. */
};

/* What the node knows of the stream (node_streams.h) of one channel of a peer. */
struct peer_stream {
    struct source source;
    struct frame_stream *stream; /* NULL: none. */
    bool ready;                  /* Both ends agreed: frames go this way. */
    bool asks_room;              /* Its descriptor is looked at for room, too. */
    bool has_news;               /* Listed by `dirty_next` of the node: something is to be written. */
    struct peer_stream *dirty_next;
    uint64_t session; /* Of the peer, that it belongs to. */
    uint32_t ticks;   /* Until it must be ready; without a stream: before the next is tried. */
    bool has_token;
    uint8_t token[STREAM_TOKEN_SIZE]; /* What its peer has to show to us. */
    struct {
        char host[TCP_HOST_MAX];
        uint16_t port; /* 0: it awaits none of us. */
        uint8_t token[STREAM_TOKEN_SIZE];
    } offer;
};

struct peer {
    char node[NODE_NAME_MAX];
    char address[256];
    struct connection out[CHANNEL_COUNT];
    uint64_t in_session[CHANNEL_COUNT]; /* Of its accepted hello to our ROUTER; 0: none. */
    struct socket_budget budget[CHANNEL_COUNT];
    struct peer_stream streams[CHANNEL_COUNT];
    uint64_t replica_id;
    uint32_t protocol;
    bool up;
    uint64_t greeted;                /* Which greeting of all its last one was. */
    char refused_by_us[REFUSAL_MAX]; /* The reason last logged, so that it is logged once. */
    char refused_by_it[REFUSAL_MAX];
};

struct arrival { /* A connection that has not said whose it is. */
    struct source source;
    struct frame_stream *stream; /* NULL: the place is free. */
    uint32_t ticks;              /* Until it must have said it. */
};

struct node_socket {
    char node[NODE_NAME_MAX];
    uint64_t session;
    const struct socket_keys *keys;
    void *zmq;
    void *router;
    struct input router_input;
    int epoll_fd;
    struct source wake;
    int wake_fd;
    struct remote *remote;
    struct client_socket *clients;
    struct source clients_source;
    int clients_fd;
    bool clients_served;
    struct source listener;
    int listener_fd; /* Of streams; -1: none. */
    uint16_t listener_port;
    uint16_t router_port;
    bool listener_rests; /* Until the next tick. */
    struct arrival arrivals[ARRIVALS_MAX];
    struct peer_stream *dirty; /* Those with something to write. */
    struct map
        peers; /* node -> struct peer; kept to the end, since frames on their way count in its budget. */
    struct socket_budget greetings; /* Of hellos and refusals that the ROUTER sends. */
    uint32_t monitor_count;         /* Makes their names unique. */
    uint64_t greeting_count;
    uint32_t refusals_logged; /* In the period that began at: */
    int64_t refusals_since_ns;
};

/* Looks at a descriptor for input from now on, or no more (before it is closed). */
void node_peer_watch(const struct node_socket *sockets, int fd, struct source *source);
void node_peer_unwatch(const struct node_socket *sockets, int fd);

char node_peer_letter(enum transport_channel channel);
struct socket_identity node_peer_identity(const char *node, enum transport_channel channel);
/* NULL: there are `peers_max` already. */
struct peer *node_peer_find_or_add(struct node_socket *sockets, const char *node, uint32_t peers_max);
/* Of one who greets us. Where strangers have taken all the room for strangers, the one who was not heard for
 * the longest time gives his place; NULL: none can. */
struct peer *node_peer_greeted(struct node_socket *sockets, const char *node);
/* After any change of sessions. `news`: of replica id or protocol, which followers hear of as UP again. */
void node_peer_review(struct node_socket *sockets, struct actor *self, struct peer *peer, bool news);
/* To where KIND_TRANSPORT_PEER says. */
void node_peer_direct(struct node_socket *sockets, struct actor *self, const struct transport_peer *order);
void node_peer_fini(struct node_socket *sockets, struct peer *peer); /* Its sockets. */

#endif
