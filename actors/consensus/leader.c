/* leader: drives the Raft core (store/raft/core.h) and carries out what it says, in every role; nothing else
 *         on this node reads or writes Raft state (C1).
 * Learns  time from a tick each 10 ms, the other replicas' messages, proposals (FORWARD_REQUEST), read
 *         requests (READ_POINT), what became durable (LOG_PERSISTED) and what was applied (APPLIED).
 * Owns    the core, the founding that precedes it, proposals and reads until they are answered, and the list
 *         of those who follow its role. Never waits for a disk (C2) or for the state.
 * Limits  PENDING_MAX proposals and READS_MAX reads at a time, one more is OVERLOADED; a proposal whose
 *         leader lost the lead before its entry was committed is answered UNKNOWN, never "failed" (R9). */
#include "actors/consensus/leader.h"

#include "actors/consensus/boot.h"
#include "actors/consensus/codec.h"
#include "actors/consensus/founder.h"
#include "actors/consensus/messages.h"
#include "actors/consensus/role_feed.h"
#include "actors/consensus/status_reply.h"
#include "actors/consensus/transfers.h"
#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/remote.h"

#include <string.h>

enum {
    PENDING_MAX = 4096,
    READS_MAX = 4096,
    READ_SWEEP_TICKS = 100,
};
static const uint64_t founding_sequence = UINT64_MAX; /* Of the one PERSIST that is not the core's. */
static const uint64_t replay_tag = UINT64_MAX;        /* Of reads of the log that are not the core's. */
static const size_t replay_bytes = (size_t)1024 * 1024;

/* A proposal in the log, until its entry is applied or its leader is deposed. */
struct pending {
    struct message *request;
    log_term term;
};

/* An APPLY of entries that the core no longer holds: they are read and passed on in parts. */
struct replay {
    log_index next;
    log_index to; /* 0: nothing to replay. */
};

struct leader {
    char node[NODE_NAME_MAX];
    replica_id replica;
    struct core_options core_options;
    const struct consensus_probe *probe;
    struct founder founder;
    struct core *core;                  /* NULL until founded. */
    struct configuration configuration; /* The core's active one. */
    log_index configuration_index;
    log_index applied; /* By the state, as it said. */

    struct message *proposals[CORE_PROPOSALS_MAX]; /* Of this turn. */
    uint32_t proposal_count;
    struct map pending; /* log_index -> struct pending */
    struct map reads;   /* tag -> struct message, READ_POINT */
    uint64_t read_tag;
    struct replay replay;
    struct transfers transfers;

    struct core_role_changed role; /* As the core last said. */
    struct role_feed feed;         /* Those who follow it. */
    uint32_t ticks;
    bool stepped; /* In this turn: the probe looks at its end. */
};

static void step(struct actor *self, struct leader *leader, const struct core_event *event);

/* --- names and roles --- */

static const char *name_of(const struct leader *leader, replica_id id)
{
    const struct configuration_member *member = configuration_find(&leader->configuration, id);
    return member == NULL ? "" : member->name;
}

static void refresh_configuration(struct leader *leader)
{
    struct core_status status;
    core_status(leader->core, &status);
    leader->configuration = status.configuration;
    leader->configuration_index = status.configuration_index;
}

/* E7: leading is told only once the no-op is committed and applied here. */
static void publish_role(struct actor *self, struct leader *leader)
{
    const struct core_role_changed *role = &leader->role;
    struct role_changed now = { .term = role->term };
    now.leading = role->role == CORE_LEADER && role->ready && leader->applied >= role->no_op;
    if (now.leading) now.revision = role->no_op;
    (void)text_copy(now.leader, sizeof now.leader, name_of(leader, role->leader));
    if (!role_feed_publish(self, &leader->feed, &now)) return;
    log_info(self, "consensus.role", "term=%llu role=%s leader=%s%s", (unsigned long long)now.term,
             core_role_name(role->role), now.leader[0] == '\0' ? "-" : now.leader,
             now.leading ? " ready" : "");
}

static void on_role_subscribe(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    if (role_feed_add(self, &leader->feed, message->sender)) actor_monitor(self, message->sender);
    else log_error(self, "consensus.followers_full", "at most %d", ROLE_FEED_MAX);
}

static void on_follower_down(struct actor *self, void *state, const struct message *message)
{
    (void)self;
    struct leader *leader = state;
    role_feed_remove(&leader->feed, ((const struct actor_down *)message->body)->id);
}

