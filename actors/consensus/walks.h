/* walks: the walks over the state that others asked for (SNAPSHOT_BEGIN, _NEXT, _END), each a turn's worth at
 * a time (N1). A part of the state actor. */
#ifndef AETHER_ACTORS_CONSENSUS_WALKS_H
#define AETHER_ACTORS_CONSENSUS_WALKS_H

#include "runtime/actor.h"
#include "store/memory/kv_snapshot.h"

/* Zeroed: none is under way. */
struct walks {
    struct walk {
        struct actor_id owner;
        uint64_t id;
        struct kv_snapshot *snapshot; /* NULL: a free place. */
        struct snapshot_chunk chunk;  /* What is not a full one yet. */
    } items[KV_SNAPSHOTS_MAX];
    size_t side_bytes_max;                    /* 0 = KV_SNAPSHOT_SIDE_BYTES. */
    size_t chunk_bytes;                       /* 0 = SNAPSHOT_CHUNK_BYTES. */
    struct actor_id owners[KV_SNAPSHOTS_MAX]; /* Those that are monitored. */
    uint32_t owner_count;
};

/* The current message, with what the header says of the configuration; answered at once. Its sender is
 * monitored: hand its end to walks_forget. */
void walks_begin(struct actor *self, struct walks *walks, struct kv *kv,
                 const struct configuration *configuration, log_index configuration_index,
                 const struct message *request);
void walks_next(struct actor *self, struct walks *walks, const struct message *request);
void walks_end(struct walks *walks, struct actor_id owner, uint64_t id);
void walks_forget(struct walks *walks, struct actor_id owner); /* It has ended: all of its. */
void walks_end_all(struct walks *walks);                       /* Before the kv ends. */

#endif
