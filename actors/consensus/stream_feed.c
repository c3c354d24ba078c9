/* stream_feed: a stream a worker, from the entry that it lacks, as fast as it lets us.
 * Learns  OBSERVE from workers (they repeat it; each opens its window further), what is applied here from the
 *         leader actor, entries from the log writer, who leads.
 * Owns    the streams, and the newest entries: most workers stand at the end of the log and are served from
 *         memory; who is behind is served from the log, who is behind its beginning gets a snapshot.
 * Limits  STREAMS_MAX workers, one more is not answered and tries another replica; a worker that does not
 *         repeat OBSERVE for FORGET_NS is forgotten; TAIL_MAX entries and TAIL_BYTES in memory. Nothing is
 * sent twice: a worker that misses a part begins a new stream. */
#include "actors/consensus/stream_feed.h"

#include "actors/consensus/codec.h"
#include "actors/consensus/messages.h"
#include "actors/consensus/snapshot_messages.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/consensus.pb-c.h"
#include "wire/remote.h"

#include <string.h>

enum {
    STREAMS_MAX = 256,
    TAIL_MAX = 512,
    TAIL_BYTES = 2 * 1024 * 1024,
    PART_ENTRIES_MAX = 256,
    PART_BYTES = 1024 * 1024,
};
static const int64_t tick_ns = MILLISECONDS(200);
static const int64_t alive_ns = MILLISECONDS(400);
static const int64_t forget_ns = SECONDS(3);
static const uint64_t tail_tag = 1; /* Of the read that fills the tail; streams have theirs from 2 on. */

struct stream {
    char node[NODE_NAME_MAX]; /* "": a free place. */
    uint64_t id;
    replica_id replica;
    log_index next;
    log_index window_to;
    int64_t heard_ns;
    int64_t sent_ns;
    uint64_t tag; /* Of the read that is under way for it; 0: none. */
    bool paused;  /* It gets a snapshot; its next stream goes on behind that. */
};

struct stream_feed {
    struct stream streams[STREAMS_MAX];
    struct stream_commit known; /* As the leader actor last said. */
    struct role_changed role;
    struct raft_entry tail[TAIL_MAX]; /* The newest applied entries; references. */
    uint32_t tail_count;
    size_t tail_bytes;
    bool tail_reading;
    uint64_t tags;
    bool ticking;
    bool subscribed; /* The leader actor tells us what is applied: while there is a stream. */
};

/* --- parts --- */

static struct message *new_part(const struct stream_feed *feed, const struct stream *stream)
{
    struct message *message = wire_message_create(KIND_COMMITTED);
    Pb__Committed *part = message->body;
    part->stream = stream->id;
    part->commit = feed->known.applied;
    part->leader = wire_string(message, feed->role.leader);
    part->term = feed->role.term;
    part->checkpoint = feed->known.checkpoint;
    part->hash.data = arena_memdup(&message->arena, feed->known.hash, sizeof feed->known.hash);
    part->hash.len = sizeof feed->known.hash;
    return message;
}

/* The payloads are borrowed: wire_post packs at once. Returns how many entries went. */
static uint32_t post_part(struct actor *self, const struct stream_feed *feed, struct stream *stream,
                          const struct raft_entry *entries, uint32_t count)
{
    struct message *message = new_part(feed, stream);
    Pb__Committed *part = message->body;
    size_t bytes = 0;
    uint32_t taken = 0;
    part->entries = arena_array(&message->arena, count == 0 ? 1 : count, sizeof(Pb__LogEntry *));
    while (taken < count && taken < PART_ENTRIES_MAX) {
        size_t size = entries[taken].payload == NULL ? 0 : entries[taken].payload->size;
        if (taken > 0 && bytes + size > PART_BYTES) break;
        Pb__LogEntry *packed = arena_alloc(&message->arena, sizeof *packed);
        codec_encode_entry(&entries[taken], packed);
        part->entries[taken++] = packed;
        bytes += size;
    }
    part->n_entries = taken;
    stream->next += taken;
    stream->sent_ns = actor_now_ns(self);
    wire_post(self, stream->node, CHANNEL_DATA, &message);
    return taken;
}

/* --- the log --- */

static void read_log(struct actor *self, uint64_t tag, log_index from, log_index to)
{
    struct message *message = messages_create(KIND_LOG_READ, sizeof(struct log_read));
    *(struct log_read *)message->body =
        (struct log_read){ .tag = tag, .from = from, .to = to, .max_bytes = PART_BYTES };
    actor_tell_name(self, TO_LOG_WRITER, &message);
}

static log_index tail_first(const struct stream_feed *feed)
{
    return feed->tail_count == 0 ? feed->known.applied + 1 : feed->tail[0].index;
}

