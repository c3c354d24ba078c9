/* leader: drives the Raft core (store/raft/core.h) and carries out what it says, in every role; nothing else
 *         on this node reads or writes Raft state (C1).
 * Learns  time from a timer for the core's next deadline, the other replicas' messages, proposals
 * (FORWARD_REQUEST), read requests (READ_POINT), what became durable (LOG_PERSISTED) and what was applied
 * (APPLIED). Owns    the core, the founding that precedes it, proposals and reads until they are answered,
 * and the list of those who follow its role. Never waits for a disk (C2) or for the state. Limits
 * LEADER_PENDING_MAX proposals and LEADER_READS_MAX reads at a time, one more is OVERLOADED; a proposal whose
 * leader lost the lead before its entry was committed is answered UNKNOWN, never "failed" (R9). */
#include "actors/consensus/leader.h"

#include "actors/consensus/codec.h"
#include "actors/consensus/leader_state.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/remote.h"

#include <string.h>

static const uint64_t replay_tag = UINT64_C(1) << 63; /* From here on: reads that are not the core's. */
static const size_t replay_bytes = (size_t)1024 * 1024;

/* --- names and roles --- */

const char *leader_name_of(const struct leader *leader, replica_id id)
{
    const struct configuration_member *member = configuration_find(&leader->configuration, id);
    return member == NULL ? "" : member->name;
}

void leader_refresh_configuration(struct leader *leader)
{
    struct core_status status;
    core_status(leader->core, &status);
    leader->configuration = status.configuration;
    leader->configuration_index = status.configuration_index;
}

/* E7: leading is told only once the no-op is committed and applied here. */
void leader_publish_role(struct actor *self, struct leader *leader)
{
    const struct core_role_changed *role = &leader->role;
    struct role_changed now = { .term = role->term };
    now.leading = role->role == CORE_LEADER && role->ready && leader->applied >= role->no_op;
    if (now.leading) now.revision = role->no_op;
    (void)text_copy(now.leader, sizeof now.leader, leader_name_of(leader, role->leader));
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

/* --- what the core says --- */

void leader_fail(struct actor *self, enum status status, const char *what)
{
    struct error error = { 0 };
    (void)error_set(&error, status, "%s", what);
    log_error(self, "consensus.stopped", "%s", what);
    actor_fail(self, &error);
}

/* To a neighbour that must not miss it: a full or absent mailbox there is the end (C3). */
void leader_hand_over(struct actor *self, uint32_t name, struct message **message)
{
    enum status status = actor_send(self, actor_find(self, name), message);
    if (status == STATUS_OK) return;
    message_destroy(message);
    bool is_state = name == TO_STATE;
    if (status == STATUS_NOT_FOUND) /* By a fault of its own, of which the supervisor is about to hear. */
        leader_fail(self, STATUS_IO, is_state ? "the state actor has ended" : "the log writer has ended");
    else
        leader_fail(self, STATUS_OVERLOADED,
                    is_state ? "the state actor takes no more" : "the log writer takes no more");
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
    leader_hand_over(self, TO_LOG_WRITER, &message);
    if (persist->truncate_from != 0 || has_configuration(persist))
        leader_refresh_configuration(leader); /* M1 */
}

static void read_log(struct actor *self, uint64_t tag, log_index from, log_index to, size_t max_bytes)
{
    struct message *message = messages_create(KIND_LOG_READ, sizeof(struct log_read));
    *(struct log_read *)message->body =
        (struct log_read){ .tag = tag, .from = from, .to = to, .max_bytes = max_bytes };
    leader_hand_over(self, TO_LOG_WRITER, &message);
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
    leader_hand_over(self, TO_STATE, &message);
}

static void carry_out_apply(struct actor *self, struct leader *leader, const struct core_apply *apply)
{
    if (apply->entries != NULL) {
        send_apply(self, leader, apply->entries, (uint32_t)(apply->to - apply->from + 1));
        return;
    }
    CHECK(leader->replay.to == 0);
    leader->replay = (struct replay){ apply->from, apply->to, ++leader->replay_tags | replay_tag };
    read_log(self, leader->replay.tag, apply->from, apply->to, replay_bytes);
}

/* Whom our configuration doesn't know is answered under the name that it sent as (E5). */
static void carry_out_send(struct actor *self, struct leader *leader, const struct core_message *send)
{
    const char *node = leader_name_of(leader, send->to);
    if (node[0] == '\0') node = strangers_name(&leader->strangers, send->to);
    if (node[0] == '\0') return;
    struct message *message = codec_encode(send);
    wire_post(self, node, CHANNEL_CONSENSUS, &message);
}

static void carry_out_role(struct actor *self, struct leader *leader, const struct core_role_changed *role)
{
    bool lost = leader->role.role == CORE_LEADER && role->role != CORE_LEADER;
    leader->role = *role;
    if (lost) {
        leader_lose_proposals(self, leader);
        leader_stop_sending(self);
        transfers_answer(self, &leader->transfers, false);
    }
    leader_publish_role(self, leader);
}

/* T2: only what others know of our log counts against this directory. A removed replica's end is no failure:
 * nothing that a new start could mend (exit 75). Anything else may pass. */
static void carry_out_stop(struct actor *self, enum core_stop stop)
{
    if (stop == CORE_STOP_LOST) leader_doubt(self, core_stop_text(stop));
    else leader_fail(self, stop == CORE_STOP_REMOVED ? STATUS_DENIED : STATUS_CORRUPT, core_stop_text(stop));
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
    case CORE_ACTION_PROPOSED: leader_proposed(self, leader, &action->proposed); break;
    case CORE_ACTION_READ_OK: leader_answer_read(self, leader, &action->read_ok); break;
    case CORE_ACTION_REJECT: leader_refuse(self, leader, &action->reject); break;
    case CORE_ACTION_ROLE_CHANGED: carry_out_role(self, leader, &action->role_changed); break;
    case CORE_ACTION_STOP: carry_out_stop(self, action->stop); break;
    case CORE_ACTION_CONFIGURED: leader_refresh_configuration(leader); break;
    default: leader_carry_out_snapshot(self, leader, action); break;
    }
}

