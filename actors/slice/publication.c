/* publication: see the header. */
#include "actors/slice/publication.h"

#include "actors/slice/slice_lifecycle.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

/* No node may take an instance: nodes come and go for a moment, so that alone ends nothing at once. */
static const int64_t no_node_grace_ns = SECONDS(3);

struct publication *publication_create(struct message *request, bool deletes)
{
    struct publication *publication = memory_zalloc(sizeof(*publication));
    publication->request = request;
    publication->deletes = deletes;
    return publication;
}

void publication_destroy(struct publication *publication)
{
    message_destroy(&publication->request);
    arena_fini(&publication->arena);
    memory_free(publication);
}

static void note_artifact(struct publication *publication, const char *artifact, size_t room)
{
    for (uint32_t i = 0; i < publication->artifact_count; i++) {
        if (strcmp(publication->artifacts[i], artifact) == 0) return;
    }
    CHECK(publication->artifact_count < room);
    publication->artifacts[publication->artifact_count++] = arena_strdup(&publication->arena, artifact);
}

void publication_note_artifacts(struct publication *publication, const struct deployment_view *view)
{
    const struct view_blueprint *blueprint = deployment_view_blueprint(view, publication->name);
    const struct view_allocation *allocation = NULL;
    size_t room = view->allocations.count + (blueprint == NULL ? 0 : blueprint->blueprint.slice_count);
    publication->artifacts = arena_array(&publication->arena, room, sizeof(char *));
    for (uint32_t i = 0; blueprint != NULL && i < blueprint->blueprint.slice_count; i++)
        note_artifact(publication, blueprint->blueprint.slices[i].artifact, room);
    for (const char *key = ""; (allocation = deployment_view_next_allocation(view, &key)) != NULL;) {
        if (strcmp(allocation->allocation.blueprint, publication->name) == 0)
            note_artifact(publication, allocation->artifact, room);
    }
}

/* --- judging ------------------------------------------------------------------------------------------ */

static bool node_matches(const struct slice_node *node, const struct blueprint_slice *slice)
{
    if (strcmp(node->state, "DECOMMISSIONED") == 0) return false;
    for (uint32_t c = 0; c < slice->constraint_count; c++) {
        bool has = false;
        for (uint32_t l = 0; l < node->label_count && !has; l++) {
            has = strcmp(node->labels[2 * (size_t)l], slice->constraints[c].label) == 0 &&
                  strcmp(node->labels[2 * (size_t)l + 1], slice->constraints[c].value) == 0;
        }
        if (!has) return false;
    }
    return true;
}

/* A node that could take an instance of the slice and where it has not failed for good. */
static bool any_node_left(const struct deployment_view *view, const struct rollout_memory *memory,
                          const struct blueprint_slice *slice)
{
    const struct view_node *node = NULL;
    for (const char *key = ""; (node = deployment_view_next_node(view, &key)) != NULL;) {
        bool takes = strcmp(node->node.state, "ON_DUTY") == 0 && strcmp(node->node.presence, "LOST") != 0;
        if (!takes || !node_matches(&node->node, slice)) continue;
        if (memory->excluded(memory->context, slice->artifact, node->name) == NULL) return true;
    }
    return false;
}

/* An instance that can't become ACTIVE: no retry would help, or every node had its five. */
static bool is_hopeless(const struct deployment_view *view, const struct rollout_memory *memory,
                        const struct blueprint_slice *slice, const struct view_allocation *allocation,
                        const struct allocation_instance *assigned, struct error *error)
{
    const struct slice_instance *instance =
        deployment_view_instance(view, allocation->node, allocation->artifact, assigned->instance);
    if (instance == NULL || instance->state != SLICE_FAILED || instance->rev != assigned->rev) return false;
    bool exhausted = instance->attempt >= SLICE_ATTEMPTS_MAX;
    if (!instance->fatal && (!exhausted || any_node_left(view, memory, slice))) return false;
    (void)error_set(error, STATUS_NOT_READY, "%s#%u on node %s: %s: %s%s", allocation->artifact,
                    assigned->instance, allocation->node, instance->reason, instance->text,
                    instance->fatal ? "" : " (after 5 attempts)");
    error_hint(error, "aether slice list shows every instance");
    return true;
}

