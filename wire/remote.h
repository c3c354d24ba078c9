/* remote: messages and asks between actors of different nodes, over any transport. Senders use wire_post and
 * wire_ask; the transport actor embeds a `struct remote`, which keeps the asks that wait for a peer's reply
 * and answers what peers ask of us. Not thread-safe: it belongs to the transport actor.
 *
 *   asker --actor_ask--> transport: remote_on_ask keeps the message, seals the frame with a correlation
 *     ~~~frame~~~> peer's transport: remote_on_frame decodes, actor_ask(receiver of the kind)
 *     <~~reply frame~~ its completion          asker <--actor_reply-- remote_on_frame */
#ifndef AETHER_WIRE_REMOTE_H
#define AETHER_WIRE_REMOTE_H

#include "runtime/actor.h"
#include "runtime/port/transport.h"
#include "wire/frame.h"

/* --- for every actor: consumes the message always ------------------------------------------------------ */
/* To the receiver of the message's kind on `node`; may be lost. */
void wire_post(struct actor *self, const char *node, enum transport_channel channel,
               struct message **message);
/* Completion as actor_ask's; NODE_LOST as soon as the connection breaks, or there is none (then its error
 * says `is_unstarted`: nothing left the node). */
void wire_ask(struct actor *self, const char *node, enum transport_channel channel, struct message **message,
              int64_t timeout_ns, ask_completion *complete, void *context);

/* --- for transports ------------------------------------------------------------------------------------ */
struct remote;
struct remote_options {
    /* Puts a sealed frame on its way. OK takes the reference; NODE_LOST: no connection to this peer;
     * OVERLOADED: its byte budget is used up. Nothing left the node then, and the frame is still the
     * caller's. */
    enum status (*transmit)(void *transport, const char *node, enum transport_channel channel,
                            struct bytes **frame);
    void *transport;
};
struct remote *remote_create(const struct remote_options *options);
void remote_destroy(struct remote **remote);
void remote_set_identity(struct remote *remote, const struct transport_identity *identity);
const struct transport_identity *remote_identity(const struct remote *remote);
/* KIND_TRANSPORT_SEND and KIND_TRANSPORT_ASK as handled by the transport actor: they keep the message being
 * handled (actor_keep), so they are the last that its handler does with it. */
void remote_on_send(struct remote *remote, struct actor *self, const struct message *message);
void remote_on_ask(struct remote *remote, struct actor *self, const struct message *message);
/* A frame from an authenticated, greeted peer. Bad ones are counted, logged once a second, dropped. A request
 * that the network repeats reaches its receiver once; so does a reply. */
void remote_on_frame(struct remote *remote, struct actor *self, const char *from_node,
                     enum transport_channel channel, const uint8_t *data, size_t size);
/* Every ask that waits for this peer is refused NODE_LOST. */
void remote_on_peer_down(struct remote *remote, struct actor *self, const char *node);
/* What was seen of this node is of no use any more: it is gone, and may never have been one. */
void remote_forget(struct remote *remote, const char *node);
/* Counts, and logs at most once a second, a frame from or to this node that had to be dropped. */
void remote_drop(struct remote *remote, struct actor *self, const char *node, const char *reason);
uint64_t remote_dropped(const struct remote *remote);

#endif
