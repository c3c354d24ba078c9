/* snapshot_receiver: one snapshot at a time, block after block to the log writer, until it is whole.
 * Learns  SNAP_OFFER and SNAP_CHUNK from another node's snapshot_sender; from the leader actor whether an
 * offer is to be taken (N3, N4), that it was given up, that it is installed. Owns    where the stream stands,
 * in memory and on disk. Each chunk goes down with a note (header and sums), so that after a crash the same
 * snapshot goes on where it was (N2). Says RECEIVING of what is durable only. Limits  One snapshot; a block
 * that does not continue it is dropped, and the sender told where it stands. One that is damaged is asked for
 * again, DAMAGED_MAX times. A sender of which nothing comes for SILENT_NS is given up. */
#include "actors/consensus/snapshot_receiver.h"

#include "actors/consensus/messages.h"
#include "actors/consensus/snapshot_messages.h"
#include "runtime/base/mark.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/consensus.pb-c.h"
#include "wire/remote.h"

#include <string.h>

enum { DAMAGED_MAX = 3, EARLY_MAX = 24 }; /* Early: what a sender may have under way, about. */
static const int64_t write_timeout_ns = SECONDS(60);
static const int64_t tick_ns = SECONDS(1);
static const int64_t silent_ns = SECONDS(20); /* Longer than the sender waits for us. */

enum phase {
    PHASE_IDLE,
    PHASE_LOOKING,   /* The log writer is asked what it has of it. */
    PHASE_RECEIVING, /* Blocks are taken. */
    PHASE_COMPLETE,  /* All of it is durable and verified; the core decides. */
};

/* What was offered, and by whom. */
struct offer {
    char from[NODE_NAME_MAX];
    replica_id from_replica;
    struct bytes *header_block; /* NULL: none. */
    struct snapshot_header header;
};

struct snapshot_receiver {
    struct offer offered; /* The leader actor is asked about it; meanwhile the one before goes on. */
    enum phase phase;
    struct offer taken;
    struct snapshot_progress progress; /* Of the blocks that were read. */
    uint64_t durable;                  /* Of those that the log writer has written. */
    bool ended;                        /* The end block was read, and was right. */
    uint64_t end;                      /* Offset behind it. */
    uint32_t damaged_count;
    struct early { /* Blocks that overtook others; no two alike. */
        uint64_t offset;
        struct bytes *block;
    } early[EARLY_MAX];
    uint32_t early_count;
    int64_t moved_ns; /* When it last got on. */
    bool ticking;     /* The timer runs. */
    uint64_t attempt; /* Counts accepted offers: what was asked for an earlier one finds another number. */
};

/* --- to the others --- */

static void acknowledge(struct actor *self, const char *node, replica_id to, uint64_t id, uint64_t offset,
                        Pb__SnapState state)
{
    struct message *message = wire_message_create(KIND_SNAP_ACK);
    Pb__SnapAck *ack = message->body;
    ack->to = to;
    ack->snapshot_id = id;
    ack->offset = offset;
    ack->state = state;
    wire_post(self, node, CHANNEL_DATA, &message);
}

static void tell_where(struct actor *self, const struct snapshot_receiver *receiver)
{
    uint64_t offset = receiver->phase == PHASE_COMPLETE ? receiver->end : receiver->durable;
    acknowledge(self, receiver->taken.from, receiver->taken.from_replica, receiver->taken.header.id, offset,
                PB__SNAP_STATE__SNAP_RECEIVING);
}

static void tell_leader(struct actor *self, const struct snapshot_receiver *receiver, bool failed)
{
    struct message *message = messages_create(KIND_SNAPSHOT_RECEIVED, sizeof(struct snapshot_received));
    *(struct snapshot_received *)message->body =
        (struct snapshot_received){ receiver->taken.header.id, receiver->taken.header.position, failed };
    actor_tell_name(self, TO_LEADER, &message);
}

static void drop_early(struct snapshot_receiver *receiver)
{
    for (uint32_t i = 0; i < receiver->early_count; i++)
        bytes_unref(&receiver->early[i].block);
    receiver->early_count = 0;
}

