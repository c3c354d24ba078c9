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

#include "wire/proto/envelope.pb-c.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    PEERS_MAX = 256,
    STRANGERS_MAX = 128, /* Of them may have come by themselves; the rest is kept for those we are told of. */
    TURN_MAX = 128,      /* Frames of one socket before the others have their turn. */
    BUDGET_CONSENSUS = 16 * 1024 * 1024,
    BUDGET_DATA = 64 * 1024 * 1024,
    REFUSAL_MAX = 256,
    POLL_MAX = 3 + PEERS_MAX * CHANNEL_COUNT * 2,
};

static const int64_t tick_ns = MILLISECONDS(500);
static const char channel_letters[CHANNEL_COUNT] = { 'c', 'd' };
static const uint32_t peer_followers[] = { TO_LEADER, TO_MEMBERSHIP, TO_SLICE_CALL };

/* The descriptor of a socket that is read tells of what came since it was last read to its end. It is silent
 * about what came before the first time, and about what a send took note of (manual of the library, ZMQ_FD).
 */
struct input {
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

struct peer {
    char node[NODE_NAME_MAX];
    char address[256];
    struct connection out[CHANNEL_COUNT];
    uint64_t in_session[CHANNEL_COUNT]; /* Of its accepted hello to our ROUTER; 0: none. */
    struct socket_budget budget[CHANNEL_COUNT];
    uint64_t replica_id;
    uint32_t protocol;
    bool up;
    char refused_by_us[REFUSAL_MAX]; /* The reason last logged, so that it is logged once. */
    char refused_by_it[REFUSAL_MAX];
};

struct node_socket {
    char node[NODE_NAME_MAX];
    uint64_t session;
    const struct socket_keys *keys;
    void *zmq;
    void *router;
    struct input router_input;
    int wake_fd;
    struct remote *remote;
    struct client_socket *clients;
    int clients_fd;
    struct map
        peers; /* node -> struct peer; kept to the end, since frames on their way count in its budget. */
    struct socket_budget greetings; /* Of hellos and refusals that the ROUTER sends. */
    uint32_t monitor_count;         /* Makes their names unique. */
};

/* --- sending -------------------------------------------------------------------------------------------- */

static struct socket_identity identity_of(const char *node, enum transport_channel channel)
{
    struct socket_identity identity;
    size_t length = strlen(node);
    memcpy(identity.data, node, length);
    identity.data[length] = '/';
    identity.data[length + 1] = (uint8_t)channel_letters[channel];
    identity.size = length + 2;
    return identity;
}

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
    if (out->session != 0) {
        out->input.unsure = true;
        return socket_io_send(out->socket, NULL, false, frame, &peer->budget[channel]);
    }
    bool answers = frame_is_reply((*frame)->data, (*frame)->size);
    if (peer->in_session[channel] == 0 || (out->socket != NULL && !answers)) return STATUS_NODE_LOST;
    struct socket_identity identity = identity_of(node, channel);
    sockets->router_input.unsure = true;
    return socket_io_send(sockets->router, &identity, false, frame, &peer->budget[channel]);
}

static struct bytes *sealed(const struct node_socket *sockets, struct message **message)
{
    struct bytes *frame = NULL;
    enum status status = frame_pack(*message, &frame, NULL);
    CHECK(status == STATUS_OK); /* Hellos and refusals are small. */
    const struct transport_identity *identity = remote_identity(sockets->remote);
    frame_seal(frame, &(struct frame_header){ .protocol = PROTOCOL_MIN, /* For every version to read. */
                                              .cluster_id = identity->cluster_id,
                                              .from_replica = identity->replica_id });
    message_destroy(message);
    return frame;
}

static struct bytes *hello_frame(const struct node_socket *sockets, enum transport_channel channel)
{
    struct message *message = wire_message_create(KIND_HELLO);
    Pb__Hello *hello = message->body;
    const struct transport_identity *identity = remote_identity(sockets->remote);
    hello->protocol_min = PROTOCOL_MIN;
    hello->protocol_max = PROTOCOL_MAX;
    hello->cluster_id = identity->cluster_id;
    hello->replica_id = identity->replica_id;
    hello->node = wire_string(message, sockets->node);
    hello->channel = channel;
    hello->version = wire_string(message, AETHER_VERSION);
    hello->session = sockets->session;
    return sealed(sockets, &message);
}

