/* retry_budget: how many retries a caller may still spend on a target: a tenth of its calls, and a small
 * constant that comes back with time, so that retries of those who fail together add little to a load that
 * broke something already (after Finagle's RetryBudget). A fixed table of buckets; callers whose hashes meet
 * share one. Pure; all zeros is a full budget. */
#ifndef AETHER_ACTORS_SLICE_RETRY_BUDGET_H
#define AETHER_ACTORS_SLICE_RETRY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RETRY_BUDGET_BUCKETS = 1024,
    RETRY_BUDGET_CONSTANT = 10, /* Retries that nobody has to earn; used up, one comes back each second. */
    RETRY_BUDGET_MAX = 100,     /* Earned ones that can be saved. */
};

struct retry_bucket {
    int64_t refilled_ns;
    uint32_t earned; /* In tenths of a retry. */
    uint32_t spent;  /* Of the constant. */
};

struct retry_budget {
    struct retry_bucket buckets[RETRY_BUDGET_BUCKETS];
};

/* `who` is a hash of caller and target. */
void retry_budget_earn(struct retry_budget *budget, uint64_t who);                  /* A call began. */
bool retry_budget_spend(struct retry_budget *budget, uint64_t who, int64_t now_ns); /* false: exhausted. */

#endif
