/* actors_bench: the workloads of the peer kit (../shared/peers/actors) on the public runtime interface,
 * bounds, lanes, counts and parents included: what ships is what is measured. One workload a run, one line a
 * figure:
 *
 *   actors_bench pingpong|count|fanin|ring|create|big|work|idle|idle-cpu|wake|delay THREADS [SCALE]
 *
 * Sizes are the kit's. A producer whose counter's mailbox is full (1,024 messages) is refused, yields by a
 * message to itself and goes on (the note of 1b and 1c says how often); so does a child of 1e. `./dev bench
 * actors` runs it beside the peers and judges the goals. */
#include "runtime/os/clock.h"
#include "runtime/os/random.h"
#include "runtime/scheduler.h"

#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { KIND_GO = 1000, KIND_PING, KIND_PONG, KIND_ONE, KIND_HOP, KIND_ROUND };
enum { CREW_MAX = 256, PRODUCER_TURN = 64, BIG_ACTORS = 100, RING_ACTORS = 100, WORK_ACTORS = 64 };

struct word { /* The body of most messages. */
    uint64_t value;
};

struct pair_of_words { /* 1f's. */
    uint64_t value;
    uint64_t from;
};

static struct scheduler *pool;
static struct runtime *runtime;
static struct actor_id crew[CREW_MAX];
static uint64_t refusals; /* Atomic. */
static uint32_t threads;

/* --- the main thread waits for the actors ----------------------------------------------------------------
 */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static uint32_t gate_opened;

static void gate_open(void)
{
    pthread_mutex_lock(&gate_lock);
    gate_opened++;
    pthread_cond_signal(&gate_changed);
    pthread_mutex_unlock(&gate_lock);
}

static void gate_await(uint32_t count)
{
    pthread_mutex_lock(&gate_lock);
    while (gate_opened < count) {
        pthread_cond_wait(&gate_changed, &gate_lock);
    }
    gate_opened -= count;
    pthread_mutex_unlock(&gate_lock);
}

/* --- what every workload needs ----------------------------------------------------------------------------
 */

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void nap(int64_t time_ns)
{
    struct timespec left = { time_ns / 1000000000, time_ns % 1000000000 };
    (void)ppoll(NULL, 0, &left, NULL);
}

static void figure_of(const char *peer, const char *name, double value, const char *unit,
                      const char *direction, const char *format, va_list arguments)
{
    printf("BENCH fig=%s peer=%s val=%.6g unit=%s dir=%s note=\"", name, peer, value, unit, direction);
    vprintf(format, arguments);
    printf("\"\n");
    fflush(stdout);
}

__attribute__((format(printf, 5, 6))) static void figure(const char *name, double value, const char *unit,
                                                         const char *direction, const char *format, ...)
{
    char peer[32];
    snprintf(peer, sizeof peer, "aether-t%u", threads);
    va_list arguments;
    va_start(arguments, format);
    figure_of(peer, name, value, unit, direction, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 4, 5))) static void limit_figure(const char *name, double value,
                                                               const char *unit, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    figure_of("limit-futex", name, value, unit, "down", format, arguments);
    va_end(arguments);
}

static double per_second(uint64_t count, int64_t began_ns)
{
    return (double)count * 1e9 / (double)(now_ns() - began_ns);
}

static struct actor_id spawn(const struct behavior *behavior, const void *options)
{
    struct actor_id id = { 0, 0 };
    struct error error;
    if (runtime_spawn(runtime, behavior, &(struct spawn_options){ .options = options }, &id, &error) ==
        STATUS_OK)
        return id;
    fprintf(stderr, "actors_bench: %s\n", error.message);
    exit(70);
}

static struct message *word_create(uint32_t kind, uint64_t value)
{
    struct message *message = message_create(kind, sizeof(struct word));
    ((struct word *)message->body)->value = value;
    return message;
}

static uint64_t word_of(const struct message *message)
{
    return ((const struct word *)message->body)->value;
}

