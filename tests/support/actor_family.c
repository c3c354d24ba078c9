/* actor_family: the part of the model that is supervised: three families, one of each strategy, whose pupils
 * fail, leave, are linked, poisoned and overfed, and write down how they live and die. What must hold of
 * supervisors is judged by their log lines (which restart when) and by the pupils' own notes (who lives
 * beside whom).
 *
 *   pupil 0  fails at poison and by draw       pupil 1  is pinned and drops its oldest
 *   pupil 2  is linked to pupil 0              pupil 3  leaves, and is started again */
#include "tests/support/actor_model.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"

#include <stdio.h>
#include <string.h>

enum { KIND_TASK = 2100, FIRST_NAME = 40, POISONS = 3 };
enum { OVERFED = 1, LINKED = 2, LEAVER = 3 };

struct task {
    struct model_tracked tracked;
    uint32_t poison; /* 0: none. */
    bool fails;
    bool leaves;
};

static uint32_t name_of(uint32_t family, uint32_t pupil)
{
    return FIRST_NAME + family * MODEL_PUPILS + pupil;
}

/* --- pupils ------------------------------------------------------------------------------------------- */

static void check_later_are_gone(struct model_family *family, uint32_t index)
{
    for (uint32_t later = index + 1; later < MODEL_PUPILS; later++) {
        if (__atomic_load_n(&family->alive[later], __ATOMIC_ACQUIRE) != 0)
            model_count(&family->model->out_of_order);
    }
}

static void link_to_first(struct actor *self, struct model_family *family)
{
    family->linked_life = actor_find(self, name_of(family->number, 0));
    if (actor_id_is_set(family->linked_life)) actor_link(self, family->linked_life);
}

/* Where one fails alone, nothing but the link ends pupil 2 with pupil 0. */
uint32_t model_outlived_links(const struct model *model)
{
    const struct model_family *family = &model->families[ONE_FOR_ONE];
    bool both = family->alive[0] != 0 && family->alive[LINKED] != 0;
    bool linked = actor_id_is_set(family->linked_life);
    return both && linked && !actor_id_equal(family->linked_life, family->first_life) ? 1 : 0;
}

static enum status pupil_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)error;
    const struct model_pupil_options *pupil = options;
    *(struct model_pupil_options *)state = *pupil;
    struct model_family *family = pupil->family;
    if (__atomic_fetch_add(&family->alive[pupil->index], 1, __ATOMIC_ACQ_REL) != 0)
        model_count(&family->model->alive_twice);
    if (family->options.strategy != ONE_FOR_ONE) check_later_are_gone(family, pupil->index);
    if (pupil->index == 0) family->first_life = actor_self(self);
    if (pupil->index == LINKED) link_to_first(self, family);
    return STATUS_OK;
}

static void pupil_stop(struct actor *self, void *state)
{
    (void)self;
    const struct model_pupil_options *pupil = state;
    bool by_itself = pupil->index == LEAVER;
    if (!by_itself && __atomic_load_n(&pupil->family->model->stopping, __ATOMIC_ACQUIRE))
        check_later_are_gone(pupil->family, pupil->index);
}

static void pupil_fini(void *state)
{
    const struct model_pupil_options *pupil = state;
    __atomic_fetch_sub(&pupil->family->alive[pupil->index], 1, __ATOMIC_ACQ_REL);
}

static void swallow(const struct model_pupil_options *pupil, uint32_t poison)
{
    struct model *model = pupil->family->model;
    /* One behavior serves pupils 0 and 2, in all families: together they see a poison twice, but for those
     * who are at it on other threads just when the second has failed. */
    uint32_t *seen = &model->poisoned[poison];
    uint32_t others = model->threads > 1 ? model->threads - 1 : 0;
    if (__atomic_fetch_add(seen, 1, __ATOMIC_RELAXED) >= 2 + others) model_count(&model->poison_thrice);
}

static void on_task(struct actor *self, void *state, const struct message *message)
{
    const struct model_pupil_options *pupil = state;
    const struct task *task = message->body;
    struct model *model = pupil->family->model;
    model_handled(message);
    if (task->poison != 0) swallow(pupil, task->poison);
    if (task->poison != 0 || task->fails) {
        struct error error;
        (void)error_set(&error, STATUS_IO, "by draw");
        model_count(&model->failed);
        actor_fail(self, &error);
        return;
    }
    if (task->leaves && pupil->index == LEAVER) {
        model_count(&model->left);
        actor_stop(self, actor_self(self));
    }
    struct message *reply = message_create(KIND_TASK, 0);
    actor_reply(self, message, &reply);
}

static const struct behavior_row rows[] = { { KIND_TASK, on_task } };
#define PUPIL(word, where, capacity, mailbox)                                                                \
    {                                                                                                        \
        .name = (word), .state_size = sizeof(struct model_pupil_options), .home = (where),                   \
        .mailbox_capacity = (capacity), .policy = (mailbox), .init = pupil_init, .stop = pupil_stop,         \
        .fini = pupil_fini, .rows = rows, .row_count = ARRAY_COUNT(rows)                                     \
    }
static const struct behavior pupil_behavior = PUPIL("pupil", ACTOR_POOLED, 16, MAILBOX_REFUSE);
static const struct behavior overfed_behavior = PUPIL("overfed", ACTOR_PINNED, 2, MAILBOX_DROP_OLDEST);
static const struct behavior *const behaviors[MODEL_PUPILS] = { &pupil_behavior, &overfed_behavior,
                                                                &pupil_behavior, &pupil_behavior };

