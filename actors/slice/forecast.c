/* forecast: see the header. One step: every artifact's next changes are planned from the same view, as one
 * reconciliation of the leader would; then all are applied (what serves through it is counted there); then
 * the nodes are supposed to have done their part. */
#include "actors/slice/forecast.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"

#include <string.h>

struct written { /* One allocation, as the leader would write it. */
    const char *artifact;
    const char *node;
    const struct allocation *allocation; /* NULL: withdrawn. */
};

struct told {                             /* A slice of the reply, and where it stands before and after. */
    const struct blueprint_slice *before; /* NULL: it was not there. */
    const struct blueprint_slice *after;  /* NULL: it is asked for no more. */
    Pb__PlannedSlice *slice;
};

struct forecast {
    struct message *reply;
    struct arena *arena; /* The reply's. */
    const struct forecast_question *question;
    const struct deployment_view *before;
    struct deployment_view after;
    struct rollout_memory memory;
    uint64_t revision; /* Of the step. */
    uint32_t step;
    struct written *writes; /* Of the step. */
    uint32_t write_count;
    uint32_t write_room;
    size_t change_room;
    struct told *told;
    uint32_t told_count;
};

/* --- the memory of a leader that just published: what failed may try anew ------------------------------ */

static bool is_published(const struct forecast *forecast, const char *artifact)
{
    const struct blueprint *blueprint = forecast->question->blueprint;
    return blueprint != NULL && blueprint_find(blueprint, artifact) != NULL;
}

static const char *excluded(const void *context, const char *artifact, const char *node)
{
    const struct forecast *forecast = context;
    const struct rollout_memory *memory = forecast->question->memory;
    return is_published(forecast, artifact) ? NULL : memory->excluded(memory->context, artifact, node);
}

static bool renews(const void *context, const char *artifact, const char *node)
{
    const struct forecast *forecast = context;
    const struct rollout_memory *memory = forecast->question->memory;
    return is_published(forecast, artifact) || memory->renews(memory->context, artifact, node);
}

static uint64_t restarts(const void *context, const char *artifact, const char *node, uint32_t instance)
{
    const struct rollout_memory *memory = ((const struct forecast *)context)->question->memory;
    return memory->restarts(memory->context, artifact, node, instance);
}

/* --- what differs between two forms of a slice --------------------------------------------------------- */

static bool same_constraints(const struct blueprint_slice *a, const struct blueprint_slice *b)
{
    if (a->constraint_count != b->constraint_count) return false;
    for (uint32_t i = 0; i < a->constraint_count; i++) {
        if (strcmp(a->constraints[i].label, b->constraints[i].label) != 0) return false;
        if (strcmp(a->constraints[i].value, b->constraints[i].value) != 0) return false;
    }
    return true;
}

static void add_word(struct text *text, bool differs, const char *word)
{
    if (differs) text_printf(text, "%s%s", text->size == 0 ? "" : ", ", word);
}

/* Only what makes an instance another one. */
static void add_form(struct text *text, const struct blueprint_slice *a, const struct blueprint_slice *b)
{
    add_word(text, strcmp(a->sha256, b->sha256) != 0, "bytes");
    add_word(text, strcmp(a->config, b->config) != 0, "config");
    add_word(text, a->inline_isolation != b->inline_isolation || a->pinned != b->pinned, "isolation");
    add_word(text, a->shared_host != b->shared_host, "hosts");
    add_word(text, a->cpu_millis != b->cpu_millis || a->memory_bytes != b->memory_bytes, "resources");
    add_word(text, a->exclusive != b->exclusive, "exclusive");
}

static const char *version_of(const char *artifact)
{
    return strrchr(artifact, ':') + 1; /* Exact coordinates. */
}

