/* slice_rules: see the header. One writer per field: the leader writes intent (blueprints, allocations),
 * under its own term; nodes write facts; endpoints are derived from facts and written by nobody. Each rule
 * reads what it needs into a call's arena before it changes anything: a borrowed record ends with the next
 * put. */
#include "store/schema/slice_rules.h"

#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/planted.h"
#include "runtime/base/text.h"
#include "store/schema/blueprint.h"
#include "store/schema/event.h"
#include "store/schema/slice.h"

#include <stdio.h>
#include <string.h>

enum { ENTRY_REASON_MAX = 256, ENTRY_TEXT_MAX = 1024 };

struct rule { /* One operation being applied. */
    struct kv_txn *txn;
    const struct kv_context *context;
    struct error *error;
    struct arena arena;
};

static void put_text(struct rule *rule, const char *key, const char *text)
{
    kv_txn_put(rule->txn, key, text, strlen(text), "");
}

/* A5: what the leader intends is written under its own term only: a deposed leader's entry that a successor
 * appends changes nothing (DEP6). An operator's --force is nobody's intent but the operator's; all other
 * rules hold for it. */
static enum status check_leader_term(struct rule *rule, const char *what)
{
    const Pb__Command *command = rule->context->command;
    if (command->origin == PB__ORIGIN__ORIGIN_FORCED) return STATUS_OK;
    if (command->leader_term == rule->context->term) return STATUS_OK;
    return error_set(rule->error, STATUS_CONFLICT, "%s are written by the leader of term %llu, not %llu",
                     what, (unsigned long long)rule->context->term, (unsigned long long)command->leader_term);
}

/* --- blueprints --------------------------------------------------------------------------------------- */

struct owner_search { /* Does another blueprint hold one of our artifacts? */
    struct rule *rule;
    const struct blueprint *blueprint; /* Ours. */
    const char *artifact;              /* Found; NULL: none. */
    char other[BLUEPRINT_NAME_MAX];
};

static bool find_other_blueprint(void *context, const struct kv_record *record)
{
    struct owner_search *search = context;
    const char *name = NULL;
    struct blueprint other;
    if (!slice_key_blueprint_parse(record->key, &name) || strcmp(name, search->blueprint->name) == 0)
        return true;
    struct arena arena = { 0 };
    if (blueprint_read(&arena, name, record->value, record->value_size, &other, NULL) == STATUS_OK) {
        for (uint32_t i = 0; i < search->blueprint->slice_count && search->artifact == NULL; i++) {
            const char *artifact = search->blueprint->slices[i].artifact;
            if (blueprint_find(&other, artifact) != NULL) search->artifact = artifact;
        }
    }
    arena_fini(&arena);
    if (search->artifact != NULL) (void)text_copy(search->other, sizeof(search->other), name);
    return search->artifact == NULL;
}

static bool find_other_allocation(void *context, const struct kv_record *record)
{
    struct owner_search *search = context;
    struct allocation allocation;
    if (slice_allocation_read(&search->rule->arena, record->value, record->value_size, &allocation, NULL) !=
        STATUS_OK)
        return true;
    if (allocation.instance_count == 0) return true;
    if (strcmp(allocation.blueprint, search->blueprint->name) == 0) return true;
    return !text_copy(search->other, sizeof(search->other), allocation.blueprint);
}

/* One artifact belongs to one blueprint, also while the last of a former one's instances still stop. */
static enum status check_owner(struct rule *rule, const struct blueprint *blueprint)
{
    struct owner_search search = { .rule = rule, .blueprint = blueprint };
    kv_txn_scan(rule->txn, "blueprints/", find_other_blueprint, &search);
    for (uint32_t i = 0; i < blueprint->slice_count && search.other[0] == '\0'; i++) {
        char prefix[SLICE_KEY_MAX];
        search.artifact = blueprint->slices[i].artifact;
        slice_key_allocation(prefix, search.artifact, "");
        kv_txn_scan(rule->txn, prefix, find_other_allocation, &search);
    }
    if (search.other[0] == '\0') return STATUS_OK;
    enum status status =
        error_set(rule->error, STATUS_CONFLICT, "%s belongs to blueprint %s", search.artifact, search.other);
    error_hint(rule->error, "delete it there first, or publish it under that name");
    return status;
}

