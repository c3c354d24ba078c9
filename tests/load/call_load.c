/* call_load: calls one entry point at a steady rate through one node, until its standard input ends; then
 * prints one JSON object: how many calls ended how, the longest time between two that ended OK, and the
 * percentiles of the elapsed time as the node measured it and as this client saw it. Loses its node and finds
 * it again; a call that was under way then counts as NODE_LOST.
 *
 *     call_load ENDPOINT NODE TARGET PAYLOAD CALLS_PER_SECOND      (0 = as fast as answers come)
 *
 * Used by tests/integration and bench, beside the cluster and outside of it. */
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"
#include "wire/zmq/client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLES_MAX = 1 << 20 };

struct samples {
    uint64_t *microseconds;
    size_t count;
};

struct load {
    const char *endpoint;
    const char *target;
    const char *payload;
    int64_t period_ns;
    struct client *client;
    uint64_t outcomes[STATUS_COUNT];
    char last_text[STATUS_COUNT][160]; /* What the last call that ended so was told. */
    int64_t last_ok_ns;
    int64_t longest_gap_ns; /* Between two calls that ended OK. */
    struct samples seen;    /* By this client. */
    struct samples local;   /* By the node that we spoke to; the instance was its own. */
    struct samples remote;  /* The instance was another node's. */
    char node[64];          /* Whose endpoint it is: tells local calls from remote ones. */
};

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return SECONDS(now.tv_sec) + now.tv_nsec;
}

static void sample_add(struct samples *samples, uint64_t microseconds)
{
    if (samples->microseconds == NULL) samples->microseconds = memory_array(SAMPLES_MAX, sizeof(uint64_t));
    if (samples->count < SAMPLES_MAX) samples->microseconds[samples->count++] = microseconds;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static uint64_t percentile(struct samples *samples, double share)
{
    if (samples->count == 0) return 0;
    size_t at = (size_t)(share * (double)samples->count);
    return samples->microseconds[at < samples->count ? at : samples->count - 1];
}

/* true: standard input has ended. */
static bool pause_for(struct load *load, int64_t wait_ns)
{
    struct pollfd input = { .fd = 0, .events = POLLIN };
    if (load->client != NULL) (void)client_wait(load->client, 0, wait_ns);
    else (void)poll(&input, 1, (int)(wait_ns / MILLISECONDS(1)));
    return poll(&input, 1, 0) > 0;
}

static void note_ok(struct load *load, const Pb__CallReply *reply, int64_t started_ns)
{
    int64_t now = now_ns();
    if (load->last_ok_ns != 0 && now - load->last_ok_ns > load->longest_gap_ns)
        load->longest_gap_ns = now - load->last_ok_ns;
    load->last_ok_ns = now;
    sample_add(&load->seen, (uint64_t)((now - started_ns) / 1000));
    bool is_local = strcmp(reply->node, load->node) == 0;
    sample_add(is_local ? &load->local : &load->remote, reply->elapsed_us);
}

static void call_once(struct load *load)
{
    struct message *request = wire_message_create(KIND_CALL_REQUEST);
    Pb__CallRequest *call = request->body;
    call->target = wire_string(request, load->target);
    call->payload = wire_string(request, load->payload);
    struct message *reply = NULL;
    struct error error = { 0 };
    int64_t started_ns = now_ns();
    enum status status = client_ask(load->client, &request, SECONDS(3), &reply, &error);
    load->outcomes[status]++;
    if (status == STATUS_OK) {
        note_ok(load, reply->body, started_ns);
        message_destroy(&reply);
        return;
    }
    (void)snprintf(load->last_text[status], sizeof load->last_text[status], "%s", error.message);
    if (status == STATUS_NODE_LOST || status == STATUS_DEADLINE) client_close(&load->client);
}

static void print_samples(const char *name, struct samples *samples)
{
    if (samples->count > 1) qsort(samples->microseconds, samples->count, sizeof(uint64_t), compare);
    printf(", \"%s\": {\"count\": %zu, \"p50-us\": %llu, \"p99-us\": %llu}", name, samples->count,
           (unsigned long long)percentile(samples, 0.5), (unsigned long long)percentile(samples, 0.99));
}

static void print_text(const char *text)
{
    putchar('"');
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') putchar('\\');
        putchar((unsigned char)*at < ' ' ? ' ' : *at);
    }
    putchar('"');
}

static void print_result(struct load *load)
{
    const char *separator = "";
    printf("{\"outcomes\": {");
    for (int status = 0; status < STATUS_COUNT; status++) {
        if (load->outcomes[status] == 0) continue;
        printf("%s\"%s\": %llu", separator, status_name((enum status)status),
               (unsigned long long)load->outcomes[status]);
        separator = ", ";
    }
    printf("}, \"texts\": {");
    separator = "";
    for (int status = 1; status < STATUS_COUNT; status++) {
        if (load->outcomes[status] == 0) continue;
        printf("%s\"%s\": ", separator, status_name((enum status)status));
        print_text(load->last_text[status]);
        separator = ", ";
    }
    printf("}, \"longest-gap-ms\": %lld", (long long)(load->longest_gap_ns / MILLISECONDS(1)));
    print_samples("seen", &load->seen);
    print_samples("local", &load->local);
    print_samples("remote", &load->remote);
    printf("}\n");
}

static void run(struct load *load)
{
    int64_t next_ns = now_ns();
    for (;;) {
        struct error error;
        if (load->client == NULL &&
            client_open(load->endpoint, MILLISECONDS(200), &load->client, &error) != STATUS_OK) {
            if (pause_for(load, MILLISECONDS(20))) return;
            next_ns = now_ns();
            continue;
        }
        call_once(load);
        next_ns += load->period_ns;
        int64_t wait_ns = load->period_ns == 0 ? 0 : next_ns - now_ns();
        if (wait_ns < 0) next_ns = now_ns(); /* Fell behind: what was missed is not made up for. */
        if (pause_for(load, wait_ns > 0 ? wait_ns : 0)) return;
    }
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 6) {
        (void)fprintf(stderr, "usage: call_load ENDPOINT NODE TARGET PAYLOAD CALLS_PER_SECOND\n");
        return 2;
    }
    long rate = strtol(arguments[5], NULL, 10);
    struct load load = { .endpoint = arguments[1],
                         .target = arguments[3],
                         .payload = arguments[4],
                         .period_ns = rate > 0 ? SECONDS(1) / rate : 0 };
    (void)snprintf(load.node, sizeof load.node, "%s", arguments[2]);
    run(&load);
    print_result(&load);
    if (load.client != NULL) client_close(&load.client);
    memory_free(load.seen.microseconds);
    memory_free(load.local.microseconds);
    memory_free(load.remote.microseconds);
    return 0;
}
