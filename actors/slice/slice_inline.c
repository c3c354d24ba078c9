/* slice_inline: one instance in the node: the desk and the runner face to face, with no ring between them.
 * Learns  from the node by messages; from the instance by the runner's calls, within the same turn.
 * Owns    the runner, and through it the mapped object.
 * Limits  the desk's and the runner's. An object that the loader won't let go stays mapped ("pinned"):
 * logged, and harmless, since its path is named after its content. */
#include "actors/slice/slice_inline.h"

#include "actors/slice/slice_desk.h"
#include "actors/slice/slice_runner.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "wire/kinds.h"

#include <string.h>

struct later { /* A frame to the instance, said while the instance was speaking. */
    struct later *next;
    struct bytes *frame;
};

struct slice_inline {
    struct slice_desk desk;
    struct slice_runner *runner;
    struct slice_runner_options options;
    struct clock clock;
    struct random random;
    struct actor *self; /* Of the running turn: the runner's calls carry no actor. */
    bool speaks;        /* The instance is in a function of the host table. */
    struct later *first;
    struct later **end; /* NULL: as `first`. */
    struct timer_id timer;
    int64_t timer_due_ns;
};

/* --- the slice's outside world: the actor's, so that it is virtual in the simulator --------------------- */

static int64_t monotonic_ns(void *context)
{
    return actor_now_ns(((struct slice_inline *)context)->self);
}

static int64_t wall_ms(void *context)
{
    return actor_wall_ms(((struct slice_inline *)context)->self);
}

static void fill(void *context, void *buffer, size_t size)
{
    struct slice_inline *slice = context;
    uint8_t *to = buffer;
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)actor_random(slice->self);
}

static void emit(void *context, const struct slice_frame *frame)
{
    struct slice_inline *slice = context;
    struct error error;
    slice->speaks = true;
    enum status status = slice_desk_on_frame(slice->self, &slice->desk, frame, &error);
    if (status != STATUS_OK) slice_desk_fail(slice->self, &slice->desk, &error);
    slice->speaks = false;
}

/* --- to the instance ----------------------------------------------------------------------------------- */

static void keep_for_later(struct slice_inline *slice, const struct slice_frame *frame)
{
    struct arena arena = { 0 };
    const void *head = NULL;
    size_t size = 0;
    enum status status = slice_frame_encode(frame, &arena, &head, &size, NULL);
    CHECK(status == STATUS_OK); /* The desk keeps to the sizes. */
    struct later *later = memory_zalloc(sizeof *later);
    later->frame = bytes_create(size + frame->payload_size);
    memcpy(later->frame->data, head, size);
    if (frame->payload_size > 0) memcpy(later->frame->data + size, frame->payload, frame->payload_size);
    if (slice->end == NULL) slice->end = &slice->first;
    *slice->end = later;
    slice->end = &later->next;
    arena_fini(&arena);
}

/* NULL: nothing waits. The caller's. */
static struct bytes *take_later(struct slice_inline *slice)
{
    struct later *later = slice->first;
    if (later == NULL) return NULL;
    struct bytes *frame = later->frame;
    slice->first = later->next;
    if (slice->first == NULL) slice->end = NULL;
    memory_free(later);
    return frame;
}

/* What an instance said may end its last call, or wish for what can't be: then the answer, or its `stop`,
 * comes once it has left the hook, as slice.h promises. */
static void say_later_ones(struct slice_inline *slice)
{
    struct bytes *bytes = NULL;
    while ((bytes = take_later(slice)) != NULL) {
        struct slice_frame frame;
        enum status status = slice_frame_decode(bytes, &frame, NULL);
        CHECK(status == STATUS_OK);
        if (slice->desk.phase != DESK_DESTROYED) slice_runner_take(slice->runner, &frame);
        bytes_unref(&bytes);
    }
}

static bool send_frame(struct actor *self, struct slice_desk *desk, const struct slice_frame *frame)
{
    struct slice_inline *slice = CONTAINER_OF(desk, struct slice_inline, desk);
    /* Borrowed words may be none here, but never NULL. */
    struct slice_frame whole = *frame;
    for (int i = 0; i < SLICE_FRAME_WORDS; i++)
        if (whole.words[i] == NULL) whole.words[i] = "";
    slice->self = self;
    if (slice->speaks) {
        keep_for_later(slice, &whole);
        return true;
    }
    say_later_ones(slice); /* In order. */
    slice_runner_take(slice->runner, &whole);
    return true;
}

