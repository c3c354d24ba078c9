/* turn: an owned actor handles what has come: first the system lane, then the user lane, at most a batch, on
 * the thread that owns it. Every message ends here, one way of four: handled, kept by the handler, dropped
 * and counted, or refused (ACT3). */
#include "runtime/machine.h"

#include "runtime/base/hash.h"
#include "runtime/base/planted.h"

enum { CREDITS_KEPT_MAX = 64 };

/* --- what has come ------------------------------------------------------------------------------------ */

static void queue_push(struct message_queue *queue, struct message *message)
{
    message->next = NULL;
    if (queue->last != NULL) queue->last->next = message;
    else queue->first = message;
    queue->last = message;
}

static struct message *queue_pop(struct message_queue *queue)
{
    struct message *message = queue->first;
    if (message == NULL) return NULL;
    queue->first = message->next;
    if (queue->first == NULL) queue->last = NULL;
    message->next = NULL;
    return message;
}

void turn_return_credits(struct actor *actor)
{
    if (actor->credits_owed == 0) return;
    mailbox_release(&actor->mailbox, actor->credits_owed);
    actor->credits_owed = 0;
}

static void leave_mailbox(struct actor *actor, struct message *message)
{
    if ((message->flags & MESSAGE_CREDIT) == 0) return;
    message->flags &= (uint8_t)~MESSAGE_CREDIT;
    actor->credits_owed++;
}

static void count_dropped(struct actor *actor)
{
    struct extras *extras = extras_make(actor);
    __atomic_store_n(&extras->dropped, extras->dropped + 1, __ATOMIC_RELAXED);
}

/* For one whose receiver is no more. */
MACHINE_COLD static void refuse(struct actor *actor, struct message *message, enum status status)
{
    struct runtime *runtime = actor->runtime;
    leave_mailbox(actor, message);
    if (life_refuses(runtime, (struct actor_id){ actor->index, message->generation }, message)) {
        /* Its sender knows. */
    } else if (send_awaits_answer(message)) {
        send_refusal_status(runtime, message, status);
    } else if (message->lane == LANE_USER) {
        if (!PLANTED("runtime.dead_letter_not_counted"))
            __atomic_fetch_add(&runtime->dropped, 1, __ATOMIC_RELAXED);
    }
    mailbox_discard(&actor->reader, &message);
}

/* MAILBOX_DROP_OLDEST: the oldest that holds a credit goes; answers stay, since each is awaited. */
MACHINE_COLD static void drop_oldest(struct actor *actor)
{
    struct message *before = NULL;
    struct message *message = actor->user.first;
    while (message != NULL && (message->flags & MESSAGE_CREDIT) == 0) {
        before = message;
        message = message->next;
    }
    if (message == NULL) return;
    if (before != NULL) before->next = message->next;
    else actor->user.first = message->next;
    if (message->next == NULL) actor->user.last = before;
    actor->user_count--;
    leave_mailbox(actor, message);
    if (!PLANTED("runtime.drop_not_counted")) count_dropped(actor);
    send_refusal_status(actor->runtime, message, STATUS_OVERLOADED);
    mailbox_discard(&actor->reader, &message);
}

MACHINE_COLD static void enqueue(struct actor *actor, struct message *message)
{
    if (message->generation != actor->last_generation) {
        refuse(actor, message, STATUS_NOT_FOUND);
        return;
    }
    if (message->lane == LANE_SYSTEM) {
        queue_push(&actor->system, message);
        return;
    }
    queue_push(&actor->user, message);
    actor->user_count++;
    if (PLANTED("runtime.newest_first") && actor->user_count == 2)
        queue_push(&actor->user, queue_pop(&actor->user));
    const struct behavior *behavior = actor->behavior;
    if (behavior->policy == MAILBOX_DROP_OLDEST && actor->user_count > machine_mailbox_capacity(behavior))
        drop_oldest(actor);
}

void turn_take_incoming(struct actor *actor)
{
    struct mailbox_taken taken = mailbox_take(&actor->mailbox, &actor->reader, actor->last_generation);
    if (taken.count == 0) return;
    if (!taken.plain || actor->behavior->policy == MAILBOX_DROP_OLDEST) {
        for (struct message *message = taken.oldest; message != NULL;) {
            struct message *next = message->next;
            enqueue(actor, message);
            message = next;
        }
        return;
    }
    if (actor->user.last != NULL) actor->user.last->next = taken.oldest;
    else actor->user.first = taken.oldest;
    actor->user.last = taken.newest;
    actor->user_count += taken.count;
}

bool turn_rest(struct actor *actor)
{
    uint32_t owed = actor->credits_owed;
    actor->credits_owed = 0; /* Before: after the rest it may be another's already. */
    if (mailbox_rest(&actor->mailbox, &actor->reader, owed)) return true;
    actor->credits_owed = owed;
    return false;
}

static struct message *pop_user(struct actor *actor)
{
    struct message *message = queue_pop(&actor->user);
    if (message == NULL) return NULL;
    actor->user_count--;
    leave_mailbox(actor, message);
    return message;
}

