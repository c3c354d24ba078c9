/* snapshots: see the header. On the follower a snapshot is received, then flipped (one transaction, in the
 * sequence of the PERSISTs), then loaded by the state. Commit rises with the flip's order, not with its
 * completion: that a snapshot exists proves that its index is committed. */
#include "store/raft/snapshots.h"

#include "store/raft/election.h"
#include "store/raft/gate.h"
#include "store/raft/inlet.h"
#include "store/raft/outbox.h"
#include "store/raft/persistence.h"
#include "store/raft/roster.h"

#include "runtime/base/mark.h"

/* --- sending --- */

bool snapshots_must_send(struct core *core, struct progress *peer)
{
    return peer->next <= core->tail.base.index;
}

void snapshots_begin(struct core *core, struct progress *peer)
{
    if (core->now < peer->snapshot_after) return;
    MARK("raft.peer_needs_a_snapshot");
    progress_snapshot(peer);
    outbox_add(core, CORE_ACTION_SNAPSHOT_SEND)->replica = peer->id;
}

void snapshots_on_sent(struct core *core, replica_id replica, log_index index)
{
    struct progress *peer = roster_peer(core, replica);
    bool waits = core->role == CORE_LEADER && peer != NULL && peer->state == CORE_PEER_SNAPSHOT;
    if (!waits) MARK("raft.snapshot_outcome_comes_late");
    if (!waits) return; /* Of an earlier term, or it acknowledged the snapshot before its sender knew. */
    bool sent = index != 0 && index <= tail_last(&core->tail).index;
    if (!sent) {
        MARK("raft.snapshot_failed");
        peer->snapshot_after = core->now + core->options.election_max_ticks;
    }
    progress_probe(peer, sent ? index + 1 : peer->match + 1);
}

/* --- receiving --- */

static bool same_place(const struct log_position *a, const struct log_position *b)
{
    return a->index == b->index && a->term == b->term && a->chain == b->chain;
}

bool snapshots_is_installing(const struct core *core)
{
    return core->receiving.stage != RECEIVING_NOTHING;
}

bool snapshots_holds_apply(const struct core *core)
{
    return core->damaged || core->receiving.stage >= RECEIVING_FLIP;
}

void snapshots_cancel(struct core *core, replica_id leader)
{
    struct receiving *receiving = &core->receiving;
    if (receiving->stage != RECEIVING_STREAM || (leader != 0 && receiving->from == leader)) return;
    MARK("raft.snapshot_cancelled");
    outbox_add(core, CORE_ACTION_SNAPSHOT_CANCEL)->position = receiving->snapshot.position;
    receiving->stage = RECEIVING_NOTHING;
}

static bool is_sound(const struct core_snapshot *snapshot)
{
    const struct core_log_configuration *configuration = &snapshot->configuration;
    if (snapshot->position.index == 0 || snapshot->position.term == 0) return false;
    if (snapshot->position.index > UINT64_MAX - 2 * (uint64_t)CORE_APPEND_ENTRIES_MAX) return false;
    if (configuration->index == 0 || configuration->index > snapshot->position.index) return false;
    return configuration_is_valid(&configuration->configuration);
}

/* N3: not what we have already, unless we asked; never what lies before our log, which could not go on from
 * it. */
static bool is_wanted(const struct core *core, bool asked, const struct log_position *position)
{
    if (MUTANT(core, INSTALLS_BELOW_COMMIT)) return position->index >= core->tail.base.index;
    if (position->index > core->commit) return true;
    return asked && core->damaged && position->index >= core->tail.base.index;
}

/* The sender leads: what E4 and hearing a leader make of its messages, they make of this. */
static bool hear_sender(struct core *core, replica_id from, log_term term)
{
    bool strange = from == 0 || from == core->options.self || term == 0;
    if (strange || core->gate.shut || gate_is_retired(core, from) || term < core->hard.term) return false;
    if (term > core->hard.term) election_follow(core, term, 0);
    return election_hear_leader(core, from);
}

static bool accept(struct core *core, replica_id from, log_term term, bool asked,
                   const struct core_snapshot *snapshot)
{
    struct receiving *receiving = &core->receiving;
    if (!is_sound(snapshot) || snapshot->position.term > term || !inlet_term_is_near(core, term)) {
        core->malformed_count++;
        return false;
    }
    if (!hear_sender(core, from, term)) return false;
    if (receiving->stage >= RECEIVING_FLIP) return false;
    if (!is_wanted(core, asked, &snapshot->position)) {
        MARK("raft.snapshot_not_wanted");
        return false;
    }
    if (receiving->stage == RECEIVING_STREAM) MARK("raft.second_snapshot_replaces_the_first");
    receiving->stage = RECEIVING_STREAM; /* N4: in place of what was being received. */
    receiving->from = from;
    receiving->asked = asked;
    receiving->snapshot = *snapshot;
    return true;
}

