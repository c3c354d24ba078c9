/* log_writer: executes the leader's PERSIST batches in order, on a thread of its own that may block.
 * Learns  LOG_PERSIST and LOG_READ from the leader, LOG_COPY and LOG_COPY_READ from the state, LOG_RECEIVE
 * from the receiver of a snapshot; from the disk, how much room it has. Owns    what waits for the next
 * write. All that came while one write was under way goes into as few writes as the bounds allow (group
 * commit), and is answered only after it is durable (C2, R5). What nobody waits for is done after the answer,
 * seldom and all at once (settle): the log brings its tables up to date, the state's copy goes along, the
 * log's start is dropped and the inactive generation cleared, both in steps (D7, N6). So a put hardly ever
 * finds the disk busy with anything but puts. On a full disk it holds what it has and acknowledges nothing
 * until there is room (F2). Limits  GROUP_BYTES_MAX and GROUP_ENTRIES_MAX a write; BATCHES_MAX batches held;
 * SETTLE_ENTRIES_MAX or settle_bytes or settle_age_ns unsettled. The leader bounds how much it has under way
 * (R1, R10), the state has one LOG_COPY at a time. An error of the log ends the actor (F1). */
#include "actors/consensus/log_writer.h"

#include "actors/consensus/compaction.h"
#include "actors/consensus/messages.h"
#include "runtime/base/failpoint.h"
#include "runtime/base/mark.h"
#include "runtime/base/planted.h"
#include "wire/kinds.h"

#include <string.h>

enum { GROUP_ENTRIES_MAX = 1024, BATCHES_MAX = 1024, SETTLE_ENTRIES_MIN = 1024, SETTLE_ENTRIES_MAX = 2048 };
static const size_t group_bytes_max = (size_t)4 * 1024 * 1024;
static const size_t page_bytes_max = (size_t)1024 * 1024; /* D6 */
static const size_t settle_bytes = (size_t)2 * 1024 * 1024;
static const int64_t settle_idle_ns = MILLISECONDS(500); /* Without a write: the time to settle. */
static const int64_t settle_age_ns = SECONDS(4);         /* As long may something be unsettled. */
static const int64_t step_idle_ns = MILLISECONDS(20);    /* Between steps when nothing else is written. */
static const int64_t slice_idle_ns = MILLISECONDS(10);   /* Between slices of what the log prepares. */
static const int64_t space_age_ns = SECONDS(1);

struct log_writer {
    struct log *log;
    struct log_batch batches[BATCHES_MAX]; /* Borrow from `messages`. */
    struct message *messages[BATCHES_MAX];
    uint32_t batch_count;
    uint32_t entry_count;
    size_t bytes;
    struct message *copy; /* A LOG_COPY that waits to be settled. */
    uint32_t
        copy_entries; /* Written while it did. The state keeps what has changed meanwhile for the next one. */
    uint32_t settle_at;   /* Entries: the time has come, whatever else is to be written. */
    bool settle_due;      /* The timer for it runs; */
    bool written;         /* since it was set, there was a write, */
    int64_t unsettled_ns; /* and since then there is something to settle. */
    struct timer_id settle_timer;
    struct actor_id leader; /* Who sent the last PERSIST. */

    struct message *clearing; /* A LOG_RECEIVE that is owed an answer once all is cleared. */
    struct compaction_limits limits;
    log_index needed_from; /* Of the last LOG_COMPACT. */
    bool compacting;       /* There was one. */
    log_index told_base;   /* By the last LOG_COMPACTED. */
    bool step_due;         /* The timer for the next step runs. */

    struct log_space space;
    int64_t space_at_ns; /* When that was looked up. */
    size_t space_bytes;  /* Written since. */
};

static void drop_batches(struct log_writer *writer)
{
    for (uint32_t i = 0; i < writer->batch_count; i++) {
        if (writer->messages[i] != NULL) message_destroy(&writer->messages[i]); /* A step has none. */
    }
    writer->batch_count = 0;
    writer->entry_count = 0;
    writer->bytes = 0;
}

