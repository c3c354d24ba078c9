/* snapshot_sender: streams of the state of this node to other nodes, over their data connections.
 * Learns  SNAPSHOT_SEND (from the leader actor, or from stream_feed for a worker), blocks from the state by
 *         snapshot_source, SNAP_ACK from the receivers.
 * Owns    one stream a receiver: blocks that are not acknowledged as durable there, at most WINDOW_BYTES, and
 *         the walk over the state waits for that (N1). Sends again what was not acknowledged in RESEND_NS.
 * Limits  STREAMS_MAX receivers, of whom as many are served at a time as the state has walks. One that
 *         makes no progress for GIVE_UP_NS is given up; whoever wanted it is told, and may want it again.
 */
#include "actors/consensus/snapshot_sender.h"

#include "actors/consensus/messages.h"
#include "actors/consensus/snapshot_messages.h"
#include "actors/consensus/snapshot_source.h"
#include "runtime/base/mark.h"
#include "runtime/base/text.h"
#include "store/raft/entry.h"
#include "wire/kinds.h"
#include "wire/proto/consensus.pb-c.h"
#include "wire/remote.h"

#include <string.h>

enum {
    STREAMS_MAX = 32,
    BLOCKS_MAX = 256, /* Not acknowledged; a chunk is 256 KiB, or the last one. */
    WINDOW_BYTES = 4 * 1024 * 1024,
};
static const int64_t tick_ns = MILLISECONDS(100);
static const int64_t resend_ns = MILLISECONDS(500);
static const int64_t give_up_ns = SECONDS(15);
static const int64_t retry_ns = MILLISECONDS(500); /* After the state had no walk for us. */

struct block {
    struct bytes *bytes;
    uint64_t offset;
};

struct stream {
    struct snapshot_send target;
    struct actor_id wanted_by;
    bool open; /* Else a free place, once it is not busy. */
    bool busy; /* An ask of the state is under way, whatever became of the stream that made it. */
    struct snapshot_source source;
    struct bytes *header; /* Offered until the receiver takes it. */
    bool accepted;
    struct block blocks[BLOCKS_MAX]; /* In order, from the first that is not durable there. */
    uint32_t block_count;
    uint32_t sent_count; /* Of them, since the last step back. */
    size_t bytes;
    uint64_t end; /* Offset behind the last block. */
    int64_t heard_ns;
    int64_t sent_ns;
    int64_t retry_at_ns; /* 0: the source is open, or being opened. */
};

struct snapshot_sender {
    struct stream streams[STREAMS_MAX];
    bool ticking; /* While there is a stream. */
};

static void pull(struct actor *self, struct stream *stream);

/* --- streams --- */

static struct stream *find(struct snapshot_sender *sender, uint64_t id)
{
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        struct stream *stream = &sender->streams[i];
        if (stream->open && id != 0 && stream->source.header.id == id) return stream;
    }
    return NULL;
}

static void drop_blocks(struct stream *stream)
{
    for (uint32_t i = 0; i < stream->block_count; i++)
        bytes_unref(&stream->blocks[i].bytes);
    stream->block_count = 0;
    stream->sent_count = 0;
    stream->bytes = 0;
    stream->end = 0;
    stream->accepted = false;
    bytes_unref(&stream->header);
}

static void tell_sent(struct actor *self, const struct stream *stream, log_index index)
{
    struct message *message = messages_create(KIND_SNAPSHOT_SENT, sizeof(struct snapshot_sent));
    *(struct snapshot_sent *)message->body =
        (struct snapshot_sent){ stream->target.replica, index, stream->target.asked };
    actor_tell(self, stream->wanted_by, &message);
}

static void drop(struct actor *self, struct stream *stream)
{
    snapshot_source_close(self, &stream->source);
    drop_blocks(stream);
    *stream = (struct stream){ .busy = stream->busy };
}

static void end(struct actor *self, struct stream *stream, log_index index, const char *why)
{
    log_info(self, "consensus.snapshot_sent", "to=%s index=%llu bytes=%llu %s", stream->target.node,
             (unsigned long long)stream->source.header.position.index,
             (unsigned long long)stream->source.progress.offset, why);
    tell_sent(self, stream, index);
    drop(self, stream);
}

/* --- from the state --- */

static void begin_later(struct actor *self, struct stream *stream)
{
    snapshot_source_close(self, &stream->source);
    drop_blocks(stream);
    stream->retry_at_ns = actor_now_ns(self) + retry_ns;
}

