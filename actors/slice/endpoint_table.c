/* endpoint_table: see the header. Each endpoint stands in two groups, that of its exact target and that of
 * any version. */
#include "actors/slice/endpoint_table.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

enum { TARGET_SIZE = COORDINATES_TEXT_MAX + COORDINATES_ARTIFACT_MAX };

/* --- targets ------------------------------------------------------------------------------------------- */

/* group:artifact/entry, or group:artifact:version/entry */
static void write_target(char *target, const struct endpoint *endpoint, bool exact)
{
    const char *artifact = endpoint->artifact;
    const char *version = strrchr(artifact, ':');
    CHECK(version != NULL); /* Exact coordinates. */
    int length = exact ? (int)strlen(artifact) : (int)(version - artifact);
    (void)snprintf(target, TARGET_SIZE, "%.*s/%s", length, artifact, endpoint->entry);
}

static struct endpoint_group *group_of(struct endpoint_table *table, const struct endpoint *endpoint,
                                       bool exact)
{
    char target[TARGET_SIZE];
    write_target(target, endpoint, exact);
    struct endpoint_group *group = map_get(&table->by_target, target);
    if (group != NULL) return group;
    group = memory_zalloc(sizeof(*group));
    group->target = memory_strdup(target);
    (void)map_put(&table->by_target, target, group);
    return group;
}

static void release_group(struct endpoint_table *table, struct endpoint_group *group)
{
    CHECK(group->holders > 0);
    if (--group->holders > 0) return;
    CHECK(group->count == 0); /* Live ones hold it. */
    (void)map_remove(&table->by_target, group->target);
    memory_free(group->target);
    memory_free(group->endpoints);
    memory_free(group);
}

static int compare(const struct endpoint *a, const struct endpoint *b)
{
    int order = strcmp(a->artifact, b->artifact);
    if (order != 0) return order;
    return a->instance < b->instance ? -1 : a->instance > b->instance;
}

static void group_add(struct endpoint_group *group, struct endpoint *endpoint)
{
    if (group->count == group->capacity) {
        group->capacity = group->capacity == 0 ? 4 : group->capacity * 2;
        group->endpoints = memory_realloc(group->endpoints, group->capacity * sizeof(struct endpoint *));
    }
    uint32_t at = group->count++;
    for (; at > 0 && compare(endpoint, group->endpoints[at - 1]) < 0; at--)
        group->endpoints[at] = group->endpoints[at - 1];
    group->endpoints[at] = endpoint;
}

static void group_remove(struct endpoint_group *group, const struct endpoint *endpoint)
{
    uint32_t at = 0;
    while (at < group->count && group->endpoints[at] != endpoint)
        at++;
    CHECK(at < group->count);
    for (group->count--; at < group->count; at++)
        group->endpoints[at] = group->endpoints[at + 1];
}

/* --- endpoints ----------------------------------------------------------------------------------------- */

struct endpoint *endpoint_table_acquire(struct endpoint *endpoint)
{
    endpoint->holders++;
    return endpoint;
}

void endpoint_table_release(struct endpoint_table *table, struct endpoint **endpoint)
{
    struct endpoint *held = *endpoint;
    if (held == NULL) return;
    *endpoint = NULL;
    CHECK(held->holders > 0);
    if (--held->holders > 0) return;
    CHECK(held->gone);
    release_group(table, held->exact);
    memory_free(held);
}

static void add(struct endpoint_table *table, const char *key, const struct endpoint *read)
{
    struct endpoint *endpoint = memory_alloc(sizeof(*endpoint));
    *endpoint = *read;
    endpoint->holders = 1;
    endpoint->weight = hash64(endpoint->artifact, strlen(endpoint->artifact), endpoint->instance);
    endpoint->exact = group_of(table, endpoint, true);
    struct endpoint_group *any = group_of(table, endpoint, false);
    endpoint->exact->holders++;
    any->holders++;
    group_add(endpoint->exact, endpoint);
    group_add(any, endpoint);
    (void)tree_put(&table->by_key, key, endpoint);
}

static void remove_key(struct endpoint_table *table, const char *key)
{
    struct endpoint *endpoint = tree_remove(&table->by_key, key);
    if (endpoint == NULL) return;
    struct endpoint_group *any = group_of(table, endpoint, false);
    group_remove(endpoint->exact, endpoint);
    group_remove(any, endpoint);
    release_group(table, any);
    endpoint->gone = true;
    endpoint_table_release(table, &endpoint);
}

