/* network: frames in flight, links and their connections; then the transport actor. */
#include "nodes/sim/network.h"

#include "nodes/sim/chance.h"
#include "runtime/base/bytes.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/remote.h"

#include <string.h>

/* How long it takes until a node notices. */
static const int64_t connect_min_ns = MILLISECONDS(1);
static const int64_t connect_max_ns = MILLISECONDS(20);
static const int64_t reset_max_ns = MILLISECONDS(10);    /* The peer's process died. */
static const int64_t silence_min_ns = MILLISECONDS(500); /* Nothing comes through any more. */
static const int64_t silence_max_ns = SECONDS(3);
static const int64_t straggler_max_ns = MILLISECONDS(500);

enum family { FAMILY_LATENCY = 1, FAMILY_LOSS, FAMILY_DUPLICATE, FAMILY_STRAGGLER, FAMILY_NOTICE };

struct network_node {
    char name[NODE_NAME_MAX];
    struct runtime *runtime; /* NULL: down. */
    uint64_t life;           /* Counts its starts: what was meant for an earlier one is dropped. */
    uint64_t replica;        /* As its leader actor said. */
};

/* Between two nodes. `epoch` rises with each change of its circumstances: plans made before no longer hold.
 */
struct link {
    bool connected;
    uint64_t epoch;
};

struct flight { /* A frame on its way. */
    struct flight *previous;
    struct flight *next;
    struct network *network;
    struct bytes *frame;
    uint32_t from;
    uint32_t to;
    uint64_t to_life;
    int64_t sent_ns;
    bool strays; /* It outlives the connection that it was sent on, as a replayed one would. */
    enum transport_channel channel;
};

struct notice { /* A change of a connection on its way to being noticed. */
    struct notice *previous;
    struct notice *next;
    struct network *network;
    uint32_t at;   /* Who notices; */
    uint32_t peer; /* about whom. */
    uint64_t at_life;
    uint64_t epoch;
    bool up;
    bool both; /* It is the link itself that changes now; `at` and `peer` are its ends. */
};

struct network {
    struct network_options options;
    struct network_node nodes[NETWORK_NODES_MAX];
    uint32_t node_count;
    bool cut[NETWORK_NODES_MAX][NETWORK_NODES_MAX];           /* [from][to] */
    struct link links[NETWORK_NODES_MAX][NETWORK_NODES_MAX];  /* [lower][higher] */
    int64_t noticed_ns[NETWORK_NODES_MAX][NETWORK_NODES_MAX]; /* [at][peer]: due time of the last notice. */
    int64_t broken_ns[NETWORK_NODES_MAX][NETWORK_NODES_MAX];  /* The same, of the last break. */
    struct flight flights;                                    /* Heads of rings. */
    struct notice notices;
    struct chance latency;
    struct chance loss;
    struct chance duplicate;
    struct chance straggler;
    struct chance notice;
};

struct sim_frame { /* KIND_SIM_FRAME; the attachment is the frame. */
    uint32_t from;
    enum transport_channel channel;
};

struct sim_peer { /* KIND_SIM_PEER */
    char node[NODE_NAME_MAX];
    uint64_t replica;
    bool up;
};

void network_set_faults(struct network *network, const struct network_options *options)
{
    network->options.latency_min_ns =
        options->latency_min_ns > 0 ? options->latency_min_ns : MICROSECONDS(200);
    network->options.latency_max_ns = options->latency_max_ns > 0 ? options->latency_max_ns : MILLISECONDS(2);
    network->options.loss_permille = options->loss_permille;
    network->options.duplicate_permille = options->duplicate_permille;
    network->options.straggler_permille = options->straggler_permille;
}

struct network *network_create(const struct network_options *options)
{
    struct network *network = memory_zalloc(sizeof *network);
    network->options = *options;
    network_set_faults(network, options);
    network->flights.next = network->flights.previous = &network->flights;
    network->notices.next = network->notices.previous = &network->notices;
    network->latency = chance_of(options->seed, FAMILY_LATENCY);
    network->loss = chance_of(options->seed, FAMILY_LOSS);
    network->duplicate = chance_of(options->seed, FAMILY_DUPLICATE);
    network->straggler = chance_of(options->seed, FAMILY_STRAGGLER);
    network->notice = chance_of(options->seed, FAMILY_NOTICE);
    return network;
}

static void flight_free(struct flight *flight)
{
    flight->previous->next = flight->next;
    flight->next->previous = flight->previous;
    bytes_unref(&flight->frame);
    memory_free(flight);
}

static void notice_free(struct notice *notice)
{
    notice->previous->next = notice->next;
    notice->next->previous = notice->previous;
    memory_free(notice);
}

