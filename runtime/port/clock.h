/* clock: monotonic time and the wall clock, as a port. */
#ifndef AETHER_RUNTIME_PORT_CLOCK_H
#define AETHER_RUNTIME_PORT_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*monotonic_ns)(void *context); /* Any thread. */
    int64_t (*wall_ms)(void *context);      /* Unix milliseconds. Any thread. */
    void *context;
};

#endif
