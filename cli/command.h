/* command: carries out one command of the table: asks a node, and prints what came of it. */
#ifndef AETHER_CLI_COMMAND_H
#define AETHER_CLI_COMMAND_H

#include "cli/argv.h"
#include "cli/failure.h"

/* Returns the exit code. Results go to stdout; a failure is told as the output form wants it. */
int command_run(struct argv *argv);
/* One request (taken always) and its reply, which is the caller's; a signal ends the wait with CANCELLED
 * where signals are caught. */
struct connection;
struct message;
MUST_CHECK enum status command_exchange(const struct argv *argv, struct connection *connection,
                                        struct message **request, struct message **out_reply,
                                        struct error *error);
/* Tells a failure and returns its exit code. */
int command_fail(const struct argv *argv, const struct failure *failure);

#endif
