/* home: the worker at which an actor is warm. For this room only.
 *
 * Two actors that talk on one worker need no atomic exchange, as long as nobody else talks to them. So an
 * actor that a worker's own actors wake comes home to that worker: its owner is the worker's thread, and
 * stays it when there is nothing to do: the actor then doesn't rest, it dozes. What the worker's actors send
 * it goes straight into its own queues (home_send), and credits go round between these and its hands.
 *
 * Others push into its mailbox as ever. One that dozes looks there by itself no more; but its mailbox is
 * empty then, which a push sees (MAILBOX_FIRST), and whoever sees it calls the home (home_call), which looks
 * at all its dozing actors after the turn at hand. No call is lost: the home publishes itself in the actor,
 * and only after a full barrier looks into the mailbox a last time (home_settle); a push is a full barrier
 * before it reads where the actor is at home. An actor that has had such messages rests when they are
 * handled, as if it had no home.
 *
 * One that dozes is `straight`, and stays it while nothing but what comes straight wakes it: its system lane
 * is empty, nothing in its queue has been in its mailbox, and so none is the message that the mailbox's word
 * may still name (mailbox.h). That is all a usual turn needs to know, and it is known in one look; what is in
 * the mailbox meanwhile waits for the end of that turn, as what comes during a turn always does. Messages of
 * the system lane, mail, any other turn, and leaving home make it straight no more.
 *
 * A dozing actor waits for its own worker, so there are never many, and never long: a worker lets its actors
 * rest before it sleeps, and before each turn of an actor that is not known to be quick. At most
 * HOME_WARM_MAX are warm: for one more the oldest rests. Order holds (ACT1): what comes straight is put
 * behind what the mailbox had before, since it comes straight only while the mailbox is empty. The bound
 * holds (ACT4): what comes straight has a credit as all else; a home keeps few of them back for it
 * (home_settle). */
#ifndef AETHER_RUNTIME_HOME_H
#define AETHER_RUNTIME_HOME_H

#include "runtime/machine.h"

enum { HOME_WARM_MAX = 255 };

/* A worker's, and touched by its thread alone, but for `summons`. */
struct home {
    uint16_t number; /* Never 0; no other of the scheduler has it. */
    uint8_t kin;     /* Of the actors that may run here (struct actor). */
    bool next_ran;   /* The last turn was `next`'s: the queue comes first now. */
    uint32_t sent;   /* Messages to others, but those of home_pass, since whoever cares set it to 0. */
    /* Ready actors: one that the actor that ran last just woke, and the others. */
    struct actor *next;
    struct actor *queue_first;
    struct actor *queue_last;
    uint32_t queue_count;
    uint32_t warm_count;
    uint32_t warm_oldest; /* Who rests if one more comes. */
    struct actor *warm[HOME_WARM_MAX];
    _Alignas(64) uint32_t summons; /* Of enum home_summons. Set by others; looked at between turns. */
};

enum home_summons {
    HOME_CALLED = 1,  /* One that dozes has mail. */
    HOME_GIVEN = 2,   /* The next two are the worker's. */
    HOME_STOPPED = 4, /* . */
};

static inline bool home_has(const struct home *home, const struct actor *actor)
{
    return __atomic_load_n(&actor->home, __ATOMIC_RELAXED) == home->number;
}

/* Appends a chain of `count` to the queue. */
static inline void home_enqueue(struct home *home, struct actor *first, struct actor *last, uint32_t count)
{
    last->ready_next = NULL;
    if (home->queue_last != NULL) home->queue_last->ready_next = first;
    else home->queue_first = first;
    home->queue_last = last;
    home->queue_count += count;
}

static inline void home_ready(struct home *home, struct actor *actor)
{
    if (home->next == NULL) home->next = actor;
    else home_enqueue(home, actor, actor, 1);
}

static inline struct actor *home_dequeue(struct home *home)
{
    struct actor *actor = home->queue_first;
    if (actor == NULL) return NULL;
    home->queue_first = actor->ready_next;
    if (home->queue_first == NULL) home->queue_last = NULL;
    home->queue_count--;
    return actor;
}

/* Who runs next; NULL: nobody is ready. */
static inline struct actor *home_take(struct home *home)
{
    struct actor *actor = home->next;
    if (actor == NULL || (home->next_ran && home->queue_first != NULL)) {
        home->next_ran = false;
        return home_dequeue(home);
    }
    home->next = NULL;
    if (!home->next_ran) home->next_ran = true;
    return actor;
}

