/* log: the durable side of one replica, as a port: the log, hard state, identity, the copy of the state and
 * the snapshot being received (consensus.md sections 2, 3, 4, 9, 12). store/lmdb is the real one,
 * store/memory the simulator's (with crashes that lose what was not committed). Only the log writer actor
 * calls it, from one thread; every call may block. One contract test holds both to this page.
 *
 * Opening (lmdb_log_open, log_memory_open) ends in one of these ways:
 * - OK: sound; or the state copy alone is damaged (T6: boot.copy_state); or the store was in doubt (T2) and
 *   stands aside already: then this is an empty store under a new replica id, and boot tells of the old one.
 * - CONFLICT: another process has it open, or it belongs to another cluster than `member` says.
 * - NOT_READY: the disk failed, or was full, while the tables were brought up to what is durable: to be
 *   opened again, by another process (F1, F2).
 * - IO, VERSION_MISMATCH: a failure that may pass, or that a person has to mend. Nothing was changed, and
 *   nothing may be concluded (T2). */
#ifndef AETHER_STORE_LOG_H
#define AETHER_STORE_LOG_H

#include "runtime/base/error.h"
#include "store/raft/entry.h"

#include <stdbool.h>

enum {
    LOG_COPY_KEY_MAX = 480,
    LOG_NOTE_MAX = 4096,         /* Of a receiver's note. */
    LOG_COMPACT_STEP_MAX = 2048, /* Entries that one write deletes, whatever it was asked for. */
    LOG_CLEAR_STEP_MAX = 4096,   /* Records likewise. */
    LOG_DOUBT_REASON_MAX = 160,
    LOG_KEEP_ENTRIES = 10000, /* D7: what compaction leaves, whichever is less; */
    LOG_KEEP_BYTES = 64 * 1024 * 1024,
    LOG_KEEP_BYTES_FOR_FOLLOWER = 256 * 1024 * 1024, /* and up to this while a live follower needs it. */
};

struct log_identity {
    uint64_t cluster_id;   /* 0: not founded, not joined. */
    replica_id replica_id; /* Made by the first open of an empty directory, durable before open returns. */
};

/* T6: whether the copy can be loaded. */
enum log_copy_state {
    LOG_COPY_SOUND,
    /* Damaged and thrown away, but the log starts at 1: the state is built again from the log, as if nothing
     * had ever been applied. No read and no campaign before boot.committed is applied. */
    LOG_COPY_REPLAY,
    /* Damaged (or marked so by F4), and only a snapshot of another replica can mend it. Nothing may be
     * applied, read or led until one is installed; votes and acknowledgements go on under the same id. */
    LOG_COPY_SNAPSHOT,
};

/* The snapshot whose chunks lie in the inactive generation (N2). */
struct log_receiving {
    uint64_t snapshot_id; /* 0: none. */
    uint64_t offset;      /* All of its stream before this is durable. */
    uint32_t note_size;
    uint8_t note[LOG_NOTE_MAX]; /* What the receiver needs to go on from there: header, running hash. */
};

/* What a start needs to know; filled by open. */
struct log_boot {
    struct log_identity identity;
    struct hard_state hard;
    /* Just before the first entry that the log holds: the last one compacted, or the snapshot's. index 0: the
     * log starts at 1. The first index is base.index + 1, and what an APPEND at the very start of the log has
     * to match is base.term and base.chain (R2). */
    struct log_position base;
    struct log_position last;    /* = base if the log holds no entry; index 0: nothing was ever written. */
    struct log_position applied; /* Of the state copy; index 0: there is no copy (yet, or any more). */
    log_index committed;         /* Known to be: >= applied; more than that only after damage to the copy. */
    uint64_t history_first;      /* Of the state copy: see kv_history_first. */
    uint8_t state_hash[16];      /* D2: of the state copy. */
    uint32_t generation;         /* The active one: 0 or 1. What the first copy batch has to name. */
    enum log_copy_state copy_state;
    log_index configuration_index; /* Of the newest configuration entry; 0 = none. See read_configurations. */
    struct log_receiving receiving;
    /* T2, M3: the id that this directory had before it was doubted, to be told by JOIN until the
     * configuration has our new one. 0: none, or it was unreadable; doubt_reason tells the two apart ("" =
     * never doubted). Both survive restarts. */
    replica_id retired_id;
    char doubt_reason[LOG_DOUBT_REASON_MAX];
    char warning[LOG_DOUBT_REASON_MAX]; /* For a person; "": none. T1's sole voter, a reserve that is gone. */
};

