/* node_socket: sockets in, messages out, and who is there.
 * A connection is usable once both ends accepted each other's hello on it; it is asked for after every
 * handshake and again each TICK until then, so no single lost message can keep two nodes apart. A peer is UP
 * when all four of its connections (two we made, two it made) belong to the same life of it (`session`), DOWN
 * when one of ours breaks. Learns  KIND_TRANSPORT_*, hellos, the connections' own events. Owns    the ZeroMQ
 * context with every socket of the node, the asks that cross the wire (`remote`). Limits  PEERS_MAX;
 * BUDGET_... bytes on their way to a peer per channel; frames of strangers are dropped. */
#include "wire/zmq/node_socket.h"

#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/port/transport.h"
#include "wire/kinds.h"
#include "wire/remote.h"
#include "wire/zmq/client_socket.h"
#include "wire/zmq/node_greeting.h"
#include "wire/zmq/node_peer.h"
#include "wire/zmq/node_streams.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    TURN_MAX = 128,  /* Frames of one socket before the others have their turn. */
    EVENTS_MAX = 64, /* A look; the kernel lets the others come first in the next one. */
    GREETINGS_BYTES = 16 * 1024 * 1024,
};

static const int64_t tick_ns = MILLISECONDS(500);
/* --- sending -------------------------------------------------------------------------------------------- */

/* A peer without an address (one that joins, and we don't know it yet) is answered on the connection it made;
 * so is the request of one whose own connection is up again before ours is: its asker would wait to the end.
 */
static enum status transmit(void *transport, const char *node, enum transport_channel channel,
                            struct bytes **frame)
{
    struct node_socket *sockets = transport;
    CHECK(channel < CHANNEL_COUNT);
    struct peer *peer = map_get(&sockets->peers, node);
    if (peer == NULL) return STATUS_NODE_LOST;
    struct connection *out = &peer->out[channel];
    if (node_streams_carries(peer, channel)) return node_streams_send(sockets, peer, channel, frame);
    if (out->session != 0) {
        out->input.unsure = true;
        return socket_io_send(out->socket, NULL, false, frame, &peer->budget[channel]);
    }
    bool answers = frame_is_reply((*frame)->data, (*frame)->size);
    if (peer->in_session[channel] == 0 || (out->socket != NULL && !answers)) return STATUS_NODE_LOST;
    struct socket_identity identity = node_peer_identity(node, channel);
    sockets->router_input.unsure = true;
    return socket_io_send(sockets->router, &identity, false, frame, &peer->budget[channel]);
}

/* --- input ---------------------------------------------------------------------------------------------- */

/* "node-1/c" -> node and channel; false: no identity of a node. */
static bool read_identity(const struct socket_identity *identity, char node[NODE_NAME_MAX],
                          enum transport_channel *out_channel)
{
    if (identity->size < 3 || identity->size > NODE_NAME_MAX + 1) return false;
    size_t length = identity->size - 2;
    if (identity->data[length] != '/') return false;
    for (size_t i = 0; i < length; i++)
        if (identity->data[i] <= ' ' || identity->data[i] >= 0x7f || identity->data[i] == '/') return false;
    memcpy(node, identity->data, length);
    node[length] = 0;
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        if (identity->data[length + 1] != (uint8_t)node_peer_letter((enum transport_channel)channel))
            continue;
        *out_channel = (enum transport_channel)channel;
        return true;
    }
    return false;
}

static void on_router_frame(struct node_socket *sockets, struct actor *self, struct socket_message *frame)
{
    char node[NODE_NAME_MAX];
    enum transport_channel channel;
    if (!read_identity(&frame->from, node, &channel)) {
        remote_drop(sockets->remote, self, "?", "a sender that is no node");
        return;
    }
    const uint8_t *data = socket_io_data(frame);
    size_t size = socket_io_size(frame);
    if (frame_kind(data, size) == KIND_HELLO) {
        node_greeting_on_hello_in(sockets, self, node, channel, frame);
        return;
    }
    const struct peer *peer = map_get(&sockets->peers, node);
    if (peer == NULL || peer->in_session[channel] == 0) {
        remote_drop(sockets->remote, self, node, "a frame before any hello");
        return;
    }
    remote_on_frame(sockets->remote, self, node, channel, data, size);
}

static void on_dealer_frame(struct node_socket *sockets, struct actor *self, struct peer *peer,
                            enum transport_channel channel, struct socket_message *frame)
{
    const uint8_t *data = socket_io_data(frame);
    size_t size = socket_io_size(frame);
    uint32_t kind = frame_kind(data, size);
    bool greeted = peer->out[channel].session != 0;
    if (kind == KIND_HELLO) node_greeting_on_hello_out(sockets, self, peer, channel, frame);
    else if (kind == KIND_REFUSAL && !frame_is_reply(data, size))
        node_greeting_on_refused(sockets, self, peer, channel, frame);
    else if (greeted) remote_on_frame(sockets->remote, self, peer->node, channel, data, size);
    else remote_drop(sockets->remote, self, peer->node, "a frame before any hello");
}

