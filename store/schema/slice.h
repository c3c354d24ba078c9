/* slice: the keys and values of blueprints, allocations, slices and endpoints (product.md section 5), and
 * what must hold between them, checked and derived in the entry that changes them (A5, A7, DEP4-DEP6, DEP9).
 * The rules and the managers read and write these values through here only. */
#ifndef AETHER_STORE_SCHEMA_SLICE_H
#define AETHER_STORE_SCHEMA_SLICE_H

#include "runtime/base/arena.h"
#include "store/kv.h"
#include "store/schema/coordinates.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SLICE_INSTANCES_MAX = 1000, /* Of one slice in one blueprint. */
    SLICE_NUMBER_MAX = 99999,   /* Of an instance: a changed slice starts its instances under new numbers. */
    SLICE_ENTRIES_MAX = 256,    /* Entry points of one slice. */
    SLICE_NODE_MAX = 64,        /* With the terminating 0. */
    SLICE_HISTORY_MAX = 100,    /* Revisions of a blueprint that are kept. */
    SLICE_KEY_MAX = KV_KEY_MAX + 1,
};

/* --- states: the eleven of product.md section 3, and no record at all --------------------------------- */
enum slice_state {
    SLICE_GONE = 0, /* Before LOAD, and after UNLOADING. */
    SLICE_LOAD,
    SLICE_LOADING,
    SLICE_LOADED,
    SLICE_ACTIVATE,
    SLICE_ACTIVATING,
    SLICE_ACTIVE,
    SLICE_DEACTIVATE,
    SLICE_DEACTIVATING,
    SLICE_UNLOAD,
    SLICE_UNLOADING,
    SLICE_FAILED,
    SLICE_STATE_COUNT
};
const char *slice_state_name(enum slice_state state);                /* "" for GONE. */
enum slice_state slice_state_from_name(const char *name);            /* SLICE_STATE_COUNT: no such state. */
bool slice_state_allows(enum slice_state from, enum slice_state to); /* DEP5. */
/* The least advanced of two: the one with more arrows to go until ACTIVE; FAILED has most. */
enum slice_state slice_state_least(enum slice_state a, enum slice_state b);

/* --- keys --------------------------------------------------------------------------------------------- */
/* Each writes at most SLICE_KEY_MAX characters; parts were validated before, so they fit. */
void slice_key_blueprint(char *key, const char *name);
void slice_key_history(char *key, const char *name, uint64_t revision);
void slice_key_allocation(char *key, const char *artifact, const char *node);
void slice_key_record(char *key, const char *node, const char *artifact);
void slice_key_endpoint(char *key, const char *artifact, const char *entry, uint32_t instance);
/* The parts of a key, false when it isn't one of these. Buffers: COORDINATES_TEXT_MAX, SLICE_NODE_MAX,
 * COORDINATES_ARTIFACT_MAX. */
bool slice_key_blueprint_parse(const char *key, const char **out_name); /* Points into key. */
bool slice_key_allocation_parse(const char *key, char *artifact, char *node);
bool slice_key_record_parse(const char *key, char *node, char *artifact);
bool slice_key_endpoint_parse(const char *key, char *artifact, char *entry, uint32_t *out_instance);

/* --- values: everything that they point to lives in the arena ----------------------------------------- */
struct allocation_instance {
    uint32_t instance; /* From 1. Unique over all nodes of the artifact. */
    uint64_t rev;      /* Of the entry that assigned it (again): what a fact must name. Writers put 0 for
                          "assign anew"; the entry fills it in. */
    uint32_t attempt;  /* Failed attempts on this node so far; written by the entry of the failure. */
};
struct allocation {
    const struct allocation_instance *instances; /* By number. `assigned` is their count. */
    uint32_t instance_count;
    enum slice_state desired; /* ACTIVE. */
    const char *blueprint;
    const char *sha256;
    uint64_t timestamp;
};
struct slice_instance {
    uint32_t instance;
    enum slice_state state;
    uint64_t rev;       /* Of the allocation that it runs for. */
    uint64_t since;     /* Unix ms of the entry that brought it into this state. */
    uint64_t deadline;  /* Unix ms; 0 = none. For people: the node watches it by its own clock. */
    const char *reason; /* "" = none. */
    const char *text;
    uint32_t attempt;
    bool fatal;
    uint64_t retry_at;       /* Unix ms; 0 = none. */
    uint64_t download_bytes; /* LOADING: how far its download is; the total may be unknown: 0. */
    uint64_t download_total_bytes;
};
struct slice_record {
    enum slice_state state;
    uint64_t timestamp;
    uint64_t incarnation;
    const struct slice_instance *instances; /* By number. */
    uint32_t instance_count;
};
struct slice_endpoint {
    const char *node;
    uint32_t instance;
    enum slice_state state;
    uint64_t timestamp;
};
struct slice_node {    /* What placement and calls need of nodes/{id}. */
    const char *state; /* JOINING, ON_DUTY, ... */
    const char *presence;
    uint64_t incarnation;
    const char *const *labels; /* Name, value, name, value, ... */
    uint32_t label_count;
};

/* CORRUPT: not what we write. */
MUST_CHECK enum status slice_allocation_read(struct arena *arena, const void *value, size_t size,
                                             struct allocation *out_allocation, struct error *error);
MUST_CHECK enum status slice_record_read(struct arena *arena, const void *value, size_t size,
                                         struct slice_record *out_record, struct error *error);
MUST_CHECK enum status slice_endpoint_read(struct arena *arena, const void *value, size_t size,
                                           struct slice_endpoint *out_endpoint, struct error *error);
MUST_CHECK enum status slice_node_read(struct arena *arena, const void *value, size_t size,
                                       struct slice_node *out_node, struct error *error);
char *slice_allocation_write(struct arena *arena, const struct allocation *allocation);
char *slice_record_write(struct arena *arena, const struct slice_record *record);
char *slice_endpoint_write(struct arena *arena, const struct slice_endpoint *endpoint);
/* NULL: no such instance. */
const struct allocation_instance *slice_allocation_find(const struct allocation *allocation,
                                                        uint32_t instance);
const struct slice_instance *slice_record_find(const struct slice_record *record, uint32_t instance);

#include "store/schema/slice_rules.h"

#endif
