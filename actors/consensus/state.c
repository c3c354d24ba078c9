/* state: applies committed commands to the live state, answers reads, feeds watches.
 * Learns  only from APPLY, so a restart loses nothing: the copy is loaded, then the log is replayed to it.
 * Owns    the kv, the reads that wait for a read point or a revision, the watches, the walks of snapshots.
 *         Sends what changed to the log writer, one LOG_COPY at a time: no reply ever waits for that
 *         (consensus.md section 1). After a flip it loads the new generation beside the state that it has,
 * and changes over in one turn (N6): until then that state is an older one, and whole. Limits  PARKED_MAX
 * waiting reads, WATCHES_MAX streams, POLLS_MAX long polls; one more is OVERLOADED. */
#include "actors/consensus/state.h"

#include "actors/consensus/answers.h"
#include "actors/consensus/messages.h"
#include "actors/consensus/patience.h"
#include "actors/consensus/snapshot_messages.h"
#include "actors/consensus/walks.h"
#include "actors/consensus/watches.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/planted.h"
#include "store/kv.h"
#include "store/schema/cluster_checkpoint.h"
#include "wire/kinds.h"

enum { PARKED_MAX = 4096, UNCOPIED_MAX = 4096, ROUNDS_MAX = 2 };
static const int64_t sweep_ns = MILLISECONDS(20);
static const int64_t patient_sweep_ns = MILLISECONDS(250);
static const int64_t copy_pause_ns = MILLISECONDS(20);
static const int64_t round_timeout_ns = SECONDS(1);
static const size_t load_bytes = (size_t)1024 * 1024;

/* A read that can't be answered yet. */
struct parked {
    struct message *request;
    uint64_t after; /* Applied at least this far. */
    uint64_t round; /* Not 0: answered once this round is confirmed (Q1). */
    int64_t end_ns;
    bool patient; /* Its round goes with the next heartbeat. */
};

/* The state of a snapshot that was installed, on its way from the disk. */
struct loading {
    struct kv *kv; /* NULL: nothing is being loaded. */
    struct snapshot_header header;
    struct actor_id leader; /* Who is told. */
};

struct state {
    struct kv *kv;
    const struct kv_rules *rules;
    struct watches watches;
    struct walks walks;
    struct loading loading;
    struct configuration configuration; /* The one in force at the applied index (M1): for snapshots. */
    log_index configuration_index;      /* 0: none as yet. */
    const struct consensus_probe *probe;
    log_index commit; /* As the leader actor last said. */
    /* T6: the copy was damaged; until this index is applied again nothing is read and nobody is told
     * anything. UINT64_MAX: until a snapshot is in. 0: all is well. */
    log_index mended_at;
    struct parked parked[PARKED_MAX];
    uint32_t parked_count;
    /* Rounds of READ_POINT, numbered from 1: each serves all reads that came before it began. */
    uint64_t round_next;
    uint64_t round_confirmed;
    uint32_t rounds_running;
    log_term round_term;      /* Of the leader that confirmed the last one. */
    enum status round_status; /* Why the last one failed. */
    uint32_t generation;      /* Of the copy that this state continues (N6). */
    bool copying;             /* A LOG_COPY is on its way to the disk. */
    bool copy_waits;          /* The timer for the next one runs. */
    bool sweeping;            /* The timer runs, */
    bool sweep_is_patient;    /* and for nothing but patient reads. */
    struct timer_id sweep_timer;
};

/* --- reads --- */

static void sweep_later(struct actor *self, struct state *state, bool patient)
{
    if (state->sweeping && (patient || !state->sweep_is_patient)) return;
    if (state->sweeping) actor_cancel(self, &state->sweep_timer);
    state->sweeping = true;
    state->sweep_is_patient = patient;
    state->sweep_timer = actor_after(self, patient ? patient_sweep_ns : sweep_ns, KIND_STATE_SWEEP, 0);
}

/* Renewals of presence are all that a cluster at rest reads: no timer shall wake it for those that were
 * served. */
static void sweep_no_more(struct actor *self, struct state *state)
{
    if (!state->sweeping || !state->sweep_is_patient) return;
    actor_cancel(self, &state->sweep_timer);
    state->sweeping = false;
}