static void on_event(struct node_socket *sockets, struct actor *self, struct peer *peer,
                     enum transport_channel channel, uint16_t event)
{
    struct connection *out = &peer->out[channel];
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        out->connected = true;
        node_greeting_greet(sockets, peer, channel);
    } else if (event == ZMQ_EVENT_DISCONNECTED) {
        out->connected = false;
        out->session = 0;
        node_streams_close(sockets, peer, channel);
        node_peer_review(sockets, self, peer, false);
    }
}

/* Events first: a hello may be the answer on a connection whose predecessor's end is not read yet. */
static void read_connection(struct node_socket *sockets, struct actor *self, struct peer *peer,
                            enum transport_channel channel)
{
    struct connection *out = &peer->out[channel];
    if (out->socket == NULL) return;
    out->monitor_input.unsure = false;
    for (uint16_t event; out->monitor != NULL && socket_io_next_event(out->monitor, &event);)
        on_event(sockets, self, peer, channel, event);
    struct socket_message frame;
    int taken = 0;
    out->input.unsure = false; /* Unless we send while we read. */
    for (; taken < TURN_MAX && socket_io_receive(out->socket, false, &frame); taken++) {
        on_dealer_frame(sockets, self, peer, channel, &frame);
        socket_io_message_fini(&frame);
    }
    if (taken == TURN_MAX) out->input.unsure = true;
}

static void read_router(struct node_socket *sockets, struct actor *self)
{
    struct socket_message frame;
    int taken = 0;
    sockets->router_input.unsure = sockets->router_input.ready = false;
    for (; taken < TURN_MAX && socket_io_receive(sockets->router, true, &frame); taken++) {
        on_router_frame(sockets, self, &frame);
        socket_io_message_fini(&frame);
    }
    if (taken == TURN_MAX) sockets->router_input.unsure = true;
}

/* --- waiting -------------------------------------------------------------------------------------------- */

/* The socket is bound before the node's actors are there; who asks so early waits instead of being refused.
 */
static bool serves_clients(const struct actor *self)
{
    return actor_id_is_set(actor_find(self, TO_COMMAND_GATEWAY)) ||
           actor_id_is_set(actor_find(self, TO_MCP_SERVER));
}

static bool look(struct input *input, void *socket)
{
    input->ready = input->unsure && socket_io_has_input(socket);
    input->unsure = input->ready; /* If not: from here on the descriptor tells. */
    return input->ready;
}

/* Is there input of which no descriptor tells? */
static bool look_everywhere(struct node_socket *sockets)
{
    bool any = look(&sockets->router_input, sockets->router);
    const char *node;
    void *entry;
    for (size_t at = 0; map_next(&sockets->peers, &at, &node, &entry);) {
        struct peer *peer = entry;
        for (int channel = 0; channel < CHANNEL_COUNT && peer->out[channel].socket != NULL; channel++) {
            struct connection *out = &peer->out[channel];
            any = look(&out->monitor_input, out->monitor) || any;
            any = look(&out->input, out->socket) || any;
        }
    }
    return any;
}

static void read_connections(struct node_socket *sockets, struct actor *self)
{
    const char *node;
    void *entry;
    for (size_t at = 0; map_next(&sockets->peers, &at, &node, &entry);) {
        struct peer *peer = entry;
        for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
            struct connection *out = &peer->out[channel];
            bool news = out->input.ready || out->monitor_input.ready;
            out->input.ready = out->monitor_input.ready = false;
            if (news) read_connection(sockets, self, peer, (enum transport_channel)channel);
        }
    }
}

static int poll_timeout_ms(int64_t timeout_ns)
{
    if (timeout_ns < 0) return -1;
    return (int)((timeout_ns + MILLISECONDS(1) - 1) / MILLISECONDS(1));
}

/* Requests of clients wait in the kernel until there is somebody to answer them. */
static void watch_clients(struct node_socket *sockets, bool serves)
{
    if (serves == sockets->clients_served) return;
    sockets->clients_served = serves;
    if (serves) node_peer_watch(sockets, sockets->clients_fd, &sockets->clients_source);
    else node_peer_unwatch(sockets, sockets->clients_fd);
}

