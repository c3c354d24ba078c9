/* cgroup: files below /sys/fs/cgroup (Linux: Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst). */
#include "runtime/os/cgroup.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LINE_SIZE = 4096,
    FILE_PATH_MAX = CGROUP_PATH_MAX + 64,
    PERIOD_US = 20000 /* Short: smooth, not in bursts. */
};

enum { CPU, MEMORY, PIDS };
static const char *const controllers[CGROUP_CONTROLLERS] = { "cpu", "memory", "pids" };

/* --- small files ---------------------------------------------------------------------------------------- */

static bool write_file(const char *folder, const char *name, const char *text)
{
    char path[FILE_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size_t size = strlen(text);
    ssize_t count = write(fd, text, size);
    int number = errno;
    (void)close(fd);
    errno = number;
    return count == (ssize_t)size;
}

static bool write_number(const char *folder, const char *name, uint64_t number)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    return write_file(folder, name, text);
}

static bool has_word(const char *list, const char *word, const char *separators)
{
    size_t length = strlen(word);
    for (const char *at = list; *at != '\0';) {
        size_t size = strcspn(at, separators);
        if (size == length && memcmp(at, word, length) == 0) return true;
        at += size;
        at += strspn(at, separators);
    }
    return false;
}

/* The number behind a word at the start of a line: "oom_kill 3". 0: it isn't there. */
static uint64_t number_in(const char *folder, const char *name, const char *word)
{
    char path[FILE_PATH_MAX], line[256], key[64];
    uint64_t number = 0, found = 0;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "%63s %" SCNu64, key, &number) == 2 && strcmp(key, word) == 0) found = number;
    if (file != NULL) (void)fclose(file);
    return found;
}

/* --- where we are --------------------------------------------------------------------------------------- */

/* Our own group in the hierarchy of a controller ("" = the unified one), from /proc/self/cgroup. */
static bool own_group(const char *root, const char *controller, char group[CGROUP_PATH_MAX])
{
    char path[FILE_PATH_MAX], line[LINE_SIZE];
    bool found = false;
    (void)snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *names = strchr(line, ':'); /* "4:cpu,cpuacct:/a/b", "0::/a/b" */
        char *where = names == NULL ? NULL : strchr(names + 1, ':');
        if (where == NULL) continue;
        *where++ = '\0';
        names++;
        found = controller[0] == '\0' ? names[0] == '\0' : has_word(names, controller, ",");
        if (found) found = text_copy(group, CGROUP_PATH_MAX, where);
    }
    if (file != NULL) (void)fclose(file);
    return found;
}

/* Where the hierarchy of a controller is mounted, from /proc/self/mountinfo: fields 4 and 5 are what of it is
 * mounted where, behind " - " stand type, source and options. */
static bool mount_point(const char *root, const char *controller, char mounted[CGROUP_PATH_MAX],
                        char inside[CGROUP_PATH_MAX])
{
    char path[FILE_PATH_MAX], line[LINE_SIZE];
    bool found = false;
    (void)snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        char type[64], options[1024];
        const char *rest = strstr(line, " - ");
        if (rest == NULL || sscanf(rest, " - %63s %*s %1023s", type, options) != 2) continue;
        bool unified = controller[0] == '\0';
        found = unified ? strcmp(type, "cgroup2") == 0
                        : strcmp(type, "cgroup") == 0 && has_word(options, controller, ",");
        if (found) found = sscanf(line, "%*s %*s %*s %511s %511s", inside, mounted) == 2;
    }
    if (file != NULL) (void)fclose(file);
    return found;
}

/* The folder of our own group. */
static bool own_folder(const char *root, const char *controller, char folder[CGROUP_PATH_MAX])
{
    char group[CGROUP_PATH_MAX], mounted[CGROUP_PATH_MAX], inside[CGROUP_PATH_MAX];
    if (!own_group(root, controller, group) || !mount_point(root, controller, mounted, inside)) return false;
    /* In a container only a part of the hierarchy is mounted, and our group is named from the whole. */
    size_t shared = strcmp(inside, "/") == 0 ? 0 : strlen(inside);
    const char *below = strncmp(group, inside, shared) == 0 ? group + shared : group;
    if (strcmp(below, "/") == 0) below = "";
    return snprintf(folder, CGROUP_PATH_MAX, "%s%s%s", root, mounted, below) < CGROUP_PATH_MAX;
}

