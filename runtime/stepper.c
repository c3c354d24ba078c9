/* stepper: the machine for tests and simulation: one thread, virtual time, many nodes, and chance that
 * depends on the seed alone. Which actor is next, how long its batch is, how late a pinned one starts and how
 * long a message travels are drawn from streams of their own, so that one more draw here shifts nothing
 * there. Time moves only when nobody is ready. */
#include "runtime/machine.h"

#include "runtime/base/hash.h"
#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "runtime/base/planted.h"

#include <string.h>

enum { BATCH_MAX = 8, CAPACITY_MIN = 64, RATE_RIGHT = 1000 };
#define WALL_BEGIN_MS                                                                                        \
    INT64_C(1800000000000) /* What the wall clock says at virtual time 0: early in 2027.                     \
                            */

/* The messages that are on their way from one actor to another: each arrives after those before it. */
struct pair {
    uint64_t key;
    uint32_t travelling;
    int64_t last_ns; /* When the last of them arrives. */
};

struct travel { /* A message on its way. */
    struct message *message;
    struct actor *to;
    struct pair *by_sender; /* Of whom it names as its sender, */
    struct pair *by_runner; /* and of whose turn it was sent in: who forwards keeps his order too. */
};

/* Something that happens at a time: a call, a pinned actor that gets its thread, a message that arrives. */
struct event {
    int64_t time_ns;
    uint64_t sequence; /* Ties are settled by who came first. */
    void (*call)(void *context, uint64_t tag);
    void *context;
    uint64_t tag;
    struct actor *actor;   /* Not NULL: ready now, instead of the call. */
    struct travel *travel; /* Not NULL: arrives now, instead of the call. */
};

struct stepper {
    struct scheduler base;
    int64_t now_ns;
    int64_t pinned_delay_max_ns;
    uint64_t seed;
    uint64_t choice;       /* Streams. */
    uint64_t pinned_delay; /* . */
    uint64_t message_delay;
    int64_t message_delay_max_ns;
    struct map pairs;            /* Of messages that are on their way. */
    const struct actor *running; /* NULL: what happens now comes from outside, or is a timer. */
    uint64_t others;             /* stepper_random. */
    uint64_t trace;
    uint32_t runtime_count; /* Ever made. */
    struct actor **ready;   /* In no meaningful order, but in the same one each time. */
    uint32_t ready_count;
    uint32_t ready_capacity;
    struct event *heap; /* Binary, earliest first. */
    uint32_t event_count;
    uint32_t event_capacity;
    uint64_t event_sequence;
};

/* --- events ------------------------------------------------------------------------------------------- */

static bool event_before(const struct event *a, const struct event *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->sequence < b->sequence;
}

