/* Goal: clients are answered: commands by reply or refusal, JSON-RPC by text, garbage by INVALID or not at
 * all; none of them can hurt the node or another client. Method: a station whose gateway and MCP server are
 * stand-ins; the client library, and raw DEALER and REQ sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "tests/support/probe.h"
#include "tests/support/station.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/remote.h"
#include "wire/zmq/client.h"

#include "wire/proto/cluster.pb-c.h"

#include <zmq.h>

enum { HANDLED = STATION_SLOTS, MCP_HANDLED, CALLED, WITHDRAWN };

static char directory[STATION_PATH_MAX];
static struct station station;

/* --- stand-ins --------------------------------------------------------------------------------------------
 */

static _Atomic uint64_t call_tag;      /* Of the call that came last. */
static _Atomic uint64_t withdrawn_tag; /* What slice_call heard last. */

/* Calls are never answered here: they are under way. */
static void slice_call(struct actor *self, void *context, const struct message *message)
{
    (void)self, (void)context;
    if (message->kind != KIND_CALL_WITHDRAWN) return;
    withdrawn_tag = ((const struct call_withdrawn *)message->body)->tag;
    tally_add(&station.tally, WITHDRAWN);
}

static void gateway(struct actor *self, void *context, const struct message *message)
{
    (void)context;
    const Pb__KvGetRequest *request = message->body;
    if (message->kind == KIND_CALL_REQUEST) {
        call_tag = message->tag;
        tally_add(&station.tally, CALLED);
        return;
    }
    CHECK(message->tag == 0); /* Only calls are withdrawn. */
    if (strcmp(request->key, "refuse") == 0) {
        struct error error;
        (void)error_set(&error, STATUS_NOT_FOUND, "no %s", request->key);
        error_hint(&error, "look elsewhere");
        actor_refuse_error(self, message, &error);
    } else if (strcmp(request->key, "silence") != 0) {
        struct message *reply = wire_message_create(KIND_KV_GET_REPLY);
        ((Pb__KvGetReply *)reply->body)->index = strlen(request->key);
        actor_reply(self, message, &reply);
    }
    tally_add(&station.tally, HANDLED);
}

/* Answers with the text, in brackets; a notification has no id and no answer, and "silence" waits forever. */
static void mcp_server(struct actor *self, void *context, const struct message *message)
{
    (void)context;
    assert_int_equal(message->kind, KIND_MCP_REQUEST);
    CHECK(((const struct mcp_request *)message->body)->client != 0);
    if (memmem(message->attachment->data, message->attachment->size, "silence", 7) != NULL) return;
    struct message *reply = message_create(KIND_MCP_REPLY, 0);
    char text[256];
    int size = snprintf(text, sizeof text, "[%.*s]", (int)message->attachment->size,
                        (const char *)message->attachment->data);
    if (strstr(text, "\"id\"") != NULL) {
        struct bytes *answer = bytes_copy(text, (size_t)size);
        message_attach(reply, &answer);
    }
    actor_reply(self, message, &reply);
    tally_add(&station.tally, MCP_HANDLED);
}

