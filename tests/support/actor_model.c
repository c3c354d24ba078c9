/* actor_model: see the header. A message carries a budget; its handler spends one and splits the rest over
 * what it does next, so all work ends by itself. */
#include "tests/support/actor_model.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/metrics.h"

#include <stdio.h>
#include <string.h>

enum {
    KIND_WORK = 2000, /* body: struct work. A send. */
    KIND_QUESTION,    /* body: struct work. An ask. */
    KIND_LATER,       /* Timer; tag: budget. */
    KIND_ANSWER_NOW,  /* Timer: the oldest kept question is answered. */
    KIND_REPLY,
};
enum { KEPT_MAX = 64, NOBODY = UINT32_MAX };
#define ASK_TIMEOUT_NS MILLISECONDS(20)

struct work {
    struct model_tracked tracked;
    uint32_t from; /* A member of the crowd, or NOBODY. */
    uint32_t budget;
    bool forwarded;  /* It may come by several members. */
    uint64_t number; /* Grows from message to message of a pair. */
};

struct member {
    struct model *model;
    uint32_t index;
    uint64_t sent_to[MODEL_ACTORS];
    uint64_t seen_from[MODEL_ACTORS];
    struct message *kept[KEPT_MAX];
    uint32_t kept_count;
    uint32_t inside; /* Turns of this actor that run just now. */
    bool in_question;
};

struct question { /* Context of an ask; lives as long as the model, so that a second completion is seen. */
    struct question *next;
    struct model *model;
    int64_t deadline_ns;
    uint32_t completions;
};

static const struct behavior member_behavior;
static const struct behavior guest_behavior;

static void add(uint64_t *count)
{
    __atomic_fetch_add(count, 1, __ATOMIC_RELEASE); /* Whoever sees the model quiet sees all it did. */
}

void model_count(uint64_t *count)
{
    add(count);
}

static uint64_t read_count(const uint64_t *count)
{
    return __atomic_load_n(count, __ATOMIC_ACQUIRE);
}

/* --- the ledger --------------------------------------------------------------------------------------- */

enum ledger_mark { LEDGER_HANDLED = 1, LEDGER_DESTROYED = 2, LEDGER_PLAIN = 4, LEDGER_NOT_SENT = 8 };

/* Returns what was marked before. */
static uint8_t mark(const struct model_tracked *tracked, enum ledger_mark how)
{
    return __atomic_fetch_or(&tracked->model->ledger[tracked->entry], (uint8_t)how, __ATOMIC_RELAXED);
}

static void on_destroyed(struct message *message)
{
    const struct model_tracked *tracked = message->body;
    if ((mark(tracked, LEDGER_DESTROYED) & LEDGER_DESTROYED) != 0) add(&tracked->model->destroyed_twice);
    __atomic_fetch_sub(&tracked->model->open, 1, __ATOMIC_ACQ_REL);
}

void model_track(struct model *model, struct message *message, bool plain)
{
    struct model_tracked *tracked = message->body;
    tracked->model = model;
    tracked->entry = __atomic_fetch_add(&model->entries, 1, __ATOMIC_RELAXED);
    CHECK(tracked->entry < model->ledger_size);
    model->ledger[tracked->entry] = plain ? LEDGER_PLAIN : 0;
    message->release = on_destroyed;
    __atomic_fetch_add(&model->open, 1, __ATOMIC_RELAXED);
}

void model_handled(const struct message *message)
{
    const struct model_tracked *tracked = message->body;
    if ((mark(tracked, LEDGER_HANDLED) & LEDGER_HANDLED) != 0) add(&tracked->model->handled_twice);
}

void model_not_sent(const struct message *message)
{
    (void)mark(message->body, LEDGER_NOT_SENT);
}

static void add_counted(void *context, const struct metric_sample *sample)
{
    static const char *const counted[] = { "aether_actor_drops", "aether_dead_letters",
                                           "aether_actor_quarantined" };
    for (size_t i = 0; i < ARRAY_COUNT(counted); i++) {
        if (strcmp(sample->metric->name, counted[i]) == 0) *(int64_t *)context += (int64_t)sample->value;
    }
}

/* What the runtime counted that was told to nobody. */
static int64_t counted_by(const struct model *model)
{
    int64_t counted = 0;
    runtime_visit_metrics(model->runtime, add_counted, &counted);
    return counted - (int64_t)read_count(&model->answers[STATUS_INVALID]); /* Quarantined asks were told. */
}

