/* histogram: see the header. Bucket 0..31 are the values themselves; from there on a bucket is named by the
 * position of the highest bit and the 5 bits below it. */
#include "runtime/base/histogram.h"

#include "runtime/base/check.h"

enum { STEPS = 1 << HISTOGRAM_STEP_BITS };

static uint32_t bucket_of(uint64_t value)
{
    if (value < STEPS) return (uint32_t)value;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
    return shift * STEPS + (uint32_t)(value >> shift);
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_top(uint32_t bucket)
{
    if (bucket < 2 * STEPS) return bucket;
    uint32_t shift = bucket / STEPS - 1;
    uint64_t step = bucket % STEPS + STEPS;
    return ((step + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    uint32_t *bucket = &histogram->buckets[bucket_of(value)];
    if (*bucket != UINT32_MAX) ++*bucket;
    if (histogram->count == 0 || value < histogram->min) histogram->min = value;
    if (value > histogram->max) histogram->max = value;
    histogram->count++;
    histogram->sum += value;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    if (other->count == 0) return;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint32_t room = UINT32_MAX - histogram->buckets[i];
        histogram->buckets[i] += other->buckets[i] < room ? other->buckets[i] : room;
    }
    if (histogram->count == 0 || other->min < histogram->min) histogram->min = other->min;
    if (other->max > histogram->max) histogram->max = other->max;
    histogram->count += other->count;
    histogram->sum += other->sum;
}

uint64_t histogram_quantile(const struct histogram *histogram, uint32_t per_mille)
{
    CHECK(per_mille <= 1000);
    if (histogram->count == 0) return 0;
    /* Rounded up, and in two parts so that it can't overflow: the rank of the value, from 1. */
    uint64_t rank = histogram->count / 1000 * per_mille + (histogram->count % 1000 * per_mille + 999) / 1000;
    if (rank == 0) rank = 1;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen < rank) continue;
        uint64_t top = bucket_top(i);
        return top > histogram->max ? histogram->max : top;
    }
    return histogram->max;
}

uint64_t histogram_mean(const struct histogram *histogram)
{
    return histogram->count == 0 ? 0 : histogram->sum / histogram->count;
}
