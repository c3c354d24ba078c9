/* history_check: see the header. */
#include "nodes/sim/history_check.h"

#include "nodes/sim/history_intervals.h"
#include "nodes/sim/history_search.h"
#include "nodes/sim/history_watch.h"
#include "nodes/sim/history_witness.h"

enum status history_check(const struct history *history, struct error *error)
{
    enum status status = history_witness_check(history, error);
    if (status == STATUS_OK) status = history_intervals_check(history, error);
    if (status == STATUS_OK) status = history_watch_check(history, error);
    if (status == STATUS_OK) status = history_search_check(history, error);
    return status;
}
