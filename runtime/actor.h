/* actor: the interface that every actor of the cluster is written against. An actor is state plus a table of
 * handlers; it handles one message at a time, on one thread at a time, and never blocks (pinned actors may).
 * Every function here that takes `self` may be called only from a handler of that actor. */
#ifndef AETHER_RUNTIME_ACTOR_H
#define AETHER_RUNTIME_ACTOR_H

#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/message.h"

#include <stdbool.h>
#include <stdint.h>

struct actor;   /* One running actor, as its own handlers see it. */
struct runtime; /* All actors of one node. */

enum actor_home {
    ACTOR_POOLED, /* Runs on its pool's threads. */
    ACTOR_PINNED, /* Has a thread of its own and may block. */
    /* Of its pool, whose only worker, while it has nothing else to do, sleeps in this actor's `wait`: what
     * comes from outside reaches the others of the pool, and theirs leaves, without a change of thread. One
     * a pool; of a pool with more threads, or as the second one, it is as if pinned. */
    ACTOR_PORTER,
};

enum actor_pool {
    POOL_GENERAL,
    POOL_CONSENSUS, /* Runs nothing foreign (consensus.md C3). */
    POOL_INLINE,    /* Inline slices. */
    POOL_COUNT,
};

enum mailbox_policy {
    MAILBOX_REFUSE,      /* A full mailbox refuses: the sender is told OVERLOADED. */
    MAILBOX_DROP_OLDEST, /* A full mailbox drops its oldest message and counts it (telemetry). Its actor does
                            so when it runs; until then it takes up to twice its capacity, then refuses. */
};

typedef void actor_handler(struct actor *self, void *state, const struct message *message);

/* What a pooled actor says between two of its turns, when nobody else wants its thread (behavior.linger). */
enum actor_linger {
    LINGER_NOT,  /* It awaits nothing: it rests, as every other actor. */
    LINGER_WAIT, /* Ask again in a moment; the last time it means no. */
    LINGER_COME, /* It has come: a turn, please (turn_end, and whatever messages there are). */
};

struct behavior_row {
    uint32_t kind;
    actor_handler *handle;
};

struct behavior {
    const char *name;
    size_t state_size;
    enum actor_home home;
    enum actor_pool pool;
    bool blocks; /* Pinned, and its turns may take any time: the watchdog says nothing of them. */
    uint32_t mailbox_capacity; /* Messages in the user lane; 0 = 1024. */
    enum mailbox_policy policy;
    /* State arrives zeroed; `options` is borrowed for the call. A failure here counts as a failed start.
     * On failure fini is not called: init undoes what it did. */
    enum status (*init)(struct actor *self, void *state, const void *options, struct error *error);
    /* How long an ordered stop may take to reach it; 0 = 5 s, pinned 30 s. Where it doesn't, nothing can end
     * a handler but the process: runtime_options.on_failure is told (DEADLINE). */
    int64_t stop_within_ns;
    /* Optional: ordered end, after its children's; may still send. */
    void (*stop)(struct actor *self, void *state);
    void (*fini)(void *state); /* Optional: frees what state owns. Never sends. */
    /* Optional: after the last message of a batch, before the actor yields: group commits live here. */
    void (*turn_end)(struct actor *self, void *state);
    /* Optional, handles every kind that no row names; without it such a message is refused with INVALID
     * (asks) or counted and dropped. */
    actor_handler *otherwise;
    /* Optional, pooled only: lets the actor stay on its thread for a few microseconds, at most about what
     * waking a sleeping core takes, and only while neither the actor nor its thread has anything else to do:
     * for memory that another process writes. Asked after each of its turns until it says no, or, `last`, is
     * told to make up its mind: from then on what it awaits must come by a message. Reads that memory and
     * changes its own state; may call nothing of the runtime. Never asked under the stepper. */
    enum actor_linger (*linger)(void *state, bool last);
    /* Pooled: it runs on the thread that sent for it, where that is one of the inline pool, else in its own
     * pool; sent for by a thread of no pool, where it ran last. For those who stand between an inline slice
     * and something else, and only pass on. */
    bool follows_caller;
    const struct behavior_row *rows;
    uint32_t row_count;
    /* Pinned actors that wait in a library's own poll supply both (else they park on a futex), and so do
     * porters: `wait` blocks until there is input, `wake` was called, or timeout_ns passed (< 0: for ever),
     * then handles its input and returns; it runs on the actor's thread. `wake` is called by senders on any
     * thread. The runtime calls wake only when the mailbox (of a porter: its worker) was idle. A porter asks
     * for the time only after it has waited; while its worker is busy, its `wait` is called with timeout 0
     * every few turns. Under the stepper `wait` is called with timeout 0 each time the actor is scheduled.
     */
    void (*wait)(struct actor *self, void *state, int64_t timeout_ns);
    void (*wake)(void *state);
};

