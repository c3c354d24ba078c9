/* pool_probe: one asking actor, and stubs, that hand what they get to the test's thread under a lock. */
#include "tests/support/pool_probe.h"

#include "runtime/base/memory.h"
#include "runtime/os/clock.h"
#include "runtime/os/random.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { KIND_PROBE_ASK = 4000, ASKS_MAX = 4096, INBOX_MAX = 4096 };

struct pool_ask {
    struct actor_id to;
    struct message *message;
    int64_t timeout_ns;
    uint64_t number;
};

struct pool_probe {
    struct scheduler *scheduler;
    struct runtime *runtime;
    struct actor_id asker;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t last_number;
    struct probe_result results[ASKS_MAX]; /* By number. */
    struct message *inbox[INBOX_MAX];
    uint32_t inbox_count;
};

static void fail_test(const char *what)
{
    fprintf(stderr, "pool_probe: %s\n", what);
    abort();
}

/* --- asking -------------------------------------------------------------------------------------------- */

struct asker {
    struct pool_probe *probe;
};

struct asked {
    struct pool_probe *probe;
    uint64_t number;
};

static void on_answer(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct asked *asked = context;
    struct pool_probe *probe = asked->probe;
    struct message *reply = result->message != NULL ? actor_keep(self) : NULL;
    pthread_mutex_lock(&probe->lock);
    struct probe_result *slot = &probe->results[asked->number];
    slot->status = result->status;
    if (result->error != NULL) slot->error = *result->error;
    slot->message = reply;
    slot->completed = true;
    pthread_cond_broadcast(&probe->changed);
    pthread_mutex_unlock(&probe->lock);
    memory_free(asked);
}

static void on_ask(struct actor *self, void *state, const struct message *message)
{
    struct asker *asker = state;
    struct pool_ask *ask = message->body;
    struct asked *asked = memory_zalloc(sizeof *asked);
    *asked = (struct asked){ asker->probe, ask->number };
    actor_ask(self, ask->to, &ask->message, ask->timeout_ns, on_answer, asked);
}

static enum status asker_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    *(struct asker *)state = *(const struct asker *)options;
    return STATUS_OK;
}

static const struct behavior_row asker_rows[] = { { KIND_PROBE_ASK, on_ask } };
static const struct behavior asker_behavior = {
    .name = "pool_probe",
    .state_size = sizeof(struct asker),
    .init = asker_init,
    .rows = asker_rows,
    .row_count = 1,
};

uint64_t pool_probe_begin(struct pool_probe *probe, struct actor_id to, struct message **message,
                          int64_t timeout_ns)
{
    uint64_t number = ++probe->last_number;
    if (number >= ASKS_MAX) fail_test("too many asks");
    struct message *wrapper = message_create(KIND_PROBE_ASK, sizeof(struct pool_ask));
    *(struct pool_ask *)wrapper->body = (struct pool_ask){ to, *message, timeout_ns, number };
    *message = NULL;
    if (runtime_send(probe->runtime, probe->asker, &wrapper) != STATUS_OK) fail_test("the asker is full");
    return number;
}

uint64_t pool_probe_begin_name(struct pool_probe *probe, uint32_t name, struct message **message,
                               int64_t timeout_ns)
{
    return pool_probe_begin(probe, runtime_find(probe->runtime, name), message, timeout_ns);
}

struct probe_result pool_probe_end(struct pool_probe *probe, uint64_t number)
{
    pthread_mutex_lock(&probe->lock);
    while (!probe->results[number].completed)
        pthread_cond_wait(&probe->changed, &probe->lock);
    struct probe_result result = probe->results[number];
    probe->results[number].message = NULL;
    pthread_mutex_unlock(&probe->lock);
    return result;
}

struct probe_result pool_probe_ask(struct pool_probe *probe, struct actor_id to, struct message **message,
                                   int64_t timeout_ns)
{
    return pool_probe_end(probe, pool_probe_begin(probe, to, message, timeout_ns));
}

struct probe_result pool_probe_ask_name(struct pool_probe *probe, uint32_t name, struct message **message,
                                        int64_t timeout_ns)
{
    return pool_probe_ask(probe, runtime_find(probe->runtime, name), message, timeout_ns);
}

/* --- standing in --------------------------------------------------------------------------------------- */

struct stub_options {
    struct pool_probe *probe;
    pool_stub_answer *answer;
    void *context;
};

