/* leader: the actor that owns the Raft core, in every role (consensus.md section 1). Never restarted in
 * place. Other rooms reach it through TO_LEADER and the messages of wire/local.h. */
#ifndef AETHER_ACTORS_CONSENSUS_LEADER_H
#define AETHER_ACTORS_CONSENSUS_LEADER_H

#include "actors/consensus/probe.h"
#include "runtime/actor.h"
#include "store/log.h"

struct leader_options {
    const char *node;
    /* Opened; read by init only (the whole log, once). */
    struct log *log;
    const char *address;          /* Where others reach this node: for JOIN. NULL: nowhere. */
    const char *const *bootstrap; /* I2; none: this node waits to be handed a cluster. */
    uint32_t bootstrap_count;
    const char *const *peers; /* Names of nodes to ask besides. */
    uint32_t peer_count;
    /* What differs from the defaults; self and seed are set here. */
    struct core_options core;
    const struct consensus_probe *probe; /* NULL: none. */
};

extern const struct behavior leader_behavior;

#endif