/* Who and when. */
struct actor_id actor_self(const struct actor *self);
struct runtime *actor_runtime(const struct actor *self);
/* Monotonic; read once a turn (pinned actors, which may block: at each call); never before the due time of a
 * timer that this turn has handled. */
int64_t actor_now_ns(const struct actor *self);
int64_t actor_wall_ms(const struct actor *self); /* Unix milliseconds; for people only. */
uint64_t actor_random(struct actor *self);
struct request_id actor_request_id_new(struct actor *self); /* Time-ordered, as UUIDv7 (RFC 9562). */
/* The request id that messages created from here on carry (the current message's, unless set here). */
void actor_set_request_id(struct actor *self, struct request_id id);
/* The deadline that bounds what is asked from here on (0 = none), instead of the current message's: for those
 * who go on with other work in the same turn, as a queue does when an answer makes room in it. */
void actor_set_deadline(struct actor *self, int64_t deadline_ns);
static inline bool actor_id_is_set(struct actor_id id)
{
    return id.generation != 0;
}
static inline bool actor_id_equal(struct actor_id a, struct actor_id b)
{
    return a.index == b.index && a.generation == b.generation;
}

/* Well-known names are small numbers that the rooms above define (wire/kinds.h: TO_...). */
enum { ACTOR_NAME_MAX = 64 };
void actor_register(struct actor *self, uint32_t name);              /* CHECKs that the name is free. */
struct actor_id actor_find(const struct actor *self, uint32_t name); /* Not set: nobody has the name. */

/* Send: OK takes the message; otherwise (OVERLOADED, NOT_FOUND) it is still yours. */
MUST_CHECK enum status actor_send(struct actor *self, struct actor_id to, struct message **message);
/* The same, but a message that can't be delivered is counted and destroyed: for what may be lost. */
void actor_tell(struct actor *self, struct actor_id to, struct message **message);
void actor_tell_name(struct actor *self, uint32_t name, struct message **message);

/* Ask: takes the message always. `complete` runs exactly once, as a turn of the asker, never inside the call:
 * with the reply (status OK, `message` borrowed, actor_keep takes it), or with a refusal, DEADLINE,
 * OVERLOADED or NOT_FOUND (no handler of the target has seen it), or CRASHED, CANCELLED, NODE_LOST where the
 * target ended with it: what it did before, nobody knows. timeout_ns <= 0 means: the current
 * message's deadline, or 30 s. The current message's deadline caps it either way. Inside `complete` the
 * current request id and deadline are those under which was asked. An ask made while handling an ask waits
 * one deeper; more than 64 deep is refused OVERLOADED, for such a chain goes in a circle (frames carry the
 * depth from node to node). Where the asker itself ends, its open asks complete
 * CANCELLED before fini, so that contexts can be freed; what is asked from there on is dropped, never
 * completed. */
struct ask_result {
    enum status status;
    const struct error *error;     /* NULL iff OK. */
    const struct message *message; /* NULL unless OK. */
};
typedef void ask_completion(struct actor *self, void *state, void *context, const struct ask_result *result);
void actor_ask(struct actor *self, struct actor_id to, struct message **message, int64_t timeout_ns,
               ask_completion *complete, void *context);
