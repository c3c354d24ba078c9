/* client_socket: where the CLI, programs and agents come in (product.md section 8): one ROUTER for DEALER and
 * REQ clients. A body that begins with '{' or '[' is JSON-RPC and is asked of TO_MCP_SERVER; else it is a
 * frame of a kind flagged KIND_FROM_CLIENT and is asked of TO_COMMAND_GATEWAY
 * (TO_STORE_GATEWAY, if there is one, for what the store's actors answer). Each answer carries the
 * correlation of its request and may overtake another. A part of the actor that owns it: every call from that
 * actor's turns. */
#ifndef AETHER_WIRE_ZMQ_CLIENT_SOCKET_H
#define AETHER_WIRE_ZMQ_CLIENT_SOCKET_H

#include "runtime/actor.h"
#include "wire/zmq/socket_io.h"

struct client_socket;

struct client_socket *client_socket_create(void *zmq,
                                           const struct socket_keys *keys); /* Keys are borrowed. */
MUST_CHECK enum status client_socket_bind(struct client_socket *clients, const char *endpoint,
                                          struct error *error);
/* close: no more input; before `zmq` is terminated. destroy: after it, since answers on their way refer to
 * us. */
void client_socket_close(struct client_socket *clients);
void client_socket_destroy(struct client_socket **clients);
void *client_socket_handle(const struct client_socket *clients); /* To poll for input. */
/* Is there input of which the handle's descriptor may not tell? */
bool client_socket_has_input(struct client_socket *clients);
/* Handles what waits, up to a bound; what is left shows at the next poll. */
void client_socket_on_input(struct client_socket *clients, struct actor *self);
/* Looks whether the clients whose calls are under way are still there, and withdraws the calls of those that
 * left. */
void client_socket_on_tick(struct client_socket *clients, struct actor *self);

#endif