static const char *change_of(struct arena *arena, const struct blueprint_slice *a,
                             const struct blueprint_slice *b)
{
    struct text text = { 0 };
    if (a == NULL) return "new";
    if (b == NULL) return "withdrawn";
    if (strcmp(a->artifact, b->artifact) != 0)
        text_printf(&text, "version %s to %s", version_of(a->artifact), version_of(b->artifact));
    else add_form(&text, a, b);
    if (a->instances != b->instances)
        text_printf(&text, "%sinstances %u to %u", text.size == 0 ? "" : ", ", a->instances, b->instances);
    add_word(&text, !same_constraints(a, b), "constraints");
    add_word(&text, a->strategy != b->strategy, "strategy");
    add_word(&text, a->min_available != b->min_available, "min-available");
    add_word(&text, a->max_surge != b->max_surge, "max-surge");
    const char *change = arena_strdup(arena, text_string(&text));
    text_fini(&text);
    return change;
}

/* --- why ----------------------------------------------------------------------------------------------- */

static const struct told *told_of(const struct forecast *forecast, const char *artifact)
{
    for (uint32_t i = 0; i < forecast->told_count; i++) {
        const struct told *told = &forecast->told[i];
        if (told->after != NULL && strcmp(told->after->artifact, artifact) == 0) return told;
        if (told->before != NULL && strcmp(told->before->artifact, artifact) == 0) return told;
    }
    return NULL;
}

static const char *refusal_of(const struct rollout_explanation *planner, const char *node)
{
    for (uint32_t i = 0; planner != NULL && i < planner->node_count; i++) {
        if (strcmp(planner->nodes[i].name, node) == 0) return planner->plan.refusals[i];
    }
    return NULL;
}

/* Where an instance is that may not stay: this one, or any. NULL: nowhere. */
static const char *left_node(const struct rollout_explanation *planner, uint32_t number)
{
    const char *any = NULL;
    for (uint32_t i = 0; i < planner->instance_count; i++) {
        const struct placement_instance *instance = &planner->instances[i];
        if (instance->node == PLACEMENT_NOWHERE) continue;
        const char *node = planner->nodes[instance->node].name;
        if (refusal_of(planner, node) == NULL) continue;
        if (instance->instance == number) return node;
        if (any == NULL) any = node;
    }
    return any;
}

static const char *why_started(const struct forecast *forecast, const struct rollout_explanation *planner,
                               const char *artifact, uint32_t number)
{
    const struct told *told = told_of(forecast, artifact);
    const char *left = left_node(planner, number);
    if (left != NULL)
        return arena_printf(forecast->arena, "in place of one on %s: %s", left, refusal_of(planner, left));
    CHECK(told != NULL); /* Only what is asked for starts. */
    if (told->before != NULL && strcmp(told->before->artifact, artifact) != 0)
        return arena_printf(forecast->arena, "takes the place of %s", told->before->artifact);
    return arena_printf(forecast->arena, "the blueprint asks for %u", told->after->instances);
}

static const char *why_stopped(const struct forecast *forecast, const struct rollout_explanation *planner,
                               const char *artifact, const char *node)
{
    const struct told *told = told_of(forecast, artifact);
    const char *refusal = refusal_of(planner, node);
    if (refusal != NULL) return arena_printf(forecast->arena, "%s: %s", node, refusal);
    if (told == NULL || told->after == NULL) return "no blueprint asks for it any more";
    if (strcmp(told->after->artifact, artifact) != 0)
        return arena_printf(forecast->arena, "%s takes its place", told->after->artifact);
    if (told->after->instances > 0 && planner != NULL && planner->wanted >= told->after->instances)
        return arena_printf(forecast->arena, "it is one more than the %u that are asked for",
                            told->after->instances);
    return arena_printf(forecast->arena, "the blueprint asks for %u", told->after->instances);
}

static const char *why_restarted(const struct forecast *forecast, const char *artifact, const char *node,
                                 uint32_t number)
{
    const struct told *told = told_of(forecast, artifact);
    const struct slice_instance *recorded =
        deployment_view_instance(&forecast->after, node, artifact, number);
    if (recorded != NULL && recorded->state == SLICE_FAILED) return "it failed there, and is tried anew";
    struct text text = { 0 };
    if (told != NULL && told->before != NULL && told->after != NULL)
        add_form(&text, told->before, told->after);
    const char *why = text.size == 0 ? "it was started for an earlier form of the slice"
                                     : arena_printf(forecast->arena, "changed: %s", text_string(&text));
    text_fini(&text);
    return why;
}

