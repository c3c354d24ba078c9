/* random: the kernel's generator behind runtime/port/random.h. */
#ifndef AETHER_RUNTIME_OS_RANDOM_H
#define AETHER_RUNTIME_OS_RANDOM_H

#include "runtime/port/random.h"

extern const struct random random_os;

#endif
