/* command: carries out one command of the table: asks a node, and prints what came of it. */
#ifndef AETHER_CLI_COMMAND_H
#define AETHER_CLI_COMMAND_H

#include "cli/argv.h"
#include "cli/failure.h"

/* Returns the exit code. Results go to stdout; a failure is told as the output form wants it. */
int command_run(struct argv *argv);
/* Tells a failure and returns its exit code. */
int command_fail(const struct argv *argv, const struct failure *failure);

#endif
