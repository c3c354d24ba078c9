/* instance: how the slice store (actors/slice/slice_store.c) talks to the actor of one instance, whatever
 * stands behind that: a process (slice_host.c), a share of one (slice_guest.c), a library in the node
 * (slice_inline.c), or a model of a slice (nodes/sim/slices.c). An instance's actor is a child of the store
 * and
 *
 * - answers KIND_SLICE_STEP, one at a time, in the order LOAD, (RESTORE), START, (CONFIGURE, ...), STOP,
 *   (START, ...), DESTROY;
 * - answers KIND_INVOKE_REQUEST between START and STOP, as wire/proto/slice.proto says;
 * - fails (actor_fail) when its instance ends by itself: CRASHED, or NOT_READY when it is unhealthy. All that
 *   was asked of it is refused with the same. */
#ifndef AETHER_ACTORS_SLICE_INSTANCE_H
#define AETHER_ACTORS_SLICE_INSTANCE_H

#include "actors/slice/messages.h"
#include "runtime/port/library.h"
#include "runtime/port/process.h"

/* What the actors of instances may use of the outside world. Unused members may be NULL. */
struct slice_adapters {
    const char *node;         /* This node's name. */
    const char *host_program; /* Path of aether-slice-host. */
    uint32_t host_user;       /* Whom its processes become where the node is root; 0: they stay root. */
    uint32_t host_group;
    const struct process_port *processes;
    const struct library_port *libraries;
    void *context; /* For other backends. */
};

/* Which behaviors run instances. Each one's options are struct slice_instance_options. */
struct slice_backend {
    const struct behavior *isolated;
    const struct behavior *inlined;
    const struct behavior *shared; /* shared_host.h; NULL: `hosts: shared` is as if it weren't said. */
    const struct behavior *guest;
};
extern const struct slice_backend slice_backend_real; /* slice_host.c, slice_inline.c */

struct slice_instance_options { /* Borrowed for init, but the adapters live as long as the node. */
    struct instance_key key;
    const char *path;   /* Of the verified object; stays while the instance lives. */
    const char *config; /* JSON object. */
    uint32_t cpu_millis;
    uint64_t memory_bytes;
    struct actor_id shared; /* Of a guest: its process's actor (shared_host.h). */
    uint32_t guest;         /* Its number there. */
    bool probe;             /* LOAD only maps and checks; the process is thrown away afterwards. */
    const struct slice_adapters *adapters;
};

enum slice_step_kind {
    SLICE_STEP_LOAD,
    SLICE_STEP_RESTORE, /* The predecessor's state = the message's attachment. */
    SLICE_STEP_START,
    SLICE_STEP_CONFIGURE,
    SLICE_STEP_STOP,
    SLICE_STEP_DESTROY
};

struct slice_step { /* KIND_SLICE_STEP, an ask. */
    enum slice_step_kind kind;
    int64_t drain_ns;   /* STOP: so long calls in flight may take; then they are refused CANCELLED. */
    bool snapshot;      /* STOP: the answer's attachment is the state that it left, if it has any to leave. */
    const char *config; /* CONFIGURE: JSON object; in the message's arena. */
};
/* KIND_SLICE_STEP_DONE; or refused: INVALID, VERSION_MISMATCH, APP_ERROR (a hook said no), CRASHED, IO. */
struct slice_step_done {
    const struct instance_entry *entries; /* Of LOAD; in the message's arena. */
    uint32_t entry_count;
    int32_t host_pid;   /* 0 = inline. */
    uint32_t hooks;     /* Of LOAD: enum slice_hook. */
    const char *limits; /* Of LOAD: what holds its limits; constant. */
};

#endif
