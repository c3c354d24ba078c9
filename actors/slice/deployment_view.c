/* deployment_view: see the header. */
#include "actors/slice/deployment_view.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

#define HISTORY "blueprint-history/"

/* Every kind of item begins with its arena. */
static void free_item(void *item)
{
    if (item == NULL) return;
    arena_fini(item);
    memory_free(item);
}

static void clear(struct tree *tree)
{
    const char *key = NULL;
    void *item = NULL;
    while (tree_at_or_after(tree, "", &key, &item)) {
        char copy[SLICE_KEY_MAX];
        (void)text_copy(copy, sizeof(copy), key);
        free_item(tree_remove(tree, copy));
    }
}

void deployment_view_fini(struct deployment_view *view)
{
    struct tree *const trees[] = { &view->blueprints, &view->history, &view->allocations, &view->records,
                                   &view->nodes };
    for (size_t i = 0; i < ARRAY_COUNT(trees); i++) {
        clear(trees[i]);
        tree_fini(trees[i]);
    }
}

static void *next(const struct tree *tree, const char **key)
{
    void *item = NULL;
    return tree_after(tree, *key, key, &item) ? item : NULL;
}

/* The snapshot's begin and deletions, the same for every kind. true: nothing is left to do. */
static bool is_handled(struct tree *tree, const Pb__KvEvent *event)
{
    if (event == NULL) {
        clear(tree);
        return true;
    }
    free_item(tree_remove(tree, event->record->key));
    return event->deleted;
}

/* Puts what was read, or drops what could not be. */
static void settle(struct tree *tree, const Pb__KvEvent *event, void *item, bool good)
{
    if (good) free_item(tree_put(tree, event->record->key, item));
    else free_item(item);
}

/* --- learning ----------------------------------------------------------------------------------------- */

static void see_revision(struct tree *tree, const Pb__KvEvent *event, const char *name)
{
    const Pb__KvRecord *record = event->record;
    struct view_blueprint *item = memory_zalloc(sizeof(*item));
    item->name = arena_strdup(&item->arena, name);
    item->text = arena_strndup(&item->arena, (const char *)record->value.data, record->value.len);
    item->revision = record->revision;
    settle(tree, event, item,
           blueprint_read(&item->arena, item->name, record->value.data, record->value.len, &item->blueprint,
                          NULL) == STATUS_OK);
}

void deployment_view_see_blueprint(void *context, const Pb__KvEvent *event)
{
    struct deployment_view *view = context;
    const char *name = NULL;
    if (is_handled(&view->blueprints, event)) return;
    if (slice_key_blueprint_parse(event->record->key, &name)) see_revision(&view->blueprints, event, name);
}

void deployment_view_see_history(void *context, const Pb__KvEvent *event)
{
    struct deployment_view *view = context;
    char name[BLUEPRINT_NAME_MAX];
    if (is_handled(&view->history, event)) return;
    const char *from = event->record->key + strlen(HISTORY);
    size_t length = strcspn(from, "/");
    if (length == 0 || length >= sizeof(name)) return;
    memcpy(name, from, length);
    name[length] = '\0';
    see_revision(&view->history, event, name);
}

void deployment_view_see_allocation(void *context, const Pb__KvEvent *event)
{
    struct deployment_view *view = context;
    if (is_handled(&view->allocations, event)) return;
    const Pb__KvRecord *record = event->record;
    struct view_allocation *item = memory_zalloc(sizeof(*item));
    item->revision = record->revision;
    settle(&view->allocations, event, item,
           slice_key_allocation_parse(record->key, item->artifact, item->node) &&
               slice_allocation_read(&item->arena, record->value.data, record->value.len, &item->allocation,
                                     NULL) == STATUS_OK);
}

void deployment_view_see_record(void *context, const Pb__KvEvent *event)
{
    struct deployment_view *view = context;
    if (is_handled(&view->records, event)) return;
    const Pb__KvRecord *record = event->record;
    struct view_record *item = memory_zalloc(sizeof(*item));
    settle(&view->records, event, item,
           slice_key_record_parse(record->key, item->node, item->artifact) &&
               slice_record_read(&item->arena, record->value.data, record->value.len, &item->record, NULL) ==
                   STATUS_OK);
}

void deployment_view_see_node(void *context, const Pb__KvEvent *event)
{
    struct deployment_view *view = context;
    if (is_handled(&view->nodes, event)) return;
    const Pb__KvRecord *record = event->record;
    struct view_node *item = memory_zalloc(sizeof(*item));
    settle(&view->nodes, event, item,
           text_copy(item->name, sizeof(item->name), record->key + strlen("nodes/")) &&
               slice_node_read(&item->arena, record->value.data, record->value.len, &item->node, NULL) ==
                   STATUS_OK);
}

