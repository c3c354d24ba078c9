/* stream_feed: gives the committed entries of this replica to workers, who follow from any replica (section
 * 2). Registered as TO_STREAM_FEED. */
#ifndef AETHER_ACTORS_CONSENSUS_STREAM_FEED_H
#define AETHER_ACTORS_CONSENSUS_STREAM_FEED_H

#include "runtime/actor.h"

extern const struct behavior stream_feed_behavior;

#endif
