/* core_state: what one replica remembers, for the files of the core only. Nothing outside store/raft includes
 * this. Each part is written by the file that it names, others read it. */
#ifndef AETHER_STORE_RAFT_CORE_STATE_H
#define AETHER_STORE_RAFT_CORE_STATE_H

#include "store/raft/core.h"
#include "store/raft/progress.h"
#include "store/raft/tail.h"

enum {
    HELD_MAX = 256,     /* Messages that wait for the disk; one more is dropped, as the network might. */
    BATCHES_MAX = 4096, /* PERSISTs that are not durable yet. */
};

#if AETHER_MUTANTS
#define MUTANT(core, name) ((core)->options.mutant == CORE_MUTANT_##name)
#else
#define MUTANT(core, name) ((void)(core), false)
#endif

struct outbox { /* outbox.c */
    uint32_t count;
    struct core_action items[CORE_ACTIONS_MAX];
    struct core_actions given;
    struct {
        uint64_t after; /* May leave when this PERSIST is durable. */
        struct core_message message;
    } held[HELD_MAX]; /* In the order of `after`. */
    uint32_t held_count;
};

struct batch {
    uint64_t sequence;
    uint64_t at;             /* Tick at which it was issued. */
    log_index last;          /* Last index of the log when it was issued. */
    log_index truncate_from; /* 0: none. */
};

struct persistence { /* persistence.c */
    uint64_t issued;
    uint64_t done;
    uint64_t hard_sequence; /* The batch that carried the present term and vote. */
    bool hard_dirty;        /* They changed in this step: the next batch carries them. */
    log_index durable;
    struct batch batches[BATCHES_MAX]; /* A ring: sequence s sits in slot s % BATCHES_MAX. */
};

struct election {           /* election.c */
    uint64_t deadline;      /* Tick at which a follower or candidate acts. */
    uint64_t contact;       /* Tick at which the leader was last heard. */
    bool heard;             /* `contact` holds: since the start, and not since PEER_DOWN. */
    replica_id term_leader; /* Who leads or led this term; 0: unknown. Outlives PEER_DOWN. */
    bool counted_self;      /* Candidate: our vote is durable and counts (E3). */
    bool by_transfer;       /* Candidate: asks in the leader's name (E2, E9). */
    bool timeout_now;       /* TIMEOUT_NOW waits for the disk (E9). */
};

struct waiting_read {
    uint64_t tag;    /* Ours; unused when `from` is set. */
    replica_id from; /* Not 0: a follower asked, */
    uint64_t nonce;  /* with this. On a follower: the nonce that it went out with; 0: not yet. */
    uint64_t token;  /* On the leader: confirmed by a quorum's acknowledgement; 0: not yet given. */
    log_index index; /* The read index, once known. */
    bool confirmed;  /* Waits for the state only. */
    bool patient;    /* On the leader: it makes no round leave. */
};

struct reads {          /* reads.c */
    uint64_t token;     /* The newest of this term. */
    uint64_t confirmed; /* The newest that a quorum acknowledged. */
    uint64_t nonce;     /* The newest; never used again, in any term. */
    uint64_t asked;     /* Tick of the last READ_INDEX. */
    uint32_t count;
    struct waiting_read items[CORE_READS_MAX]; /* In the order of arrival. */
};

struct gate {       /* gate.c */
    bool shut;      /* T3 */
    uint64_t nonce; /* Of our HELLOs. */
    uint64_t since;
    uint64_t asked;             /* Tick of the last round of HELLOs. */
    struct checkpoint recorded; /* As applied. */
    uint32_t retired_count;
    replica_id retired[CORE_RETIRED_MAX]; /* Ascending. */
};

enum receiving_stage {
    RECEIVING_NOTHING = 0,
    RECEIVING_STREAM, /* Accepted; its bytes are on their way. */
    RECEIVING_FLIP,   /* INSTALL is with the disk. */
    RECEIVING_LOAD,   /* RELOAD is with the state. */
};

struct receiving { /* snapshots.c */
    enum receiving_stage stage;
    replica_id from;
    bool asked; /* T6 */
    struct core_snapshot snapshot;
    uint64_t sequence; /* Of the INSTALL. */
    uint64_t asked_at; /* Tick of the last SNAPSHOT_ASK; 0: none. */
};

struct recording {    /* recording.c */
    log_index last;   /* Of our last CHECKPOINT; 0: none in this term. */
    uint64_t changed; /* Tick at which the log went on after it; 0: it did not. */
    uint64_t asked;   /* Tick of the last CHECKPOINT_DUE; 0: none since. */
};

struct transfer {       /* transfer.c */
    replica_id target;  /* 0: none under way. */
    uint64_t deadline;  /* Tick at which we give up. */
    uint64_t next_move; /* Tick before which the steady state moves nothing. */
    uint64_t back_off;
    uint64_t told; /* Tick of the last TIMEOUT_NOW; 0: none yet. */
    bool stalled;  /* Our disk is the reason (F3): if it comes to nothing, we step down. */
};

struct core {
    struct core_options options;
    bool initialised;
    enum core_stop stop;
    uint64_t now; /* Ticks since the start. */
    uint64_t random;

    struct hard_state hard;
    enum core_role role;
    replica_id leader;
    log_index commit;
    log_index handed;      /* Given out by APPLY. */
    log_index applied;     /* Told by APPLIED. */
    bool damaged;          /* T6 */
    log_index replay_till; /* T6: damaged too, until this is applied; 0: no. */
    bool apply_reads; /* The last APPLY is read from the log by the driver: nothing else until it is applied.
                       */
    log_index no_op;  /* Of our term, when we lead. */
    uint64_t heartbeat_due;
    uint64_t commit_moved;    /* Tick at which commit last rose, or had nothing to rise to (E6). */
    size_t uncommitted_bytes; /* Of entries in the tail above commit (R10). */
    uint64_t read_log_tag;
    uint64_t malformed_count;
    struct core_role_changed announced;
    struct core_configured configured; /* As last told. */

    struct tail tail;
    struct persistence persistence;
    struct election election;
    struct reads reads;
    struct transfer transfer;
    struct gate gate;
    struct receiving receiving;
    struct recording recording;

    struct core_log_configuration configurations[CORE_CONFIGURATIONS_MAX]; /* roster.c, ascending. */
    uint32_t configuration_count;
    uint32_t peer_count; /* Members of the active configuration but ourselves, in their order. */
    struct progress peers[REPLICAS_MAX];
    struct progress former_peers[REPLICAS_MAX]; /* Scratch of roster.c. */

    struct outbox outbox;
};

/* A violated assertion of section 13: the first one counts, and nothing of this step leaves but STOP. */
void core_fail(struct core *core, enum core_stop reason);
/* Raises commit; to what was known already does nothing. */
void core_commit(struct core *core, log_index index);
bool core_is_ready(const struct core *core);           /* E7 */
bool core_is_whole(const struct core *core);           /* T6: it may lead and read. */
uint64_t core_draw(struct core *core, uint64_t below); /* From the seed. */

#endif
