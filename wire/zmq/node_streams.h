/* node_streams: the short way for frames between two nodes that have greeted each other: a TCP connection for
 * each channel, read and written by the transport's own thread, past the library's. So a frame costs one
 * change of threads instead of three.
 *
 * Who stands before the other by name connects, to where the other's hello over ZeroMQ said, and shows the
 * token that came with it: so it is that very node, in that very life of it. Until both have agreed, and with
 * a node that awaits no stream (an older one; one that listens on no TCP address; one with keys, since a
 * stream is not encrypted) or that is reached by another port than its own (a proxy), frames go by ZeroMQ,
 * whose connections stay for hellos and signs of life. A stream in use that breaks is a connection that
 * broke: the peer is DOWN, and greeted again. */
#ifndef AETHER_WIRE_ZMQ_NODE_STREAMS_H
#define AETHER_WIRE_ZMQ_NODE_STREAMS_H

#include "wire/zmq/node_peer.h"

#include "wire/proto/envelope.pb-c.h"

/* Awaits streams where the ROUTER listens; where it can't, there are none. */
void node_streams_open(struct node_socket *sockets);
void node_streams_fini(struct node_socket *sockets); /* All but those of peers. */

void node_streams_prepare(struct peer *peer); /* A new one. */
/* Into a hello for a peer that connected to us: where we await its stream. */
void node_streams_offer(struct node_socket *sockets, struct actor *self, struct peer *peer,
                        enum transport_channel channel, struct message *message);
/* A peer's hello was accepted; `host` is where it is (NULL: nobody knows). */
void node_streams_on_hello(struct node_socket *sockets, struct peer *peer, enum transport_channel channel,
                           const Pb__Hello *hello, const char *host);
/* Its ZeroMQ connection is gone, or it is to be: what its hello said is not true any more. */
void node_streams_close(struct node_socket *sockets, struct peer *peer, enum transport_channel channel);

/* true: frames of this channel go by a stream. They leave with the next flush. */
bool node_streams_carries(const struct peer *peer, enum transport_channel channel);
MUST_CHECK enum status node_streams_send(struct node_socket *sockets, struct peer *peer,
                                         enum transport_channel channel, struct bytes **frame);
void node_streams_flush(struct node_socket *sockets, struct actor *self);

void node_streams_on_input(struct node_socket *sockets, struct actor *self, struct source *source);
void node_streams_on_tick(struct node_socket *sockets);

#endif
