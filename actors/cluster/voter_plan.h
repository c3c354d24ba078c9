/* voter_plan: which configuration there shall be, from who takes part, what people wish of it, and who asks
 * to be let in (consensus.md M2, M3, M5). Pure: the voter_keeper feeds it what the core and the state say,
 * and carries out what it answers; asked again after each step, it converges.
 *
 * Voters move to the largest odd set of caught-up wishes that takes no vote from a node that nobody wished
 * away. Where there is none the voters stay, and every wish that waits has its reason. An old replica of a
 * name is replaced by its new one once that has caught up and the old one is surely gone. Learners come and
 * go with the same change. Never are so many silent voters left that the change itself could not commit. */
#ifndef AETHER_ACTORS_CLUSTER_VOTER_PLAN_H
#define AETHER_ACTORS_CLUSTER_VOTER_PLAN_H

#include "store/schema/cluster_members.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    VOTER_PLAN_VOTERS_MAX = 7,
    VOTER_PLAN_WISHES_MAX = 64,
    VOTER_PLAN_JOINS_MAX = 16,
    VOTER_PLAN_REASON_MAX = 96,
    VOTER_PLAN_ALIVE_MS = 2000, /* Heard within this: a vote to count on. */
    VOTER_PLAN_GONE_MS = 10000, /* M3: 10 T_max of silence. */
};

struct voter_plan_replica { /* Of the active configuration, which is not joint. */
    const char *node;
    replica_id id;
    bool voter;
    bool self;      /* The leader's own. */
    bool caught_up; /* M3; the leader's is. */
    bool retired;   /* Its node says that it will never send again (T2). */
    int64_t silent_ms;
    uint64_t lag; /* Entries. */
};

struct voter_plan_wish {
    const char *node;
    enum cluster_wish wish;
    bool allow_even; /* Of REMOVED. */
};

struct voter_plan_join { /* Accepted by voter_plan_admits. */
    const char *node;
    replica_id id;
};

struct voter_plan_input {
    const struct voter_plan_replica *replicas;
    uint32_t replica_count;
    const struct voter_plan_wish *wishes;
    uint32_t wish_count;
    const struct voter_plan_join *joins;
    uint32_t join_count;
    /* T2: was a replica of this name replaced within the last hour, so that more take a person? */
    bool (*held_back)(const void *context, const char *node);
    const void *context;
};

enum voter_plan_step {
    VOTER_PLAN_REST,     /* Nothing can be done now. */
    VOTER_PLAN_CHANGE,   /* To `wanted`. */
    VOTER_PLAN_TRANSFER, /* The leader would lose its vote: `successor` leads first, then decides anew. */
};

struct voter_plan_reason {
    const char *node; /* Of a wish or a replica. */
    char text[VOTER_PLAN_REASON_MAX];
    bool needs_person; /* Nothing that happens by itself will help. */
};

struct voter_plan {
    enum voter_plan_step step;
    struct configuration wanted;
    const char *successor;
    const char *replaced[REPLICAS_MAX]; /* Names whose voter goes for its new replica by this change. */
    uint32_t replaced_count;
    struct voter_plan_reason reasons[VOTER_PLAN_WISHES_MAX + REPLICAS_MAX];
    uint32_t reason_count;
};

void voter_plan(const struct voter_plan_input *input, struct voter_plan *out_plan);
const struct voter_plan_reason *voter_plan_reason(const struct voter_plan *plan, const char *node);

/* May this replica be let in as a learner? OK also when it takes part already. CONFLICT: another replica of
 * this name is alive (M3; address: where, for the message), or there is no room. */
MUST_CHECK enum status voter_plan_admits(const struct voter_plan_input *input,
                                         const struct voter_plan_join *join, const char *address,
                                         struct error *error);

#endif
