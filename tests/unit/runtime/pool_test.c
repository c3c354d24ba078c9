/* Goal: on real threads, the promises that the stepper test checks (ACT1 to ACT5), pinned actors with a wait
 * of their own, timers, ordered stops, and threads that end. Run under TSan, it must report nothing. Method:
 * the crowd of tests/support/actor_model on pools of one, two and four threads; small scenes beside it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/os/clock.h"
#include "runtime/os/random.h"
#include "tests/support/model_pool.h"

#include <pthread.h>
#include <string.h>

enum { KIND_GO = 1000, KIND_NOTE };

/* The main thread waits here for what actors tell it. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t opened;
};

static void gate_init(struct gate *gate)
{
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->changed, NULL);
    gate->opened = 0;
}

static void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->opened++;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_await(struct gate *gate, uint32_t count)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->opened < count) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    pthread_mutex_unlock(&gate->lock);
}

static struct scheduler *pool_with(uint32_t threads)
{
    return pool_create(
        &(struct pool_options){ .threads = { threads, 1, 1 }, .clock = &clock_os, .random = &random_os });
}

static struct runtime *runtime_on(struct scheduler *scheduler)
{
    return runtime_create(&(struct runtime_options){ .scheduler = scheduler, .node = "n1" });
}

static void end_all(struct scheduler *scheduler, struct runtime *runtime)
{
    assert_true(runtime_stop(runtime, SECONDS(60)));
    runtime_destroy(&runtime);
    scheduler_destroy(&scheduler);
}

/* --- the crowd ---------------------------------------------------------------------------------------- */

static void crowd_on(uint32_t threads)
{
    struct scheduler *pool = model_pool_create(threads);
    struct model model = { .threads = threads };
    model_start(&model, model_pool_runtime(pool, &model), 300, 60);
    model_pool_await_quiet(&model);
    int64_t unaccounted = model_unaccounted(&model);
    assert_true(model_pool_stop(&model, &pool)); /* First, so that nothing runs on when a test fails. */
    assert_int_equal(unaccounted, 0);            /* ACT3 */
    assert_int_equal(model_violations(&model), 0);
    assert_true(model.handled > 1000);
    assert_true(model.completed == model.asked);
    model_free(&model);
}

static void the_crowd_on_one_thread(void **unused)
{
    (void)unused;
    crowd_on(1);
}

static void the_crowd_on_two_threads(void **unused)
{
    (void)unused;
    crowd_on(2);
}

static void the_crowd_on_four_threads(void **unused)
{
    (void)unused;
    crowd_on(4);
}

/* Stopped in the middle: mailboxes full, asks open, guests alive. */
static void a_stop_in_the_middle(void **unused)
{
    (void)unused;
    for (uint32_t round = 0; round < 20; round++) {
        struct scheduler *pool = model_pool_create(2);
        struct model model = { .threads = 2 };
        model_start(&model, model_pool_runtime(pool, &model), 300, 200);
        assert_true(model_pool_stop(&model, &pool));
        assert_true(model.completed == model.asked); /* ACT5, CANCELLED among them. */
        assert_int_equal(model_violations(&model), 0);
        assert_int_equal(model.open, 0); /* Mailboxes destroyed full. */
        model_free(&model);
    }
}

/* --- pinned actors with a wait of their own ------------------------------------------------------------ */

struct poller { /* Waits on a condition variable, as an adapter waits in its library's poll. */
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool wake;
    struct gate *gate;
    uint32_t handled;
    uint32_t finished;
    uint32_t stood_still; /* Waits in which no time passed for the actor. */
};

static enum status poller_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    memcpy(state, &options, sizeof options);
    return STATUS_OK;
}

static void poller_wait(struct actor *self, void *state, int64_t timeout_ns)
{
    (void)timeout_ns;
    struct poller *poller = *(struct poller **)state;
    int64_t before_ns = actor_now_ns(self);
    pthread_mutex_lock(&poller->lock);
    while (!poller->wake) {
        pthread_cond_wait(&poller->woken, &poller->lock);
    }
    poller->wake = false;
    pthread_mutex_unlock(&poller->lock);
    if (actor_now_ns(self) <= before_ns) poller->stood_still++;
}

