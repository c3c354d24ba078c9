/* history_watch: what watchers were told against what was changed (K6): ordered, each change once, none
 * missing, no revision split, the right previous value, and a bookmark promises no more than was told. */
#ifndef AETHER_NODES_SIM_HISTORY_WATCH_H
#define AETHER_NODES_SIM_HISTORY_WATCH_H

#include "nodes/sim/history.h"

MUST_CHECK enum status history_watch_check(const struct history *history, struct error *error);

#endif
