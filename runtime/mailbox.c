/* mailbox: see the header. The only file that includes ck. TSan can't see ck's inline assembly, so under it
 * this file is built without instrumentation and announces each hand-over itself: of a message (keyed by its
 * address) from pusher to taker, and of the actor (keyed by the mailbox) from who rests it to who wakes it.
 */
#include "runtime/mailbox.h"

#include "runtime/base/check.h"

#include <ck_pr.h>

/* Present only where the program is linked with TSan. */
__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

/* Values of `newest` beside NULL (owned, nothing there) and a message. */
#define RESTING ((struct message *)1)
/* Value of a message's `next` between the pusher's exchange and its next instruction. */
#define LINK_PENDING ((struct message *)2)

static void announce_release(void *address)
{
    if (__tsan_release != NULL) __tsan_release(address);
}

static void announce_acquire(void *address)
{
    if (__tsan_acquire != NULL) __tsan_acquire(address);
}

void mailbox_init(struct mailbox *mailbox)
{
    *mailbox = (struct mailbox){ .newest = RESTING };
}

void mailbox_set_capacity(struct mailbox *mailbox, uint32_t capacity)
{
    ck_pr_store_32(&mailbox->capacity, capacity);
}

bool mailbox_reserve(struct mailbox *mailbox)
{
    uint32_t before = ck_pr_faa_32(&mailbox->used, 1);
    if (before < ck_pr_load_32(&mailbox->capacity)) return true;
    ck_pr_dec_32(&mailbox->used);
    return false;
}

void mailbox_release(struct mailbox *mailbox, uint32_t credits)
{
    ck_pr_sub_32(&mailbox->used, credits);
}

uint32_t mailbox_length(const struct mailbox *mailbox)
{
    return ck_pr_load_32(&mailbox->used);
}

bool mailbox_push(struct mailbox *mailbox, struct message *message)
{
    message->next = LINK_PENDING;
    announce_release(message);
    struct message *before = ck_pr_fas_ptr(&mailbox->newest, message);
    bool was_resting = before == RESTING;
    if (was_resting) announce_acquire(mailbox);
    /* `before` can't be gone yet: its taker has to come through our link first. */
    ck_pr_store_ptr(&message->next, was_resting ? NULL : before);
    return was_resting;
}

bool mailbox_claim(struct mailbox *mailbox)
{
    if (!ck_pr_cas_ptr(&mailbox->newest, RESTING, NULL)) return false;
    announce_acquire(mailbox);
    return true;
}

bool mailbox_rest(struct mailbox *mailbox)
{
    announce_release(mailbox);
    return ck_pr_cas_ptr(&mailbox->newest, NULL, RESTING);
}

struct message *mailbox_take(struct mailbox *mailbox)
{
    if (ck_pr_load_ptr(&mailbox->newest) == NULL) return NULL;
    struct message *message = ck_pr_fas_ptr(&mailbox->newest, NULL);
    CHECK(message != RESTING); /* Only the owner takes, and an owned mailbox doesn't rest. */
    struct message *oldest = NULL;
    while (message != NULL) {
        struct message *next = ck_pr_load_ptr(&message->next);
        if (next == LINK_PENDING) { /* Its pusher is between two instructions. */
            ck_pr_stall();
            continue;
        }
        announce_acquire(message);
        message->next = oldest;
        oldest = message;
        message = next;
    }
    return oldest;
}
