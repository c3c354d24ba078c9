/* metrics: see the header. What the runtime counts of actors stands in their own places and is added up when
 * somebody asks; what an actor leaves behind is kept in a tally of its behavior. */
#include "runtime/metrics.h"

#include "runtime/base/memory.h"
#include "runtime/machine.h"

#include <stdio.h>
#include <string.h>

struct own { /* A figure that an actor sets. */
    const struct metric *metric;
    double value;
};

struct metrics {
    struct tally *tallies; /* In order of the first actor of each. */
    uint32_t tally_count;
    uint32_t tally_capacity;
    uint32_t tally_last; /* Found last: mostly the next one too. */
    struct own *owns;
    uint32_t own_count;
};

struct metrics *metrics_create(void)
{
    return memory_zalloc(sizeof(struct metrics));
}

void metrics_destroy(struct metrics **metrics)
{
    struct metrics *taken = *metrics;
    *metrics = NULL;
    memory_free(taken->tallies);
    memory_free(taken->owns);
    memory_free(taken);
}

/* --- tallies, under the runtime's lock ---------------------------------------------------------------- */

static struct tally *tally_find(const struct metrics *metrics, const char *name)
{
    for (uint32_t i = 0; i < metrics->tally_count; i++) {
        if (strcmp(metrics->tallies[i].name, name) == 0) return &metrics->tallies[i];
    }
    return NULL;
}

struct tally *metrics_tally(struct runtime *runtime, const struct behavior *behavior)
{
    struct metrics *metrics = runtime->metrics;
    if (metrics->tally_last < metrics->tally_count) {
        struct tally *last = &metrics->tallies[metrics->tally_last];
        if (last->name == behavior->name) return last;
    }
    struct tally *tally = tally_find(metrics, behavior->name);
    if (tally == NULL) {
        if (metrics->tally_count == metrics->tally_capacity) {
            metrics->tally_capacity = metrics->tally_capacity == 0 ? 16 : metrics->tally_capacity * 2;
            metrics->tallies =
                memory_realloc(metrics->tallies, metrics->tally_capacity * sizeof *metrics->tallies);
        }
        tally = &metrics->tallies[metrics->tally_count++];
        *tally = (struct tally){ .name = behavior->name };
    }
    metrics->tally_last = (uint32_t)(tally - metrics->tallies);
    return tally;
}

void metrics_fold(struct tally *tally, const struct actor *actor)
{
    tally->handled += __atomic_load_n(&actor->handled, __ATOMIC_RELAXED);
    tally->refused += __atomic_load_n(&actor->refused, __ATOMIC_RELAXED);
    tally->dropped += __atomic_load_n(&extras_of(actor)->dropped, __ATOMIC_RELAXED);
    tally->quarantined += __atomic_load_n(&extras_of(actor)->quarantined, __ATOMIC_RELAXED);
    tally->busy_ns += __atomic_load_n(&actor->busy_ns, __ATOMIC_RELAXED);
}

/* --- figures of an actor's own ------------------------------------------------------------------------ */

static struct own *own_at(struct metrics *metrics, const struct metric *metric)
{
    for (uint32_t i = 0; i < metrics->own_count; i++) {
        if (metrics->owns[i].metric == metric) return &metrics->owns[i];
    }
    metrics->owns = memory_realloc(metrics->owns, (metrics->own_count + 1) * sizeof *metrics->owns);
    struct own *own = &metrics->owns[metrics->own_count++];
    *own = (struct own){ .metric = metric };
    return own;
}

void metrics_add(struct actor *self, const struct metric *counter, uint64_t count)
{
    CHECK(counter->type == METRIC_COUNTER);
    struct runtime *runtime = self->runtime;
    pthread_mutex_lock(&runtime->lock);
    own_at(runtime->metrics, counter)->value += (double)count;
    pthread_mutex_unlock(&runtime->lock);
}

void metrics_set(struct actor *self, const struct metric *gauge, double value)
{
    CHECK(gauge->type == METRIC_GAUGE);
    struct runtime *runtime = self->runtime;
    pthread_mutex_lock(&runtime->lock);
    own_at(runtime->metrics, gauge)->value = value;
    pthread_mutex_unlock(&runtime->lock);
}

