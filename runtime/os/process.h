/* process: child processes behind runtime/port/process.h, and the child's own side of it. */
#ifndef AETHER_RUNTIME_OS_PROCESS_H
#define AETHER_RUNTIME_OS_PROCESS_H

#include "runtime/port/process.h"

extern const struct process_port process_os;

/* --- the child's side (what it gives up: runtime/os/confine.h) ------------------------------------------ */

MUST_CHECK enum status process_child_map(void **out_shared, size_t *out_size, struct error *error);
void process_child_ring(void);
void process_child_wait(int64_t timeout_ns); /* Until our bell rang, or the timeout (< 0: none). */
/* Ends at once: no exit handlers, which a loaded object may have left behind. */
_Noreturn void process_child_exit(int code);

#endif
