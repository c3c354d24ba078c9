/* seeds: many seeds on several cores: worker processes that each take every n-th, one after the other, and
 * tell their parent. A worker that dies (a CHECK, a signal) is a seed that failed. */
#ifndef AETHER_TESTS_SUPPORT_SEEDS_H
#define AETHER_TESTS_SUPPORT_SEEDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEEDS_FAILURE_MAX = 512, SEEDS_FIGURES_MAX = 16, SEEDS_JOBS_MAX = 64 };

/* What one seed gave. Travels through a pipe as it is. */
struct seed_outcome {
    uint64_t seed;
    bool failed;
    char failure[SEEDS_FAILURE_MAX];
    uint64_t figures[SEEDS_FIGURES_MAX]; /* Summed up over all seeds. */
};

struct seeds_plan {
    uint64_t first;
    uint64_t last;
    uint32_t jobs;         /* 0 = as many as there are cores. */
    uint32_t failures_max; /* Stops after so many; 0 = 1. */
    void (*run)(void *context, uint64_t seed, struct seed_outcome *outcome);
    void *context;
};

struct seeds_sum {
    uint64_t run; /* Seeds that ended. */
    uint64_t failed;
    struct seed_outcome first; /* The failed one with the lowest number, among those that ran. */
    uint64_t figures[SEEDS_FIGURES_MAX];
    uint64_t *marks; /* Hits of all workers, in the order of mark_all; NULL: this program has none. */
};

/* Prints each failure to stderr by `print` as it comes. With failures, each seed below the lowest failed one
 * did run: so what is found first does not depend on the number of jobs. */
void seeds_run(const struct seeds_plan *plan, void (*print)(const struct seed_outcome *outcome),
               struct seeds_sum *out_sum);
void seeds_sum_fini(struct seeds_sum *sum);

#endif
