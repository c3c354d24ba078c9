/* children: several programs side by side, whose lines one tool reads, and a folder that it watches
 * meanwhile. Each runs in a session of its own, so a terminal's Ctrl-C reaches only us, with nothing to read,
 * and is killed by the kernel when we end, however we end. One thread. (One program, to its end:
 * runtime/os/child.h; slice instances of a node: runtime/port/process.h.) */
#ifndef AETHER_RUNTIME_OS_CHILDREN_H
#define AETHER_RUNTIME_OS_CHILDREN_H

#include "runtime/base/error.h"
#include "runtime/os/child.h"

enum {
    CHILDREN_MAX = 16,
    CHILDREN_LINE_MAX = 16 * 1024, /* The rest of a longer line comes as lines of its own. */
};

struct children;

enum children_event_kind {
    CHILDREN_NOTHING, /* The time is over, or a signal came. */
    CHILDREN_LINE,    /* `line`: one line of its standard output or error, without the newline. */
    CHILDREN_ENDED,   /* `end`: its last line was told before. */
    CHILDREN_FOLDER,  /* `line`: the name of a file in the folder that was written whole, or moved there. */
};

struct children_event {
    enum children_event_kind kind;
    uint32_t tag;     /* Of the program. */
    const char *line; /* Lent until the next call. */
    struct child_end end;
};

MUST_CHECK enum status children_create(struct children **out_children, struct error *error);
void children_destroy(struct children **children); /* Kills those that still run, and waits for their end. */

/* `tag`: ours to choose, of none that runs (CHECKed). NOT_FOUND: no such program. OVERLOADED: CHILDREN_MAX.
 */
MUST_CHECK enum status children_start(struct children *children, uint32_t tag, const char *const *arguments,
                                      const char *folder, struct error *error);
/* SIGTERM or SIGKILL. One that does not run is fine. */
void children_end(struct children *children, uint32_t tag, bool by_force);
bool children_runs(const struct children *children, uint32_t tag);
/* From now on this folder; the one before is not watched any more. */
MUST_CHECK enum status children_watch(struct children *children, const char *folder, struct error *error);

/* The next thing that happened. timeout < 0: waits until there is one, or a signal. */
void children_next(struct children *children, int64_t timeout_ns, struct children_event *out_event);

#endif
