/* slice_call: TO_SLICE_CALL, through which every call goes: from clients, from slices of this node and from
 * other nodes. */
#ifndef AETHER_ACTORS_SLICE_SLICE_CALL_H
#define AETHER_ACTORS_SLICE_SLICE_CALL_H

#include "runtime/actor.h"

struct slice_call_options {
    const char *node; /* This node's name. */
};
extern const struct behavior slice_call_behavior;

#endif
