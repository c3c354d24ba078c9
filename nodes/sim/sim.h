/* sim: a whole cluster in one process: the actors of the daemon on one thread with virtual time, a virtual
 * network (network.h), disks that lose what was not committed (store/memory/log_memory.h), and checkers that
 * look on after every turn (checkers.h). The same seed gives the same run, bit for bit.
 *
 * Nodes are numbered from 0 and named node-1, node-2... All calls stand outside of actors; time passes only
 * inside sim_run and the functions that await something. */
#ifndef AETHER_NODES_SIM_SIM_H
#define AETHER_NODES_SIM_SIM_H

#include "nodes/sim/network.h"
#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "store/memory/log_memory.h"
#include "store/raft/core.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIM_NODES_MAX = 9, SIM_WORKERS_MAX = 240, SIM_NOBODY = UINT32_MAX };

/* What the repositories of a simulation hold, each with the entry points "quote" and "book"
 * (nodes/sim/slices.h). */
#define SIM_PRICING "org.sim:pricing:1.0.0"
#define SIM_ORDERS  "org.sim:orders:1.0.0"

struct sim_slice_faults {
    uint32_t no_permille;    /* Steps to which a hook says no. */
    uint32_t crash_permille; /* Steps and calls that end in a crash. */
    int64_t life_max_ns;     /* An active instance crashes within this; 0: not by itself. */
    int64_t call_max_ns;     /* How long calls take; 0: 10 ms. */
};

struct sim_options {
    uint64_t seed;
    uint32_t voters;  /* 0 = 3: the founding ones. */
    uint32_t joiners; /* Nodes beyond them, which sim_start lets join: they know all others as peers. */
    uint32_t workers;
    int64_t latency_min_ns;
    int64_t latency_max_ns;
    uint32_t loss_permille;
    uint32_t duplicate_permille;
    uint32_t straggler_permille;
    uint32_t memory_permille;  /* Frames that sim_replay may send again. */
    int64_t disk_delay_max_ns; /* Until a write begins; 0 = 1 ms. */
    struct core_options core;  /* What differs from the defaults. */
    uint64_t log_keep_entries; /* 0 = as the daemon's. */
    size_t snapshot_side_bytes;
    size_t snapshot_chunk_bytes;
    bool exclusive;  /* What is published ends with its node's presence (A8). */
    bool configures; /* Each blueprint that is published brings another configuration. */
    struct sim_slice_faults slices;
    /* For stories of founding: the bootstrap list of node i; NULL: all voters, for everybody. */
    const char *const *(*bootstrap)(uint32_t node, uint32_t *out_count);
    bool no_start; /* Nodes are started by sim_start. */
    /* Nodes have the real artifact store, on files in memory (nodes/sim/files.h) and without repositories. */
    bool keeps_artifacts;
    bool verbose; /* Log lines to stderr. */
};

struct sim;
struct sim_files;
struct history;
struct sim *sim_create(const struct sim_options *options);
void sim_destroy(struct sim **sim);

/* --- time --- */
void sim_run(struct sim *sim, int64_t duration_ns);
int64_t sim_now_ns(const struct sim *sim);
struct scheduler *sim_stepper(const struct sim *sim);
uint64_t sim_trace_hash(const struct sim *sim);

/* --- nodes --- */
uint32_t sim_node_count(const struct sim *sim);
const char *sim_node_name(const struct sim *sim, uint32_t node);
bool sim_is_up(const struct sim *sim, uint32_t node);
bool sim_stands_still(const struct sim *sim, uint32_t node); /* By sim_hold. */
bool sim_restarts(const struct sim *sim, uint32_t node);   /* It ended by itself; it will be started again. */
bool sim_is_removed(const struct sim *sim, uint32_t node); /* It ended by itself, for good. */
struct runtime *sim_runtime(const struct sim *sim, uint32_t node); /* NULL: down. */
void sim_start(struct sim *sim, uint32_t index);
/* A node that ends by itself (exit 70) is started again after 300 ms; one that is killed is not. */
void sim_kill(struct sim *sim, uint32_t index); /* SIGKILL. Its disk keeps what was committed. */
/* Dies at its next write, before, within or after the transaction. */
void sim_kill_at_write(struct sim *sim, uint32_t index, enum log_memory_fault fault);
/* At its next write that carries such a thing. */
void sim_kill_at(struct sim *sim, uint32_t index, enum log_memory_fault fault,
                 enum log_memory_occasion occasion);
