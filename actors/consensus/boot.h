/* boot: what the core has to know of a log that was written before (struct core_init): where terms begin, and
 * the configurations. Found by the leader's init in a few reads, however long the log is. */
#ifndef AETHER_ACTORS_CONSENSUS_BOOT_H
#define AETHER_ACTORS_CONSENSUS_BOOT_H

#include "store/log.h"
#include "store/raft/core.h"

struct boot {
    struct core_term_run *runs; /* The newest CORE_TERM_RUNS_MAX. */
    uint32_t run_count;
    /* The newest at or below the applied index (or the log's base, if that is higher), and all after it (M1).
     */
    struct core_log_configuration configurations[CORE_CONFIGURATIONS_MAX];
    uint32_t configuration_count;
    uint64_t last_stamp_ms;
    struct checkpoint checkpoint; /* The last applied one (T3); count 0: none is known. */
    struct raft_entry
        first; /* Index 1, with a reference: what founding hands on. index 0: empty or compacted. */
};

/* CORRUPT: the log contradicts itself. Nothing to free then. */
MUST_CHECK enum status boot_read(struct log *log, struct boot *out_boot, struct error *error);
void boot_fini(struct boot *boot);

#endif
