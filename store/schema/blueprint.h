/* blueprint: a document of product.md section 4, read from YAML or JSON, checked, and written in one
 * canonical form. What this version cannot honour yet is refused by name, never ignored. */
#ifndef AETHER_STORE_SCHEMA_BLUEPRINT_H
#define AETHER_STORE_SCHEMA_BLUEPRINT_H

#include "runtime/base/arena.h"
#include "runtime/base/error.h"
#include "store/schema/coordinates.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BLUEPRINT_DOCUMENT_MAX = 1024 * 1024,
    BLUEPRINT_SLICES_MAX = 256,
    BLUEPRINT_NAME_MAX = 64, /* With the terminating 0. */
    BLUEPRINT_LIST_MAX = 64, /* Constraints or dependencies of one slice. */
};

enum blueprint_strategy { BLUEPRINT_SPREAD, BLUEPRINT_ROUND_ROBIN };

struct blueprint_constraint { /* The node's label must have this value. */
    const char *label;
    const char *value;
};

struct blueprint_slice {
    const char *artifact; /* In a document: as asked for; in the store: exact. */
    const char *sha256;   /* "" until the artifact was resolved. */
    uint32_t instances;
    bool inline_isolation; /* Else a process of its own. */
    bool shared_host;      /* The instances on a node share one process. */
    bool pinned;           /* Inline: run it although it can't be unloaded again. */
    enum blueprint_strategy strategy;
    const struct blueprint_constraint *constraints;
    uint32_t constraint_count;
    uint32_t cpu_millis;        /* 0 = no limit. */
    uint64_t memory_bytes;      /* 0 = no limit. */
    const char *const *depends; /* group:artifact */
    uint32_t depend_count;
    uint32_t min_available;
    bool exclusive;
    const char *config;          /* JSON object, one line. */
    uint32_t max_surge;          /* Instances beyond `instances` while a new version replaces the old. */
    uint32_t health_deadline_ms; /* To become ACTIVE in, when the blueprint says so; 0 = as the states'. */
    bool auto_rollback;
};

struct blueprint {
    const char *name;
    const struct blueprint_slice *slices;
    uint32_t slice_count;
    uint64_t timestamp; /* 0 in a document. */
};

/* A person's document; `name` is taken where the document has none. INVALID, with the line and the nearest
 * right key. Everything lives in the arena. */
MUST_CHECK enum status blueprint_parse(struct arena *arena, const char *text, size_t size, const char *name,
                                       struct blueprint *out_blueprint, struct error *error);
/* blueprints/{name} and back: {"slices":[...],"timestamp":...}. INVALID: not what blueprint_write wrote. */
MUST_CHECK enum status blueprint_read(struct arena *arena, const char *name, const void *value, size_t size,
                                      struct blueprint *out_blueprint, struct error *error);
char *blueprint_write(struct arena *arena, const struct blueprint *blueprint);

/* The slice that holds exactly this artifact, or this group:artifact; NULL: none. */
const struct blueprint_slice *blueprint_find(const struct blueprint *blueprint, const char *artifact);
const struct blueprint_slice *blueprint_find_unversioned(const struct blueprint *blueprint,
                                                         const char *artifact);
/* The same in all but the timestamp. */
bool blueprint_equal(const struct blueprint *a, const struct blueprint *b);
/* Would an instance that was started for `a` be the same as one started for `b`? Otherwise it must be
 * started anew. */
bool blueprint_slice_runs_alike(const struct blueprint_slice *a, const struct blueprint_slice *b);

#endif