int64_t model_unaccounted(const struct model *model)
{
    int64_t unseen = 0;
    for (uint32_t i = 0; i < model->entries; i++) {
        uint8_t marks = model->ledger[i];
        if ((marks & (LEDGER_PLAIN | LEDGER_HANDLED | LEDGER_NOT_SENT)) == LEDGER_PLAIN) unseen++;
    }
    return unseen - (counted_by(model) - model->counted);
}

static void free_questions(struct model *model)
{
    while (model->questions != NULL) {
        struct question *question = model->questions;
        model->questions = question->next;
        memory_free(question);
    }
}

void model_free(struct model *model)
{
    memory_free(model->ledger);
    model->ledger = NULL;
    free_questions(model);
}

static struct message *work_create(struct model *model, uint32_t kind, uint32_t from, uint64_t number,
                                   uint32_t budget)
{
    struct message *message = message_create(kind, sizeof(struct work));
    *(struct work *)message->body = (struct work){ .from = from, .number = number, .budget = budget };
    model_track(model, message, kind == KIND_WORK);
    return message;
}

/* --- what a member does ------------------------------------------------------------------------------- */

static void send_work(struct actor *self, struct member *member, uint32_t to, uint32_t budget)
{
    struct message *message =
        work_create(member->model, KIND_WORK, member->index, ++member->sent_to[to], budget);
    if (actor_send(self, member->model->ids[to], &message) == STATUS_OK) return;
    add(&member->model->refused);
    model_not_sent(message);
    message_destroy(&message);
}

static void on_completed(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct question *question = context;
    struct model *model = question->model;
    if (question->completions++ > 0) add(&model->twice);
    if (model->judges_time && actor_now_ns(self) > question->deadline_ns + MILLISECONDS(10))
        add(&model->late);
    add(&model->answers[result->status]);
    add(&model->completed);
    if (result->status == STATUS_OK && actor_random(self) % 4 == 0) {
        struct message *kept = actor_keep(self);
        message_destroy(&kept);
    }
}

static struct question *question_create(struct model *model, int64_t deadline_ns)
{
    struct question *question = memory_zalloc(sizeof *question);
    question->model = model;
    question->deadline_ns = deadline_ns;
    question->next = __atomic_load_n(&model->questions, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&model->questions, &question->next, question, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED)) {
    }
    add(&model->asked);
    return question;
}

static void ask_work(struct actor *self, struct member *member, uint32_t to, uint32_t budget)
{
    struct question *question = question_create(member->model, actor_now_ns(self) + ASK_TIMEOUT_NS);
    struct message *message =
        work_create(member->model, KIND_QUESTION, member->index, ++member->sent_to[to], budget);
    actor_ask(self, member->model->ids[to], &message, ASK_TIMEOUT_NS, on_completed, question);
}

static void arm_timer(struct actor *self, struct member *member, uint32_t budget)
{
    int64_t delay_ns = (int64_t)(actor_random(self) % (uint64_t)MILLISECONDS(3));
    struct timer_id timer = actor_after(self, delay_ns, KIND_LATER, budget);
    add(&member->model->timers_armed);
    if (actor_random(self) % 8 != 0) return;
    actor_cancel(self, &timer);
    add(&member->model->timers_cancelled);
}

static void spawn_guest(struct actor *self, struct member *member, uint32_t budget)
{
    struct actor_id guest;
    struct spawn_options options = { .options = member->model, .label = "guest", .monitored = true };
    enum status status = actor_spawn(self, &guest_behavior, &options, &guest, NULL);
    CHECK(status == STATUS_OK);
    add(&member->model->spawned);
    struct question *question = question_create(member->model, actor_now_ns(self) + ASK_TIMEOUT_NS);
    struct message *message = work_create(member->model, KIND_QUESTION, NOBODY, 0, budget);
    actor_ask(self, guest, &message, ASK_TIMEOUT_NS, on_completed, question);
}

static void do_something(struct actor *self, struct member *member, uint32_t budget)
{
    uint64_t drawn = actor_random(self);
    uint32_t to = (uint32_t)(drawn >> 32) % MODEL_ACTORS;
    switch (drawn % 16) {
    case 0:
    case 1: arm_timer(self, member, budget); break;
    case 2: spawn_guest(self, member, budget); break;
    case 7:
        model_give_task(self, member->model, member->in_question);
        send_work(self, member, to, budget);
        break;
    case 3:
    case 4:
    case 5:
    case 6: ask_work(self, member, to, budget); break;
    default: send_work(self, member, to, budget); break;
    }
}

