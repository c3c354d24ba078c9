/* replication: see the header. A peer is probed with one message at a time until it answers where its log
 * ends, then fed as fast as its window allows. Entries that are no longer in memory are asked of the disk,
 * one read a peer at a time. */
#include "store/raft/replication.h"

#include "runtime/base/check.h"
#include "store/raft/election.h"
#include "store/raft/outbox.h"
#include "store/raft/persistence.h"
#include "store/raft/reads.h"
#include "store/raft/recording.h"
#include "store/raft/roster.h"
#include "store/raft/snapshots.h"
#include "store/raft/transfer.h"

#include "runtime/base/mark.h"

enum {
    PROBE_BYTES_MAX = 64 * 1024,
    APPENDS_A_STEP_MAX = 4, /* For one peer: keeps a step short; acknowledgements bring the next ones. */
    READ_BYTES_MAX = CORE_APPEND_BYTES_MAX + ENTRY_PAYLOAD_MAX + 65536, /* The one before, and an APPEND. */
};

/* --- appending to our own log --- */

static void append_own(struct core *core, enum entry_type type, struct bytes *payload, uint64_t stamp_ms)
{
    struct log_position last = tail_last(&core->tail);
    struct raft_entry entry = {
        .index = last.index + 1,
        .term = core->hard.term,
        .stamp_ms = stamp_ms > core->tail.last_stamp_ms ? stamp_ms : core->tail.last_stamp_ms, /* A3 */
        .type = type,
        .payload = payload,
    };
    entry.chain = entry_chain(last.chain, entry.index, entry.term, type,
                              payload == NULL ? NULL : payload->data, payload == NULL ? 0 : payload->size);
    tail_append(&core->tail, &entry);
    core->uncommitted_bytes += tail_entry_bytes(&entry);
}

void replication_start(struct core *core)
{
    log_index last = tail_last(&core->tail).index;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        progress_start(&core->peers[i], last, core->now);
    }
    core->heartbeat_due = core->now;
    core->commit_moved = core->now;
    reads_start_term(core);
    transfer_start_term(core);
    recording_start_term(core);
    append_own(core, ENTRY_NO_OP, NULL, 0); /* E7 */
    core->no_op = last + 1;
    persistence_issue(core, 0, last + 1);
}

static bool has_room(const struct core *core, size_t bytes)
{
    bool fits = core->uncommitted_bytes + bytes <= core->options.uncommitted_bytes; /* R10 */
    return fits && persistence_has_room(core, PERSISTENCE_SPARE_PROPOSAL) &&
           tail_has_room(&core->tail, 1, bytes);
}

/* A configuration is not refused for what clients have in flight: it may be what gets the cluster going. */
bool replication_append_configuration(struct core *core, struct bytes *payload)
{
    size_t bytes = payload->size + sizeof(struct raft_entry);
    if (!persistence_has_room(core, PERSISTENCE_SPARE_MESSAGE) || !tail_has_room(&core->tail, 1, bytes))
        return false;
    append_own(core, ENTRY_CONFIGURATION, payload, 0);
    log_index index = tail_last(&core->tail).index;
    persistence_issue(core, 0, index);
    roster_append(core, tail_at(&core->tail, index)); /* M1 */
    return core->stop == CORE_RUNNING;
}

/* OK: append it. */
static enum status judge(const struct core *core, const struct core_proposal *proposal)
{
    if (core->role != CORE_LEADER) return core->leader == 0 ? STATUS_NO_LEADER : STATUS_NOT_LEADER;
    size_t size = proposal->payload == NULL ? 0 : proposal->payload->size;
    bool known = proposal->type == ENTRY_NO_OP || proposal->type == ENTRY_COMMAND ||
                 proposal->type == ENTRY_CHECKPOINT;
    if (!known || size > ENTRY_PAYLOAD_MAX) return STATUS_INVALID;
    if ((proposal->type == ENTRY_NO_OP) != (proposal->payload == NULL)) return STATUS_INVALID;
    if (core->transfer.target != 0) return STATUS_NOT_READY; /* E9 */
    if (has_room(core, size + sizeof(struct raft_entry))) return STATUS_OK;
    MARK("raft.proposal_overloaded");
    return STATUS_OVERLOADED;
}