static void poller_wake(void *state)
{
    struct poller *poller = *(struct poller **)state;
    pthread_mutex_lock(&poller->lock);
    poller->wake = true;
    pthread_cond_signal(&poller->woken);
    pthread_mutex_unlock(&poller->lock);
}

static void poller_handle(struct actor *self, void *state, const struct message *message)
{
    (void)self, (void)message;
    struct poller *poller = *(struct poller **)state;
    poller->handled++;
    gate_open(poller->gate);
}

static void poller_fini(void *state)
{
    struct poller *poller = *(struct poller **)state;
    poller->finished++;
}

static const struct behavior poller_behavior = { .name = "poller",
                                                 .state_size = sizeof(struct poller *),
                                                 .home = ACTOR_PINNED,
                                                 .init = poller_init,
                                                 .otherwise = poller_handle,
                                                 .fini = poller_fini,
                                                 .wait = poller_wait,
                                                 .wake = poller_wake };

static void a_pinned_actor_is_woken_in_its_own_wait(void **unused)
{
    (void)unused;
    struct scheduler *pool = pool_with(1);
    struct runtime *runtime = runtime_on(pool);
    struct gate gate;
    gate_init(&gate);
    struct poller poller = { .gate = &gate };
    pthread_mutex_init(&poller.lock, NULL);
    pthread_cond_init(&poller.woken, NULL);
    struct actor_id id;
    assert_int_equal(
        runtime_spawn(runtime, &poller_behavior, &(struct spawn_options){ .options = &poller }, &id, NULL),
        STATUS_OK);
    enum { ROUNDS = 2000 };
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        struct message *message = message_create(KIND_GO, 0);
        assert_int_equal(runtime_send(runtime, id, &message), STATUS_OK);
        if (i % 3 == 0) gate_await(&gate, i); /* Sometimes it rests, sometimes messages meet it awake. */
    }
    gate_await(&gate, ROUNDS);
    end_all(pool, runtime);
    assert_int_equal(poller.handled, ROUNDS);
    assert_int_equal(poller.finished, 1);
    assert_int_equal(poller.stood_still, 0); /* What comes in by a wait is timed by now, not by then. */
}

/* --- a porter ------------------------------------------------------------------------------------------- */

struct lodge { /* What a porter and another actor of its pool share with the test. */
    struct gate *gate;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool wake;
    uint32_t letters;   /* From outside, not yet brought in. */
    pthread_t thread;   /* The porter's, from its first turn on. */
    uint32_t elsewhere; /* How often something ran on another thread. */
    uint32_t looks;     /* With timeout 0. */
    uint32_t finished;
    uint32_t chatter; /* Messages that the other one sends itself. */
    struct actor_id mate;
};

static void note_thread(struct lodge *lodge)
{
    if (!pthread_equal(lodge->thread, pthread_self())) lodge->elsewhere++;
}

static enum status porter_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    memcpy(state, &options, sizeof options);
    return STATUS_OK;
}

static void porter_wait(struct actor *self, void *state, int64_t timeout_ns)
{
    struct lodge *lodge = *(struct lodge **)state;
    lodge->thread = pthread_self();
    if (timeout_ns == 0) lodge->looks++;
    pthread_mutex_lock(&lodge->lock);
    while (timeout_ns != 0 && !lodge->wake && lodge->letters == 0) {
        pthread_cond_wait(&lodge->changed, &lodge->lock);
    }
    lodge->wake = false;
    uint32_t letters = lodge->letters;
    lodge->letters = 0;
    pthread_mutex_unlock(&lodge->lock);
    for (; letters > 0; letters--) {
        struct message *letter = message_create(KIND_GO, 0);
        assert_int_equal(actor_send(self, lodge->mate, &letter), STATUS_OK);
    }
}

static void porter_wake(void *state)
{
    struct lodge *lodge = *(struct lodge **)state;
    pthread_mutex_lock(&lodge->lock);
    lodge->wake = true;
    pthread_cond_signal(&lodge->changed);
    pthread_mutex_unlock(&lodge->lock);
}

static void porter_handle(struct actor *self, void *state, const struct message *message)
{
    struct lodge *lodge = *(struct lodge **)state;
    note_thread(lodge);
    struct message *reply = message_create(KIND_NOTE, 0);
    actor_reply(self, message, &reply);
}

static void porter_fini(void *state)
{
    (*(struct lodge **)state)->finished++;
}

