/* hostile: org.test:hostile:1.0.0, a slice that tries what its process must not do. Its configuration names a
 * hook and a deed ({"start": "loop"}); entry point `try` takes the deed as its payload, and answers what came
 * of it: a number of errno, or 0 where it was let. */
#include <aether/slice.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TRY = 1, ECHO };

struct hostile {
    const struct aether_host *host;
    char config[512];
};

/* --- deeds that end here ------------------------------------------------------------------------------- */

static void loop(void)
{
    for (volatile unsigned long turns = 0;; turns++)
        ;
}

static void leak(void)
{
    for (;;) {
        char *block = malloc(1 << 20);
        if (block == NULL) abort();
        memset(block, 1, 1 << 20);
    }
}

static int overflow(volatile char *above)
{
    volatile char frame[65536];
    frame[0] = above != NULL ? above[0] : 0;
    return overflow(frame) + frame[1];
}

static void close_everything(void)
{
    for (int fd = 0; fd < 256; fd++)
        (void)close(fd);
}

/* --- deeds that are refused ----------------------------------------------------------------------------- */

static int from_result(long result)
{
    return result < 0 ? errno : 0;
}

static int fork_one(void)
{
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    return from_result(pid);
}

static int fork_many(void)
{
    for (int i = 0; i < 100000; i++)
        if (fork_one() != 0) return errno;
    return 0;
}

static int run_program(void)
{
    char *const arguments[] = { "/bin/true", NULL };
    return from_result(execv(arguments[0], arguments));
}

static int open_file(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    int result = from_result(fd);
    if (fd >= 0) (void)close(fd);
    return result;
}

static void *sleep_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        (void)pause();
    return NULL;
}

static int leave_thread(void)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, sleep_for_ever, NULL);
}

/* -1: it is no such deed. */
static int deed_refused(const char *deed)
{
    if (strcmp(deed, "fork") == 0) return fork_one();
    if (strcmp(deed, "fork-bomb") == 0) return fork_many();
    if (strcmp(deed, "exec") == 0) return run_program();
    if (strcmp(deed, "ptrace") == 0) return from_result(ptrace(PTRACE_ATTACH, getppid(), 0, 0));
    if (strcmp(deed, "kill-parent") == 0) return from_result(kill(getppid(), SIGKILL));
    if (strcmp(deed, "unshare") == 0) return from_result(syscall(SYS_unshare, 0x10000000));
    if (strcmp(deed, "root-again") == 0) return from_result(setuid(0));
    if (strcmp(deed, "write-etc") == 0) return open_file("/etc/aether-hostile", O_WRONLY | O_CREAT);
    if (strcmp(deed, "write-tmp") == 0) return open_file("/tmp/aether-hostile", O_WRONLY | O_CREAT);
    if (strcmp(deed, "read-root") == 0) return open_file("/root/.profile", O_RDONLY);
    if (strcmp(deed, "read-shadow") == 0) return open_file("/etc/shadow", O_RDONLY);
    if (strcmp(deed, "thread") == 0) return leave_thread();
    return -1;
}

static void do_deed(const char *deed)
{
    if (strcmp(deed, "crash") == 0) (void)raise(SIGSEGV);
    if (strcmp(deed, "exit") == 0) exit(0);
    if (strcmp(deed, "loop") == 0) loop();
    if (strcmp(deed, "leak") == 0) leak();
    if (strcmp(deed, "overflow") == 0) (void)overflow(NULL);
    if (strcmp(deed, "close-all") == 0) close_everything();
    if (strcmp(deed, "thread") == 0) (void)leave_thread();
}

/* --- hooks ---------------------------------------------------------------------------------------------- */

static void in_hook(const struct hostile *hostile, const char *hook)
{
    char mark[64], deed[32] = "";
    snprintf(mark, sizeof mark, "\"%s\":\"", hook);
    const char *at = strstr(hostile->config, mark);
    if (at != NULL && sscanf(at + strlen(mark), "%31[a-z-]", deed) == 1) do_deed(deed);
}

static int32_t create(const struct aether_host *host, struct aether_bytes config, void **out_instance)
{
    struct hostile *hostile = calloc(1, sizeof *hostile);
    if (hostile == NULL) return AETHER_APP_ERROR;
    hostile->host = host;
    snprintf(hostile->config, sizeof hostile->config, "%.*s", (int)config.size, (const char *)config.data);
    *out_instance = hostile;
    in_hook(hostile, "create");
    return AETHER_OK;
}

static int32_t start(void *instance)
{
    in_hook(instance, "start");
    return AETHER_OK;
}

static int32_t stop(void *instance)
{
    in_hook(instance, "stop");
    return AETHER_OK;
}

static void destroy(void *instance)
{
    in_hook(instance, "destroy");
    free(instance);
}

static int32_t health(void *instance)
{
    in_hook(instance, "health");
    return AETHER_OK;
}

static void answer(const struct hostile *hostile, struct aether_call *call, const char *text)
{
    hostile->host->reply(hostile->host, call, AETHER_OK, (struct aether_bytes){ text, strlen(text) });
}

static void reply_huge(const struct hostile *hostile, struct aether_call *call)
{
    static const char text[] = "\"x\"";
    hostile->host->reply(hostile->host, call, AETHER_OK, (struct aether_bytes){ text, (size_t)1 << 30 });
}

static void handle(void *instance, struct aether_call *call, const struct aether_request *request)
{
    struct hostile *hostile = instance;
    char deed[32] = "", text[32];
    if (request->entry == ECHO) {
        hostile->host->reply(hostile->host, call, AETHER_OK, request->payload);
        return;
    }
    sscanf(request->payload.data, "\"%31[a-z-]", deed);
    if (strcmp(deed, "huge") == 0) {
        reply_huge(hostile, call);
        return;
    }
    if (strcmp(deed, "twice") == 0) {
        answer(hostile, call, "1");
        answer(hostile, call, "2");
        return;
    }
    if (strcmp(deed, "never") == 0) return;
    int result = deed_refused(deed);
    if (result < 0) do_deed(deed);
    snprintf(text, sizeof text, "%d", result < 0 ? 0 : result);
    answer(hostile, call, text);
}

static const struct aether_entry entries[] = {
    { "try", TRY, 0, 2000, 0 },
    { "echo", ECHO, AETHER_READONLY, 2000, 0 },
};

const struct aether_slice AETHER_SLICE_DESCRIPTOR = {
    AETHER_SLICE_HEAD,       .group = "org.test",    .artifact = "hostile", .version = "1.0.0",
    AETHER_ENTRIES(entries), AETHER_NO_DEPENDENCIES, .create = create,      .start = start,
    .handle = handle,        .stop = stop,           .destroy = destroy,    .health = health,
};
