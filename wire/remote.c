/* remote: asks and messages over a transport that may lose, repeat, delay and reorder frames.
 * Asks of ours wait in `asked` by correlation until a reply, the peer's end, or their deadline. Asks of peers
 * run as actor_ask; their contexts are `served`. A correlation is {epoch, number}: the epoch is drawn when a
 * remote is made, the numbers count up, so a peer can tell a repeated request from a new one by a sliding
 * window (as the anti-replay window of RFC 4303, 3.4.3), one a channel: what waits behind bulk is not old
 * because the other channel is ahead. Limits  ASKED_MAX and SERVED_MAX: one more is
 * refused OVERLOADED. A request older than the last WINDOW of its peer is dropped: its asker hears DEADLINE.
 */
#include "wire/remote.h"

#include "runtime/base/check.h"
#include "runtime/base/map.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/planted.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"

#include <string.h>

enum { ASKED_MAX = 8192, SERVED_MAX = 8192, PEERS_MAX = 256, WINDOW = 1024, RETIRED_MAX = 32 };

static const int64_t sweep_period_ns = MILLISECONDS(100);
static const int64_t log_period_ns = SECONDS(1);

struct asked { /* An ask of ours. */
    struct message *message;
    char node[NODE_NAME_MAX];
    bool before_cluster; /* Its reply may come from a node of another cluster. */
};

struct served { /* An ask of a peer, on its way through actor_ask. */
    struct served *next;
    struct served *previous;
    struct remote *remote;
    char node[NODE_NAME_MAX];
    enum transport_channel channel;
    uint64_t correlation;
};

struct window { /* Which numbers of an epoch were seen: the highest, and the WINDOW below it. */
    uint32_t epoch;
    uint32_t highest;
    uint64_t seen[WINDOW / 64];
};

struct peer {
    struct window current;
    struct window former; /* Its late frames must not pass for news after a restart of the peer. */
    /* Epochs before that, the newest at retired_count - 1 (modulo RETIRED_MAX): nothing of theirs is news. */
    uint32_t retired[RETIRED_MAX];
    uint32_t retired_count;
};

struct remote {
    struct remote_options options;
    struct transport_identity identity;
    struct map asked;     /* correlation -> struct asked */
    struct served served; /* Head of a ring. */
    uint32_t served_count;
    struct map peers[CHANNEL_COUNT]; /* node -> struct peer */
    uint32_t epoch;                  /* 0: not drawn yet. */
    uint32_t number;
    int64_t swept_ns;
    uint64_t dropped;
    uint64_t dropped_logged;
    int64_t logged_ns;
};

/* --- senders ----------------------------------------------------------------------------------------------
 */

/* The message to TO_TRANSPORT that carries `message` as a frame; without an attachment where none could be
 * made (it is too large: a local kind is a bug). */
static struct message *envelop(struct actor *self, uint32_t kind, const char *node,
                               enum transport_channel channel, struct message **message)
{
    const struct kind_row *row = kind_find((*message)->kind);
    CHECK(row != NULL);
    CHECK(row->descriptor != NULL);
    struct message *envelope = message_create(kind, sizeof(struct transport_send));
    struct transport_send *send = envelope->body;
    bool whole = text_copy(send->node, sizeof send->node, node);
    CHECK(whole);
    send->channel = channel;
    envelope->request_id = (*message)->request_id;
    struct bytes *frame = NULL;
    struct error error;
    if (frame_pack(*message, &frame, &error) == STATUS_OK) message_attach(envelope, &frame);
    else log_warn(self, "wire.not_sent", "to=%s: %s", node, error.message);
    message_destroy(message);
    return envelope;
}

void wire_post(struct actor *self, const char *node, enum transport_channel channel, struct message **message)
{
    struct message *envelope = envelop(self, KIND_TRANSPORT_SEND, node, channel, message);
    actor_tell_name(self, TO_TRANSPORT, &envelope);
}

void wire_ask(struct actor *self, const char *node, enum transport_channel channel, struct message **message,
              int64_t timeout_ns, ask_completion *complete, void *context)
{
    struct message *envelope = envelop(self, KIND_TRANSPORT_ASK, node, channel, message);
    actor_ask_name(self, TO_TRANSPORT, &envelope, timeout_ns, complete, context);
}

