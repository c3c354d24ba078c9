/* world: what the files of this room share of a simulation. */
#ifndef AETHER_NODES_SIM_WORLD_H
#define AETHER_NODES_SIM_WORLD_H

#include "actors/slice/artifact_store.h"
#include "nodes/assembly.h"
#include "nodes/sim/chance.h"
#include "nodes/sim/client.h"
#include "nodes/sim/files.h"
#include "nodes/sim/sim.h"
#include "nodes/sim/slices.h"
#include "runtime/port/transport.h"

struct checkers;
struct history;

struct sim_node {
    struct sim *sim;
    uint32_t index;
    char name[NODE_NAME_MAX];
    struct log_memory_disk *disk; /* Outlives the node's processes, */
    struct sim_files *files;      /* and so do these. */
    uint64_t life;                /* Counts its starts. */
    uint32_t clock_permille;      /* Of its machine, over all its processes. */
    int64_t wall_offset_ms;
    replica_id replica; /* As of its last start; 0: a directory in which none was made. */
    bool damaged;       /* By sim_damage, and not whole again since. */
    bool must_doubt;    /* Damaged where no repair is allowed (D8). */
    bool foreign;       /* Another node's directory (sim_exchange_disks), of which it must not start. */
    bool stale;         /* An old copy (sim_put_back), which it has to be told (T3). */
    bool diverged;      /* By sim_diverge: sound at the next start, and found out by F4 before a later one. */
    bool restarting;    /* It ended by itself, and is about to be started again. */
    bool removed;       /* It ended by itself, for good (exit 75, or told to stop). */
    /* Of the running process; runtime NULL: there is none. */
    struct runtime *runtime;
    enum stepper_hold hold;
    struct log *log;
    struct node *actors;
    struct node_options options;
    struct node_peer peers[SIM_NODES_MAX];
    struct network_transport_options transport;
    struct slice_adapters adapters;
    struct artifact_store_options artifacts;
    struct consensus_probe probe;
    struct actor_id client;
    struct core_status status; /* As of the leader actor's last turn. */
    log_index applied;
    uint32_t loads; /* Snapshots that became its state. */
    uint8_t state_hash[16];
};

/* A client's request, and what its checker has to know when it ends. */
struct sim_request {
    struct client_call call; /* First: the call's context is the request itself. */
    struct sim *sim;
    char *key;      /* A put or get; else NULL. */
    char *value;    /* A put's. */
    uint64_t floor; /* A get's: what it must not be older than. */
    bool stale;
    bool changes; /* A put or a delete. */
    bool lists;
    bool deletable;
    const char *const *keys; /* A list's. */
    uint32_t key_count;
    bool recorded; /* In the history, as this operation: */
    uint32_t operation;
    uint64_t number; /* A recorded put's value; 0: not one. */
    uint64_t at;
    char *got; /* The value of the record that a get found. */
};

struct sim {
    struct sim_options options;
    struct network_options network_options;
    struct scheduler *stepper;
    struct network *network;
    struct checkers *checkers;
    struct history *history;
    struct chance identities; /* Replica ids. */
    struct sim_slices slices;
    uint32_t published; /* Blueprints. */
    struct sim_artifact_store_options artifacts;
    struct sim_node nodes[SIM_NODES_MAX + SIM_WORKERS_MAX]; /* Workers behind the voters. */
    const char *names[SIM_NODES_MAX];
    uint32_t node_count; /* Without workers. */
    uint32_t worker_count;
    uint64_t expected; /* Nodes that must settle. */
    bool split;        /* sim_expect_split. */
    struct sim_request **requests;
    uint32_t request_count;
    uint32_t request_room;
    uint32_t open_count;
};

bool world_await(struct sim *sim, bool (*done)(void *context), void *context, int64_t timeout_ns);

/* actors.c: the set of actors that every node has. */
MUST_CHECK enum status world_start_actors(struct sim_node *node, struct error *error);
void world_free_actors(struct sim_node *node);
void world_on_end(void *context, enum node_end how); /* Told to end; the context is the node. */

/* world_disks.c */
void world_check_boot(struct sim_node *node);            /* T2, T6: what a start finds wrong, somebody did. */
bool world_refuses_foreign(const struct sim_node *node); /* Its start failed as it should (I1). */
bool world_expects_lost_entries(const struct sim_node *node); /* T3: it may end for that reason. */

/* workers.c */
void world_add_node(struct sim *sim, uint32_t index, const char *kind, uint32_t number);
void world_add_workers(struct sim *sim);

/* calls.c */
bool world_has_open_calls(const struct sim *sim);
void world_free_calls(struct sim *sim);

#endif
