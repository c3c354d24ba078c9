/* patience: a count of misses in a row. */
#include "actors/slice/patience.h"

bool patience_tries(struct patience *patience)
{
    if (patience->misses < PATIENCE_MISSES_MAX) return true;
    patience->passed = (patience->passed + 1) % PATIENCE_TRIES;
    return patience->passed == 0;
}

void patience_note(struct patience *patience, bool came)
{
    if (came) patience->misses = 0;
    else if (patience->misses < PATIENCE_MISSES_MAX) patience->misses++;
}
