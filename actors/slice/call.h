/* call: one call on its way, and the state of the actor that carries it: what the files of slice_call share.
 *
 *   slice_call.c    requests, withdrawals, what is learned, time
 *   call_choice.c   which instance
 *   call_attempt.c  to an instance of this node or to another node, and again
 *   call_keyed.c    calls with an idempotency key
 *   call_end.c      the one answer that each is owed
 */
#ifndef AETHER_ACTORS_SLICE_CALL_H
#define AETHER_ACTORS_SLICE_CALL_H

#include "actors/slice/call_outcomes.h"
#include "actors/slice/endpoint_table.h"
#include "actors/slice/messages.h"
#include "actors/slice/reply_cache.h"
#include "actors/slice/retry_budget.h"
#include "actors/slice/serving.h"
#include "runtime/actor.h"
#include "wire/follow.h"

enum { CALL_ATTEMPTS_MAX = 5, CALL_DEPTH_MAX = 32 };

enum call_source {
    FROM_CLIENT,
    FROM_SLICE, /* Of this node. */
    FROM_NODE,  /* Another one chose the instance, and tries again if need be. */
    FROM_KEY,   /* Nobody's own: it runs for all calls with its idempotency key. */
};
enum call_phase {
    CALL_CHOOSING,
    CALL_WAITS,  /* For a place at an instance of this node. */
    CALL_ASKED,  /* An instance of this node, or another node. */
    CALL_PAUSES, /* Before it is tried again. */
    CALL_JOINED, /* For the answer of a call FROM_KEY. */
};

/* Whether a call is tried again, and why. */
enum call_verdict {
    VERDICT_NONE, /* The question did not come up. */
    VERDICT_AGAIN_UNSTARTED,
    VERDICT_AGAIN_HARMLESS,
    VERDICT_FINAL,  /* Its outcome's class. */
    VERDICT_UNSAFE, /* It may have run, and nobody says that twice is harmless. */
    VERDICT_NOBODY, /* Nothing serves the target; waiting for that is the caller's choice. */
    VERDICT_BUDGET, /* The retry budget is exhausted. */
    VERDICT_ENOUGH, /* CALL_ATTEMPTS_MAX */
    VERDICT_NO_TIME,
    VERDICT_NOT_OURS, /* FROM_NODE, FROM_KEY: whoever asked decides. */
};

struct call_try {              /* One attempt, for --explain. */
    struct endpoint *endpoint; /* Held; NULL: nobody could be asked. */
    int64_t began_ns;
    int64_t ended_ns;
    enum status status;
    char *message; /* Of a failure, where the call explains itself; else NULL. */
};

struct call {
    struct serving_waiter waiter; /* First: a waiter is its call. */
    uint64_t number;
    uint64_t tag; /* By which it is withdrawn; 0: by nobody. */
    enum call_source source;
    enum call_phase phase;
    enum call_verdict verdict;
    bool withdrawn; /* Answered CANCELLED; it stays until what it asked completes. */
    bool deadline_named;
    bool explains;
    uint32_t depth;
    struct message *request; /* Ours, owed exactly one answer; NULL: answered, or FROM_KEY. */
    struct bytes *payload;   /* May be NULL. */
    struct request_id request_id;
    int64_t began_ns;
    int64_t deadline_ns;
    struct timer_id timer; /* While it waits, pauses, or is joined. */
    /* In the request's arena, or in `arena`. */
    const char *target;
    const char *affinity;
    const char *key; /* Of idempotency. */
    const char *caller;
    uint64_t caller_hash;
    uint64_t budget; /* Whose retry budget: caller and target. */
    /* The attempt under way, or the last one. */
    struct endpoint *endpoint; /* Held by its try; NULL: FROM_NODE, FROM_KEY, or nobody could be asked. */
    const char *artifact;      /* Exact; the endpoint's, or as `target`. */
    const char *entry;
    uint32_t instance;
    uint64_t serving_number; /* Not 0: it has a place or waits at this instance of ours. */
    struct serving_entry *serving_entry;
    struct call_try tries[CALL_ATTEMPTS_MAX];
    uint32_t try_count;
    /* Keyed calls. */
    struct call *run;         /* JOINED: the call FROM_KEY. */
    struct call *joined;      /* FROM_KEY: the first of those that await it, */
    struct call *joined_next; /* and the next. */
    struct kept_reply *kept;  /* FROM_KEY: where its answer goes; NULL: it is spent. */
    struct arena arena;
};

struct slice_call {
    struct endpoint_table table;
    struct endpoint_node *node; /* This one. */
    struct serving serving;
    struct map calls;     /* Number -> struct call * */
    uint64_t number_last; /* Begins at random: other nodes know calls of a former life. */
    struct retry_budget budget;
    struct reply_cache replies;
    bool fenced;      /* A8: the cluster may be running our instances elsewhere. */
    bool fence_asked; /* Whether that is so: since our start, and nobody has said. */
    struct follow endpoints;
    struct follow nodes;
    struct call_outcomes outcomes;
    struct timer_id outcomes_timer;
};

#define CALL_TAG_OUTCOMES UINT64_MAX /* Of the timer; calls are numbered from below half of that. */

static inline const char *call_node(const struct slice_call *calls, const struct call *call)
{
    if (call->endpoint != NULL) return call->endpoint->node->name;
    return call->source == FROM_NODE || call->source == FROM_KEY ? calls->node->name : "";
}

#endif