struct log_memory_disk *sim_disk(struct sim *sim, uint32_t index); /* To damage and to fill. */
/* At rest: the node is down. false: there is nothing of the kind. Who was not damaged may neither doubt
 * itself (T2) nor find its copy of the state damaged (D3, T6). */
bool sim_damage(struct sim *sim, uint32_t index, enum log_memory_damage damage, uint64_t pick);
struct log_memory_disk *sim_copy_disk(const struct sim *sim, uint32_t index); /* For sim_put_back. */
/* FLT18, while it is down: an old copy of its directory, of the same replica, is in its place again. false,
 * and nothing is done: T5's limits would hide it from those it asks, or it is another replica's. */
bool sim_put_back(struct sim *sim, uint32_t index, struct log_memory_disk **copy);
void sim_exchange_disks(
    struct sim *sim, uint32_t a,
    uint32_t b); /* FLT18. Both are down, and neither starts till they are exchanged again. */
replica_id sim_replica(const struct sim *sim, uint32_t index); /* Of its directory; 0: none yet. */
/* The newest in its log, durably, and its index; 0: there is none. */
log_index sim_configuration(const struct sim *sim, uint32_t index, struct configuration *out_configuration);
bool sim_stop(struct sim *sim, uint32_t node);  /* Ordered; false: not within 10 s. */
void sim_wipe(struct sim *sim, uint32_t index); /* A new, empty disk. The node is down. */

struct sim_files *sim_files_of(struct sim *sim, uint32_t index); /* Gone after sim_wipe. */

/* --- machines --- */
/* It stands still, or only its disk does, until told otherwise or it dies. Nothing if it is down. */
void sim_hold(struct sim *sim, uint32_t index, enum stepper_hold hold);
/* Its clocks, over restarts: the monotonic one's rate (1000 is right), how wrong the wall clock is. */
void sim_set_clock(struct sim *sim, uint32_t index, uint32_t rate_permille, int64_t wall_offset_ms);

/* The node is down: its state is made wrong so that no checksum tells (F4). false: it has none. */
bool sim_diverge(struct sim *sim, uint32_t index, uint64_t pick);
void sim_expect_split(struct sim *sim); /* F4: no state has a majority, and all may end for it. */

/* --- workers: numbered behind the voters, named worker-1...; faults of chance leave them alone --- */
uint32_t sim_worker_count(const struct sim *sim);
uint32_t sim_worker(const struct sim *sim, uint32_t number); /* The node of the worker 0, 1... */
/* Every worker that lives has applied what the leader's log ends with. */
bool sim_workers_are_level(struct sim *sim, int64_t timeout_ns);

/* --- network --- */
void sim_cut(struct sim *sim, uint64_t nodes); /* Those of the mask from all others, both ways. */
void sim_cut_link(struct sim *sim, uint32_t from, uint32_t to);  /* One way. */
void sim_clog_link(struct sim *sim, uint32_t from, uint32_t to); /* Frames wait there until it is mended. */
uint32_t sim_replay(struct sim *sim, uint32_t count); /* Sends old frames again; returns how many. */
void sim_mend_link(struct sim *sim, uint32_t from, uint32_t to);
void sim_mend(struct sim *sim); /* All links. */
void sim_calm(struct sim *sim); /* No more loss, duplicates, stragglers. */
void sim_heal(struct sim *sim); /* Both. */

