/* roster: see the header. */
#include "store/raft/roster.h"

#include "runtime/base/check.h"

#include <string.h>

const struct configuration *roster_active(const struct core *core)
{
    static const struct configuration none;
    if (core->configuration_count == 0) return &none;
    return &core->configurations[core->configuration_count - 1].configuration;
}

static void drop_oldest(struct core *core)
{
    core->configuration_count--;
    memmove(core->configurations, core->configurations + 1,
            core->configuration_count * sizeof core->configurations[0]);
}

void roster_commit(struct core *core)
{
    while (core->configuration_count > 1 && core->configurations[1].index <= core->commit) {
        drop_oldest(core);
    }
}

void roster_append(struct core *core, const struct raft_entry *entry)
{
    struct core_log_configuration read = { .index = entry->index };
    bool readable = entry->payload != NULL && configuration_unpack(entry->payload->data, entry->payload->size,
                                                                   &read.configuration) == STATUS_OK;
    if (!readable) {
        core_fail(core, CORE_STOP_CONFIGURATION);
        return;
    }
    if (core->configuration_count == CORE_CONFIGURATIONS_MAX) {
        core_fail(core, CORE_STOP_BOUND);
        return;
    }
    core->configurations[core->configuration_count++] = read;
    roster_refresh(core);
}

void roster_truncate(struct core *core, log_index from)
{
    uint32_t before = core->configuration_count;
    while (core->configuration_count > 0 &&
           core->configurations[core->configuration_count - 1].index >= from) {
        core->configuration_count--;
    }
    if (core->configuration_count == before) return;
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
