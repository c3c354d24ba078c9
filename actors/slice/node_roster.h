/* node_roster: the names of the cluster's nodes and whether they may be asked, as last applied here. Belongs
 * to the actor that embeds it. */
#ifndef AETHER_ACTORS_SLICE_NODE_ROSTER_H
#define AETHER_ACTORS_SLICE_NODE_ROSTER_H

#include "runtime/base/tree.h"
#include "wire/follow.h"

struct node_roster {
    struct follow follow;
    struct tree presence; /* Name to its presence, a heap string. */
};

void node_roster_start(struct actor *self, struct node_roster *roster, uint64_t watch_id);
void node_roster_fini(struct node_roster *roster);
/* A KIND_STATE_CHANGED message. */
void node_roster_accept(struct actor *self, struct node_roster *roster, const struct message *message);
/* In the order of names: for (name = ""; (name = node_roster_next(roster, name, &lost)) != NULL;). Borrowed
 * until the next change. */
const char *node_roster_next(const struct node_roster *roster, const char *after, bool *out_lost);

#endif
