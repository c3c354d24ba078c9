/* child: posix_spawn; a socket pair as its input, because a write to it when it is
 * gone must be an error and not a signal. */
#include "runtime/os/child.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    int pid;
    int input_fd; /* Ours; -1: closed. */
    int answers_fd;
};

static enum status failed(const char *program, int number, struct error *error)
{
    enum status status = number == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    return error_set(error, status, "%s can't be started: %s", program, strerror(number));
}

static int spawn(const char *const *arguments, posix_spawn_file_actions_t *actions, int *out_pid)
{
    posix_spawnattr_t attributes;
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int number = posix_spawnattr_init(&attributes);
    if (number != 0) return number;
    number = posix_spawnattr_setsigmask(&attributes, &none);
    if (number == 0) number = posix_spawnattr_setsigdefault(&attributes, &all);
    if (number == 0)
        number = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    /* posix_spawnp takes argv without const by an old promise that it doesn't keep anything else. */
    if (number == 0)
        number = posix_spawnp(out_pid, arguments[0], actions, &attributes,
                              (char *const *)(uintptr_t)arguments, environ);
    (void)posix_spawnattr_destroy(&attributes);
    return number;
}

static struct child_end wait_for(int pid)
{
    int state = 0;
    while (waitpid(pid, &state, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(state)) return (struct child_end){ .by_signal = true, .code = WTERMSIG(state) };
    return (struct child_end){ .code = WEXITSTATUS(state) };
}

enum status child_run(const char *const *arguments, const char *folder, bool quiet_output,
                      struct child_end *out_end, struct error *error)
{
    posix_spawn_file_actions_t actions;
    int pid = 0;
    int number = posix_spawn_file_actions_init(&actions);
    if (number != 0) return failed(arguments[0], number, error);
    if (folder != NULL) number = posix_spawn_file_actions_addchdir_np(&actions, folder);
    if (number == 0 && quiet_output) number = posix_spawn_file_actions_adddup2(&actions, 2, 1);
    if (number == 0) number = spawn(arguments, &actions, &pid);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (number != 0) return failed(arguments[0], number, error);
    *out_end = wait_for(pid);
    return STATUS_OK;
}

/* The two become the child's 0 and CHILD_ANSWERS_FD. */
static int spawn_with(const char *const *arguments, int input_fd, int answers_fd, int *out_pid)
{
    posix_spawn_file_actions_t actions;
    int number = posix_spawn_file_actions_init(&actions);
    if (number != 0) return number;
    number = posix_spawn_file_actions_adddup2(&actions, input_fd, 0);
    if (number == 0) number = posix_spawn_file_actions_adddup2(&actions, 2, 1);
    if (number == 0) number = posix_spawn_file_actions_adddup2(&actions, answers_fd, CHILD_ANSWERS_FD);
    if (number == 0) number = posix_spawn_file_actions_addclosefrom_np(&actions, CHILD_ANSWERS_FD + 1);
    if (number == 0) number = spawn(arguments, &actions, out_pid);
    (void)posix_spawn_file_actions_destroy(&actions);
    return number;
}

/* A number that dup2 in the child can't clobber. */
static int lift(int fd)
{
    if (fd < 0) return -1;
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, CHILD_ANSWERS_FD + 1);
    (void)close(fd);
    return lifted;
}

enum status child_start(const char *const *arguments, struct child **out_child, struct error *error)
{
    int input[2] = { -1, -1 }, answers[2] = { -1, -1 };
    int pid = 0;
    int number = 0;
    bool made =
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input) == 0 && pipe2(answers, O_CLOEXEC) == 0;
    if (!made) number = errno;
    int input_fd = lift(input[0]), answers_fd = lift(answers[1]);
    if (made) number = spawn_with(arguments, input_fd, answers_fd, &pid);
    if (input_fd >= 0) (void)close(input_fd);
    if (answers_fd >= 0) (void)close(answers_fd);
    if (number != 0) {
        if (input[1] >= 0) (void)close(input[1]);
        if (answers[0] >= 0) (void)close(answers[0]);
        return failed(arguments[0], number, error);
    }
    struct child *child = memory_zalloc(sizeof *child);
    *child = (struct child){ .pid = pid, .input_fd = input[1], .answers_fd = answers[0] };
    *out_child = child;
    return STATUS_OK;
}

enum status child_write(struct child *child, const void *data, size_t size, struct error *error)
{
    const char *at = data;
    while (size > 0) {
        ssize_t count = send(child->input_fd, at, size, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return error_set(error, STATUS_IO, "it takes no more input: %s", strerror(errno));
        at += count;
        size -= (size_t)count;
    }
    return STATUS_OK;
}

enum status child_read(struct child *child, void *to, size_t size, int64_t timeout_ns, size_t *out_size,
                       struct error *error)
{
    struct pollfd item = { .fd = child->answers_fd, .events = POLLIN };
    int ready = poll(&item, 1, (int)(timeout_ns / MILLISECONDS(1)));
    if (ready == 0 || (ready < 0 && errno == EINTR)) return error_set(error, STATUS_DEADLINE, "no answer");
    ssize_t count = ready < 0 ? -1 : read(child->answers_fd, to, size);
    if (count < 0) return error_set(error, STATUS_IO, "reading its answers: %s", strerror(errno));
    *out_size = (size_t)count;
    return STATUS_OK;
}

void child_close_input(struct child *child)
{
    if (child->input_fd >= 0) (void)close(child->input_fd);
    child->input_fd = -1;
}

void child_kill(const struct child *child)
{
    (void)kill(child->pid, SIGKILL);
}

struct child_end child_wait(struct child **child)
{
    struct child *gone = *child;
    *child = NULL;
    child_close_input(gone);
    struct child_end end = wait_for(gone->pid);
    (void)close(gone->answers_fd);
    memory_free(gone);
    return end;
}