/* --- telling ------------------------------------------------------------------------------------------- */

static bool is_told(const struct forecast *forecast, const char *blueprint)
{
    const char *name = forecast->question->name;
    return name[0] == '\0' || strcmp(name, blueprint) == 0;
}

static void tell(struct forecast *forecast, const char *action, const char *artifact, uint32_t number,
                 const char *node, const char *why)
{
    Pb__BlueprintPlanReply *body = forecast->reply->body;
    if (body->n_changes == forecast->change_room) {
        size_t room = forecast->change_room == 0 ? 32 : forecast->change_room * 2;
        Pb__PlannedChange **more = arena_array(forecast->arena, room, sizeof(*more));
        for (size_t i = 0; i < body->n_changes; i++)
            more[i] = body->changes[i];
        body->changes = more;
        forecast->change_room = room;
    }
    Pb__PlannedChange *change = arena_alloc(forecast->arena, sizeof(*change));
    pb__planned_change__init(change);
    change->step = forecast->step;
    change->action = wire_string(forecast->reply, action);
    change->artifact = wire_string(forecast->reply, artifact);
    change->instance = number;
    change->node = wire_string(forecast->reply, node);
    change->reason = wire_string(forecast->reply, why);
    body->changes[body->n_changes++] = change;
}

/* One node's allocation, instance by instance. */
static void tell_change(struct forecast *forecast, const struct rollout_explanation *planner,
                        const char *artifact, const struct rollout_change *change)
{
    static const struct allocation nothing = { .blueprint = "" };
    const struct view_allocation *there =
        deployment_view_allocation(&forecast->after, artifact, change->node);
    const struct allocation *before = there == NULL ? &nothing : &there->allocation;
    const struct allocation *after = change->allocation == NULL ? &nothing : change->allocation;
    for (uint32_t i = 0; i < before->instance_count; i++) {
        uint32_t number = before->instances[i].instance;
        if (slice_allocation_find(after, number) == NULL)
            tell(forecast, "stop", artifact, number, change->node,
                 why_stopped(forecast, planner, artifact, change->node));
    }
    for (uint32_t i = 0; i < after->instance_count; i++) {
        uint32_t number = after->instances[i].instance;
        const struct allocation_instance *was = slice_allocation_find(before, number);
        if (was == NULL)
            tell(forecast, "start", artifact, number, change->node,
                 why_started(forecast, planner, artifact, number));
        else if (was->rev != after->instances[i].rev)
            tell(forecast, "restart", artifact, number, change->node,
                 why_restarted(forecast, artifact, change->node, number));
    }
}

/* --- one step ------------------------------------------------------------------------------------------ */

/* With the revision of its entry, as slice_rules.c stamps it; the view that it points into changes soon. */
static const struct allocation *stamped(const struct forecast *forecast, const struct allocation *allocation)
{
    if (allocation == NULL) return NULL;
    struct arena *arena = forecast->arena;
    struct allocation *copy = arena_memdup(arena, allocation, sizeof(*allocation));
    struct allocation_instance *instances = arena_memdup(
        arena, allocation->instances, allocation->instance_count * sizeof(*allocation->instances));
    for (uint32_t i = 0; i < allocation->instance_count; i++) {
        if (instances[i].rev == 0) instances[i].rev = forecast->revision;
    }
    copy->instances = instances;
    copy->blueprint = arena_strdup(arena, allocation->blueprint);
    copy->sha256 = arena_strdup(arena, allocation->sha256);
    return copy;
}

