/* leader_snapshots: what the core says of snapshots, checkpoints and compaction, and what it is told of them
 * (sections 9, 12; D7, T5, T6). A part of the leader actor: the streams themselves are snapshot_sender's and
 * snapshot_receiver's, the flip is the log writer's. */
#include "actors/consensus/leader_state.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/consensus.pb-c.h"
#include "wire/remote.h"

#include <string.h>

enum { COMPACT_ENTRIES = 1024 }; /* The log writer is asked after so many, or after a second. */
static const int64_t mark_timeout_ns = SECONDS(10);

const uint64_t leader_checkpoint_tag = UINT64_MAX;

/* --- leader: bringing somebody a snapshot --- */

static void send_snapshot(struct actor *self, struct leader *leader, replica_id replica, bool asked)
{
    struct message *message = messages_create(KIND_SNAPSHOT_SEND, sizeof(struct snapshot_send));
    struct snapshot_send *send = message->body;
    (void)text_copy(send->node, sizeof send->node, leader_name_of(leader, replica));
    send->replica = replica;
    send->cluster_id = leader->founder.founding.cluster_id;
    send->term = leader->role.term;
    send->asked = asked;
    actor_tell_name(self, TO_SNAPSHOT_SENDER, &message);
}

void leader_on_snapshot_sent(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct snapshot_sent *sent = message->body;
    if (sent->asked) return; /* The core did not want it, so it waits for nothing (T6). */
    struct core_event event = { .type = CORE_EVENT_SNAPSHOT_SENT };
    event.snapshot_sent.replica = sent->replica;
    event.snapshot_sent.index = sent->index;
    leader_step(self, leader, &event);
}

/* T6, from a replica whose state copy is damaged. */
void leader_on_snap_ask(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const Pb__SnapAsk *ask = message->body;
    bool leads = leader->core != NULL && leader->role.role == CORE_LEADER && leader->role.ready;
    if (!leads || ask->to != leader->replica || message->from_node == NULL) return;
    if (strcmp(leader_name_of(leader, message->from_replica), message->from_node) != 0) return;
    send_snapshot(self, leader, message->from_replica, true);
}

void leader_stop_sending(struct actor *self)
{
    struct message *message = messages_create(KIND_SNAPSHOT_CANCEL, 0);
    actor_tell_name(self, TO_SNAPSHOT_SENDER, &message);
}

/* --- follower: taking one --- */

static void ask_for_snapshot(struct actor *self, struct leader *leader, replica_id from)
{
    struct message *message = wire_message_create(KIND_SNAP_ASK);
    Pb__SnapAsk *ask = message->body;
    ask->to = from;
    ask->term = leader->role.term;
    wire_post(self, leader_name_of(leader, from), CHANNEL_CONSENSUS, &message);
}

void leader_on_snapshot_offered(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct snapshot_offered *offered = message->body;
    struct leader_snapshots *snapshots = &leader->snapshots;
    struct core_snapshot snapshot = { .position = offered->header.position };
    snapshot.configuration =
        (struct core_log_configuration){ offered->header.configuration_index, offered->header.configuration };
    bool ours = leader->core != NULL && offered->to == leader->replica &&
                offered->header.cluster_id == leader->founder.founding.cluster_id;
    if (!ours) {
        actor_refuse(self, message, STATUS_NOT_READY);
        return;
    }
    struct core_event event = { .type = CORE_EVENT_SNAPSHOT_OFFERED };
    event.snapshot_offered.from = offered->from;
    event.snapshot_offered.term = offered->term;
    event.snapshot_offered.asked = offered->asked;
    event.snapshot_offered.snapshot = &snapshot;
    snapshots->accepts = false;
    leader_step(self, leader, &event);
    if (snapshots->accepts) snapshots->accepted = offered->header;
    struct core_status status;
    core_status(leader->core, &status);
    struct message *answer = messages_create(KIND_SNAPSHOT_VERDICT, sizeof(struct snapshot_verdict));
    *(struct snapshot_verdict *)answer->body = (struct snapshot_verdict){
        .accepted = snapshots->accepts,
        .holds = !snapshots->accepts && !status.damaged && status.applied >= offered->header.position.index,
    };
    actor_reply(self, message, &answer);
}

void leader_on_snapshot_received(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct snapshot_received *received = message->body;
    if (received->id != leader->snapshots.accepted.id) return; /* Another one took its place meanwhile. */
    leader_step(self, leader,
                &(struct core_event){ .type = received->failed ? CORE_EVENT_SNAPSHOT_FAILED
                                                               : CORE_EVENT_SNAPSHOT_READY,
                                      .position = received->position });
}

static void cancel_receiving(struct actor *self)
{
    struct message *message = messages_create(KIND_SNAPSHOT_CANCEL, 0);
    actor_tell_name(self, TO_SNAPSHOT_RECEIVER, &message);
}

