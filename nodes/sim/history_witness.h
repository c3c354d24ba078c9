/* history_witness, Check 1: the revisions that the store told are a witness of the one order that everything
 * happened in. Replays that order and compares every result, multi-key transactions included, and compares it
 * with real time: an operation comes after all that had returned before it began (K1-K4, K7, K9). O(n log n).
 *
 * What has no revision is given the benefit of the doubt: a refusal that an operation of unknown outcome may
 * explain is believed. A transaction of unknown outcome has a place in the order only if what it wrote was
 * read, with its revision: so read a value before you compare with it, and delete by operations of their own.
 */
#ifndef AETHER_NODES_SIM_HISTORY_WITNESS_H
#define AETHER_NODES_SIM_HISTORY_WITNESS_H

#include "nodes/sim/history.h"

MUST_CHECK enum status history_witness_check(const struct history *history, struct error *error);

#endif
