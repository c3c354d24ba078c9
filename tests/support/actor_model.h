/* actor_model: a crowd of actors that do everything the runtime offers, by seed, and watch its promises from
 * inside. The same crowd runs on the stepper and on the pool. Violations are counted, never asserted here: on
 * the pool this is not the main thread. */
#ifndef AETHER_TESTS_SUPPORT_ACTOR_MODEL_H
#define AETHER_TESTS_SUPPORT_ACTOR_MODEL_H

#include "runtime/scheduler.h"

enum { MODEL_ACTORS = 12, MODEL_MAILBOX = 64 };

struct model { /* All counts are atomic. */
    struct runtime *runtime;
    struct actor_id ids[MODEL_ACTORS];
    uint64_t sent;    /* Accepted sends to the crowd. */
    uint64_t handled; /* Handled by the crowd, asks not counted. */
    uint64_t refused; /* Sends that a full mailbox refused. */
    uint64_t asked;
    uint64_t completed;
    uint64_t timers_armed;
    uint64_t timers_seen;
    uint64_t timers_cancelled;
    uint64_t spawned; /* Short-lived children. */
    uint64_t downs;   /* ... and their ends, as their parents heard of them. */
    uint64_t answers[STATUS_COUNT];
    /* Violations: all must be 0. */
    uint64_t overtaken;  /* ACT1 */
    uint64_t at_once;    /* ACT2 */
    uint64_t twice;      /* ACT5: completed more than once. */
    uint64_t late;       /* ACT5: completed after the deadline + 10 ms (judged on the stepper only). */
    uint64_t over_bound; /* ACT4 */
    bool judges_time;
};

/* Spawns the crowd and throws in `tokens` messages that will cause about `work` messages each. */
void model_start(struct model *model, struct runtime *runtime, uint32_t tokens, uint32_t work);
bool model_is_quiet(
    const struct model *model); /* All that was sent, asked, armed, spawned has come to its end. */
void model_watch_bounds(struct model *model); /* ACT4, from outside. */
uint64_t model_violations(const struct model *model);

#endif
