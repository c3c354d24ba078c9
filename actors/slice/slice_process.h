/* slice_process: a process in which instances run, as the actor has it that commands it: its rings, the
 * frames that wait for room in them, the line that it is printing. Part of its actor's state: embed it. The
 * doorbell tells that actor when the process rings, prints or ends (doorbell.h). */
#ifndef AETHER_ACTORS_SLICE_SLICE_PROCESS_H
#define AETHER_ACTORS_SLICE_SLICE_PROCESS_H

#include "actors/slice/doorbell.h"
#include "actors/slice/instance.h"
#include "actors/slice/sdk/aether/slice.h"
#include "actors/slice/slice_ring.h"

enum {
    SLICE_PROCESS_WAITING_MAX = 2 * AETHER_OUTBOUND_MAX + 64, /* For each instance in it. */
    SLICE_PROCESS_LINE_MAX = 2048,
    SLICE_PROCESS_SPANS = 2, /* Of a frame: its head, its payload. */
};

struct slice_process { /* Private, but for the rings and the count of instances. */
    const struct process_port *processes;
    struct process process;
    struct slice_ring to;
    struct slice_ring from;
    uint32_t instances;     /* How many are in it now; its actor's to keep. */
    struct bytes **waiting; /* A circle of frames for which the ring had no room. */
    uint32_t waiting_room;
    uint32_t waiting_first;
    uint32_t waiting_count;
    char line[SLICE_PROCESS_LINE_MAX]; /* Printed, without its end yet. */
    size_t line_size;
};

/* With the limits of its first instance. */
MUST_CHECK enum status slice_process_start(struct actor *self, struct slice_process *process,
                                           const struct slice_instance_options *instance,
                                           struct error *error);
void slice_process_fini(struct slice_process *process); /* It is killed, if it lives. */
void slice_process_kill(struct slice_process *process);
/* What holds its limits; constant. */
const char *slice_process_limits(const struct slice_process *process,
                                 const struct slice_instance_options *instance);

/* One frame. OVERLOADED: there is no room, and it must not wait for any (`waits`); CRASHED: the process broke
 * the rules, or reads nothing while it asks for ever more, and must go. */
MUST_CHECK enum status slice_process_write(struct slice_process *process, const struct slice_ring_span *spans,
                                           bool waits, struct error *error);
/* What waited, as far as there is room now. CRASHED. */
MUST_CHECK enum status slice_process_flush(struct slice_process *process, struct error *error);
/* NULL: nothing (more) is there. CRASHED. The caller's. */
MUST_CHECK enum status slice_process_read(struct slice_process *process, struct bytes **out_frame,
                                          struct error *error);

/* What it printed, line by line, as UTF-8. NULL: it has ended, and so has its last line. */
typedef void slice_process_line(void *context, const char *text);
void slice_process_print(struct slice_process *process, const struct bytes *printed, slice_process_line *line,
                         void *context);
/* How it ended, in words. CRASHED. */
void slice_process_ended(const struct slice_process *process, const struct doorbell_ended *ended,
                         struct error *out_error);

#endif
