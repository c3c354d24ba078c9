/* core: creation, the step, and the settling that ends each step (see the header; rules in consensus.md).
 * Each event changes what it must; settling then draws the consequences in one fixed order: commit, persist,
 * apply, reads, sending, role. */
#include "store/raft/core.h"

#include "store/raft/applying.h"
#include "store/raft/core_state.h"
#include "store/raft/election.h"
#include "store/raft/following.h"
#include "store/raft/gate.h"
#include "store/raft/inlet.h"
#include "store/raft/membership.h"
#include "store/raft/outbox.h"
#include "store/raft/persistence.h"
#include "store/raft/reads.h"
#include "store/raft/recording.h"
#include "store/raft/replication.h"
#include "store/raft/roster.h"
#include "store/raft/snapshots.h"
#include "store/raft/starting.h"
#include "store/raft/transfer.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"

static void or_default(uint32_t *field, uint32_t value)
{
    if (*field == 0) *field = value;
}

static void fill_defaults(struct core_options *options)
{
    or_default(&options->heartbeat_ticks, 10);
    or_default(&options->election_min_ticks, 50);
    or_default(&options->election_max_ticks, 100);
    or_default(&options->window_messages, PROGRESS_WINDOW_MAX);
    or_default(&options->window_bytes, 4 * 1024 * 1024);
    or_default(&options->append_entries, CORE_APPEND_ENTRIES_MAX);
    or_default(&options->tail_entries, 8192);
    or_default(&options->tail_bytes, 8 * 1024 * 1024);
    or_default(&options->uncommitted_bytes, 8 * 1024 * 1024);
    or_default(&options->preference_ticks, 6000);
    or_default(&options->preference_max_ticks, 360000);
    or_default(&options->checkpoint_entries, 1024);
    or_default(&options->checkpoint_ticks, 6000);
}

struct core *core_create(const struct core_options *options)
{
    struct core *core = memory_zalloc(sizeof *core);
    core->options = *options;
    fill_defaults(&core->options);
    options = &core->options;
    CHECK(options->self != 0);
    CHECK(options->heartbeat_ticks < options->election_min_ticks);
    CHECK(options->election_min_ticks < options->election_max_ticks);
    CHECK(options->window_messages <= PROGRESS_WINDOW_MAX);
    CHECK(options->append_entries <= CORE_APPEND_ENTRIES_MAX);
    CHECK(options->append_entries <= options->tail_entries);
    core->random = options->seed;
    core->transfer.back_off = options->preference_ticks;
    tail_init(&core->tail, options->tail_entries, options->tail_bytes);
    return core;
}

void core_destroy(struct core **core)
{
    if (*core == NULL) return;
    tail_fini(&(*core)->tail);
    memory_free(*core);
    *core = NULL;
}

void core_fail(struct core *core, enum core_stop reason)
{
    if (core->stop == CORE_RUNNING) core->stop = reason;
}

uint64_t core_draw(struct core *core, uint64_t below)
{
    core->random +=
        UINT64_C(0x9E3779B97F4A7C15); /* A Weyl sequence, mixed: as in SplitMix64 (Steele, 2014). */
    uint64_t drawn = hash64_mix(core->random, core->options.self);
    return below == 0 ? drawn : drawn % below;
}

bool core_is_ready(const struct core *core)
{
    return core->role == CORE_LEADER && core->commit >= core->no_op;
}

bool core_is_whole(const struct core *core)
{
    return !core->damaged && core->applied >= core->replay_till;
}

void core_commit(struct core *core, log_index index)
{
    if (index <= core->commit) return;
    CHECK(index <= tail_last(&core->tail).index);
    for (log_index i = core->commit + 1; i <= index; i++) {
        const struct raft_entry *entry = tail_at(&core->tail, i);
        if (entry != NULL) core->uncommitted_bytes -= tail_entry_bytes(entry);
    }
    core->commit = index;
    core->commit_moved = core->now;
}

/* --- events --- */

static void on_tick(struct core *core, uint32_t ticks)
{
    core->now += ticks == 0 ? 1 : ticks;
    gate_on_tick(core);
    election_on_tick(core);
    replication_on_tick(core);
    transfer_on_tick(core);
    reads_on_tick(core);
    snapshots_on_tick(core);
}

