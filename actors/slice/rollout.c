/* rollout: see the header. */
#include "actors/slice/rollout.h"

#include "actors/placement/plan.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

struct situation { /* One artifact, as the planner needs it. */
    struct arena *arena;
    const struct deployment_view *view;
    const char *artifact;
    struct placement_node *nodes;
    uint32_t node_count;
    struct placement_instance *instances;
    uint32_t instance_count;
    uint32_t instance_room;
    uint32_t assigned;
    uint32_t active;
};

/* --- looking ------------------------------------------------------------------------------------------ */

static uint32_t node_index(const struct situation *situation, const char *name)
{
    for (uint32_t i = 0; i < situation->node_count; i++) {
        if (strcmp(situation->nodes[i].name, name) == 0) return i;
    }
    return PLACEMENT_NOWHERE;
}

static enum placement_presence presence_of(const struct slice_node *node)
{
    if (strcmp(node->presence, "UP") == 0) return PLACEMENT_UP;
    return strcmp(node->presence, "LOST") == 0 ? PLACEMENT_LOST : PLACEMENT_SUSPECT;
}

static const struct placement_label *labels_of(struct arena *arena, const struct slice_node *node)
{
    struct placement_label *labels = arena_array(arena, node->label_count, sizeof(*labels));
    for (uint32_t i = 0; i < node->label_count; i++)
        labels[i] = (struct placement_label){ node->labels[2 * (size_t)i], node->labels[2 * (size_t)i + 1] };
    return labels;
}

static void look_at_nodes(struct situation *situation, const struct rollout_memory *memory)
{
    const struct view_node *node = NULL;
    situation->nodes = arena_array(situation->arena, situation->view->nodes.count, sizeof(*situation->nodes));
    for (const char *key = ""; (node = deployment_view_next_node(situation->view, &key)) != NULL;) {
        situation->nodes[situation->node_count++] = (struct placement_node){
            .name = node->name,
            .state = node->node.state,
            .presence = presence_of(&node->node),
            .labels = labels_of(situation->arena, &node->node),
            .label_count = node->node.label_count,
            .excluded =
                memory == NULL ? NULL : memory->excluded(memory->context, situation->artifact, node->name),
        };
    }
    const struct view_allocation *allocation = NULL;
    for (const char *key = "";
         (allocation = deployment_view_next_allocation(situation->view, &key)) != NULL;) {
        uint32_t i = node_index(situation, allocation->node);
        if (i != PLACEMENT_NOWHERE) situation->nodes[i].load += allocation->allocation.instance_count;
    }
}

/* The first allocation of the artifact, then each next one: key starts as "". */
static const struct view_allocation *next_of(const struct deployment_view *view, const char *artifact,
                                             const char **key, char *start)
{
    if (**key == '\0') {
        slice_key_allocation(start, artifact, "");
        *key = start;
    }
    const struct view_allocation *allocation = deployment_view_next_allocation(view, key);
    return allocation != NULL && strcmp(allocation->artifact, artifact) == 0 ? allocation : NULL;
}

static bool is_active(const struct deployment_view *view, const char *node, const char *artifact,
                      const struct allocation_instance *assigned)
{
    const struct slice_instance *instance =
        deployment_view_instance(view, node, artifact, assigned->instance);
    return instance != NULL && instance->state == SLICE_ACTIVE && instance->rev == assigned->rev;
}

static void add_instance(struct situation *situation, const struct placement_instance *instance)
{
    if (situation->instance_count == situation->instance_room) {
        uint32_t room = situation->instance_room == 0 ? 16 : situation->instance_room * 2;
        struct placement_instance *more = arena_array(situation->arena, room, sizeof(*more));
        for (uint32_t i = 0; i < situation->instance_count; i++)
            more[i] = situation->instances[i];
        situation->instances = more;
        situation->instance_room = room;
    }
    situation->instances[situation->instance_count++] = *instance;
}

static void look_at_allocation(struct situation *situation, const struct view_allocation *allocation)
{
    for (uint32_t i = 0; i < allocation->allocation.instance_count; i++) {
        const struct allocation_instance *assigned = &allocation->allocation.instances[i];
        bool active = is_active(situation->view, allocation->node, situation->artifact, assigned);
        const struct placement_instance instance = { .instance = assigned->instance,
                                                     .node = node_index(situation, allocation->node),
                                                     .active = active };
        add_instance(situation, &instance);
        situation->assigned++;
        situation->active += active ? 1 : 0;
    }
}

