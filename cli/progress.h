/* progress: what becomes of a blueprint, or of a node, while its command waits: one line on stderr for each
 * instance whose state changed, from `slice list`, or for the node's place among the members, from `cluster
 * members`, on a connection of its own. Talk, not result: its failures are silent. */
#ifndef AETHER_CLI_PROGRESS_H
#define AETHER_CLI_PROGRESS_H

#include "cli/argv.h"

struct progress;

/* NULL: nothing to show (another command, --quiet, --detach). */
struct progress *progress_begin(const struct argv *argv);
void progress_show(struct progress *progress); /* At most a second; NULL is fine. */
void progress_end(struct progress **progress);

#endif