/* --- life -------------------------------------------------------------------------------------------------
 */

struct remote *remote_create(const struct remote_options *options)
{
    struct remote *remote = memory_zalloc(sizeof *remote);
    remote->options = *options;
    remote->served.next = remote->served.previous = &remote->served;
    return remote;
}

static void asked_destroy(struct asked *asked)
{
    message_destroy(&asked->message);
    memory_free(asked);
}

static void served_destroy(struct served *served)
{
    served->next->previous = served->previous;
    served->previous->next = served->next;
    memory_free(served);
}

void remote_destroy(struct remote **remote)
{
    struct remote *gone = *remote;
    if (gone == NULL) return;
    *remote = NULL;
    size_t position = 0;
    uint64_t correlation;
    for (void *asked; map_next_number(&gone->asked, &position, &correlation, &asked);)
        asked_destroy(asked);
    map_fini(&gone->asked);
    while (gone->served.next != &gone->served)
        served_destroy(gone->served.next);
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        position = 0;
        const char *node;
        for (void *peer; map_next(&gone->peers[channel], &position, &node, &peer);)
            memory_free(peer);
        map_fini(&gone->peers[channel]);
    }
    memory_free(gone);
}

void remote_set_identity(struct remote *remote, const struct transport_identity *identity)
{
    remote->identity = *identity;
}

const struct transport_identity *remote_identity(const struct remote *remote)
{
    return &remote->identity;
}

uint64_t remote_dropped(const struct remote *remote)
{
    return remote->dropped;
}

void remote_drop(struct remote *remote, struct actor *self, const char *node, const char *reason)
{
    remote->dropped++;
    int64_t now_ns = actor_now_ns(self);
    if (remote->logged_ns != 0 && now_ns - remote->logged_ns < log_period_ns) return;
    log_warn(self, "wire.frames_dropped", "count=%llu node=%s: %s",
             (unsigned long long)(remote->dropped - remote->dropped_logged), node, reason);
    remote->dropped_logged = remote->dropped;
    remote->logged_ns = now_ns;
}

/* --- out --------------------------------------------------------------------------------------------------
 */

static uint32_t budget_ms(const struct actor *self, const struct message *message)
{
    if (message->deadline_ns == 0) return 0;
    int64_t left_ms = (message->deadline_ns - actor_now_ns(self)) / MILLISECONDS(1);
    if (left_ms < 1) return 1; /* 0 would mean: no limit. */
    return left_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)left_ms;
}

static struct frame_header header_of(const struct remote *remote, const struct message *message)
{
    return (struct frame_header){ .protocol = PROTOCOL_MAX,
                                  .cluster_id = remote->identity.cluster_id,
                                  .from_replica = remote->identity.replica_id,
                                  .request_id = message->request_id };
}

static uint64_t next_correlation(struct remote *remote, struct actor *self)
{
    if (++remote->number == 0) remote->epoch = 0; /* All used: on with another epoch. */
    while (remote->epoch == 0)
        remote->epoch = (uint32_t)actor_random(self);
    if (remote->number == 0) remote->number = 1;
    return (uint64_t)remote->epoch << 32 | remote->number;
}

static bool is_before_cluster(uint32_t kind)
{
    const struct kind_row *row = kind_find(kind);
    return row != NULL && (row->flags & KIND_BEFORE_CLUSTER) != 0;
}

/* Asks whose deadline passed: their askers have been told by the runtime; ours is to forget them. */
static void sweep(struct remote *remote, struct actor *self)
{
    int64_t now_ns = actor_now_ns(self);
    if (now_ns - remote->swept_ns < sweep_period_ns) return;
    remote->swept_ns = now_ns;
    size_t position = 0;
    uint64_t correlation;
    void *entry;
    while (map_next_number(&remote->asked, &position, &correlation, &entry)) {
        struct asked *asked = entry;
        if (!actor_refuse_if_late(self, asked->message)) continue;
        (void)map_remove_number(&remote->asked, correlation);
        asked_destroy(asked);
    }
}

