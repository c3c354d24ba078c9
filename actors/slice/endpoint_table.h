/* endpoint_table: who serves which entry point, from the records under endpoints/, and which nodes may be
 * asked, from nodes/ and from connections. Pure: it learns from values and connections, and leaves choosing
 * to its caller. Made for the path of each call: a target is found by its text in one look-up, what was found
 * is a pointer, and a call that holds an endpoint keeps it valid after its record is gone. */
#ifndef AETHER_ACTORS_SLICE_ENDPOINT_TABLE_H
#define AETHER_ACTORS_SLICE_ENDPOINT_TABLE_H

#include "runtime/base/map.h"
#include "runtime/base/tree.h"
#include "store/schema/coordinates.h"
#include "store/schema/slice.h"

enum endpoint_standing {
    ENDPOINT_AVOIDED, /* LOST, or its connection broke: a call could only fail. */
    ENDPOINT_DOUBTED, /* SUSPECT, or not connected yet: only where nobody better serves. */
    ENDPOINT_GOOD,
};

struct endpoint_node { /* Kept as long as the table: there are few, and they come back. */
    char name[SLICE_NODE_MAX];
    enum endpoint_standing presence; /* As its record says; AVOIDED without one. */
    enum endpoint_standing link;     /* GOOD: up; AVOIDED: it broke; DOUBTED: never heard of. */
};

struct serving_instance;
struct serving_entry;

struct endpoint {
    char artifact[COORDINATES_TEXT_MAX]; /* Exact. */
    char entry[COORDINATES_ARTIFACT_MAX];
    struct endpoint_node *node;
    uint32_t instance;
    uint64_t timestamp;
    uint64_t weight; /* Of this instance in rendezvous hashing. */
    struct endpoint_group *exact;
    uint32_t holders; /* The table, until its record goes, and calls. */
    bool gone;        /* Its record is. */
    /* Kept by whoever calls through it. */
    uint32_t in_flight;            /* Calls of this node that are on their way there. */
    uint32_t others;               /* How many of others it last said that it had in hand, */
    int64_t others_until_ns;       /* and how long that is worth believing. */
    struct serving_instance *here; /* Of this node: what `here_as_of` of its serving found; NULL: none. */
    struct serving_entry *here_entry;
    uint64_t here_as_of;
};

struct endpoint_group { /* What one target means: group:artifact/entry, or group:artifact:version/entry. */
    struct endpoint **endpoints; /* Live ones, in key order. */
    uint32_t count;
    uint32_t capacity;
    uint32_t holders; /* Endpoints that point here, gone ones too. */
    bool repeatable;  /* READONLY or IDEMPOTENT, once somebody said so; of exact targets. */
    char *target;
};

struct endpoint_table {
    struct tree by_key;   /* endpoints/... -> struct endpoint * */
    struct map by_target; /* -> struct endpoint_group *, owned. */
    struct map nodes;     /* Name -> struct endpoint_node *, owned. */
};

/* What calls still hold must be released before. */
void endpoint_table_fini(struct endpoint_table *table);
/* A record under endpoints/, or its end (value NULL). What is no endpoint is left out. */
void endpoint_table_set(struct endpoint_table *table, const char *key, const void *value, size_t size);
void endpoint_table_clear(struct endpoint_table *table); /* All endpoints; what is known of nodes stays. */
/* A record nodes/{node}, or its end. */
void endpoint_table_set_node(struct endpoint_table *table, const char *node, const void *value, size_t size);
void endpoint_table_set_connected(struct endpoint_table *table, const char *node, bool connected);
struct endpoint_node *endpoint_table_node(struct endpoint_table *table,
                                          const char *name); /* Made if need be. */
enum endpoint_standing endpoint_table_standing(const struct endpoint_node *node);

/* By the target's text; NULL: nothing serves it. Borrowed until the next change. */
const struct endpoint_group *endpoint_table_find(const struct endpoint_table *table, const char *target);
/* In key order: for (key = ""; (endpoint = endpoint_table_next(table, &key)) != NULL;) */
struct endpoint *endpoint_table_next(const struct endpoint_table *table, const char **key);
/* Keeps it valid until it is released. */
struct endpoint *endpoint_table_acquire(struct endpoint *endpoint);
void endpoint_table_release(struct endpoint_table *table, struct endpoint **endpoint);

#endif
