/* Goal: what a change ends as when one node was lost over it and another answered (R9, A4): a node that says
 * that it did nothing says nothing of what the other one did. Method: connection.c over a client of ours,
 * which answers as the test wrote down; only the listeners are real, for endpoints_listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/connection.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/zmq/client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- a client in place of the real one ------------------------------------------------------------------ */

struct client {
    uint32_t kind; /* Of what was sent last. */
};

static struct {
    enum status answers[4]; /* To each change, in this order. */
    uint32_t count;
    uint32_t sent;
    struct client client;
} script;

enum status client_open(const char *endpoint, int64_t timeout_ns, struct client **out_client,
                        struct error *error)
{
    (void)endpoint, (void)timeout_ns, (void)error;
    *out_client = &script.client;
    return STATUS_OK;
}

void client_close(struct client **client)
{
    *client = NULL;
}

enum status client_send(struct client *client, struct message **request, int64_t timeout_ns,
                        struct error *error)
{
    (void)timeout_ns, (void)error;
    client->kind = (*request)->kind;
    message_destroy(request);
    return STATUS_OK;
}

enum status client_receive(struct client *client, struct message **out_reply, struct error *error)
{
    if (client->kind == KIND_SESSION_OPEN_REQUEST) {
        *out_reply = wire_message_create(KIND_SESSION_OPEN_REPLY);
        ((Pb__SessionOpenReply *)(*out_reply)->body)->session = 7;
        return STATUS_OK;
    }
    assert_true(script.sent < script.count);
    enum status status = script.answers[script.sent++];
    if (status == STATUS_OK) *out_reply = wire_message_create(KIND_KV_CHANGE_REPLY);
    return status == STATUS_OK ? status : error_set(error, status, "nothing was changed");
}

enum status client_ask(struct client *client, struct message **request, int64_t timeout_ns,
                       struct message **out_reply, struct error *error)
{
    (void)client, (void)timeout_ns, (void)out_reply;
    message_destroy(request);
    return error_set(error, STATUS_NOT_READY, "it tells of no other nodes");
}

struct client_events client_wait(struct client *client, int fd, int64_t timeout_ns)
{
    (void)client, (void)fd, (void)timeout_ns;
    return (struct client_events){ .lost = false };
}

enum status client_withdraw(struct client *client, struct error *error)
{
    (void)client, (void)error;
    return STATUS_OK;
}

enum status client_ping(struct client *client, struct error *error)
{
    (void)client, (void)error;
    return STATUS_OK;
}

bool client_heard(struct client *client)
{
    (void)client;
    return true;
}

enum status client_send_text(struct client *client, const char *text, size_t size, struct error *error)
{
    (void)client, (void)text, (void)size, (void)error;
    return STATUS_OK;
}

char *client_next_text(struct client *client)
{
    (void)client;
    return NULL;
}

/* --- a change ------------------------------------------------------------------------------------------- */

static int listen_somewhere(int *out_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

/* What a put ends as when its attempts are answered so. */
static enum status outcome(enum status first, enum status second)
{
    int ports[2];
    int fds[2] = { listen_somewhere(&ports[0]), listen_somewhere(&ports[1]) };
    char given[64];
    (void)snprintf(given, sizeof given, "127.0.0.1:%d,127.0.0.1:%d", ports[0], ports[1]);
    struct connection *connection = NULL;
    struct message *request = wire_message_create(KIND_KV_PUT_REQUEST);
    struct message *reply = NULL;
    struct error error = { 0 };
    struct connection_terms terms = { .timeout_ns = SECONDS(10), .changes = true };
    memset(&script, 0, sizeof script);
    script.answers[0] = first;
    script.answers[1] = second;
    script.count = 2;
    assert_int_equal(connection_open(given, &connection, &error), STATUS_OK);
    enum status status = connection_ask(connection, &request, &terms, &reply, &error);
    if (reply != NULL) message_destroy(&reply);
    if (status == STATUS_UNKNOWN) assert_non_null(strstr(error.message, "it may have happened"));
    connection_close(&connection);
    (void)close(fds[0]);
    (void)close(fds[1]);
    return status;
}

static void a_refusal_says_nothing_of_an_earlier_attempt(void **unused)
{
    (void)unused;
    assert_int_equal(outcome(STATUS_NODE_LOST, STATUS_OVERLOADED), STATUS_UNKNOWN);
    assert_int_equal(outcome(STATUS_NODE_LOST, STATUS_DEADLINE), STATUS_UNKNOWN);
    assert_int_equal(outcome(STATUS_NODE_LOST, STATUS_CRASHED), STATUS_UNKNOWN);
    assert_int_equal(outcome(STATUS_UNKNOWN, STATUS_OVERLOADED), STATUS_UNKNOWN);
}

static void alone_it_is_the_answer(void **unused)
{
    (void)unused;
    assert_int_equal(outcome(STATUS_OVERLOADED, STATUS_OK), STATUS_OVERLOADED);
    assert_int_equal(outcome(STATUS_DEADLINE, STATUS_OK), STATUS_DEADLINE);
    assert_int_equal(outcome(STATUS_NOT_LEADER, STATUS_OVERLOADED), STATUS_OVERLOADED);
}

static void what_the_store_says_is_of_all_attempts(void **unused) /* A4 */
{
    (void)unused;
    assert_int_equal(outcome(STATUS_NODE_LOST, STATUS_OK), STATUS_OK);
    assert_int_equal(outcome(STATUS_NODE_LOST, STATUS_CONFLICT), STATUS_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_says_nothing_of_an_earlier_attempt),
        cmocka_unit_test(alone_it_is_the_answer),
        cmocka_unit_test(what_the_store_says_is_of_all_attempts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