static const struct behavior porter_behavior = { .name = "porter",
                                                 .state_size = sizeof(struct lodge *),
                                                 .home = ACTOR_PORTER,
                                                 .pool = POOL_CONSENSUS,
                                                 .init = porter_init,
                                                 .otherwise = porter_handle,
                                                 .fini = porter_fini,
                                                 .wait = porter_wait,
                                                 .wake = porter_wake };

static void mate_answered(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)self, (void)context;
    struct lodge *lodge = *(struct lodge **)state;
    note_thread(lodge);
    if (result->status == STATUS_OK) gate_open(lodge->gate);
}

/* A letter is answered once the porter answered; a note is chatter. */
static void mate_handle(struct actor *self, void *state, const struct message *message)
{
    struct lodge *lodge = *(struct lodge **)state;
    note_thread(lodge);
    if (message->kind == KIND_GO) {
        struct message *question = message_create(KIND_NOTE, 0);
        actor_ask_name(self, 7, &question, SECONDS(60), mate_answered, NULL);
        return;
    }
    if (--lodge->chatter == 0) {
        gate_open(lodge->gate);
        return;
    }
    struct message *again = message_create(KIND_NOTE, 0);
    assert_int_equal(actor_send(self, actor_self(self), &again), STATUS_OK);
}

static const struct behavior mate_behavior = { .name = "mate",
                                               .state_size = sizeof(struct lodge *),
                                               .pool = POOL_CONSENSUS,
                                               .init = porter_init,
                                               .otherwise = mate_handle };

static void bring(struct lodge *lodge) /* As a network would: nobody calls wake. */
{
    pthread_mutex_lock(&lodge->lock);
    lodge->letters++;
    pthread_cond_signal(&lodge->changed);
    pthread_mutex_unlock(&lodge->lock);
}

static void a_porters_wait_is_its_workers_sleep(void **unused)
{
    (void)unused;
    enum { ROUNDS = 3000, CHATTER = 20000 };
    struct scheduler *pool = pool_with(1);
    struct runtime *runtime = runtime_on(pool);
    struct gate gate;
    gate_init(&gate);
    struct lodge lodge = { .gate = &gate, .chatter = CHATTER };
    pthread_mutex_init(&lodge.lock, NULL);
    pthread_cond_init(&lodge.changed, NULL);
    assert_int_equal(runtime_spawn(runtime, &mate_behavior, &(struct spawn_options){ .options = &lodge },
                                   &lodge.mate, NULL),
                     STATUS_OK);
    struct actor_id porter;
    assert_int_equal(runtime_spawn(runtime, &porter_behavior,
                                   &(struct spawn_options){ .options = &lodge, .name = 7 }, &porter, NULL),
                     STATUS_OK);
    bring(&lodge);
    gate_await(&gate, 1);
    struct message *note = message_create(KIND_NOTE, 0);
    assert_int_equal(runtime_send(runtime, lodge.mate, &note), STATUS_OK);
    for (uint32_t i = 2; i <= ROUNDS; i++) { /* By the network, or from another thread: asleep or awake. */
        struct message *letter = message_create(KIND_GO, 0);
        if (i % 2 == 0) bring(&lodge);
        else assert_int_equal(runtime_send(runtime, lodge.mate, &letter), STATUS_OK);
        if (letter != NULL) message_destroy(&letter);
        if (i % 3 == 0) gate_await(&gate, i);
    }
    gate_await(&gate, ROUNDS + 1); /* And the end of the chatter. */
    end_all(pool, runtime);
    assert_int_equal(lodge.elsewhere, 0);
    assert_true(lodge.looks > 0); /* A busy worker looked outside, too. */
    assert_int_equal(lodge.finished, 1);
}

/* --- timers ------------------------------------------------------------------------------------------- */

struct ticker {
    struct gate *gate;
    int64_t began_ns;
    uint32_t early;
};

static enum status ticker_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)error;
    memcpy(state, &options, sizeof options);
    struct ticker *ticker = *(struct ticker **)state;
    ticker->began_ns = actor_now_ns(self);
    for (uint64_t i = 0; i < 50; i++) {
        (void)actor_after(self, MILLISECONDS(20) - (int64_t)i * MICROSECONDS(300), KIND_NOTE,
                          20000 - i * 300);
    }
    return STATUS_OK;
}

