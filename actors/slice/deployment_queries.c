/* deployment_queries: see the header. */
#include "actors/slice/deployment_queries.h"

#include "actors/slice/rollout.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"

#include <string.h>

struct found { /* One instance, assigned or recorded. */
    const char *artifact;
    const char *node;
    uint32_t number;
    const struct slice_instance *recorded; /* NULL: not begun. */
};
struct collecting {
    struct message *reply;
    const struct deployment_view *view;
    struct found *found;
    size_t count;
    size_t room;
};

static void add(struct collecting *collecting, const struct found *found)
{
    if (collecting->count == collecting->room) {
        size_t room = collecting->room == 0 ? 16 : collecting->room * 2;
        struct found *more = arena_array(&collecting->reply->arena, room, sizeof(*more));
        for (size_t i = 0; i < collecting->count; i++)
            more[i] = collecting->found[i];
        collecting->found = more;
        collecting->room = room;
    }
    collecting->found[collecting->count++] = *found;
}

static void add_allocation(struct collecting *collecting, const struct view_allocation *allocation)
{
    for (uint32_t i = 0; i < allocation->allocation.instance_count; i++) {
        uint32_t number = allocation->allocation.instances[i].instance;
        const struct slice_instance *recorded =
            deployment_view_instance(collecting->view, allocation->node, allocation->artifact, number);
        add(collecting, &(struct found){ allocation->artifact, allocation->node, number, recorded });
    }
}

/* What is recorded without an allocation belongs to no blueprint any more; it is shown until it is gone. */
static void add_leaving(struct collecting *collecting, const struct view_record *record)
{
    const struct view_allocation *allocation =
        deployment_view_allocation(collecting->view, record->artifact, record->node);
    for (uint32_t i = 0; i < record->record.instance_count; i++) {
        const struct slice_instance *instance = &record->record.instances[i];
        if (allocation != NULL && slice_allocation_find(&allocation->allocation, instance->instance) != NULL)
            continue;
        add(collecting, &(struct found){ record->artifact, record->node, instance->instance, instance });
    }
}

static int compare(const struct found *a, const struct found *b)
{
    int order = strcmp(a->artifact, b->artifact);
    if (order != 0) return order;
    if (a->number != b->number) return a->number < b->number ? -1 : 1;
    return strcmp(a->node, b->node);
}

static void sort(struct collecting *collecting)
{
    for (size_t i = 1; i < collecting->count; i++) {
        struct found moved = collecting->found[i];
        size_t at = i;
        for (; at > 0 && compare(&moved, &collecting->found[at - 1]) < 0; at--)
            collecting->found[at] = collecting->found[at - 1];
        collecting->found[at] = moved;
    }
}

static struct collecting collect(struct message *reply, const struct deployment_view *view,
                                 const char *blueprint, const char *artifact)
{
    struct collecting collecting = { .reply = reply, .view = view };
    const struct view_allocation *allocation = NULL;
    const struct view_record *record = NULL;
    const struct view_blueprint *of =
        blueprint[0] == '\0' ? NULL : deployment_view_blueprint(view, blueprint);
    for (const char *key = ""; (allocation = deployment_view_next_allocation(view, &key)) != NULL;) {
        if (blueprint[0] != '\0' && strcmp(allocation->allocation.blueprint, blueprint) != 0) continue;
        if (artifact[0] == '\0' || strcmp(allocation->artifact, artifact) == 0)
            add_allocation(&collecting, allocation);
    }
    for (const char *key = ""; (record = deployment_view_next_record(view, &key)) != NULL;) {
        bool known = blueprint[0] == '\0' ||
                     (of != NULL && blueprint_find_unversioned(&of->blueprint, record->artifact) != NULL);
        if (!known) continue;
        if (artifact[0] == '\0' || strcmp(record->artifact, artifact) == 0) add_leaving(&collecting, record);
    }
    sort(&collecting);
    return collecting;
}

static const char not_begun[] = "assigned, not begun";

static Pb__InstanceView *view_of(struct message *reply, const struct found *found)
{
    const struct slice_instance *recorded = found->recorded;
    Pb__InstanceView *view = arena_alloc(&reply->arena, sizeof(*view));
    pb__instance_view__init(view);
    view->artifact = wire_string(reply, found->artifact);
    view->node = wire_string(reply, found->node);
    view->instance = found->number;
    view->state = wire_string(reply, recorded == NULL ? "" : slice_state_name(recorded->state));
    view->reason = wire_string(reply, recorded == NULL ? not_begun : recorded->reason);
    if (recorded == NULL) return view;
    view->text = wire_string(reply, recorded->text);
    view->attempt = recorded->attempt;
    view->since = recorded->since;
    view->download_bytes = recorded->download_bytes;
    view->download_total_bytes = recorded->download_total_bytes;
    return view;
}

