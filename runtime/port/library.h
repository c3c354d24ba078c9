/* library: shared objects loaded into this process, as a port. */
#ifndef AETHER_RUNTIME_PORT_LIBRARY_H
#define AETHER_RUNTIME_PORT_LIBRARY_H

#include "runtime/base/error.h"

#include <stdbool.h>

struct library;

struct library_port {
    void *context;
    /* All symbols resolved now, none offered to others. INVALID: not a loadable object (the loader's words).
     */
    enum status (*open)(void *context, const char *path, struct library **out_library, struct error *error);
    void *(*symbol)(void *context, struct library *library, const char *name); /* NULL: it has none. */
    /* Takes it. false: the object stays mapped all the same (unique symbols, thread-local destructors,
     * another user): it is pinned, and its path must not get other bytes while we live. */
    bool (*close)(void *context, struct library **library);
};

#endif
