/* turn: an owned actor handles what has come: first the system lane, then the user lane, at most a batch, on
 * the thread that owns it. Every message ends here, one way of four: handled, kept by the handler, dropped
 * and counted, or refused (ACT3). */
#include "runtime/home.h"

#include "runtime/base/hash.h"
#include "runtime/base/planted.h"

enum { CREDITS_KEPT_MAX = 64, CREDITS_BORROWED_MAX = 32 };

/* --- what has come ------------------------------------------------------------------------------------ */

static void queue_push(struct message_queue *queue, struct message *message)
{
    message->next = NULL;
    if (queue->first != NULL) queue->last->next = message;
    else queue->first = message;
    queue->last = message;
}

static struct message *queue_pop(struct message_queue *queue)
{
    struct message *message = queue->first;
    if (message != NULL) queue->first = message->next;
    return message;
}

bool turn_borrow_credits(struct actor *actor)
{
    uint32_t part = actor->mailbox.capacity / 8;
    uint32_t wanted = part > CREDITS_BORROWED_MAX ? CREDITS_BORROWED_MAX : part + (part == 0);
    uint32_t got = mailbox_reserve(&actor->mailbox, wanted);
    actor_owe_credits(actor, actor->credits_owed + got);
    return got > 0;
}

void turn_return_credits(struct actor *actor)
{
    if (actor->credits_owed == 0) return;
    mailbox_release(&actor->mailbox, actor->credits_owed);
    actor_owe_credits(actor, 0);
}

static void leave_mailbox(struct actor *actor, struct message *message)
{
    uint8_t credit = message->flags & MESSAGE_CREDIT;
    message->flags ^= credit;
    actor_owe_credits(actor, actor->credits_owed + credit);
}