struct history_bound {
    const char *prefix;
    uint32_t count;
    uint64_t oldest;
};

static bool find_oldest_history(void *context, const struct kv_record *record)
{
    struct history_bound *bound = context;
    uint64_t revision = 0;
    if (!text_to_u64(record->key + strlen(bound->prefix), &revision)) return true;
    bound->count++;
    if (bound->oldest == 0 || revision < bound->oldest) bound->oldest = revision;
    return true;
}

/* The newest SLICE_HISTORY_MAX revisions stay. */
static void keep_history(struct rule *rule, const char *name, const char *text)
{
    char key[SLICE_KEY_MAX];
    slice_key_history(key, name, rule->context->revision);
    put_text(rule, key, text);
    char prefix[SLICE_KEY_MAX];
    (void)snprintf(prefix, sizeof(prefix), "blueprint-history/%s/", name);
    struct history_bound bound = { .prefix = prefix };
    kv_txn_scan(rule->txn, prefix, find_oldest_history, &bound);
    if (bound.count <= SLICE_HISTORY_MAX) return;
    slice_key_history(key, name, bound.oldest);
    (void)kv_txn_delete(rule->txn, key);
}

static enum status put_blueprint(struct rule *rule, const char *name, const Pb__OpPut *put)
{
    struct blueprint blueprint;
    enum status status = check_leader_term(rule, "blueprints");
    if (status != STATUS_OK) return status;
    if (!coordinates_part_is_valid(name, BLUEPRINT_NAME_MAX))
        return error_set(rule->error, STATUS_INVALID, "bad blueprint name");
    status = blueprint_read(&rule->arena, name, put->value.data, put->value.len, &blueprint, rule->error);
    if (status != STATUS_OK) return status;
    status = check_owner(rule, &blueprint);
    if (status != STATUS_OK) return status;
    blueprint.timestamp = rule->context->stamp_ms;
    const char *text = blueprint_write(&rule->arena, &blueprint);
    put_text(rule, put->key, text);
    keep_history(rule, name, text);
    event_add_text(rule->txn, rule->context, "blueprint.published", "blueprint", name, NULL);
    return STATUS_OK;
}

static enum status delete_blueprint(struct rule *rule, const char *key, const char *name)
{
    enum status status = check_leader_term(rule, "blueprints");
    if (status != STATUS_OK) return status;
    if (!kv_txn_delete(rule->txn, key)) return STATUS_OK;
    event_add_text(rule->txn, rule->context, "blueprint.deleted", "blueprint", name, NULL);
    return STATUS_OK;
}

/* --- allocations -------------------------------------------------------------------------------------- */

struct assigned_search { /* Is one of our instances assigned to another node? */
    struct rule *rule;
    const char *key;
    const struct allocation *allocation;
    uint32_t instance; /* 0: none found. */
    char node[SLICE_NODE_MAX];
};

static bool find_assigned_elsewhere(void *context, const struct kv_record *record)
{
    struct assigned_search *search = context;
    char artifact[COORDINATES_TEXT_MAX];
    struct allocation other;
    if (strcmp(record->key, search->key) == 0) return true;
    if (!slice_key_allocation_parse(record->key, artifact, search->node)) return true;
    if (slice_allocation_read(&search->rule->arena, record->value, record->value_size, &other, NULL) !=
        STATUS_OK)
        return true;
    for (uint32_t i = 0; i < search->allocation->instance_count && search->instance == 0; i++) {
        uint32_t instance = search->allocation->instances[i].instance;
        if (slice_allocation_find(&other, instance) != NULL) search->instance = instance;
    }
    return search->instance == 0;
}