/* --- proposals --- */

static void refuse_proposal(struct actor *self, struct message **request, enum status status)
{
    actor_refuse(self, *request, status);
    message_destroy(request);
}

/* R9: what was not committed when the lead was lost may still come to be committed by another. */
static void lose_proposals(struct actor *self, struct leader *leader)
{
    if (leader->pending.count == 0) return;
    struct core_status status;
    core_status(leader->core, &status);
    uint64_t index = 0;
    void *value = NULL;
    for (size_t i = 0; map_next_number(&leader->pending, &i, &index, &value);) {
        struct pending *pending = value;
        if (index <= status.commit) continue;
        refuse_proposal(self, &pending->request, STATUS_UNKNOWN);
        memory_free(pending);
        (void)map_remove_number(&leader->pending, index);
    }
}

static void on_proposed(struct actor *self, struct leader *leader, const struct core_proposed *proposed)
{
    CHECK(proposed->tag < CORE_PROPOSALS_MAX);
    struct pending *pending = memory_zalloc(sizeof *pending);
    pending->request = leader->proposals[proposed->tag];
    pending->term = proposed->term;
    leader->proposals[proposed->tag] = NULL;
    CHECK(pending->request != NULL);
    struct pending *former = map_put_number(&leader->pending, proposed->index, pending);
    if (former == NULL) return;
    /* Its entry was replaced while another led. */
    refuse_proposal(self, &former->request, STATUS_UNKNOWN);
    memory_free(former);
}

/* All of this turn's proposals in one event: one PERSIST, and one APPEND a peer. */
static void propose(struct actor *self, struct leader *leader)
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
    step(self, leader,
         &(struct core_event){ .type = CORE_EVENT_PROPOSE, .propose = { .items = items, .count = count } });
    for (uint32_t i = 0; i < count; i++) {
        /* Only a core that has stopped leaves one unanswered: nothing was appended. */
        if (leader->proposals[i] != NULL) refuse_proposal(self, &leader->proposals[i], STATUS_NOT_LEADER);
    }
    leader->proposal_count = 0;
}