void actor_ask_name(struct actor *self, uint32_t name, struct message **message, int64_t timeout_ns,
                    ask_completion *complete, void *context);

/* Asks made from here on wait as deep as if the work at hand were awaited by so many: for who asks in another
 * node's name. */
void actor_set_ask_depth(struct actor *self, uint16_t depth);

/* Answer `request` (current or kept) once: a second answer, or one to a message that asked nothing, is
 * dropped. reply takes the message. */
void actor_reply(struct actor *self, const struct message *request, struct message **reply);
void actor_refuse(struct actor *self, const struct message *request, enum status status);
void actor_refuse_error(struct actor *self, const struct message *request, const struct error *error);
bool actor_refuse_if_late(struct actor *self, const struct message *request); /* DEADLINE; true if it was. */
/* Passes a kept (or own) message on: its sender, ask and deadline stay. Takes it always: where it can't be
 * delivered the asker is refused. */
void actor_forward(struct actor *self, struct actor_id to, struct message **message);
/* Takes the message being handled (also an ask's reply) into the state: ours to destroy. Once a turn. */
struct message *actor_keep(struct actor *self);

/* Timers: arrive as messages of `kind` with `tag`, in the system lane. */
struct timer_id {
    uint64_t value;
};
struct timer_id actor_after(struct actor *self, int64_t delay_ns, uint32_t kind, uint64_t tag);
struct timer_id actor_every(struct actor *self, int64_t period_ns, uint32_t kind);
void actor_cancel(struct actor *self,
                  struct timer_id *timer); /* Zeroes it; fired or zero is fine. A message
                                              that already left is not delivered either. */

/* Life. */
struct spawn_options {
    const void *options; /* For init; borrowed for the call. */
    const char *label;   /* For people, beside the behavior's name: "slice_host[orders/2]". Copied. */
    uint32_t name;       /* Register under this well-known name; 0 = none. */
    uint32_t restarts;   /* How often it was started again before (supervisors); for people. */
    bool monitored;      /* actor_spawn: the parent monitors it from its first moment. */
    /* actor_spawn: the sibling that counts as started after it, when they are stopped in reverse. Not set:
     * none. */
    struct actor_id before;
};
/* The child's init has run when this returns. It is the child of self: it is stopped before self ends. */
MUST_CHECK enum status actor_spawn(struct actor *self, const struct behavior *behavior,
                                   const struct spawn_options *options, struct actor_id *out_id,
                                   struct error *error);
struct actor_down { /* Body of KIND_DOWN. */
    struct actor_id id;
    enum status reason; /* OK = ordered stop. */
    bool escalates;     /* Starting it again is no help: too many of its messages were quarantined. */
    struct error error;
};
void actor_monitor(struct actor *self,
                   struct actor_id id); /* One KIND_DOWN; NOT_FOUND at once if it is gone already. */
void actor_demonitor(struct actor *self, struct actor_id id); /* One that is under way still comes. */
/* From now on, when one of the two fails, so does the other, with the same status; one that ends in order
 * leaves the other in peace. Linked to one that is gone already, we fail with NOT_FOUND. After Erlang. */
void actor_link(struct actor *self, struct actor_id id);
void actor_unlink(struct actor *self, struct actor_id id);
void actor_stop(struct actor *self, struct actor_id id); /* Ordered; self is fine. */
/* The actor cannot go on: it ends after this handler, its supervisor decides. */
void actor_fail(struct actor *self, const struct error *error);

/* Logs: once, where the decision falls; `event` is "room.what_happened". */
#define log_debug(self, event, ...) actor_log(self, 0, event, __VA_ARGS__)
#define log_info(self, event, ...)  actor_log(self, 1, event, __VA_ARGS__)
#define log_warn(self, event, ...)  actor_log(self, 2, event, __VA_ARGS__)
#define log_error(self, event, ...) actor_log(self, 3, event, __VA_ARGS__)
void actor_log(struct actor *self, int level, const char *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
