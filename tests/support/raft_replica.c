/* raft_replica: see the header. A step's PERSISTs are written before the oracle looks, for it to see the log
 * as the core says that it is; everything else is carried out after. */
#include "tests/support/raft_replica.h"

#include "tests/support/raft_clients.h"
#include "tests/support/raft_occasions.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "store/raft/quorum.h"

#include <inttypes.h>
#include <string.h>

/* --- the network --- */

static uint64_t network_delay(struct swarm *swarm)
{
    uint64_t delay = 200 + swarm_draw(swarm, STREAM_NETWORK, 3000);
    if (swarm->healed || !swarm->families.delay) return delay;
    if (swarm_chance(swarm, STREAM_NETWORK, 20))
        delay += swarm_draw(swarm, STREAM_NETWORK, 100 * MILLISECOND);
    if (swarm_chance(swarm, STREAM_NETWORK, 2))
        delay += swarm_draw(swarm, STREAM_NETWORK, 2000 * MILLISECOND);
    return delay;
}

/* Damage on the way: an entry says something else, under its old chain. It has to be found out (D1). */
static void garble(struct swarm *swarm, struct occasion *occasion)
{
    struct raft_log *entries = &occasion->entries;
    if (entries->count == 0) return;
    struct raft_entry *entry = &entries->entries[swarm_draw(swarm, STREAM_NETWORK, entries->count)];
    if (entry->payload == NULL || entry->payload->size == 0) return;
    struct bytes *other = bytes_copy(entry->payload->data, entry->payload->size);
    other->data[0] ^= 1;
    bytes_unref(&entry->payload);
    entry->payload = other;
    occasion->fails = true;
}

static void post(struct swarm *swarm, uint32_t to, const struct core_message *message, uint64_t delay)
{
    struct occasion *occasion = occasions_add(swarm, OCCASION_DELIVER, to, swarm->now + delay);
    occasion->message = *message;
    for (uint32_t i = 0; i < message->entry_count; i++) {
        raft_log_append(&occasion->entries, &message->entries[i]);
    }
    bool damaged = swarm->families.garble && !swarm->healed && swarm_chance(swarm, STREAM_NETWORK, 2);
    if (damaged) garble(swarm, occasion);
    occasion->message.entries = occasion->entries.entries;
}

static void send(struct swarm *swarm, uint32_t from, const struct core_message *message)
{
    struct swarm_counts *counts = &swarm->result->counts;
    const struct replica *sender = &swarm->replicas[from];
    oracle_send(&swarm->oracle, from, message, &sender->disk);
    bool greets = message->type == CORE_HELLO || message->type == CORE_HELLO_REPLY;
    if (sender->impostor && !greets) {
        oracle_fail(&swarm->oracle, "S12: replica %u lost entries and sends %s", from,
                    core_message_type_name(message->type));
    }
    bool grants =
        (message->type == CORE_PREVOTE_REPLY || message->type == CORE_VOTE_REPLY) && message->granted;
    if (grants) swarm->replicas[from].granted = message->to;
    uint32_t to = swarm_replica_of(swarm, message->to);
    if (to == SWARM_REPLICAS_MAX) return;
    bool faults = !swarm->healed;
    if (faults && swarm->families.loss && swarm_chance(swarm, STREAM_NETWORK, 10)) {
        counts->messages_lost++;
        return;
    }
    post(swarm, to, message, network_delay(swarm));
    if (faults && swarm->families.doubling && swarm_chance(swarm, STREAM_NETWORK, 10)) {
        counts->messages_doubled++;
        post(swarm, to, message, network_delay(swarm));
    }
    if (faults && swarm->families.replay && swarm_chance(swarm, STREAM_NETWORK, 4)) { /* FLT2: much later. */
        counts->messages_replayed++;
        post(swarm, to, message, swarm_draw(swarm, STREAM_NETWORK, 4000 * MILLISECOND));
    }
}

/* --- disk and state --- */

static uint64_t disk_done_at(struct swarm *swarm, struct replica *replica)
{
    bool slow = swarm->now < replica->disk_slow_till;
    uint64_t takes = 100 + swarm_draw(swarm, STREAM_DISK, slow ? 300 * MILLISECOND : 4 * MILLISECOND);
    if (replica->disk_free_at < swarm->now) replica->disk_free_at = swarm->now;
    replica->disk_free_at += takes;
    return replica->disk_free_at;
}

