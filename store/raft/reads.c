/* reads: see the header. On the leader a read waits for a token that a quorum acknowledges after it arrived;
 * on a follower for the leader's answer to a nonce. Both then wait for the state. One round serves all that
 * came before it left (Q2). A round that gets lost is followed by the next heartbeat's, which has a newer
 * token. */
#include "store/raft/reads.h"

#include "store/raft/outbox.h"
#include "store/raft/roster.h"
#include "store/raft/snapshots.h"

#include "runtime/base/mark.h"

/* Two rounds may be on their way: while one is confirmed, who came since it left is on the other. More would
 * only be smaller. */
enum { ASK_AGAIN_TICKS = 10, ROUNDS_MAX = 2 };

void reads_start_term(struct core *core)
{
    reads_fail(core, STATUS_NOT_LEADER);
    core->reads.token = 0;
    core->reads.confirmed = 0;
}

static struct waiting_read *wait(struct core *core)
{
    struct reads *reads = &core->reads;
    if (reads->count == CORE_READS_MAX) return NULL;
    struct waiting_read *read = &reads->items[reads->count++];
    *read = (struct waiting_read){ 0 };
    return read;
}

void reads_on_read(struct core *core, uint64_t tag, bool patient)
{
    bool whole = core_is_whole(core); /* T6 */
    if (core->leader == 0 || !whole) {
        outbox_reject(core, tag, whole ? STATUS_NO_LEADER : STATUS_NOT_READY);
        return;
    }
    struct waiting_read *read = wait(core);
    if (read == NULL) {
        outbox_reject(core, tag, STATUS_OVERLOADED);
        return;
    }
    read->tag = tag;
    read->patient = patient && core->peer_count > 0; /* A single voter sends no heartbeats. */
}

void reads_on_read_index(struct core *core, const struct core_message *message)
{
    bool ready = core_is_ready(core) || MUTANT(core, READ_BEFORE_NO_OP);
    if (core->role != CORE_LEADER || !ready) { /* It asks again. */
        MARK("raft.read_index_asked_too_early");
        return;
    }
    struct waiting_read *read = wait(core);
    if (read == NULL) {
        MARK("raft.no_room_for_a_followers_read");
        return;
    }
    read->from = message->from;
    read->nonce = message->token;
}

void reads_on_read_index_reply(struct core *core, const struct core_message *message)
{
    if (core->role != CORE_FOLLOWER || message->from != core->leader || message->token == 0) return;
    for (uint32_t i = 0; i < core->reads.count; i++) {
        struct waiting_read *read = &core->reads.items[i];
        if (read->confirmed || read->nonce != message->token) continue;
        read->confirmed = true;
        read->index = message->commit;
    }
}

static uint64_t token_of(const void *context, replica_id voter)
{
    const struct core *core = context;
    if (voter == core->options.self) return core->reads.token;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (core->peers[i].id == voter) return core->peers[i].token;
    }
    return 0;
}

/* An acknowledgement confirms all tokens up to its own (of this term: others never come here). */
static void confirm(struct core *core)
{
    uint64_t confirmed = roster_quorum(core, token_of);
    if (confirmed > core->reads.confirmed) core->reads.confirmed = confirmed;
}

void reads_on_heartbeat_reply(struct core *core, struct progress *peer, uint64_t token)
{
    if (token > core->reads.token) {
        core->malformed_count++;
        return;
    }
    if (token > peer->token) peer->token = token;
    confirm(core);
}

void reads_on_tick(struct core *core)
{
    struct reads *reads = &core->reads;
    if (core->role != CORE_FOLLOWER || core->leader == 0) return;
    if (core->now - reads->asked < ASK_AGAIN_TICKS) return;
    for (uint32_t i = 0; i < reads->count; i++) {
        if (reads->items[i].confirmed) continue;
        MARK("raft.read_index_asked_again");
        reads->items[i].nonce = 0; /* Lost on the way: a new attempt. */
    }
}

uint64_t reads_due(const struct core *core)
{
    const struct reads *reads = &core->reads;
    if (core->role != CORE_FOLLOWER || core->leader == 0) return UINT64_MAX;
    for (uint32_t i = 0; i < reads->count; i++) {
        if (!reads->items[i].confirmed) return reads->asked + ASK_AGAIN_TICKS;
    }
    return UINT64_MAX;
}