void network_destroy(struct network **network)
{
    struct network *taken = *network;
    *network = NULL;
    if (taken == NULL) return;
    while (taken->flights.next != &taken->flights)
        flight_free(taken->flights.next);
    while (taken->notices.next != &taken->notices)
        notice_free(taken->notices.next);
    memory_free(taken);
}

uint32_t network_add(struct network *network, const char *node)
{
    CHECK(network->node_count < NETWORK_NODES_MAX);
    CHECK(text_copy(network->nodes[network->node_count].name, NODE_NAME_MAX, node));
    return network->node_count++;
}

/* --- frames --- */

static void tell_transport(struct network *network, uint32_t node, struct message **message)
{
    struct runtime *runtime = network->nodes[node].runtime;
    if (runtime_send(runtime, runtime_find(runtime, TO_TRANSPORT), message) != STATUS_OK) {
        message_destroy(message);
    }
}

/* What was sent on a connection doesn't come after its break was noticed. */
static bool gets_through(const struct network *network, const struct flight *flight)
{
    const struct network_node *to = &network->nodes[flight->to];
    if (to->runtime == NULL || to->life != flight->to_life) return false;
    if (network->cut[flight->from][flight->to]) return false;
    int64_t broken_ns = network->broken_ns[flight->to][flight->from];
    bool is_late = flight->sent_ns < broken_ns && stepper_now_ns(network->options.stepper) >= broken_ns;
    return !is_late || flight->strays;
}

static void on_arrival(void *context, uint64_t tag)
{
    (void)tag;
    struct flight *flight = context;
    struct network *network = flight->network;
    if (gets_through(network, flight)) {
        struct message *message = message_create(KIND_SIM_FRAME, sizeof(struct sim_frame));
        struct sim_frame *body = message->body;
        body->from = flight->from;
        body->channel = flight->channel;
        message_attach(message, &flight->frame);
        message->lane = LANE_SYSTEM; /* The wire has its own bounds; what arrives is not refused. */
        tell_transport(network, flight->to, &message);
    }
    flight_free(flight);
}

static void launch(struct network *network, uint32_t from, uint32_t to, enum transport_channel channel,
                   struct bytes *frame)
{
    struct flight *flight = memory_zalloc(sizeof *flight);
    flight->network = network;
    flight->frame = bytes_ref(frame);
    flight->from = from;
    flight->to = to;
    flight->to_life = network->nodes[to].life;
    flight->channel = channel;
    flight->next = &network->flights;
    flight->previous = network->flights.previous;
    flight->previous->next = flight;
    flight->next->previous = flight;
    const struct network_options *options = &network->options;
    int64_t delay_ns = chance_between(&network->latency, options->latency_min_ns, options->latency_max_ns);
    flight->sent_ns = stepper_now_ns(options->stepper);
    flight->strays = chance_permille(&network->straggler, options->straggler_permille);
    if (flight->strays) {
        delay_ns += chance_between(&network->straggler, 0, straggler_max_ns);
    }
    stepper_call_at(options->stepper, flight->sent_ns + delay_ns, on_arrival, flight, 0);
}

static struct link *link_between(struct network *network, uint32_t a, uint32_t b)
{
    return a < b ? &network->links[a][b] : &network->links[b][a];
}

static uint32_t find_node(const struct network *network, const char *name)
{
    for (uint32_t i = 0; i < network->node_count; i++) {
        if (strcmp(network->nodes[i].name, name) == 0) return i;
    }
    return NETWORK_NODES_MAX;
}

static enum status send_frame(struct network *network, uint32_t from, const char *name,
                              enum transport_channel channel, struct bytes **frame)
{
    uint32_t to = find_node(network, name);
    if (to == NETWORK_NODES_MAX || to == from) return STATUS_NODE_LOST;
    if (!link_between(network, from, to)->connected) return STATUS_NODE_LOST;
    bool lost = chance_permille(&network->loss, network->options.loss_permille);
    bool twice = chance_permille(&network->duplicate, network->options.duplicate_permille);
    if (!lost) launch(network, from, to, channel, *frame);
    if (twice) launch(network, from, to, channel, *frame);
    bytes_unref(frame);
    return STATUS_OK;
}

/* --- connections --- */

static void set_connected(struct network *network, uint32_t a, uint32_t b, bool connected, int64_t min_ns,
                          int64_t max_ns);

