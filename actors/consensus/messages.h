/* messages: local messages of the consensus actors (wire/kinds.h 1200-1299). Those that other rooms need
 * (ROLE_CHANGED, READ_BARRIER) are in wire/local.h; what crosses nodes is in wire/proto/store.proto and
 * consensus.proto. */
#ifndef AETHER_ACTORS_CONSENSUS_MESSAGES_H
#define AETHER_ACTORS_CONSENSUS_MESSAGES_H

#include "runtime/port/transport.h"
#include "store/raft/entry.h"
#include "wire/local.h"

#include <stdbool.h>

#endif