void reads_fail(struct core *core, enum status status)
{
    if (core->reads.count > 0) MARK("raft.reads_fail_with_the_lead");
    struct reads *reads = &core->reads;
    uint32_t left = 0;
    for (uint32_t i = 0; i < reads->count; i++) {
        struct waiting_read *read = &reads->items[i];
        if (read->confirmed && read->from == 0) reads->items[left++] = *read; /* Needs no leader any more. */
        else if (read->from == 0) outbox_reject(core, read->tag, status);
    }
    reads->count = left;
}

/* Arrivals get a token and the commit index of now. */
static void give_token(struct core *core)
{
    struct reads *reads = &core->reads;
    bool reuse = MUTANT(core, TOKEN_REUSED) && reads->token > 0;
    uint64_t token = reuse ? reads->token : ++reads->token;
    for (uint32_t i = 0; i < reads->count; i++) {
        struct waiting_read *read = &reads->items[i];
        if (read->confirmed || read->token != 0) continue;
        read->token = token;
        read->index = core->commit;
    }
    confirm(core); /* A single voter answers at once. */
}

static bool has_arrivals(const struct core *core, bool patient_too)
{
    const struct reads *reads = &core->reads;
    if (!core_is_ready(core) && !MUTANT(core, READ_BEFORE_NO_OP)) return false; /* E7 */
    for (uint32_t i = 0; i < reads->count; i++) {
        const struct waiting_read *read = &reads->items[i];
        if (!read->confirmed && read->token == 0 && (patient_too || !read->patient)) return true;
    }
    return false;
}

void reads_on_heartbeat(struct core *core)
{
    if (has_arrivals(core, true)) give_token(core);
}

/* The leader's half of a settle. true: a round leaves. */
static bool begin_round(struct core *core)
{
    const struct reads *reads = &core->reads;
    bool full = reads->token - reads->confirmed >= ROUNDS_MAX;
    if (full || !has_arrivals(core, false)) return false; /* Q2: they wait for the next round. */
    give_token(core);
    return true;
}

static void answer_follower(struct core *core, const struct waiting_read *read)
{
    outbox_send(core, (struct core_message){ .type = CORE_READ_INDEX_REPLY,
                                             .to = read->from,
                                             .token = read->nonce,
                                             .commit = read->index });
}

static void confirm_waiting(struct core *core)
{
    for (uint32_t i = 0; i < core->reads.count; i++) {
        struct waiting_read *read = &core->reads.items[i];
        bool answered = read->token <= core->reads.confirmed || MUTANT(core, READ_WITHOUT_QUORUM);
        if (read->token != 0 && answered) read->confirmed = true;
    }
}

/* The follower's half: all that arrived since the last question share one nonce. */
static void ask_leader(struct core *core)
{
    struct reads *reads = &core->reads;
    bool in_flight = false;
    bool arrived = false;
    for (uint32_t i = 0; i < reads->count; i++) {
        if (reads->items[i].confirmed) continue;
        if (reads->items[i].nonce == 0) arrived = true;
        else in_flight = true;
    }
    if (!arrived || in_flight) return;
    uint64_t nonce = ++reads->nonce; /* Begins at random: an answer from before a restart must not fit. */
    if (nonce == 0) nonce = ++reads->nonce;
    for (uint32_t i = 0; i < reads->count; i++) {
        if (!reads->items[i].confirmed) reads->items[i].nonce = nonce;
    }
    reads->asked = core->now;
    outbox_send(core, (struct core_message){ .type = CORE_READ_INDEX, .to = core->leader, .token = nonce });
}

static void answer_confirmed(struct core *core)
{
    struct reads *reads = &core->reads;
    bool loads = snapshots_holds_apply(core); /* N6: a state that is being replaced answers nothing. */
    uint32_t left = 0;
    for (uint32_t i = 0; i < reads->count; i++) {
        struct waiting_read *read = &reads->items[i];
        bool ours = read->from == 0;
        if (read->confirmed && !ours) {
            answer_follower(core, read);
        } else if (read->confirmed && !loads &&
                   (read->index <= core->applied || MUTANT(core, READ_BEFORE_APPLIED))) {
            struct core_read_ok *ok = &outbox_add(core, CORE_ACTION_READ_OK)->read_ok;
            *ok = (struct core_read_ok){ .tag = read->tag, .index = read->index };
        } else {
            reads->items[left++] = *read;
        }
    }
    reads->count = left;
}

bool reads_settle(struct core *core)
{
    bool round = false;
    if (core->reads.count == 0) return false;
    if (core->role == CORE_LEADER) {
        confirm_waiting(core);
        round = begin_round(core);
        confirm_waiting(core);
    } else if (core->role == CORE_FOLLOWER && core->leader != 0) {
        ask_leader(core);
    }
    answer_confirmed(core);
    return round;
}
