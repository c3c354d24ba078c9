/* leader_requests: what is asked of the leader actor: proposals, read points, its status, transfers. A part
 * of the leader actor. */
#include "actors/consensus/leader_state.h"
#include "actors/consensus/status_reply.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/planted.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"

#include <string.h>

/* --- proposals --- */

static const uint64_t configure_tag = UINT64_MAX - 1; /* Beside that of checkpoints. */

static void refuse_proposal(struct actor *self, struct message **request, enum status status)
{
    actor_refuse(self, *request, status);
    message_destroy(request);
}

/* R9: what was not committed when the lead was lost may still come to be committed by another. */
void leader_lose_proposals(struct actor *self, struct leader *leader)
{
    if (leader->pending.count == 0) return;
    struct core_status status;
    core_status(leader->core, &status);
    uint64_t index = 0;
    void *value = NULL;
    for (size_t i = 0; map_next_number(&leader->pending, &i, &index, &value);) {
        struct pending *pending = value;
        if (index <= status.commit) continue;
        MARK("leader.loses_a_proposal");
        bool lies = PLANTED("leader.lost_proposal_is_refused");
        refuse_proposal(self, &pending->request, lies ? STATUS_CONFLICT : STATUS_UNKNOWN);
        memory_free(pending);
        (void)map_remove_number(&leader->pending, index);
    }
}

void leader_forget_proposals(struct actor *self, struct leader *leader, log_index till)
{
    uint64_t index = 0;
    void *value = NULL;
    for (size_t i = 0; map_next_number(&leader->pending, &i, &index, &value);) {
        struct pending *pending = value;
        if (index > till) continue;
        refuse_proposal(self, &pending->request, STATUS_UNKNOWN);
        memory_free(pending);
        (void)map_remove_number(&leader->pending, index);
    }
}

static void answer_configure(struct actor *self, struct leader *leader)
{
    struct message *reply = messages_create(KIND_CONFIGURE, 0);
    actor_reply(self, leader->configure, &reply);
    message_destroy(&leader->configure);
}

void leader_proposed(struct actor *self, struct leader *leader, const struct core_proposed *proposed)
{
    if (proposed->tag == leader_checkpoint_tag) return;
    if (proposed->tag == configure_tag) {
        answer_configure(self, leader);
        return;
    }
    CHECK(proposed->tag < CORE_PROPOSALS_MAX);
    struct pending *pending = memory_zalloc(sizeof *pending);
    pending->request = leader->proposals[proposed->tag];
    pending->term = proposed->term;
    leader->proposals[proposed->tag] = NULL;
    CHECK(pending->request != NULL);
    struct pending *former = map_put_number(&leader->pending, proposed->index, pending);
    if (former == NULL) return;
    MARK("leader.entry_was_replaced");
    /* Its entry was replaced while another led. */
    refuse_proposal(self, &former->request, STATUS_UNKNOWN);
    memory_free(former);
}

/* All of this turn's proposals in one event: one PERSIST, and one APPEND a peer. */
void leader_propose(struct actor *self, struct leader *leader)
{
    uint32_t count = leader->proposal_count;
    if (count == 0) return;
    struct core_proposal items[CORE_PROPOSALS_MAX];
    uint64_t now_ms = (uint64_t)actor_wall_ms(self);
    for (uint32_t i = 0; i < count; i++) {
        items[i] = (struct core_proposal){
            .type = ENTRY_COMMAND, .payload = leader->proposals[i]->attachment, .stamp_ms = now_ms, .tag = i
        };
    }
    leader_step(
        self, leader,
        &(struct core_event){ .type = CORE_EVENT_PROPOSE, .propose = { .items = items, .count = count } });
    for (uint32_t i = 0; i < count; i++) {
        /* Only a core that has stopped leaves one unanswered: nothing was appended. */
        if (leader->proposals[i] != NULL) refuse_proposal(self, &leader->proposals[i], STATUS_NOT_LEADER);
    }
    leader->proposal_count = 0;
}

