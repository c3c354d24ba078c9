/* history_records: how a history lies in memory, for its checkers (history_*.c) only. */
#ifndef AETHER_NODES_SIM_HISTORY_RECORDS_H
#define AETHER_NODES_SIM_HISTORY_RECORDS_H

#include "nodes/sim/history.h"
#include "runtime/base/map.h"

enum history_effect { HISTORY_NOTHING, HISTORY_READS, HISTORY_PUTS, HISTORY_DELETES };
enum history_outcome { HISTORY_UNKNOWN, HISTORY_OK, HISTORY_REFUSED, HISTORY_FAILED };

static const int64_t history_never_ns = INT64_MAX; /* When an operation of unknown outcome returns. */

struct history_part { /* What an operation does to one key. */
    uint32_t op;
    uint32_t key;
    enum history_effect effect;
    bool compares;
    uint64_t expected; /* If it compares. */
    uint64_t value;    /* Put, or seen. */
    uint64_t revision; /* Of the record that was seen; 0: not told. */
};

struct history_op {
    uint32_t client;
    enum history_outcome outcome;
    bool past; /* A read of the past, or a stale one: outside of real time. */
    uint32_t part_first;
    uint32_t part_count;
    int64_t call_ns;
    int64_t return_ns;
    uint64_t revision; /* 0: not told. */
    uint64_t after;    /* 0: it asked for none. */
};

struct history_watcher {
    char *prefix;
    uint64_t from;
    uint64_t told; /* Everything below has been told; 0: nothing was promised. */
};

struct history_event {
    uint32_t watcher;
    uint32_t key;
    uint64_t revision;
    uint64_t value;
    uint64_t previous;
};

struct history {
    struct map key_ids; /* Name to number + 1. */
    char **keys;
    uint32_t key_count, key_room;
    struct history_op *ops;
    uint32_t op_count, op_room;
    struct history_part *parts;
    uint32_t part_count, part_room;
    struct history_watcher *watchers;
    uint32_t watcher_count, watcher_room;
    struct history_event *events;
    uint32_t event_count, event_room;
};

/* Makes room for one more of `size` bytes; returns the array, moved if need be. */
void *history_room(void *array, uint32_t count, uint32_t *room, size_t size);

static inline bool history_writes(const struct history_part *part)
{
    return part->effect == HISTORY_PUTS || part->effect == HISTORY_DELETES;
}

/* "put k3=4294967298 by client 1 (#17)": for the story of a conviction. */
enum { HISTORY_STORY_MAX = 160 };
const char *history_tell(const struct history *history, uint32_t op, char story[HISTORY_STORY_MAX]);

#endif
