/* Goal: control groups are found and written as the kernel wants them, in both versions. Method: trees of
 * files as they were recorded (version 2: a Debian 12 with systemd that delegates to a service; version 1:
 * three hierarchies, in a container that sees a part of them). Plain files take what is written, so that it
 * can be read back. */
#include "runtime/os/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 1024 };

struct tree {
    char root[64];
};

static void tree_init(struct tree *tree)
{
    (void)snprintf(tree->root, sizeof tree->root, "/tmp/aether-cgroup-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
}

static void tree_fini(struct tree *tree)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", tree->root);
    assert_int_equal(system(command), 0);
}

static void put(const struct tree *tree, const char *path, const char *content)
{
    char command[2 * PATH_SIZE], name[PATH_SIZE];
    (void)snprintf(name, sizeof name, "%s%s", tree->root, path);
    (void)snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", name);
    assert_int_equal(system(command), 0);
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    (void)fputs(content, file);
    (void)fclose(file);
}

static void expect(const struct tree *tree, const char *path, const char *content)
{
    char name[PATH_SIZE], read[256] = "";
    (void)snprintf(name, sizeof name, "%s%s", tree->root, path);
    FILE *file = fopen(name, "r");
    if (file == NULL) fail_msg("there is no %s", path);
    size_t size = fread(read, 1, sizeof read - 1, file);
    (void)fclose(file);
    read[size] = '\0';
    assert_string_equal(read, content);
}

/* The kernel makes a group's files with its folder; in a tree of plain files the test does. */
static void put_files(const struct tree *tree, const char *folder, const char *const *names)
{
    for (; *names != NULL; names++) {
        char path[PATH_SIZE];
        (void)snprintf(path, sizeof path, "%s/%s", folder, *names);
        put(tree, path, "");
    }
}

#define SERVICE "/sys/fs/cgroup/system.slice/aether.service"

static void put_v2(const struct tree *tree, const char *controllers)
{
    static const char *const files[] = { "cgroup.subtree_control", "cgroup.procs", NULL };
    put(tree, "/proc/self/cgroup", "0::/system.slice/aether.service\n");
    put(tree, "/proc/self/mountinfo",
        "22 1 8:1 / / rw,relatime - ext4 /dev/vda1 rw\n"
        "29 22 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n");
    put(tree, SERVICE "/cgroup.controllers", controllers);
    put_files(tree, SERVICE, files);
}

static void version_2_as_systemd_delegates_it(void **unused)
{
    (void)unused;
    static const char *const own[] = { "cgroup.subtree_control", NULL };
    static const char *const limits_files[] = { "cpu.max",  "memory.max",   "memory.swap.max",
                                                "pids.max", "cgroup.procs", NULL };
    struct tree tree;
    struct cgroup_parent parent;
    struct cgroup group;
    tree_init(&tree);
    put_v2(&tree, "cpuset cpu io memory hugetlb pids rdma misc\n");
    put_files(&tree, SERVICE "/aether-77", own);
    assert_int_equal(cgroup_find(tree.root, 77, &parent, NULL), STATUS_OK);
    assert_int_equal(parent.version, CGROUP_V2);
    expect(&tree, SERVICE "/cgroup.subtree_control", "+cpu +memory +pids");
    expect(&tree, SERVICE "/aether-77/cgroup.subtree_control", "+cpu +memory +pids");
    put_files(&tree, SERVICE "/aether-77/slice-1", limits_files);
    const struct cgroup_limits limits = { .cpu_millis = 250, .memory_bytes = 64 << 20, .pids = 256 };
    assert_int_equal(cgroup_confine(&parent, "slice-1", &limits, 4711, &group, NULL), STATUS_OK);
    expect(&tree, SERVICE "/aether-77/slice-1/cpu.max", "5000 20000");
    expect(&tree, SERVICE "/aether-77/slice-1/memory.max", "67108864");
    expect(&tree, SERVICE "/aether-77/slice-1/memory.swap.max", "0");
    expect(&tree, SERVICE "/aether-77/slice-1/pids.max", "256");
    expect(&tree, SERVICE "/aether-77/slice-1/cgroup.procs", "4711");
    assert_false(cgroup_ran_out_of_memory(&group));
    put(&tree, SERVICE "/aether-77/slice-1/memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\n");
    assert_true(cgroup_ran_out_of_memory(&group));
    assert_false(cgroup_remove(&group)); /* Not empty: as if a process were in it. */
    tree_fini(&tree);
}

static void version_2_without_the_controllers_is_none(void **unused)
{
    (void)unused;
    struct tree tree;
    struct cgroup_parent parent;
    struct error error;
    tree_init(&tree);
    put_v2(&tree, "cpu memory\n"); /* pids is not handed down. */
    assert_int_equal(cgroup_find(tree.root, 77, &parent, &error), STATUS_NOT_FOUND);
    assert_int_equal(parent.version, CGROUP_NONE);
    assert_string_equal(cgroup_version_name(parent.version), "rlimits");
    tree_fini(&tree);
}