static void ticker_handle(struct actor *self, void *state, const struct message *message)
{
    struct ticker *ticker = *(struct ticker **)state;
    if (actor_now_ns(self) - ticker->began_ns < (int64_t)message->tag * 1000) ticker->early++;
    gate_open(ticker->gate);
}

static const struct behavior ticker_behavior = {
    .name = "ticker", .state_size = sizeof(struct ticker *), .init = ticker_init, .otherwise = ticker_handle
};

static void timers_fire_and_never_early(void **unused)
{
    (void)unused;
    struct scheduler *pool = pool_with(2);
    struct runtime *runtime = runtime_on(pool);
    struct gate gate;
    gate_init(&gate);
    struct ticker ticker = { .gate = &gate };
    struct actor_id id;
    assert_int_equal(
        runtime_spawn(runtime, &ticker_behavior, &(struct spawn_options){ .options = &ticker }, &id, NULL),
        STATUS_OK);
    gate_await(&gate, 50);
    end_all(pool, runtime);
    assert_int_equal(ticker.early, 0);
}

/* --- many short lives --------------------------------------------------------------------------------- */

/* Spawns children that answer once and end, a wave at a time; ids of the dead are sent to as well. */
struct nursery {
    struct gate *gate;
    uint32_t waves;
    uint32_t open;
    struct actor_id last;
};

static void leaf_handle(struct actor *self, void *state, const struct message *message)
{
    (void)state;
    struct message *reply = message_create(KIND_NOTE, 0);
    actor_reply(self, message, &reply);
    actor_stop(self, actor_self(self));
}

static const struct behavior leaf_behavior = { .name = "leaf", .otherwise = leaf_handle };
static void start_wave(struct actor *self, struct nursery *nursery);

static void on_leaf(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)context, (void)result;
    struct nursery *nursery = *(struct nursery **)state;
    struct message *late = message_create(KIND_GO, 0);
    actor_tell(self, nursery->last, &late);
    if (--nursery->open == 0) start_wave(self, nursery);
}

static void start_wave(struct actor *self, struct nursery *nursery)
{
    if (nursery->waves-- == 0) {
        gate_open(nursery->gate);
        return;
    }
    for (uint32_t i = 0; i < 100; i++) {
        enum status status = actor_spawn(self, &leaf_behavior, NULL, &nursery->last, NULL);
        CHECK(status == STATUS_OK);
        struct message *message = message_create(KIND_GO, 0);
        nursery->open++;
        actor_ask(self, nursery->last, &message, 0, on_leaf, NULL);
    }
}

static void nursery_handle(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    start_wave(self, *(struct nursery **)state);
}

static const struct behavior nursery_behavior = { .name = "nursery",
                                                  .state_size = sizeof(struct nursery *),
                                                  .init = poller_init,
                                                  .otherwise = nursery_handle };

static void places_are_reused_safely(void **unused)
{
    (void)unused;
    struct scheduler *pool = pool_with(2);
    struct runtime *runtime = runtime_on(pool);
    struct gate gate;
    gate_init(&gate);
    struct nursery nurseries[2] = { { .gate = &gate, .waves = 50 }, { .gate = &gate, .waves = 50 } };
    for (uint32_t i = 0; i < 2; i++) {
        struct actor_id id;
        assert_int_equal(runtime_spawn(runtime, &nursery_behavior,
                                       &(struct spawn_options){ .options = &nurseries[i] }, &id, NULL),
                         STATUS_OK);
        struct message *go = message_create(KIND_GO, 0);
        assert_int_equal(runtime_send(runtime, id, &go), STATUS_OK);
    }
    gate_await(&gate, 2);
    end_all(pool, runtime);
}

/* --- lingering, and following ------------------------------------------------------------------------- */

struct lingerer {
    struct gate *gate;
    uint32_t awaited; /* Looks until what it awaits comes; UINT32_MAX: it never does. */
};

static void lingerer_turn_end(struct actor *self, void *state)
{
    (void)self;
    struct lingerer *lingerer = *(struct lingerer **)state;
    if (lingerer->awaited == 0) gate_open(lingerer->gate); /* It has come, without a message. */
}

