/* log_ring: see the header. */
#include "actors/slice/log_ring.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = ARTIFACT_NAME_MAX + 16, ROOM_FIRST = 16 };

static void write_name(char *name, const struct instance_key *key)
{
    (void)snprintf(name, NAME_SIZE, "%s#%u", key->artifact, key->instance);
}

static size_t bytes_of(const struct log_ring_line *line)
{
    return sizeof(*line) + strlen(line->text) + 1;
}

static struct log_ring_line *line_at(const struct log_ring *ring, uint32_t position)
{
    return &ring->lines[(ring->first + position) % ring->room];
}

static void push_out(struct log_rings *rings, struct log_ring *ring)
{
    struct log_ring_line *line = line_at(ring, 0);
    size_t bytes = bytes_of(line);
    ring->bytes -= bytes;
    rings->bytes -= bytes;
    memory_free(line->text);
    ring->first = (ring->first + 1) % ring->room;
    ring->count--;
    ring->pushed_out++;
}

static void forget(struct log_rings *rings, struct log_ring *ring)
{
    char name[NAME_SIZE];
    while (ring->count > 0)
        push_out(rings, ring);
    write_name(name, &ring->key);
    (void)map_remove(&rings->by_name, name);
    memory_free(ring->lines);
    memory_free(ring);
}

void log_rings_fini(struct log_rings *rings)
{
    const char *name = NULL;
    void *ring = NULL;
    for (size_t i = 0; map_next(&rings->by_name, &i, &name, &ring);)
        forget(rings, ring);
    map_fini(&rings->by_name);
}

static struct log_ring *get(struct log_rings *rings, const struct instance_key *key)
{
    char name[NAME_SIZE];
    write_name(name, key);
    struct log_ring *ring = map_get(&rings->by_name, name);
    if (ring != NULL) return ring;
    ring = memory_zalloc(sizeof(*ring));
    ring->key = *key;
    (void)map_put(&rings->by_name, name, ring);
    return ring;
}

static void grow(struct log_ring *ring)
{
    uint32_t room = ring->room == 0 ? ROOM_FIRST : ring->room * 2;
    struct log_ring_line *lines = memory_array(room, sizeof(*lines));
    for (uint32_t i = 0; i < ring->count; i++)
        lines[i] = *line_at(ring, i);
    memory_free(ring->lines);
    ring->lines = lines;
    ring->room = room;
    ring->first = 0;
}

/* The ring whose last line is the oldest, other than `but`. */
static struct log_ring *most_silent(const struct log_rings *rings, const struct log_ring *but)
{
    struct log_ring *found = NULL;
    const char *name = NULL;
    void *value = NULL;
    for (size_t i = 0; map_next(&rings->by_name, &i, &name, &value);) {
        struct log_ring *ring = value;
        if (ring == but || ring->count == 0) continue;
        if (found == NULL ||
            line_at(ring, ring->count - 1)->number < line_at(found, found->count - 1)->number)
            found = ring;
    }
    return found;
}

static void make_room(struct log_rings *rings, struct log_ring *ring, size_t bytes)
{
    while (ring->count > 0 && (ring->count == LOG_RING_LINES_MAX || ring->bytes + bytes > LOG_RING_BYTES_MAX))
        push_out(rings, ring);
    while (rings->bytes + bytes > LOG_RING_ALL_BYTES_MAX) {
        struct log_ring *other = most_silent(rings, ring);
        if (other == NULL) return; /* One ring alone is within the bound. */
        forget(rings, other);
    }
    if (ring->count == ring->room) grow(ring);
}

void log_rings_add(struct log_rings *rings, const struct instance_key *key, enum slice_line_level level,
                   int64_t wall_ms, struct request_id request_id, const char *text)
{
    struct log_ring *ring = get(rings, key);
    struct log_ring_line line = {
        .number = ++rings->number_last,
        .wall_ms = wall_ms,
        .request_id = request_id,
        .level = level,
        .text = memory_strdup(text),
    };
    size_t bytes = bytes_of(&line);
    make_room(rings, ring, bytes);
    ring->count++;
    *line_at(ring, ring->count - 1) = line;
    ring->bytes += bytes;
    rings->bytes += bytes;
}

bool log_query_matches(const struct log_query *query, const struct instance_key *key)
{
    if (query->instance != 0 && query->instance != key->instance) return false;
    return coordinates_match(&query->wanted, key->artifact);
}

static int by_number(const void *left, const void *right)
{
    uint64_t a = ((const struct log_found *)left)->line->number;
    uint64_t b = ((const struct log_found *)right)->line->number;
    return a < b ? -1 : a > b;
}

/* As many lines as there may be in all the rings that match. */
static size_t count_lines(const struct log_rings *rings, const struct log_query *query,
                          struct log_answer *answer)
{
    size_t count = 0;
    const char *name = NULL;
    void *value = NULL;
    for (size_t i = 0; map_next(&rings->by_name, &i, &name, &value);) {
        const struct log_ring *ring = value;
        if (!log_query_matches(query, &ring->key)) continue;
        answer->known = true;
        answer->pushed_out += ring->pushed_out;
        count += ring->count;
    }
    return count;
}

void log_rings_find(const struct log_rings *rings, const struct log_query *query, struct arena *arena,
                    struct log_answer *out_answer)
{
    struct log_answer answer = { 0 };
    struct log_found *found = arena_array(arena, count_lines(rings, query, &answer) + 1, sizeof(*found));
    const char *name = NULL;
    void *value = NULL;
    for (size_t i = 0; map_next(&rings->by_name, &i, &name, &value);) {
        const struct log_ring *ring = value;
        if (!log_query_matches(query, &ring->key)) continue;
        for (uint32_t l = 0; l < ring->count; l++) {
            const struct log_ring_line *line = line_at(ring, l);
            if (line->number <= query->after || line->wall_ms < query->since_ms) continue;
            found[answer.count++] = (struct log_found){ ring, line };
        }
    }
    qsort(found, answer.count, sizeof(*found), by_number);
    uint32_t surplus = answer.count > query->lines_max ? answer.count - query->lines_max : 0;
    answer.lines = query->oldest_first ? found : found + surplus;
    answer.count -= surplus;
    *out_answer = answer;
}
