/* node_streams: see the header. Limits  ARRIVALS_MAX connections that have not said whose they are, each for
 * PATIENCE_TICKS; one more takes the place of the oldest. After one that broke the next waits REST_TICKS. */
#include "wire/zmq/node_streams.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "wire/frame.h"
#include "wire/kinds.h"
#include "wire/zmq/node_greeting.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { PATIENCE_TICKS = 6, REST_TICKS = 20, GREETING_MAX = 4096, ACCEPTS_MAX = 8 };

/* --- life ----------------------------------------------------------------------------------------------- */

void node_streams_open(struct node_socket *sockets)
{
    char endpoint[256];
    char host[TCP_HOST_MAX];
    size_t size = sizeof endpoint;
    for (uint32_t i = 0; i < ARRIVALS_MAX; i++)
        sockets->arrivals[i].source =
            (struct source){ .kind = SOURCE_ARRIVAL, .arrival = &sockets->arrivals[i] };
    sockets->listener = (struct source){ .kind = SOURCE_LISTENER };
    sockets->listener_fd = -1;
    if (sockets->keys != NULL) return;
    if (zmq_getsockopt(sockets->router, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0) return;
    if (tcp_socket_host(endpoint, host) == NULL) return;
    sockets->router_port = tcp_socket_port(endpoint);
    sockets->listener_fd = tcp_socket_listen(host, &sockets->listener_port);
    if (sockets->listener_fd >= 0) node_peer_watch(sockets, sockets->listener_fd, &sockets->listener);
}

static void drop_arrival(struct node_socket *sockets, struct arrival *arrival)
{
    if (arrival->stream != NULL) node_peer_unwatch(sockets, frame_stream_fd(arrival->stream));
    frame_stream_destroy(&arrival->stream);
    arrival->ticks = 0;
}

void node_streams_fini(struct node_socket *sockets)
{
    for (uint32_t i = 0; i < ARRIVALS_MAX; i++)
        drop_arrival(sockets, &sockets->arrivals[i]);
    if (sockets->listener_fd >= 0) (void)close(sockets->listener_fd);
}

void node_streams_prepare(struct peer *peer)
{
    for (int channel = 0; channel < CHANNEL_COUNT; channel++)
        peer->streams[channel].source = (struct source){ .kind = SOURCE_STREAM,
                                                         .channel = (enum transport_channel)channel,
                                                         .peer = peer };
}

static void shut(struct node_socket *sockets, struct peer_stream *of, uint32_t rest_ticks)
{
    if (of->stream != NULL) node_peer_unwatch(sockets, frame_stream_fd(of->stream));
    frame_stream_destroy(&of->stream);
    of->ready = of->asks_room = false;
    of->ticks = rest_ticks;
}

void node_streams_close(struct node_socket *sockets, struct peer *peer, enum transport_channel channel)
{
    struct peer_stream *of = &peer->streams[channel];
    shut(sockets, of, 0);
    of->offer.port = 0;
}

/* It broke, or the other end doesn't want it. What was on its way is lost: so is the peer, until it is
 * greeted again. */
static void lose(struct node_socket *sockets, struct actor *self, struct peer *peer, struct peer_stream *of)
{
    bool was_ready = of->ready;
    shut(sockets, of, REST_TICKS);
    if (!was_ready) return;
    log_info(self, "transport.stream_lost", "node=%s channel=%c", peer->node,
             node_peer_letter(of->source.channel));
    peer->out[of->source.channel].session = 0;
    node_peer_review(sockets, self, peer, false);
}

/* --- out ------------------------------------------------------------------------------------------------ */

bool node_streams_carries(const struct peer *peer, enum transport_channel channel)
{
    return peer->streams[channel].ready;
}

static enum status put(struct node_socket *sockets, struct peer_stream *of, struct bytes **frame,
                       uint64_t bytes_max)
{
    enum status status = frame_stream_send(of->stream, frame, bytes_max);
    if (of->has_news) return status;
    of->has_news = true;
    of->dirty_next = sockets->dirty;
    sockets->dirty = of;
    return status;
}

enum status node_streams_send(struct node_socket *sockets, struct peer *peer, enum transport_channel channel,
                              struct bytes **frame)
{
    CHECK(peer->streams[channel].ready);
    return put(sockets, &peer->streams[channel], frame, peer->budget[channel].max);
}

static void write_out(struct node_socket *sockets, struct actor *self, struct peer_stream *of)
{
    frame_stream_flush(of->stream);
    if (frame_stream_is_broken(of->stream)) {
        lose(sockets, self, of->source.peer, of);
        return;
    }
    bool asks_room = frame_stream_has_unsent(of->stream);
    if (asks_room == of->asks_room) return;
    of->asks_room = asks_room;
    struct epoll_event event = { .events = asks_room ? EPOLLIN | EPOLLOUT : EPOLLIN,
                                 .data.ptr = &of->source };
    int failed = epoll_ctl(sockets->epoll_fd, EPOLL_CTL_MOD, frame_stream_fd(of->stream), &event);
    CHECK(failed == 0);
}

void node_streams_flush(struct node_socket *sockets, struct actor *self)
{
    struct peer_stream *next = sockets->dirty;
    sockets->dirty = NULL;
    while (next != NULL) {
        struct peer_stream *of = next;
        next = of->dirty_next;
        of->has_news = false;
        if (of->stream != NULL) write_out(sockets, self, of);
    }
}

/* --- connecting ----------------------------------------------------------------------------------------- */

static void make_ready(struct actor *self, const struct peer *peer, struct peer_stream *of)
{
    of->ready = true;
    of->ticks = 0;
    frame_stream_allow(of->stream, FRAME_SIZE_MAX);
    log_info(self, "transport.stream_up", "node=%s channel=%c", peer->node,
             node_peer_letter(of->source.channel));
}

static void connect_stream(struct node_socket *sockets, struct peer *peer, struct peer_stream *of)
{
    enum transport_channel channel = of->source.channel;
    bool ours = strcmp(sockets->node, peer->node) < 0;
    if (!ours || of->offer.port == 0 || of->stream != NULL || of->ticks > 0) return;
    of->session = peer->out[channel].session;
    if (of->session == 0) return;
    int fd = tcp_socket_connect(of->offer.host, of->offer.port);
    of->ticks = fd < 0 ? REST_TICKS : PATIENCE_TICKS;
    if (fd < 0) return;
    of->stream = frame_stream_create(fd, GREETING_MAX);
    node_peer_watch(sockets, fd, &of->source);
    struct bytes *hello = node_greeting_frame(sockets, channel, of->offer.token);
    enum status status = put(sockets, of, &hello, GREETING_MAX);
    CHECK(status == STATUS_OK);
}

void node_streams_offer(struct node_socket *sockets, struct actor *self, struct peer *peer,
                        enum transport_channel channel, struct message *message)
{
    struct peer_stream *of = &peer->streams[channel];
    if (sockets->listener_fd < 0) return;
    for (size_t i = 0; !of->has_token && i < STREAM_TOKEN_SIZE; i += sizeof(uint64_t)) {
        uint64_t number = actor_random(self);
        memcpy(of->token + i, &number, sizeof number);
    }
    of->has_token = true;
    Pb__Hello *hello = message->body;
    hello->stream_port = sockets->listener_port;
    hello->stream_beside = sockets->router_port;
    hello->stream_token = (ProtobufCBinaryData){ STREAM_TOKEN_SIZE, of->token };
}

/* Nothing that its operator put before the peer (a proxy, a tunnel) may be gone around: the address that we
 * were told of is the one that it listens on. */
static bool is_reached_directly(const struct peer *peer, const Pb__Hello *hello)
{
    return hello->stream_beside != 0 && tcp_socket_port(peer->address) == hello->stream_beside;
}

void node_streams_on_hello(struct node_socket *sockets, struct peer *peer, enum transport_channel channel,
                           const Pb__Hello *hello, const char *host)
{
    struct peer_stream *of = &peer->streams[channel];
    if (of->stream != NULL && of->session != hello->session)
        shut(sockets, of, 0); /* Of a former life of it. */
    if (host == NULL || hello->stream_port == 0 || hello->stream_port > UINT16_MAX) return;
    if (hello->stream_token.len != STREAM_TOKEN_SIZE || !is_reached_directly(peer, hello)) return;
    if (!text_copy(of->offer.host, sizeof of->offer.host, host)) return;
    of->offer.port = (uint16_t)hello->stream_port;
    memcpy(of->offer.token, hello->stream_token.data, STREAM_TOKEN_SIZE);
    connect_stream(sockets, peer, of);
}

/* --- who connects to us --------------------------------------------------------------------------------- */

static void accept_arrivals(struct node_socket *sockets)
{
    for (int taken = 0; taken < ACCEPTS_MAX; taken++) {
        int fd = tcp_socket_accept(sockets->listener_fd);
        if (fd < 0 && taken == 0) { /* Out of descriptors: whoever waits there waits for the next tick. */
            node_peer_unwatch(sockets, sockets->listener_fd);
            sockets->listener_rests = true;
        }
        if (fd < 0) return;
        struct arrival *place = &sockets->arrivals[0];
        for (uint32_t i = 0; i < ARRIVALS_MAX; i++)
            if (sockets->arrivals[i].ticks < place->ticks) place = &sockets->arrivals[i];
        drop_arrival(sockets, place);
        place->stream = frame_stream_create(fd, GREETING_MAX);
        place->ticks = PATIENCE_TICKS;
        node_peer_watch(sockets, fd, &place->source);
    }
}

/* The greeting of a node that has greeted us in this life of it, and was given this token. NULL: it isn't. */
static struct peer_stream *owner_of(struct node_socket *sockets, const Pb__Hello *hello)
{
    if (hello->channel >= CHANNEL_COUNT || hello->stream_token.len != STREAM_TOKEN_SIZE) return NULL;
    struct peer *peer = map_get(&sockets->peers, hello->node);
    if (peer == NULL || hello->session == 0 || peer->in_session[hello->channel] != hello->session)
        return NULL;
    struct peer_stream *of = &peer->streams[hello->channel];
    bool knows = of->has_token && memcmp(of->token, hello->stream_token.data, STREAM_TOKEN_SIZE) == 0;
    return knows ? of : NULL;
}

/* A second one means that the first broke, and we have not heard. */
static void adopt(struct node_socket *sockets, struct actor *self, struct arrival *arrival,
                  struct peer_stream *of, uint64_t session)
{
    if (of->stream != NULL) lose(sockets, self, of->source.peer, of);
    of->stream = arrival->stream;
    of->session = session;
    arrival->stream = NULL;
    arrival->ticks = 0;
    of->asks_room = false;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &of->source };
    int failed = epoll_ctl(sockets->epoll_fd, EPOLL_CTL_MOD, frame_stream_fd(of->stream), &event);
    CHECK(failed == 0);
    struct bytes *hello = node_greeting_frame(sockets, of->source.channel, NULL);
    enum status status = put(sockets, of, &hello, GREETING_MAX);
    CHECK(status == STATUS_OK);
    make_ready(self, of->source.peer, of);
}

