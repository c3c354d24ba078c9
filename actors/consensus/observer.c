/* observer: a worker's copy of the log and of the state, kept by following one replica after the other.
 * Learns  which cluster there is (WHO_REPLY), entries, commit index and who leads (COMMITTED), what became
 *         durable and what was applied. Every entry that it is given is committed, so none ever goes again.
 * Owns    the stream to one replica: silent for SILENT_NS, or out of step, and the next one is asked from the
 *         index that is lacking. Entries go to the log first, then to the state (R9). A snapshot, where the
 *         replicas no longer have the entries. It proposes nothing, votes for nobody, counts for nothing.
 * Limits  WINDOW_ENTRIES on their way; READS_MAX waiting reads, one more is OVERLOADED. */
#include "actors/consensus/observer.h"

#include "actors/consensus/boot.h"
#include "actors/consensus/codec.h"
#include "actors/consensus/messages.h"
#include "actors/consensus/role_feed.h"
#include "actors/consensus/snapshot_messages.h"
#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/consensus.pb-c.h"
#include "wire/remote.h"

#include <string.h>

enum { SOURCES_MAX = 64, READS_MAX = 1024, WINDOW_ENTRIES = 4096, ENTRIES_MAX = 512, COMPACT_TICKS = 5 };
static const int64_t tick_ns = MILLISECONDS(200);
static const int64_t silent_ns = MILLISECONDS(1200);
static const int64_t repeat_ns = MILLISECONDS(500);
static const int64_t read_timeout_ns = SECONDS(1);
static const int64_t mark_timeout_ns = SECONDS(10);
static const int64_t stalled_ns = SECONDS(10); /* There is more, and none of it comes. */
static const int64_t snapshot_max_ns = SECONDS(300);
static const uint64_t replay_bytes = UINT64_C(1024) * 1024;

/* A linearizable read: its index is known, and the state has to get there. */
struct waiting_read {
    struct message *request;
    log_index index;
    log_term term;
};

struct observer {
    char node[NODE_NAME_MAX];
    uint64_t cluster_id; /* 0: not known yet. */
    replica_id replica;
    char sources[SOURCES_MAX][NODE_NAME_MAX];
    uint32_t source_count;
    uint32_t source; /* Whom we follow, or try. */
    uint64_t stream; /* 0: none. */
    int64_t heard_ns;
    int64_t asked_ns;
    int64_t moved_ns;         /* When the log last grew. */
    struct log_position last; /* Of the log, with what is on its way to the disk. */
    log_index durable;
    log_index applied; /* By the state. */
    log_index commit;  /* As the source said. */
    log_term hard_term;
    uint64_t sequence;   /* Of the last PERSIST. */
    struct map writing;  /* sequence -> struct message, an APPLY that waits for it to be durable */
    log_index replay_to; /* 0: what the log held at the start was handed to the state. */
    struct core_log_configuration configuration;
    struct role_feed feed;
    struct waiting_read reads[READS_MAX];
    uint32_t read_count;
    struct snapshot_header snapshot; /* Being received or installed; id 0: none. */
    replica_id snapshot_from;
    int64_t snapshot_ns;       /* Since when. */
    uint64_t install_sequence; /* 0: not being installed. */
    bool reloading;
    bool damaged; /* T6: nothing but a snapshot helps. */
    bool marking;
    uint32_t ticks;
    struct seen_hash { /* F4: after the newest CHECKPOINT. */
        log_index index;
        uint8_t hash[16];
    } own, theirs;
};

static void fail(struct actor *self, enum status status, const char *what)
{
    struct error error = { 0 };
    (void)error_set(&error, status, "%s", what);
    log_error(self, "consensus.stopped", "%s", what);
    actor_fail(self, &error);
}

static void hand_over(struct actor *self, uint32_t name, struct message **message)
{
    if (actor_send(self, actor_find(self, name), message) == STATUS_OK) return;
    message_destroy(message);
    fail(self, STATUS_OVERLOADED, "the state actor or the log writer takes no more");
}

/* --- whom to follow --- */

static void tell_identity(struct actor *self, const struct observer *observer)
{
    struct message *message = messages_create(KIND_TRANSPORT_IDENTITY, sizeof(struct transport_identity));
    struct transport_identity *identity = message->body;
    identity->cluster_id = observer->cluster_id;
    identity->replica_id = observer->replica;
    actor_tell_name(self, TO_TRANSPORT, &message);
}

