/* exclusions: config/exclusions/{artifact}/{node} = {"reason":...,"until":...}: where a slice failed for
 * good, so that the next leader avoids that node for what is left of the time (failures.h). Written by the
 * leader under its term, read by whoever begins to lead. Part of the cluster_deployment_manager. */
#ifndef AETHER_ACTORS_SLICE_EXCLUSIONS_H
#define AETHER_ACTORS_SLICE_EXCLUSIONS_H

#include "actors/slice/failures.h"
#include "runtime/actor.h"

#define EXCLUSIONS_PREFIX "config/exclusions/"

struct exclusions {     /* Zeroed: none is known. */
    struct tree stored; /* Key -> struct exclusion, owned; as last applied here. */
    bool asking;
};

void exclusions_fini(struct exclusions *exclusions);
/* A follower (wire/follow.h) of EXCLUSIONS_PREFIX. */
void exclusions_see(void *context, const Pb__KvEvent *event);
/* What leaders before this one knew, as far as its time has not passed. */
void exclusions_restore(const struct exclusions *exclusions, struct failures *failures, int64_t now_ns,
                        int64_t wall_ms);
/* Proposes what makes the state say what the leader knows: one command at a time. */
void exclusions_keep(struct actor *self, struct exclusions *exclusions, const struct failures *failures,
                     uint64_t term);

#endif
