/* slice_host: the actor of one isolated instance: a process of its own, spoken to through shared memory. What
 * it is to the store: actors/slice/instance.h. Layout of the memory: the ring to the process, then the ring
 * back; arguments of the program: --serve, the memory limit in bytes (0 = none), user and group to become. */
#ifndef AETHER_ACTORS_SLICE_SLICE_HOST_H
#define AETHER_ACTORS_SLICE_SLICE_HOST_H

#include "actors/slice/slice_ring.h"
#include "runtime/actor.h"

enum { SLICE_HOST_SHARED_SIZE = 2 * SLICE_RING_SIZE };

extern const struct behavior slice_host_behavior; /* options: struct slice_instance_options */

#endif
