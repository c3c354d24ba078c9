/* raft_swarm: replicas of the Raft core alone, each with a simulated disk, on a simulated network, under
 * faults drawn from a seed; after every event the oracle (raft_oracle.h) checks proof.md's S invariants. One
 * seed gives one run, bit for bit. Safety phase with faults, then a healed phase that must elect and commit
 * (S14). */
#ifndef AETHER_TESTS_SUPPORT_RAFT_SWARM_H
#define AETHER_TESTS_SUPPORT_RAFT_SWARM_H

#include "store/raft/core.h"

enum { SWARM_REPLICAS_MAX = 6, SWARM_FAILURE_MAX = 512 };

struct swarm_options {
    uint64_t seed; /* Also draws: 3 or 5 voters, a learner or none, which fault families, which limits. */
    enum core_mutant mutant;
    bool trace; /* Prints every event to stderr. */
};

/* Sums of what happened, so that a test can show that the faults were there. */
struct swarm_counts {
    uint64_t events;
    uint64_t elections;
    uint64_t commits;
    uint64_t truncations;
    uint64_t crashes;
    uint64_t lost_batches;
    uint64_t log_reads;
    uint64_t log_applies; /* APPLY without entries. */
    uint64_t messages_lost;
    uint64_t messages_doubled;
    uint64_t reads_answered;
    uint64_t reads_forwarded; /* Of them on followers. */
    uint64_t transfers;
    uint64_t isolations;
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
