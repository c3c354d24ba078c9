/* network_links: connections between nodes: when they break, when they come back, and when each end hears of
 * it. */
#include "nodes/sim/network_state.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"

/* How long it takes until a node notices. */
static const int64_t connect_min_ns = MILLISECONDS(1);
static const int64_t connect_max_ns = MILLISECONDS(20);
static const int64_t reset_max_ns = MILLISECONDS(10);    /* The peer's process died. */
static const int64_t silence_min_ns = MILLISECONDS(500); /* Nothing comes through any more. */
static const int64_t silence_max_ns = SECONDS(3);

struct network_link *network_link_between(struct network *network, uint32_t a, uint32_t b)
{
    return a < b ? &network->links[a][b] : &network->links[b][a];
}

static void notice_free(struct network_notice *notice)
{
    notice->previous->next = notice->next;
    notice->next->previous = notice->previous;
    memory_free(notice);
}

void network_forget_notices(struct network *network)
{
    while (network->notices.next != &network->notices)
        notice_free(network->notices.next);
}

static void set_connected(struct network *network, uint32_t a, uint32_t b, bool connected, int64_t min_ns,
                          int64_t max_ns);

static void on_notice(void *context, uint64_t tag)
{
    (void)tag;
    struct network_notice notice = *(struct network_notice *)context;
    struct network *network = notice.network;
    notice_free(context);
    if (notice.both) {
        if (network_link_between(network, notice.at, notice.peer)->epoch != notice.epoch) return;
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
    network_tell(network, notice.at, &message);
}

static void notify_later(struct network *network, const struct network_notice *what, int64_t delay_ns)
{
    struct network_notice *notice = memory_zalloc(sizeof *notice);
    *notice = *what;
    notice->network = network;
    notice->at_life = network->nodes[what->at].life;
    notice->epoch = network_link_between(network, what->at, what->peer)->epoch;
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
    struct network_link *link = network_link_between(network, a, b);
    if (link->connected == connected) return;
    link->connected = connected;
    link->epoch++;
    notify_later(network, &(struct network_notice){ .at = a, .peer = b, .up = connected },
                 chance_between(&network->notice, min_ns, max_ns));
    notify_later(network, &(struct network_notice){ .at = b, .peer = a, .up = connected },
                 chance_between(&network->notice, min_ns, max_ns));
}

static bool is_silent(const struct network *network, uint32_t from, uint32_t to)
{
    return network->cut[from][to] || network->clogged[from][to] || network->nodes[from].silent;
}

void network_review(struct network *network, uint32_t a, uint32_t b)
{
    if (network->nodes[a].worker && network->nodes[b].worker) return;
    struct network_link *link = network_link_between(network, a, b);
    link->epoch++; /* Whatever was planned before no longer holds. */
    bool cut = is_silent(network, a, b) || is_silent(network, b, a);
    bool alive = network->nodes[a].runtime != NULL && network->nodes[b].runtime != NULL;
    if (!alive) { /* What a process sent before its end comes before the end of its connection. */
        int64_t flight_ns = network->options.latency_max_ns;
        set_connected(network, a, b, false, flight_ns, flight_ns + reset_max_ns);
    } else if (cut && link->connected) {
        notify_later(network, &(struct network_notice){ .at = a, .peer = b, .both = true },
                     chance_between(&network->notice, silence_min_ns, silence_max_ns));
    } else if (!cut && !link->connected) {
        notify_later(network, &(struct network_notice){ .at = a, .peer = b, .up = true, .both = true },
                     chance_between(&network->notice, connect_min_ns, connect_max_ns));
    }
}
