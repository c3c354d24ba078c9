/* serving: the ACTIVE instances of this node, as the slice store announces them, and how many calls each may
 * handle at once. What exceeds that waits in a bounded queue, of which each caller has a share, or is refused
 * at once; never silently. And how their calls went. Pure. */
#ifndef AETHER_ACTORS_SLICE_SERVING_H
#define AETHER_ACTORS_SLICE_SERVING_H

#include "actors/slice/messages.h"
#include "runtime/base/histogram.h"
#include "runtime/base/map.h"

enum {
    SERVING_CONCURRENCY_DEFAULT = 64, /* Calls at once, where the entry point doesn't say. */
    SERVING_WAITING_MAX = 256,        /* Calls that wait for one instance, */
    SERVING_CALLER_MAX = 64,          /* and those of one caller among them. */
};

struct serving_entry {
    char *name;
    uint32_t deadline_ms;
    uint32_t concurrency_max;
    uint32_t in_flight;
    bool repeatable;
};

/* A call that waits; embedded in the caller's own struct. */
struct serving_waiter {
    struct serving_waiter *next;
    struct serving_entry *entry;
    uint64_t caller; /* Whose share of the queue it takes. */
    bool waits;
};

struct serving_instance {
    uint64_t number; /* Never used again: tells an instance from its successor under the same key. */
    struct instance_key key;
    struct actor_id actor;
    struct serving_entry *entries;
    uint32_t entry_count;
    struct serving_waiter *first; /* Oldest. */
    struct serving_waiter **last;
    uint32_t waiting;
    uint32_t in_flight;    /* Of all its entry points. */
    struct histogram took; /* Nanoseconds of each call that it answered, its wait included. */
    int64_t late_told_ns;  /* When its manager heard last that a call was over its deadline; 0: never. */
    uint64_t failed;       /* Of them: those that ended otherwise than OK. */
};

struct serving {
    struct map by_key;    /* artifact#instance -> struct serving_instance * */
    struct map by_number; /* The same. */
    uint64_t number_last;
    uint64_t changes; /* Counts what was added and removed: pointers found under another count are stale. */
};

void serving_fini(struct serving *serving);
struct serving_instance *serving_find(const struct serving *serving, const char *artifact, uint32_t instance);
struct serving_instance *serving_find_number(const struct serving *serving, uint64_t number);
struct serving_entry *serving_entry(const struct serving_instance *instance, const char *name);
/* Replaces what was under the key. */
void serving_add(struct serving *serving, const struct instance_serving *announced);
/* What still waits must be taken out first (serving_next_waiter with `any`). */
void serving_remove(struct serving *serving, struct serving_instance *instance);

/* Takes a place for one call; false: all are taken. */
bool serving_begin(struct serving_instance *instance, struct serving_entry *entry);
void serving_end(struct serving_instance *instance, struct serving_entry *entry);
enum serving_room { SERVING_WAITS, SERVING_FULL, SERVING_SHARE_FULL /* Only this caller's part is. */ };
enum serving_room serving_wait(struct serving_instance *instance, struct serving_entry *entry,
                               struct serving_waiter *waiter, uint64_t caller);
void serving_stop_waiting(struct serving_instance *instance, struct serving_waiter *waiter);
/* The oldest waiter whose entry point has a place, or with `any` the oldest of all; NULL: none. Removed. */
struct serving_waiter *serving_next_waiter(struct serving_instance *instance, bool any);

#endif