static bool send_word(struct actor *self, struct actor_id to, uint32_t kind, uint64_t value)
{
    struct message *message = word_create(kind, value);
    if (actor_send(self, to, &message) == STATUS_OK) return true;
    message_destroy(&message);
    return false;
}

static void tell_from_outside(struct actor_id to, uint32_t kind, uint64_t value)
{
    struct message *message = word_create(kind, value);
    if (runtime_send(runtime, to, &message) == STATUS_OK) return;
    fprintf(stderr, "actors_bench: the first message was refused\n");
    exit(70);
}

static uint64_t xorshift(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* State of all workloads' actors: options copied. */
struct member {
    uint64_t left;
    uint64_t number;
    uint64_t random;
};

static enum status member_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    if (options != NULL) memcpy(state, options, sizeof(struct member));
    return STATUS_OK;
}

#define MEMBER_BEHAVIOR(behavior_name, behavior_rows)                                                        \
    {                                                                                                        \
        .name = behavior_name, .state_size = sizeof(struct member), .init = member_init,                     \
        .rows = (behavior_rows), .row_count = ARRAY_COUNT(behavior_rows)                                     \
    }

/* --- 1a: ping-pong ----------------------------------------------------------------------------------------
 */

static void on_pong(struct actor *self, void *state, const struct message *message)
{
    struct member *pinger = state;
    if (pinger->left-- == 0) gate_open();
    else (void)send_word(self, crew[1], KIND_PING, word_of(message) + 1);
}

static void on_ping(struct actor *self, void *state, const struct message *message)
{
    (void)state;
    (void)send_word(self, crew[0], KIND_PONG, word_of(message) + 1);
}

static void run_pingpong(double scale)
{
    static const struct behavior_row pinger_rows[] = { { KIND_PONG, on_pong } };
    static const struct behavior_row ponger_rows[] = { { KIND_PING, on_ping } };
    static const struct behavior pinger = MEMBER_BEHAVIOR("pinger", pinger_rows);
    static const struct behavior ponger = MEMBER_BEHAVIOR("ponger", ponger_rows);
    uint64_t rounds = (uint64_t)(5e6 * scale);
    crew[0] = spawn(&pinger, &(struct member){ .left = rounds });
    crew[1] = spawn(&ponger, NULL);
    int64_t began_ns = now_ns();
    tell_from_outside(crew[0], KIND_PONG, 0);
    gate_await(1);
    figure("1a.pingpong", per_second(rounds, began_ns), "rt/s", "up", "n=%lu", rounds);
}

/* --- 1b, 1c: counting and fan-in ---------------------------------------------------------------------------
 */

static void on_one(struct actor *self, void *state, const struct message *message)
{
    (void)self;
    struct member *counter = state;
    counter->left -= word_of(message);
    if (counter->left == 0) gate_open();
}

static void on_produce(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct member *producer = state;
    for (uint32_t i = 0; i < PRODUCER_TURN && producer->left > 0; i++) {
        if (!send_word(self, crew[0], KIND_ONE, 1)) {
            __atomic_fetch_add(&refusals, 1, __ATOMIC_RELAXED);
            break;
        }
        producer->left--;
    }
    if (producer->left > 0) (void)send_word(self, actor_self(self), KIND_GO, 0);
}

static void run_fanin(const char *name, uint32_t producers, double scale)
{
    static const struct behavior_row counter_rows[] = { { KIND_ONE, on_one } };
    static const struct behavior_row producer_rows[] = { { KIND_GO, on_produce } };
    static const struct behavior counter = MEMBER_BEHAVIOR("counter", counter_rows);
    static const struct behavior producer = MEMBER_BEHAVIOR("producer", producer_rows);
    uint64_t each = (uint64_t)(10e6 * scale) / producers;
    crew[0] = spawn(&counter, &(struct member){ .left = each * producers });
    for (uint32_t i = 1; i <= producers; i++) {
        crew[i] = spawn(&producer, &(struct member){ .left = each });
    }
    int64_t began_ns = now_ns();
    for (uint32_t i = 1; i <= producers; i++) {
        tell_from_outside(crew[i], KIND_GO, 0);
    }
    gate_await(1);
    figure(name, per_second(each * producers, began_ns), "msg/s", "up", "n=%lu refused=%lu", each * producers,
           __atomic_load_n(&refusals, __ATOMIC_RELAXED));
}