static void note_event(struct node_socket *sockets, const struct source *source, bool *out_clients)
{
    switch (source->kind) {
    case SOURCE_ROUTER: sockets->router_input.ready = true; break;
    case SOURCE_CLIENTS: *out_clients = true; break;
    case SOURCE_CONNECTION: source->peer->out[source->channel].input.ready = true; break;
    case SOURCE_WAKE: /* To have come back is all. */
    case SOURCE_STREAM:
    case SOURCE_LISTENER:
    case SOURCE_ARRIVAL: break; /* read_streams looks at them. */
    }
}

/* What the leader waits for comes before calls and artifacts. */
static void read_streams(struct node_socket *sockets, struct actor *self, const struct epoll_event *events,
                         int count, bool consensus)
{
    for (int i = 0; i < count; i++) {
        struct source *source = events[i].data.ptr;
        if (source->kind < SOURCE_STREAM) continue;
        bool is_consensus = source->kind == SOURCE_STREAM && source->channel == CHANNEL_CONSENSUS;
        if (is_consensus == consensus) node_streams_on_input(sockets, self, source);
    }
}

/* Not zmq_poll: that asks each socket twice, by a call to the kernel each time, and most of them are silent.
 */
static void node_socket_wait(struct actor *self, void *state, int64_t timeout_ns)
{
    struct node_socket *sockets = state;
    struct epoll_event events[EVENTS_MAX];
    watch_clients(sockets, serves_clients(self));
    bool ready = look_everywhere(sockets);
    bool clients_ready = sockets->clients_served && client_socket_has_input(sockets->clients);
    int timeout_ms = ready || clients_ready ? 0 : poll_timeout_ms(timeout_ns);
    int count = epoll_wait(sockets->epoll_fd, events, EVENTS_MAX, timeout_ms);
    if (count < 0) return; /* A signal. */
    for (int i = 0; i < count; i++)
        note_event(sockets, events[i].data.ptr, &clients_ready);
    read_streams(sockets, self, events, count, true);
    read_connections(sockets, self);
    if (sockets->router_input.ready) read_router(sockets, self);
    read_streams(sockets, self, events, count, false);
    if (clients_ready) client_socket_on_input(sockets->clients, self);
    node_streams_flush(sockets, self);
}

static void node_socket_wake(void *state)
{
    const struct node_socket *sockets = state;
    const uint64_t one = 1;
    (void)!write(sockets->wake_fd, &one, sizeof one);
}

/* --- messages ------------------------------------------------------------------------------------------- */

static void on_send(struct actor *self, void *state, const struct message *message)
{
    struct node_socket *sockets = state;
    remote_on_send(sockets->remote, self, message);
}

static void on_ask(struct actor *self, void *state, const struct message *message)
{
    struct node_socket *sockets = state;
    remote_on_ask(sockets->remote, self, message);
}

static void on_peer(struct actor *self, void *state, const struct message *message)
{
    node_peer_direct(state, self, message->body);
}

/* What this turn's messages had to say leaves by one write a stream. */
static void node_socket_turn_end(struct actor *self, void *state)
{
    node_streams_flush(state, self);
}

static void greet_all(struct node_socket *sockets, bool again)
{
    const char *node;
    void *entry;
    for (size_t at = 0; map_next(&sockets->peers, &at, &node, &entry);) {
        struct peer *peer = entry;
        for (int channel = 0; channel < CHANNEL_COUNT; channel++)
            if (again || peer->out[channel].session == 0)
                node_greeting_greet(sockets, peer, (enum transport_channel)channel);
    }
}

static void on_identity(struct actor *self, void *state, const struct message *message)
{
    (void)self;
    struct node_socket *sockets = state;
    remote_set_identity(sockets->remote, message->body);
    greet_all(sockets, true); /* Who knew us by another cluster or replica id hears of it. */
}

/* Also reads everything once: should a descriptor have kept silent of something (ZMQ_FD tells of edges, and
 * any call on the socket may take note of one), it waits no longer than until here. */
static void on_tick(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct node_socket *sockets = state;
    const char *node;
    void *entry;
    for (size_t at = 0; map_next(&sockets->peers, &at, &node, &entry);)
        for (int channel = 0; channel < CHANNEL_COUNT; channel++)
            read_connection(sockets, self, entry, (enum transport_channel)channel);
    read_router(sockets, self);
    greet_all(sockets, false);
    node_streams_on_tick(sockets);
    client_socket_on_tick(sockets->clients, self);
}

/* --- life ----------------------------------------------------------------------------------------------- */

