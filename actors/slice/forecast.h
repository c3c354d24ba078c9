/* forecast: what the leader would do, were the state another one: a blueprint published, a node dead. The
 * leader's own steps (rollout.h) are taken on a copy of what it knows, each carried out at once, until none
 * is left. Pure. Taken for granted: what is started becomes ACTIVE, what is stopped goes. */
#ifndef AETHER_ACTORS_SLICE_FORECAST_H
#define AETHER_ACTORS_SLICE_FORECAST_H

#include "actors/slice/rollout.h"
#include "runtime/message.h"

/* Of one rolling update with many instances no more is followed: the reply says that it goes on. */
enum { FORECAST_STEPS_MAX = 200 };

struct forecast_question {
    const struct blueprint *blueprint; /* As resolved for a publish; NULL: nothing is published. */
    const char *name;                  /* Only this blueprint's changes are told; "" = all. */
    const char *without;               /* A node that died; "" = none. */
    const struct rollout_memory *memory;
    uint64_t revision; /* Of the view: the next one is that of the publish. */
};

/* Into a KIND_BLUEPRINT_PLAN_REPLY. NOT_FOUND: no such blueprint or node; CONFLICT: another blueprint has one
 * of the artifacts. */
MUST_CHECK enum status forecast_fill(struct message *reply, const struct deployment_view *view,
                                     const struct forecast_question *question, struct error *error);

#endif
