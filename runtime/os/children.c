/* children: fork and exec (posix_spawn can't ask for a signal at the parent's death), a pipe and a pidfd for
 * each, one inotify descriptor; poll over all of them. */
#include "runtime/os/children.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXEC_FAILED = 127, NOTICES_SIZE = 16 * 1024 };

struct program {
    int pid; /* 0: the place is free. */
    uint32_t tag;
    int end_fd;    /* Readable once it has ended. */
    int output_fd; /* -1: its streams are closed. */
    char input[CHILDREN_LINE_MAX];
    size_t size;  /* Of `input`, */
    size_t taken; /* of which this much was told. */
};

struct children {
    struct program programs[CHILDREN_MAX];
    int inotify_fd;
    int watch; /* -1: none. */
    _Alignas(struct inotify_event) char notices[NOTICES_SIZE];
    size_t notices_size;
    size_t notices_taken;
    char line[CHILDREN_LINE_MAX + 1];
};

enum status children_create(struct children **out_children, struct error *error)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0) return error_set(error, STATUS_IO, "inotify: %s", strerror(errno));
    struct children *children = memory_zalloc(sizeof *children);
    children->inotify_fd = fd;
    children->watch = -1;
    *out_children = children;
    return STATUS_OK;
}

static struct program *find(const struct children *children, uint32_t tag)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++) {
        const struct program *program = &children->programs[i];
        if (program->pid != 0 && program->tag == tag) return (struct program *)program;
    }
    return NULL;
}

bool children_runs(const struct children *children, uint32_t tag)
{
    return find(children, tag) != NULL;
}

/* --- starting ------------------------------------------------------------------------------------------- */

/* In the child, between fork and exec: only what is safe there. `report_fd` closes by itself at exec. */
static _Noreturn void become(const char *const *arguments, const char *folder, int output_fd, int report_fd,
                             int parent)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t none;
    (void)sigemptyset(&none);
    bool good = null >= 0 && dup2(null, 0) == 0 && dup2(output_fd, 1) == 1 && dup2(output_fd, 2) == 2 &&
                setsid() > 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
                getppid() == parent && /* Else it is dead already. */
                sigprocmask(SIG_SETMASK, &none, NULL) == 0 && (folder == NULL || chdir(folder) == 0);
    /* execvp takes argv without const by an old promise that it doesn't keep anything else. */
    if (good) (void)execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    int number = errno;
    ssize_t written = write(report_fd, &number, sizeof number);
    (void)written; /* The exit code says it too. */
    _exit(EXEC_FAILED);
}

/* Waits until the child is the program, or has said why not. */
static enum status await_exec(int pid, int report_fd, const char *program, struct error *error)
{
    int number = 0;
    ssize_t count;
    do {
        count = read(report_fd, &number, sizeof number);
    } while (count < 0 && errno == EINTR);
    if (count == 0) return STATUS_OK;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return error_set(error, number == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s can't be started: %s",
                     program, strerror(number));
}

static enum status spawn(const char *const *arguments, const char *folder, int output_fd, int *out_pid,
                         struct error *error)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return error_set(error, STATUS_IO, "no pipe for %s: %s", arguments[0], strerror(errno));
    int parent = getpid();
    int pid = fork();
    if (pid == 0) become(arguments, folder, output_fd, report[1], parent);
    int number = errno;
    (void)close(report[1]);
    enum status status =
        pid > 0 ? await_exec(pid, report[0], arguments[0], error)
                : error_set(error, STATUS_IO, "%s can't be started: %s", arguments[0], strerror(number));
    (void)close(report[0]);
    *out_pid = pid;
    return status;
}

enum status children_start(struct children *children, uint32_t tag, const char *const *arguments,
                           const char *folder, struct error *error)
{
    CHECK(find(children, tag) == NULL);
    struct program *place = NULL;
    for (size_t i = 0; place == NULL && i < CHILDREN_MAX; i++)
        if (children->programs[i].pid == 0) place = &children->programs[i];
    if (place == NULL) return error_set(error, STATUS_OVERLOADED, "%d programs run already", CHILDREN_MAX);
    int output[2];
    if (pipe2(output, O_CLOEXEC) != 0)
        return error_set(error, STATUS_IO, "no pipe for %s: %s", arguments[0], strerror(errno));
    int pid = 0;
    enum status status = spawn(arguments, folder, output[1], &pid, error);
    (void)close(output[1]);
    int end_fd = status == STATUS_OK ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (status == STATUS_OK && end_fd < 0) {
        status = error_set(error, STATUS_IO, "no pidfd for %s: %s", arguments[0], strerror(errno));
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    if (status != STATUS_OK) {
        (void)close(output[0]);
        return status;
    }
    (void)fcntl(output[0], F_SETFL, O_NONBLOCK);
    *place = (struct program){ .pid = pid, .tag = tag, .end_fd = end_fd, .output_fd = output[0] };
    return STATUS_OK;
}

enum status children_watch(struct children *children, const char *folder, struct error *error)
{
    if (children->watch >= 0) (void)inotify_rm_watch(children->inotify_fd, children->watch);
    children->watch =
        inotify_add_watch(children->inotify_fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR);
    if (children->watch >= 0) return STATUS_OK;
    return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s can't be watched: %s", folder,
                     strerror(errno));
}

/* --- ending --------------------------------------------------------------------------------------------- */

void children_end(struct children *children, uint32_t tag, bool by_force)
{
    const struct program *program = find(children, tag);
    if (program != NULL) (void)kill(program->pid, by_force ? SIGKILL : SIGTERM);
}