static void dispatch_reply(struct core *core, const struct core_message *message)
{
    struct progress *peer = roster_peer(core, message->from);
    /* Whoever asks may have a disk that stands still (E6): answers count, questions don't. */
    bool answers = message->type != CORE_READ_INDEX && message->term == core->hard.term;
    if (peer != NULL && answers) peer->heard = core->now;
    switch (message->type) {
    case CORE_PREVOTE_REPLY: election_on_prevote_reply(core, message); break;
    case CORE_VOTE_REPLY: election_on_vote_reply(core, message); break;
    case CORE_APPEND_REPLY: replication_on_append_reply(core, message); break;
    case CORE_HEARTBEAT_REPLY:
        if (core->role == CORE_LEADER && peer != NULL) reads_on_heartbeat_reply(core, peer, message->token);
        break;
    case CORE_READ_INDEX: reads_on_read_index(core, message); break;
    case CORE_READ_INDEX_REPLY: reads_on_read_index_reply(core, message); break;
    case CORE_TIMEOUT_NOW: election_on_timeout_now(core, message); break;
    default: break;
    }
}

static void on_receive(struct core *core, const struct core_message *message)
{
    if (!inlet_accepts(core, message)) {
        MARK("raft.message_is_damaged");
        core->malformed_count++;
        return;
    }
    if (!persistence_has_room(core, PERSISTENCE_SPARE_MESSAGE)) { /* As if the network had lost it. */
        MARK("raft.message_dropped_for_a_slow_disk");
        return;
    }
    if (!gate_admits(core, message)) return;
    if (message->type == CORE_HELLO_REPLY) {
        gate_on_hello_reply(core, message);
        return;
    }
    if (election_must_follow(core, message)) election_follow(core, message->term, 0); /* E4 */
    bool of_leader = message->type == CORE_APPEND || message->type == CORE_HEARTBEAT;
    bool asks_vote = message->type == CORE_PREVOTE || message->type == CORE_VOTE;
    if (message->type == CORE_PREVOTE) election_on_prevote(core, message);
    if (message->type == CORE_VOTE) election_on_vote(core, message);
    if (message->type == CORE_HELLO) gate_on_hello(core, message);
    if (of_leader && message->term < core->hard.term) following_refuse(core, message);
    else if (message->type == CORE_APPEND) following_on_append(core, message);
    else if (message->type == CORE_HEARTBEAT) following_on_heartbeat(core, message);
    bool current = message->term == core->hard.term || message->type == CORE_PREVOTE_REPLY;
    current = current || (MUTANT(core, OLD_TERM_REPLY) && message->type == CORE_APPEND_REPLY) ||
              (MUTANT(core, TOKEN_OF_OLD_TERM) && message->type == CORE_HEARTBEAT_REPLY);
    if (!of_leader && !asks_vote && current) dispatch_reply(core, message);
}

static void on_propose(struct core *core, const struct core_proposal *proposals, uint32_t count)
{
    if (count == 0 || count > CORE_PROPOSALS_MAX) core_fail(core, CORE_STOP_DRIVER);
    else replication_on_propose(core, proposals, count);
}

static void on_disk_error(struct core *core)
{
    election_follow(core, core->hard.term, 0); /* E6 */
    core_fail(core, CORE_STOP_DISK);
}

static void on_checkpoint(struct core *core, const struct checkpoint *checkpoint)
{
    core->gate.recorded = *checkpoint;
}

/* D7: nothing goes that is not applied, or in a snapshot that is durable and about to be loaded: the log
 * writer goes by what the disk has applied, which is ahead of us from the flip on. */
static void on_compacted(struct core *core, const struct log_position *base)
{
    if (base->index <= core->tail.base.index) return; /* A snapshot went beyond it meanwhile. */
    log_index applied = core->applied;
    log_index flipped = core->receiving.stage >= RECEIVING_FLIP ? core->receiving.snapshot.position.index : 0;
    if (flipped > applied) applied = flipped;
    if (base->index > applied || base->index > core->persistence.durable) {
        core_fail(core, CORE_STOP_DRIVER);
        return;
    }
    tail_compact(&core->tail, base);
}

/* Events of membership, snapshots and the gate. */
static void dispatch_wider(struct core *core, const struct core_event *event)
{
    switch (event->type) {
    case CORE_EVENT_CONF: membership_on_conf(core, event->conf.tag, event->conf.wanted); break;
    case CORE_EVENT_RETIRED: gate_on_retired(core, event->retired.ids, event->retired.count); break;
    case CORE_EVENT_CHECKPOINT: on_checkpoint(core, event->checkpoint); break;
    case CORE_EVENT_COMPACTED: on_compacted(core, &event->position); break;
    case CORE_EVENT_SNAPSHOT_SENT:
        snapshots_on_sent(core, event->snapshot_sent.replica, event->snapshot_sent.index);
        break;
    case CORE_EVENT_SNAPSHOT_OFFERED:
        snapshots_on_offered(core, event->snapshot_offered.from, event->snapshot_offered.term,
                             event->snapshot_offered.asked, event->snapshot_offered.snapshot);
        break;
    case CORE_EVENT_SNAPSHOT_READY: snapshots_on_ready(core, &event->position); break;
    case CORE_EVENT_SNAPSHOT_FAILED: snapshots_on_failed(core, &event->position); break;
    default: core_fail(core, CORE_STOP_DRIVER); break;
    }
}

