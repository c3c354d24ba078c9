/* shared_host: the actor of one process in which several instances of a slice run (`hosts: shared`). Each
 * instance has an actor of its own (slice_guest.h), which talks to its instance through this one; the process
 * is one failure for all of them. Memory and arguments as slice_host.h says; limits are the process's. */
#ifndef AETHER_ACTORS_SLICE_SHARED_HOST_H
#define AETHER_ACTORS_SLICE_SHARED_HOST_H

#include "runtime/actor.h"

enum { SHARED_GUESTS_MAX = 256 }; /* Of one process. */

/* A guest asks to be let in: its frames come to the asker from now on. Answered KIND_SHARED_JOINED, or
 * refused OVERLOADED. A guest that ends in order is forgotten by the process within FORGET_NS, else the
 * process is killed; one that fails takes the process with it. */
struct shared_join { /* KIND_SHARED_JOIN */
    uint32_t guest;  /* Chosen by the store, never twice. */
};
struct shared_joined { /* KIND_SHARED_JOINED */
    int32_t pid;
    const char *limits; /* What holds them; constant. */
};

/* A frame (slice_frame.h) between the two, whole: the attachment. */
struct shared_frame { /* KIND_SHARED_FRAME */
    uint32_t guest;
    uint64_t call; /* To the process, a CALL's number: it must not wait. 0 = it may. */
};
/* There was no room for that call. */
struct shared_refused { /* KIND_SHARED_REFUSED */
    uint64_t call;
};
/* The process printed a line: told to the guest with the lowest number. */
struct shared_line { /* KIND_SHARED_LINE */
    const char *text;
};

extern const struct behavior shared_host_behavior; /* options: struct slice_instance_options, of the first */

#endif