static void run_count(double scale)
{
    run_fanin("1b.count", 1, scale);
}

static void run_fanin100(double scale)
{
    run_fanin("1c.fanin100", 100, scale);
}

/* --- 1d: ring ---------------------------------------------------------------------------------------------
 */

static void on_hop(struct actor *self, void *state, const struct message *message)
{
    const struct member *member = state;
    uint64_t left = word_of(message);
    if (left == 0) gate_open();
    else (void)send_word(self, crew[member->number], KIND_HOP, left - 1);
}

static void run_ring(double scale)
{
    static const struct behavior_row rows[] = { { KIND_HOP, on_hop } };
    static const struct behavior behavior = MEMBER_BEHAVIOR("ringer", rows);
    uint64_t hops = (uint64_t)(10e6 * scale);
    for (uint32_t i = 0; i < RING_ACTORS; i++) {
        crew[i] = spawn(&behavior, &(struct member){ .number = (i + 1) % RING_ACTORS });
    }
    int64_t began_ns = now_ns();
    tell_from_outside(crew[0], KIND_HOP, hops);
    gate_await(1);
    figure("1d.ring100", per_second(hops, began_ns), "hops/s", "up", "n=%lu", hops);
}

/* --- 1e: create, one message to it, its answer, its end
 * ----------------------------------------------------- */

enum { CREATE_TURN = 64 };

static void on_child(struct actor *self, void *state, const struct message *message)
{
    (void)state;
    bool counted = send_word(self, crew[0], KIND_ONE, word_of(message));
    if (counted) actor_stop(self, actor_self(self));
    else (void)send_word(self, actor_self(self), KIND_GO, word_of(message)); /* It is full: again, later. */
}

static void on_create(struct actor *self, void *state, const struct message *message)
{
    static const struct behavior_row rows[] = { { KIND_GO, on_child } };
    static const struct behavior child = { .name = "child", .rows = rows, .row_count = ARRAY_COUNT(rows) };
    (void)message;
    struct member *creator = state;
    for (uint32_t i = 0; i < CREATE_TURN && creator->left > 0; i++, creator->left--) {
        struct actor_id id;
        if (actor_spawn(self, &child, NULL, &id, NULL) != STATUS_OK) exit(70);
        (void)send_word(self, id, KIND_GO, 1);
    }
    if (creator->left > 0) (void)send_word(self, actor_self(self), KIND_GO, 0);
}

static void run_create(double scale)
{
    static const struct behavior_row counter_rows[] = { { KIND_ONE, on_one } };
    static const struct behavior_row creator_rows[] = { { KIND_GO, on_create } };
    static const struct behavior counter = MEMBER_BEHAVIOR("counter", counter_rows);
    static const struct behavior creator = MEMBER_BEHAVIOR("creator", creator_rows);
    uint64_t count = (uint64_t)(1e6 * scale);
    crew[0] = spawn(&counter, &(struct member){ .left = count });
    crew[1] = spawn(&creator, &(struct member){ .left = count });
    int64_t began_ns = now_ns();
    tell_from_outside(crew[1], KIND_GO, 0);
    gate_await(1);
    figure("1e.create", per_second(count, began_ns), "actors/s", "up", "n=%lu each ends after its answer",
           count);
}

/* --- 1e: bytes of an idle actor
 * ----------------------------------------------------------------------------- */

static long resident_kib(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
    }
    if (file != NULL) fclose(file);
    return kib;
}

static uint64_t idlers_left; /* Atomic. */

static void on_idle(struct actor *self, void *state, const struct message *message)
{
    (void)self, (void)message;
    ((struct word *)state)->value++;
    if (__atomic_sub_fetch(&idlers_left, 1, __ATOMIC_RELAXED) == 0) gate_open();
}