/* A new instance needs a node that is there and a blueprint that asks for these very bytes. */
static enum status check_assignment(struct rule *rule, const char *artifact, const char *node,
                                    const struct allocation *allocation)
{
    char key[SLICE_KEY_MAX];
    struct slice_node there;
    struct blueprint blueprint;
    (void)snprintf(key, sizeof(key), "nodes/%s", node);
    const struct kv_record *record = kv_txn_get(rule->txn, key);
    if (record == NULL ||
        slice_node_read(&rule->arena, record->value, record->value_size, &there, NULL) != STATUS_OK)
        return error_set(rule->error, STATUS_CONFLICT, "there is no node %s", node);
    if (strcmp(there.presence, "LOST") == 0)
        return error_set(rule->error, STATUS_CONFLICT, "node %s is LOST", node);
    slice_key_blueprint(key, allocation->blueprint);
    record = kv_txn_get(rule->txn, key);
    const struct blueprint_slice *slice = NULL;
    if (record != NULL && blueprint_read(&rule->arena, allocation->blueprint, record->value,
                                         record->value_size, &blueprint, NULL) == STATUS_OK)
        slice = blueprint_find(&blueprint, artifact);
    if (slice == NULL || strcmp(slice->sha256, allocation->sha256) != 0)
        return error_set(rule->error, STATUS_CONFLICT, "blueprint %s does not ask for %s",
                         allocation->blueprint, artifact);
    return STATUS_OK;
}

/* Which instances stay as they were, which are assigned anew: the latter get this entry's revision, which
 * every fact of theirs must name. false: none is new. */
static bool stamp_instances(struct rule *rule, const struct allocation *before, struct allocation *allocation)
{
    bool assigns = false;
    struct allocation_instance *stamped =
        arena_array(&rule->arena, allocation->instance_count, sizeof(*stamped));
    for (uint32_t i = 0; i < allocation->instance_count; i++) {
        stamped[i] = allocation->instances[i];
        const struct allocation_instance *was = slice_allocation_find(before, stamped[i].instance);
        if (was != NULL && was->rev == stamped[i].rev) continue;
        stamped[i].rev = rule->context->revision;
        assigns = true;
    }
    allocation->instances = stamped;
    return assigns;
}

static enum status read_before(struct rule *rule, const char *key, struct allocation *out_before)
{
    *out_before = (struct allocation){ .blueprint = "", .sha256 = "" };
    const struct kv_record *record = kv_txn_get(rule->txn, key);
    if (record == NULL) return STATUS_OK;
    return slice_allocation_read(&rule->arena, record->value, record->value_size, out_before, rule->error);
}

static enum status put_allocation(struct rule *rule, const Pb__OpPut *put)
{
    char artifact[COORDINATES_TEXT_MAX];
    char node[SLICE_NODE_MAX];
    struct coordinates parsed;
    struct allocation allocation;
    struct allocation before;
    enum status status = check_leader_term(rule, "allocations");
    if (status != STATUS_OK) return status;
    if (!slice_key_allocation_parse(put->key, artifact, node))
        return error_set(rule->error, STATUS_INVALID, "write allocations/{artifact}/{node}");
    status = coordinates_parse(artifact, COORDINATES_EXACT, &parsed, rule->error);
    if (status != STATUS_OK) return status;
    if (slice_allocation_read(&rule->arena, put->value.data, put->value.len, &allocation, rule->error) !=
        STATUS_OK)
        return error_set(rule->error, STATUS_INVALID, "%s is no allocation", put->key);
    status = read_before(rule, put->key, &before);
    if (status != STATUS_OK) return status;
    struct assigned_search search = { .rule = rule, .key = put->key, .allocation = &allocation };
    char prefix[SLICE_KEY_MAX];
    slice_key_allocation(prefix, artifact, "");
    kv_txn_scan(rule->txn, prefix, find_assigned_elsewhere, &search);
    if (search.instance != 0)
        return error_set(rule->error, STATUS_CONFLICT, "%s#%u is assigned to node %s", artifact,
                         search.instance, search.node);
    if (stamp_instances(rule, &before, &allocation)) {
        status = check_assignment(rule, artifact, node, &allocation);
        if (status != STATUS_OK) return status;
    }
    allocation.timestamp = rule->context->stamp_ms;
    put_text(rule, put->key, slice_allocation_write(&rule->arena, &allocation));
    return STATUS_OK;
}