/* Recorded, but not assigned there any more: on its way out. */
static void look_at_leaving(struct situation *situation)
{
    for (uint32_t n = 0; n < situation->node_count; n++) {
        const char *node = situation->nodes[n].name;
        const struct view_record *record = deployment_view_record(situation->view, node, situation->artifact);
        const struct view_allocation *allocation =
            deployment_view_allocation(situation->view, situation->artifact, node);
        for (uint32_t i = 0; record != NULL && i < record->record.instance_count; i++) {
            uint32_t number = record->record.instances[i].instance;
            if (allocation != NULL && slice_allocation_find(&allocation->allocation, number) != NULL)
                continue;
            const struct placement_instance leaving = { .instance = number, .node = n, .leaving = true };
            add_instance(situation, &leaving);
        }
    }
}

static struct situation look(struct arena *arena, const struct deployment_view *view, const char *artifact,
                             const struct rollout_memory *memory)
{
    struct situation situation = { .arena = arena, .view = view, .artifact = artifact };
    char start[SLICE_KEY_MAX];
    const struct view_allocation *allocation = NULL;
    look_at_nodes(&situation, memory);
    for (const char *key = ""; (allocation = next_of(view, artifact, &key, start)) != NULL;)
        look_at_allocation(&situation, allocation);
    look_at_leaving(&situation);
    return situation;
}

void rollout_count(const struct deployment_view *view, const char *artifact, uint64_t runs_since,
                   struct rollout_count *out_count)
{
    struct arena arena = { 0 };
    struct situation situation = look(&arena, view, artifact, NULL);
    char start[SLICE_KEY_MAX];
    const struct view_allocation *allocation = NULL;
    struct rollout_count count = { .assigned = situation.assigned, .active = situation.active };
    count.leaving = situation.instance_count - situation.assigned;
    for (const char *key = ""; (allocation = next_of(view, artifact, &key, start)) != NULL;) {
        for (uint32_t i = 0; i < allocation->allocation.instance_count; i++)
            count.stale += allocation->allocation.instances[i].rev < runs_since ? 1 : 0;
    }
    arena_fini(&arena);
    *out_count = count;
}

/* --- versions ----------------------------------------------------------------------------------------- */

/* group:artifact: without the version. */
static size_t unversioned_length(const char *artifact)
{
    const char *last = strrchr(artifact, ':');
    CHECK(last != NULL); /* Exact coordinates. */
    return (size_t)(last - artifact);
}

static bool is_other_version(const char *artifact, const char *other)
{
    size_t length = unversioned_length(artifact);
    if (strcmp(artifact, other) == 0 || length != unversioned_length(other)) return false;
    return strncmp(artifact, other, length) == 0;
}

void rollout_count_others(const struct deployment_view *view, const char *artifact,
                          struct rollout_count *out_count)
{
    struct rollout_count sum = { 0 };
    const struct view_allocation *allocation = NULL;
    const struct view_record *record = NULL;
    for (const char *key = ""; (allocation = deployment_view_next_allocation(view, &key)) != NULL;) {
        if (!is_other_version(artifact, allocation->artifact)) continue;
        if (!rollout_is_orphan(view, allocation)) continue; /* Another blueprint's own. */
        sum.assigned += allocation->allocation.instance_count;
        for (uint32_t i = 0; i < allocation->allocation.instance_count; i++) {
            const struct allocation_instance *assigned = &allocation->allocation.instances[i];
            sum.active += is_active(view, allocation->node, allocation->artifact, assigned) ? 1 : 0;
        }
    }
    for (const char *key = ""; (record = deployment_view_next_record(view, &key)) != NULL;) {
        if (!is_other_version(artifact, record->artifact)) continue;
        const struct view_allocation *there =
            deployment_view_allocation(view, record->artifact, record->node);
        for (uint32_t i = 0; i < record->record.instance_count; i++) {
            uint32_t number = record->record.instances[i].instance;
            bool assigned = there != NULL && slice_allocation_find(&there->allocation, number) != NULL;
            sum.leaving += assigned ? 0 : 1;
        }
    }
    *out_count = sum;
}