/* Each space is a table of its own: kv0 or kv1, sess0 or sess1, hist. */
enum log_copy_space {
    COPY_RECORD,
    COPY_SESSION, /* Key: the session's id as 16 hex digits. */
    COPY_HISTORY, /* Key: the revision as 16 hex digits. Of no generation; never in a snapshot. */
    COPY_SPACE_COUNT,
};

/* One changed record of the state, for the copy; borrowed for the call. */
struct log_copy_record {
    enum log_copy_space space;
    const char *key;
    const void *value; /* NULL: deleted. Packed by the state (store/record.h); opaque here. */
    size_t value_size;
};

/* A part of a snapshot (N2). Dropped unless it continues what is being received: the same id and `from` = the
 * durable offset; `from` = 0 begins a snapshot, whatever was received before, but only into an empty inactive
 * generation (live.inactive_empty; see clear_inactive). So a chunk that comes twice does no harm, and the
 * answer is always live.receiving. */
struct log_chunk {
    uint64_t snapshot_id; /* Not 0. */
    uint64_t from;
    uint64_t to;
    const struct log_copy_record *records; /* COPY_RECORD and COPY_SESSION; puts only. */
    uint32_t record_count;
    const void *note; /* Replaces the former one. */
    uint32_t note_size;
};

/* The flip (N2, N3): in one transaction the inactive generation becomes the active one, position becomes
 * applied, hist is emptied and begins at position.index + 1, the configuration becomes the only one at or
 * below position, what was received is forgotten. `hard` stays as it is. The former generation is inactive
 * then, and not empty. */
struct log_install {
    uint64_t snapshot_id; /* Must be the one being received: CHECKed, the caller saw it complete. */
    struct log_position position;
    uint8_t state_hash[16];
    /* N3. true: the log holds (position.index, position.term), and what it holds stays: base.index <=
     * position.index <= last.index, CHECKed. false: all of the log goes, and base = last = position. */
    bool keep_log;
    log_index configuration_index; /* <= position.index */
    struct bytes *configuration;   /* configuration_pack's. Borrowed for the call. */
};

/* One durable step. All of it becomes durable at once, or none (D3, D5: when hard changes, the guard slot
 * first). Order of effects: hard, install, truncation, entries, copy, chunk or clearing,
 * compaction.
 */
struct log_batch {
    const struct hard_state *hard;     /* NULL: unchanged. */
    const struct log_install *install; /* NULL: none. */
    log_index truncate_from;           /* 0: none; else this entry and all later ones go. */
    const struct raft_entry *entries;  /* Contiguous, after truncation. */
    uint32_t entry_count;
    uint64_t cluster_id; /* Not 0: from now on this node belongs to that cluster (file `member`, I3). */
    /* State copy: dropped unless its generation is the active one and from is the stored applied index (N6).
     */
    bool has_copy;
    uint32_t copy_generation;
    log_index copy_from;
    struct log_position copy_to;
    uint64_t copy_history_first; /* History records of lower revisions are deleted. */
    uint8_t state_hash[16];
    const struct log_copy_record *copy;
    uint32_t copy_count;
    const struct log_chunk *chunk; /* NULL: none. */
    /* Forgets what was received and empties the inactive generation, LOG_CLEAR_STEP_MAX records a write:
     * again until live.inactive_empty. */
    bool clear_inactive;
    /* D7: the prefix up to here may go; LOG_COMPACT_STEP_MAX entries a write, and never beyond the durable
     * applied index, so ask again until live.base has moved there. The newest configuration stays readable.
     */
    log_index compact_to;
    bool copy_damaged; /* F4: the state copy is wrong; the next open says LOG_COPY_SNAPSHOT. */
    const char *doubt; /* T3, LOST: the next open retires this replica id for this reason. NULL: no. */
};