static struct message *next_message(struct actor *actor)
{
    struct message *message = queue_pop(&actor->system);
    return message == NULL && actor->phase == ACTOR_RUNNING ? pop_user(actor) : message;
}

void turn_refuse_queued(struct actor *actor, enum status status)
{
    do {
        struct message *message;
        while ((message = queue_pop(&actor->system)) != NULL) {
            refuse(actor, message, status);
        }
        while ((message = queue_pop(&actor->user)) != NULL) {
            refuse(actor, message, status);
        }
        actor->user_count = 0;
        message = mailbox_take(&actor->mailbox, &actor->reader, actor->last_generation).oldest;
        while (message != NULL) {
            struct message *next = message->next;
            refuse(actor, message, message->generation == actor->last_generation ? status : STATUS_NOT_FOUND);
            message = next;
        }
        turn_return_credits(actor);
    } while (actor->system.first != NULL || actor->user.first != NULL);
}

/* --- one message -------------------------------------------------------------------------------------- */

void turn_complete_ask(struct actor *actor, const struct ask *ask, struct message *message,
                       const struct error *error)
{
    struct turn *turn = actor->turn;
    if (ask->timer != 0) scheduler_timer_cancel(actor, ask->timer);
    turn->message = message;
    turn->kept = false;
    turn->request_id = ask->request_id;
    turn->deadline_ns = ask->deadline_ns;
    turn->ask_depth = ask->depth;
    struct ask_result result = { .status = error == NULL ? STATUS_OK : error->status,
                                 .error = error,
                                 .message = error == NULL ? message : NULL };
    ask->complete(actor, actor->state, ask->context, &result);
    turn->message = NULL;
}

static void on_answer(struct actor *actor, struct message *message)
{
    struct ask ask;
    if (!asks_take(extras_of(actor)->asks, message->ask_id, &ask)) return; /* Too late, or twice: ACT5. */
    message->ask_id = 0;
    message->flags = 0; /* From here on it is a message like any other: it may be kept, sent on. */
    const struct error *error = message->kind == KIND_REFUSED ? message->body : NULL;
    turn_complete_ask(actor, &ask, message, error);
}

static void on_ask_deadline(struct actor *actor, uint64_t ask_id)
{
    struct ask ask;
    if (!asks_take(extras_of(actor)->asks, ask_id, &ask)) return;
    ask.timer = 0; /* It is this one. */
    struct error error;
    (void)error_set(&error, STATUS_DEADLINE, "%s", status_text(STATUS_DEADLINE));
    turn_complete_ask(actor, &ask, NULL, &error);
}

MACHINE_COLD static void on_unknown(struct actor *actor, struct message *message)
{
    if (send_awaits_answer(message)) {
        struct error error;
        (void)error_set(&error, STATUS_INVALID, "%s does not understand messages of kind %u",
                        actor->behavior->name, message->kind);
        send_refusal(actor->runtime, message, &error);
    }
    count_dropped(actor);
}

static inline actor_handler *find_handler(struct actor *actor, uint32_t kind)
{
    const struct behavior_row *rows = actor->behavior->rows;
    uint32_t count = actor->behavior->row_count;
    uint8_t *hint = &actor->row_hints[kind % ROW_HINTS];
    if (*hint < count && rows[*hint].kind == kind) return rows[*hint].handle;
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].kind != kind) continue;
        if (i <= UINT8_MAX) *hint = (uint8_t)i;
        return rows[i].handle;
    }
    return actor->behavior->otherwise;
}

static inline void dispatch(struct actor *actor, struct message *message)
{
    actor_handler *handle = find_handler(actor, message->kind);
    if (handle != NULL) handle(actor, actor->state, message);
    else on_unknown(actor, message);
}

MACHINE_COLD static void refuse_crashed(struct actor *actor, struct message *message)
{
    struct error error;
    (void)error_set(&error, STATUS_CRASHED, "%s failed: %s", actor->behavior->name,
                    actor->extras->failure->message);
    send_refusal(actor->runtime, message, &error);
}

static inline void handle_by_behavior(struct actor *actor, struct message *message)
{
    struct turn *turn = actor->turn;
    if (quarantine_may_hold(actor->runtime, message) && quarantine_refuses(actor, message)) return;
    bool failed_before = actor->fail_asked;
    turn->message = message;
    turn->request_id = message->request_id;
    turn->deadline_ns = message->deadline_ns;
    turn->ask_depth = message->ask_depth;
    dispatch(actor, message);
    if (actor->fail_asked && !failed_before && !turn->kept) quarantine_suspect(actor, message);
}

/* false: it was cancelled when it had left already, and is gone. */
MACHINE_COLD static bool timer_is_live(struct actor *actor, struct message *message)
{
    uint64_t id = message->ask_id;
    message->ask_id = 0;
    message->flags = 0;
    if (scheduler_timer_deliver(actor, id)) return true;
    mailbox_discard(&actor->reader, &message);
    return false;
}

