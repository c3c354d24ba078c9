/* status_reply: one look at the core, in the wire's words. Only a leader knows how far the others are. */
#include "actors/consensus/status_reply.h"

#include "runtime/base/text.h"
#include "wire/local.h"

static enum consensus_role status_role(enum core_role role)
{
    if (role == CORE_LEADER) return CONSENSUS_LEADER;
    return role == CORE_FOLLOWER ? CONSENSUS_FOLLOWER : CONSENSUS_CANDIDATE;
}

static void put_peer(struct consensus_member *member, const struct core_status *status,
                     const struct core_peer_status *peer)
{
    member->silent_ms = peer->silent_ticks * CORE_TICK_MS;
    if (status->role != CORE_LEADER) return;
    member->match = peer->match;
    member->caught_up = peer->caught_up;
}

static void put_members(struct message *message, struct consensus_status_reply *reply,
                        const struct core_status *status)
{
    const struct configuration *configuration = &status->configuration;
    struct consensus_member *members =
        arena_array(&message->arena, configuration->member_count, sizeof *members);
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        const struct configuration_member *from = &configuration->members[i];
        (void)text_copy(members[i].node, sizeof members[i].node, from->name);
        members[i].replica_id = from->id;
        members[i].voter = from->voter;
        if (from->id == reply->replica_id) members[i].match = status->durable;
        members[i].caught_up = status->role == CORE_LEADER && from->id == reply->replica_id;
        for (uint32_t p = 0; p < status->peer_count; p++) {
            if (status->peers[p].id == from->id) put_peer(&members[i], status, &status->peers[p]);
        }
    }
    reply->members = members;
    reply->member_count = configuration->member_count;
}

void status_reply_put_core(struct message *message, const struct core *core, log_index applied)
{
    struct consensus_status_reply *reply = message->body;
    struct core_status status;
    core_status(core, &status);
    reply->role = status_role(status.role);
    reply->term = status.hard.term;
    const struct configuration_member *leader = configuration_find(&status.configuration, status.leader);
    (void)text_copy(reply->leader, sizeof reply->leader, leader == NULL ? "" : leader->name);
    reply->commit = status.commit;
    reply->applied = applied;
    reply->durable = status.durable;
    reply->configuration_index = status.configuration_index;
    reply->joint = status.configuration.joint;
    reply->last = status.last.index;
    put_members(message, reply, &status);
}
