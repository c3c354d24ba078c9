/* node_peer: see the header. */
#include "wire/zmq/node_peer.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/zmq/node_streams.h"

#include <string.h>
#include <sys/epoll.h>

enum { BUDGET_CONSENSUS = 16 * 1024 * 1024, BUDGET_DATA = 64 * 1024 * 1024 };

static const char channel_letters[CHANNEL_COUNT] = { 'c', 'd' };
static const uint32_t peer_followers[] = { TO_LEADER, TO_MEMBERSHIP, TO_SLICE_CALL };

void node_peer_watch(const struct node_socket *sockets, int fd, struct source *source)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };
    int failed = epoll_ctl(sockets->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    CHECK(failed == 0);
}

void node_peer_unwatch(const struct node_socket *sockets, int fd)
{
    int failed = epoll_ctl(sockets->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    CHECK(failed == 0);
}

char node_peer_letter(enum transport_channel channel)
{
    CHECK(channel < CHANNEL_COUNT);
    return channel_letters[channel];
}

struct socket_identity node_peer_identity(const char *node, enum transport_channel channel)
{
    struct socket_identity identity;
    size_t length = strlen(node);
    memcpy(identity.data, node, length);
    identity.data[length] = '/';
    identity.data[length + 1] = (uint8_t)channel_letters[channel];
    identity.size = length + 2;
    return identity;
}

struct peer *node_peer_find_or_add(struct node_socket *sockets, const char *node, uint32_t peers_max)
{
    struct peer *peer = map_get(&sockets->peers, node);
    if (peer != NULL || sockets->peers.count >= peers_max) return peer;
    peer = memory_zalloc(sizeof *peer);
    bool whole = text_copy(peer->node, sizeof peer->node, node);
    CHECK(whole);
    node_streams_prepare(peer);
    peer->budget[CHANNEL_CONSENSUS].max = BUDGET_CONSENSUS;
    peer->budget[CHANNEL_DATA].max = BUDGET_DATA;
    (void)map_put(&sockets->peers, node, peer);
    return peer;
}

/* Came by itself, and nothing of it is under way: whoever holds a pointer to it finds it idle. */
static bool is_idle_stranger(const struct peer *peer)
{
    if (peer->address[0] != 0 || peer->up) return false;
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        const struct peer_stream *stream = &peer->streams[channel];
        bool idle = peer->out[channel].socket == NULL && peer->budget[channel].used == 0;
        if (!idle || stream->stream != NULL || stream->has_news) return false;
    }
    return true;
}

static struct peer *oldest_stranger(const struct node_socket *sockets)
{
    struct peer *oldest = NULL;
    const char *node;
    void *entry;
    for (size_t at = 0; map_next(&sockets->peers, &at, &node, &entry);) {
        struct peer *peer = entry;
        if (!is_idle_stranger(peer)) continue;
        if (oldest == NULL || peer->greeted < oldest->greeted) oldest = peer;
    }
    return oldest;
}

/* The place stays where it is, for descriptors refer to it; what was known of him goes. */
static void rename_stranger(struct node_socket *sockets, struct peer *peer, const char *node)
{
    void *gone = map_remove(&sockets->peers, peer->node);
    CHECK(gone == peer);
    remote_forget(sockets->remote, peer->node);
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        struct peer_stream *stream = &peer->streams[channel];
        peer->in_session[channel] = 0;
        stream->session = 0;
        stream->ticks = 0;
        stream->has_token = false;
        memset(&stream->offer, 0, sizeof stream->offer);
    }
    peer->replica_id = 0;
    peer->protocol = 0;
    peer->refused_by_us[0] = peer->refused_by_it[0] = 0;
    bool whole = text_copy(peer->node, sizeof peer->node, node);
    CHECK(whole);
    (void)map_put(&sockets->peers, node, peer);
}

struct peer *node_peer_greeted(struct node_socket *sockets, const char *node)
{
    struct peer *peer = node_peer_find_or_add(sockets, node, STRANGERS_MAX);
    if (peer == NULL) {
        peer = oldest_stranger(sockets);
        if (peer == NULL) return NULL;
        rename_stranger(sockets, peer, node);
    }
    peer->greeted = ++sockets->greeting_count;
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

void node_peer_review(struct node_socket *sockets, struct actor *self, struct peer *peer, bool news)
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

void node_peer_fini(struct node_socket *sockets, struct peer *peer)
{
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        struct connection *out = &peer->out[channel];
        node_streams_close(sockets, peer, (enum transport_channel)channel);
        if (out->socket == NULL) continue;
        node_peer_unwatch(sockets, out->input.fd);
        node_peer_unwatch(sockets, out->monitor_input.fd);
        socket_io_unmonitor(out->socket, &out->monitor);
        socket_io_close(&out->socket);
        *out = (struct connection){ 0 };
    }
}

static void disconnect(struct node_socket *sockets, struct actor *self, struct peer *peer)
{
    node_peer_fini(sockets, peer);
    node_peer_review(sockets, self, peer, false);
}

static enum status connect_channel(struct node_socket *sockets, struct peer *peer,
                                   enum transport_channel channel, struct error *error)
{
    struct connection *out = &peer->out[channel];
    struct socket_identity identity = node_peer_identity(sockets->node, channel);
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
    const struct source source = { .kind = SOURCE_CONNECTION, .channel = channel, .peer = peer };
    out->input = (struct input){ .source = source, .fd = socket_io_fd(out->socket), .unsure = true };
    out->monitor_input = (struct input){ .source = source, .fd = socket_io_fd(out->monitor), .unsure = true };
    node_peer_watch(sockets, out->input.fd, &out->input.source);
    node_peer_watch(sockets, out->monitor_input.fd, &out->monitor_input.source);
    return socket_io_connect(out->socket, peer->address, sockets->keys, error);
}

void node_peer_direct(struct node_socket *sockets, struct actor *self, const struct transport_peer *order)
{
    if (order->node[0] == 0 || strcmp(order->node, sockets->node) == 0) return;
    struct peer *peer = node_peer_find_or_add(sockets, order->node, PEERS_MAX);
    if (peer == NULL) {
        log_error(self, "transport.too_many_peers", "node=%s max=%d", order->node, PEERS_MAX);
        return;
    }
    if (strcmp(peer->address, order->address) == 0) return;
    /* Without one it came by itself: the connections are its own, and what is on their way is awaited. */
    if (peer->address[0] != 0) disconnect(sockets, self, peer);
    (void)text_copy(peer->address, sizeof peer->address, order->address);
    struct error error;
    for (int channel = 0; channel < CHANNEL_COUNT && peer->address[0] != 0; channel++) {
        if (connect_channel(sockets, peer, (enum transport_channel)channel, &error) == STATUS_OK) continue;
        log_error(self, "transport.bad_address", "node=%s: %s", peer->node, error.message);
        disconnect(sockets, self, peer);
        peer->address[0] = 0; /* The same order may be tried again. */
    }
}
