/* core_status: what the core lets others see of it, and when it next has something to do. Reads only. */
#include "store/raft/core_state.h"
#include "store/raft/election.h"
#include "store/raft/gate.h"
#include "store/raft/persistence.h"
#include "store/raft/reads.h"
#include "store/raft/recording.h"
#include "store/raft/replication.h"
#include "store/raft/roster.h"
#include "store/raft/snapshots.h"
#include "store/raft/transfer.h"

enum { LIVE_ELECTIONS = 10 }; /* A follower silent for so many T_max no longer holds the log (D7). */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint32_t core_next_tick_due(const struct core *core)
{
    uint64_t due = earlier(election_due(core), gate_due(core));
    due = earlier(due, earlier(reads_due(core), snapshots_due(core)));
    if (core->role == CORE_LEADER) {
        due = earlier(due, earlier(replication_due(core), transfer_due(core)));
        due = earlier(due, recording_due(core));
    }
    if (due <= core->now) return 1;
    return due - core->now > UINT32_MAX ? UINT32_MAX : (uint32_t)(due - core->now);
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
        log_index match = core->persistence.durable;
        for (uint32_t k = 0; k < core->peer_count; k++) {
            if (core->peers[k].id == id) match = core->peers[k].match;
        }
        if (match > core->commit) match = core->commit;
        /* A new leader knows nothing yet of one who is away: what was recorded of it still holds. */
        log_index recorded = checkpoint_match_of(&core->gate.recorded, id);
        if (match < recorded) match = recorded;
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
        .configuration_index = roster_active_index(core),
        .configuration = *roster_active(core),
        .gated = core->gate.shut,
        .installing = snapshots_is_installing(core),
        .damaged = !core_is_whole(core),
        .base = core->tail.base.index,
        .compact_till = compact_till(core),
        .malformed_count = core->malformed_count,
        .peer_count = core->peer_count,
    };
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct progress *peer = &core->peers[i];
        out_status->peers[i] = (struct core_peer_status){
            .id = peer->id,
            .state = peer->state,
            .match = peer->match,
            .next = peer->next,
            .voter = configuration_is_voter(roster_active(core), peer->id),
            .caught_up =
                peer->match > 0 && core->now - peer->healthy_since >= core->options.election_min_ticks,
            .silent_ticks = (uint32_t)(core->now - peer->heard),
        };
    }
}
