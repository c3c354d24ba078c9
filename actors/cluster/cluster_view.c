/* cluster_view: see the header. */
#include "actors/cluster/cluster_view.h"

#include "runtime/base/text.h"
#include "store/schema/cluster_members.h"

#include <string.h>

static void clear(struct tree *documents)
{
    const char *key = "";
    void *value = NULL;
    for (bool more = tree_at_or_after(documents, key, &key, &value); more;
         more = tree_after(documents, key, &key, &value)) {
        struct value *document = value;
        value_free(&document);
    }
    tree_fini(documents);
}

static struct value *parse(const Pb__KvRecord *record)
{
    struct value *document = NULL;
    const char *text = record->value.len == 0 ? "" : (const char *)record->value.data;
    if (value_parse_json(text, record->value.len, &document, NULL) != STATUS_OK) return NULL;
    if (value_type(document) != VALUE_OBJECT) value_free(&document);
    return document;
}

void cluster_view_accept(struct tree *documents, const char *prefix, const Pb__KvEvent *event)
{
    if (event == NULL) {
        clear(documents);
        return;
    }
    const char *key = event->record->key;
    if (!text_starts_with(key, prefix)) return;
    key += strlen(prefix);
    struct value *document = event->deleted ? NULL : parse(event->record);
    struct value *former =
        document == NULL ? tree_remove(documents, key) : tree_put(documents, key, document);
    value_free(&former);
}

void cluster_view_fini(struct cluster_view *view)
{
    clear(&view->nodes);
    clear(&view->slices);
    clear(&view->blueprints);
    clear(&view->wishes);
    clear(&view->alarms);
    clear(&view->members);
}

const struct value *cluster_view_node(const struct cluster_view *view, const char *node)
{
    return tree_get(&view->nodes, node);
}

const char *cluster_view_role(const struct cluster_view *view, const char *node)
{
    struct cluster_members members;
    cluster_members_read(tree_get(&view->members, ""), &members);
    const struct configuration_member *member = cluster_members_find(&members, node);
    if (member == NULL) return value_get_string(cluster_view_node(view, node), "role", "");
    return member->voter ? "voter" : "learner";
}

const char *cluster_view_wish(const struct cluster_view *view, const char *node)
{
    return value_get_string(tree_get(&view->wishes, node), "wish", "");
}

const struct value *cluster_view_next(const struct tree *documents, const char **key)
{
    void *document = NULL;
    bool found = *key == NULL ? tree_at_or_after(documents, "", key, &document)
                              : tree_after(documents, *key, key, &document);
    return found ? document : NULL;
}

uint32_t cluster_view_wanted(const struct cluster_view *view)
{
    int64_t wanted = 0;
    const struct value *blueprint = NULL;
    for (const char *key = NULL; (blueprint = cluster_view_next(&view->blueprints, &key)) != NULL;) {
        const struct value *slices = value_get(blueprint, "slices");
        for (size_t i = 0; i < value_size(slices); i++) {
            wanted += value_get_integer(value_at(slices, i), "instances", 1);
        }
    }
    return (uint32_t)wanted;
}

static void count_active(void *context, const char *artifact, const struct value *instance)
{
    uint32_t *active = context;
    (void)artifact;
    if (strcmp(value_get_string(instance, "state", ""), "ACTIVE") == 0) ++*active;
}

uint32_t cluster_view_active(const struct cluster_view *view)
{
    uint32_t active = 0;
    cluster_view_instances(view, NULL, count_active, &active);
    return active;
}

/* "node/artifact": the artifact, if it is this node's (NULL: any's); else NULL. */
static const char *artifact_on(const char *key, const char *node)
{
    const char *slash = strchr(key, '/');
    if (slash == NULL) return NULL;
    size_t length = (size_t)(slash - key);
    bool theirs = node == NULL || (strlen(node) == length && memcmp(key, node, length) == 0);
    return theirs ? slash + 1 : NULL;
}

void cluster_view_instances(const struct cluster_view *view, const char *node,
                            void (*visit)(void *context, const char *artifact, const struct value *instance),
                            void *context)
{
    const struct value *record = NULL;
    for (const char *key = NULL; (record = cluster_view_next(&view->slices, &key)) != NULL;) {
        const char *artifact = artifact_on(key, node);
        if (artifact == NULL) continue;
        const struct value *instances = value_get(record, "instances");
        for (size_t i = 0; i < value_size(instances); i++) {
            visit(context, artifact, value_at(instances, i));
        }
    }
}
