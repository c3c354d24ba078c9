/* Goal: nodes that have greeted each other talk by streams, in both directions and whatever the size; a
 * stream that breaks is a connection that broke; strangers at the port of the streams get nowhere. Method:
 * stations (tests/support) in one process on TCP; raw sockets play the stranger, who finds the port by hello.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/memory.h"
#include "tests/support/probe.h"
#include "tests/support/station.h"
#include "wire/frame.h"
#include "wire/kinds.h"
#include "wire/remote.h"

#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/envelope.pb-c.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

enum { ANSWERED = STATION_SLOTS, TOKEN_SIZE = 16, PATIENCE_MS = 10000 };

static char directory[STATION_PATH_MAX];

static int set_up(void **state)
{
    (void)state;
    station_directory(directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    station_remove_directory(directory);
    return 0;
}

/* Echoes the attachment. */
static void answer(struct actor *self, void *context, const struct message *message)
{
    (void)context;
    if (message->kind != KIND_KV_GET_REQUEST) return;
    struct message *reply = wire_message_create(KIND_KV_GET_REPLY);
    struct bytes *echo = bytes_ref(message->attachment);
    if (echo != NULL) message_attach(reply, &echo);
    actor_reply(self, message, &reply);
}

static void start_pair(struct station *a, struct station *b)
{
    station_start_tcp(a, directory, "a");
    station_start_tcp(b, directory, "b");
    (void)stub_spawn(a->runtime, TO_STATE, answer, a);
    (void)stub_spawn(b->runtime, TO_STATE, answer, b);
    station_identify(a, 77, 1);
    station_identify(b, 77, 2);
    station_connect(a, b->name, b->address);
    station_connect(b, a->name, a->address);
    assert_true(tally_await(&a->tally, STATION_UP, 1));
    assert_true(tally_await(&b->tally, STATION_UP, 1));
    assert_true(tally_await(&a->tally, STATION_STREAMS_UP, CHANNEL_COUNT));
    assert_true(tally_await(&b->tally, STATION_STREAMS_UP, CHANNEL_COUNT));
}

static void stop_pair(struct station *a, struct station *b)
{
    station_stop(a);
    station_stop(b);
}

struct question {
    struct station *station;
    const char *node;
    enum transport_channel channel;
    uint32_t size; /* Of the attachment. */
    uint32_t count;
    uint32_t echoed; /* Whole ones. */
};

static void on_complete(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state, (void)self;
    struct question *question = context;
    const struct bytes *echo = result->status == STATUS_OK ? result->message->attachment : NULL;
    bool whole = echo != NULL && echo->size == question->size;
    for (size_t i = 0; whole && i < echo->size; i++)
        whole = echo->data[i] == (uint8_t)(i * 7);
    question->echoed += whole ? 1 : 0;
    tally_add(&question->station->tally, ANSWERED);
}

static void ask(struct actor *self, void *context, const struct message *message)
{
    (void)message;
    struct question *question = context;
    for (uint32_t n = 0; n < question->count; n++) {
        struct message *request = wire_message_create(KIND_KV_GET_REQUEST);
        struct bytes *bulk = bytes_create(question->size);
        for (size_t i = 0; i < bulk->size; i++)
            bulk->data[i] = (uint8_t)(i * 7);
        message_attach(request, &bulk);
        wire_ask(self, question->node, question->channel, &request, SECONDS(8), on_complete, question);
    }
}

/* How many of `count` came back whole. */
static uint32_t put_questions(struct station *from, const struct station *to, enum transport_channel channel,
                              uint32_t size, uint32_t count)
{
    struct question question = {
        .station = from, .node = to->name, .channel = channel, .size = size, .count = count
    };
    uint32_t before = tally_count(&from->tally, ANSWERED);
    struct actor_id id = stub_spawn(from->runtime, 0, ask, &question);
    struct message *go = message_create(KIND_MEMBERSHIP_TICK, 0);
    assert_int_equal(runtime_send(from->runtime, id, &go), STATUS_OK);
    assert_true(tally_await(&from->tally, ANSWERED, before + count));
    return question.echoed;
}

/* --- a stranger ----------------------------------------------------------------------------------------- */

static struct bytes *hello_of(const char *node, uint32_t channel, uint64_t session, const uint8_t *token)
{
    struct message *message = wire_message_create(KIND_HELLO);
    Pb__Hello *hello = message->body;
    hello->protocol_min = hello->protocol_max = 1;
    hello->cluster_id = 77;
    hello->node = wire_string(message, node);
    hello->channel = channel;
    hello->session = session;
    if (token != NULL) {
        hello->stream_token.len = TOKEN_SIZE;
        hello->stream_token.data = arena_alloc(&message->arena, TOKEN_SIZE);
        memcpy(hello->stream_token.data, token, TOKEN_SIZE);
    }
    struct bytes *frame = NULL;
    assert_int_equal(frame_pack(message, &frame, NULL), STATUS_OK);
    frame_seal(frame, &(struct frame_header){ .protocol = 1, .cluster_id = 77 });
    message_destroy(&message);
    return frame;
}

