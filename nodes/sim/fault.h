/* fault: the families of faults, one row each. A family has its own stream of chance, named by its number,
 * and is on or off for a whole seed: a run with few kinds of trouble reaches corners that one with every kind
 * never does (Groce et al., "Swarm testing", ISSTA 2012), and one more draw in one family shifts nothing in
 * another. */
#ifndef AETHER_NODES_SIM_FAULT_H
#define AETHER_NODES_SIM_FAULT_H

#include "nodes/sim/chaos_state.h"

/* A family's number is its stream: new ones come last. */
enum fault_id {
    FAULT_LOSS,       /* FLT1 */
    FAULT_DUPLICATES, /* FLT2 */
    FAULT_REPLAY,     /* FLT2 */
    FAULT_STRAGGLERS, /* FLT3 */
    FAULT_LATENCY,    /* FLT3 */
    FAULT_CLOG,       /* FLT3 */
    FAULT_CUT,        /* FLT4 */
    FAULT_FLAPPING,   /* FLT4 */
    FAULT_ONE_WAY,    /* FLT5 */
    FAULT_TOPOLOGY,   /* FLT6 */
    FAULT_KILL,       /* FLT7, FLT8 */
    FAULT_WRITE,      /* FLT7, FLT9, FLT13 */
    FAULT_PAUSE,      /* FLT10 */
    FAULT_HANG,       /* FLT10, FLT12 */
    FAULT_SLOW_DISK,  /* FLT12 */
    FAULT_DRIFT,      /* FLT11 */
    FAULT_FREEZE,     /* FLT11 */
    FAULT_WALL,       /* FLT11 */
    FAULT_CAROUSEL,   /* Leaders that change all the time. */
    FAULT_TRANSFER,   /* FLT21 */
    FAULT_TINY,       /* Bounds so small that what is rare at the defaults is not. */
    FAULT_SLICES,     /* FLT27 */
    FAULT_FULL,       /* FLT14 */
    FAULT_ROT,        /* FLT15: T6 */
    FAULT_DOUBT,      /* FLT15, FLT17: T2 */
    FAULT_OLD_COPY,   /* FLT18: T3, T5 */
    FAULT_EXCHANGE,   /* FLT18: I1 */
    FAULT_MEMBERS,    /* FLT20 */
    FAULT_WORKERS,    /* FLT20 */
    FAULT_STEP,       /* FLT7, FLT9 */
    FAULT_COUNT,
};

struct fault_family {
    const char *name;
    uint32_t permille;    /* Of the seeds in which anything goes. */
    int64_t pause_max_ns; /* Between two strikes; a seed draws its own pace up to this. 0: never strikes. */
    /* All optional. Before the world is made: what it is made with. */
    void (*setup)(struct trouble *trouble, struct sim_options *world);
    void (*strike)(struct chaos *chaos, struct trouble *trouble);
    void (*look)(struct chaos *chaos, struct trouble *trouble); /* Every 10 ms. */
    /* Faults end for these nodes (a mask) and the links between them. Also if it is off: a fault of its kind
     * may have come from elsewhere. */
    void (*heal)(struct chaos *chaos, uint64_t nodes);
};

const struct fault_family *fault_family(enum fault_id id);

void fault_draw(struct chaos *chaos, struct sim_options *world); /* Which are on, and how often. */
void fault_look(struct chaos *chaos);                            /* Strikes and looks, where it is time. */
void fault_heal(struct chaos *chaos, uint64_t nodes);

/* For the families: */
uint32_t fault_any_node(struct chaos *chaos, struct chance *chance);
/* Exponential with this mean, cut at `max_ns`. */
int64_t fault_span(struct chance *chance, int64_t mean_ns, int64_t max_ns);
bool fault_is_mended(const struct chaos *chaos); /* Who was damaged last is itself again, or replaced. */
/* I2: the only name of a bootstrap list that comes back with nothing, and hears nobody, founds once more. */
bool fault_may_be_emptied(const struct chaos *chaos, uint32_t node);
uint32_t fault_count_voters(const struct configuration *configuration);
/* Nothing will change who votes: so those who do are known. */
bool fault_members_are_steady(const struct chaos *chaos, struct configuration *out_configuration);
void fault_revive(struct chaos *chaos, struct trouble *trouble); /* Who is dead until now starts: a look. */
void fault_kill(struct chaos *chaos, uint32_t node, struct chance *chance, int64_t dead_max_ns);

extern const struct fault_family fault_loss, fault_duplicates, fault_replay, fault_stragglers, fault_latency,
    fault_clog; /* fault_frames.c */
extern const struct fault_family fault_cut, fault_flapping, fault_one_way, fault_topology; /* fault_links.c */
extern const struct fault_family fault_kills, fault_pause, fault_slices;                   /* fault_nodes.c */
extern const struct fault_family fault_write, fault_step, fault_hang, fault_slow_disk;     /* fault_disks.c */
extern const struct fault_family fault_full, fault_rot;                       /* fault_storage.c */
extern const struct fault_family fault_doubt, fault_old_copy, fault_exchange; /* fault_doubt.c */
extern const struct fault_family fault_members, fault_workers;                /* fault_members.c */
extern const struct fault_family fault_drift, fault_freeze, fault_wall;       /* fault_clocks.c */
extern const struct fault_family fault_carousel, fault_transfer, fault_tiny;  /* fault_leaders.c */

#endif
