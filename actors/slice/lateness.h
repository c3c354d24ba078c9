/* lateness: the watchdog's word on a call that an instance of this node did not answer by its deadline: in
 * the instance's record of what went wrong last (`slice show`), in its log, and, where it runs in the node
 * and so holds a thread of it, as an event. An isolated one is ended by its health check; one inside can't
 * be. */
#ifndef AETHER_ACTORS_SLICE_LATENESS_H
#define AETHER_ACTORS_SLICE_LATENESS_H

#include "actors/slice/managed.h"

/* slice_call -> TO_NODE_DEPLOYMENT_MANAGER, a tell, once in LATENESS_EVERY_NS for an instance. */
struct instance_late { /* KIND_INSTANCE_LATE; the message's request id is the call's */
    struct instance_key key;
    char entry[COORDINATES_ARTIFACT_MAX];
    uint64_t allowed_ms;
};
#define LATENESS_EVERY_NS SECONDS(10)

/* Handles a KIND_INSTANCE_LATE of the node's manager. */
void lateness_note(struct actor *self, const struct managed *managed, const char *node,
                   const struct instance_late *late);

#endif
