/* local_restore: `cluster restore FILE`: carried out by the aether-node that lies beside this program, on a
 * directory of this machine. */
#ifndef AETHER_CLI_LOCAL_RESTORE_H
#define AETHER_CLI_LOCAL_RESTORE_H

#include "cli/argv.h"

int local_restore_run(const struct argv *argv); /* Prints what came of it; the exit code. */

#endif