static uint64_t state_done_at(struct swarm *swarm, struct replica *replica)
{
    if (replica->state_free_at < swarm->now) replica->state_free_at = swarm->now;
    replica->state_free_at += 20 + swarm_draw(swarm, STREAM_STATE, 2 * MILLISECOND);
    return replica->state_free_at;
}

static void persist(struct swarm *swarm, uint32_t at, const struct core_persist *action,
                    const struct core_status *status)
{
    struct replica *replica = &swarm->replicas[at];
    oracle_persist(&swarm->oracle, at, action, status, &replica->disk);
    raft_disk_write(&replica->disk, action);
    occasions_add(swarm, OCCASION_PERSISTED, at, disk_done_at(swarm, replica))->number = action->sequence;
}

static void install(struct swarm *swarm, uint32_t at, const struct core_install *action)
{
    struct replica *replica = &swarm->replicas[at];
    bool whole = replica->receives && replica->received.position.chain == action->snapshot.position.chain;
    if (!whole) {
        oracle_fail(&swarm->oracle, "N2: replica %u installs a snapshot that it has not received", at);
        return;
    }
    oracle_install(&swarm->oracle, at);
    raft_disk_install(&replica->disk, action, &replica->received);
    occasions_add(swarm, OCCASION_PERSISTED, at, disk_done_at(swarm, replica))->number = action->sequence;
}

static void apply_entry(struct swarm *swarm, uint32_t at, const struct raft_entry *entry, log_index index)
{
    struct replica *replica = &swarm->replicas[at];
    const struct raft_entry *stored = raft_log_at(&replica->disk.log, index);
    if (stored == NULL) {
        oracle_fail(&swarm->oracle, "R9: replica %u applies %" PRIu64 ", which is not durable", at, index);
        return;
    }
    if (entry == NULL) entry = stored;
    if (entry->chain != stored->chain)
        oracle_fail(&swarm->oracle, "R9: replica %u applies another entry than it holds", at);
    oracle_apply(&swarm->oracle, at, entry);
    if (raft_state_apply(&replica->state, entry)) return;
    oracle_fail(&swarm->oracle, "S5: replica %u applies %" PRIu64 ", which does not follow its state", at,
                index);
}

static void apply(struct swarm *swarm, uint32_t at, const struct core_apply *action)
{
    if (action->entries == NULL) swarm->result->counts.log_applies++;
    for (log_index index = action->from; index <= action->to; index++) {
        if (oracle_failed(&swarm->oracle)) return;
        apply_entry(swarm, at, action->entries == NULL ? NULL : &action->entries[index - action->from],
                    index);
    }
    occasions_add(swarm, OCCASION_APPLIED, at, state_done_at(swarm, &swarm->replicas[at]))->number =
        action->to;
}

static void read_log(struct swarm *swarm, uint32_t at, const struct core_read_log *action)
{
    swarm->result->counts.log_reads++;
    struct occasion *occasion =
        occasions_add(swarm, OCCASION_LOG_READ, at, disk_done_at(swarm, &swarm->replicas[at]));
    occasion->number = action->tag;
    occasion->from = action->from;
    occasion->to = action->to;
}

static void read_ok(struct swarm *swarm, uint32_t at, const struct core_read_ok *action)
{
    struct waiting *waiting = &swarm->reads[action->tag % WAITING_READS_MAX];
    bool ours =
        waiting->used && waiting->replica == at && waiting->incarnation == swarm->replicas[at].incarnation;
    if (!ours) {
        oracle_fail(&swarm->oracle, "Q1: replica %u answers a read that nobody asks", at);
        return;
    }
    waiting->used = false;
    swarm->result->counts.reads_answered++;
    oracle_read(&swarm->oracle, at, action->index, waiting->commit);
    const struct core_status *status = &swarm->oracle.replicas[at].before;
    bool leads = waiting->led && status->role == CORE_LEADER && status->hard.term == waiting->term;
    if (leads && status->configuration_index == waiting->configuration)
        oracle_confirmed(&swarm->oracle, at, waiting->token);
    if (action->index > swarm->replicas[at].state.position.index)
        oracle_fail(&swarm->oracle, "S11: replica %u reads ahead of its state", at);
}

