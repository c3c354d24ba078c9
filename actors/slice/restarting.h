/* restarting: `slice restart`: instances are started anew in order, one after the other, without the slice
 * ever having fewer than min-available. Part of the cluster_deployment_manager: a restart is a wish in the
 * leader's memory that the rollout honours as it honours a changed blueprint (rollout.h); a new leader has
 * none. */
#ifndef AETHER_ACTORS_SLICE_RESTARTING_H
#define AETHER_ACTORS_SLICE_RESTARTING_H

#include "actors/slice/deployment.h"

actor_handler restarting_on_restart;
/* Has it come back, or will it not? */
void restarting_judge(struct actor *self, struct cluster_deployment_manager *manager);
/* The leadership is over: what was not restarted yet stays as it is, and who waits is told. */
void restarting_drop(struct actor *self, struct cluster_deployment_manager *manager);
void restarting_fini(struct cluster_deployment_manager *manager);
/* For struct rollout_memory. */
uint64_t restarting_since(const struct cluster_deployment_manager *manager, const char *artifact,
                          const char *node, uint32_t instance);

#endif