void snapshots_on_offered(struct core *core, replica_id from, log_term term, bool asked,
                          const struct core_snapshot *snapshot)
{
    bool accepted = accept(core, from, term, asked, snapshot);
    if (core->stop != CORE_RUNNING) return;
    outbox_add(core, accepted ? CORE_ACTION_SNAPSHOT_ACCEPT : CORE_ACTION_SNAPSHOT_IGNORE)->position =
        snapshot->position;
}

static bool is_received(const struct core *core, const struct log_position *position)
{
    return core->receiving.stage == RECEIVING_STREAM &&
           same_place(&core->receiving.snapshot.position, position);
}

void snapshots_on_failed(struct core *core, const struct log_position *position)
{
    if (is_received(core, position)) core->receiving.stage = RECEIVING_NOTHING;
}

/* --- the flip --- */

/* N3: our log goes on behind the snapshot. */
static bool log_holds(struct core *core, const struct log_position *position)
{
    if (position->index > tail_last(&core->tail).index) return false;
    if (tail_term_at(&core->tail, position->index) != position->term) return MUTANT(core, STALE_SUFFIX);
    struct log_position ours;
    bool differs = tail_position(&core->tail, position->index, &ours) && ours.chain != position->chain;
    if (differs) core_fail(core, CORE_STOP_CHAIN); /* D1 */
    return true;
}

static void flip(struct core *core)
{
    struct receiving *receiving = &core->receiving;
    const struct core_snapshot *snapshot = &receiving->snapshot;
    bool keep = log_holds(core, &snapshot->position);
    bool known = snapshot->position.index <= core->commit;
    if (!keep && known) core_fail(core, CORE_STOP_TRUNCATION); /* It contradicts what is committed here. */
    if (core->stop != CORE_RUNNING) return;
    if (keep) MARK("raft.snapshot_keeps_the_log");
    if (!keep) MARK("raft.snapshot_drops_the_log");
    receiving->stage = RECEIVING_FLIP;
    receiving->sequence = persistence_install(core, snapshot, keep);
    if (!keep) {
        outbox_drop_acknowledgements(core);
        tail_restart(&core->tail, &snapshot->position);
        core->uncommitted_bytes = 0;
        if (!MUTANT(core, SNAPSHOT_WITHOUT_CONF)) roster_replace(core, &snapshot->configuration);
    }
    core_commit(core, snapshot->position.index);
    if (core->leader == 0) return;
    outbox_acknowledge(core, (struct core_message){ .type = CORE_APPEND_REPLY,
                                                    .to = core->leader,
                                                    .granted = true,
                                                    .match = snapshot->position.index });
}

void snapshots_on_ready(struct core *core, const struct log_position *position)
{
    if (!is_received(core, position)) { /* It was cancelled meanwhile. */
        MARK("raft.cancelled_snapshot_is_ready");
        return;
    }
    bool wanted = is_wanted(core, core->receiving.asked, position);
    if (!wanted || !persistence_has_room(core, PERSISTENCE_SPARE_MESSAGE)) {
        MARK("raft.snapshot_came_too_late");
        snapshots_cancel(core, 0);
        return;
    }
    flip(core);
}

void snapshots_on_persisted(struct core *core)
{
    struct receiving *receiving = &core->receiving;
    if (receiving->stage != RECEIVING_FLIP || receiving->sequence > core->persistence.done) return;
    receiving->stage = RECEIVING_LOAD;
    core->handed = receiving->snapshot.position.index;
    outbox_add(core, CORE_ACTION_RELOAD)->position = receiving->snapshot.position;
    if (MUTANT(core, INSTALL_RESETS_HARD)) {
        core->hard = (struct hard_state){ .term = receiving->snapshot.position.term };
    }
}

void snapshots_on_applied(struct core *core)
{
    struct receiving *receiving = &core->receiving;
    if (receiving->stage != RECEIVING_LOAD || core->applied < receiving->snapshot.position.index) return;
    if (core->damaged) MARK("raft.damaged_copy_mended");
    receiving->stage = RECEIVING_NOTHING;
    core->damaged = false;
}

/* --- asking for one (T6) --- */

static bool asks(const struct core *core)
{
    return core->damaged && core->receiving.stage == RECEIVING_NOTHING && core->leader != 0;
}

uint64_t snapshots_due(const struct core *core)
{
    if (!asks(core)) return UINT64_MAX;
    if (core->receiving.asked_at == 0) return core->now + 1;
    return core->receiving.asked_at + core->options.election_max_ticks;
}

void snapshots_on_tick(struct core *core)
{
    bool first = core->receiving.asked_at == 0;
    if (!asks(core) || (!first && snapshots_due(core) > core->now)) return;
    core->receiving.asked_at = core->now;
    outbox_add(core, CORE_ACTION_SNAPSHOT_ASK)->replica = core->leader;
}