/* What an instance that isn't there yet is doing, for those who wait. */
static void tell_pending(const struct deployment_view *view, const struct blueprint_slice *slice,
                         const struct rollout_count *count, struct error *error)
{
    const struct view_allocation *allocation = NULL;
    (void)error_set(error, STATUS_NOT_READY, "%u of %u instances of %s are ACTIVE", count->active,
                    slice->instances, slice->artifact);
    for (const char *key = ""; (allocation = deployment_view_next_allocation(view, &key)) != NULL;) {
        if (strcmp(allocation->artifact, slice->artifact) != 0) continue;
        for (uint32_t i = 0; i < allocation->allocation.instance_count; i++) {
            uint32_t number = allocation->allocation.instances[i].instance;
            const struct slice_instance *instance =
                deployment_view_instance(view, allocation->node, slice->artifact, number);
            if (instance != NULL && instance->state == SLICE_ACTIVE) continue;
            (void)error_set(error, STATUS_NOT_READY,
                            "%u of %u instances of %s are ACTIVE; #%u on node %s is %s %s%s%s", count->active,
                            slice->instances, slice->artifact, number, allocation->node,
                            instance == NULL ? "not begun" : slice_state_name(instance->state),
                            instance == NULL ? "" : instance->reason,
                            instance == NULL || instance->text[0] == '\0' ? "" : ": ",
                            instance == NULL ? "" : instance->text);
            return;
        }
    }
}

static bool any_hopeless(const struct deployment_view *view, const struct rollout_memory *memory,
                         const struct blueprint_slice *slice, struct error *error)
{
    const struct view_allocation *allocation = NULL;
    for (const char *key = ""; (allocation = deployment_view_next_allocation(view, &key)) != NULL;) {
        if (strcmp(allocation->artifact, slice->artifact) != 0) continue;
        for (uint32_t i = 0; i < allocation->allocation.instance_count; i++) {
            if (is_hopeless(view, memory, slice, allocation, &allocation->allocation.instances[i], error))
                return true;
        }
    }
    return false;
}

static bool lacks_nodes(const struct deployment_view *view, const struct view_blueprint *blueprint,
                        const struct blueprint_slice *slice, const struct rollout_memory *memory,
                        struct error *error)
{
    struct arena arena = { 0 };
    struct rollout rollout;
    rollout_slice(&arena, view, blueprint, slice, memory, &rollout);
    if (rollout.missing > 0)
        (void)error_set(error, STATUS_NOT_READY, "no node takes %u instance(s) of %s: %s", rollout.missing,
                        slice->artifact, rollout.reason);
    arena_fini(&arena);
    return rollout.missing > 0;
}

static enum publication_verdict judge_slice(const struct publication *publication,
                                            const struct deployment_view *view,
                                            const struct view_blueprint *blueprint,
                                            const struct blueprint_slice *slice,
                                            const struct rollout_memory *memory, int64_t now_ns,
                                            struct error *error)
{
    struct rollout_count count;
    struct rollout_count others;
    rollout_count(view, slice->artifact, deployment_view_runs_since(view, blueprint, slice), &count);
    rollout_count_others(view, slice->artifact, &others);
    bool there = count.assigned == slice->instances && count.active == slice->instances && count.stale == 0;
    bool nothing_else = count.leaving == 0 && others.assigned == 0 && others.leaving == 0;
    if (there && nothing_else) return PUBLICATION_DONE;
    if (any_hopeless(view, memory, slice, error)) return PUBLICATION_FAILED;
    int64_t waited_ns = now_ns - publication->waiting_since_ns;
    if (waited_ns > no_node_grace_ns && lacks_nodes(view, blueprint, slice, memory, error))
        return PUBLICATION_FAILED;
    tell_pending(view, slice, &count, error);
    if (there)
        (void)error_set(error, STATUS_NOT_READY, "former instances of %s are still stopping",
                        slice->artifact);
    bool late =
        slice->health_deadline_ms != 0 && waited_ns > MILLISECONDS((int64_t)slice->health_deadline_ms);
    return late && !there ? PUBLICATION_FAILED : PUBLICATION_PENDING;
}

