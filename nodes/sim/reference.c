/* reference: one kv, and two looks at it: from the endpoints to the instances, and back. */
#include "nodes/sim/reference.h"

#include "nodes/sim/judge.h"
#include "runtime/base/check.h"
#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/schema/blueprint.h"
#include "store/schema/rules.h"
#include "store/schema/slice.h"

#include <stdio.h>
#include <string.h>

struct reference {
    struct kv *kv;
    struct judge *judge;
    bool converged; /* As of the last entry. */
    bool counted;   /* That is known. */
};

struct reference *reference_create(void)
{
    struct reference *reference = memory_zalloc(sizeof *reference);
    reference->kv = kv_create(&schema_rules);
    reference->judge = judge_create();
    return reference;
}

void reference_destroy(struct reference **reference)
{
    struct reference *taken = *reference;
    *reference = NULL;
    if (taken == NULL) return;
    kv_destroy(&taken->kv);
    judge_destroy(&taken->judge);
    memory_free(taken);
}

const struct kv *reference_kv(const struct reference *reference)
{
    return reference->kv;
}

/* --- what must hold between keys --- */

struct look {
    const struct kv *kv;
    struct arena arena;
    struct map live; /* artifact#instance: each has one record, on one node. */
    uint32_t active_count;
    const char *node; /* Not NULL: its endpoints are only counted. */
    uint32_t endpoint_count;
    uint32_t live_count; /* Instances in any state. */
    uint32_t wanted_count;
    struct error *error;
    enum status status;
};

static void visit_all(struct look *look, const char *prefix, kv_visit *visit)
{
    struct kv_range range = { .key = prefix, .prefix = true };
    bool more = false;
    enum status status = kv_scan(look->kv, &range, visit, look, &more, NULL);
    CHECK(status == STATUS_OK);
    CHECK(!more); /* A simulation's state is small. */
}

static const struct slice_instance *find_instance(struct look *look, const char *node, const char *artifact,
                                                  uint32_t instance)
{
    char key[SLICE_KEY_MAX];
    slice_key_record(key, node, artifact);
    const struct kv_record *record = kv_get(look->kv, key);
    struct slice_record slices;
    if (record == NULL) return NULL;
    if (slice_record_read(&look->arena, record->value, record->value_size, &slices, NULL) != STATUS_OK) {
        return NULL;
    }
    const struct slice_instance *found = slice_record_find(&slices, instance);
    if (found == NULL) return NULL;
    return arena_memdup(&look->arena, found, sizeof *found);
}

/* DEP4: an endpoint is there only for an instance that its node has as ACTIVE. */
static bool look_at_endpoint(void *context, const struct kv_record *record)
{
    struct look *look = context;
    char artifact[COORDINATES_TEXT_MAX];
    char entry[COORDINATES_ARTIFACT_MAX];
    uint32_t number = 0;
    struct slice_endpoint endpoint;
    bool readable =
        slice_key_endpoint_parse(record->key, artifact, entry, &number) &&
        slice_endpoint_read(&look->arena, record->value, record->value_size, &endpoint, NULL) == STATUS_OK;
    if (!readable) {
        look->status = error_set(look->error, STATUS_CORRUPT, "%s is no endpoint", record->key);
        return false;
    }
    if (look->node != NULL) {
        look->endpoint_count += strcmp(endpoint.node, look->node) == 0;
        return true;
    }
    const struct slice_instance *instance = find_instance(look, endpoint.node, artifact, number);
    if (instance != NULL && instance->state == SLICE_ACTIVE) return true;
    look->status =
        error_set(look->error, STATUS_CORRUPT, "DEP4: %s points to %s, which has it %s", record->key,
                  endpoint.node, instance == NULL ? "not" : slice_state_name(instance->state));
    return false;
}

static bool has_endpoint(const struct look *look, const char *artifact, uint32_t instance)
{
    char key[SLICE_KEY_MAX];
    slice_key_endpoint(key, artifact, "quote", instance); /* The one entry point of each model. */
    return kv_get(look->kv, key) != NULL;
}

