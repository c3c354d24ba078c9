/* doorbell: waits, on one thread for the whole node, for all slice processes: that they ring, print or end.
 * Tells the actor that watches each. TO_DOORBELL; options: struct doorbell_options. */
#ifndef AETHER_ACTORS_SLICE_DOORBELL_H
#define AETHER_ACTORS_SLICE_DOORBELL_H

#include "runtime/actor.h"
#include "runtime/port/process.h"

struct doorbell_options {
    const struct process_port *processes; /* Lives as long as the node. */
};

/* KIND_DOORBELL_WATCH, a tell: from now on the doorbell owns the watch, until the process has ended; it reaps
 * it. The sender hears KIND_DOORBELL_RANG and KIND_DOORBELL_OUTPUT (what was printed: the attachment) as they
 * come, and KIND_DOORBELL_ENDED once, last. */
struct doorbell_watch {
    struct process_watch watch;
};
struct doorbell_ended { /* KIND_DOORBELL_ENDED */
    bool by_signal;
    int code;
};

extern const struct behavior doorbell_behavior;

#endif
