/* slice_guest: the actor of one instance that shares its process with others (shared_host.h). What it is to
 * the store: actors/slice/instance.h. */
#ifndef AETHER_ACTORS_SLICE_SLICE_GUEST_H
#define AETHER_ACTORS_SLICE_SLICE_GUEST_H

#include "runtime/actor.h"

extern const struct behavior slice_guest_behavior; /* struct slice_instance_options, with shared and guest */

#endif
