/* raft_faults: see the header. Only what the rules promise to survive is done: damage to one replica at a
 * time (T6), an old copy only of a directory whose loss all others can tell (T5), and voters enough that one
 * that is retired leaves a quorum. */
#include "tests/support/raft_faults.h"

#include "tests/support/raft_occasions.h"
#include "tests/support/raft_replica.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <string.h>

static uint64_t draw(struct swarm *swarm, uint64_t below)
{
    return swarm_draw(swarm, STREAM_FAULTS, below);
}

static bool chance(struct swarm *swarm, uint32_t percent)
{
    return swarm_chance(swarm, STREAM_FAULTS, percent);
}

void faults_draw_families(struct swarm *swarm)
{
    struct families *families = &swarm->families;
    bool *const all[] = {
        &families->loss,       &families->doubling,      &families->delay,     &families->partitions,
        &families->one_way,    &families->crashes,       &families->slow_disk, &families->hints,
        &families->transfers,  &families->small_limits,  &families->replay,    &families->members,
        &families->compaction, &families->bad_snapshots, &families->damage,    &families->old_copies,
        &families->sleepy,     &families->garble,
    };
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        *all[i] = chance(swarm, 60);
    }
    swarm->limits.checkpoint_entries = 8 + (uint32_t)draw(swarm, 60);
    swarm->limits.checkpoint_ticks = 50 + (uint32_t)draw(swarm, 400);
    if (chance(swarm, 30)) { /* E9: the lead moves to the lowest name again and again. */
        swarm->limits.preference_ticks = 30 + (uint32_t)draw(swarm, 200);
        swarm->limits.preference_max_ticks = 4 * swarm->limits.preference_ticks;
    }
    if (!families->small_limits) return;
    swarm->limits.append_entries = 1 + (uint32_t)draw(swarm, 4);
    swarm->limits.window_messages = 1 + (uint32_t)draw(swarm, 4);
    swarm->limits.tail_entries = swarm->limits.append_entries + (uint32_t)draw(swarm, 16);
    swarm->limits.uncommitted_bytes = 600 + (uint32_t)draw(swarm, 8000);
}

/* --- the network --- */

static void note_isolation(struct swarm *swarm)
{
    for (uint32_t at = 0; at < swarm->count; at++) {
        struct replica *replica = &swarm->replicas[at];
        bool isolated = true;
        for (uint32_t peer = 0; peer < swarm->count; peer++) {
            if (peer != at && (!swarm->cut[at][peer] || !swarm->cut[peer][at])) isolated = false;
        }
        if (isolated && !replica->isolated) replica->isolated_at = swarm->now;
        if (isolated != replica->isolated) replica->isolated_term = 0;
        replica->isolated = isolated;
    }
}

static void mend_links(struct swarm *swarm)
{
    memset(swarm->cut, 0, sizeof swarm->cut);
}

/* Any two sides, or one alone: a leader, by preference, so that it has entries to lose. */
static uint64_t draw_side(struct swarm *swarm)
{
    if (chance(swarm, 40)) return draw(swarm, UINT64_C(1) << swarm->count);
    uint64_t alone = draw(swarm, swarm->count);
    for (uint32_t at = 0; at < swarm->count; at++) {
        bool leads =
            swarm->replicas[at].core != NULL && swarm->oracle.replicas[at].before.role == CORE_LEADER;
        if (leads) alone = at;
    }
    return UINT64_C(1) << alone;
}

static void partition(struct swarm *swarm)
{
    mend_links(swarm);
    uint64_t side = draw_side(swarm);
    for (uint32_t from = 0; from < swarm->count; from++) {
        for (uint32_t to = 0; to < swarm->count; to++) {
            swarm->cut[from][to] = ((side >> from) & 1) != ((side >> to) & 1);
        }
    }
}

static void cut_one_way(struct swarm *swarm)
{
    uint32_t links = 1 + (uint32_t)draw(swarm, 4);
    for (uint32_t i = 0; i < links; i++) {
        uint64_t from = draw(swarm, swarm->count);
        uint64_t to = draw(swarm, swarm->count);
        swarm->cut[from][to] = from != to;
    }
}

/* --- directories --- */