static void add_batch(struct log_writer *writer, const struct log_batch *batch, struct message *message)
{
    CHECK(writer->batch_count < BATCHES_MAX);
    writer->batches[writer->batch_count] = *batch;
    writer->messages[writer->batch_count] = message;
    writer->batch_count++;
}

static void fail(struct actor *self, struct error *error, const char *what)
{
    (void)error_wrap(error, "%s", what);
    log_error(self, "consensus.log_failed", "%s%s%s", error->message, error->hint[0] == '\0' ? "" : "; ",
              error->hint);
    actor_fail(self, error);
}

/* --- room on the disk (F2) ------------------------------------------------------------------------------ */

static void tell_space(struct actor *self, const struct log_writer *writer)
{
    struct message *message = messages_create(KIND_LOG_SPACE, sizeof(struct log_space));
    *(struct log_space *)message->body = writer->space;
    actor_tell_name(self, TO_MEMBERSHIP, &message);
}

static void look_at_space(struct actor *self, struct log_writer *writer)
{
    struct log_space before = writer->space;
    writer->log->ops->space(writer->log, &writer->space);
    writer->space_at_ns = actor_now_ns(self);
    writer->space_bytes = 0;
    if (before.low == writer->space.low && before.full == writer->space.full) return;
    log_warn(self, "consensus.disk_space", "%s disk_free=%llu map_free=%llu",
             writer->space.full  ? "full: nothing is acknowledged until there is room"
             : writer->space.low ? "low"
                                 : "there is room again",
             (unsigned long long)writer->space.disk_free, (unsigned long long)writer->space.map_free);
    tell_space(self, writer);
}

/* What was counted on is used up, or old. */
static bool must_hold(struct actor *self, struct log_writer *writer)
{
    bool stale = writer->space.full || actor_now_ns(self) - writer->space_at_ns >= space_age_ns ||
                 writer->space_bytes + writer->bytes >= group_bytes_max;
    if (stale) look_at_space(self, writer);
    return writer->space.full || writer->space.disk_free < writer->bytes * 2;
}

/* --- steps beside other writes -------------------------------------------------------------------------- */

static log_index compact_to(const struct log_writer *writer)
{
    const struct log_live *live = &writer->log->live;
    if (!writer->compacting) return 0;
    log_index target = compaction_target(live, &writer->limits, writer->needed_from);
    return target > live->base.index ? target : 0;
}

static bool has_steps(const struct log_writer *writer)
{
    return writer->clearing != NULL || compact_to(writer) != 0;
}

static void step_later(struct actor *self, struct log_writer *writer, int64_t delay_ns)
{
    if (writer->step_due) return;
    writer->step_due = true;
    (void)actor_after(self, delay_ns, KIND_LOG_STEP, 0);
}

/* The next step of each travels with whatever is settled. */
static void add_step(struct log_writer *writer)
{
    struct log_batch step = { .compact_to = compact_to(writer), .clear_inactive = writer->clearing != NULL };
    if (step.compact_to == 0 && !step.clear_inactive) return;
    if (writer->batch_count < BATCHES_MAX) add_batch(writer, &step, NULL);
}

static void tell_compacted(struct actor *self, struct log_writer *writer)
{
    const struct log_live *live = &writer->log->live;
    if (!writer->compacting || live->base.index == writer->told_base) return;
    writer->told_base = live->base.index;
    struct message *message = messages_create(KIND_LOG_COMPACTED, sizeof(struct log_compacted));
    ((struct log_compacted *)message->body)->base = live->base;
    actor_tell_name(self, TO_LEADER, &message);
}