/* --- what others left ----------------------------------------------------------------------------------- */

static void remove_tree(const char *folder) /* A group's files aren't removed: only its folders can be. */
{
    char path[CGROUP_PATH_MAX];
    struct dirent *entry;
    DIR *listing = opendir(folder);
    while (listing != NULL && (entry = readdir(listing)) != NULL)
        if (entry->d_name[0] != '.' &&
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < CGROUP_PATH_MAX)
            (void)rmdir(path);
    if (listing != NULL) (void)closedir(listing);
    (void)rmdir(folder);
}

/* Groups of nodes that were killed: their processes died with them. */
static void remove_stale(const char *folder)
{
    char path[CGROUP_PATH_MAX];
    struct dirent *entry;
    int pid;
    char rest;
    DIR *listing = opendir(folder);
    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        if (sscanf(entry->d_name, "aether-%d%c", &pid, &rest) != 1 || pid <= 0) continue;
        bool gone = kill(pid, 0) != 0 && errno == ESRCH;
        if (gone && snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < CGROUP_PATH_MAX)
            remove_tree(path);
    }
    if (listing != NULL) (void)closedir(listing);
}

static bool make_folder(char path[CGROUP_PATH_MAX], const char *parent, const char *name)
{
    if (snprintf(path, CGROUP_PATH_MAX, "%s/%s", parent, name) >= CGROUP_PATH_MAX) return false;
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

/* --- version 2 ------------------------------------------------------------------------------------------ */

/* A group with processes of its own can't hand controllers down: then we move into a group of our own first.
 */
static bool hand_down(const char *folder)
{
    static const char wanted[] = "+cpu +memory +pids";
    char leaf[CGROUP_PATH_MAX];
    if (write_file(folder, "cgroup.subtree_control", wanted)) return true;
    if (errno != EBUSY || !make_folder(leaf, folder, "aether-node")) return false;
    return write_number(leaf, "cgroup.procs", (uint64_t)getpid()) &&
           write_file(folder, "cgroup.subtree_control", wanted);
}

static bool has_controllers(const char *folder)
{
    char path[FILE_PATH_MAX], line[LINE_SIZE] = "";
    (void)snprintf(path, sizeof path, "%s/cgroup.controllers", folder);
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(line, sizeof line, file) != NULL;
    if (file != NULL) (void)fclose(file);
    for (int i = 0; read && i < CGROUP_CONTROLLERS; i++)
        read = has_word(line, controllers[i], " \n");
    return read;
}

static bool find_v2(const char *root, const char *name, struct cgroup_parent *parent)
{
    char folder[CGROUP_PATH_MAX];
    if (!own_folder(root, "", folder) || !has_controllers(folder) || !hand_down(folder)) return false;
    remove_stale(folder);
    if (!make_folder(parent->paths[0], folder, name)) return false;
    if (!write_file(parent->paths[0], "cgroup.subtree_control", "+cpu +memory +pids")) {
        (void)rmdir(parent->paths[0]);
        return false;
    }
    parent->version = CGROUP_V2;
    return true;
}

static bool limit_v2(const char *folder, const struct cgroup_limits *limits)
{
    char quota[64];
    (void)snprintf(quota, sizeof quota, "%" PRIu64 " %d", (uint64_t)limits->cpu_millis * PERIOD_US / 1000,
                   PERIOD_US);
    if (limits->cpu_millis != 0 && !write_file(folder, "cpu.max", quota)) return false;
    if (limits->memory_bytes != 0) {
        if (!write_number(folder, "memory.max", limits->memory_bytes)) return false;
        (void)write_file(folder, "memory.swap.max", "0"); /* Absent where there is no swap. */
    }
    return limits->pids == 0 || write_number(folder, "pids.max", limits->pids);
}

/* --- version 1 ------------------------------------------------------------------------------------------ */

static bool find_v1(const char *root, const char *name, struct cgroup_parent *parent)
{
    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        char folder[CGROUP_PATH_MAX];
        bool found = own_folder(root, controllers[i], folder);
        if (found) remove_stale(folder);
        if (found && make_folder(parent->paths[i], folder, name)) continue;
        while (i-- > 0)
            (void)rmdir(parent->paths[i]);
        return false;
    }
    parent->version = CGROUP_V1;
    return true;
}