static log_index tail_next(const struct stream_feed *feed)
{
    return feed->tail_count == 0 ? 0 : feed->tail[feed->tail_count - 1].index + 1;
}

static void drop_tail(struct stream_feed *feed, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (feed->tail[i].payload != NULL) feed->tail_bytes -= feed->tail[i].payload->size;
        bytes_unref(&feed->tail[i].payload);
    }
    feed->tail_count -= count;
    memmove(feed->tail, feed->tail + count, feed->tail_count * sizeof feed->tail[0]);
}

static void add_to_tail(struct stream_feed *feed, const struct raft_entry *entry)
{
    size_t size = entry->payload == NULL ? 0 : entry->payload->size;
    if (feed->tail_count > 0 && entry->index != tail_next(feed)) drop_tail(feed, feed->tail_count);
    while (feed->tail_count > 0 && (feed->tail_count == TAIL_MAX || feed->tail_bytes + size > TAIL_BYTES))
        drop_tail(feed, 1);
    feed->tail[feed->tail_count] = *entry;
    bytes_ref(entry->payload);
    feed->tail_count++;
    feed->tail_bytes += size;
}

static bool has_streams(const struct stream_feed *feed)
{
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        if (feed->streams[i].node[0] != '\0') return true;
    }
    return false;
}

/* One read serves all who stand at the end. What is far ahead of the tail is left to the streams' own reads.
 */
static void fill_tail(struct actor *self, struct stream_feed *feed)
{
    log_index applied = feed->known.applied;
    log_index from = tail_next(feed);
    if (feed->tail_reading || applied == 0) return;
    if (from == 0 || from + TAIL_MAX <= applied) from = applied;
    if (from > applied) return;
    feed->tail_reading = true;
    read_log(self, tail_tag, from, applied);
}

static void serve(struct actor *self, struct stream_feed *feed, struct stream *stream)
{
    while (stream->tag == 0 && !stream->paused && stream->next <= feed->known.applied &&
           stream->next <= stream->window_to) {
        log_index to = feed->known.applied < stream->window_to ? feed->known.applied : stream->window_to;
        if (stream->next >= tail_first(feed) && stream->next < tail_next(feed)) {
            uint32_t at = (uint32_t)(stream->next - tail_first(feed));
            log_index last = tail_next(feed) - 1 < to ? tail_next(feed) - 1 : to;
            (void)post_part(self, feed, stream, &feed->tail[at], (uint32_t)(last - stream->next + 1));
            continue;
        }
        if (feed->tail_reading && stream->next >= tail_next(feed) && stream->next + TAIL_MAX > to) return;
        stream->tag = tail_tag + ++feed->tags;
        read_log(self, stream->tag, stream->next, to);
    }
}

static void serve_all(struct actor *self, struct stream_feed *feed)
{
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        if (feed->streams[i].node[0] != '\0') serve(self, feed, &feed->streams[i]);
    }
}

/* Its entries went with the log's beginning: the state instead, then a stream behind it. */
static void send_snapshot(struct actor *self, const struct stream_feed *feed, struct stream *stream)
{
    struct message *message = messages_create(KIND_SNAPSHOT_SEND, sizeof(struct snapshot_send));
    struct snapshot_send *send = message->body;
    memcpy(send->node, stream->node, sizeof send->node);
    send->replica = stream->replica;
    send->cluster_id = feed->known.cluster_id;
    send->asked = true;
    stream->paused = true;
    actor_tell_name(self, TO_SNAPSHOT_SENDER, &message);
}

static void on_entries(struct actor *self, void *state, const struct message *message)
{
    struct stream_feed *feed = state;
    const struct log_entries *read = message->body;
    if (read->tag == tail_tag) {
        feed->tail_reading = false;
        for (uint32_t i = 0; i < read->entry_count; i++)
            add_to_tail(feed, &read->entries[i]);
        serve_all(self, feed);
        if (read->entry_count > 0) fill_tail(self, feed);
        return;
    }
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        struct stream *stream = &feed->streams[i];
        if (stream->node[0] == '\0' || stream->tag != read->tag) continue;
        stream->tag = 0;
        if (read->entry_count == 0) {
            send_snapshot(self, feed, stream);
            return;
        }
        if (read->from == stream->next) (void)post_part(self, feed, stream, read->entries, read->entry_count);
        serve(self, feed, stream);
        return;
    }
}

/* --- workers --- */

static void tick_later(struct actor *self, struct stream_feed *feed)
{
    if (feed->ticking) return;
    feed->ticking = true;
    (void)actor_after(self, tick_ns, KIND_STREAM_FEED_TICK, 0);
}

