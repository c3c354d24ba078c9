/* actor: what handlers can do (see the header). Everything here runs on the thread that owns `self`. */
#include "runtime/home.h"

#include "runtime/base/memory.h"
#include "runtime/base/planted.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    ASK_TIMEOUT_DEFAULT_S = 30,
    ASKS_MAX = 65536,
    ASK_DEPTH_MAX = 64,
    LOG_TEXT_MAX = 1024,
    LOG_NAME_MAX = 128
};

/* --- who and when ------------------------------------------------------------------------------------- */

struct actor_id actor_self(const struct actor *self)
{
    return self->id;
}

struct runtime *actor_runtime(const struct actor *self)
{
    return self->runtime;
}

int64_t actor_now_ns(const struct actor *self)
{
    return scheduler_turn_now_ns((struct actor *)self); /* Refreshes the turn's own time only. */
}

int64_t actor_wall_ms(const struct actor *self)
{
    return self->runtime->scheduler->machine->wall_ms(self->runtime);
}

uint64_t actor_random(struct actor *self)
{
    return scheduler_random(self->turn->random);
}

struct request_id actor_request_id_new(struct actor *self)
{
    uint64_t wall_ms = (uint64_t)actor_wall_ms(self) & UINT64_C(0xFFFFFFFFFFFF);
    uint64_t a = actor_random(self);
    uint64_t b = actor_random(self);
    return (struct request_id){ .high = wall_ms << 16 | UINT64_C(0x7000) | (a & 0xFFF), /* Version 7. */
                                .low = UINT64_C(1) << 63 | b >> 2 };                    /* Variant 10. */
}

void actor_set_request_id(struct actor *self, struct request_id id)
{
    self->turn->request_id = id;
    self->turn->has_work = true;
}

void actor_set_deadline(struct actor *self, int64_t deadline_ns)
{
    self->turn->deadline_ns = deadline_ns;
}

void actor_register(struct actor *self, uint32_t name)
{
    names_set(self->runtime, name, actor_self(self));
    self->has_name = true;
}

struct actor_id actor_find(const struct actor *self, uint32_t name)
{
    return names_find(self->runtime, name);
}

/* --- send --------------------------------------------------------------------------------------------- */

static inline void stamp_work(const struct turn *turn, struct message *message)
{
    if ((message->request_id.high | message->request_id.low) == 0) message->request_id = turn->request_id;
}

/* Makes it a message of ours, whatever it was before (kept ones may be sent on). */
static inline void stamp(struct actor *self, struct message *message)
{
    message_unlist(message);
    message->sender = actor_self(self);
    if (MACHINE_SELDOM((message->ask_id | message->ask_depth | message->flags) != 0)) {
        message->ask_id = 0;
        message->ask_depth = 0;
        message->flags = 0;
    }
    if (self->turn->has_work) stamp_work(self->turn, message);
}

static enum status deliver(struct actor *self, struct actor_id to, struct message **message)
{
    /* What we have handled in this turn still holds credits of our own mailbox. */
    if (actor_id_equal(to, actor_self(self)) && mailbox_is_full(&self->mailbox)) turn_return_credits(self);
    return send_deliver(self->runtime, to, message, (*message)->lane == LANE_USER);
}

MACHINE_APART static enum status send_anywhere(struct actor *self, struct actor_id to,
                                               struct message **message)
{
    stamp(self, *message);
    return deliver(self, to, message);
}

enum status actor_send(struct actor *self, struct actor_id to, struct message **message)
{
    const struct turn *turn = self->turn;
    struct home *home = turn->home;
    struct actor *actor = home == NULL ? NULL : home_finds(home, self->runtime, to);
    struct message *taken = *message;
    bool plain =
        message_marks(taken) == 0 && taken->kept_by == NULL; /* Of the user lane, and nothing but sent. */
    if (MACHINE_SELDOM(actor == NULL || !plain)) return send_anywhere(self, to, message);
    taken->sender = self->id;
    taken->ask_id = 0;
    if (MACHINE_SELDOM(turn->has_work)) stamp_work(turn, taken);
    home_pass(home, actor, taken);
    *message = NULL;
    return STATUS_OK;
}

void actor_tell(struct actor *self, struct actor_id to, struct message **message)
{
    if (actor_send(self, to, message) == STATUS_OK) return;
    __atomic_fetch_add(&self->runtime->dropped, 1, __ATOMIC_RELAXED);
    message_destroy(message);
}

void actor_tell_name(struct actor *self, uint32_t name, struct message **message)
{
    actor_tell(self, actor_find(self, name), message);
}

/* --- ask ---------------------------------------------------------------------------------------------- */

