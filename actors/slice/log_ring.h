/* log_ring: the last lines of every instance that runs or ran here. Bounded for each instance and in all: the
 * oldest lines of an instance make room for its new ones, the instance that was silent for longest makes room
 * for others. Pure. */
#ifndef AETHER_ACTORS_SLICE_LOG_RING_H
#define AETHER_ACTORS_SLICE_LOG_RING_H

#include "actors/slice/messages.h"
#include "runtime/base/map.h"
#include "store/schema/coordinates.h"

enum {
    LOG_RING_LINES_MAX = 2048, /* Of one instance, */
    LOG_RING_BYTES_MAX = 256 * 1024,
    LOG_RING_ALL_BYTES_MAX = 16 * 1024 * 1024, /* and of all. */
};

struct log_ring_line {
    uint64_t number; /* Ascends over all instances of the node. */
    int64_t wall_ms;
    struct request_id request_id;
    enum slice_line_level level;
    char *text;
};
struct log_ring { /* Of one instance. */
    struct instance_key key;
    struct log_ring_line *lines; /* A circle that grows up to LOG_RING_LINES_MAX. */
    uint32_t room;
    uint32_t first;
    uint32_t count;
    size_t bytes;
    uint64_t pushed_out; /* Lines that made room for others. */
};
struct log_rings {
    struct map by_name; /* artifact#instance to struct log_ring. */
    size_t bytes;
    uint64_t number_last; /* Set once to where the numbers begin. */
};

void log_rings_fini(struct log_rings *rings);
void log_rings_add(struct log_rings *rings, const struct instance_key *key, enum slice_line_level level,
                   int64_t wall_ms, struct request_id request_id, const char *text);

struct log_query {
    struct coordinates wanted;
    uint32_t instance;  /* 0: every one. */
    uint64_t after;     /* Only lines with a higher number. */
    int64_t since_ms;   /* Only lines that are not older. */
    uint32_t lines_max; /* The newest so many; with `oldest_first` the oldest. */
    bool oldest_first;
};
struct log_found { /* Borrowed until the next line comes. */
    const struct log_ring *ring;
    const struct log_ring_line *line;
};
struct log_answer {          /* In the arena. */
    struct log_found *lines; /* By number. */
    uint32_t count;
    uint64_t pushed_out; /* Of the rings that match. */
    bool known;          /* Some ring matches. */
};
bool log_query_matches(const struct log_query *query, const struct instance_key *key);
void log_rings_find(const struct log_rings *rings, const struct log_query *query, struct arena *arena,
                    struct log_answer *out_answer);

#endif