static void answer_received(struct actor *self, const struct log_writer *writer, const struct message *asked)
{
    struct message *reply = messages_create(KIND_LOG_RECEIVED, sizeof(struct log_received));
    struct log_received *received = reply->body;
    received->receiving = writer->log->live.receiving;
    received->generation = writer->log->live.generation;
    actor_reply(self, asked, &reply);
}

static void after_steps(struct actor *self, struct log_writer *writer)
{
    tell_compacted(self, writer);
    if (writer->clearing != NULL && writer->log->live.inactive_empty) {
        answer_received(self, writer, writer->clearing);
        message_destroy(&writer->clearing);
    }
    bool alone = !writer->log->live.unsettled; /* Else it travels with that. */
    if (writer->clearing != NULL || (alone && has_steps(writer))) step_later(self, writer, step_idle_ns);
}

/* --- one transaction ------------------------------------------------------------------------------------ */

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

static void take_copy(struct log_writer *writer)
{
    if (writer->copy == NULL || writer->batch_count == BATCHES_MAX) return;
    struct log_batch batch = { 0 };
    put_copy(&batch, writer->copy->body);
    add_batch(writer, &batch, writer->copy);
    writer->copy = NULL;
    writer->copy_entries = 0;
}

/* To whoever asked for one of the batches; one PERSISTED stands for all before it. */
static void answer(struct actor *self, struct log_writer *writer)
{
    uint64_t persisted = 0;
    for (uint32_t i = 0; i < writer->batch_count; i++) {
        const struct message *message = writer->messages[i];
        uint32_t kind = message == NULL ? 0 : message->kind;
        if (kind == KIND_LOG_PERSIST) persisted = ((const struct log_persist *)message->body)->sequence;
        if (kind == KIND_LOG_RECEIVE) answer_received(self, writer, message);
        if (kind != KIND_LOG_COPY && kind != KIND_LOG_MARK) continue;
        struct message *reply = messages_create(kind == KIND_LOG_COPY ? KIND_LOG_COPY : KIND_LOG_MARKED, 0);
        actor_reply(self, message, &reply);
    }
    if (persisted == 0) return;
    struct message *reply = messages_create(KIND_LOG_PERSISTED, sizeof(struct log_persisted));
    ((struct log_persisted *)reply->body)->sequence = persisted;
    actor_tell(self, writer->leader, &reply);
}

/* All that waits, in one write. false: the actor has failed. */
static bool write_all(struct actor *self, struct log_writer *writer)
{
    struct error error = { 0 };
    enum status status = writer->log->ops->write(writer->log, writer->batches, writer->batch_count, &error);
    if (status == STATUS_OK || PLANTED("log_writer.sync_error_is_ignored")) {
        FAILPOINT("writer.before_reply");
        answer(self, writer);
        writer->space_bytes += writer->bytes;
    } else { /* Nothing of it leaves, and nothing is tried again. */
        fail(self, &error, "write the log");
    }
    drop_batches(writer);
    if (status == STATUS_OK) after_steps(self, writer);
    return status == STATUS_OK;
}

static bool holds(struct actor *self, struct log_writer *writer)
{
    if (!must_hold(self, writer)) return false;
    MARK("log_writer.holds_on_a_full_disk");
    step_later(self, writer, space_age_ns / 4);
    return true;
}

static void settle_later(struct actor *self, struct log_writer *writer)
{
    if (writer->settle_due) return;
    writer->settle_due = true;
    writer->written = false;
    writer->unsettled_ns = actor_now_ns(self);
    writer->settle_timer = actor_after(self, settle_idle_ns, KIND_LOG_IDLE, 0);
}

/* Its transaction makes the disk slow for everybody on it, and for longer the more often it comes: not while
 * others write, if that can wait. */
static bool waits_for_quiet(struct actor *self, struct log_writer *writer)
{
    if (!writer->written || actor_now_ns(self) - writer->unsettled_ns >= settle_age_ns) return false;
    writer->written = false;
    writer->settle_timer = actor_after(self, settle_idle_ns, KIND_LOG_IDLE, 0);
    return true;
}

