/* slice_carrier: the state that an instance left (the hook snapshot) on its way to its successor (the hook
 * restore), which may be loaded on another node. TO_SLICE_CARRIER keeps what its slice store gives it
 * (SLICE_STATE_KEEP), in memory and for a short time: until it was taken (SLICE_STATE_TAKE; the youngest that
 * any node has for this group:artifact and number), or CARRIER_KEEP passed. What crashes leaves nothing, and
 * what a node keeps goes with the node: slice.h says that a snapshot is never the only copy. */
#ifndef AETHER_ACTORS_SLICE_SLICE_CARRIER_H
#define AETHER_ACTORS_SLICE_SLICE_CARRIER_H

#include "runtime/actor.h"

enum {
    CARRIER_KEEP_S = 120,
    CARRIER_STATES_MAX = 64,
    CARRIER_BYTES_MAX = 256 * 1024 * 1024, /* Of all together: the oldest makes room. */
};

struct slice_carrier_options {
    const char *node; /* This node's name; lives as long as the node. */
};
extern const struct behavior slice_carrier_behavior;

#endif