/* NULL: this is no hello. The caller's. */
static struct message *read_greeting(const uint8_t *data, size_t size)
{
    struct frame_header header;
    struct message *message = NULL;
    struct error error;
    if (frame_parse(data, size, &header, &error) != STATUS_OK || header.kind != KIND_HELLO) return NULL;
    if (frame_decode(data, size, &header, &message, &error) != STATUS_OK) return NULL;
    return message;
}

static void read_arrival(struct node_socket *sockets, struct actor *self, struct arrival *arrival)
{
    const uint8_t *data;
    size_t size;
    struct peer_stream *owner = NULL;
    uint64_t session = 0;
    if (arrival->stream == NULL) return;
    frame_stream_fill(arrival->stream);
    bool whole = frame_stream_next(arrival->stream, &data, &size);
    if (!whole && !frame_stream_is_broken(arrival->stream)) return;
    struct message *message = whole ? read_greeting(data, size) : NULL;
    if (message != NULL) {
        owner = owner_of(sockets, message->body);
        session = ((const Pb__Hello *)message->body)->session;
        message_destroy(&message);
    }
    if (owner != NULL) adopt(sockets, self, arrival, owner, session);
    else drop_arrival(sockets, arrival);
}

/* --- in ------------------------------------------------------------------------------------------------- */

