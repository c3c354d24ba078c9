/* driver: org.bench:driver:1.0.0, an inline slice that calls another one as any slice does (host->invoke) and
 * measures from there to the completion. One run at a time; the request is a JSON string of five words:
 *
 *     "TARGET CALLS SIZE IN_FLIGHT PAUSE_US"      ->  {"p50-us": ..., "p99-us": ..., "per-s": ..., "failed":
 * ...}
 *
 * PAUSE_US > 0: so long nothing happens between two calls, so that whoever spins has gone to sleep. From
 * GIVEN_FROM on a payload is written into a buffer of the host's and given away, as a slice does that has
 * much to say; its two ends carry a number, which the answer must carry, too. */
#include <aether/slice.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FLIGHT_MAX = 256, CALLS_MAX = 4000000, WARM_UP = 200, GIVEN_FROM = 16 * 1024 };

struct driver {
    const struct aether_host *host;
    struct aether_call *run; /* Whom to answer at the end; NULL: no run. */
    char target[AETHER_NAME_MAX];
    unsigned calls, size, in_flight, pause_us;
    unsigned begun, ended, failed, warm_up;
    int64_t began_ns;
    int64_t *taken_ns;
    char *payload; /* Of small ones; NULL: each call has a buffer. */
    uint64_t stamp;
    char first_failure[200];
    struct one {
        struct driver *driver;
        int64_t began_ns;
        uint64_t stamp; /* Of its buffer. */
        int counts;     /* Not one of the warm-up. */
    } ones[FLIGHT_MAX];
};

static void begin(struct one *one);

/* Not host->now_ns, which an inline slice has once a turn. */
static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static void finish(struct driver *driver)
{
    char text[512];
    double seconds = (double)(now_ns() - driver->began_ns) / 1e9;
    qsort(driver->taken_ns, driver->ended, sizeof *driver->taken_ns, by_value);
    double p50 = (double)driver->taken_ns[driver->ended / 2] / 1e3;
    double p99 = (double)driver->taken_ns[(size_t)driver->ended * 99 / 100] / 1e3;
    int size =
        snprintf(text, sizeof text,
                 "{\"p50-us\": %.3f, \"p99-us\": %.3f, \"per-s\": %.1f, \"failed\": %u, \"why\": \"%s\"}",
                 p50, p99, (double)driver->ended / seconds, driver->failed, driver->first_failure);
    struct aether_call *run = driver->run;
    driver->run = NULL;
    free(driver->taken_ns);
    free(driver->payload);
    driver->taken_ns = NULL;
    driver->payload = NULL;
    driver->host->reply(driver->host, run, AETHER_OK, (struct aether_bytes){ text, (size_t)size });
}

static void on_pause_over(void *instance, void *context)
{
    (void)instance;
    begin(context);
}

static void go_on(struct one *one)
{
    struct driver *driver = one->driver;
    if (driver->warm_up > 0 && --driver->warm_up == 0) driver->began_ns = now_ns();
    if (driver->begun == driver->calls) {
        driver->in_flight--; /* The others end, then so does the run. */
        if (driver->in_flight == 0) finish(driver);
    } else if (driver->pause_us == 0) {
        begin(one);
    } else (void)driver->host->after(driver->host, (int64_t)driver->pause_us * 1000, on_pause_over, one);
}

static void note_failure(struct driver *driver, int32_t status, struct aether_bytes text)
{
    if (driver->failed++ == 0)
        (void)snprintf(driver->first_failure, sizeof driver->first_failure, "%d %.*s", status, (int)text.size,
                       (const char *)text.data);
}

static void *stamped_buffer(struct one *one)
{
    struct driver *driver = one->driver;
    char *buffer = driver->host->buffer(driver->host, driver->size);
    if (buffer == NULL) abort();
    one->stamp = ++driver->stamp;
    memcpy(buffer, &one->stamp, sizeof one->stamp);
    memcpy(buffer + driver->size - sizeof one->stamp, &one->stamp, sizeof one->stamp);
    return buffer;
}

