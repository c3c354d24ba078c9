/* supervisor: see the header. It is an ordinary actor: its children are actors' children, which the runtime
 * stops in reverse when it ends, and a DOWN is how it learns of an end.
 *
 *   a child ends --> counted (too often: we fail) --> those to restart with it are stopped in reverse, one
 * after the other --> the delay --> all that are down and wanted are started, in order
 *
 * Owns   its children's ids and the restart times of the window; the specs are its maker's.
 * Limits CHILD_COUNT_MAX children, INTENSITY_LIMIT restarts in a window. */
#include "runtime/supervisor.h"

#include "runtime/base/memory.h"
#include "runtime/base/planted.h"

#include <string.h>

enum {
    KIND_START_AGAIN = 80,
    KIND_CHILD_LATE = 81, /* A timer; tag: late_tag. */
    INTENSITY_DEFAULT = 3,
    INTENSITY_LIMIT = 64,
    CHILD_COUNT_MAX = 1024,
};
#define WINDOW_DEFAULT_NS SECONDS(5)
#define DELAY_FIRST_NS    MILLISECONDS(50)
#define DELAY_MAX_NS      SECONDS(5)
#define STOP_PATIENCE_NS  SECONDS(30) /* A child doesn't stop for another's sake: then we give up. */

struct child {
    struct actor_id id; /* Not set: down. */
    bool wanted;        /* Is to be (stopped and) started again. */
    bool stopping;
    uint32_t restarts;
};

struct supervisor {
    struct supervisor_options options;
    struct child *children;
    int64_t restarted_ns[INTENSITY_LIMIT + 1]; /* The newest last. */
    uint32_t restarted_count;
    int64_t delay_ns;
    struct timer_id timer;
};

static const struct child_spec *spec_of(const struct supervisor *supervisor, uint32_t index)
{
    return &supervisor->options.children[index];
}

static const char *name_of(const struct supervisor *supervisor, uint32_t index)
{
    const struct child_spec *spec = spec_of(supervisor, index);
    return spec->label != NULL ? spec->label : spec->behavior->name;
}

/* Who is to stop just before the child does. */
static struct actor_id next_running(const struct supervisor *supervisor, uint32_t index)
{
    for (uint32_t i = index + 1; i < supervisor->options.child_count; i++) {
        if (actor_id_is_set(supervisor->children[i].id)) return supervisor->children[i].id;
    }
    return (struct actor_id){ 0, 0 };
}

static enum status start_child(struct actor *self, struct supervisor *supervisor, uint32_t index,
                               struct error *error)
{
    const struct child_spec *spec = spec_of(supervisor, index);
    struct child *child = &supervisor->children[index];
    struct spawn_options options = {
        .options = spec->options,
        .label = spec->label,
        .name = spec->name,
        .restarts = child->restarts,
        .monitored = true,
        .before = next_running(supervisor, index),
    };
    enum status status = actor_spawn(self, spec->behavior, &options, &child->id, error);
    if (status != STATUS_OK) return error_wrap(error, "start %s", name_of(supervisor, index));
    child->wanted = false;
    child->stopping = false;
    return STATUS_OK;
}

/* --- how often, how soon ------------------------------------------------------------------------------ */

/* Counts a restart; false: it is one too many. */
static bool count_restart(struct actor *self, struct supervisor *supervisor)
{
    int64_t now_ns = actor_now_ns(self);
    int64_t *times = supervisor->restarted_ns;
    uint32_t old = 0;
    while (old < supervisor->restarted_count &&
           now_ns - times[old] >= supervisor->options.intensity_window_ns) {
        old++;
    }
    uint32_t count = supervisor->restarted_count - old;
    memmove(times, times + old, count * sizeof *times);
    times[count++] = now_ns;
    supervisor->restarted_count = count;
    uint32_t most = supervisor->options.intensity_max * (PLANTED("runtime.restarts_too_often") ? 2 : 1);
    if (count > most) return false;
    int64_t delay_ns = count == 1 ? 0 : DELAY_FIRST_NS;
    for (uint32_t i = 2; i < count && delay_ns < DELAY_MAX_NS; i++) {
        delay_ns *= 2;
    }
    if (delay_ns > DELAY_MAX_NS) delay_ns = DELAY_MAX_NS;
    /* From three to five quarters of it, so that what failed together doesn't return together. */
    supervisor->delay_ns =
        delay_ns == 0 ? 0 : delay_ns * 3 / 4 + (int64_t)(actor_random(self) % (uint64_t)(delay_ns / 2));
    return true;
}

static void give_up(struct actor *self, const struct supervisor *supervisor, uint32_t index,
                    const struct error *cause)
{
    struct error error = *cause;
    (void)error_wrap(&error, "%s: %s failed", supervisor->options.label, name_of(supervisor, index));
    if (error.status == STATUS_OK) error.status = STATUS_CRASHED;
    log_error(self, "supervisor.gave_up", "%s", error.message);
    actor_fail(self, &error);
}

/* --- the restart -------------------------------------------------------------------------------------- */

static void want_with(struct supervisor *supervisor, uint32_t index)
{
    uint32_t first = index;
    uint32_t last = index;
    if (supervisor->options.strategy == ONE_FOR_ALL) first = 0;
    bool alone = supervisor->options.strategy == ONE_FOR_ONE || PLANTED("runtime.rest_left_running");
    if (!alone) last = supervisor->options.child_count - 1;
    for (uint32_t i = first; i <= last; i++) {
        struct child *child = &supervisor->children[i];
        /* What had ended for good stays down. */
        if (i == index || actor_id_is_set(child->id)) child->wanted = true;
    }
}