/* D7, often beyond what followers still need: who is too far behind gets a snapshot. */
static void compact(struct swarm *swarm, uint32_t at)
{
    struct replica *replica = &swarm->replicas[at];
    struct raft_disk *disk = &replica->disk;
    bool restarts = disk->written.base.index != disk->log.base.index; /* A flip is on its way. */
    if (replica->core == NULL || disk->damaged || restarts) return;
    struct core_status status;
    core_status(replica->core, &status);
    uint64_t keep = draw(swarm, 12);
    log_index till = disk->copy.position.index > keep ? disk->copy.position.index - keep : 0;
    if (chance(swarm, 40) && till > status.compact_till) till = status.compact_till;
    if (till <= disk->log.base.index) return;
    swarm->result->counts.compactions++;
    struct log_position base = raft_disk_compact(disk, till);
    uint64_t later = chance(swarm, 50) ? 0 : draw(swarm, 20 * MILLISECOND);
    occasions_add(swarm, OCCASION_COMPACTED, at, swarm->now + later)->position = base;
}

static void keep_a_copy(struct swarm *swarm, uint32_t at)
{
    struct replica *replica = &swarm->replicas[at];
    if (replica->old != NULL || replica->retired || replica->disk.damaged) return;
    replica->old = memory_zalloc(sizeof *replica->old);
    raft_disk_clone(replica->old, &replica->disk);
}

static bool somebody_is_unwell(const struct swarm *swarm)
{
    for (uint32_t at = 0; at < swarm->count; at++) {
        const struct replica *replica = &swarm->replicas[at];
        if (replica->impostor || replica->disk.damaged) return true;
        const struct configuration *known = &swarm->oracle.replicas[at].before.configuration;
        for (uint32_t i = 0; i < swarm->retired_count && !replica->retired; i++) {
            if (configuration_is_voter(known, swarm->retired[i])) return true; /* Not replaced yet. */
        }
    }
    return false;
}

static const struct configuration *newest_configuration(const struct raft_disk *disk,
                                                        struct configuration *read)
{
    *read = disk->base_configuration.configuration;
    for (uint64_t i = 0; i < disk->log.count; i++) {
        const struct raft_entry *entry = &disk->log.entries[i];
        if (entry->type != ENTRY_CONFIGURATION) continue;
        CHECK(configuration_unpack(entry->payload->data, entry->payload->size, read) == STATUS_OK);
    }
    return read;
}

/* T5: every voter that the old copy would ask has recorded, durably, that more was acknowledged. */
static bool will_be_found_out(const struct swarm *swarm, uint32_t at)
{
    const struct replica *replica = &swarm->replicas[at];
    struct configuration asked;
    (void)newest_configuration(replica->old, &asked);
    log_index last = raft_log_last(&replica->old->log).index;
    uint32_t others = 0;
    for (uint32_t i = 0; i < asked.member_count; i++) {
        replica_id id = asked.members[i].id;
        if (id == replica->id || !configuration_is_voter(&asked, id)) continue;
        const struct replica *other = &swarm->replicas[swarm_replica_of(swarm, id)];
        if (other->retired) continue;
        others++;
        if (checkpoint_match_of(&other->disk.copy.checkpoint, replica->id) <= last) return false;
    }
    for (uint32_t peer = 0; peer < swarm->count; peer++) { /* And nobody is about to strike it off. */
        const struct configuration *known = &swarm->oracle.replicas[peer].before.configuration;
        bool knows = known->member_count > 0 && !swarm->replicas[peer].retired;
        if (knows && configuration_find(known, replica->id) == NULL) return false;
    }
    return others > 0 && last > 0;
}

static bool put_back_old_copy(struct swarm *swarm, uint32_t at)
{
    struct replica *replica = &swarm->replicas[at];
    if (replica->old == NULL || !will_be_found_out(swarm, at)) return false;
    raft_disk_fini(&replica->disk);
    replica->disk = *replica->old;
    memory_free(replica->old);
    replica->old = NULL;
    replica->impostor = true;
    swarm->result->counts.old_copies++;
    return true;
}

/* T6: where the log reaches back to its first entry, the state is built again from it. */
static void spoil(struct swarm *swarm, struct raft_disk *disk)
{
    swarm->result->counts.damaged_copies++;
    disk->damaged = disk->log.base.index > 0;
    if (disk->damaged) return;
    if (disk->copy.position.index > disk->replay_till) disk->replay_till = disk->copy.position.index;
    disk->copy = (struct raft_state){ 0 };
}