static void on_forward(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct bytes *command = message->attachment;
    if (actor_refuse_if_late(self, message)) return; /* A1 */
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
    if (leader->pending.count + leader->proposal_count >= PENDING_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return;
    }
    leader->proposals[leader->proposal_count++] = actor_keep(self);
    if (leader->proposal_count == CORE_PROPOSALS_MAX) propose(self, leader);
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

static void on_applied(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct applied *applied = message->body;
    leader->applied = applied->index;
    for (uint32_t i = 0; i < applied->result_count; i++) {
        answer_proposal(self, leader, &applied->results[i]);
    }
    step(self, leader, &(struct core_event){ .type = CORE_EVENT_APPLIED, .index = applied->index });
    publish_role(self, leader);
}

/* --- reads --- */

static void on_read_point(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct leader *leader = state;
    if (leader->core == NULL) {
        actor_refuse(self, message, STATUS_NO_LEADER);
        return;
    }
    if (leader->reads.count == READS_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return;
    }
    uint64_t tag = CORE_PROPOSALS_MAX + leader->read_tag++; /* Apart from those of proposals. */
    (void)map_put_number(&leader->reads, tag, actor_keep(self));
    step(self, leader, &(struct core_event){ .type = CORE_EVENT_READ, .tag = tag });
}

static void answer_read(struct actor *self, struct leader *leader, const struct core_read_ok *ok)
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

static void refuse(struct actor *self, struct leader *leader, const struct core_reject *reject)
{
    struct message *request = NULL;
    if (reject->tag < CORE_PROPOSALS_MAX) {
        request = leader->proposals[reject->tag];
        leader->proposals[reject->tag] = NULL;
    } else {
        request = map_remove_number(&leader->reads, reject->tag);
    }
    if (request == NULL) return;
    actor_refuse(self, request, reject->status);
    message_destroy(&request);
}

static void sweep_reads(struct actor *self, struct leader *leader)
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

/* --- what the core says --- */

static void fail(struct actor *self, enum status status, const char *what)
{
    struct error error = { 0 };
    (void)error_set(&error, status, "%s", what);
    log_error(self, "consensus.stopped", "%s", what);
    actor_fail(self, &error);
}

/* To a neighbour that must not miss it: a full or absent mailbox there is the end (C3). */
static void hand_over(struct actor *self, uint32_t name, struct message **message)
{
    if (actor_send(self, actor_find(self, name), message) == STATUS_OK) return;
    message_destroy(message);
    fail(self, STATUS_OVERLOADED,
         name == TO_STATE ? "the state actor takes no more" : "the log writer takes no more");
}

static bool has_configuration(const struct core_persist *persist)
{
    for (uint32_t i = 0; i < persist->entry_count; i++) {
        if (persist->entries[i].type == ENTRY_CONFIGURATION) return true;
    }
    return false;
}

static void carry_out_persist(struct actor *self, struct leader *leader, const struct core_persist *persist)
{
    struct message *message = messages_persist(&(struct log_persist){
        .sequence = persist->sequence,
        .has_hard = persist->hard_changed,
        .hard = persist->hard,
        .truncate_from = persist->truncate_from,
        .entries = (struct raft_entry *)persist->entries, /* Copied, not written. */
        .entry_count = persist->entry_count,
    });
    hand_over(self, TO_LOG_WRITER, &message);
    if (persist->truncate_from != 0 || has_configuration(persist)) refresh_configuration(leader); /* M1 */
}

static void read_log(struct actor *self, uint64_t tag, log_index from, log_index to, size_t max_bytes)
{
    struct message *message = messages_create(KIND_LOG_READ, sizeof(struct log_read));
    *(struct log_read *)message->body =
        (struct log_read){ .tag = tag, .from = from, .to = to, .max_bytes = max_bytes };
    hand_over(self, TO_LOG_WRITER, &message);
}

static log_index commit_of(const struct leader *leader)
{
    struct core_status status;
    core_status(leader->core, &status);
    return status.commit;
}

static void send_apply(struct actor *self, struct leader *leader, const struct raft_entry *entries,
                       uint32_t count)
{
    struct message *message = messages_apply(entries, count, commit_of(leader));
    ((struct apply *)message->body)->want_results = leader->pending.count > 0;
    hand_over(self, TO_STATE, &message);
}

static void carry_out_apply(struct actor *self, struct leader *leader, const struct core_apply *apply)
{
    if (apply->entries != NULL) {
        send_apply(self, leader, apply->entries, (uint32_t)(apply->to - apply->from + 1));
        return;
    }
    CHECK(leader->replay.to == 0);
    leader->replay = (struct replay){ .next = apply->from, .to = apply->to };
    read_log(self, replay_tag, apply->from, apply->to, replay_bytes);
}

/* The replies to those whom our configuration doesn't know (E5) find no name and are dropped: such a replica
 * is not connected to anything of ours. */
static void carry_out_send(struct actor *self, struct leader *leader, const struct core_message *send)
{
    const char *node = name_of(leader, send->to);
    if (node[0] == '\0') return;
    struct message *message = codec_encode(send);
    wire_post(self, node, CHANNEL_CONSENSUS, &message);
}

static void carry_out_role(struct actor *self, struct leader *leader, const struct core_role_changed *role)
{
    bool lost = leader->role.role == CORE_LEADER && role->role != CORE_LEADER;
    leader->role = *role;
    if (lost) {
        lose_proposals(self, leader);
        transfers_answer(self, &leader->transfers, false);
    }
    publish_role(self, leader);
}

static void carry_out(struct actor *self, struct leader *leader, const struct core_action *action)
{
    switch (action->type) {
    case CORE_ACTION_PERSIST: carry_out_persist(self, leader, &action->persist); break;
    case CORE_ACTION_READ_LOG:
        read_log(self, action->read_log.tag, action->read_log.from, action->read_log.to,
                 action->read_log.max_bytes);
        break;
    case CORE_ACTION_SEND: carry_out_send(self, leader, &action->send); break;
    case CORE_ACTION_APPLY: carry_out_apply(self, leader, &action->apply); break;
    case CORE_ACTION_PROPOSED: on_proposed(self, leader, &action->proposed); break;
    case CORE_ACTION_READ_OK: answer_read(self, leader, &action->read_ok); break;
    case CORE_ACTION_REJECT: refuse(self, leader, &action->reject); break;
    case CORE_ACTION_ROLE_CHANGED: carry_out_role(self, leader, &action->role_changed); break;
    case CORE_ACTION_STOP: fail(self, STATUS_CORRUPT, core_stop_text(action->stop)); break;
    case CORE_ACTION_CONFIGURED: refresh_configuration(leader); break;
    default: break; /* The core gives none of the others until its driver takes part in them. */
    }
}

static void step(struct actor *self, struct leader *leader, const struct core_event *event)
{
    if (leader->core == NULL) return;
    const struct core_actions *actions = core_step(leader->core, event);
    for (uint32_t i = 0; i < actions->count; i++)
        carry_out(self, leader, &actions->items[i]);
    leader->stepped = true;
}

/* --- the log --- */

static void on_log_entries(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct log_entries *body = message->body;
    if (body->tag != replay_tag) {
        struct core_event event = { .type = CORE_EVENT_LOG_READ };
        event.log_read.tag = body->tag;
        event.log_read.entries = body->entries;
        event.log_read.count = body->entry_count;
        step(self, leader, &event);
        return;
    }
    struct replay *replay = &leader->replay;
    if (body->entry_count == 0 || body->from != replay->next) {
        fail(self, STATUS_CORRUPT, "the log no longer holds an entry that has to be applied");
        return;
    }
    send_apply(self, leader, body->entries, body->entry_count);
    replay->next += body->entry_count;
    if (replay->next <= replay->to) {
        read_log(self, replay_tag, replay->next, replay->to, replay_bytes);
        return;
    }
    *replay = (struct replay){ 0 };
}

/* --- founding and start --- */

static void tell_identity(struct actor *self, const struct leader *leader)
{
    struct message *message = messages_create(KIND_TRANSPORT_IDENTITY, sizeof(struct transport_identity));
    struct transport_identity *identity = message->body;
    identity->cluster_id = leader->founder.founding.cluster_id;
    identity->replica_id = leader->replica;
    actor_tell_name(self, TO_TRANSPORT, &message);
}

static void start_core(struct actor *self, struct leader *leader, const struct core_init *init)
{
    CHECK(leader->core == NULL);
    leader->core_options.self = leader->replica;
    leader->core_options.seed = actor_random(self);
    leader->core = core_create(&leader->core_options);
    leader->applied = init->applied;
    leader->configuration = init->configurations[init->configuration_count - 1].configuration;
    tell_identity(self, leader);
    step(self, leader, &(struct core_event){ .type = CORE_EVENT_INIT, .init = init });
    refresh_configuration(leader);
    publish_role(self, leader);
}

static void start_founded(struct actor *self, struct leader *leader)
{
    const struct raft_entry *first = &leader->founder.first;
    struct core_term_run run = { .term = first->term, .first = 1 };
    struct core_log_configuration configuration = { .index = 1,
                                                    .configuration = leader->founder.founding.configuration };
    struct core_init init = {
        .start = founder_made_it(&leader->founder) ? CORE_START_FOUNDER : CORE_START_NEW,
        .hard = { .term = first->term },
        .last = { .index = 1, .term = first->term, .chain = first->chain },
        .last_stamp_ms = first->stamp_ms,
        .term_runs = &run,
        .term_run_count = 1,
        .configurations = &configuration,
        .configuration_count = 1,
    };
    log_info(self, "consensus.founded", "cluster=%016llx",
             (unsigned long long)leader->founder.founding.cluster_id);
    start_core(self, leader, &init);
}

static void go_on_founding(struct actor *self, struct leader *leader, enum founder_next next)
{
    if (next == FOUNDER_STARTS) start_founded(self, leader);
    if (next != FOUNDER_STORES) return;
    struct raft_entry first = leader->founder.first;
    struct message *message = messages_persist(&(struct log_persist){
        .sequence = founding_sequence,
        .has_hard = true,
        .hard = { .term = first.term },
        .cluster_id = leader->founder.founding.cluster_id,
        .entries = &first,
        .entry_count = 1,
    });
    hand_over(self, TO_LOG_WRITER, &message);
}

static void on_persisted(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    uint64_t sequence = ((const struct log_persisted *)message->body)->sequence;
    if (sequence == founding_sequence) {
        tell_identity(self, leader);
        go_on_founding(self, leader, founder_on_stored(self, &leader->founder));
        return;
    }
    step(self, leader, &(struct core_event){ .type = CORE_EVENT_PERSISTED, .sequence = sequence });
}

static void on_who(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    founder_on_who(self, &leader->founder, message);
}

static void on_who_reply(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    go_on_founding(self, leader, founder_on_who_reply(self, &leader->founder, message));
}

static void on_founded(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    go_on_founding(self, leader, founder_on_founded(self, &leader->founder, message));
}

static void on_founded_reply(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    go_on_founding(self, leader, founder_on_founded_reply(self, &leader->founder, message));
}

/* --- other replicas --- */

static void on_protocol(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    if (leader->core == NULL || message->from_node == NULL) return; /* I2: nobody votes before index 1. */
    const struct configuration_member *member =
        configuration_find(&leader->configuration, message->from_replica);
    if (member != NULL && strcmp(member->name, message->from_node) != 0) {
        log_warn(self, "consensus.foreign_name", "%s sends as replica %016llx, which is %s",
                 message->from_node, (unsigned long long)message->from_replica, member->name);
        return;
    }
    struct codec_received received;
    if (codec_decode(message, &received) != STATUS_OK) {
        log_warn(self, "consensus.malformed", "%s from %s", kind_name(message->kind), message->from_node);
        return;
    }
    step(self, leader, &(struct core_event){ .type = CORE_EVENT_RECEIVE, .message = &received.core });
    codec_fini(&received);
}

static void on_peer_up(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct transport_peer_change *peer = message->body;
    if (leader->core == NULL) founder_on_peer_up(self, &leader->founder, peer->node);
    step(self, leader, &(struct core_event){ .type = CORE_EVENT_PEER_UP, .replica = peer->replica_id });
}

static void on_peer_down(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct transport_peer_change *peer = message->body;
    step(self, leader, &(struct core_event){ .type = CORE_EVENT_PEER_DOWN, .replica = peer->replica_id });
}

/* --- time, status, transfer --- */

static void on_tick(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct leader *leader = state;
    leader->ticks++;
    if (leader->core == NULL) {
        go_on_founding(self, leader, founder_on_tick(self, &leader->founder));
        return;
    }
    step(self, leader, &(struct core_event){ .type = CORE_EVENT_TICK });
    transfers_answer(self, &leader->transfers, leader->role.role == CORE_LEADER);
    if (leader->ticks % READ_SWEEP_TICKS == 0) sweep_reads(self, leader);
}

static void on_status(struct actor *self, void *state, const struct message *message)
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

static void on_transfer(struct actor *self, void *state, const struct message *message)
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
    transfers_keep(self, &leader->transfers);
    step(self, leader, &(struct core_event){ .type = CORE_EVENT_TRANSFER, .replica = target });
}

