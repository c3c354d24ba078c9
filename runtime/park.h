/* park: a thread sleeps until a word changes (futex). */
#ifndef AETHER_RUNTIME_PARK_H
#define AETHER_RUNTIME_PARK_H

#include <stdint.h>

/* Returns when *word differs from `expected` (at once if it does already), when woken, when timeout_ns passed
 * (< 0: never), or for no reason: callers look again. */
void park_wait(uint32_t *word, uint32_t expected, int64_t timeout_ns);
void park_wake_one(uint32_t *word);
void park_wake_all(uint32_t *word);

#endif
