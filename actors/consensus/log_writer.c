/* log_writer: executes the leader's PERSIST batches in order, on a thread of its own that may block.
 * Learns  LOG_PERSIST and LOG_READ from the leader, LOG_COPY from the state.
 * Owns    what waits for the next transaction. All that one turn brought goes into as few transactions as the
 *         bounds allow (group commit), and is answered only after it is durable (C2, R5).
 * Limits  GROUP_BYTES_MAX and GROUP_ENTRIES_MAX a transaction. The leader bounds how much it has under way
 *         (R1, R10), the state has one LOG_COPY at a time. An error of the log ends the actor (F1). */
#include "actors/consensus/log_writer.h"

#include "actors/consensus/messages.h"
#include "runtime/base/planted.h"
#include "wire/kinds.h"

#include <string.h>

enum { GROUP_ENTRIES_MAX = 1024, GROUP_BATCHES_MAX = 1024 };
static const size_t group_bytes_max = (size_t)4 * 1024 * 1024;
static const int64_t copy_idle_ns = MILLISECONDS(50);

struct log_writer {
    struct log *log;
    struct log_batch batches[GROUP_BATCHES_MAX]; /* Borrow from `messages`. */
    struct message *messages[GROUP_BATCHES_MAX];
    uint32_t batch_count;
    uint32_t entry_count;
    size_t bytes;
    struct message *copy; /* A LOG_COPY that waits for a batch to travel with. */
    struct timer_id copy_timer;
    struct actor_id leader; /* Who sent the last PERSIST. */
};

static void drop_batches(struct log_writer *writer)
{
    for (uint32_t i = 0; i < writer->batch_count; i++)
        message_destroy(&writer->messages[i]);
    writer->batch_count = 0;
    writer->entry_count = 0;
    writer->bytes = 0;
}

static void put_copy(struct log_batch *batch, const struct kv_copy *copy)
{
    batch->has_copy = true;
    batch->copy_generation = copy->generation;
    batch->copy_from = copy->from;
    batch->copy_to = copy->to;
    batch->copy_history_first = copy->history_first;
    memcpy(batch->state_hash, copy->state_hash, sizeof batch->state_hash);
    batch->copy = copy->records;
    batch->copy_count = copy->count;
}

static void answer(struct actor *self, struct log_writer *writer)
{
    uint64_t persisted = 0;
    for (uint32_t i = 0; i < writer->batch_count; i++) {
        const struct message *message = writer->messages[i];
        if (message->kind == KIND_LOG_PERSIST) {
            persisted = ((const struct log_persist *)message->body)->sequence;
            continue;
        }
        struct message *reply = messages_create(KIND_LOG_COPY, 0);
        actor_reply(self, message, &reply);
    }
    if (persisted == 0) return;
    struct message *reply = messages_create(KIND_LOG_PERSISTED, sizeof(struct log_persisted));
    ((struct log_persisted *)reply->body)->sequence = persisted;
    actor_tell(self, writer->leader, &reply);
}

static void take_copy(struct actor *self, struct log_writer *writer)
{
    if (writer->copy == NULL) return;
    CHECK(writer->batch_count < GROUP_BATCHES_MAX);
    struct log_batch *batch = &writer->batches[writer->batch_count];
    *batch = (struct log_batch){ 0 };
    put_copy(batch, writer->copy->body);
    writer->messages[writer->batch_count] = writer->copy;
    writer->batch_count++;
    writer->copy = NULL;
    actor_cancel(self, &writer->copy_timer);
}

/* One transaction for all that waits. */
static void commit(struct actor *self, struct log_writer *writer)
{
    if (writer->batch_count == 0) return;
    take_copy(self, writer);
    struct error error = { 0 };
    enum status status = writer->log->ops->write(writer->log, writer->batches, writer->batch_count, &error);
    if (status == STATUS_OK || PLANTED("log_writer.sync_error_is_ignored")) {
        answer(self, writer);
    } else { /* Nothing of it leaves, and nothing is tried again. */
        error_wrap(&error, "write the log");
        log_error(self, "consensus.log_failed", "%s", error.message);
        actor_fail(self, &error);
    }
    drop_batches(writer);
}

