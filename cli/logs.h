/* logs: `aether slice logs --follow`: asks again and again from where the last answer ended, and prints each
 * line as it comes: one JSON object a line with -o json, else words. */
#ifndef AETHER_CLI_LOGS_H
#define AETHER_CLI_LOGS_H

#include "cli/argv.h"
#include "cli/connection.h"

/* Until a signal. INVALID, or whatever the node refuses; a node that is lost is asked for again until the
 * timeout. */
MUST_CHECK enum status logs_follow(const struct argv *argv, struct connection *connection,
                                   struct error *error);

#endif