static void spend(struct actor *self, struct member *member, uint32_t budget)
{
    if (budget <= 1) return;
    uint32_t left = budget - 1;
    uint32_t parts = 1 + (uint32_t)(actor_random(self) % 3);
    for (uint32_t i = 0; i < parts && left > 0; i++) {
        uint32_t share = i + 1 == parts ? left : (left + 1) / 2;
        left -= share;
        do_something(self, member, share);
    }
}

/* --- what a member checks ------------------------------------------------------------------------------ */

static void enter(struct member *member)
{
    if (__atomic_fetch_add(&member->inside, 1, __ATOMIC_RELAXED) != 0) add(&member->model->at_once);
}

static void leave(struct member *member)
{
    __atomic_fetch_sub(&member->inside, 1, __ATOMIC_RELAXED);
}

static void check_order(struct member *member, const struct work *work)
{
    if (work->from == NOBODY) return;
    if (work->number <= member->seen_from[work->from]) add(&member->model->overtaken);
    member->seen_from[work->from] = work->number;
}

/* --- handlers ----------------------------------------------------------------------------------------- */

static void on_work(struct actor *self, void *state, const struct message *message)
{
    struct member *member = state;
    enter(member);
    model_handled(message);
    add(&member->model->handled);
    const struct work *work = message->body;
    check_order(member, work);
    spend(self, member, work->budget);
    leave(member);
}

static void on_later(struct actor *self, void *state, const struct message *message)
{
    struct member *member = state;
    enter(member);
    add(&member->model->timers_seen);
    spend(self, member, (uint32_t)message->tag);
    leave(member);
}

static void reply(struct actor *self, const struct message *question)
{
    struct message *answer = message_create(KIND_REPLY, 0);
    actor_reply(self, question, &answer);
}

static void forward(struct actor *self, struct member *member)
{
    struct message *question = actor_keep(self);
    ((struct work *)question->body)->from = NOBODY; /* It arrives by another way than its pair's. */
    ((struct work *)question->body)->budget = 1;
    ((struct work *)question->body)->forwarded = true;
    uint32_t to = (uint32_t)(actor_random(self) % MODEL_ACTORS);
    actor_forward(self, member->model->ids[to], &question);
}

static void on_question(struct actor *self, void *state, const struct message *message)
{
    struct member *member = state;
    enter(member);
    if (!((const struct work *)message->body)->forwarded) model_handled(message);
    const struct work *work = message->body;
    check_order(member, work);
    member->in_question = true;
    spend(self, member, work->budget);
    member->in_question = false;
    switch (actor_random(self) % 8) {
    case 0: actor_refuse(self, message, STATUS_CONFLICT); break;
    case 1: break; /* The deadline will answer. */
    case 2:
        if (member->kept_count == KEPT_MAX) break;
        member->kept[member->kept_count++] = actor_keep(self);
        (void)actor_after(self, (int64_t)(actor_random(self) % (uint64_t)MILLISECONDS(30)), KIND_ANSWER_NOW,
                          0);
        break;
    case 3: forward(self, member); break;
    default: reply(self, message); break;
    }
    leave(member);
}

static void on_answer_now(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct member *member = state;
    enter(member);
    struct message *question = member->kept[0];
    CHECK(member->kept_count > 0);
    member->kept_count--;
    for (uint32_t i = 0; i < member->kept_count; i++) {
        member->kept[i] = member->kept[i + 1];
    }
    if (!actor_refuse_if_late(self, question)) reply(self, question);
    reply(self, question); /* Once is once. */
    message_destroy(&question);
    leave(member);
}

static void on_down(struct actor *self, void *state, const struct message *message)
{
    (void)self, (void)message;
    struct member *member = state;
    enter(member);
    add(&member->model->downs);
    leave(member);
}

struct member_options {
    struct model *model;
    uint32_t index;
};

static enum status member_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    const struct member_options *given = options;
    *(struct member *)state = (struct member){ .model = given->model, .index = given->index };
    return STATUS_OK;
}

static void member_fini(void *state)
{
    struct member *member = state;
    for (uint32_t i = 0; i < member->kept_count; i++) {
        message_destroy(&member->kept[i]);
    }
}

static const struct behavior_row member_rows[] = {
    { KIND_WORK, on_work }, { KIND_QUESTION, on_question },     { KIND_LATER, on_later },
    { KIND_DOWN, on_down }, { KIND_ANSWER_NOW, on_answer_now },
};

static const struct behavior member_behavior = {
    .name = "member",
    .state_size = sizeof(struct member),
    .mailbox_capacity = MODEL_MAILBOX,
    .init = member_init,
    .fini = member_fini,
    .rows = member_rows,
    .row_count = ARRAY_COUNT(member_rows),
};