void faults_restart(struct swarm *swarm, uint32_t at)
{
    struct replica *replica = &swarm->replicas[at];
    if (replica->core != NULL || replica->retired || swarm->healed) return;
    bool unwell = somebody_is_unwell(swarm);
    if (swarm->families.old_copies && !unwell && chance(swarm, 50)) unwell = put_back_old_copy(swarm, at);
    if (swarm->families.damage && !unwell && chance(swarm, 30)) spoil(swarm, &replica->disk);
    replica_start(swarm, at, CORE_START_RESTARTED);
    for (uint32_t peer = 0; peer < swarm->count; peer++) {
        if (peer == at || !swarm->families.hints) continue;
        occasions_add(swarm, OCCASION_PEER_UP, peer, swarm->now + MILLISECOND)->number = replica->id;
    }
}

/* --- one of them --- */

static void request_transfer(struct swarm *swarm, uint32_t at)
{
    if (swarm->replicas[at].core == NULL) return;
    replica_id target = chance(swarm, 50) ? 0 : swarm->replicas[draw(swarm, swarm->count)].id;
    swarm->result->counts.transfers++;
    replica_step(swarm, at, &(struct core_event){ .type = CORE_EVENT_TRANSFER, .replica = target });
}

static void crash_some(struct swarm *swarm, uint64_t later)
{
    for (uint32_t i = 0; i < swarm->count; i++) {
        if (chance(swarm, 40)) replica_crash(swarm, i, later + i * MILLISECOND);
    }
}

static void on_the_disk(struct swarm *swarm, uint32_t at, uint64_t later)
{
    const struct families *families = &swarm->families;
    if (families->compaction && chance(swarm, 70)) compact(swarm, at);
    else if (families->old_copies && chance(swarm, 30)) keep_a_copy(swarm, at);
    else if (families->slow_disk) {
        swarm->replicas[at].disk_slow_till = later;
        swarm->result->counts.slow_disks++;
    }
}

void faults_one(struct swarm *swarm)
{
    const struct families *families = &swarm->families;
    uint32_t at = (uint32_t)draw(swarm, swarm->count);
    uint64_t later = swarm->now + (20 + draw(swarm, 1200)) * MILLISECOND;
    switch (draw(swarm, 10)) {
    case 0:
        if (families->partitions) partition(swarm);
        break;
    case 1:
        if (families->one_way) cut_one_way(swarm);
        break;
    case 2: mend_links(swarm); break;
    case 3:
        if (families->crashes) replica_crash(swarm, at, later);
        break;
    case 4:
        if (families->crashes) crash_some(swarm, later);
        break;
    case 5:
        for (uint32_t i = 0; families->transfers && i < swarm->count; i++) {
            request_transfer(swarm, i); /* Only the leader heeds it. */
        }
        break;
    case 6:
        if (families->hints) {
            uint64_t peer = draw(swarm, swarm->count);
            occasions_add(swarm, OCCASION_PEER_DOWN, at, swarm->now)->number = swarm->replicas[peer].id;
        }
        break;
    default: on_the_disk(swarm, at, later); break;
    }
    note_isolation(swarm);
}

/* --- the end of them --- */

/* With members that change, or that lost or may lose their directories, a majority is not known: all work. */
static void choose_connected(struct swarm *swarm)
{
    const struct families *families = &swarm->families;
    bool all = families->members || families->damage || families->old_copies;
    uint64_t first = draw(swarm, swarm->voters);
    uint32_t well = swarm->voters / 2 + 1;
    if (chance(swarm, 50)) well = swarm->voters;
    for (uint32_t i = 0; i < well; i++) {
        swarm->connected[(first + i) % swarm->voters] = true;
    }
    for (uint32_t at = 0; at < swarm->count; at++) {
        bool learner = at >= swarm->voters;
        if (all || learner) swarm->connected[at] = !swarm->replicas[at].retired;
    }
}

void faults_heal(struct swarm *swarm)
{
    swarm->healed = true;
    swarm->healed_at = swarm->now;
    mend_links(swarm);
    choose_connected(swarm);
    bool gone = chance(swarm, 50);
    for (uint32_t at = 0; at < swarm->count; at++) {
        struct replica *replica = &swarm->replicas[at];
        replica->disk_slow_till = 0;
        if (swarm->connected[at]) {
            if (replica->core == NULL) replica_start(swarm, at, CORE_START_RESTARTED);
            continue;
        }
        if (gone) replica_crash(swarm, at, 0);
        for (uint32_t peer = 0; peer < swarm->count; peer++) {
            swarm->cut[peer][at] = chance(swarm, 70);
            swarm->cut[at][peer] = !swarm->cut[peer][at] || chance(swarm, 50);
        }
    }
    note_isolation(swarm);
}
