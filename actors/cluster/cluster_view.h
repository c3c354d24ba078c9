/* cluster_view: what nodes/, slices/, blueprints/, config/members, config/wishes/ and config/alarms/no-space/
 * say, as followed: the source of the cluster's tables and counts. Pure. */
#ifndef AETHER_ACTORS_CLUSTER_CLUSTER_VIEW_H
#define AETHER_ACTORS_CLUSTER_CLUSTER_VIEW_H

#include "runtime/base/tree.h"
#include "wire/json/value.h"
#include "wire/proto/store.pb-c.h"

struct cluster_view { /* A zeroed view is empty and valid. Each: key after its prefix -> document. */
    struct tree nodes;
    struct tree slices;
    struct tree blueprints;
    struct tree wishes;
    struct tree alarms;
    struct tree members; /* The one document, under "". */
};

/* One event of a follow (NULL: all records come anew) of `prefix`, into one of the trees. What is no JSON
 * object counts as absent. */
void cluster_view_accept(struct tree *documents, const char *prefix, const Pb__KvEvent *event);
void cluster_view_fini(struct cluster_view *view);

const struct value *cluster_view_node(const struct cluster_view *view, const char *node); /* NULL: unknown. */
/* "voter" or "learner" where it takes part in the log, else the role that it was configured for. */
const char *cluster_view_role(const struct cluster_view *view, const char *node);
/* "voter", "learner", "removed"; "": nothing is wished of it. */
const char *cluster_view_wish(const struct cluster_view *view, const char *node);
/* for (const char *key = NULL; (document = cluster_view_next(&view->nodes, &key)) != NULL;) in key order. */
const struct value *cluster_view_next(const struct tree *documents, const char **key);

uint32_t cluster_view_wanted(const struct cluster_view *view); /* Instances, by all blueprints. */
uint32_t cluster_view_active(const struct cluster_view *view);
/* Calls visit for each instance that has a record on this node (NULL: on any), in order. */
void cluster_view_instances(const struct cluster_view *view, const char *node,
                            void (*visit)(void *context, const char *artifact, const struct value *instance),
                            void *context);

#endif
