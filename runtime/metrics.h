/* metrics: what a node counts, by names that stay: Prometheus and people both read them. Names and units
 * follow OpenMetrics: aether_ before, the unit after, _total behind what only grows. What belongs to one kind
 * of actor carries the label `actor`, its behavior's name: sums over all that live or have lived. */
#ifndef AETHER_RUNTIME_METRICS_H
#define AETHER_RUNTIME_METRICS_H

#include "runtime/actor.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric { /* Constant, and lives for ever. */
    const char *name;
    const char *help; /* One sentence. */
    enum metric_type type;
};

struct metric_sample {
    const struct metric *metric;
    const char
        *suffix; /* Of the name: "_total" of a counter; "_bucket", "_count", "_sum" of a histogram; "". */
    const char *label;       /* Its one label's name, or NULL, */
    const char *label_value; /* and value. */
    double value;
};

/* Every sample, those of one metric together, always in the same order. Any thread; `visit` may not call the
 * runtime. Figures of running actors are a moment old. */
void runtime_visit_metrics(struct runtime *runtime,
                           void (*visit)(void *context, const struct metric_sample *sample), void *context);

/* Counts of an actor's own: one figure a metric and node, whoever sets it. They take a lock: not for each of
 * many messages, but once a turn. */
void metrics_add(struct actor *self, const struct metric *counter, uint64_t count);
void metrics_set(struct actor *self, const struct metric *gauge, double value);

/* How it goes (the watchdog's judgement). */
struct runtime_health {
    bool degraded;   /* A turn takes, or took within the last minute, over 2 s. */
    char actor[64];  /* The last one that took too long: whose turn, "" = none ever; */
    uint32_t kind;   /* the message that it handled; */
    int64_t turn_ms; /* how long it had taken when last seen. */
};
void runtime_health(struct runtime *runtime, struct runtime_health *out_health);

#endif
