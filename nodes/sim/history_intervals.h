/* history_intervals, Check 3: trusts no revision either, for histories of any length. Values are unique, so
 * each read names the write that it read from, and a register is linearizable exactly if the zones of its
 * values, from the first end of an operation on a value to the last beginning of one, lie apart (Gibbons and
 * Korach, "Testing shared memories", 1997). Judges keys that are never deleted; what a compare required
 * counts as a read. O(n log n). */
#ifndef AETHER_NODES_SIM_HISTORY_INTERVALS_H
#define AETHER_NODES_SIM_HISTORY_INTERVALS_H

#include "nodes/sim/history.h"

MUST_CHECK enum status history_intervals_check(const struct history *history, struct error *error);

#endif
