/* Goal: nodes find each other over real sockets, know at once when one is gone, talk whatever comes at their
 * ports, and refuse who doesn't belong to them. Method: stations (tests/support) in one process, joined by
 * ipc sockets; raw sockets play the stranger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/text.h"
#include "tests/support/probe.h"
#include "tests/support/station.h"
#include "wire/kinds.h"
#include "wire/remote.h"

#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/envelope.pb-c.h"

#include <zmq.h>

enum { ANSWERED = STATION_SLOTS, HANDLED };

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

static void introduce(struct station *a, struct station *b)
{
    station_identify(a, 77, 1);
    station_identify(b, 77, 2);
    station_connect(a, b->name, b->address);
    station_connect(b, a->name, a->address);
    assert_true(tally_await(&a->tally, STATION_UP, 1));
    assert_true(tally_await(&b->tally, STATION_UP, 1));
}

/* --- asks between stations --------------------------------------------------------------------------------
 */

static void answer(struct actor *self, void *context, const struct message *message)
{
    struct station *station = context;
    if (message->kind == KIND_KV_GET_REQUEST) {
        const Pb__KvGetRequest *request = message->body;
        tally_add(&station->tally, HANDLED);
        if (strcmp(request->key, "silence") == 0) return;
        struct message *reply = wire_message_create(KIND_KV_GET_REPLY);
        ((Pb__KvGetReply *)reply->body)->index = 42;
        struct bytes *echo = bytes_ref(message->attachment);
        if (echo != NULL) message_attach(reply, &echo);
        actor_reply(self, message, &reply);
    }
}

struct question {
    struct station *station;
    const char *node;
    const char *key;
    size_t attachment_size;
    enum status status;
    uint64_t index;
    size_t echo_size;
};

static void on_complete(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state, (void)self;
    struct question *question = context;
    question->status = result->status;
    if (result->message != NULL) {
        question->index = ((const Pb__KvGetReply *)result->message->body)->index;
        question->echo_size = result->message->attachment == NULL ? 0 : result->message->attachment->size;
    }
    tally_add(&question->station->tally, ANSWERED);
}

static void ask(struct actor *self, void *context, const struct message *message)
{
    (void)message;
    struct question *question = context;
    struct message *request = wire_message_create(KIND_KV_GET_REQUEST);
    ((Pb__KvGetRequest *)request->body)->key = wire_string(request, question->key);
    if (question->attachment_size > 0) {
        struct bytes *bulk = bytes_create(question->attachment_size);
        memset(bulk->data, 7, bulk->size);
        message_attach(request, &bulk);
    }
    wire_ask(self, question->node, CHANNEL_DATA, &request, SECONDS(8), on_complete, question);
}

static void send_question(struct question *question)
{
    struct actor_id id = stub_spawn(question->station->runtime, 0, ask, question);
    struct message *go = message_create(KIND_MEMBERSHIP_TICK, 0);
    assert_int_equal(runtime_send(question->station->runtime, id, &go), STATUS_OK);
}

static void put_question(struct question *question)
{
    uint32_t before = tally_count(&question->station->tally, ANSWERED);
    send_question(question);
    assert_true(tally_await(&question->station->tally, ANSWERED, before + 1));
}

static void assert_talks(struct station *from, struct station *to)
{
    struct question question = { .station = from, .node = to->name, .key = "k" };
    put_question(&question);
    assert_int_equal(question.status, STATUS_OK);
    assert_int_equal(question.index, 42);
}

/* --- a stranger's socket ----------------------------------------------------------------------------------
 */

struct stranger {
    void *zmq;
    void *socket;
};