static void post_observe(struct actor *self, struct observer *observer)
{
    struct message *message = wire_message_create(KIND_OBSERVE);
    Pb__Observe *wish = message->body;
    wish->stream = observer->stream;
    wish->from = observer->last.index + 1;
    wish->window_to = observer->applied + WINDOW_ENTRIES;
    wish->replica_id = observer->replica;
    wish->snapshot = observer->damaged;
    observer->asked_ns = actor_now_ns(self);
    wire_post(self, observer->sources[observer->source], CHANNEL_DATA, &message);
}

static void begin_stream(struct actor *self, struct observer *observer)
{
    if (observer->source_count == 0) return;
    observer->source = (observer->source + 1) % observer->source_count;
    observer->stream = actor_random(self) | 1;
    observer->heard_ns = actor_now_ns(self);
    observer->moved_ns = observer->heard_ns;
    post_observe(self, observer);
}

static bool may_follow(const struct observer *observer)
{
    return observer->cluster_id != 0 && observer->replay_to == 0 && observer->snapshot.id == 0;
}

static void post_who(struct actor *self, struct observer *observer)
{
    if (observer->source_count == 0) return;
    observer->source = (observer->source + 1) % observer->source_count;
    struct message *message = wire_message_create(KIND_WHO);
    Pb__Who *who = message->body;
    who->node = wire_string(message, observer->node);
    who->replica_id = observer->replica;
    wire_post(self, observer->sources[observer->source], CHANNEL_CONSENSUS, &message);
}

static void on_who_reply(struct actor *self, void *state, const struct message *message)
{
    struct observer *observer = state;
    const Pb__WhoReply *reply = message->body;
    if (observer->cluster_id != 0 || reply->cluster_id == 0 || message->from_node == NULL) return;
    observer->cluster_id = reply->cluster_id;
    log_info(self, "consensus.observes", "cluster=%016llx", (unsigned long long)observer->cluster_id);
    tell_identity(self, observer);
    if (may_follow(observer)) begin_stream(self, observer);
}

/* --- entries --- */

static void note_configuration(struct observer *observer, const struct raft_entry *entry)
{
    struct configuration configuration;
    if (entry->type != ENTRY_CONFIGURATION || entry->payload == NULL) return;
    if (configuration_unpack(entry->payload->data, entry->payload->size, &configuration) != STATUS_OK) return;
    observer->configuration = (struct core_log_configuration){ entry->index, configuration };
}

/* D1: it has to continue what we hold, to the last bit. */
static bool continues(const struct log_position *last, const struct raft_entry *entry)
{
    const struct bytes *payload = entry->payload;
    if (entry->index != last->index + 1 || entry->term < last->term) return false;
    return entry->chain == entry_chain(last->chain, entry->index, entry->term, entry->type,
                                       payload == NULL ? NULL : payload->data,
                                       payload == NULL ? 0 : payload->size);
}

/* No core looks at it here before the state does (M4). */
static bool is_readable(const struct raft_entry *entry)
{
    struct configuration configuration;
    const struct bytes *payload = entry->payload;
    if (entry->type != ENTRY_CONFIGURATION) return true;
    return payload != NULL && configuration_unpack(payload->data, payload->size, &configuration) == STATUS_OK;
}

/* What continues our log, of what came; *out_whole: nothing in it was out of step. */
static uint32_t decode(struct observer *observer, const Pb__Committed *part, struct raft_entry *entries,
                       bool *out_whole)
{
    struct log_position last = observer->last;
    uint32_t count = 0;
    *out_whole = true;
    for (size_t i = 0; i < part->n_entries && count < ENTRIES_MAX; i++) {
        struct raft_entry *entry = &entries[count];
        if (part->entries[i]->index <= last.index) continue; /* Repeated by the network. */
        *out_whole = codec_decode_entry(part->entries[i], entry) == STATUS_OK;
        if (!*out_whole) break;
        *out_whole = continues(&last, entry) && is_readable(entry);
        if (!*out_whole) {
            bytes_unref(&entry->payload);
            break;
        }
        last = (struct log_position){ entry->index, entry->term, entry->chain };
        count++;
    }
    return count;
}