static struct child_end reap(struct program *program)
{
    int state = 0;
    while (waitpid(program->pid, &state, 0) < 0 && errno == EINTR)
        ;
    (void)close(program->end_fd);
    if (program->output_fd >= 0) (void)close(program->output_fd);
    program->pid = 0;
    if (WIFSIGNALED(state)) return (struct child_end){ .by_signal = true, .code = WTERMSIG(state) };
    return (struct child_end){ .code = WEXITSTATUS(state) };
}

void children_destroy(struct children **children)
{
    struct children *gone = *children;
    *children = NULL;
    if (gone == NULL) return;
    for (size_t i = 0; i < CHILDREN_MAX; i++) {
        if (gone->programs[i].pid == 0) continue;
        (void)kill(gone->programs[i].pid, SIGKILL);
        (void)reap(&gone->programs[i]);
    }
    (void)close(gone->inotify_fd);
    memory_free(gone);
}

/* --- what happens --------------------------------------------------------------------------------------- */

static void lend_line(struct children *children, const char *from, size_t size)
{
    memcpy(children->line, from, size);
    children->line[size] = '\0';
}

/* A line that was read already. `last`: what is left is one, too. */
static bool take_line(struct children *children, struct program *program, bool last)
{
    char *from = program->input + program->taken;
    size_t left = program->size - program->taken;
    const char *end = left == 0 ? NULL : memchr(from, '\n', left);
    bool full = left == sizeof program->input;
    if (end == NULL && !full && !(last && left > 0)) {
        memmove(program->input, from, left);
        program->size = left;
        program->taken = 0;
        return false;
    }
    size_t size = end == NULL ? left : (size_t)(end - from);
    lend_line(children, from, size);
    program->taken += size + (end == NULL ? 0 : 1);
    return true;
}

/* Whether there is more to come. */
static bool read_more(struct program *program)
{
    if (program->output_fd < 0) return false;
    ssize_t count =
        read(program->output_fd, program->input + program->size, sizeof program->input - program->size);
    if (count > 0) program->size += (size_t)count;
    if (count > 0 || (count < 0 && errno == EINTR)) return true;
    if (count < 0 && errno == EAGAIN) return false;
    (void)close(program->output_fd);
    program->output_fd = -1;
    return false;
}

static bool next_line(struct children *children, struct program *program, struct children_event *event)
{
    bool found = take_line(children, program, false);
    while (!found && read_more(program))
        found = take_line(children, program, false);
    if (!found && program->output_fd < 0) found = take_line(children, program, true);
    if (found)
        *event =
            (struct children_event){ .kind = CHILDREN_LINE, .tag = program->tag, .line = children->line };
    return found;
}

/* Its end, once nothing is left to read: what its own children print later is not waited for. */
static bool next_end(struct children *children, struct program *program, struct children_event *event)
{
    struct pollfd item = { .fd = program->end_fd, .events = POLLIN };
    if (poll(&item, 1, 0) != 1) return false;
    if (next_line(children, program, event)) return true;
    if (take_line(children, program, true)) {
        *event =
            (struct children_event){ .kind = CHILDREN_LINE, .tag = program->tag, .line = children->line };
        return true;
    }
    uint32_t tag = program->tag;
    *event = (struct children_event){ .kind = CHILDREN_ENDED, .tag = tag, .end = reap(program) };
    return true;
}

static bool next_notice(struct children *children, struct children_event *event)
{
    for (;;) {
        if (children->notices_taken == children->notices_size) {
            ssize_t count = read(children->inotify_fd, children->notices, sizeof children->notices);
            if (count <= 0) return false;
            children->notices_size = (size_t)count;
            children->notices_taken = 0;
        }
        struct inotify_event notice;
        const char *at = children->notices + children->notices_taken;
        memcpy(&notice, at, sizeof notice);
        children->notices_taken += sizeof notice + notice.len;
        if (notice.wd != children->watch || notice.len == 0) continue;
        const char *name = at + sizeof notice;
        lend_line(children, name, strnlen(name, notice.len));
        *event = (struct children_event){ .kind = CHILDREN_FOLDER, .line = children->line };
        return true;
    }
}

static bool look(struct children *children, struct children_event *event)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++) {
        struct program *program = &children->programs[i];
        if (program->pid == 0) continue;
        if (next_line(children, program, event) || next_end(children, program, event)) return true;
    }
    return next_notice(children, event);
}

static void await(const struct children *children, int64_t timeout_ns)
{
    struct pollfd items[2 * CHILDREN_MAX + 1];
    nfds_t count = 0;
    items[count++] = (struct pollfd){ .fd = children->inotify_fd, .events = POLLIN };
    for (size_t i = 0; i < CHILDREN_MAX; i++) {
        const struct program *program = &children->programs[i];
        if (program->pid == 0) continue;
        items[count++] = (struct pollfd){ .fd = program->end_fd, .events = POLLIN };
        if (program->output_fd >= 0)
            items[count++] = (struct pollfd){ .fd = program->output_fd, .events = POLLIN };
    }
    int64_t whole_ms = (timeout_ns + MILLISECONDS(1) - 1) / MILLISECONDS(1);
    (void)poll(items, count, timeout_ns < 0 ? -1 : (int)whole_ms);
}

void children_next(struct children *children, int64_t timeout_ns, struct children_event *out_event)
{
    *out_event = (struct children_event){ .kind = CHILDREN_NOTHING };
    if (look(children, out_event)) return;
    await(children, timeout_ns);
    (void)look(children, out_event);
}