static void note_write(struct forecast *forecast, const struct written *written)
{
    if (forecast->write_count == forecast->write_room) {
        uint32_t room = forecast->write_room == 0 ? 32 : forecast->write_room * 2;
        struct written *more = arena_array(forecast->arena, room, sizeof(*more));
        for (uint32_t i = 0; i < forecast->write_count; i++)
            more[i] = forecast->writes[i];
        forecast->writes = more;
        forecast->write_room = room;
    }
    forecast->writes[forecast->write_count++] = *written;
}

static void collect(struct forecast *forecast, const struct rollout_explanation *planner,
                    const char *artifact, const char *blueprint, const struct rollout *rollout)
{
    for (uint32_t i = 0; i < rollout->change_count; i++) {
        const struct rollout_change *change = &rollout->changes[i];
        if (is_told(forecast, blueprint)) tell_change(forecast, planner, artifact, change);
        note_write(forecast, &(struct written){ .artifact = arena_strdup(forecast->arena, artifact),
                                                .node = arena_strdup(forecast->arena, change->node),
                                                .allocation = stamped(forecast, change->allocation) });
    }
}

static void plan_slices(struct forecast *forecast)
{
    const struct view_blueprint *blueprint = NULL;
    for (const char *key = "";
         (blueprint = deployment_view_next_blueprint(&forecast->after, &key)) != NULL;) {
        for (uint32_t i = 0; i < blueprint->blueprint.slice_count; i++) {
            const struct blueprint_slice *slice = &blueprint->blueprint.slices[i];
            struct arena arena = { 0 };
            struct rollout rollout;
            struct rollout_explanation planner;
            rollout_slice(&arena, &forecast->after, blueprint, slice, &forecast->memory, &rollout);
            rollout_explain(&arena, &forecast->after, blueprint, slice, &forecast->memory, &planner);
            collect(forecast, &planner, slice->artifact, blueprint->name, &rollout);
            arena_fini(&arena);
        }
    }
}

static void plan_orphans(struct forecast *forecast)
{
    const struct view_allocation *allocation = NULL;
    char last[COORDINATES_TEXT_MAX] = "";
    for (const char *key = "";
         (allocation = deployment_view_next_allocation(&forecast->after, &key)) != NULL;) {
        if (strcmp(last, allocation->artifact) == 0) continue; /* They follow each other. */
        (void)text_copy(last, sizeof(last), allocation->artifact);
        if (!rollout_is_orphan(&forecast->after, allocation)) continue;
        struct arena arena = { 0 };
        struct rollout rollout;
        rollout_orphan(&arena, &forecast->after, allocation->artifact, &rollout);
        collect(forecast, NULL, allocation->artifact, allocation->allocation.blueprint, &rollout);
        arena_fini(&arena);
    }
}

static void apply(struct forecast *forecast)
{
    for (uint32_t i = 0; i < forecast->write_count; i++) {
        const struct written *written = &forecast->writes[i];
        deployment_view_put_allocation(&forecast->after, written->artifact, written->node,
                                       written->allocation, forecast->revision);
    }
}

/* What an instance is once its node has done its part. What failed for good stays so. */
static struct slice_instance settled(const struct allocation_instance *assigned,
                                     const struct slice_instance *recorded)
{
    bool failed = recorded != NULL && recorded->state == SLICE_FAILED && recorded->rev == assigned->rev;
    if (failed) return *recorded;
    return (struct slice_instance){
        .instance = assigned->instance, .state = SLICE_ACTIVE, .rev = assigned->rev, .reason = "", .text = ""
    };
}

