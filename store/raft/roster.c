/* roster: see the header. */
#include "store/raft/roster.h"

#include "store/raft/quorum.h"

#include "runtime/base/mark.h"

#include <string.h>

const struct configuration *roster_active(const struct core *core)
{
    static const struct configuration none;
    if (core->configuration_count == 0) return &none;
    return &core->configurations[core->configuration_count - 1].configuration;
}

log_index roster_active_index(const struct core *core)
{
    return core->configuration_count == 0 ? 0 : core->configurations[core->configuration_count - 1].index;
}

static void drop_oldest(struct core *core)
{
    core->configuration_count--;
    memmove(core->configurations, core->configurations + 1,
            core->configuration_count * sizeof core->configurations[0]);
}

void roster_tidy(struct core *core)
{
    while (core->configuration_count > 1 && core->configurations[1].index <= core->applied) {
        drop_oldest(core);
    }
}

void roster_replace(struct core *core, const struct core_log_configuration *configuration)
{
    core->configurations[0] = *configuration;
    core->configuration_count = 1;
    roster_refresh(core);
}

void roster_append(struct core *core, const struct raft_entry *entry)
{
    struct core_log_configuration read = { .index = entry->index };
    bool readable = entry->payload != NULL && configuration_unpack(entry->payload->data, entry->payload->size,
                                                                   &read.configuration) == STATUS_OK;
    if (!readable || !configuration_may_follow(roster_active(core), &read.configuration)) { /* M4 */
        core_fail(core, CORE_STOP_CONFIGURATION);
        return;
    }
    /* Of so many at most one is not committed somewhere: no truncation reaches the oldest. */
    if (core->configuration_count == CORE_CONFIGURATIONS_MAX) {
        MARK("raft.many_configurations");
        drop_oldest(core);
    }
    core->configurations[core->configuration_count++] = read;
    roster_refresh(core);
}

void roster_truncate(struct core *core, log_index from)
{
    uint32_t before = core->configuration_count;
    if (MUTANT(core, NOT_ROLLED_BACK)) return;
    while (core->configuration_count > 0 &&
           core->configurations[core->configuration_count - 1].index >= from) {
        core->configuration_count--;
    }
    if (core->configuration_count == before) return;
    MARK("raft.configuration_rolled_back");
    if (core->configuration_count == 0 && from > 1) core_fail(core, CORE_STOP_CONFIGURATION);
    roster_refresh(core);
}

void roster_refresh(struct core *core)
{
    uint32_t former_count = core->peer_count;
    memcpy(core->former_peers, core->peers, former_count * sizeof core->peers[0]);
    core->peer_count = 0;
    const struct configuration *active = roster_active(core);
    for (uint32_t i = 0; i < active->member_count; i++) {
        replica_id id = active->members[i].id;
        if (id == core->options.self) continue;
        struct progress *peer = &core->peers[core->peer_count++];
        peer->id = id;
        progress_start(peer, tail_last(&core->tail).index, core->now);
        for (uint32_t k = 0; k < former_count; k++) {
            if (core->former_peers[k].id == id) *peer = core->former_peers[k];
        }
    }
}

#if AETHER_MUTANTS
/* The smallest of the n/2 best: half of an even number is no majority. */
static uint64_t half_of_even(const struct core *core, const struct configuration *active,
                             uint64_t (*value_of)(const void *core, replica_id voter))
{
    uint64_t best[REPLICAS_MAX] = { 0 };
    uint32_t count = 0;
    for (uint32_t i = 0; i < active->member_count; i++) {
        if (!active->members[i].voter) continue;
        uint64_t value = value_of(core, active->members[i].id);
        uint32_t at = count++;
        for (; at > 0 && best[at - 1] < value; at--)
            best[at] = best[at - 1];
        best[at] = value;
    }
    return best[(count - 1) / 2];
}

static uint64_t planted_quorum(const struct core *core,
                               uint64_t (*value_of)(const void *core, replica_id voter))
{
    struct configuration active = *roster_active(core);
    if (MUTANT(core, EVEN_MAJORITY)) return half_of_even(core, &active, value_of);
    if (MUTANT(core, HALF_OF_JOINT)) active.joint = false;
    for (uint32_t i = 0; i < active.member_count; i++) {
        struct configuration_member *member = &active.members[i];
        bool learner = !member->voter && !member->outgoing_voter;
        if (learner && MUTANT(core, LEARNER_COUNTED)) member->voter = true;
    }
    return quorum_value(&active, value_of, core);
}
#endif

uint64_t roster_quorum(const struct core *core, uint64_t (*value_of)(const void *core, replica_id voter))
{
#if AETHER_MUTANTS
    bool planted =
        MUTANT(core, EVEN_MAJORITY) || MUTANT(core, HALF_OF_JOINT) || MUTANT(core, LEARNER_COUNTED);
    if (planted) return planted_quorum(core, value_of);
#endif
    return quorum_value(roster_active(core), value_of, core);
}

struct progress *roster_peer(struct core *core, replica_id id)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (core->peers[i].id == id) return &core->peers[i];
    }
    return NULL;
}

bool roster_self_is_voter(const struct core *core)
{
    return configuration_is_voter(roster_active(core), core->options.self);
}

bool roster_is_incoming_voter(const struct core *core)
{
    const struct configuration_member *self = configuration_find(roster_active(core), core->options.self);
    return self != NULL && self->voter;
}

bool roster_self_may_lead(const struct core *core)
{
    if (roster_self_is_voter(core)) return true;
    uint32_t count = core->configuration_count;
    if (count < 2 || roster_active_index(core) <= core->commit) return false;
    bool was = configuration_is_voter(&core->configurations[count - 2].configuration, core->options.self);
    if (was) MARK("raft.former_voter_may_lead");
    return was;
}
