/* messages: local messages of the consensus actors (wire/kinds.h 1200-1299). What crosses nodes is in
 * wire/proto/store.proto and consensus.proto. */
#ifndef AETHER_ACTORS_CONSENSUS_MESSAGES_H
#define AETHER_ACTORS_CONSENSUS_MESSAGES_H

#include "runtime/port/transport.h"
#include "store/raft/entry.h"

#include <stdbool.h>

/* KIND_ROLE_SUBSCRIBE (tell TO_LEADER, no body): KIND_ROLE_CHANGED now and at every change, for ever. */
/* KIND_ROLE_CHANGED */
struct role_changed {
    bool leading; /* This node leads, and its no-op is committed and applied here (E7). */
    log_term term;
    char leader[NODE_NAME_MAX]; /* "" = none known. */
    uint64_t revision;          /* When leading: the no-op's index; reads at or after it see all before us. */
};

/* KIND_READ_BARRIER (ask TO_STATE, no body) -> KIND_READ_BARRIER_REPLY: a Q1 round that began after the
 * request arrived was confirmed, and the applied state is at least that fresh. NO_LEADER, DEADLINE otherwise.
 */
struct read_barrier_reply {
    uint64_t revision;
    log_term term;
};

#endif