static enum actor_linger lingerer_linger(void *state, bool last)
{
    (void)last;
    struct lingerer *lingerer = *(struct lingerer **)state;
    if (lingerer->awaited == 0) return LINGER_NOT;
    if (lingerer->awaited == UINT32_MAX) return LINGER_WAIT;
    return --lingerer->awaited == 0 ? LINGER_COME : LINGER_WAIT;
}

static void lingerer_handle(struct actor *self, void *state, const struct message *message)
{
    (void)self;
    struct lingerer *lingerer = *(struct lingerer **)state;
    if (message->kind == KIND_NOTE) gate_open(lingerer->gate);
}

static const struct behavior lingerer_behavior = { .name = "lingerer",
                                                   .state_size = sizeof(struct lingerer *),
                                                   .init = poller_init,
                                                   .turn_end = lingerer_turn_end,
                                                   .linger = lingerer_linger,
                                                   .otherwise = lingerer_handle };

static void spawn_and_send(struct runtime *runtime, const struct behavior *behavior, const void *options,
                           uint32_t kind, struct actor_id *out_id)
{
    struct spawn_options spawn = { .options = options };
    assert_int_equal(runtime_spawn(runtime, behavior, &spawn, out_id, NULL), STATUS_OK);
    struct message *message = message_create(kind, 0);
    assert_int_equal(runtime_send(runtime, *out_id, &message), STATUS_OK);
}

static void what_is_lingered_for_gets_a_turn(void **unused)
{
    (void)unused;
    struct scheduler *pool = pool_with(1);
    struct runtime *runtime = runtime_on(pool);
    struct gate gate;
    gate_init(&gate);
    struct lingerer lingerer = { .gate = &gate, .awaited = 1 };
    struct actor_id id;
    spawn_and_send(runtime, &lingerer_behavior, &lingerer, KIND_GO, &id);
    gate_await(&gate, 1);
    end_all(pool, runtime);
}

/* Neither its own messages nor its thread's other actors wait until it has done with lingering. */
static void who_lingers_keeps_nobody_waiting(void **unused)
{
    (void)unused;
    enum { NOTES = 200 };
    struct scheduler *pool = pool_with(1);
    struct runtime *runtime = runtime_on(pool);
    struct gate gate;
    gate_init(&gate);
    struct lingerer lingerers[2] = { { &gate, UINT32_MAX }, { &gate, UINT32_MAX } };
    struct actor_id ids[2];
    for (uint32_t i = 0; i < 2; i++)
        spawn_and_send(runtime, &lingerer_behavior, &lingerers[i], KIND_GO, &ids[i]);
    for (uint32_t i = 0; i < NOTES; i++) {
        struct message *note = message_create(KIND_NOTE, 0);
        assert_int_equal(runtime_send(runtime, ids[i % 2], &note), STATUS_OK);
        gate_await(&gate, i + 1);
    }
    end_all(pool, runtime);
}

struct follower {
    struct gate *gate;
    struct actor_id caller;
    pthread_t thread; /* The caller's, in the inline pool. */
    bool followed;
};

static void follower_handle(struct actor *self, void *state, const struct message *message)
{
    (void)self, (void)message;
    struct follower *follower = *(struct follower **)state;
    follower->followed = pthread_equal(follower->thread, pthread_self()) != 0;
    gate_open(follower->gate);
}

static void calling_handle(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct follower *follower = *(struct follower **)state;
    follower->thread = pthread_self();
    struct message *note = message_create(KIND_NOTE, 0);
    actor_tell(self, follower->caller, &note);
}

static void a_follower_runs_where_it_was_called(void **unused)
{
    (void)unused;
    static const struct behavior follower_behavior = { .name = "follower",
                                                       .state_size = sizeof(struct follower *),
                                                       .follows_caller = true,
                                                       .init = poller_init,
                                                       .otherwise = follower_handle };
    static const struct behavior calling_behavior = { .name = "caller",
                                                      .state_size = sizeof(struct follower *),
                                                      .pool = POOL_INLINE,
                                                      .init = poller_init,
                                                      .otherwise = calling_handle };
    struct scheduler *pool = pool_with(2);
    struct runtime *runtime = runtime_on(pool);
    struct gate gate;
    gate_init(&gate);
    struct follower follower = { .gate = &gate };
    const struct follower *options = &follower;
    struct spawn_options spawn = { .options = options };
    struct actor_id caller;
    assert_int_equal(runtime_spawn(runtime, &follower_behavior, &spawn, &follower.caller, NULL), STATUS_OK);
    spawn_and_send(runtime, &calling_behavior, options, KIND_GO, &caller);
    gate_await(&gate, 1);
    bool followed = follower.followed;
    struct message *note = message_create(KIND_NOTE, 0);
    assert_int_equal(runtime_send(runtime, follower.caller, &note), STATUS_OK);
    gate_await(&gate, 2);
    bool stayed = follower.followed; /* Whoever sent that is no worker. */
    end_all(pool, runtime);
    assert_true(followed);
    assert_true(stayed);
}