/* N2: the flip takes its place among the PERSISTs. */
static void install(struct actor *self, struct leader *leader, const struct core_install *install)
{
    const struct snapshot_header *header = &leader->snapshots.accepted;
    CHECK(header->position.index == install->snapshot.position.index);
    struct bytes *configuration = configuration_pack(&header->configuration);
    struct log_install flip = { .snapshot_id = header->id,
                                .position = header->position,
                                .keep_log = install->keep_log,
                                .configuration_index = header->configuration_index,
                                .configuration = configuration };
    memcpy(flip.state_hash, header->state_hash, sizeof flip.state_hash);
    struct message *message =
        messages_persist(&(struct log_persist){ .sequence = install->sequence, .install = &flip });
    bytes_unref(&configuration);
    leader_hand_over(self, TO_LOG_WRITER, &message);
}

/* N6: until the state has it, what it says of entries before it is of no interest. */
static void reload(struct actor *self, struct leader *leader)
{
    struct message *message = messages_create(KIND_STATE_RELOAD, sizeof(struct state_reload));
    ((struct state_reload *)message->body)->header = leader->snapshots.accepted;
    leader->snapshots.reloading = leader->snapshots.accepted.position.index;
    leader->replay = (struct replay){ 0 };
    leader_hand_over(self, TO_STATE, &message);
    leader_refresh_configuration(leader);
}

bool leader_snapshots_skip(const struct leader *leader, log_index applied)
{
    return applied < leader->snapshots.reloading;
}

void leader_snapshots_applied(struct actor *self, struct leader *leader, log_index applied)
{
    struct leader_snapshots *snapshots = &leader->snapshots;
    if (snapshots->reloading == 0 || applied < snapshots->reloading) return;
    leader_forget_proposals(self, leader, snapshots->reloading);
    snapshots->reloading = 0;
    snapshots->accepted = (struct snapshot_header){ 0 };
    struct message *message = messages_create(KIND_SNAPSHOT_INSTALLED, 0);
    actor_tell_name(self, TO_SNAPSHOT_RECEIVER, &message);
}

void leader_carry_out_snapshot(struct actor *self, struct leader *leader, const struct core_action *action)
{
    switch (action->type) {
    case CORE_ACTION_CHECKPOINT_DUE: leader->snapshots.checkpoint_due = true; break;
    case CORE_ACTION_SNAPSHOT_SEND: send_snapshot(self, leader, action->replica, false); break;
    case CORE_ACTION_SNAPSHOT_ACCEPT: leader->snapshots.accepts = true; break;
    case CORE_ACTION_SNAPSHOT_CANCEL: cancel_receiving(self); break;
    case CORE_ACTION_SNAPSHOT_ASK: ask_for_snapshot(self, leader, action->replica); break;
    case CORE_ACTION_INSTALL: install(self, leader, &action->install); break;
    case CORE_ACTION_RELOAD: reload(self, leader); break;
    default: break; /* SNAPSHOT_IGNORE: as nothing was accepted. */
    }
}

/* --- checkpoints (T5) --- */

void leader_propose_checkpoint(struct actor *self, struct leader *leader)
{
    struct checkpoint checkpoint;
    leader->snapshots.checkpoint_due = false;
    core_checkpoint(leader->core, &checkpoint);
    struct core_proposal proposal = { .type = ENTRY_CHECKPOINT,
                                      .payload = checkpoint_pack(&checkpoint),
                                      .stamp_ms = (uint64_t)actor_wall_ms(self),
                                      .tag = leader_checkpoint_tag };
    struct core_event event = { .type = CORE_EVENT_PROPOSE };
    event.propose.items = &proposal;
    event.propose.count = 1;
    leader_step(self, leader, &event);
    bytes_unref(&proposal.payload);
}

/* --- the state's hash (F4) --- */

static void on_marked(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state, (void)context, (void)result; /* Marked or not: it ends, and starts again. */
    leader_fail(self, STATUS_CORRUPT, "this replica's state differs from that of most others: F4");
}

static void mark_damaged(struct actor *self, struct leader *leader, log_index index)
{
    if (leader->snapshots.marking) return;
    leader->snapshots.marking = true;
    log_error(self, "consensus.state_differs",
              "at checkpoint %llu this state is not that of most others; it is given up for a snapshot",
              (unsigned long long)index);
    struct message *message = messages_create(KIND_LOG_MARK, sizeof(struct log_mark));
    ((struct log_mark *)message->body)->copy_damaged = true;
    actor_ask_name(self, TO_LOG_WRITER, &message, mark_timeout_ns, on_marked, NULL);
}

