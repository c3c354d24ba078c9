/* seeds: see the header. The parent hands out one seed at a time, so that a slow one holds up nobody else. */
#include "tests/support/seeds.h"

#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct worker {
    pid_t pid;
    int to;   /* Seeds: 0 means the end. */
    int from; /* Outcomes; after the end the marks. */
    uint64_t seed;
    bool busy;
};

static bool read_all(int fd, void *buffer, size_t size)
{
    uint8_t *bytes = buffer;
    while (size > 0) {
        ssize_t got = read(fd, bytes, size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        bytes += got;
        size -= (size_t)got;
    }
    return true;
}

static bool write_all(int fd, const void *buffer, size_t size)
{
    const uint8_t *bytes = buffer;
    while (size > 0) {
        ssize_t put = write(fd, bytes, size);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        bytes += put;
        size -= (size_t)put;
    }
    return true;
}

static void send_marks(int to)
{
    uint32_t count = 0;
    const struct mark *marks = mark_all(&count);
    for (uint32_t i = 0; i < count; i++) {
        if (!write_all(to, &marks[i].hits, sizeof marks[i].hits)) _exit(1);
    }
}

static _Noreturn void work(const struct seeds_plan *plan, int from, int to)
{
    uint64_t seed = 0;
    while (read_all(from, &seed, sizeof seed) && seed != 0) {
        struct seed_outcome outcome = { .seed = seed };
        plan->run(plan->context, seed, &outcome);
        if (!write_all(to, &outcome, sizeof outcome)) _exit(1);
    }
    send_marks(to);
    (void)fflush(NULL);
    _exit(0);
}

static void start(struct worker *workers, uint32_t at, const struct seeds_plan *plan)
{
    int orders[2];
    int outcomes[2];
    CHECK(pipe(orders) == 0);
    CHECK(pipe(outcomes) == 0);
    (void)fflush(NULL);
    struct worker *worker = &workers[at];
    worker->pid = fork();
    CHECK(worker->pid >= 0);
    if (worker->pid == 0) {
        for (uint32_t i = 0; i < at; i++) { /* Or the others would not see the parent's end. */
            (void)close(workers[i].to);
            (void)close(workers[i].from);
        }
        (void)close(orders[1]);
        (void)close(outcomes[0]);
        work(plan, orders[0], outcomes[1]);
    }
    (void)close(orders[0]);
    (void)close(outcomes[1]);
    worker->to = orders[1];
    worker->from = outcomes[0];
}

static void give(struct worker *worker, uint64_t seed)
{
    worker->seed = seed;
    worker->busy = seed != 0;
    (void)write_all(worker->to, &seed, sizeof seed); /* If it died, its pipe says so. */
}

static void count_outcome(struct seeds_sum *sum, const struct seed_outcome *outcome)
{
    sum->run++;
    for (uint32_t i = 0; i < SEEDS_FIGURES_MAX; i++)
        sum->figures[i] += outcome->figures[i];
    if (!outcome->failed) return;
    if (sum->failed == 0 || outcome->seed < sum->first.seed) sum->first = *outcome;
    sum->failed++;
}

static void take_outcome(struct worker *worker, struct seeds_sum *sum,
                         void (*print)(const struct seed_outcome *outcome))
{
    struct seed_outcome outcome;
    worker->busy = false;
    if (!read_all(worker->from, &outcome, sizeof outcome)) {
        outcome = (struct seed_outcome){ .seed = worker->seed, .failed = true };
        (void)snprintf(outcome.failure, sizeof outcome.failure, "the process ended in this seed");
        worker->seed = 0; /* Nobody is there to be given another. */
    }
    count_outcome(sum, &outcome);
    if (outcome.failed && print != NULL) print(&outcome);
}

static void finish(struct worker *worker, struct seeds_sum *sum, uint32_t mark_count)
{
    give(worker, 0);
    for (uint32_t i = 0; i < mark_count; i++) {
        uint64_t hits = 0;
        if (!read_all(worker->from, &hits, sizeof hits)) break;
        sum->marks[i] += hits;
    }
    (void)close(worker->to);
    (void)close(worker->from);
    while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

static uint32_t jobs_of(const struct seeds_plan *plan)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t jobs = plan->jobs != 0 ? plan->jobs : (uint32_t)(cores < 1 ? 1 : cores);
    uint64_t seeds = plan->last - plan->first + 1;
    if (jobs > seeds) jobs = (uint32_t)seeds;
    return jobs > SEEDS_JOBS_MAX ? SEEDS_JOBS_MAX : jobs;
}

static uint32_t await_outcomes(struct worker *workers, uint32_t jobs, struct seeds_sum *sum,
                               void (*print)(const struct seed_outcome *outcome))
{
    struct pollfd fds[SEEDS_JOBS_MAX];
    for (uint32_t i = 0; i < jobs; i++)
        fds[i] = (struct pollfd){ .fd = workers[i].busy ? workers[i].from : -1, .events = POLLIN };
    if (poll(fds, jobs, -1) < 0) return 0;
    uint32_t taken = 0;
    for (uint32_t i = 0; i < jobs; i++) {
        if ((fds[i].revents & (POLLIN | POLLHUP)) == 0) continue;
        take_outcome(&workers[i], sum, print);
        taken++;
    }
    return taken;
}

void seeds_run(const struct seeds_plan *plan, void (*print)(const struct seed_outcome *outcome),
               struct seeds_sum *out_sum)
{
    CHECK(plan->first > 0);
    (void)signal(SIGPIPE, SIG_IGN); /* A worker that died is seen by what it no longer says. */
    struct worker workers[SEEDS_JOBS_MAX] = { 0 };
    uint32_t mark_count = 0;
    (void)mark_all(&mark_count);
    memset(out_sum, 0, sizeof *out_sum);
    if (mark_count > 0) out_sum->marks = memory_array(mark_count, sizeof *out_sum->marks);
    uint32_t jobs = jobs_of(plan);
    uint32_t failures_max = plan->failures_max == 0 ? 1 : plan->failures_max;
    for (uint32_t i = 0; i < jobs; i++)
        start(workers, i, plan);
    uint64_t next = plan->first;
    uint32_t busy = 0;
    for (uint32_t i = 0; i < jobs && next <= plan->last; i++, busy++)
        give(&workers[i], next++);
    while (busy > 0) {
        busy -= await_outcomes(workers, jobs, out_sum, print);
        for (uint32_t i = 0; i < jobs; i++) {
            bool free = !workers[i].busy && workers[i].seed != 0;
            if (!free || next > plan->last || out_sum->failed >= failures_max) continue;
            give(&workers[i], next++);
            busy++;
        }
    }
    for (uint32_t i = 0; i < jobs; i++)
        finish(&workers[i], out_sum, mark_count);
}

void seeds_sum_fini(struct seeds_sum *sum)
{
    memory_free(sum->marks);
    sum->marks = NULL;
}
