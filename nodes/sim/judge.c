/* judge: see the header. */
#include "nodes/sim/judge.h"

#include "nodes/sim/sim.h"
#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/proto/codec.h"

#include <inttypes.h>
#include <string.h>

#define LEASES "leases/"

struct judged_lease {
    uint64_t ttl_ms;
    uint64_t revision;  /* Of the grant or the last renewal. */
    int64_t renewed_ns; /* When that was applied first. */
};

enum { NO_OPS_ENOUGH = 4 }; /* A3: a lease not renewed since the fourth-last one ends at once. */

struct judge {
    struct map incarnations;        /* node -> the current one + 1; nothing for who is lost */
    struct map leases;              /* name -> struct judged_lease */
    struct map values;              /* a recorded value -> the revision that wrote it */
    uint64_t no_ops[NO_OPS_ENOUGH]; /* Indices of the last ones, newest first. */
    int64_t no_op_ns;               /* When the newest was applied first. */
};

struct judge *judge_create(void)
{
    return memory_zalloc(sizeof(struct judge));
}

void judge_destroy(struct judge **judge)
{
    struct judge *taken = *judge;
    *judge = NULL;
    if (taken == NULL) return;
    const char *name = NULL;
    void *lease = NULL;
    for (size_t i = 0; map_next(&taken->leases, &i, &name, &lease);)
        memory_free(lease);
    map_fini(&taken->incarnations);
    map_fini(&taken->leases);
    map_fini(&taken->values);
    memory_free(taken);
}

/* --- what was changed --- */

/* DEP6: a manager of a former leader writes nothing, allocations least of all. */
static enum status look_at_manager(const struct raft_entry *entry, const Pb__Command *command,
                                   const struct kv_outcome *outcome, struct error *error)
{
    bool manages = command->origin == PB__ORIGIN__ORIGIN_MANAGER && outcome->change_count > 0;
    if (!manages || command->leader_term == entry->term) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT,
                     "DEP6: entry %" PRIu64 " of term %" PRIu64 " is a manager's of term %" PRIu64,
                     entry->index, entry->term, command->leader_term);
}

/* A start is stated before its incarnation is current. */
static bool says_that_it_started(const Pb__Command *command)
{
    return command->n_success > 0 && command->success[0]->op_case == PB__OPERATION__OP_NODE_STARTED;
}

/* A7, DEP9: what a node says counts while the incarnation that says it is current, and not lost. */
static enum status look_at_fact(const struct judge *judge, const struct raft_entry *entry,
                                const Pb__Command *command, const struct kv_outcome *outcome,
                                struct error *error)
{
    bool states = command->origin == PB__ORIGIN__ORIGIN_NODE && !says_that_it_started(command);
    if (!states || outcome->change_count == 0) return STATUS_OK;
    uintptr_t current = (uintptr_t)map_get(&judge->incarnations, command->node);
    if (current == command->incarnation + 1) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT,
                     "DEP9: entry %" PRIu64 " takes a fact of %s's incarnation %" PRIu64
                     ", which is not current",
                     entry->index, command->node, command->incarnation);
}

/* K9: a value that no other write has appears once. */
static enum status look_at_values(struct judge *judge, const struct kv_outcome *outcome, uint64_t revision,
                                  struct error *error)
{
    for (uint32_t i = 0; i < outcome->change_count; i++) {
        const struct kv_record *record = outcome->changes[i].record;
        if (record == NULL) continue;
        uint64_t number = sim_value_number((const char *)record->value, record->value_size);
        if (number == 0) continue;
        void *at = (void *)(uintptr_t)revision; /* NOLINT: a number, not an address. */
        uintptr_t before = (uintptr_t)map_put_number(&judge->values, number, at);
        if (before == 0) continue;
        return error_set(error, STATUS_CORRUPT,
                         "K9: what wrote v%" PRIu64 " acted at %" PRIu64 " and again at %" PRIu64, number,
                         (uint64_t)before, revision);
    }
    return STATUS_OK;
}

/* --- operations --- */

static void note_start(struct judge *judge, const Pb__OpNodeStarted *started)
{
    void *next = (void *)(uintptr_t)(started->incarnation + 1); /* NOLINT */
    (void)map_put(&judge->incarnations, started->node, next);
}

/* A7: who is lost is the incarnation that is named, or nobody. */
static enum status look_at_loss(struct judge *judge, const struct raft_entry *entry,
                                const Pb__OpNodeLost *lost, const struct kv_outcome *outcome,
                                struct error *error)
{
    uintptr_t current = (uintptr_t)map_get(&judge->incarnations, lost->node);
    if (outcome->change_count == 0) return STATUS_OK;
    if (current == lost->incarnation + 1) {
        (void)map_remove(&judge->incarnations, lost->node); /* Its word counts no more. */
        return STATUS_OK;
    }
    return error_set(error, STATUS_CORRUPT,
                     "A7: entry %" PRIu64 " loses %s by incarnation %" PRIu64 ", which is not current",
                     entry->index, lost->node, lost->incarnation);
}

static void note_renewal(struct judge *judge, const char *name, uint64_t ttl_ms, uint64_t revision,
                         int64_t now_ns)
{
    struct judged_lease *lease = map_get(&judge->leases, name);
    if (lease == NULL) {
        lease = memory_zalloc(sizeof *lease);
        (void)map_put(&judge->leases, name, lease);
    }
    if (ttl_ms != 0) lease->ttl_ms = ttl_ms;
    lease->revision = revision;
    lease->renewed_ns = now_ns;
}