struct offer {
    uint16_t port;
    uint8_t token[TOKEN_SIZE];
};

/* What a station says to who greets it by ZeroMQ as "x", channel d. The connection stays: `out_socket`. */
static struct offer offer_to_x(const struct station *station, void *zmq, void **out_socket)
{
    void *socket = zmq_socket(zmq, ZMQ_DEALER);
    int patience_ms = PATIENCE_MS;
    int linger_ms = 0;
    (void)zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    (void)zmq_setsockopt(socket, ZMQ_ROUTING_ID, "x/d", 3);
    assert_int_equal(zmq_connect(socket, station->address), 0);
    struct bytes *frame = hello_of("x", CHANNEL_DATA, 5, NULL);
    assert_true(zmq_send(socket, frame->data, frame->size, 0) > 0);
    bytes_unref(&frame);
    static uint8_t data[4096];
    int size = zmq_recv(socket, data, sizeof data, 0);
    assert_true(size > 0);
    struct frame_header header;
    struct message *message = NULL;
    assert_int_equal(frame_parse(data, (size_t)size, &header, NULL), STATUS_OK);
    assert_int_equal(frame_decode(data, (size_t)size, &header, &message, NULL), STATUS_OK);
    assert_int_equal(message->kind, KIND_HELLO);
    const Pb__Hello *hello = message->body;
    assert_int_equal(hello->stream_token.len, TOKEN_SIZE);
    struct offer offer = { .port = (uint16_t)hello->stream_port };
    memcpy(offer.token, hello->stream_token.data, TOKEN_SIZE);
    message_destroy(&message);
    *out_socket = socket;
    return offer;
}

