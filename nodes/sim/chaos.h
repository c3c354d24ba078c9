/* chaos: one seed of chance against the whole cluster: clients on several nodes, and deaths, cuts, loss and
 * slow disks that the seed turns on or off; then all is healed, and the cluster must settle. The same seed
 * gives the same run, bit for bit (proof.md section 3). */
#ifndef AETHER_NODES_SIM_CHAOS_H
#define AETHER_NODES_SIM_CHAOS_H

#include <stdbool.h>
#include <stdint.h>

/* Planted bugs, in builds with AETHER_MUTANTS=1 only: the chaos that finds none has to find each of these. */
enum chaos_mutant {
    CHAOS_MUTANT_NONE,
    CHAOS_MUTANT_OLD_TERM_BY_COUNTING, /* store/raft: breaks R7. */
    CHAOS_MUTANT_ACK_BEFORE_SYNC,      /* store/raft: breaks R5. */
    CHAOS_MUTANT_ENDPOINT_KEPT,        /* store/schema: a lost node's endpoints stay (A7). */
    CHAOS_MUTANT_COUNT,
};
const char *chaos_mutant_name(enum chaos_mutant mutant);    /* "ack-before-sync"; "" for none. */
enum chaos_mutant chaos_mutant_from_name(const char *name); /* CHAOS_MUTANT_COUNT: no such bug. */

struct chaos_options {
    uint64_t seed;
    uint32_t voters; /* 0: 3 or 5, as the seed says. */
    enum chaos_mutant mutant;
    bool verbose; /* Log lines to stderr. */
};

struct chaos_result {
    char failure[512]; /* "" = all held. */
    uint64_t trace_hash;
    uint32_t voters;
    uint32_t acknowledged; /* Writes. */
    uint32_t unknown;      /* Writes whose outcome nobody told. */
    uint32_t refused;
    uint32_t reads;
    uint32_t calls; /* Of slices, that ended OK. */
    uint32_t kills;
    uint32_t cuts;
    uint64_t terms;
    int64_t virtual_ns;
};

void chaos_run(const struct chaos_options *options, struct chaos_result *out_result);

#endif