/* Log first, then state: an APPLY waits for its entries to be durable. */
static void take_entries(struct actor *self, struct observer *observer, const struct raft_entry *entries,
                         uint32_t count)
{
    const struct raft_entry *last = &entries[count - 1];
    bool first = observer->last.index == 0;
    struct log_persist persist = { .sequence = ++observer->sequence,
                                   .has_hard = last->term > observer->hard_term,
                                   .hard = { .term = last->term },
                                   .cluster_id = first ? observer->cluster_id : 0,
                                   .entries = (struct raft_entry *)entries, /* Copied, not written. */
                                   .entry_count = count };
    observer->hard_term = last->term > observer->hard_term ? last->term : observer->hard_term;
    observer->last = (struct log_position){ last->index, last->term, last->chain };
    observer->moved_ns = actor_now_ns(self);
    for (uint32_t i = 0; i < count; i++)
        note_configuration(observer, &entries[i]);
    struct message *apply = messages_apply(entries, count, observer->commit);
    (void)map_put_number(&observer->writing, observer->sequence, apply);
    struct message *message = messages_persist(&persist);
    hand_over(self, TO_LOG_WRITER, &message);
}

static void publish(struct actor *self, struct observer *observer, const Pb__Committed *part)
{
    struct role_changed now = { .term = part->term };
    (void)text_copy(now.leader, sizeof now.leader, part->leader);
    if (now.term < observer->feed.told.term) return; /* That replica has yet to hear of it. */
    (void)role_feed_publish(self, &observer->feed, &now);
}

static void compare_hashes(struct actor *self, struct observer *observer);

static void on_committed(struct actor *self, void *state, const struct message *message)
{
    struct observer *observer = state;
    const Pb__Committed *part = message->body;
    if (message->from_node == NULL || part->stream != observer->stream || observer->stream == 0) return;
    if (!may_follow(observer)) return;
    observer->heard_ns = actor_now_ns(self);
    if (part->commit > observer->commit) observer->commit = part->commit;
    publish(self, observer, part);
    if (part->hash.len == sizeof observer->theirs.hash && part->checkpoint != 0) {
        observer->theirs.index = part->checkpoint;
        memcpy(observer->theirs.hash, part->hash.data, sizeof observer->theirs.hash);
        compare_hashes(self, observer);
    }
    if (observer->damaged || part->n_entries == 0) return;
    struct raft_entry *entries = memory_array(ENTRIES_MAX, sizeof *entries);
    bool whole = true;
    uint32_t count = decode(observer, part, entries, &whole);
    if (count > 0) take_entries(self, observer, entries, count);
    for (uint32_t i = 0; i < count; i++)
        bytes_unref(&entries[i].payload);
    memory_free(entries);
    if (!whole) begin_stream(self, observer); /* From another one, from what we lack. */
}

static void serve_reads(struct actor *self, struct observer *observer);

static void send_reload(struct actor *self, struct observer *observer)
{
    struct message *message = messages_create(KIND_STATE_RELOAD, sizeof(struct state_reload));
    ((struct state_reload *)message->body)->header = observer->snapshot;
    observer->reloading = true;
    hand_over(self, TO_STATE, &message);
}

static void on_persisted(struct actor *self, void *state, const struct message *message)
{
    struct observer *observer = state;
    uint64_t sequence = ((const struct log_persisted *)message->body)->sequence;
    uint64_t number = 0;
    void *value = NULL;
    for (size_t i = 0; map_next_number(&observer->writing, &i, &number, &value);) {
        if (number > sequence) break; /* In the order of insertion, which is theirs. */
        struct message *apply = value;
        (void)map_remove_number(&observer->writing, number);
        hand_over(self, TO_STATE, &apply);
    }
    if (observer->install_sequence == 0 || sequence < observer->install_sequence) return;
    observer->install_sequence = 0;
    send_reload(self, observer);
}

/* --- what the log held at the start --- */

static void replay(struct actor *self, struct observer *observer, log_index from)
{
    struct message *message = messages_create(KIND_LOG_READ, sizeof(struct log_read));
    *(struct log_read *)message->body =
        (struct log_read){ .tag = 1, .from = from, .to = observer->replay_to, .max_bytes = replay_bytes };
    hand_over(self, TO_LOG_WRITER, &message);
}

static void on_log_entries(struct actor *self, void *state, const struct message *message)
{
    struct observer *observer = state;
    const struct log_entries *read = message->body;
    if (observer->replay_to == 0) return;
    if (read->entry_count == 0) {
        fail(self, STATUS_CORRUPT, "the log no longer holds an entry that has to be applied");
        return;
    }
    log_index next = read->from + read->entry_count;
    struct message *apply = messages_apply(read->entries, read->entry_count, observer->last.index);
    hand_over(self, TO_STATE, &apply);
    if (next <= observer->replay_to) {
        replay(self, observer, next);
        return;
    }
    observer->replay_to = 0;
    if (may_follow(observer)) begin_stream(self, observer);
}