static enum publication_verdict judge_publish(const struct publication *publication,
                                              const struct deployment_view *view,
                                              const struct rollout_memory *memory, int64_t now_ns,
                                              bool *out_restorable, struct error *error)
{
    const struct view_blueprint *blueprint = deployment_view_blueprint(view, publication->name);
    enum publication_verdict all = PUBLICATION_DONE;
    if (blueprint == NULL || blueprint->revision != publication->revision) {
        (void)error_set(error, STATUS_CONFLICT, "blueprint %s was %s meanwhile", publication->name,
                        blueprint == NULL ? "deleted" : "published again");
        return PUBLICATION_REPLACED;
    }
    for (uint32_t i = 0; i < blueprint->blueprint.slice_count; i++) {
        const struct blueprint_slice *slice = &blueprint->blueprint.slices[i];
        enum publication_verdict one =
            judge_slice(publication, view, blueprint, slice, memory, now_ns, error);
        if (one == PUBLICATION_FAILED) {
            *out_restorable = slice->auto_rollback;
            return one;
        }
        if (one == PUBLICATION_PENDING) all = one;
    }
    return all;
}

static enum publication_verdict judge_delete(const struct publication *publication,
                                             const struct deployment_view *view, struct error *error)
{
    if (deployment_view_blueprint(view, publication->name) != NULL) {
        (void)error_set(error, STATUS_CONFLICT, "blueprint %s was published again meanwhile",
                        publication->name);
        return PUBLICATION_REPLACED;
    }
    for (uint32_t i = 0; i < publication->artifact_count; i++) {
        struct rollout_count count;
        rollout_count(view, publication->artifacts[i], 0, &count);
        if (count.assigned + count.leaving == 0) continue;
        (void)error_set(error, STATUS_NOT_READY, "%u instance(s) of %s are still stopping",
                        count.assigned + count.leaving, publication->artifacts[i]);
        return PUBLICATION_PENDING;
    }
    return PUBLICATION_DONE;
}

enum publication_verdict publication_judge(const struct publication *publication,
                                           const struct deployment_view *view,
                                           const struct rollout_memory *memory, int64_t now_ns,
                                           bool *out_restorable, struct error *error)
{
    *out_restorable = false;
    if (publication->deletes) return judge_delete(publication, view, error);
    return judge_publish(publication, view, memory, now_ns, out_restorable, error);
}

/* --- before anything is written ----------------------------------------------------------------------- */

const char *publication_known_sha256(const struct publication *publication,
                                     const struct deployment_view *view, const char *artifact)
{
    const struct view_blueprint *before = deployment_view_blueprint(view, publication->name);
    const struct blueprint_slice *slice =
        before == NULL ? NULL : blueprint_find(&before->blueprint, artifact);
    return slice == NULL ? NULL : slice->sha256;
}

const struct blueprint_slice *publication_next_to_probe(struct publication *publication,
                                                        const struct deployment_view *view)
{
    for (; publication->probed < publication->blueprint.slice_count; publication->probed++) {
        const struct blueprint_slice *slice = &publication->slices[publication->probed];
        const char *known = publication_known_sha256(publication, view, slice->artifact);
        if (known == NULL || strcmp(known, slice->sha256) != 0) return slice;
    }
    return NULL;
}

enum status publication_check_nodes(const struct blueprint *blueprint, const struct deployment_view *view,
                                    struct error *error)
{
    if (view->nodes.count == 0) return STATUS_OK; /* A cluster that just began: they are on their way. */
    for (uint32_t i = 0; i < blueprint->slice_count; i++) {
        const struct blueprint_slice *slice = &blueprint->slices[i];
        const struct view_node *node = NULL;
        bool matched = slice->instances == 0;
        for (const char *key = ""; !matched && (node = deployment_view_next_node(view, &key)) != NULL;)
            matched = node_matches(&node->node, slice);
        if (matched) continue;
        enum status status =
            error_set(error, STATUS_INVALID, "no node matches the constraints of %s", slice->artifact);
        error_hint(error, "aether node list -o json shows the labels of every node");
        return status;
    }
    return STATUS_OK;
}