void remote_on_send(struct remote *remote, struct actor *self, const struct message *message)
{
    CHECK(message->kind == KIND_TRANSPORT_SEND);
    sweep(remote, self);
    struct message *kept = actor_keep(self);
    const struct transport_send *send = kept->body;
    if (kept->attachment != NULL) {
        struct frame_header header = header_of(remote, kept);
        header.budget_ms = budget_ms(self, kept);
        frame_seal(kept->attachment, &header);
        enum status status =
            remote->options.transmit(remote->options.transport, send->node, send->channel, &kept->attachment);
        /* Without a connection it is lost quietly: the transport tells of connections itself. */
        if (status == STATUS_OVERLOADED) remote_drop(remote, self, send->node, "too much on its way there");
    }
    message_destroy(&kept);
}

static void refuse_unsent(struct actor *self, const struct message *message, enum status status)
{
    const struct transport_send *send = message->body;
    struct error error;
    if (status == STATUS_OVERLOADED)
        (void)error_set(&error, status, "too much is on its way to node %s", send->node);
    else (void)error_set(&error, status, "node %s is not connected; nothing was sent", send->node);
    error.is_unstarted = true;
    actor_refuse_error(self, message, &error);
}

static bool can_ask(struct remote *remote, struct actor *self, const struct message *message)
{
    if (actor_refuse_if_late(self, message)) return false;
    struct error error;
    if (message->attachment == NULL) {
        (void)error_set(&error, STATUS_INVALID, "the request is larger than a frame may be (%d bytes)",
                        FRAME_SIZE_MAX);
        actor_refuse_error(self, message, &error);
        return false;
    }
    if (remote->asked.count < ASKED_MAX) return true;
    (void)error_set(&error, STATUS_OVERLOADED, "%d asks wait for other nodes already", ASKED_MAX);
    actor_refuse_error(self, message, &error);
    return false;
}

void remote_on_ask(struct remote *remote, struct actor *self, const struct message *message)
{
    CHECK(message->kind == KIND_TRANSPORT_ASK);
    sweep(remote, self);
    if (!can_ask(remote, self, message)) return;
    struct message *kept = actor_keep(self);
    const struct transport_send *send = kept->body;
    struct frame_header header = header_of(remote, kept);
    header.budget_ms = budget_ms(self, kept);
    header.correlation = next_correlation(remote, self);
    header.flags = frame_flags_of_depth(kept->ask_depth);
    frame_seal(kept->attachment, &header);
    bool before_cluster = is_before_cluster(frame_kind(kept->attachment->data, kept->attachment->size));
    enum status status =
        remote->options.transmit(remote->options.transport, send->node, send->channel, &kept->attachment);
    if (status != STATUS_OK) {
        refuse_unsent(self, kept, status);
        message_destroy(&kept);
        return;
    }
    struct asked *asked = memory_zalloc(sizeof *asked);
    asked->message = kept;
    asked->before_cluster = before_cluster;
    (void)text_copy(asked->node, sizeof asked->node, send->node);
    void *former = map_put_number(&remote->asked, header.correlation, asked);
    CHECK(former == NULL);
}

/* --- replies in -------------------------------------------------------------------------------------------
 */

static void answer(struct remote *remote, struct actor *self, const struct asked *asked,
                   const struct frame_header *header, const uint8_t *data, size_t size)
{
    struct message *reply = NULL;
    struct error error;
    if (frame_decode(data, size, header, &reply, &error) != STATUS_OK) {
        remote_drop(remote, self, asked->node, error.message);
        error.status = STATUS_UNKNOWN; /* It was answered, but we can't tell what. */
        (void)error_wrap(&error, "the reply of node %s", asked->node);
        actor_refuse_error(self, asked->message, &error);
        return;
    }
    reply->from_node = arena_strdup(&reply->arena, asked->node);
    if (reply->kind == KIND_REFUSAL) {
        wire_refusal_read(reply, &error);
        actor_refuse_error(self, asked->message, &error);
        message_destroy(&reply);
    } else {
        actor_reply(self, asked->message, &reply);
    }
}

static void on_reply(struct remote *remote, struct actor *self, const char *from_node,
                     const struct frame_header *header, const uint8_t *data, size_t size)
{
    struct asked *asked = map_get_number(&remote->asked, header->correlation);
    if (asked == NULL) return; /* Late or repeated: its ask has ended. */
    if (strcmp(asked->node, from_node) != 0) {
        remote_drop(remote, self, from_node, "a reply to what another node was asked");
        return;
    }
    if (header->cluster_id != remote->identity.cluster_id && !asked->before_cluster) {
        remote_drop(remote, self, from_node, "a reply from another cluster");
        return;
    }
    (void)map_remove_number(&remote->asked, header->correlation);
    answer(remote, self, asked, header, data, size);
    asked_destroy(asked);
}

