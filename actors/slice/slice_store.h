/* slice_store: all slice instances of this node: loads, activates, deactivates and unloads them as
 * actors/slice/messages.h says. TO_SLICE_STORE; options: struct slice_store_options. */
#ifndef AETHER_ACTORS_SLICE_SLICE_STORE_H
#define AETHER_ACTORS_SLICE_SLICE_STORE_H

#include "actors/slice/instance.h"
#include "runtime/actor.h"

enum { SLICE_STORE_INSTANCES_MAX = 4096 };

struct slice_store_options { /* Lives as long as the node. */
    const struct slice_adapters *adapters;
    const struct slice_backend *backend; /* NULL: slice_backend_real. */
};

extern const struct behavior slice_store_behavior;

#endif
