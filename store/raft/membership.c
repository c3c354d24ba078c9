/* membership: see the header. Who leads need not have begun the change that it ends: all that counts is in
 * the log. */
#include "store/raft/membership.h"

#include "store/raft/election.h"
#include "store/raft/gate.h"
#include "store/raft/outbox.h"
#include "store/raft/persistence.h"
#include "store/raft/replication.h"
#include "store/raft/roster.h"
#include "store/raft/transfer.h"

#include "runtime/base/mark.h"

static bool is_changing(const struct core *core)
{
    if (MUTANT(core, TWO_CHANGES)) return false;
    return roster_active(core)->joint || roster_active_index(core) > core->commit;
}

static bool names_retired(const struct core *core, const struct configuration *wanted)
{
    for (uint32_t i = 0; i < wanted->member_count; i++) {
        if (gate_is_retired(core, wanted->members[i].id)) return true;
    }
    return false;
}

/* OK: `out_next` is to be appended. */
static enum status judge(const struct core *core, const struct configuration *wanted,
                         struct configuration *out_next)
{
    if (core->role != CORE_LEADER) return core->leader == 0 ? STATUS_NO_LEADER : STATUS_NOT_LEADER;
    if (!core_is_ready(core) || core->transfer.target != 0) return STATUS_NOT_READY; /* E7, E9 */
    if (is_changing(core)) {
        MARK("raft.change_refused_while_changing");
        return STATUS_CONFLICT;
    }
    if (names_retired(core, wanted)) return STATUS_INVALID;
    return configuration_toward(roster_active(core), wanted, out_next);
}

/* false: no room for it now. */
static bool append(struct core *core, const struct configuration *configuration)
{
    struct bytes *payload = configuration_pack(configuration);
    bool appended = replication_append_configuration(core, payload);
    bytes_unref(&payload);
    return appended;
}

void membership_on_conf(struct core *core, uint64_t tag, const struct configuration *wanted)
{
    struct configuration next;
    enum status status = judge(core, wanted, &next);
    if (status == STATUS_OK && !append(core, &next)) status = STATUS_OVERLOADED;
    if (status != STATUS_OK) {
        outbox_reject(core, tag, status);
        return;
    }
    struct core_proposed *proposed = &outbox_add(core, CORE_ACTION_PROPOSED)->proposed;
    proposed->tag = tag;
    proposed->index = tail_last(&core->tail).index;
    proposed->term = core->hard.term;
}

/* M2: by whoever leads. */
static void leave_joint(struct core *core)
{
    const struct configuration *active = roster_active(core);
    if (!active->joint || !core_is_ready(core) || core->transfer.target != 0) return;
    if (roster_active_index(core) > core->commit) return;
    bool began = roster_active_index(core) > core->no_op;
    if (!began && MUTANT(core, JOINT_NEVER_LEFT)) return;
    if (!began) MARK("raft.joint_left_by_another_leader");
    if (!roster_is_incoming_voter(core)) MARK("raft.joint_left_by_who_is_leaving");
    struct configuration left;
    configuration_leave(active, &left);
    (void)append(core, &left); /* No room: at a later step. */
}

/* E6: its last deed is to name who goes on, if there is one that has everything. */
static void leave_lead(struct core *core)
{
    bool removed =
        core_is_ready(core) && !roster_self_is_voter(core) && roster_active_index(core) <= core->commit;
    if (!removed || MUTANT(core, REMOVED_LEADER_STAYS)) return;
    MARK("raft.leader_removed_itself");
    transfer_bequeath(core);
    election_follow(core, core->hard.term, 0);
}

void membership_settle(struct core *core)
{
    leave_joint(core);
    leave_lead(core);
}

void membership_announce(struct core *core)
{
    struct core_configured now = {
        .index = roster_active_index(core),
        .joint = roster_active(core)->joint,
        .committed = roster_active_index(core) <= core->commit,
    };
    const struct core_configured *before = &core->configured;
    if (now.index <= 1) return; /* The founding's is no change. */
    if (now.index == before->index && now.committed == before->committed) return;
    core->configured = now;
    outbox_add(core, CORE_ACTION_CONFIGURED)->configured = now;
}
