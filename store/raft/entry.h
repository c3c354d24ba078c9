/* entry: one entry of the replicated log, as the core, the log and the state see it. */
#ifndef AETHER_STORE_RAFT_ENTRY_H
#define AETHER_STORE_RAFT_ENTRY_H

#include "runtime/base/bytes.h"

#include <stdint.h>

typedef uint64_t log_index;  /* From 1; 0 = none. */
typedef uint64_t log_term;   /* From 1; 0 = none. */
typedef uint64_t replica_id; /* Random, never used again once its directory is lost (I1); 0 = none. */

enum entry_type {
    ENTRY_NO_OP = 1,
    ENTRY_COMMAND = 2,       /* payload: packed pb.Command */
    ENTRY_CONFIGURATION = 3, /* payload: configuration_pack */
    ENTRY_CHECKPOINT = 4,    /* payload: checkpoint_pack (T5) */
};

enum { ENTRY_PAYLOAD_MAX = 1024 * 1024, REPLICAS_MAX = 16 };

struct raft_entry {
    log_index index;
    log_term term;
    uint64_t stamp_ms; /* max(last stamp, the leader's clock): for people (A3). */
    uint64_t chain;    /* D1: hash64(chain(i-1), index, term, type, payload). */
    enum entry_type type;
    struct bytes *payload; /* NULL for a no-op. Who holds an entry holds one reference. */
};

/* One record, always (D5). */
struct hard_state {
    log_term term;
    replica_id vote; /* 0: none cast in this term. */
};

struct log_position {
    log_index index; /* 0: before the first entry; then term and chain are 0 too. */
    log_term term;
    uint64_t chain;
};

/* D1. */
uint64_t entry_chain(uint64_t chain_before, log_index index, log_term term, enum entry_type type,
                     const void *payload, size_t payload_size);

#endif
