/* progress: what a replica knows of one other member: for a leader how far its log has come (R1), for a
 * candidate its vote. */
#ifndef AETHER_STORE_RAFT_PROGRESS_H
#define AETHER_STORE_RAFT_PROGRESS_H

#include "store/raft/core.h"

enum { PROGRESS_WINDOW_MAX = 256 };

struct progress_flight {
    log_index last; /* Of the entries of one APPEND. */
    size_t bytes;
};

enum progress_answer { PROGRESS_UNANSWERED = 0, PROGRESS_GRANTED, PROGRESS_REFUSED };

struct progress {
    replica_id id;
    enum core_peer_state state;
    log_index match;             /* Durable there. */
    log_index next;              /* match < next. */
    struct log_position sent;    /* The last entry sent, when it is next - 1: spares reading it again. */
    uint64_t heard;              /* Tick of its last message in our term. */
    uint64_t moved;              /* Tick of the last probe, or of the last move of the window. */
    uint64_t notified;           /* Tick of the last message that carried our commit. */
    log_index commit_sent;       /* The commit index that it was told. */
    uint64_t healthy_since;      /* E9, M3: tick since which it keeps up. */
    uint64_t token;              /* Q1: newest token of our term that it acknowledged. */
    uint64_t read_tag;           /* Of the READ_LOG under way for it; 0: none. */
    bool probing;                /* PROBE: the one message is out. */
    bool greeted;                /* It answered our HELLO (T3). */
    uint64_t snapshot_after;     /* Tick before which it is sent no snapshot: the last one failed. */
    enum progress_answer answer; /* To our request for a vote or a pre-vote. */
    uint32_t window_first;
    uint32_t window_count;
    size_t window_bytes;
    struct progress_flight window[PROGRESS_WINDOW_MAX];
};

/* A new leader knows nothing but its own last index. */
void progress_start(struct progress *progress, log_index last, uint64_t now);
/* Back to one message at a time, from `next`; `next` is kept above match. */
void progress_probe(struct progress *progress, log_index next);
void progress_pipeline(struct progress *progress); /* From match + 1 on. */
void progress_snapshot(struct progress *progress); /* Nothing is sent until it has a snapshot. */
void progress_sent(struct progress *progress, log_index last, size_t bytes);
/* The peer holds everything up to match: frees the window up to there. */
void progress_acknowledged(struct progress *progress, log_index match);
bool progress_window_is_full(const struct progress *progress, uint32_t messages_max, size_t bytes_max);

#endif
