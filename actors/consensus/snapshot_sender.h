/* snapshot_sender: brings other nodes the state of this one: followers whom the core says so (R1, N1), those
 * that asked (T6), workers. Registered as TO_SNAPSHOT_SENDER. */
#ifndef AETHER_ACTORS_CONSENSUS_SNAPSHOT_SENDER_H
#define AETHER_ACTORS_CONSENSUS_SNAPSHOT_SENDER_H

#include "runtime/actor.h"

extern const struct behavior snapshot_sender_behavior;

#endif