void leader_on_forward(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct bytes *command = message->attachment;
    if (actor_refuse_if_late(self, message)) return;            /* A1 */
    if (retired_has(&leader->retired, message->from_replica)) { /* E5, S12 */
        actor_refuse(self, message, STATUS_DENIED);
        return;
    }
    if (command == NULL || command->size == 0 || command->size > ENTRY_PAYLOAD_MAX) {
        struct error error;
        error_set(&error, STATUS_INVALID, "a change of %zu bytes; one is at least 1 and at most %d",
                  command == NULL ? 0 : command->size, ENTRY_PAYLOAD_MAX);
        actor_refuse_error(self, message, &error);
        return;
    }
    if (leader->core == NULL) {
        actor_refuse(self, message, STATUS_NO_LEADER);
        return;
    }
    if (leader->pending.count + leader->proposal_count >= LEADER_PENDING_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return;
    }
    leader->proposals[leader->proposal_count++] = actor_keep(self);
    if (leader->proposal_count == CORE_PROPOSALS_MAX) leader_propose(self, leader);
}

static void answer_proposal(struct actor *self, struct leader *leader, struct apply_result *result)
{
    struct pending *pending = map_remove_number(&leader->pending, result->index);
    if (pending == NULL) return;
    if (pending->term == result->term) actor_reply(self, pending->request, &result->reply);
    else actor_refuse(self, pending->request, STATUS_UNKNOWN);
    message_destroy(&pending->request);
    memory_free(pending);
}

void leader_on_applied(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct applied *applied = message->body;
    for (uint32_t i = 0; i < applied->result_count; i++) {
        answer_proposal(self, leader, &applied->results[i]);
    }
    if (leader_snapshots_skip(leader, applied->index)) return; /* Sent before the flip (N6). */
    leader->applied = applied->index;
    leader_step(self, leader, &(struct core_event){ .type = CORE_EVENT_APPLIED, .index = applied->index });
    leader_snapshots_applied(self, leader, applied->index);
    leader_checkpoint_applied(self, leader, applied);
    leader_tell_stream(self, leader);
    leader_publish_role(self, leader);
}

/* --- reads --- */

void leader_on_read_point(struct actor *self, void *state, const struct message *message)
{
    const struct read_point *point = message->body;
    bool patient = point != NULL && point->patient;
    struct leader *leader = state;
    if (leader->core == NULL) {
        actor_refuse(self, message, STATUS_NO_LEADER);
        return;
    }
    if (leader->reads.count == LEADER_READS_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return;
    }
    uint64_t tag = CORE_PROPOSALS_MAX + leader->read_tag++; /* Apart from those of proposals. */
    (void)map_put_number(&leader->reads, tag, actor_keep(self));
    leader_step(self, leader,
                &(struct core_event){ .type = CORE_EVENT_READ, .read = { .tag = tag, .patient = patient } });
}

void leader_answer_read(struct actor *self, struct leader *leader, const struct core_read_ok *ok)
{
    struct message *request = map_remove_number(&leader->reads, ok->tag);
    if (request == NULL) return; /* Was late. */
    struct message *reply = messages_create(KIND_READ_POINT_REPLY, sizeof(struct read_point_reply));
    struct read_point_reply *body = reply->body;
    body->index = ok->index;
    body->term = leader->role.term;
    actor_reply(self, request, &reply);
    message_destroy(&request);
}

void leader_refuse(struct actor *self, struct leader *leader, const struct core_reject *reject)
{
    struct message *request = NULL;
    if (reject->tag == configure_tag) {
        request = leader->configure;
        leader->configure = NULL;
    } else if (reject->tag < CORE_PROPOSALS_MAX) {
        request = leader->proposals[reject->tag];
        leader->proposals[reject->tag] = NULL;
    } else {
        request = map_remove_number(&leader->reads, reject->tag);
    }
    if (request == NULL) return;
    actor_refuse(self, request, reject->status);
    message_destroy(&request);
}

