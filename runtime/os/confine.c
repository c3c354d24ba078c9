/* confine: in this order, because each step takes away what an earlier one needed: user, limits, files,
 * system calls. The lists say what is forbidden; what a slice may do with the network or with threads of its
 * own is its author's. */
#include "runtime/os/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    FILES_MAX = 256,
    BASE_BYTES = 64 * 1024 * 1024, /* Program, C library, stack: before the slice maps anything. */
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

static enum status failed(const char *what, struct error *error)
{
    return error_set(error, STATUS_IO, "confine the process: %s: %s", what, strerror(errno));
}

/* --- user and limits ------------------------------------------------------------------------------------ */

static bool change_user(const struct confine_spec *spec)
{
    if (spec->user == 0 || geteuid() != 0) return true;
    return setgroups(0, NULL) == 0 && setresgid(spec->group, spec->group, spec->group) == 0 &&
           setresuid(spec->user, spec->user, spec->user) == 0 &&
           prctl(PR_SET_DUMPABLE, 1) == 0; /* Else /proc/self/fd is root's, and our object lies there. */
}

static bool limit(__rlimit_resource_t resource, uint64_t value)
{
    struct rlimit limits = { value, value };
    return setrlimit(resource, &limits) == 0;
}

static bool set_limits(const struct confine_spec *spec)
{
    if (!limit(RLIMIT_CORE, 0) || !limit(RLIMIT_NOFILE, FILES_MAX)) return false;
    return spec->memory_bytes == 0 || SANITIZED || limit(RLIMIT_AS, spec->memory_bytes + BASE_BYTES);
}

/* --- files: Landlock (Linux: Documentation/userspace-api/landlock.rst) ---------------------------------- */

/* Of the ABIs that this program may meet; a kernel refuses what it doesn't know. */
static uint64_t rights_of_abi(long abi)
{
    enum { FIRST_RIGHTS = 13, REFER_ABI = 2, TRUNCATE_ABI = 3, IOCTL_ABI = 5 };
    uint64_t rights = (UINT64_C(1) << FIRST_RIGHTS) - 1;
    if (abi >= REFER_ABI) rights |= UINT64_C(1) << FIRST_RIGHTS;
    if (abi >= TRUNCATE_ABI) rights |= UINT64_C(1) << (FIRST_RIGHTS + 1);
    if (abi >= IOCTL_ABI) rights |= UINT64_C(1) << (FIRST_RIGHTS + 2);
    return rights;
}

/* As the newest kernels know it; an older one is given the part that it knows. */
struct ruleset {
    uint64_t files;
    uint64_t network;
    uint64_t scopes;
};

static bool allow(int ruleset, int fd, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };
    return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

static bool allow_path(int ruleset, const char *path, uint64_t rights)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT; /* What isn't there needs no leave. */
    bool good = allow(ruleset, fd, rights);
    (void)close(fd);
    return good;
}

static bool allow_all(int ruleset, const struct confine_spec *spec)
{
    static const char *const folders[] = { "/usr", "/lib", "/lib64", "/etc", "/proc", "/sys" };
    static const char *const devices[] = { "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom" };
    const uint64_t read = LANDLOCK_ACCESS_FS_READ_FILE;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (!allow_path(ruleset, folders[i], read | LANDLOCK_ACCESS_FS_READ_DIR)) return false;
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
        if (!allow_path(ruleset, devices[i], read | LANDLOCK_ACCESS_FS_WRITE_FILE)) return false;
    return spec->object_fd < 0 || allow(ruleset, spec->object_fd, read);
}