/* --- what init sends ---------------------------------------------------------------------------------- */

struct christening { /* A child's init sends two notes; then, on another thread, its handler a third. */
    struct gate *gate;
    struct actor_id witness;
    uint64_t said;
    uint64_t heard[3];
    uint32_t heard_count;
};

static void say(struct actor *self, struct christening *christening)
{
    struct message *note = message_create(KIND_NOTE, 0);
    note->tag = ++christening->said;
    actor_tell(self, christening->witness, &note);
}

static void witness_handle(struct actor *self, void *state, const struct message *message)
{
    (void)self;
    struct christening *christening = *(struct christening **)state;
    christening->heard[christening->heard_count++] = message->tag;
    gate_open(christening->gate);
}

static enum status christened_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)error;
    memcpy(state, &options, sizeof options);
    struct christening *christening = *(struct christening **)state;
    say(self, christening);
    say(self, christening);
    (void)actor_after(self, 0, KIND_GO, 0);
    return STATUS_OK;
}

static void christened_handle(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    say(self, *(struct christening **)state);
}

static const struct behavior christened_behavior = { .name = "christened",
                                                     .state_size = sizeof(struct christening *),
                                                     .pool = POOL_CONSENSUS,
                                                     .init = christened_init,
                                                     .otherwise = christened_handle };

/* Its turn goes on until two notes have been heard: of what the child sends, what comes second? */
static void christening_handle(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct christening *christening = *(struct christening **)state;
    struct actor_id child;
    struct spawn_options spawn = { .options = christening };
    enum status status = actor_spawn(self, &christened_behavior, &spawn, &child, NULL);
    CHECK(status == STATUS_OK);
    gate_await(christening->gate, 2);
}

static void what_init_sends_comes_first(void **unused)
{
    (void)unused;
    static const struct behavior witness_behavior = { .name = "witness",
                                                      .state_size = sizeof(struct christening *),
                                                      .pool = POOL_INLINE,
                                                      .init = poller_init,
                                                      .otherwise = witness_handle };
    static const struct behavior parent_behavior = { .name = "parent",
                                                     .state_size = sizeof(struct christening *),
                                                     .init = poller_init,
                                                     .otherwise = christening_handle };
    struct scheduler *pool = pool_with(1);
    struct runtime *runtime = runtime_on(pool);
    struct gate gate;
    gate_init(&gate);
    struct christening christening = { .gate = &gate };
    struct spawn_options spawn = { .options = &christening };
    assert_int_equal(runtime_spawn(runtime, &witness_behavior, &spawn, &christening.witness, NULL),
                     STATUS_OK);
    struct actor_id parent;
    spawn_and_send(runtime, &parent_behavior, &christening, KIND_GO, &parent);
    gate_await(&gate, 3);
    end_all(pool, runtime);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(christening.heard[i], i + 1); /* ACT1 */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_crowd_on_one_thread),
        cmocka_unit_test(the_crowd_on_two_threads),
        cmocka_unit_test(the_crowd_on_four_threads),
        cmocka_unit_test(a_stop_in_the_middle),
        cmocka_unit_test(a_pinned_actor_is_woken_in_its_own_wait),
        cmocka_unit_test(a_porters_wait_is_its_workers_sleep),
        cmocka_unit_test(timers_fire_and_never_early),
        cmocka_unit_test(places_are_reused_safely),
        cmocka_unit_test(what_is_lingered_for_gets_a_turn),
        cmocka_unit_test(who_lingers_keeps_nobody_waiting),
        cmocka_unit_test(a_follower_runs_where_it_was_called),
        cmocka_unit_test(what_init_sends_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