static int set_up(void **state)
{
    (void)state;
    station_directory(directory);
    station_start(&station, directory, "a");
    (void)stub_spawn(station.runtime, TO_COMMAND_GATEWAY, gateway, NULL);
    (void)stub_spawn(station.runtime, TO_MCP_SERVER, mcp_server, NULL);
    (void)stub_spawn(station.runtime, TO_SLICE_CALL, slice_call, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (station.runtime != NULL) station_stop(&station);
    station_remove_directory(directory);
    return 0;
}

/* --- clients ----------------------------------------------------------------------------------------------
 */

static struct client *connect_client(void)
{
    struct client *client = NULL;
    struct error error = { 0 };
    assert_int_equal(client_open(station.client, SECONDS(10), &client, &error), STATUS_OK);
    return client;
}

static enum status get_key(struct client *client, const char *key, int64_t timeout_ns, uint64_t *out_index,
                           struct error *error)
{
    struct message *request = wire_message_create(KIND_KV_GET_REQUEST);
    ((Pb__KvGetRequest *)request->body)->key = wire_string(request, key);
    struct message *reply = NULL;
    enum status status = client_ask(client, &request, timeout_ns, &reply, error);
    assert_null(request);
    if (status != STATUS_OK) return status;
    assert_int_equal(reply->kind, KIND_KV_GET_REPLY);
    *out_index = ((const Pb__KvGetReply *)reply->body)->index;
    message_destroy(&reply);
    return STATUS_OK;
}

static void assert_served(struct client *client)
{
    uint64_t index = 0;
    struct error error = { 0 };
    assert_int_equal(get_key(client, "seven77", SECONDS(10), &index, &error), STATUS_OK);
    assert_int_equal(index, 7);
}

struct raw {
    void *zmq;
    void *socket;
};

static struct raw raw_open(int type)
{
    struct raw raw = { .zmq = zmq_ctx_new() };
    raw.socket = zmq_socket(raw.zmq, type);
    int patience_ms = 10000;
    int linger_ms = 1000;
    (void)zmq_setsockopt(raw.socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    (void)zmq_setsockopt(raw.socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    assert_int_equal(zmq_connect(raw.socket, station.client), 0);
    return raw;
}

static void raw_close(struct raw *raw)
{
    (void)zmq_close(raw->socket);
    (void)zmq_ctx_term(raw->zmq);
}

static struct bytes *request_frame(uint32_t kind, const char *key, const struct frame_header *header)
{
    struct message *request = wire_message_create(kind);
    if (kind == KIND_KV_GET_REQUEST) ((Pb__KvGetRequest *)request->body)->key = wire_string(request, key);
    struct bytes *frame = NULL;
    assert_int_equal(frame_pack(request, &frame, NULL), STATUS_OK);
    frame_seal(frame, header);
    message_destroy(&request);
    return frame;
}

static void raw_send(struct raw *raw, struct bytes *frame)
{
    assert_true(zmq_send(raw->socket, frame->data, frame->size, 0) >= 0);
    bytes_unref(&frame);
}

/* The next answer: its status, and its correlation. */
static enum status raw_heard(struct raw *raw, uint64_t *out_correlation)
{
    static uint8_t data[65536];
    int size = zmq_recv(raw->socket, data, sizeof data, 0);
    assert_true(size > 0);
    struct frame_header header;
    struct message *message = NULL;
    assert_int_equal(frame_parse(data, (size_t)size, &header, NULL), STATUS_OK);
    assert_int_equal(frame_decode(data, (size_t)size, &header, &message, NULL), STATUS_OK);
    assert_int_equal(header.flags, FRAME_REPLY);
    *out_correlation = header.correlation;
    struct error error = { 0 };
    if (message->kind == KIND_REFUSAL) wire_refusal_read(message, &error);
    message_destroy(&message);
    return error.status;
}

/* --- tests ------------------------------------------------------------------------------------------------
 */

static void commands_are_answered(void **state)
{
    (void)state;
    struct client *client = connect_client();
    assert_served(client);
    struct error error = { 0 };
    uint64_t index = 0;
    assert_int_equal(get_key(client, "refuse", SECONDS(10), &index, &error), STATUS_NOT_FOUND);
    assert_string_equal(error.message, "no refuse");
    assert_string_equal(error.hint, "look elsewhere");
    assert_int_equal(get_key(client, "silence", MILLISECONDS(200), &index, &error), STATUS_DEADLINE);
    assert_served(client); /* The late refusal of the former is passed over. */
    struct message *local = wire_message_create(KIND_STATE_WATCH);
    struct message *reply = NULL;
    assert_int_equal(client_ask(client, &local, SECONDS(10), &reply, &error), STATUS_INVALID);
    assert_non_null(strstr(error.message, "STATE_WATCH is no request of clients"));
    client_close(&client);
    assert_null(client);
}

static void nobody_home_is_said_with_a_hint(void **state)
{
    (void)state;
    struct client *client = NULL;
    struct error error = { 0 };
    char endpoint[STATION_PATH_MAX + 8];
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/none", directory);
    assert_int_equal(client_open(endpoint, MILLISECONDS(300), &client, &error), STATUS_NO_LEADER);
    assert_non_null(strstr(error.message, endpoint));
    assert_true(error.hint[0] != 0);
    assert_int_equal(client_open("http://x", SECONDS(1), &client, &error), STATUS_INVALID);
    assert_int_equal(client_open("tcp://10.1.2.3:7401", SECONDS(1), &client, &error), STATUS_INVALID);
    assert_null(client);
}

static void a_node_that_goes_away_is_noticed(void **state)
{
    (void)state;
    struct client *client = connect_client();
    assert_served(client);
    station_stop(&station);
    uint64_t index = 0;
    struct error error = { 0 };
    assert_int_equal(get_key(client, "k", SECONDS(10), &index, &error), STATUS_NODE_LOST);
    client_close(&client);
}

static void json_rpc_goes_both_ways(void **state)
{
    (void)state;
    struct client *client = connect_client();
    struct error error = { 0 };
    const char *texts[] = { "{\"id\":1}", "{\"note\":1}", "[{\"id\":2}]" };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        assert_int_equal(client_send_text(client, texts[i], strlen(texts[i]), &error), STATUS_OK);
    const char *expected[] = { "[{\"id\":1}]", "[[{\"id\":2}]]" }; /* The notification has no answer. */
    for (size_t i = 0; i < ARRAY_COUNT(expected);) {
        char *text = client_next_text(client);
        if (text == NULL) {
            assert_true(client_wait(client, -1, SECONDS(10)).text);
            continue;
        }
        assert_string_equal(text, expected[i++]);
        memory_free(text);
    }
    assert_served(client); /* Commands and texts share a connection. */
    client_close(&client);
}

static void a_req_is_answered_each_time(void **state)
{
    (void)state;
    struct raw raw = raw_open(ZMQ_REQ);
    char text[256];
    assert_true(zmq_send(raw.socket, "{\"id\":1}", 8, 0) == 8);
    int size = zmq_recv(raw.socket, text, sizeof text, 0);
    assert_int_equal(size, 10);
    assert_memory_equal(text, "[{\"id\":1}]", 10);
    assert_true(zmq_send(raw.socket, "{\"n\":1}", 7, 0) == 7);
    assert_int_equal(zmq_recv(raw.socket, text, sizeof text, 0), 0); /* Empty, so that it may go on. */
    uint64_t correlation = 1;
    assert_true(zmq_send(raw.socket, "hello?", 6, 0) == 6);
    assert_int_equal(raw_heard(&raw, &correlation), STATUS_INVALID);
    assert_int_equal(correlation, 0);
    raw_send(&raw, request_frame(KIND_KV_GET_REQUEST, "k", &(struct frame_header){ .protocol = 1 }));
    assert_int_equal(raw_heard(&raw, &correlation), STATUS_OK);
    raw_close(&raw);
}

static void wrong_frames_are_refused(void **state)
{
    (void)state;
    struct raw raw = raw_open(ZMQ_DEALER);
    uint64_t correlation = 0;
    raw_send(&raw, request_frame(KIND_KV_GET_REQUEST, "k",
                                 &(struct frame_header){ .protocol = 99, .correlation = 5 }));
    assert_int_equal(raw_heard(&raw, &correlation), STATUS_VERSION_MISMATCH);
    assert_int_equal(correlation, 5);
    raw_send(&raw, request_frame(KIND_PROPOSE_REQUEST, NULL,
                                 &(struct frame_header){ .protocol = 1, .correlation = 6 }));
    assert_int_equal(raw_heard(&raw, &correlation), STATUS_INVALID);
    assert_int_equal(correlation, 6);
    raw_send(&raw, request_frame(KIND_KV_GET_REQUEST, "k",
                                 &(struct frame_header){ .protocol = 1, .flags = FRAME_REPLY }));
    assert_int_equal(raw_heard(&raw, &correlation), STATUS_INVALID);
    struct bytes *damaged = request_frame(KIND_KV_GET_REQUEST, "k", &(struct frame_header){ .protocol = 1 });
    damaged->data[damaged->size - 1] ^= 1;
    raw_send(&raw, damaged);
    assert_int_equal(raw_heard(&raw, &correlation), STATUS_CORRUPT);
    raw_close(&raw);
    assert_int_equal(tally_count(&station.tally, HANDLED), 0);
}

static void one_client_cannot_take_all(void **state)
{
    (void)state;
    struct raw greedy = raw_open(ZMQ_DEALER);
    enum { SENT = 70, ALLOWED = 64 };
    const struct frame_header header = { .protocol = 1, .budget_ms = 300 };
    for (int i = 0; i < SENT; i++)
        raw_send(&greedy, request_frame(KIND_KV_GET_REQUEST, "silence", &header));
    uint64_t correlation;
    for (int i = 0; i < SENT - ALLOWED; i++)
        assert_int_equal(raw_heard(&greedy, &correlation), STATUS_OVERLOADED);
    struct client *other = connect_client();
    assert_served(other);
    client_close(&other);
    for (int i = 0; i < ALLOWED; i++) /* And what was admitted ends by its own deadline. */
        assert_int_equal(raw_heard(&greedy, &correlation), STATUS_DEADLINE);
    raw_close(&greedy);
}

/* A client finds an answer by its id: a refusal without it would leave the client waiting. */
static void refused_texts_keep_their_ids(void **state)
{
    (void)state;
    struct client *client = connect_client();
    struct error error = { 0 };
    enum { ALLOWED = 64 };
    char text[128];
    for (int i = 0; i < ALLOWED; i++) {
        int size = snprintf(text, sizeof text, "{\"id\":%d,\"method\":\"silence\"}", i);
        assert_int_equal(client_send_text(client, text, (size_t)size, &error), STATUS_OK);
    }
    const char *beyond[] = { "{\"method\":\"a notification wants no answer\"}",
                             "{\"params\":{\"id\":1},\"id\":\"beyond\"}" };
    for (size_t i = 0; i < ARRAY_COUNT(beyond); i++)
        assert_int_equal(client_send_text(client, beyond[i], strlen(beyond[i]), &error), STATUS_OK);
    char *answer = NULL;
    while ((answer = client_next_text(client)) == NULL)
        assert_true(client_wait(client, -1, SECONDS(10)).text);
    assert_non_null(strstr(answer, "\"id\":\"beyond\""));
    assert_non_null(strstr(answer, "OVERLOADED"));
    memory_free(answer);
    assert_null(client_next_text(client));
    client_close(&client);
}

static void garbage_is_answered_or_dropped(void **state)
{
    (void)state;
    struct raw raw = raw_open(ZMQ_DEALER);
    uint64_t random = 3;
    for (int i = 0; i < 2000; i++) {
        uint8_t data[600];
        for (size_t at = 0; at < sizeof data; at++) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            data[at] = (uint8_t)(random >> 56);
        }
        size_t size = random >> 33 & 511;
        if (i % 5 == 0) memcpy(data, "AETH\1", 5);
        if (i % 7 == 0) (void)zmq_send(raw.socket, data, 3, ZMQ_SNDMORE);
        if (i % 11 == 0) (void)zmq_send(raw.socket, "", 0, ZMQ_SNDMORE);
        (void)zmq_send(raw.socket, data, size, 0);
    }
    raw_close(&raw); /* It doesn't even wait for its answers. */
    struct client *client = connect_client();
    assert_served(client);
    client_close(&client);
}

static void a_leaving_client_harms_nobody(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct raw raw = raw_open(ZMQ_DEALER);
        raw_send(&raw, request_frame(KIND_KV_GET_REQUEST, "k", &(struct frame_header){ .protocol = 1 }));
        raw_close(&raw);
    }
    assert_true(tally_await(&station.tally, HANDLED, 20));
    struct client *client = connect_client();
    assert_served(client);
    client_close(&client);
}

static uint64_t begin_call(struct client *client, uint32_t count)
{
    struct message *request = wire_message_create(KIND_CALL_REQUEST);
    struct error error = { 0 };
    assert_int_equal(client_send(client, &request, SECONDS(30), &error), STATUS_OK);
    assert_true(tally_await(&station.tally, CALLED, count));
    assert_int_not_equal(call_tag, 0);
    return call_tag;
}

static void a_call_is_withdrawn_by_who_made_it(void **state)
{
    (void)state;
    struct error error = { 0 };
    struct client *one = connect_client();
    struct client *other = connect_client();
    uint64_t first = begin_call(one, 1);
    uint64_t second = begin_call(other, 2); /* The same correlation, on another connection. */
    assert_true(first != second && first >> 32 != second >> 32);
    assert_int_equal(client_withdraw(one, &error), STATUS_OK);
    assert_true(tally_await(&station.tally, WITHDRAWN, 1));
    assert_true(withdrawn_tag == first);
    assert_int_equal(client_withdraw(other, &error), STATUS_OK);
    assert_true(tally_await(&station.tally, WITHDRAWN, 2));
    assert_true(withdrawn_tag == second);
    client_close(&one);
    client_close(&other);
}

/* The node asks whether it is there, and what it is asked with disturbs nobody. */
static void a_client_that_left_withdraws_its_calls(void **state)
{
    (void)state;
    struct client *stays = connect_client();
    struct client *leaves = connect_client();
    uint64_t kept = begin_call(stays, 1);
    uint64_t left = begin_call(leaves, 2);
    client_close(&leaves);
    assert_true(tally_await(&station.tally, WITHDRAWN, 1));
    assert_true(withdrawn_tag == left && withdrawn_tag != kept);
    assert_served(stays);
    client_close(&stays);
}

int main(void)
{
#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(commands_are_answered),
        CLIENT_TEST(nobody_home_is_said_with_a_hint),
        CLIENT_TEST(a_node_that_goes_away_is_noticed),
        CLIENT_TEST(json_rpc_goes_both_ways),
        CLIENT_TEST(a_req_is_answered_each_time),
        CLIENT_TEST(wrong_frames_are_refused),
        CLIENT_TEST(one_client_cannot_take_all),
        CLIENT_TEST(refused_texts_keep_their_ids),
        CLIENT_TEST(garbage_is_answered_or_dropped),
        CLIENT_TEST(a_leaving_client_harms_nobody),
        CLIENT_TEST(a_call_is_withdrawn_by_who_made_it),
        CLIENT_TEST(a_client_that_left_withdraws_its_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
