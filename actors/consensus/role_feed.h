/* role_feed: who follows this node's role, and what they heard last. A part of the leader actor. */
#ifndef AETHER_ACTORS_CONSENSUS_ROLE_FEED_H
#define AETHER_ACTORS_CONSENSUS_ROLE_FEED_H

#include "runtime/actor.h"
#include "wire/local.h"

enum { ROLE_FEED_MAX = 64 };

/* A zeroed feed has no followers; nobody leads in term 0. */
struct role_feed {
    struct role_changed told;
    struct actor_id followers[ROLE_FEED_MAX];
    uint32_t follower_count;
};

/* KIND_ROLE_CHANGED at once, and at every change from now on, until it is gone. false: no room. */
bool role_feed_add(struct actor *self, struct role_feed *feed, struct actor_id follower);
void role_feed_remove(struct role_feed *feed, struct actor_id follower); /* It has ended. */
/* false: nothing changed. */
bool role_feed_publish(struct actor *self, struct role_feed *feed, const struct role_changed *now);

#endif