/* The attempts of an instance survive its record: they are kept beside its assignment. */
static void keep_attempt(struct rule *rule, const char *key, uint32_t instance, uint32_t attempt)
{
    struct allocation allocation;
    if (read_before(rule, key, &allocation) != STATUS_OK) return;
    struct allocation_instance *kept = arena_array(&rule->arena, allocation.instance_count, sizeof(*kept));
    bool found = false;
    for (uint32_t i = 0; i < allocation.instance_count; i++) {
        kept[i] = allocation.instances[i];
        if (kept[i].instance != instance || kept[i].attempt == attempt) continue;
        kept[i].attempt = attempt;
        found = true;
    }
    allocation.instances = kept;
    if (found) put_text(rule, key, slice_allocation_write(&rule->arena, &allocation));
}

/* --- endpoints: derived, never written ---------------------------------------------------------------- */

struct endpoint_removal {
    struct rule *rule;
    const char *node;
    uint32_t instance;
};

static bool remove_endpoint(void *context, const struct kv_record *record)
{
    struct endpoint_removal *removal = context;
    char artifact[COORDINATES_TEXT_MAX];
    char entry[COORDINATES_ARTIFACT_MAX];
    uint32_t instance = 0;
    struct slice_endpoint endpoint;
    if (!slice_key_endpoint_parse(record->key, artifact, entry, &instance)) return true;
    if (instance != removal->instance) return true;
    if (slice_endpoint_read(&removal->rule->arena, record->value, record->value_size, &endpoint, NULL) !=
        STATUS_OK)
        return true;
    if (strcmp(endpoint.node, removal->node) == 0) (void)kv_txn_delete(removal->rule->txn, record->key);
    return true;
}

static void remove_endpoints(struct rule *rule, const char *artifact, const char *node, uint32_t instance)
{
    struct endpoint_removal removal = { .rule = rule, .node = node, .instance = instance };
    char prefix[SLICE_KEY_MAX];
    (void)snprintf(prefix, sizeof(prefix), "endpoints/%s/", artifact);
    kv_txn_scan(rule->txn, prefix, remove_endpoint, &removal);
}

static void put_endpoints(struct rule *rule, const Pb__OpSliceFact *fact, const char *node)
{
    const struct slice_endpoint endpoint = {
        .node = node,
        .instance = fact->instance,
        .state = SLICE_ACTIVE,
        .timestamp = rule->context->stamp_ms,
    };
    const char *text = slice_endpoint_write(&rule->arena, &endpoint);
    for (size_t i = 0; i < fact->n_entries; i++) {
        char key[SLICE_KEY_MAX];
        slice_key_endpoint(key, fact->artifact, fact->entries[i], fact->instance);
        put_text(rule, key, text);
    }
}

/* --- facts -------------------------------------------------------------------------------------------- */

struct move { /* One instance, from where to where. */
    const Pb__OpSliceFact *fact;
    const char *node;
    char record_key[SLICE_KEY_MAX];
    char allocation_key[SLICE_KEY_MAX];
    struct slice_record record;
    enum slice_state from;
    enum slice_state to;
};

