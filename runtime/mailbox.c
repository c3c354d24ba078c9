/* mailbox: see the header. The only file that includes ck. TSan can't see ck's inline assembly, so under it
 * this file is built without instrumentation and announces each hand-over itself: of a message (keyed by its
 * address) from pusher to taker, and of the actor (keyed by the mailbox) from who rests it to who wakes it.
 *
 * The word: address of the newest message / 64 in the upper 42 bits, credits that are out in the lower 22.
 * Messages are aligned to 64 bytes and addresses have 48 bits, so nothing is lost. */
#include "runtime/mailbox.h"

#include "runtime/base/check.h"
#include "runtime/base/planted.h"

#include <ck_pr.h>

#if MAILBOX_ANNOUNCES /* By CMakeLists.txt, in programs with TSan. */
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define announce_acquire(address) __tsan_acquire(address)
#define announce_release(address) __tsan_release(address)
#else
#define announce_acquire(address) ((void)(address))
#define announce_release(address) ((void)(address))
#endif

enum { CREDIT_BITS = 22, ADDRESS_SHIFT = 6 };
#define CREDITS_MASK ((UINT64_C(1) << CREDIT_BITS) - 1)
/* What stands in the address's place beside messages: NOTHING while owned, RESTING, which no message has. */
#define NOTHING UINT64_C(0)
#define RESTING (UINT64_C(1) << CREDIT_BITS)

_Static_assert(MAILBOX_CAPACITY_MAX < 1 << CREDIT_BITS, "the credits fit in their bits");

static uint64_t word_of(const struct message *message)
{
    return (uint64_t)(uintptr_t)message << (CREDIT_BITS - ADDRESS_SHIFT);
}

static struct message *message_of(uint64_t word)
{
    return (struct message *)(uintptr_t)(word >> CREDIT_BITS << ADDRESS_SHIFT);
}

static uint64_t address_part(uint64_t word)
{
    return word & ~CREDITS_MASK;
}

static uint32_t credits_of(uint64_t word)
{
    return (uint32_t)(word & CREDITS_MASK);
}

static bool replace(struct mailbox *mailbox, uint64_t *word, uint64_t wanted)
{
    return ck_pr_cas_64_value(&mailbox->word, *word, wanted, word);
}

void mailbox_init(struct mailbox *mailbox)
{
    *mailbox = (struct mailbox){ .word = RESTING };
}

void mailbox_set_capacity(struct mailbox *mailbox, uint32_t capacity)
{
    CHECK(capacity <= MAILBOX_CAPACITY_MAX);
    uint32_t part = capacity / 8; /* So few that others hardly meet a bound that is lower by so many. */
    mailbox->share = part < MAILBOX_SHARE_MAX ? part : MAILBOX_SHARE_MAX;
    ck_pr_store_32(&mailbox->capacity, capacity);
}

uint32_t mailbox_reserve(struct mailbox *mailbox, uint32_t wanted)
{
    uint64_t word = ck_pr_load_64(&mailbox->word);
    for (;;) {
        uint32_t capacity = ck_pr_load_32(&mailbox->capacity);
        uint32_t used = credits_of(word);
        if (used >= capacity && PLANTED("runtime.bound_ignored")) capacity = used + 1;
        if (used >= capacity) return 0;
        uint32_t granted = capacity - used < wanted ? capacity - used : wanted;
        if (replace(mailbox, &word, word + granted)) return granted;
    }
}

void mailbox_release(struct mailbox *mailbox, uint32_t credits)
{
    ck_pr_sub_64(&mailbox->word, credits);
}

uint32_t mailbox_length(const struct mailbox *mailbox)
{
    return credits_of(ck_pr_load_64(&mailbox->word));
}

bool mailbox_is_full(const struct mailbox *mailbox)
{
    return mailbox_length(mailbox) >= ck_pr_load_32(&mailbox->capacity);
}

/* `older` is what the word named before. A resting or emptied mailbox has nothing behind the new one. */
static struct message *behind(uint64_t older)
{
    return address_part(older) == RESTING ? NULL : message_of(older);
}

bool mailbox_is_empty(const struct mailbox *mailbox)
{
    return address_part(ck_pr_load_64(&mailbox->word)) == NOTHING;
}

/* What a push found. */
static enum mailbox_push pushed_on(struct mailbox *mailbox, uint64_t before)
{
    if (address_part(before) == NOTHING) return MAILBOX_FIRST;
    if (address_part(before) != RESTING) return MAILBOX_PUSHED;
    announce_acquire(mailbox);
    return MAILBOX_WOKE;
}

