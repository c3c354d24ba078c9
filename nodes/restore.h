/* restore: makes a new cluster of one from a backup, in the data directory of a node that does not run (T4,
 * I3): new cluster id, new replica id, the state of the backup. What `aether cluster restore` runs. */
#ifndef AETHER_NODES_RESTORE_H
#define AETHER_NODES_RESTORE_H

#include "nodes/config.h"

struct restore_options {
    const struct config *config;
    const char *file;
    bool force; /* What the data directory holds is moved aside, not refused. */
    bool quiet; /* No progress on stderr. */
};

/* Prints one JSON document on stdout: the reply's, or the failure's. The process's exit code. */
int restore_run(const struct restore_options *options);

#endif