static void rest(struct snapshot_receiver *receiver)
{
    drop_early(receiver);
    bytes_unref(&receiver->taken.header_block);
    *receiver = (struct snapshot_receiver){ .attempt = receiver->attempt + 1,
                                            .offered = receiver->offered,
                                            .ticking = receiver->ticking };
}

static void give_up(struct actor *self, struct snapshot_receiver *receiver, const char *why)
{
    log_warn(self, "consensus.snapshot_failed", "from=%s index=%llu %s", receiver->taken.from,
             (unsigned long long)receiver->taken.header.position.index, why);
    acknowledge(self, receiver->taken.from, receiver->taken.from_replica, receiver->taken.header.id, 0,
                PB__SNAP_STATE__SNAP_REFUSED);
    tell_leader(self, receiver, true);
    rest(receiver);
}

/* --- to the disk --- */

/* Header block and sums: what a restart needs to go on. */
static void put_note(struct message *message, struct log_chunk *chunk,
                     const struct snapshot_receiver *receiver)
{
    size_t header_size = receiver->taken.header_block->size;
    uint8_t *note = arena_alloc(&message->arena, SNAPSHOT_PROGRESS_BYTES + header_size);
    snapshot_progress_pack(&receiver->progress, note);
    memcpy(note + SNAPSHOT_PROGRESS_BYTES, receiver->taken.header_block->data, header_size);
    chunk->note = note;
    chunk->note_size = (uint32_t)(SNAPSHOT_PROGRESS_BYTES + header_size);
    CHECK(chunk->note_size <= LOG_NOTE_MAX);
}

static void *attempt_context(const struct snapshot_receiver *receiver)
{
    return (void *)(uintptr_t)receiver->attempt; /* NOLINT(performance-no-int-to-ptr) */
}

static bool is_current(const struct snapshot_receiver *receiver, const void *context)
{
    return receiver->phase != PHASE_IDLE && (uint64_t)(uintptr_t)context == receiver->attempt;
}

static void complete_if_whole(struct actor *self, struct snapshot_receiver *receiver)
{
    if (receiver->phase != PHASE_RECEIVING || !receiver->ended) return;
    if (receiver->durable != receiver->progress.offset) return;
    receiver->phase = PHASE_COMPLETE;
    log_info(self, "consensus.snapshot_received", "from=%s index=%llu records=%llu bytes=%llu",
             receiver->taken.from, (unsigned long long)receiver->taken.header.position.index,
             (unsigned long long)receiver->progress.record_count, (unsigned long long)receiver->end);
    tell_leader(self, receiver, false);
}

static void on_written(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct snapshot_receiver *receiver = state;
    if (!is_current(receiver, context)) return;
    if (result->status !=
        STATUS_OK) { /* An error of the disk ends the writer, and with it the process (F1). */
        give_up(self, receiver, "the log writer did not take a part of it");
        return;
    }
    const struct log_received *received = result->message->body;
    if (received->receiving.snapshot_id != receiver->taken.header.id || receiver->phase != PHASE_RECEIVING)
        return;
    receiver->durable = received->receiving.offset;
    receiver->moved_ns = actor_now_ns(self);
    tell_where(self, receiver);
    complete_if_whole(self, receiver);
}

static void write_chunk(struct actor *self, struct snapshot_receiver *receiver, struct message *message,
                        uint64_t from, const struct log_copy_record *records, uint32_t record_count)
{
    struct log_chunk *chunk = arena_alloc(&message->arena, sizeof *chunk);
    *chunk = (struct log_chunk){ .snapshot_id = receiver->taken.header.id,
                                 .from = from,
                                 .to = receiver->progress.offset,
                                 .records = records,
                                 .record_count = record_count };
    put_note(message, chunk, receiver);
    ((struct log_receive *)message->body)->chunk = chunk;
    actor_ask_name(self, TO_LOG_WRITER, &message, write_timeout_ns, on_written, attempt_context(receiver));
}

static struct message *new_receive(void)
{
    return messages_create(KIND_LOG_RECEIVE, sizeof(struct log_receive));
}