/* DEP4 the other way: what is ACTIVE has its endpoint. DEP2: it lives on one node, in whatever state. */
static bool look_at_record(void *context, const struct kv_record *record)
{
    struct look *look = context;
    char node[SLICE_NODE_MAX];
    char artifact[COORDINATES_TEXT_MAX];
    struct slice_record slices;
    bool readable =
        slice_key_record_parse(record->key, node, artifact) &&
        slice_record_read(&look->arena, record->value, record->value_size, &slices, NULL) == STATUS_OK;
    if (!readable) {
        look->status = error_set(look->error, STATUS_CORRUPT, "%s is no slice record", record->key);
        return false;
    }
    for (uint32_t i = 0; i < slices.instance_count; i++) {
        const struct slice_instance *instance = &slices.instances[i];
        char name[SLICE_KEY_MAX];
        (void)snprintf(name, sizeof name, "%s#%u", artifact, instance->instance);
        look->live_count++;
        if (map_put(&look->live, name, look) != NULL) {
            look->status = error_set(look->error, STATUS_CORRUPT, "DEP2: %s lives on two nodes", name);
        }
        if (instance->state != SLICE_ACTIVE) continue;
        look->active_count++;
        if (!has_endpoint(look, artifact, instance->instance)) {
            look->status = error_set(look->error, STATUS_CORRUPT, "DEP4: %s is ACTIVE on %s without endpoint",
                                     name, node);
        }
    }
    return look->status == STATUS_OK;
}

static bool count_wanted(void *context, const struct kv_record *record)
{
    struct look *look = context;
    const char *name = NULL;
    struct blueprint blueprint;
    if (!slice_key_blueprint_parse(record->key, &name)) return true;
    enum status status =
        blueprint_read(&look->arena, name, record->value, record->value_size, &blueprint, NULL);
    for (uint32_t i = 0; status == STATUS_OK && i < blueprint.slice_count; i++) {
        look->wanted_count += blueprint.slices[i].instances;
    }
    return true;
}

static void look_fini(struct look *look)
{
    map_fini(&look->live);
    arena_fini(&look->arena);
}

static enum status check_slices(const struct reference *reference, struct error *error)
{
    struct look look = { .kv = reference->kv, .error = error };
    visit_all(&look, "endpoints/", look_at_endpoint);
    if (look.status == STATUS_OK) visit_all(&look, "slices/", look_at_record);
    look_fini(&look);
    return look.status;
}

static bool touches_slices(const struct kv_outcome *outcome)
{
    for (uint32_t i = 0; i < outcome->change_count; i++) {
        const char *key = outcome->changes[i].key;
        if (text_starts_with(key, "endpoints/") || text_starts_with(key, "slices/")) return true;
    }
    return false;
}

enum status reference_apply(struct reference *reference, const struct raft_entry *entry, int64_t now_ns,
                            struct error *error)
{
    struct kv_outcome outcome;
    kv_apply(reference->kv, entry, &outcome);
    enum status judged = judge_look(reference->judge, entry, &outcome, now_ns, error);
    if (judged != STATUS_OK) return judged;
    if (outcome.change_count > 0) reference->counted = false;
    if (!touches_slices(&outcome)) return STATUS_OK;
    enum status status = check_slices(reference, error);
    if (status == STATUS_OK) return status;
    return error_wrap(error, "after entry %llu", (unsigned long long)entry->index);
}

bool reference_has_leases(const struct reference *reference, int64_t well_ns, int64_t now_ns,
                          const char **out_overdue)
{
    return judge_has_leases(reference->judge, well_ns, now_ns, out_overdue);
}

static void count(const struct reference *reference, struct look *look)
{
    struct error error;
    *look = (struct look){ .kv = reference->kv, .error = &error };
    visit_all(look, "blueprints/", count_wanted);
    visit_all(look, "slices/", look_at_record);
    look_fini(look);
}

bool reference_converged(struct reference *reference)
{
    if (reference->counted) return reference->converged;
    struct look look;
    count(reference, &look);
    reference->converged = look.active_count == look.wanted_count && look.live_count == look.wanted_count;
    reference->counted = true;
    return reference->converged;
}

uint32_t reference_endpoints_on(const struct reference *reference, const char *node)
{
    struct error error;
    struct look look = { .kv = reference->kv, .node = node, .error = &error };
    visit_all(&look, "endpoints/", look_at_endpoint);
    look_fini(&look);
    return look.endpoint_count;
}

void reference_counts(const struct reference *reference, uint32_t *out_wanted, uint32_t *out_active)
{
    struct look look;
    count(reference, &look);
    *out_wanted = look.wanted_count;
    *out_active = look.active_count;
}
