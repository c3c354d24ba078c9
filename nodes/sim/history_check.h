/* history_check: all verdicts on a history (proof.md section 4), cheapest first. Every verdict is one of:
 * OK: so it may have been; CORRUPT: it can't have been, and the message says which operations show it;
 * OVERLOADED: no verdict, the history is beyond the check's bounds (a failed set-up, to be counted as a
 * failure); INVALID: it is no history to be judged, a value was written twice. */
#ifndef AETHER_NODES_SIM_HISTORY_CHECK_H
#define AETHER_NODES_SIM_HISTORY_CHECK_H

#include "nodes/sim/history.h"

/* Witness (1), intervals (3), watches, search (2). */
MUST_CHECK enum status history_check(const struct history *history, struct error *error);

#endif