static void sift_up(struct event *heap, uint32_t at)
{
    struct event event = heap[at];
    while (at > 0 && event_before(&event, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = event;
}

static void sift_down(struct event *heap, uint32_t count, uint32_t at)
{
    struct event event = heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && event_before(&heap[child + 1], &heap[child])) child++;
        if (!event_before(&heap[child], &event)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = event;
}

static void event_add(struct stepper *stepper, const struct event *event)
{
    if (stepper->event_count == stepper->event_capacity) {
        stepper->event_capacity = stepper->event_capacity == 0 ? CAPACITY_MIN : stepper->event_capacity * 2;
        stepper->heap = memory_realloc(stepper->heap, stepper->event_capacity * sizeof *stepper->heap);
    }
    uint32_t at = stepper->event_count++;
    stepper->heap[at] = *event;
    stepper->heap[at].sequence = stepper->event_sequence++;
    if (stepper->heap[at].time_ns < stepper->now_ns) stepper->heap[at].time_ns = stepper->now_ns;
    sift_up(stepper->heap, at);
}

static struct event event_pop(struct stepper *stepper)
{
    CHECK(stepper->event_count > 0);
    struct event first = stepper->heap[0];
    stepper->event_count--;
    if (stepper->event_count > 0) {
        stepper->heap[0] = stepper->heap[stepper->event_count];
        sift_down(stepper->heap, stepper->event_count, 0);
    }
    return first;
}

/* --- what a machine does ------------------------------------------------------------------------------- */

static void ready_add(struct stepper *stepper, struct actor *actor)
{
    if (stepper->ready_count == stepper->ready_capacity) {
        stepper->ready_capacity = stepper->ready_capacity == 0 ? CAPACITY_MIN : stepper->ready_capacity * 2;
        stepper->ready = memory_realloc(stepper->ready, stepper->ready_capacity * sizeof(struct actor *));
    }
    stepper->ready[stepper->ready_count++] = actor;
}

static bool is_pinned(const struct actor *actor)
{
    return actor->phase != ACTOR_FREE && actor->behavior->home == ACTOR_PINNED;
}

static bool is_held(const struct actor *actor)
{
    enum stepper_hold hold = actor->runtime->host.hold;
    return hold == STEPPER_HOLD_ALL || (hold == STEPPER_HOLD_PINNED && is_pinned(actor));
}

static void held_add(struct stepper_host *host, struct actor *actor)
{
    if (host->held_count == host->held_capacity) {
        host->held_capacity = host->held_capacity == 0 ? CAPACITY_MIN : host->held_capacity * 2;
        host->held = memory_realloc(host->held, host->held_capacity * sizeof(struct actor *));
    }
    host->held[host->held_count++] = actor;
}

/* It may run, unless its machine stands still. */
static void let_run(struct stepper *stepper, struct actor *actor)
{
    if (is_held(actor)) held_add(&actor->runtime->host, actor);
    else ready_add(stepper, actor);
}

static void machine_ready(struct scheduler *scheduler, struct actor *actor)
{
    struct stepper *stepper = (struct stepper *)scheduler;
    if (!is_pinned(actor) || stepper->pinned_delay_max_ns <= 0) {
        let_run(stepper, actor);
        return;
    }
    uint64_t delay_ns =
        scheduler_random(&stepper->pinned_delay) % ((uint64_t)stepper->pinned_delay_max_ns + 1);
    struct event event = { .time_ns = stepper->now_ns + (int64_t)delay_ns, .actor = actor };
    event_add(stepper, &event);
}

/* --- messages on their way ---------------------------------------------------------------------------- */

static struct pair *pair_open(struct stepper *stepper, const struct actor *to, uint64_t from)
{
    uint64_t place = (uint64_t)to->runtime->number << 32 | to->id.index;
    uint64_t key = hash64_mix(hash64_mix(1, from), place); /* Two of one key: more order than was promised. */
    struct pair *pair = map_get_number(&stepper->pairs, key);
    if (pair == NULL) {
        pair = memory_zalloc(sizeof *pair);
        pair->key = key;
        (void)map_put_number(&stepper->pairs, key, pair);
    }
    pair->travelling++;
    return pair;
}

static void pair_close(struct stepper *stepper, struct pair *pair)
{
    if (--pair->travelling > 0) return;
    (void)map_remove_number(&stepper->pairs, pair->key);
    memory_free(pair);
}

static void travel_end(struct stepper *stepper, struct travel *travel)
{
    pair_close(stepper, travel->by_sender);
    pair_close(stepper, travel->by_runner);
    memory_free(travel);
}

static void arrive(struct stepper *stepper, struct travel *travel)
{
    struct actor *to = travel->to;
    struct message *message = travel->message;
    travel_end(stepper, travel);
    if (mailbox_push(&to->mailbox, message, false) == MAILBOX_WOKE) machine_ready(&stepper->base, to);
}

/* Half of all messages are at once there, unless one of their pair is still on its way. */
static int64_t draw_delay(struct stepper *stepper)
{
    uint64_t drawn = scheduler_random(&stepper->message_delay);
    return drawn % 2 == 0 ? 0 : (int64_t)((drawn >> 1) % ((uint64_t)stepper->message_delay_max_ns + 1));
}

static void machine_carry(struct scheduler *scheduler, struct actor *to, struct message *message)
{
    struct stepper *stepper = (struct stepper *)scheduler;
    const struct actor *runner = stepper->running;
    if (runner == NULL || runner == to) { /* Timers, what comes from outside, and what one tells oneself. */
        if (mailbox_push(&to->mailbox, message, false) == MAILBOX_WOKE) machine_ready(scheduler, to);
        return;
    }
    struct travel *travel = memory_zalloc(sizeof *travel);
    *travel = (struct travel){ .message = message,
                               .to = to,
                               .by_sender = pair_open(stepper, to, names_pack(message->sender)),
                               .by_runner = pair_open(stepper, to, names_pack(runner->id)) };
    int64_t time_ns = stepper->now_ns + draw_delay(stepper);
    bool overtakes = PLANTED("runtime.message_overtakes");
    if (travel->by_sender->last_ns > time_ns && !overtakes) time_ns = travel->by_sender->last_ns;
    if (travel->by_runner->last_ns > time_ns && !overtakes) time_ns = travel->by_runner->last_ns;
    travel->by_sender->last_ns = time_ns;
    travel->by_runner->last_ns = time_ns;
    struct event event = { .time_ns = time_ns, .travel = travel };
    event_add(stepper, &event);
}

/* What was on its way to a node that has crashed. */
static void lose(struct stepper *stepper, struct travel *travel)
{
    struct message *message = travel->message;
    travel_end(stepper, travel);
    message_destroy(&message);
}

static int64_t machine_now_ns(struct scheduler *scheduler)
{
    return ((struct stepper *)scheduler)->now_ns;
}

/* --- each runtime's clock: begin + (now - since) x rate --- */

static int64_t machine_local_ns(const struct runtime *runtime)
{
    const struct stepper_host *host = &runtime->host;
    int64_t passed_ns = ((const struct stepper *)runtime->scheduler)->now_ns - host->since_ns;
    if (host->rate_permille == RATE_RIGHT) return host->begin_ns + passed_ns;
    return host->begin_ns + passed_ns * host->rate_permille / RATE_RIGHT;
}

/* Rounded up: what comes then does not come early. */
static int64_t machine_common_ns(const struct runtime *runtime, int64_t local_ns)
{
    const struct stepper_host *host = &runtime->host;
    int64_t span_ns = local_ns - host->begin_ns;
    if (span_ns > INT64_MAX / RATE_RIGHT - RATE_RIGHT) return INT64_MAX; /* Centuries. */
    if (host->rate_permille == RATE_RIGHT) return host->since_ns + span_ns;
    return host->since_ns + (span_ns * RATE_RIGHT + host->rate_permille - 1) / host->rate_permille;
}

static int64_t machine_wall_ms(const struct runtime *runtime)
{
    return WALL_BEGIN_MS + machine_local_ns(runtime) / 1000000 + runtime->host.wall_offset_ms;
}

static uint64_t machine_seed(struct scheduler *scheduler, uint32_t runtime_number)
{
    return hash64_mix(((struct stepper *)scheduler)->seed, runtime_number + UINT64_C(1000));
}

static void machine_attach(struct scheduler *scheduler, struct runtime *runtime)
{
    struct stepper *stepper = (struct stepper *)scheduler;
    CHECK(stepper->running == NULL);
    runtime->number = stepper->runtime_count++;
    runtime->carried = stepper->message_delay_max_ns > 0;
    runtime->host = (struct stepper_host){ .since_ns = stepper->now_ns,
                                           .begin_ns = stepper->now_ns,
                                           .rate_permille = RATE_RIGHT };
    scheduler->runtimes++;
}

/* The crash of a node, or the end of one whose actors have all stopped. */
static void machine_detach(struct scheduler *scheduler, struct runtime *runtime)
{
    struct stepper *stepper = (struct stepper *)scheduler;
    CHECK(stepper->running == NULL);
    runtime->muted = true;
    for (uint32_t i = runtime->cell_count; i > 0; i--) {
        life_crash(runtime_cell_at(runtime, i - 1));
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < stepper->ready_count; i++) {
        if (stepper->ready[i]->runtime != runtime) stepper->ready[kept++] = stepper->ready[i];
    }
    stepper->ready_count = kept;
    kept = 0;
    for (uint32_t i = 0; i < stepper->event_count; i++) {
        struct travel *travel = stepper->heap[i].travel;
        const struct actor *actor = travel != NULL ? travel->to : stepper->heap[i].actor;
        if (actor == NULL || actor->runtime != runtime) stepper->heap[kept++] = stepper->heap[i];
        else if (travel != NULL) lose(stepper, travel);
    }
    stepper->event_count = kept;
    for (uint32_t i = kept / 2; i > 0; i--) {
        sift_down(stepper->heap, kept, i - 1);
    }
    memory_free(runtime->host.held);
    scheduler->runtimes--;
}

static void machine_destroy(struct scheduler *scheduler)
{
    struct stepper *stepper = (struct stepper *)scheduler;
    scheduler_fini(scheduler);
    memory_free(stepper->ready);
    memory_free(stepper->heap);
    map_fini(&stepper->pairs);
    memory_free(stepper);
}

/* --- steps -------------------------------------------------------------------------------------------- */

static void run_turn(struct stepper *stepper, struct actor *actor, uint32_t batch_max)
{
    struct turn turn = { .now_ns = machine_local_ns(actor->runtime),
                         .has_now = true,
                         .random = &actor->runtime->random,
                         .trace = &stepper->trace,
                         .batch_max = batch_max };
    uint64_t who = (uint64_t)actor->runtime->number << 32 | actor->id.index;
    stepper->trace = hash64_mix(stepper->trace, (uint64_t)stepper->now_ns);
    stepper->trace = hash64_mix(stepper->trace, who);
    stepper->running = actor;
    if (actor->phase == ACTOR_RUNNING && actor->behavior->wait != NULL) {
        actor->turn = &turn;
        actor->behavior->wait(actor, actor->state, 0);
        actor->turn = NULL;
    }
    bool more = turn_run(actor, &turn) && !turn_settle(actor, NULL);
    stepper->running = NULL;
    if (more) machine_ready(&stepper->base, actor);
}

static void step_ready(struct stepper *stepper)
{
    uint64_t drawn = scheduler_random(&stepper->choice);
    uint32_t at = (uint32_t)((drawn >> 32) * stepper->ready_count >> 32);
    struct actor *actor = stepper->ready[at];
    stepper->ready[at] = stepper->ready[--stepper->ready_count];
    run_turn(stepper, actor, 1 + (uint32_t)drawn % BATCH_MAX);
}

/* Moves time to what happens next, and lets it happen. false: nothing does until limit_ns. */
static bool step_time(struct stepper *stepper, int64_t limit_ns)
{
    for (;;) {
        int64_t timer_ns = scheduler_next_timer_ns(&stepper->base);
        int64_t event_ns = stepper->event_count > 0 ? stepper->heap[0].time_ns : INT64_MAX;
        int64_t next_ns = event_ns <= timer_ns ? event_ns : timer_ns;
        if (next_ns == INT64_MAX || next_ns > limit_ns) return false;
        if (next_ns > stepper->now_ns) stepper->now_ns = next_ns;
        if (event_ns > timer_ns) {
            if (scheduler_fire_timers(&stepper->base, next_ns) > 0) return true;
            continue; /* It was a bound only. */
        }
        struct event event = event_pop(stepper);
        if (event.travel != NULL) arrive(stepper, event.travel);
        else if (event.actor != NULL) let_run(stepper, event.actor);
        else event.call(event.context, event.tag);
        return true;
    }
}

static bool step(struct stepper *stepper, int64_t limit_ns)
{
    CHECK(stepper->running == NULL);
    if (stepper->ready_count == 0) return step_time(stepper, limit_ns);
    step_ready(stepper);
    return true;
}

static bool machine_await_end(struct scheduler *scheduler, struct runtime *runtime, uint32_t seen,
                              int64_t until_ns)
{
    struct stepper *stepper = (struct stepper *)scheduler;
    while (runtime->ended == seen) {
        if (!step(stepper, until_ns)) return false;
    }
    return true;
}

/* --- the public face ---------------------------------------------------------------------------------- */

static const struct machine stepper_machine = {
    .ready = machine_ready,
    .carry = machine_carry,
    .now_ns = machine_now_ns,
    .wall_ms = machine_wall_ms,
    .common_ns = machine_common_ns,
    .local_ns = machine_local_ns,
    .seed = machine_seed,
    .attach = machine_attach,
    .detach = machine_detach,
    .await_end = machine_await_end,
    .destroy = machine_destroy,
};

struct scheduler *stepper_create(const struct stepper_options *options)
{
    struct stepper *stepper = memory_zalloc(sizeof *stepper);
    stepper->seed = options->seed;
    stepper->choice = hash64_mix(options->seed, 1);
    stepper->pinned_delay = hash64_mix(options->seed, 2);
    stepper->others = hash64_mix(options->seed, 3);
    stepper->message_delay = hash64_mix(options->seed, 4);
    stepper->pinned_delay_max_ns = options->pinned_delay_max_ns;
    stepper->message_delay_max_ns = options->message_delay_max_ns;
    scheduler_init(&stepper->base, &stepper_machine, 0);
    return &stepper->base;
}

static struct stepper *stepper_of(const struct scheduler *scheduler)
{
    CHECK(scheduler->machine == &stepper_machine);
    return (struct stepper *)scheduler;
}

bool stepper_step(struct scheduler *stepper)
{
    return step(stepper_of(stepper), INT64_MAX);
}

int64_t stepper_now_ns(const struct scheduler *stepper)
{
    return stepper_of(stepper)->now_ns;
}

void stepper_run_until(struct scheduler *scheduler, int64_t time_ns)
{
    struct stepper *stepper = stepper_of(scheduler);
    while (step(stepper, time_ns)) {
    }
    if (time_ns > stepper->now_ns) stepper->now_ns = time_ns;
}

uint64_t stepper_trace_hash(const struct scheduler *stepper)
{
    return stepper_of(stepper)->trace;
}

void stepper_call_at(struct scheduler *stepper, int64_t time_ns, void (*call)(void *context, uint64_t tag),
                     void *context, uint64_t tag)
{
    struct event event = { .time_ns = time_ns, .call = call, .context = context, .tag = tag };
    event_add(stepper_of(stepper), &event);
}

uint64_t stepper_random(struct scheduler *stepper)
{
    return scheduler_random(&stepper_of(stepper)->others);
}

/* --- trouble with the machine under a runtime ---------------------------------------------------------- */

void stepper_hold(struct scheduler *scheduler, struct runtime *runtime, enum stepper_hold hold)
{
    struct stepper *stepper = stepper_of(scheduler);
    CHECK(stepper->running == NULL);
    struct stepper_host *host = &runtime->host;
    host->hold = hold;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < stepper->ready_count; i++) {
        struct actor *actor = stepper->ready[i];
        if (actor->runtime == runtime && is_held(actor)) held_add(host, actor);
        else stepper->ready[kept++] = actor;
    }
    stepper->ready_count = kept;
    kept = 0;
    for (uint32_t i = 0; i < host->held_count; i++) {
        if (is_held(host->held[i])) host->held[kept++] = host->held[i];
        else ready_add(stepper, host->held[i]);
    }
    host->held_count = kept;
}

void stepper_set_rate(struct scheduler *scheduler, struct runtime *runtime, uint32_t rate_permille)
{
    struct stepper *stepper = stepper_of(scheduler);
    CHECK(stepper->running == NULL);
    CHECK(rate_permille > 0);
    struct stepper_host *host = &runtime->host;
    int64_t former = host->rate_permille;
    host->begin_ns = machine_local_ns(runtime);
    host->since_ns = stepper->now_ns;
    host->rate_permille = rate_permille;
    for (uint32_t i = 0; i < runtime->cell_count; i++) {
        uint32_t list = runtime_cell_at(runtime, i)->timers;
        timers_stretch(scheduler->timers, list, stepper->now_ns, former, rate_permille);
    }
}

void stepper_set_wall_offset(struct scheduler *scheduler, struct runtime *runtime, int64_t offset_ms)
{
    CHECK(stepper_of(scheduler)->running == NULL);
    runtime->host.wall_offset_ms = offset_ms;
}