/* --- what is so ---
 * The node that leads in the highest term (its no-op committed), or SIM_NOBODY. */
uint32_t sim_leader(const struct sim *sim);
uint32_t sim_claimant(const struct sim *sim); /* The same, but its no-op need not be committed yet. */
uint32_t sim_await_leader(struct sim *sim, int64_t timeout_ns);
uint32_t sim_await_leader_other_than(struct sim *sim, uint32_t node, int64_t timeout_ns);
/* Every live node (of those expected) has applied the same index, one leads, all agree on it, and no call is
 * pending. */
bool sim_settles(struct sim *sim, int64_t timeout_ns);
/* How each node stands, for the story of a failure. */
enum { SIM_STANDING_MAX = 400 };
void sim_tell_standing(const struct sim *sim, char text[SIM_STANDING_MAX]);
void sim_expect(struct sim *sim, uint64_t nodes); /* Of whom it asks that: a mask; all unless told. */
/* DEP1: each blueprint has as many ACTIVE instances as it wants, and nothing else is left. */
bool sim_deploys(struct sim *sim, int64_t timeout_ns);
void sim_slice_counts(const struct sim *sim, uint32_t *out_wanted, uint32_t *out_active);
uint32_t sim_endpoints_on(const struct sim *sim, uint32_t node); /* As last committed. */
/* Is any lease held? *out_overdue: one that should have ended (K8), if all is well since `well_ns`; or NULL.
 */
bool sim_has_leases(const struct sim *sim, int64_t well_ns, const char **out_overdue);
void sim_set_slice_faults(struct sim *sim, const struct sim_slice_faults *faults);
void sim_status(const struct sim *sim, uint32_t node, struct core_status *out_status); /* Zeroed: no core. */
log_index sim_applied(const struct sim *sim, uint32_t node);
uint32_t sim_loads(const struct sim *sim, uint32_t node);     /* Snapshots that became its state, ever. */
log_index sim_log_base(const struct sim *sim, uint32_t node); /* What its log begins behind, durably. */
/* People wish the node's vote changed (M5), as last committed; SIM_NOBODY: anybody's. */
bool sim_has_wish(const struct sim *sim, uint32_t node);
log_index sim_committed(const struct sim *sim); /* The highest index that anybody knew as committed. */
bool sim_is_founded(const struct sim *sim, uint32_t node); /* Its disk holds an entry (I2). */
/* A disk holds an entry with this value (values are unique in a simulation). */
bool sim_disk_holds(const struct sim *sim, uint32_t node, const char *value);
bool sim_log_holds(const struct sim *sim, const char *value); /* Any disk. */

/* --- calls: requests of clients, as they reach a node's actors --- */
struct sim_call {
    uint32_t number;
};
struct sim_pair {
    const char *key;
    uint64_t number;
};
struct sim_put {
    const char *key;
    const char *value; /* JSON. */
    bool has_if_rev;
    uint64_t if_rev;
    bool once;          /* Must not be repeated: without a session. */
    int64_t timeout_ns; /* 0 = 5 s. */
    /* Not 0: recorded in the history as this value, and `value` is its text (sim_value); with if_rev, what
     * the key held at that revision (0: absent). */
    uint64_t number;
    uint64_t expected;
    /* In the same transaction; recorded too. */
    const struct sim_pair *more;
    uint32_t more_count;
};
struct sim_list { /* All keys that begin with the prefix; recorded: these of them (borrowed until it has
                     ended). */
    const char *prefix;
    const char *const *keys;
    uint32_t key_count;
    bool stale;
    int64_t timeout_ns; /* 0 = 5 s. */
};
struct sim_delete {
    const char *key;
    bool recorded;
    int64_t timeout_ns; /* 0 = 5 s. */
};
struct sim_get {
    const char *key;
    bool stale;
    uint64_t after;
    uint64_t at;        /* 0: now. */
    bool recorded;      /* In the history: the key holds only recorded values. */
    bool deletable;     /* It may be absent though it was there before. */
    int64_t timeout_ns; /* 0 = 5 s. */
};
struct sim_call sim_put(struct sim *sim, uint32_t node, const struct sim_put *put);
struct sim_call sim_get(struct sim *sim, uint32_t node, const struct sim_get *get);
struct sim_call sim_list(struct sim *sim, uint32_t node, const struct sim_list *list);
struct sim_call sim_delete(struct sim *sim, uint32_t node, const struct sim_delete *delete);
/* The whole blueprint, to whoever leads (SIM_NOBODY: the call ends at once); 0 instances of both: deletes it.
 */