/* --- what is shown ------------------------------------------------------------------------------------ */

struct shown { /* Copied under the locks, told outside of them. */
    struct tally *tallies;
    uint32_t tally_count;
    struct own *owns;
    uint32_t own_count;
    struct watch turns;
    uint64_t dead_letters;
    uint32_t timers;
    uint32_t quarantine;
    bool degraded;
    void (*visit)(void *context, const struct metric_sample *sample);
    void *context;
};

static void add_actor(const struct runtime *runtime, const struct actor *actor, struct shown *shown)
{
    const struct behavior *behavior = actor->behavior;
    if (behavior == NULL || __atomic_load_n(&actor->generation, __ATOMIC_ACQUIRE) == 0) return;
    struct tally *tally = &shown->tallies[runtime->metrics->tally_last];
    if (tally->name != behavior->name) {
        const struct metrics copies = { .tallies = shown->tallies, .tally_count = shown->tally_count };
        tally = tally_find(&copies, behavior->name);
        CHECK(tally != NULL); /* Made when the first of its kind was. */
        runtime->metrics->tally_last = (uint32_t)(tally - shown->tallies);
    }
    metrics_fold(tally, actor);
    tally->alive++;
    tally->mailbox += mailbox_length(&actor->mailbox);
}

static void gather(struct runtime *runtime, struct shown *shown)
{
    struct scheduler *scheduler = runtime->scheduler;
    struct runtime_health health;
    runtime_health(runtime, &health);
    shown->degraded = health.degraded;
    shown->timers = scheduler_timers_count(scheduler);
    shown->dead_letters = runtime_dropped(runtime);
    shown->quarantine = quarantine_count(runtime->quarantine);
    watchdog_sum(&scheduler->watchdog, &shown->turns);
    pthread_mutex_lock(&runtime->lock);
    const struct metrics *metrics = runtime->metrics;
    shown->tally_count = metrics->tally_count;
    shown->tallies = memory_array(metrics->tally_count + 1, sizeof *shown->tallies);
    if (metrics->tally_count > 0)
        memcpy(shown->tallies, metrics->tallies, metrics->tally_count * sizeof *shown->tallies);
    shown->own_count = metrics->own_count;
    shown->owns = memory_array(metrics->own_count + 1, sizeof *shown->owns);
    if (metrics->own_count > 0) memcpy(shown->owns, metrics->owns, metrics->own_count * sizeof *shown->owns);
    for (uint32_t i = 0; i < runtime->cell_count; i++) {
        add_actor(runtime, runtime_cell_at(runtime, i), shown);
    }
    pthread_mutex_unlock(&runtime->lock);
}

static void tell(const struct shown *shown, const struct metric *metric, double value)
{
    struct metric_sample sample = { .metric = metric,
                                    .suffix = metric->type == METRIC_COUNTER ? "_total" : "",
                                    .value = value };
    shown->visit(shown->context, &sample);
}

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

/* Of each behavior, one figure. */
struct column {
    struct metric metric;
    double (*value)(const struct tally *tally);
};

#define COLUMN_VALUE(member)                                                                                 \
    static double value_of_##member(const struct tally *tally)                                               \
    {                                                                                                        \
        return (double)tally->member;                                                                        \
    }
COLUMN_VALUE(alive)
COLUMN_VALUE(started)
COLUMN_VALUE(restarts)
COLUMN_VALUE(handled)
COLUMN_VALUE(refused)
COLUMN_VALUE(dropped)
COLUMN_VALUE(quarantined)
COLUMN_VALUE(long_turns)
COLUMN_VALUE(mailbox)
static double value_of_busy(const struct tally *tally)
{
    return seconds(tally->busy_ns);
}