void leader_sweep_reads(struct actor *self, struct leader *leader)
{
    uint64_t tag = 0;
    void *value = NULL;
    for (size_t i = 0; map_next_number(&leader->reads, &i, &tag, &value);) {
        struct message *request = value;
        if (!actor_refuse_if_late(self, request)) continue;
        message_destroy(&request);
        (void)map_remove_number(&leader->reads, tag);
    }
}

void leader_on_status(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    struct message *answer =
        messages_create(KIND_CONSENSUS_STATUS_REPLY, sizeof(struct consensus_status_reply));
    struct consensus_status_reply *reply = answer->body;
    (void)text_copy(reply->node, sizeof reply->node, leader->node);
    reply->replica_id = leader->replica;
    if (leader->core != NULL) {
        reply->cluster_id = leader->founder.founding.cluster_id;
        status_reply_put_core(answer, leader->core, leader->applied);
    }
    actor_reply(self, message, &answer);
}

static bool others_vote(const struct leader *leader)
{
    for (uint32_t i = 0; i < leader->configuration.member_count; i++) {
        const struct configuration_member *member = &leader->configuration.members[i];
        if (member->voter && member->id != leader->replica) return true;
    }
    return false;
}

static void refuse_alone(struct actor *self, const struct message *message)
{
    struct error error;
    (void)error_set(&error, STATUS_CONFLICT, "no other node votes");
    error_hint(&error, "aether node promote names one that could take over");
    actor_refuse_error(self, message, &error);
}

void leader_on_transfer(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct transfer_leadership *wish = message->body;
    if (leader->core == NULL || leader->role.role != CORE_LEADER) {
        actor_refuse(self, message, STATUS_NOT_LEADER);
        return;
    }
    replica_id target = 0;
    if (wish != NULL && wish->node[0] != '\0') {
        const struct configuration_member *member =
            configuration_find_name(&leader->configuration, wish->node);
        if (member == NULL || !member->voter || member->id == leader->replica) {
            actor_refuse(self, message, STATUS_NOT_FOUND);
            return;
        }
        target = member->id;
    }
    if (leader->transfers.count == TRANSFERS_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return;
    }
    leader_propose_checkpoint(self, leader); /* T5: a graceful stop begins with a transfer. */
    if (!others_vote(leader)) { /* Nothing would come of waiting, and nothing wakes us to end it. */
        refuse_alone(self, message);
        return;
    }
    transfers_keep(self, &leader->transfers);
    leader_step(self, leader, &(struct core_event){ .type = CORE_EVENT_TRANSFER, .replica = target });
}

/* --- the configuration (M2) --- */

/* The core is stepped with it; its answer is PROPOSED or REJECT, at once. */
void leader_on_configure(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct configure *wish = message->body;
    struct configuration wanted = { 0 };
    enum status status = leader->core == NULL ? STATUS_NO_LEADER : STATUS_OK;
    if (status == STATUS_OK && (leader->configure != NULL || wish->based_on != leader->configuration_index))
        status = STATUS_CONFLICT; /* Planned from another one. */
    for (uint32_t i = 0; i < wish->member_count && status == STATUS_OK; i++) {
        const struct configure_member *member = &wish->members[i];
        status = configuration_add(&wanted, member->replica_id, member->node, member->voter);
    }
    if (status != STATUS_OK) {
        actor_refuse(self, message, status);
        return;
    }
    leader->configure = actor_keep(self);
    struct core_event event = { .type = CORE_EVENT_CONF };
    event.conf.tag = configure_tag;
    event.conf.wanted = &wanted;
    leader_step(self, leader, &event);
    if (leader->configure == NULL) return;
    actor_refuse(self, leader->configure, STATUS_NOT_LEADER); /* Only a core that has stopped says nothing. */
    message_destroy(&leader->configure);
}
