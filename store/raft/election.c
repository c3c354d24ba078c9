/* election: see the header. Safety rests on E1-E3 alone; timeouts and hints only decide when somebody asks.
 */
#include "store/raft/election.h"

#include "store/raft/outbox.h"
#include "store/raft/persistence.h"
#include "store/raft/reads.h"
#include "store/raft/replication.h"
#include "store/raft/roster.h"
#include "store/raft/snapshots.h"
#include "store/raft/transfer.h"

#include "runtime/base/mark.h"

enum {
    SOON_MIN_TICKS = 2, /* 20-150 ms (E8, E10). */
    SOON_SPREAD_TICKS = 13,
    STUCK_ELECTIONS = 3, /* T_max without a commit (E6). */
};

static void draw_deadline(struct core *core)
{
    uint64_t spread = core->options.election_max_ticks - core->options.election_min_ticks;
    core->election.deadline = core->now + core->options.election_min_ticks + core_draw(core, spread);
}

static void draw_deadline_soon(struct core *core)
{
    uint64_t soon = core->now + SOON_MIN_TICKS + core_draw(core, SOON_SPREAD_TICKS);
    if (soon < core->election.deadline) core->election.deadline = soon;
}

void election_start(struct core *core, enum core_start start)
{
    core->role = CORE_FOLLOWER;
    draw_deadline(core);
    if (start == CORE_START_FOUNDER) core->election.deadline = core->now + 1;
    if (start == CORE_START_RESTARTED) draw_deadline_soon(core);
}

void election_soon(struct core *core)
{
    draw_deadline(core);
    draw_deadline_soon(core);
}

/* E1, E2: a leader hears itself; a replica that never heard one since its start has heard none. */
static bool leader_is_fresh(const struct core *core)
{
    if (MUTANT(core, NO_STICKINESS)) return false;
    if (core->role == CORE_LEADER) return true;
    return core->election.heard && core->now - core->election.contact < core->options.election_min_ticks;
}

/* E2: ours counted with entries that are not yet durable. */
static bool is_as_new(const struct core *core, const struct log_position *theirs)
{
    struct log_position ours = tail_last(&core->tail);
    if (MUTANT(core, NO_LOG_CHECK)) return true;
    if (MUTANT(core, LENGTH_BEFORE_TERM)) return theirs->index >= ours.index;
    if (MUTANT(core, DURABLE_ONLY_COMPARE)) {
        ours.index = core->persistence.durable;
        ours.term = tail_term_at(&core->tail, ours.index);
    }
    if (theirs->term != ours.term) return theirs->term > ours.term;
    return theirs->index >= ours.index;
}

/* I2: nobody votes before holding index 1. */
static bool holds_something(const struct core *core)
{
    return tail_last(&core->tail).index > 0;
}

static bool vote_is_ignored(const struct core *core, const struct core_message *vote)
{
    return leader_is_fresh(core) && !vote->transfer;
}

bool election_must_follow(const struct core *core, const struct core_message *message)
{
    if (message->term <= core->hard.term) return false;
    if (core->role == CORE_LEADER && MUTANT(core, NO_STEP_DOWN)) return false;
    switch (message->type) {
    case CORE_PREVOTE: return false;
    case CORE_PREVOTE_REPLY: return !message->granted;
    case CORE_VOTE: return !vote_is_ignored(core, message);
    default: return true;
    }
}

void election_follow(struct core *core, log_term term, replica_id leader)
{
    bool led = core->role == CORE_LEADER;
    bool was_follower = core->role == CORE_FOLLOWER;
    if (term > core->hard.term) {
        if (!MUTANT(core, HELD_OVER_TERM)) outbox_drop_held(core); /* R5 */
        persistence_set_hard(core, term, 0);
        core->election.term_leader = 0;
        core->election.timeout_now = false;
    }
    core->role = CORE_FOLLOWER;
    core->leader = leader;
    if (led) {
        core->election.heard = false;
        transfer_end(core);
    }
    if (led) MARK("raft.leader_steps_down");
    if (led || leader == 0) reads_fail(core, led ? STATUS_NOT_LEADER : STATUS_NO_LEADER); /* Q2 */
    if (!was_follower) draw_deadline(core);
}

bool election_hear_leader(struct core *core, replica_id leader)
{
    bool other = core->election.term_leader != 0 && core->election.term_leader != leader;
    if (core->role == CORE_LEADER || other) {
        core_fail(core, CORE_STOP_TWO_LEADERS);
        return false;
    }
    if (core->role != CORE_FOLLOWER || core->leader != leader) {
        election_follow(core, core->hard.term, leader);
    }
    snapshots_cancel(core, leader); /* N4 */
    core->election.term_leader = leader;
    core->election.heard = true;
    core->election.contact = core->now;
    draw_deadline(core);
    return true;
}

/* --- asking for votes --- */