void replication_on_propose(struct core *core, const struct core_proposal *proposals, uint32_t count)
{
    log_index from = tail_last(&core->tail).index + 1;
    for (uint32_t i = 0; i < count; i++) {
        enum status status = judge(core, &proposals[i]);
        if (status != STATUS_OK) {
            outbox_reject(core, proposals[i].tag, status);
            continue;
        }
        append_own(core, proposals[i].type, proposals[i].payload, proposals[i].stamp_ms);
        struct core_proposed *proposed = &outbox_add(core, CORE_ACTION_PROPOSED)->proposed;
        proposed->tag = proposals[i].tag;
        proposed->index = tail_last(&core->tail).index;
        proposed->term = core->hard.term;
        if (proposals[i].type == ENTRY_CHECKPOINT) recording_appended(core, proposed->index);
    }
    if (tail_last(&core->tail).index >= from) persistence_issue(core, 0, from);
}

/* --- sending --- */

static void send_append(struct core *core, struct progress *peer, const struct log_position *before,
                        const struct raft_entry *entries, uint32_t count)
{
    outbox_send(core, (struct core_message){ .type = CORE_APPEND,
                                             .to = peer->id,
                                             .position = *before,
                                             .commit = core->commit,
                                             .entries = entries,
                                             .entry_count = count });
    peer->notified = core->now;
    peer->commit_sent = core->commit;
    if (peer->state == CORE_PEER_PROBE) {
        peer->probing = true;
        peer->moved = core->now;
        return;
    }
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += tail_entry_bytes(&entries[i]);
    }
    CHECK(count > 0); /* Only a probe goes out empty. */
    const struct raft_entry *last = &entries[count - 1];
    if (peer->window_count == 0) peer->moved = core->now;
    progress_sent(peer, last->index, bytes);
    peer->sent = (struct log_position){ .index = last->index, .term = last->term, .chain = last->chain };
    peer->next = last->index + 1;
}

/* Where the entry before `next` is known from: the log in memory, or what was sent or read last. */
static bool position_before_next(const struct core *core, const struct progress *peer,
                                 struct log_position *out_before)
{
    log_index index = peer->next - 1;
    if (tail_position(&core->tail, index, out_before)) return true;
    if (peer->sent.index != index) return false;
    *out_before = peer->sent;
    return true;
}

static void ask_log(struct core *core, struct progress *peer, log_index from)
{
    log_index to = from + core->options.append_entries;
    if (to > core->tail.before.index) to = core->tail.before.index;
    peer->read_tag = ++core->read_log_tag;
    struct core_read_log *read = &outbox_add(core, CORE_ACTION_READ_LOG)->read_log;
    read->tag = peer->read_tag;
    read->from = from;
    read->to = to;
    read->max_bytes = READ_BYTES_MAX;
}

static size_t append_bytes(const struct progress *peer)
{
    return peer->state == CORE_PEER_PROBE ? PROBE_BYTES_MAX : CORE_APPEND_BYTES_MAX;
}

/* Sends one APPEND, or asks the disk for what it takes. false: nothing more to do for now. */
static bool advance(struct core *core, struct progress *peer)
{
    const struct core_options *options = &core->options;
    log_index last = tail_last(&core->tail).index;
    if (peer->match >= peer->next || peer->next > last + 1) {
        core_fail(core, CORE_STOP_PROGRESS);
        return false;
    }
    if (peer->read_tag != 0 || peer->probing || peer->state == CORE_PEER_SNAPSHOT) return false;
    if (snapshots_must_send(core, peer)) {
        snapshots_begin(core, peer);
        return false;
    }
    bool pipeline = peer->state == CORE_PEER_PIPELINE;
    if (pipeline && peer->next > last) return false;
    if (pipeline && progress_window_is_full(peer, options->window_messages, options->window_bytes))
        return false;
    struct log_position before;
    if (!position_before_next(core, peer, &before)) {
        ask_log(core, peer, peer->next - 1);
        return false;
    }
    if (peer->next <= core->tail.before.index) {
        ask_log(core, peer, peer->next);
        return false;
    }
    const struct raft_entry *entries = tail_at(&core->tail, peer->next);
    uint32_t count = 0;
    if (entries != NULL) {
        count =
            tail_fit(entries, (uint32_t)(last - peer->next + 1), options->append_entries, append_bytes(peer));
    }
    send_append(core, peer, &before, entries, count);
    return pipeline;
}

