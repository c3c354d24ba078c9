/* process: child processes behind runtime/port/process.h, and the child's own side of it. */
#ifndef AETHER_RUNTIME_OS_PROCESS_H
#define AETHER_RUNTIME_OS_PROCESS_H

#include "runtime/port/process.h"

extern const struct process_port process_os;

/* --- the child's side (what it gives up: runtime/os/confine.h) ------------------------------------------ */

MUST_CHECK enum status process_child_map(void **out_shared, size_t *out_size, struct error *error);
bool process_child_ring(void); /* false: it can't; somebody closed its descriptor. */
/* How often our bell has rung; and a sleep until it has rung once more than `seen`, or the timeout (< 0:
 * none). So: read it, look for work, then sleep. */
uint32_t process_child_rings(void);
void process_child_wait(uint32_t seen, int64_t timeout_ns);
bool process_child_is_alone(void); /* One processor is all that it may run on: whoever spins spins alone. */
/* Ends at once: no exit handlers, which a loaded object may have left behind. */
_Noreturn void process_child_exit(int code);

#endif
