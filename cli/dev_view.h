/* dev_view: what `aether dev` shows: changes of state, calls, lines of logs, a line each on stdout (with
 * --output json an object a line); what it does itself goes to stderr. Text from slices is never printed raw.
 */
#ifndef AETHER_CLI_DEV_VIEW_H
#define AETHER_CLI_DEV_VIEW_H

#include "cli/argv.h"
#include "runtime/base/map.h"

struct dev_view { /* Zeroed, then `output` and the flags set. */
    enum argv_output output;
    bool quiet;        /* No talk on stderr. */
    bool verbose;      /* Every line of the nodes' logs. */
    struct map states; /* "artifact#instance node" to the last state shown (heap strings). */
};

void dev_view_fini(struct dev_view *view);
/* One line that a node wrote: its log is JSON (cli/dev_nodes.c), anything else is shown as it is. */
void dev_view_log(const struct dev_view *view, const char *node, const char *line);
/* One line of `kv watch slices/ -o json`. */
void dev_view_change(struct dev_view *view, const char *line);
void dev_view_note(const struct dev_view *view, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