/* Lost, where it can't leave: the next tick says it again. */
static void greet(struct node_socket *sockets, struct peer *peer, enum transport_channel channel)
{
    struct connection *out = &peer->out[channel];
    if (!out->connected) return;
    struct bytes *frame = hello_frame(sockets, channel);
    out->input.unsure = true;
    (void)socket_io_send(out->socket, NULL, false, &frame, &peer->budget[channel]);
    bytes_unref(&frame);
}

/* Takes the frame. */
static void answer_greeting(struct node_socket *sockets, const struct socket_identity *to,
                            struct bytes *frame)
{
    sockets->router_input.unsure = true;
    (void)socket_io_send(sockets->router, to, false, &frame, &sockets->greetings);
    bytes_unref(&frame);
}

/* --- peers ---------------------------------------------------------------------------------------------- */

static struct peer *peer_find_or_add(struct node_socket *sockets, const char *node, uint32_t peers_max)
{
    struct peer *peer = map_get(&sockets->peers, node);
    if (peer != NULL || sockets->peers.count >= peers_max) return peer;
    peer = memory_zalloc(sizeof *peer);
    bool whole = text_copy(peer->node, sizeof peer->node, node);
    CHECK(whole);
    peer->budget[CHANNEL_CONSENSUS].max = BUDGET_CONSENSUS;
    peer->budget[CHANNEL_DATA].max = BUDGET_DATA;
    (void)map_put(&sockets->peers, node, peer);
    return peer;
}

static void tell_followers(struct actor *self, uint32_t kind, const struct peer *peer)
{
    for (size_t i = 0; i < ARRAY_COUNT(peer_followers); i++) {
        struct message *message = message_create(kind, sizeof(struct transport_peer_change));
        struct transport_peer_change *change = message->body;
        (void)text_copy(change->node, sizeof change->node, peer->node);
        change->replica_id = peer->replica_id;
        change->protocol = peer->protocol;
        actor_tell_name(self, peer_followers[i], &message);
    }
}

static bool is_complete(const struct peer *peer)
{
    uint64_t session = peer->out[0].session;
    bool complete = session != 0;
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        complete = complete && peer->out[channel].session == session;
        complete = complete && peer->in_session[channel] == session;
    }
    return complete;
}

/* After any change of sessions. `news`: of replica id or protocol, which followers hear of as UP again. */
static void review(struct node_socket *sockets, struct actor *self, struct peer *peer, bool news)
{
    bool up = is_complete(peer);
    if (up && (!peer->up || news)) {
        peer->refused_by_us[0] = peer->refused_by_it[0] = 0;
        if (!peer->up)
            log_info(self, "transport.peer_up", "node=%s replica=%016llx protocol=%u", peer->node,
                     (unsigned long long)peer->replica_id, peer->protocol);
        tell_followers(self, KIND_PEER_UP, peer);
    } else if (!up && peer->up) {
        log_warn(self, "transport.peer_down", "node=%s", peer->node);
        remote_on_peer_down(sockets->remote, self, peer->node);
        tell_followers(self, KIND_PEER_DOWN, peer);
    }
    peer->up = up;
}

static void disconnect(struct node_socket *sockets, struct actor *self, struct peer *peer)
{
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        struct connection *out = &peer->out[channel];
        socket_io_unmonitor(out->socket, &out->monitor);
        socket_io_close(&out->socket);
        *out = (struct connection){ 0 };
    }
    review(sockets, self, peer, false);
}

