/* desk_routes: how the calls of one instance's slice leave its node's desk: by TO_SLICE_CALL, which chooses,
 * queues and tries again, or, where that has lately told the way (KIND_SLICE_ROUTE), straight to the instance
 * of this node that answers. The two end alike: what a direct call is refused before it ran, or failed with
 * and may be repeated, goes to TO_SLICE_CALL as a new attempt; figures and failures are told to it. Part of a
 * desk. */
#ifndef AETHER_ACTORS_SLICE_DESK_ROUTES_H
#define AETHER_ACTORS_SLICE_DESK_ROUTES_H

#include "actors/slice/slice_frame.h"

enum { DESK_ROUTES_MAX = 8 };

struct desk_route;
struct direct_call;

struct desk_routes { /* Zeroed: it knows none. Private. */
    struct desk_route *routes[DESK_ROUTES_MAX];
    uint32_t next; /* Whose place the next one gets. */
    struct direct_call *newest;
};

struct desk_call { /* What a slice wants called. Borrowed. */
    const char *target;
    const char *affinity;        /* "" = none */
    const char *idempotency_key; /* "" = none */
    const char *caller;
    const struct slice_frame *frame; /* Of its payload. */
    uint64_t tag;                    /* By which it is withdrawn. */
    struct request_id request_id;
    int64_t budget_ns;
    uint32_t depth;
    bool deadline_named;
};

/* `complete` runs once with the outcome, as of actor_ask; the reply is KIND_INVOKE_REPLY. */
void desk_routes_call(struct actor *self, struct desk_routes *routes, const struct desk_call *call,
                      ask_completion *complete, void *context);
void desk_routes_withdraw(struct actor *self, struct desk_routes *routes, uint64_t tag);
void desk_routes_learn(struct actor *self, struct desk_routes *routes, const struct slice_route *told);
void desk_routes_tell(struct actor *self, struct desk_routes *routes); /* The figures since the last time. */
void desk_routes_fini(struct desk_routes *routes); /* After the actor's asks have completed. */

#endif
