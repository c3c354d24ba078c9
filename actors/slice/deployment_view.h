/* deployment_view: blueprints, allocations, records and nodes as last applied here, read into structs and
 * kept in key order. Pure: it learns from the state's changes. What it gives is borrowed until the next
 * change. */
#ifndef AETHER_ACTORS_SLICE_DEPLOYMENT_VIEW_H
#define AETHER_ACTORS_SLICE_DEPLOYMENT_VIEW_H

#include "runtime/base/tree.h"
#include "store/schema/blueprint.h"
#include "store/schema/slice.h"
#include "wire/proto/store.pb-c.h"

struct view_blueprint {
    struct arena arena;
    char *name;
    char *text; /* As stored. */
    struct blueprint blueprint;
    uint64_t revision;
};
struct view_allocation {
    struct arena arena;
    char artifact[COORDINATES_TEXT_MAX];
    char node[SLICE_NODE_MAX];
    struct allocation allocation;
    uint64_t revision;
};
struct view_record {
    struct arena arena;
    char artifact[COORDINATES_TEXT_MAX];
    char node[SLICE_NODE_MAX];
    struct slice_record record;
};
struct view_node {
    struct arena arena;
    char name[SLICE_NODE_MAX];
    struct slice_node node;
};

struct deployment_view { /* Key -> struct, owned. */
    struct tree blueprints;
    struct tree history; /* struct view_blueprint, under blueprint-history/{name}/{rev} */
    struct tree allocations;
    struct tree records;
    struct tree nodes;
};

void deployment_view_fini(struct deployment_view *view);
/* Followers (wire/follow.h) of the prefixes blueprints/, blueprint-history/, allocations/, slices/, nodes/;
 * the context is a view. What can't be read is as if it were not there. */
void deployment_view_see_blueprint(void *context, const Pb__KvEvent *event);
void deployment_view_see_history(void *context, const Pb__KvEvent *event);
void deployment_view_see_allocation(void *context, const Pb__KvEvent *event);
void deployment_view_see_record(void *context, const Pb__KvEvent *event);
void deployment_view_see_node(void *context, const Pb__KvEvent *event);

const struct view_blueprint *deployment_view_blueprint(const struct deployment_view *view, const char *name);
const struct view_allocation *deployment_view_allocation(const struct deployment_view *view,
                                                         const char *artifact, const char *node);
const struct view_record *deployment_view_record(const struct deployment_view *view, const char *node,
                                                 const char *artifact);
/* In key order: for (key = ""; (x = deployment_view_next_...(view, &key)) != NULL;). Allocations of one
 * artifact follow each other. */
const struct view_blueprint *deployment_view_next_blueprint(const struct deployment_view *view,
                                                            const char **key);
const struct view_allocation *deployment_view_next_allocation(const struct deployment_view *view,
                                                              const char **key);
/* The kept revisions of one blueprint. */
const struct view_blueprint *deployment_view_next_revision(const struct deployment_view *view,
                                                           const char *name, const char **key);
const struct view_record *deployment_view_next_record(const struct deployment_view *view, const char **key);
const struct view_node *deployment_view_next_node(const struct deployment_view *view, const char **key);

/* --- supposing (forecast.h): a view of what is not, or not yet, the case ------------------------------- */
void deployment_view_copy(const struct deployment_view *view, struct deployment_view *out_copy);
/* Each copies what it is given; NULL: it is not there. A blueprint becomes a revision of its history too. */
void deployment_view_put_blueprint(struct deployment_view *view, const struct blueprint *blueprint,
                                   uint64_t revision);
void deployment_view_put_allocation(struct deployment_view *view, const char *artifact, const char *node,
                                    const struct allocation *allocation, uint64_t revision);
void deployment_view_put_record(struct deployment_view *view, const char *node, const char *artifact,
                                const struct slice_record *record);
/* Its node was declared LOST: nothing that it recorded is left (A7). */
void deployment_view_lose_node(struct deployment_view *view, const char *node);

/* The instance as its node recorded it; NULL: no record. */
const struct slice_instance *deployment_view_instance(const struct deployment_view *view, const char *node,
                                                      const char *artifact, uint32_t instance);
/* Since which revision the blueprint's slice runs as it does now: an instance assigned before that was
 * started for something else. 0: for as long as is remembered. */
uint64_t deployment_view_runs_since(const struct deployment_view *view,
                                    const struct view_blueprint *blueprint,
                                    const struct blueprint_slice *slice);

#endif