/* --- what was applied --- */

static void on_marked(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state, (void)context, (void)result;
    fail(self, STATUS_CORRUPT, "this worker's state differs from that of the replicas: F4");
}

/* A worker is judged by whom it follows: should that one be wrong, the others end it soon. */
static void compare_hashes(struct actor *self, struct observer *observer)
{
    const struct seen_hash *own = &observer->own;
    const struct seen_hash *theirs = &observer->theirs;
    if (own->index == 0 || own->index != theirs->index || observer->marking) return;
    if (memcmp(own->hash, theirs->hash, sizeof own->hash) == 0) return;
    observer->marking = true;
    struct message *message = messages_create(KIND_LOG_MARK, sizeof(struct log_mark));
    ((struct log_mark *)message->body)->copy_damaged = true;
    actor_ask_name(self, TO_LOG_WRITER, &message, mark_timeout_ns, on_marked, NULL);
}

static void on_loaded(struct actor *self, struct observer *observer)
{
    observer->reloading = false;
    observer->damaged = false;
    observer->snapshot = (struct snapshot_header){ 0 };
    struct message *message = messages_create(KIND_SNAPSHOT_INSTALLED, 0);
    actor_tell_name(self, TO_SNAPSHOT_RECEIVER, &message);
    begin_stream(self, observer);
}

static void on_applied(struct actor *self, void *state, const struct message *message)
{
    struct observer *observer = state;
    const struct applied *applied = message->body;
    if (observer->reloading && applied->index < observer->snapshot.position.index) return;
    log_index window = observer->applied + WINDOW_ENTRIES / 2;
    observer->applied = applied->index;
    if (applied->checkpoint != 0) {
        observer->own.index = applied->checkpoint;
        memcpy(observer->own.hash, applied->checkpoint_hash, sizeof observer->own.hash);
        compare_hashes(self, observer);
    }
    if (observer->reloading) on_loaded(self, observer);
    else if (observer->stream != 0 && observer->applied >= window) post_observe(self, observer);
    serve_reads(self, observer);
}

/* --- snapshots --- */

static void on_offered(struct actor *self, void *state, const struct message *message)
{
    struct observer *observer = state;
    const struct snapshot_offered *offered = message->body;
    bool ours = offered->to == observer->replica && offered->header.cluster_id == observer->cluster_id;
    bool lacks = observer->damaged || offered->header.position.index > observer->last.index;
    /* N1, N4: one that had to begin again goes on under another id, of the same sender. */
    bool again =
        observer->snapshot_from == offered->from && observer->install_sequence == 0 && !observer->reloading;
    bool free = observer->replay_to == 0 && (observer->snapshot.id == 0 || again);
    struct message *answer = messages_create(KIND_SNAPSHOT_VERDICT, sizeof(struct snapshot_verdict));
    struct snapshot_verdict *verdict = answer->body;
    verdict->accepted = ours && lacks && free;
    verdict->holds = ours && !lacks;
    if (verdict->accepted) {
        observer->snapshot = offered->header;
        observer->snapshot_from = offered->from;
        observer->snapshot_ns = actor_now_ns(self);
        observer->stream = 0; /* It begins again behind the snapshot. */
    }
    actor_reply(self, message, &answer);
}

static void on_received(struct actor *self, void *state, const struct message *message)
{
    struct observer *observer = state;
    const struct snapshot_received *received = message->body;
    const struct snapshot_header *header = &observer->snapshot;
    if (header->id == 0 || received->id != header->id || observer->install_sequence != 0) return;
    if (received->failed) {
        observer->snapshot = (struct snapshot_header){ 0 };
        begin_stream(self, observer);
        return;
    }
    struct bytes *configuration = configuration_pack(&header->configuration);
    struct log_install install = { .snapshot_id = header->id,
                                   .position = header->position,
                                   .configuration_index = header->configuration_index,
                                   .configuration = configuration };
    memcpy(install.state_hash, header->state_hash, sizeof install.state_hash);
    struct log_persist persist = { .sequence = ++observer->sequence,
                                   .has_hard = header->position.term > observer->hard_term,
                                   .hard = { .term = header->position.term },
                                   .install = &install,
                                   .cluster_id = observer->cluster_id };
    observer->install_sequence = observer->sequence;
    observer->last = header->position;
    observer->configuration =
        (struct core_log_configuration){ header->configuration_index, header->configuration };
    if (persist.has_hard) observer->hard_term = header->position.term;
    struct message *write = messages_persist(&persist);
    bytes_unref(&configuration);
    hand_over(self, TO_LOG_WRITER, &write);
}

