/* following: see the header. */
#include "store/raft/following.h"

#include "store/raft/election.h"
#include "store/raft/outbox.h"
#include "store/raft/persistence.h"
#include "store/raft/roster.h"

#include "runtime/base/mark.h"

void following_refuse(struct core *core, const struct core_message *message)
{
    MARK("raft.deposed_leader_is_told");
    struct core_message refusal = { .to = message->from };
    if (message->type == CORE_HEARTBEAT) {
        refusal.type = CORE_HEARTBEAT_REPLY;
    } else {
        refusal.type = CORE_APPEND_REPLY;
        refusal.position.index = message->position.index;
    }
    outbox_send(core, refusal);
}

static void acknowledge(struct core *core, replica_id leader, log_index match)
{
    outbox_acknowledge(core, (struct core_message){
                                 .type = CORE_APPEND_REPLY, .to = leader, .granted = true, .match = match });
}

/* R2: where the leader should look next: at most one probe a term. */
static void reject(struct core *core, const struct core_message *message)
{
    MARK("raft.append_refused_with_a_hint");
    log_index asked = message->position.index;
    log_index last = tail_last(&core->tail).index;
    log_index limit = asked < last ? asked : last;
    log_index hint = term_runs_last_not_above(&core->tail.runs, limit, message->position.term);
    struct core_message reply = { .type = CORE_APPEND_REPLY, .to = message->from };
    reply.position.index = asked;
    reply.hint.index = hint;
    reply.hint.term = tail_term_at(&core->tail, hint);
    outbox_send(core, reply);
}

/* D1: equal index and term with another chain is corruption, here or there. */
static bool chain_differs(struct core *core, log_index index, log_term term, uint64_t chain)
{
    struct log_position ours;
    if (MUTANT(core, CHAIN_UNCHECKED)) return false;
    if (!tail_position(&core->tail, index, &ours)) return false; /* No longer known. */
    if (ours.index == 0 || ours.term != term || ours.chain == chain) return false;
    core_fail(core, CORE_STOP_CHAIN);
    return true;
}

/* How many of the message's first entries our log holds already. Only the first difference is a conflict
 * (R3). */
static uint32_t count_held(struct core *core, const struct core_message *message)
{
    uint32_t held = 0;
    log_index last = tail_last(&core->tail).index;
    while (held < message->entry_count && !MUTANT(core, TRUNCATES_ON_DUPLICATE)) {
        const struct raft_entry *entry = &message->entries[held];
        if (entry->index > last) break;
        bool committed =
            entry->index <= core->commit; /* Then it is the same, even if its term is forgotten. */
        log_term ours = tail_term_at(&core->tail, entry->index);
        if (ours != entry->term && !(committed && ours == 0)) break;
        if (chain_differs(core, entry->index, entry->term, entry->chain)) break;
        held++;
    }
    if (held > 0 && held < message->entry_count) MARK("raft.append_half_known");
    return held;
}

static struct log_position position_of(const struct core_message *message, uint32_t held)
{
    if (held == 0) return message->position;
    const struct raft_entry *entry = &message->entries[held - 1];
    return (struct log_position){ .index = entry->index, .term = entry->term, .chain = entry->chain };
}

/* false: stopped. */
static bool truncate_to(struct core *core, const struct log_position *last)
{
    if (last->index < core->commit && !MUTANT(core, TRUNCATES_COMMITTED)) {
        core_fail(core, CORE_STOP_TRUNCATION);
        return false;
    }
    if (core->role == CORE_LEADER) {
        core_fail(core, CORE_STOP_OWN_LOG);
        return false;
    }
    for (log_index index = last->index + 1; index <= tail_last(&core->tail).index; index++) {
        const struct raft_entry *entry = tail_at(&core->tail, index);
        if (entry != NULL) core->uncommitted_bytes -= tail_entry_bytes(entry);
    }
    tail_truncate(&core->tail, last);
    roster_truncate(core, last->index + 1);
    return core->stop == CORE_RUNNING;
}

static void append_entries(struct core *core, const struct raft_entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        tail_append(&core->tail, &entries[i]);
        core->uncommitted_bytes += tail_entry_bytes(&entries[i]);
    }
}