static enum status check_form(struct rule *rule, const Pb__OpSliceFact *fact)
{
    struct coordinates parsed;
    enum status status = coordinates_parse(fact->artifact, COORDINATES_EXACT, &parsed, rule->error);
    if (status != STATUS_OK) return status;
    if (fact->instance < 1 || fact->instance > SLICE_NUMBER_MAX)
        return error_set(rule->error, STATUS_INVALID, "bad instance %u", fact->instance);
    if (fact->n_entries > SLICE_ENTRIES_MAX)
        return error_set(rule->error, STATUS_INVALID, "more than %d entry points", SLICE_ENTRIES_MAX);
    for (size_t i = 0; i < fact->n_entries; i++) {
        if (!coordinates_part_is_valid(fact->entries[i], COORDINATES_ARTIFACT_MAX))
            return error_set(rule->error, STATUS_INVALID, "entry point %zu has a bad name", i);
    }
    if (strlen(fact->reason) >= ENTRY_REASON_MAX || strlen(fact->text) >= ENTRY_TEXT_MAX)
        return error_set(rule->error, STATUS_INVALID, "the reason is too long");
    return STATUS_OK;
}

/* Begins an ascent, or serves: only for the allocation as it is now. Every other move ends what was begun,
 * and must work for an instance whose allocation was withdrawn or renewed. */
static bool needs_allocation(enum slice_state to)
{
    return to == SLICE_LOAD || to == SLICE_ACTIVATE || to == SLICE_ACTIVE;
}

static enum status check_allocation(struct rule *rule, const struct move *move)
{
    struct allocation allocation;
    enum status status = read_before(rule, move->allocation_key, &allocation);
    if (status != STATUS_OK) return status;
    const struct allocation_instance *assigned = slice_allocation_find(&allocation, move->fact->instance);
    const struct slice_instance *running = slice_record_find(&move->record, move->fact->instance);
    uint64_t rev = move->fact->allocation_revision;
    bool current = assigned != NULL && assigned->rev == rev;
    /* What was loaded for an earlier assignment (another configuration) must go before it is loaded anew. */
    if (current && (running == NULL || running->rev == rev)) return STATUS_OK;
    MARK("slice_rules.is_not_assigned");
    return error_set(rule->error, STATUS_CONFLICT, "%s#%u is not assigned to node %s (any more)",
                     move->fact->artifact, move->fact->instance, move->node);
}

struct live_search { /* Which other node holds a record of this instance? */
    struct rule *rule;
    const struct move *move;
    char node[SLICE_NODE_MAX]; /* "" = none. */
};

static bool find_live_elsewhere(void *context, const struct kv_record *record)
{
    struct live_search *search = context;
    const char *node = record->key + strlen("nodes/");
    char key[SLICE_KEY_MAX];
    struct slice_record there;
    if (strcmp(node, search->move->node) == 0 || strlen(node) >= sizeof(search->node)) return true;
    slice_key_record(key, node, search->move->fact->artifact);
    const struct kv_record *found = kv_txn_get(search->rule->txn, key);
    if (found == NULL) return true;
    if (slice_record_read(&search->rule->arena, found->value, found->value_size, &there, NULL) != STATUS_OK)
        return true;
    if (slice_record_find(&there, search->move->fact->instance) == NULL) return true;
    (void)text_copy(search->node, sizeof(search->node), node);
    return false;
}

/* A5, DEP2: an instance has one live owner; it starts elsewhere only when its record here is gone. */
static enum status check_one_owner(struct rule *rule, const struct move *move)
{
    struct live_search search = { .rule = rule, .move = move };
    kv_txn_scan(rule->txn, "nodes/", find_live_elsewhere, &search);
    if (search.node[0] == '\0') return STATUS_OK;
    MARK("slice_rules.lives_elsewhere");
    return error_set(rule->error, STATUS_CONFLICT, "%s#%u still lives on node %s", move->fact->artifact,
                     move->fact->instance, search.node);
}

/* It stays where it is and tells more (store.proto): how far its download is; or that what runs took over
 * what a newer assignment asks for, so that nothing had to be stopped for it. */
static bool is_remark(const struct move *move)
{
    return move->from == move->to && (move->to == SLICE_LOADING || move->to == SLICE_ACTIVE);
}

