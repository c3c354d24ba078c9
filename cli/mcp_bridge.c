/* mcp_bridge: see the header. The bridge outlives nodes: when its node goes away, what is open is answered
 * with an error, and the next message finds a node again. It keeps one thing for the client: the name that
 * the client gave in `initialize`, which it puts beside each later request, so that another node knows who
 * asks. */
#include "cli/mcp_bridge.h"

#include "cli/connection.h"
#include "cli/interrupt.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/mcp/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A line longer than a message may be is kept some way on, because clients may write the id last: it is
 * refused by its id then, and the client needn't wait for nothing. */
enum { READ_SIZE = 65536, OPEN_MAX = 256, LINE_MAX_SIZE = 4 * VALUE_SIZE_MAX };

static const int64_t drain_ns = SECONDS(30); /* For answers after the end of stdin. */

struct bridge {
    const char *endpoint;
    struct connection *connection; /* NULL: none; the next message opens one. */
    struct text input;             /* What was read and is no whole line yet. */
    bool skipping;                 /* The line was too long: its rest is dropped. */
    bool ended;                    /* stdin has. */
    bool broken;                   /* stdout has: nobody listens. */
    struct value *open[OPEN_MAX];  /* Ids that the node owes an answer. */
    size_t open_count;
    char principal[MCP_PRINCIPAL_MAX];
};

static int64_t now_ns(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return SECONDS(now.tv_sec) + now.tv_nsec;
}

/* --- to the client ------------------------------------------------------------------------------------ */
static void print_line(struct bridge *bridge, const char *text)
{
    if (printf("%s\n", text) < 0 || fflush(stdout) != 0) bridge->broken = true;
}

/* Takes the response. */
static void print_response(struct bridge *bridge, struct value *response)
{
    char *dump = value_dump(response);
    print_line(bridge, dump);
    memory_free(dump);
    value_free(&response);
}

/* The protocol's own "internal error"; our word for it is in the data. */
static void print_failure(struct bridge *bridge, const struct value *id, const struct error *error)
{
    struct value *data = value_new_object();
    value_set_string(data, "code", status_name(error->status));
    value_set_string(data, "hint", error->hint);
    print_response(bridge, jsonrpc_error(id, JSONRPC_INTERNAL_ERROR, error->message, data));
}

/* --- open requests ------------------------------------------------------------------------------------ */
static void forget(struct bridge *bridge, const struct value *id)
{
    for (size_t i = 0; i < bridge->open_count; i++) {
        if (!value_equal(bridge->open[i], id)) continue;
        value_free(&bridge->open[i]);
        bridge->open[i] = bridge->open[--bridge->open_count];
        return;
    }
}

/* The node won't answer it any more, so nobody need wait for that. An answer on its way already is passed on.
 */
static void forget_cancelled(struct bridge *bridge, const struct jsonrpc_request *notification)
{
    if (strcmp(notification->method, "notifications/cancelled") != 0) return;
    const struct value *id = value_get(notification->params, "requestId");
    if (id != NULL) forget(bridge, id);
}

static void lose_connection(struct bridge *bridge)
{
    struct error error;
    error_set(&error, STATUS_NODE_LOST, "the node at %s went away; it may have happened",
              connection_endpoint(bridge->connection));
    error_hint(&error, "look whether it happened before you repeat it");
    while (bridge->open_count > 0) {
        struct value *id = bridge->open[--bridge->open_count];
        print_failure(bridge, id, &error);
        value_free(&id);
    }
    connection_close(&bridge->connection);
}

/* --- from the client ---------------------------------------------------------------------------------- */
static struct value *edit_object(struct value *parent, const char *key)
{
    if (value_type(value_get(parent, key)) != VALUE_OBJECT) value_set(parent, key, value_new_object());
    return value_edit(parent, key);
}

static void add_principal(struct bridge *bridge, struct value *document)
{
    const struct value *client = value_get(value_get(document, "params"), "clientInfo");
    const char *name = value_get_string(client, "name", NULL);
    bool opens = strcmp(value_get_string(document, "method", ""), "initialize") == 0;
    if (opens && name != NULL && bridge->principal[0] == '\0')
        (void)text_copy(bridge->principal, sizeof bridge->principal, name);
    if (bridge->principal[0] == '\0') return; /* The stateless era says it in each request. */
    value_set_string(edit_object(edit_object(document, "params"), "_meta"), MCP_META_PRINCIPAL,
                     bridge->principal);
}

static enum status send_document(struct bridge *bridge, const struct value *document, struct error *error)
{
    if (bridge->connection == NULL) {
        enum status status = connection_open(bridge->endpoint, &bridge->connection, error);
        if (status != STATUS_OK) return status;
    }
    char *dump = value_dump(document);
    enum status status = connection_send_text(bridge->connection, dump, strlen(dump), error);
    memory_free(dump);
    return status;
}

