/* log: the durable side of one replica, as a port: the log, hard state, identity and the copy of the state
 * (consensus.md section 3). store/lmdb is the real one, store/memory the simulator's (with crashes that lose
 * what was not committed). Only the log writer actor calls it, from one thread; every call may block. */
#ifndef AETHER_STORE_LOG_H
#define AETHER_STORE_LOG_H

#include "runtime/base/error.h"
#include "store/raft/entry.h"

#include <stdbool.h>

struct log_identity {
    uint64_t cluster_id;   /* 0: not founded, not joined. */
    replica_id replica_id; /* Made by the first open of an empty directory, durable before open returns. */
};

/* What a start needs to know; filled by open. */
struct log_boot {
    struct log_identity identity;
    struct hard_state hard;
    struct log_position last;      /* index 0: the log is empty. */
    struct log_position applied;   /* Of the state copy; index 0: there is no copy yet. */
    uint64_t history_first;        /* Of the state copy: see kv_history_first. */
    log_index configuration_index; /* Of the newest configuration entry; 0 = none. */
};

/* Each space is a table of its own: kv0, sess0, hist. */
enum log_copy_space {
    COPY_RECORD,
    COPY_SESSION, /* Key: the session's id as 16 hex digits. */
    COPY_HISTORY, /* Key: the revision as 16 hex digits. */
    COPY_SPACE_COUNT,
};

/* One changed record of the state, for the copy; borrowed for the call. */
struct log_copy_record {
    enum log_copy_space space;
    const char *key;
    const void *value; /* NULL: deleted. Packed by the state (store/record.h); opaque here. */
    size_t value_size;
};

/* One durable step. All of it becomes durable in one transaction, or none (D3, D5: when hard changes, the
 * guard slot first). Order of effects: hard, truncation, entries, copy. */
struct log_batch {
    const struct hard_state *hard;    /* NULL: unchanged. */
    log_index truncate_from;          /* 0: none; else this entry and all later ones go. */
    const struct raft_entry *entries; /* Contiguous, after truncation. */
    uint32_t entry_count;
    uint64_t cluster_id; /* Not 0: from now on this node belongs to that cluster (file `member`, I3). */
    /* State copy: from must be the stored applied index, else the copy part is dropped (N6). */
    bool has_copy;
    log_index copy_from;
    struct log_position copy_to;
    uint64_t copy_history_first; /* History records of lower revisions are deleted. */
    uint8_t state_hash[16];
    const struct log_copy_record *copy;
    uint32_t copy_count;
};

struct log;
struct log_ops {
    /* Joins all batches into one transaction and makes it durable. An error means: nothing may leave, the
     * process ends (F1). */
    enum status (*write)(struct log *log, const struct log_batch *batches, uint32_t count,
                         struct error *error);
    /* Calls emit for entries from..to in order, at least one, stopping after max_bytes; emit borrows the
     * entry. NOT_FOUND, without a call: the log doesn't hold `from`. */
    enum status (*read)(struct log *log, log_index from, log_index to, size_t max_bytes,
                        void (*emit)(void *context, const struct raft_entry *entry), void *context,
                        struct error *error);
    /* Walks the state copy space by space (records, sessions, history), each in key order. At start only.
     * Stops at the first status but OK that emit returns, and returns it. */
    enum status (*read_copy)(struct log *log,
                             enum status (*emit)(void *context, const struct log_copy_record *record,
                                                 struct error *error),
                             void *context, uint8_t out_state_hash[16], struct error *error);
    void (*close)(struct log *log);
};
struct log {
    const struct log_ops *ops;
    struct log_boot boot;
};

#endif