static int64_t ask_deadline(struct actor *self, int64_t timeout_ns)
{
    const struct turn *turn = self->turn;
    if (timeout_ns <= 0 && turn->deadline_ns != 0) return turn->deadline_ns;
    int64_t wanted_ns = timeout_ns <= 0 ? SECONDS(ASK_TIMEOUT_DEFAULT_S) : timeout_ns;
    int64_t now_ns = scheduler_turn_now_ns(self);
    int64_t deadline_ns = wanted_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + wanted_ns;
    return turn->deadline_ns != 0 && turn->deadline_ns < deadline_ns ? turn->deadline_ns : deadline_ns;
}

void actor_ask(struct actor *self, struct actor_id to, struct message **message, int64_t timeout_ns,
               ask_completion *complete, void *context)
{
    struct message *taken = *message;
    *message = NULL;
    if (self->phase == ACTOR_ENDING) { /* Nobody would be there for the answer. */
        message_destroy(&taken);
        return;
    }
    struct turn *turn = self->turn;
    int64_t deadline_ns = ask_deadline(self, timeout_ns);
    struct ask ask = { .complete = complete,
                       .context = context,
                       .request_id = turn->request_id,
                       .deadline_ns = turn->deadline_ns,
                       .depth = turn->ask_depth };
    struct asks **asks = &extras_make(self)->asks;
    uint64_t id = asks_add(asks, &ask);
    stamp(self, taken);
    taken->ask_id = id;
    taken->deadline_ns = deadline_ns;
    taken->ask_depth = (uint16_t)(turn->ask_depth + 1);
    int64_t late_ns = PLANTED("runtime.deadline_comes_late") ? MILLISECONDS(15) : 0;
    struct timer timer = {
        .due_ns = deadline_ns + late_ns, .kind = KIND_ASK_DEADLINE, .tag = id, .owner = self
    };
    asks_find(*asks, id)->timer = scheduler_timer_arm(self, &timer);
    enum status status = STATUS_OVERLOADED;
    if (asks_count(*asks) <= ASKS_MAX && taken->ask_depth <= ASK_DEPTH_MAX)
        status = deliver(self, to, &taken);
    if (status == STATUS_OK) return;
    send_refusal_status(self->runtime, taken, status); /* To ourselves: completes in a turn of its own. */
    message_destroy(&taken);
}

void actor_ask_name(struct actor *self, uint32_t name, struct message **message, int64_t timeout_ns,
                    ask_completion *complete, void *context)
{
    actor_ask(self, actor_find(self, name), message, timeout_ns, complete, context);
}

void actor_set_ask_depth(struct actor *self, uint16_t depth)
{
    self->turn->ask_depth = depth;
    self->turn->has_work = true;
}

/* Handlers borrow messages as const; that an ask was answered is the runtime's own mark on it. */
static struct message *own_mark(const struct message *request)
{
    return (struct message *)request;
}

void actor_reply(struct actor *self, const struct message *request, struct message **reply)
{
    struct message *taken = *reply;
    *reply = NULL;
    if (!send_awaits_answer(request)) {
        message_destroy(&taken);
        return;
    }
    own_mark(request)->flags |= MESSAGE_ANSWERED;
    message_unlist(own_mark(request));
    stamp(self, taken);
    taken->request_id = request->request_id;
    taken->lane = LANE_USER;
    taken->ask_id = request->ask_id;
    taken->flags = MESSAGE_ANSWER;
    if (send_deliver(self->runtime, request->sender, &taken, false) != STATUS_OK) message_destroy(&taken);
}

void actor_refuse(struct actor *self, const struct message *request, enum status status)
{
    send_refusal_status(self->runtime, own_mark(request), status);
}

void actor_refuse_error(struct actor *self, const struct message *request, const struct error *error)
{
    CHECK(error->status != STATUS_OK);
    send_refusal(self->runtime, own_mark(request), error);
}

bool actor_refuse_if_late(struct actor *self, const struct message *request)
{
    if (request->deadline_ns == 0 || scheduler_turn_now_ns(self) < request->deadline_ns) return false;
    actor_refuse(self, request, STATUS_DEADLINE);
    return true;
}

void actor_forward(struct actor *self, struct actor_id to, struct message **message)
{
    struct message *taken = *message;
    *message = NULL;
    CHECK(taken != self->turn->message || self->turn->kept); /* Keep it first: the handler only borrows it. */
    message_unlist(taken);
    enum status status = deliver(self, to, &taken);
    if (status == STATUS_OK) return;
    if (send_awaits_answer(taken)) send_refusal_status(self->runtime, taken, status);
    else __atomic_fetch_add(&self->runtime->dropped, 1, __ATOMIC_RELAXED);
    message_destroy(&taken);
}

