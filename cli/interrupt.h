/* interrupt: the end that a person wishes (SIGINT, SIGTERM), seen between two steps. */
#ifndef AETHER_CLI_INTERRUPT_H
#define AETHER_CLI_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

void interrupt_catch(void); /* From now on signals are noted; waiting system calls return early. */
bool interrupt_came(void);
void interrupt_forget(void);              /* Whether another one comes is to be seen. */
void interrupt_wait(int64_t duration_ns); /* Until a signal comes, at most so long. */

#endif
