/* artifact_view: what the cluster agreed to keep, as last applied here, and which nodes are there to keep it.
 * Pure: it learns from the state's changes; what it gives is borrowed until the next one. */
#ifndef AETHER_ACTORS_SLICE_ARTIFACT_VIEW_H
#define AETHER_ACTORS_SLICE_ARTIFACT_VIEW_H

#include "actors/slice/artifact_messages.h"
#include "actors/slice/deployment_view.h"
#include "runtime/base/map.h"
#include "store/schema/artifact.h"

enum { ARTIFACT_NODES_MAX = 256 };

struct kept_artifact {
    struct arena arena;
    char name[COORDINATES_TEXT_MAX]; /* group:artifact:version */
    struct artifact_record record;
    uint64_t revision;
};

struct artifact_view {
    struct tree artifacts;             /* Coordinates -> struct kept_artifact *, owned. */
    struct deployment_view deployment; /* Blueprints, allocations, this node's records, nodes. */
    struct map lost_since;             /* Name of a LOST node -> int64_t *, by artifact_view_note_time. */
    struct map running;                /* Artifact -> the SHA-256 (owned) that instances here were given. */
};

void artifact_view_fini(struct artifact_view *view);
void artifact_view_see(void *context, const Pb__KvEvent *event); /* A follower of artifacts/. */

const struct kept_artifact *artifact_view_find(const struct artifact_view *view, const char *artifact);
/* In order: for (name = ""; (x = artifact_view_next(view, &name)) != NULL;) */
const struct kept_artifact *artifact_view_next(const struct artifact_view *view, const char **name);
/* The version that LATEST, RELEASE or a range means, of what is kept here; exact ones too. NULL: none. */
const struct kept_artifact *artifact_view_choose(const struct artifact_view *view,
                                                 const struct coordinates *wanted);

/* --- nodes --- */
bool artifact_view_is_up(const struct artifact_view *view, const char *node);
/* Nodes that belong to the cluster, LOST ones too. */
uint32_t artifact_view_members(const struct artifact_view *view);
/* Holders that are there. */
uint32_t artifact_view_copies(const struct artifact_view *view, const struct artifact_record *record);
/* How many there should be of it: ARTIFACT_COPIES, where there are so many nodes. */
uint32_t artifact_view_wanted(const struct artifact_view *view, const struct artifact_record *record);
/* Remembers since when a node is LOST. Call it again and again. */
void artifact_view_note_time(struct artifact_view *view, int64_t now_ns);
/* It is no node any more, or LOST for so long that nobody waits for it. */
bool artifact_view_is_gone(const struct artifact_view *view, const char *node, int64_t now_ns,
                           int64_t heal_after_ns);
/* Nodes that could take a copy, those with the fewest first: up, on duty, and no holders. Names are borrowed.
 */
uint32_t artifact_view_candidates(const struct artifact_view *view, const struct artifact_record *record,
                                  const char *names[ARTIFACT_NODES_MAX]);
/* Nodes to ask for the bytes, without `self`: holders that are up; with `anywhere` all others that are, too.
 */
uint32_t artifact_view_sources(const struct artifact_view *view, const struct artifact_record *record,
                               const char *self, bool anywhere, const char *names[ARTIFACT_NODES_MAX]);

/* --- what this node must not lose ---
 * Ascending by SHA-256, in the arena. */
uint32_t artifact_view_pins(struct artifact_view *view, const char *self, struct arena *arena,
                            const struct artifact_pin **out_pins);

#endif
