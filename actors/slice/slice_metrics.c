/* slice_metrics: see the header. */
#include "actors/slice/slice_metrics.h"

#include "runtime/base/text.h"

#include <string.h>

static struct slice_metric *named(struct slice_metrics *metrics, const char *name, bool is_gauge)
{
    if (name == NULL || strlen(name) >= SLICE_METRIC_NAME_MAX || !text_is_utf8(name, strlen(name)))
        return NULL;
    for (uint32_t i = 0; i < metrics->count; i++)
        if (strcmp(metrics->metrics[i].name, name) == 0)
            return metrics->metrics[i].is_gauge == is_gauge ? &metrics->metrics[i] : NULL;
    if (metrics->count == SLICE_METRICS_MAX) return NULL;
    struct slice_metric *metric = &metrics->metrics[metrics->count++];
    (void)text_copy(metric->name, sizeof metric->name, name);
    metric->is_gauge = is_gauge;
    return metric;
}

void slice_metrics_count(struct slice_metrics *metrics, const char *name, uint64_t amount)
{
    struct slice_metric *metric = named(metrics, name, false);
    if (metric == NULL) return;
    metric->count += amount;
    metric->changed = true;
}

void slice_metrics_gauge(struct slice_metrics *metrics, const char *name, double value)
{
    struct slice_metric *metric = named(metrics, name, true);
    if (metric == NULL) return;
    metric->gauge = value;
    metric->changed = true;
}

bool slice_metrics_next(struct slice_metrics *metrics, uint32_t *at, struct slice_frame *out_frame)
{
    while (*at < metrics->count) {
        struct slice_metric *metric = &metrics->metrics[(*at)++];
        if (!metric->changed) continue;
        metric->changed = false;
        uint64_t value = metric->count;
        if (metric->is_gauge) memcpy(&value, &metric->gauge, sizeof value);
        *out_frame = (struct slice_frame){
            .type = SLICE_FRAME_METRIC, .id = metric->is_gauge, .number = value, .words = { metric->name }
        };
        return true;
    }
    return false;
}
