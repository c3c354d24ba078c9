/* dev: `aether dev`: a cluster on this machine, in the foreground, with a slice's project that is reloaded
 * whenever it is built. */
#ifndef AETHER_CLI_DEV_H
#define AETHER_CLI_DEV_H

#include "cli/argv.h"

int dev_run(struct argv *argv); /* Until a signal, or a node that can't run; the exit code. */

#endif
