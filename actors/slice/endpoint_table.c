/* endpoint_table: see the header. A group holds all versions of one name; exact versions are filtered by the
 * caller's coordinates, for there are few. */
#include "actors/slice/endpoint_table.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = COORDINATES_TEXT_MAX + COORDINATES_ARTIFACT_MAX, REPEATABLE_MAX = 4096 };

struct endpoint_group {
    struct endpoint **endpoints; /* In key order. */
    uint32_t count;
    uint32_t capacity;
};

/* group:artifact/entry */
static void write_name(char *name, const char *artifact, const char *entry)
{
    const char *first = strchr(artifact, ':');
    CHECK(first != NULL); /* Exact coordinates. */
    int length = (int)(first - artifact) + 1 + (int)strcspn(first + 1, ":");
    (void)snprintf(name, NAME_SIZE, "%.*s/%s", length, artifact, entry);
}

static int compare(const struct endpoint *a, const struct endpoint *b)
{
    int order = strcmp(a->artifact, b->artifact);
    if (order != 0) return order;
    return a->instance < b->instance ? -1 : a->instance > b->instance;
}

static void group_add(struct endpoint_table *table, struct endpoint *endpoint)
{
    char name[NAME_SIZE];
    write_name(name, endpoint->artifact, endpoint->entry);
    struct endpoint_group *group = map_get(&table->by_name, name);
    if (group == NULL) {
        group = memory_zalloc(sizeof(*group));
        (void)map_put(&table->by_name, name, group);
    }
    if (group->count == group->capacity) {
        group->capacity = group->capacity == 0 ? 4 : group->capacity * 2;
        group->endpoints = memory_realloc(group->endpoints, group->capacity * sizeof(struct endpoint *));
    }
    uint32_t at = group->count++;
    for (; at > 0 && compare(endpoint, group->endpoints[at - 1]) < 0; at--)
        group->endpoints[at] = group->endpoints[at - 1];
    group->endpoints[at] = endpoint;
}

static void group_remove(struct endpoint_table *table, const struct endpoint *endpoint)
{
    char name[NAME_SIZE];
    write_name(name, endpoint->artifact, endpoint->entry);
    struct endpoint_group *group = map_get(&table->by_name, name);
    CHECK(group != NULL);
    uint32_t at = 0;
    while (at < group->count && group->endpoints[at] != endpoint)
        at++;
    CHECK(at < group->count);
    for (group->count--; at < group->count; at++)
        group->endpoints[at] = group->endpoints[at + 1];
    if (group->count > 0) return;
    (void)map_remove(&table->by_name, name);
    memory_free(group->endpoints);
    memory_free(group);
}

static void remove_key(struct endpoint_table *table, const char *key)
{
    struct endpoint *endpoint = tree_remove(&table->by_key, key);
    if (endpoint == NULL) return;
    group_remove(table, endpoint);
    memory_free(endpoint);
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
    endpoint_table_clear(table);
    tree_fini(&table->by_key);
    map_fini(&table->by_name);
    map_fini(&table->presence);
    map_fini(&table->links);
    map_fini(&table->repeatable);
}

static bool read_endpoint(const char *key, const void *value, size_t size, struct endpoint *out_endpoint)
{
    struct coordinates parsed;
    struct slice_endpoint record;
    struct endpoint endpoint = { 0 };
    if (!slice_key_endpoint_parse(key, endpoint.artifact, endpoint.entry, &endpoint.instance)) return false;
    if (coordinates_parse(endpoint.artifact, COORDINATES_EXACT, &parsed, NULL) != STATUS_OK) return false;
    struct arena arena = { 0 };
    bool good = slice_endpoint_read(&arena, value, size, &record, NULL) == STATUS_OK &&
                record.state == SLICE_ACTIVE && text_copy(endpoint.node, sizeof(endpoint.node), record.node);
    if (good) endpoint.timestamp = record.timestamp;
    arena_fini(&arena);
    if (good) *out_endpoint = endpoint;
    return good;
}

void endpoint_table_set(struct endpoint_table *table, const char *key, const void *value, size_t size)
{
    struct endpoint read;
    remove_key(table, key);
    if (value == NULL || !read_endpoint(key, value, size, &read)) return;
    struct endpoint *endpoint = memory_alloc(sizeof(*endpoint));
    *endpoint = read;
    (void)tree_put(&table->by_key, key, endpoint);
    group_add(table, endpoint);
}

/* The map keeps pointers only: one constant for each standing that a record can give. */
static char good_word[] = "UP";
static char doubted_word[] = "SUSPECT";
static char avoided_word[] = "LOST";

void endpoint_table_set_node(struct endpoint_table *table, const char *node, const void *value, size_t size)
{
    struct slice_node record;
    struct arena arena = { 0 };
    if (value == NULL) {
        (void)map_remove(&table->presence, node);
    } else if (slice_node_read(&arena, value, size, &record, NULL) == STATUS_OK) {
        char *word = strcmp(record.presence, good_word) == 0      ? good_word
                     : strcmp(record.presence, avoided_word) == 0 ? avoided_word
                                                                  : doubted_word;
        (void)map_put(&table->presence, node, word);
    }
    arena_fini(&arena);
}

void endpoint_table_set_connected(struct endpoint_table *table, const char *node, bool connected)
{
    (void)map_put(&table->links, node, connected ? good_word : avoided_word);
}

enum endpoint_standing endpoint_table_standing(const struct endpoint_table *table, const char *node)
{
    const char *presence = map_get(&table->presence, node);
    if (presence == NULL || presence == avoided_word) return ENDPOINT_AVOIDED;
    const char *link = map_get(&table->links, node);
    if (link == avoided_word) return ENDPOINT_AVOIDED;
    /* After our own start the state still speaks of nodes that we have no connection to yet. */
    return presence == good_word && link == good_word ? ENDPOINT_GOOD : ENDPOINT_DOUBTED;
}

struct endpoint *const *endpoint_table_find(const struct endpoint_table *table,
                                            const struct coordinates *wanted, const char *entry,
                                            uint32_t *out_count)
{
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof(name), "%s:%s/%s", wanted->group, wanted->artifact, entry);
    const struct endpoint_group *group = map_get(&table->by_name, name);
    *out_count = group == NULL ? 0 : group->count;
    return group == NULL ? NULL : group->endpoints;
}

struct endpoint *endpoint_table_get(const struct endpoint_table *table, const char *artifact,
                                    const char *entry, uint32_t instance)
{
    char key[SLICE_KEY_MAX];
    slice_key_endpoint(key, artifact, entry, instance);
    return tree_get(&table->by_key, key);
}

struct endpoint *endpoint_table_next(const struct endpoint_table *table, const char **key)
{
    void *endpoint = NULL;
    return tree_after(&table->by_key, *key, key, &endpoint) ? endpoint : NULL;
}

void endpoint_table_learn_repeatable(struct endpoint_table *table, const char *artifact, const char *entry)
{
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof(name), "%s/%s", artifact, entry);
    if (table->repeatable.count < REPEATABLE_MAX) (void)map_put(&table->repeatable, name, good_word);
}

bool endpoint_table_is_repeatable(const struct endpoint_table *table, const char *artifact, const char *entry)
{
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof(name), "%s/%s", artifact, entry);
    return map_get(&table->repeatable, name) != NULL;
}
