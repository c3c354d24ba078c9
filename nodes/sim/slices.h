/* slices: models of slices and of repositories, for whole nodes in virtual time: what stands behind the slice
 * store instead of processes (actors/slice/instance.h), and behind TO_ARTIFACT_STORE instead of downloads. A
 * model echoes its calls after a while; it fails and crashes by its own stream of chance. */
#ifndef AETHER_NODES_SIM_SLICES_H
#define AETHER_NODES_SIM_SLICES_H

#include "actors/slice/instance.h"
#include "nodes/sim/chance.h"
#include "runtime/actor.h"
#include "runtime/base/map.h"

struct sim_slice { /* What the repositories of the simulation hold. */
    const char *artifact;
    const struct instance_entry *entries;
    uint32_t entry_count;
    enum status unloadable; /* Not OK: so LOAD and probes of it are refused. */
    uint32_t hooks;         /* enum slice_hook: with both, a model carries how many calls it ended. */
};

struct sim_slices { /* One for a node, or for all: they run on one thread. Outlives the nodes. */
    const struct sim_slice *slices;
    uint32_t slice_count;
    struct chance chance;
    int64_t fetch_ns_max; /* Each from 0 to this. */
    int64_t step_ns_max;
    int64_t call_ns_max;
    uint32_t no_permille;    /* Steps to which a hook says no (APP_ERROR). */
    uint32_t crash_permille; /* Steps and calls that end in a crash. */
    int64_t life_ns_max;     /* An active instance crashes within this; 0 = it doesn't by itself. */
    uint32_t alive;          /* Counted for checkers: instances between a loaded LOAD and their end. */
    uint64_t crashes;
    uint32_t restored;     /* Instances that took a predecessor's state, */
    uint64_t carried;      /* and the number of calls that the last of them was told. */
    uint32_t configured;   /* Configurations that were taken over. */
    struct map executions; /* By the number in its payload: how often a call's code began to run. */
    uint64_t withdrawn;    /* Calls whose callers withdrew them while a model had them in hand. */
};

/* The payload of the call of that number, and back; 0: it is none. */
enum { SIM_SLICES_PAYLOAD_MAX = 32 };
void sim_slices_payload(uint64_t number, char payload[SIM_SLICES_PAYLOAD_MAX]);
uint64_t sim_slices_number(const void *payload, size_t size);
uint32_t sim_slices_executions(const struct sim_slices *slices, uint64_t number);
void sim_slices_fini(struct sim_slices *slices);

/* Both behaviors of a backend; adapters->context is the struct sim_slices. */
extern const struct slice_backend sim_slice_backend;
struct sim_artifact_store_options {
    struct sim_slices *slices;
};
extern const struct behavior sim_artifact_store_behavior; /* options: struct sim_artifact_store_options */

/* The SHA-256 that the stand-in repositories name for an artifact: made up, but always the same. */
void sim_slices_sha256(const char *artifact, char sha256[SHA256_TEXT_SIZE]);

#endif
