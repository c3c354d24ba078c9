/* chaos_state: what the files of a chaos run share: chaos.c (its phases), chaos_clients.c (who uses the
 * cluster), fault.c and fault_*.c (what befalls it). */
#ifndef AETHER_NODES_SIM_CHAOS_STATE_H
#define AETHER_NODES_SIM_CHAOS_STATE_H

#include "nodes/sim/chance.h"
#include "nodes/sim/chaos.h"
#include "nodes/sim/sim.h"

enum {
    CHAOS_CLIENTS_MAX = 8,
    CHAOS_WATCHERS_MAX = 3,
    CHAOS_HOLDERS_MAX = 3,
    CHAOS_CALLS_MAX = 4,
    CHAOS_KEYS = 6,
    CHAOS_MORE_MAX = 3, /* Keys of a transaction beside its first. */
    CHAOS_KEY_MAX = 32,
    CHAOS_FAMILIES_MAX = 64,
};

/* Streams of chance; a family's is STREAM_FAULT + its number. */
enum chaos_stream {
    STREAM_SETUP = 1,
    STREAM_PUBLISHER = 2,
    STREAM_CALLER = 3,
    STREAM_HEAL = 4,
    STREAM_CLIENT = 10,
    STREAM_WATCHER = 30,
    STREAM_HOLDER = 40,
    STREAM_FAULT = 1000
};

/* Something that happens now and then: when next, and how often. */
struct trouble {
    bool on;
    struct chance chance;
    int64_t next_ns;
    int64_t pause_min_ns;
    int64_t pause_max_ns;
};

struct chaos_client {
    struct chance chance;
    uint32_t node;
    bool busy;
    bool writes;
    struct sim_call call;
    int64_t next_ns;
    uint64_t seen; /* The highest revision that it was told. */
    char read_key[CHAOS_KEY_MAX];
    uint64_t read_revision; /* Of what it read last, for an --if-rev; 0: nothing to compare with. */
    uint64_t read_number;
    char list_text[CHAOS_KEYS][CHAOS_KEY_MAX]; /* Of a list under way. */
    const char *list_keys[CHAOS_KEYS];
};

struct chaos_watcher {
    struct chance chance;
    uint32_t node;
    char prefix[CHAOS_KEY_MAX];
    uint32_t number; /* In the history. */
    uint64_t from;   /* What it has not been told yet. */
    bool busy;
    struct sim_call call;
    int64_t next_ns;
};

struct chaos_holder { /* Of a lease. */
    struct chance chance;
    uint32_t name;
    int64_t ttl_ns;
    uint64_t fence;
    int64_t until_ns; /* It may think that it holds the lease until then; 0: it does not. */
    int64_t asked_ns;
    enum { HOLDER_GRANTS, HOLDER_RENEWS, HOLDER_REVOKES } wish;
    bool busy;
    struct sim_call call;
    int64_t next_ns;
};

struct chaos_invocation { /* Of a slice. */
    bool busy;
    bool repeatable;
    uint64_t number;
    struct sim_call call;
};

struct chaos {
    struct sim *sim;
    struct chaos_result *result;
    uint64_t seed;
    int64_t faults_ns; /* How long the first phase takes. */
    int64_t healed_ns; /* When the third began. */
    bool early;        /* Faults begin before there is a cluster. */
    struct chaos_client clients[CHAOS_CLIENTS_MAX];
    uint32_t client_count;
    uint64_t value_count;
    struct chaos_watcher watchers[CHAOS_WATCHERS_MAX];
    uint32_t watcher_count;
    struct chaos_holder holders[CHAOS_HOLDERS_MAX];
    uint32_t holder_count;
    struct trouble publisher;
    struct trouble caller;
    struct chaos_invocation invocations[CHAOS_CALLS_MAX];
    uint64_t invocation_count; /* Of all of them; numbers from 1. */
    uint64_t *refused;         /* Numbers of calls of which it was told that they never ran. */
    uint32_t refused_count;
    uint32_t refused_room;
    struct trouble troubles[CHAOS_FAMILIES_MAX]; /* By enum fault_id. */
    int64_t start_ns[SIM_NODES_MAX];             /* Of a dead node; 0: it lives, or starts by itself. */
    int64_t go_on_ns[SIM_NODES_MAX];             /* Of one that stands still; 0: it does not. */
    int64_t empty_ns[SIM_NODES_MAX];             /* Of one whose disk is full; 0: it is not. */
    int64_t thaw_ns[SIM_NODES_MAX];              /* Of one whose clock stands still; 0: it does not. */
    int64_t unclog_ns[SIM_NODES_MAX];            /* Of one whose links are clogged; 0: they are not. */
    uint32_t rate_permille[SIM_NODES_MAX];       /* Of its clock while it goes; 0: right. */
    int64_t wall_offset_ms[SIM_NODES_MAX];
    struct {
        uint32_t a;
        uint32_t b;
        int64_t end_ns; /* 0: nothing flaps. */
        int64_t turn_ns;
        bool cut;
    } flap;
    uint32_t unwell; /* Whose directory was damaged last; SIM_NOBODY: nobody's. */
    bool reborn;     /* It gets a new replica id for it. */
    uint64_t spent;  /* Nodes that had theirs replaced (a mask): no more without a person (T2). */
    struct log_memory_disk *copy; /* Of the directory of node `copied`, as it once was. */
    uint32_t copied;
    struct {
        bool on;
        uint32_t a;
        uint32_t b;
        int64_t end_ns;
    } exchange;            /* Two nodes have each other's directory. */
    struct sim_call order; /* Of membership, the last one. */
    bool ordering;         /* There was one. */
    uint32_t isolated;     /* Whom the carousel cut off last, or is about to. */
    bool isolating;
};

/* chaos_clients.c */
void chaos_clients_init(struct chaos *chaos, struct chance *setup);
void chaos_clients_look(struct chaos *chaos); /* Every 10 ms. */
void chaos_clients_end(struct chaos *chaos);  /* All their calls have ended. */
/* A put of a value that no other has, as an actor's proposal, without a session. */
struct sim_call chaos_put(struct chaos *chaos, uint32_t node, struct chance *chance, int64_t timeout_ns);
void chaos_key(const struct chaos *chaos, uint32_t at,
               char key[CHAOS_KEY_MAX]); /* One of the keys in use now. */

/* chaos_calls.c: those who publish and call slices. */
void chaos_calls_init(struct chaos *chaos);
void chaos_calls_look(struct chaos *chaos);
void chaos_calls_end(struct chaos *chaos);
void chaos_calls_fini(struct chaos *chaos);

/* chaos_watchers.c: the same. */
void chaos_watchers_init(struct chaos *chaos, struct chance *setup);
void chaos_watchers_look(struct chaos *chaos);
void chaos_watchers_end(struct chaos *chaos);

/* chaos_leases.c: the same. */
void chaos_leases_init(struct chaos *chaos, struct chance *setup);
void chaos_leases_look(struct chaos *chaos);

struct trouble chaos_trouble(struct chance *chance, uint32_t permille, int64_t pause_max_ns);
bool chaos_strikes(struct chaos *chaos, struct trouble *trouble);

static inline bool chaos_goes_on(const struct chaos *chaos)
{
    return sim_failure(chaos->sim) == NULL;
}

#endif
