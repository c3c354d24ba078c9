/* publishing: `blueprint publish`, `plan`, `delete`, `rollback` and `wait`, carried from phase to phase
 * (publication.h). Part of the cluster_deployment_manager. */
#ifndef AETHER_ACTORS_SLICE_PUBLISHING_H
#define AETHER_ACTORS_SLICE_PUBLISHING_H

#include "actors/slice/deployment.h"

actor_handler publishing_on_publish;
actor_handler publishing_on_plan; /* Resolved as a publish is; nothing is fetched or written. */
actor_handler publishing_on_delete;
actor_handler publishing_on_rollback; /* An earlier revision, published as it stands. */
actor_handler publishing_on_wait;     /* Nothing is written: parked until it is as it should be. */
/* Those that wait: is it as it should be? */
void publishing_judge(struct actor *self, struct cluster_deployment_manager *manager);
/* The leadership is over: those who wait are told, for their answer would have to come from a leader. */
void publishing_drop(struct actor *self, struct cluster_deployment_manager *manager);

#endif
