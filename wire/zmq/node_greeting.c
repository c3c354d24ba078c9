/* node_greeting: see the header. */
#include "wire/zmq/node_greeting.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/zmq/node_streams.h"

#include "wire/proto/envelope.pb-c.h"

#include <string.h>

enum { REFUSALS_LOGGED_MAX = 16 }; /* In a period. */
static const int64_t refusals_period_ns = SECONDS(10);

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

static struct message *hello_create(const struct node_socket *sockets, enum transport_channel channel)
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
    return message;
}

struct bytes *node_greeting_frame(const struct node_socket *sockets, enum transport_channel channel,
                                  const uint8_t token[STREAM_TOKEN_SIZE])
{
    struct message *message = hello_create(sockets, channel);
    Pb__Hello *hello = message->body;
    if (token != NULL) {
        hello->stream_token.len = STREAM_TOKEN_SIZE;
        hello->stream_token.data = arena_alloc(&message->arena, STREAM_TOKEN_SIZE);
        memcpy(hello->stream_token.data, token, STREAM_TOKEN_SIZE);
    }
    return sealed(sockets, &message);
}

void node_greeting_greet(struct node_socket *sockets, struct peer *peer, enum transport_channel channel)
{
    struct connection *out = &peer->out[channel];
    if (!out->connected) return;
    struct bytes *frame = node_greeting_frame(sockets, channel, NULL);
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

static enum status check_hello(const struct node_socket *sockets, const char *node,
                               enum transport_channel channel, const Pb__Hello *hello, struct error *error)
{
    uint64_t ours = remote_identity(sockets->remote)->cluster_id;
    if (strcmp(hello->node, node) != 0 || hello->channel != (uint32_t)channel || hello->session == 0)
        return error_set(error, STATUS_INVALID, "the hello of %s on channel %c says %s, channel %u", node,
                         node_peer_letter(channel), hello->node, hello->channel);
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

/* Whoever is refused can say something new each time: then refusals are counted only. */
static bool may_log_refusal(struct node_socket *sockets, int64_t now_ns)
{
    bool begins =
        sockets->refusals_since_ns == 0 || now_ns - sockets->refusals_since_ns >= refusals_period_ns;
    if (begins) {
        sockets->refusals_since_ns = now_ns;
        sockets->refusals_logged = 0;
    }
    return sockets->refusals_logged++ < REFUSALS_LOGGED_MAX;
}

static void log_refusal(struct node_socket *sockets, struct actor *self, const struct peer *peer,
                        char logged[REFUSAL_MAX], const struct error *error)
{
    char reason[REFUSAL_MAX];
    (void)text_copy(reason, sizeof reason, error->message);
    if (strcmp(reason, logged) == 0) return;
    (void)text_copy(logged, REFUSAL_MAX, reason);
    if (!may_log_refusal(sockets, actor_now_ns(self))) {
        remote_drop(sockets->remote, self, peer->node, "refused, as others before");
        return;
    }
    log_error(self, "transport.refused", "node=%s by=%s: %s", peer->node,
              logged == peer->refused_by_us ? "us" : "it", error->message);
}

/* Takes the hello. `session` is where this connection's is kept; `host`: whence it came, where that says
 * where the peer listens. */
static void accept_hello(struct node_socket *sockets, struct actor *self, struct peer *peer,
                         enum transport_channel channel, uint64_t *session, const char *host,
                         struct message **message)
{
    const Pb__Hello *hello = (*message)->body;
    uint32_t protocol = hello->protocol_max < PROTOCOL_MAX ? hello->protocol_max : PROTOCOL_MAX;
    bool news = hello->replica_id != peer->replica_id || protocol != peer->protocol;
    *session = hello->session;
    peer->replica_id = hello->replica_id;
    peer->protocol = protocol;
    node_streams_on_hello(sockets, peer, channel, hello, host);
    message_destroy(message);
    node_peer_review(sockets, self, peer, news);
}

void node_greeting_on_hello_in(struct node_socket *sockets, struct actor *self, const char *node,
                               enum transport_channel channel, struct socket_message *frame)
{
    struct message *message = NULL;
    struct error error;
    struct peer *peer = node_peer_greeted(sockets, node);
    if (peer == NULL) {
        remote_drop(sockets->remote, self, node, "too many peers");
    } else if (read_hello(sockets, node, channel, frame, &message, &error) == STATUS_OK) {
        accept_hello(sockets, self, peer, channel, &peer->in_session[channel], NULL, &message);
        struct message *hello = hello_create(sockets, channel);
        node_streams_offer(sockets, self, peer, channel, hello);
        answer_greeting(sockets, &frame->from, sealed(sockets, &hello));
    } else {
        peer->in_session[channel] = 0;
        log_refusal(sockets, self, peer, peer->refused_by_us, &error);
        struct message *refusal = wire_refusal_create(&error);
        answer_greeting(sockets, &frame->from, sealed(sockets, &refusal));
        node_peer_review(sockets, self, peer, false);
    }
}

void node_greeting_on_hello_out(struct node_socket *sockets, struct actor *self, struct peer *peer,
                                enum transport_channel channel, struct socket_message *frame)
{
    struct message *message = NULL;
    struct error error;
    uint64_t *session = &peer->out[channel].session;
    if (read_hello(sockets, peer->node, channel, frame, &message, &error) == STATUS_OK) {
        accept_hello(sockets, self, peer, channel, session, socket_io_host(frame), &message);
        return;
    }
    *session = 0;
    log_refusal(sockets, self, peer, peer->refused_by_us, &error);
    node_peer_review(sockets, self, peer, false);
}

void node_greeting_on_refused(struct node_socket *sockets, struct actor *self, struct peer *peer,
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
    log_refusal(sockets, self, peer, peer->refused_by_it, &error);
    node_peer_review(sockets, self, peer, false);
}