static bool settle_allocation(struct forecast *forecast, const struct view_allocation *allocation)
{
    struct arena arena = { 0 };
    bool changed = false;
    uint32_t count = allocation->allocation.instance_count;
    struct slice_instance *instances = arena_array(&arena, count, sizeof(*instances));
    const struct view_record *before =
        deployment_view_record(&forecast->after, allocation->node, allocation->artifact);
    for (uint32_t i = 0; i < count; i++) {
        const struct allocation_instance *assigned = &allocation->allocation.instances[i];
        const struct slice_instance *recorded =
            before == NULL ? NULL : slice_record_find(&before->record, assigned->instance);
        instances[i] = settled(assigned, recorded);
        changed |=
            recorded == NULL || recorded->state != instances[i].state || recorded->rev != instances[i].rev;
    }
    changed |= before == NULL || before->record.instance_count != count;
    const struct slice_record record = { .state = SLICE_ACTIVE,
                                         .instances = instances,
                                         .instance_count = count };
    if (changed)
        deployment_view_put_record(&forecast->after, allocation->node, allocation->artifact, &record);
    arena_fini(&arena);
    return changed;
}

static bool is_lost(const struct deployment_view *view, const char *name)
{
    const struct view_node *node = NULL;
    for (const char *key = ""; (node = deployment_view_next_node(view, &key)) != NULL;) {
        if (strcmp(node->name, name) == 0) return strcmp(node->node.presence, "LOST") == 0;
    }
    return true;
}

/* The nodes do their part. false: they had nothing to do. */
static bool settle(struct forecast *forecast)
{
    bool changed = false;
    const struct view_allocation *allocation = NULL;
    for (const char *key = "";
         (allocation = deployment_view_next_allocation(&forecast->after, &key)) != NULL;) {
        if (!is_lost(&forecast->after, allocation->node)) changed |= settle_allocation(forecast, allocation);
    }
    char at[SLICE_KEY_MAX] = "";
    const char *key = at;
    const struct view_record *record = NULL;
    while ((record = deployment_view_next_record(&forecast->after, &key)) != NULL) {
        (void)text_copy(at, sizeof(at), key);
        key = at;
        if (deployment_view_allocation(&forecast->after, record->artifact, record->node) != NULL) continue;
        char artifact[COORDINATES_TEXT_MAX];
        char node[SLICE_NODE_MAX];
        (void)text_copy(artifact, sizeof(artifact), record->artifact);
        (void)text_copy(node, sizeof(node), record->node);
        deployment_view_put_record(&forecast->after, node, artifact, NULL);
        changed = true;
    }
    return changed;
}

static uint32_t serving(const struct deployment_view *view, const struct told *told)
{
    const struct blueprint_slice *slice = told->after != NULL ? told->after : told->before;
    return rollout_serving(view, told->slice->blueprint, slice->artifact);
}

static void count_least(struct forecast *forecast)
{
    for (uint32_t i = 0; i < forecast->told_count; i++) {
        struct told *told = &forecast->told[i];
        uint32_t now = serving(&forecast->after, told);
        if (now < told->slice->least) told->slice->least = now;
    }
}

/* true: to its end. */
static bool follow(struct forecast *forecast)
{
    count_least(forecast);
    for (;;) {
        forecast->revision++;
        forecast->write_count = 0;
        forecast->step++;
        if (forecast->step > FORECAST_STEPS_MAX) return false;
        plan_slices(forecast);
        plan_orphans(forecast);
        apply(forecast);
        count_least(forecast);
        bool nothing = forecast->write_count == 0;
        if (nothing) forecast->step--;
        if (!settle(forecast) && nothing) return true;
    }
}

/* --- the question, and the whole ----------------------------------------------------------------------- */

static void tell_slice(struct forecast *forecast, const char *blueprint, const struct blueprint_slice *before,
                       const struct blueprint_slice *after)
{
    const struct blueprint_slice *slice = after != NULL ? after : before;
    struct told *told = &forecast->told[forecast->told_count++];
    Pb__PlannedSlice *planned = arena_alloc(forecast->arena, sizeof(*planned));
    pb__planned_slice__init(planned);
    *told = (struct told){ .before = before, .after = after, .slice = planned };
    planned->artifact = wire_string(forecast->reply, slice->artifact);
    planned->blueprint = wire_string(forecast->reply, blueprint);
    planned->change = wire_string(forecast->reply, change_of(forecast->arena, before, after));
    planned->wanted = after == NULL ? 0 : after->instances;
    planned->min_available = after == NULL ? 0 : after->min_available;
    planned->active = serving(forecast->before, told);
    planned->least = planned->active;
}