void deployment_queries_instances(struct message *reply, const struct deployment_view *view,
                                  const char *blueprint, const char *artifact, Pb__InstanceView ***out_views,
                                  size_t *out_count)
{
    struct collecting collecting = collect(reply, view, blueprint, artifact);
    Pb__InstanceView **views = arena_array(&reply->arena, collecting.count, sizeof(*views));
    for (size_t i = 0; i < collecting.count; i++)
        views[i] = view_of(reply, &collecting.found[i]);
    *out_views = views;
    *out_count = collecting.count;
}

static Pb__InstanceDetail *detail_of(struct message *reply, const struct found *found)
{
    const struct slice_instance *recorded = found->recorded;
    const char *version = strrchr(found->artifact, ':');
    Pb__InstanceDetail *detail = arena_alloc(&reply->arena, sizeof(*detail));
    pb__instance_detail__init(detail);
    detail->artifact = wire_string(reply, found->artifact);
    detail->version = wire_string(reply, version == NULL ? "" : version + 1);
    detail->node = wire_string(reply, found->node);
    detail->instance = found->number;
    detail->state = wire_string(reply, recorded == NULL ? "" : slice_state_name(recorded->state));
    detail->reason = wire_string(reply, recorded == NULL ? not_begun : recorded->reason);
    if (recorded == NULL) return detail;
    detail->text = wire_string(reply, recorded->text);
    detail->attempt = recorded->attempt;
    detail->since = recorded->since;
    detail->next_retry = recorded->retry_at;
    detail->download_bytes = recorded->download_bytes;
    detail->download_total_bytes = recorded->download_total_bytes;
    return detail;
}

static void add_details(struct message *reply, const struct deployment_view *view, const char *artifact)
{
    Pb__SliceShowReply *show = reply->body;
    struct collecting collecting = collect(reply, view, "", artifact);
    show->instances = arena_array(&reply->arena, collecting.count, sizeof(*show->instances));
    for (size_t i = 0; i < collecting.count; i++)
        show->instances[show->n_instances++] = detail_of(reply, &collecting.found[i]);
}

void deployment_queries_list_slices(struct message *reply, const struct deployment_view *view,
                                    const char *blueprint)
{
    Pb__SliceListReply *list = reply->body;
    deployment_queries_instances(reply, view, blueprint, "", &list->instances, &list->n_instances);
}

void deployment_queries_list_blueprints(struct message *reply, const struct deployment_view *view)
{
    Pb__BlueprintListReply *list = reply->body;
    const struct view_blueprint *item = NULL;
    list->blueprints = arena_array(&reply->arena, view->blueprints.count, sizeof(Pb__BlueprintSummary *));
    for (const char *key = ""; (item = deployment_view_next_blueprint(view, &key)) != NULL;) {
        Pb__BlueprintSummary *summary = arena_alloc(&reply->arena, sizeof(*summary));
        pb__blueprint_summary__init(summary);
        summary->name = wire_string(reply, item->name);
        summary->revision = item->revision;
        summary->slices = item->blueprint.slice_count;
        summary->timestamp = item->blueprint.timestamp;
        for (uint32_t i = 0; i < item->blueprint.slice_count; i++) {
            struct rollout_count count;
            rollout_count(view, item->blueprint.slices[i].artifact, 0, &count);
            summary->instances_wanted += item->blueprint.slices[i].instances;
            summary->instances_active += count.active;
        }
        list->blueprints[list->n_blueprints++] = summary;
    }
}

static enum status not_found(struct error *error, const char *what, const char *name, const char *verb)
{
    (void)error_set(error, STATUS_NOT_FOUND, "there is no %s %.200s", what, name);
    error_hint(error, "aether %s shows what there is", verb);
    return STATUS_NOT_FOUND;
}

enum status deployment_queries_get_blueprint(struct message *reply, const struct deployment_view *view,
                                             const char *name, struct error *error)
{
    Pb__BlueprintGetReply *get = reply->body;
    const struct view_blueprint *item = deployment_view_blueprint(view, name);
    if (item == NULL) {
        bool named = coordinates_part_is_valid(name, BLUEPRINT_NAME_MAX);
        return not_found(error, "blueprint", named ? name : "of that name", "blueprint list");
    }
    get->name = wire_string(reply, item->name);
    get->revision = item->revision;
    get->document = wire_string(reply, item->text);
    return STATUS_OK;
}

