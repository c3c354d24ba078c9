/* raft_oracle: see the header. */
#include "tests/support/raft_oracle.h"

#include "runtime/base/memory.h"
#include "store/raft/quorum.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void oracle_fini(struct oracle *oracle)
{
    for (uint64_t i = 0; i < oracle->index_count; i++) {
        memory_free(oracle->indices[i].seen);
    }
    memory_free(oracle->indices);
    memory_free(oracle->terms);
}

void oracle_restarted(struct oracle *oracle, uint32_t replica)
{
    oracle->replicas[replica] = (struct oracle_replica){ 0 };
}

bool oracle_failed(const struct oracle *oracle)
{
    return oracle->failure[0] != '\0';
}

void oracle_fail(struct oracle *oracle, const char *format, ...)
{
    if (oracle_failed(oracle)) return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(oracle->failure, sizeof oracle->failure, format, arguments);
    va_end(arguments);
}

/* Tables grow by doubling; what is new is zero. */
static void *grown(void *table, uint64_t *count, uint64_t wanted, size_t size)
{
    if (wanted < *count) return table;
    uint64_t larger = *count == 0 ? 256 : *count;
    while (larger <= wanted) {
        larger *= 2;
    }
    char *bigger = memory_realloc(table, larger * size);
    memset(bigger + *count * size, 0, (larger - *count) * size);
    *count = larger;
    return bigger;
}

static struct oracle_index *at_index(struct oracle *oracle, log_index index)
{
    oracle->indices = grown(oracle->indices, &oracle->index_count, index, sizeof oracle->indices[0]);
    return &oracle->indices[index];
}

static struct oracle_term *at_term(struct oracle *oracle, log_term term)
{
    oracle->terms = grown(oracle->terms, &oracle->term_count, term, sizeof oracle->terms[0]);
    return &oracle->terms[term];
}

uint32_t oracle_replica_of(replica_id id)
{
    return (uint32_t)(id - SWARM_FIRST_ID);
}

/* S3 */
static void see_entry(struct oracle *oracle, uint32_t replica, const struct raft_entry *entry)
{
    struct oracle_index *at = at_index(oracle, entry->index);
    for (uint32_t i = 0; i < at->seen_count; i++) {
        if (at->seen[i].term != entry->term) continue;
        if (at->seen[i].chain != entry->chain) {
            oracle_fail(oracle, "S3: replica %u writes index %" PRIu64 " term %" PRIu64 " with another chain",
                        replica, entry->index, entry->term);
        }
        return;
    }
    if (at->seen_count == at->seen_capacity) {
        at->seen_capacity = at->seen_capacity == 0 ? 2 : 2 * at->seen_capacity;
        at->seen = memory_realloc(at->seen, at->seen_capacity * sizeof at->seen[0]);
    }
    at->seen[at->seen_count++] =
        (struct log_position){ .index = entry->index, .term = entry->term, .chain = entry->chain };
}

void oracle_found(struct oracle *oracle, const struct raft_entry *first)
{
    see_entry(oracle, 0, first);
}

bool oracle_votes_alone(const struct core_status *status, replica_id self)
{
    for (uint32_t i = 0; i < status->configuration.member_count; i++) {
        const struct configuration_member *member = &status->configuration.members[i];
        if (member->id != self && (member->voter || member->outgoing_voter)) return false;
    }
    return true;
}

/* S10: a leader makes a configuration only when the one before is committed, and one that overlaps it. */
static void check_change(struct oracle *oracle, uint32_t replica, const struct raft_entry *entry,
                         const struct core_status *status, const struct raft_disk *disk)
{
    const struct raft_entry *former = NULL;
    for (uint64_t i = 0; i < disk->written.count; i++) {
        const struct raft_entry *other = &disk->written.entries[i];
        if (other->type == ENTRY_CONFIGURATION && other->index < entry->index) former = other;
    }
    if (former == NULL) return; /* In the log no longer: it is committed. */
    const struct oracle_index *at = at_index(oracle, former->index);
    bool committed = at->committed && at->committed_chain == former->chain;
    if (!committed && former->index > status->commit) { /* In this very step: oracle_step sees to that. */
        oracle_fail(oracle,
                    "S10: leader %u begins a second change at %" PRIu64 " before %" PRIu64 " is committed",
                    replica, entry->index, former->index);
    }
    struct configuration before;
    struct configuration next;
    bool readable =
        configuration_unpack(former->payload->data, former->payload->size, &before) == STATUS_OK &&
        configuration_unpack(entry->payload->data, entry->payload->size, &next) == STATUS_OK;
    if (!readable || !configuration_may_follow(&before, &next))
        oracle_fail(oracle, "S10: leader %u makes a configuration that does not overlap the last", replica);
}