static struct stranger stranger_open(const char *address, const char *identity)
{
    struct stranger stranger = { .zmq = zmq_ctx_new() };
    stranger.socket = zmq_socket(stranger.zmq, ZMQ_DEALER);
    int patience_ms = 10000;
    int linger_ms = 1000;
    (void)zmq_setsockopt(stranger.socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    (void)zmq_setsockopt(stranger.socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    if (identity != NULL) (void)zmq_setsockopt(stranger.socket, ZMQ_ROUTING_ID, identity, strlen(identity));
    assert_int_equal(zmq_connect(stranger.socket, address), 0);
    return stranger;
}

static void stranger_close(struct stranger *stranger)
{
    (void)zmq_close(stranger->socket);
    (void)zmq_ctx_term(stranger->zmq);
}

static void stranger_hello(struct stranger *stranger, const char *node, uint32_t channel, uint32_t protocol)
{
    struct message *message = wire_message_create(KIND_HELLO);
    Pb__Hello *hello = message->body;
    hello->protocol_min = hello->protocol_max = protocol;
    hello->cluster_id = 77;
    hello->node = wire_string(message, node);
    hello->channel = channel;
    hello->session = 1;
    struct bytes *frame = NULL;
    assert_int_equal(frame_pack(message, &frame, NULL), STATUS_OK);
    frame_seal(frame, &(struct frame_header){ .protocol = 1, .cluster_id = 77 });
    assert_true(zmq_send(stranger->socket, frame->data, frame->size, 0) > 0);
    bytes_unref(&frame);
    message_destroy(&message);
}

/* The next frame that comes back; its refusal's status, or OK for a hello. */
static enum status stranger_heard(struct stranger *stranger)
{
    static uint8_t data[65536];
    int size = zmq_recv(stranger->socket, data, sizeof data, 0);
    assert_true(size > 0);
    struct frame_header header;
    struct message *message = NULL;
    assert_int_equal(frame_parse(data, (size_t)size, &header, NULL), STATUS_OK);
    assert_int_equal(frame_decode(data, (size_t)size, &header, &message, NULL), STATUS_OK);
    struct error error = { 0 };
    if (message->kind == KIND_REFUSAL) wire_refusal_read(message, &error);
    else assert_int_equal(message->kind, KIND_HELLO);
    message_destroy(&message);
    return error.status;
}

/* --- tests ------------------------------------------------------------------------------------------------
 */

static void nodes_greet_and_talk(void **state)
{
    (void)state;
    struct station a;
    struct station b;
    station_start(&a, directory, "a");
    station_start(&b, directory, "b");
    (void)stub_spawn(a.runtime, TO_STATE, answer, &a);
    (void)stub_spawn(b.runtime, TO_STATE, answer, &b);
    introduce(&a, &b);
    assert_int_equal(a.peer_replica, 2);
    assert_int_equal(b.peer_replica, 1);
    assert_talks(&a, &b);
    assert_talks(&b, &a);
    struct question bulk = { .station = &a, .node = "b", .key = "k", .attachment_size = 3 << 20 };
    put_question(&bulk);
    assert_int_equal(bulk.status, STATUS_OK);
    assert_int_equal(bulk.echo_size, 3 << 20);
    struct question nobody = { .station = &a, .node = "c", .key = "k" };
    put_question(&nobody);
    assert_int_equal(nobody.status, STATUS_NODE_LOST);
    station_identify(&b, 77, 22); /* A new replica id is news (M3). */
    assert_true(tally_await(&a.tally, STATION_UP, 2));
    assert_int_equal(a.peer_replica, 22);
    station_stop(&a);
    station_stop(&b);
}

static void a_node_that_ends_is_missed_and_heard_again(void **state)
{
    (void)state;
    struct station a;
    struct station b;
    station_start(&a, directory, "a");
    station_start(&b, directory, "b");
    (void)stub_spawn(b.runtime, TO_STATE, answer, &b);
    introduce(&a, &b);
    struct question open = { .station = &a, .node = "b", .key = "silence" };
    send_question(&open);
    assert_true(tally_await(&b.tally, HANDLED, 1));
    station_stop(&b);
    assert_true(tally_await(&a.tally, STATION_DOWN, 1));
    assert_true(tally_await(&a.tally, ANSWERED, 1));
    assert_true(open.status == STATUS_NODE_LOST || open.status == STATUS_CANCELLED);
    struct question late = { .station = &a, .node = "b", .key = "k" };
    put_question(&late);
    assert_int_equal(late.status, STATUS_NODE_LOST);
    station_start(&b, directory, "b");
    (void)stub_spawn(b.runtime, TO_STATE, answer, &b);
    station_identify(&b, 77, 2);
    station_connect(&b, "a", a.address);
    assert_true(tally_await(&a.tally, STATION_UP, 2));
    assert_true(tally_await(&b.tally, STATION_UP, 1));
    assert_talks(&a, &b);
    station_connect(&a, "b", ""); /* Told to part. */
    assert_true(tally_await(&a.tally, STATION_DOWN, 2));
    station_stop(&a);
    station_stop(&b);
}

/* What was told to the transport before is handled once it answers: that there is no such connection. */
static void await_identity(struct station *station, const char *other)
{
    struct question question = { .station = station, .node = other, .key = "k" };
    put_question(&question);
    assert_int_equal(question.status, STATUS_NODE_LOST);
}

static void nodes_of_two_clusters_part(void **state)
{
    (void)state;
    struct station a;
    struct station b;
    station_start(&a, directory, "a");
    station_start(&b, directory, "b");
    (void)stub_spawn(b.runtime, TO_STATE, answer, &b);
    station_identify(&a, 77, 1);
    station_identify(&b, 78, 2);
    await_identity(&a, "b"); /* A node without a cluster would be greeted. */
    await_identity(&b, "a");
    station_connect(&a, "b", b.address);
    station_connect(&b, "a", a.address);
    assert_true(tally_await(&a.tally, STATION_REFUSED_LOGS, 2)); /* By us, and by it. */
    assert_true(tally_await(&b.tally, STATION_REFUSED_LOGS, 2));
    struct question question = { .station = &a, .node = "b", .key = "k" };
    put_question(&question);
    assert_int_equal(question.status, STATUS_NODE_LOST);
    assert_int_equal(tally_count(&a.tally, STATION_UP), 0);
    station_identify(&b, 77, 2); /* It was repaired. */
    assert_true(tally_await(&a.tally, STATION_UP, 1));
    assert_talks(&a, &b);
    assert_int_equal(tally_count(&a.tally, STATION_REFUSED_LOGS),
                     2);         /* Each reason once, however often met. */
    station_identify(&b, 78, 2); /* And broken again, while connected. */
    assert_true(tally_await(&a.tally, STATION_DOWN, 1));
    station_stop(&a);
    station_stop(&b);
}

/* A node that joins knows us before we know it: it is answered on the connection that it made. */
static void a_node_without_address_is_answered(void **state)
{
    (void)state;
    struct station a;
    struct station c;
    station_start(&a, directory, "a");
    station_start(&c, directory, "c");
    (void)stub_spawn(a.runtime, TO_STATE, answer, &a);
    station_identify(&a, 77, 1);
    station_identify(&c, 77, 3);
    station_connect(&c, "a", a.address);
    struct question question = { .station = &c, .node = "a", .key = "k" };
    do { /* Until the hellos have met. */
        put_question(&question);
    } while (question.status == STATUS_NODE_LOST);
    assert_int_equal(question.status, STATUS_OK);
    assert_int_equal(tally_count(&a.tally, STATION_UP), 0);
    station_stop(&c);
    station_stop(&a);
}

static void hellos_are_checked(void **state)
{
    (void)state;
    struct station a;
    station_start(&a, directory, "a");
    station_identify(&a, 77, 1);
    struct stranger stranger = stranger_open(a.address, "x/d");
    stranger_hello(&stranger, "x", 1, 1);
    assert_int_equal(stranger_heard(&stranger), STATUS_OK);
    stranger_hello(&stranger, "y", 1, 1);
    assert_int_equal(stranger_heard(&stranger), STATUS_INVALID);
    stranger_hello(&stranger, "x", 0, 1);
    assert_int_equal(stranger_heard(&stranger), STATUS_INVALID);
    stranger_hello(&stranger, "x", 1, 99);
    assert_int_equal(stranger_heard(&stranger), STATUS_VERSION_MISMATCH);
    stranger_close(&stranger);
    stranger = stranger_open(a.address, "a/c");
    stranger_hello(&stranger, "a", 0, 1);
    assert_int_equal(stranger_heard(&stranger), STATUS_CONFLICT);
    stranger_close(&stranger);
    station_stop(&a);
}

static void send_garbage(struct stranger *stranger, uint64_t *random)
{
    uint8_t data[512];
    for (int i = 0; i < 200; i++) {
        for (size_t at = 0; at < sizeof data; at++) {
            *random = *random * 6364136223846793005U + 1442695040888963407U;
            data[at] = (uint8_t)(*random >> 56);
        }
        size_t size = *random >> 32 & 511;
        if (i % 3 == 0) memcpy(data, "AETH", 4);
        if (i % 4 == 0) (void)zmq_send(stranger->socket, data, 5, ZMQ_SNDMORE);
        if (i % 8 == 0) (void)zmq_send(stranger->socket, "", 0, ZMQ_SNDMORE);
        (void)zmq_send(stranger->socket, data, size, 0);
    }
}

static void garbage_is_dropped_and_the_nodes_live(void **state)
{
    (void)state;
    struct station a;
    struct station b;
    station_start(&a, directory, "a");
    station_start(&b, directory, "b");
    (void)stub_spawn(a.runtime, TO_STATE, answer, &a);
    (void)stub_spawn(b.runtime, TO_STATE, answer, &b);
    introduce(&a, &b);
    static const char *const identities[] = { NULL, "x", "x/c", "/c", "x/y", "verylong/d", "a/d" };
    uint64_t random = 1;
    for (size_t i = 0; i < ARRAY_COUNT(identities); i++) {
        struct stranger stranger = stranger_open(a.address, identities[i]);
        send_garbage(&stranger, &random);
        if (identities[i] != NULL && strcmp(identities[i], "x/c") == 0) { /* Garbage of a greeted one too. */
            stranger_hello(&stranger, "x", 0, 1);
            assert_int_equal(stranger_heard(&stranger), STATUS_OK);
            send_garbage(&stranger, &random);
        }
        stranger_close(&stranger);
    }
    assert_true(tally_await(&a.tally, STATION_DROPPED_LOGS, 1));
    assert_talks(&a, &b);
    assert_talks(&b, &a);
    assert_int_equal(tally_count(&a.tally, STATION_DOWN), 0);
    station_stop(&a);
    station_stop(&b);
}

static void bad_addresses_are_refused(void **state)
{
    (void)state;
    struct station a;
    station_start(&a, directory, "a");
    static const struct {
        const char *listen;
        enum status status;
    } cases[] = {
        { "tcp://0.0.0.0:7400", STATUS_INVALID }, /* No keys: this machine only. */
        { "tcp://*:7400", STATUS_INVALID },          { "nonsense", STATUS_INVALID },
        { "tcp://127.0.0.1:99999", STATUS_INVALID }, { "ipc:///nowhere/at/all/x", STATUS_IO },
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct node_socket_options options = { .node = "b", .listen = cases[i].listen };
        struct spawn_options spawn = { .options = &options };
        struct actor_id id;
        struct error error = { 0 };
        enum status status = runtime_spawn(a.runtime, &node_socket_behavior, &spawn, &id, &error);
        assert_int_equal(status, cases[i].status);
        assert_non_null(strstr(error.message, cases[i].listen));
    }
    station_stop(&a);
}

int main(void)
{
#define SOCKET_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(nodes_greet_and_talk),       SOCKET_TEST(a_node_that_ends_is_missed_and_heard_again),
        SOCKET_TEST(nodes_of_two_clusters_part), SOCKET_TEST(a_node_without_address_is_answered),
        SOCKET_TEST(hellos_are_checked),         SOCKET_TEST(garbage_is_dropped_and_the_nodes_live),
        SOCKET_TEST(bad_addresses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
