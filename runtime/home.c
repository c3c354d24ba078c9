/* home: see the header. */
#include "runtime/home.h"

#include "runtime/base/check.h"

static void return_credits(struct actor *actor)
{
    uint32_t kept = actor->mailbox.share;
    if (actor->credits_owed <= kept) return;
    mailbox_release(&actor->mailbox, actor->credits_owed - kept);
    actor_owe_credits(actor, kept);
}

/* --- coming and going --------------------------------------------------------------------------------- */

enum home_sent home_adopt(struct home *home, struct actor *actor, struct message *message, bool credit)
{
    if (!mailbox_claim(&actor->mailbox)) return HOME_ELSEWHERE;
    /* It is ours now; and perhaps another than it was a moment ago. */
    if (actor->kin != home->kin || actor->id.generation != message->generation ||
        !home_append(actor, message, credit)) {
        bool full = actor->kin == home->kin && actor->id.generation == message->generation;
        struct scheduler *scheduler = actor->runtime->scheduler;
        scheduler->machine->ready(scheduler, actor); /* It finds nothing to do and rests again. */
        return full ? HOME_FULL : HOME_ELSEWHERE;
    }
    __atomic_store_n(&actor->home, home->number, __ATOMIC_RELAXED);
    home_ready(home, actor);
    return HOME_SENT;
}

static void forget(struct home *home, struct actor *actor)
{
    uint32_t slot = actor->warm_slot;
    if (slot == 0) return;
    struct actor *last = home->warm[--home->warm_count];
    home->warm[slot - 1] = last;
    last->warm_slot = (uint8_t)slot;
    actor->warm_slot = 0;
}

void home_leave(struct home *home, struct actor *actor)
{
    if (actor->home == 0) return;
    CHECK(actor->home == home->number);
    forget(home, actor);
    actor->straight = false;
    __atomic_store_n(&actor->home, 0, __ATOMIC_RELAXED);
}

/* One that dozes rests instead, or, where it has mail, becomes ready. */
static void let_rest(struct home *home, struct actor *actor)
{
    bool dozes = home_idles(actor);
    home_leave(home, actor);
    if (dozes && !turn_rest(actor)) home_enqueue(home, actor, actor, 1);
}

void home_let_rest(struct home *home)
{
    while (home->warm_count > 0) {
        let_rest(home, home->warm[home->warm_count - 1]);
    }
}

/* --- dozing ------------------------------------------------------------------------------------------- */

static void warm_up(struct home *home, struct actor *actor)
{
    if (home->warm_count == HOME_WARM_MAX) {
        home->warm_oldest = home->warm_oldest % HOME_WARM_MAX;
        let_rest(home, home->warm[home->warm_oldest++]);
    }
    home->warm[home->warm_count++] = actor;
    actor->warm_slot = (uint8_t)home->warm_count;
    /* The full barrier between being at home and looking into the mailbox: see the header. */
    (void)__atomic_exchange_n(&actor->home, home->number, __ATOMIC_SEQ_CST);
}

bool home_settle(struct home *home, struct actor *actor)
{
    bool stays =
        home_has(home, actor) && mailbox_is_empty(&actor->mailbox); /* No mark of one that was read. */
    if (!stays) {
        home_leave(home, actor);
        return turn_rest(actor);
    }
    if (actor->warm_slot == 0) warm_up(home, actor);
    actor->has_mail = !mailbox_is_empty(&actor->mailbox);
    actor->straight = !actor->has_mail;
    if (actor->has_mail) return false;
    return_credits(actor);
    return true;
}

/* --- calls -------------------------------------------------------------------------------------------- */

void home_answer(struct home *home)
{
    for (uint32_t i = 0; i < home->warm_count; i++) {
        struct actor *actor = home->warm[i];
        if (!home_idles(actor) || mailbox_is_empty(&actor->mailbox)) continue;
        actor->has_mail = true;
        actor->straight = false;
        home_enqueue(home, actor, actor, 1);
    }
}

void home_call(const struct actor *actor)
{
    uint16_t number = __atomic_load_n(&actor->home, __ATOMIC_RELAXED);
    if (number == 0) return;
    struct scheduler *scheduler = actor->runtime->scheduler;
    scheduler->machine->call(scheduler, number);
}
