/* slice_metrics: a slice's counters and gauges (host->count, host->gauge), gathered where it runs and told
 * with each health check: a counter in a hot path costs no message. Part of a runner. */
#ifndef AETHER_ACTORS_SLICE_SLICE_METRICS_H
#define AETHER_ACTORS_SLICE_SLICE_METRICS_H

#include "actors/slice/slice_frame.h"

enum { SLICE_METRICS_MAX = 64, SLICE_METRIC_NAME_MAX = 64 };

struct slice_metric {
    char name[SLICE_METRIC_NAME_MAX];
    bool is_gauge;
    bool changed;
    uint64_t count;
    double gauge;
};

struct slice_metrics { /* Zeroed: none. */
    struct slice_metric metrics[SLICE_METRICS_MAX];
    uint32_t count;
};

/* A name that is none, of the other kind, or one too many, is ignored. */
void slice_metrics_count(struct slice_metrics *metrics, const char *name, uint64_t amount);
void slice_metrics_gauge(struct slice_metrics *metrics, const char *name, double value);
/* The next one that has changed, as what is to be told of it; false: no more. *at: 0 at first. */
bool slice_metrics_next(struct slice_metrics *metrics, uint32_t *at, struct slice_frame *out_frame);

#endif