void oracle_install(struct oracle *oracle, uint32_t replica)
{
    oracle->replicas[replica].durable_may_fall = true;
}

/* E2: when the vote is cast the candidate's log is at least as new as ours, what is not durable yet included.
 */
static void check_vote(struct oracle *oracle, uint32_t replica, const struct hard_state *cast,
                       const struct raft_disk *disk)
{
    uint32_t candidate = oracle_replica_of(cast->vote);
    if (cast->vote == 0 || candidate == replica) return;
    const struct log_position *theirs = &at_term(oracle, cast->term)->asked[candidate];
    struct log_position ours = raft_log_last(&disk->written);
    bool newer = ours.term > theirs->term || (ours.term == theirs->term && ours.index > theirs->index);
    if (!newer) return;
    oracle_fail(oracle,
                "E2: replica %u votes for a log that ends with %" PRIu64 "/%" PRIu64 ", and holds %" PRIu64
                "/%" PRIu64,
                replica, theirs->index, theirs->term, ours.index, ours.term);
}

void oracle_persist(struct oracle *oracle, uint32_t replica, const struct core_persist *persist,
                    const struct core_status *status, const struct raft_disk *disk)
{
    struct oracle_replica *known = &oracle->replicas[replica];
    if (persist->hard_changed) check_vote(oracle, replica, &persist->hard, disk);
    if (persist->truncate_from != 0) {
        oracle->counts->truncations++;
        known->durable_may_fall = true;
        bool led = known->started && known->before.role == CORE_LEADER && status->role == CORE_LEADER;
        if (led)
            oracle_fail(oracle, "S2: leader %u truncates from %" PRIu64, replica, persist->truncate_from);
        if (persist->truncate_from <= oracle->commit && at_index(oracle, persist->truncate_from)->committed &&
            persist->truncate_from <= known->before.commit) {
            oracle_fail(oracle, "R3: replica %u truncates %" PRIu64 ", which it knew committed", replica,
                        persist->truncate_from);
        }
    }
    for (uint32_t i = 0; i < persist->entry_count; i++) {
        const struct raft_entry *entry = &persist->entries[i];
        see_entry(oracle, replica, entry);
        bool made = status->role == CORE_LEADER && entry->term == status->hard.term;
        if (made && entry->type == ENTRY_CONFIGURATION) check_change(oracle, replica, entry, status, disk);
    }
}

static void see_vote(struct oracle *oracle, uint32_t replica, log_term term, replica_id vote)
{
    replica_id *known = &at_term(oracle, term)->votes[replica];
    if (*known != 0 && *known != vote) {
        oracle_fail(oracle, "S6: replica %u votes twice in term %" PRIu64, replica, term);
    }
    *known = vote;
}

void oracle_send(struct oracle *oracle, uint32_t replica, const struct core_message *message,
                 const struct raft_disk *disk)
{
    bool promises_nothing =
        message->type == CORE_PREVOTE || (message->type == CORE_PREVOTE_REPLY && message->granted);
    if (!promises_nothing && message->term > disk->hard.term) {
        oracle_fail(oracle, "D5: %s of term %" PRIu64 " leaves replica %u, whose durable term is %" PRIu64,
                    core_message_type_name(message->type), message->term, replica, disk->hard.term);
    }
    if (message->type == CORE_VOTE) {
        see_vote(oracle, replica, message->term, message->from);
        at_term(oracle, message->term)->asked[replica] = message->position;
    }
    if (message->type == CORE_VOTE_REPLY && message->granted) {
        see_vote(oracle, replica, message->term, message->to);
        if (disk->hard.term != message->term || disk->hard.vote != message->to) {
            oracle_fail(oracle, "E3: a vote leaves replica %u before it is durable", replica);
        }
    }
    bool acknowledges = message->type == CORE_APPEND_REPLY && message->granted;
    log_index held = raft_log_last(&disk->log).index;
    if (acknowledges && message->match > held) {
        oracle_fail(oracle, "S8: replica %u acknowledges %" PRIu64 " and holds %" PRIu64, replica,
                    message->match, held);
    }
    if (message->type == CORE_HEARTBEAT) {
        uint64_t *newest = &at_term(oracle, message->term)->token;
        if (message->token > *newest) *newest = message->token;
    }
    if (message->type == CORE_HEARTBEAT_REPLY) {
        uint64_t *newest = &at_term(oracle, message->term)->confirmed[replica];
        if (message->token > *newest) *newest = message->token;
    }
    if (acknowledges) {
        log_index *most = &at_term(oracle, message->term)->acknowledged[replica];
        if (message->match > *most) *most = message->match;
    }
}