/* --- snapshots --- */

static void offer(struct swarm *swarm, uint32_t from, uint32_t to, bool asked, bool late)
{
    struct core_status status;
    core_status(swarm->replicas[from].core, &status);
    const struct raft_state *state = &swarm->replicas[from].state;
    if (state->configuration.index == 0) return; /* It has applied nothing yet. */
    uint64_t delay = network_delay(swarm);
    if (late) delay += swarm_draw(swarm, STREAM_SNAPSHOTS, 3000 * MILLISECOND);
    struct occasion *occasion = occasions_add(swarm, OCCASION_OFFER, to, swarm->now + delay);
    occasion->number = swarm->replicas[from].id;
    occasion->term = status.hard.term;
    occasion->asked = asked;
    occasion->state = memory_zalloc(sizeof *occasion->state);
    *occasion->state = *state;
}

static void send_snapshot(struct swarm *swarm, uint32_t at, replica_id to)
{
    swarm->result->counts.snapshots_sent++;
    uint32_t peer = swarm_replica_of(swarm, to);
    uint64_t takes = (100 + swarm_draw(swarm, STREAM_SNAPSHOTS, 900)) * MILLISECOND;
    struct occasion *sent = occasions_add(swarm, OCCASION_SNAPSHOT_SENT, at, swarm->now + takes);
    sent->number = to;
    sent->position = swarm->replicas[at].state.position;
    sent->fails = swarm->families.bad_snapshots && swarm_chance(swarm, STREAM_SNAPSHOTS, 15);
    if (peer == SWARM_REPLICAS_MAX) return;
    offer(swarm, at, peer, false, false);
    bool again = swarm->families.replay && swarm_chance(swarm, STREAM_SNAPSHOTS, 30);
    if (again) offer(swarm, at, peer, false, true);
}

static void ask_for_snapshot(struct swarm *swarm, uint32_t at, replica_id of)
{
    uint32_t peer = swarm_replica_of(swarm, of);
    if (peer == SWARM_REPLICAS_MAX || swarm->replicas[peer].core == NULL) return;
    if (swarm->oracle.replicas[peer].before.role != CORE_LEADER) return;
    if (!swarm->cut[at][peer]) offer(swarm, peer, at, true, false);
}

static void accept_snapshot(struct swarm *swarm, uint32_t at)
{
    struct replica *replica = &swarm->replicas[at];
    replica->receives = true; /* `received` was filled when it was offered. */
    uint64_t takes = (1 + swarm_draw(swarm, STREAM_SNAPSHOTS, 400)) * MILLISECOND;
    struct occasion *ready = occasions_add(swarm, OCCASION_SNAPSHOT_READY, at, swarm->now + takes);
    ready->position = replica->received.position;
    ready->fails =
        swarm->families.bad_snapshots && !swarm->healed && swarm_chance(swarm, STREAM_SNAPSHOTS, 20);
}

static void reload(struct swarm *swarm, uint32_t at, const struct log_position *position)
{
    struct replica *replica = &swarm->replicas[at];
    swarm->result->counts.snapshots_installed++;
    if (replica->disk.copy.position.chain != position->chain)
        oracle_fail(&swarm->oracle, "N6: replica %u loads a state that is not the installed one", at);
    replica->state = replica->disk.copy;
    replica->receives = false;
    occasions_add(swarm, OCCASION_APPLIED, at, state_done_at(swarm, replica))->number = position->index;
}

static void on_offer(struct swarm *swarm, const struct occasion *occasion)
{
    struct replica *replica = &swarm->replicas[occasion->replica];
    uint32_t from = swarm_replica_of(swarm, occasion->number);
    if (swarm->cut[from][occasion->replica]) return;
    struct core_snapshot snapshot = { .position = occasion->state->position,
                                      .configuration = occasion->state->configuration };
    struct raft_state before = replica->received;
    replica->received = *occasion->state; /* An ACCEPT means this one. */
    struct core_event event = { .type = CORE_EVENT_SNAPSHOT_OFFERED };
    event.snapshot_offered.from = occasion->number;
    event.snapshot_offered.term = occasion->term;
    event.snapshot_offered.asked = occasion->asked;
    event.snapshot_offered.snapshot = &snapshot;
    bool receives = replica->receives;
    replica->receives = false;
    replica_step(swarm, occasion->replica, &event);
    if (replica->receives) return;
    replica->receives =
        receives; /* Ignored. A cancelled one is never reported ready: the core would not have it. */
    replica->received = before;
}

