/* chaos: one seed of chance against the whole cluster: clients on several nodes, and families of faults
 * (nodes/sim/fault.h) that the seed turns on or off. First a phase of faults (safety), then one in which a
 * random majority is well and connected and the rest is not (liveness, S14), then all is healed, and the
 * cluster must settle. The same seed gives the same run, bit for bit (proof.md section 3). */
#ifndef AETHER_NODES_SIM_CHAOS_H
#define AETHER_NODES_SIM_CHAOS_H

#include "nodes/sim/mutants.h"

#include <stdbool.h>
#include <stdint.h>

struct chaos_options {
    uint64_t seed;
    uint32_t voters;             /* 0: 3 or 5, as the seed says. */
    const struct mutant *mutant; /* NULL: none. Stays planted until the next run. */
    bool verbose;                /* Log lines to stderr. */
};

struct chaos_result {
    char failure[512]; /* "" = all held. */
    uint64_t trace_hash;
    uint32_t voters;
    uint32_t acknowledged; /* Writes. */
    uint32_t unknown;      /* Writes whose outcome nobody told. */
    uint32_t refused;
    uint32_t reads;
    uint32_t calls;  /* Of slices, that ended OK. */
    uint32_t events; /* That watchers were told. */
    uint32_t kills;
    uint32_t cuts;
    uint32_t strikes;  /* Of all families. */
    uint64_t families; /* Mask of those that were on (enum fault_id). */
    uint64_t terms;
    int64_t virtual_ns;
};

void chaos_run(const struct chaos_options *options, struct chaos_result *out_result);

#endif