static Pb__BlueprintRevision *revision_of(struct message *reply, const struct view_blueprint *past,
                                          const struct view_blueprint *current)
{
    Pb__BlueprintRevision *revision = arena_alloc(&reply->arena, sizeof(*revision));
    pb__blueprint_revision__init(revision);
    revision->revision = past->revision;
    revision->timestamp = past->blueprint.timestamp;
    revision->slices = past->blueprint.slice_count;
    revision->current = current != NULL && current->revision == past->revision;
    revision->artifacts = arena_array(&reply->arena, past->blueprint.slice_count, sizeof(char *));
    for (uint32_t i = 0; i < past->blueprint.slice_count; i++) {
        revision->instances += past->blueprint.slices[i].instances;
        revision->artifacts[revision->n_artifacts++] = wire_string(reply, past->blueprint.slices[i].artifact);
    }
    return revision;
}

/* Of a blueprint that was deleted, too: rollback brings it back. */
enum status deployment_queries_history(struct message *reply, const struct deployment_view *view,
                                       const char *name, struct error *error)
{
    Pb__BlueprintHistoryReply *history = reply->body;
    const struct view_blueprint *current = deployment_view_blueprint(view, name);
    const struct view_blueprint *past = NULL;
    history->name = wire_string(reply, name);
    history->revisions = arena_array(&reply->arena, view->history.count, sizeof(*history->revisions));
    for (const char *key = ""; (past = deployment_view_next_revision(view, name, &key)) != NULL;) {
        size_t at = history->n_revisions++;
        for (; at > 0 && history->revisions[at - 1]->revision < past->revision; at--)
            history->revisions[at] = history->revisions[at - 1];
        history->revisions[at] = revision_of(reply, past, current);
    }
    if (history->n_revisions > 0) return STATUS_OK;
    bool named = coordinates_part_is_valid(name, BLUEPRINT_NAME_MAX);
    return not_found(error, "blueprint", named ? name : "of that name", "blueprint list");
}

struct wanted_slice {
    const struct view_blueprint *blueprint;
    const struct blueprint_slice *slice;
};

/* The slice that a blueprint asks for under these coordinates. */
static struct wanted_slice find_wanted(const struct deployment_view *view, const struct coordinates *wanted)
{
    const struct view_blueprint *item = NULL;
    for (const char *key = ""; (item = deployment_view_next_blueprint(view, &key)) != NULL;) {
        for (uint32_t i = 0; i < item->blueprint.slice_count; i++) {
            const struct blueprint_slice *slice = &item->blueprint.slices[i];
            if (coordinates_match(wanted, slice->artifact)) return (struct wanted_slice){ item, slice };
        }
    }
    return (struct wanted_slice){ 0 };
}

enum status deployment_queries_find_slice(const struct deployment_view *view, const char *artifact,
                                          const struct view_blueprint **out_blueprint,
                                          const struct blueprint_slice **out_slice, struct error *error)
{
    struct coordinates wanted;
    enum status status = coordinates_parse(artifact, COORDINATES_ANY, &wanted, error);
    if (status != STATUS_OK) return status;
    struct wanted_slice found = find_wanted(view, &wanted);
    *out_blueprint = found.blueprint;
    *out_slice = found.slice;
    return found.slice == NULL ? not_found(error, "slice", artifact, "slice list") : STATUS_OK;
}

static void add_entries(struct message *reply, const struct endpoint_table *endpoints, const char *artifact)
{
    Pb__SliceShowReply *show = reply->body;
    const struct endpoint *endpoint = NULL;
    show->entries = arena_array(&reply->arena, SLICE_ENTRIES_MAX, sizeof(char *));
    for (const char *key = ""; (endpoint = endpoint_table_next(endpoints, &key)) != NULL;) {
        if (strcmp(endpoint->artifact, artifact) != 0) continue;
        bool known = false;
        for (size_t i = 0; i < show->n_entries && !known; i++)
            known = strcmp(show->entries[i], endpoint->entry) == 0;
        if (known || show->n_entries == SLICE_ENTRIES_MAX) continue;
        show->entries[show->n_entries++] = wire_string(reply, endpoint->entry);
    }
}

enum status deployment_queries_show_slice(struct message *reply, const struct deployment_view *view,
                                          const struct endpoint_table *endpoints, const char *artifact,
                                          struct error *error)
{
    Pb__SliceShowReply *show = reply->body;
    struct rollout_count count;
    struct wanted_slice found = { 0 };
    enum status status = deployment_queries_find_slice(view, artifact, &found.blueprint, &found.slice, error);
    if (status != STATUS_OK) return status;
    rollout_count(view, found.slice->artifact, 0, &count);
    show->artifact = wire_string(reply, found.slice->artifact);
    show->blueprint = wire_string(reply, found.blueprint->name);
    show->sha256 = wire_string(reply, found.slice->sha256);
    show->wanted = found.slice->instances;
    show->active = count.active;
    add_details(reply, view, found.slice->artifact);
    add_entries(reply, endpoints, found.slice->artifact);
    return STATUS_OK;
}
