/* file: POSIX files behind runtime/port/file.h. */
#ifndef AETHER_RUNTIME_OS_FILE_H
#define AETHER_RUNTIME_OS_FILE_H

#include "runtime/port/file.h"

extern const struct file_port file_os;

#endif
