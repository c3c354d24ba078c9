/* publication: one `blueprint publish` or `blueprint delete` on its way: parked until what it asks for is
 * there, or can't be. Pure; the cluster_deployment_manager carries it from phase to phase. */
#ifndef AETHER_ACTORS_SLICE_PUBLICATION_H
#define AETHER_ACTORS_SLICE_PUBLICATION_H

#include "actors/slice/rollout.h"
#include "runtime/message.h"

enum publication_phase {
    PUBLICATION_RESOLVING, /* Asking for each artifact's exact version and bytes, then whether these can be
                              loaded. Nothing is written. */
    PUBLICATION_WRITING,
    PUBLICATION_WAITING,
    PUBLICATION_RESTORING, /* It failed; the former revision is being written again. */
};

struct publication {
    uint64_t number; /* What completions name. */
    enum publication_phase phase;
    bool deletes;
    bool plans; /* Resolved as if it were published; then only told what would come of it (forecast.h). */
    bool detach;
    struct message *request; /* Ours, owed exactly one answer. */
    struct arena arena;
    char name[BLUEPRINT_NAME_MAX];
    struct blueprint blueprint;
    struct blueprint_slice *slices; /* The blueprint's, while they are resolved. */
    uint32_t resolved;              /* So many of them are. */
    uint32_t probed;                /* So many of them can be loaded. */
    char *previous;                 /* The text of the revision before; NULL: there was none. */
    uint64_t previous_revision;     /* 0: there was none. */
    uint64_t revision;              /* That we wrote, or found. */
    bool changed;
    int64_t waiting_since_ns;
    const char **artifacts; /* Of a deletion: what must be gone. */
    uint32_t artifact_count;
    struct error failure; /* While RESTORING. */
};

enum publication_verdict { PUBLICATION_PENDING, PUBLICATION_DONE, PUBLICATION_FAILED, PUBLICATION_REPLACED };

struct publication *publication_create(struct message *request, bool deletes); /* Takes the message. */
void publication_destroy(struct publication *publication);

/* What a deletion waits for: every artifact that is allocated or wanted for this blueprint. */
void publication_note_artifacts(struct publication *publication, const struct deployment_view *view);
/* Is it as it should be? FAILED and PENDING tell in `error` what is missing; `out_restorable`: that slice's
 * blueprint lets the former revision come back. */
enum publication_verdict publication_judge(const struct publication *publication,
                                           const struct deployment_view *view,
                                           const struct rollout_memory *memory, int64_t now_ns,
                                           bool *out_restorable, struct error *error);
/* The bytes that these very coordinates had in the revision before. NULL: none. */
const char *publication_known_sha256(const struct publication *publication,
                                     const struct deployment_view *view, const char *artifact);
/* Steps over slices whose bytes the revision before had: they were probed for that. The next one whose bytes
 * are new; NULL: none is left. */
const struct blueprint_slice *publication_next_to_probe(struct publication *publication,
                                                        const struct deployment_view *view);
/* May some node take this slice, as far as labels and states say? Else INVALID: it can never be satisfied. */
MUST_CHECK enum status publication_check_nodes(const struct blueprint *blueprint,
                                               const struct deployment_view *view, struct error *error);

#endif
