/* slice_inline: the actor of one instance inside the node (isolation: inline), on the pool that is kept for
 * such code. A crash of the slice is the node's. What it is to the store: actors/slice/instance.h. */
#ifndef AETHER_ACTORS_SLICE_SLICE_INLINE_H
#define AETHER_ACTORS_SLICE_SLICE_INLINE_H

#include "runtime/actor.h"

extern const struct behavior slice_inline_behavior; /* options: struct slice_instance_options */

#endif
