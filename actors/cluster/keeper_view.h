/* keeper_view: what the voter_keeper knows of the agreed state: nodes, members, wishes, retired ids, and on
 * which nodes instances run. Learns from the state's changes; its questions are pure. */
#ifndef AETHER_ACTORS_CLUSTER_KEEPER_VIEW_H
#define AETHER_ACTORS_CLUSTER_KEEPER_VIEW_H

#include "actors/cluster/cluster_view.h"
#include "actors/cluster/voter_plan.h"
#include "wire/follow.h"
#include "wire/local.h"

enum keeper_follow {
    KEEPER_NODES,
    KEEPER_MEMBERS,
    KEEPER_WISHES,
    KEEPER_RETIRED,
    KEEPER_SLICES,
    KEEPER_FOLLOW_COUNT,
};

struct keeper_view {
    struct follow follows[KEEPER_FOLLOW_COUNT];
    struct cluster_view cluster; /* nodes, slices and wishes; blueprints stay empty. */
    struct tree retired;         /* Replica's digits to document. */
    struct cluster_members members;
};

void keeper_view_start(struct actor *self, struct keeper_view *view);
void keeper_view_fini(struct keeper_view *view);
/* A KIND_STATE_CHANGED message. `see_node` hears of each change of a node's record (NULL: it is gone). */
void keeper_view_accept(struct actor *self, struct keeper_view *view, const struct message *message,
                        void (*see_node)(void *context, const char *node, const struct value *record),
                        void *context);
bool keeper_view_is_complete(const struct keeper_view *view); /* All of it was seen once. */

const struct value *keeper_view_node(const struct keeper_view *view, const char *node);
const char *keeper_view_state(const struct keeper_view *view, const char *node); /* "": no such node. */
const char *keeper_view_presence(const struct keeper_view *view, const char *node);
uint64_t keeper_view_incarnation(const struct keeper_view *view, const char *node);
const char *keeper_view_address(const struct keeper_view *view, const char *node);
uint32_t keeper_view_instances(const struct keeper_view *view, const char *node);
enum cluster_wish keeper_view_wish(const struct keeper_view *view, const char *node);
/* A replica of this name left the cluster, and there is no such node (any more). */
bool keeper_view_was_removed(const struct keeper_view *view, const char *node);
bool keeper_view_is_retired(const struct keeper_view *view, replica_id id);
/* "voter", "learner", "worker"; "": it takes no part. */
const char *keeper_view_role(const struct keeper_view *view, const char *node);
/* A voter and a learner have this name: the new replica waits for the old one's place (M3). */
bool keeper_view_is_doubled(const struct keeper_view *view, const char *node);
/* Something is wished, doubled, half-way or on its way out: the leader has to look. */
bool keeper_view_is_unsettled(const struct keeper_view *view);

/* The planner's input from this view and the core's word; memory is the arena's. The caller adds joins,
 * retired replicas and who is held back. */
void keeper_view_plan_input(const struct keeper_view *view, const struct consensus_status_reply *status,
                            struct arena *arena, struct voter_plan_input *out_input);

#endif
