/* client: one connection to a node's client socket, for programs without actors: the CLI, the MCP bridge,
 * tests. Not thread-safe. It installs no signal handler; a signal ends a wait early (its time is waited on).
 */
#ifndef AETHER_WIRE_ZMQ_CLIENT_H
#define AETHER_WIRE_ZMQ_CLIENT_H

#include "runtime/message.h"

#include <stdbool.h>

struct client;

/* Waits for the connection. NO_LEADER: no node answers at this endpoint in time (the hint names it); INVALID:
 * it is no endpoint. `endpoint`: "ipc:///…/client.sock", "tcp://127.0.0.1:7401". */
MUST_CHECK enum status client_open(const char *endpoint, int64_t timeout_ns, struct client **out_client,
                                   struct error *error);
void client_close(struct client **client);

/* Sends a request (taken) and waits for its reply, which the caller destroys; the node is told the same
 * timeout. A refusal comes back as its status and error. DEADLINE: no answer in time. NODE_LOST: the node
 * went away. INVALID: too large, or not a kind for clients. */
MUST_CHECK enum status client_ask(struct client *client, struct message **request, int64_t timeout_ns,
                                  struct message **out_reply, struct error *error);

/* The same in two steps, for those who do something else meanwhile: client_send takes the request; after
 * client_wait said `text`, client_receive gives the answer to what was sent last, or its refusal. OK with
 * `*out_reply` NULL: it is not there yet. */
MUST_CHECK enum status client_send(struct client *client, struct message **request, int64_t timeout_ns,
                                   struct error *error);
MUST_CHECK enum status client_receive(struct client *client, struct message **out_reply, struct error *error);

/* No answer is wanted any more to the call that was sent last: it is answered CANCELLED instead. */
MUST_CHECK enum status client_withdraw(struct client *client, struct error *error);

/* Asks the node for a sign of life; the sign is any input at all. client_heard: since the last look, was
 * there any? (A node that stopped answers nothing, and its connection stays: only its silence shows.) */
MUST_CHECK enum status client_ping(struct client *client, struct error *error);
bool client_heard(struct client *client);

/* JSON-RPC, for the bridge: texts go and come in any order. OVERLOADED: the node doesn't take more just now.
 */
MUST_CHECK enum status client_send_text(struct client *client, const char *text, size_t size,
                                        struct error *error);
char *client_next_text(struct client *client); /* NULL: none waits; else the caller's (memory_free). */
/* Waits until a text (or the end of the connection) is there, until `fd` (-1: none) is readable, or for so
 * long; negative: for ever. */
struct client_events {
    bool text;
    bool fd;
    bool lost; /* The node went away; the library reconnects by itself, but open requests are lost. */
};
struct client_events client_wait(struct client *client, int fd, int64_t timeout_ns);

#endif
