/* compaction: how much of the log's start may go (consensus.md D7). Pure. */
#ifndef AETHER_ACTORS_CONSENSUS_COMPACTION_H
#define AETHER_ACTORS_CONSENSUS_COMPACTION_H

#include "store/log.h"

struct compaction_limits {
    uint64_t entries;        /* Behind the durable applied index, this many stay; */
    uint64_t bytes;          /* or so many that take this much, if those are fewer; */
    uint64_t follower_bytes; /* and what a live follower needs, up to this. */
};

/* The last index that may go; at most live->base.index: none. needed_from: the lowest index that a live
 * follower has yet to get; 0: none lags. */
log_index compaction_target(const struct log_live *live, const struct compaction_limits *limits,
                            log_index needed_from);

#endif