static void send_heartbeat(struct core *core, struct progress *peer)
{
    log_index commit = core->commit < peer->match ? core->commit : peer->match; /* R4 */
    if (MUTANT(core, HEARTBEAT_COMMIT)) commit = core->commit;
    outbox_send(core,
                (struct core_message){
                    .type = CORE_HEARTBEAT, .to = peer->id, .commit = commit, .token = core->reads.token });
    peer->notified = core->now;
    peer->commit_sent = commit;
}

/* A peer that just acknowledged an entry waits to hear that it is committed: at most one such word a tick. */
static bool wants_commit(const struct core *core, const struct progress *peer)
{
    log_index commit = core->commit < peer->match ? core->commit : peer->match;
    return commit > peer->commit_sent && core->now > peer->notified;
}

/* --- what comes back --- */

static bool entries_fit(const struct core *core, const struct raft_entry *entries, uint32_t count,
                        log_index from)
{
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i].index != from + i || entries[i].index > core->tail.before.index) return false;
        log_term term = tail_term_at(&core->tail, entries[i].index);
        if (term != 0 && entries[i].term != term) return false;
    }
    return true;
}

void replication_on_log_read(struct core *core, uint64_t tag, const struct raft_entry *entries,
                             uint32_t count)
{
    struct progress *peer = NULL;
    for (uint32_t i = 0; i < core->peer_count && peer == NULL; i++) {
        if (tag != 0 && core->peers[i].read_tag == tag) peer = &core->peers[i];
    }
    if (core->role != CORE_LEADER || peer == NULL) return; /* Nobody waits for it any more. */
    peer->read_tag = 0;
    if (count == 0 && peer->next <= core->applied + 1) {
        MARK("raft.compacted_while_it_was_read");
        snapshots_begin(core, peer);
        return;
    }
    bool with_before = count > 0 && entries[0].index + 1 == peer->next;
    log_index from = with_before ? peer->next - 1 : peer->next;
    if (count == 0 || !entries_fit(core, entries, count, from)) {
        core_fail(core, CORE_STOP_LOG_READ);
        return;
    }
    if (with_before) {
        peer->sent = (struct log_position){ .index = entries[0].index,
                                            .term = entries[0].term,
                                            .chain = entries[0].chain };
        entries++;
        count--;
    }
    struct log_position before;
    if (count == 0 || !position_before_next(core, peer, &before)) return; /* Settling asks for the rest. */
    count = tail_fit(entries, count, core->options.append_entries, append_bytes(peer));
    send_append(core, peer, &before, entries, count);
}

static void on_rejected(struct core *core, struct progress *peer, const struct core_message *message)
{
    log_index asked = message->position.index;
    bool stale = peer->state == CORE_PEER_PROBE && asked != peer->next - 1;
    if (stale) MARK("raft.stale_refusal");
    /* What it acknowledged and no longer has (its disk lied: T3) is not found by asking again at once, and
     * each repeated reject would breed another probe: the timeout asks. */
    bool lost = asked <= peer->match && !MUTANT(core, NEXT_BELOW_MATCH);
    if (stale || lost || asked == 0 || peer->state == CORE_PEER_SNAPSHOT) return;
    log_index last = tail_last(&core->tail).index;
    log_index limit = message->hint.index < asked ? message->hint.index : asked - 1;
    if (limit > last) limit = last;
    log_index known = term_runs_last_not_above(&core->tail.runs, limit, message->hint.term);
    if (known + 1 < asked) MARK("raft.hint_skips_entries");
    progress_probe(peer, known + 1); /* R2: skips by term, so at most one probe a term. */
    if (MUTANT(core, NEXT_BELOW_MATCH)) peer->next = known + 1;
    if (MUTANT(core, HINT_SKIPS_TOO_FAR)) peer->match = known;
}