static void on_snapshot_ready(struct swarm *swarm, const struct occasion *occasion)
{
    struct replica *replica = &swarm->replicas[occasion->replica];
    if (!replica->receives || replica->received.position.chain != occasion->position.chain) return;
    struct core_event event = { .type = CORE_EVENT_SNAPSHOT_READY, .position = occasion->position };
    if (occasion->fails) event.type = CORE_EVENT_SNAPSHOT_FAILED;
    if (occasion->fails) replica->receives = false;
    replica_step(swarm, occasion->replica, &event);
}

static void on_snapshot_sent(struct swarm *swarm, const struct occasion *occasion)
{
    uint32_t peer = swarm_replica_of(swarm, occasion->number);
    bool there = peer != SWARM_REPLICAS_MAX && !occasion->fails &&
                 swarm->replicas[peer].disk.copy.position.index >= occasion->position.index;
    struct core_event event = { .type = CORE_EVENT_SNAPSHOT_SENT };
    event.snapshot_sent.replica = occasion->number;
    event.snapshot_sent.index = there ? occasion->position.index : 0;
    replica_step(swarm, occasion->replica, &event);
}

/* --- one step --- */

static void carry_out(struct swarm *swarm, uint32_t at, const struct core_action *action,
                      const struct core_status *status)
{
    struct swarm_counts *counts = &swarm->result->counts;
    swarm_trace(swarm, at, 100 + (uint32_t)action->type, status->last.chain, status->commit);
    switch (action->type) {
    case CORE_ACTION_SEND: send(swarm, at, &action->send); break;
    case CORE_ACTION_APPLY: apply(swarm, at, &action->apply); break;
    case CORE_ACTION_READ_LOG: read_log(swarm, at, &action->read_log); break;
    case CORE_ACTION_READ_OK: read_ok(swarm, at, &action->read_ok); break;
    case CORE_ACTION_SNAPSHOT_SEND: send_snapshot(swarm, at, action->replica); break;
    case CORE_ACTION_SNAPSHOT_ASK: ask_for_snapshot(swarm, at, action->replica); break;
    case CORE_ACTION_SNAPSHOT_ACCEPT: accept_snapshot(swarm, at); break;
    case CORE_ACTION_SNAPSHOT_CANCEL:
        counts->snapshots_cancelled++;
        swarm->replicas[at].receives = false;
        break;
    case CORE_ACTION_CHECKPOINT_DUE: swarm->replicas[at].checkpoint_due = true; break;
    case CORE_ACTION_RELOAD: reload(swarm, at, &action->position); break;
    case CORE_ACTION_CONFIGURED:
        if (action->configured.joint) counts->joint_changes++;
        break;
    default: break;
    }
}

static bool same_message(const struct core_message *a, const struct core_message *b)
{
    return a->type == b->type && a->to == b->to && a->term == b->term && a->commit == b->commit &&
           a->position.chain == b->position.chain && a->position.index == b->position.index &&
           a->match == b->match && a->token == b->token && a->granted == b->granted &&
           a->entry_count == b->entry_count;
}

static bool same_action(const struct core_action *a, const struct core_action *b)
{
    if (a->type != b->type) return false;
    if (a->type == CORE_ACTION_SEND) return same_message(&a->send, &b->send);
    if (a->type == CORE_ACTION_PERSIST) return a->persist.entry_count == b->persist.entry_count;
    if (a->type == CORE_ACTION_APPLY) return a->apply.to == b->apply.to;
    if (a->type == CORE_ACTION_ROLE_CHANGED) return a->role_changed.role == b->role_changed.role;
    return true;
}

static void compare(struct swarm *swarm, uint32_t at, const struct core_actions *slept,
                    const struct core_actions *awake)
{
    bool same = slept->count == awake->count;
    for (uint32_t i = 0; same && i < slept->count; i++) {
        same = same_action(&slept->items[i], &awake->items[i]);
    }
    if (!same) oracle_fail(&swarm->oracle, "sleeping made a difference at replica %u", at);
}

