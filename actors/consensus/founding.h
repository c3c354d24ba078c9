/* founding: how a node without a log comes into a cluster: founded once by those listed, or let into one that
 * there is already (consensus.md I2, I3). Pure: the leader actor feeds it what arrives and carries out what
 * the step says. Held by value, no heap. */
#ifndef AETHER_ACTORS_CONSENSUS_FOUNDING_H
#define AETHER_ACTORS_CONSENSUS_FOUNDING_H

#include "runtime/base/error.h"
#include "store/raft/configuration.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FOUNDING_LIST_MAX = 7,
    FOUNDING_CONTACTS_MAX = 32, /* bootstrap and peers, ourselves left out. */
    FOUNDING_PERIOD_TICKS = 10, /* Between two questions to the same node. */
    FOUNDING_REJOIN_TICKS = 50, /* After a JOIN that was refused. */
};

enum founding_phase {
    FOUNDING_ASKING,    /* Empty, and nobody has founded yet as far as we know. */
    FOUNDING_STORING,   /* We found: our own copy of index 1 is on its way to the disk. */
    FOUNDING_SPREADING, /* It is durable; the others are being handed it. */
    FOUNDING_ADOPTING,  /* Somebody handed us index 1; it is on its way to the disk. */
    FOUNDING_ENTERING,  /* A cluster let us in: its id is on its way to the disk, entries will come. */
    FOUNDING_DONE,
};

struct founding_contact {
    char name[CONFIGURATION_NAME_MAX];
    bool listed;         /* In our bootstrap list. */
    bool answered;       /* Said that it is empty, and with which replica id. */
    bool differs;        /* Its list is another than ours. */
    uint64_t cluster_id; /* Not 0: it belongs to that cluster; we join that one, or none. */
    bool holds;          /* Index 1 is durable there. */
    replica_id replica;
    uint32_t ticks_left; /* Until it is asked (or handed) again. */
};

struct founding {
    enum founding_phase phase;
    char self[CONFIGURATION_NAME_MAX];
    replica_id replica;
    uint64_t member_of;                                   /* I3: the only cluster that we may join; 0: any. */
    char list[FOUNDING_LIST_MAX][CONFIGURATION_NAME_MAX]; /* Sorted. */
    uint32_t list_count;
    struct founding_contact contacts[FOUNDING_CONTACTS_MAX];
    uint32_t contact_count;
    bool joining;                       /* A JOIN is under way. */
    bool joined;                        /* By JOIN: the log is empty as yet. */
    bool divided;                       /* Contacts are of different clusters: told, once. */
    uint64_t cluster_id;                /* Once known. */
    struct configuration configuration; /* Index 1's, from FOUNDING_STORING on. */
};

struct founding_options {
    const char *node;
    replica_id replica;
    uint64_t member_of;
    const char *const *bootstrap;
    uint32_t bootstrap_count;
    const char *const *peers; /* Names; those of bootstrap may be among them, and ourselves. */
    uint32_t peer_count;
};

/* INVALID: an even or too large list, a duplicate, a list without ourselves. */
MUST_CHECK enum status founding_init(struct founding *founding, const struct founding_options *options,
                                     struct error *error);

/* What to do now. Bit i of a mask stands for contacts[i]. */
struct founding_step {
    uint32_t ask;                        /* WHO to these. */
    uint32_t hand;                       /* FOUNDED to these. */
    const struct founding_contact *join; /* JOIN to this one, then founding_on_joined or _not_joined. */
    bool divided; /* Those we ask belong to different clusters: people have to say which. */
    bool store;   /* Make index 1 from `configuration`, store it with cluster_id, then founding_on_stored. */
    bool done; /* Index 1 (or that we were let in) is durable here: start the core. `founder`: we made it, a
                  majority holds it. */
    bool founder;
    const struct founding_contact *differing; /* Its list and ours are told to people, once. */
};

/* random: the cluster id, should it be made now (a list of one name needs nobody's answer); not 0. */
struct founding_step founding_on_tick(struct founding *founding, uint64_t random);
struct founding_step founding_on_peer_up(struct founding *founding, const char *name);

struct founding_answer {
    const char *node;
    replica_id replica;
    uint64_t cluster_id; /* 0: it is empty. */
    const char *const *list;
    size_t list_count;
};
struct founding_step founding_on_answer(struct founding *founding, const struct founding_answer *answer,
                                        uint64_t random);
/* We were handed index 1. OK: store it as `step.store` would (with the giver's bytes), then
 * founding_on_stored. CONFLICT: it is not for us (says why). */
MUST_CHECK enum status founding_on_handed(struct founding *founding, uint64_t cluster_id,
                                          const struct configuration *configuration, struct error *error);
/* The cluster's leader let us in as a learner. false: we came in by another way meanwhile, or may not. */
MUST_CHECK bool founding_on_joined(struct founding *founding, uint64_t cluster_id);
void founding_on_not_joined(struct founding *founding); /* It will be asked again. */
struct founding_step founding_on_stored(struct founding *founding);
/* Somebody else says that index 1 is durable there. */
struct founding_step founding_on_held(struct founding *founding, replica_id replica, uint64_t cluster_id);

/* Whether two bootstrap lists may meet: an empty one has no opinion. Both sorted. */
bool founding_lists_agree(const struct founding *founding, const char *const *list, size_t count);

#endif
