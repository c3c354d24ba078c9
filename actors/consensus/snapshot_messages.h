/* snapshot_messages: local messages around snapshots (wire/kinds.h 1220-1239): walks over the state (state
 * actor), what the leader's core decides (leader actor), and the two ends of a stream (snapshot_sender,
 * snapshot_receiver). What crosses nodes is in wire/proto/consensus.proto; the stream in store/snapshot.h. */
#ifndef AETHER_ACTORS_CONSENSUS_SNAPSHOT_MESSAGES_H
#define AETHER_ACTORS_CONSENSUS_SNAPSHOT_MESSAGES_H

#include "runtime/port/transport.h"
#include "store/snapshot.h"

/* --- a walk over the state, asked for by whoever wants its stream -------------------------------------- */

/* KIND_SNAPSHOT_BEGIN (ask TO_STATE) -> KIND_SNAPSHOT_BEGUN, body struct snapshot_header (cluster_id 0: the
 * asker knows it). The walk is the asker's, under its id, until SNAPSHOT_END (a tell) or the asker's end.
 * NOT_READY: nothing was applied yet, or the state is being loaded; OVERLOADED: KV_SNAPSHOTS_MAX walks. */
struct snapshot_begin {
    uint64_t id;
};

/* KIND_SNAPSHOT_NEXT (ask TO_STATE) -> KIND_SNAPSHOT_PART: a turn's worth of the walk. The attachment, if
 * there is one, is the next chunk block; without one ask again. OVERLOADED: too much changed ahead of the
 * walk (N1); NOT_FOUND: there is no such walk (any more): begin again, under a new id. */
struct snapshot_next {
    uint64_t id;
};
struct snapshot_part {
    uint64_t record_count; /* In the attachment. */
    bool done;             /* This was the last one. */
};

struct snapshot_end { /* KIND_SNAPSHOT_END */
    uint64_t id;
};

/* --- leader and snapshot_sender ------------------------------------------------------------------------ */

/* KIND_SNAPSHOT_SEND -> TO_SNAPSHOT_SENDER: bring `replica` a snapshot; one that is on its way there is given
 * up. Answered by KIND_SNAPSHOT_SENT, a tell to the sender of this message, whatever becomes of it. */
struct snapshot_send {
    char node[NODE_NAME_MAX];
    replica_id replica;
    uint64_t cluster_id;
    log_term term; /* The leader's; 0: for a worker. */
    bool asked;    /* By SNAP_ASK (T6), or by a worker. */
};
struct snapshot_sent {
    replica_id replica;
    log_index index; /* What it holds now; 0: it failed. */
    bool asked;
};

/* --- snapshot_receiver and leader ---------------------------------------------------------------------- */

/* KIND_SNAPSHOT_OFFERED (ask TO_LEADER) -> KIND_SNAPSHOT_VERDICT. */
struct snapshot_offered {
    struct snapshot_header header;
    replica_id to;
    replica_id from;
    log_term term;
    bool asked;
};
struct snapshot_verdict {
    bool accepted;
    bool holds; /* Not accepted, because this replica holds that index already. */
};

/* KIND_SNAPSHOT_RECEIVED -> TO_LEADER: the accepted one is here, whole, verified and durable; or it will not
 * come to anything. KIND_SNAPSHOT_CANCEL -> TO_SNAPSHOT_RECEIVER: give up the accepted one (N4).
 * KIND_SNAPSHOT_INSTALLED -> TO_SNAPSHOT_RECEIVER: the accepted one is the state now. */
struct snapshot_received {
    uint64_t id; /* Two of one position may follow each other: only the last one accepted counts. */
    struct log_position position;
    bool failed;
};

/* --- leader and stream_feed ----------------------------------------------------------------------------- */

/* KIND_STREAM_WANTED, tell TO_LEADER: from now on, or no longer, the sender is told by KIND_STREAM_COMMIT
 * what was applied here, now and again and again. */
struct stream_wanted {
    bool wanted;
};
struct stream_commit {
    log_index applied;
    uint64_t cluster_id;
    log_index checkpoint; /* The newest one, and the state's hash after it (F4); 0: none since the start. */
    uint8_t hash[16];
};

/* --- leader and state ---------------------------------------------------------------------------------- */

/* KIND_STATE_RELOAD -> TO_STATE: the copy was flipped to this snapshot (N6). The state reads the new
 * generation, then tells KIND_APPLIED of header.position.index; until then it answers no read. */
struct state_reload {
    struct snapshot_header header;
};

#endif