static void offer(struct actor *self, struct stream *stream)
{
    struct message *message = wire_message_create(KIND_SNAP_OFFER);
    Pb__SnapOffer *offered = message->body;
    offered->to = stream->target.replica;
    offered->term = stream->target.term;
    offered->snapshot_id = stream->source.header.id;
    offered->asked = stream->target.asked;
    struct bytes *header = bytes_ref(stream->header);
    message_attach(message, &header);
    wire_post(self, stream->target.node, CHANNEL_DATA, &message);
    stream->sent_ns = actor_now_ns(self);
}

static void send_block(struct actor *self, struct stream *stream, const struct block *block)
{
    struct message *message = wire_message_create(KIND_SNAP_CHUNK);
    Pb__SnapChunk *chunk = message->body;
    chunk->to = stream->target.replica;
    chunk->snapshot_id = stream->source.header.id;
    chunk->offset = block->offset;
    struct bytes *bytes = bytes_ref(block->bytes);
    message_attach(message, &bytes);
    wire_post(self, stream->target.node, CHANNEL_DATA, &message);
    stream->sent_ns = actor_now_ns(self);
}

static void send_new(struct actor *self, struct stream *stream)
{
    while (stream->accepted && stream->sent_count < stream->block_count)
        send_block(self, stream, &stream->blocks[stream->sent_count++]);
}

static void add_block(struct actor *self, struct stream *stream, struct bytes **bytes)
{
    CHECK(stream->block_count < BLOCKS_MAX);
    size_t size = (*bytes)->size;
    stream->blocks[stream->block_count++] = (struct block){ *bytes, stream->end };
    *bytes = NULL;
    stream->bytes += size;
    stream->end += size;
    send_new(self, stream);
}

/* The places stay where they are, and a busy one is not given to another stream. NULL: what asked is gone. */
static struct stream *of_ask(void *context)
{
    struct stream *stream = context;
    stream->busy = false;
    return stream->open && stream->source.asking ? stream : NULL;
}

static void on_part(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct stream *stream = of_ask(context);
    struct bytes *block = NULL;
    if (stream == NULL) return;
    enum status status = snapshot_source_on_part(&stream->source, result, &block);
    if (status != STATUS_OK) { /* N1: it begins again under a new id. */
        MARK("snapshot_sender.begins_again");
        begin_later(self, stream);
        return;
    }
    if (block != NULL) add_block(self, stream, &block);
    pull(self, stream);
}

static void on_begun(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct stream *stream = of_ask(context);
    if (stream == NULL) return;
    enum status status = snapshot_source_on_begun(&stream->source, result, &stream->header);
    if (status != STATUS_OK) {
        begin_later(self, stream);
        return;
    }
    stream->end = stream->header->size;
    stream->heard_ns = actor_now_ns(self);
    log_info(self, "consensus.snapshot_begins", "to=%s index=%llu", stream->target.node,
             (unsigned long long)stream->source.header.position.index);
    offer(self, stream);
}

/* The next block, unless as much as may be is under way (N1). */
static void pull(struct actor *self, struct stream *stream)
{
    while (stream->accepted && !stream->busy && !stream->source.done && stream->bytes < WINDOW_BYTES &&
           stream->block_count < BLOCKS_MAX) {
        struct bytes *block = NULL;
        snapshot_source_pull(self, &stream->source, &block, on_part, stream);
        stream->busy = stream->source.asking;
        if (block == NULL) return;
        add_block(self, stream, &block);
    }
}

/* --- wishes --- */

static void tick_later(struct actor *self, struct snapshot_sender *sender)
{
    if (sender->ticking) return;
    sender->ticking = true;
    (void)actor_after(self, tick_ns, KIND_SNAPSHOT_TICK, 0);
}

static void begin(struct actor *self, struct stream *stream)
{
    stream->retry_at_ns = 0;
    stream->heard_ns = actor_now_ns(self);
    stream->busy = true;
    snapshot_source_open(self, &stream->source, snapshot_source_new_id(self), stream->target.cluster_id,
                         on_begun, stream);
}

static void on_send(struct actor *self, void *state, const struct message *message)
{
    struct snapshot_sender *sender = state;
    const struct snapshot_send *wish = message->body;
    struct stream *place = NULL;
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        struct stream *stream = &sender->streams[i];
        bool same = stream->open && stream->target.replica == wish->replica;
        if (same && wish->asked) return; /* It is on its way. */
        if (same) end(self, stream, 0, "given up for another");
        if (!stream->open && !stream->busy && place == NULL) place = stream;
    }
    if (place == NULL) {
        struct stream refused = { .target = *wish, .wanted_by = message->sender };
        tell_sent(self, &refused, 0);
        return;
    }
    *place = (struct stream){ .target = *wish, .wanted_by = message->sender, .open = true };
    begin(self, place);
    tick_later(self, sender);
}

