/* slice_runner: one instance of one slice, on the side where its code runs: takes frames, calls hooks, and is
 * the host table's other end. The same in a process of its own (nodes/slice_host_main.c), where frames come
 * through rings, and in the node (slice_inline.c), where they come from an actor. One thread. */
#ifndef AETHER_ACTORS_SLICE_SLICE_RUNNER_H
#define AETHER_ACTORS_SLICE_SLICE_RUNNER_H

#include "actors/slice/slice_frame.h"
#include "runtime/port/clock.h"
#include "runtime/port/library.h"
#include "runtime/port/random.h"

struct slice_runner;

struct slice_runner_options { /* Borrowed for the runner's life. */
    /* What the instance says; borrowed for the call. May call nothing of the runner's in turn. */
    void (*emit)(void *context, const struct slice_frame *frame);
    void *context;
    const struct clock *clock;
    const struct random *random;
    const struct library_port *libraries;
};

struct slice_runner *slice_runner_create(const struct slice_runner_options *options);
/* Without `destroy` if DESTROY never came: the slice is not called again. *out_pinned (may be NULL): the
 * object could not be unmapped. */
void slice_runner_destroy(struct slice_runner **runner, bool *out_pinned);
/* A frame to the instance; what it says meanwhile is emitted before this returns. */
void slice_runner_take(struct slice_runner *runner, const struct slice_frame *frame);
/* When the next timer of the slice is due, on the clock; INT64_MAX: none is armed. */
int64_t slice_runner_due_ns(const struct slice_runner *runner);
void slice_runner_fire(struct slice_runner *runner);               /* Every timer that is due now. */
bool slice_runner_is_destroyed(const struct slice_runner *runner); /* DESTROY was answered. */

#endif
