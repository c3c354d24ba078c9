/* model_pool: see the header. An actor looks once a millisecond whether the model is quiet. */
#include "tests/support/model_pool.h"

#include "runtime/base/check.h"
#include "runtime/os/clock.h"
#include "runtime/os/random.h"

#include <pthread.h>
#include <stdlib.h>

enum { KIND_LOOK = 2200 };

struct watcher {
    struct model *model;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool quiet;
};

static enum status watcher_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)error;
    *(struct watcher **)state = *(struct watcher *const *)options;
    (void)actor_every(self, MILLISECONDS(1), KIND_LOOK);
    return STATUS_OK;
}

static void look(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct watcher *watcher = *(struct watcher **)state;
    model_watch_bounds(watcher->model);
    if (model_is_quiet(watcher->model)) actor_stop(self, actor_self(self));
}

static void watcher_stop(struct actor *self, void *state)
{
    (void)self;
    struct watcher *watcher = *(struct watcher **)state;
    pthread_mutex_lock(&watcher->lock);
    watcher->quiet = true;
    pthread_cond_broadcast(&watcher->changed);
    pthread_mutex_unlock(&watcher->lock);
}

static const struct behavior_row rows[] = { { KIND_LOOK, look } };
static const struct behavior watcher_behavior = { .name = "watcher",
                                                  .state_size = sizeof(struct watcher *),
                                                  .pool = POOL_CONSENSUS,
                                                  .init = watcher_init,
                                                  .stop = watcher_stop,
                                                  .rows = rows,
                                                  .row_count = 1 };

struct scheduler *model_pool_create(uint32_t threads)
{
    return pool_create(
        &(struct pool_options){ .threads = { threads, 1, 1 }, .clock = &clock_os, .random = &random_os });
}

struct runtime *model_pool_runtime(struct scheduler *pool, struct model *model)
{
    return runtime_create(&(struct runtime_options){ .scheduler = pool,
                                                     .node = "n1",
                                                     .log = model_log,
                                                     .log_context = model,
                                                     .log_level = 2,
                                                     .fingerprint = model_fingerprint });
}

void model_pool_await_quiet(struct model *model)
{
    struct watcher watcher = { .model = model };
    CHECK(pthread_mutex_init(&watcher.lock, NULL) == 0);
    CHECK(pthread_cond_init(&watcher.changed, NULL) == 0);
    const struct watcher *given = &watcher;
    struct actor_id id;
    struct spawn_options options = { .options = &given };
    enum status status = runtime_spawn(model->runtime, &watcher_behavior, &options, &id, NULL);
    CHECK(status == STATUS_OK);
    pthread_mutex_lock(&watcher.lock);
    while (!watcher.quiet) {
        pthread_cond_wait(&watcher.changed, &watcher.lock);
    }
    pthread_mutex_unlock(&watcher.lock);
    (void)pthread_cond_destroy(&watcher.changed);
    (void)pthread_mutex_destroy(&watcher.lock);
}

bool model_pool_stop(struct model *model, struct scheduler **pool)
{
    __atomic_store_n(&model->stopping, true, __ATOMIC_RELEASE);
    if (!runtime_stop(model->runtime, SECONDS(60))) return false;
    runtime_destroy(&model->runtime);
    scheduler_destroy(pool);
    return true;
}

int64_t model_pool_seconds(const char *variable, int64_t otherwise)
{
    const char *text = getenv(variable);
    return text == NULL ? otherwise : strtoll(text, NULL, 10);
}