/* K8: not before its time since the last renewal has passed, by a leader's clock that may be a tenth too
 * fast; or after three leaders that each gave it all of it anew. */
static enum status look_at_end(struct judge *judge, const struct raft_entry *entry, const char *name,
                               bool expires, int64_t now_ns, struct error *error)
{
    struct judged_lease *lease = map_remove(&judge->leases, name);
    if (lease == NULL || !expires) {
        memory_free(lease);
        return STATUS_OK;
    }
    int64_t lived_ms = (now_ns - lease->renewed_ns) / 1000000;
    bool outlived = judge->no_ops[NO_OPS_ENOUGH - 1] > lease->revision;
    bool early = lived_ms < (int64_t)(lease->ttl_ms * 9 / 10) && !outlived;
    uint64_t ttl_ms = lease->ttl_ms;
    memory_free(lease);
    if (!early) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT,
                     "K8: entry %" PRIu64 " ends lease %s %" PRId64 " ms after its renewal, not %" PRIu64,
                     entry->index, name, lived_ms, ttl_ms);
}

static enum status look_at_leases(struct judge *judge, const struct raft_entry *entry,
                                  const struct kv_outcome *outcome, bool revoked, int64_t now_ns,
                                  struct error *error)
{
    for (uint32_t i = 0; i < outcome->change_count; i++) {
        const struct kv_change *change = &outcome->changes[i];
        if (!text_starts_with(change->key, LEASES) || change->record != NULL) continue;
        enum status status = look_at_end(judge, entry, change->key + strlen(LEASES), !revoked, now_ns, error);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status look_at_operation(struct judge *judge, const struct raft_entry *entry,
                                     const Pb__Operation *operation, const struct kv_outcome *outcome,
                                     int64_t now_ns, struct error *error)
{
    switch (operation->op_case) {
    case PB__OPERATION__OP_NODE_STARTED: note_start(judge, operation->node_started); return STATUS_OK;
    case PB__OPERATION__OP_NODE_LOST: return look_at_loss(judge, entry, operation->node_lost, outcome, error);
    case PB__OPERATION__OP_LEASE_GRANT:
        note_renewal(judge, operation->lease_grant->name, operation->lease_grant->ttl_ms, entry->index,
                     now_ns);
        return STATUS_OK;
    case PB__OPERATION__OP_LEASE_RENEW:
        note_renewal(judge, operation->lease_renew->name, 0, entry->index, now_ns);
        return STATUS_OK;
    default: return STATUS_OK;
    }
}

static bool revokes(const Pb__Command *command)
{
    for (size_t i = 0; command != NULL && i < command->n_success; i++) {
        if (command->success[i]->op_case == PB__OPERATION__OP_LEASE_REVOKE) return true;
    }
    return false;
}

static enum status look_at_command(struct judge *judge, const struct raft_entry *entry,
                                   const Pb__Command *command, const struct kv_outcome *outcome,
                                   int64_t now_ns, struct error *error)
{
    bool acted = outcome->reply != NULL && outcome->reply->status == STATUS_OK && !outcome->repeated;
    enum status status = look_at_manager(entry, command, outcome, error);
    if (status == STATUS_OK) status = look_at_fact(judge, entry, command, outcome, error);
    bool held = acted && outcome->reply->compares_held;
    for (size_t i = 0; status == STATUS_OK && held && i < command->n_success; i++)
        status = look_at_operation(judge, entry, command->success[i], outcome, now_ns, error);
    return status;
}

static void note_no_op(struct judge *judge, uint64_t index, int64_t now_ns)
{
    judge->no_op_ns = now_ns;
    memmove(judge->no_ops + 1, judge->no_ops, sizeof judge->no_ops - sizeof judge->no_ops[0]);
    judge->no_ops[0] = index;
}

/* K8: at most a second late once a leader exists, which gives it all of its time anew (A3), by a clock that
 * may be a tenth too slow. */
bool judge_has_leases(const struct judge *judge, int64_t well_ns, int64_t now_ns, const char **out_overdue)
{
    const char *name = NULL;
    void *value = NULL;
    *out_overdue = NULL;
    for (size_t i = 0; map_next(&judge->leases, &i, &name, &value);) {
        const struct judged_lease *lease = value;
        int64_t since_ns = lease->renewed_ns > judge->no_op_ns ? lease->renewed_ns : judge->no_op_ns;
        if (since_ns < well_ns) since_ns = well_ns;
        int64_t ttl_ns = (int64_t)(lease->ttl_ms * 10 / 9 + 1) * 1000000;
        if (now_ns > since_ns + ttl_ns + SECONDS(1)) *out_overdue = name;
    }
    return judge->leases.count > 0;
}

enum status judge_look(struct judge *judge, const struct raft_entry *entry, const struct kv_outcome *outcome,
                       int64_t now_ns, struct error *error)
{
    struct arena arena = { 0 };
    void *command = NULL;
    if (entry->type == ENTRY_NO_OP) note_no_op(judge, entry->index, now_ns);
    bool readable = entry->type == ENTRY_COMMAND && entry->payload != NULL &&
                    codec_unpack(&arena, &pb__command__descriptor, entry->payload->data, entry->payload->size,
                                 &command, NULL) == STATUS_OK;
    if (!readable) command = NULL;
    enum status status = look_at_values(judge, outcome, entry->index, error);
    if (status == STATUS_OK) {
        status = look_at_leases(judge, entry, outcome, revokes(command), now_ns, error);
    }
    if (status == STATUS_OK && command != NULL) {
        status = look_at_command(judge, entry, command, outcome, now_ns, error);
    }
    arena_fini(&arena);
    return status;
}