static void leave_message_context(struct turn *turn)
{
    turn->message = NULL;
    turn->request_id = (struct request_id){ 0, 0 };
    turn->deadline_ns = 0;
    turn->ask_depth = 0;
}

/* The runtime's own kinds, answers, timers, and whatever comes to an actor that is not running. true: the
 * actor has ended, and the message with it. */
MACHINE_COLD static bool handle_specially(struct actor *actor, struct message *message)
{
    bool ended = false;
    leave_message_context(actor->turn);
    if (message->kind <= KIND_RUNTIME_LAST && life_handles(actor, message, &ended)) {
        /* Done, even while it ends. */
    } else if (actor->phase != ACTOR_RUNNING) {
        if (send_awaits_answer(message)) send_refusal_status(actor->runtime, message, STATUS_NOT_FOUND);
    } else if (message->kind == KIND_STOP) {
        actor->stop_asked = true;
    } else if (message->kind == KIND_ASK_DEADLINE) {
        on_ask_deadline(actor, message->tag);
    } else if ((message->flags & MESSAGE_ANSWER) != 0) {
        on_answer(actor, message);
    } else {
        handle_by_behavior(actor, message);
    }
    if (ended) message_destroy(&message); /* Its mailbox has let it go with all others. */
    return ended;
}

/* true: the actor has ended. */
static inline bool handle(struct actor *actor, struct message *message)
{
    struct turn *turn = actor->turn;
    turn->kept = false;
    if (__builtin_expect((message->flags & MESSAGE_TIMER) != 0, 0) && !timer_is_live(actor, message))
        return false;
    if (turn->trace != NULL) *turn->trace = hash64_mix(*turn->trace, message->kind);
    if (turn->watch != NULL) watch_handles(turn->watch, message->kind);
    bool plain = message->kind > KIND_RUNTIME_LAST && message->flags == 0 && actor->phase == ACTOR_RUNNING;
    if (plain) {
        handle_by_behavior(actor, message);
    } else if (handle_specially(actor, message)) {
        return true;
    }
    if (turn->kept) return false;
    if (actor->fail_asked) refuse_crashed(actor, message);
    mailbox_discard(&actor->reader, &message);
    return false;
}

/* --- one turn ----------------------------------------------------------------------------------------- */

static bool wants_end(const struct actor *actor)
{
    return (actor->stop_asked || actor->fail_asked) && actor->phase == ACTOR_RUNNING;
}

static void end_batch(struct actor *actor, uint32_t handled)
{
    if (actor->behavior->turn_end == NULL && !wants_end(actor)) return;
    leave_message_context(actor->turn);
    bool due = handled > 0 || actor->turn->has_come;
    if (due && actor->phase == ACTOR_RUNNING && !actor->fail_asked && actor->behavior->turn_end != NULL)
        actor->behavior->turn_end(actor, actor->state);
}

/* The batch. true: the actor has ended. */
static bool handle_batch(struct actor *actor, struct turn *turn)
{
    turn->handled = 0;
    while (turn->handled < turn->batch_max && !wants_end(actor)) {
        struct message *message = next_message(actor);
        if (message == NULL) break;
        turn->handled++;
        if (handle(actor, message)) return true;
    }
    __atomic_store_n(&actor->handled, actor->handled + turn->handled, __ATOMIC_RELAXED);
    end_batch(actor, turn->handled);
    return wants_end(actor) && life_end(actor);
}

static bool has_more(const struct actor *actor)
{
    return actor->system.first != NULL || (actor->phase == ACTOR_RUNNING && actor->user.first != NULL);
}

bool turn_has_more(const struct actor *actor)
{
    return has_more(actor) || mailbox_has_new(&actor->mailbox, &actor->reader);
}

/* Senders wait for room, so it comes back in steps; but not for each message alone. */
static void return_many_credits(struct actor *actor)
{
    uint32_t owed = actor->credits_owed;
    if (owed >= CREDITS_KEPT_MAX || owed * 4 >= machine_mailbox_capacity(actor->behavior))
        turn_return_credits(actor);
}

static bool run_batch(struct actor *actor, struct turn *turn)
{
    actor->turn = turn;
    watch_begin(turn, actor);
    turn_take_incoming(actor);
    if (handle_batch(actor, turn)) return false;
    actor->turn = NULL;
    watch_end(turn, actor);
    return true;
}

bool turn_run(struct actor *actor, struct turn *turn)
{
    if (actor->phase == ACTOR_FREE) {
        do {
            turn_refuse_queued(actor, STATUS_NOT_FOUND);
        } while (!turn_rest(actor));
        return false;
    }
    if (turn->is_live) return run_batch(actor, turn); /* It may block: nothing it sends waits for its end. */
    send_gather(actor);
    bool owned = run_batch(actor, turn);
    turn->sent += send_hand_over();
    return owned;
}

bool turn_settle(struct actor *actor)
{
    if (!has_more(actor) && turn_rest(actor)) return true;
    return_many_credits(actor);
    return false;
}
