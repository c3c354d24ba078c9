/* history: arrays that grow; the checkers read them as they are. */
#include "nodes/sim/history.h"

#include "nodes/sim/history_records.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

struct history *history_create(void)
{
    return memory_zalloc(sizeof(struct history));
}

void history_destroy(struct history **history)
{
    struct history *gone = *history;
    *history = NULL;
    if (gone == NULL) return;
    for (uint32_t i = 0; i < gone->key_count; i++)
        memory_free(gone->keys[i]);
    for (uint32_t i = 0; i < gone->watcher_count; i++)
        memory_free(gone->watchers[i].prefix);
    map_fini(&gone->key_ids);
    memory_free(gone->keys);
    memory_free(gone->ops);
    memory_free(gone->parts);
    memory_free(gone->watchers);
    memory_free(gone->events);
    memory_free(gone);
}

uint64_t history_value(uint32_t client, uint32_t n)
{
    CHECK(n != 0);
    return (uint64_t)client << 32 | n;
}

void *history_room(void *array, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room) return array;
    CHECK(*room < UINT32_MAX / 2);
    *room = *room == 0 ? 64 : *room * 2;
    return memory_realloc(array, *room * size);
}

/* --- what was asked ----------------------------------------------------------------------------------- */

static uint32_t key_id(struct history *history, const char *key)
{
    uintptr_t known = (uintptr_t)map_get(&history->key_ids, key);
    if (known != 0) return (uint32_t)(known - 1);
    uint32_t id = history->key_count;
    history->keys = history_room(history->keys, id, &history->key_room, sizeof *history->keys);
    history->keys[history->key_count++] = memory_strdup(key);
    (void)map_put(&history->key_ids, key, (void *)((uintptr_t)id + 1));
    return id;
}

uint32_t history_begin(struct history *history, uint32_t client, int64_t now_ns)
{
    uint32_t op = history->op_count;
    history->ops = history_room(history->ops, op, &history->op_room, sizeof *history->ops);
    history->ops[history->op_count++] = (struct history_op){
        .client = client, .part_first = history->part_count, .call_ns = now_ns, .return_ns = history_never_ns
    };
    return op;
}

static struct history_part *find_part(struct history *history, uint32_t op, uint32_t key)
{
    const struct history_op *of = &history->ops[op];
    for (uint32_t i = 0; i < of->part_count; i++) {
        struct history_part *part = &history->parts[of->part_first + i];
        if (part->key == key) return part;
    }
    return NULL;
}

static struct history_part *part_of(struct history *history, uint32_t op, const char *key)
{
    uint32_t id = key_id(history, key);
    struct history_part *part = find_part(history, op, id);
    if (part != NULL) return part;
    struct history_op *of = &history->ops[op];
    CHECK(of->part_first + of->part_count == history->part_count); /* Nothing else was begun meanwhile. */
    of->part_count++;
    history->parts =
        history_room(history->parts, history->part_count, &history->part_room, sizeof *history->parts);
    part = &history->parts[history->part_count++];
    *part = (struct history_part){ .op = op, .key = id };
    return part;
}

void history_compare(struct history *history, uint32_t op, const char *key, uint64_t value)
{
    struct history_part *part = part_of(history, op, key);
    part->compares = true;
    part->expected = value;
}

static void set_effect(struct history *history, uint32_t op, const char *key, enum history_effect effect,
                       uint64_t value)
{
    struct history_part *part = part_of(history, op, key);
    CHECK(part->effect == HISTORY_NOTHING); /* A part does one thing. */
    part->effect = effect;
    part->value = value;
}

void history_read(struct history *history, uint32_t op, const char *key)
{
    set_effect(history, op, key, HISTORY_READS, 0);
}

void history_put(struct history *history, uint32_t op, const char *key, uint64_t value)
{
    CHECK(value != 0);
    set_effect(history, op, key, HISTORY_PUTS, value);
}

void history_delete(struct history *history, uint32_t op, const char *key)
{
    set_effect(history, op, key, HISTORY_DELETES, 0);
}

void history_after(struct history *history, uint32_t op, uint64_t revision)
{
    history->ops[op].after = revision;
}

void history_past(struct history *history, uint32_t op)
{
    history->ops[op].past = true;
}

