/* deployment: the state of the cluster_deployment_manager, for the files that make it up:
 * cluster_deployment_manager.c learns and reconciles, publishing.c has the publishes and deletes that people
 * wait for, restarting.c the restarts. Nobody else includes this. */
#ifndef AETHER_ACTORS_SLICE_DEPLOYMENT_H
#define AETHER_ACTORS_SLICE_DEPLOYMENT_H

#include "actors/slice/deployment_view.h"
#include "actors/slice/endpoint_table.h"
#include "actors/slice/exclusions.h"
#include "actors/slice/failures.h"
#include "actors/slice/messages.h"
#include "actors/slice/proposal.h"
#include "actors/slice/publication.h"
#include "actors/slice/rollout.h"
#include "wire/follow.h"
#include "wire/proto/slice.pb-c.h"
#include "wire/proto/store.pb-c.h"

enum {
    PUBLICATIONS_MAX = 64,
    RESTARTS_MAX = 16,
    FOLLOW_BLUEPRINTS = 0,
    FOLLOW_HISTORY,
    FOLLOW_ALLOCATIONS,
    FOLLOW_RECORDS,
    FOLLOW_NODES,
    FOLLOW_ENDPOINTS,
    FOLLOW_EXCLUSIONS,
    FOLLOW_COUNT,
};

struct restart;

struct cluster_deployment_manager {
    struct deployment_view view;
    struct endpoint_table endpoints;
    struct follow follows[FOLLOW_COUNT];
    bool leading;
    uint64_t term;
    bool changed; /* Something was learnt in this turn. */
    struct failures failures;
    struct exclusions exclusions; /* The same, as the state has it. */
    bool remembers;               /* What the leaders before knew is in `failures`. */
    struct restart *restarts[RESTARTS_MAX];
    uint32_t restart_count;
    struct map flights; /* Artifact -> struct flight * */
    struct publication *publications[PUBLICATIONS_MAX];
    uint32_t publication_count;
    uint64_t number_last;
    struct timer_id tick;
};

/* Under the manager's term; for up to `room` writes. */
struct proposal deployment_begin_proposal(const struct cluster_deployment_manager *manager, size_t room);
struct rollout_memory deployment_memory_of(const struct cluster_deployment_manager *manager);
/* All that it follows has begun to come. */
bool deployment_knows_everything(const struct cluster_deployment_manager *manager);

/* A waiting command is told before its time is up. */
#define DEPLOYMENT_ANSWER_BEFORE_NS MILLISECONDS(300)

#endif