static void on_hatch(struct actor *self, void *state, const struct message *message)
{
    static const struct behavior_row rows[] = { { KIND_GO, on_idle } };
    static const struct behavior idler = {
        .name = "idler", .state_size = sizeof(struct word), .rows = rows, .row_count = ARRAY_COUNT(rows)
    };
    (void)message;
    struct member *creator = state;
    for (uint32_t i = 0; i < CREATE_TURN && creator->left > 0; i++, creator->left--) {
        struct actor_id id;
        if (actor_spawn(self, &idler, NULL, &id, NULL) != STATUS_OK) exit(70);
        (void)send_word(self, id, KIND_GO, 1);
    }
    if (creator->left > 0) (void)send_word(self, actor_self(self), KIND_GO, 0);
}

static void run_idle(double scale)
{
    static const struct behavior_row creator_rows[] = { { KIND_GO, on_hatch } };
    static const struct behavior creator = MEMBER_BEHAVIOR("creator", creator_rows);
    uint64_t count = (uint64_t)(2e5 * scale);
    idlers_left = count;
    crew[0] = spawn(&creator, &(struct member){ .left = count });
    long before_kib = resident_kib();
    tell_from_outside(crew[0], KIND_GO, 0);
    gate_await(1);
    nap(100000000);
    figure("1e.idle-bytes", (double)(resident_kib() - before_kib) * 1024 / (double)count, "B/actor", "down",
           "n=%lu resident, with its state of 8 bytes and its place in its parent", count);
}

/* --- 1f: all to all
 * ------------------------------------------------------------------------------------------ */

static void send_pair(struct actor *self, struct actor_id to, uint32_t kind, uint64_t from)
{
    struct message *message = message_create(kind, sizeof(struct pair_of_words));
    *(struct pair_of_words *)message->body = (struct pair_of_words){ .value = 1, .from = from };
    actor_tell(self, to, &message);
}

static void on_big_ping(struct actor *self, void *state, const struct message *message)
{
    (void)state;
    send_pair(self, crew[((const struct pair_of_words *)message->body)->from], KIND_PONG, 0);
}

static void on_big_pong(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct member *member = state;
    if (member->left == 0) {
        gate_open();
        return;
    }
    member->left--;
    send_pair(self, crew[xorshift(&member->random) % BIG_ACTORS], KIND_PING, member->number);
}

static void run_big(double scale)
{
    static const struct behavior_row rows[] = { { KIND_PING, on_big_ping }, { KIND_PONG, on_big_pong } };
    static const struct behavior behavior = MEMBER_BEHAVIOR("member", rows);
    uint64_t pings = (uint64_t)(50000 * scale);
    for (uint32_t i = 0; i < BIG_ACTORS; i++) {
        struct member options = { .left = pings,
                                  .number = i,
                                  .random = UINT64_C(88172645463325252) + i * 7919 };
        crew[i] = spawn(&behavior, &options);
    }
    int64_t began_ns = now_ns();
    for (uint32_t i = 0; i < BIG_ACTORS; i++) {
        tell_from_outside(crew[i], KIND_PONG, 0);
    }
    gate_await(BIG_ACTORS);
    figure("1f.big100", per_second(pings * BIG_ACTORS, began_ns), "rt/s", "up", "n=%lu", pings * BIG_ACTORS);
}

/* --- 1g: about 1 us of work a message
 * --------------------------------------------------------------------------- */

static volatile uint64_t work_sink; /* So that no compiler leaves the work out. */

static void work(void)
{
    uint64_t x = UINT64_C(88172645463325252);
    for (uint32_t i = 0; i < 400; i++) {
        (void)xorshift(&x);
    }
    work_sink = x;
}

static void on_work(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct member *worker = state;
    work();
    if (--worker->left == 0) gate_open();
    else (void)send_word(self, actor_self(self), KIND_GO, 0);
}

