/* history_index: one pass over the puts, one over what was seen, one over what watchers heard of deletes. */
#include "nodes/sim/history_index.h"

#include "runtime/base/memory.h"

#include <stdlib.h>

const struct history_part *history_index_writer(const struct history_index *index, uint64_t value)
{
    uintptr_t found = (uintptr_t)map_get_number(&index->writers, value);
    return found == 0 ? NULL : &index->history->parts[found - 1];
}

void history_index_fini(struct history_index *index)
{
    map_fini(&index->writers);
    memory_free(index->revisions);
    memory_free(index->end_ns);
    memory_free(index->seen);
}

static enum status add_writers(struct history_index *index, struct error *error)
{
    const struct history *history = index->history;
    for (uint32_t i = 0; i < history->part_count; i++) {
        const struct history_part *part = &history->parts[i];
        if (part->effect != HISTORY_PUTS) continue;
        if (map_put_number(&index->writers, part->value, (void *)((uintptr_t)i + 1)) == NULL) continue;
        return error_set(error, STATUS_INVALID, "value %llx is written twice: values are to be unique",
                         (unsigned long long)part->value);
    }
    return STATUS_OK;
}

static enum status note_required(struct history_index *index, uint32_t op, int64_t seen_ns,
                                 struct error *error);

/* Somebody saw `value` at `key`; `revision` 0: not at which. */
static enum status note_seen(struct history_index *index, uint32_t key, uint64_t value, uint64_t revision,
                             int64_t seen_ns, struct error *error)
{
    const struct history *history = index->history;
    const struct history_part *writer = history_index_writer(index, value);
    const char *name = history->keys[key];
    if (writer == NULL || writer->key != key)
        return error_set(error, STATUS_CORRUPT, "%s held %llx, which nobody wrote there", name,
                         (unsigned long long)value);
    const struct history_op *op = &history->ops[writer->op];
    char story[HISTORY_STORY_MAX];
    if (op->outcome == HISTORY_FAILED || op->outcome == HISTORY_REFUSED)
        return error_set(error, STATUS_CORRUPT, "K4: %s was seen, but did not happen",
                         history_tell(history, writer->op, story));
    bool first = !index->seen[writer->op];
    index->seen[writer->op] = true;
    if (seen_ns < index->end_ns[writer->op]) index->end_ns[writer->op] = seen_ns;
    if (first && op->outcome == HISTORY_UNKNOWN) {
        enum status status = note_required(index, writer->op, seen_ns, error);
        if (status != STATUS_OK) return status;
    }
    uint64_t *known = &index->revisions[writer->op];
    if (index->trust == HISTORY_TRUST_NONE) return STATUS_OK;
    if (*known == 0) *known = revision;
    if (revision != 0 && revision != *known)
        return error_set(error, STATUS_CORRUPT, "K9: %s was seen at revision %llu and at %llu",
                         history_tell(history, writer->op, story), (unsigned long long)revision,
                         (unsigned long long)*known);
    return STATUS_OK;
}

/* It did happen, so what it required was there: seen by it, so to speak. */
static enum status note_required(struct history_index *index, uint32_t op, int64_t seen_ns,
                                 struct error *error)
{
    const struct history_op *happened = &index->history->ops[op];
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < happened->part_count && status == STATUS_OK; i++) {
        const struct history_part *part = &index->history->parts[happened->part_first + i];
        if (part->compares && part->expected != 0)
            status = note_seen(index, part->key, part->expected, 0, seen_ns, error);
    }
    return status;
}

static enum status note_part(struct history_index *index, const struct history_part *part,
                             struct error *error)
{
    const struct history_op *op = &index->history->ops[part->op];
    if (op->outcome != HISTORY_OK) return STATUS_OK;
    enum status status = STATUS_OK;
    if (part->compares && part->expected != 0)
        status = note_seen(index, part->key, part->expected, 0, op->return_ns, error);
    if (status == STATUS_OK && part->effect == HISTORY_READS && part->value != 0)
        status = note_seen(index, part->key, part->value, part->revision, op->return_ns, error);
    return status;
}

static enum status note_event(struct history_index *index, const struct history_event *event,
                              struct error *error)
{
    enum status status = STATUS_OK; /* No time is known of events: they end nothing. */
    if (event->value != 0)
        status = note_seen(index, event->key, event->value, event->revision, history_never_ns, error);
    if (status == STATUS_OK && event->previous != 0)
        status = note_seen(index, event->key, event->previous, 0, history_never_ns, error);
    return status;
}

/* --- deletes of unknown outcome that a watcher heard of ------------------------------------------------- */

static int by_revision(const void *a, const void *b)
{
    const struct history_event *left = a;
    const struct history_event *right = b;
    if (left->revision != right->revision) return left->revision < right->revision ? -1 : 1;
    return left->key < right->key ? -1 : left->key > right->key;
}

static void give_revision(struct history_index *index, const struct history_event *event)
{
    const struct history *history = index->history;
    for (uint32_t i = 0; i < history->part_count; i++) { /* In the order of their calls: the earliest fits. */
        const struct history_part *part = &history->parts[i];
        bool fits = part->effect == HISTORY_DELETES && part->key == event->key &&
                    history->ops[part->op].outcome == HISTORY_UNKNOWN && index->revisions[part->op] == 0;
        if (!fits) continue;
        index->revisions[part->op] = event->revision;
        index->seen[part->op] = true;
        return;
    }
}

static void resolve_deletes(struct history_index *index)
{
    const struct history *history = index->history;
    struct map known = { 0 }; /* Revisions of writes. */
    for (uint32_t i = 0; i < history->op_count; i++) {
        if (index->revisions[i] != 0) (void)map_put_number(&known, index->revisions[i], index);
    }
    struct history_event *deletes = memory_array(history->event_count + 1, sizeof *deletes);
    uint32_t count = 0;
    for (uint32_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        if (event->value == 0 && map_get_number(&known, event->revision) == NULL) deletes[count++] = *event;
    }
    qsort(deletes, count, sizeof *deletes, by_revision);
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || by_revision(&deletes[i - 1], &deletes[i]) != 0) give_revision(index, &deletes[i]);
    }
    memory_free(deletes);
    map_fini(&known);
}

enum status history_index_init(struct history_index *index, const struct history *history,
                               enum history_trust trust, struct error *error)
{
    *index = (struct history_index){ .history = history, .trust = trust };
    index->revisions = memory_array(history->op_count + 1, sizeof *index->revisions);
    index->end_ns = memory_array(history->op_count + 1, sizeof *index->end_ns);
    index->seen = memory_array(history->op_count + 1, sizeof *index->seen);
    for (uint32_t i = 0; i < history->op_count; i++) {
        const struct history_op *op = &history->ops[i];
        bool writes = false;
        for (uint32_t p = 0; p < op->part_count; p++)
            writes = writes || history_writes(&history->parts[op->part_first + p]);
        if (writes && op->outcome == HISTORY_OK) index->revisions[i] = op->revision;
        index->end_ns[i] = op->return_ns;
    }
    enum status status = add_writers(index, error);
    for (uint32_t i = 0; i < history->part_count && status == STATUS_OK; i++)
        status = note_part(index, &history->parts[i], error);
    for (uint32_t i = 0; i < history->event_count && status == STATUS_OK; i++)
        status = note_event(index, &history->events[i], error);
    if (status == STATUS_OK && trust == HISTORY_TRUST_REVISIONS) resolve_deletes(index);
    return status;
}
