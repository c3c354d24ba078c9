/* watch: how long turns take, and the watchdog over them. Each thread that runs actors shows in a line of its
 * own what it does and since when, by plain stores.
 *
 * The clock is read between turns, never more than once for each: after every turn of an actor that is not
 * known to be quick (and before it, where that has not just been done), but only every WATCH_MESSAGES
 * messages of quick ones: as many as one turn of theirs may have without a look at the clock. What lies
 * between two readings is a span: one turn, or several quick ones. Its time goes to the actor whose turn
 * ended it: exact for those that take time, a sample for those that take none; the sum is always right. From
 * it follows how many messages the actor's next turn may take: as many as fit in a millisecond at that speed,
 * at most 100, growing by doubling, shrinking at once.
 *
 * The machine's timer thread looks now and then. A turn of over 50 ms on a pool is reported once, by actor
 * and message kind (log and aether_actor_long_turns_total); one of over 2 s marks the node degraded until a
 * minute after its end. Pinned actors may block, that is what they are for: they are reported from 2 s on;
 * and one whose behavior says that it blocks (downloads, foreign code) is not watched. A span that began and
 * ended between two looks is reported by its own thread, at its end. (An actor that was quick so far and
 * takes its long turn then, unseen and within a span of several, may be reported under the name of the one
 * that ended the span.)
 *
 * Only machine.h and its .c files include this. */
#ifndef AETHER_RUNTIME_WATCH_H
#define AETHER_RUNTIME_WATCH_H

#include "runtime/actor.h"

#include <pthread.h>

enum { WATCH_LENGTHS = 14, WATCH_MESSAGES = 100, WATCH_BATCH_MAX = 100 };
#define WATCH_TURN_NS MILLISECONDS(1)

struct watch {                     /* One thread's. Written by it alone, read by any: atomic. */
    _Alignas(64) int64_t since_ns; /* When the span began; 0: no turn runs. Else the next two hold, */
    const struct actor *actor;     /* unless this is NULL: the first turn is still to come. */
    uint32_t kind;                 /* Of the message being handled, or the last one. */
    uint64_t turns;
    uint64_t turns_ns;
    uint64_t lengths[WATCH_LENGTHS]; /* Turns by length: up to 1.024 us, then four times as long each. */
    /* The thread's alone. */
    uint64_t span;         /* Turns << 32 | messages. */
    int64_t span_ns;       /* What the last one took, */
    int64_t turn_ns;       /* and a turn lately, on average. */
    uint32_t span_handled; /* Messages of the last one. */
    /* Under the watchdog's lock. */
    int64_t reported_ns; /* The begin of the span that was reported last. */
    struct watch *next;
};

struct watchdog {         /* A machine's. */
    pthread_mutex_t lock; /* Taken before a runtime's. */
    struct watch *watches;
    struct runtime *runtimes; /* By next_watched. */
    struct watch gone;        /* Counts of threads that have ended. */
};

void watchdog_init(struct watchdog *watchdog);
void watchdog_fini(struct watchdog *watchdog);
void watchdog_add(struct watchdog *watchdog, struct watch *watch);    /* Borrowed until removed. */
void watchdog_remove(struct watchdog *watchdog, struct watch *watch); /* Its thread runs no turn any more. */
void watchdog_attach(struct watchdog *watchdog, struct runtime *runtime);
void watchdog_detach(struct watchdog *watchdog, struct runtime *runtime);
/* Looks at all threads; returns in how many nanoseconds to look again. */
int64_t watchdog_look(struct watchdog *watchdog, int64_t now_ns);
/* Sums of all threads' turns, turns_ns and lengths, those that have ended included. */
void watchdog_sum(struct watchdog *watchdog, struct watch *out_sum);
uint64_t watch_length_bound_ns(uint32_t at); /* Of lengths[at]; UINT64_MAX: the last, which has none. */

/* Its own thread only. */
static inline void watch_span_add(struct watch *watch, uint32_t messages)
{
    watch->span += UINT64_C(1) << 32 | messages;
}
static inline uint32_t watch_span_turns(const struct watch *watch)
{
    return (uint32_t)(watch->span >> 32);
}
static inline uint32_t watch_span_messages(const struct watch *watch)
{
    return (uint32_t)watch->span;
}
static inline void watch_handles(struct watch *watch, uint32_t kind)
{
    __atomic_store_n(&watch->kind, kind, __ATOMIC_RELAXED);
}

#endif