static void step_core(struct actor *self, struct leader *leader, const struct core_event *event)
{
    const struct core_actions *actions = core_step(leader->core, event);
    for (uint32_t i = 0; i < actions->count; i++)
        carry_out(self, leader, &actions->items[i]);
    leader->stepped = true;
}

void leader_elapse(struct actor *self, struct leader *leader)
{
    uint32_t ticks = leader_clock_elapsed(self, leader);
    if (ticks > 0) step_core(self, leader, &(struct core_event){ .type = CORE_EVENT_TICK, .ticks = ticks });
}

void leader_step(struct actor *self, struct leader *leader, const struct core_event *event)
{
    if (leader->core == NULL) return;
    if (event->type != CORE_EVENT_INIT) leader_elapse(self, leader);
    step_core(self, leader, event);
}

/* --- the log --- */

static void on_log_entries(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct log_entries *body = message->body;
    if (body->tag < replay_tag) {
        struct core_event event = { .type = CORE_EVENT_LOG_READ };
        event.log_read.tag = body->tag;
        event.log_read.entries = body->entries;
        event.log_read.count = body->entry_count;
        leader_step(self, leader, &event);
        return;
    }
    struct replay *replay = &leader->replay;
    if (body->tag != replay->tag) return; /* A snapshot came in between. */
    if (body->entry_count == 0 || body->from != replay->next) {
        leader_fail(self, STATUS_CORRUPT, "the log no longer holds an entry that has to be applied");
        return;
    }
    send_apply(self, leader, body->entries, body->entry_count);
    replay->next += body->entry_count;
    if (replay->next <= replay->to) {
        read_log(self, replay->tag, replay->next, replay->to, replay_bytes);
        return;
    }
    *replay = (struct replay){ 0 };
}

static void on_persisted(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    uint64_t sequence = ((const struct log_persisted *)message->body)->sequence;
    if (sequence == leader_founding_sequence) {
        leader_tell_identity(self, leader);
        leader_go_on_founding(self, leader, founder_on_stored(self, &leader->founder));
        return;
    }
    leader_step(self, leader, &(struct core_event){ .type = CORE_EVENT_PERSISTED, .sequence = sequence });
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
    if (member == NULL) strangers_note(&leader->strangers, message->from_replica, message->from_node);
    struct codec_received received;
    if (codec_decode(message, &received) != STATUS_OK) {
        log_warn(self, "consensus.malformed", "%s from %s", kind_name(message->kind), message->from_node);
        return;
    }
    leader_step(self, leader, &(struct core_event){ .type = CORE_EVENT_RECEIVE, .message = &received.core });
    codec_fini(&received);
}

