/* connection: finds a node and talks to it: tries the endpoints in order, skips quickly what doesn't listen,
 * and sends one command at a time. One thread. */
#ifndef AETHER_CLI_CONNECTION_H
#define AETHER_CLI_CONNECTION_H

#include "runtime/base/error.h"
#include "runtime/message.h"

#include <stdbool.h>

struct connection;

/* `given`: what --endpoint said, one or more with commas between; NULL: AETHER_ENDPOINT, then the local
 * node's. NO_LEADER: none of them listens, the message names them all. INVALID: no endpoint's form. */
MUST_CHECK enum status connection_open(const char *given, struct connection **out_connection,
                                       struct error *error);
void connection_close(struct connection **connection); /* NULL content is fine. */
const char *connection_endpoint(const struct connection *connection);

/* Takes the request always. The node is told the time left, and answers before it is over. */
MUST_CHECK enum status connection_send(struct connection *connection, struct message **request,
                                       int64_t timeout_ns, struct error *error);
/* What there is to receive; a signal ends the wait with nothing. */
struct connection_events {
    bool input; /* connection_receive, or connection_next_text. */
    bool fd;    /* `fd` is readable. */
    bool lost;  /* The node went away: what was sent stays without an answer. */
};
struct connection_events connection_wait(struct connection *connection, int fd, int64_t timeout_ns);
/* The reply (the caller's) to what was sent last, or its refusal. OK with `*out_reply` NULL: not there yet.
 */
MUST_CHECK enum status connection_receive(struct connection *connection, struct message **out_reply,
                                          struct error *error);

/* JSON-RPC, for the MCP bridge: texts go out and come back in any order. */
MUST_CHECK enum status connection_send_text(struct connection *connection, const char *text, size_t size,
                                            struct error *error);
char *connection_next_text(struct connection *connection); /* NULL: none waits; else the caller's. */

#endif
