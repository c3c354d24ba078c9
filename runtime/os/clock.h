/* clock: the machine's clocks behind runtime/port/clock.h. */
#ifndef AETHER_RUNTIME_OS_CLOCK_H
#define AETHER_RUNTIME_OS_CLOCK_H

#include "runtime/port/clock.h"

extern const struct clock clock_os;

#endif