uint32_t rollout_serving(const struct deployment_view *view, const char *blueprint, const char *artifact)
{
    uint32_t serving = 0;
    const struct view_allocation *allocation = NULL;
    for (const char *key = ""; (allocation = deployment_view_next_allocation(view, &key)) != NULL;) {
        const struct allocation *there = &allocation->allocation;
        bool same = strcmp(artifact, allocation->artifact) == 0;
        if (!same && !is_other_version(artifact, allocation->artifact)) continue;
        if (strcmp(there->blueprint, blueprint) != 0) continue;
        for (uint32_t i = 0; i < there->instance_count; i++)
            serving += is_active(view, allocation->node, allocation->artifact, &there->instances[i]) ? 1 : 0;
    }
    return serving;
}

bool rollout_is_orphan(const struct deployment_view *view, const struct view_allocation *allocation)
{
    const struct view_blueprint *blueprint =
        deployment_view_blueprint(view, allocation->allocation.blueprint);
    return blueprint == NULL || blueprint_find(&blueprint->blueprint, allocation->artifact) == NULL;
}

/* --- from a plan to allocations ----------------------------------------------------------------------- */

struct drafting {
    struct situation *situation;
    const struct placement_plan *plan;
    const char *blueprint;
    const char *sha256;
    const struct rollout_memory *memory; /* NULL: only withdraws. */
    uint64_t runs_since;
    uint32_t restarts; /* How many may be started anew in this step. */
    uint32_t staying;  /* Of those that serve on a node that is drained: how many may not go yet. */
    struct rollout_change *changes;
    uint32_t change_count;
};

/* Started for an earlier form of the slice, or failed and to be tried anew? Then it is assigned again: as one
 * more step down only within the budget, unless it doesn't serve anyway. */
static bool starts_anew(struct drafting *drafting, const char *node,
                        const struct allocation_instance *assigned)
{
    const struct situation *situation = drafting->situation;
    if (drafting->memory == NULL) return false;
    const struct slice_instance *instance =
        deployment_view_instance(situation->view, node, situation->artifact, assigned->instance);
    bool failed = instance != NULL && instance->state == SLICE_FAILED && instance->rev == assigned->rev;
    if (failed && drafting->memory->renews(drafting->memory->context, situation->artifact, node)) return true;
    uint64_t restart =
        drafting->memory->restarts(drafting->memory->context, situation->artifact, node, assigned->instance);
    if (assigned->rev >= drafting->runs_since && assigned->rev > restart) return false;
    if (!is_active(situation->view, node, situation->artifact, assigned)) return true;
    if (drafting->restarts == 0) return false;
    drafting->restarts--;
    return true;
}

static bool same_instances(const struct allocation *a, const struct allocation *b)
{
    if (a->instance_count != b->instance_count) return false;
    for (uint32_t i = 0; i < a->instance_count; i++) {
        if (a->instances[i].instance != b->instances[i].instance) return false;
        if (a->instances[i].rev != b->instances[i].rev) return false;
    }
    return strcmp(a->sha256, b->sha256) == 0 && strcmp(a->blueprint, b->blueprint) == 0;
}

/* Drained, and alive: what serves there goes once its successor elsewhere serves. (One that is removed by
 * force waits for nobody.) */
static bool is_left(const struct placement_node *node)
{
    return node->presence != PLACEMENT_LOST && strcmp(node->state, "DRAINING") == 0;
}

static uint32_t active_on_left_nodes(const struct situation *situation)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < situation->instance_count; i++) {
        const struct placement_instance *instance = &situation->instances[i];
        bool there = !instance->leaving && instance->active && instance->node != PLACEMENT_NOWHERE;
        count += there && is_left(&situation->nodes[instance->node]) ? 1 : 0;
    }
    return count;
}

/* How many of those are still needed: as many as don't serve yet of what is wanted. Without room for a surge
 * they go first. */
static uint32_t staying(const struct situation *situation, const struct blueprint_slice *slice)
{
    uint32_t left = active_on_left_nodes(situation);
    uint32_t elsewhere = situation->active - left;
    uint32_t needed = slice->instances > elsewhere ? slice->instances - elsewhere : 0;
    if (slice->max_surge == 0) return 0;
    return needed < left ? needed : left;
}

/* Its instances that stay for now, in among those chosen, by number. */
static uint32_t add_staying(struct drafting *drafting, uint32_t node_place, const char *node,
                            const struct view_allocation *before, struct allocation_instance *instances,
                            uint32_t count)
{
    const struct situation *situation = drafting->situation;
    bool left = before != NULL && node_place != PLACEMENT_NOWHERE && is_left(&situation->nodes[node_place]);
    for (uint32_t i = 0; left && i < before->allocation.instance_count && drafting->staying > 0; i++) {
        const struct allocation_instance *was = &before->allocation.instances[i];
        if (!is_active(situation->view, node, situation->artifact, was)) continue;
        uint32_t at = count++;
        for (; at > 0 && instances[at - 1].instance > was->instance; at--)
            instances[at] = instances[at - 1];
        instances[at] = *was;
        drafting->staying--;
    }
    return count;
}