/* --- an offer --- */

static enum status count_header(struct snapshot_receiver *receiver, struct error *error)
{
    enum snapshot_block_type type = 0;
    receiver->progress = (struct snapshot_progress){ 0 };
    return snapshot_read(&receiver->progress, &receiver->taken.header, receiver->taken.header_block->data,
                         receiver->taken.header_block->size, NULL, NULL, &type, error);
}

/* The inactive generation is empty: the stream begins with its header. */
static void on_cleared(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct snapshot_receiver *receiver = state;
    struct error error = { 0 };
    if (!is_current(receiver, context)) return;
    if (result->status != STATUS_OK || count_header(receiver, &error) != STATUS_OK) {
        give_up(self, receiver, "the inactive generation was not cleared");
        return;
    }
    receiver->phase = PHASE_RECEIVING;
    write_chunk(self, receiver, new_receive(), 0, NULL, 0);
}

/* N2: resumes the same id by what the note says. false: the note is of no use. */
static bool resume(struct snapshot_receiver *receiver, const struct log_receiving *receiving)
{
    size_t header_size = receiver->taken.header_block->size;
    bool same = receiving->snapshot_id == receiver->taken.header.id &&
                receiving->note_size == SNAPSHOT_PROGRESS_BYTES + header_size &&
                memcmp(receiving->note + SNAPSHOT_PROGRESS_BYTES, receiver->taken.header_block->data,
                       header_size) == 0;
    if (!same) return false;
    enum status status =
        snapshot_progress_unpack(receiving->note, SNAPSHOT_PROGRESS_BYTES, &receiver->progress);
    return status == STATUS_OK && receiver->progress.offset == receiving->offset;
}

static void on_looked(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct snapshot_receiver *receiver = state;
    if (!is_current(receiver, context)) return;
    if (result->status != STATUS_OK) {
        MARK("snapshot_receiver.log_writer_is_silent");
        give_up(self, receiver, "the log writer did not say what it has");
        return;
    }
    const struct log_received *received = result->message->body;
    if (resume(receiver, &received->receiving)) {
        MARK("snapshot_receiver.resumes");
        receiver->phase = PHASE_RECEIVING;
        receiver->durable = received->receiving.offset;
        log_info(self, "consensus.snapshot_resumes", "from=%s at=%llu", receiver->taken.from,
                 (unsigned long long)receiver->durable);
        tell_where(self, receiver);
        return;
    }
    struct message *message = new_receive();
    ((struct log_receive *)message->body)->clear = true;
    actor_ask_name(self, TO_LOG_WRITER, &message, write_timeout_ns, on_cleared, attempt_context(receiver));
}

static void tick_later(struct actor *self, struct snapshot_receiver *receiver)
{
    if (receiver->ticking) return;
    receiver->ticking = true;
    (void)actor_after(self, tick_ns, KIND_SNAPSHOT_TICK, 0);
}

/* What waits for it (a worker follows nobody meanwhile) is not to wait for a node that is gone. */
static void on_tick(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct snapshot_receiver *receiver = state;
    receiver->ticking = false;
    if (receiver->phase != PHASE_LOOKING && receiver->phase != PHASE_RECEIVING) return;
    if (actor_now_ns(self) - receiver->moved_ns <= silent_ns) {
        tick_later(self, receiver);
        return;
    }
    give_up(self, receiver, "its sender is silent");
}

static void take(struct actor *self, struct snapshot_receiver *receiver)
{
    rest(receiver);
    receiver->moved_ns = actor_now_ns(self);
    tick_later(self, receiver);
    receiver->taken = receiver->offered;
    receiver->offered = (struct offer){ 0 };
    receiver->phase = PHASE_LOOKING;
    actor_ask_name(self, TO_LOG_WRITER, &(struct message *){ new_receive() }, write_timeout_ns, on_looked,
                   attempt_context(receiver));
}

