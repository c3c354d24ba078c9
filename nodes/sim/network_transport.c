/* network_transport: a node's transport on the virtual network.
 * Learns  frames and connections from the network, what to send from the node's actors.
 * Owns    its remote (asks between nodes). Limits: those of the remote. */
#include "nodes/sim/network_state.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/remote.h"

struct transport {
    struct network *network;
    uint32_t node;
    struct remote *remote;
};

static enum status transmit(void *context, const char *node, enum transport_channel channel,
                            struct bytes **frame)
{
    struct transport *transport = context;
    return network_send(transport->network, transport->node, node, channel, frame);
}

static void on_send(struct actor *self, void *state, const struct message *message)
{
    struct transport *transport = state;
    remote_on_send(transport->remote, self, message);
}

static void on_ask(struct actor *self, void *state, const struct message *message)
{
    struct transport *transport = state;
    remote_on_ask(transport->remote, self, message);
}

static void on_frame(struct actor *self, void *state, const struct message *message)
{
    struct transport *transport = state;
    const struct sim_frame *body = message->body;
    remote_on_frame(transport->remote, self, transport->network->nodes[body->from].name, body->channel,
                    message->attachment->data, message->attachment->size);
}

static void on_identity(struct actor *self, void *state, const struct message *message)
{
    (void)self;
    struct transport *transport = state;
    const struct transport_identity *identity = message->body;
    remote_set_identity(transport->remote, identity);
    transport->network->nodes[transport->node].replica = identity->replica_id;
}

static void tell_peer_change(struct actor *self, uint32_t name, const struct sim_peer *peer)
{
    struct message *message =
        message_create(peer->up ? KIND_PEER_UP : KIND_PEER_DOWN, sizeof(struct transport_peer_change));
    struct transport_peer_change *change = message->body;
    (void)text_copy(change->node, sizeof change->node, peer->node);
    change->replica_id = peer->replica;
    change->protocol = PROTOCOL_MAX;
    actor_tell_name(self, name, &message);
}

static void on_peer(struct actor *self, void *state, const struct message *message)
{
    struct transport *transport = state;
    const struct sim_peer *peer = message->body;
    if (!peer->up) remote_on_peer_down(transport->remote, self, peer->node);
    tell_peer_change(self, TO_LEADER, peer);
    tell_peer_change(self, TO_MEMBERSHIP, peer);
    tell_peer_change(self, TO_SLICE_CALL, peer);
}

static void on_address(struct actor *self, void *state, const struct message *message)
{
    (void)self, (void)state, (void)message; /* Everybody reaches everybody here; cuts say who doesn't. */
}

static enum status on_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    const struct network_transport_options *given = options;
    struct transport *transport = state;
    transport->network = given->network;
    transport->node = given->node;
    transport->remote =
        remote_create(&(struct remote_options){ .transmit = transmit, .transport = transport });
    return STATUS_OK;
}

static void on_fini(void *state)
{
    struct transport *transport = state;
    remote_destroy(&transport->remote);
}

static const struct behavior_row rows[] = {
    { KIND_TRANSPORT_SEND, on_send },
    { KIND_TRANSPORT_ASK, on_ask },
    { KIND_TRANSPORT_IDENTITY, on_identity },
    { KIND_TRANSPORT_PEER, on_address },
    { KIND_SIM_FRAME, on_frame },
    { KIND_SIM_PEER, on_peer },
};

const struct behavior network_transport_behavior = {
    .name = "sim_transport",
    .state_size = sizeof(struct transport),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 16384,
    .init = on_init,
    .fini = on_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