/* Has a download come further? Only for the assignment that it was begun for. */
static bool tells_progress(const struct move *move, const struct slice_instance *running)
{
    const Pb__OpSliceFact *fact = move->fact;
    if (running->rev != fact->allocation_revision) return false;
    return fact->download_bytes != running->download_bytes ||
           fact->download_total_bytes != running->download_total_bytes;
}

static enum status check_remark(struct rule *rule, const struct move *move)
{
    struct allocation allocation;
    enum status status = read_before(rule, move->allocation_key, &allocation);
    if (status != STATUS_OK) return status;
    const struct allocation_instance *assigned = slice_allocation_find(&allocation, move->fact->instance);
    const struct slice_instance *running = slice_record_find(&move->record, move->fact->instance);
    uint64_t rev = move->fact->allocation_revision;
    CHECK(running != NULL); /* It has a state. */
    bool adopts = assigned != NULL && assigned->rev == rev && running->rev != rev;
    if (move->to == SLICE_LOADING ? tells_progress(move, running) : adopts) return STATUS_OK;
    MARK("slice_rules.remark_is_old");
    return error_set(rule->error, STATUS_CONFLICT, "%s#%u on node %s: nothing is new", move->fact->artifact,
                     move->fact->instance, move->node);
}

static enum status check_move(struct rule *rule, const struct move *move)
{
    if (is_remark(move)) return check_remark(rule, move);
    if (!slice_state_allows(move->from, move->to))
        return error_set(rule->error, STATUS_CONFLICT,
                         "%s#%u on node %s: %s to %s is no move of its lifecycle", move->fact->artifact,
                         move->fact->instance, move->node,
                         move->from == SLICE_GONE ? "no record" : slice_state_name(move->from),
                         move->to == SLICE_GONE ? "no record" : slice_state_name(move->to));
    if (needs_allocation(move->to)) {
        enum status status = check_allocation(rule, move);
        if (status != STATUS_OK) return status;
    }
    if (PLANTED("slice_rules.two_live_owners")) return STATUS_OK;
    return move->to == SLICE_LOAD ? check_one_owner(rule, move) : STATUS_OK;
}

/* What a remark adds to what was there: `since` and the deadline are still those of the state. */
static struct slice_instance remarked(const struct move *move, const struct slice_instance *was)
{
    struct slice_instance instance = *was;
    if (move->to == SLICE_ACTIVE) instance.rev = move->fact->allocation_revision;
    else {
        instance.download_bytes = move->fact->download_bytes;
        instance.download_total_bytes = move->fact->download_total_bytes;
    }
    return instance;
}

static struct slice_instance moved(const struct rule *rule, const struct move *move)
{
    const Pb__OpSliceFact *fact = move->fact;
    const struct slice_instance *was = slice_record_find(&move->record, fact->instance);
    if (is_remark(move)) return remarked(move, was);
    return (struct slice_instance){
        .instance = fact->instance,
        .state = move->to,
        .rev = was == NULL ? fact->allocation_revision : was->rev,
        .since = rule->context->stamp_ms,
        .deadline = fact->deadline,
        .reason = fact->reason,
        .text = fact->text,
        .attempt = fact->attempt,
        .fatal = fact->fatal,
        .retry_at = fact->retry_at,
    };
}

/* The record with this instance moved: the rest stays, the whole is as far as its least advanced. */
static struct slice_record moved_record(struct rule *rule, const struct move *move, uint64_t incarnation)
{
    const Pb__OpSliceFact *fact = move->fact;
    const struct slice_instance changed = moved(rule, move);
    uint32_t count = 0;
    struct slice_instance *instances =
        arena_array(&rule->arena, (size_t)move->record.instance_count + 1, sizeof(*instances));
    bool placed = move->to == SLICE_GONE;
    for (uint32_t i = 0; i < move->record.instance_count; i++) {
        const struct slice_instance *other = &move->record.instances[i];
        if (!placed && other->instance >= fact->instance) {
            instances[count++] = changed;
            placed = true;
        }
        if (other->instance != fact->instance) instances[count++] = *other;
    }
    if (!placed) instances[count++] = changed;
    enum slice_state least = SLICE_ACTIVE;
    for (uint32_t i = 0; i < count; i++)
        least = slice_state_least(least, instances[i].state);
    return (struct slice_record){
        .state = least,
        .timestamp = rule->context->stamp_ms,
        .incarnation = incarnation,
        .instances = instances,
        .instance_count = count,
    };
}

