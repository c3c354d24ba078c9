/* histogram: how long things took, as quantiles, in fixed memory (1.3 KiB) and a few instructions a value.
 * Eight buckets for each doubling, as in HdrHistogram (Tene) with one significant octal digit: a quantile is
 * told at most an eighth too high, never too low. Counts are halved when one is full, so that what happened
 * lately weighs more. Pure, not thread-safe; zeroed = empty. */
#ifndef AETHER_RUNTIME_BASE_HISTOGRAM_H
#define AETHER_RUNTIME_BASE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 320 };
#define HISTOGRAM_VALUE_MAX                                                                                  \
    ((UINT64_C(1) << 42) - 1) /* Of nanoseconds: 73 minutes; what is more counts as that. */

struct histogram {
    uint64_t total; /* Ever added, whatever was halved since. */
    uint64_t max;   /* Of all that was ever added. */
    uint32_t counts[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value);
/* The value that `permille` of a thousand do not exceed (500: the median); 0: nothing was added. */
uint64_t histogram_quantile(const struct histogram *histogram, uint32_t permille);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* Halves what was counted: called once a period, quantiles speak of the last few periods. */
void histogram_fade(struct histogram *histogram);

#endif