/* Its sender is gone, perhaps: whoever comes next begins anew. */
static void give_up_snapshot(struct actor *self, struct observer *observer)
{
    struct message *message = messages_create(KIND_SNAPSHOT_CANCEL, 0);
    actor_tell_name(self, TO_SNAPSHOT_RECEIVER, &message);
    observer->snapshot = (struct snapshot_header){ 0 };
    begin_stream(self, observer);
}

/* --- reads and requests --- */

static void serve_reads(struct actor *self, struct observer *observer)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < observer->read_count; i++) {
        struct waiting_read *read = &observer->reads[i];
        if (observer->applied >= read->index) {
            struct message *message = messages_create(KIND_READ_POINT_REPLY, sizeof(struct read_point_reply));
            *(struct read_point_reply *)message->body = (struct read_point_reply){ read->index, read->term };
            actor_reply(self, read->request, &message);
            message_destroy(&read->request);
        } else if (actor_refuse_if_late(self, read->request)) {
            message_destroy(&read->request);
        } else {
            observer->reads[left++] = *read;
        }
    }
    observer->read_count = left;
}

static void on_read_index(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct observer *observer = state;
    struct message *request = context;
    if (result->status != STATUS_OK || observer->read_count == READS_MAX) {
        actor_refuse(self, request, result->status == STATUS_OK ? STATUS_OVERLOADED : STATUS_NO_LEADER);
        message_destroy(&request);
        return;
    }
    const Pb__ObserveReadReply *reply = result->message->body;
    observer->reads[observer->read_count++] = (struct waiting_read){ request, reply->index, reply->term };
    serve_reads(self, observer);
}

/* Q1: the replica that we follow asks its leader. */
static void on_read_point(struct actor *self, void *state, const struct message *message)
{
    struct observer *observer = state;
    if (observer->stream == 0) {
        actor_refuse(self, message, STATUS_NO_LEADER);
        return;
    }
    struct message *ask = wire_message_create(KIND_OBSERVE_READ_REQUEST);
    wire_ask(self, observer->sources[observer->source], CHANNEL_DATA, &ask, read_timeout_ns, on_read_index,
             actor_keep(self));
}

static void on_role_subscribe(struct actor *self, void *state, const struct message *message)
{
    struct observer *observer = state;
    if (role_feed_add(self, &observer->feed, message->sender)) actor_monitor(self, message->sender);
    else log_error(self, "consensus.followers_full", "at most %d", ROLE_FEED_MAX);
}

static void on_follower_down(struct actor *self, void *state, const struct message *message)
{
    (void)self;
    struct observer *observer = state;
    role_feed_remove(&observer->feed, ((const struct actor_down *)message->body)->id);
}

static void on_never(struct actor *self, void *state, const struct message *message)
{
    (void)state;
    actor_refuse(self, message, STATUS_NOT_LEADER);
}

static void on_status(struct actor *self, void *state, const struct message *message)
{
    const struct observer *observer = state;
    struct message *answer =
        messages_create(KIND_CONSENSUS_STATUS_REPLY, sizeof(struct consensus_status_reply));
    struct consensus_status_reply *reply = answer->body;
    const struct configuration *configuration = &observer->configuration.configuration;
    struct consensus_member *members =
        arena_array(&answer->arena, configuration->member_count + 1, sizeof *members);
    (void)text_copy(reply->node, sizeof reply->node, observer->node);
    reply->replica_id = observer->replica;
    reply->cluster_id = observer->last.index == 0 ? 0 : observer->cluster_id;
    reply->role = CONSENSUS_FOLLOWER;
    reply->term = observer->feed.told.term;
    (void)text_copy(reply->leader, sizeof reply->leader, observer->feed.told.leader);
    reply->commit = observer->commit;
    reply->applied = observer->applied;
    reply->durable = observer->last.index;
    reply->configuration_index = observer->configuration.index;
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        (void)text_copy(members[i].node, sizeof members[i].node, configuration->members[i].name);
        members[i].replica_id = configuration->members[i].id;
        members[i].voter = configuration->members[i].voter;
    }
    reply->members = members;
    reply->member_count = configuration->member_count;
    actor_reply(self, message, &answer);
}

/* --- time --- */