/* Losing the lead ends what the core wanted; workers go on. */
static void on_cancel(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct snapshot_sender *sender = state;
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        struct stream *stream = &sender->streams[i];
        if (stream->open && stream->target.term != 0) drop(self, stream);
    }
}

/* --- from the receiver --- */

static void forget_before(struct stream *stream, uint64_t offset)
{
    uint32_t gone = 0;
    while (gone < stream->block_count &&
           stream->blocks[gone].offset + stream->blocks[gone].bytes->size <= offset) {
        stream->bytes -= stream->blocks[gone].bytes->size;
        bytes_unref(&stream->blocks[gone].bytes);
        gone++;
    }
    stream->block_count -= gone;
    stream->sent_count -= gone < stream->sent_count ? gone : stream->sent_count;
    memmove(stream->blocks, stream->blocks + gone, stream->block_count * sizeof stream->blocks[0]);
}

/* Where the receiver was last known to stand. */
static uint64_t first_offset(const struct stream *stream)
{
    return stream->block_count > 0 ? stream->blocks[0].offset : stream->end;
}

static void on_ack(struct actor *self, void *state, const struct message *message)
{
    struct snapshot_sender *sender = state;
    const Pb__SnapAck *ack = message->body;
    struct stream *stream = find(sender, ack->snapshot_id);
    if (stream == NULL || message->from_node == NULL || strcmp(message->from_node, stream->target.node) != 0)
        return;
    if (ack->state == PB__SNAP_STATE__SNAP_HOLDS) {
        end(self, stream, stream->source.header.position.index, "installed");
        return;
    }
    if (ack->state != PB__SNAP_STATE__SNAP_RECEIVING) {
        MARK("snapshot_sender.refused");
        end(self, stream, 0, "refused");
        return;
    }
    /* Acknowledgements overtake each other. One that lost what it had is told by making no progress. */
    if (ack->offset > stream->end || ack->offset < first_offset(stream)) return;
    if (!stream->accepted || ack->offset > first_offset(stream)) stream->heard_ns = actor_now_ns(self);
    stream->accepted = true;
    forget_before(stream, ack->offset);
    send_new(self, stream);
    pull(self, stream);
}

/* --- time --- */

static void look_after(struct actor *self, struct stream *stream, int64_t now_ns)
{
    if (stream->retry_at_ns != 0) {
        if (now_ns >= stream->retry_at_ns && !stream->busy) begin(self, stream);
        return;
    }
    if (stream->header == NULL) return; /* The state answers soon, or refuses. */
    if (now_ns - stream->heard_ns > give_up_ns) {
        MARK("snapshot_sender.no_answer");
        end(self, stream, 0, "no answer");
        return;
    }
    if (now_ns - stream->sent_ns < resend_ns || now_ns - stream->heard_ns < resend_ns) return;
    offer(self, stream); /* A receiver that has started again has to be reminded. */
    MARK("snapshot_sender.offers_again");
    stream->sent_count = 0; /* Back to the first that is not durable there. */
    send_new(self, stream);
}

static void on_tick(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct snapshot_sender *sender = state;
    int64_t now_ns = actor_now_ns(self);
    bool any = false;
    sender->ticking = false;
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        if (sender->streams[i].open) look_after(self, &sender->streams[i], now_ns);
        any = any || sender->streams[i].open;
    }
    if (any) tick_later(self, sender);
}

static void on_fini(void *state)
{
    struct snapshot_sender *sender = state;
    for (uint32_t i = 0; i < STREAMS_MAX; i++)
        drop_blocks(&sender->streams[i]);
}

static const struct behavior_row rows[] = {
    { KIND_SNAPSHOT_SEND, on_send },
    { KIND_SNAPSHOT_CANCEL, on_cancel },
    { KIND_SNAP_ACK, on_ack },
    { KIND_SNAPSHOT_TICK, on_tick },
};

const struct behavior snapshot_sender_behavior = {
    .name = "snapshot_sender",
    .state_size = sizeof(struct snapshot_sender),
    .home = ACTOR_POOLED,
    .pool = POOL_CONSENSUS,
    .mailbox_capacity = 1024,
    .fini = on_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
