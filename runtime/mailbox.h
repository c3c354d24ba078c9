/* mailbox: where an actor's messages arrive, and who may run the actor. Many threads push, one owner takes.
 *
 * One word holds everything that arrived and was not taken yet, newest first; a push is one exchange on it,
 * so no sender ever waits for another, and a take is one exchange for all that is there. The same word says
 * whether the actor sleeps:
 *
 *     RESTING --push (returns true) or claim--> OWNED (empty, or a chain of messages) --rest--> RESTING
 *
 * Whoever moves it out of RESTING owns the actor, its private fields included, until it hands the actor to a
 * scheduler or rests it. Hence an actor is never run twice at once (ACT2) and needs no other lock.
 *
 * Credits bound the user lane (ACT4): a sender reserves one before it pushes, the owner gives it back when
 * the message leaves the queue. Stops, downs, timers and answers need none. */
#ifndef AETHER_RUNTIME_MAILBOX_H
#define AETHER_RUNTIME_MAILBOX_H

#include "runtime/message.h"

#include <stdbool.h>
#include <stdint.h>

struct mailbox { /* All fields private: touched by any thread, by atomic operations in mailbox.c only. */
    struct message *newest;
    uint32_t used;     /* Credits that are out. */
    uint32_t capacity; /* The bound of `used`. */
};

void mailbox_init(struct mailbox *mailbox); /* Resting and empty. */
void mailbox_set_capacity(struct mailbox *mailbox, uint32_t capacity);

/* Any thread. */
bool mailbox_reserve(struct mailbox *mailbox); /* false: full. */
bool mailbox_push(struct mailbox *mailbox,
                  struct message *message);  /* true: the caller owns the actor now. */
bool mailbox_claim(struct mailbox *mailbox); /* true: it was resting, and the caller owns the actor now. */
uint32_t mailbox_length(const struct mailbox *mailbox); /* Credits that are out; for people. */

/* The owner only. */
struct message *mailbox_take(struct mailbox *mailbox); /* All there is, linked by next, oldest first. */
bool mailbox_rest(struct mailbox *mailbox);            /* false: something has arrived; still the owner. */
void mailbox_release(struct mailbox *mailbox, uint32_t credits);

#endif