/* The caller owns it: its thread or, where it is at home, the home's. false: the mailbox is full. */
static inline bool home_append(struct actor *actor, struct message *message, bool credit)
{
    if (credit && actor->credits_owed == 0 && !turn_borrow_credits(actor)) return false;
    actor_owe_credits(actor, actor->credits_owed - credit);
    struct message_queue *queue = &actor->user;
    if (message->lane != LANE_USER) {
        queue = &actor->system;
        actor->straight = false;
    }
    message->next = NULL;
    if (queue->first == NULL) queue->first = message;
    else queue->last->next = message;
    queue->last = message;
    return true;
}

/* One that is at home, and neither runs nor waits for its turn. */
static inline bool home_idles(const struct actor *actor)
{
    return actor->user.first == NULL && actor->turn == NULL && actor->straight;
}

enum home_sent {
    HOME_ELSEWHERE, /* Push it. */
    HOME_SENT,
    HOME_FULL, /* No credit left: the message is still the caller's. */
};

/* Wakes one that rests, if it may come home here. */
enum home_sent home_adopt(struct home *home, struct actor *actor, struct message *message, bool credit);

/* On the home's thread, inside a turn. */
static inline enum home_sent home_send(struct home *home, struct actor *actor, struct message *message,
                                       bool credit)
{
    if (!home_has(home, actor)) {
        bool kin = __atomic_load_n(&actor->kin, __ATOMIC_RELAXED) == home->kin;
        return kin ? home_adopt(home, actor, message, credit) : HOME_ELSEWHERE;
    }
    if (!mailbox_is_empty(&actor->mailbox)) return HOME_ELSEWHERE;
    bool dozes = home_idles(actor);
    if (!home_append(actor, message, credit)) return HOME_FULL;
    if (dozes) home_ready(home, actor);
    return HOME_SENT;
}

/* The usual way, for actors in a turn: the receiver, if it is at home where the sender is, and takes its
 * messages straight; NULL: it isn't, or is no more, or its credits must be seen to. */
static inline struct actor *home_finds(const struct home *home, const struct runtime *runtime,
                                       struct actor_id to)
{
    if (to.index >= __atomic_load_n(&runtime->cell_count, __ATOMIC_ACQUIRE)) return NULL;
    struct actor *actor = runtime_cell_at(runtime, to.index);
    if (!home_has(home, actor) || !mailbox_is_empty(&actor->mailbox)) return NULL;
    bool lives = __atomic_load_n(&actor->generation, __ATOMIC_RELAXED) == to.generation; /* 0: it ended. */
    return lives && actor->credits_owed > 0 ? actor : NULL;
}

/* To who was found: a message of the user lane. Stores are what a message's time goes into, so there are few:
 * what a message in an actor's own queue needs not say (for which generation it is), what it has already (no
 * next). */
static inline void home_pass(struct home *home, struct actor *actor, struct message *message)
{
    actor_owe_credits(actor, actor->credits_owed - 1);
    message->flags = MESSAGE_CREDIT;
    struct message *newest = actor->user.last;
    actor->user.last = message;
    if (actor->user.first != NULL) {
        newest->next = message;
        return;
    }
    actor->user.first = message;
    if (actor->turn == NULL && actor->straight) home_ready(home, actor); /* It dozed. */
}

/* After a turn, if nothing is left to do, instead of turn_rest. true: it dozes or rests. */
MUST_CHECK bool home_settle(struct home *home, struct actor *actor);
/* The same for one that was warm before and has its usual credits. false: nothing is done. */
static inline bool home_dozes(const struct actor *actor)
{
    return actor->warm_slot != 0 && mailbox_is_empty(&actor->mailbox) &&
           actor->credits_owed <= actor->mailbox.share;
}
/* It ends, or goes to another worker: here no more. One that is at home nowhere is fine. */
void home_leave(struct home *home, struct actor *actor);
void home_let_rest(struct home *home); /* All that doze; those with mail become ready. */
void home_answer(struct home *home);   /* It was called. */
/* Any thread: the actor's mailbox was empty and owned when the caller pushed something (MAILBOX_FIRST). */
void home_call(const struct actor *actor);

/* turn_settle after a usual turn. */
static inline bool turn_settle_usual(struct actor *actor, struct home *home)
{
    bool dozes = actor->user.first == NULL && actor->straight && mailbox_is_empty(&actor->mailbox) &&
                 actor->credits_owed <= actor->mailbox.share;
    return MACHINE_LIKELY(dozes) || turn_settle(actor, home);
}

#endif