static void on_notice(void *context, uint64_t tag)
{
    (void)tag;
    struct notice notice = *(struct notice *)context;
    struct network *network = notice.network;
    notice_free(context);
    if (notice.both) {
        if (link_between(network, notice.at, notice.peer)->epoch != notice.epoch) return;
        set_connected(network, notice.at, notice.peer, notice.up, 0, connect_max_ns);
        return;
    }
    const struct network_node *at = &network->nodes[notice.at];
    if (at->runtime == NULL || at->life != notice.at_life) return;
    struct message *message = message_create(KIND_SIM_PEER, sizeof(struct sim_peer));
    struct sim_peer *body = message->body;
    (void)text_copy(body->node, sizeof body->node, network->nodes[notice.peer].name);
    body->replica = network->nodes[notice.peer].replica;
    body->up = notice.up;
    message->lane = LANE_SYSTEM;
    tell_transport(network, notice.at, &message);
}

static void notify_later(struct network *network, const struct notice *what, int64_t delay_ns)
{
    struct notice *notice = memory_zalloc(sizeof *notice);
    *notice = *what;
    notice->network = network;
    notice->at_life = network->nodes[what->at].life;
    notice->epoch = link_between(network, what->at, what->peer)->epoch;
    notice->next = &network->notices;
    notice->previous = network->notices.previous;
    notice->previous->next = notice;
    notice->next->previous = notice;
    struct scheduler *stepper = network->options.stepper;
    int64_t due_ns = stepper_now_ns(stepper) + delay_ns;
    if (!what->both) { /* An end never misses a break, nor hears of it after what followed. */
        int64_t *last_ns = &network->noticed_ns[what->at][what->peer];
        if (due_ns <= *last_ns) due_ns = *last_ns + 1;
        *last_ns = due_ns;
        if (!what->up) network->broken_ns[what->at][what->peer] = due_ns;
    }
    stepper_call_at(stepper, due_ns, on_notice, notice, 0);
}

/* Changes the connection now; both ends (those that live) notice after a while. */
static void set_connected(struct network *network, uint32_t a, uint32_t b, bool connected, int64_t min_ns,
                          int64_t max_ns)
{
    struct link *link = link_between(network, a, b);
    if (link->connected == connected) return;
    link->connected = connected;
    link->epoch++;
    notify_later(network, &(struct notice){ .at = a, .peer = b, .up = connected },
                 chance_between(&network->notice, min_ns, max_ns));
    notify_later(network, &(struct notice){ .at = b, .peer = a, .up = connected },
                 chance_between(&network->notice, min_ns, max_ns));
}

/* Looks at the link after a change of its circumstances, and plans what will be noticed of it. */
static void review(struct network *network, uint32_t a, uint32_t b)
{
    struct link *link = link_between(network, a, b);
    link->epoch++; /* Whatever was planned before no longer holds. */
    bool cut = network->cut[a][b] || network->cut[b][a];
    bool alive = network->nodes[a].runtime != NULL && network->nodes[b].runtime != NULL;
    if (!alive) { /* What a process sent before its end comes before the end of its connection. */
        int64_t flight_ns = network->options.latency_max_ns;
        set_connected(network, a, b, false, flight_ns, flight_ns + reset_max_ns);
    } else if (cut && link->connected) {
        notify_later(network, &(struct notice){ .at = a, .peer = b, .both = true },
                     chance_between(&network->notice, silence_min_ns, silence_max_ns));
    } else if (!cut && !link->connected) {
        notify_later(network, &(struct notice){ .at = a, .peer = b, .up = true, .both = true },
                     chance_between(&network->notice, connect_min_ns, connect_max_ns));
    }
}

static void review_all(struct network *network, uint32_t node)
{
    for (uint32_t i = 0; i < network->node_count; i++) {
        if (i != node) review(network, node, i);
    }
}

void network_up(struct network *network, uint32_t node, struct runtime *runtime)
{
    CHECK(network->nodes[node].runtime == NULL);
    network->nodes[node].runtime = runtime;
    network->nodes[node].life++;
    review_all(network, node);
}

void network_down(struct network *network, uint32_t node)
{
    network->nodes[node].runtime = NULL;
    review_all(network, node);
}

void network_cut(struct network *network, uint32_t from, uint32_t to, bool cut)
{
    if (network->cut[from][to] == cut) return;
    network->cut[from][to] = cut;
    review(network, from, to);
}

/* --- the transport actor ---
 * Learns  frames and connections from the network, what to send from the node's actors.
 * Owns    its remote (asks between nodes). Limits: those of the remote. */

struct transport {
    struct network *network;
    uint32_t node;
    struct remote *remote;
};

static enum status transmit(void *context, const char *node, enum transport_channel channel,
                            struct bytes **frame)
{
    struct transport *transport = context;
    return send_frame(transport->network, transport->node, node, channel, frame);
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
