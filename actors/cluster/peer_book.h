/* peer_book: makes the addresses that nodes/ holds known to this node's transport, so that who joined later
 * is reached as the configured peers are. An address in cluster.peers wins over the one that its node
 * advertises: it may stand for a path that only this node sees. */
#ifndef AETHER_ACTORS_CLUSTER_PEER_BOOK_H
#define AETHER_ACTORS_CLUSTER_PEER_BOOK_H

#include "runtime/actor.h"

struct peer_book {
    const char *self;
    const char *const *configured; /* Names; borrowed. */
    uint32_t configured_count;
};

/* "" or NULL: no address (any more). */
void peer_book_see(struct actor *self, const struct peer_book *book, const char *node, const char *address);

#endif