/* --- asking ------------------------------------------------------------------------------------------- */

const struct view_blueprint *deployment_view_blueprint(const struct deployment_view *view, const char *name)
{
    char key[SLICE_KEY_MAX];
    if (!coordinates_part_is_valid(name, BLUEPRINT_NAME_MAX)) return NULL;
    slice_key_blueprint(key, name);
    return tree_get(&view->blueprints, key);
}

const struct view_allocation *deployment_view_allocation(const struct deployment_view *view,
                                                         const char *artifact, const char *node)
{
    char key[SLICE_KEY_MAX];
    slice_key_allocation(key, artifact, node);
    return tree_get(&view->allocations, key);
}

const struct view_record *deployment_view_record(const struct deployment_view *view, const char *node,
                                                 const char *artifact)
{
    char key[SLICE_KEY_MAX];
    slice_key_record(key, node, artifact);
    return tree_get(&view->records, key);
}

const struct view_blueprint *deployment_view_next_blueprint(const struct deployment_view *view,
                                                            const char **key)
{
    return next(&view->blueprints, key);
}

const struct view_allocation *deployment_view_next_allocation(const struct deployment_view *view,
                                                              const char **key)
{
    return next(&view->allocations, key);
}

const struct view_blueprint *deployment_view_next_revision(const struct deployment_view *view,
                                                           const char *name, const char **key)
{
    const struct view_blueprint *past = NULL;
    while ((past = next(&view->history, key)) != NULL) {
        if (strcmp(past->name, name) == 0) return past;
    }
    return NULL;
}

const struct view_record *deployment_view_next_record(const struct deployment_view *view, const char **key)
{
    return next(&view->records, key);
}

const struct view_node *deployment_view_next_node(const struct deployment_view *view, const char **key)
{
    return next(&view->nodes, key);
}

const struct slice_instance *deployment_view_instance(const struct deployment_view *view, const char *node,
                                                      const char *artifact, uint32_t instance)
{
    const struct view_record *record = deployment_view_record(view, node, artifact);
    return record == NULL ? NULL : slice_record_find(&record->record, instance);
}

uint64_t deployment_view_runs_since(const struct deployment_view *view,
                                    const struct view_blueprint *blueprint,
                                    const struct blueprint_slice *slice)
{
    char prefix[SLICE_KEY_MAX];
    uint64_t differed = 0; /* The newest revision under which it ran otherwise, or not at all. */
    uint64_t since = 0;
    const char *key = prefix;
    (void)snprintf(prefix, sizeof(prefix), HISTORY "%s/", blueprint->name);
    const struct view_blueprint *past = NULL;
    while ((past = next(&view->history, &key)) != NULL && text_starts_with(key, prefix)) {
        const struct blueprint_slice *then = blueprint_find(&past->blueprint, slice->artifact);
        bool alike = then != NULL && blueprint_slice_runs_alike(then, slice);
        if (!alike && past->revision > differed) differed = past->revision;
    }
    if (differed == 0) return 0;
    key = prefix;
    while ((past = next(&view->history, &key)) != NULL && text_starts_with(key, prefix)) {
        bool earliest = since == 0 || past->revision < since;
        if (past->revision > differed && earliest) since = past->revision;
    }
    return since;
}

/* --- supposing ---------------------------------------------------------------------------------------- */

static void drop(struct tree *tree, const char *key)
{
    free_item(tree_remove(tree, key));
}

static void put_revision(struct tree *tree, const char *key, const struct view_blueprint *from)
{
    struct view_blueprint *item = memory_zalloc(sizeof(*item));
    item->name = arena_strdup(&item->arena, from->name);
    item->text = arena_strdup(&item->arena, from->text);
    item->revision = from->revision;
    enum status status =
        blueprint_read(&item->arena, item->name, item->text, strlen(item->text), &item->blueprint, NULL);
    CHECK(status == STATUS_OK); /* What it is copied from was read, or written, by the same rules. */
    free_item(tree_put(tree, key, item));
}

void deployment_view_put_blueprint(struct deployment_view *view, const struct blueprint *blueprint,
                                   uint64_t revision)
{
    struct arena arena = { 0 };
    char key[SLICE_KEY_MAX];
    char name[BLUEPRINT_NAME_MAX];
    (void)text_copy(name, sizeof(name), blueprint->name);
    const struct view_blueprint from = { .name = name,
                                         .text = blueprint_write(&arena, blueprint),
                                         .revision = revision };
    slice_key_blueprint(key, name);
    put_revision(&view->blueprints, key, &from);
    slice_key_history(key, name, revision);
    put_revision(&view->history, key, &from);
    arena_fini(&arena);
}

