/* scheduler: what runs actors. One interface, two machines: `pool` (threads, real time) and `stepper` (one
 * thread, seeded order, virtual time, many nodes in one process). A runtime is one node's actors on one of
 * them. */
#ifndef AETHER_RUNTIME_SCHEDULER_H
#define AETHER_RUNTIME_SCHEDULER_H

#include "runtime/actor.h"
#include "runtime/port/clock.h"
#include "runtime/port/random.h"

struct scheduler;

/* --- pool: real threads ------------------------------------------------------------------------------ */
struct pool_options {
    uint32_t threads[POOL_COUNT]; /* 0 = default: general: cores, consensus: 1, inline: 1. */
    const struct clock *clock;    /* runtime/os in the daemon. Borrowed for the scheduler's life. */
    const struct random *random;
};
struct scheduler *pool_create(const struct pool_options *options);

/* --- stepper: one thread, virtual time --------------------------------------------------------------- */
struct stepper_options {
    uint64_t seed;
    int64_t pinned_delay_max_ns; /* A pinned actor's turn starts up to this much after its message. */
    /* A message between actors arrives up to this much after it was sent: so what two senders send to one
     * receiver, or one to two, comes in any order. What one sends another stays in its order (ACT1), what is
     * already on its way holds its credit (ACT4), and timers are never late. 0: at once. */
    int64_t message_delay_max_ns;
};
struct scheduler *stepper_create(const struct stepper_options *options);
bool stepper_step(struct scheduler *stepper); /* One turn, or time moves to the next timer; false:
                                                 nothing will ever happen again. */
int64_t stepper_now_ns(const struct scheduler *stepper);
void stepper_run_until(struct scheduler *scheduler, int64_t time_ns);
uint64_t stepper_trace_hash(
    const struct scheduler *stepper); /* Over (time, node, actor, kind) of each turn. */
/* A call at a virtual time, outside every actor: the simulator's network and faults. */
void stepper_call_at(struct scheduler *stepper, int64_t time_ns, void (*call)(void *context, uint64_t tag),
                     void *context, uint64_t tag);
uint64_t stepper_random(struct scheduler *stepper);

/* Trouble with the machine under one runtime, until changed again or the runtime is destroyed; not from
 * inside an actor. */
enum stepper_hold {
    STEPPER_HOLD_NONE,
    STEPPER_HOLD_PINNED, /* Its pinned actors stand still: a disk that hangs (FLT10). */
    STEPPER_HOLD_ALL,    /* All of them do, as at SIGSTOP: messages and timers wait for them. */
};
void stepper_hold(struct scheduler *scheduler, struct runtime *runtime, enum stepper_hold hold);
/* Its monotonic clock, and with it its timers, goes at this rate: 1000 is right, 1 as good as frozen (FLT11).
 */
void stepper_set_rate(struct scheduler *scheduler, struct runtime *runtime, uint32_t rate_permille);
void stepper_set_wall_offset(struct scheduler *scheduler, struct runtime *runtime, int64_t offset_ms);

void scheduler_destroy(struct scheduler **scheduler); /* All runtimes on it must be gone. */

/* --- runtime: one node ------------------------------------------------------------------------------- */
struct log_record {
    int level;
    int64_t wall_ms;
    const char *node;
    const char *actor;
    const char *event;
    const char *text;
    struct request_id request_id;
};
struct runtime_options {
    struct scheduler *scheduler;
    const char *node;                                            /* For logs and traces. Copied. */
    void (*log)(void *context, const struct log_record *record); /* Any thread; NULL = none. */
    void *log_context;
    int log_level;
    /* The root supervisor gave up (or an actor that must never be restarted failed): the daemon exits 70, the
     * simulator counts a crash. Any thread. */
    void (*on_failure)(void *context, const struct error *error);
    void *failure_context;
    /* What a message says, as one number that is the same whenever the same is said again, on any node; 0:
     * can't be told, or NULL: then the request that it belongs to stands for it. For the quarantine. */
    uint64_t (*fingerprint)(const struct message *message);
    const char *(*kind_name)(uint32_t kind); /* For logs; NULL: kinds go by their numbers. */
};
struct runtime *runtime_create(const struct runtime_options *options);
/* From outside any actor: the assembly in nodes/, tests, and adapters' own threads. */
MUST_CHECK enum status runtime_spawn(struct runtime *runtime, const struct behavior *behavior,
                                     const struct spawn_options *options, struct actor_id *out_id,
                                     struct error *error);
MUST_CHECK enum status runtime_send(struct runtime *runtime, struct actor_id to, struct message **message);
struct actor_id runtime_find(const struct runtime *runtime, uint32_t name);
struct scheduler *runtime_scheduler(const struct runtime *runtime);
/* Ordered stop: roots in reverse order of their start, each with its children; false: the deadline passed.
 * Never from inside an actor. */
bool runtime_stop(struct runtime *runtime, int64_t timeout_ns);
/* After a runtime_stop that succeeded, or (stepper only) at any time, as the node's crash: nothing more is
 * sent or handled, open asks complete CANCELLED with their sends going nowhere, states are freed by fini, no
 * stop is called, other nodes notice nothing. Never from inside an actor (on_failure and handlers included):
 * the simulator uses stepper_call_at. */
void runtime_destroy(struct runtime **runtime);

/* What people see of an actor. Valid during the call. */
struct actor_view {
    struct actor_id id;
    struct actor_id parent; /* Not set: a root. */
    const char *behavior;
    const char *label; /* NULL: none. */
    const char *phase; /* "starting", "running", "ending". */
    enum actor_home home;
    enum actor_pool pool;
    uint32_t mailbox_length;
    uint32_t mailbox_capacity;
    uint64_t handled;     /* Messages, answers and timers included. */
    uint64_t refused;     /* Its mailbox was full: the sender was told. */
    uint64_t dropped;     /* Nobody was told: oldest of a full mailbox, kinds it doesn't know. */
    uint64_t quarantined; /* Messages like one that made its handler fail twice. */
    uint32_t restarts;
    int64_t busy_ns; /* In its handlers (pool). */
};
/* Visits every living actor, in order of their places in the table. Any thread; `visit` may not call the
 * runtime. Figures of running actors are a moment old. */
void runtime_visit_actors(struct runtime *runtime,
                          void (*visit)(void *context, const struct actor_view *view), void *context);
/* A message that made a handler fail twice, and reaches none any more (quarantine.c). */
enum { QUARANTINE_ORIGIN_MAX = 64 };
struct quarantine_view {
    const char *behavior; /* Whose handler. */
    uint32_t kind;
    uint64_t hash;
    const char *origin; /* The node, or the actor of this one, that sent it last. */
    uint64_t refused;   /* How often it came again since. */
};
/* The oldest first. Any thread; `visit` may not call the runtime. */
void runtime_visit_quarantine(struct runtime *runtime,
                              void (*visit)(void *context, const struct quarantine_view *view),
                              void *context);
uint64_t runtime_dropped(const struct runtime *runtime); /* Messages to actors that were no more. */

#endif
