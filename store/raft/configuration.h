/* configuration: who takes part in the replicated log, as a value and as the payload of an entry (M1). Held
 * by value; no heap. In a joint configuration voters may stand in the outgoing half, the incoming half, or
 * both; otherwise there is one half, called incoming.
 *
 * Names are unique among the voters of a half, and among the learners. One voter and one learner may share a
 * name: a node whose replica id was retired comes back under its name as a learner with a new id, and takes
 * the old one's place in one joint change (M3). */
#ifndef AETHER_STORE_RAFT_CONFIGURATION_H
#define AETHER_STORE_RAFT_CONFIGURATION_H

#include "store/raft/entry.h"

#include "runtime/base/status.h"

#include <stdbool.h>

enum {
    CONFIGURATION_NAME_MAX = 64, /* With the terminating 0; the same as NODE_NAME_MAX. */
    CONFIGURATION_PACKED_MAX = 4 + REPLICAS_MAX * (8 + 1 + 1 + CONFIGURATION_NAME_MAX),
};

struct configuration_member {
    replica_id id;
    char name[CONFIGURATION_NAME_MAX]; /* The node's. */
    bool voter;                        /* In the incoming (or only) half. */
    bool outgoing_voter;               /* In the outgoing half; only in a joint configuration. */
    bool leaves;                       /* An outgoing voter that is gone once the joint one is left. */
    /* None of them: a learner. It replicates and counts for nothing. An outgoing voter that is no incoming
     * one and does not leave becomes one. */
};

struct configuration {
    bool joint;
    uint32_t member_count;
    struct configuration_member members[REPLICAS_MAX]; /* In the order of their ids, without gaps. */
};

/* Adds to a configuration that is being made; keeps the order. INVALID: id 0, a name that is empty or too
 * long, a duplicate id, a name that another voter (another learner) has, or no room. */
enum status configuration_add(struct configuration *configuration, replica_id id, const char *name,
                              bool voter) MUST_CHECK;
/* M4's rules on the form: at least one voter in each half, no duplicates, order kept. */
bool configuration_is_valid(const struct configuration *configuration);
bool configuration_equal(const struct configuration *a, const struct configuration *b);
bool configuration_same_voters(const struct configuration *a, const struct configuration *b);

/* M2. How to get from one configuration to another; neither is joint. When voters change, a joint one on the
 * way, else `wanted` itself. INVALID: not valid, joint, nothing changes, or both together have no room. */
enum status configuration_toward(const struct configuration *from, const struct configuration *wanted,
                                 struct configuration *out_next) MUST_CHECK;
/* What a joint configuration is left for. */
void configuration_leave(const struct configuration *joint, struct configuration *out_left);
/* M4: may `next` follow `before` in a log? */
bool configuration_may_follow(const struct configuration *before, const struct configuration *next);

/* NULL: not in it. */
const struct configuration_member *configuration_find(const struct configuration *configuration,
                                                      replica_id id);
/* Of several the incoming voter, else the outgoing one, else the learner. */
const struct configuration_member *configuration_find_name(const struct configuration *configuration,
                                                           const char *name);
/* In either half (E3). */
bool configuration_is_voter(const struct configuration *configuration, replica_id id);

/* The same configuration gives the same bytes on every build. A reference for the caller; CHECKs validity. */
struct bytes *configuration_pack(const struct configuration *configuration);
/* CORRUPT: not the bytes of a valid configuration. */
enum status configuration_unpack(const void *data, size_t size,
                                 struct configuration *out_configuration) MUST_CHECK;

#endif