static int carries_stamp(const struct one *one, struct aether_bytes value)
{
    size_t size = one->driver->size;
    const char *data = value.data;
    return value.size == size && memcmp(data, &one->stamp, sizeof one->stamp) == 0 &&
           memcmp(data + size - sizeof one->stamp, &one->stamp, sizeof one->stamp) == 0;
}

static void on_done(void *instance, void *context, const struct aether_result *result)
{
    (void)instance;
    struct one *one = context;
    struct driver *driver = one->driver;
    int64_t taken_ns = now_ns() - one->began_ns;
    static const char other[] = "the answer is not what was sent";
    if (result->status != AETHER_OK) note_failure(driver, result->status, result->value);
    else if (driver->payload == NULL && !carries_stamp(one, result->value))
        note_failure(driver, result->status, (struct aether_bytes){ other, sizeof other - 1 });
    if (one->counts) driver->taken_ns[driver->ended++] = taken_ns;
    go_on(one);
}

static void begin(struct one *one)
{
    struct driver *driver = one->driver;
    struct aether_invoke invoke = { .size = sizeof invoke,
                                    .target = driver->target,
                                    .payload = { driver->payload, driver->size },
                                    .timeout_ns = 5000000000 };
    one->counts = driver->warm_up == 0;
    if (one->counts) driver->begun++;
    one->began_ns = now_ns();
    if (driver->payload == NULL) invoke.payload.data = stamped_buffer(one);
    int32_t status = driver->host->invoke(driver->host, &invoke, on_done, one);
    if (status == AETHER_OK) return;
    struct aether_result refused = { .size = sizeof refused, .status = status };
    on_done(driver, one, &refused);
}

static int32_t create(const struct aether_host *host, struct aether_bytes config, void **out_instance)
{
    (void)config;
    struct driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL) return AETHER_APP_ERROR;
    driver->host = host;
    *out_instance = driver;
    return AETHER_OK;
}

static int read_run(struct driver *driver, const struct aether_request *request)
{
    char text[512];
    (void)snprintf(text, sizeof text, "%.*s", (int)request->payload.size,
                   (const char *)request->payload.data);
    int words = sscanf(text, "\"%255s %u %u %u %u", driver->target, &driver->calls, &driver->size,
                       &driver->in_flight, &driver->pause_us);
    return words == 5 && driver->calls > 0 && driver->calls <= CALLS_MAX && driver->in_flight > 0 &&
           driver->in_flight <= FLIGHT_MAX && driver->in_flight <= driver->calls &&
           driver->size <= AETHER_PAYLOAD_MAX;
}

static void handle(void *instance, struct aether_call *call, const struct aether_request *request)
{
    struct driver *driver = instance;
    static const char refusal[] = "one run at a time: \"TARGET CALLS SIZE IN_FLIGHT PAUSE_US\"";
    if (driver->run != NULL || !read_run(driver, request)) {
        driver->host->reply(driver->host, call, AETHER_INVALID,
                            (struct aether_bytes){ refusal, sizeof refusal - 1 });
        return;
    }
    driver->run = call;
    driver->begun = driver->ended = driver->failed = 0;
    driver->first_failure[0] = '\0';
    driver->taken_ns = calloc(driver->calls, sizeof *driver->taken_ns);
    if (driver->size < GIVEN_FROM) driver->payload = calloc(1, driver->size + 1u);
    if (driver->taken_ns == NULL || (driver->size < GIVEN_FROM && driver->payload == NULL)) abort();
    if (driver->payload != NULL) memset(driver->payload, 'x', driver->size);
    driver->warm_up = driver->pause_us > 0 ? 2 : WARM_UP;
    driver->began_ns = now_ns();
    for (unsigned i = 0; i < driver->in_flight; i++) {
        driver->ones[i].driver = driver;
        begin(&driver->ones[i]);
    }
}

static void destroy(void *instance)
{
    struct driver *driver = instance;
    free(driver->taken_ns);
    free(driver->payload);
    free(driver);
}

static const struct aether_entry entries[] = { { "run", 1, 0, 120000, 0 } };
const struct aether_slice AETHER_SLICE_DESCRIPTOR = {
    AETHER_SLICE_HEAD,
    "org.bench",
    "driver",
    "1.0.0",
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