struct message *actor_keep(struct actor *self)
{
    struct turn *turn = self->turn;
    CHECK(turn->message != NULL);
    CHECK(!turn->kept);
    turn->kept = true;
    /* The mailbox may still name it as the last that was taken. */
    if (!mailbox_let_go(&self->mailbox, &self->reader, turn->message)) turn_take_incoming(self);
    turn->message->flags &= (uint8_t)~MESSAGE_CREDIT; /* It has left the mailbox. */
    turn->message->next = NULL;
    if (send_awaits_answer(turn->message)) message_list_as_kept(turn->message, &extras_make(self)->kept_asks);
    return turn->message;
}

/* --- timers ------------------------------------------------------------------------------------------- */

static struct timer_id arm(struct actor *self, int64_t delay_ns, int64_t period_ns, uint32_t kind,
                           uint64_t tag)
{
    int64_t now_ns = scheduler_turn_now_ns(self);
    if (delay_ns < 0) delay_ns = 0;
    struct timer timer = { .due_ns = delay_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + delay_ns,
                           .period_ns = period_ns,
                           .kind = kind,
                           .tag = tag,
                           .owner = self };
    return (struct timer_id){ scheduler_timer_arm(self, &timer) };
}

struct timer_id actor_after(struct actor *self, int64_t delay_ns, uint32_t kind, uint64_t tag)
{
    return arm(self, delay_ns, 0, kind, tag);
}

struct timer_id actor_every(struct actor *self, int64_t period_ns, uint32_t kind)
{
    CHECK(period_ns > 0);
    return arm(self, period_ns, period_ns, kind, 0);
}

void actor_cancel(struct actor *self, struct timer_id *timer)
{
    if (timer->value != 0) scheduler_timer_cancel(self, timer->value);
    timer->value = 0;
}

/* --- life --------------------------------------------------------------------------------------------- */

enum status actor_spawn(struct actor *self, const struct behavior *behavior,
                        const struct spawn_options *options, struct actor_id *out_id, struct error *error)
{
    return life_spawn(self->runtime, self, behavior, options, out_id, error);
}

/* To one that is gone: its place answers in its stead, or we do. */
static void tell_life(struct actor *self, struct actor_id id, uint32_t kind)
{
    struct message *message = message_create(kind, 0);
    message->lane = LANE_SYSTEM;
    message->sender = actor_self(self);
    if (send_deliver(self->runtime, id, &message, false) == STATUS_OK) return;
    (void)life_refuses(self->runtime, id, message);
    message_destroy(&message);
}

void actor_monitor(struct actor *self, struct actor_id id)
{
    tell_life(self, id, KIND_MONITOR);
}

void actor_demonitor(struct actor *self, struct actor_id id)
{
    tell_life(self, id, KIND_DEMONITOR);
}

void actor_link(struct actor *self, struct actor_id id)
{
    CHECK(!actor_id_equal(id, actor_self(self)));
    life_link(self, id);
    tell_life(self, id, KIND_LINK);
}

void actor_unlink(struct actor *self, struct actor_id id)
{
    life_unlink(self, id);
    tell_life(self, id, KIND_UNLINK);
}

void actor_stop(struct actor *self, struct actor_id id)
{
    if (actor_id_equal(id, actor_self(self))) {
        self->stop_asked = true;
        self->usual = false;
        return;
    }
    struct message *stop = message_create(KIND_STOP, 0);
    send_system(self->runtime, actor_self(self), id, &stop);
}

void actor_fail(struct actor *self, const struct error *error)
{
    if (self->fail_asked || self->phase == ACTOR_ENDING) return; /* The first reason is the reason. */
    self->fail_asked = true;
    self->usual = false;
    struct error *failure = memory_alloc(sizeof *failure);
    *failure = *error;
    if (failure->status == STATUS_OK) failure->status = STATUS_CRASHED;
    extras_make(self)->failure = failure;
}

/* --- logs --------------------------------------------------------------------------------------------- */

/* Text may quote what came from outside: nothing in it may end a line or steer a terminal. */
static void neutralise(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7F) *text = ' ';
    }
}

void actor_log(struct actor *self, int level, const char *event, const char *format, ...)
{
    const struct runtime_options *options = &self->runtime->options;
    if (options->log == NULL || level < options->log_level) return;
    char text[LOG_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    neutralise(text);
    char name[LOG_NAME_MAX];
    const char *label = extras_of(self)->label;
    if (label == NULL) (void)snprintf(name, sizeof name, "%s", self->behavior->name);
    else (void)snprintf(name, sizeof name, "%s[%s]", self->behavior->name, label);
    struct log_record record = {
        .level = level,
        .wall_ms = actor_wall_ms(self),
        .node = self->runtime->node,
        .actor = name,
        .event = event,
        .text = text,
        .request_id = self->turn->request_id,
    };
    options->log(options->log_context, &record);
}