/* --- life --- */

static void on_turn_end(struct actor *self, void *state)
{
    struct leader *leader = state;
    propose(self, leader);
    if (leader->stepped && leader->probe != NULL)
        leader->probe->on_core(leader->probe->context, leader->core);
    leader->stepped = false;
}

static void start_from_log(struct actor *self, struct leader *leader, const struct log_boot *from,
                           const struct boot *boot)
{
    start_core(self, leader,
               &(struct core_init){
                   .start = CORE_START_RESTARTED,
                   .hard = from->hard,
                   .last = from->last,
                   .applied = from->applied.index,
                   .last_stamp_ms = boot->last_stamp_ms,
                   .term_runs = boot->runs,
                   .term_run_count = boot->run_count,
                   .configurations = boot->configurations,
                   .configuration_count = boot->configuration_count,
               });
}

/* Whoever waits for a cluster says for what: silence would look like a node that hangs. */
static void log_waiting(struct actor *self, const struct leader_options *given)
{
    uint64_t member_of = given->log->boot.identity.cluster_id;
    if (member_of != 0)
        log_warn(
            self, "consensus.log_is_gone",
            "cluster=%016llx this directory belongs to it, but its log is gone; only its other members can "
            "bring this node back, and it founds no other cluster",
            (unsigned long long)member_of);
    else if (given->bootstrap_count == 0)
        log_warn(self, "consensus.waiting",
                 "in no cluster yet, and cluster.bootstrap is empty: name the founding nodes there");
    else
        log_info(self, "consensus.waiting", "in no cluster yet: until all %u founding nodes are there",
                 given->bootstrap_count);
}