static uint64_t late_tag(const struct child *child, uint32_t index)
{
    return (uint64_t)child->restarts << 32 | index; /* Of this life of it, not of a later one. */
}

static void stop_child(struct actor *self, struct child *child, uint32_t index)
{
    child->stopping = true;
    actor_stop(self, child->id);
    (void)actor_after(self, STOP_PATIENCE_NS, KIND_CHILD_LATE, late_tag(child, index));
}

static void on_child_late(struct actor *self, void *state, const struct message *message)
{
    const struct supervisor *supervisor = state;
    uint32_t index = (uint32_t)message->tag;
    const struct child *child = &supervisor->children[index];
    if (!child->stopping || late_tag(child, index) != message->tag) return;
    struct error error;
    (void)error_set(&error, STATUS_DEADLINE, "it did not stop in time");
    give_up(self, supervisor, index, &error);
}

/* Stops the last running child that is to be started again; when none runs any more, waits for the delay. */
static void proceed(struct actor *self, struct supervisor *supervisor)
{
    for (uint32_t i = supervisor->options.child_count; i > 0; i--) {
        struct child *child = &supervisor->children[i - 1];
        if (!child->wanted || !actor_id_is_set(child->id)) continue;
        /* A start that was due for an earlier failure waits for these to be down too. */
        if (!PLANTED("runtime.restart_does_not_wait")) actor_cancel(self, &supervisor->timer);
        if (!child->stopping) stop_child(self, child, i - 1);
        return;
    }
    actor_cancel(self, &supervisor->timer);
    supervisor->timer = actor_after(self, supervisor->delay_ns, KIND_START_AGAIN, 0);
}

static void on_failure(struct actor *self, struct supervisor *supervisor, uint32_t index,
                       const struct error *cause)
{
    if (spec_of(supervisor, index)->restart == CHILD_NEVER || !count_restart(self, supervisor)) {
        give_up(self, supervisor, index, cause);
        return;
    }
    log_warn(self, "supervisor.restarts", "child=%s in_ms=%lld reason=%s", name_of(supervisor, index),
             (long long)(supervisor->delay_ns / 1000000), cause->message);
    want_with(supervisor, index);
    proceed(self, supervisor);
}

static void start_wanted(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct supervisor *supervisor = state;
    supervisor->timer = (struct timer_id){ 0 };
    for (uint32_t i = 0; i < supervisor->options.child_count; i++) {
        struct child *child = &supervisor->children[i];
        if (!child->wanted || actor_id_is_set(child->id)) continue;
        child->restarts++;
        struct error error = { .status = STATUS_OK };
        if (start_child(self, supervisor, i, &error) == STATUS_OK) continue;
        on_failure(self, supervisor, i, &error);
        return;
    }
}

static void on_down(struct actor *self, void *state, const struct message *message)
{
    struct supervisor *supervisor = state;
    const struct actor_down *down = message->body;
    uint32_t index = 0;
    while (index < supervisor->options.child_count &&
           !actor_id_equal(supervisor->children[index].id, down->id)) {
        index++;
    }
    if (index == supervisor->options.child_count) return;
    struct child *child = &supervisor->children[index];
    child->id = (struct actor_id){ 0, 0 };
    child->stopping = false;
    if (child->wanted) { /* We stopped it for another's sake, or it fell in the same fall. */
        proceed(self, supervisor);
        return;
    }
    bool failed = down->reason != STATUS_OK;
    if (!failed && spec_of(supervisor, index)->restart != CHILD_PERMANENT) return;
    struct error cause = down->error;
    if (!failed) (void)error_set(&cause, STATUS_CANCELLED, "it stopped by itself");
    if (down->escalates) give_up(self, supervisor, index, &cause);
    else on_failure(self, supervisor, index, &cause);
}

/* --- life --------------------------------------------------------------------------------------------- */

static enum status supervisor_init(struct actor *self, void *state, const void *options, struct error *error)
{
    struct supervisor *supervisor = state;
    supervisor->options = *(const struct supervisor_options *)options;
    struct supervisor_options *own = &supervisor->options;
    CHECK(own->child_count > 0);
    CHECK(own->child_count <= CHILD_COUNT_MAX);
    CHECK(own->intensity_max <= INTENSITY_LIMIT);
    if (own->label == NULL) own->label = "supervisor";
    if (own->intensity_max == 0) own->intensity_max = INTENSITY_DEFAULT;
    if (own->intensity_window_ns == 0) own->intensity_window_ns = WINDOW_DEFAULT_NS;
    supervisor->children = memory_array(own->child_count, sizeof *supervisor->children);
    for (uint32_t i = 0; i < own->child_count; i++) {
        enum status status = start_child(self, supervisor, i, error);
        if (status == STATUS_OK) continue;
        memory_free(supervisor->children); /* The runtime stops those that run already. */
        return status;
    }
    return STATUS_OK;
}

static void supervisor_fini(void *state)
{
    struct supervisor *supervisor = state;
    memory_free(supervisor->children);
}

static const struct behavior_row rows[] = {
    { KIND_DOWN, on_down },
    { KIND_START_AGAIN, start_wanted },
    { KIND_CHILD_LATE, on_child_late },
};

const struct behavior supervisor_behavior = {
    .name = "supervisor",
    .state_size = sizeof(struct supervisor),
    .init = supervisor_init,
    .fini = supervisor_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
