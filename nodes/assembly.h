/* assembly: which actors make a node, in which order and under which supervisor: the same for the daemon and
 * the simulator. What differs between the two (transport, log, artifacts, slice processes) comes as options.
 */
#ifndef AETHER_NODES_ASSEMBLY_H
#define AETHER_NODES_ASSEMBLY_H

#include "actors/cluster/voter_keeper.h"
#include "actors/consensus/probe.h"
#include "actors/slice/slice_deadlines.h"
#include "runtime/scheduler.h"
#include "runtime/supervisor.h"
#include "store/log.h"
#include "store/raft/core.h"

struct slice_adapters;
struct slice_backend;

struct node_peer {
    const char *name;
    const char *address; /* As the transport understands it. */
};

struct node_options { /* All borrowed until node_stop has returned. */
    const char *node;
    const char *cluster_name;
    const char *address;        /* What peers connect to; for nodes/{id}. */
    const char *client_address; /* What clients connect to, likewise; NULL: nobody is told. */
    const char *labels_json;    /* A JSON object. */
    const char *zone;
    bool worker;                  /* In no configuration: follows the replicas among its peers (section 2). */
    const char *const *bootstrap; /* I2. */
    uint32_t bootstrap_count;
    const struct node_peer *peers; /* Without this node. */
    uint32_t peer_count;
    int64_t lost_after_ns;                  /* 0 = 3 s. */
    struct slice_deadlines slice_deadlines; /* All 0: slice_deadlines_default. */
    uint64_t incarnation;                   /* New at each start. */
    struct log *log;                        /* Opened; closed by the caller once the node has stopped. */
    struct core_options core;               /* What differs from the defaults. */
    uint64_t log_keep_entries;              /* D7: what compaction leaves; 0 = LOG_KEEP_ENTRIES. */
    size_t snapshot_side_bytes;             /* As struct state_options has it. */
    size_t snapshot_chunk_bytes;            /* The same. */
    const struct consensus_probe *probe;
    struct child_spec transport;      /* TO_TRANSPORT */
    struct child_spec fetcher;        /* TO_FETCHER; behavior NULL: none. */
    struct child_spec artifact_store; /* TO_ARTIFACT_STORE; behavior NULL: none. */
    int64_t artifact_heal_after_ns;   /* As struct artifact_keeper_options has it. */
    struct child_spec doorbell;       /* TO_DOORBELL; behavior NULL: none. */
    void (*end)(void *context,
                enum node_end how); /* Told to end (actors/cluster/voter_keeper.h). NULL: can't be. */
    void *end_context;
    const struct slice_adapters *slice_adapters;
    const struct slice_backend *slice_backend; /* NULL: real processes and libraries. */
};

struct node;

/* Starts every actor in `runtime`, then makes the peers known to the transport. `out_node` is set on failure
 * too: stop the runtime, then free it. */
MUST_CHECK enum status node_start(struct runtime *runtime, const struct node_options *options,
                                  struct node **out_node, struct error *error);
void node_free(struct node **node); /* After the runtime's stop (or crash, in the simulator). */

#endif