static void on_verdict(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)context;
    struct snapshot_receiver *receiver = state;
    struct offer *offered = &receiver->offered;
    if (result->status == STATUS_OK) {
        const struct snapshot_verdict *verdict = result->message->body;
        if (verdict->accepted) {
            take(self, receiver);
            return;
        }
        acknowledge(self, offered->from, offered->from_replica, offered->header.id, 0,
                    verdict->holds ? PB__SNAP_STATE__SNAP_HOLDS : PB__SNAP_STATE__SNAP_REFUSED);
    }
    bytes_unref(&offered->header_block);
}

static void ask_leader(struct actor *self, const struct offer *offered, const Pb__SnapOffer *offer)
{
    struct message *message = messages_create(KIND_SNAPSHOT_OFFERED, sizeof(struct snapshot_offered));
    struct snapshot_offered *body = message->body;
    body->header = offered->header;
    body->to = offer->to;
    body->from = offered->from_replica;
    body->term = offer->term;
    body->asked = offer->asked;
    actor_ask_name(self, TO_LEADER, &message, SECONDS(5), on_verdict, NULL);
}

/* N4: another one takes the place of the one that is being received if the core says so. */
static void on_offer(struct actor *self, void *state, const struct message *message)
{
    struct snapshot_receiver *receiver = state;
    const Pb__SnapOffer *offer = message->body;
    struct error error = { 0 };
    struct snapshot_header header;
    if (message->from_node == NULL || message->attachment == NULL) return;
    enum status status =
        snapshot_header_read(message->attachment->data, message->attachment->size, &header, &error);
    if (status != STATUS_OK || header.id != offer->snapshot_id) {
        log_warn(self, "consensus.snapshot_malformed", "from=%s %s", message->from_node, error.message);
        return;
    }
    if (receiver->phase != PHASE_IDLE && header.id == receiver->taken.header.id) {
        if (receiver->phase >= PHASE_RECEIVING && receiver->durable > 0) tell_where(self, receiver);
        return;
    }
    struct offer *offered = &receiver->offered;
    if (offered->header_block != NULL) return; /* Offers are repeated. */
    *offered = (struct offer){ .from_replica = message->from_replica,
                               .header_block = bytes_ref(message->attachment),
                               .header = header };
    (void)text_copy(offered->from, sizeof offered->from, message->from_node);
    ask_leader(self, offered, offer);
}

/* --- a block --- */

struct collection {
    struct log_copy_record *records;
    uint32_t count;
    uint32_t room;
    struct arena *arena;
};

static enum status collect(void *context, const struct log_copy_record *record, struct error *error)
{
    struct collection *collection = context;
    (void)error;
    if (collection->count == collection->room) {
        collection->room = collection->room == 0 ? 256 : collection->room * 2;
        struct log_copy_record *grown = arena_array(collection->arena, collection->room, sizeof *grown);
        if (collection->count > 0) memcpy(grown, collection->records, collection->count * sizeof *grown);
        collection->records = grown;
    }
    collection->records[collection->count++] = *record;
    return STATUS_OK;
}

static void on_damaged(struct actor *self, struct snapshot_receiver *receiver, const struct error *error)
{
    log_warn(self, "consensus.snapshot_damaged", "from=%s at=%llu %s", receiver->taken.from,
             (unsigned long long)receiver->progress.offset, error->message);
    if (++receiver->damaged_count >= DAMAGED_MAX) give_up(self, receiver, "it is damaged");
    else tell_where(self, receiver);
}

/* The records stay in the block, which goes down with them. */
static void take_block(struct actor *self, struct snapshot_receiver *receiver, struct bytes *block)
{
    struct message *message = new_receive();
    struct collection collection = { .arena = &message->arena };
    struct error error = { 0 };
    enum snapshot_block_type type = 0;
    uint64_t from = receiver->progress.offset;
    enum status status = snapshot_read(&receiver->progress, &receiver->taken.header, block->data, block->size,
                                       collect, &collection, &type, &error);
    if (status != STATUS_OK) {
        message_destroy(&message);
        on_damaged(self, receiver, &error);
        return;
    }
    receiver->damaged_count = 0;
    if (type == SNAPSHOT_BLOCK_END) {
        message_destroy(&message);
        receiver->ended = true;
        receiver->end = from + block->size;
        complete_if_whole(self, receiver);
        return;
    }
    struct bytes *kept = bytes_ref(block);
    message_attach(message, &kept);
    write_chunk(self, receiver, message, from, collection.records, collection.count);
}