static const struct column columns[] = {
    { { "aether_actors", "Actors alive", METRIC_GAUGE }, value_of_alive },
    { { "aether_actor_starts", "Actors started, again or for the first time", METRIC_COUNTER },
      value_of_started },
    { { "aether_actor_restarts", "Actors started again by their supervisors", METRIC_COUNTER },
      value_of_restarts },
    { { "aether_actor_messages", "Messages handled, answers and timers included", METRIC_COUNTER },
      value_of_handled },
    { { "aether_actor_refusals", "Messages that a full mailbox refused; the sender was told",
        METRIC_COUNTER },
      value_of_refused },
    { { "aether_actor_drops", "Messages dropped: the oldest of a full mailbox, or of a kind it doesn't know",
        METRIC_COUNTER },
      value_of_dropped },
    { { "aether_actor_quarantined", "Messages refused as their like made the handler fail twice",
        METRIC_COUNTER },
      value_of_quarantined },
    { { "aether_actor_long_turns", "Turns that took too long", METRIC_COUNTER }, value_of_long_turns },
    { { "aether_actor_mailbox_length", "Messages that wait in mailboxes", METRIC_GAUGE }, value_of_mailbox },
    { { "aether_actor_busy_seconds", "Time in handlers", METRIC_COUNTER }, value_of_busy },
};

static void tell_actors(const struct shown *shown)
{
    for (size_t i = 0; i < ARRAY_COUNT(columns); i++) {
        const struct column *column = &columns[i];
        for (uint32_t j = 0; j < shown->tally_count; j++) {
            struct metric_sample sample = { .metric = &column->metric,
                                            .suffix = column->metric.type == METRIC_COUNTER ? "_total" : "",
                                            .label = "actor",
                                            .label_value = shown->tallies[j].name,
                                            .value = column->value(&shown->tallies[j]) };
            shown->visit(shown->context, &sample);
        }
    }
}

static void tell_turns(const struct shown *shown)
{
    static const struct metric turns = { "aether_turn_seconds", "How long turns took", METRIC_HISTOGRAM };
    struct metric_sample sample = { .metric = &turns, .suffix = "_bucket", .label = "le" };
    uint64_t up_to = 0;
    for (uint32_t i = 0; i < WATCH_LENGTHS; i++) {
        char bound[32] = "+Inf";
        uint64_t bound_ns = watch_length_bound_ns(i);
        if (bound_ns != UINT64_MAX) (void)snprintf(bound, sizeof bound, "%.9g", seconds(bound_ns));
        up_to += shown->turns.lengths[i];
        sample.label_value = bound;
        sample.value = (double)up_to;
        shown->visit(shown->context, &sample);
    }
    sample = (struct metric_sample){ .metric = &turns, .suffix = "_count", .value = (double)up_to };
    shown->visit(shown->context, &sample);
    sample =
        (struct metric_sample){ .metric = &turns, .suffix = "_sum", .value = seconds(shown->turns.turns_ns) };
    shown->visit(shown->context, &sample);
}

static void tell_node(const struct shown *shown)
{
    static const struct metric dead_letters = { "aether_dead_letters", "Messages to actors that were no more",
                                                METRIC_COUNTER };
    static const struct metric timers = { "aether_timers_armed",
                                          "Timers armed, open asks' deadlines included", METRIC_GAUGE };
    static const struct metric quarantine = { "aether_quarantine_messages",
                                              "Different messages in quarantine", METRIC_GAUGE };
    static const struct metric degraded = { "aether_degraded",
                                            "1 while a turn of over 2 s runs, and for a minute after",
                                            METRIC_GAUGE };
    tell(shown, &dead_letters, (double)shown->dead_letters);
    tell(shown, &timers, shown->timers);
    tell(shown, &quarantine, shown->quarantine);
    tell(shown, &degraded, shown->degraded);
}

void runtime_visit_metrics(struct runtime *runtime,
                           void (*visit)(void *context, const struct metric_sample *sample), void *context)
{
    struct shown shown = { .visit = visit, .context = context };
    gather(runtime, &shown);
    tell_actors(&shown);
    tell_turns(&shown);
    tell_node(&shown);
    for (uint32_t i = 0; i < shown.own_count; i++) {
        tell(&shown, shown.owns[i].metric, shown.owns[i].value);
    }
    memory_free(shown.tallies);
    memory_free(shown.owns);
}
