/* histogram: counts of values, for quantiles with a relative error of at most 1/32 over the whole range of 64
 * bits. Log-linear: 32 equal steps to each power of two (after Tene's HdrHistogram). Fixed size, nothing to
 * free, merges by addition. A zeroed histogram is empty and valid. Not thread-safe. */
#ifndef AETHER_RUNTIME_BASE_HISTOGRAM_H
#define AETHER_RUNTIME_BASE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEP_BITS = 5, HISTOGRAM_BUCKETS = (64 - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS };

struct histogram {
    uint64_t count;
    uint64_t sum; /* Wraps; the mean of nanoseconds holds for centuries. */
    uint64_t min; /* Of count > 0. */
    uint64_t max;
    uint32_t buckets[HISTOGRAM_BUCKETS]; /* Each stops at its maximum. */
};

void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *histogram, const struct histogram *other);
/* The value that `per_mille` of all values don't exceed (500: median, 990: p99, 1000: max); 0: empty. */
uint64_t histogram_quantile(const struct histogram *histogram, uint32_t per_mille);
uint64_t histogram_mean(const struct histogram *histogram); /* 0: empty. */

#endif