void replication_on_append_reply(struct core *core, const struct core_message *message)
{
    struct progress *peer = roster_peer(core, message->from);
    if (core->role != CORE_LEADER || peer == NULL) return;
    if (!message->granted) {
        on_rejected(core, peer, message);
        return;
    }
    if (message->match > tail_last(&core->tail).index) {
        core->malformed_count++;
        return;
    }
    if (message->match > peer->match) peer->moved = core->now;
    if (MUTANT(core, WINDOW_STAYS_SHUT) && peer->state == CORE_PEER_PIPELINE) {
        if (message->match > peer->match) peer->match = message->match;
        return;
    }
    progress_acknowledged(peer, message->match);
    bool installed = peer->state == CORE_PEER_SNAPSHOT && !snapshots_must_send(core, peer);
    if (peer->state == CORE_PEER_PROBE || installed) progress_pipeline(peer);
}

void replication_on_peer_down(struct core *core, replica_id id)
{
    struct progress *peer = roster_peer(core, id);
    if (core->role != CORE_LEADER || peer == NULL || peer->state == CORE_PEER_SNAPSHOT) return;
    progress_probe(peer, peer->match + 1);
}

/* R1: what was not answered in time was lost. */
static void check_timeout(struct core *core, struct progress *peer)
{
    uint64_t silent = core->now - peer->moved;
    if (peer->state == CORE_PEER_PROBE) {
        if (silent >= (uint64_t)2 * core->options.heartbeat_ticks) peer->probing = false;
    } else if (peer->window_count > 0 && silent >= core->options.election_min_ticks / 2) {
        MARK("raft.window_timed_out");
        progress_probe(peer, peer->match + 1);
    }
}

void replication_on_tick(struct core *core)
{
    if (core->role != CORE_LEADER) return;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        check_timeout(core, &core->peers[i]);
    }
    if (core->now < core->heartbeat_due) return;
    core->heartbeat_due = core->now + core->options.heartbeat_ticks;
    reads_on_heartbeat(core);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        send_heartbeat(core, &core->peers[i]);
    }
}

/* --- commit --- */

/* R7: only durable copies count, our own too. */
static uint64_t match_of(const void *context, replica_id voter)
{
    const struct core *core = context;
    if (voter == core->options.self)
        return MUTANT(core, OWN_COPY_UNSYNCED) ? tail_last(&core->tail).index : core->persistence.durable;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (core->peers[i].id == voter) return core->peers[i].match;
    }
    return 0;
}

void replication_commit(struct core *core)
{
    log_index held = roster_quorum(core, match_of);
    if (held <= core->commit) return;
    /* R7, and figure 8 of the Raft paper: an entry of an old term commits only beneath one of ours. */
    bool own_term = tail_term_at(&core->tail, held) == core->hard.term;
    if (!own_term && !MUTANT(core, OLD_TERM_BY_COUNTING)) return;
    core_commit(core, held);
}

/* The next one may leave at once: a step sends only so many. */
static bool has_more(const struct core *core, const struct progress *peer)
{
    bool blocked = peer->read_tag != 0 || peer->state != CORE_PEER_PIPELINE;
    if (blocked || peer->next > tail_last(&core->tail).index) return false;
    return !progress_window_is_full(peer, core->options.window_messages, core->options.window_bytes);
}

static uint64_t peer_due(const struct core *core, const struct progress *peer)
{
    if (has_more(core, peer)) return core->now + 1;
    log_index commit = core->commit < peer->match ? core->commit : peer->match;
    if (commit > peer->commit_sent) return core->now + 1;
    if (peer->state == CORE_PEER_PROBE) {
        if (peer->probing) return peer->moved + (uint64_t)2 * core->options.heartbeat_ticks;
        return peer->snapshot_after > core->now ? peer->snapshot_after : UINT64_MAX;
    }
    bool waits = peer->state == CORE_PEER_PIPELINE && peer->window_count > 0;
    return waits ? peer->moved + core->options.election_min_ticks / 2 : UINT64_MAX;
}

uint64_t replication_due(const struct core *core)
{
    uint64_t due = core->heartbeat_due;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        uint64_t own = peer_due(core, &core->peers[i]);
        if (own < due) due = own;
    }
    return due;
}

void replication_send(struct core *core, bool read_round)
{
    if (read_round) core->heartbeat_due = core->now + core->options.heartbeat_ticks; /* It is one. */
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct progress *peer = &core->peers[i];
        uint32_t appends = 0;
        while (appends < APPENDS_A_STEP_MAX && advance(core, peer)) {
            appends++;
        }
        if (read_round || wants_commit(core, peer)) send_heartbeat(core, peer);
    }
}