/* The shadow hears of each tick singly: none but the last may have found anything to do. */
static const struct core_actions *step_shadow(struct swarm *swarm, uint32_t at,
                                              const struct core_event *event)
{
    struct core *shadow = swarm->replicas[at].shadow;
    uint32_t ticks = event->type == CORE_EVENT_TICK ? event->ticks : 0;
    for (uint32_t i = 1; i < ticks; i++) {
        const struct core_actions *actions =
            core_step(shadow, &(struct core_event){ .type = CORE_EVENT_TICK });
        if (actions->count > 0) oracle_fail(&swarm->oracle, "replica %u slept through a tick", at);
    }
    struct core_event last = *event;
    if (event->type == CORE_EVENT_TICK) last.ticks = 1;
    return core_step(shadow, &last);
}

static void step(struct swarm *swarm, uint32_t at, const struct core_event *event)
{
    struct replica *replica = &swarm->replicas[at];
    const struct core_actions *actions = core_step(replica->core, event);
    if (replica->shadow != NULL) compare(swarm, at, actions, step_shadow(swarm, at, event));
    struct core_status status;
    core_status(replica->core, &status);
    swarm->result->counts.events++;
    if (status.role == CORE_LEADER) replica->heard = 0;
    if (replica->impostor && status.stop == CORE_STOP_LOST) {
        swarm->result->counts.old_copies_found++;
        replica_retire(swarm, at);
        return;
    }
    for (uint32_t i = 0; i < actions->count; i++) {
        const struct core_action *action = &actions->items[i];
        if (action->type == CORE_ACTION_PERSIST) persist(swarm, at, &action->persist, &status);
        if (action->type == CORE_ACTION_INSTALL) install(swarm, at, &action->install);
    }
    const struct core_status *before = &swarm->oracle.replicas[at].before;
    bool changed = before->role != status.role || before->hard.term != status.hard.term ||
                   before->configuration_index != status.configuration_index;
    if (changed) replica->changed_at = swarm->now;
    oracle_step(&swarm->oracle, at, &status, &replica->disk);
    for (uint32_t i = 0; i < actions->count && !oracle_failed(&swarm->oracle); i++) {
        carry_out(swarm, at, &actions->items[i], &status);
    }
}

/* Ticks come first: what was sent or heard now was not sent or heard when the driver went to sleep. */
static void elapse(struct swarm *swarm, uint32_t at)
{
    struct replica *replica = &swarm->replicas[at];
    uint64_t ticks = (swarm->now - replica->ticked_at) / TICK_US;
    if (!replica->sleepy || ticks == 0) return;
    replica->ticked_at += ticks * TICK_US;
    swarm->result->counts.ticks_slept += ticks - 1;
    step(swarm, at, &(struct core_event){ .type = CORE_EVENT_TICK, .ticks = (uint32_t)ticks });
}

static void arm(struct swarm *swarm, uint32_t at)
{
    struct replica *replica = &swarm->replicas[at];
    if (!replica->sleepy || replica->core == NULL) return;
    uint64_t due = replica->ticked_at + (uint64_t)core_next_tick_due(replica->core) * TICK_US;
    bool armed = replica->tick_armed_at > swarm->now && replica->tick_armed_at <= due;
    if (armed || due > swarm->now + 3600 * T_MAX_US) return;
    replica->tick_armed_at = due;
    occasions_add(swarm, OCCASION_TICK, at, due);
}

void replica_step(struct swarm *swarm, uint32_t at, const struct core_event *event)
{
    elapse(swarm, at);
    if (swarm->replicas[at].core != NULL) step(swarm, at, event);
    if (swarm->replicas[at].core != NULL && swarm->replicas[at].checkpoint_due) {
        swarm->replicas[at].checkpoint_due = false;
        clients_checkpoint(swarm, at);
    }
    arm(swarm, at);
}

/* --- life --- */

static struct core *make_core(struct swarm *swarm, uint32_t at)
{
    struct core_options options = swarm->limits;
    options.self = swarm->replicas[at].id;
    options.seed = hash64_mix(swarm->options.seed, (uint64_t)at << 32 | swarm->replicas[at].incarnation);
    options.mutant = swarm->options.mutant;
    return core_create(&options);
}