static uint32_t count_slices(const struct deployment_view *view)
{
    uint32_t count = 0;
    const struct view_blueprint *blueprint = NULL;
    for (const char *key = ""; (blueprint = deployment_view_next_blueprint(view, &key)) != NULL;)
        count += blueprint->blueprint.slice_count;
    return count;
}

static const struct blueprint_slice *find_unversioned(const struct view_blueprint *blueprint,
                                                      const char *artifact)
{
    return blueprint == NULL ? NULL : blueprint_find_unversioned(&blueprint->blueprint, artifact);
}

/* Every slice that is asked for, then those that were. */
static void tell_slices(struct forecast *forecast)
{
    const struct deployment_view *before = forecast->before;
    const struct deployment_view *after = &forecast->after;
    const struct view_blueprint *blueprint = NULL;
    forecast->told = arena_array(forecast->arena, (size_t)count_slices(before) + count_slices(after),
                                 sizeof(*forecast->told));
    for (const char *key = ""; (blueprint = deployment_view_next_blueprint(after, &key)) != NULL;) {
        const struct view_blueprint *was = deployment_view_blueprint(before, blueprint->name);
        for (uint32_t i = 0; is_told(forecast, blueprint->name) && i < blueprint->blueprint.slice_count;
             i++) {
            const struct blueprint_slice *slice = &blueprint->blueprint.slices[i];
            tell_slice(forecast, blueprint->name, find_unversioned(was, slice->artifact), slice);
        }
    }
    for (const char *key = ""; (blueprint = deployment_view_next_blueprint(before, &key)) != NULL;) {
        const struct view_blueprint *then = deployment_view_blueprint(after, blueprint->name);
        for (uint32_t i = 0; is_told(forecast, blueprint->name) && i < blueprint->blueprint.slice_count;
             i++) {
            const struct blueprint_slice *slice = &blueprint->blueprint.slices[i];
            if (find_unversioned(then, slice->artifact) == NULL)
                tell_slice(forecast, blueprint->name, slice, NULL);
        }
    }
}

static const char *why_fewer(struct forecast *forecast, const struct told *told, const struct rollout *end)
{
    if (told->slice->missing > 0) return end->reason;
    if (told->slice->placed < told->slice->wanted && told->after != NULL)
        return "not all would be ACTIVE: slice explain says more";
    if (told->slice->least >= told->slice->min_available) return "";
    return arena_printf(forecast->arena, "%u serve for a while; min-available is %u", told->slice->least,
                        told->slice->min_available);
}

static void tell_ends(struct forecast *forecast, uint32_t *out_missing)
{
    Pb__BlueprintPlanReply *body = forecast->reply->body;
    body->slices = arena_array(forecast->arena, forecast->told_count, sizeof(*body->slices));
    for (uint32_t i = 0; i < forecast->told_count; i++) {
        struct told *told = &forecast->told[i];
        struct rollout end = { .reason = "" };
        const struct view_blueprint *blueprint =
            deployment_view_blueprint(&forecast->after, told->slice->blueprint);
        if (told->after != NULL && blueprint != NULL)
            rollout_slice(forecast->arena, &forecast->after, blueprint, told->after, &forecast->memory, &end);
        told->slice->placed = serving(&forecast->after, told);
        told->slice->missing = end.missing;
        told->slice->reason = wire_string(forecast->reply, why_fewer(forecast, told, &end));
        *out_missing += end.missing;
        body->slices[body->n_slices++] = told->slice;
    }
}

