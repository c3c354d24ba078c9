/* explanation: why a slice is where it is, or why it is not: what the planner sees and would do, in words for
 * people. Pure. Replies are filled in their own arenas. */
#ifndef AETHER_ACTORS_SLICE_EXPLANATION_H
#define AETHER_ACTORS_SLICE_EXPLANATION_H

#include "actors/slice/failures.h"
#include "actors/slice/rollout.h"
#include "runtime/message.h"
#include "wire/proto/slice.pb-c.h"

struct explanation_clock {
    int64_t now_ns;
    int64_t wall_ms;
};

/* Into a KIND_SLICE_EXPLAIN_REPLY. NOT_FOUND, INVALID. */
MUST_CHECK enum status explanation_fill(struct message *reply, const struct deployment_view *view,
                                        const struct rollout_memory *memory, const char *artifact,
                                        struct error *error);
/* The nodes that the planner avoids for this artifact, by name. */
Pb__Exclusion **explanation_exclusions(struct message *reply, const struct deployment_view *view,
                                       const struct failures *failures, const char *artifact,
                                       struct explanation_clock clock, size_t *out_count);

#endif