static void on_told(struct actor *self, void *state, const struct message *message)
{
    struct stub_options *stub = state;
    if (stub->answer != NULL && stub->answer(self, stub->context, message)) return;
    struct pool_probe *probe = stub->probe;
    struct message *kept = actor_keep(self);
    pthread_mutex_lock(&probe->lock);
    if (probe->inbox_count == INBOX_MAX) fail_test("a stub is told too much");
    probe->inbox[probe->inbox_count++] = kept;
    pthread_cond_broadcast(&probe->changed);
    pthread_mutex_unlock(&probe->lock);
}

static enum status stub_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    *(struct stub_options *)state = *(const struct stub_options *)options;
    return STATUS_OK;
}

static const struct behavior stub_behavior = {
    .name = "pool_stub",
    .state_size = sizeof(struct stub_options),
    .init = stub_init,
    .otherwise = on_told,
};

void pool_probe_stub(struct pool_probe *probe, uint32_t name, pool_stub_answer *answer, void *context)
{
    struct stub_options options = { probe, answer, context };
    (void)pool_probe_spawn(probe, &stub_behavior, &options, name);
}

static struct message *take(struct pool_probe *probe, uint32_t kind)
{
    for (uint32_t i = 0; i < probe->inbox_count; i++) {
        struct message *message = probe->inbox[i];
        if (message->kind != kind) continue;
        probe->inbox_count--;
        for (uint32_t j = i; j < probe->inbox_count; j++)
            probe->inbox[j] = probe->inbox[j + 1];
        return message;
    }
    return NULL;
}

struct message *pool_probe_await(struct pool_probe *probe, uint32_t kind, int64_t timeout_ns)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    int64_t nsec = until.tv_nsec + timeout_ns;
    until.tv_sec += nsec / SECONDS(1);
    until.tv_nsec = nsec % SECONDS(1);
    struct message *message;
    pthread_mutex_lock(&probe->lock);
    while ((message = take(probe, kind)) == NULL)
        if (pthread_cond_timedwait(&probe->changed, &probe->lock, &until) != 0) break;
    pthread_mutex_unlock(&probe->lock);
    return message;
}

/* --- life ---------------------------------------------------------------------------------------------- */

static void print_log(void *context, const struct log_record *record)
{
    (void)context;
    fprintf(stderr, "    [%s] %s %s\n", record->actor, record->event, record->text);
}

static void on_failure(void *context, const struct error *error)
{
    (void)context;
    fprintf(stderr, "    runtime failed: %s\n", error->message);
}

struct actor_id pool_probe_spawn(struct pool_probe *probe, const struct behavior *behavior,
                                 const void *options, uint32_t name)
{
    struct actor_id id;
    struct error error;
    struct spawn_options how = { .options = options, .name = name };
    if (runtime_spawn(probe->runtime, behavior, &how, &id, &error) != STATUS_OK) fail_test(error.message);
    return id;
}

struct pool_probe *pool_probe_create(const char *node)
{
    struct pool_probe *probe = memory_zalloc(sizeof *probe);
    (void)pthread_mutex_init(&probe->lock, NULL);
    (void)pthread_cond_init(&probe->changed, NULL);
    probe->scheduler = pool_create(&(struct pool_options){ .clock = &clock_os, .random = &random_os });
    probe->runtime = runtime_create(&(struct runtime_options){ .scheduler = probe->scheduler,
                                                               .node = node,
                                                               .log = print_log,
                                                               .log_level = 1,
                                                               .on_failure = on_failure });
    struct asker asker = { probe };
    probe->asker = pool_probe_spawn(probe, &asker_behavior, &asker, 0);
    return probe;
}

void pool_probe_destroy(struct pool_probe **probe)
{
    struct pool_probe *gone = *probe;
    *probe = NULL;
    if (!runtime_stop(gone->runtime, SECONDS(20))) fail_test("the actors didn't stop in 20 s");
    runtime_destroy(&gone->runtime);
    scheduler_destroy(&gone->scheduler);
    for (uint32_t i = 0; i < gone->inbox_count; i++)
        message_destroy(&gone->inbox[i]);
    for (uint32_t i = 0; i < ASKS_MAX; i++)
        message_destroy(&gone->results[i].message);
    (void)pthread_cond_destroy(&gone->changed);
    (void)pthread_mutex_destroy(&gone->lock);
    memory_free(gone);
}