static void on_persist(struct actor *self, void *state, const struct message *message)
{
    struct log_writer *writer = state;
    const struct log_persist *persist = message->body;
    size_t bytes = 0;
    for (uint32_t i = 0; i < persist->entry_count; i++) {
        if (persist->entries[i].payload != NULL) bytes += persist->entries[i].payload->size;
    }
    bool fits = writer->batch_count + 1 < GROUP_BATCHES_MAX && writer->bytes + bytes <= group_bytes_max &&
                writer->entry_count + persist->entry_count <= GROUP_ENTRIES_MAX;
    if (!fits) commit(self, writer);
    writer->leader = message->sender;
    struct log_batch *batch = &writer->batches[writer->batch_count];
    *batch = (struct log_batch){
        .hard = persist->has_hard && !PLANTED("log_writer.vote_is_left_out") ? &persist->hard : NULL,
        .install = persist->install,
        .truncate_from = persist->truncate_from,
        .entries = persist->entries,
        .entry_count = persist->entry_count,
        .cluster_id = persist->cluster_id,
    };
    writer->messages[writer->batch_count] = actor_keep(self);
    writer->batch_count++;
    writer->entry_count += persist->entry_count;
    writer->bytes += bytes;
    if (PLANTED("log_writer.answers_before_it_writes")) answer(self, writer);
}

static void on_copy(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct log_writer *writer = state;
    if (writer->copy != NULL) { /* The state gave up waiting for the last one: both, in order. */
        take_copy(self, writer);
        commit(self, writer);
    }
    writer->copy = actor_keep(self);
    actor_cancel(self, &writer->copy_timer);
    writer->copy_timer = actor_after(self, copy_idle_ns, KIND_LOG_IDLE, 0);
}

static void on_idle(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct log_writer *writer = state;
    writer->copy_timer = (struct timer_id){ 0 };
    take_copy(self, writer); /* turn_end writes it. */
}

static void emit_entry(void *context, const struct raft_entry *entry)
{
    messages_add_entry(context, entry);
}

static void on_read(struct actor *self, void *state, const struct message *message)
{
    struct log_writer *writer = state;
    const struct log_read *read = message->body;
    commit(self, writer); /* What was sent before is seen. */
    struct message *reply = messages_entries(read->tag, read->from);
    struct error error = { 0 };
    enum status status =
        writer->log->ops->read(writer->log, read->from, read->to, read->max_bytes, emit_entry, reply, &error);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        actor_tell(self, message->sender, &reply);
        return;
    }
    message_destroy(&reply);
    error_wrap(&error, "read the log from %llu", (unsigned long long)read->from);
    log_error(self, "consensus.log_failed", "%s", error.message);
    actor_fail(self, &error);
}

static void on_turn_end(struct actor *self, void *state)
{
    commit(self, state);
}

static enum status on_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    const struct log_writer_options *given = options;
    struct log_writer *writer = state;
    CHECK(given->log != NULL);
    writer->log = given->log;
    return STATUS_OK;
}

static void on_stop(struct actor *self, void *state)
{
    struct log_writer *writer = state;
    take_copy(self, writer);
    commit(self, writer);
}

static void on_fini(void *state)
{
    struct log_writer *writer = state;
    drop_batches(writer);
    if (writer->copy != NULL) message_destroy(&writer->copy);
}

static const struct behavior_row rows[] = {
    { KIND_LOG_PERSIST, on_persist },
    { KIND_LOG_READ, on_read },
    { KIND_LOG_COPY, on_copy },
    { KIND_LOG_IDLE, on_idle },
};

const struct behavior log_writer_behavior = {
    .name = "log_writer",
    .state_size = sizeof(struct log_writer),
    .home = ACTOR_PINNED,
    .mailbox_capacity = 4096,
    .init = on_init,
    .stop = on_stop,
    .fini = on_fini,
    .turn_end = on_turn_end,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