/* Was it cut short by a withdrawal? Then nothing went wrong. */
static bool is_cancelled(const Pb__OpSliceFact *fact)
{
    return strcmp(fact->reason, status_name(STATUS_CANCELLED)) == 0;
}

static void add_move_event(struct rule *rule, const struct move *move)
{
    const Pb__OpSliceFact *fact = move->fact;
    const char *type = NULL;
    if (move->to == SLICE_ACTIVE) type = is_remark(move) ? "instance.configured" : "instance.active";
    if (move->to == SLICE_FAILED && !is_cancelled(fact)) type = "instance.failed";
    if (move->to == SLICE_DEACTIVATE && fact->reason[0] != '\0') type = "instance.crashed";
    if (type == NULL) return;
    const char *instance = arena_printf(&rule->arena, "%s#%u", fact->artifact, fact->instance);
    if (move->to == SLICE_ACTIVE)
        event_add_text(rule->txn, rule->context, type, "instance", instance, "node", move->node, NULL);
    else
        event_add_text(rule->txn, rule->context, type, "instance", instance, "node", move->node, "reason",
                       fact->reason, "text", fact->text, NULL);
}

/* The record, what is derived from it, the attempts and the event: one entry (DEP4). */
static void apply_move(struct rule *rule, const struct move *move, uint64_t incarnation)
{
    const Pb__OpSliceFact *fact = move->fact;
    struct slice_record record = moved_record(rule, move, incarnation);
    if (record.instance_count == 0) (void)kv_txn_delete(rule->txn, move->record_key);
    else put_text(rule, move->record_key, slice_record_write(&rule->arena, &record));
    bool kept = PLANTED("slice_rules.endpoint_outlives_active");
    bool missed = PLANTED("slice_rules.active_without_endpoint");
    if (move->from == SLICE_ACTIVE && !kept)
        remove_endpoints(rule, fact->artifact, move->node, fact->instance);
    if (move->to == SLICE_ACTIVE && !missed) put_endpoints(rule, fact, move->node);
    bool went_wrong = (move->to == SLICE_FAILED && !is_cancelled(fact)) ||
                      (move->to == SLICE_DEACTIVATE && fact->reason[0] != '\0');
    if (went_wrong) keep_attempt(rule, move->allocation_key, fact->instance, fact->attempt);
    add_move_event(rule, move);
}

/* Whose move it is stands in `move`; here the rest: from where, to where, beside which others. */
static enum status begin_move(struct rule *rule, struct move *move)
{
    slice_key_record(move->record_key, move->node, move->fact->artifact);
    slice_key_allocation(move->allocation_key, move->fact->artifact, move->node);
    const struct kv_record *stored = kv_txn_get(rule->txn, move->record_key);
    if (stored != NULL) {
        enum status status =
            slice_record_read(&rule->arena, stored->value, stored->value_size, &move->record, rule->error);
        if (status != STATUS_OK) return status;
    }
    const struct slice_instance *instance = slice_record_find(&move->record, move->fact->instance);
    move->from = instance == NULL ? SLICE_GONE : instance->state;
    move->to = slice_state_from_name(move->fact->state);
    if (move->to == SLICE_STATE_COUNT)
        return error_set(rule->error, STATUS_INVALID, "there is no such state");
    return STATUS_OK;
}

static enum status apply_fact(struct rule *rule, const Pb__OpSliceFact *fact)
{
    /* A7: that the node's incarnation is current was seen to for all that nodes say (rules.c). */
    const Pb__Command *command = rule->context->command;
    struct move move = { .fact = fact, .node = command->node };
    enum status status = check_form(rule, fact);
    if (status == STATUS_OK) status = begin_move(rule, &move);
    if (status == STATUS_OK) status = check_move(rule, &move);
    if (status == STATUS_OK) apply_move(rule, &move, command->incarnation);
    return status;
}