static void see_committed(struct oracle *oracle, uint32_t replica, log_index index, uint64_t chain,
                          log_term term)
{
    struct oracle_index *at = at_index(oracle, index);
    if (!at->committed) {
        at->committed = true;
        at->committed_chain = chain;
        at->committed_term = term;
        oracle->counts->commits++;
        return;
    }
    if (at->committed_chain == chain) return;
    oracle_fail(oracle, "S5: replica %u commits another entry at %" PRIu64, replica, index);
}

void oracle_apply(struct oracle *oracle, uint32_t replica, const struct raft_entry *entry)
{
    const struct oracle_index *at = at_index(oracle, entry->index);
    if (at->committed && at->committed_chain == entry->chain) return;
    oracle_fail(oracle, "S5: replica %u applies %" PRIu64 ", which nobody committed", replica, entry->index);
}

/* false: the log holds nothing there. */
static bool chain_at(const struct raft_log *log, log_index index, uint64_t *out_chain)
{
    const struct raft_entry *entry = raft_log_at(log, index);
    if (entry != NULL) *out_chain = entry->chain;
    else if (index == log->base.index) *out_chain = log->base.chain;
    else return false;
    return true;
}

static void check_leader(struct oracle *oracle, uint32_t replica, const struct core_status *status,
                         const struct raft_disk *disk)
{
    struct oracle_term *term = at_term(oracle, status->hard.term);
    if (term->leader == status->leader) return;
    if (term->leader != 0) {
        oracle_fail(oracle, "S1: two leaders in term %" PRIu64 ", the second is %u", status->hard.term,
                    replica);
        return;
    }
    term->leader = status->leader;
    oracle->counts->elections++;
    log_index from = disk->written.base.index == 0 ? 1 : disk->written.base.index;
    for (log_index index = from; index <= oracle->commit; index++) { /* S4 */
        const struct oracle_index *at = at_index(oracle, index);
        uint64_t chain = 0;
        bool held = chain_at(&disk->written, index, &chain);
        if (!at->committed || at->committed_term > status->hard.term) continue;
        if (held && chain == at->committed_chain) continue;
        oracle_fail(oracle, "S4: leader %u of term %" PRIu64 " lacks committed entry %" PRIu64, replica,
                    status->hard.term, index);
        return;
    }
}

/* R5: what a leader counts was acknowledged to it, in its own term. */
static void check_matches(struct oracle *oracle, uint32_t replica, const struct core_status *status)
{
    const struct oracle_term *term = at_term(oracle, status->hard.term);
    for (uint32_t i = 0; i < status->peer_count; i++) {
        const struct core_peer_status *peer = &status->peers[i];
        if (peer->match <= term->acknowledged[oracle_replica_of(peer->id)]) continue;
        oracle_fail(oracle,
                    "R5: leader %u of term %" PRIu64 " counts %" PRIu64
                    " of a replica that acknowledged less in it",
                    replica, status->hard.term, peer->match);
    }
}