struct sim_call sim_publish(struct sim *sim, const char *name, uint32_t pricing, uint32_t orders);
struct sim_invocation {
    const char *artifact;
    const char *entry; /* "quote", which may be repeated, or "book", which may not. */
    uint64_t number;   /* Its payload, which it is answered with; unique, but among those of one key. */
    const char *idempotency_key; /* NULL = none. */
    int64_t timeout_ns;
};
struct sim_call sim_invoke_as(struct sim *sim, uint32_t node, const struct sim_invocation *invocation);
/* What was carried from stopped instances to their successors: how often, and how many calls the last of them
 * was told; and how many configurations were taken over by running instances. */
struct sim_carried {
    uint32_t restored;
    uint64_t calls;
    uint32_t configured;
};
struct sim_carried sim_carried(const struct sim *sim);
uint32_t sim_executions(const struct sim *sim, uint64_t number); /* How often that one's code began to run. */
uint64_t sim_withdrawn(
    const struct sim *sim); /* Calls that instances had in hand when nobody wanted them more. */
/* Of the entry point "quote". */
struct sim_call sim_invoke(struct sim *sim, uint32_t node, const char *artifact, int64_t timeout_ns);
/* "kv put KEY WORD [--if-rev N]" (the value is the word as a JSON string), "kv get KEY [--stale] [--after
 * N]", "kv delete KEY". */
struct sim_call sim_command(struct sim *sim, uint32_t node, const char *command);
/* Any request, to a well-known actor of the node. Takes the message. */
struct sim_call sim_ask(struct sim *sim, uint32_t node, uint32_t name, struct message **message,
                        int64_t timeout_ns);

/* Whoever leads there hands its leadership over, to whom it finds best (E9). */
struct sim_call sim_transfer(struct sim *sim, uint32_t node);

/* Runs until the call has ended, and says how: OK, a refusal, UNKNOWN when its node died under it; DEADLINE
 * when it has not ended within the timeout. */
enum status sim_await(struct sim *sim, struct sim_call call, int64_t timeout_ns);
bool sim_has_ended(const struct sim *sim, struct sim_call call);
enum status sim_call_status(const struct sim *sim, struct sim_call call);
const struct error *sim_call_error(const struct sim *sim, struct sim_call call);
const struct message *sim_call_reply(const struct sim *sim, struct sim_call call); /* NULL unless OK. */
uint64_t sim_call_revision(const struct sim *sim,
                           struct sim_call call); /* Of a put or a record got; 0: none. */
const char *sim_call_value(const struct sim *sim, struct sim_call call); /* Of a get; NULL: none. */

/* Recorded values: a number, and its text as JSON ("\"v17\""). 0: no such text. */
enum { SIM_VALUE_MAX = 32 };
void sim_value(uint64_t number, char text[SIM_VALUE_MAX]);
uint64_t sim_value_number(const char *text, size_t size);
struct history *sim_history(struct sim *sim);
void sim_judge(struct sim *sim); /* What was recorded, by all checkers: fails the simulation if need be. */

/* The first invariant that was broken, or NULL. With a failure the run is worthless: stop it. */
const char *sim_failure(const struct sim *sim);
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
