/* client: an actor on a simulated node that asks in the name of clients, and keeps their results. */
#ifndef AETHER_NODES_SIM_CLIENT_H
#define AETHER_NODES_SIM_CLIENT_H

#include "runtime/actor.h"

/* One request. Outlives node and actor. */
struct client_call {
    bool ended;
    enum status status;
    struct error error;
    struct message *reply;                                   /* OK: ours. */
    void (*on_end)(void *context, struct client_call *call); /* In the turn that ends it; may be NULL. */
    void *context;
};

extern const struct behavior client_behavior; /* No options. */

/* What to send to the actor: takes the request. The call must live until it has ended. */
struct message *client_message(struct client_call *call, uint32_t name, int64_t timeout_ns,
                               struct message **request);

#endif