static void version_1_in_a_container(void **unused)
{
    (void)unused;
    static const char *const cpu_files[] = { "cpu.cfs_period_us", "cpu.cfs_quota_us", "cgroup.procs", NULL };
    static const char *const memory_files[] = { "memory.limit_in_bytes", "cgroup.procs", NULL };
    static const char *const pids_files[] = { "pids.max", "cgroup.procs", NULL };
    struct tree tree;
    struct cgroup_parent parent;
    struct cgroup group;
    tree_init(&tree);
    put(&tree, "/proc/self/cgroup",
        "12:memory:/docker/abc/node\n6:pids:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/"
        "abc\n"
        "0::/docker/abc\n");
    put(&tree, "/proc/self/mountinfo",
        "30 22 0:26 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
        "31 22 0:27 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
        "32 22 0:28 / /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n");
    put(&tree, "/sys/fs/cgroup/memory/node/tasks", "");
    put(&tree, "/sys/fs/cgroup/cpu,cpuacct/tasks", "");
    put(&tree, "/sys/fs/cgroup/pids/docker/abc/tasks", "");
    assert_int_equal(cgroup_find(tree.root, 5, &parent, NULL), STATUS_OK);
    assert_int_equal(parent.version, CGROUP_V1);
    put_files(&tree, "/sys/fs/cgroup/cpu,cpuacct/aether-5/slice-9", cpu_files);
    put_files(&tree, "/sys/fs/cgroup/memory/node/aether-5/slice-9", memory_files);
    put_files(&tree, "/sys/fs/cgroup/pids/docker/abc/aether-5/slice-9", pids_files);
    const struct cgroup_limits limits = { .cpu_millis = 1500, .memory_bytes = 1 << 20, .pids = 64 };
    assert_int_equal(cgroup_confine(&parent, "slice-9", &limits, 12, &group, NULL), STATUS_OK);
    expect(&tree, "/sys/fs/cgroup/cpu,cpuacct/aether-5/slice-9/cpu.cfs_quota_us", "30000");
    expect(&tree, "/sys/fs/cgroup/cpu,cpuacct/aether-5/slice-9/cpu.cfs_period_us", "20000");
    expect(&tree, "/sys/fs/cgroup/memory/node/aether-5/slice-9/memory.limit_in_bytes", "1048576");
    expect(&tree, "/sys/fs/cgroup/pids/docker/abc/aether-5/slice-9/pids.max", "64");
    expect(&tree, "/sys/fs/cgroup/pids/docker/abc/aether-5/slice-9/cgroup.procs", "12");
    put(&tree, "/sys/fs/cgroup/memory/node/aether-5/slice-9/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    assert_true(cgroup_ran_out_of_memory(&group));
    tree_fini(&tree);
}

static void a_failed_confinement_leaves_nothing(void **unused)
{
    (void)unused;
    static const char *const own[] = { "cgroup.subtree_control", NULL };
    struct tree tree;
    struct cgroup_parent parent;
    struct cgroup group;
    struct error error;
    char path[PATH_SIZE];
    tree_init(&tree);
    put_v2(&tree, "cpu memory pids\n");
    put_files(&tree, SERVICE "/aether-77", own);
    assert_int_equal(cgroup_find(tree.root, 77, &parent, NULL), STATUS_OK);
    const struct cgroup_limits limits = { .memory_bytes = 1 };
    assert_int_equal(cgroup_confine(&parent, "slice-1", &limits, 1, &group, &error),
                     STATUS_IO); /* No memory.max. */
    (void)snprintf(path, sizeof path, "%s" SERVICE "/aether-77/slice-1", tree.root);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(group.version, CGROUP_NONE);
    tree_fini(&tree);
}

static void groups_of_the_dead_are_removed(void **unused)
{
    (void)unused;
    struct tree tree;
    struct cgroup_parent parent;
    char path[PATH_SIZE], command[2 * PATH_SIZE];
    tree_init(&tree);
    put_v2(&tree, "cpu memory pids\n");
    (void)snprintf(path, sizeof path, "%s" SERVICE "/aether-4194304", tree.root); /* Beyond pid_max. */
    (void)snprintf(command, sizeof command, "mkdir -p '%s/slice-1' '%s/slice-2'", path, path);
    assert_int_equal(system(command), 0);
    assert_int_equal(cgroup_find(tree.root, 77, &parent, NULL),
                     STATUS_NOT_FOUND); /* Its own has no files here. */
    assert_int_not_equal(access(path, F_OK), 0);
    tree_fini(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_2_as_systemd_delegates_it),
        cmocka_unit_test(version_2_without_the_controllers_is_none),
        cmocka_unit_test(version_1_in_a_container),
        cmocka_unit_test(a_failed_confinement_leaves_nothing),
        cmocka_unit_test(groups_of_the_dead_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
