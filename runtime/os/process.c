/* process: posix_spawn (which doesn't copy the parent's page tables), memfd sealed against resizing (a child
 * that shrinks shared memory would kill the parent with SIGBUS), a futex and an eventfd as bells, pidfds for
 * ends.
 * What confines a child is done by the child itself before it loads anything foreign: its program is ours. */
#include "runtime/os/process.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/os/process_group.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    FD_ABOVE_CHILDS = 16, /* Descriptors to inherit lie above those that they become. */
};

/* The child's ends. All -1 when closed. */
struct ends {
    int memory_fd;
    int bell_of_parent_fd;
    int output_fd;
    int object_fd;
};

static void close_fd(int *fd)
{
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
}

static int lift(int fd) /* Takes fd; the same thing under a number that dup2 in the child can't clobber. */
{
    if (fd < 0) return -1;
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, FD_ABOVE_CHILDS);
    (void)close(fd);
    return lifted;
}

/* --- the memory, and the bell in front of it ------------------------------------------------------------ */

/* What the child sleeps on. It may write anything there: then it wakes itself, or sleeps on. */
struct bell {
    _Alignas(64) uint32_t rings;
};

static struct bell *bell_of(void *shared)
{
    return (struct bell *)shared - 1;
}

static void bell_ring(struct bell *bell)
{
    (void)__atomic_fetch_add(&bell->rings, 1, __ATOMIC_SEQ_CST);
    (void)syscall(SYS_futex, &bell->rings, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void *map_shared(int fd, size_t size)
{
    void *memory = mmap(NULL, size + sizeof(struct bell), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : (struct bell *)memory + 1;
}

static void unmap(struct process *process)
{
    if (process->shared != NULL)
        (void)munmap(bell_of(process->shared), process->shared_size + sizeof(struct bell));
    process->shared = NULL;
}

static void close_all(struct ends *ends, struct process *process, struct process_watch *watch)
{
    close_fd(&ends->memory_fd);
    close_fd(&ends->bell_of_parent_fd);
    close_fd(&ends->output_fd);
    close_fd(&ends->object_fd);
    unmap(process);
    close_fd(&process->control_fd);
    close_fd(&watch->bell_fd);
    close_fd(&watch->end_fd);
    close_fd(&watch->output_fd);
}

static bool share_memory(struct ends *ends, struct process *process)
{
    ends->memory_fd = lift(memfd_create("aether", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    off_t size = (off_t)(process->shared_size + sizeof(struct bell));
    if (ends->memory_fd < 0 || ftruncate(ends->memory_fd, size) != 0) return false;
    if (fcntl(ends->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return false;
    process->shared = map_shared(ends->memory_fd, process->shared_size);
    return process->shared != NULL;
}

static bool make_bell_and_pipe(struct ends *ends, struct process_watch *watch)
{
    ends->bell_of_parent_fd = lift(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    watch->bell_fd = fcntl(ends->bell_of_parent_fd, F_DUPFD_CLOEXEC, FD_ABOVE_CHILDS);
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) != 0) return false;
    watch->output_fd = pair[0];
    ends->output_fd = lift(pair[1]);
    if (ends->output_fd < 0 || fcntl(watch->output_fd, F_SETFL, O_NONBLOCK) != 0) return false;
    return watch->bell_fd >= 0;
}

/* stdin is /dev/null: fd 0 must be taken, or the first file that is opened would become it. */
static int add_file_actions(posix_spawn_file_actions_t *actions, const struct ends *ends)
{
    int number = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    const int pairs[][2] = {
        { ends->output_fd, 1 },
        { ends->output_fd, 2 },
        { ends->memory_fd, PROCESS_FD_MEMORY },
        { ends->bell_of_parent_fd, PROCESS_FD_BELL_OF_PARENT },
    };
    for (size_t i = 0; number == 0 && i < ARRAY_COUNT(pairs); i++)
        number = posix_spawn_file_actions_adddup2(actions, pairs[i][0], pairs[i][1]);
    int last = PROCESS_FD_BELL_OF_PARENT;
    if (number == 0 && ends->object_fd >= 0)
        number = posix_spawn_file_actions_adddup2(actions, ends->object_fd, last = PROCESS_FD_OBJECT);
    if (number == 0) number = posix_spawn_file_actions_addclosefrom_np(actions, last + 1);
    return number;
}

/* Its own process group (a Ctrl-C in the terminal is for us, not for it) and a clean signal state. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int number = posix_spawnattr_setsigmask(attributes, &none);
    if (number == 0) number = posix_spawnattr_setsigdefault(attributes, &all);
    if (number == 0) number = posix_spawnattr_setpgroup(attributes, 0);
    if (number == 0)
        number = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                          POSIX_SPAWN_SETSIGMASK);
    return number;
}

/* None of ours, which may hold credentials. */
static const char *const environment[] = { "PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL };

static int spawn(const struct process_spec *spec, const struct ends *ends, pid_t *out_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int number = posix_spawn_file_actions_init(&actions);
    if (number != 0) return number;
    number = posix_spawnattr_init(&attributes);
    if (number != 0) goto done_actions;
    number = add_file_actions(&actions, ends);
    if (number == 0) number = set_attributes(&attributes);
    if (number == 0)
        number = posix_spawn(out_pid, spec->program, &actions, &attributes, (char *const *)spec->arguments,
                             (char *const *)environment);
    (void)posix_spawnattr_destroy(&attributes);
done_actions:
    (void)posix_spawn_file_actions_destroy(&actions);
    return number;
}

static enum status start(void *context, const struct process_spec *spec, struct process *out_process,
                         struct process_watch *out_watch, struct error *error)
{
    (void)context;
    struct ends ends = { -1, -1, -1, -1 };
    struct process process = { .control_fd = -1, .shared_size = spec->shared_size };
    if (spec->object != NULL) {
        ends.object_fd = lift(open(spec->object, O_RDONLY | O_CLOEXEC));
        if (ends.object_fd < 0)
            return error_set(error, STATUS_IO, "open %s: %s", spec->object, strerror(errno));
    }
    struct process_watch watch = { -1, -1, -1 };
    pid_t pid = 0;
    if (!share_memory(&ends, &process) || !make_bell_and_pipe(&ends, &watch)) {
        int number = errno;
        close_all(&ends, &process, &watch);
        return error_set(error, STATUS_IO, "share memory with a new process: %s", strerror(number));
    }
    int number = spawn(spec, &ends, &pid);
    if (number != 0) {
        close_all(&ends, &process, &watch);
        return error_set(error, STATUS_IO, "start %s: %s", spec->program, strerror(number));
    }
    /* Only we reap it, so its number can't have been reused by now. */
    process.pid = pid;
    process.control_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    watch.end_fd = fcntl(process.control_fd, F_DUPFD_CLOEXEC, FD_ABOVE_CHILDS);
    if (watch.end_fd < 0) {
        number = errno;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        close_all(&ends, &process, &watch);
        return error_set(error, STATUS_IO, "watch %s: %s", spec->program, strerror(number));
    }
    close_fd(&ends.memory_fd);
    close_fd(&ends.bell_of_parent_fd);
    close_fd(&ends.output_fd);
    close_fd(&ends.object_fd);
    process.group = process_group_enter(&spec->limits, pid, &process.limited_by);
    *out_process = process;
    *out_watch = watch;
    return STATUS_OK;
}

static void ring_fd(int fd)
{
    uint64_t one = 1;
    ssize_t unused = write(fd, &one, sizeof one); /* Full = rung already. */
    (void)unused;
}

static void ring(void *context, const struct process *process)
{
    (void)context;
    bell_ring(bell_of(process->shared));
}

static void kill_process(void *context, const struct process *process)
{
    (void)context;
    if (process->control_fd >= 0) (void)syscall(SYS_pidfd_send_signal, process->control_fd, SIGKILL, NULL, 0);
}

static void close_process(void *context, struct process *process)
{
    kill_process(context, process);
    unmap(process);
    close_fd(&process->control_fd);
    process_group_leave(process->group);
    process->group = 0;
}

static bool ran_out_of_memory(void *context, const struct process *process)
{
    (void)context;
    return process_group_ran_out_of_memory(process->group);
}

/* proc(5): statm counts pages; the second number is what is resident. */
static uint64_t resident_bytes(void *context, int32_t pid)
{
    (void)context;
    char path[32];
    char text[128];
    unsigned long long total = 0;
    unsigned long long resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t size = read(fd, text, sizeof text - 1);
    (void)close(fd);
    if (size <= 0) return 0;
    text[size] = '\0';
    if (sscanf(text, "%llu %llu", &total, &resident) != 2) return 0;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* --- waiting ------------------------------------------------------------------------------------------- */

/* What epoll tells of a descriptor is its tag, with what it is in the two lowest bits. */
enum { WHICH_BITS = 2, WHICH_WAKE = 0, WHICH_BELL = 1, WHICH_OUTPUT = 2, WHICH_END = 3 };

struct process_waiter {
    int epoll_fd;
    int wake_fd;
};

/* Bells are edge-triggered: each ring is an event, and nobody has to read them. */
static bool add_fd(const struct process_waiter *waiter, int fd, uint64_t tag, uint32_t which)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = tag << WHICH_BITS | which };
    if (which == WHICH_BELL || which == WHICH_WAKE) event.events |= EPOLLET;
    return epoll_ctl(waiter->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void waiter_destroy(void *context, struct process_waiter **waiter)
{
    (void)context;
    if (*waiter == NULL) return;
    close_fd(&(*waiter)->epoll_fd);
    close_fd(&(*waiter)->wake_fd);
    memory_free(*waiter);
    *waiter = NULL;
}

static enum status waiter_create(void *context, struct process_waiter **out_waiter, struct error *error)
{
    struct process_waiter *waiter = memory_zalloc(sizeof *waiter);
    waiter->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    waiter->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (waiter->epoll_fd < 0 || waiter->wake_fd < 0 || !add_fd(waiter, waiter->wake_fd, 0, WHICH_WAKE)) {
        int number = errno;
        waiter_destroy(context, &waiter);
        return error_set(error, STATUS_IO, "epoll: %s", strerror(number));
    }
    *out_waiter = waiter;
    return STATUS_OK;
}

static void unwatch(void *context, struct process_waiter *waiter, struct process_watch *watch)
{
    (void)context;
    /* Removed by hand: the child may hold the bell's other name open, and then close alone leaves it in. */
    int *fds[] = { &watch->bell_fd, &watch->output_fd, &watch->end_fd };
    for (size_t i = 0; i < ARRAY_COUNT(fds); i++) {
        if (waiter != NULL && *fds[i] >= 0) (void)epoll_ctl(waiter->epoll_fd, EPOLL_CTL_DEL, *fds[i], NULL);
        close_fd(fds[i]);
    }
}

static enum status watch_process(void *context, struct process_waiter *waiter,
                                 const struct process_watch *watch, uint64_t tag, struct error *error)
{
    (void)context;
    if (add_fd(waiter, watch->bell_fd, tag, WHICH_BELL) &&
        add_fd(waiter, watch->output_fd, tag, WHICH_OUTPUT) && add_fd(waiter, watch->end_fd, tag, WHICH_END))
        return STATUS_OK;
    return error_set(error, STATUS_IO, "epoll: %s", strerror(errno));
}

static int timeout_ms_of(int64_t timeout_ns)
{
    if (timeout_ns < 0) return -1;
    int64_t ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0); /* Up: waking early would spin. */
    return ms > 1000000 ? 1000000 : (int)ms;
}

static uint32_t wait_for_any(void *context, struct process_waiter *waiter, int64_t timeout_ns,
                             struct process_happening *happenings, uint32_t happening_max)
{
    (void)context;
    enum { BATCH = 64 };
    static const uint32_t event_of[] = { 0, PROCESS_RANG, PROCESS_OUTPUT, PROCESS_ENDED };
    struct epoll_event events[BATCH];
    int limit = happening_max < BATCH ? (int)happening_max : BATCH;
    int count = epoll_wait(waiter->epoll_fd, events, limit, timeout_ms_of(timeout_ns));
    uint32_t used = 0;
    for (int i = 0; i < count; i++) {
        uint32_t which = (uint32_t)(events[i].data.u64 & ((1u << WHICH_BITS) - 1));
        if (which == WHICH_WAKE) continue;
        happenings[used].tag = events[i].data.u64 >> WHICH_BITS;
        happenings[used++].events = event_of[which];
    }
    return used;
}

static void wake(void *context, struct process_waiter *waiter)
{
    (void)context;
    ring_fd(waiter->wake_fd);
}

static size_t read_output(void *context, struct process_waiter *waiter, struct process_watch *watch, void *to,
                          size_t size)
{
    (void)context;
    if (watch->output_fd < 0) return 0;
    ssize_t count = read(watch->output_fd, to, size);
    if (count > 0) return (size_t)count;
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    /* The other end is closed, and would be reported for ever. */
    (void)epoll_ctl(waiter->epoll_fd, EPOLL_CTL_DEL, watch->output_fd, NULL);
    close_fd(&watch->output_fd);
    return 0;
}

static bool reap(void *context, const struct process_watch *watch, struct process_end *out_end)
{
    (void)context;
    siginfo_t info = { 0 };
    if (waitid(P_PIDFD, (id_t)watch->end_fd, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0) return false;
    out_end->by_signal = info.si_code != CLD_EXITED;
    out_end->code = info.si_status;
    return true;
}

const struct process_port process_os = {
    .start = start,
    .ring = ring,
    .kill = kill_process,
    .close = close_process,
    .ran_out_of_memory = ran_out_of_memory,
    .resident_bytes = resident_bytes,
    .waiter_create = waiter_create,
    .waiter_destroy = waiter_destroy,
    .watch = watch_process,
    .unwatch = unwatch,
    .wait = wait_for_any,
    .wake = wake,
    .read_output = read_output,
    .reap = reap,
};

/* --- the child's side ---------------------------------------------------------------------------------- */

static struct bell *own_bell;

enum status process_child_map(void **out_shared, size_t *out_size, struct error *error)
{
    struct stat status;
    if (fstat(PROCESS_FD_MEMORY, &status) != 0 || status.st_size <= (off_t)sizeof(struct bell))
        return error_set(error, STATUS_INVALID, "descriptor %d is not shared memory", PROCESS_FD_MEMORY);
    size_t size = (size_t)status.st_size - sizeof(struct bell);
    void *shared = map_shared(PROCESS_FD_MEMORY, size);
    if (shared == NULL) return error_set(error, STATUS_INVALID, "map the shared memory: %s", strerror(errno));
    own_bell = bell_of(shared);
    *out_shared = shared;
    *out_size = size;
    return STATUS_OK;
}

bool process_child_ring(void)
{
    uint64_t one = 1;
    return write(PROCESS_FD_BELL_OF_PARENT, &one, sizeof one) == sizeof one || errno == EAGAIN;
}

uint32_t process_child_rings(void)
{
    return __atomic_load_n(&own_bell->rings, __ATOMIC_SEQ_CST);
}

void process_child_wait(uint32_t seen, int64_t timeout_ns)
{
    struct timespec timeout = { timeout_ns / SECONDS(1), timeout_ns % SECONDS(1) };
    (void)syscall(SYS_futex, &own_bell->rings, FUTEX_WAIT, seen, timeout_ns < 0 ? NULL : &timeout, NULL, 0);
}

bool process_child_is_alone(void)
{
    cpu_set_t mine;
    return sched_getaffinity(0, sizeof mine, &mine) == 0 && CPU_COUNT(&mine) == 1;
}

void process_child_exit(int code)
{
    (void)fflush(NULL);
    _exit(code);
}