static enum status restrict_files(const struct confine_spec *spec, struct error *error)
{
    enum { SCOPES_ABI = 6, ABSTRACT_SOCKETS = 1, SIGNALS = 2 };
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 0) {
        (void)fprintf(stderr, "this kernel has no Landlock: the slice may read what its user may\n");
        return STATUS_OK;
    }
    struct ruleset wanted = { .files = rights_of_abi(abi),
                              .scopes = abi >= SCOPES_ABI ? ABSTRACT_SOCKETS | SIGNALS : 0 };
    size_t size = abi >= SCOPES_ABI ? sizeof wanted : offsetof(struct ruleset, network);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &wanted, size, 0);
    bool good =
        ruleset >= 0 && allow_all(ruleset, spec) && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    enum status status = good ? STATUS_OK : failed("Landlock", error);
    if (ruleset >= 0) (void)close(ruleset);
    return status;
}

/* --- system calls: seccomp ------------------------------------------------------------------------------ */

#if defined(__x86_64__)
enum { ARCHITECTURE = (int)AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
enum { ARCHITECTURE = (int)AUDIT_ARCH_AARCH64 };
#endif

/* Refused with EPERM. New programs and processes, other processes' memory, the kernel's own affairs. */
static const uint32_t forbidden[] = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_mount,
    SYS_umount2,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    SYS_bpf,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_open_by_handle_at,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_personality,
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};
enum { FORBIDDEN_COUNT = sizeof forbidden / sizeof forbidden[0] };

struct program {
    struct sock_filter code[2 * FORBIDDEN_COUNT + 32];
    unsigned short length;
};

static void add(struct program *program, uint16_t code, uint32_t k, uint8_t jump_true, uint8_t jump_false)
{
    program->code[program->length++] =
        (struct sock_filter){ .code = code, .jt = jump_true, .jf = jump_false, .k = k };
}

static void load(struct program *program, size_t offset)
{
    add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* If what was loaded is `value`, the call ends so. */
static void end_if(struct program *program, uint32_t value, uint32_t how)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    add(program, BPF_RET | BPF_K, how, 0, 0);
}

static void write_program(struct program *program)
{
    const uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
    load(program,
         offsetof(struct seccomp_data, arch)); /* Numbers of another architecture mean other calls. */
    add(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)ARCHITECTURE, 1, 0);
    add(program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    load(program, offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
    enum { X32_BIT = 0x40000000 };
    add(program, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    add(program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
#endif
    for (size_t i = 0; i < FORBIDDEN_COUNT; i++)
        end_if(program, forbidden[i], refuse);
    end_if(program, SYS_clone3,
           SECCOMP_RET_ERRNO | ENOSYS); /* Its flags lie in memory; libc falls back to clone. */
    add(program, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3);
    load(program, offsetof(struct seccomp_data, args[0])); /* Threads, yes; processes, no. Little-endian. */
    add(program, BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0);
    add(program, BPF_RET | BPF_K, refuse, 0, 0);
    add(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

static enum status restrict_calls(struct error *error)
{
    struct program program = { .length = 0 };
    write_program(&program);
    struct sock_fprog filter = { .len = program.length, .filter = program.code };
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0) return STATUS_OK;
    return failed("seccomp", error);
}

/* --- all of it ------------------------------------------------------------------------------------------ */

static bool parent_is_gone(void)
{
    /* Had it died before the prctl, no signal would ever come; but nobody would read our output either. */
    struct pollfd output = { .fd = STDOUT_FILENO };
    return poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

enum status confine_self(const struct confine_spec *spec, struct error *error)
{
    if (!change_user(spec)) return failed("change the user", error);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return failed("die with the parent", error); /* Undone by setresuid. */
    if (!set_limits(spec)) return failed("limits", error);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no new privileges", error);
    if (parent_is_gone()) return error_set(error, STATUS_NOT_FOUND, "the node is gone");
    enum status status = restrict_files(spec, error);
    return status == STATUS_OK ? restrict_calls(error) : status;
}

enum status confine_find_user(const char *name, uint32_t *out_user, uint32_t *out_group, struct error *error)
{
    const struct passwd *entry = getpwnam(name);
    if (entry == NULL) return error_set(error, STATUS_NOT_FOUND, "this system has no user %s", name);
    *out_user = entry->pw_uid;
    *out_group = entry->pw_gid;
    return STATUS_OK;
}
