/* state: the actor that holds the live state and answers for it. Never restarted in place. */
#ifndef AETHER_ACTORS_CONSENSUS_STATE_H
#define AETHER_ACTORS_CONSENSUS_STATE_H

#include "actors/consensus/probe.h"
#include "runtime/actor.h"
#include "store/log.h"

struct kv_rules;

struct state_options {
    struct log *log; /* Opened; its copy is read by init only. */
    const struct kv_rules *rules;
    const struct consensus_probe *probe; /* NULL: none. */
    size_t snapshot_side_bytes;          /* 0 = KV_SNAPSHOT_SIDE_BYTES (N1). */
    size_t snapshot_chunk_bytes;         /* 0 = SNAPSHOT_CHUNK_BYTES. */
};

extern const struct behavior state_behavior;

#endif
