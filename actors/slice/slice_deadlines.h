/* slice_deadlines: how long the states in -ING may take (product.md section 3). Configuration of a node. */
#ifndef AETHER_ACTORS_SLICE_SLICE_DEADLINES_H
#define AETHER_ACTORS_SLICE_SLICE_DEADLINES_H

#include <stdint.h>

struct slice_deadlines {
    int64_t loading_ns;
    int64_t activating_ns;
    int64_t deactivating_ns;
    int64_t unloading_ns;
};
extern const struct slice_deadlines slice_deadlines_default; /* 2 m, 90 s, 30 s, 2 m; slice_lifecycle.c */

#endif