static void node_socket_fini(void *state)
{
    struct node_socket *sockets = state;
    const char *node;
    void *entry;
    for (size_t at = 0; map_next(&sockets->peers, &at, &node, &entry);)
        node_peer_fini(sockets, entry);
    node_streams_fini(sockets);
    client_socket_close(sockets->clients);
    socket_io_close(&sockets->router);
    /* After it no frame refers to a budget. A signal may interrupt it. */
    while (sockets->zmq != NULL && zmq_ctx_term(sockets->zmq) != 0 && zmq_errno() == EINTR) {
    }
    for (size_t at = 0; map_next(&sockets->peers, &at, &node, &entry);)
        memory_free(entry);
    map_fini(&sockets->peers);
    client_socket_destroy(&sockets->clients);
    remote_destroy(&sockets->remote);
    (void)close(sockets->wake_fd);
    (void)close(sockets->epoll_fd);
}

static enum status open_sockets(struct node_socket *sockets, const struct node_socket_options *options,
                                struct error *error)
{
    sockets->router = socket_io_create(sockets->zmq, ZMQ_ROUTER);
    socket_io_set(sockets->router, ZMQ_ROUTER_MANDATORY, 1);
    /* A peer that comes back before its old connection is known to be dead takes its name over. */
    socket_io_set(sockets->router, ZMQ_ROUTER_HANDOVER, 1);
    sockets->router_input = (struct input){ .source = { .kind = SOURCE_ROUTER },
                                            .fd = socket_io_fd(sockets->router),
                                            .unsure = true };
    node_peer_watch(sockets, sockets->router_input.fd, &sockets->router_input.source);
    sockets->clients_source = (struct source){ .kind = SOURCE_CLIENTS };
    sockets->clients = client_socket_create(sockets->zmq, options->keys);
    sockets->clients_fd = socket_io_fd(client_socket_handle(sockets->clients));
    enum status status = socket_io_bind(sockets->router, options->listen, options->keys, error);
    const char *const endpoints[] = { options->client_listen, options->client_ipc };
    for (size_t i = 0; i < ARRAY_COUNT(endpoints) && status == STATUS_OK; i++)
        if (endpoints[i] != NULL) status = client_socket_bind(sockets->clients, endpoints[i], error);
    if (status == STATUS_OK) node_streams_open(sockets);
    return status;
}

static enum status node_socket_init(struct actor *self, void *state, const void *given, struct error *error)
{
    struct node_socket *sockets = state;
    const struct node_socket_options *options = given;
    if (!text_copy(sockets->node, sizeof sockets->node, options->node) || strchr(options->node, '/') != NULL)
        return error_set(error, STATUS_INVALID, "the node name %.80s is too long, or has a '/'",
                         options->node);
    sockets->keys = options->keys;
    while (sockets->session == 0)
        sockets->session = actor_random(self);
    sockets->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(sockets->wake_fd >= 0);
    sockets->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    CHECK(sockets->epoll_fd >= 0);
    sockets->listener_fd = -1;
    sockets->wake = (struct source){ .kind = SOURCE_WAKE };
    /* Each write is an event of its own, so nobody needs to read it. */
    struct epoll_event wake = { .events = EPOLLIN | EPOLLET, .data.ptr = &sockets->wake };
    int failed = epoll_ctl(sockets->epoll_fd, EPOLL_CTL_ADD, sockets->wake_fd, &wake);
    CHECK(failed == 0);
    sockets->greetings.max = GREETINGS_BYTES;
    sockets->remote = remote_create(&(struct remote_options){ .transmit = transmit, .transport = sockets });
    sockets->zmq = zmq_ctx_new();
    CHECK(sockets->zmq != NULL);
    enum status status = open_sockets(sockets, options, error);
    if (status != STATUS_OK) {
        node_socket_fini(sockets);
        return status;
    }
    (void)actor_every(self, tick_ns, KIND_TRANSPORT_TICK);
    log_info(self, "transport.listening", "node=%s cluster=%s client=%s ipc=%s", options->node,
             options->listen, options->client_listen == NULL ? "-" : options->client_listen,
             options->client_ipc == NULL ? "-" : options->client_ipc);
    return STATUS_OK;
}

static const struct behavior_row rows[] = {
    { KIND_TRANSPORT_SEND, on_send }, { KIND_TRANSPORT_ASK, on_ask },
    { KIND_TRANSPORT_PEER, on_peer }, { KIND_TRANSPORT_IDENTITY, on_identity },
    { KIND_TRANSPORT_TICK, on_tick },
};

const struct behavior node_socket_behavior = {
    .name = "node_socket",
    .state_size = sizeof(struct node_socket),
    /* With the store's actors on one thread: a put changes it twice on its way through a node, not six times.
     */
    .home = ACTOR_PORTER,
    .pool = POOL_CONSENSUS,
    .mailbox_capacity = 8192,
    .init = node_socket_init,
    .fini = node_socket_fini,
    .turn_end = node_socket_turn_end,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
    .wait = node_socket_wait,
    .wake = node_socket_wake,
};