/* S7 */
static void check_monotonic(struct oracle *oracle, uint32_t replica, const struct core_status *now,
                            const struct oracle_replica *known)
{
    log_index durable_and_committed = now->commit < now->durable ? now->commit : now->durable;
    if (now->applied > durable_and_committed) {
        oracle_fail(oracle, "S7: replica %u applied %" PRIu64 " of %" PRIu64, replica, now->applied,
                    durable_and_committed);
    }
    if (!known->started) return;
    const struct core_status *before = &known->before;
    bool falls =
        now->commit < before->commit || now->applied < before->applied || now->hard.term < before->hard.term;
    if (falls) oracle_fail(oracle, "S7: commit, applied or term of replica %u falls", replica);
    if (now->durable < before->durable && !known->durable_may_fall) {
        oracle_fail(oracle, "S7: durable of replica %u falls without a truncation", replica);
    }
}

static void check_commit(struct oracle *oracle, uint32_t replica, const struct core_status *now,
                         const struct oracle_replica *known, const struct raft_disk *disk)
{
    log_index before = known->started ? known->before.commit : 0;
    for (log_index index = before + 1; index <= now->commit; index++) {
        uint64_t chain = 0;
        if (index < disk->written.base.index) continue; /* By a snapshot: its base is looked at. */
        if (!chain_at(&disk->written, index, &chain)) {
            oracle_fail(oracle, "S7: replica %u commits %" PRIu64 ", which it lacks", replica, index);
            return;
        }
        see_committed(oracle, replica, index, chain, now->hard.term);
    }
    bool counted = known->started && known->before.role == CORE_LEADER && now->role == CORE_LEADER;
    if (counted && now->commit > before) { /* S9 */
        const struct raft_entry *entry = raft_log_at(&disk->written, now->commit);
        if (entry->term != now->hard.term) {
            oracle_fail(oracle,
                        "S9: leader %u of term %" PRIu64 " commits %" PRIu64 " of term %" PRIu64
                        " by counting",
                        replica, now->hard.term, entry->index, entry->term);
        }
    }
    if (now->commit > oracle->commit) oracle->commit = now->commit;
}

void oracle_step(struct oracle *oracle, uint32_t replica, const struct core_status *status,
                 const struct raft_disk *disk)
{
    struct oracle_replica *known = &oracle->replicas[replica];
    if (status->stop != CORE_RUNNING) {
        oracle_fail(oracle, "STOP %s at replica %u: %s", core_stop_name(status->stop), replica,
                    core_stop_text(status->stop));
    }
    check_monotonic(oracle, replica, status, known);
    check_commit(oracle, replica, status, known, disk);
    if (status->role == CORE_LEADER) {
        check_leader(oracle, replica, status, disk);
        check_matches(oracle, replica, status);
    }
    const struct configuration_member *self =
        configuration_find(&status->configuration, SWARM_FIRST_ID + replica);
    bool votes = self != NULL && (self->voter || self->outgoing_voter);
    bool removed = status->ready && !votes && status->configuration_index <= status->commit;
    if (removed) oracle_fail(oracle, "E6: leader %u is in its committed configuration no longer", replica);
    known->before = *status;
    known->started = true;
    known->durable_may_fall = false;
}

void oracle_read(struct oracle *oracle, uint32_t replica, log_index index, log_index commit_at_start)
{
    if (index >= commit_at_start) return;
    oracle_fail(oracle, "S11: replica %u reads at %" PRIu64 ", but %" PRIu64 " was committed before", replica,
                index, commit_at_start);
}

uint64_t oracle_token(struct oracle *oracle, uint32_t replica)
{
    const struct core_status *status = &oracle->replicas[replica].before;
    return status->role == CORE_LEADER ? at_term(oracle, status->hard.term)->token : 0;
}

struct confirmers {
    const struct oracle_term *term;
    uint32_t leader;
};

static uint64_t confirmed_by(const void *context, replica_id voter)
{
    const struct confirmers *confirmers = context;
    uint32_t replica = oracle_replica_of(voter);
    return replica == confirmers->leader ? UINT64_MAX : confirmers->term->confirmed[replica];
}

void oracle_confirmed(struct oracle *oracle, uint32_t replica, uint64_t token)
{
    const struct core_status *status = &oracle->replicas[replica].before;
    struct confirmers confirmers = { .term = at_term(oracle, status->hard.term), .leader = replica };
    if (quorum_value(&status->configuration, confirmed_by, &confirmers) > token) return;
    oracle_fail(oracle, "Q1: leader %u answers a read that no quorum confirmed", replica);
}
