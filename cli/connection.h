/* connection: the client library: finds a node, sends it one command at a time, and goes to another node when
 * that one is lost or silent: to one of those that it was given, or to one that the cluster told it of. It
 * asks for those before its second request, and from time to time after that. What changes the store carries
 * a session and a sequence of ours (A4), so the same command may be sent to several nodes and is carried out
 * once; what can be sent only once ends UNKNOWN instead. One thread. */
#ifndef AETHER_CLI_CONNECTION_H
#define AETHER_CLI_CONNECTION_H

#include "runtime/base/error.h"
#include "runtime/message.h"

#include <stdbool.h>

struct connection;

/* `given`: what --endpoint said (cli/endpoints.h). NO_LEADER: none of them listens, the message names them
 * all. INVALID: no endpoint's form. */
MUST_CHECK enum status connection_open(const char *given, struct connection **out_connection,
                                       struct error *error);
void connection_close(struct connection **connection); /* NULL content is fine. */
const char *connection_endpoint(
    const struct connection *connection); /* Whom we speak to, or spoke to last. */

struct connection_terms {
    int64_t timeout_ns;
    bool waits;       /* For an outcome: NOT_READY is one, and no reason to ask again. */
    bool repeats;     /* Sent twice, it does no harm: a read, or what is idempotent by itself. */
    bool changes;     /* What may have happened ends as UNKNOWN. */
    bool withdraws;   /* A call: when `on_wait` says enough, the node is told, and its word awaited. */
    int64_t pause_ns; /* While it waits, `on_wait` is called this often; 0: never. */
    bool (*on_wait)(void *context); /* false: enough; the request ends as CANCELLED. */
    void *context;
};
/* Takes the request. A node that gives no sign of life for CONNECTION_SILENCE_MS is left, where there is
 * another endpoint; one that is lost is left, or found again. NODE_LOST, DEADLINE: the same as UNKNOWN, of
 * what changes nothing.
 */
enum { CONNECTION_SILENCE_MS = 200 };
MUST_CHECK enum status connection_ask(struct connection *connection, struct message **request,
                                      const struct connection_terms *terms, struct message **out_reply,
                                      struct error *error);

/* --- in steps, to the node that we have: for those who do something else meanwhile --------------- */
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
