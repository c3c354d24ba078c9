/* slice_log: what the instances of this node printed, what their slices logged, and what the node has to say
 * about them: kept beyond their end, so that the last words can be read. TO_SLICE_LOG takes KIND_SLICE_LINE,
 * and answers SLICE_LOGS_REQUEST (from its slice_inspector) with what is kept here; one that follows waits
 * for more than its cursor has seen. A cursor is "NODE=NUMBER,..." and every node reads its own part. */
#ifndef AETHER_ACTORS_SLICE_SLICE_LOG_H
#define AETHER_ACTORS_SLICE_SLICE_LOG_H

#include "runtime/actor.h"

enum { SLICE_LOG_PAGE_LINES = 1000 }; /* In one reply, unless `tail` asks for fewer. */

struct slice_log_options {
    const char *node; /* This node's name; lives as long as the node. */
};
extern const struct behavior slice_log_behavior;

#endif
