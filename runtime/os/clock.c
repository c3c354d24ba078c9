/* clock: CLOCK_BOOTTIME would count a suspended machine's sleep, and every lease would be over at once when
 * it wakes; CLOCK_MONOTONIC lets them go on. */
#include "runtime/os/clock.h"

#include <time.h>

static int64_t monotonic_ns(void *context)
{
    (void)context;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* Can't fail: the clock exists. */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t wall_ms(void *context)
{
    (void)context;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const struct clock clock_os = { .monotonic_ns = monotonic_ns, .wall_ms = wall_ms };
