/* library: dlopen behind runtime/port/library.h. */
#ifndef AETHER_RUNTIME_OS_LIBRARY_H
#define AETHER_RUNTIME_OS_LIBRARY_H

#include "runtime/port/library.h"

extern const struct library_port library_os;

#endif