static void run_work(double scale)
{
    static const struct behavior_row rows[] = { { KIND_GO, on_work } };
    static const struct behavior behavior = MEMBER_BEHAVIOR("worker", rows);
    uint64_t each = (uint64_t)(12000 * scale);
    for (uint32_t i = 0; i < WORK_ACTORS; i++) {
        crew[i] = spawn(&behavior, &(struct member){ .left = each });
    }
    int64_t began_ns = now_ns();
    for (uint32_t i = 0; i < WORK_ACTORS; i++) {
        tell_from_outside(crew[i], KIND_GO, 0);
    }
    gate_await(WORK_ACTORS);
    figure("1g.work1us", per_second(each * WORK_ACTORS, began_ns), "msg/s", "up",
           "64 actors, about 1 us of work per message");
}

/* --- 1h: an idle pool, and its first message
 * -------------------------------------------------------------------- */

static void on_nothing(struct actor *self, void *state, const struct message *message)
{
    (void)self, (void)state, (void)message;
}

static double cpu_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void run_idle_cpu(double scale)
{
    static const struct behavior_row rows[] = { { KIND_GO, on_nothing } };
    static const struct behavior behavior = MEMBER_BEHAVIOR("sleeper", rows);
    for (uint32_t i = 0; i < 100; i++) {
        tell_from_outside(spawn(&behavior, NULL), KIND_GO, 0);
    }
    nap(200000000);
    double before = cpu_seconds();
    double seconds = 2 * scale;
    nap((int64_t)(seconds * 1e9));
    figure("1h.idle-cpu", (cpu_seconds() - before) * 1000 / seconds, "ms/s", "down", "100 idle actors");
}

enum { WAKES_MAX = 4000, WAKE_PAUSE_NS = 500000 };

static int64_t wake_times_ns[WAKES_MAX];
static int64_t sent_ns; /* Written before the wake, read after it. */

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static double wake_us(uint32_t count, double share)
{
    qsort(wake_times_ns, count, sizeof wake_times_ns[0], by_value);
    return (double)wake_times_ns[(uint32_t)((count - 1) * share)] / 1000;
}

static uint32_t futex_word; /* Atomic: how many wakes were asked for. */
static uint32_t futex_count;

static void *futex_sleeper(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < futex_count; i++) {
        while (__atomic_load_n(&futex_word, __ATOMIC_ACQUIRE) == i) {
            syscall(SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, i, NULL, NULL, 0);
        }
        wake_times_ns[i] = now_ns() - sent_ns;
    }
    return NULL;
}

