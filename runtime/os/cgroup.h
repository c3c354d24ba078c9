/* cgroup: limits of CPU and memory for a child process, where this process may write control groups: version
 * 2 (the unified hierarchy, as systemd delegates it) or version 1 (cpu, memory and pids mounted apart). Any
 * thread.
 *
 * Everything is read and written below `root`, "" in the daemon: a test puts a recorded tree of files there.
 */
#ifndef AETHER_RUNTIME_OS_CGROUP_H
#define AETHER_RUNTIME_OS_CGROUP_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { CGROUP_PATH_MAX = 512, CGROUP_CONTROLLERS = 3 };

enum cgroup_version { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

struct cgroup_parent { /* Where groups of children are made. */
    enum cgroup_version version;
    char paths[CGROUP_CONTROLLERS][CGROUP_PATH_MAX]; /* V1: of cpu, memory, pids; V2: the first is all. */
};

struct cgroup_limits {
    uint32_t cpu_millis;   /* Thousandths of a core; 0 = none. */
    uint64_t memory_bytes; /* 0 = none. */
    uint32_t pids;         /* Threads and processes; 0 = none. */
};

struct cgroup { /* Of one child; zeroed: none. */
    enum cgroup_version version;
    char paths[CGROUP_CONTROLLERS][CGROUP_PATH_MAX];
};

/* Makes a group "aether-{pid}" below this process's own, with the controllers ready, and removes those of
 * processes that are gone. NOT_FOUND: no groups are here that we may write. */
MUST_CHECK enum status cgroup_find(const char *root, int32_t pid, struct cgroup_parent *out_parent,
                                   struct error *error);
void cgroup_forget(struct cgroup_parent *parent); /* Removes it, if nothing is left in it. */

/* A group with these limits, and the process in it. IO: nothing is left behind. */
MUST_CHECK enum status cgroup_confine(const struct cgroup_parent *parent, const char *name,
                                      const struct cgroup_limits *limits, int32_t pid,
                                      struct cgroup *out_group, struct error *error);
bool cgroup_ran_out_of_memory(
    const struct cgroup *group); /* The kernel has killed something in it for that. */
/* false: a process is still in it; try again later. */
bool cgroup_remove(struct cgroup *group);

const char *cgroup_version_name(enum cgroup_version version); /* "cgroup v2" */

#endif
