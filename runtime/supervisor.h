/* supervisor: starts children in order, stops them in reverse, restarts them by strategy. More than
 * intensity_max restarts in intensity_window_ns, and the supervisor itself fails upward; the root's failure
 * is the runtime's (runtime_options.on_failure). Restarts are delayed from 50 ms doubling to 5 s, with jitter
 * (actor_random), the first of a quiet window at once. After Erlang/OTP's supervisor. */
#ifndef AETHER_RUNTIME_SUPERVISOR_H
#define AETHER_RUNTIME_SUPERVISOR_H

#include "runtime/actor.h"

enum supervisor_strategy { ONE_FOR_ONE, REST_FOR_ONE, ONE_FOR_ALL };

enum child_restart {
    CHILD_PERMANENT, /* Restarted whenever it ends. */
    CHILD_TRANSIENT, /* Restarted when it fails. */
    CHILD_NEVER,     /* Its failure fails the supervisor at once (leader, state, log writer). */
};

struct child_spec {
    const struct behavior *behavior;
    const void *options; /* Must live as long as the supervisor. */
    const char *label;
    uint32_t name;
    enum child_restart restart;
};

struct supervisor_options {
    const char *label;
    enum supervisor_strategy strategy;
    uint32_t intensity_max;            /* 0 = 3. */
    int64_t intensity_window_ns;       /* 0 = 5 s. */
    const struct child_spec *children; /* Must live as long as the supervisor. */
    uint32_t child_count;
};

extern const struct behavior supervisor_behavior; /* options: struct supervisor_options. */

#endif