/* The allocation that one node should have. */
static struct allocation *draft(struct drafting *drafting, uint32_t node_place, const char *node,
                                const struct view_allocation *before, bool *out_assigns)
{
    struct arena *arena = drafting->situation->arena;
    uint32_t room = drafting->plan->chosen_count + drafting->staying;
    struct allocation_instance *instances = arena_array(arena, room, sizeof(*instances));
    uint32_t count = 0;
    for (uint32_t i = 0; i < drafting->plan->chosen_count; i++) {
        const struct placement_choice *choice = &drafting->plan->chosen[i];
        if (choice->node != node_place) continue;
        const struct allocation_instance *was =
            before == NULL ? NULL : slice_allocation_find(&before->allocation, choice->instance);
        if (choice->fresh && drafting->memory == NULL) continue; /* Orphans only go. */
        bool anew = was == NULL || choice->fresh || starts_anew(drafting, node, was);
        if (anew) instances[count++] = (struct allocation_instance){ .instance = choice->instance };
        else instances[count++] = *was;
        *out_assigns |= anew;
    }
    count = add_staying(drafting, node_place, node, before, instances, count);
    struct allocation *allocation = arena_alloc(arena, sizeof(*allocation));
    *allocation = (struct allocation){ .instances = instances,
                                       .instance_count = count,
                                       .desired = SLICE_ACTIVE,
                                       .blueprint = drafting->blueprint,
                                       .sha256 = drafting->sha256 };
    return allocation;
}

static void draft_node(struct drafting *drafting, uint32_t node_place, const char *node)
{
    bool assigns = false;
    const struct view_allocation *before =
        deployment_view_allocation(drafting->situation->view, drafting->situation->artifact, node);
    const struct allocation *allocation = draft(drafting, node_place, node, before, &assigns);
    if (before == NULL && allocation->instance_count == 0) return;
    if (before != NULL && same_instances(&before->allocation, allocation)) return;
    drafting->changes[drafting->change_count++] = (struct rollout_change){
        .node = node,
        .revision = before == NULL ? 0 : before->revision,
        .allocation = allocation->instance_count == 0 ? NULL : allocation,
        .assigns = assigns,
    };
}

/* Every node, and every allocation for a node that there is not (any more). */
static void draft_all(struct drafting *drafting, struct rollout *out_rollout)
{
    struct situation *situation = drafting->situation;
    size_t room = situation->node_count + situation->view->allocations.count;
    char start[SLICE_KEY_MAX];
    const struct view_allocation *allocation = NULL;
    drafting->changes = arena_array(situation->arena, room, sizeof(*drafting->changes));
    for (uint32_t i = 0; i < situation->node_count; i++)
        draft_node(drafting, i, situation->nodes[i].name);
    for (const char *key = "";
         (allocation = next_of(situation->view, situation->artifact, &key, start)) != NULL;) {
        if (node_index(situation, allocation->node) == PLACEMENT_NOWHERE)
            draft_node(drafting, PLACEMENT_NOWHERE, allocation->node);
    }
    struct rollout_change *ordered = arena_array(situation->arena, drafting->change_count, sizeof(*ordered));
    uint32_t count = 0;
    for (int assigns = 0; assigns <= 1; assigns++) {
        for (uint32_t i = 0; i < drafting->change_count; i++) {
            if (drafting->changes[i].assigns == (assigns == 1)) ordered[count++] = drafting->changes[i];
        }
    }
    out_rollout->changes = ordered;
    out_rollout->change_count = count < ROLLOUT_CHANGES_MAX ? count : ROLLOUT_CHANGES_MAX;
}

/* --- how many ----------------------------------------------------------------------------------------- */

