/* core: creation, the step, and the settling that ends each step (see the header; rules in consensus.md).
 * Each event changes what it must; settling then draws the consequences in one fixed order: commit, persist,
 * apply, reads, sending, role. */
#include "store/raft/core.h"

#include "store/raft/applying.h"
#include "store/raft/core_state.h"
#include "store/raft/election.h"
#include "store/raft/following.h"
#include "store/raft/inlet.h"
#include "store/raft/outbox.h"
#include "store/raft/persistence.h"
#include "store/raft/reads.h"
#include "store/raft/replication.h"
#include "store/raft/roster.h"
#include "store/raft/transfer.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"

enum { LIVE_ELECTIONS = 10 }; /* A follower silent for so many T_max no longer holds the log (D7). */

static void or_default(uint32_t *field, uint32_t value)
{
    if (*field == 0) *field = value;
}

static void fill_defaults(struct core_options *options)
{
    or_default(&options->heartbeat_ticks, 5);
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

void core_commit(struct core *core, log_index index)
{
    if (index <= core->commit) return;
    CHECK(index <= tail_last(&core->tail).index);
    for (log_index i = core->commit + 1; i <= index; i++) {
        const struct raft_entry *entry = tail_at(&core->tail, i);
        if (entry != NULL) core->uncommitted_bytes -= tail_entry_bytes(entry);
    }
    core->commit = index;
    roster_commit(core);
}

/* --- INIT --- */

/* The founding entry is of term 1 before anybody stood for election: its holder begins in that term. */
static bool init_is_sound(const struct core_init *init)
{
    bool founded = init->last.index == 1 && init->last.term == 1;
    if (init->hard.term < init->last.term && !founded) return false;
    if (init->applied > init->last.index) return false;
    if ((init->last.index == 0) != (init->last.term == 0)) return false;
    if (init->configuration_count > CORE_CONFIGURATIONS_MAX) return false;
    if ((init->last.index == 0) != (init->configuration_count == 0)) return false;
    return init->term_run_count <= CORE_TERM_RUNS_MAX;
}

static bool load_term_runs(struct core *core, const struct core_init *init)
{
    const struct core_term_run *before = NULL;
    for (uint32_t i = 0; i < init->term_run_count; i++) {
        const struct core_term_run *run = &init->term_runs[i];
        bool ascends = before == NULL || (run->term > before->term && run->first > before->first);
        if (!ascends || run->first == 0 || run->first > init->last.index) return false;
        term_runs_append(&core->tail.runs, run->first, run->term);
        before = run;
    }
    if (init->last.index == 0) return before == NULL;
    return before != NULL && before->term == init->last.term;
}

static bool load_configurations(struct core *core, const struct core_init *init)
{
    log_index before = 0;
    for (uint32_t i = 0; i < init->configuration_count; i++) {
        const struct core_log_configuration *item = &init->configurations[i];
        if (item->index <= before || item->index > init->last.index) return false;
        if (!configuration_is_valid(&item->configuration)) return false;
        core->configurations[core->configuration_count++] = *item;
        before = item->index;
    }
    return true;
}

static void on_init(struct core *core, const struct core_init *init)
{
    if (!init_is_sound(init) || !load_term_runs(core, init) || !load_configurations(core, init)) {
        core_fail(core, CORE_STOP_DRIVER);
        return;
    }
    core->initialised = true;
    core->hard = init->hard;
    if (init->hard.term < init->last.term) persistence_set_hard(core, init->last.term, 0);
    core->tail.before = init->last;
    core->tail.last_stamp_ms = init->last_stamp_ms;
    core->persistence.durable = init->last.index;
    core->commit = init->applied;
    core->handed = init->applied;
    core->applied = init->applied;
    core->reads.nonce = core_draw(core, 0);
    roster_commit(core);
    roster_refresh(core);
    election_start(core, init->start);
}

/* --- events --- */

static void on_tick(struct core *core, uint32_t ticks)
{
    core->now += ticks == 0 ? 1 : ticks;
    election_on_tick(core);
    replication_on_tick(core);
    transfer_on_tick(core);
    reads_on_tick(core);
}

static void dispatch_reply(struct core *core, const struct core_message *message)
{
    struct progress *peer = roster_peer(core, message->from);
    if (peer != NULL && message->term == core->hard.term) peer->heard = core->now;
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
        core->malformed_count++;
        return;
    }
    if (!persistence_has_room(core, PERSISTENCE_SPARE_MESSAGE)) return; /* As if the network had lost it. */
    if (election_must_follow(core, message)) election_follow(core, message->term, 0); /* E4 */
    bool of_leader = message->type == CORE_APPEND || message->type == CORE_HEARTBEAT;
    bool asks_vote = message->type == CORE_PREVOTE || message->type == CORE_VOTE;
    if (message->type == CORE_PREVOTE) election_on_prevote(core, message);
    if (message->type == CORE_VOTE) election_on_vote(core, message);
    if (of_leader && message->term < core->hard.term) following_refuse(core, message);
    else if (message->type == CORE_APPEND) following_on_append(core, message);
    else if (message->type == CORE_HEARTBEAT) following_on_heartbeat(core, message);
    bool current = message->term == core->hard.term || message->type == CORE_PREVOTE_REPLY;
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

static void dispatch(struct core *core, const struct core_event *event)
{
    if (core->initialised != (event->type != CORE_EVENT_INIT)) {
        core_fail(core, CORE_STOP_DRIVER);
        return;
    }
    switch (event->type) {
    case CORE_EVENT_INIT: on_init(core, event->init); break;
    case CORE_EVENT_TICK: on_tick(core, event->ticks); break;
    case CORE_EVENT_RECEIVE: on_receive(core, event->message); break;
    case CORE_EVENT_PROPOSE: on_propose(core, event->propose.items, event->propose.count); break;
    case CORE_EVENT_READ: reads_on_read(core, event->tag); break;
    case CORE_EVENT_TRANSFER: transfer_on_request(core, event->replica); break;
    case CORE_EVENT_PEER_UP: election_on_peer_up(core, event->replica); break;
    case CORE_EVENT_PEER_DOWN:
        election_on_peer_down(core, event->replica);
        replication_on_peer_down(core, event->replica);
        break;
    case CORE_EVENT_PERSISTED:
        persistence_on_persisted(core, event->sequence);
        election_on_persisted(core);
        break;
    case CORE_EVENT_LOG_READ:
        replication_on_log_read(core, event->log_read.tag, event->log_read.entries, event->log_read.count);
        break;
    case CORE_EVENT_APPLIED: applying_on_applied(core, event->index); break;
    case CORE_EVENT_DISK_ERROR: on_disk_error(core); break;
    case CORE_EVENT_CONF: outbox_reject(core, event->conf.tag, STATUS_NOT_READY); break;
    case CORE_EVENT_SNAPSHOT_OFFERED:
        outbox_add(core, CORE_ACTION_SNAPSHOT_IGNORE)->position = event->snapshot_offered.snapshot->position;
        break;
    case CORE_EVENT_RETIRED:
    case CORE_EVENT_CHECKPOINT:
    case CORE_EVENT_COMPACTED:
    case CORE_EVENT_SNAPSHOT_SENT:
    case CORE_EVENT_SNAPSHOT_READY:
    case CORE_EVENT_SNAPSHOT_FAILED: break;
    default: core_fail(core, CORE_STOP_DRIVER); break;
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
    if (core->persistence.hard_dirty) persistence_issue(core, 0, 0);
    applying_settle(core);
    bool read_round = reads_settle(core);
    if (core->role == CORE_LEADER) {
        replication_send(core, read_round);
        transfer_settle(core);
    }
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

/* --- status --- */

uint32_t core_next_tick_due(const struct core *core)
{
    (void)core;
    return 1;
}

static bool is_live(const struct core *core, const struct progress *peer)
{
    return core->now - peer->heard <= (uint64_t)LIVE_ELECTIONS * core->options.election_max_ticks;
}

/* D7 */
static log_index compact_till(const struct core *core)
{
    log_index till = core->persistence.durable;
    if (core->role != CORE_LEADER) return till;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct progress *peer = &core->peers[i];
        if (is_live(core, peer) && peer->match < till) till = peer->match;
    }
    return till;
}

void core_checkpoint(const struct core *core, struct checkpoint *out_checkpoint)
{
    *out_checkpoint = (struct checkpoint){ 0 };
    const struct configuration *active = roster_active(core);
    for (uint32_t i = 0; i < active->member_count; i++) {
        replica_id id = active->members[i].id;
        if (!configuration_is_voter(active, id)) continue;
        log_index match = core->persistence.durable;
        for (uint32_t k = 0; k < core->peer_count; k++) {
            if (core->peers[k].id == id) match = core->peers[k].match;
        }
        if (match > core->commit) match = core->commit;
        out_checkpoint->matches[out_checkpoint->count++] =
            (struct checkpoint_match){ .id = id, .match = match };
    }
}

void core_configuration_at(const struct core *core, log_index index,
                           struct core_log_configuration *out_configuration)
{
    *out_configuration = (struct core_log_configuration){ 0 };
    for (uint32_t i = 0; i < core->configuration_count; i++) {
        if (core->configurations[i].index <= index) *out_configuration = core->configurations[i];
    }
}

void core_status(const struct core *core, struct core_status *out_status)
{
    *out_status = (struct core_status){
        .role = core->role,
        .stop = core->stop,
        .hard = core->hard,
        .hard_durable = persistence_hard_is_durable(core),
        .leader = core->leader,
        .ready = core_is_ready(core),
        .last = tail_last(&core->tail),
        .durable = core->persistence.durable,
        .commit = core->commit,
        .applied = core->applied,
        .configuration = *roster_active(core),
        .compact_till = compact_till(core),
        .malformed_count = core->malformed_count,
        .peer_count = core->peer_count,
    };
    if (core->configuration_count > 0) {
        out_status->configuration_index = core->configurations[core->configuration_count - 1].index;
    }
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct progress *peer = &core->peers[i];
        out_status->peers[i] = (struct core_peer_status){
            .id = peer->id,
            .state = peer->state,
            .match = peer->match,
            .next = peer->next,
            .voter = configuration_is_voter(roster_active(core), peer->id),
            .caught_up = core->now - peer->healthy_since >= core->options.election_min_ticks,
            .silent_ticks = (uint32_t)(core->now - peer->heard),
        };
    }
}
