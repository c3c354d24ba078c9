/* state: applies committed commands to the live state, answers reads, feeds watches.
 * Learns  only from APPLY, so a restart loses nothing: the copy is loaded, then the log is replayed to it.
 * Owns    the kv, the reads that wait for a read point or a revision, the watches. Sends what changed to the
 *         log writer, one LOG_COPY at a time: no reply ever waits for that (consensus.md section 1).
 * Limits  PARKED_MAX waiting reads, WATCHES_MAX streams, POLLS_MAX long polls; one more is OVERLOADED. */
#include "actors/consensus/state.h"

#include "actors/consensus/answers.h"
#include "actors/consensus/messages.h"
#include "actors/consensus/patience.h"
#include "actors/consensus/watches.h"
#include "store/kv.h"
#include "wire/kinds.h"

enum { PARKED_MAX = 4096 };
static const int64_t sweep_ns = MILLISECONDS(20);
static const int64_t round_timeout_ns = SECONDS(1);
static const size_t load_bytes = (size_t)1024 * 1024;

/* A read that can't be answered yet. */
struct parked {
    struct message *request;
    uint64_t after; /* Applied at least this far. */
    uint64_t round; /* Not 0: answered once this round is confirmed (Q1). */
    int64_t end_ns;
};

struct state {
    struct kv *kv;
    struct watches watches;
    const struct consensus_probe *probe;
    log_index commit; /* As the leader actor last said. */
    struct parked parked[PARKED_MAX];
    uint32_t parked_count;
    /* Rounds of READ_POINT, numbered from 1: one at a time serves all reads that came before it began. */
    uint64_t round_next;
    uint64_t round_confirmed;
    bool round_running;
    log_term round_term;      /* Of the leader that confirmed the last one. */
    enum status round_status; /* Why the last one failed. */
    uint32_t generation;      /* Of the copy that this state continues (N6). */
    bool copying;             /* A LOG_COPY is on its way to the disk. */
    bool sweeping;            /* The timer runs. */
};

/* --- reads --- */

static void sweep_later(struct actor *self, struct state *state)
{
    if (state->sweeping) return;
    state->sweeping = true;
    (void)actor_after(self, sweep_ns, KIND_STATE_SWEEP, 0);
}

static bool is_ready(const struct state *state, const struct parked *parked, const struct message *request)
{
    if (kv_applied(state->kv).index < parked->after || parked->round > state->round_confirmed) return false;
    /* Who asked for a barrier reads from a watcher's view next: that has to be as fresh (Q1). */
    return request->kind != KIND_READ_BARRIER || !watches_lag(&state->watches, request->sender);
}

static void refuse_waited(struct actor *self, const struct state *state, const struct parked *parked)
{
    struct error error = { 0 };
    log_index applied = kv_applied(state->kv).index;
    if (applied < parked->after) {
        (void)error_set(&error, STATUS_DEADLINE,
                        "revision %llu is not visible here yet; this node is at %llu",
                        (unsigned long long)parked->after, (unsigned long long)applied);
    } else if (state->round_status == STATUS_OVERLOADED) {
        (void)error_set(&error, STATUS_OVERLOADED, "too many reads wait for the leader");
    } else if (parked->round <= state->round_confirmed) {
        (void)error_set(&error, STATUS_OVERLOADED, "a watcher on this node does not keep up");
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
    (void)self, (void)context;
    struct state *state = context_state;
    state->round_running = false;
    state->round_status = result->status;
    if (result->status == STATUS_OK) {
        const struct read_point_reply *reply = result->message->body;
        CHECK(kv_applied(state->kv).index >= reply->index); /* It waited for us to say so. */
        state->round_term = reply->term;
        state->round_confirmed = state->round_next - 1;
    }
    /* turn_end serves, and begins the next round; a refused one only after the sweep's pause. */
}

static bool wants_round(const struct state *state)
{
    for (uint32_t i = 0; i < state->parked_count; i++) {
        if (state->parked[i].round > state->round_confirmed) return true;
    }
    return false;
}

static void begin_round(struct actor *self, struct state *state)
{
    if (state->round_running || !wants_round(state)) return;
    state->round_running = true;
    state->round_next++;
    struct message *message = messages_create(KIND_READ_POINT, 0);
    actor_ask_name(self, TO_LEADER, &message, round_timeout_ns, on_round, NULL);
}

static void on_read(struct actor *self, void *actor_state, const struct message *message)
{
    struct state *state = actor_state;
    struct answer_terms terms = answers_terms(message);
    struct parked parked = { .after = terms.after > terms.at ? terms.after : terms.at };
    /* What is past stays as it is: no leader has to confirm a read at a revision that is applied here. */
    if (!terms.stale && terms.at == 0) parked.round = state->round_next;
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
    struct error error = *result->error;
    (void)error_wrap(&error, "the log writer did not take the state's copy");
    actor_fail(self, &error);
}

static void copy(struct actor *self, struct state *state)
{
    if (state->copying) return;
    struct message *message = messages_create(KIND_LOG_COPY, sizeof(struct kv_copy));
    if (!kv_copy_take(state->kv, &message->arena, message->body)) {
        message_destroy(&message);
        return;
    }
    ((struct kv_copy *)message->body)->generation = state->generation;
    state->copying = true;
    actor_ask_name(self, TO_LOG_WRITER, &message, SECONDS(30), on_copied, NULL);
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
static void on_watcher_down(struct actor *self, void *actor_state, const struct message *message)
{
    (void)self;
    struct state *state = actor_state;
    watches_forget(&state->watches, ((const struct actor_down *)message->body)->id);
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

static void on_turn_end(struct actor *self, void *actor_state)
{
    struct state *state = actor_state;
    serve_parked(self, state);
    if (state->round_status == STATUS_OK) begin_round(self, state);
    copy(self, state);
    if (state->parked_count > 0 || watches_need_sweep(&state->watches)) sweep_later(self, state);
}

static enum status load_copy(struct state *state, struct log *log, struct error *error)
{
    const struct log_boot *boot = &log->boot;
    state->generation = boot->generation;
    if (boot->applied.index == 0) return STATUS_OK;
    struct log_copy_cursor cursor = { 0 };
    while (!cursor.done) {
        enum status status =
            log->ops->read_copy(log, boot->generation, &cursor, load_bytes, kv_load, state->kv, error);
        if (status != STATUS_OK) return status;
    }
    return kv_load_end(state->kv, &boot->applied, boot->history_first, boot->state_hash, error);
}

static enum status on_init(struct actor *self, void *actor_state, const void *options, struct error *error)
{
    (void)self;
    const struct state_options *given = options;
    struct state *state = actor_state;
    state->kv = kv_create(given->rules);
    state->probe = given->probe;
    state->round_next = 1;
    enum status status = load_copy(state, given->log, error);
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
    kv_destroy(&state->kv);
}

static const struct behavior_row rows[] = {
    { KIND_APPLY, on_apply },          { KIND_KV_READ_REQUEST, on_read },  { KIND_KV_GET_REQUEST, on_read },
    { KIND_KV_LIST_REQUEST, on_read }, { KIND_READ_BARRIER, on_read },     { KIND_KV_WATCH_REQUEST, on_poll },
    { KIND_STATE_WATCH, on_watch },    { KIND_STATE_UNWATCH, on_unwatch }, { KIND_STATE_SWEEP, on_sweep },
    { KIND_DOWN, on_watcher_down },
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