static enum status on_init(struct actor *self, void *state, const void *options, struct error *error)
{
    const struct leader_options *given = options;
    struct leader *leader = state;
    const struct log_boot *from = &given->log->boot;
    (void)text_copy(leader->node, sizeof leader->node, given->node);
    leader->replica = from->identity.replica_id;
    leader->core_options = given->core;
    leader->probe = given->probe;
    struct boot boot;
    enum status status = boot_read(given->log, &boot, error);
    if (status != STATUS_OK) return status;
    bool empty = from->last.index == 0;
    status = founder_init(&leader->founder,
                          &(struct founding_options){
                              .node = given->node,
                              .replica = leader->replica,
                              .member_of = empty ? from->identity.cluster_id : 0,
                              .bootstrap = given->bootstrap,
                              .bootstrap_count = given->bootstrap_count,
                              .peers = given->peers,
                              .peer_count = given->peer_count,
                          },
                          from->identity.cluster_id, empty ? NULL : &boot.first, error);
    if (status == STATUS_OK) {
        actor_every(self, MILLISECONDS(CORE_TICK_MS), KIND_CONSENSUS_TICK);
        tell_identity(self, leader);
        if (empty) log_waiting(self, given);
        else start_from_log(self, leader, from, &boot);
    } else {
        founder_fini(&leader->founder);
    }
    boot_fini(&boot);
    return status;
}