static void on_state_changed(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    struct retired *retired = &leader->retired;
    if (!retired_accept(self, retired, message)) return;
    struct core_event event = { .type = CORE_EVENT_RETIRED };
    event.retired.ids = retired->ids;
    event.retired.count = retired->count;
    leader_step(self, leader, &event);
}

static void on_peer_up(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct transport_peer_change *peer = message->body;
    if (leader->core == NULL) founder_on_peer_up(self, &leader->founder, peer->node);
    leader_step(self, leader,
                &(struct core_event){ .type = CORE_EVENT_PEER_UP, .replica = peer->replica_id });
}

static void on_peer_down(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct transport_peer_change *peer = message->body;
    leader_step(self, leader,
                &(struct core_event){ .type = CORE_EVENT_PEER_DOWN, .replica = peer->replica_id });
}

/* --- life --- */

static void on_turn_end(struct actor *self, void *state)
{
    struct leader *leader = state;
    leader_propose(self, leader);
    if (leader->snapshots.checkpoint_due) leader_propose_checkpoint(self, leader);
    if (leader->stepped && leader->probe != NULL)
        leader->probe->on_core(leader->probe->context, leader->core);
    leader->stepped = false;
    leader_clock_arm(self, leader);
}

static enum status on_init(struct actor *self, void *state, const void *options, struct error *error)
{
    const struct leader_options *given = options;
    struct leader *leader = state;
    (void)text_copy(leader->node, sizeof leader->node, given->node);
    leader->replica = given->log->boot.identity.replica_id;
    leader->core_options = given->core;
    leader->probe = given->probe;
    return leader_start(self, leader, given, error);
}

/* E9: a stopping leader transfers first. What it takes to wait for a lagging target is asked for before the
 * stop, by TRANSFER_LEADERSHIP; here the one that already holds everything is told to take over. */
static void on_stop(struct actor *self, void *state)
{
    struct leader *leader = state;
    leader_propose(self, leader);
    if (leader->role.role == CORE_LEADER) {
        leader_step(self, leader, &(struct core_event){ .type = CORE_EVENT_TRANSFER });
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
    message_destroy(&leader->configure);
    transfers_fini(&leader->transfers);
    map_fini(&leader->pending);
    map_fini(&leader->reads);
    founder_fini(&leader->founder);
    if (leader->core != NULL) core_destroy(&leader->core);
}

static const struct behavior_row rows[] = {
    { KIND_CONSENSUS_TICK, leader_on_tick },
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
    { KIND_WHO, leader_on_who },
    { KIND_WHO_REPLY, leader_on_who_reply },
    { KIND_FOUNDED, leader_on_founded },
    { KIND_FOUNDED_REPLY, leader_on_founded_reply },
    { KIND_SNAPSHOT_SENT, leader_on_snapshot_sent },
    { KIND_SNAPSHOT_OFFERED, leader_on_snapshot_offered },
    { KIND_SNAPSHOT_RECEIVED, leader_on_snapshot_received },
    { KIND_SNAP_ASK, leader_on_snap_ask },
    { KIND_STATE_HASH, leader_on_state_hash },
    { KIND_STREAM_WANTED, leader_on_stream_wanted },
    { KIND_LOG_COMPACTED, leader_on_compacted },
    { KIND_LOG_PERSISTED, on_persisted },
    { KIND_LOG_ENTRIES, on_log_entries },
    { KIND_APPLIED, leader_on_applied },
    { KIND_FORWARD_REQUEST, leader_on_forward },
    { KIND_READ_POINT, leader_on_read_point },
    { KIND_ROLE_SUBSCRIBE, on_role_subscribe },
    { KIND_DOWN, on_follower_down },
    { KIND_STATE_CHANGED, on_state_changed },
    { KIND_PEER_UP, on_peer_up },
    { KIND_PEER_DOWN, on_peer_down },
    { KIND_CONSENSUS_STATUS, leader_on_status },
    { KIND_TRANSFER_LEADERSHIP, leader_on_transfer },
    { KIND_CONFIGURE, leader_on_configure },
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
