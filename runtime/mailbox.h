/* mailbox: where an actor's messages arrive, and who may run the actor. Many threads push, one owner takes.
 *
 * One 64-bit word holds all of it: the newest message (older ones hang behind it by `next`), how many credits
 * are out, and whether the actor sleeps:
 *
 *     RESTING --push (MAILBOX_WOKE) or claim--> OWNED (empty, or a chain of messages) --rest--> RESTING
 *
 * Whoever moves it out of RESTING owns the actor, its private fields included, until it hands the actor to a
 * scheduler or rests it. Hence an actor is never run twice at once (ACT2) and needs no other lock.
 *
 * A push is one compare-and-exchange, credit included: the bound of the user lane (ACT4) is exact and costs
 * nothing of its own. A take is a plain load: what was taken stays in the word, as a mark of how far the
 * owner has read (`seen`), until the rest, or a release, replaces it. So a message that wakes an actor and is
 * handled costs two atomic operations in all. The price: the block of the newest message that was taken may
 * be given back only when the word doesn't name it any more, else it could come back under the same address
 * and be taken for read. mailbox_discard sees to that.
 *
 * Credits bound the user lane: a sender takes one with its push, or several ahead for a chain of messages;
 * the owner gives them back in batches, at the latest when it rests (while it dozes at home it keeps an
 * eighth of the bound at most, and never more than 32: so many fewer fit in from elsewhere). Stops, downs,
 * timers and answers need none. */
#ifndef AETHER_RUNTIME_MAILBOX_H
#define AETHER_RUNTIME_MAILBOX_H

#include "runtime/message.h"

#include <stdbool.h>
#include <stdint.h>

enum { MAILBOX_CAPACITY_MAX = 1 << 20, MAILBOX_SHARE_MAX = 32 };

struct mailbox { /* Private: touched by any thread, by atomic operations in mailbox.c only. */
    uint64_t word;
    uint32_t capacity; /* The bound of credits, */
    uint32_t share;    /* and how many of them its owner may keep while it dozes (home.h). */
};

struct mailbox_reader { /* The owner's side of it. A zeroed one has read nothing. */
    uintptr_t seen; /* The newest that was taken; the word still names it. Odd: it has ended, only its block
                     * is left.
                     */
};

enum mailbox_push {
    MAILBOX_PUSHED,
    MAILBOX_FIRST, /* As well; it was owned, and empty: its owner may be dozing (home.h). */
    MAILBOX_WOKE,  /* As well; it was resting: the caller owns the actor now. */
    MAILBOX_FULL,  /* No credit left: the message is still the caller's. */
};

void mailbox_init(struct mailbox *mailbox); /* Resting and empty. */
void mailbox_set_capacity(struct mailbox *mailbox, uint32_t capacity);

/* Any thread. */
enum mailbox_push mailbox_push(struct mailbox *mailbox, struct message *message, bool credit);
/* Several at once, linked by next from the newest to the oldest, their credits taken ahead; `unused` of those
 * go back. Never MAILBOX_FULL. */
enum mailbox_push mailbox_push_chain(struct mailbox *mailbox, struct message *newest, struct message *oldest,
                                     uint32_t unused);
/* Takes up to `wanted` credits ahead. Returns how many there were. */
uint32_t mailbox_reserve(struct mailbox *mailbox, uint32_t wanted);
bool mailbox_claim(struct mailbox *mailbox); /* true: it was resting, and the caller owns the actor now. */
bool mailbox_is_full(const struct mailbox *mailbox);
uint32_t mailbox_length(const struct mailbox *mailbox); /* Credits that are out; for people. */

/* The owner only. */
bool mailbox_is_empty(const struct mailbox *mailbox); /* No message, and no mark of one that was taken. */
struct mailbox_taken {                                /* Linked by next, oldest first; or nothing. */
    struct message *oldest;
    struct message *newest;
    uint32_t count;
    bool plain; /* All are of the user lane and for the given generation. */
};
/* What has come since the last take. */
struct mailbox_taken mailbox_take(struct mailbox *mailbox, struct mailbox_reader *reader,
                                  uint32_t generation);
/* Gives `credits` back and rests. false: something has arrived, nothing has changed, still the owner. */
bool mailbox_rest(struct mailbox *mailbox, struct mailbox_reader *reader, uint32_t credits);
void mailbox_release(struct mailbox *mailbox, uint32_t credits);
/* Has something arrived since the last take? A moment old. */
bool mailbox_has_new(const struct mailbox *mailbox, const struct mailbox_reader *reader);
/* Destroys a message that was taken from here. */
void mailbox_discard(struct mailbox_reader *reader, struct message **message);
/* The message stays alive, but is the mailbox's no more: from now on it may go anywhere. false: there is
 * something new behind it; take that first. */
bool mailbox_let_go(struct mailbox *mailbox, struct mailbox_reader *reader, const struct message *message);

#endif
