/* node_space: this node's word on the room of its store (F2): what the log writer measured goes in, and what
 * is to be proposed about config/alarms/no-space/{node} comes out. A table without a clock; a part of the
 * membership actor. An alarm is raised below the mark and ends at a quarter above it, and what failed is
 * proposed again at the next measurement, which comes each second. */
#ifndef AETHER_ACTORS_CLUSTER_NODE_SPACE_H
#define AETHER_ACTORS_CLUSTER_NODE_SPACE_H

#include "runtime/message.h"
#include "store/log.h"

#include <stdbool.h>

/* A proposal by this incarnation of the node; NULL: the agreed state says already what is so. */
struct message *node_space_proposal(const struct log_space *space, bool alarm_stands, const char *node,
                                    uint64_t incarnation);

#endif