/* What nobody waits for: the copy and the steps, and with them what the log has yet to settle. */
static void add_leisurely(struct actor *self, struct log_writer *writer)
{
    take_copy(writer);
    add_step(writer);
    if (writer->settle_due) actor_cancel(self, &writer->settle_timer);
    writer->settle_due = false;
}

/* false: the actor has failed. */
static bool settle_log(struct actor *self, struct log_writer *writer)
{
    struct error error = { 0 };
    if (writer->log->ops->settle(writer->log, &error) == STATUS_OK) return true;
    fail(self, &error, "settle the log");
    return false;
}

/* Replicas write the same entries: did each settle after as many, all would stand still at once. So while one
 * does, the others are a majority that goes on. */
static void draw_settle_at(struct actor *self, struct log_writer *writer)
{
    uint64_t drawn = actor_random(self) % (SETTLE_ENTRIES_MAX - SETTLE_ENTRIES_MIN);
    writer->settle_at = SETTLE_ENTRIES_MIN + (uint32_t)drawn;
}

/* false: the actor has failed. */
static bool settle(struct actor *self, struct log_writer *writer)
{
    if (holds(self, writer)) return true;
    draw_settle_at(self, writer);
    add_leisurely(self, writer);
    if (writer->batch_count > 0) return write_all(self, writer);
    return !writer->log->live.unsettled || settle_log(self, writer);
}

/* Neither entries nor term and vote: it takes a transaction of the tables anyway. */
static bool is_thorough(const struct log_batch *batch)
{
    return batch->install != NULL || batch->chunk != NULL || batch->clear_inactive || batch->copy_damaged ||
           batch->doubt != NULL;
}

static bool has_thorough(const struct log_writer *writer)
{
    for (uint32_t i = 0; i < writer->batch_count; i++) {
        if (is_thorough(&writer->batches[i])) return true;
    }
    return false;
}

/* Also of a log that leaves nothing unsettled, for it has no journal yet: else the next copy, its transaction
 * and the memory that LMDB keeps of that would grow with the load. */
static bool is_much(const struct log_writer *writer)
{
    const struct log_live *live = &writer->log->live;
    return live->unsettled_entries >= writer->settle_at || live->unsettled_bytes >= settle_bytes ||
           writer->copy_entries >= writer->settle_at;
}

/* First what somebody waits for, then what has become due by its size. false: the actor has failed. */
static bool commit(struct actor *self, struct log_writer *writer)
{
    const struct log_live *live = &writer->log->live;
    if (writer->batch_count == 0 || holds(self, writer)) return true;
    if (has_thorough(writer)) add_leisurely(self, writer);
    writer->written = true;
    if (writer->copy != NULL) writer->copy_entries += writer->entry_count;
    if (!write_all(self, writer)) return false;
    if (is_much(writer)) return settle(self, writer);
    if (live->unsettled) settle_later(self, writer);
    return true;
}

/* Room for one more batch, beside the copy and a step; false: the actor has failed. */
static bool make_room(struct actor *self, struct log_writer *writer, uint32_t entry_count, size_t bytes)
{
    bool fits = writer->batch_count + 2 < BATCHES_MAX && writer->bytes + bytes <= group_bytes_max &&
                writer->entry_count + entry_count <= GROUP_ENTRIES_MAX;
    if (!fits && !commit(self, writer)) return false;
    if (writer->batch_count + 2 < BATCHES_MAX) return true;
    struct error error = { 0 };
    (void)error_set(&error, STATUS_OVERLOADED, "the disk is full, and more waits for it than can be held");
    fail(self, &error, "write the log");
    return false;
}

/* --- what is asked -------------------------------------------------------------------------------------- */

