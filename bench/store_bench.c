/* store_bench: clients of a running cluster, from outside: N requests kept outstanding over a few client
 * sockets, in one thread. Modes and figure names as in the peers' kit, so that both print what can be
 * compared; bench/store.py starts the cluster and takes the ratios.
 *
 *     store_bench wait ENDPOINT[,ENDPOINT...]              until a put succeeds
 *     store_bench seqput ENDPOINT SECONDS VALUE-BYTES      one client, one put after the other
 *     store_bench put|get|sget ENDPOINT CLIENTS SECONDS VALUE-BYTES
 *     store_bench fill ENDPOINT KEYS VALUE-BYTES           as many keys, once each
 *     store_bench gap ENDPOINT,ENDPOINT... COMMAND         one writer through the client library; COMMAND
 * (shell) strikes
 *
 * get = linearizable, sget = stale. */
#include "cli/connection.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/frame.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/zmq/socket_io.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { SOCKETS_MAX = 4, CLIENTS_MAX = 1024, SAMPLES_MAX = 1 << 22, KEYS_OF_PUT = 100000, KEYS_OF_GET = 100 };

enum mode { PUT, GET, SGET };

static int64_t now_ns(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return SECONDS(now.tv_sec) + now.tv_nsec;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* --- samples ------------------------------------------------------------------------------------- */

struct samples {
    uint32_t *microseconds;
    size_t count;
};

static void sample(struct samples *samples, int64_t ns)
{
    if (samples->microseconds == NULL) samples->microseconds = memory_array(SAMPLES_MAX, sizeof(uint32_t));
    if (samples->count < SAMPLES_MAX) samples->microseconds[samples->count++] = (uint32_t)(ns / 1000);
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static double percentile(struct samples *samples, double share)
{
    if (samples->count == 0) return 0;
    qsort(samples->microseconds, samples->count, sizeof(uint32_t), compare);
    size_t at = (size_t)(share * (double)samples->count);
    return samples->microseconds[at < samples->count ? at : samples->count - 1];
}

static void figure(const char *name, double value, const char *unit, const char *direction, const char *note)
{
    printf("BENCH fig=%s peer=aether val=%.6g unit=%s dir=%s note=\"%s\"\n", name, value, unit, direction,
           note);
    (void)fflush(stdout);
}

/* --- requests ------------------------------------------------------------------------------------ */

struct bench {
    void *zmq;
    void *sockets[SOCKETS_MAX];
    size_t socket_count;
    struct socket_budget budget;
    enum mode mode;
    char *value;
    uint64_t sequence;             /* Of keys. */
    uint64_t keys;                 /* Of `fill`: how many; 0: they go round. */
    int64_t began_ns[CLIENTS_MAX]; /* By slot. */
    uint64_t done, bad;
    struct samples samples;
};

static char *key_text(struct message *message, uint64_t number)
{
    char key[32];
    (void)snprintf(key, sizeof key, "key-%012" PRIu64, number);
    return wire_string(message, key);
}

static struct message *put_request(struct bench *bench, uint64_t key)
{
    struct message *message = wire_message_create(KIND_KV_PUT_REQUEST);
    Pb__KvPutRequest *put = message->body;
    put->key = key_text(message, key);
    put->value = wire_string(message, bench->value);
    return message;
}

static struct message *get_request(struct bench *bench, uint64_t key)
{
    struct message *message = wire_message_create(KIND_KV_GET_REQUEST);
    Pb__KvGetRequest *get = message->body;
    get->key = key_text(message, key);
    get->stale = bench->mode == SGET;
    return message;
}

static struct message *next_request(struct bench *bench)
{
    uint64_t number = bench->sequence++;
    if (bench->mode != PUT) return get_request(bench, number % KEYS_OF_GET * 10);
    return put_request(bench, bench->keys != 0 ? number : number % KEYS_OF_PUT);
}

static void fire(struct bench *bench, uint32_t slot)
{
    struct message *message = next_request(bench);
    struct bytes *frame = NULL;
    CHECK(frame_pack(message, &frame, NULL) == STATUS_OK);
    message_destroy(&message);
    frame_seal(frame, &(struct frame_header){
                          .protocol = PROTOCOL_MAX, .correlation = slot + 1, .budget_ms = 10000 });
    bench->began_ns[slot] = now_ns();
    void *socket = bench->sockets[slot % bench->socket_count];
    CHECK(socket_io_send(socket, NULL, false, &frame, &bench->budget) == STATUS_OK);
}

/* Returns the slot that is free again. */
static uint32_t take_answer(struct bench *bench, struct socket_message *input)
{
    struct frame_header header;
    CHECK(frame_parse(socket_io_data(input), socket_io_size(input), &header, NULL) == STATUS_OK);
    uint32_t slot = (uint32_t)header.correlation - 1;
    CHECK(slot < CLIENTS_MAX);
    bool good = header.kind == KIND_KV_CHANGE_REPLY || header.kind == KIND_KV_GET_REPLY;
    bench->done += good;
    bench->bad += !good;
    if (good) sample(&bench->samples, now_ns() - bench->began_ns[slot]);
    return slot;
}

static void connect_all(struct bench *bench, const char *endpoint, uint32_t clients)
{
    bench->zmq = zmq_ctx_new();
    bench->budget.max = 64 * 1024 * 1024;
    bench->socket_count = clients < SOCKETS_MAX ? clients : SOCKETS_MAX;
    for (size_t i = 0; i < bench->socket_count; i++) {
        bench->sockets[i] = socket_io_create(bench->zmq, ZMQ_DEALER);
        socket_io_set(bench->sockets[i], ZMQ_IMMEDIATE, 0); /* The first ones wait for the connection. */
        CHECK(socket_io_connect(bench->sockets[i], endpoint, NULL, NULL) == STATUS_OK);
    }
}

static void disconnect_all(struct bench *bench)
{
    for (size_t i = 0; i < bench->socket_count; i++)
        socket_io_close(&bench->sockets[i]);
    while (zmq_ctx_term(bench->zmq) != 0) {
    }
    memory_free(bench->value);
    memory_free(bench->samples.microseconds);
}

static char *make_value(size_t size) /* A JSON string of so many bytes. */
{
    CHECK(size >= 2);
    char *value = memory_zalloc(size + 1);
    memset(value, 'v', size);
    value[0] = value[size - 1] = '"';
    return value;
}

static bool goes_on(const struct bench *bench, int64_t end_ns)
{
    return bench->keys != 0 ? bench->sequence < bench->keys : now_ns() < end_ns;
}

/* Closed loop: as many outstanding as there are clients, until the time is over; then the rest is awaited. */
static double loop(struct bench *bench, uint32_t clients, double seconds)
{
    int64_t began_ns = now_ns();
    int64_t end_ns = began_ns + (int64_t)(seconds * 1e9);
    uint32_t outstanding = 0;
    for (; outstanding < clients && goes_on(bench, end_ns); outstanding++)
        fire(bench, outstanding);
    zmq_pollitem_t items[SOCKETS_MAX];
    for (size_t i = 0; i < bench->socket_count; i++)
        items[i] = (zmq_pollitem_t){ .socket = bench->sockets[i], .events = ZMQ_POLLIN };
    while (outstanding > 0 && zmq_poll(items, (int)bench->socket_count, 15000) > 0) {
        for (size_t i = 0; i < bench->socket_count; i++) {
            struct socket_message input;
            while (socket_io_receive(bench->sockets[i], false, &input)) {
                uint32_t slot = take_answer(bench, &input);
                socket_io_message_fini(&input);
                if (goes_on(bench, end_ns)) fire(bench, slot);
                else outstanding--;
            }
        }
    }
    bench->bad += outstanding; /* Nobody answered them. */
    return (double)(now_ns() - began_ns) / 1e9;
}

static int run_loop(const char *mode, const char *endpoint, uint32_t clients, double seconds,
                    size_t value_size)
{
    struct bench bench = { .value = make_value(value_size) };
    connect_all(&bench, endpoint, clients);
    if (strcmp(mode, "put") != 0) { /* What is read is there. */
        bench.keys = KEYS_OF_GET * 10;
        (void)loop(&bench, 64, 0);
        bench.keys = bench.sequence = bench.done = bench.samples.count = 0;
        bench.mode = strcmp(mode, "sget") == 0 ? SGET : GET;
    }
    double cpu = cpu_seconds();
    double elapsed = loop(&bench, clients, seconds);
    char name[64];
    char note[160];
    (void)snprintf(name, sizeof name, "3.%s-c%u", mode, clients);
    (void)snprintf(note, sizeof note, "p50=%.1fms p99=%.1fms bad=%" PRIu64 " client_cpu_us_per_op=%.1f",
                   percentile(&bench.samples, 0.5) / 1e3, percentile(&bench.samples, 0.99) / 1e3, bench.bad,
                   (cpu_seconds() - cpu) * 1e6 / (double)(bench.done == 0 ? 1 : bench.done));
    figure(name, (double)bench.done / elapsed, "op/s", "up", note);
    int code = bench.bad == 0 ? 0 : 1;
    disconnect_all(&bench);
    return code;
}

static int run_seqput(const char *endpoint, double seconds, size_t value_size)
{
    struct bench bench = { .value = make_value(value_size) };
    connect_all(&bench, endpoint, 1);
    (void)loop(&bench, 1, 0.1); /* Warm. */
    bench.samples.count = 0;
    (void)loop(&bench, 1, seconds);
    char note[64];
    (void)snprintf(note, sizeof note, "n=%zu %zu B", bench.samples.count, value_size);
    figure("3.seqput-p50", percentile(&bench.samples, 0.5), "us", "down", note);
    figure("3.seqput-p99", percentile(&bench.samples, 0.99), "us", "down", note);
    int code = bench.bad == 0 ? 0 : 1;
    disconnect_all(&bench);
    return code;
}

static int run_fill(const char *endpoint, uint64_t keys, size_t value_size)
{
    struct bench bench = { .value = make_value(value_size), .keys = keys };
    connect_all(&bench, endpoint, 256);
    double elapsed = loop(&bench, 256, 0);
    char note[64];
    (void)snprintf(note, sizeof note, "%" PRIu64 " keys, bad=%" PRIu64, keys, bench.bad);
    figure("store.fill", (double)bench.done / elapsed, "op/s", "up", note);
    int code = bench.bad == 0 ? 0 : 1;
    disconnect_all(&bench);
    return code;
}

/* --- through the client library ------------------------------------------------------------------ */

static enum status put_once(struct connection *connection, int64_t timeout_ns)
{
    struct message *request = wire_message_create(KIND_KV_PUT_REQUEST);
    Pb__KvPutRequest *put = request->body;
    put->key = wire_string(request, "ready");
    put->value = wire_string(request, "1");
    struct message *reply = NULL;
    struct connection_terms terms = { .timeout_ns = timeout_ns, .changes = true };
    enum status status = connection_ask(connection, &request, &terms, &reply, NULL);
    if (reply != NULL) message_destroy(&reply);
    return status;
}

static struct connection *open_any(const char *endpoints)
{
    struct connection *connection = NULL;
    int64_t end_ns = now_ns() + SECONDS(30);
    while (connection_open(endpoints, &connection, NULL) != STATUS_OK && now_ns() < end_ns) {
    }
    return connection;
}

static int run_wait(const char *endpoints)
{
    struct connection *connection = open_any(endpoints);
    enum status status = connection == NULL ? STATUS_NO_LEADER : STATUS_UNKNOWN;
    for (int tries = 0; connection != NULL && status != STATUS_OK && tries < 30; tries++)
        status = put_once(connection, SECONDS(2));
    connection_close(&connection);
    return status == STATUS_OK ? 0 : 1;
}

/* From the strike to the first acknowledged put that began after it. */
static int run_gap(const char *endpoints, const char *command)
{
    struct connection *connection = open_any(endpoints);
    if (connection == NULL) return 1;
    enum status status = put_once(connection, SECONDS(10));
    int64_t began_ns = now_ns();
    if (status != STATUS_OK || system(command) != 0) return 1; /* NOLINT(cert-env33-c): the bench's own. */
    status = put_once(connection, SECONDS(20));
    printf("%.3f\n", (double)(now_ns() - began_ns) / 1e6);
    connection_close(&connection);
    return status == STATUS_OK ? 0 : 1;
}

int main(int argument_count, char **arguments)
{
    const char *mode = argument_count > 2 ? arguments[1] : "";
    if (strcmp(mode, "wait") == 0) return run_wait(arguments[2]);
    if (strcmp(mode, "gap") == 0 && argument_count == 4) return run_gap(arguments[2], arguments[3]);
    if (strcmp(mode, "fill") == 0 && argument_count == 5)
        return run_fill(arguments[2], strtoull(arguments[3], NULL, 10), strtoul(arguments[4], NULL, 10));
    if (strcmp(mode, "seqput") == 0 && argument_count == 5)
        return run_seqput(arguments[2], strtod(arguments[3], NULL), strtoul(arguments[4], NULL, 10));
    uint32_t clients = argument_count == 6 ? (uint32_t)strtoul(arguments[3], NULL, 10) : 0;
    if (clients == 0 || clients > CLIENTS_MAX) {
        (void)fprintf(stderr,
                      "usage: store_bench wait|seqput|put|get|sget|fill|gap ENDPOINT ... (see the source)\n");
        return 2;
    }
    return run_loop(mode, arguments[2], clients, strtod(arguments[4], NULL), strtoul(arguments[5], NULL, 10));
}