/* The answer to ours: the first that comes on a stream that we made. */
static bool is_welcome(const struct peer_stream *of, const uint8_t *data, size_t size)
{
    struct message *message = read_greeting(data, size);
    if (message == NULL) return false;
    const Pb__Hello *hello = message->body;
    bool welcome = hello->session == of->session && hello->channel == (uint32_t)of->source.channel;
    message_destroy(&message);
    return welcome;
}

static void read_stream(struct node_socket *sockets, struct actor *self, struct peer_stream *of)
{
    const uint8_t *data;
    size_t size;
    struct peer *peer = of->source.peer;
    frame_stream_fill(of->stream);
    while (of->stream != NULL && frame_stream_next(of->stream, &data, &size)) {
        if (of->ready) remote_on_frame(sockets->remote, self, peer->node, of->source.channel, data, size);
        else if (is_welcome(of, data, size)) make_ready(self, peer, of);
        else lose(sockets, self, peer, of);
    }
    if (of->stream != NULL && frame_stream_is_broken(of->stream)) lose(sockets, self, peer, of);
}

void node_streams_on_input(struct node_socket *sockets, struct actor *self, struct source *source)
{
    if (source->kind == SOURCE_LISTENER) {
        accept_arrivals(sockets);
    } else if (source->kind == SOURCE_ARRIVAL) {
        read_arrival(sockets, self, source->arrival);
    } else {
        struct peer_stream *of = &source->peer->streams[source->channel];
        if (of->stream != NULL && of->asks_room) write_out(sockets, self, of);
        if (of->stream != NULL) read_stream(sockets, self, of);
    }
}

static void age(struct node_socket *sockets, struct peer *peer, struct peer_stream *of)
{
    if (of->ticks > 0 && --of->ticks == 0 && of->stream != NULL) shut(sockets, of, REST_TICKS);
    connect_stream(sockets, peer, of);
}

void node_streams_on_tick(struct node_socket *sockets)
{
    const char *node;
    void *entry;
    if (sockets->listener_rests) node_peer_watch(sockets, sockets->listener_fd, &sockets->listener);
    sockets->listener_rests = false;
    for (size_t at = 0; map_next(&sockets->peers, &at, &node, &entry);) {
        struct peer *peer = entry;
        for (int channel = 0; channel < CHANNEL_COUNT; channel++)
            age(sockets, peer, &peer->streams[channel]);
    }
    for (uint32_t i = 0; i < ARRIVALS_MAX; i++) {
        struct arrival *arrival = &sockets->arrivals[i];
        if (arrival->ticks > 0 && --arrival->ticks == 0) drop_arrival(sockets, arrival);
    }
}