static void on_persist(struct actor *self, void *state, const struct message *message)
{
    struct log_writer *writer = state;
    const struct log_persist *persist = message->body;
    size_t bytes = 0;
    for (uint32_t i = 0; i < persist->entry_count; i++) {
        if (persist->entries[i].payload != NULL) bytes += persist->entries[i].payload->size;
    }
    if (!make_room(self, writer, persist->entry_count, bytes)) return;
    writer->leader = message->sender;
    struct log_batch batch = {
        .hard = persist->has_hard && !PLANTED("log_writer.vote_is_left_out") ? &persist->hard : NULL,
        .install = persist->install,
        .truncate_from = persist->truncate_from,
        .entries = persist->entries,
        .entry_count = persist->entry_count,
        .cluster_id = persist->cluster_id,
    };
    add_batch(writer, &batch, actor_keep(self));
    writer->entry_count += persist->entry_count;
    writer->bytes += bytes;
    if (PLANTED("log_writer.answers_before_it_writes")) answer(self, writer);
}

static void on_copy(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct log_writer *writer = state;
    if (writer->copy != NULL) { /* The state gave up waiting for the last one: both, in order. */
        if (!make_room(self, writer, 0, 0)) return;
        take_copy(writer);
        (void)commit(self, writer);
    }
    writer->copy = actor_keep(self);
    settle_later(self, writer);
}

static void on_idle(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct log_writer *writer = state;
    if (waits_for_quiet(self, writer)) return; /* turn_end writes what this turn brought. */
    writer->settle_due = false;
    if (commit(self, writer)) (void)settle(self, writer);
}

static void on_receive(struct actor *self, void *state, const struct message *message)
{
    struct log_writer *writer = state;
    const struct log_receive *receive = message->body;
    if (receive->clear) {
        if (writer->clearing != NULL) { /* Who asked before has given up waiting. */
            actor_refuse(self, writer->clearing, STATUS_CANCELLED);
            message_destroy(&writer->clearing);
        }
        (void)commit(self, writer); /* What was received before is cleared too. */
        writer->clearing = actor_keep(self);
        step_later(self, writer, 0);
        return;
    }
    if (receive->chunk == NULL) { /* Where do we stand? */
        (void)commit(self, writer);
        answer_received(self, writer, message);
        return;
    }
    if (!make_room(self, writer, 0, 0)) return;
    struct log_batch batch = { .chunk = receive->chunk };
    add_batch(writer, &batch, actor_keep(self));
}

static void on_mark(struct actor *self, void *state, const struct message *message)
{
    struct log_writer *writer = state;
    const struct log_mark *mark = message->body;
    if (!make_room(self, writer, 0, 0)) return;
    struct log_batch batch = { .copy_damaged = mark->copy_damaged,
                               .doubt = mark->doubt[0] == '\0' ? NULL : mark->doubt };
    add_batch(writer, &batch, actor_keep(self));
}

static void on_compact(struct actor *self, void *state, const struct message *message)
{
    struct log_writer *writer = state;
    writer->needed_from = ((const struct log_compact *)message->body)->needed_from;
    writer->compacting = true;
    if (has_steps(writer)) step_later(self, writer, step_idle_ns);
}

/* A slice of what the log makes ready for itself. */
static void prepare(struct actor *self, struct log_writer *writer)
{
    const struct log_live *live = &writer->log->live;
    if (!live->preparing || live->unsettled || !settle_log(self, writer)) return;
    if (live->preparing) step_later(self, writer, slice_idle_ns);
}

static void on_step(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct log_writer *writer = state;
    writer->step_due = false;
    if (writer->batch_count > 0) {
        look_at_space(self, writer); /* turn_end tries again. */
        return;
    }
    if (settle(self, writer)) prepare(self, writer);
}

/* Also without a change: who hears it may have begun only now, or its proposal may have been in vain. And
 * without writes nothing else would see that there is room again. */
static void on_look(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct log_writer *writer = state;
    look_at_space(self, writer);
    tell_space(self, writer);
    if (writer->log->live.preparing) step_later(self, writer, slice_idle_ns);
}