static void ask(struct core *core, const struct progress *peer)
{
    if (!configuration_is_voter(roster_active(core), peer->id)) return;
    struct core_message message = { .to = peer->id, .position = tail_last(&core->tail) };
    message.position.chain = 0;
    if (core->role == CORE_PRE_CANDIDATE) {
        message.type = CORE_PREVOTE;
        message.term = core->hard.term + 1;
    } else {
        message.type = CORE_VOTE;
        message.transfer = core->election.by_transfer;
    }
    outbox_send(core, message); /* E3: a VOTE waits for the term and our own vote. */
}

static void ask_all(struct core *core)
{
    bool keeps = core->role == CORE_CANDIDATE && MUTANT(core, PREVOTE_AS_VOTE);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (!keeps) core->peers[i].answer = PROGRESS_UNANSWERED;
        ask(core, &core->peers[i]);
    }
}

static uint64_t granted_by(const void *context, replica_id voter)
{
    const struct core *core = context;
    if (voter == core->options.self) {
        return core->role == CORE_PRE_CANDIDATE || core->election.counted_self ? 1 : 0;
    }
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (core->peers[i].id == voter) return core->peers[i].answer == PROGRESS_GRANTED ? 1 : 0;
    }
    return 0;
}

static uint64_t not_refused_by(const void *context, replica_id voter)
{
    const struct core *core = context;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (core->peers[i].id == voter) return core->peers[i].answer == PROGRESS_REFUSED ? 0 : 1;
    }
    return 1;
}

static void lead(struct core *core)
{
    core->role = CORE_LEADER;
    core->leader = core->options.self;
    core->election.term_leader = core->options.self;
    core->election.heard = false;
    replication_start(core); /* E7 */
}

static void campaign(struct core *core, bool by_transfer)
{
    core->role = CORE_CANDIDATE;
    core->leader = 0;
    core->election.term_leader = 0;
    core->election.timeout_now = false;
    core->election.by_transfer = by_transfer;
    core->election.counted_self = false;
    outbox_drop_held(core); /* R5 */
    reads_fail(core, STATUS_NO_LEADER);
    persistence_set_hard(core, core->hard.term + 1, core->options.self);
    draw_deadline(core);
    ask_all(core);
}

/* Won, lost, or neither yet. */
static void count_answers(struct core *core)
{
    if (roster_quorum(core, granted_by) == 1) {
        bool pre = core->role == CORE_PRE_CANDIDATE;
        if (pre) campaign(core, false);
        else lead(core);
        return;
    }
    if (roster_quorum(core, not_refused_by) != 0) return;
    MARK("raft.election_is_lost");
    election_follow(core, core->hard.term, 0);
}

static void start_prevote(struct core *core)
{
    core->role = CORE_PRE_CANDIDATE;
    core->leader = 0;
    if (MUTANT(core, PREVOTE_BUMPS_TERM)) persistence_set_hard(core, core->hard.term + 1, 0);
    reads_fail(core, STATUS_NO_LEADER);
    draw_deadline(core);
    ask_all(core);
    count_answers(core); /* A single voter needs nobody. */
}

/* E3 */
static bool may_campaign(const struct core *core)
{
    bool free = !core->gate.shut && core_is_whole(core) && !snapshots_is_installing(core);
    bool idle = persistence_is_idle(core) || MUTANT(core, CAMPAIGN_WHILE_WRITING);
    return holds_something(core) && roster_self_may_lead(core) && idle && free;
}

void election_on_tick(struct core *core)
{
    if (core->role == CORE_LEADER) {
        if (!MUTANT(core, NO_CHECK_QUORUM)) election_step_down_if_unheard(core);
        return;
    }
    if (core->gate.shut || core->now < core->election.deadline) return;
    snapshots_cancel(core,
                     0); /* Its sender is silent: what came of it is resumed when it is offered again. */
    if (may_campaign(core)) {
        start_prevote(core);
        return;
    }
    if (core->leader != 0) election_follow(core, core->hard.term, 0);
    if (!roster_self_may_lead(core)) draw_deadline(core);
}

void election_on_persisted(struct core *core)
{
    if (core->election.timeout_now && core->role == CORE_FOLLOWER && may_campaign(core)) campaign(core, true);
    if (core->role != CORE_CANDIDATE || core->election.counted_self) return;
    if (!persistence_hard_is_durable(core) && !MUTANT(core, CAMPAIGN_WHILE_WRITING)) return;
    core->election.counted_self = true; /* E3: only now. */
    count_answers(core);
}

/* --- answering --- */

static void answer(struct core *core, const struct core_message *request, enum core_message_type type,
                   bool granted, log_term term)
{
    outbox_send(core,
                (struct core_message){ .type = type, .to = request->from, .granted = granted, .term = term });
}

