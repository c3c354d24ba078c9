/* send: messages on their way from actor to actor of one runtime. No lock: the receiver is found in a table
 * that never moves, its mailbox takes the message by one exchange, and the sender that wakes it makes it
 * ready.
 *
 * Within a turn the first message to an actor goes at once; those that follow it to the same actor gather in
 * an outbox of the thread and are handed over as one chain: when the next goes elsewhere, when CHAIN_MAX are
 * together, and when the turn ends, before anybody else can run here. So a stream costs one exchange for many
 * messages, and what one actor sends to another still arrives in its order (ACT1). Their credits are taken
 * ahead, in steps that grow with the stream, so that the bound holds and little is held back from others. */
#include "runtime/home.h"

enum { CHAIN_MAX = 32 };

/* The thread-local variables of this room belong to programs, never to a library: they are found in one
 * instruction, where the compiler would else provide for a call. */
static _Thread_local __attribute__((tls_model("local-exec"))) struct outbox {
    struct home *home;        /* The thread's; NULL: it has none, or it is closed. */
    const struct actor *from; /* Whose turn it is; NULL: nothing is gathered. */
    struct actor *to;         /* Whose mailbox the last message went to; NULL: nobody's in this turn. */
    struct message *newest;
    struct message *oldest;
    uint32_t room; /* Credits that were taken ahead and not used. */
    uint32_t step; /* How many were taken. */
} outbox;

static void make_ready(struct actor *actor)
{
    struct scheduler *scheduler = actor->runtime->scheduler;
    scheduler->machine->ready(scheduler, actor);
}

static void after_push(struct actor *to, enum mailbox_push pushed)
{
    if (pushed == MAILBOX_WOKE) make_ready(to);
    else if (pushed == MAILBOX_FIRST) home_call(to);
}

static void outbox_push(void)
{
    struct actor *to = outbox.to;
    enum mailbox_push pushed = mailbox_push_chain(&to->mailbox, outbox.newest, outbox.oldest, outbox.room);
    outbox.newest = NULL;
    outbox.room = 0;
    after_push(to, pushed);
}

static inline void outbox_empty(void)
{
    if (outbox.newest != NULL) outbox_push();
}

void send_gathered(void)
{
    outbox_empty();
}

void send_at_home(struct home *home)
{
    outbox.home = home;
}

void send_gather(const struct actor *from)
{
    outbox.from = from;
}

void send_hand_over(void)
{
    outbox.from = NULL;
    if (outbox.to == NULL) return;
    outbox_empty();
    outbox.to = NULL;
}

/* false: the receiver's mailbox is full. */
static bool outbox_take_credit(void)
{
    if (outbox.room == 0) {
        outbox_empty();
        outbox.step = outbox.step * 2 > CHAIN_MAX ? CHAIN_MAX : outbox.step * 2;
        outbox.room = mailbox_reserve(&outbox.to->mailbox, outbox.step);
        if (outbox.room == 0) return false;
    }
    outbox.room--;
    return true;
}

static bool outbox_add(struct message *message, bool credit)
{
    if (credit && !outbox_take_credit()) return false;
    message->next = outbox.newest;
    if (outbox.newest == NULL) outbox.oldest = message;
    outbox.newest = message;
    return true;
}

/* The stepper's: its way takes a while, and its credit is out from now on. */
static bool carry(struct actor *actor, struct message *message, bool credit)
{
    if (credit && mailbox_reserve(&actor->mailbox, 1) == 0) return false;
    struct scheduler *scheduler = actor->runtime->scheduler;
    scheduler->machine->carry(scheduler, actor, message);
    return true;
}

/* Through the mailbox. */
static bool push(struct actor *actor, struct message *message, bool credit)
{
    if (actor->runtime->carried) return carry(actor, message, credit);
    if (outbox.from != NULL) {
        if (outbox.to == actor) return outbox_add(message, credit);
        outbox_empty();
        outbox.to = actor;
        outbox.step = 1;
    }
    enum mailbox_push pushed = mailbox_push(&actor->mailbox, message, credit);
    after_push(actor, pushed);
    return pushed != MAILBOX_FULL;
}

/* What an actor sends itself, and what stays on its worker, needs no mailbox (home.h). false: it is full. */
static inline bool pass(struct actor *actor, struct message *message, bool credit)
{
    if (actor == outbox.from && actor->kin != 0) return home_append(actor, message, credit);
    struct home *home = outbox.from == NULL ? NULL : outbox.home;
    if (home != NULL) {
        home->sent++;
        enum home_sent sent = outbox.to == actor ? HOME_ELSEWHERE : home_send(home, actor, message, credit);
        if (sent != HOME_ELSEWHERE) return sent == HOME_SENT;
    }
    return push(actor, message, credit);
}

enum status send_deliver(struct runtime *runtime, struct actor_id to, struct message **message, bool credit)
{
    struct actor *actor = runtime_cell(runtime, to);
    if (actor == NULL) return STATUS_NOT_FOUND;
    if (runtime->muted) { /* The node is crashing: this went nowhere, and nobody will know. */
        message_destroy(message);
        return STATUS_OK;
    }
    struct message *taken = *message;
    if (credit) taken->flags |= MESSAGE_CREDIT;
    taken->generation = to.generation;
    if (!pass(actor, taken, credit)) {
        taken->flags &= (uint8_t)~MESSAGE_CREDIT;
        __atomic_fetch_add(&actor->refused, 1, __ATOMIC_RELAXED);
        return STATUS_OVERLOADED;
    }
    *message = NULL;
    return STATUS_OK;
}

void send_system(struct runtime *runtime, struct actor_id from, struct actor_id to, struct message **message)
{
    (*message)->lane = LANE_SYSTEM;
    (*message)->sender = from;
    if (send_deliver(runtime, to, message, false) != STATUS_OK) message_destroy(message);
}

bool send_awaits_answer(const struct message *request)
{
    return request->ask_id != 0 &&
           (request->flags & (MESSAGE_ANSWER | MESSAGE_TIMER | MESSAGE_ANSWERED)) == 0;
}

void send_refusal(struct runtime *runtime, struct message *request, const struct error *error)
{
    if (!send_awaits_answer(request)) return;
    request->flags |= MESSAGE_ANSWERED;
    message_unlist(request);
    struct message *refusal = message_create(KIND_REFUSED, sizeof *error);
    *(struct error *)refusal->body = *error;
    refusal->ask_id = request->ask_id;
    refusal->flags = MESSAGE_ANSWER;
    refusal->request_id = request->request_id;
    if (send_deliver(runtime, request->sender, &refusal, false) != STATUS_OK) message_destroy(&refusal);
}

void send_refusal_status(struct runtime *runtime, struct message *request, enum status status)
{
    struct error error;
    (void)error_set(&error, status, "%s", status_text(status));
    send_refusal(runtime, request, &error);
}

void send_down(struct runtime *runtime, uint32_t kind, struct actor_id ended, struct actor_id to,
               const struct error *failure, bool escalates)
{
    struct message *message = message_create(kind, sizeof(struct actor_down));
    struct actor_down *down = message->body;
    down->id = ended;
    down->escalates = escalates;
    if (failure != NULL) {
        down->reason = failure->status;
        down->error = *failure;
    }
    send_system(runtime, ended, to, &message);
}
