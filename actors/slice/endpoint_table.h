/* endpoint_table: who serves which entry point, as last committed, and which of these to prefer now. Pure: it
 * learns from records and from connections, and leaves choosing to its caller. */
#ifndef AETHER_ACTORS_SLICE_ENDPOINT_TABLE_H
#define AETHER_ACTORS_SLICE_ENDPOINT_TABLE_H

#include "runtime/base/map.h"
#include "runtime/base/tree.h"
#include "store/schema/coordinates.h"
#include "store/schema/slice.h"

struct endpoint {
    char artifact[COORDINATES_TEXT_MAX]; /* Exact. */
    char entry[COORDINATES_ARTIFACT_MAX];
    char node[SLICE_NODE_MAX];
    uint32_t instance;
    uint32_t in_flight; /* Calls of this node that are on their way there; kept by slice_call. */
    uint64_t timestamp;
};

struct endpoint_table {
    struct tree by_key;  /* endpoints/... -> struct endpoint *, owned. */
    struct map by_name;  /* group:artifact/entry -> struct endpoint_group *, owned. */
    struct map presence; /* Node -> its presence as a constant text. */
    struct map links;    /* Node -> whether its connection is up, as a constant text; absent: never heard. */
    struct map repeatable; /* artifact/entry that may be called twice (READONLY, IDEMPOTENT). */
};

enum endpoint_standing {
    ENDPOINT_AVOIDED, /* LOST, or its connection broke: a call could only fail. */
    ENDPOINT_DOUBTED, /* SUSPECT, or not connected yet: only where nobody better serves. */
    ENDPOINT_GOOD,
};

void endpoint_table_fini(struct endpoint_table *table);
/* A record under endpoints/, or its end (value NULL). What is no endpoint is left out. */
void endpoint_table_set(struct endpoint_table *table, const char *key, const void *value, size_t size);
void endpoint_table_clear(struct endpoint_table *table); /* All endpoints; what is known of nodes stays. */
/* A record nodes/{node}, or its end. */
void endpoint_table_set_node(struct endpoint_table *table, const char *node, const void *value, size_t size);
void endpoint_table_set_connected(struct endpoint_table *table, const char *node, bool connected);
enum endpoint_standing endpoint_table_standing(const struct endpoint_table *table, const char *node);

/* The endpoints of group:artifact[:version]/entry, in key order; borrowed until the next change. */
struct endpoint *const *endpoint_table_find(const struct endpoint_table *table,
                                            const struct coordinates *wanted, const char *entry,
                                            uint32_t *out_count);
struct endpoint *endpoint_table_get(const struct endpoint_table *table, const char *artifact,
                                    const char *entry, uint32_t instance);
/* In key order: for (key = ""; (endpoint = endpoint_table_next(table, &key)) != NULL;) */
struct endpoint *endpoint_table_next(const struct endpoint_table *table, const char **key);

/* What is known of an entry point of an exact artifact: it never changes. */
void endpoint_table_learn_repeatable(struct endpoint_table *table, const char *artifact, const char *entry);
bool endpoint_table_is_repeatable(const struct endpoint_table *table, const char *artifact,
                                  const char *entry);

#endif
