/* history_lines: a history as text, one JSON object a line, so that one of real processes can be kept, looked
 * at with ordinary tools, and judged again. */
#ifndef AETHER_NODES_SIM_HISTORY_LINES_H
#define AETHER_NODES_SIM_HISTORY_LINES_H

#include "nodes/sim/history.h"
#include "runtime/base/text.h"

void history_lines_write(const struct history *history, struct text *out);
/* INVALID with the number of the line: it is no history. */
MUST_CHECK enum status history_lines_read(const char *text, size_t size, struct history **out_history,
                                          struct error *error);

#endif
