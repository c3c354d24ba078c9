/* node_greeting: hellos between nodes. A connection carries nothing else until both of its ends accepted each
 * other's: a node's name, its channel, which cluster it is of, which protocols it speaks. */
#ifndef AETHER_WIRE_ZMQ_NODE_GREETING_H
#define AETHER_WIRE_ZMQ_NODE_GREETING_H

#include "wire/zmq/node_peer.h"

/* `token`: shown to whom we connect a stream to; NULL: this is no stream. */
struct bytes *node_greeting_frame(const struct node_socket *sockets, enum transport_channel channel,
                                  const uint8_t token[STREAM_TOKEN_SIZE]);
/* Lost, where it can't leave: the next tick says it again. */
void node_greeting_greet(struct node_socket *sockets, struct peer *peer, enum transport_channel channel);
/* A hello on a connection that the peer made. */
void node_greeting_on_hello_in(struct node_socket *sockets, struct actor *self, const char *node,
                               enum transport_channel channel, struct socket_message *frame);
/* The answer to ours, on a connection that we made. */
void node_greeting_on_hello_out(struct node_socket *sockets, struct actor *self, struct peer *peer,
                                enum transport_channel channel, struct socket_message *frame);
/* The peer refused our hello. Nobody else could have sent this: the connection is ours to its address. */
void node_greeting_on_refused(struct node_socket *sockets, struct actor *self, struct peer *peer,
                              enum transport_channel channel, struct socket_message *frame);

#endif