static void tell_what_is_applied(struct swarm *swarm, uint32_t at)
{
    const struct replica *replica = &swarm->replicas[at];
    struct core_event retired = { .type = CORE_EVENT_RETIRED };
    retired.retired.ids = swarm->retired;
    retired.retired.count = swarm->retired_count;
    if (swarm->retired_count > 0) replica_step(swarm, at, &retired);
    if (replica->state.checkpoint.count == 0 || replica->core == NULL) return;
    replica_step(
        swarm, at,
        &(struct core_event){ .type = CORE_EVENT_CHECKPOINT, .checkpoint = &replica->state.checkpoint });
}

void replica_start(struct swarm *swarm, uint32_t at, enum core_start how)
{
    struct replica *replica = &swarm->replicas[at];
    replica->sleepy = swarm->families.sleepy && at % 2 == 0;
    replica->core = make_core(swarm, at);
    if (replica->sleepy) replica->shadow = make_core(swarm, at);
    replica->ticked_at = swarm->now;
    replica->tick_armed_at = 0;
    replica->state = replica->disk.damaged ? (struct raft_state){ 0 } : replica->disk.copy;
    replica->receives = false;
    oracle_restarted(&swarm->oracle, at);
    static struct core_term_run runs[CORE_TERM_RUNS_MAX];
    static struct core_log_configuration configurations[CORE_CONFIGURATIONS_MAX];
    struct core_init init;
    raft_disk_init(&replica->disk, runs, configurations, &init);
    init.start = how;
    replica_step(swarm, at, &(struct core_event){ .type = CORE_EVENT_INIT, .init = &init });
    tell_what_is_applied(swarm, at);
    if (replica->sleepy) return;
    occasions_add(swarm, OCCASION_TICK, at, swarm->now + 1 + swarm_draw(swarm, STREAM_FAULTS, TICK_US));
}

static void stop(struct swarm *swarm, uint32_t at)
{
    struct replica *replica = &swarm->replicas[at];
    core_destroy(&replica->core);
    core_destroy(&replica->shadow);
    replica->incarnation++;
    replica->disk_free_at = 0;
    replica->state_free_at = 0;
    replica->heard = 0;
}

void replica_crash(struct swarm *swarm, uint32_t at, uint64_t restart_at)
{
    struct replica *replica = &swarm->replicas[at];
    if (replica->core == NULL) return;
    swarm->result->counts.crashes++;
    uint64_t through = swarm_draw(swarm, STREAM_DISK, 4);
    uint64_t sequence = 0;
    for (uint64_t i = 0; i < through; i++) {
        (void)raft_disk_finish_one(&replica->disk, &sequence);
    }
    swarm->result->counts.lost_batches += raft_disk_crash(&replica->disk);
    stop(swarm, at);
    if (restart_at != 0) occasions_add(swarm, OCCASION_RESTART, at, restart_at);
    for (uint32_t peer = 0; peer < swarm->count; peer++) {
        if (!swarm->families.hints || peer == at) continue;
        occasions_add(swarm, OCCASION_PEER_DOWN, peer, swarm->now + MILLISECOND)->number = replica->id;
    }
}

uint32_t replica_make(struct swarm *swarm, uint32_t node)
{
    if (swarm->count == SWARM_REPLICAS_MAX) return SWARM_REPLICAS_MAX;
    uint32_t at = swarm->count++;
    swarm->replicas[at].id = SWARM_FIRST_ID + at;
    swarm->replicas[at].node = node;
    return at;
}

void replica_retire(struct swarm *swarm, uint32_t at)
{
    struct replica *replica = &swarm->replicas[at];
    stop(swarm, at);
    replica->retired = true;
    replica->impostor = false;
    swarm->connected[at] = false;
    swarm->retired[swarm->retired_count++] = replica->id;
    uint32_t successor = replica_make(swarm, replica->node);
    if (successor != SWARM_REPLICAS_MAX) replica_start(swarm, successor, CORE_START_NEW);
    for (uint32_t peer = 0; peer < swarm->count; peer++) {
        if (swarm->replicas[peer].core != NULL) tell_what_is_applied(swarm, peer);
    }
}

/* --- occasions --- */

