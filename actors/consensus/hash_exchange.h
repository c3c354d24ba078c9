/* hash_exchange: what the replicas said of their states after a CHECKPOINT (F4), and what follows from it for
 * this one. Pure, by value; a part of the leader actor. */
#ifndef AETHER_ACTORS_CONSENSUS_HASH_EXCHANGE_H
#define AETHER_ACTORS_CONSENSUS_HASH_EXCHANGE_H

#include "store/raft/configuration.h"

enum { HASH_BYTES = 16, HASH_ROUNDS_MAX = 8 };

struct hash_exchange { /* Zeroed: nothing was said yet. */
    struct hash_round {
        log_index index; /* 0: free. */
        uint32_t count;
        struct hash_vote {
            replica_id replica;
            uint8_t hash[HASH_BYTES];
        } votes[REPLICAS_MAX];
    } rounds[HASH_ROUNDS_MAX]; /* The newest that were heard of. */
};

enum hash_verdict {
    HASH_OPEN,     /* Too few have spoken. */
    HASH_AGREES,   /* Ours is what most voters have. */
    HASH_MINORITY, /* Most voters have another: our state copy is damaged. */
    HASH_SPLIT,    /* All voters have spoken, and no state has a majority: all stop. */
};

/* What a replica has after the CHECKPOINT at `index`; the first word of each counts. Only members of the
 * configuration are heard. */
void hash_exchange_add(struct hash_exchange *exchange, const struct configuration *configuration,
                       replica_id replica, log_index index, const uint8_t hash[HASH_BYTES]);
enum hash_verdict hash_exchange_verdict(const struct hash_exchange *exchange,
                                        const struct configuration *configuration, replica_id self,
                                        log_index index);

#endif
