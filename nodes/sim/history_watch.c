/* history_watch: the known writes in the order of their revisions, and each watcher's stream beside them. */
#include "nodes/sim/history_watch.h"

#include "nodes/sim/history_index.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdlib.h>

struct change {
    uint64_t revision;
    uint32_t key;
    uint64_t value;
    uint64_t previous;
    bool sure; /* `previous` is: no write of unknown outcome may have come between. */
};

struct check {
    const struct history *history;
    struct history_index index;
    struct change *changes;
    uint32_t count, room;
    struct error *error;
};

static int by_revision(const void *a, const void *b)
{
    const struct change *left = a;
    const struct change *right = b;
    if (left->revision != right->revision) return left->revision < right->revision ? -1 : 1;
    return left->key < right->key ? -1 : left->key > right->key;
}

static void gather(struct check *check)
{
    const struct history *history = check->history;
    for (uint32_t i = 0; i < history->part_count; i++) {
        const struct history_part *part = &history->parts[i];
        uint64_t revision = check->index.revisions[part->op];
        if (!history_writes(part) || revision == 0) continue;
        check->changes = history_room(check->changes, check->count, &check->room, sizeof *check->changes);
        check->changes[check->count++] =
            (struct change){ .revision = revision, .key = part->key, .value = part->value };
    }
    if (check->count > 0) qsort(check->changes, check->count, sizeof *check->changes, by_revision);
}

/* What each key held before; a delete of what was not there changes nothing, and nobody is told. */
static void fill_previous(struct check *check)
{
    const struct history *history = check->history;
    uint64_t *values = memory_array(history->key_count + 1, sizeof *values);
    bool *doubtful = memory_array(history->key_count + 1, sizeof *doubtful);
    for (uint32_t i = 0; i < history->part_count; i++) {
        const struct history_part *part = &history->parts[i];
        bool unknown = history->ops[part->op].outcome == HISTORY_UNKNOWN;
        if (unknown && history_writes(part) && check->index.revisions[part->op] == 0)
            doubtful[part->key] = true;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < check->count; i++) {
        struct change *change = &check->changes[i];
        change->previous = values[change->key];
        change->sure = !doubtful[change->key];
        values[change->key] = change->value;
        bool changes = change->value != 0 || change->previous != 0;
        if (changes) check->changes[kept++] = *change;
    }
    check->count = kept;
    memory_free(values);
    memory_free(doubtful);
}

/* One number for a change of a key at a revision. */
enum { KEY_BITS = 20 };
static uint64_t name_of(uint64_t revision, uint32_t key)
{
    return revision << KEY_BITS | key;
}

static enum status convict(const struct check *check, uint32_t watcher, uint64_t revision, uint32_t key,
                           const char *what)
{
    return error_set(check->error, STATUS_CORRUPT, "K6: watcher %u, revision %llu of %.64s: %s", watcher,
                     (unsigned long long)revision, check->history->keys[key], what);
}

static enum status check_event(const struct check *check, const struct history_event *event,
                               const struct change *change)
{
    if (change->value != event->value)
        return convict(check, event->watcher, event->revision, event->key, "another value than was written");
    if (change->sure && change->previous != event->previous)
        return convict(check, event->watcher, event->revision, event->key, "a wrong previous value");
    return STATUS_OK;
}

static const struct change *find(const struct check *check, uint64_t revision, uint32_t key)
{
    struct change wanted = { .revision = revision, .key = key };
    if (check->count == 0) return NULL;
    return bsearch(&wanted, check->changes, check->count, sizeof wanted, by_revision);
}

/* Every change of the watched keys from where it began to what it was told of is among its events. */
static enum status check_complete(const struct check *check, uint32_t number, uint64_t upto,
                                  const struct map *heard)
{
    const struct history_watcher *watcher = &check->history->watchers[number];
    for (uint32_t i = 0; i < check->count; i++) {
        const struct change *change = &check->changes[i];
        if (change->revision < watcher->from || change->revision >= upto) continue;
        if (!text_starts_with(check->history->keys[change->key], watcher->prefix)) continue;
        if (map_get_number(heard, name_of(change->revision, change->key)) != NULL) continue;
        return convict(check, number, change->revision, change->key, "it was not told of it");
    }
    return STATUS_OK;
}

static enum status check_watcher(const struct check *check, uint32_t number, struct map *heard)
{
    const struct history *history = check->history;
    const struct history_watcher *watcher = &history->watchers[number];
    uint64_t last = 0;
    for (uint32_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        if (event->watcher != number) continue;
        const struct change *change = find(check, event->revision, event->key);
        const char *wrong = NULL;
        if (event->revision < last) wrong = "told out of order";
        else if (event->revision < watcher->from) wrong = "told, though the watch begins later";
        else if (!text_starts_with(history->keys[event->key], watcher->prefix)) wrong = "not among its keys";
        else if (change == NULL) wrong = "told of a change that nobody made";
        else if (map_put_number(heard, name_of(event->revision, event->key), heard) != NULL)
            wrong = "told twice";
        if (wrong != NULL) return convict(check, number, event->revision, event->key, wrong);
        enum status status = check_event(check, event, change);
        if (status != STATUS_OK) return status;
        last = event->revision;
    }
    /* No revision is split: with its last event, a watcher was told all of that revision. */
    uint64_t upto = watcher->told > last ? watcher->told : last + 1;
    return check_complete(check, number, upto, heard);
}

enum status history_watch_check(const struct history *history, struct error *error)
{
    struct check check = { .history = history, .error = error };
    CHECK(history->key_count < 1U << KEY_BITS);
    enum status status = history_index_init(&check.index, history, HISTORY_TRUST_REVISIONS, error);
    if (status == STATUS_OK) {
        gather(&check);
        fill_previous(&check);
    }
    for (uint32_t i = 0; i < history->watcher_count && status == STATUS_OK; i++) {
        struct map heard = { 0 };
        status = check_watcher(&check, i, &heard);
        map_fini(&heard);
    }
    history_index_fini(&check.index);
    memory_free(check.changes);
    if (status != STATUS_OK) (void)error_wrap(error, "watch check");
    return status;
}