static bool is_ready(const struct state *state, const struct parked *parked, const struct message *request)
{
    if (kv_applied(state->kv).index < state->mended_at) return false;
    if (kv_applied(state->kv).index < parked->after || parked->round > state->round_confirmed) return false;
    /* Who asked for a barrier reads from a watcher's view next: that has to be as fresh (Q1). */
    return request->kind != KIND_READ_BARRIER || !watches_lag(&state->watches, request->sender);
}

static void refuse_waited(struct actor *self, const struct state *state, const struct parked *parked)
{
    struct error error = { 0 };
    log_index applied = kv_applied(state->kv).index;
    if (applied < state->mended_at) {
        (void)error_set(&error, STATUS_NOT_READY, "this node's state was damaged and is being restored");
        MARK("state.read_while_it_is_mended");
    } else if (applied < parked->after) {
        (void)error_set(&error, STATUS_DEADLINE,
                        "revision %llu is not visible here yet; this node is at %llu",
                        (unsigned long long)parked->after, (unsigned long long)applied);
    } else if (state->round_status == STATUS_OVERLOADED) {
        (void)error_set(&error, STATUS_OVERLOADED, "too many reads wait for the leader");
    } else if (parked->round <= state->round_confirmed) {
        (void)error_set(&error, STATUS_OVERLOADED, "a watcher on this node does not keep up");
        MARK("state.watcher_lags");
    } else {
        (void)error_set(&error, STATUS_NO_LEADER, "no leader confirmed the read in time");
        error_hint(&error, "--stale reads what this node has, at revision %llu", (unsigned long long)applied);
    }
    actor_refuse_error(self, parked->request, &error);
}

static void serve_parked(struct actor *self, struct state *state)
{
    struct answer_view view = { .kv = state->kv, .commit = state->commit, .term = state->round_term };
    int64_t now_ns = actor_now_ns(self);
    uint32_t left = 0;
    for (uint32_t i = 0; i < state->parked_count; i++) {
        struct parked *parked = &state->parked[i];
        if (is_ready(state, parked, parked->request)) {
            answers_reply(self, &view, parked->request);
        } else if (now_ns >= parked->end_ns) {
            refuse_waited(self, state, parked);
        } else {
            state->parked[left++] = *parked;
            continue;
        }
        message_destroy(&parked->request);
    }
    state->parked_count = left;
}

static void on_round(struct actor *self, void *context_state, void *context, const struct ask_result *result)
{
    (void)self;
    struct state *state = context_state;
    uint64_t round = (uint64_t)(uintptr_t)context;
    state->rounds_running--;
    state->round_status = result->status;
    if (result->status == STATUS_OK) {
        const struct read_point_reply *reply = result->message->body;
        CHECK(kv_applied(state->kv).index >= reply->index); /* It waited for us to say so. */
        state->round_term = reply->term;
        if (round > state->round_confirmed) state->round_confirmed = round;
        if (PLANTED("state.round_confirms_later_reads")) state->round_confirmed = state->round_next;
    }
    /* turn_end serves, and begins the next round; a refused one only after the sweep's pause. */
}

/* Does a read wait that no round covers? One that failed is covered by whichever runs after it. */
static bool wants_round(const struct state *state, bool *out_patient)
{
    uint64_t covered = state->rounds_running > 0 ? state->round_next - 1 : state->round_confirmed;
    bool wants = false;
    *out_patient = true;
    for (uint32_t i = state->parked_count; i > 0 && *out_patient; i--) {
        const struct parked *parked = &state->parked[i - 1];
        if (parked->round <= covered) continue;
        wants = true;
        *out_patient = parked->patient;
    }
    return wants;
}

static void begin_round(struct actor *self, struct state *state)
{
    bool patient = false;
    if (state->rounds_running == ROUNDS_MAX || !wants_round(state, &patient)) return;
    if (patient && state->rounds_running > 0) return; /* One place is left for who is in a hurry. */
    state->rounds_running++;
    uint64_t round = state->round_next++;
    struct message *message = messages_create(KIND_READ_POINT, sizeof(struct read_point));
    ((struct read_point *)message->body)->patient = patient;
    actor_ask_name(self, TO_LEADER, &message, round_timeout_ns, on_round, (void *)(uintptr_t)round);
}

