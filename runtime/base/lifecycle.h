/* lifecycle: the states of a thing and the moves between them, as one table: names for people and wire, moves
 * for the rules. State numbers are the caller's enum, from 0 without gaps; 0 is where everything begins. */
#ifndef AETHER_RUNTIME_BASE_LIFECYCLE_H
#define AETHER_RUNTIME_BASE_LIFECYCLE_H

#include <stdbool.h>
#include <stdint.h>

enum { LIFECYCLE_STATES_MAX = 32 };

struct lifecycle_state {
    const char *name;
    uint32_t moves; /* LIFECYCLE_TO(state) of each state that may follow. */
};
#define LIFECYCLE_TO(state) (UINT32_C(1) << (state))

struct lifecycle {
    const struct lifecycle_state *states;
    uint32_t count;
};

bool lifecycle_allows(const struct lifecycle *lifecycle, uint32_t from,
                      uint32_t to); /* Staying is no move. */
const char *lifecycle_name(const struct lifecycle *lifecycle, uint32_t state);
uint32_t lifecycle_from_name(const struct lifecycle *lifecycle, const char *name); /* count: no such state. */
/* CHECKs the table itself: each state is named, no name twice, every move leads to a state, no state moves to
 * itself, and each can be reached from 0. For tests. */
void lifecycle_check(const struct lifecycle *lifecycle);

#endif
