/* raft_clients: see the header. */
#include "tests/support/raft_clients.h"

#include "tests/support/raft_replica.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>

static void propose(struct swarm *swarm, uint32_t at)
{
    struct core_proposal proposals[3];
    uint32_t count = 1 + (uint32_t)swarm_draw(swarm, STREAM_CLIENT, 3);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t value = ++swarm->next_value;
        proposals[i] = (struct core_proposal){ .type = ENTRY_COMMAND,
                                               .payload = bytes_copy(&value, sizeof value),
                                               .tag = value };
    }
    replica_step(swarm, at,
                 &(struct core_event){ .type = CORE_EVENT_PROPOSE,
                                       .propose = { .items = proposals, .count = count } });
    for (uint32_t i = 0; i < count; i++) {
        bytes_unref(&proposals[i].payload);
    }
}

static void read(struct swarm *swarm, uint32_t at)
{
    uint64_t tag = ++swarm->next_tag;
    const struct core_status *status = &swarm->oracle.replicas[at].before;
    swarm->reads[tag % WAITING_READS_MAX] = (struct waiting){
        .used = true,
        .replica = at,
        .incarnation = swarm->replicas[at].incarnation,
        .commit = swarm->oracle.commit,
        .led = status->role == CORE_LEADER,
        .term = status->hard.term,
        .configuration = status->configuration_index,
        .token = oracle_token(&swarm->oracle, at),
    };
    if (status->role == CORE_FOLLOWER && status->leader != 0) swarm->result->counts.reads_forwarded++;
    replica_step(swarm, at, &(struct core_event){ .type = CORE_EVENT_READ, .read = { .tag = tag } });
}

void clients_one(struct swarm *swarm)
{
    for (uint32_t at = 0; at < swarm->count; at++) {
        if (swarm->replicas[at].core == NULL) continue;
        bool leads = swarm->oracle.replicas[at].before.role == CORE_LEADER;
        bool asked = leads || swarm_chance(swarm, STREAM_CLIENT, 5);
        if (asked && swarm_chance(swarm, STREAM_CLIENT, 70)) propose(swarm, at);
        if (swarm->replicas[at].core != NULL && swarm_chance(swarm, STREAM_CLIENT, 15)) read(swarm, at);
    }
}

void clients_checkpoint(struct swarm *swarm, uint32_t at)
{
    struct checkpoint checkpoint;
    core_checkpoint(swarm->replicas[at].core, &checkpoint);
    struct core_proposal proposal = { .type = ENTRY_CHECKPOINT,
                                      .payload = checkpoint_pack(&checkpoint),
                                      .tag = ++swarm->next_value };
    swarm->result->counts.checkpoints++;
    replica_step(
        swarm, at,
        &(struct core_event){ .type = CORE_EVENT_PROPOSE, .propose = { .items = &proposal, .count = 1 } });
    bytes_unref(&proposal.payload);
}

/* --- members --- */

/* A draft is who there shall be: by replica. */
enum seat { SEAT_NONE = 0, SEAT_LEARNER, SEAT_VOTER };

struct draft {
    enum seat seats[SWARM_REPLICAS_MAX];
    bool caught_up[SWARM_REPLICAS_MAX]; /* M3: who lags is not promoted: an empty one could not even vote. */
};

static struct draft draft_of(const struct swarm *swarm, const struct core_status *status)
{
    const struct configuration *configuration = &status->configuration;
    struct draft draft = { 0 };
    for (uint32_t i = 0; i < status->peer_count; i++) {
        draft.caught_up[swarm_replica_of(swarm, status->peers[i].id)] = status->peers[i].caught_up;
    }
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        const struct configuration_member *member = &configuration->members[i];
        uint32_t at = swarm_replica_of(swarm, member->id);
        draft.seats[at] = member->voter ? SEAT_VOTER : SEAT_LEARNER;
    }
    return draft;
}

static uint32_t voters_in(const struct draft *draft)
{
    uint32_t voters = 0;
    for (uint32_t at = 0; at < SWARM_REPLICAS_MAX; at++) {
        voters += draft->seats[at] == SEAT_VOTER ? 1 : 0;
    }
    return voters;
}

static uint32_t pick(struct swarm *swarm, const struct draft *draft, enum seat seat, bool caught_up)
{
    uint32_t start = (uint32_t)swarm_draw(swarm, STREAM_MEMBERS, swarm->count);
    for (uint32_t i = 0; i < swarm->count; i++) {
        uint32_t at = (start + i) % swarm->count;
        bool fits = draft->seats[at] == seat && (!caught_up || draft->caught_up[at]);
        bool apart = swarm->replicas[at].retired || swarm->replicas[at].impostor;
        if (fits && !apart) return at;
    }
    return SWARM_REPLICAS_MAX;
}