static void on_read(struct actor *self, void *actor_state, const struct message *message)
{
    struct state *state = actor_state;
    struct answer_terms terms = answers_terms(message);
    struct parked parked = { .after = terms.after, .patient = terms.patient };
    /* What is past stays as it is: no leader has to confirm a read at a revision that is applied here.
     * Whether one that isn't lies in the future, the leader knows. */
    bool is_past = terms.at != 0 && terms.at <= kv_applied(state->kv).index;
    if (!terms.stale && !is_past) parked.round = state->round_next;
    if (PLANTED("state.read_without_a_round")) parked.round = 0;
    if (PLANTED("state.after_is_not_awaited")) parked.after = 0;
    if (is_ready(state, &parked, message)) {
        struct answer_view view = { .kv = state->kv, .commit = state->commit, .term = state->round_term };
        answers_reply(self, &view, message);
        return;
    }
    if (state->parked_count == PARKED_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return;
    }
    parked.end_ns = patience_end_ns(message, actor_now_ns(self));
    parked.request = actor_keep(self);
    state->parked[state->parked_count++] = parked;
}

/* --- applying --- */

static void add_result(struct message *answer, const struct raft_entry *entry, const Pb__ProposeReply *reply)
{
    struct applied *applied = answer->body;
    applied->results[applied->result_count++] = (struct apply_result){
        .index = entry->index, .term = entry->term, .reply = answers_propose_reply(reply)
    };
}

/* M1: what a snapshot of this state has to say. The core has seen the same bytes, and checked them (M4). */
static void note_configuration(struct state *state, const struct raft_entry *entry)
{
    CHECK(entry->payload != NULL);
    enum status status =
        configuration_unpack(entry->payload->data, entry->payload->size, &state->configuration);
    CHECK(status == STATUS_OK);
    state->configuration_index = entry->index;
}

/* F4: the newest CHECKPOINT of this batch, and the hash after it, for the others to compare. */
static void note_checkpoint(const struct state *state, const struct raft_entry *entry,
                            struct applied *applied)
{
    applied->checkpoint = entry->index;
    bytes_unref(&applied->checkpoint_payload);
    applied->checkpoint_payload = bytes_ref(entry->payload);
    kv_state_hash(state->kv, applied->checkpoint_hash);
}

static void mend(struct state *state)
{
    state->mended_at = 0;
    MARK("state.is_mended");
    watches_hold(&state->watches, false);
    watches_start_over(&state->watches);
}

static void on_apply(struct actor *self, void *actor_state, const struct message *message)
{
    struct state *state = actor_state;
    const struct apply *apply = message->body;
    struct message *answer = messages_applied(apply->want_results ? apply->entry_count : 0);
    struct applied *applied = answer->body;
    for (uint32_t i = 0; i < apply->entry_count; i++) {
        const struct raft_entry *entry = &apply->entries[i];
        struct kv_outcome outcome = { 0 };
        kv_apply(state->kv, entry, &outcome);
        if (entry->type == ENTRY_CONFIGURATION) note_configuration(state, entry);
        if (entry->type == ENTRY_CHECKPOINT) note_checkpoint(state, entry, applied);
        if (apply->want_results && outcome.reply != NULL) add_result(answer, entry, outcome.reply);
        if (outcome.change_count > 0) {
            watches_on_applied(self, &state->watches, entry->index, outcome.changes, outcome.change_count);
        }
        if (state->probe != NULL) {
            uint8_t hash[16];
            kv_state_hash(state->kv, hash);
            state->probe->on_applied(state->probe->context, entry, hash);
        }
        applied->index = entry->index;
        applied->term = entry->term;
    }
    state->commit = apply->commit;
    if (state->mended_at != 0 && applied->index >= state->mended_at) mend(state);
    actor_tell(self, message->sender, &answer);
    watches_sweep(self, &state->watches, state->kv);
}