static enum status connect_channel(struct node_socket *sockets, struct peer *peer,
                                   enum transport_channel channel, struct error *error)
{
    struct connection *out = &peer->out[channel];
    struct socket_identity identity = identity_of(sockets->node, channel);
    char name[32];
    struct text text = { 0 };
    text_printf(&text, "monitor-%u", sockets->monitor_count++);
    (void)text_copy(name, sizeof name, text_string(&text));
    text_fini(&text);
    out->socket = socket_io_create(sockets->zmq, ZMQ_DEALER);
    int failed = zmq_setsockopt(out->socket, ZMQ_ROUTING_ID, identity.data, identity.size);
    CHECK(failed == 0);
    out->monitor = socket_io_monitor(sockets->zmq, out->socket, name,
                                     ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
    out->input = (struct input){ .fd = socket_io_fd(out->socket), .unsure = true };
    out->monitor_input = (struct input){ .fd = socket_io_fd(out->monitor), .unsure = true };
    return socket_io_connect(out->socket, peer->address, sockets->keys, error);
}

static void on_peer(struct actor *self, void *state, const struct message *message)
{
    struct node_socket *sockets = state;
    const struct transport_peer *order = message->body;
    if (order->node[0] == 0 || strcmp(order->node, sockets->node) == 0) return;
    struct peer *peer = peer_find_or_add(sockets, order->node, PEERS_MAX);
    if (peer == NULL) {
        log_error(self, "transport.too_many_peers", "node=%s max=%d", order->node, PEERS_MAX);
        return;
    }
    if (strcmp(peer->address, order->address) == 0) return;
    disconnect(sockets, self, peer);
    (void)text_copy(peer->address, sizeof peer->address, order->address);
    struct error error;
    for (int channel = 0; channel < CHANNEL_COUNT && peer->address[0] != 0; channel++) {
        if (connect_channel(sockets, peer, (enum transport_channel)channel, &error) == STATUS_OK) continue;
        log_error(self, "transport.bad_address", "node=%s: %s", peer->node, error.message);
        disconnect(sockets, self, peer);
        peer->address[0] = 0; /* The same order may be tried again. */
    }
}

/* --- hellos --------------------------------------------------------------------------------------------- */

static enum status check_hello(const struct node_socket *sockets, const char *node,
                               enum transport_channel channel, const Pb__Hello *hello, struct error *error)
{
    uint64_t ours = remote_identity(sockets->remote)->cluster_id;
    if (strcmp(hello->node, node) != 0 || hello->channel != (uint32_t)channel || hello->session == 0)
        return error_set(error, STATUS_INVALID, "the hello of %s on channel %c says %s, channel %u", node,
                         channel_letters[channel], hello->node, hello->channel);
    if (strcmp(hello->node, sockets->node) == 0)
        return error_set(error, STATUS_CONFLICT, "two nodes have the name %s", hello->node);
    if (hello->protocol_min > PROTOCOL_MAX || hello->protocol_max < PROTOCOL_MIN)
        return error_set(error, STATUS_VERSION_MISMATCH, "%s speaks protocol %u to %u, %s speaks %d to %d",
                         node, hello->protocol_min, hello->protocol_max, sockets->node, PROTOCOL_MIN,
                         PROTOCOL_MAX);
    if (hello->cluster_id != 0 && ours != 0 && hello->cluster_id != ours)
        return error_set(error, STATUS_CONFLICT, "%s is of cluster %016llx, %s of cluster %016llx", node,
                         (unsigned long long)hello->cluster_id, sockets->node, (unsigned long long)ours);
    return STATUS_OK;
}

static enum status read_hello(const struct node_socket *sockets, const char *node,
                              enum transport_channel channel, struct socket_message *frame,
                              struct message **out_message, struct error *error)
{
    const uint8_t *data = socket_io_data(frame);
    size_t size = socket_io_size(frame);
    struct frame_header header;
    enum status status = frame_parse(data, size, &header, error);
    if (status == STATUS_OK) status = frame_decode(data, size, &header, out_message, error);
    if (status == STATUS_OK) status = check_hello(sockets, node, channel, (*out_message)->body, error);
    if (status != STATUS_OK && *out_message != NULL) message_destroy(out_message);
    return status;
}

static void log_refusal(struct actor *self, const struct peer *peer, char logged[REFUSAL_MAX],
                        const struct error *error)
{
    char reason[REFUSAL_MAX];
    (void)text_copy(reason, sizeof reason, error->message);
    if (strcmp(reason, logged) == 0) return;
    (void)text_copy(logged, REFUSAL_MAX, reason);
    log_error(self, "transport.refused", "node=%s by=%s: %s", peer->node,
              logged == peer->refused_by_us ? "us" : "it", error->message);
}

/* Takes the hello. `session` is where this connection's is kept. */
static void accept_hello(struct node_socket *sockets, struct actor *self, struct peer *peer,
                         uint64_t *session, struct message **message)
{
    const Pb__Hello *hello = (*message)->body;
    uint32_t protocol = hello->protocol_max < PROTOCOL_MAX ? hello->protocol_max : PROTOCOL_MAX;
    bool news = hello->replica_id != peer->replica_id || protocol != peer->protocol;
    *session = hello->session;
    peer->replica_id = hello->replica_id;
    peer->protocol = protocol;
    message_destroy(message);
    review(sockets, self, peer, news);
}

/* A hello on a connection that the peer made. */
static void on_hello_in(struct node_socket *sockets, struct actor *self, const char *node,
                        enum transport_channel channel, struct socket_message *frame)
{
    struct message *message = NULL;
    struct error error;
    struct peer *peer = peer_find_or_add(sockets, node, STRANGERS_MAX);
    if (peer == NULL) {
        remote_drop(sockets->remote, self, node, "too many peers");
    } else if (read_hello(sockets, node, channel, frame, &message, &error) == STATUS_OK) {
        accept_hello(sockets, self, peer, &peer->in_session[channel], &message);
        answer_greeting(sockets, &frame->from, hello_frame(sockets, channel));
    } else {
        peer->in_session[channel] = 0;
        log_refusal(self, peer, peer->refused_by_us, &error);
        struct message *refusal = wire_refusal_create(&error);
        answer_greeting(sockets, &frame->from, sealed(sockets, &refusal));
        review(sockets, self, peer, false);
    }
}

/* The answer to ours, on a connection that we made. */
static void on_hello_out(struct node_socket *sockets, struct actor *self, struct peer *peer,
                         enum transport_channel channel, struct socket_message *frame)
{
    struct message *message = NULL;
    struct error error;
    uint64_t *session = &peer->out[channel].session;
    if (read_hello(sockets, peer->node, channel, frame, &message, &error) == STATUS_OK) {
        accept_hello(sockets, self, peer, session, &message);
        return;
    }
    *session = 0;
    log_refusal(self, peer, peer->refused_by_us, &error);
    review(sockets, self, peer, false);
}

/* The peer refused our hello. Nobody else could have sent this: the connection is ours to its address. */
static void on_refused(struct node_socket *sockets, struct actor *self, struct peer *peer,
                       enum transport_channel channel, struct socket_message *frame)
{
    struct frame_header header;
    struct message *refusal = NULL;
    struct error error;
    const uint8_t *data = socket_io_data(frame);
    size_t size = socket_io_size(frame);
    if (frame_parse(data, size, &header, &error) != STATUS_OK) return;
    if (frame_decode(data, size, &header, &refusal, &error) != STATUS_OK) return;
    wire_refusal_read(refusal, &error);
    message_destroy(&refusal);
    peer->out[channel].session = 0;
    log_refusal(self, peer, peer->refused_by_it, &error);
    review(sockets, self, peer, false);
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
        if (identity->data[length + 1] != (uint8_t)channel_letters[channel]) continue;
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
        on_hello_in(sockets, self, node, channel, frame);
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
    if (kind == KIND_HELLO) on_hello_out(sockets, self, peer, channel, frame);
    else if (kind == KIND_REFUSAL && !frame_is_reply(data, size))
        on_refused(sockets, self, peer, channel, frame);
    else if (greeted) remote_on_frame(sockets->remote, self, peer->node, channel, data, size);
    else remote_drop(sockets->remote, self, peer->node, "a frame before any hello");
}

static void on_event(struct node_socket *sockets, struct actor *self, struct peer *peer,
                     enum transport_channel channel, uint16_t event)
{
    struct connection *out = &peer->out[channel];
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        out->connected = true;
        greet(sockets, peer, channel);
    } else if (event == ZMQ_EVENT_DISCONNECTED) {
        out->connected = false;
        out->session = 0;
        review(sockets, self, peer, false);
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
    sockets->router_input.unsure = false;
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

static void add_item(struct pollfd items[POLL_MAX], nfds_t *count, int fd)
{
    items[(*count)++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

/* The wake, the ROUTER, the clients; then the socket and the monitor of each connection, in the peers' order.
 */
static nfds_t add_items(const struct node_socket *sockets, bool clients, struct pollfd items[POLL_MAX])
{
    nfds_t count = 0;
    add_item(items, &count, sockets->wake_fd);
    add_item(items, &count, sockets->router_input.fd);
    add_item(items, &count, clients ? sockets->clients_fd : -1); /* Negative: not looked at. */
    const char *node;
    void *entry;
    for (size_t at = 0; map_next(&sockets->peers, &at, &node, &entry);) {
        const struct peer *peer = entry;
        for (int channel = 0; channel < CHANNEL_COUNT && peer->out[channel].socket != NULL; channel++) {
            add_item(items, &count, peer->out[channel].input.fd);
            add_item(items, &count, peer->out[channel].monitor_input.fd);
        }
    }
    return count;
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

/* `items` as add_items left them: reading changes no connection. */
static void read_connections(struct node_socket *sockets, struct actor *self, const struct pollfd *items)
{
    const char *node;
    void *entry;
    for (size_t at = 0; map_next(&sockets->peers, &at, &node, &entry);) {
        struct peer *peer = entry;
        for (int channel = 0; channel < CHANNEL_COUNT && peer->out[channel].socket != NULL; channel++) {
            const struct connection *out = &peer->out[channel];
            bool news = items[0].revents != 0 || items[1].revents != 0;
            news = news || out->input.ready || out->monitor_input.ready;
            items += 2;
            if (news) read_connection(sockets, self, peer, (enum transport_channel)channel);
        }
    }
}

static int poll_timeout_ms(int64_t timeout_ns)
{
    if (timeout_ns < 0) return -1;
    return (int)((timeout_ns + MILLISECONDS(1) - 1) / MILLISECONDS(1));
}

/* Not zmq_poll: that asks each socket twice, by a call to the kernel each time, and most of them are silent.
 */
static void node_socket_wait(struct actor *self, void *state, int64_t timeout_ns)
{
    struct node_socket *sockets = state;
    struct pollfd items[POLL_MAX];
    bool clients = serves_clients(self);
    nfds_t count = add_items(sockets, clients, items);
    bool ready = look_everywhere(sockets);
    /* Nearly each request of a client is answered on its socket: that one is always unsure. */
    bool clients_ready = clients && socket_io_has_input(client_socket_handle(sockets->clients));
    int timeout_ms = ready || clients_ready ? 0 : poll_timeout_ms(timeout_ns);
    if (poll(items, count, timeout_ms) < 0) return; /* A signal. */
    uint64_t wakes;
    if (items[0].revents != 0) (void)!read(sockets->wake_fd, &wakes, sizeof wakes);
    read_connections(sockets, self, items + 3);
    if (items[1].revents != 0 || sockets->router_input.ready) read_router(sockets, self);
    if (items[2].revents != 0 || clients_ready) client_socket_on_input(sockets->clients, self);
}

static void node_socket_wake(void *state)
{
    const struct node_socket *sockets = state;
    const uint64_t one = 1;
    (void)!write(sockets->wake_fd, &one, sizeof one); /* Full means awake. */
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

static void greet_all(struct node_socket *sockets, bool again)
{
    const char *node;
    void *entry;
    for (size_t at = 0; map_next(&sockets->peers, &at, &node, &entry);) {
        struct peer *peer = entry;
        for (int channel = 0; channel < CHANNEL_COUNT; channel++)
            if (again || peer->out[channel].session == 0)
                greet(sockets, peer, (enum transport_channel)channel);
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
    client_socket_on_tick(sockets->clients, self);
}

/* --- life ----------------------------------------------------------------------------------------------- */

static void node_socket_fini(void *state)
{
    struct node_socket *sockets = state;
    const char *node;
    void *entry;
    for (size_t at = 0; map_next(&sockets->peers, &at, &node, &entry);) {
        struct peer *peer = entry;
        for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
            socket_io_unmonitor(peer->out[channel].socket, &peer->out[channel].monitor);
            socket_io_close(&peer->out[channel].socket);
        }
    }
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
}

static enum status open_sockets(struct node_socket *sockets, const struct node_socket_options *options,
                                struct error *error)
{
    sockets->router = socket_io_create(sockets->zmq, ZMQ_ROUTER);
    socket_io_set(sockets->router, ZMQ_ROUTER_MANDATORY, 1);
    /* A peer that comes back before its old connection is known to be dead takes its name over. */
    socket_io_set(sockets->router, ZMQ_ROUTER_HANDOVER, 1);
    sockets->router_input = (struct input){ .fd = socket_io_fd(sockets->router), .unsure = true };
    sockets->clients = client_socket_create(sockets->zmq, options->keys);
    sockets->clients_fd = socket_io_fd(client_socket_handle(sockets->clients));
    enum status status = socket_io_bind(sockets->router, options->listen, options->keys, error);
    const char *const endpoints[] = { options->client_listen, options->client_ipc };
    for (size_t i = 0; i < ARRAY_COUNT(endpoints) && status == STATUS_OK; i++)
        if (endpoints[i] != NULL) status = client_socket_bind(sockets->clients, endpoints[i], error);
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
    sockets->greetings.max = BUDGET_CONSENSUS;
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
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
    .wait = node_socket_wait,
    .wake = node_socket_wake,
};
