/* histogram: see the header. Values below 8 have buckets of their own; then each doubling has eight. */
#include "runtime/base/histogram.h"

#include "runtime/base/check.h"

enum { SUB_BITS = 3, SUB_COUNT = 1 << SUB_BITS };

static uint32_t bucket_of(uint64_t value)
{
    if (value < SUB_COUNT) return (uint32_t)value;
    uint32_t doubling = 63 - (uint32_t)__builtin_clzll(value) - SUB_BITS; /* 0: 8 to 15. */
    return (doubling + 1) * SUB_COUNT + (uint32_t)(value >> doubling & (SUB_COUNT - 1));
}

/* The largest value that counts there. */
static uint64_t bucket_top(uint32_t bucket)
{
    if (bucket < SUB_COUNT) return bucket;
    uint32_t doubling = bucket / SUB_COUNT - 1;
    uint64_t low = (uint64_t)(SUB_COUNT + bucket % SUB_COUNT) << doubling;
    return low + (UINT64_C(1) << doubling) - 1;
}

void histogram_fade(struct histogram *histogram)
{
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        histogram->counts[i] /= 2;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    if (value > HISTOGRAM_VALUE_MAX) value = HISTOGRAM_VALUE_MAX;
    uint32_t bucket = bucket_of(value);
    CHECK(bucket < HISTOGRAM_BUCKETS);
    if (histogram->counts[bucket] == UINT32_MAX) histogram_fade(histogram);
    histogram->counts[bucket]++;
    histogram->total++;
    if (value > histogram->max) histogram->max = value;
}

uint64_t histogram_quantile(const struct histogram *histogram, uint32_t permille)
{
    uint64_t counted = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        counted += histogram->counts[i];
    uint64_t wanted = (counted * permille + 999) / 1000; /* So many do not exceed it. */
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (histogram->counts[i] == 0 || seen < wanted) continue;
        uint64_t top = bucket_top(i);
        return top < histogram->max ? top : histogram->max;
    }
    return 0;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t sum = (uint64_t)into->counts[i] + from->counts[i];
        into->counts[i] = sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
    }
    into->total += from->total;
    if (from->max > into->max) into->max = from->max;
}