static void on_copied(struct actor *self, void *actor_state, void *context, const struct ask_result *result)
{
    (void)context;
    struct state *state = actor_state;
    state->copying = false;
    /* Slow is not lost: the writer has it, and takes the next one after it. */
    if (result->status == STATUS_OK || result->status == STATUS_DEADLINE) return;
    MARK("state.copy_is_lost");
    struct error error = *result->error;
    /* It has ended, by a fault of its own, of which the supervisor may hear only after ours. */
    if (error.status == STATUS_CRASHED || error.status == STATUS_NOT_FOUND) error.status = STATUS_IO;
    (void)error_wrap(&error, "the log writer did not take the state's copy");
    actor_fail(self, &error);
}

static void copy(struct actor *self, struct state *state)
{
    if (state->copying || state->loading.kv != NULL) return;
    struct message *message = messages_create(KIND_LOG_COPY, sizeof(struct kv_copy));
    if (!kv_copy_take(state->kv, &message->arena, message->body)) {
        message_destroy(&message);
        return;
    }
    ((struct kv_copy *)message->body)->generation = state->generation;
    state->copying = true;
    actor_ask_name(self, TO_LOG_WRITER, &message, SECONDS(30), on_copied, NULL);
}

/* Not after each entry: what is written again and again (a session's last result, a counter) is copied once,
 * and most transactions hold nothing but the log. A start replays what was left out. */
static void copy_later(struct actor *self, struct state *state)
{
    if (kv_copy_pending(state->kv) > UNCOPIED_MAX) copy(self, state);
    if (state->copying || state->copy_waits || kv_is_copied(state->kv)) return;
    state->copy_waits = true;
    (void)actor_after(self, copy_pause_ns, KIND_STATE_COPY_DUE, 0);
}

static void on_copy_due(struct actor *self, void *actor_state, const struct message *message)
{
    (void)message;
    struct state *state = actor_state;
    state->copy_waits = false;
    copy(self, state);
}

/* --- snapshots --- */

static void on_walk_begin(struct actor *self, void *actor_state, const struct message *message)
{
    struct state *state = actor_state;
    if (state->configuration_index == 0 || state->loading.kv != NULL) {
        actor_refuse(self, message, STATUS_NOT_READY);
        return;
    }
    walks_begin(self, &state->walks, state->kv, &state->configuration, state->configuration_index, message);
}

static void on_walk_next(struct actor *self, void *actor_state, const struct message *message)
{
    struct state *state = actor_state;
    walks_next(self, &state->walks, message);
}

static void on_walk_end(struct actor *self, void *actor_state, const struct message *message)
{
    (void)self;
    struct state *state = actor_state;
    walks_end(&state->walks, message->sender, ((const struct snapshot_end *)message->body)->id);
}

static void fail(struct actor *self, struct error *error, const char *what)
{
    (void)error_wrap(error, "%s", what);
    log_error(self, "consensus.state_failed", "%s", error->message);
    actor_fail(self, error);
}

/* T3: what the snapshot says that each replica holds. NULL: nothing; else a reference. */
static struct bytes *recorded_checkpoint(const struct kv *kv)
{
    struct checkpoint checkpoint;
    const struct kv_record *record = kv_get(kv, CLUSTER_CHECKPOINT_KEY);
    if (record == NULL || cluster_checkpoint_read(record, &checkpoint) != STATUS_OK) return NULL;
    return checkpoint_pack(&checkpoint);
}

/* N6: from here on there is only the new state. Local watchers are given all of it, which says the same as
 * "compacted" and leaves no gap; polls are told from where to go on. */
static void change_over(struct actor *self, struct state *state)
{
    const struct snapshot_header *header = &state->loading.header;
    walks_end_all(&state->walks);
    kv_destroy(&state->kv);
    state->kv = state->loading.kv;
    state->loading.kv = NULL;
    state->configuration = header->configuration;
    state->configuration_index = header->configuration_index;
    if (state->commit < header->position.index) state->commit = header->position.index;
    log_info(self, "consensus.state_loaded", "index=%llu", (unsigned long long)header->position.index);
    if (state->probe != NULL && state->probe->on_loaded != NULL) {
        state->probe->on_loaded(state->probe->context, &header->position, header->state_hash);
    }
    mend(state);
    watches_sweep(self, &state->watches, state->kv);
    struct message *answer = messages_applied(0);
    struct applied *applied = answer->body;
    applied->index = header->position.index;
    applied->term = header->position.term;
    applied->checkpoint_payload = recorded_checkpoint(state->kv);
    actor_tell(self, state->loading.leader, &answer);
}