/* M1: a configuration counts from the moment it is in the log. What the leader has committed is forgotten as
 * we go, so that a message may bring many. */
static void adopt_configurations(struct core *core, const struct raft_entry *entries, uint32_t count,
                                 log_index commit)
{
    for (uint32_t i = 0; i < count && core->stop == CORE_RUNNING; i++) {
        if (entries[i].type != ENTRY_CONFIGURATION) continue;
        if (MUTANT(core, ACTIVE_AT_COMMIT) && commit < entries[i].index) continue;
        roster_append(core, &entries[i]);
    }
}

#if AETHER_MUTANTS
/* As if a message that ends before our log contradicted what is beyond. */
static bool cut_after(struct core *core, const struct core_message *message, uint32_t held)
{
    struct log_position last = position_of(message, held);
    if (message->entry_count == 0 || last.index >= tail_last(&core->tail).index) return true;
    if (last.index < core->commit && !MUTANT(core, TRUNCATES_COMMITTED)) return true;
    if (!truncate_to(core, &last)) return false;
    persistence_issue(core, last.index + 1, 0);
    return true;
}
#else
#define cut_after(core, message, held) true
#endif

/* Takes over what is new. false: not taken (no room, or stopped). */
static bool take(struct core *core, const struct core_message *message, uint32_t held)
{
    const struct raft_entry *entries = message->entries + held;
    uint32_t count = message->entry_count - held;
    if (count == 0 && MUTANT(core, TRUNCATES_ON_SHORTER)) return cut_after(core, message, held);
    if (count == 0) return true;
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += tail_entry_bytes(&entries[i]);
    }
    if (!tail_has_room(&core->tail, count, bytes)) { /* Lost; it comes again. */
        MARK("raft.append_has_no_room");
        return false;
    }
    struct log_position before = position_of(message, held);
    bool conflict = entries[0].index <= tail_last(&core->tail).index;
    if (conflict) MARK("raft.conflict_truncates");
    if (conflict && !truncate_to(core, &before)) return false;
    append_entries(core, entries, count);
    persistence_issue(core, conflict ? entries[0].index : 0, entries[0].index);
    adopt_configurations(core, entries, count, message->commit);
    return core->stop == CORE_RUNNING;
}

void following_on_append(struct core *core, const struct core_message *message)
{
    if (!election_hear_leader(core, message->from)) return;
    const struct log_position *before = &message->position;
    log_index last = tail_last(&core->tail).index;
    log_index end = before->index + message->entry_count;
    bool below_commit = before->index < core->commit;
    if (below_commit && end <= core->commit) { /* R2 */
        MARK("raft.append_below_commit");
        if (MUTANT(core, TRUNCATES_COMMITTED) && !cut_after(core, message, message->entry_count)) return;
        log_index durable = core->persistence.durable;
        acknowledge(core, message->from, core->commit < durable ? core->commit : durable);
        if (durable < core->commit) acknowledge(core, message->from, core->commit);
        return;
    }
    bool fits = before->index <= last && tail_term_at(&core->tail, before->index) == before->term;
    if (!below_commit && before->index > 0 && !fits) {
        reject(core, message);
        return;
    }
    if (chain_differs(core, before->index, before->term, before->chain)) return;
    uint32_t held = count_held(core, message);
    if (core->stop != CORE_RUNNING || !take(core, message, held)) return;
    if (MUTANT(core, NO_PREFIX_CAP)) end = tail_last(&core->tail).index;
    core_commit(core, message->commit < end ? message->commit : end); /* R4 */
    acknowledge(core, message->from, end);
}

void following_on_heartbeat(struct core *core, const struct core_message *message)
{
    if (!election_hear_leader(core, message->from)) return;
    log_index last = tail_last(&core->tail).index;
    core_commit(core, message->commit < last ? message->commit : last); /* <= our match there: R4. */
    if (persistence_stalls(core)) { /* E6: we keep no leader whose entries we cannot acknowledge. */
        MARK("raft.stalled_disk_is_silent");
        return;
    }
    outbox_send(core, (struct core_message){
                          .type = CORE_HEARTBEAT_REPLY, .to = message->from, .token = message->token });
}
