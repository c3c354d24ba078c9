/* transfer: see the header. TIMEOUT_NOW is repeated at each heartbeat until the target's term is heard of; it
 * carries our term and does nothing in another, so repetition is harmless. */
#include "store/raft/transfer.h"

#include "store/raft/election.h"
#include "store/raft/outbox.h"
#include "store/raft/persistence.h"
#include "store/raft/roster.h"

#include "runtime/base/mark.h"

#include <string.h>

void transfer_start_term(struct core *core)
{
    transfer_end(core);
}

void transfer_end(struct core *core)
{
    core->transfer.target = 0;
    core->transfer.stalled = false;
}

static bool is_fresh(const struct core *core, const struct progress *peer)
{
    return core->now - peer->heard < core->options.election_min_ticks;
}

/* The voter that lacks least; of several the first in the order of the configuration. */
static replica_id best_target(const struct core *core)
{
    const struct progress *best = NULL;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct progress *peer = &core->peers[i];
        if (!configuration_is_voter(roster_active(core), peer->id) || !is_fresh(core, peer)) continue;
        if (best == NULL || peer->match > best->match) best = peer;
    }
    return best == NULL ? 0 : best->id;
}

static void begin(struct core *core, replica_id target)
{
    core->transfer.target = target;
    core->transfer.deadline = core->now + core->options.election_max_ticks;
    core->transfer.told = 0;
    core->transfer.stalled = false;
}

void transfer_on_request(struct core *core, replica_id target)
{
    if (core->role != CORE_LEADER || core->transfer.target != 0) return;
    if (target == 0) target = best_target(core);
    if (roster_peer(core, target) == NULL) return;
    if (!configuration_is_voter(roster_active(core), target)) return;
    begin(core, target);
}

void transfer_settle(struct core *core)
{
    const struct progress *peer = roster_peer(core, core->transfer.target);
    if (core->transfer.target == 0 || peer == NULL) return;
    if (peer->match != tail_last(&core->tail).index) return;
    if (core->transfer.told != 0 && core->now - core->transfer.told < core->options.heartbeat_ticks) return;
    core->transfer.told = core->now;
    outbox_send(core, (struct core_message){ .type = CORE_TIMEOUT_NOW, .to = peer->id });
}

void transfer_bequeath(struct core *core)
{
    const struct progress *peer = roster_peer(core, best_target(core));
    if (peer == NULL || peer->match != tail_last(&core->tail).index) return;
    MARK("raft.removed_leader_names_an_heir");
    outbox_send(core, (struct core_message){ .type = CORE_TIMEOUT_NOW, .to = peer->id });
}

/* F3: somebody with a working disk should lead. */
static void flee_slow_disk(struct core *core)
{
    if (!persistence_stalls(core)) return;
    replica_id target = best_target(core);
    if (target == 0) {
        MARK("raft.stalled_disk_steps_down");
        election_follow(core, core->hard.term, 0);
        return;
    }
    MARK("raft.stalled_disk_transfers");
    begin(core, target);
    core->transfer.stalled = true;
}

/* E9: gives up after T. A disk that still stalls leads no longer. */
static void give_up(struct core *core)
{
    bool stalls = core->transfer.stalled && persistence_stalls(core);
    transfer_end(core);
    MARK("raft.transfer_given_up");
    if (stalls) election_follow(core, core->hard.term, 0);
}

/* --- the steady state --- */

static bool is_healthy(const struct core *core, const struct progress *peer)
{
    return is_fresh(core, peer) && peer->match + CORE_CAUGHT_UP_LAG_MAX >= tail_last(&core->tail).index;
}

/* The voter of the lowest node name among those that followed well for long enough and stand before us. */
static replica_id preferred(const struct core *core)
{
    const struct configuration *active = roster_active(core);
    const struct configuration_member *best = configuration_find(active, core->options.self);
    if (best == NULL) return 0;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct progress *peer = &core->peers[i];
        if (core->now - peer->healthy_since < core->options.preference_ticks) continue;
        const struct configuration_member *member = configuration_find(active, peer->id);
        if (!member->voter || strcmp(member->name, best->name) >= 0) continue;
        best = member;
    }
    return best->id == core->options.self ? 0 : best->id;
}

static void move_to_preferred(struct core *core)
{
    struct transfer *transfer = &core->transfer;
    if (core->now < transfer->next_move || !core_is_ready(core)) return;
    replica_id target = preferred(core);
    if (target == 0) return;
    MARK("raft.moves_to_the_preferred");
    begin(core, target);
    transfer->next_move = core->now + transfer->back_off;
    transfer->back_off *= 2;
    if (transfer->back_off > core->options.preference_max_ticks) {
        transfer->back_off = core->options.preference_max_ticks;
    }
}

void transfer_on_tick(struct core *core)
{
    if (core->role != CORE_LEADER) return;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (!is_healthy(core, &core->peers[i])) core->peers[i].healthy_since = core->now;
    }
    if (core->transfer.target == 0) flee_slow_disk(core);
    if (core->role != CORE_LEADER) return;
    if (core->transfer.target == 0) move_to_preferred(core);
    else if (core->now >= core->transfer.deadline) give_up(core);
}

/* When the steady state could next move the lead. */
static uint64_t move_due(const struct core *core)
{
    const struct configuration *active = roster_active(core);
    const struct configuration_member *self = configuration_find(active, core->options.self);
    uint64_t due = UINT64_MAX;
    if (self == NULL || !core_is_ready(core)) return due;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct configuration_member *member = configuration_find(active, core->peers[i].id);
        if (!member->voter || strcmp(member->name, self->name) >= 0) continue;
        uint64_t proven = core->peers[i].healthy_since + core->options.preference_ticks;
        if (proven < core->transfer.next_move) proven = core->transfer.next_move;
        if (proven < due) due = proven;
    }
    return due;
}

uint64_t transfer_due(const struct core *core)
{
    const struct transfer *transfer = &core->transfer;
    if (transfer->target == 0) {
        uint64_t due = move_due(core);
        uint64_t oldest = core->now - persistence_oldest_age(core);
        uint64_t stall = oldest + core->options.election_min_ticks + 1;
        return persistence_is_idle(core) || due < stall ? due : stall;
    }
    uint64_t again = transfer->told + core->options.heartbeat_ticks;
    return transfer->told == 0 || transfer->deadline < again ? transfer->deadline : again;
}