/* --- requests in ------------------------------------------------------------------------------------------
 */

/* True the first time that `number` is seen; false for repeated ones and those that left the window. */
static bool window_take(struct window *window, uint32_t number)
{
    if (number > window->highest) {
        uint32_t gap = number - window->highest;
        for (uint32_t i = 1; i <= gap && i <= WINDOW; i++) {
            uint32_t slot = (window->highest + i) % WINDOW;
            window->seen[slot / 64] &= ~(UINT64_C(1) << slot % 64);
        }
        window->highest = number;
    } else if (window->highest - number >= WINDOW) {
        MARK("remote.request_left_the_window");
        return false;
    }
    uint64_t bit = UINT64_C(1) << number % 64;
    uint64_t *word = &window->seen[number % WINDOW / 64];
    bool first = (*word & bit) == 0 || PLANTED("remote.repeated_request_is_news");
    *word |= bit;
    return first;
}

static bool is_retired(const struct peer *peer, uint32_t epoch)
{
    for (uint32_t i = 0; i < peer->retired_count && i < RETIRED_MAX; i++) {
        if (peer->retired[i] == epoch) return true;
    }
    return false;
}

static void begin_epoch(struct peer *peer, uint32_t epoch)
{
    if (peer->former.epoch != 0) peer->retired[peer->retired_count++ % RETIRED_MAX] = peer->former.epoch;
    peer->former = peer->current;
    peer->current = (struct window){ .epoch = epoch };
}

static bool is_news(struct map *peers, const char *from_node, uint64_t correlation)
{
    struct peer *peer = map_get(peers, from_node);
    if (peer == NULL) {
        if (peers->count == PEERS_MAX) return false;
        peer = memory_zalloc(sizeof *peer);
        (void)map_put(peers, from_node, peer);
    }
    uint32_t epoch = (uint32_t)(correlation >> 32);
    if (epoch == peer->former.epoch) return window_take(&peer->former, (uint32_t)correlation);
    if (is_retired(peer, epoch)) return false; /* A frame that the network kept for very long. */
    if (epoch != peer->current.epoch) begin_epoch(peer, epoch);
    return window_take(&peer->current, (uint32_t)correlation);
}

/* Takes the reply. */
static void send_reply(struct remote *remote, struct actor *self, const struct served *to,
                       const struct message *reply)
{
    struct bytes *frame = NULL;
    struct error error;
    if (frame_pack(reply, &frame, &error) != STATUS_OK) {
        CHECK(reply->kind != KIND_REFUSAL); /* A refusal always fits. */
        struct message *refusal = wire_refusal_create(&error);
        refusal->request_id = reply->request_id;
        send_reply(remote, self, to, refusal);
        message_destroy(&refusal);
        return;
    }
    struct frame_header header = header_of(remote, reply);
    header.flags = FRAME_REPLY;
    header.correlation = to->correlation;
    frame_seal(frame, &header);
    (void)remote->options.transmit(remote->options.transport, to->node, to->channel, &frame);
    bytes_unref(&frame); /* What could not leave: the asker's deadline, or its PEER_DOWN, ends its wait. */
}

static void refuse_peer(struct remote *remote, struct actor *self, const struct served *to,
                        const struct error *error)
{
    struct message *refusal = wire_refusal_create(error);
    send_reply(remote, self, to, refusal);
    message_destroy(&refusal);
}

static void on_served(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct served *served = context;
    struct remote *remote = served->remote;
    if (result->status == STATUS_OK) send_reply(remote, self, served, result->message);
    else refuse_peer(remote, self, served, result->error);
    remote->served_count--;
    served_destroy(served);
}

static struct served *served_create(struct remote *remote, const struct served *of)
{
    struct served *served = memory_alloc(sizeof *served);
    *served = *of;
    served->next = &remote->served;
    served->previous = remote->served.previous;
    served->previous->next = served;
    served->next->previous = served;
    remote->served_count++;
    return served;
}