static int connect_raw(uint16_t port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* The first bytes that come, or none if it is hung up. */
static ssize_t heard(int fd)
{
    uint8_t data[4096];
    struct pollfd item = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
    return recv(fd, data, sizeof data, 0);
}

/* Is it hung up on, who says this? Closes. */
static bool is_refused(uint16_t port, const void *data, size_t size)
{
    int fd = connect_raw(port);
    assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
    bool refused = heard(fd) <= 0;
    (void)close(fd);
    return refused;
}

static bool hello_is_refused(uint16_t port, const char *node, uint32_t channel, uint64_t session,
                             const uint8_t *token)
{
    struct bytes *frame = hello_of(node, channel, session, token);
    bool refused = is_refused(port, frame->data, frame->size);
    bytes_unref(&frame);
    return refused;
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static void frames_of_all_sizes_go_both_ways(void **state)
{
    (void)state;
    struct station a, b;
    start_pair(&a, &b);
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        enum transport_channel by = (enum transport_channel)channel;
        assert_int_equal(put_questions(&a, &b, by, 0, 1), 0); /* No attachment, so no echo. */
        assert_int_equal(put_questions(&a, &b, by, 1, 1), 1);
        assert_int_equal(put_questions(&b, &a, by, 64, 500), 500);
        assert_int_equal(put_questions(&a, &b, by, 65536, 100), 100);
    }
    assert_int_equal(put_questions(&a, &b, CHANNEL_DATA, 4000000, 10), 10); /* Nearly what a frame holds. */
    assert_int_equal(put_questions(&a, &b, CHANNEL_DATA, 64, 1), 1);
    assert_int_equal(tally_count(&a.tally, STATION_DOWN), 0);
    assert_int_equal(tally_count(&a.tally, STATION_STREAMS_LOST), 0);
    stop_pair(&a, &b);
}

static void a_node_that_ends_is_missed_and_heard_again(void **state)
{
    (void)state;
    struct station a, b;
    start_pair(&a, &b);
    char address[STATION_PATH_MAX];
    memcpy(address, b.address, sizeof address);
    station_stop(&b);
    assert_true(tally_await(&a.tally, STATION_DOWN, 1));
    station_start_tcp(&b, directory, "b");
    (void)stub_spawn(b.runtime, TO_STATE, answer, &b);
    station_identify(&b, 77, 2);
    station_connect(&b, "a", a.address);
    station_connect(&a, "b", b.address);
    assert_true(tally_await(&a.tally, STATION_UP, 2));
    assert_true(tally_await(&a.tally, STATION_STREAMS_UP, CHANNEL_COUNT * 2));
    assert_true(tally_await(&b.tally, STATION_STREAMS_UP, CHANNEL_COUNT));
    assert_int_equal(put_questions(&a, &b, CHANNEL_DATA, 64, 10), 10);
    assert_int_equal(put_questions(&b, &a, CHANNEL_CONSENSUS, 64, 10), 10);
    stop_pair(&a, &b);
}

/* "a" joins: it knows "b", and "b" hears of its address while they talk. What is on its way stays there. */
static void a_guest_becomes_a_neighbour(void **state)
{
    (void)state;
    struct station a, b;
    station_start_tcp(&a, directory, "a");
    station_start_tcp(&b, directory, "b");
    (void)stub_spawn(b.runtime, TO_STATE, answer, &b);
    station_identify(&a, 77, 1);
    station_identify(&b, 77, 2);
    station_connect(&a, "b", b.address);
    assert_true(tally_await(&a.tally, STATION_STREAMS_UP, CHANNEL_COUNT));
    assert_true(tally_await(&b.tally, STATION_STREAMS_UP, CHANNEL_COUNT));
    station_connect(&b, "a", a.address);
    assert_int_equal(put_questions(&a, &b, CHANNEL_DATA, 64, 100), 100);
    assert_true(tally_await(&a.tally, STATION_UP, 1));
    assert_true(tally_await(&b.tally, STATION_UP, 1));
    assert_int_equal(put_questions(&a, &b, CHANNEL_CONSENSUS, 64, 100), 100);
    assert_int_equal(tally_count(&a.tally, STATION_STREAMS_LOST), 0);
    assert_int_equal(tally_count(&a.tally, STATION_DOWN), 0);
    stop_pair(&a, &b);
}

/* Whoever greeted by ZeroMQ and shows the token is let in; nobody else is. */
static void strangers_get_nowhere(void **state)
{
    (void)state;
    struct station a, b;
    start_pair(&a, &b);
    void *zmq = zmq_ctx_new();
    void *socket = NULL;
    struct offer offer = offer_to_x(&a, zmq, &socket);
    uint8_t wrong[TOKEN_SIZE] = { 1 };
    uint8_t garbage[300] = { 'A', 'E', 'T', 'H', 1 };
    assert_true(is_refused(offer.port, garbage, sizeof garbage));
    assert_true(hello_is_refused(offer.port, "x", CHANNEL_DATA, 5, wrong));
    assert_true(hello_is_refused(offer.port, "x", CHANNEL_DATA, 5, NULL));
    assert_true(hello_is_refused(offer.port, "x", CHANNEL_DATA, 6, offer.token)); /* Of another life. */
    assert_true(hello_is_refused(offer.port, "x", CHANNEL_CONSENSUS, 5, offer.token));
    assert_true(hello_is_refused(offer.port, "x", 99, 5, offer.token));
    assert_true(hello_is_refused(offer.port, "b", CHANNEL_DATA, 5, offer.token));
    assert_true(hello_is_refused(offer.port, "nobody", CHANNEL_DATA, 5, offer.token));
    assert_false(hello_is_refused(offer.port, "x", CHANNEL_DATA, 5, offer.token));
    int silent[64]; /* More than have a place: the oldest give way. */
    for (size_t i = 0; i < ARRAY_COUNT(silent); i++)
        silent[i] = connect_raw(offer.port);
    assert_true(heard(silent[0]) <= 0);
    for (size_t i = 0; i < ARRAY_COUNT(silent); i++)
        (void)close(silent[i]);
    assert_int_equal(put_questions(&b, &a, CHANNEL_DATA, 64, 10), 10);
    assert_int_equal(tally_count(&a.tally, STATION_DOWN), 0);
    (void)zmq_close(socket);
    (void)zmq_ctx_term(zmq);
    stop_pair(&a, &b);
}

/* Garbage on a stream in use ends it; here that of "x", who has no other connection, so nobody is DOWN. */
static void garbage_on_a_stream_ends_it(void **state)
{
    (void)state;
    struct station a, b;
    start_pair(&a, &b);
    void *zmq = zmq_ctx_new();
    void *socket = NULL;
    struct offer offer = offer_to_x(&a, zmq, &socket);
    int fd = connect_raw(offer.port);
    struct bytes *frame = hello_of("x", CHANNEL_DATA, 5, offer.token);
    assert_int_equal(send(fd, frame->data, frame->size, MSG_NOSIGNAL), (ssize_t)frame->size);
    bytes_unref(&frame);
    assert_true(heard(fd) > 0); /* Its hello. */
    uint8_t garbage[300] = { 0 };
    assert_int_equal(send(fd, garbage, sizeof garbage, MSG_NOSIGNAL), (ssize_t)sizeof garbage);
    assert_true(heard(fd) <= 0);
    assert_true(tally_await(&a.tally, STATION_STREAMS_LOST, 1));
    assert_int_equal(put_questions(&b, &a, CHANNEL_DATA, 64, 10), 10);
    (void)close(fd);
    (void)zmq_close(socket);
    (void)zmq_ctx_term(zmq);
    stop_pair(&a, &b);
}

/* --- a node behind a proxy -------------------------------------------------------------------------------
 */

/* "a" has greeted "z" on channel d. */
static void await_greeting(void *router)
{
    char from[64];
    static uint8_t data[4096];
    bool greeted = false;
    for (int heard_of = 0; heard_of < 100 && !greeted; heard_of++) {
        int size = zmq_recv(router, from, sizeof from, 0);
        assert_true(size > 0);
        assert_true(zmq_recv(router, data, sizeof data, 0) > 0);
        greeted = size == 3 && memcmp(from, "a/d", 3) == 0;
    }
    assert_true(greeted);
}

/* What "z" says to "a" on channel d: an offer beside this port. */
static void offer_from_z(void *router, uint16_t port, uint16_t beside, uint8_t token_byte)
{
    uint8_t token[TOKEN_SIZE];
    memset(token, token_byte, sizeof token);
    struct bytes *plain = hello_of("z", CHANNEL_DATA, 9, token);
    struct frame_header header;
    struct message *message = NULL;
    assert_int_equal(frame_parse(plain->data, plain->size, &header, NULL), STATUS_OK);
    assert_int_equal(frame_decode(plain->data, plain->size, &header, &message, NULL), STATUS_OK);
    ((Pb__Hello *)message->body)->stream_port = port;
    ((Pb__Hello *)message->body)->stream_beside = beside;
    struct bytes *frame = NULL;
    assert_int_equal(frame_pack(message, &frame, NULL), STATUS_OK);
    frame_seal(frame, &header);
    assert_int_equal(zmq_send(router, "a/d", 3, ZMQ_SNDMORE), 3);
    assert_true(zmq_send(router, frame->data, frame->size, 0) > 0);
    bytes_unref(&frame);
    bytes_unref(&plain);
    message_destroy(&message);
}

static int listen_raw(uint16_t *out_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

/* The first byte of the token that whoever comes first shows. */
static uint8_t token_shown(int listener)
{
    static uint8_t data[4096];
    struct pollfd item = { .fd = listener, .events = POLLIN };
    assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
    int fd = accept(listener, NULL, NULL);
    ssize_t size = recv(fd, data, sizeof data, 0);
    assert_true(size > 0);
    struct frame_header header;
    struct message *message = NULL;
    assert_int_equal(frame_parse(data, (size_t)size, &header, NULL), STATUS_OK);
    assert_int_equal(frame_decode(data, (size_t)size, &header, &message, NULL), STATUS_OK);
    uint8_t shown = ((const Pb__Hello *)message->body)->stream_token.data[0];
    message_destroy(&message);
    (void)close(fd);
    return shown;
}

/* "z" says first that it listens at another port than the one it was reached by: no stream may go around
 * what stands between. The first that is made is for the offer after it. */
static void nothing_between_two_nodes_is_gone_around(void **state)
{
    (void)state;
    struct station a;
    station_start_tcp(&a, directory, "a");
    station_identify(&a, 77, 1);
    void *zmq = zmq_ctx_new();
    void *router = zmq_socket(zmq, ZMQ_ROUTER);
    int patience_ms = PATIENCE_MS;
    int linger_ms = 0;
    (void)zmq_setsockopt(router, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    (void)zmq_setsockopt(router, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    assert_int_equal(zmq_bind(router, "tcp://127.0.0.1:*"), 0);
    char address[STATION_PATH_MAX];
    size_t size = sizeof address;
    assert_int_equal(zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, address, &size), 0);
    uint16_t own_port = (uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10);
    uint16_t stream_port;
    int listener = listen_raw(&stream_port);
    station_connect(&a, "z", address);
    await_greeting(router);
    offer_from_z(router, stream_port, (uint16_t)(own_port ^ 1), 1);
    offer_from_z(router, stream_port, own_port, 2);
    assert_int_equal(token_shown(listener), 2);
    (void)close(listener);
    station_stop(&a);
    (void)zmq_close(router);
    (void)zmq_ctx_term(zmq);
}

int main(void)
{
#define STREAM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STREAM_TEST(frames_of_all_sizes_go_both_ways),
        STREAM_TEST(a_node_that_ends_is_missed_and_heard_again),
        STREAM_TEST(a_guest_becomes_a_neighbour),
        STREAM_TEST(strangers_get_nowhere),
        STREAM_TEST(garbage_on_a_stream_ends_it),
        STREAM_TEST(nothing_between_two_nodes_is_gone_around),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
