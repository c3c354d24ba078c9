/* odd: org.test:odd:1.0.0, a slice that does on request what slices should not do. Its configuration chooses
 * the hook that misbehaves ("create-exit", "create-hang", "create-no", "start-no", "stop-no", "unhealthy"),
 * its entry points the rest. */
#include <aether/slice.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ECHO = 1, PID, CRASH, EXIT, HANG, NEVER, ASK, KEEP, PRINT, LATER, LARGE, NO, RING, HOOKS };

struct odd {
    const struct aether_host *host;
    struct aether_call *held;
    char config[256];
    char hooks[256];
};

static struct aether_bytes bytes_of(const char *text)
{
    return (struct aether_bytes){ text, strlen(text) };
}

static int configured(const struct odd *odd, const char *word)
{
    return strstr(odd->config, word) != NULL;
}

static void hang(void)
{
    for (;;)
        (void)pause();
}

static int32_t create(const struct aether_host *host, struct aether_bytes config, void **out_instance)
{
    struct odd *odd = calloc(1, sizeof *odd);
    odd->host = host;
    snprintf(odd->config, sizeof odd->config, "%.*s", (int)config.size, (const char *)config.data);
    if (configured(odd, "create-exit")) _exit(3);
    if (configured(odd, "create-hang")) hang();
    strcat(odd->hooks, "create ");
    *out_instance = odd;
    if (!configured(odd, "create-no")) return AETHER_OK;
    host->explain(host, "not on this node");
    free(odd);
    return AETHER_NOT_READY;
}

static int32_t start(void *instance)
{
    struct odd *odd = instance;
    strcat(odd->hooks, "start ");
    return configured(odd, "start-no") ? AETHER_IO : AETHER_OK;
}

static int32_t stop(void *instance)
{
    struct odd *odd = instance;
    strcat(odd->hooks, "stop ");
    return configured(odd, "stop-no") ? AETHER_IO : AETHER_OK;
}

static void destroy(void *instance)
{
    free(instance);
}

static int32_t health(void *instance)
{
    return configured(instance, "unhealthy") ? AETHER_IO : AETHER_OK;
}

static void pass_on(void *instance, void *context, const struct aether_result *result)
{
    struct odd *odd = instance;
    odd->host->reply(odd->host, context, result->status, result->value);
}

static void read_back(void *instance, void *context, const struct aether_result *result)
{
    struct odd *odd = instance;
    if (result->status != AETHER_OK || odd->host->kv_get(odd->host, "kept", pass_on, context) != AETHER_OK)
        odd->host->reply(odd->host, context, AETHER_IO, bytes_of("put failed"));
}

static void answer_later(void *instance, void *context)
{
    struct odd *odd = instance;
    odd->host->reply(odd->host, context, AETHER_OK, bytes_of("later"));
}

static void reply_large(struct odd *odd, struct aether_call *call)
{
    char *large = malloc(AETHER_PAYLOAD_MAX);
    memset(large, 'L', AETHER_PAYLOAD_MAX);
    odd->host->reply(odd->host, call, AETHER_OK, (struct aether_bytes){ large, AETHER_PAYLOAD_MAX });
    free(large);
}

/* Writes zeros over whatever this process shares with its node: its head says that nothing was ever written.
 */
static void damage_shared_memory(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        if (strstr(line, "memfd:aether") == NULL || sscanf(line, "%lx-%lx", &from, &to) != 2) continue;
        memset((void *)from, 0xee, to - from);
    }
    uint64_t one = 1;
    (void)!write(5, &one, sizeof one);
    hang();
}

static void handle(void *instance, struct aether_call *call, const struct aether_request *request)
{
    struct odd *odd = instance;
    const struct aether_host *host = odd->host;
    char text[64];
    struct aether_invoke invoke = { sizeof invoke, "org.test:other/thing", request->payload, call, 0, NULL };
    switch (request->entry) {
    case ECHO: host->reply(host, call, AETHER_OK, request->payload); return;
    case PID:
        snprintf(text, sizeof text, "%d", (int)getpid());
        host->reply(host, call, AETHER_OK, bytes_of(text));
        return;
    case CRASH: (void)raise(SIGSEGV); return;
    case EXIT: exit(7);
    case HANG: hang(); return;
    case NEVER: odd->held = call; return;
    case ASK: (void)host->invoke(host, &invoke, pass_on, call); return;
    case KEEP:
        (void)host->kv_put(host, "kept", request->payload, AETHER_ANY_REVISION, read_back, call);
        return;
    case PRINT:
        printf("printed\nand printed again\n");
        (void)fflush(stdout);
        host->log(host, AETHER_WARN, "logged");
        host->reply(host, call, AETHER_OK, bytes_of("done"));
        return;
    case LATER: (void)host->after(host, 20000000, answer_later, call); return;
    case LARGE: reply_large(odd, call); return;
    case NO: host->reply(host, call, AETHER_APP_ERROR, bytes_of("no, and this is why")); return;
    case RING: damage_shared_memory(); return;
    default: host->reply(host, call, AETHER_OK, bytes_of(odd->hooks)); return;
    }
}

static const struct aether_entry entries[] = {
    { "echo", ECHO, AETHER_READONLY, 0, 0 },
    { "pid", PID, 0, 0, 0 },
    { "crash", CRASH, 0, 0, 0 },
    { "exit", EXIT, 0, 0, 0 },
    { "hang", HANG, 0, 0, 0 },
    { "never", NEVER, 0, 0, 0 },
    { "ask", ASK, 0, 0, 0 },
    { "keep", KEEP, 0, 0, 0 },
    { "print", PRINT, 0, 0, 0 },
    { "later", LATER, 0, 0, 0 },
    { "large", LARGE, 0, 0, 0 },
    { "no", NO, 0, 0, 0 },
    { "ring", RING, 0, 0, 0 },
    { "hooks", HOOKS, 0, 0, 0 },
};

const struct aether_slice AETHER_SLICE_DESCRIPTOR = {
    AETHER_SLICE_HEAD,
    "org.test",
    "odd",
    "1.0.0",
    AETHER_ENTRIES(entries),
    AETHER_NO_DEPENDENCIES,
    create,
    start,
    handle,
    stop,
    destroy,
    health,
    NULL,
    NULL,
    NULL,
};