static void move(struct swarm *swarm, struct draft *draft, enum seat from, enum seat to)
{
    uint32_t at = pick(swarm, draft, from, to == SEAT_VOTER);
    if (at != SWARM_REPLICAS_MAX) draft->seats[at] = to;
}

/* Somebody who is in no configuration: one that left, or a new one. */
static void bring_in(struct swarm *swarm, struct draft *draft)
{
    uint32_t at = pick(swarm, draft, SEAT_NONE, false);
    if (at == SWARM_REPLICAS_MAX && swarm->count < SWARM_REPLICAS_MAX - 3) {
        at = replica_make(swarm, swarm->count);
        replica_start(swarm, at, CORE_START_NEW);
    }
    if (at != SWARM_REPLICAS_MAX) draft->seats[at] = SEAT_LEARNER;
}

/* M3: a retired replica goes, and who came back under its name takes its place, in one change. true: there
 * was one. */
static bool replace_retired(struct swarm *swarm, struct draft *draft)
{
    for (uint32_t at = 0; at < swarm->count; at++) {
        if (!swarm->replicas[at].retired || draft->seats[at] == SEAT_NONE) continue;
        for (uint32_t other = 0; other < swarm->count; other++) {
            bool heir =
                swarm->replicas[other].node == swarm->replicas[at].node && !swarm->replicas[other].retired;
            if (!heir) continue;
            bool ready = draft->seats[other] == SEAT_LEARNER && draft->caught_up[other];
            if (!ready) {
                draft->seats[other] = SEAT_LEARNER; /* First it catches up. */
                return true;
            }
            draft->seats[other] = draft->seats[at];
        }
        draft->seats[at] = SEAT_NONE;
        return true;
    }
    return false;
}

static void change_at_random(struct swarm *swarm, struct draft *draft)
{
    switch (swarm_draw(swarm, STREAM_MEMBERS, 7)) {
    case 0: bring_in(swarm, draft); break;
    case 1:
    case 2: move(swarm, draft, SEAT_LEARNER, SEAT_VOTER); break;
    case 3: move(swarm, draft, SEAT_VOTER, SEAT_LEARNER); break;
    case 4: move(swarm, draft, SEAT_VOTER, SEAT_NONE); break;
    case 5:
        move(swarm, draft, SEAT_LEARNER, SEAT_VOTER);
        move(swarm, draft, SEAT_VOTER, SEAT_NONE);
        break;
    default:
        bring_in(swarm, draft);
        move(swarm, draft, SEAT_LEARNER, SEAT_VOTER);
        move(swarm, draft, SEAT_VOTER, SEAT_LEARNER);
        break;
    }
}

static void ask_for(struct swarm *swarm, uint32_t leader, const struct draft *draft)
{
    struct configuration wanted = { 0 };
    for (uint32_t at = 0; at < swarm->count; at++) {
        if (draft->seats[at] == SEAT_NONE) continue;
        char name[16];
        (void)snprintf(name, sizeof name, "node-%u", swarm->replicas[at].node + 1);
        enum status status =
            configuration_add(&wanted, swarm->replicas[at].id, name, draft->seats[at] == SEAT_VOTER);
        if (status != STATUS_OK) return; /* Two of one name: not before the old one is gone. */
    }
    struct core_event event = { .type = CORE_EVENT_CONF };
    event.conf.tag = ++swarm->next_value;
    event.conf.wanted = &wanted;
    swarm->result->counts.changes++;
    replica_step(swarm, leader, &event);
}

void clients_operate(struct swarm *swarm)
{
    const struct families *families = &swarm->families;
    uint32_t voters_min = families->damage || families->old_copies ? 3 : 1;
    for (uint32_t at = 0; at < swarm->count; at++) {
        if (swarm->replicas[at].core == NULL) continue;
        struct core_status status;
        core_status(swarm->replicas[at].core, &status);
        if (status.role != CORE_LEADER) continue;
        struct draft draft = draft_of(swarm, &status);
        bool replaces = replace_retired(swarm, &draft);
        if (!replaces && !families->members) continue;
        if (!replaces) change_at_random(swarm, &draft);
        uint32_t voters = voters_in(&draft);
        if (voters >= voters_min && voters <= 5) ask_for(swarm, at, &draft);
    }
}
