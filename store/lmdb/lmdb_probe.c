/* lmdb_probe: see the header. Parent and child share one anonymous page run: the child writes down where it
 * is and what it found, so that even a child that is killed has said what it knew. */
#include "store/lmdb/lmdb_probe.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PHASE_MAX = 48, TIMEOUT_MIN_MS = 60 * 1000, TIMEOUT_BYTES_PER_MS = 20 * 1000 };

struct verdict { /* Shared. */
    bool finished;
    enum status status;
    char phase[PHASE_MAX];
    struct lmdb_check check;
    struct error error;
};

struct child {
    pid_t pid;
    int end; /* Hung up when the child is gone. */
};

static void note_phase(void *context, const char *what)
{
    struct verdict *verdict = context;
    (void)strncpy(verdict->phase, what, sizeof verdict->phase - 1);
}

/* Signals end it, whatever handlers the parent (or a sanitizer) has, and quietly: no core of a 16 GiB map. */
static void forget_parent(void)
{
    static const int deadly[] = { SIGBUS, SIGABRT, SIGSEGV };
    static const struct rlimit no_core = { 0, 0 };
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
        (void)signal(deadly[i], SIG_DFL);
    }
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

_Noreturn static void be_probe(const struct lmdb_check_options *options, struct verdict *verdict)
{
    forget_parent();
    verdict->status = lmdb_check(options, &verdict->check, note_phase, verdict, &verdict->error);
    __atomic_store_n(&verdict->finished, true, __ATOMIC_RELEASE);
    _exit(0);
}

static enum status start(const struct lmdb_check_options *options, struct verdict *verdict,
                         struct child *out_child, struct error *error)
{
    int ends[2];
    if (pipe(ends) != 0) return error_set(error, STATUS_IO, "pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        be_probe(options, verdict);
    }
    int reason = errno;
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return error_set(error, STATUS_IO, "fork: %s", strerror(reason));
    }
    *out_child = (struct child){ .pid = pid, .end = ends[0] };
    return STATUS_OK;
}

/* Slow disks read some 20 MB a second. */
static int timeout_ms(const char *store)
{
    char path[4096];
    struct stat file;
    int length = snprintf(path, sizeof path, "%s/data.mdb", store);
    if (length < 0 || length >= (int)sizeof path || stat(path, &file) != 0) return TIMEOUT_MIN_MS;
    return TIMEOUT_MIN_MS + (int)(file.st_blocks * 512 / TIMEOUT_BYTES_PER_MS);
}

/* How it ended, as waitpid tells it; one that takes too long is killed. */
static int await_end(const struct child *child, int wait_ms)
{
    struct pollfd end = { .fd = child->end };
    int ready;
    do {
        ready = poll(&end, 1, wait_ms);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) (void)kill(child->pid, SIGKILL);
    int how = 0;
    while (waitpid(child->pid, &how, 0) < 0 && errno == EINTR) {
    }
    (void)close(child->end);
    return how;
}

static bool is_evidence(int how)
{
    if (!WIFSIGNALED(how)) return false;
    int number = WTERMSIG(how);
    return number == SIGBUS || number == SIGABRT || number == SIGSEGV;
}

static enum status judge(const struct verdict *verdict, int how, struct error *error)
{
    if (__atomic_load_n(&verdict->finished, __ATOMIC_ACQUIRE)) {
        if (error != NULL) *error = verdict->error;
        return verdict->status;
    }
    if (is_evidence(how)) {
        return error_set(error, STATUS_CORRUPT, "reading %s ended by signal %d", verdict->phase,
                         WTERMSIG(how));
    }
    return error_set(error, STATUS_IO, "the process that checks the store ended with %s %d at %s",
                     WIFSIGNALED(how) ? "signal" : "code",
                     WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how), verdict->phase);
}

enum status lmdb_probe(const struct lmdb_check_options *options, struct lmdb_check *out_check,
                       struct error *error)
{
    struct child child = { .end = -1 };
    struct verdict *verdict =
        mmap(NULL, sizeof *verdict, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); /* Zeroed. */
    if (verdict == MAP_FAILED) return error_set(error, STATUS_IO, "map: %s", strerror(errno));
    enum status status = start(options, verdict, &child, error);
    if (status == STATUS_OK) {
        int how = await_end(&child, timeout_ms(options->store));
        status = judge(verdict, how, error);
        *out_check = verdict->check;
    }
    (void)munmap(verdict, sizeof *verdict);
    return status;
}