static void load_more(struct actor *self, struct state *state, const struct log_copy_cursor *cursor);

static void on_page(struct actor *self, void *actor_state, void *context, const struct ask_result *result)
{
    (void)context;
    struct state *state = actor_state;
    if (result->status == STATUS_CANCELLED) return; /* This node stops. */
    struct error error = { 0 };
    if (result->status != STATUS_OK) {
        error = *result->error;
        fail(self, &error, "the log writer did not give the snapshot back");
        return;
    }
    const struct log_copy_page *page = result->message->body;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < page->record_count && status == STATUS_OK; i++)
        status = kv_load(state->loading.kv, &page->records[i], &error);
    if (status == STATUS_OK && !page->cursor.done) {
        load_more(self, state, &page->cursor);
        return;
    }
    const struct snapshot_header *header = &state->loading.header;
    if (status == STATUS_OK) {
        status = kv_load_end(state->loading.kv, &header->position, header->position.index + 1,
                             header->state_hash, &error);
    }
    if (status == STATUS_OK) change_over(self, state);
    else fail(self, &error, "the snapshot on disk"); /* The next start finds the damage (T6). */
}

static void load_more(struct actor *self, struct state *state, const struct log_copy_cursor *cursor)
{
    struct message *message = messages_create(KIND_LOG_COPY_READ, sizeof(struct log_copy_read));
    *(struct log_copy_read *)message->body =
        (struct log_copy_read){ .generation = state->generation, .cursor = *cursor, .max_bytes = load_bytes };
    actor_ask_name(self, TO_LOG_WRITER, &message, SECONDS(60), on_page, NULL);
}

static void on_reload(struct actor *self, void *actor_state, const struct message *message)
{
    struct state *state = actor_state;
    CHECK(state->loading.kv == NULL); /* The core has one INSTALL at a time. */
    state->loading = (struct loading){ .kv = kv_create(state->rules),
                                       .header = ((const struct state_reload *)message->body)->header,
                                       .leader = message->sender };
    state->generation = 1 - state->generation; /* The flip. */
    load_more(self, state, &(struct log_copy_cursor){ 0 });
}

/* --- watches, timer, life --- */

static void on_watch(struct actor *self, void *actor_state, const struct message *message)
{
    struct state *state = actor_state;
    if (message->from_node != NULL) { /* Streams are for actors of this node. */
        actor_refuse(self, message, STATUS_INVALID);
        return;
    }
    if (!watches_knows(&state->watches, message->sender)) actor_monitor(self, message->sender);
    watches_add(self, &state->watches, state->kv, message);
}

/* A watcher that was started again watches anew; its former streams would take the places of others. */
static void on_asker_down(struct actor *self, void *actor_state, const struct message *message)
{
    (void)self;
    struct state *state = actor_state;
    struct actor_id gone = ((const struct actor_down *)message->body)->id;
    watches_forget(&state->watches, gone);
    walks_forget(&state->walks, gone);
}

static void on_unwatch(struct actor *self, void *actor_state, const struct message *message)
{
    (void)self;
    struct state *state = actor_state;
    watches_remove(&state->watches, message->sender, ((const Pb__StateUnwatch *)message->body)->watch_id);
}

static void on_poll(struct actor *self, void *actor_state, const struct message *message)
{
    struct state *state = actor_state;
    watches_poll(self, &state->watches, state->kv, message);
}

static void on_sweep(struct actor *self, void *actor_state, const struct message *message)
{
    (void)message;
    struct state *state = actor_state;
    state->sweeping = false;
    state->round_status = STATUS_OK; /* The pause after a refused round is over. */
    watches_sweep(self, &state->watches, state->kv);
}

static bool has_hurried(const struct state *state)
{
    for (uint32_t i = 0; i < state->parked_count; i++) {
        if (!state->parked[i].patient) return true;
    }
    return false;
}