/* As of the last write that returned OK; at open, of the boot. */
struct log_live {
    struct log_position base;
    log_index last;              /* Of the last entry. */
    struct log_position applied; /* Durable: what D7 is bounded by. */
    uint64_t entry_bytes;        /* What the log's entries take, about. */
    uint32_t generation;
    bool inactive_empty;
    struct log_receiving receiving;
    /* What `write` made durable and `settle` has yet to bring to where it belongs. */
    bool unsettled;
    uint64_t unsettled_entries;
    uint64_t unsettled_bytes;
    bool preparing; /* `settle` has something to make ready, in small slices. */
};

/* F2. Low: 5 % or 64 MiB, of the disk or of the map: an alarm is raised, and only deletes are taken. Ample:
 * a quarter more than that; an alarm that was raised ends. Full: a write would likely fail; the log writer
 * holds what it was given and acknowledges nothing. */
struct log_space {
    uint64_t disk_free; /* To this process; UINT64_MAX: unbounded. */
    uint64_t map_free;
    uint64_t disk_mark; /* Less is low. */
    uint64_t map_mark;
    bool low;
    bool ample;
    bool full;
};

/* Where a walk over the copy stands; zeros: at the start. */
struct log_copy_cursor {
    bool done;
    enum log_copy_space space;
    char key[LOG_COPY_KEY_MAX + 1]; /* The last one seen in that space; "": none. */
};

typedef enum status log_emit_copy(void *context, const struct log_copy_record *record, struct error *error);

struct log;
struct log_ops {
    /* Joins all batches into one durable step. An error means: nothing may leave, the process ends (F1).
     * Entries, hard states and truncations alone take the quickest way to the disk there is, and may leave
     * work for `settle`; whatever else is written does that work too. */
    enum status (*write)(struct log *log, const struct log_batch *batches, uint32_t count,
                         struct error *error);
    /* Never needed for what was acknowledged, but without it the next start has more to do, and a write
     * may have to do it first: a whole transaction if live.unsettled, else one slice of what is
     * live.preparing. Errors as of `write`. */
    enum status (*settle)(struct log *log, struct error *error);
    /* Calls emit for entries from..to in order, at least one, stopping after max_bytes; emit borrows the
     * entry. NOT_FOUND, without a call: the log doesn't hold `from` (not yet, or compacted). */
    enum status (*read)(struct log *log, log_index from, log_index to, size_t max_bytes,
                        void (*emit)(void *context, const struct raft_entry *entry), void *context,
                        struct error *error);
    /* Every configuration entry that is kept, in order: the newest one at or below `base` and all after it.
     * One that came by a snapshot has index and payload only. */
    enum status (*read_configurations)(struct log *log,
                                       void (*emit)(void *context, const struct raft_entry *entry),
                                       void *context, struct error *error);
    /* Walks the copy of a generation space by space (records, sessions; of the active one also history), each
     * in key order, for about max_bytes from where the cursor stands, at least one record; D6: bound it by
     * 1 MiB once writes are under way, and go on by the cursor until it is done. Stops at the first status
     * but OK that emit returns, and returns it. The inactive generation is what was received so far: whoever
     * walks it before the flip knows that it has the snapshot's hash (N2, D2). */
    enum status (*read_copy)(struct log *log, uint32_t generation, struct log_copy_cursor *cursor,
                             size_t max_bytes, log_emit_copy *emit, void *context, struct error *error);
    void (*space)(struct log *log, struct log_space *out_space);
    void (*close)(struct log *log);
};
struct log {
    const struct log_ops *ops;
    struct log_boot boot;
    struct log_live live;
};

#endif