/* --- rows ---------------------------------------------------------------------------------------------- */

static void on_step(struct actor *self, void *state, const struct message *message)
{
    slice_desk_on_step(self, &((struct slice_inline *)state)->desk, message);
}

static void on_invoke(struct actor *self, void *state, const struct message *message)
{
    slice_desk_on_invoke(self, &((struct slice_inline *)state)->desk, message);
}

static void on_route(struct actor *self, void *state, const struct message *message)
{
    slice_desk_on_route(self, &((struct slice_inline *)state)->desk, message);
}

static void on_withdrawn(struct actor *self, void *state, const struct message *message)
{
    slice_desk_on_withdrawn(self, &((struct slice_inline *)state)->desk, message);
}

static void on_sweep(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    slice_desk_on_sweep(self, &((struct slice_inline *)state)->desk);
}

static void on_health(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    slice_desk_on_health(self, &((struct slice_inline *)state)->desk);
}

static void on_timer(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct slice_inline *slice = state;
    slice->self = self;
    slice->timer = (struct timer_id){ 0 };
    slice_runner_fire(slice->runner);
}

/* One timer of the actor stands for the earliest of the slice. */
static void inline_turn_end(struct actor *self, void *state)
{
    struct slice_inline *slice = state;
    if (slice->runner == NULL) return; /* Stopped in this turn. */
    slice->self = self;
    say_later_ones(slice);
    int64_t due_ns = slice_runner_due_ns(slice->runner);
    if (slice->timer.value != 0 && due_ns == slice->timer_due_ns) return;
    actor_cancel(self, &slice->timer);
    if (due_ns == INT64_MAX) return;
    int64_t delay_ns = due_ns - actor_now_ns(self);
    slice->timer = actor_after(self, delay_ns > 0 ? delay_ns : 0, KIND_SLICE_TIMER, 0);
    slice->timer_due_ns = due_ns;
}

/* --- life ---------------------------------------------------------------------------------------------- */

static enum status inline_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)error;
    struct slice_inline *slice = state;
    const struct slice_instance_options *instance = options;
    slice->self = self;
    slice->clock = (struct clock){ monotonic_ns, wall_ms, slice };
    slice->random = (struct random){ fill, slice };
    slice->options = (struct slice_runner_options){
        .emit = emit,
        .context = slice,
        .clock = &slice->clock,
        .random = &slice->random,
        .libraries = instance->adapters->libraries,
    };
    slice->runner = slice_runner_create(&slice->options);
    slice_desk_init(&slice->desk, instance, send_frame);
    return STATUS_OK;
}

/* An ordered end without the steps before it (the node stops): the slice still sees its last hooks. */
static void inline_stop(struct actor *self, void *state)
{
    struct slice_inline *slice = state;
    bool created = slice->desk.phase != DESK_EMPTY && slice->desk.phase != DESK_DESTROYED;
    slice_desk_close(self, &slice->desk);
    if (created) (void)send_frame(self, &slice->desk, &(struct slice_frame){ .type = SLICE_FRAME_DESTROY });
    bool pinned = false;
    slice_runner_destroy(&slice->runner, &pinned);
    if (pinned) log_warn(self, "slice.pinned", "%s stays mapped", slice->desk.key.artifact);
}

static void inline_fini(void *state)
{
    struct slice_inline *slice = state;
    struct bytes *unsaid = NULL;
    while ((unsaid = take_later(slice)) != NULL)
        bytes_unref(&unsaid);
    slice_runner_destroy(&slice->runner, NULL);
    slice_desk_fini(&slice->desk);
}

static const struct behavior_row rows[] = {
    { KIND_SLICE_STEP, on_step },
    { KIND_INVOKE_REQUEST, on_invoke },
    { KIND_INVOKE_WITHDRAWN, on_withdrawn },
    { KIND_SLICE_ROUTE, on_route },
    { KIND_SLICE_SWEEP, on_sweep },
    { KIND_SLICE_HEALTH, on_health },
    { KIND_SLICE_TIMER, on_timer },
};

const struct behavior slice_inline_behavior = {
    .name = "slice_inline",
    .state_size = sizeof(struct slice_inline),
    .home = ACTOR_POOLED,
    .pool = POOL_INLINE,
    .mailbox_capacity = 2048,
    .init = inline_init,
    .stop = inline_stop,
    .fini = inline_fini,
    .turn_end = inline_turn_end,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
