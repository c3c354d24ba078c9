/* daemon: one node as a process: its data directory, its threads, its signals. */
#ifndef AETHER_NODES_DAEMON_H
#define AETHER_NODES_DAEMON_H

#include "nodes/config.h"

enum daemon_exit {
    DAEMON_EXIT_OK = 0,
    DAEMON_EXIT_RESTART = 70,  /* An invariant, a disk error: start it again. */
    DAEMON_EXIT_OPERATOR = 75, /* A person is needed: the reason is the last line. */
    DAEMON_EXIT_CONFIG = 78,
};

/* Runs until SIGTERM or SIGINT (ordered stop), or until the node cannot go on. The process's exit code. */
int daemon_run(const struct config *config);

#endif