static void judge(struct actor *self, struct leader *leader, log_index index)
{
    switch (
        hash_exchange_verdict(&leader->snapshots.hashes, &leader->configuration, leader->replica, index)) {
    case HASH_MINORITY: mark_damaged(self, leader, index); break;
    case HASH_SPLIT:
        leader_fail(self, STATUS_CORRUPT, "the replicas' states all differ, and none has a majority: F4");
        break;
    default: break;
    }
}

static void post_hash(struct actor *self, const struct leader *leader,
                      const struct configuration_member *member, const struct applied *applied)
{
    struct message *message = wire_message_create(KIND_STATE_HASH);
    Pb__StateHash *said = message->body;
    said->to = member->id;
    said->index = applied->checkpoint;
    said->hash.data = arena_memdup(&message->arena, applied->checkpoint_hash, HASH_BYTES);
    said->hash.len = HASH_BYTES;
    (void)leader;
    wire_post(self, member->name, CHANNEL_DATA, &message);
}

/* T3 needs what it says, F4 the hash after it. */
void leader_checkpoint_applied(struct actor *self, struct leader *leader, const struct applied *applied)
{
    struct checkpoint checkpoint;
    const struct bytes *payload = applied->checkpoint_payload;
    if (payload != NULL && checkpoint_unpack(payload->data, payload->size, &checkpoint) == STATUS_OK) {
        leader_step(self, leader,
                    &(struct core_event){ .type = CORE_EVENT_CHECKPOINT, .checkpoint = &checkpoint });
    }
    if (applied->checkpoint == 0) return;
    leader->snapshots.told.checkpoint = applied->checkpoint;
    memcpy(leader->snapshots.told.hash, applied->checkpoint_hash, HASH_BYTES);
    hash_exchange_add(&leader->snapshots.hashes, &leader->configuration, leader->replica, applied->checkpoint,
                      applied->checkpoint_hash);
    for (uint32_t i = 0; i < leader->configuration.member_count; i++) {
        const struct configuration_member *member = &leader->configuration.members[i];
        if (member->id != leader->replica) post_hash(self, leader, member, applied);
    }
    judge(self, leader, applied->checkpoint);
}

void leader_on_state_hash(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const Pb__StateHash *said = message->body;
    if (leader->core == NULL || message->from_node == NULL || said->to != leader->replica) return;
    if (said->hash.len != HASH_BYTES) return;
    if (strcmp(leader_name_of(leader, message->from_replica), message->from_node) != 0) return;
    hash_exchange_add(&leader->snapshots.hashes, &leader->configuration, message->from_replica, said->index,
                      said->hash.data);
    judge(self, leader, said->index);
}

/* --- workers --- */

void leader_tell_stream(struct actor *self, struct leader *leader)
{
    struct leader_snapshots *snapshots = &leader->snapshots;
    if (!actor_id_is_set(snapshots->stream_feed)) return;
    snapshots->told.applied = leader->applied;
    snapshots->told.cluster_id = leader->founder.founding.cluster_id;
    struct message *message = messages_create(KIND_STREAM_COMMIT, sizeof(struct stream_commit));
    *(struct stream_commit *)message->body = snapshots->told;
    actor_tell(self, snapshots->stream_feed, &message);
}

void leader_on_stream_wanted(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    const struct stream_wanted *wish = message->body;
    leader->snapshots.stream_feed = wish->wanted ? message->sender : (struct actor_id){ 0 };
    leader_tell_stream(self, leader);
}

/* --- doubt (T2) --- */

static void on_doubted(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state, (void)context, (void)result; /* Noted or not: a new start is told the same again. */
    leader_fail(self, STATUS_CORRUPT, core_stop_text(CORE_STOP_LOST));
}

void leader_doubt(struct actor *self, const char *reason)
{
    log_error(self, "consensus.lost_entries", "%s; this store is given up", reason);
    struct message *message = messages_create(KIND_LOG_MARK, sizeof(struct log_mark));
    struct log_mark *mark = message->body;
    (void)text_copy(mark->doubt, sizeof mark->doubt, reason);
    actor_ask_name(self, TO_LOG_WRITER, &message, mark_timeout_ns, on_doubted, NULL);
}

/* --- compaction (D7) --- */

void leader_compact(struct actor *self, struct leader *leader)
{
    struct core_status status;
    core_status(leader->core, &status);
    leader->snapshots.compacted_at = status.applied;
    struct message *message = messages_create(KIND_LOG_COMPACT, sizeof(struct log_compact));
    ((struct log_compact *)message->body)->needed_from = status.compact_till + 1;
    actor_tell_name(self, TO_LOG_WRITER, &message);
}

bool leader_compaction_due(const struct leader *leader)
{
    return leader->applied >= leader->snapshots.compacted_at + COMPACT_ENTRIES;
}

void leader_on_compacted(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    leader_step(self, leader,
                &(struct core_event){ .type = CORE_EVENT_COMPACTED,
                                      .position = ((const struct log_compacted *)message->body)->base });
}
