/* membership: who is here (consensus.md A7, A8). On every node it writes nodes/{id} at its start and renews
 * its presence; on the leader it also judges everybody's. Answers cluster status, cluster members, node list,
 * node show, event list and NODE_INCARNATION_REQUEST. Hears LOG_SPACE (body struct log_space) from the log
 * writer, and has the cluster agree on its alarm (F2). TO_MEMBERSHIP. */
#ifndef AETHER_ACTORS_CLUSTER_MEMBERSHIP_H
#define AETHER_ACTORS_CLUSTER_MEMBERSHIP_H

#include "runtime/actor.h"

struct membership_options { /* Borrowed for the actor's life. */
    const char *node;
    const char *cluster_name;
    const char *address;        /* What peers connect to. */
    const char *client_address; /* What clients connect to; NULL: nobody is told. */
    const char *labels_json;    /* A JSON object; NULL: none. */
    const char *zone;           /* NULL: none. */
    const char *role;           /* "voter" or "worker"; NULL: voter. */
    uint64_t worker_replica;    /* A worker's directory; 0: this node takes part in the log. */
    uint64_t incarnation;  /* To start with; 0: by the wall clock. A higher one is taken where it must be. */
    int64_t lost_after_ns; /* 0 = 3 s; at least 2 s. */
    /* Outlives the actor, 0 at first: when the last renewal that was confirmed was sent. So an actor that is
     * started again does not give a node that is cut off its time a second time (A8). */
    int64_t *confirmed_ns;
};

extern const struct behavior membership_behavior;

#endif