static void measure_futex(uint32_t count)
{
    pthread_t sleeper;
    futex_count = count;
    if (pthread_create(&sleeper, NULL, futex_sleeper, NULL) != 0) exit(70);
    for (uint32_t i = 0; i < count; i++) {
        nap(WAKE_PAUSE_NS);
        sent_ns = now_ns();
        __atomic_store_n(&futex_word, i + 1, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, &futex_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
    pthread_join(sleeper, NULL);
    limit_figure("1h.wake-p50", wake_us(count, 0.5), "us", "n=%u a thread asleep on a futex", count);
    limit_figure("1h.wake-p99", wake_us(count, 0.99), "us", "n=%u", count);
}

static void on_wake(struct actor *self, void *state, const struct message *message)
{
    (void)self, (void)state;
    wake_times_ns[word_of(message)] = now_ns() - sent_ns;
    gate_open();
}

static void run_wake(double scale)
{
    static const struct behavior_row rows[] = { { KIND_GO, on_wake } };
    static const struct behavior behavior = MEMBER_BEHAVIOR("sleeper", rows);
    uint32_t count = (uint32_t)(1000 * scale);
    if (count > WAKES_MAX) count = WAKES_MAX;
    measure_futex(count);
    struct actor_id id = spawn(&behavior, NULL);
    for (uint32_t i = 0; i < count; i++) {
        nap(WAKE_PAUSE_NS);
        struct message *message = word_create(KIND_GO, i);
        sent_ns = now_ns();
        if (runtime_send(runtime, id, &message) != STATUS_OK) exit(70);
        gate_await(1);
    }
    figure("1h.wake-p50", wake_us(count, 0.5), "us", "down", "n=%u first message to an idle pool", count);
    figure("1h.wake-p99", wake_us(count, 0.99), "us", "down", "n=%u", count);
}

/* --- 1i: 1,000 of 100,000 actors ready
 * ------------------------------------------------------------------------- */

enum { DELAY_ACTORS = 100000, DELAY_READY = 1000, DELAYS_MAX = 400000 };

static int64_t delays_ns[DELAYS_MAX];
static uint32_t delay_count; /* Atomic. */

/* Does 10 us of work, then sends itself the next message: how long it waits for its turn is the delay. */
static void on_round(struct actor *self, void *state, const struct message *message)
{
    struct member *member = state;
    int64_t began_ns = now_ns();
    if (member->left < 100) { /* The first messages were all sent at once from outside. */
        uint32_t at = __atomic_fetch_add(&delay_count, 1, __ATOMIC_RELAXED);
        if (at < DELAYS_MAX) delays_ns[at] = began_ns - (int64_t)word_of(message);
    }
    for (uint32_t i = 0; i < 6; i++) {
        work();
    }
    if (--member->left == 0) gate_open();
    else (void)send_word(self, actor_self(self), KIND_ROUND, (uint64_t)now_ns());
}

static void run_delay(double scale)
{
    static const struct behavior_row rows[] = { { KIND_ROUND, on_round } };
    static const struct behavior behavior = MEMBER_BEHAVIOR("one_of_many", rows);
    static struct actor_id ids[DELAY_ACTORS];
    uint64_t rounds = 1 + (uint64_t)(100 * scale);
    for (uint32_t i = 0; i < DELAY_ACTORS; i++) {
        ids[i] = spawn(&behavior, &(struct member){ .left = rounds });
    }
    int64_t began_ns = now_ns();
    for (uint32_t i = 0; i < DELAY_READY; i++) {
        tell_from_outside(ids[(uint64_t)i * DELAY_ACTORS / DELAY_READY], KIND_ROUND, (uint64_t)now_ns());
    }
    gate_await(DELAY_READY);
    double turn_us = (double)(now_ns() - began_ns) / 1000 * threads / (double)(rounds * DELAY_READY);
    uint32_t count = delay_count < DELAYS_MAX ? delay_count : DELAYS_MAX;
    qsort(delays_ns, count, sizeof delays_ns[0], by_value);
    double p99_us = (double)delays_ns[(uint32_t)((count - 1) * 0.99)] / 1000;
    figure("1i.delay-p99", p99_us / 1000, "ms", "down", "1000 of 100000 actors ready, a turn takes %.1f us",
           turn_us);
    figure("1i.delay-share", p99_us / (2 * DELAY_READY * turn_us / threads), "ratio", "down",
           "p99 delay over 2 x ready x turn / threads; the goal is at most 1");
}

/* --- which
 * ------------------------------------------------------------------------------------------------------ */

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(double scale);
    } workloads[] = {
        { "pingpong", run_pingpong }, { "count", run_count }, { "fanin", run_fanin100 }, { "ring", run_ring },
        { "create", run_create },     { "big", run_big },     { "work", run_work },      { "idle", run_idle },
        { "idle-cpu", run_idle_cpu }, { "wake", run_wake },   { "delay", run_delay },
    };
    threads = argc > 2 ? (uint32_t)atoi(argv[2]) : 0;
    double scale = argc > 3 ? atof(argv[3]) : 1;
    for (uint32_t i = 0; i < ARRAY_COUNT(workloads) && threads > 0 && scale > 0; i++) {
        if (strcmp(argv[1], workloads[i].name) != 0) continue;
        pool = pool_create(
            &(struct pool_options){ .threads = { threads, 1, 1 }, .clock = &clock_os, .random = &random_os });
        runtime = runtime_create(&(struct runtime_options){ .scheduler = pool, .node = "bench" });
        workloads[i].run(scale);
        _exit(0); /* The figure is printed; what ends is not measured. */
    }
    fprintf(stderr, "usage: actors_bench pingpong|count|fanin|ring|create|big|work|idle|idle-cpu|wake|delay "
                    "THREADS [SCALE]\n");
    return 2;
}
