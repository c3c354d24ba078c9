/* messages: local messages of the consensus actors (wire/kinds.h 1200-1299). Those that other rooms need
 * (ROLE_CHANGED, READ_BARRIER) are in wire/local.h; what crosses nodes is in wire/proto/store.proto and
 * consensus.proto. */
#ifndef AETHER_ACTORS_CONSENSUS_MESSAGES_H
#define AETHER_ACTORS_CONSENSUS_MESSAGES_H

#include "runtime/message.h"
#include "runtime/port/transport.h"
#include "store/kv.h"
#include "store/log.h"
#include "store/raft/entry.h"
#include "wire/local.h"

#include <stdbool.h>

/* --- between leader, state and log writer only ---------------------------------------------------------- */

/* KIND_LOG_PERSIST, leader -> TO_LOG_WRITER: one PERSIST action of the core (or the founding's entry). The
 * entries' payload references belong to the message. */
struct log_persist {
    uint64_t sequence; /* Comes back in log_persisted; rises by one. */
    bool has_hard;
    struct hard_state hard;
    const struct log_install *install; /* NULL: none. The flip after a snapshot (N2). */
    log_index truncate_from;
    uint64_t cluster_id;
    struct raft_entry *entries;
    uint32_t entry_count;
};

struct log_persisted { /* KIND_LOG_PERSISTED: all batches up to here are durable. */
    uint64_t sequence;
};

/* KIND_LOG_READ, leader -> TO_LOG_WRITER; answered by KIND_LOG_ENTRIES (a tell) in order with the persists
 * around it: what was sent before the read is seen by it, what comes after is not. */
struct log_read {
    uint64_t tag; /* Comes back. */
    log_index from;
    log_index to; /* Inclusive. */
    uint64_t max_bytes;
};

struct log_entries { /* KIND_LOG_ENTRIES */
    uint64_t tag;
    log_index from;
    struct raft_entry *entries; /* Contiguous from `from`; payload references belong to the message. */
    uint32_t entry_count;       /* 0: the log doesn't hold `from` (any more). */
    uint32_t entry_room;        /* Private. */
};

/* KIND_LOG_COPY, state -> TO_LOG_WRITER: body struct kv_copy (store/kv.h), its records in the message's
 * arena. Written with the next batch, or after 50 ms without one. */

/* KIND_LOG_RECEIVE (ask TO_LOG_WRITER) -> KIND_LOG_RECEIVED, once durable: one step of receiving a snapshot
 * (N2; store/log.h tells the rules of both). The flip itself is the core's: log_persist.install. */
struct log_receive {
    bool clear;                    /* Forget what was received; answered once the generation is empty. */
    const struct log_chunk *chunk; /* Records, note and keys in the message's arena. NULL: only asks. */
};
struct log_received {
    struct log_receiving receiving; /* What is durable now. */
    uint32_t generation;            /* The active one. */
};

/* KIND_LOG_COPY_READ (ask TO_LOG_WRITER) -> KIND_LOG_COPY_PAGE: a part of the state copy, of either
 * generation: to check what was received before the flip, and to load the state anew after it. */
struct log_copy_read {
    uint32_t generation;
    struct log_copy_cursor cursor; /* Zeros, or that of the last page. */
    size_t max_bytes;              /* At most 1 MiB (D6). */
};
struct log_copy_page {
    struct log_copy_cursor cursor;   /* .done: this was the last one. */
    struct log_copy_record *records; /* All of it in the message's arena. */
    uint32_t record_count;
    uint32_t record_room; /* Private. */
};

/* KIND_LOG_COMPACT, leader -> TO_LOG_WRITER, whenever it likes (each second, each 1,024 entries): the writer
 * drops what D7 no longer wants kept, in small steps beside other writes, and tells KIND_LOG_COMPACTED when
 * the log's start has moved. */
struct log_compact {
    log_index needed_from; /* The lowest index that a live follower has yet to get; 0: none lags. */
};
struct log_compacted {
    struct log_position base; /* struct log_live. */
};

/* KIND_LOG_MARK (ask TO_LOG_WRITER) -> KIND_LOG_MARKED, once durable: then the process ends (70), and the
 * next start acts on it. */
struct log_mark {
    bool copy_damaged;                /* F4 */
    char doubt[LOG_DOUBT_REASON_MAX]; /* T3, LOST; "": none. */
};

/* KIND_LOG_SPACE, log writer -> TO_MEMBERSHIP: how much room there is (F2), each second and whenever low or
 * full has changed. body: struct log_space (store/log.h) */

/* KIND_APPLY, leader -> TO_STATE: committed and durable entries, in order, each once (R9). */
struct apply {
    struct raft_entry *entries; /* Payload references belong to the message. */
    uint32_t entry_count;
    log_index commit;  /* Known here; for the lag that stale reads print. */
    bool want_results; /* Somebody waits here for the result of one of these. */
};

struct apply_result {
    log_index index;
    log_term term;
    struct message *reply; /* KIND_PROPOSE_REPLY; whoever takes it leaves NULL. */
};
struct applied { /* KIND_APPLIED, state -> leader. */
    log_index index;
    log_term term;
    struct apply_result *results; /* Of commands, when they were wanted. */
    uint32_t result_count;
    log_index checkpoint;             /* The newest CHECKPOINT among them; 0: none. */
    struct bytes *checkpoint_payload; /* Its own; after a snapshot, of the one that the state has recorded. */
    uint8_t checkpoint_hash[16];      /* Of the state after it (F4). */
};

/* KIND_READ_POINT (ask TO_LEADER; no body: not patient) -> KIND_READ_POINT_REPLY: a Q1 round that began after
 * the request arrived gave this read index; whoever has applied it may answer. NOT_LEADER, NO_LEADER: ask
 * again. */
struct read_point {
    bool patient; /* It goes with the next heartbeat, where this node leads. */
};
struct read_point_reply {
    log_index index;
    log_term term;
};

/* --- making them ---------------------------------------------------------------------------------------- */

/* All of these travel in the system lane: they are the protocol, and never wait behind requests (R10). */

/* `entries` are copied into the message, with a reference to each payload that the message gives back. */
struct message *messages_persist(const struct log_persist *persist);
struct message *messages_apply(const struct raft_entry *entries, uint32_t count, log_index commit);
/* Empty, to be filled by messages_add_entry. */
struct message *messages_entries(uint64_t tag, log_index from);
void messages_add_entry(struct message *message, const struct raft_entry *entry);
void messages_add_record(struct message *page,
                         const struct log_copy_record *record); /* To a LOG_COPY_PAGE. */
/* With room for result_max results. */
struct message *messages_applied(uint32_t result_max);
/* Any other local kind between these actors, body zeroed. */
struct message *messages_create(uint32_t kind, size_t body_size);

#endif