static void compact(struct actor *self, const struct observer *observer)
{
    struct message *message = messages_create(KIND_LOG_COMPACT, sizeof(struct log_compact));
    ((struct log_compact *)message->body)->needed_from = observer->applied + 1;
    actor_tell_name(self, TO_LOG_WRITER, &message);
}

static void follow(struct actor *self, struct observer *observer)
{
    int64_t now_ns = actor_now_ns(self);
    bool stalled = observer->commit > observer->last.index && now_ns - observer->moved_ns > stalled_ns;
    if (observer->stream == 0 || now_ns - observer->heard_ns > silent_ns || stalled) {
        begin_stream(self, observer);
    } else if (now_ns - observer->asked_ns >= repeat_ns) {
        post_observe(self, observer);
    }
}

static void on_tick(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct observer *observer = state;
    observer->ticks++;
    serve_reads(self, observer);
    if (observer->ticks % COMPACT_TICKS == 0) compact(self, observer);
    if (observer->cluster_id == 0) {
        post_who(self, observer);
    } else if (observer->snapshot.id != 0) {
        bool late = actor_now_ns(self) - observer->snapshot_ns > snapshot_max_ns;
        if (late && observer->install_sequence == 0 && !observer->reloading) give_up_snapshot(self, observer);
    } else if (may_follow(observer)) {
        follow(self, observer);
    }
}

/* --- life --- */

static void keep_configuration(void *context, const struct raft_entry *entry)
{
    note_configuration(context, entry);
}

static enum status on_init(struct actor *self, void *state, const void *options, struct error *error)
{
    const struct observer_options *given = options;
    struct observer *observer = state;
    const struct log_boot *from = &given->log->boot;
    enum status status =
        given->log->ops->read_configurations(given->log, keep_configuration, observer, error);
    if (status != STATUS_OK) return status;
    (void)text_copy(observer->node, sizeof observer->node, given->node);
    observer->cluster_id = from->identity.cluster_id;
    observer->replica = from->identity.replica_id;
    for (uint32_t i = 0; i < given->peer_count && observer->source_count < SOURCES_MAX; i++) {
        (void)text_copy(observer->sources[observer->source_count], NODE_NAME_MAX, given->peers[i]);
        observer->source_count++;
    }
    if (observer->source_count > 0) {
        observer->source = (uint32_t)(actor_random(self) % observer->source_count);
    } else {
        log_warn(self, "consensus.waiting", "cluster.peers names nobody whom this worker could follow");
    }
    observer->last = from->last;
    observer->applied = from->applied.index;
    observer->commit = from->last.index;
    observer->hard_term = from->hard.term;
    observer->damaged = from->copy_state == LOG_COPY_SNAPSHOT;
    tell_identity(self, observer);
    actor_every(self, tick_ns, KIND_OBSERVER_TICK);
    if (!observer->damaged && from->last.index > from->applied.index) {
        observer->replay_to = from->last.index;
        replay(self, observer, from->applied.index + 1);
    }
    return STATUS_OK;
}

static void on_fini(void *state)
{
    struct observer *observer = state;
    uint64_t number = 0;
    void *value = NULL;
    for (size_t i = 0; map_next_number(&observer->writing, &i, &number, &value);) {
        struct message *apply = value;
        message_destroy(&apply);
    }
    map_fini(&observer->writing);
    for (uint32_t i = 0; i < observer->read_count; i++)
        message_destroy(&observer->reads[i].request);
}

static const struct behavior_row rows[] = {
    { KIND_OBSERVER_TICK, on_tick },        { KIND_WHO_REPLY, on_who_reply },
    { KIND_COMMITTED, on_committed },       { KIND_LOG_PERSISTED, on_persisted },
    { KIND_LOG_ENTRIES, on_log_entries },   { KIND_APPLIED, on_applied },
    { KIND_SNAPSHOT_OFFERED, on_offered },  { KIND_SNAPSHOT_RECEIVED, on_received },
    { KIND_READ_POINT, on_read_point },     { KIND_ROLE_SUBSCRIBE, on_role_subscribe },
    { KIND_DOWN, on_follower_down },        { KIND_FORWARD_REQUEST, on_never },
    { KIND_TRANSFER_LEADERSHIP, on_never }, { KIND_CONSENSUS_STATUS, on_status },
};

const struct behavior observer_behavior = {
    .name = "observer",
    .state_size = sizeof(struct observer),
    .home = ACTOR_POOLED,
    .pool = POOL_CONSENSUS,
    .mailbox_capacity = 8192,
    .init = on_init,
    .fini = on_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