enum mailbox_push mailbox_push(struct mailbox *mailbox, struct message *message, bool credit)
{
    announce_release(message);
    uint64_t word = ck_pr_load_64(&mailbox->word);
    for (;;) {
        uint32_t credits = credits_of(word);
        if (credit && credits++ >= ck_pr_load_32(&mailbox->capacity) && !PLANTED("runtime.bound_ignored")) {
            message->next = NULL;
            return MAILBOX_FULL;
        }
        message->next = behind(word);
        uint64_t before = word;
        if (replace(mailbox, &word, word_of(message) | credits)) return pushed_on(mailbox, before);
    }
}

enum mailbox_push mailbox_push_chain(struct mailbox *mailbox, struct message *newest, struct message *oldest,
                                     uint32_t unused)
{
#if MAILBOX_ANNOUNCES
    for (struct message *message = newest; message != oldest; message = message->next) {
        announce_release(message);
    }
    announce_release(oldest);
#endif
    uint64_t word = ck_pr_load_64(&mailbox->word);
    uint64_t before;
    do {
        oldest->next = behind(word);
        before = word;
    } while (!replace(mailbox, &word, word_of(newest) | (credits_of(word) - unused)));
    return pushed_on(mailbox, before);
}

bool mailbox_claim(struct mailbox *mailbox)
{
    uint64_t word = ck_pr_load_64(&mailbox->word);
    do {
        if (address_part(word) != RESTING) return false;
    } while (!replace(mailbox, &word, NOTHING | credits_of(word)));
    announce_acquire(mailbox);
    return true;
}

static struct message *seen_of(const struct mailbox_reader *reader)
{
    return (struct message *)(reader->seen & ~(uintptr_t)1);
}

static void forget(struct mailbox_reader reader)
{
    if ((reader.seen & 1) != 0) message_recycle(seen_of(&reader));
}

struct mailbox_taken mailbox_take(struct mailbox *mailbox, struct mailbox_reader *reader, uint32_t generation)
{
    uint64_t word = ck_pr_load_64(&mailbox->word);
    CHECK(address_part(word) != RESTING); /* Only the owner takes, and an owned mailbox doesn't rest. */
    struct message *newest = message_of(word);
    struct message *seen = seen_of(reader);
    struct mailbox_taken taken = { .newest = newest };
    uint32_t unlike = 0;
    for (struct message *message = newest; message != seen; taken.count++) {
        announce_acquire(message);
        struct message *older = message->next;
        unlike |= message->lane | (message->generation ^ generation);
        message->next = taken.oldest;
        taken.oldest = message;
        message = older;
    }
    taken.plain = unlike == 0;
    if (taken.count == 0) return taken;
    forget(*reader);
    reader->seen = (uintptr_t)newest;
    return taken;
}

bool mailbox_has_new(const struct mailbox *mailbox, const struct mailbox_reader *reader)
{
    return address_part(ck_pr_load_64(&mailbox->word)) != word_of(seen_of(reader));
}

bool mailbox_rest(struct mailbox *mailbox, struct mailbox_reader *reader, uint32_t credits)
{
    struct mailbox_reader mine = *reader;
    uint64_t mark = word_of(seen_of(reader));
    uint64_t word = ck_pr_load_64(&mailbox->word);
    if (address_part(word) != mark) return false;
    reader->seen = 0; /* Before the exchange: after it the actor may be another's. */
    announce_release(mailbox);
    while (!replace(mailbox, &word, RESTING | (credits_of(word) - credits))) {
        if (address_part(word) == mark) continue; /* Somebody took credits only. */
        *reader = mine;
        return false;
    }
    forget(mine);
    return true;
}

void mailbox_discard(struct mailbox_reader *reader, struct message **message)
{
    if ((uintptr_t)*message != reader->seen) {
        message_destroy(message);
        return;
    }
    message_strip(*message);
    *message = NULL;
    reader->seen |= 1;
}

bool mailbox_let_go(struct mailbox *mailbox, struct mailbox_reader *reader, const struct message *message)
{
    if ((uintptr_t)message != reader->seen) return true;
    uint64_t word = ck_pr_load_64(&mailbox->word);
    do {
        if (address_part(word) != word_of(message)) return false;
    } while (!replace(mailbox, &word, NOTHING | credits_of(word)));
    reader->seen = 0;
    return true;
}
