/* pool_probe: how tests on the real pool (threads, real time) talk to actors: ask one and wait for its
 * answer, stand in for one and wait for what it is told. Everything here is called from the test's own
 * thread, so that assertions stay there. */
#ifndef AETHER_TESTS_SUPPORT_POOL_PROBE_H
#define AETHER_TESTS_SUPPORT_POOL_PROBE_H

#include "tests/support/probe.h"

struct pool_probe;

struct pool_probe *pool_probe_create(const char *node);
void pool_probe_destroy(
    struct pool_probe **probe); /* Stops all actors first; prints if that takes too long. */
struct actor_id pool_probe_spawn(struct pool_probe *probe, const struct behavior *behavior,
                                 const void *options, uint32_t name);
/* Takes the message. `completed` is always true. */
struct probe_result pool_probe_ask(struct pool_probe *probe, struct actor_id to, struct message **message,
                                   int64_t timeout_ns);
struct probe_result pool_probe_ask_name(struct pool_probe *probe, uint32_t name, struct message **message,
                                        int64_t timeout_ns);
/* Asks without waiting; wait by number later. */
uint64_t pool_probe_begin(struct pool_probe *probe, struct actor_id to, struct message **message,
                          int64_t timeout_ns);
uint64_t pool_probe_begin_name(struct pool_probe *probe, uint32_t name, struct message **message,
                               int64_t timeout_ns);
struct probe_result pool_probe_end(struct pool_probe *probe, uint64_t number);

/* A stand-in under a well-known name: keeps what it is told until awaited. `answer` (may be NULL) runs on the
 * actor's thread first; true: it has dealt with the message. */
typedef bool pool_stub_answer(struct actor *self, void *context, const struct message *message);
void pool_probe_stub(struct pool_probe *probe, uint32_t name, pool_stub_answer *answer, void *context);
/* The oldest message of that kind told to any stub; NULL: none came in time. Ours to destroy. */
struct message *pool_probe_await(struct pool_probe *probe, uint32_t kind, int64_t timeout_ns);

#endif