static const struct behavior pinned_member_behavior = {
    .name = "pinned_member",
    .state_size = sizeof(struct member),
    .home = ACTOR_PINNED,
    .mailbox_capacity = MODEL_MAILBOX,
    .init = member_init,
    .fini = member_fini,
    .rows = member_rows,
    .row_count = ARRAY_COUNT(member_rows),
};

/* A guest answers one question, or doesn't, and ends one way or the other. */
static void guest_handle(struct actor *self, void *state, const struct message *message)
{
    (void)state;
    model_handled(message);
    if (actor_random(self) % 2 == 0) reply(self, message);
    if (actor_random(self) % 2 == 0) {
        actor_stop(self, actor_self(self));
        return;
    }
    struct error error;
    (void)error_set(&error, STATUS_IO, "by draw");
    actor_fail(self, &error);
}

static const struct behavior_row guest_rows[] = { { KIND_QUESTION, guest_handle } };
static const struct behavior guest_behavior = { .name = "guest",
                                                .rows = guest_rows,
                                                .row_count = ARRAY_COUNT(guest_rows) };

/* --- outside ------------------------------------------------------------------------------------------ */

static void throw_in(struct model *model, uint32_t tokens, uint32_t work)
{
    for (uint32_t i = 0; i < tokens; i++) {
        struct message *message = work_create(model, KIND_WORK, NOBODY, 0, work);
        if (runtime_send(model->runtime, model->ids[i % MODEL_ACTORS], &message) == STATUS_OK) continue;
        model_not_sent(message);
        message_destroy(&message);
    }
}

void model_feed(struct model *model, uint32_t tokens, uint32_t work)
{
    CHECK(model_is_quiet(model));
    CHECK((uint64_t)tokens * work * 4 < model->ledger_size);
    model->counted = counted_by(model);
    model->entries = 0;
    free_questions(model);
    model_families_start(model);
    throw_in(model, tokens, work);
}

void model_start(struct model *model, struct runtime *runtime, uint32_t tokens, uint32_t work)
{
    model->runtime = runtime;
    model->ledger_size = tokens * work * 4 + 1000;
    model->ledger = memory_array(model->ledger_size, sizeof *model->ledger);
    model_families_start(model);
    for (uint32_t i = 0; i < MODEL_ACTORS; i++) {
        struct member_options given = { model, i };
        struct spawn_options options = { .options = &given, .label = "crowd" };
        const struct behavior *behavior = i % 4 == 3 ? &pinned_member_behavior : &member_behavior;
        enum status status = runtime_spawn(runtime, behavior, &options, &model->ids[i], NULL);
        CHECK(status == STATUS_OK);
    }
    throw_in(model, tokens, work);
}

bool model_is_quiet(const struct model *model)
{
    uint64_t timers = read_count(&model->timers_seen) + read_count(&model->timers_cancelled);
    return __atomic_load_n(&model->open, __ATOMIC_ACQUIRE) == 0 &&
           read_count(&model->completed) == read_count(&model->asked) &&
           read_count(&model->downs) == read_count(&model->spawned) &&
           timers == read_count(&model->timers_armed);
}

static void check_bound(void *context, const struct actor_view *view)
{
    struct model *model = context;
    /* A sender adds its credit before it sees that it was one too many. */
    if (view->mailbox_length > view->mailbox_capacity + MODEL_ACTORS + 1) add(&model->over_bound);
}

void model_watch_bounds(struct model *model)
{
    runtime_visit_actors(model->runtime, check_bound, model);
}

uint64_t model_violations(const struct model *model)
{
    const struct {
        const char *name;
        const uint64_t *count;
    } all[] = {
        { "overtaken", &model->overtaken },
        { "at once", &model->at_once },
        { "completed twice", &model->twice },
        { "late", &model->late },
        { "over the bound", &model->over_bound },
        { "handled twice", &model->handled_twice },
        { "destroyed twice", &model->destroyed_twice },
        { "poison thrice", &model->poison_thrice },
        { "alive twice", &model->alive_twice },
        { "out of order", &model->out_of_order },
        { "restarted too often", &model->too_often },
        { "gave up early", &model->gave_up_early },
    };
    uint64_t sum = 0;
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        uint64_t count = read_count(all[i].count);
        if (count > 0) (void)fprintf(stderr, "model: %s: %llu\n", all[i].name, (unsigned long long)count);
        sum += count;
    }
    return sum;
}