/* --- what schema_rules calls -------------------------------------------------------------------------- */

static enum status refuse_derived(struct rule *rule, const char *key)
{
    bool endpoint = text_starts_with(key, "endpoints/");
    (void)error_set(rule->error, STATUS_CONFLICT, "%s",
                    endpoint ? "endpoints follow from the states of instances and are not written"
                             : "states of instances move by their node's facts only");
    error_hint(rule->error, "publish or delete a blueprint: instances and endpoints follow it");
    return STATUS_CONFLICT;
}

enum status slice_rules_put(struct kv_txn *txn, const struct kv_context *context, const Pb__OpPut *put,
                            struct error *error)
{
    struct rule rule = { .txn = txn, .context = context, .error = error };
    const char *name = NULL;
    enum status status = STATUS_OK;
    if (slice_key_blueprint_parse(put->key, &name)) status = put_blueprint(&rule, name, put);
    else if (text_starts_with(put->key, "allocations/")) status = put_allocation(&rule, put);
    else if (text_starts_with(put->key, "blueprint-history/"))
        status = error_set(error, STATUS_CONFLICT, "the history follows from what is published");
    else status = refuse_derived(&rule, put->key);
    arena_fini(&rule.arena);
    return status;
}

enum status slice_rules_delete(struct kv_txn *txn, const struct kv_context *context, const char *key,
                               struct error *error)
{
    struct rule rule = { .txn = txn, .context = context, .error = error };
    const char *name = NULL;
    enum status status = STATUS_OK;
    if (slice_key_blueprint_parse(key, &name)) {
        status = delete_blueprint(&rule, key, name);
    } else if (text_starts_with(key, "allocations/")) {
        status = check_leader_term(&rule, "allocations");
        if (status == STATUS_OK) (void)kv_txn_delete(txn, key);
    } else if (text_starts_with(key, "blueprint-history/")) {
        (void)kv_txn_delete(txn, key); /* Nothing is derived from it: an operator may tidy up. */
    } else {
        status = refuse_derived(&rule, key);
    }
    arena_fini(&rule.arena);
    return status;
}

enum status slice_rules_fact(struct kv_txn *txn, const struct kv_context *context,
                             const Pb__OpSliceFact *fact, struct error *error)
{
    struct rule rule = { .txn = txn, .context = context, .error = error };
    enum status status = apply_fact(&rule, fact);
    arena_fini(&rule.arena);
    return status;
}

struct forgetting {
    struct rule *rule;
    const char *node;
};

static bool forget_record(void *context, const struct kv_record *record)
{
    struct forgetting *forgetting = context;
    struct rule *rule = forgetting->rule;
    char node[SLICE_NODE_MAX];
    char artifact[COORDINATES_TEXT_MAX];
    struct slice_record slices;
    if (slice_key_record_parse(record->key, node, artifact) &&
        !PLANTED("slice_rules.lost_node_keeps_endpoints") &&
        slice_record_read(&rule->arena, record->value, record->value_size, &slices, NULL) == STATUS_OK) {
        for (uint32_t i = 0; i < slices.instance_count; i++)
            remove_endpoints(rule, artifact, forgetting->node, slices.instances[i].instance);
    }
    (void)kv_txn_delete(rule->txn, record->key);
    return true;
}

void slice_rules_forget_node(struct kv_txn *txn, const struct kv_context *context, const char *node)
{
    struct rule rule = { .txn = txn, .context = context };
    struct forgetting forgetting = { .rule = &rule, .node = node };
    char prefix[SLICE_KEY_MAX];
    slice_key_record(prefix, node, "");
    kv_txn_scan(txn, prefix, forget_record, &forgetting);
    arena_fini(&rule.arena);
}
