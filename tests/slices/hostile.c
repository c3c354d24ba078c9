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
#include <time.h>
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

static void take_a_second(void)
{
    struct timespec begun, now;
    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    do
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begun.tv_sec) * 1000000000L + now.tv_nsec - begun.tv_nsec < 1000000000L);
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

/* --- deeds against the shared memory ---------------------------------------------------------------------
 */

/* As actors/slice/slice_ring.c and runtime/os/process.c lay it out: a bell, the ring from the node, the ring
 * to it; each ring begins with its three lines: written, taken and one that is not used. A slice has no
 * business to know this. */
enum {
    BELL_SIZE = 64,
    RING_DATA = 192,
    RING_SIZE = RING_DATA + 4 * 1024 * 1024,
    TAKEN_AT = 64,
    NODES_BELL = 4
};

struct rings {
    unsigned char *from_node;
    unsigned char *to_node;
};

static struct rings find_rings(void)
{
    struct rings rings = { NULL, NULL };
    char line[512];
    unsigned long start;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, "memfd:aether") != NULL && sscanf(line, "%lx-", &start) == 1)
            rings.from_node = (unsigned char *)start + BELL_SIZE; /* NOLINT(performance-no-int-to-ptr) */
    if (maps != NULL) (void)fclose(maps);
    if (rings.from_node != NULL) rings.to_node = rings.from_node + RING_SIZE;
    return rings;
}

static void ring_node(void)
{
    unsigned long long one = 1;
    ssize_t unused = write(NODES_BELL, &one, sizeof one);
    (void)unused;
}

static void set_word(unsigned char *at, unsigned long long value)
{
    memcpy(at, &value, sizeof value);
    ring_node();
}

/* Every byte of both rings, some times over; then it goes on as if nothing had happened. */
static void write_noise(struct rings rings)
{
    unsigned long long state = 88172645463325252ULL;
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < 2UL * RING_SIZE; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            rings.from_node[i] = (unsigned char)state;
        }
        ring_node();
    }
}

/* The process itself says where it reads; this says otherwise, for ever. */
static void *take_for_ever(void *context)
{
    volatile unsigned char *taken = (unsigned char *)context + TAKEN_AT;
    for (;;)
        taken[5] = 1; /* 2 to the 40th more than there ever was. */
    return NULL;
}

/* Changes what the node is about to read, for ever. */
static void *change_for_ever(void *context)
{
    volatile unsigned char *data = (unsigned char *)context + RING_DATA;
    for (unsigned long turn = 0;; turn++)
        data[turn % 256] ^= (unsigned char)(1U << turn % 8);
    return NULL;
}

static void spoil_rings(const char *deed)
{
    struct rings rings = find_rings();
    pthread_t thread;
    if (rings.from_node == NULL) abort();
    if (strcmp(deed, "ring-written") == 0) set_word(rings.to_node, 1ULL << 40);
    if (strcmp(deed, "ring-back") == 0) set_word(rings.to_node, 0);
    if (strcmp(deed, "ring-taken") == 0) (void)pthread_create(&thread, NULL, take_for_ever, rings.from_node);
    if (strcmp(deed, "ring-noise") == 0) write_noise(rings);
    if (strcmp(deed, "ring-race") == 0) (void)pthread_create(&thread, NULL, change_for_ever, rings.to_node);
    if (strcmp(deed, "ring-length") == 0) {
        unsigned long long written;
        memcpy(&written, rings.to_node, sizeof written);
        memset(rings.to_node + RING_DATA + written % (4 * 1024 * 1024), 0x7f, 8);
        set_word(rings.to_node, written + 16);
    }
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
    if (strcmp(deed, "slow") == 0) take_a_second();
    if (strcmp(deed, "leak") == 0) leak();
    if (strcmp(deed, "overflow") == 0) (void)overflow(NULL);
    if (strcmp(deed, "close-all") == 0) close_everything();
    if (strcmp(deed, "thread") == 0) (void)leave_thread();
    if (strncmp(deed, "ring-", 5) == 0) spoil_rings(deed);
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

struct late {
    const struct hostile *hostile;
    struct aether_call *call;
};

static void reply_now(void *instance, void *context)
{
    (void)instance;
    struct late *late = context;
    answer(late->hostile, late->call, "\"late\"");
    free(late);
}

static void reply_late(const struct hostile *hostile, struct aether_call *call)
{
    enum { SECONDS_LATE = 4 };
    struct late *late = malloc(sizeof *late);
    if (late == NULL) abort();
    *late = (struct late){ hostile, call };
    (void)hostile->host->after(hostile->host, SECONDS_LATE * 1000000000LL, reply_now, late);
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
    if (strcmp(deed, "late") == 0) {
        reply_late(hostile, call);
        return;
    }
    if (strcmp(deed, "never") == 0) return;
    int result = deed_refused(deed);
    if (result < 0) do_deed(deed);
    /* An answer would put right what they have spoilt. */
    static const char *const unanswered[] = { "ring-written", "ring-back", "ring-length" };
    for (size_t i = 0; i < sizeof unanswered / sizeof unanswered[0]; i++)
        if (strcmp(deed, unanswered[i]) == 0) return;
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