static bool limit_v1(const struct cgroup *group, const struct cgroup_limits *limits)
{
    if (limits->cpu_millis != 0 && !(write_number(group->paths[CPU], "cpu.cfs_period_us", PERIOD_US) &&
                                     write_number(group->paths[CPU], "cpu.cfs_quota_us",
                                                  (uint64_t)limits->cpu_millis * PERIOD_US / 1000)))
        return false;
    if (limits->memory_bytes != 0 &&
        !write_number(group->paths[MEMORY], "memory.limit_in_bytes", limits->memory_bytes))
        return false;
    return limits->pids == 0 || write_number(group->paths[PIDS], "pids.max", limits->pids);
}

/* --- the interface -------------------------------------------------------------------------------------- */

static int path_count(enum cgroup_version version)
{
    return version == CGROUP_V1 ? CGROUP_CONTROLLERS : version == CGROUP_V2 ? 1 : 0;
}

enum status cgroup_find(const char *root, int32_t pid, struct cgroup_parent *out_parent, struct error *error)
{
    char name[32];
    (void)snprintf(name, sizeof name, "aether-%d", (int)pid);
    *out_parent = (struct cgroup_parent){ .version = CGROUP_NONE };
    if (find_v2(root, name, out_parent) || find_v1(root, name, out_parent)) return STATUS_OK;
    return error_set(error, STATUS_NOT_FOUND,
                     "no control groups that this process may write (cpu, memory, pids)");
}

void cgroup_forget(struct cgroup_parent *parent)
{
    for (int i = 0; i < path_count(parent->version); i++)
        (void)rmdir(parent->paths[i]);
    parent->version = CGROUP_NONE;
}

enum status cgroup_confine(const struct cgroup_parent *parent, const char *name,
                           const struct cgroup_limits *limits, int32_t pid, struct cgroup *out_group,
                           struct error *error)
{
    bool good = true;
    *out_group = (struct cgroup){ .version = parent->version };
    int count = path_count(parent->version);
    for (int i = 0; good && i < count; i++)
        good = make_folder(out_group->paths[i], parent->paths[i], name);
    if (good)
        good = parent->version == CGROUP_V2 ? limit_v2(out_group->paths[0], limits)
                                            : limit_v1(out_group, limits);
    for (int i = 0; good && i < count; i++)
        good = write_number(out_group->paths[i], "cgroup.procs", (uint64_t)pid);
    if (good && count > 0) return STATUS_OK;
    enum status status = error_set(error, STATUS_IO, "control group %s: %s", name, strerror(errno));
    for (int i = 0; i < count; i++)
        (void)rmdir(out_group->paths[i]);
    *out_group = (struct cgroup){ .version = CGROUP_NONE };
    return status;
}

bool cgroup_ran_out_of_memory(const struct cgroup *group)
{
    if (group->version == CGROUP_V2) return number_in(group->paths[0], "memory.events", "oom_kill") > 0;
    return group->version == CGROUP_V1 &&
           number_in(group->paths[MEMORY], "memory.oom_control", "oom_kill") > 0;
}

bool cgroup_remove(struct cgroup *group)
{
    for (int i = 0; i < path_count(group->version); i++)
        if (rmdir(group->paths[i]) != 0 && errno != ENOENT) return false;
    group->version = CGROUP_NONE;
    return true;
}

const char *cgroup_version_name(enum cgroup_version version)
{
    switch (version) {
    case CGROUP_V1: return "cgroup v1";
    case CGROUP_V2: return "cgroup v2";
    case CGROUP_NONE: break;
    }
    return "rlimits";
}