void election_on_prevote(struct core *core, const struct core_message *message)
{
    if (!holds_something(core)) return;
    if (persistence_stalls(core)) { /* E6: the vote could not follow. */
        MARK("raft.stalled_disk_promises_no_vote");
        return;
    }
    bool granted =
        message->term > core->hard.term && is_as_new(core, &message->position) && !leader_is_fresh(core);
    answer(core, message, CORE_PREVOTE_REPLY, granted, granted ? message->term : core->hard.term);
}

void election_on_prevote_reply(struct core *core, const struct core_message *message)
{
    struct progress *peer = roster_peer(core, message->from);
    if (core->role != CORE_PRE_CANDIDATE || peer == NULL) return;
    if (message->granted && message->term != core->hard.term + 1) { /* Of an earlier round. */
        MARK("raft.prevote_of_an_earlier_round");
        return;
    }
    peer->answer = message->granted ? PROGRESS_GRANTED : PROGRESS_REFUSED;
    count_answers(core);
}

void election_on_vote(struct core *core, const struct core_message *message)
{
    if (!holds_something(core)) return;
    if (message->term > core->hard.term) { /* Ignored: E4 made us follow otherwise. */
        MARK("raft.vote_of_a_higher_term_ignored");
        return;
    }
    bool free = core->hard.vote == 0 || core->hard.vote == message->from;
    if (!free && message->term == core->hard.term) MARK("raft.second_vote_refused");
    bool granted = message->term == core->hard.term && free && is_as_new(core, &message->position) &&
                   !vote_is_ignored(core, message);
    if (granted) {
        if (core->role == CORE_PRE_CANDIDATE) {
            MARK("raft.pre_candidate_votes_for_another");
            election_follow(core, core->hard.term, 0);
        }
        persistence_set_hard(core, message->term, message->from);
        draw_deadline(core);
    }
    answer(core, message, CORE_VOTE_REPLY, granted, core->hard.term); /* Waits for the vote: E3. */
}

void election_on_vote_reply(struct core *core, const struct core_message *message)
{
    struct progress *peer = roster_peer(core, message->from);
    if (core->role != CORE_CANDIDATE || peer == NULL) return;
    if (message->term != core->hard.term) return;
    peer->answer = message->granted ? PROGRESS_GRANTED : PROGRESS_REFUSED;
    count_answers(core);
}

void election_on_timeout_now(struct core *core, const struct core_message *message)
{
    if (message->term != core->hard.term || core->role != CORE_FOLLOWER) return;
    if (core->election.term_leader != message->from) return;
    core->election.timeout_now = true; /* E9: waits for the disk instead of being dropped. */
    if (may_campaign(core)) campaign(core, true);
    else MARK("raft.timeout_now_waits_for_the_disk");
}

void election_on_peer_up(struct core *core, replica_id id)
{
    const struct progress *peer = roster_peer(core, id);
    if (peer == NULL || peer->answer != PROGRESS_UNANSWERED) return;
    if (core->role == CORE_PRE_CANDIDATE || core->role == CORE_CANDIDATE) ask(core, peer);
}

void election_on_peer_down(struct core *core, replica_id id)
{
    if (core->role == CORE_LEADER || core->election.term_leader != id) return;
    core->election.heard = false; /* E8: forgotten, so that we vote, and campaign soon. */
    if (core->leader != id) return;
    draw_deadline_soon(core);
    election_follow(core, core->hard.term, 0);
}

static uint64_t heard_from(const void *context, replica_id voter)
{
    const struct core *core = context;
    if (voter == core->options.self) return core->now;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (core->peers[i].id == voter) return core->peers[i].heard;
    }
    return 0;
}

/* E6: heard is not enough. Behind followers that answer heartbeats and whose disks stand still, a leader
 * could stay for ever, and keep those from voting who might form a quorum without it. */
static uint64_t stuck_at(const struct core *core)
{
    if (core->commit >= tail_last(&core->tail).index) return UINT64_MAX;
    return core->commit_moved + (uint64_t)STUCK_ELECTIONS * core->options.election_max_ticks;
}

void election_step_down_if_unheard(struct core *core)
{
    uint64_t heard = roster_quorum(core, heard_from);
    bool unheard = core->now - heard > core->options.election_min_ticks;
    if (!unheard && core->now < stuck_at(core)) return;
    if (unheard) MARK("raft.leader_hears_no_quorum");
    if (!unheard) MARK("raft.leader_commits_nothing");
    election_follow(core, core->hard.term, 0);
}

uint64_t election_due(const struct core *core)
{
    if (core->role == CORE_LEADER) {
        uint64_t heard = roster_quorum(core, heard_from);
        uint64_t due = heard + core->options.election_min_ticks + 1;
        return due < stuck_at(core) ? due : stuck_at(core);
    }
    if (core->gate.shut) return UINT64_MAX;
    bool waits = core->now >= core->election.deadline && !may_campaign(core);
    return waits ? UINT64_MAX : core->election.deadline; /* For the disk, or for entry 1: an event ends it. */
}