/* A slice that depends on others of its blueprint starts once each of them serves. */
static bool waits_for_others(const struct deployment_view *view, const struct view_blueprint *blueprint,
                             const struct blueprint_slice *slice)
{
    for (uint32_t d = 0; d < slice->depend_count; d++) {
        for (uint32_t i = 0; i < blueprint->blueprint.slice_count; i++) {
            const struct blueprint_slice *other = &blueprint->blueprint.slices[i];
            size_t length = unversioned_length(other->artifact);
            if (strlen(slice->depends[d]) != length) continue;
            if (strncmp(slice->depends[d], other->artifact, length) != 0 || other->instances == 0) continue;
            struct rollout_count count;
            rollout_count(view, other->artifact, 0, &count);
            if (count.active == 0) return true;
        }
    }
    return false;
}

/* Those that leave, or have to: withdrawn and still there, or on a drained node. */
static uint32_t on_their_way_out(const struct situation *situation)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < situation->instance_count; i++) {
        const struct placement_instance *instance = &situation->instances[i];
        if (instance->node == PLACEMENT_NOWHERE) continue;
        count += instance->leaving || is_left(&situation->nodes[instance->node]) ? 1 : 0;
    }
    return count;
}

/* As many as are wanted, but while an old version is still there only as many as max-surge leaves room for.
 * Without a surge a successor comes once its predecessor is gone: under its number, so that what it left is
 * there for it (slice_carrier.h). */
static uint32_t wanted_now(const struct situation *situation, const struct view_blueprint *blueprint,
                           const struct blueprint_slice *slice)
{
    struct rollout_count old;
    uint32_t kept = situation->assigned < slice->instances ? situation->assigned : slice->instances;
    if (situation->assigned == 0 && waits_for_others(situation->view, blueprint, slice)) return 0;
    rollout_count_others(situation->view, slice->artifact, &old);
    uint32_t room = slice->instances + slice->max_surge;
    uint32_t taken = old.assigned + old.leaving;
    uint32_t free = taken < room ? room - taken : 0;
    uint32_t wanted = free < slice->instances ? free : slice->instances;
    uint32_t going = slice->max_surge == 0 ? on_their_way_out(situation) : 0;
    if (going > 0) {
        uint32_t others = slice->instances > going ? slice->instances - going : 0;
        return wanted < others ? wanted : others;
    }
    uint32_t left = staying(situation, slice); /* They take up of the surge as well. */
    uint32_t most = slice->instances + slice->max_surge - left;
    if (left > 0 && wanted > most) wanted = most;
    return left == 0 && wanted < kept ? kept : wanted;
}

static const struct placement_label *constraints_of(struct arena *arena, const struct blueprint_slice *slice)
{
    struct placement_label *labels = arena_array(arena, slice->constraint_count, sizeof(*labels));
    for (uint32_t i = 0; i < slice->constraint_count; i++)
        labels[i] = (struct placement_label){ slice->constraints[i].label, slice->constraints[i].value };
    return labels;
}

/* A restart by command goes through the instances one after the other, whatever the budget would allow. */
static bool is_restarting(const struct situation *situation, const struct rollout_memory *memory)
{
    for (uint32_t i = 0; i < situation->instance_count; i++) {
        const struct placement_instance *instance = &situation->instances[i];
        if (instance->leaving || instance->node == PLACEMENT_NOWHERE) continue;
        const char *node = situation->nodes[instance->node].name;
        if (memory->restarts(memory->context, situation->artifact, node, instance->instance) > 0) return true;
    }
    return false;
}

/* Those that may be down at once for a restart, less those that are down already. */
static uint32_t restart_budget(const struct situation *situation, const struct blueprint_slice *slice,
                               bool one_by_one)
{
    uint32_t spare = slice->instances > slice->min_available ? slice->instances - slice->min_available : 0;
    uint32_t most = spare == 0 || slice->min_available == 0 || one_by_one ? 1 : spare;
    uint32_t down = slice->instances > situation->active ? slice->instances - situation->active : 0;
    return most > down ? most - down : 0;
}

static struct placement_request request_of(struct arena *arena, const struct situation *situation,
                                           const struct view_blueprint *blueprint,
                                           const struct blueprint_slice *slice)
{
    return (struct placement_request){
        .nodes = situation->nodes,
        .node_count = situation->node_count,
        .instances = situation->instances,
        .instance_count = situation->instance_count,
        .constraints = constraints_of(arena, slice),
        .constraint_count = slice->constraint_count,
        .wanted = wanted_now(situation, blueprint, slice),
        .strategy = slice->strategy == BLUEPRINT_SPREAD ? spread_choose : round_robin_choose,
    };
}