static void serve(struct remote *remote, struct actor *self, const struct served *asker,
                  const struct frame_header *header, struct message **message)
{
    const struct kind_row *row = kind_find(header->kind);
    struct error error;
    if (row->receiver == TO_NOBODY) {
        (void)error_set(&error, STATUS_INVALID, "%s is no request", row->name);
        refuse_peer(remote, self, asker, &error);
        message_destroy(message);
    } else if (remote->served_count == SERVED_MAX) {
        (void)error_set(&error, STATUS_OVERLOADED, "this node serves %d asks of others already", SERVED_MAX);
        refuse_peer(remote, self, asker, &error);
        message_destroy(message);
    } else {
        actor_set_ask_depth(self, frame_ask_depth(header));
        actor_ask_name(self, row->receiver, message, MILLISECONDS(header->budget_ms), on_served,
                       served_create(remote, asker));
        actor_set_ask_depth(self, 0);
    }
}

static void on_request(struct remote *remote, struct actor *self, const struct served *asker,
                       const struct frame_header *header, const uint8_t *data, size_t size)
{
    struct message *message = NULL;
    struct error error;
    if (frame_decode(data, size, header, &message, &error) != STATUS_OK) {
        remote_drop(remote, self, asker->node, error.message);
        if (header->correlation != 0) refuse_peer(remote, self, asker, &error);
        return;
    }
    message->from_node = arena_strdup(&message->arena, asker->node);
    const struct kind_row *row = kind_find(header->kind);
    if (header->correlation != 0) {
        serve(remote, self, asker, header, &message);
    } else if (row->receiver != TO_NOBODY) {
        if (header->budget_ms != 0)
            message->deadline_ns = actor_now_ns(self) + MILLISECONDS(header->budget_ms);
        if ((row->flags & KIND_PROTOCOL) != 0) message->lane = LANE_SYSTEM;
        actor_tell_name(self, row->receiver, &message);
    } else {
        remote_drop(remote, self, asker->node, "a reply kind that answers nothing");
        message_destroy(&message);
    }
}

void remote_on_frame(struct remote *remote, struct actor *self, const char *from_node,
                     enum transport_channel channel, const uint8_t *data, size_t size)
{
    sweep(remote, self);
    struct frame_header header;
    struct error error;
    if (frame_parse(data, size, &header, &error) != STATUS_OK) {
        remote_drop(remote, self, from_node, error.message);
        return;
    }
    if (header.protocol < PROTOCOL_MIN || header.protocol > PROTOCOL_MAX) {
        remote_drop(remote, self, from_node, "a protocol that we don't speak");
        return;
    }
    if ((header.flags & FRAME_REPLY) != 0) {
        on_reply(remote, self, from_node, &header, data, size);
        return;
    }
    if (header.cluster_id != remote->identity.cluster_id && !is_before_cluster(header.kind)) {
        /* In none yet: the one that lets us in may speak before we know its id. Nobody need hear of that. */
        if (remote->identity.cluster_id == 0) remote->dropped++;
        else remote_drop(remote, self, from_node, "a frame of another cluster");
        return;
    }
    if (header.to_replica != 0 && header.to_replica != remote->identity.replica_id) {
        remote_drop(remote, self, from_node, "a frame for another replica");
        return;
    }
    if (header.correlation != 0 && !is_news(&remote->peers[channel], from_node, header.correlation)) return;
    struct served asker = { .remote = remote, .channel = channel, .correlation = header.correlation };
    if (!text_copy(asker.node, sizeof asker.node, from_node)) return;
    on_request(remote, self, &asker, &header, data, size);
}

void remote_on_peer_down(struct remote *remote, struct actor *self, const char *node)
{
    struct error error;
    (void)error_set(&error, STATUS_NODE_LOST, "the connection to node %s broke; the outcome is unknown",
                    node);
    size_t position = 0;
    uint64_t correlation;
    void *entry;
    while (map_next_number(&remote->asked, &position, &correlation, &entry)) {
        struct asked *asked = entry;
        if (strcmp(asked->node, node) != 0) continue;
        actor_refuse_error(self, asked->message, &error);
        (void)map_remove_number(&remote->asked, correlation);
        asked_destroy(asked);
    }
}

void remote_forget(struct remote *remote, const char *node)
{
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        struct peer *peer = map_remove(&remote->peers[channel], node);
        memory_free(peer);
    }
}
