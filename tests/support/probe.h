/* probe: how tests on the stepper talk to actors: ask one and wait for its answer, or stand in for one. */
#ifndef AETHER_TESTS_SUPPORT_PROBE_H
#define AETHER_TESTS_SUPPORT_PROBE_H

#include "runtime/actor.h"
#include "runtime/scheduler.h"

struct probe_result {
    bool
        completed; /* false: nothing happens any more, or virtual time passed the limit, without an answer. */
    enum status status;
    struct error error;      /* Zeroed when OK. */
    struct message *message; /* The reply, ours to destroy; NULL unless OK. */
};

/* Asks as an actor of `runtime` would, and steps until the answer is there. Takes the message. */
struct probe_result probe_ask(struct runtime *runtime, struct actor_id to, struct message **message,
                              int64_t timeout_ns);
struct probe_result probe_ask_name(struct runtime *runtime, uint32_t name, struct message **message,
                                   int64_t timeout_ns);
/* Sends from outside and lets everything settle that needs no time to pass. Takes the message. */
void probe_tell(struct runtime *runtime, struct actor_id to, struct message **message);
/* Steps until `done` says so; false: not before virtual time has moved on by limit_ns. */
bool probe_await(struct scheduler *stepper, bool (*done)(void *context), void *context, int64_t limit_ns);

/* An actor that hands every message to `handle` (with the context as its state); name 0 = none. */
typedef void stub_handler(struct actor *self, void *context, const struct message *message);
struct actor_id stub_spawn(struct runtime *runtime, uint32_t name, stub_handler *handle, void *context);

#endif