void rollout_explain(struct arena *arena, const struct deployment_view *view,
                     const struct view_blueprint *blueprint, const struct blueprint_slice *slice,
                     const struct rollout_memory *memory, struct rollout_explanation *out_explanation)
{
    struct situation situation = look(arena, view, slice->artifact, memory);
    const struct placement_request request = request_of(arena, &situation, blueprint, slice);
    *out_explanation = (struct rollout_explanation){
        .nodes = situation.nodes,
        .node_count = situation.node_count,
        .instances = situation.instances,
        .instance_count = situation.instance_count,
        .wanted = request.wanted,
        .waits_for_others = situation.assigned == 0 && waits_for_others(view, blueprint, slice),
    };
    placement_plan(arena, &request, &out_explanation->plan);
}

void rollout_slice(struct arena *arena, const struct deployment_view *view,
                   const struct view_blueprint *blueprint, const struct blueprint_slice *slice,
                   const struct rollout_memory *memory, struct rollout *out_rollout)
{
    struct situation situation = look(arena, view, slice->artifact, memory);
    struct placement_plan plan;
    const struct placement_request request = request_of(arena, &situation, blueprint, slice);
    placement_plan(arena, &request, &plan);
    *out_rollout = (struct rollout){ .missing = plan.missing, .reason = plan.reason };
    struct drafting drafting = {
        .situation = &situation,
        .plan = &plan,
        .blueprint = blueprint->name,
        .sha256 = slice->sha256,
        .memory = memory,
        .runs_since = deployment_view_runs_since(view, blueprint, slice),
        .restarts = restart_budget(&situation, slice, is_restarting(&situation, memory)),
        .staying = staying(&situation, slice),
    };
    draft_all(&drafting, out_rollout);
}

/* Those of older orphans of the same slice that serve: the first version by name is kept longest. */
static uint32_t active_before(const struct deployment_view *view, const char *artifact)
{
    uint32_t active = 0;
    const struct view_allocation *allocation = NULL;
    for (const char *key = ""; (allocation = deployment_view_next_allocation(view, &key)) != NULL;) {
        if (!is_other_version(artifact, allocation->artifact)) continue;
        if (strcmp(allocation->artifact, artifact) > 0 || !rollout_is_orphan(view, allocation)) continue;
        for (uint32_t i = 0; i < allocation->allocation.instance_count; i++) {
            const struct allocation_instance *assigned = &allocation->allocation.instances[i];
            active += is_active(view, allocation->node, allocation->artifact, assigned) ? 1 : 0;
        }
    }
    return active;
}

/* What an old version may still have: of those that serve as many as its successor, and older versions still,
 * don't make up for. Without room for a surge one goes before its successor comes. */
static uint32_t allowed_of_orphan(const struct situation *situation, const struct view_allocation *orphan)
{
    const struct deployment_view *view = situation->view;
    const struct view_blueprint *blueprint = deployment_view_blueprint(view, orphan->allocation.blueprint);
    const struct blueprint_slice *successor =
        blueprint == NULL ? NULL : blueprint_find_unversioned(&blueprint->blueprint, orphan->artifact);
    if (successor == NULL) return 0;
    struct rollout_count count;
    rollout_count(view, successor->artifact, 0, &count);
    uint32_t covered =
        count.active + active_before(view, orphan->artifact) + (successor->max_surge == 0 ? 1 : 0);
    uint32_t needed = successor->instances > covered ? successor->instances - covered : 0;
    return needed < situation->active ? needed : situation->active;
}

void rollout_orphan(struct arena *arena, const struct deployment_view *view, const char *artifact,
                    struct rollout *out_rollout)
{
    char start[SLICE_KEY_MAX];
    const char *key = "";
    const struct view_allocation *first = next_of(view, artifact, &key, start);
    *out_rollout = (struct rollout){ .reason = "" };
    if (first == NULL) return;
    struct situation situation = look(arena, view, artifact, NULL);
    struct placement_plan plan;
    const struct placement_request request = {
        .nodes = situation.nodes,
        .node_count = situation.node_count,
        .instances = situation.instances,
        .instance_count = situation.instance_count,
        .wanted = allowed_of_orphan(&situation, first),
        .strategy = spread_choose,
    };
    placement_plan(arena, &request, &plan);
    struct drafting drafting = { .situation = &situation,
                                 .plan = &plan,
                                 .blueprint = first->allocation.blueprint,
                                 .sha256 = first->allocation.sha256 };
    draft_all(&drafting, out_rollout);
}
