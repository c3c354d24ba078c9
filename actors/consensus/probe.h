/* probe: what the simulator's checkers see of a replica. Called by its actors in their turns; the daemon has
 * none. A probe looks and never touches: with or without one, the same messages leave. */
#ifndef AETHER_ACTORS_CONSENSUS_PROBE_H
#define AETHER_ACTORS_CONSENSUS_PROBE_H

#include "store/raft/core.h"

struct consensus_probe {
    /* After each turn of the leader actor that stepped its core. */
    void (*on_core)(void *context, const struct core *core);
    /* After each entry that the state applied. */
    void (*on_applied)(void *context, const struct raft_entry *entry, const uint8_t state_hash[16]);
    /* The state is that of a snapshot now, instead of all entries up to its position (N6). NULL: nobody. */
    void (*on_loaded)(void *context, const struct log_position *position, const uint8_t state_hash[16]);
    void *context;
};

#endif