static void family_start(struct model *model, uint32_t number)
{
    struct model_family *family = &model->families[number];
    *family = (struct model_family){ .model = model, .number = number };
    (void)snprintf(family->label, sizeof family->label, "f%u", number);
    for (uint32_t i = 0; i < MODEL_PUPILS; i++) {
        family->pupils[i] = (struct model_pupil_options){ family, i };
        family->specs[i] = (struct child_spec){ .behavior = behaviors[i],
                                                .options = &family->pupils[i],
                                                .name = name_of(number, i),
                                                .restart = CHILD_PERMANENT };
    }
    family->options = (struct supervisor_options){ .label = family->label,
                                                   .strategy = (enum supervisor_strategy)number,
                                                   .children = family->specs,
                                                   .child_count = MODEL_PUPILS };
    struct actor_id id;
    struct spawn_options options = { .options = &family->options, .label = family->label };
    enum status status = runtime_spawn(model->runtime, &supervisor_behavior, &options, &id, NULL);
    CHECK(status == STATUS_OK);
}

static void note_living(void *context, const struct actor_view *view)
{
    bool *lives = context;
    if (view->label == NULL || strcmp(view->behavior, "supervisor") != 0) return;
    lives[view->label[1] - '0'] = true;
}

void model_families_start(struct model *model)
{
    bool lives[MODEL_FAMILIES] = { false };
    runtime_visit_actors(model->runtime, note_living, lives);
    for (uint32_t number = 0; number < MODEL_FAMILIES; number++) {
        if (!lives[number]) family_start(model, number);
    }
}

/* --- tasks -------------------------------------------------------------------------------------------- */

static void on_answered(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)self, (void)state;
    struct model *model = context;
    model_count(&model->answers[result->status]);
    model_count(&model->completed);
}

void model_give_task(struct actor *self, struct model *model, bool has_deadline)
{
    uint64_t drawn = actor_random(self);
    uint32_t pupil = (uint32_t)(drawn >> 8) % MODEL_PUPILS;
    struct actor_id to = actor_find(self, name_of((uint32_t)(drawn >> 16) % MODEL_FAMILIES, pupil));
    bool ask = pupil != OVERFED && (drawn >> 24) % 2 == 0;
    struct message *message = message_create(KIND_TASK, sizeof(struct task));
    struct task *task = message->body;
    *task = (struct task){ .fails = (drawn >> 32) % 128 == 0, .leaves = (drawn >> 40) % 64 == 0 };
    if (pupil % 2 == 0 && (drawn >> 48) % 24 == 0) task->poison = 1 + (uint32_t)(drawn >> 56) % POISONS;
    if (task->poison != 0 && has_deadline) ask = false; /* DEADLINE would hide that it was quarantined. */
    model_track(model, message, !ask);
    model_count(&model->tasks);
    if (ask) {
        model_count(&model->asked);
        int64_t timeout_ns = task->poison != 0 ? SECONDS(30) : MILLISECONDS(20);
        actor_ask(self, to, &message, timeout_ns, on_answered, model);
        return;
    }
    if (actor_send(self, to, &message) == STATUS_OK) return;
    model_not_sent(message);
    message_destroy(&message);
}

uint64_t model_fingerprint(const struct message *message)
{
    if (message->kind != KIND_TASK || message->body == NULL) return 0;
    const struct task *task = message->body;
    return task->poison == 0 ? 0 : 1000 + task->poison;
}

/* --- what supervisors say ------------------------------------------------------------------------------ */

/* The window slides: a restart of 5 s ago is out of it. Log lines tell milliseconds. */
enum { WINDOW_MS = 5000, INTENSITY = 3 };

static uint32_t restarts_since(const struct model_family *family, int64_t since_ms)
{
    uint32_t count = 0;
    uint32_t known = family->restarts < MODEL_INTENSITY_MAX ? family->restarts : MODEL_INTENSITY_MAX;
    for (uint32_t i = 0; i < known; i++) {
        if (family->restarted_ms[i] > since_ms) count++;
    }
    return count;
}

static void note_restart(struct model_family *family, int64_t wall_ms)
{
    family->restarted_ms[family->restarts++ % MODEL_INTENSITY_MAX] = wall_ms;
    if (restarts_since(family, wall_ms - WINDOW_MS + 1) > INTENSITY) model_count(&family->model->too_often);
}

static void note_giving_up(struct model_family *family, int64_t wall_ms)
{
    bool rightly = family->escalated || restarts_since(family, wall_ms - WINDOW_MS - 1) >= INTENSITY;
    if (!rightly) model_count(&family->model->gave_up_early);
    model_count(&family->model->gave_up);
}

void model_log(void *context, const struct log_record *record)
{
    struct model *model = context;
    for (uint32_t i = 0; i < MODEL_FAMILIES; i++) {
        struct model_family *family = &model->families[i];
        /* Which family's pupil it was is not said; whoever gives up next may do so for that. */
        if (strcmp(record->event, "actor.message_quarantined") == 0 &&
            strstr(record->text, "too many") != NULL)
            __atomic_store_n(&family->escalated, true, __ATOMIC_RELAXED);
        char name[32];
        (void)snprintf(name, sizeof name, "supervisor[%s]", family->label);
        if (strcmp(record->actor, name) != 0) continue;
        if (strcmp(record->event, "supervisor.restarts") == 0) note_restart(family, record->wall_ms);
        if (strcmp(record->event, "supervisor.gave_up") == 0) note_giving_up(family, record->wall_ms);
    }
}
