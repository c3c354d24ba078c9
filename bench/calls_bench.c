/* calls_bench: what the machine itself takes for what a call consists of, so that the figures of
 * bench/calls.py are ratios also where the kit of peers is not there:
 *
 *     calls_bench memcpy SIZE     copying so many bytes, GB/s
 *     calls_bench futex | spin    a round trip through shared memory between two processes, microseconds
 *
 * Prints lines of the form that facts.md gives. */
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD = 64, SPIN_TRIPS = 200000, FUTEX_TRIPS = 20000, PAUSE_MS = 2, IDLE_TRIPS = 300 };

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return SECONDS(now.tv_sec) + now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static void show(const char *figure, const char *peer, double value, const char *unit, const char *direction,
                 const char *note)
{
    printf("BENCH fig=%s peer=%s val=%.6g unit=%s dir=%s note=\"%s\"\n", figure, peer, value, unit, direction,
           note);
}

/* --- memcpy --------------------------------------------------------------------------------------------- */

/* Several buffers in turn, as a ring is: not the one line of cache that is warm. */
static void bench_memcpy(uint64_t size)
{
    enum { BUFFERS = 4, TIMES = 2000 };
    uint8_t *from = memory_array(BUFFERS, size);
    uint8_t *to = memory_array(BUFFERS, size);
    memset(from, 1, BUFFERS * size);
    memset(to, 2, BUFFERS * size);
    int64_t began_ns = now_ns();
    for (uint64_t i = 0; i < TIMES; i++) {
        memcpy(to + i % BUFFERS * size, from + i % BUFFERS * size, size);
        __asm__ volatile("" : : "r"(to) : "memory");
    }
    double seconds = (double)(now_ns() - began_ns) / 1e9;
    show("5.copy-1MiB", "limit-memcpy", (double)size * TIMES / seconds / 1e9, "GB/s", "up",
         "four buffers in turn");
    memory_free(from);
    memory_free(to);
}

/* --- shared memory -------------------------------------------------------------------------------------- */

struct lane {
    _Alignas(64) uint32_t sequence;
    uint8_t data[PAYLOAD];
};
struct lanes {
    struct lane there;
    struct lane back;
};

static void lane_post(struct lane *lane, uint32_t sequence, bool spin)
{
    __atomic_store_n(&lane->sequence, sequence, __ATOMIC_SEQ_CST);
    if (!spin) (void)syscall(SYS_futex, &lane->sequence, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void lane_await(struct lane *lane, uint32_t sequence, bool spin)
{
    uint32_t seen;
    while ((seen = __atomic_load_n(&lane->sequence, __ATOMIC_ACQUIRE)) != sequence) {
        if (spin) __builtin_ia32_pause();
        else (void)syscall(SYS_futex, &lane->sequence, FUTEX_WAIT, seen, NULL, NULL, 0);
    }
}

static _Noreturn void answer_for_ever(struct lanes *lanes, bool spin)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint32_t i = 1;; i++) {
        lane_await(&lanes->there, i, spin);
        memcpy(lanes->back.data, lanes->there.data, PAYLOAD);
        lane_post(&lanes->back, i, spin);
    }
}

/* p50 of `trips` round trips, with a pause between two of them or none. */
static double trip_us(struct lanes *lanes, uint32_t *sequence, uint32_t trips, int pause_ms, bool spin)
{
    uint8_t payload[PAYLOAD] = { 0 };
    int64_t *taken_ns = memory_array(trips, sizeof *taken_ns);
    for (uint32_t i = 0; i < trips; i++) {
        if (pause_ms > 0) (void)poll(NULL, 0, pause_ms);
        int64_t began_ns = now_ns();
        memcpy(lanes->there.data, payload, PAYLOAD);
        lane_post(&lanes->there, ++*sequence, spin);
        lane_await(&lanes->back, *sequence, spin);
        memcpy(payload, lanes->back.data, PAYLOAD);
        taken_ns[i] = now_ns() - began_ns;
    }
    qsort(taken_ns, trips, sizeof *taken_ns, by_value);
    size_t middle = trips / 2;
    double p50_us = (double)taken_ns[middle] / 1e3;
    memory_free(taken_ns);
    return p50_us;
}

static void bench_shared_memory(bool spin)
{
    struct lanes *lanes =
        mmap(NULL, sizeof *lanes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(lanes != MAP_FAILED);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) answer_for_ever(lanes, spin);
    uint32_t sequence = 0;
    (void)trip_us(lanes, &sequence, 1000, 0, spin);
    double busy_us = trip_us(lanes, &sequence, spin ? SPIN_TRIPS : FUTEX_TRIPS, 0, spin);
    show("5.isolated-rtt", spin ? "bare-spin" : "bare-futex", busy_us, "us", "down", "p50, 64 B, unpinned");
    if (!spin)
        show("5.isolated-idle", "bare-futex", trip_us(lanes, &sequence, IDLE_TRIPS, PAUSE_MS, false), "us",
             "down", "p50, 64 B, unpinned, 2 ms of silence between two");
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    (void)munmap(lanes, sizeof *lanes);
}

int main(int argc, char **argv)
{
    uint64_t size;
    if (argc == 3 && strcmp(argv[1], "memcpy") == 0 && text_to_u64(argv[2], &size)) bench_memcpy(size);
    else if (argc == 2 && strcmp(argv[1], "futex") == 0) bench_shared_memory(false);
    else if (argc == 2 && strcmp(argv[1], "spin") == 0) bench_shared_memory(true);
    else {
        fprintf(stderr, "usage: calls_bench memcpy SIZE | futex | spin\n");
        return 2;
    }
    return 0;
}
