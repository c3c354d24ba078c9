/* raft_swarm: replicas of the Raft core alone, each with a simulated disk and state, on a simulated network,
 * under faults drawn from a seed; after every event the oracle (raft_oracle.h) checks proof.md's S
 * invariants. One seed gives one run, bit for bit. Safety phase with faults, then a healed phase that must
 * elect and commit (S14). raft_occasions has the clock, raft_replica drives one core, raft_faults and
 * raft_clients do to it what networks, disks, operators and users do. */
#ifndef AETHER_TESTS_SUPPORT_RAFT_SWARM_H
#define AETHER_TESTS_SUPPORT_RAFT_SWARM_H

#include "store/raft/core.h"

/* Also of those that are no more: who comes back without its directory is another replica. */
enum { SWARM_REPLICAS_MAX = 12, SWARM_FIRST_ID = 101, SWARM_FAILURE_MAX = 512 };

struct swarm_options {
    uint64_t seed; /* Also draws: how many voters and learners, which fault families, which limits. */
    enum core_mutant mutant;
    bool trace; /* Prints every event to stderr. */
};

/* Sums of what happened, so that a test can show that the faults were there. */
#define SWARM_COUNTS(X)                                                                                      \
    X(events)                                                                                                \
    X(elections)                                                                                             \
    X(commits)                                                                                               \
    X(truncations)                                                                                           \
    X(crashes)                                                                                               \
    X(lost_batches)                                                                                          \
    X(log_reads)                                                                                             \
    X(log_applies) /* APPLY without entries. */                                                              \
    X(messages_lost)                                                                                         \
    X(messages_doubled)                                                                                      \
    X(messages_replayed)                                                                                     \
    X(reads_answered)                                                                                        \
    X(reads_forwarded) /* Of them on followers. */                                                           \
    X(transfers)                                                                                             \
    X(isolations)                                                                                            \
    X(changes)       /* Configurations proposed. */                                                          \
    X(joint_changes) /* How often a replica began to count by a joint one. */                                \
    X(checkpoints)                                                                                           \
    X(compactions)                                                                                           \
    X(snapshots_sent)                                                                                        \
    X(snapshots_installed)                                                                                   \
    X(snapshots_cancelled)                                                                                   \
    X(damaged_copies)                                                                                        \
    X(old_copies)       /* Directories put back from an old copy, */                                         \
    X(old_copies_found) /* and found out. */                                                                 \
    X(ticks_slept)      /* By drivers that sleep until there is something to do. */                          \
    X(slow_disks)

struct swarm_counts {
#define SWARM_COUNT(name) uint64_t name;
    SWARM_COUNTS(SWARM_COUNT)
#undef SWARM_COUNT
};

struct swarm_result {
    bool failed;
    char failure[SWARM_FAILURE_MAX]; /* Which invariant, where, when. */
    uint64_t trace_hash;
    struct swarm_counts counts;
};

void swarm_run(const struct swarm_options *options, struct swarm_result *out_result);
void swarm_counts_add(struct swarm_counts *sum, const struct swarm_counts *counts);

#endif
