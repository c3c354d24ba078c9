/* history_search, Check 2: trusts no revision. For each key, looks for any order of its operations that
 * respects real time and gives every result: the search of Wing and Gong ("Testing and verifying concurrent
 * objects", 1993) with Lowe's memory of what was tried ("Testing for linearizability", 2017). A transaction
 * counts on each of its keys by itself, a refused one only where a single compare can have refused it: both
 * leave more histories legal, so a conviction stands. */
#ifndef AETHER_NODES_SIM_HISTORY_SEARCH_H
#define AETHER_NODES_SIM_HISTORY_SEARCH_H

#include "nodes/sim/history.h"

enum {
    HISTORY_SEARCH_OPS_MAX = 2000,   /* Of one key: rotate keys. */
    HISTORY_SEARCH_UNKNOWN_MAX = 64, /* Of one key, that nobody's reading puts an end to. */
    HISTORY_SEARCH_MEMO_MAX = 1 << 22,
};

MUST_CHECK enum status history_search_check(const struct history *history, struct error *error);

#endif