static void on_persisted(struct swarm *swarm, uint32_t at, uint64_t sequence)
{
    struct replica *replica = &swarm->replicas[at];
    if (replica->disk.first == NULL || replica->disk.first->sequence > sequence)
        return; /* Joined into another. */
    uint64_t done = 0;
    while (done < sequence) {
        (void)raft_disk_finish_one(&replica->disk, &done);
    }
    while (swarm_chance(swarm, STREAM_DISK, 30) && raft_disk_finish_one(&replica->disk, &done)) {
    }
    replica_step(swarm, at, &(struct core_event){ .type = CORE_EVENT_PERSISTED, .sequence = done });
}

static void on_log_read(struct swarm *swarm, const struct occasion *occasion)
{
    const struct raft_log *log = &swarm->replicas[occasion->replica].disk.log;
    uint64_t count = occasion->to - occasion->from + 1;
    if (swarm_chance(swarm, STREAM_DISK, 30)) count = 1 + swarm_draw(swarm, STREAM_DISK, count);
    struct core_event event = { .type = CORE_EVENT_LOG_READ };
    event.log_read.tag = occasion->number;
    event.log_read.entries = raft_log_at(log, occasion->from);
    event.log_read.count = event.log_read.entries == NULL ? 0 : (uint32_t)count;
    replica_step(swarm, occasion->replica, &event);
}

static void on_applied(struct swarm *swarm, uint32_t at, log_index index)
{
    struct replica *replica = &swarm->replicas[at];
    bool whole = replica->state.position.index == index; /* Else more was applied since. */
    if (whole && swarm_chance(swarm, STREAM_STATE, 30)) replica->disk.copy = replica->state;
    if (replica->state.checkpoint.count > 0) {
        replica_step(
            swarm, at,
            &(struct core_event){ .type = CORE_EVENT_CHECKPOINT, .checkpoint = &replica->state.checkpoint });
    }
    if (replica->core != NULL)
        replica_step(swarm, at, &(struct core_event){ .type = CORE_EVENT_APPLIED, .index = index });
}

/* E1, E2: who leads, or heard its leader within T_min, grants nobody else a vote but by the leader's wish.
 * Two ticks are the clock's. */
static void check_stickiness(struct swarm *swarm, uint32_t at, const struct core_message *message, bool led)
{
    const struct replica *replica = &swarm->replicas[at];
    bool asks = (message->type == CORE_VOTE || message->type == CORE_PREVOTE) && !message->transfer;
    if (!asks || replica->granted != message->from || replica->core == NULL) return;
    bool fresh = replica->heard != 0 && swarm->now - replica->heard_at < T_MIN_US - 2 * TICK_US;
    if (fresh || led)
        oracle_fail(&swarm->oracle, "E2: replica %u votes though its leader was just heard", at);
}

static void note_leader(struct swarm *swarm, uint32_t at, const struct core_message *message)
{
    struct replica *replica = &swarm->replicas[at];
    bool leads = message->type == CORE_APPEND || message->type == CORE_HEARTBEAT;
    if (swarm->replicas[swarm_replica_of(swarm, message->from)].retired) return; /* On its way since (E5). */
    const struct core_status *status = &swarm->oracle.replicas[at].before;
    if (!leads || status->leader != message->from || status->hard.term != message->term) return;
    replica->heard = message->from;
    replica->heard_at = swarm->now;
}

static void on_deliver(struct swarm *swarm, const struct occasion *occasion)
{
    uint32_t at = occasion->replica;
    uint32_t from = swarm_replica_of(swarm, occasion->message.from);
    if (swarm->cut[from][at]) return;
    bool led = swarm->oracle.replicas[at].before.role == CORE_LEADER &&
               swarm->oracle.replicas[at].before.hard.term >= occasion->message.term;
    swarm->replicas[at].granted = 0;
    replica_step(swarm, at,
                 &(struct core_event){ .type = CORE_EVENT_RECEIVE, .message = &occasion->message });
    const struct core_status *status = &swarm->oracle.replicas[at].before;
    if (!occasion->fails && status->hard.term == occasion->message.term)
        swarm->replicas[at].heard_from[from] = swarm->now;
    check_stickiness(swarm, at, &occasion->message, led);
    if (!occasion->fails) note_leader(swarm, at, &occasion->message);
}

