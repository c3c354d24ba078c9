/* Goal: on a pool's thread every ready actor has its turn after a bounded number of turns, whoever talks
 * beside it; a turn is at most a batch of what had come when it began. Method: one thread, counted turns, no
 * clock: 200 actors that keep themselves ready, a pair that wakes each other for ever, and one with a full
 * mailbox. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/os/clock.h"
#include "runtime/os/random.h"
#include "runtime/scheduler.h"

#include <pthread.h>
#include <string.h>

enum { KIND_GO = 1000 };
enum { READY = 200, TURNS_EACH = 300, BATCH_MAX = 100, FULL = 1000 };

/* Shared by all; touched by the pool's one thread, and by the main thread after the gate. */
struct scene {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool over;
    uint64_t turns; /* Of all. */
    uint32_t steady_left;
    uint64_t longest_wait; /* Turns of others between two of a steady actor. */
    uint32_t longest_turn; /* Messages. */
    uint32_t full_left;
    struct actor_id pair[2];
};

struct member {
    struct scene *scene;
    uint32_t index;
    uint32_t turns_left;
    uint32_t handled; /* In this turn. */
    uint64_t last_turn;
};

static void end_scene(struct scene *scene)
{
    pthread_mutex_lock(&scene->lock);
    scene->over = true;
    pthread_cond_signal(&scene->changed);
    pthread_mutex_unlock(&scene->lock);
}

static enum status member_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    memcpy(state, options, sizeof(struct member));
    return STATUS_OK;
}

static void go(struct actor *self, struct actor_id to)
{
    struct message *message = message_create(KIND_GO, 0);
    actor_tell(self, to, &message);
}

static void steady_go(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct member *member = state;
    struct scene *scene = member->scene;
    uint64_t waited = scene->turns - member->last_turn;
    if (member->last_turn != 0 && waited > scene->longest_wait) scene->longest_wait = waited;
    member->handled++;
    if (--member->turns_left > 0) go(self, actor_self(self));
    else if (--scene->steady_left == 0) end_scene(scene);
}

static void pair_go(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct member *member = state;
    member->handled++;
    if (!member->scene->over) go(self, member->scene->pair[1 - member->index]);
}

static void full_go(struct actor *self, void *state, const struct message *message)
{
    (void)self, (void)message;
    struct member *member = state;
    member->handled++;
    member->scene->full_left--;
}

static void count_turn(struct actor *self, void *state)
{
    (void)self;
    struct member *member = state;
    struct scene *scene = member->scene;
    if (member->handled > scene->longest_turn) scene->longest_turn = member->handled;
    member->handled = 0;
    member->last_turn = ++scene->turns;
}

#define MEMBER(handler)                                                                                      \
    {                                                                                                        \
        .name = "member", .state_size = sizeof(struct member), .init = member_init, .otherwise = (handler),  \
        .turn_end = count_turn                                                                               \
    }
static const struct behavior steady = MEMBER(steady_go);
static const struct behavior talker = MEMBER(pair_go);
static const struct behavior full = MEMBER(full_go);

static struct actor_id spawn(struct runtime *runtime, const struct behavior *behavior,
                             const struct member *member)
{
    struct actor_id id;
    assert_int_equal(
        runtime_spawn(runtime, behavior, &(struct spawn_options){ .options = member }, &id, NULL), STATUS_OK);
    return id;
}

static void send(struct runtime *runtime, struct actor_id to)
{
    struct message *message = message_create(KIND_GO, 0);
    assert_int_equal(runtime_send(runtime, to, &message), STATUS_OK);
}

static void play(struct scene *scene, struct runtime *runtime)
{
    struct actor_id filled = spawn(runtime, &full, &(struct member){ .scene = scene });
    for (uint32_t i = 0; i < FULL; i++) {
        send(runtime, filled);
    }
    for (uint32_t i = 0; i < 2; i++) {
        scene->pair[i] = spawn(runtime, &talker, &(struct member){ .scene = scene, .index = i });
    }
    struct actor_id ids[READY];
    for (uint32_t i = 0; i < READY; i++) {
        ids[i] = spawn(runtime, &steady, &(struct member){ .scene = scene, .turns_left = TURNS_EACH });
    }
    send(runtime, scene->pair[0]);
    for (uint32_t i = 0; i < READY; i++) {
        send(runtime, ids[i]);
    }
    pthread_mutex_lock(&scene->lock);
    while (!scene->over) {
        pthread_cond_wait(&scene->changed, &scene->lock);
    }
    pthread_mutex_unlock(&scene->lock);
}

static void nobody_waits_longer_than_twice_the_queue(
    void **unused) /* Issue 3: 2 x R x turn / threads; ACT6 */
{
    (void)unused;
    struct scheduler *pool = pool_create(
        &(struct pool_options){ .threads = { 1, 1, 1 }, .clock = &clock_os, .random = &random_os });
    struct runtime *runtime = runtime_create(&(struct runtime_options){ .scheduler = pool, .node = "n" });
    struct scene scene = { .steady_left = READY, .full_left = FULL };
    pthread_mutex_init(&scene.lock, NULL);
    pthread_cond_init(&scene.changed, NULL);
    play(&scene, runtime);
    assert_true(runtime_stop(runtime, SECONDS(60)));
    runtime_destroy(&runtime);
    scheduler_destroy(&pool);
    uint32_t ready = READY + 2; /* Of the pair only one is ready at a time; the full one beside it. */
    assert_true(scene.longest_wait <= 2 * ready);
    assert_true(scene.longest_turn <= BATCH_MAX);
    assert_int_equal(scene.full_left, 0);
    assert_true(scene.turns >=
                (uint64_t)READY * TURNS_EACH); /* What one sends itself waits for its next turn. */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nobody_waits_longer_than_twice_the_queue) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
