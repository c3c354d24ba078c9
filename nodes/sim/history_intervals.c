/* history_intervals: a zone a value; forward ones (the value was surely there from the first end to the last
 * beginning) must not overlap, and none that lies backward (one moment of it is enough) fits into one of
 * those. */
#include "nodes/sim/history_intervals.h"

#include "nodes/sim/history_index.h"
#include "runtime/base/memory.h"

#include <stdlib.h>

struct zone {
    uint32_t key;
    uint64_t value;
    int64_t first_end_ns;
    int64_t last_call_ns;
};

struct intervals {
    const struct history *history;
    struct history_index index;
    struct map zones_of; /* Value to its zone + 1. */
    struct zone *zones;
    uint32_t count, room;
    bool *skips; /* By key: it is deleted now and then. */
    int64_t
        *absent_call_ns; /* By key: the last beginning of an operation that found nothing; INT64_MIN: none. */
};

static bool is_forward(const struct zone *zone)
{
    return zone->first_end_ns < zone->last_call_ns;
}

static int64_t left(const struct zone *zone)
{
    return is_forward(zone) ? zone->first_end_ns : zone->last_call_ns;
}

static int64_t right(const struct zone *zone)
{
    return is_forward(zone) ? zone->last_call_ns : zone->first_end_ns;
}

static int by_place(const void *a, const void *b)
{
    const struct zone *one = a;
    const struct zone *other = b;
    if (one->key != other->key) return one->key < other->key ? -1 : 1;
    if (left(one) != left(other)) return left(one) < left(other) ? -1 : 1;
    return one->value < other->value ? -1 : one->value > other->value;
}

static struct zone *zone_of(struct intervals *intervals, uint64_t value)
{
    uintptr_t found = (uintptr_t)map_get_number(&intervals->zones_of, value);
    return found == 0 ? NULL : &intervals->zones[found - 1];
}

/* --- gathering --- */

static void add_zone(struct intervals *intervals, const struct history_part *part)
{
    const struct history_op *op = &intervals->history->ops[part->op];
    bool happened =
        op->outcome == HISTORY_OK || (op->outcome == HISTORY_UNKNOWN && intervals->index.seen[part->op]);
    if (part->effect != HISTORY_PUTS || !happened) return;
    intervals->zones =
        history_room(intervals->zones, intervals->count, &intervals->room, sizeof *intervals->zones);
    intervals->zones[intervals->count++] = (struct zone){
        .key = part->key, .value = part->value, .first_end_ns = op->return_ns, .last_call_ns = op->call_ns
    };
    (void)map_put_number(&intervals->zones_of, part->value, (void *)(uintptr_t)intervals->count);
}

static enum status add_sight(struct intervals *intervals, const struct history_part *part, uint64_t value,
                             struct error *error)
{
    const struct history_op *op = &intervals->history->ops[part->op];
    if (value == 0) {
        int64_t *last = &intervals->absent_call_ns[part->key];
        if (op->call_ns > *last) *last = op->call_ns;
        return STATUS_OK;
    }
    struct zone *zone = zone_of(intervals, value);
    const struct history_part *writer = history_index_writer(&intervals->index, value);
    char story[HISTORY_STORY_MAX];
    if (op->return_ns < intervals->history->ops[writer->op].call_ns)
        return error_set(error, STATUS_CORRUPT, "%s found a value before it was written",
                         history_tell(intervals->history, part->op, story));
    if (op->return_ns < zone->first_end_ns) zone->first_end_ns = op->return_ns;
    if (op->call_ns > zone->last_call_ns) zone->last_call_ns = op->call_ns;
    return STATUS_OK;
}

static enum status gather(struct intervals *intervals, struct error *error)
{
    const struct history *history = intervals->history;
    for (uint32_t i = 0; i < history->part_count; i++) {
        const struct history_part *part = &history->parts[i];
        if (part->effect == HISTORY_DELETES) intervals->skips[part->key] = true;
        add_zone(intervals, part);
    }
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < history->part_count && status == STATUS_OK; i++) {
        const struct history_part *part = &history->parts[i];
        const struct history_op *op = &history->ops[part->op];
        if (op->outcome != HISTORY_OK || op->past) continue;
        if (part->compares) status = add_sight(intervals, part, part->expected, error);
        if (part->effect == HISTORY_READS && status == STATUS_OK)
            status = add_sight(intervals, part, part->value, error);
    }
    return status;
}

/* --- judging --- */

static enum status convict(const struct intervals *intervals, const struct zone *a, uint64_t value,
                           struct error *error)
{
    return error_set(error, STATUS_CORRUPT, "K1: on %s the values %llx and %llx exclude each other in time",
                     intervals->history->keys[a->key], (unsigned long long)a->value,
                     (unsigned long long)value);
}

/* `open` is forward and begins no later. Ends that touch are no conflict: a clock is no finer than its unit.
 */
static bool excludes(const struct zone *open, const struct zone *zone)
{
    if (is_forward(zone)) return left(zone) < right(open);
    return left(zone) > left(open) && right(zone) < right(open);
}

/* Zones of one key, by their left ends: `open` is the forward one that reaches farthest. */
static enum status judge(struct intervals *intervals, struct error *error)
{
    const struct zone *open = NULL;
    for (uint32_t i = 0; i < intervals->count; i++) {
        const struct zone *zone = &intervals->zones[i];
        if (intervals->skips[zone->key]) continue;
        if (open != NULL && open->key != zone->key) open = NULL;
        /* Absent is the value before all others: nobody may find it after another one was surely there. */
        if (zone->first_end_ns < intervals->absent_call_ns[zone->key])
            return convict(intervals, zone, 0, error);
        if (open != NULL && excludes(open, zone)) return convict(intervals, open, zone->value, error);
        if (is_forward(zone) && (open == NULL || right(zone) > right(open))) open = zone;
    }
    return STATUS_OK;
}

enum status history_intervals_check(const struct history *history, struct error *error)
{
    struct intervals intervals = { .history = history };
    intervals.skips = memory_array(history->key_count + 1, sizeof *intervals.skips);
    intervals.absent_call_ns = memory_array(history->key_count + 1, sizeof *intervals.absent_call_ns);
    for (uint32_t i = 0; i < history->key_count; i++)
        intervals.absent_call_ns[i] = INT64_MIN;
    enum status status = history_index_init(&intervals.index, history, HISTORY_TRUST_NONE, error);
    if (status == STATUS_OK) status = gather(&intervals, error);
    if (status == STATUS_OK) {
        if (intervals.count > 0) qsort(intervals.zones, intervals.count, sizeof(struct zone), by_place);
        status = judge(&intervals, error);
    }
    history_index_fini(&intervals.index);
    map_fini(&intervals.zones_of);
    memory_free(intervals.zones);
    memory_free(intervals.skips);
    memory_free(intervals.absent_call_ns);
    if (status != STATUS_OK) (void)error_wrap(error, "intervals");
    return status;
}