static void dispatch(struct core *core, const struct core_event *event)
{
    if (core->initialised != (event->type != CORE_EVENT_INIT)) {
        core_fail(core, CORE_STOP_DRIVER);
        return;
    }
    switch (event->type) {
    case CORE_EVENT_INIT: starting_on_init(core, event->init); break;
    case CORE_EVENT_TICK: on_tick(core, event->ticks); break;
    case CORE_EVENT_RECEIVE: on_receive(core, event->message); break;
    case CORE_EVENT_PROPOSE: on_propose(core, event->propose.items, event->propose.count); break;
    case CORE_EVENT_READ: reads_on_read(core, event->read.tag, event->read.patient); break;
    case CORE_EVENT_TRANSFER: transfer_on_request(core, event->replica); break;
    case CORE_EVENT_PEER_UP:
        gate_on_peer_up(core, event->replica);
        election_on_peer_up(core, event->replica);
        break;
    case CORE_EVENT_PEER_DOWN:
        election_on_peer_down(core, event->replica);
        replication_on_peer_down(core, event->replica);
        break;
    case CORE_EVENT_PERSISTED:
        persistence_on_persisted(core, event->sequence);
        snapshots_on_persisted(core);
        election_on_persisted(core);
        break;
    case CORE_EVENT_LOG_READ:
        replication_on_log_read(core, event->log_read.tag, event->log_read.entries, event->log_read.count);
        break;
    case CORE_EVENT_APPLIED: applying_on_applied(core, event->index); break;
    case CORE_EVENT_DISK_ERROR: on_disk_error(core); break;
    default: dispatch_wider(core, event); break;
    }
}

/* --- settling --- */

static void announce_role(struct core *core)
{
    struct core_role_changed now = {
        .role = core->role,
        .term = core->hard.term,
        .leader = core->leader,
        .ready = core_is_ready(core),
        .no_op = core->role == CORE_LEADER ? core->no_op : 0,
    };
    const struct core_role_changed *before = &core->announced;
    bool same = now.role == before->role && now.term == before->term && now.leader == before->leader &&
                now.ready == before->ready;
    if (same) return;
    core->announced = now;
    outbox_add(core, CORE_ACTION_ROLE_CHANGED)->role_changed = now;
}

static void settle(struct core *core)
{
    if (core->role == CORE_LEADER) replication_commit(core);
    if (core->commit == tail_last(&core->tail).index) core->commit_moved = core->now;
    if (core->role == CORE_LEADER) membership_settle(core);
    if (core->persistence.hard_dirty) persistence_issue(core, 0, 0);
    applying_settle(core);
    bool read_round = reads_settle(core);
    if (core->role == CORE_LEADER) {
        replication_send(core, read_round);
        transfer_settle(core);
        recording_settle(core);
    }
    membership_announce(core);
    announce_role(core);
}

/* What was handed to the state goes first. If what is left fills the tail (many uncommitted entries of former
 * leaders), so goes what the disk holds: it is read again when it is needed, and the log can always grow to
 * its commit. */
static void tidy(struct core *core)
{
    struct tail *tail = &core->tail;
    tail_tidy(tail, core->handed);
    while (tail->count > 0 && !tail_has_room(tail, core->options.append_entries, CORE_APPEND_BYTES_MAX)) {
        const struct raft_entry *first = tail_at(tail, tail->before.index + 1);
        if (first->index > core->persistence.durable) break;
        MARK("raft.tail_lets_uncommitted_entries_go");
        if (first->index > core->commit) core->uncommitted_bytes -= tail_entry_bytes(first);
        tail_drop_first(tail);
    }
}

const struct core_actions *core_step(struct core *core, const struct core_event *event)
{
    static const struct core_actions none;
    if (core->stop != CORE_RUNNING) return &none;
    outbox_begin(core);
    tidy(core);
    dispatch(core, event);
    if (core->stop == CORE_RUNNING) settle(core);
    return outbox_end(core);
}