void deployment_view_put_allocation(struct deployment_view *view, const char *artifact, const char *node,
                                    const struct allocation *allocation, uint64_t revision)
{
    char key[SLICE_KEY_MAX];
    slice_key_allocation(key, artifact, node);
    if (allocation == NULL) {
        drop(&view->allocations, key);
        return;
    }
    struct view_allocation *item = memory_zalloc(sizeof(*item));
    struct allocation *copy = &item->allocation;
    (void)text_copy(item->artifact, sizeof(item->artifact), artifact);
    (void)text_copy(item->node, sizeof(item->node), node);
    item->revision = revision;
    *copy = *allocation;
    copy->instances = arena_memdup(&item->arena, allocation->instances,
                                   allocation->instance_count * sizeof(*allocation->instances));
    copy->blueprint = arena_strdup(&item->arena, allocation->blueprint);
    copy->sha256 = arena_strdup(&item->arena, allocation->sha256);
    free_item(tree_put(&view->allocations, key, item));
}

void deployment_view_put_record(struct deployment_view *view, const char *node, const char *artifact,
                                const struct slice_record *record)
{
    char key[SLICE_KEY_MAX];
    slice_key_record(key, node, artifact);
    if (record == NULL) {
        drop(&view->records, key);
        return;
    }
    struct view_record *item = memory_zalloc(sizeof(*item));
    struct slice_instance *instances = arena_array(&item->arena, record->instance_count, sizeof(*instances));
    for (uint32_t i = 0; i < record->instance_count; i++) {
        instances[i] = record->instances[i];
        instances[i].reason = arena_strdup(&item->arena, instances[i].reason);
        instances[i].text = arena_strdup(&item->arena, instances[i].text);
    }
    (void)text_copy(item->artifact, sizeof(item->artifact), artifact);
    (void)text_copy(item->node, sizeof(item->node), node);
    item->record = *record;
    item->record.instances = instances;
    free_item(tree_put(&view->records, key, item));
}

static void put_node(struct tree *tree, const char *key, const struct view_node *from)
{
    struct view_node *item = memory_zalloc(sizeof(*item));
    const char **labels = arena_array(&item->arena, 2 * (size_t)from->node.label_count, sizeof(*labels));
    for (size_t i = 0; i < 2 * (size_t)from->node.label_count; i++)
        labels[i] = arena_strdup(&item->arena, from->node.labels[i]);
    (void)text_copy(item->name, sizeof(item->name), from->name);
    item->node = from->node;
    item->node.state = arena_strdup(&item->arena, from->node.state);
    item->node.presence = arena_strdup(&item->arena, from->node.presence);
    item->node.labels = labels;
    free_item(tree_put(tree, key, item));
}

void deployment_view_lose_node(struct deployment_view *view, const char *node)
{
    char key[SLICE_KEY_MAX];
    const char *at = key;
    const struct view_record *record = NULL;
    (void)snprintf(key, sizeof(key), "nodes/%s", node);
    struct view_node *lost = tree_get(&view->nodes, key);
    if (lost != NULL) lost->node.presence = "LOST";
    slice_key_record(key, node, "");
    while ((record = next(&view->records, &at)) != NULL && strcmp(record->node, node) == 0) {
        drop(&view->records, at);
        at = key;
    }
}

void deployment_view_copy(const struct deployment_view *view, struct deployment_view *out_copy)
{
    const void *item = NULL;
    *out_copy = (struct deployment_view){ 0 };
    for (const char *key = ""; (item = next(&view->blueprints, &key)) != NULL;)
        put_revision(&out_copy->blueprints, key, item);
    for (const char *key = ""; (item = next(&view->history, &key)) != NULL;)
        put_revision(&out_copy->history, key, item);
    for (const char *key = ""; (item = next(&view->nodes, &key)) != NULL;)
        put_node(&out_copy->nodes, key, item);
    const struct view_allocation *allocation = NULL;
    for (const char *key = ""; (allocation = next(&view->allocations, &key)) != NULL;)
        deployment_view_put_allocation(out_copy, allocation->artifact, allocation->node,
                                       &allocation->allocation, allocation->revision);
    const struct view_record *record = NULL;
    for (const char *key = ""; (record = next(&view->records, &key)) != NULL;)
        deployment_view_put_record(out_copy, record->node, record->artifact, &record->record);
}