static void want_commits(struct actor *self, struct stream_feed *feed, bool wanted)
{
    if (feed->subscribed == wanted) return;
    feed->subscribed = wanted;
    struct message *message = messages_create(KIND_STREAM_WANTED, sizeof(struct stream_wanted));
    ((struct stream_wanted *)message->body)->wanted = wanted;
    actor_tell_name(self, TO_LEADER, &message);
}

static struct stream *place_for(struct stream_feed *feed, const char *node)
{
    struct stream *place = NULL;
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        struct stream *stream = &feed->streams[i];
        if (strcmp(stream->node, node) == 0) return stream;
        if (stream->node[0] == '\0' && place == NULL) place = stream;
    }
    return place;
}

static void on_observe(struct actor *self, void *state, const struct message *message)
{
    struct stream_feed *feed = state;
    const Pb__Observe *wish = message->body;
    if (message->from_node == NULL || wish->from == 0) return;
    struct stream *stream = place_for(feed, message->from_node);
    if (stream == NULL) return;
    if (stream->id != wish->stream || stream->node[0] == '\0') {
        *stream = (struct stream){ .id = wish->stream, .replica = wish->replica_id, .next = wish->from };
        (void)text_copy(stream->node, sizeof stream->node, message->from_node);
        (void)post_part(self, feed, stream, NULL, 0); /* Here it begins. */
    }
    stream->heard_ns = actor_now_ns(self);
    if (wish->window_to > stream->window_to) stream->window_to = wish->window_to;
    want_commits(self, feed, true);
    if (wish->snapshot && !stream->paused && feed->known.cluster_id != 0) send_snapshot(self, feed, stream);
    fill_tail(self, feed);
    serve(self, feed, stream);
    tick_later(self, feed);
}

static void on_tick(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct stream_feed *feed = state;
    int64_t now_ns = actor_now_ns(self);
    feed->ticking = false;
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        struct stream *stream = &feed->streams[i];
        if (stream->node[0] == '\0') continue;
        if (now_ns - stream->heard_ns > forget_ns) *stream = (struct stream){ 0 };
        else if (now_ns - stream->sent_ns > alive_ns) (void)post_part(self, feed, stream, NULL, 0);
    }
    if (has_streams(feed)) {
        tick_later(self, feed);
        return;
    }
    want_commits(self, feed, false);
    drop_tail(feed, feed->tail_count);
}

/* --- from this node --- */

static void on_commit(struct actor *self, void *state, const struct message *message)
{
    struct stream_feed *feed = state;
    feed->known = *(const struct stream_commit *)message->body;
    if (!has_streams(feed)) return;
    fill_tail(self, feed);
    serve_all(self, feed);
}

static void on_role(struct actor *self, void *state, const struct message *message)
{
    (void)self;
    struct stream_feed *feed = state;
    feed->role = *(const struct role_changed *)message->body;
}

/* A worker's linearizable read (Q1): this replica asks its leader. */
static void on_read_point(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct message *request = context;
    if (result->status == STATUS_OK) {
        const struct read_point_reply *point = result->message->body;
        struct message *message = wire_message_create(KIND_OBSERVE_READ_REPLY);
        Pb__ObserveReadReply *reply = message->body;
        reply->index = point->index;
        reply->term = point->term;
        actor_reply(self, request, &message);
    } else {
        actor_refuse_error(self, request, result->error);
    }
    message_destroy(&request);
}

static void on_read(struct actor *self, void *state, const struct message *message)
{
    (void)state, (void)message;
    struct message *ask = messages_create(KIND_READ_POINT, 0);
    actor_ask_name(self, TO_LEADER, &ask, SECONDS(1), on_read_point, actor_keep(self));
}

static enum status on_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)state, (void)options, (void)error;
    struct message *subscribe = messages_create(KIND_ROLE_SUBSCRIBE, 0);
    actor_tell_name(self, TO_LEADER, &subscribe);
    return STATUS_OK;
}

static void on_fini(void *state)
{
    struct stream_feed *feed = state;
    drop_tail(feed, feed->tail_count);
}

static const struct behavior_row rows[] = {
    { KIND_OBSERVE, on_observe },      { KIND_OBSERVE_READ_REQUEST, on_read },
    { KIND_STREAM_COMMIT, on_commit }, { KIND_ROLE_CHANGED, on_role },
    { KIND_LOG_ENTRIES, on_entries },  { KIND_STREAM_FEED_TICK, on_tick },
};

const struct behavior stream_feed_behavior = {
    .name = "stream_feed",
    .state_size = sizeof(struct stream_feed),
    .home = ACTOR_POOLED,
    .pool = POOL_CONSENSUS,
    .mailbox_capacity = 2048,
    .init = on_init,
    .fini = on_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