/* What came again meanwhile, in its turn, keeps no place from others. */
static void drop_passed(struct snapshot_receiver *receiver)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < receiver->early_count; i++) {
        struct early *early = &receiver->early[i];
        if (early->offset < receiver->progress.offset) bytes_unref(&early->block);
        else receiver->early[left++] = *early;
    }
    receiver->early_count = left;
}

static void keep_early(struct snapshot_receiver *receiver, uint64_t offset, struct bytes *block)
{
    drop_passed(receiver);
    if (offset < receiver->progress.offset || receiver->early_count == EARLY_MAX) return;
    for (uint32_t i = 0; i < receiver->early_count; i++) {
        if (receiver->early[i].offset == offset) return;
    }
    receiver->early[receiver->early_count++] = (struct early){ offset, bytes_ref(block) };
}

/* NULL: the next one is not here yet. The caller's. */
static struct bytes *take_early(struct snapshot_receiver *receiver)
{
    for (uint32_t i = 0; i < receiver->early_count; i++) {
        if (receiver->early[i].offset != receiver->progress.offset) continue;
        struct bytes *block = receiver->early[i].block;
        receiver->early[i] = receiver->early[--receiver->early_count];
        return block;
    }
    return NULL;
}

static bool takes(const struct snapshot_receiver *receiver)
{
    return receiver->phase == PHASE_RECEIVING && !receiver->ended;
}

static void on_chunk(struct actor *self, void *state, const struct message *message)
{
    struct snapshot_receiver *receiver = state;
    const Pb__SnapChunk *chunk = message->body;
    bool known = receiver->phase >= PHASE_RECEIVING && chunk->snapshot_id == receiver->taken.header.id;
    if (!known || message->attachment == NULL) return;
    if (!takes(receiver) || chunk->offset != receiver->progress.offset) {
        if (takes(receiver)) keep_early(receiver, chunk->offset, message->attachment);
        if (receiver->durable > 0) tell_where(self, receiver);
        return;
    }
    take_block(self, receiver, message->attachment);
    for (struct bytes *next; takes(receiver) && (next = take_early(receiver)) != NULL;) {
        take_block(self, receiver, next);
        bytes_unref(&next);
    }
}

/* --- from the leader actor --- */

static void on_cancel(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct snapshot_receiver *receiver = state;
    if (receiver->phase == PHASE_IDLE) return;
    acknowledge(self, receiver->taken.from, receiver->taken.from_replica, receiver->taken.header.id, 0,
                PB__SNAP_STATE__SNAP_REFUSED);
    rest(receiver); /* What is on disk stays, for it may be offered again. */
}

static void on_installed(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct snapshot_receiver *receiver = state;
    if (receiver->phase != PHASE_COMPLETE) return;
    acknowledge(self, receiver->taken.from, receiver->taken.from_replica, receiver->taken.header.id,
                receiver->end, PB__SNAP_STATE__SNAP_HOLDS);
    rest(receiver);
}

static void on_fini(void *state)
{
    struct snapshot_receiver *receiver = state;
    drop_early(receiver);
    bytes_unref(&receiver->taken.header_block);
    bytes_unref(&receiver->offered.header_block);
}

static const struct behavior_row rows[] = {
    { KIND_SNAP_OFFER, on_offer },       { KIND_SNAP_CHUNK, on_chunk },
    { KIND_SNAPSHOT_CANCEL, on_cancel }, { KIND_SNAPSHOT_INSTALLED, on_installed },
    { KIND_SNAPSHOT_TICK, on_tick },
};

const struct behavior snapshot_receiver_behavior = {
    .name = "snapshot_receiver",
    .state_size = sizeof(struct snapshot_receiver),
    .home = ACTOR_POOLED,
    .pool = POOL_CONSENSUS,
    .mailbox_capacity = 1024,
    .fini = on_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
