/* network_frames: frames on their way: how long they take, and what becomes of them. */
#include "nodes/sim/network_state.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "wire/kinds.h"

#include <string.h>

static const int64_t straggler_max_ns = MILLISECONDS(500);
/* What something on the way held back comes, now and then, after its connection and its sender have gone. */
static const uint32_t held_strays_permille = 250;

static void flight_free(struct network_flight *flight)
{
    flight->previous->next = flight->next;
    flight->next->previous = flight->previous;
    bytes_unref(&flight->frame);
    memory_free(flight);
}

void network_forget_frames(struct network *network)
{
    while (network->flights.next != &network->flights)
        flight_free(network->flights.next);
    for (uint32_t i = 0; i < network->memory_count; i++)
        bytes_unref(&network->memory[i].frame);
    network->memory_count = 0;
}

void network_tell(struct network *network, uint32_t node, struct message **message)
{
    struct runtime *runtime = network->nodes[node].runtime;
    if (runtime_send(runtime, runtime_find(runtime, TO_TRANSPORT), message) != STATUS_OK) {
        message_destroy(message);
    }
}

/* --- arrival --- */

/* What was sent on a connection doesn't come after its break was noticed. */
static bool gets_through(const struct network *network, const struct network_flight *flight)
{
    const struct network_node *to = &network->nodes[flight->to];
    if (to->runtime == NULL || to->life != flight->to_life) return false;
    if (network->cut[flight->from][flight->to]) return false;
    int64_t broken_ns = network->broken_ns[flight->to][flight->from];
    bool is_late = flight->sent_ns < broken_ns && stepper_now_ns(network->options.stepper) >= broken_ns;
    return !is_late || flight->strays;
}

static void deliver(struct network *network, struct network_flight *flight)
{
    struct message *message = message_create(KIND_SIM_FRAME, sizeof(struct sim_frame));
    struct sim_frame *body = message->body;
    body->from = flight->from;
    body->channel = flight->channel;
    message_attach(message, &flight->frame);
    message->lane = LANE_SYSTEM; /* The wire has its own bounds; what arrives is not refused. */
    network_tell(network, flight->to, &message);
}

static void on_arrival(void *context, uint64_t tag)
{
    (void)tag;
    struct network_flight *flight = context;
    struct network *network = flight->network;
    flight->waits = network->clogged[flight->from][flight->to];
    if (flight->waits) return; /* network_release comes back to it. */
    if (gets_through(network, flight)) deliver(network, flight);
    flight_free(flight);
}

static void set_off(struct network_flight *flight, int64_t delay_ns)
{
    struct scheduler *stepper = flight->network->options.stepper;
    stepper_call_at(stepper, stepper_now_ns(stepper) + delay_ns, on_arrival, flight, 0);
}

static int64_t draw_latency(struct network *network)
{
    return chance_between(&network->latency, network->options.latency_min_ns,
                          network->options.latency_max_ns);
}

void network_release(struct network *network, uint32_t from, uint32_t to)
{
    for (struct network_flight *flight = network->flights.next; flight != &network->flights;
         flight = flight->next) {
        if (!flight->waits || flight->from != from || flight->to != to) continue;
        flight->waits = false;
        if (chance_permille(&network->straggler, held_strays_permille)) flight->strays = true;
        set_off(flight, draw_latency(network));
    }
}

/* --- departure --- */

static struct network_flight *flight_create(struct network *network, uint32_t from, uint32_t to,
                                            enum transport_channel channel, struct bytes *frame)
{
    struct network_flight *flight = memory_zalloc(sizeof *flight);
    flight->network = network;
    flight->frame = bytes_ref(frame);
    flight->from = from;
    flight->to = to;
    flight->to_life = network->nodes[to].life;
    flight->channel = channel;
    flight->sent_ns = stepper_now_ns(network->options.stepper);
    flight->next = &network->flights;
    flight->previous = network->flights.previous;
    flight->previous->next = flight;
    flight->next->previous = flight;
    return flight;
}

static void launch(struct network *network, uint32_t from, uint32_t to, enum transport_channel channel,
                   struct bytes *frame)
{
    struct network_flight *flight = flight_create(network, from, to, channel, frame);
    int64_t delay_ns = draw_latency(network);
    flight->strays = chance_permille(&network->straggler, network->options.straggler_permille);
    if (flight->strays) delay_ns += chance_between(&network->straggler, 0, straggler_max_ns);
    set_off(flight, delay_ns);
}

/* Any of those kept so far may make room for this one: some stay for minutes. */
static void remember(struct network *network, uint32_t from, uint32_t to, enum transport_channel channel,
                     struct bytes *frame)
{
    if (!chance_permille(&network->replay, network->options.memory_permille)) return;
    uint32_t at = network->memory_count;
    if (at == NETWORK_MEMORY_MAX) {
        at = (uint32_t)(chance_next(&network->replay) % NETWORK_MEMORY_MAX);
        bytes_unref(&network->memory[at].frame);
    } else {
        network->memory_count++;
    }
    network->memory[at] = (struct network_memory){ .frame = bytes_ref(frame),
                                                   .from = from,
                                                   .to = to,
                                                   .to_life = network->nodes[to].life,
                                                   .channel = channel };
}

uint32_t network_replay(struct network *network, uint32_t count)
{
    uint32_t sent = 0;
    for (uint32_t i = 0; i < count && network->memory_count > 0; i++) {
        uint32_t at = (uint32_t)(chance_next(&network->replay) % network->memory_count);
        const struct network_memory *memory = &network->memory[at];
        if (network->nodes[memory->to].life != memory->to_life) continue;
        struct network_flight *flight =
            flight_create(network, memory->from, memory->to, memory->channel, memory->frame);
        flight->strays = true;
        set_off(flight, chance_between(&network->replay, 0, straggler_max_ns));
        sent++;
    }
    return sent;
}

static uint32_t find_node(const struct network *network, const char *name)
{
    for (uint32_t i = 0; i < network->node_count; i++) {
        if (strcmp(network->nodes[i].name, name) == 0) return i;
    }
    return NETWORK_NODES_MAX;
}

enum status network_send(struct network *network, uint32_t from, const char *name,
                         enum transport_channel channel, struct bytes **frame)
{
    uint32_t to = find_node(network, name);
    if (to == NETWORK_NODES_MAX || to == from) return STATUS_NODE_LOST;
    if (!network_link_between(network, from, to)->connected) return STATUS_NODE_LOST;
    bool lost = chance_permille(&network->loss, network->options.loss_permille);
    bool twice = chance_permille(&network->duplicate, network->options.duplicate_permille);
    remember(network, from, to, channel, *frame);
    if (!lost) launch(network, from, to, channel, *frame);
    if (twice) launch(network, from, to, channel, *frame);
    bytes_unref(frame);
    return STATUS_OK;
}