/* S13: the term of a replica that hears nobody does not grow; what it had begun before may still end. */
static void check_isolation(struct swarm *swarm, uint32_t at)
{
    struct replica *replica = &swarm->replicas[at];
    if (!replica->isolated || replica->core == NULL || swarm->now < replica->isolated_at + T_MAX_US) return;
    struct core_status status;
    core_status(replica->core, &status);
    if (status.peer_count == 0) return; /* It needs nobody. */
    if (replica->isolated_term == 0) {
        replica->isolated_term = status.hard.term;
        swarm->result->counts.isolations++;
    }
    if (status.hard.term <= replica->isolated_term || oracle_votes_alone(&status, replica->id)) return;
    oracle_fail(&swarm->oracle, "S13: the term of replica %u grows while it is alone", at);
}

struct hearing {
    const struct swarm *swarm;
    uint32_t at;
};

static uint64_t heard_from(const void *context, replica_id voter)
{
    const struct hearing *hearing = context;
    const struct replica *replica = &hearing->swarm->replicas[hearing->at];
    if (voter == replica->id) return hearing->swarm->now;
    uint64_t heard = replica->heard_from[oracle_replica_of(voter)];
    return heard > replica->changed_at ? heard : replica->changed_at;
}

/* E6, at its tick: a leader that did not hear a quorum for T_min leads no longer. Three ticks are the
 * clock's. */
static void check_hearing(struct swarm *swarm, uint32_t at)
{
    const struct core_status *status = &swarm->oracle.replicas[at].before;
    if (swarm->replicas[at].core == NULL || status->role != CORE_LEADER) return;
    struct hearing hearing = { .swarm = swarm, .at = at };
    uint64_t heard = quorum_value(&status->configuration, heard_from, &hearing);
    if (swarm->now - heard <= T_MIN_US + 3 * TICK_US) return;
    oracle_fail(&swarm->oracle, "E6: leader %u hears no quorum and leads on", at);
}

static void on_tick(struct swarm *swarm, uint32_t at)
{
    struct replica *replica = &swarm->replicas[at];
    if (replica->sleepy) {
        elapse(swarm, at);
        arm(swarm, at);
    } else {
        occasions_add(swarm, OCCASION_TICK, at, swarm->now + TICK_US);
        replica_step(swarm, at, &(struct core_event){ .type = CORE_EVENT_TICK });
    }
    check_isolation(swarm, at);
    check_hearing(swarm, at);
}

static void on_own(struct swarm *swarm, const struct occasion *occasion)
{
    uint32_t at = occasion->replica;
    switch (occasion->type) {
    case OCCASION_TICK: on_tick(swarm, at); break;
    case OCCASION_PERSISTED: on_persisted(swarm, at, occasion->number); break;
    case OCCASION_APPLIED: on_applied(swarm, at, occasion->number); break;
    case OCCASION_LOG_READ: on_log_read(swarm, occasion); break;
    case OCCASION_SNAPSHOT_READY: on_snapshot_ready(swarm, occasion); break;
    case OCCASION_SNAPSHOT_SENT: on_snapshot_sent(swarm, occasion); break;
    case OCCASION_COMPACTED:
        replica_step(swarm, at,
                     &(struct core_event){ .type = CORE_EVENT_COMPACTED, .position = occasion->position });
        break;
    default: break;
    }
}

void replica_on_occasion(struct swarm *swarm, const struct occasion *occasion)
{
    uint32_t at = occasion->replica;
    bool lives = swarm->replicas[at].core != NULL;
    switch (occasion->type) {
    case OCCASION_DELIVER:
        if (lives) on_deliver(swarm, occasion);
        break;
    case OCCASION_OFFER:
        if (lives) on_offer(swarm, occasion);
        break;
    case OCCASION_PEER_DOWN:
    case OCCASION_PEER_UP: {
        struct core_event event = { .type = CORE_EVENT_PEER_DOWN, .replica = occasion->number };
        if (occasion->type == OCCASION_PEER_UP) event.type = CORE_EVENT_PEER_UP;
        else if (swarm->replicas[at].heard == occasion->number) swarm->replicas[at].heard = 0;
        if (lives) replica_step(swarm, at, &event);
        break;
    }
    default:
        if (lives && occasion->incarnation == swarm->replicas[at].incarnation) on_own(swarm, occasion);
        break;
    }
}
