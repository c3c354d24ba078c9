/* raft_swarm_state: one run of the swarm, for its files only. Time is in microseconds and virtual. Each
 * family of chance has its own stream, so that one more draw in one of them shifts nothing in the others. */
#ifndef AETHER_TESTS_SUPPORT_RAFT_SWARM_STATE_H
#define AETHER_TESTS_SUPPORT_RAFT_SWARM_STATE_H

#include "tests/support/raft_oracle.h"
#include "tests/support/raft_swarm.h"

#define MILLISECOND   UINT64_C(1000)
#define TICK_US       (10 * MILLISECOND)
#define T_MIN_US      (500 * MILLISECOND)
#define T_MAX_US      (1000 * MILLISECOND)
#define FAULTS_END_US (12000 * MILLISECOND)

enum { WAITING_READS_MAX = 4096 };

enum stream {
    STREAM_NETWORK,
    STREAM_DISK,
    STREAM_FAULTS,
    STREAM_CLIENT,
    STREAM_STATE,
    STREAM_MEMBERS,
    STREAM_SNAPSHOTS,
    STREAM_COUNT
};

enum occasion_type {
    OCCASION_TICK,
    OCCASION_DELIVER,
    OCCASION_PERSISTED,
    OCCASION_APPLIED,
    OCCASION_LOG_READ,
    OCCASION_RESTART,
    OCCASION_PEER_DOWN,
    OCCASION_PEER_UP,
    OCCASION_COMPACTED,
    OCCASION_OFFER,          /* A snapshot's header reaches `replica`. */
    OCCASION_SNAPSHOT_READY, /* All of it does, or it comes to nothing. */
    OCCASION_SNAPSHOT_SENT,  /* Its sender learns how it went. */
    OCCASION_FAULT,
    OCCASION_CLIENT,
    OCCASION_OPERATOR, /* Changes the configuration. */
    OCCASION_HEAL,
};

struct occasion {
    uint64_t at;
    uint64_t order; /* Of those at the same time the first one made. */
    enum occasion_type type;
    uint32_t replica;
    uint32_t incarnation; /* Local ones die with it. */
    uint64_t number;      /* Sequence, index, tag, peer. */
    log_index from;       /* LOG_READ. */
    log_index to;
    struct log_position position; /* COMPACTED, SNAPSHOT_READY. */
    log_term term;                /* OFFER. */
    bool asked;
    bool fails; /* SNAPSHOT_*: it comes to nothing; DELIVER: it is damaged. */
    struct core_message message;
    struct raft_log entries;  /* Owned, for message.entries. */
    struct raft_state *state; /* Owned: what the offered snapshot holds. */
};

struct replica {
    replica_id id;
    uint32_t node;       /* Its name: a replica that comes back without its directory has the same (I1). */
    struct core *core;   /* NULL: down. */
    struct core *shadow; /* Hears of each tick singly: a sleeping driver must make no difference. */
    uint32_t incarnation;
    bool retired;  /* For good: another replica has its place. */
    bool impostor; /* Started from an old copy of its directory, and has to find that out. */
    bool sleepy;   /* Its driver sleeps until the core has something to do. */
    uint64_t ticked_at;
    uint64_t tick_armed_at;
    struct raft_disk disk;
    struct raft_disk *old; /* A copy of the directory that somebody keeps. */
    uint64_t disk_free_at; /* Batches and reads are served one after the other. */
    uint64_t disk_slow_till;
    struct raft_state state;
    uint64_t state_free_at;
    bool checkpoint_due; /* The core asked for one in this step. */
    bool receives;       /* A snapshot: `received` is what it holds. */
    struct raft_state received;
    replica_id heard; /* Its leader, by message; 0: none since the start, or since PEER_DOWN (E2). */
    uint64_t heard_at;
    uint64_t heard_from[SWARM_REPLICAS_MAX]; /* In the present term (E6). */
    uint64_t changed_at;                     /* Its role, term or configuration last changed. */
    replica_id granted;                      /* Whom it granted a (pre-)vote in this step. */
    bool isolated;                           /* Since... */
    log_term isolated_term;                  /* ...it had this term, a T_max after it was cut off (S13). */
    uint64_t isolated_at;
};

struct families { /* Swarm testing (Groce, 2012): each on or off by seed. */
    bool loss, doubling, replay, delay, partitions, one_way, crashes, slow_disk, hints, transfers,
        small_limits;
    bool garble, members, compaction, bad_snapshots, damage, old_copies, sleepy;
};

struct waiting {
    bool used;
    uint32_t replica;
    uint32_t incarnation;
    log_index commit; /* The highest anywhere when it began. */
    bool led;         /* It led this term with this configuration then, and this was its newest token. */
    log_term term;
    log_index configuration;
    uint64_t token;
};

struct swarm {
    struct swarm_options options;
    struct swarm_result *result;
    struct oracle oracle;
    struct families families;
    uint64_t streams[STREAM_COUNT];
    uint64_t now;
    uint64_t made;
    struct occasion **heap;
    uint32_t heap_count;
    uint32_t heap_capacity;
    uint32_t count;  /* Replicas there ever were. */
    uint32_t voters; /* At the founding: the first ones. */
    struct replica replicas[SWARM_REPLICAS_MAX];
    replica_id retired[SWARM_REPLICAS_MAX];
    uint32_t retired_count;
    bool cut[SWARM_REPLICAS_MAX][SWARM_REPLICAS_MAX]; /* [from][to] */
    struct core_options limits;
    struct waiting reads[WAITING_READS_MAX]; /* By tag. */
    uint64_t next_tag;
    uint64_t next_value;
    /* The healed phase. */
    bool healed;
    uint64_t healed_at;
    bool connected[SWARM_REPLICAS_MAX];
    bool led;                /* A leader was ready since the heal. */
    log_index healed_commit; /* What it must get beyond, once it leads. */
    bool committed;
};

/* Chance. */
uint64_t swarm_draw(struct swarm *swarm, enum stream stream, uint64_t below);
bool swarm_chance(struct swarm *swarm, enum stream stream, uint32_t percent);
void swarm_trace(struct swarm *swarm, uint32_t at, uint32_t type, uint64_t a, uint64_t b);
uint32_t swarm_replica_of(const struct swarm *swarm, replica_id id); /* SWARM_REPLICAS_MAX: nobody. */

#endif