static void on_turn_end(struct actor *self, void *actor_state)
{
    struct state *state = actor_state;
    serve_parked(self, state);
    if (state->round_status == STATUS_OK) begin_round(self, state);
    copy_later(self, state);
    bool lags = watches_need_sweep(&state->watches) || state->round_status != STATUS_OK;
    if (lags || has_hurried(state)) sweep_later(self, state, false);
    else if (state->parked_count > 0) sweep_later(self, state, true);
    else sweep_no_more(self, state);
}

static enum status load_copy(struct state *state, struct log *log, struct error *error)
{
    const struct log_boot *boot = &log->boot;
    state->generation = boot->generation;
    if (boot->copy_state == LOG_COPY_REPLAY) state->mended_at = boot->committed;
    if (boot->copy_state == LOG_COPY_SNAPSHOT) state->mended_at = UINT64_MAX;
    watches_hold(&state->watches, state->mended_at != 0);
    if (boot->applied.index == 0) return STATUS_OK;
    struct log_copy_cursor cursor = { 0 };
    while (!cursor.done) {
        enum status status =
            log->ops->read_copy(log, boot->generation, &cursor, load_bytes, kv_load, state->kv, error);
        if (status != STATUS_OK) return status;
    }
    return kv_load_end(state->kv, &boot->applied, boot->history_first, boot->state_hash, error);
}

struct found_configuration {
    struct state *state;
    log_index applied;
};

static void find_configuration(void *context, const struct raft_entry *entry)
{
    const struct found_configuration *found = context;
    if (entry->index <= found->applied) note_configuration(found->state, entry);
}

static enum status on_init(struct actor *self, void *actor_state, const void *options, struct error *error)
{
    (void)self;
    const struct state_options *given = options;
    struct state *state = actor_state;
    state->rules = given->rules;
    state->kv = kv_create(given->rules);
    state->probe = given->probe;
    state->round_next = 1;
    state->walks.side_bytes_max = given->snapshot_side_bytes;
    state->walks.chunk_bytes = given->snapshot_chunk_bytes;
    enum status status = load_copy(state, given->log, error);
    struct found_configuration found = { state, given->log->boot.applied.index };
    if (status == STATUS_OK)
        status = given->log->ops->read_configurations(given->log, find_configuration, &found, error);
    if (status != STATUS_OK) kv_destroy(&state->kv);
    return status;
}

static void on_stop(struct actor *self, void *actor_state)
{
    struct state *state = actor_state;
    for (uint32_t i = 0; i < state->parked_count; i++) {
        actor_refuse(self, state->parked[i].request, STATUS_NOT_READY);
    }
    watches_stop(self, &state->watches);
}

static void on_fini(void *actor_state)
{
    struct state *state = actor_state;
    for (uint32_t i = 0; i < state->parked_count; i++)
        message_destroy(&state->parked[i].request);
    watches_fini(&state->watches);
    walks_end_all(&state->walks);
    kv_destroy(&state->loading.kv);
    kv_destroy(&state->kv);
}

static const struct behavior_row rows[] = {
    { KIND_APPLY, on_apply },
    { KIND_KV_READ_REQUEST, on_read },
    { KIND_KV_GET_REQUEST, on_read },
    { KIND_KV_LIST_REQUEST, on_read },
    { KIND_READ_BARRIER, on_read },
    { KIND_KV_WATCH_REQUEST, on_poll },
    { KIND_STATE_WATCH, on_watch },
    { KIND_STATE_UNWATCH, on_unwatch },
    { KIND_STATE_SWEEP, on_sweep },
    { KIND_STATE_COPY_DUE, on_copy_due },
    { KIND_DOWN, on_asker_down },
    { KIND_SNAPSHOT_BEGIN, on_walk_begin },
    { KIND_SNAPSHOT_NEXT, on_walk_next },
    { KIND_SNAPSHOT_END, on_walk_end },
    { KIND_STATE_RELOAD, on_reload },
};

const struct behavior state_behavior = {
    .name = "state",
    .state_size = sizeof(struct state),
    .home = ACTOR_POOLED,
    .pool = POOL_CONSENSUS,
    .mailbox_capacity = 8192,
    .init = on_init,
    .stop = on_stop,
    .fini = on_fini,
    .turn_end = on_turn_end,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
