/* artifact_keeper: what the cluster's own artifact store holds, and who keeps it. TO_ARTIFACT_KEEPER; serves
 * the rows of `artifact`; options: struct artifact_keeper_options. */
#ifndef AETHER_ACTORS_SLICE_ARTIFACT_KEEPER_H
#define AETHER_ACTORS_SLICE_ARTIFACT_KEEPER_H

#include "runtime/actor.h"

struct artifact_keeper_options { /* Lives as long as the node. */
    const char *node;
    int64_t heal_after_ns; /* A node that is LOST for so long is replaced as a holder; 0 = 60 s. */
};

extern const struct behavior artifact_keeper_behavior;

#endif
