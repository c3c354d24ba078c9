/* child: another program, run by a command-line tool: to its end, or in a conversation over its standard
 * input and one more stream. One thread. (Slice instances of a node are runtime/port/process.h's.) */
#ifndef AETHER_RUNTIME_OS_CHILD_H
#define AETHER_RUNTIME_OS_CHILD_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHILD_ANSWERS_FD = 3 }; /* In the child: where it answers. */

struct child_end {
    bool by_signal;
    int code; /* The signal, or the exit code. */
};

struct child;

/* To its end, with our standard streams but standard output, which becomes our standard error when
 * `quiet_output`. `folder`: where it runs; NULL: here. NOT_FOUND: there is no such program. */
MUST_CHECK enum status child_run(const char *const *arguments, const char *folder, bool quiet_output,
                                 struct child_end *out_end, struct error *error);

/* In a conversation; its standard output joins our standard error. */
MUST_CHECK enum status child_start(const char *const *arguments, struct child **out_child,
                                   struct error *error);
/* IO: it has ended, or closed its input. */
MUST_CHECK enum status child_write(struct child *child, const void *data, size_t size, struct error *error);
/* What it has answered, at most `size` bytes; *out_size 0: it has ended. DEADLINE: nothing for so long. */
MUST_CHECK enum status child_read(struct child *child, void *to, size_t size, int64_t timeout_ns,
                                  size_t *out_size, struct error *error);
void child_close_input(struct child *child);
void child_kill(const struct child *child); /* SIGKILL. */
struct child_end child_wait(struct child **child);

#endif