static void on_line(struct bridge *bridge, const char *line, size_t size)
{
    struct jsonrpc_request request;
    struct value *refusal = NULL;
    if (!jsonrpc_read(line, size, &request, &refusal)) { /* As the node would say it. */
        if (refusal != NULL) print_response(bridge, refusal);
        return;
    }
    struct error error;
    if (request.id == NULL) {
        forget_cancelled(bridge, &request);
        (void)send_document(bridge, request.document, &error); /* A notification may be lost. */
    } else if (bridge->open_count == OPEN_MAX) {
        error_set(&error, STATUS_OVERLOADED, "%d requests are open", OPEN_MAX);
        error_hint(&error, "wait for their answers");
        print_failure(bridge, request.id, &error);
    } else {
        struct value *id = value_clone(request.id);
        add_principal(bridge, request.document);
        if (send_document(bridge, request.document, &error) == STATUS_OK) {
            bridge->open[bridge->open_count++] = id;
        } else {
            print_failure(bridge, id, &error);
            value_free(&id);
        }
    }
    jsonrpc_fini(&request);
}

static bool is_blank(const char *line, size_t size)
{
    return strspn(line, " \t\r") >= size;
}

static void read_lines(struct bridge *bridge)
{
    char *start = bridge->input.data;
    char *newline;
    while (start != NULL &&
           (newline = memchr(start, '\n', bridge->input.size - (size_t)(start - bridge->input.data))) !=
               NULL) {
        *newline = '\0';
        if (!bridge->skipping && !is_blank(start, (size_t)(newline - start)))
            on_line(bridge, start, (size_t)(newline - start));
        bridge->skipping = false;
        start = newline + 1;
    }
    size_t used = start == NULL ? 0 : (size_t)(start - bridge->input.data);
    if (used > 0) memmove(bridge->input.data, start, bridge->input.size - used);
    bridge->input.size -= used;
    if (bridge->input.size <= LINE_MAX_SIZE) return;
    if (!bridge->skipping)
        print_response(bridge, jsonrpc_error(NULL, JSONRPC_PARSE_ERROR, "a message is at most 4 MiB", NULL));
    bridge->skipping = true;
    bridge->input.size = 0;
}

static void read_input(struct bridge *bridge)
{
    char buffer[READ_SIZE];
    ssize_t size = read(STDIN_FILENO, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) return;
    if (size > 0) {
        text_add_bytes(&bridge->input, buffer, (size_t)size);
    } else {
        bridge->ended = true;
        if (bridge->input.size > 0) text_add(&bridge->input, "\n"); /* A last line without its end. */
    }
    read_lines(bridge);
}

/* --- from the node ------------------------------------------------------------------------------------ */
static void read_answers(struct bridge *bridge)
{
    char *text;
    while ((text = connection_next_text(bridge->connection)) != NULL) {
        struct value *document = NULL;
        if (value_parse_json(text, strlen(text), &document, NULL) == STATUS_OK) {
            const struct value *id = value_get(document, "id");
            if (id != NULL) forget(bridge, id);
            print_line(bridge, text);
            value_free(&document);
        }
        memory_free(text);
    }
}

static void step(struct bridge *bridge, int64_t timeout_ns)
{
    int fd = bridge->ended ? -1 : STDIN_FILENO;
    if (bridge->connection == NULL) {
        if (fd >= 0) read_input(bridge); /* Nothing else can come: this may block. */
        return;
    }
    struct connection_events events = connection_wait(bridge->connection, fd, timeout_ns);
    if (events.input) read_answers(bridge);
    if (events.lost) lose_connection(bridge);
    if (events.fd) read_input(bridge);
}

int mcp_bridge_run(const struct argv *argv)
{
    struct bridge *bridge = memory_zalloc(sizeof *bridge);
    bridge->endpoint = argv->endpoint;
    if (argv->principal != NULL)
        (void)text_copy(bridge->principal, sizeof bridge->principal, argv->principal);
    interrupt_catch();
    while (!bridge->ended && !bridge->broken && !interrupt_came())
        step(bridge, -1);
    int64_t deadline = now_ns() + (argv->timeout_ns > 0 ? argv->timeout_ns : drain_ns);
    while (bridge->open_count > 0 && !bridge->broken && !interrupt_came() && now_ns() < deadline)
        step(bridge, deadline - now_ns());
    bool broken = bridge->broken;
    while (bridge->open_count > 0)
        value_free(&bridge->open[--bridge->open_count]);
    connection_close(&bridge->connection);
    text_fini(&bridge->input);
    memory_free(bridge);
    return broken ? EXIT_FAILURE : EXIT_SUCCESS;
}
