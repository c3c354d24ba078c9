/* relay: org.test:relay, a slice whose calls last, call others, and tell how they ended. Entry points:
 *
 *   echo     READONLY; answers with what it was sent
 *   count    answers {"count":N}: how often it was called; not repeatable
 *   wait     "MILLISECONDS": answers {"count":N} (of waits) after so long; meanwhile looks whether it is
 * wanted relay    "TARGET PAYLOAD": calls TARGET on its caller's behalf, and answers with what that answered
 *   circle   calls itself, wherever that runs, on its caller's behalf
 *   say      "NUMBER": answers with that status
 *   seen     READONLY; answers {"waits":N,"waiting":N,"cancelled":N,"nested-cancelled":N}
 *   brief    never answers; its default deadline is 200 ms
 *   who      READONLY; answers {"request":"32 hex digits","version":"..."}; logs it, too */
#include <aether/slice.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef RELAY_VERSION
#define RELAY_VERSION "1.0.0"
#endif

enum { ECHO = 1, COUNT, WAIT, RELAY, CIRCLE, SAY, SEEN, WHO, BRIEF };
static const int64_t look_ns = 5000000;

struct relay {
    const struct aether_host *host;
    uint64_t counted;
    uint64_t waits;
    uint64_t waiting;
    uint64_t cancelled;
    uint64_t nested_cancelled;
};

struct wait {
    struct relay *relay;
    struct aether_call *call;
    int64_t until_ns;
    uint64_t number;
};

static struct aether_bytes bytes_of(const char *text)
{
    return (struct aether_bytes){ text, strlen(text) };
}

static void answer(struct relay *relay, struct aether_call *call, const char *text)
{
    relay->host->reply(relay->host, call, AETHER_OK, bytes_of(text));
}

/* The text of a JSON string without escapes, cut to size. */
static void text_of(const struct aether_request *request, char *to, size_t size)
{
    const char *from = request->payload.data;
    size_t length = request->payload.size;
    if (length >= 2 && from[0] == '"') from++, length -= 2;
    snprintf(to, size, "%.*s", (int)length, from);
}

static void look(void *instance, void *context)
{
    struct relay *relay = instance;
    struct wait *wait = context;
    char text[64];
    const struct aether_host *host = relay->host;
    if (host->is_cancelled(host, wait->call)) {
        relay->cancelled++;
        answer(relay, wait->call, "\"late\""); /* Goes nowhere. */
    } else if (host->now_ns(host) >= wait->until_ns) {
        snprintf(text, sizeof text, "{\"count\":%" PRIu64 "}", wait->number);
        answer(relay, wait->call, text);
    } else {
        (void)host->after(host, look_ns, look, wait);
        return;
    }
    relay->waiting--;
    free(wait);
}

static void begin_wait(struct relay *relay, struct aether_call *call, const struct aether_request *request)
{
    char text[32];
    text_of(request, text, sizeof text);
    struct wait *wait = calloc(1, sizeof *wait);
    wait->relay = relay;
    wait->call = call;
    wait->until_ns = relay->host->now_ns(relay->host) + (int64_t)atoll(text) * 1000000;
    wait->number = ++relay->waits;
    relay->waiting++;
    (void)relay->host->after(relay->host, look_ns, look, wait);
}

static void on_relayed(void *instance, void *context, const struct aether_result *result)
{
    struct relay *relay = instance;
    if (result->status == AETHER_CANCELLED) relay->nested_cancelled++;
    relay->host->reply(relay->host, context, result->status, result->value);
}

static void call_another(struct relay *relay, struct aether_call *call, const char *target,
                         const char *payload)
{
    struct aether_invoke invoke = {
        .size = sizeof invoke, .target = target, .payload = bytes_of(payload), .parent = call
    };
    int32_t status = relay->host->invoke(relay->host, &invoke, on_relayed, call);
    if (status != AETHER_OK) relay->host->reply(relay->host, call, status, bytes_of("invoke refused"));
}

static void begin_relay(struct relay *relay, struct aether_call *call, const struct aether_request *request)
{
    char text[512];
    text_of(request, text, sizeof text);
    char *space = strchr(text, ' ');
    if (space != NULL) *space = '\0';
    call_another(relay, call, text, space == NULL ? "null" : space + 1);
}

static void tell_seen(struct relay *relay, struct aether_call *call)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"waits\":%" PRIu64 ",\"waiting\":%" PRIu64 ",\"cancelled\":%" PRIu64
             ",\"nested-cancelled\":%" PRIu64 "}",
             relay->waits, relay->waiting, relay->cancelled, relay->nested_cancelled);
    answer(relay, call, text);
}

static void tell_who(struct relay *relay, struct aether_call *call, const struct aether_request *request)
{
    char text[128];
    snprintf(text, sizeof text, "{\"request\":\"%016" PRIx64 "%016" PRIx64 "\",\"version\":\"%s\"}",
             request->request_id[0], request->request_id[1], RELAY_VERSION);
    relay->host->log(relay->host, AETHER_INFO, "who asks");
    answer(relay, call, text);
}

static void handle(void *instance, struct aether_call *call, const struct aether_request *request)
{
    struct relay *relay = instance;
    char text[64];
    switch (request->entry) {
    case COUNT:
        snprintf(text, sizeof text, "{\"count\":%" PRIu64 "}", ++relay->counted);
        answer(relay, call, text);
        break;
    case WAIT: begin_wait(relay, call, request); break;
    case RELAY: begin_relay(relay, call, request); break;
    case CIRCLE: call_another(relay, call, "org.test:relay/circle", "null"); break;
    case SAY:
        text_of(request, text, sizeof text);
        relay->host->reply(relay->host, call, atoi(text), bytes_of("as you asked"));
        break;
    case SEEN: tell_seen(relay, call); break;
    case WHO: tell_who(relay, call, request); break;
    case BRIEF: break; /* Never answered: its own deadline ends it. */
    default: relay->host->reply(relay->host, call, AETHER_OK, request->payload); break;
    }
}

static int32_t create(const struct aether_host *host, struct aether_bytes config, void **out_instance)
{
    (void)config;
    if (!AETHER_HOST_HAS(host, is_cancelled)) return AETHER_VERSION_MISMATCH;
    struct relay *relay = calloc(1, sizeof *relay);
    relay->host = host;
    *out_instance = relay;
    return AETHER_OK;
}

static void destroy(void *instance)
{
    free(instance); /* Waits that are under way go with the process. */
}

static const struct aether_entry entries[] = {
    { "echo", ECHO, AETHER_READONLY, 0, 0 },
    { "count", COUNT, 0, 0, 0 },
    { "wait", WAIT, 0, 0, 0 },
    { "relay", RELAY, 0, 0, 0 },
    { "circle", CIRCLE, 0, 0, 0 },
    { "say", SAY, 0, 0, 0 },
    { "seen", SEEN, AETHER_READONLY, 0, 0 },
    { "who", WHO, AETHER_READONLY, 0, 0 },
    { "brief", BRIEF, 0, 200, 0 },
};

const struct aether_slice AETHER_SLICE_DESCRIPTOR = {
    AETHER_SLICE_HEAD,
    "org.test",
    "relay",
    RELAY_VERSION,
    AETHER_ENTRIES(entries),
    AETHER_NO_DEPENDENCIES,
    create,
    NULL,
    handle,
    NULL,
    destroy,
    NULL,
    NULL,
    NULL,
    NULL,
};
