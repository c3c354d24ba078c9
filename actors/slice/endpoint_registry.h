/* endpoint_registry: TO_ENDPOINT_REGISTRY, which answers what is served where (`endpoint list`). */
#ifndef AETHER_ACTORS_SLICE_ENDPOINT_REGISTRY_H
#define AETHER_ACTORS_SLICE_ENDPOINT_REGISTRY_H

#include "runtime/actor.h"

extern const struct behavior endpoint_registry_behavior; /* No options. */

#endif