static inline bool drops_oldest(const struct actor *actor)
{
    return actor->behavior->policy == MAILBOX_DROP_OLDEST;
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
    if (life_refuses(runtime, (struct actor_id){ actor->id.index, message->generation }, message)) {
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
    if (message->generation != actor->id.generation) {
        refuse(actor, message, STATUS_NOT_FOUND);
        return;
    }
    if (message->lane == LANE_SYSTEM) {
        queue_push(&actor->system, message);
        return;
    }
    queue_push(&actor->user, message);
    if (PLANTED("runtime.newest_first") && actor->user.first->next == message)
        queue_push(&actor->user, queue_pop(&actor->user));
    if (!drops_oldest(actor)) return;
    actor->user_count++;
    if (actor->user_count > machine_mailbox_capacity(actor->behavior)) drop_oldest(actor);
}

void turn_take_incoming(struct actor *actor)
{
    struct mailbox_taken taken = mailbox_take(&actor->mailbox, &actor->reader, actor->id.generation);
    if (taken.count == 0) return;
    if (!taken.plain || drops_oldest(actor)) {
        for (struct message *message = taken.oldest; message != NULL;) {
            struct message *next = message->next;
            enqueue(actor, message);
            message = next;
        }
        return;
    }
    if (actor->user.first != NULL) actor->user.last->next = taken.oldest;
    else actor->user.first = taken.oldest;
    actor->user.last = taken.newest;
}

bool turn_rest(struct actor *actor)
{
    uint32_t owed = actor->credits_owed;
    actor_owe_credits(actor, 0); /* Before: after the rest it may be another's already. */
    if (mailbox_rest(&actor->mailbox, &actor->reader, owed)) return true;
    actor_owe_credits(actor, owed);
    return false;
}

static struct message *pop_user(struct actor *actor)
{
    struct message *message = queue_pop(&actor->user);
    if (message == NULL) return NULL;
    if (drops_oldest(actor)) actor->user_count--;
    leave_mailbox(actor, message);
    return message;
}

/* `last`: the last of the user lane for this turn, after which it is NULL. */
static inline struct message *next_message(struct actor *actor, const struct message **last)
{
    if (actor->system.first != NULL) return queue_pop(&actor->system);
    if (*last == NULL || actor->phase != ACTOR_RUNNING) return NULL;
    struct message *message = pop_user(actor);
    if (message == *last) *last = NULL;
    return message;
}

/* One from the actor's own queues: it is for this actor, whether it says so or not (home_pass). */
static void refuse_own(struct actor *actor, struct message *message, enum status status)
{
    message->generation = actor->id.generation;
    refuse(actor, message, status);
}

void turn_refuse_queued(struct actor *actor, enum status status)
{
    do {
        struct message *message;
        while ((message = queue_pop(&actor->system)) != NULL) {
            refuse_own(actor, message, status);
        }
        while ((message = queue_pop(&actor->user)) != NULL) {
            refuse_own(actor, message, status);
        }
        actor->user_count = 0;
        message = mailbox_take(&actor->mailbox, &actor->reader, actor->id.generation).oldest;
        while (message != NULL) {
            struct message *next = message->next;
            refuse(actor, message, message->generation == actor->id.generation ? status : STATUS_NOT_FOUND);
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
    turn->has_work = true;
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
    uint8_t *hint = &actor->row_hints[kind % ROW_HINTS]; /* Zeroed with each actor: below its row_count. */
    if (count > 0 && rows[*hint].kind == kind) return rows[*hint].handle;
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

/* Most messages among a node's own actors are part of no work that anybody asked for. */
static inline void set_work(struct turn *turn, const struct message *message)
{
    bool has_work = (message->request_id.high | message->request_id.low | (uint64_t)message->deadline_ns |
                     message->ask_depth) != 0;
    if (!has_work && !turn->has_work) return;
    turn->has_work = has_work;
    turn->request_id = message->request_id;
    turn->deadline_ns = message->deadline_ns;
    turn->ask_depth = message->ask_depth;
}

static inline void handle_by_behavior(struct actor *actor, struct message *message)
{
    struct turn *turn = actor->turn;
    if (quarantine_may_hold(actor->runtime, message) && quarantine_refuses(actor, message)) return;
    bool failed_before = actor->fail_asked;
    turn->message = message;
    set_work(turn, message);
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
    turn->has_work = false;
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
        actor->usual = false;
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
    const struct message *last = actor->user.first == NULL ? NULL : actor->user.last;
    while (turn->handled < turn->batch_max && !wants_end(actor)) {
        struct message *message = next_message(actor, &last);
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
    actor->has_mail = false;
    actor->straight = false;
    turn_take_incoming(actor);
    bool ended = handle_batch(actor, turn);
    turn->kept = false; /* As each usual turn finds it, and leaves it. */
    if (ended) return false;
    actor->turn = NULL;
    watch_end(turn, actor);
    return true;
}

/* --- the usual turn --------------------------------------------------------------------------------------
 */

static inline bool is_plain(const struct message *message)
{
    return message->kind > KIND_RUNTIME_LAST && (message->flags & ~MESSAGE_CREDIT) == 0;
}

static inline bool nothing_is_suspect(const struct actor *actor)
{
    return __atomic_load_n(&actor->runtime->suspect_kinds, __ATOMIC_RELAXED) == 0;
}

bool turn_is_usual(const struct actor *actor)
{
    return actor_is_usual(actor) && is_plain(actor->user.first) && nothing_is_suspect(actor);
}

/* Its handler took it, failed at it, or wants to end. */
MACHINE_COLD static void after_unusual(struct actor *actor, struct message *message)
{
    bool kept = actor->turn->kept;
    actor->turn->kept = false;
    if (kept) return;
    if (actor->fail_asked) {
        quarantine_suspect(actor, message);
        refuse_crashed(actor, message);
    }
    message_give_back(message);
}

/* It has rows: else it isn't usual. */
static inline void dispatch_usual(struct actor *actor, struct message *message, uint32_t kind)
{
    const struct behavior_row *row = &actor->behavior->rows[actor->row_hints[kind % ROW_HINTS]];
    if (MACHINE_LIKELY(row->kind == kind)) row->handle(actor, actor->state, message);
    else dispatch(actor, message);
}

/* false: somebody has asked for its end. */
static inline bool handle_usual(struct actor *actor, struct turn *turn, struct watch *watch,
                                struct message *message)
{
    uint32_t kind = message->kind;
    actor->user.first = message->next;
    actor_owe_credits(actor, actor->credits_owed +
                                 message->flags); /* Who keeps it finds the flag, see actor_keep. */
    watch_handles(watch, kind);
    turn->message = message;
    set_work(turn, message);
    dispatch_usual(actor, message, kind);
    if (MACHINE_LIKELY(!turn->kept && actor->usual)) {
        message_give_back(message);
        return true;
    }
    after_unusual(actor, message);
    return actor->usual;
}

/* Its `stop` is part of no message. */
MACHINE_COLD static bool end_usual(struct actor *actor)
{
    leave_message_context(actor->turn);
    return life_end(actor);
}

static inline bool goes_on(const struct actor *actor)
{
    return actor->straight && is_plain(actor->user.first) && nothing_is_suspect(actor);
}

/* What came after the first one, up to `last`. Returns how many. */
MACHINE_APART static uint32_t handle_more(struct actor *actor, struct turn *turn, const struct message *last)
{
    uint32_t handled = 0;
    while (goes_on(actor)) {
        struct message *message = actor->user.first;
        handled++;
        bool lives = handle_usual(actor, turn, turn->watch, message);
        if (!lives || message == last || handled == WATCH_BATCH_MAX - 1) break;
    }
    return handled;
}

bool turn_run_usual(struct actor *actor, struct turn *turn, struct watch *watch)
{
    struct message *message = actor->user.first;
    const struct message *last = actor->user.last; /* What comes from here on waits for its next turn. */
    actor->turn = turn;
    send_gather(actor);
    watch_shows(watch, actor);
    uint32_t handled = 1;
    if (handle_usual(actor, turn, watch, message) && message != last)
        handled += handle_more(actor, turn, last);
    __atomic_store_n(&actor->handled, actor->handled + handled, __ATOMIC_RELAXED);
    bool ended = MACHINE_SELDOM(!actor->usual) && wants_end(actor) && end_usual(actor);
    if (!ended) {
        actor->turn = NULL;
        watch_end_quick(turn, watch, actor, handled);
    }
    send_hand_over();
    return !ended;
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
    send_hand_over();
    return owned;
}

bool turn_settle(struct actor *actor, struct home *home)
{
    if (has_more(actor)) {
        if (!mailbox_is_empty(&actor->mailbox)) actor->straight = false; /* The next turn looks there. */
        return_many_credits(actor);
        return false;
    }
    if (home != NULL && home_dozes(actor)) {
        actor->straight = true;
        return true;
    }
    if (home == NULL ? turn_rest(actor) : home_settle(home, actor)) return true;
    return_many_credits(actor);
    return false;
}
