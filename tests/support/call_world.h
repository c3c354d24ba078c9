/* call_world: the slice_call actors of three nodes on the stepper over one agreed state (support/agreed),
 * which also carries their frames; instances are stand-ins that answer, hold or fail as the test says. */
#ifndef AETHER_TESTS_SUPPORT_CALL_WORLD_H
#define AETHER_TESTS_SUPPORT_CALL_WORLD_H

#include "tests/support/agreed.h"
#include "tests/support/probe.h"
#include "wire/proto/slice.pb-c.h"

#define CALL_TAX "org.example:tax:1.0.0"

enum { CALL_NODES = 3, CALL_HELD_MAX = 600 };

struct call_instance { /* The stand-in of one instance. */
    struct agreed_node *node;
    struct actor_id actor;
    uint32_t handled;
    bool holds;
    enum status refuses; /* Not OK: so it refuses all, or while refusals > 0 so many. */
    uint32_t refusals;
    struct message *held[CALL_HELD_MAX];
    uint32_t held_count;
    char caller[128];
    char payload[64];
    uint64_t budget_ms;
    uint32_t depth;
    uint32_t withdrawn; /* INVOKE_WITHDRAWN for calls that it held: refused CANCELLED, as an instance does. */
    uint32_t routes;    /* SLICE_ROUTE */
};

struct call_world {
    struct scheduler *stepper;
    struct agreed agreed;
    struct call_instance instances[CALL_NODES]; /* Instance n + 1 of CALL_TAX, on node n. */
};

/* cmocka's: *state is the world. */
int call_world_set_up(void **state);
int call_world_tear_down(void **state);

/* Says SERVING or GONE of instance n + 1 to its node's slice_call. */
void call_world_announce(struct call_world *world, uint32_t number, uint32_t kind);
/* Records instance n + 1 as ACTIVE on node n, by every move, and announces it. Its entry points are `quote`
 * (READONLY), `order` (two at a time) and `brief` (100 ms, where the caller names no deadline). */
void call_world_activate(struct call_world *world, uint32_t number);
void call_world_settle(struct call_world *world, int64_t duration_ns);
void call_world_release(struct call_instance *instance, uint32_t position); /* Answers a held call. */

struct message *call_world_message(const char *target);
struct probe_result call_world_ask(struct call_world *world, uint32_t node, struct message *message,
                                   int64_t timeout_ns); /* Takes the message. */
struct probe_result call_world_call(struct call_world *world, uint32_t node, const char *target,
                                    int64_t timeout_ns);
/* Begins a call and goes on. `pending` is to outlive the world: what is open then ends with it. */
struct call_pending {
    bool ended;
    enum status status;
    struct error error;
    char payload[64];
};
void call_world_begin(struct call_world *world, uint32_t node, struct message *message, int64_t timeout_ns,
                      struct call_pending *pending);
void call_world_withdraw(struct call_world *world, uint32_t node, uint64_t tag);
void call_world_expect(struct probe_result result, enum status status); /* Frees the reply. */
bool call_world_has_event(struct call_world *world, const char *outcome);
uint32_t call_world_handled(const struct call_world *world); /* By all instances. */

#endif