static const char *summary_of(const struct forecast *forecast, uint32_t missing)
{
    const Pb__BlueprintPlanReply *body = forecast->reply->body;
    const char *lack = missing == 0 ? ""
                                    : arena_printf(forecast->arena, "; %u instance%s would find no node",
                                                   missing, missing == 1 ? "" : "s");
    const char *more = body->complete ? "" : "; it would go on, and was not followed further";
    if (body->n_changes == 0) return arena_printf(forecast->arena, "nothing would change%s", lack);
    uint32_t steps = body->changes[body->n_changes - 1]->step;
    return arena_printf(forecast->arena, "%zu change%s in %u step%s%s%s", body->n_changes,
                        body->n_changes == 1 ? "" : "s", steps, steps == 1 ? "" : "s", lack, more);
}

static enum status check_names(const struct deployment_view *view, const struct forecast_question *question,
                               struct error *error)
{
    const struct view_node *node = NULL;
    const struct view_node *dead = NULL;
    for (const char *key = ""; (node = deployment_view_next_node(view, &key)) != NULL;) {
        if (strcmp(node->name, question->without) == 0) dead = node;
    }
    bool known = question->blueprint != NULL || question->name[0] == '\0' ||
                 deployment_view_blueprint(view, question->name) != NULL;
    if (!known) {
        (void)error_set(error, STATUS_NOT_FOUND, "there is no blueprint of that name");
        error_hint(error, "aether blueprint list shows what there is");
        return STATUS_NOT_FOUND;
    }
    if (question->without[0] == '\0' || dead != NULL) return STATUS_OK;
    (void)error_set(error, STATUS_NOT_FOUND, "there is no node of that name");
    error_hint(error, "aether node list shows what there is");
    return STATUS_NOT_FOUND;
}

/* As slice_rules.c would refuse it. */
static enum status check_owners(const struct deployment_view *view, const struct blueprint *ours,
                                struct error *error)
{
    const struct view_blueprint *other = NULL;
    for (const char *key = "";
         ours != NULL && (other = deployment_view_next_blueprint(view, &key)) != NULL;) {
        if (strcmp(other->name, ours->name) == 0) continue;
        for (uint32_t i = 0; i < ours->slice_count; i++) {
            const char *artifact = ours->slices[i].artifact;
            if (blueprint_find(&other->blueprint, artifact) == NULL) continue;
            (void)error_set(error, STATUS_CONFLICT, "%s belongs to blueprint %s", artifact, other->name);
            error_hint(error, "delete it there first, or publish it under that name");
            return STATUS_CONFLICT;
        }
    }
    return STATUS_OK;
}

static void suppose(struct forecast *forecast)
{
    const struct forecast_question *question = forecast->question;
    const struct view_blueprint *now =
        question->blueprint == NULL ? NULL
                                    : deployment_view_blueprint(forecast->before, question->blueprint->name);
    bool changes = question->blueprint != NULL &&
                   (now == NULL || !blueprint_equal(&now->blueprint, question->blueprint));
    forecast->revision++;
    if (changes) deployment_view_put_blueprint(&forecast->after, question->blueprint, forecast->revision);
    if (question->without[0] != '\0') deployment_view_lose_node(&forecast->after, question->without);
}

enum status forecast_fill(struct message *reply, const struct deployment_view *view,
                          const struct forecast_question *question, struct error *error)
{
    Pb__BlueprintPlanReply *body = reply->body;
    struct forecast forecast = {
        .reply = reply,
        .arena = &reply->arena,
        .question = question,
        .before = view,
        .revision = question->revision,
    };
    forecast.memory = (struct rollout_memory){ excluded, renews, restarts, &forecast };
    enum status status = check_names(view, question, error);
    if (status == STATUS_OK) status = check_owners(view, question->blueprint, error);
    if (status != STATUS_OK) return status;
    deployment_view_copy(view, &forecast.after);
    suppose(&forecast);
    tell_slices(&forecast);
    body->name = wire_string(reply, question->name);
    body->without = wire_string(reply, question->without);
    body->complete = follow(&forecast);
    uint32_t missing = 0;
    tell_ends(&forecast, &missing);
    body->summary = wire_string(reply, summary_of(&forecast, missing));
    deployment_view_fini(&forecast.after);
    return STATUS_OK;
}
