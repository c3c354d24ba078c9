/* timers: a hierarchical timing wheel (Varghese and Lauck, 1987) of 64 slots a level, exact to the
 * nanosecond. Arm and cancel are O(1); a timer moves down at most one level each time its turn comes nearer;
 * empty time is skipped by bitmaps, not stepped through. Timers of one instant fire in the order they were
 * armed. Memory per armed timer: sizeof(struct timer) <= 100 bytes. Not thread-safe: scheduler.c holds a lock
 * around it. */
#ifndef AETHER_RUNTIME_TIMERS_H
#define AETHER_RUNTIME_TIMERS_H

#include "runtime/message.h"

#include <stdbool.h>
#include <stdint.h>

struct actor;
struct timers;

/* What a timer says when it fires. */
struct timer {
    int64_t due_ns;
    int64_t period_ns; /* 0: once. */
    uint64_t tag;
    struct actor *owner; /* Whose it is; timers only hands it back. */
    uint32_t kind;
    /* Private. */
    uint32_t generation;
    uint32_t index;
    uint32_t next, previous;             /* In its wheel slot, by index + 1. */
    uint32_t owner_next, owner_previous; /* In its owner's list. */
    uint16_t slot;                       /* Which slot + 1; 0: not in the wheel (fired, or free). */
};

struct timers *timers_create(int64_t now_ns);
void timers_destroy(struct timers **timers);

/* `list` is the owner's own list of its timers (0 = empty). Due times in the past fire at the next advance.
 * Returns the timer's number, never 0, never used again. */
uint64_t timers_arm(struct timers *timers, const struct timer *what, uint32_t *list);
void timers_cancel(struct timers *timers, uint64_t id, uint32_t *list); /* An unknown id is fine. */
void timers_cancel_all(struct timers *timers, uint32_t *list);
/* A timer's message has reached its owner: true unless it was cancelled meanwhile. One that fires once is
 * gone then; a periodic one is armed again for the first multiple of its period after now_ns, without drift.
 * now_ns is raised to the due time where the owner's turn had begun before it: no timer is seen early. */
bool timers_deliver(struct timers *timers, uint64_t id, int64_t *now_ns, uint32_t *list);

/* When the next timer is due; INT64_MAX: there is none. Where very many stand close together it may be a
 * bound only: no timer is due before it, and advancing to it may fire none. */
int64_t timers_next_ns(const struct timers *timers);
/* Calls `fire` for each timer due at now_ns or before, in order of time. `fire` may not call timers. */
uint32_t timers_advance(struct timers *timers, int64_t now_ns,
                        void (*fire)(void *context, const struct timer *timer, uint64_t id), void *context);
/* Of the timers of a list: what is left until each comes (and its period) becomes `from / to` of what it was:
 * their owner's clock changed its rate. */
void timers_stretch(struct timers *timers, uint32_t list, int64_t now_ns, int64_t from, int64_t to);
size_t timers_bytes(const struct timers *timers);   /* All the memory they take. */
uint32_t timers_count(const struct timers *timers); /* Armed or fired and not delivered yet. */

#endif
