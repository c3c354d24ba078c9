/* actor_tree: the actors of a runtime, parents before children, as they are at this moment; and what else
 * people ask when they look there: why the node is degraded, what is in quarantine. */
#ifndef AETHER_ACTORS_CLUSTER_ACTOR_TREE_H
#define AETHER_ACTORS_CLUSTER_ACTOR_TREE_H

#include "runtime/message.h"
#include "runtime/scheduler.h"
#include "wire/proto/cluster.pb-c.h"

enum { ACTOR_TREE_MAX = 4096 }; /* Actors shown; a NODE_TREE_REPLY of so many fits into a frame. */

/* Why the node is degraded; "": it is well. Any thread. */
enum { ACTOR_TREE_DEGRADED_MAX = 160 };
void actor_tree_degraded(struct runtime *runtime, char text[ACTOR_TREE_DEGRADED_MAX]);
/* Fills the reply, in the message's arena. From any actor of that runtime, or from outside. */
void actor_tree_fill(struct runtime *runtime, struct message *message, Pb__NodeTreeReply *reply);

#endif