/* --- what was answered -------------------------------------------------------------------------------- */

static struct history_op *end(struct history *history, uint32_t op, enum history_outcome outcome)
{
    CHECK(op < history->op_count);
    struct history_op *ended = &history->ops[op];
    CHECK(ended->outcome == HISTORY_UNKNOWN); /* An operation ends once. */
    ended->outcome = outcome;
    return ended;
}

void history_saw(struct history *history, uint32_t op, const char *key, uint64_t value, uint64_t revision)
{
    struct history_part *part = find_part(history, op, key_id(history, key));
    CHECK(part != NULL);
    CHECK(part->effect == HISTORY_READS);
    part->value = value;
    part->revision = revision;
}

void history_end_ok(struct history *history, uint32_t op, int64_t now_ns, uint64_t revision)
{
    struct history_op *ended = end(history, op, HISTORY_OK);
    CHECK(now_ns >= ended->call_ns);
    ended->return_ns = now_ns;
    ended->revision = revision;
}

void history_end_refused(struct history *history, uint32_t op, int64_t now_ns)
{
    struct history_op *ended = end(history, op, HISTORY_REFUSED);
    CHECK(now_ns >= ended->call_ns);
    ended->return_ns = now_ns;
}

void history_end_failed(struct history *history, uint32_t op)
{
    (void)end(history, op, HISTORY_FAILED);
}

/* --- watchers ----------------------------------------------------------------------------------------- */

uint32_t history_watch(struct history *history, const char *prefix, uint64_t from_revision)
{
    uint32_t watcher = history->watcher_count;
    history->watchers =
        history_room(history->watchers, watcher, &history->watcher_room, sizeof *history->watchers);
    history->watchers[history->watcher_count++] =
        (struct history_watcher){ .prefix = memory_strdup(prefix), .from = from_revision };
    return watcher;
}

void history_watch_event(struct history *history, uint32_t watcher, uint64_t revision, const char *key,
                         uint64_t value, uint64_t previous)
{
    CHECK(watcher < history->watcher_count);
    history->events =
        history_room(history->events, history->event_count, &history->event_room, sizeof *history->events);
    history->events[history->event_count++] = (struct history_event){ .watcher = watcher,
                                                                      .key = key_id(history, key),
                                                                      .revision = revision,
                                                                      .value = value,
                                                                      .previous = previous };
}

void history_watch_told(struct history *history, uint32_t watcher, uint64_t below_revision)
{
    CHECK(watcher < history->watcher_count);
    struct history_watcher *told = &history->watchers[watcher];
    if (below_revision > told->told) told->told = below_revision;
}

/* --- for people --------------------------------------------------------------------------------------- */

struct history_counts history_counts(const struct history *history)
{
    struct history_counts counts = { .keys = history->key_count, .watch_events = history->event_count };
    for (uint32_t i = 0; i < history->op_count; i++) {
        switch (history->ops[i].outcome) {
        case HISTORY_OK: counts.operations++; break;
        case HISTORY_REFUSED: counts.refused++; break;
        case HISTORY_FAILED: counts.failed++; break;
        case HISTORY_UNKNOWN: counts.unknown++; break;
        }
    }
    return counts;
}

static const char *effect_word(const struct history_part *part)
{
    switch (part->effect) {
    case HISTORY_READS: return "read";
    case HISTORY_PUTS: return "put";
    case HISTORY_DELETES: return "delete";
    default: return "compare";
    }
}

const char *history_tell(const struct history *history, uint32_t op, char story[HISTORY_STORY_MAX])
{
    static const char *const outcomes[] = { "unknown", "ok", "refused", "failed" };
    const struct history_op *told = &history->ops[op];
    if (told->part_count == 0) {
        (void)snprintf(story, HISTORY_STORY_MAX, "nothing (#%u)", op);
        return story;
    }
    const struct history_part *part = &history->parts[told->part_first];
    (void)snprintf(story, HISTORY_STORY_MAX, "%s %.40s %llx%s by client %u at revision %llu, %s (#%u)",
                   effect_word(part), history->keys[part->key], (unsigned long long)part->value,
                   told->part_count > 1 ? " and more" : "", told->client, (unsigned long long)told->revision,
                   outcomes[told->outcome], op);
    return story;
}