void endpoint_table_clear(struct endpoint_table *table)
{
    const char *key = NULL;
    void *endpoint = NULL;
    while (tree_at_or_after(&table->by_key, "", &key, &endpoint)) {
        char copy[SLICE_KEY_MAX];
        (void)text_copy(copy, sizeof(copy), key);
        remove_key(table, copy);
    }
}

void endpoint_table_fini(struct endpoint_table *table)
{
    const char *name = NULL;
    void *node = NULL;
    endpoint_table_clear(table);
    CHECK(table->by_target.count == 0); /* Calls hold nothing any more. */
    for (size_t i = 0; map_next(&table->nodes, &i, &name, &node);)
        memory_free(node);
    tree_fini(&table->by_key);
    map_fini(&table->by_target);
    map_fini(&table->nodes);
}

static bool read_endpoint(struct endpoint_table *table, const char *key, const void *value, size_t size,
                          struct endpoint *out_endpoint)
{
    struct coordinates parsed;
    struct slice_endpoint record;
    struct endpoint endpoint = { 0 };
    if (!slice_key_endpoint_parse(key, endpoint.artifact, endpoint.entry, &endpoint.instance)) return false;
    if (coordinates_parse(endpoint.artifact, COORDINATES_EXACT, &parsed, NULL) != STATUS_OK) return false;
    struct arena arena = { 0 };
    bool good = slice_endpoint_read(&arena, value, size, &record, NULL) == STATUS_OK &&
                record.state == SLICE_ACTIVE && strlen(record.node) < SLICE_NODE_MAX;
    if (good) endpoint.timestamp = record.timestamp;
    if (good) endpoint.node = endpoint_table_node(table, record.node);
    arena_fini(&arena);
    if (good) *out_endpoint = endpoint;
    return good;
}

void endpoint_table_set(struct endpoint_table *table, const char *key, const void *value, size_t size)
{
    struct endpoint read;
    remove_key(table, key);
    if (value != NULL && read_endpoint(table, key, value, size, &read)) add(table, key, &read);
}

const struct endpoint_group *endpoint_table_find(const struct endpoint_table *table, const char *target)
{
    const struct endpoint_group *group = map_get(&table->by_target, target);
    return group == NULL || group->count == 0 ? NULL : group;
}

struct endpoint *endpoint_table_next(const struct endpoint_table *table, const char **key)
{
    void *endpoint = NULL;
    return tree_after(&table->by_key, *key, key, &endpoint) ? endpoint : NULL;
}

/* --- nodes --------------------------------------------------------------------------------------------- */

struct endpoint_node *endpoint_table_node(struct endpoint_table *table, const char *name)
{
    struct endpoint_node *node = map_get(&table->nodes, name);
    if (node != NULL) return node;
    node = memory_zalloc(sizeof(*node));
    bool fits = text_copy(node->name, sizeof(node->name), name);
    CHECK(fits); /* Of a key or a record that was checked. */
    node->link = ENDPOINT_DOUBTED;
    (void)map_put(&table->nodes, name, node);
    return node;
}

void endpoint_table_set_node(struct endpoint_table *table, const char *node, const void *value, size_t size)
{
    struct slice_node record;
    struct arena arena = { 0 };
    if (strlen(node) >= SLICE_NODE_MAX) return;
    if (value == NULL) {
        endpoint_table_node(table, node)->presence = ENDPOINT_AVOIDED;
    } else if (slice_node_read(&arena, value, size, &record, NULL) == STATUS_OK) {
        endpoint_table_node(table, node)->presence = strcmp(record.presence, "UP") == 0 ? ENDPOINT_GOOD
                                                     : strcmp(record.presence, "LOST") == 0
                                                         ? ENDPOINT_AVOIDED
                                                         : ENDPOINT_DOUBTED;
    }
    arena_fini(&arena);
}

void endpoint_table_set_connected(struct endpoint_table *table, const char *node, bool connected)
{
    if (strlen(node) >= SLICE_NODE_MAX) return;
    endpoint_table_node(table, node)->link = connected ? ENDPOINT_GOOD : ENDPOINT_AVOIDED;
}

/* The worse of the two. After our own start the state still speaks of nodes that we have no connection to
 * yet. */
enum endpoint_standing endpoint_table_standing(const struct endpoint_node *node)
{
    return node->link < node->presence ? node->link : node->presence;
}
