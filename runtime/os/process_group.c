/* process_group: state of the whole process, as the groups themselves are; behind one mutex, for starts and
 * ends of children only. */
#include "runtime/os/process_group.h"

#include "runtime/os/cgroup.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { GROUPS_MAX = 1024, PIDS_MAX = 256 /* Threads of one child. */ };

struct slot {
    struct cgroup group;
    bool leaving; /* Its process was killed; the folder may not be removable yet. */
};

static struct {
    pthread_mutex_t mutex;
    struct cgroup_parent parent;
    struct slot slots[GROUPS_MAX]; /* Number n is slots[n - 1]. */
    uint64_t names;                /* Used so far. */
} groups = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void find_parent(void)
{
    if (cgroup_find("", getpid(), &groups.parent, NULL) != STATUS_OK) groups.parent.version = CGROUP_NONE;
}

/* A killed process leaves its group some time later: looked after whenever another one comes or goes. */
static void sweep(void)
{
    for (uint32_t i = 0; i < GROUPS_MAX; i++) {
        struct slot *slot = &groups.slots[i];
        if (slot->leaving && cgroup_remove(&slot->group)) slot->leaving = false;
    }
}

static struct slot *free_slot(void)
{
    for (uint32_t i = 0; i < GROUPS_MAX; i++)
        if (groups.slots[i].group.version == CGROUP_NONE) return &groups.slots[i];
    return NULL;
}

static uint32_t enter(const struct process_limits *limits, int32_t pid)
{
    char name[32];
    const struct cgroup_limits wanted = { .cpu_millis = limits->cpu_millis,
                                          .memory_bytes = limits->memory_bytes,
                                          .pids = PIDS_MAX };
    sweep();
    struct slot *slot = free_slot();
    if (slot == NULL || groups.parent.version == CGROUP_NONE) return 0;
    (void)snprintf(name, sizeof name, "slice-%llu", (unsigned long long)++groups.names);
    if (cgroup_confine(&groups.parent, name, &wanted, pid, &slot->group, NULL) != STATUS_OK) return 0;
    return (uint32_t)(slot - groups.slots) + 1;
}

void process_group_begin(void)
{
    (void)pthread_mutex_lock(&groups.mutex);
    find_parent();
    (void)pthread_mutex_unlock(&groups.mutex);
}

uint32_t process_group_enter(const struct process_limits *limits, int32_t pid, const char **out_limited_by)
{
    *out_limited_by = cgroup_version_name(CGROUP_NONE);
    if (limits->cpu_millis == 0 && limits->memory_bytes == 0) return 0;
    (void)pthread_mutex_lock(&groups.mutex);
    uint32_t number = enter(limits, pid);
    if (number != 0) *out_limited_by = cgroup_version_name(groups.parent.version);
    (void)pthread_mutex_unlock(&groups.mutex);
    return number;
}

void process_group_leave(uint32_t group)
{
    if (group == 0) return;
    (void)pthread_mutex_lock(&groups.mutex);
    groups.slots[group - 1].leaving = true;
    sweep();
    (void)pthread_mutex_unlock(&groups.mutex);
}

bool process_group_ran_out_of_memory(uint32_t group)
{
    if (group == 0) return false;
    (void)pthread_mutex_lock(&groups.mutex);
    bool out_of_memory = cgroup_ran_out_of_memory(&groups.slots[group - 1].group);
    (void)pthread_mutex_unlock(&groups.mutex);
    return out_of_memory;
}

void process_group_end(void)
{
    (void)pthread_mutex_lock(&groups.mutex);
    sweep();
    cgroup_forget(&groups.parent);
    (void)pthread_mutex_unlock(&groups.mutex);
}