static void emit_entry(void *context, const struct raft_entry *entry)
{
    messages_add_entry(context, entry);
}

static void on_read(struct actor *self, void *state, const struct message *message)
{
    struct log_writer *writer = state;
    const struct log_read *read = message->body;
    (void)commit(self, writer); /* What was sent before is seen. */
    struct message *reply = messages_entries(read->tag, read->from);
    struct error error = { 0 };
    enum status status =
        writer->log->ops->read(writer->log, read->from, read->to, read->max_bytes, emit_entry, reply, &error);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        actor_tell(self, message->sender, &reply);
        return;
    }
    message_destroy(&reply);
    (void)error_wrap(&error, "from %llu", (unsigned long long)read->from);
    fail(self, &error, "read the log");
}

static enum status emit_record(void *context, const struct log_copy_record *record, struct error *error)
{
    (void)error;
    messages_add_record(context, record);
    return STATUS_OK;
}

static void on_copy_read(struct actor *self, void *state, const struct message *message)
{
    struct log_writer *writer = state;
    const struct log_copy_read *read = message->body;
    size_t bytes = read->max_bytes < page_bytes_max ? read->max_bytes : page_bytes_max;
    struct message *reply = messages_create(KIND_LOG_COPY_PAGE, sizeof(struct log_copy_page));
    struct log_copy_page *page = reply->body;
    struct error error = { 0 };
    page->cursor = read->cursor;
    (void)commit(self, writer); /* What was sent before is seen. */
    enum status status = writer->log->ops->read_copy(writer->log, read->generation, &page->cursor, bytes,
                                                     emit_record, reply, &error);
    if (status == STATUS_OK) {
        actor_reply(self, message, &reply);
        return;
    }
    message_destroy(&reply);
    fail(self, &error, "read the state copy");
}

/* --- life ----------------------------------------------------------------------------------------------- */

static void on_turn_end(struct actor *self, void *state)
{
    (void)commit(self, state);
}

static enum status on_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)error;
    const struct log_writer_options *given = options;
    struct log_writer *writer = state;
    CHECK(given->log != NULL);
    writer->log = given->log;
    writer->limits = (struct compaction_limits){
        .entries = given->keep_entries == 0 ? LOG_KEEP_ENTRIES : given->keep_entries,
        .bytes = given->keep_bytes == 0 ? LOG_KEEP_BYTES : given->keep_bytes,
        .follower_bytes = LOG_KEEP_BYTES_FOR_FOLLOWER,
    };
    writer->told_base = given->log->live.base.index;
    writer->log->ops->space(writer->log, &writer->space);
    writer->space_at_ns = actor_now_ns(self);
    draw_settle_at(self, writer);
    (void)actor_every(self, space_age_ns, KIND_LOG_LOOK);
    if (writer->log->live.preparing) step_later(self, writer, slice_idle_ns);
    return STATUS_OK;
}

static void on_stop(struct actor *self, void *state)
{
    struct log_writer *writer = state;
    if (commit(self, writer)) (void)settle(self, writer);
}

static void on_fini(void *state)
{
    struct log_writer *writer = state;
    drop_batches(writer);
    if (writer->copy != NULL) message_destroy(&writer->copy);
    if (writer->clearing != NULL) message_destroy(&writer->clearing);
}

static const struct behavior_row rows[] = {
    { KIND_LOG_PERSIST, on_persist },     { KIND_LOG_READ, on_read },       { KIND_LOG_COPY, on_copy },
    { KIND_LOG_COPY_READ, on_copy_read }, { KIND_LOG_RECEIVE, on_receive }, { KIND_LOG_COMPACT, on_compact },
    { KIND_LOG_MARK, on_mark },           { KIND_LOG_IDLE, on_idle },       { KIND_LOG_STEP, on_step },
    { KIND_LOG_LOOK, on_look },
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