/* E9: a stopping leader transfers first. What it takes to wait for a lagging target is asked for before the
 * stop, by TRANSFER_LEADERSHIP; here the one that already holds everything is told to take over. */
static void on_stop(struct actor *self, void *state)
{
    struct leader *leader = state;
    propose(self, leader);
    if (leader->role.role == CORE_LEADER) {
        step(self, leader, &(struct core_event){ .type = CORE_EVENT_TRANSFER });
    }
    uint64_t number = 0;
    void *value = NULL;
    for (size_t i = 0; map_next_number(&leader->pending, &i, &number, &value);) {
        actor_refuse(self, ((struct pending *)value)->request, STATUS_UNKNOWN);
    }
    for (size_t i = 0; map_next_number(&leader->reads, &i, &number, &value);) {
        actor_refuse(self, value, STATUS_NOT_READY);
    }
}

static void on_fini(void *state)
{
    struct leader *leader = state;
    for (uint32_t i = 0; i < leader->proposal_count; i++) {
        if (leader->proposals[i] != NULL) message_destroy(&leader->proposals[i]);
    }
    uint64_t number = 0;
    void *value = NULL;
    for (size_t i = 0; map_next_number(&leader->pending, &i, &number, &value);) {
        struct pending *pending = value;
        message_destroy(&pending->request);
        memory_free(pending);
    }
    for (size_t i = 0; map_next_number(&leader->reads, &i, &number, &value);) {
        struct message *request = value;
        message_destroy(&request);
    }
    transfers_fini(&leader->transfers);
    map_fini(&leader->pending);
    map_fini(&leader->reads);
    founder_fini(&leader->founder);
    if (leader->core != NULL) core_destroy(&leader->core);
}

static const struct behavior_row rows[] = {
    { KIND_CONSENSUS_TICK, on_tick },
    { KIND_PRE_VOTE, on_protocol },
    { KIND_PRE_VOTE_REPLY, on_protocol },
    { KIND_VOTE, on_protocol },
    { KIND_VOTE_REPLY, on_protocol },
    { KIND_APPEND, on_protocol },
    { KIND_APPEND_REPLY, on_protocol },
    { KIND_HEARTBEAT, on_protocol },
    { KIND_HEARTBEAT_REPLY, on_protocol },
    { KIND_READ_INDEX, on_protocol },
    { KIND_READ_INDEX_REPLY, on_protocol },
    { KIND_TIMEOUT_NOW, on_protocol },
    { KIND_REPLICA_HELLO, on_protocol },
    { KIND_REPLICA_HELLO_REPLY, on_protocol },
    { KIND_WHO, on_who },
    { KIND_WHO_REPLY, on_who_reply },
    { KIND_FOUNDED, on_founded },
    { KIND_FOUNDED_REPLY, on_founded_reply },
    { KIND_LOG_PERSISTED, on_persisted },
    { KIND_LOG_ENTRIES, on_log_entries },
    { KIND_APPLIED, on_applied },
    { KIND_FORWARD_REQUEST, on_forward },
    { KIND_READ_POINT, on_read_point },
    { KIND_ROLE_SUBSCRIBE, on_role_subscribe },
    { KIND_DOWN, on_follower_down },
    { KIND_PEER_UP, on_peer_up },
    { KIND_PEER_DOWN, on_peer_down },
    { KIND_CONSENSUS_STATUS, on_status },
    { KIND_TRANSFER_LEADERSHIP, on_transfer },
};

const struct behavior leader_behavior = {
    .name = "leader",
    .state_size = sizeof(struct leader),
    .home = ACTOR_POOLED,
    .pool = POOL_CONSENSUS,
    .mailbox_capacity = 8192,
    .init = on_init,
    .stop = on_stop,
    .fini = on_fini,
    .turn_end = on_turn_end,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
