/* retry_budget: see the header. */
#include "actors/slice/retry_budget.h"

enum { TENTHS = 10 };
static const int64_t second_ns = INT64_C(1000000000);

static struct retry_bucket *bucket_of(struct retry_budget *budget, uint64_t who)
{
    return &budget->buckets[who % RETRY_BUDGET_BUCKETS];
}

void retry_budget_earn(struct retry_budget *budget, uint64_t who)
{
    struct retry_bucket *bucket = bucket_of(budget, who);
    if (bucket->earned < RETRY_BUDGET_MAX * TENTHS) bucket->earned++;
}

/* The constant comes back one a second, from the moment when its first was spent. */
static void refill(struct retry_bucket *bucket, int64_t now_ns)
{
    int64_t seconds = (now_ns - bucket->refilled_ns) / second_ns;
    if (bucket->spent == 0 || seconds >= (int64_t)bucket->spent) {
        bucket->spent = 0;
        bucket->refilled_ns = now_ns;
    } else if (seconds > 0) {
        bucket->spent -= (uint32_t)seconds;
        bucket->refilled_ns += seconds * second_ns;
    }
}

bool retry_budget_spend(struct retry_budget *budget, uint64_t who, int64_t now_ns)
{
    struct retry_bucket *bucket = bucket_of(budget, who);
    refill(bucket, now_ns);
    if (bucket->earned >= TENTHS) {
        bucket->earned -= TENTHS;
        return true;
    }
    if (bucket->spent == RETRY_BUDGET_CONSTANT) return false;
    bucket->spent++;
    return true;
}
