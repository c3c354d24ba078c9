/* message: what actors send each other: a kind, a body, and an arena that owns everything the body points to.
 * A message has exactly one owner at a time. Sending gives it away; a handler borrows it for the call and may
 * take it with actor_keep. Not thread-safe: ownership moves from thread to thread through a mailbox only. */
#ifndef AETHER_RUNTIME_MESSAGE_H
#define AETHER_RUNTIME_MESSAGE_H

#include "runtime/base/arena.h"
#include "runtime/base/bytes.h"
#include "runtime/base/error.h"

#include <stdint.h>

/* Kinds of the runtime itself; wire/kinds.h lists all others (from 100). */
enum runtime_kind {
    KIND_NONE = 0,
    KIND_REFUSED = 1, /* body: struct error. Only ever the completion of an ask. */
    KIND_DOWN = 2,    /* body: struct actor_down. An actor that we monitor has ended. System lane. */
    KIND_STOP = 3,    /* Ordered stop: the behavior's `stop` runs, then fini. System lane. */
    KIND_RUNTIME_LAST = 99,
};

struct actor_id { /* Unique in its runtime for its lifetime; {0,0} is nobody. */
    uint32_t index;
    uint32_t generation;
};

struct request_id { /* 128 bit, time-ordered; zero = none. Inherited by every message a handler creates. */
    uint64_t high;
    uint64_t low;
};

enum message_lane { LANE_USER = 0, LANE_SYSTEM = 1 }; /* The system lane is drained first, needs no credit. */

/* The first line of a message is what its way through the runtime touches; aligned so that it is one line. */
struct message {
    struct message *next; /* Owned by whatever queue holds it. */
    void *body;           /* Goes with the message; or NULL. Its type follows from the kind. */
    uint32_t kind;
    uint32_t generation; /* Private: whom in the receiver's place it was meant for. */
    struct actor_id sender;
    uint64_t ask_id;     /* Not 0: sender awaits exactly one completion under this number. */
    int64_t deadline_ns; /* Of the work, by this runtime's clock; 0 = none. Nested asks never exceed it. */
    uint64_t tag;        /* Timers: the tag given at arming. */
    uint8_t lane;
    uint8_t flags;      /* Private to the runtime. */
    uint16_t ask_depth; /* How many asks wait in a chain for this one's answer, it included. The runtime's. */
    struct request_id request_id;
    struct message **kept_by; /* Private: what points at us while we are a kept ask. */
    struct bytes *attachment; /* Bulk bytes; one reference is ours. */
    /* Optional: gives back what the body holds outside the arena (references to bytes), whoever destroys the
     * message. message_destroy calls it once, before the arena goes; whoever takes those references away
     * clears it. */
    void (*release)(struct message *message);
    struct arena arena;
    const char *from_node; /* The sending node's name, in our arena; NULL = from this node. */
    uint64_t from_replica; /* Its replica id as its frame said; 0 = from this node or not known. */
};

struct message *message_create(uint32_t kind, size_t body_size);    /* Body zeroed; NULL body for size 0. */
void message_destroy(struct message **message);                     /* Takes; leaves NULL. */
void message_attach(struct message *message, struct bytes **bytes); /* Takes. */

/* For the runtime only: destroying in two steps. Strip gives back all that a message holds but its own block,
 * recycle that: nothing may name its address any more. */
void message_strip(struct message *message);
void message_recycle(struct message *message);
void message_give_back(struct message *message); /* Both. */

/* For the runtime only: an actor's list of kept messages that still await its answer. A message leaves it
 * when it is destroyed, answered or forwarded. */
void message_list_as_kept(struct message *message, struct message **list);
void message_leave_list(struct message *message);
static inline void message_unlist(struct message *message) /* Not listed: nothing happens. */
{
    if (__builtin_expect(message->kept_by != NULL, 0)) message_leave_list(message);
}

#endif
