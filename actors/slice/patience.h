/* patience: is it worth while to spin for the next frame before sleeping? Each side of a ring learns it from
 * what came of it: while calls flow the next one comes within the time that a sleep and a wake would cost,
 * and spinning is quicker for both; when none came some times in a row, only every PATIENCE_TRIES-th occasion
 * is tried, so that slow or rare calls cost next to nothing. Pure. */
#ifndef AETHER_ACTORS_SLICE_PATIENCE_H
#define AETHER_ACTORS_SLICE_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

enum { PATIENCE_MISSES_MAX = 4, PATIENCE_TRIES = 16 };

struct patience { /* Zeroed: full of hope. */
    uint32_t misses;
    uint32_t passed; /* Occasions let pass since the last try. */
};

bool patience_tries(struct patience *patience);           /* An occasion: shall we? */
void patience_note(struct patience *patience, bool came); /* What came of it. */

#endif
