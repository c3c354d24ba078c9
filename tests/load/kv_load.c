/* kv_load: clients of the store, each with the client library (cli/connection.h) and a thread of its own, and
 * one that watches; all that they do and are told is recorded, and judged when standard input ends
 * (nodes/sim/history_check.h).
 *
 *     kv_load ENDPOINTS CLIENTS SEED [HISTORY-FILE]
 *
 * ENDPOINTS: as --endpoint has them; several sets, with ';' between, are given to the clients in turn.
 *
 * Lines on standard input, each answered by a JSON object on a line of its own: "mark" begins an interval,
 * "await N" ends when N writes of it were acknowledged; the answer says the longest time between two. At the
 * end: counts and verdict; where that is no OK, the history is written to the file, and the exit code is 1.
 *
 * One process and one clock: what returned before another thing began did so by the same monotonic time. */
#include "cli/connection.h"
#include "nodes/sim/chance.h"
#include "nodes/sim/history_check.h"
#include "nodes/sim/history_lines.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CLIENTS_MAX = 64,
    ENDPOINTS_SIZE = 1024,
    KEYS = 6, /* At a time. */
    KEY_SIZE = 32,
    AWAIT_MAX_S = 60,
    EPOCH_OPS =
        KEYS * 1200, /* Then other keys: the search takes 2,000 operations of each (proof.md section 4). */
};
static const int64_t patience_ns = SECONDS(3);

struct load {
    pthread_mutex_t lock; /* Everything below. */
    pthread_cond_t acknowledged;
    struct history *history;
    bool ending;
    uint64_t ops;       /* Begun. */
    uint64_t writes;    /* Acknowledged in this interval. */
    int64_t last_ns;    /* When the last one was. */
    uint64_t newest;    /* The highest revision that a write was told. */
    int64_t longest_ns; /* Between two of them. */
    uint64_t outcomes[STATUS_COUNT];
};

struct worker {
    struct load *load;
    char endpoints[ENDPOINTS_SIZE];
    uint32_t number;
    struct chance chance;
    uint32_t written;
    uint64_t last_revision; /* Of our own last write: to ask for by --after. */
    uint64_t epoch;
    struct { /* What we read last of each key, to compare with. */
        uint64_t value;
        uint64_t revision;
        bool known;
    } seen[KEYS];
};

static int64_t now_ns(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return SECONDS(now.tv_sec) + now.tv_nsec;
}

static void key_name(char name[KEY_SIZE], uint64_t epoch, uint32_t key)
{
    (void)snprintf(name, KEY_SIZE, "h/%05" PRIu64 "/%u", epoch, key);
}

static uint64_t number_in(const ProtobufCBinaryData *value)
{
    char digits[24] = { 0 };
    if (value->len < sizeof digits) memcpy(digits, value->data, value->len);
    return strtoull(digits, NULL, 10);
}

/* --- one operation: drawn, recorded, asked, recorded ------------------------------------------------------
 */

struct operation {
    struct message *request;
    struct message *reply;
    uint32_t op; /* Of the history. */
    uint32_t key;
    bool writes;
    bool lists; /* All keys of the epoch, in one read. */
    char names[2][KEY_SIZE];
};

static uint64_t next_value(struct worker *worker)
{
    return history_value(worker->number, ++worker->written);
}

static char *value_text(struct message *message, uint64_t value)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%" PRIu64, value);
    return wire_string(message, digits);
}

/* Under the lock: the history's order is that of its times. */
static void draw_put(struct worker *worker, struct operation *operation, bool compares)
{
    struct history *history = worker->load->history;
    uint64_t value = next_value(worker);
    operation->writes = true;
    operation->request = wire_message_create(KIND_KV_PUT_REQUEST);
    Pb__KvPutRequest *put = operation->request->body;
    put->key = wire_string(operation->request, operation->names[0]);
    put->value = value_text(operation->request, value);
    if (compares) {
        put->has_if_rev_case = PB__KV_PUT_REQUEST__HAS_IF_REV_IF_REV;
        put->if_rev = worker->seen[operation->key].revision;
        history_compare(history, operation->op, operation->names[0], worker->seen[operation->key].value);
    }
    history_put(history, operation->op, operation->names[0], value);
}

static void draw_delete(struct worker *worker, struct operation *operation)
{
    operation->writes = true;
    operation->request = wire_message_create(KIND_KV_DELETE_REQUEST);
    Pb__KvDeleteRequest *delete = operation->request->body;
    delete->key = wire_string(operation->request, operation->names[0]);
    history_delete(worker->load->history, operation->op, operation->names[0]);
}

static void draw_txn(struct worker *worker, struct operation *operation)
{
    struct history *history = worker->load->history;
    uint64_t values[2] = { next_value(worker), next_value(worker) };
    operation->writes = true;
    operation->request = wire_message_create(KIND_KV_TXN_REQUEST);
    char document[256];
    (void)snprintf(document, sizeof document,
                   "{\"success\":[{\"put\":\"%s\",\"value\":%" PRIu64 "},{\"put\":\"%s\",\"value\":%" PRIu64
                   "}]}",
                   operation->names[0], values[0], operation->names[1], values[1]);
    ((Pb__KvTxnRequest *)operation->request->body)->document = wire_string(operation->request, document);
    for (int i = 0; i < 2; i++)
        history_put(history, operation->op, operation->names[i], values[i]);
}

static void draw_get(struct worker *worker, struct operation *operation)
{
    struct history *history = worker->load->history;
    operation->request = wire_message_create(KIND_KV_LIST_REQUEST);
    Pb__KvListRequest *list = operation->request->body;
    list->prefix = wire_string(operation->request, operation->names[0]); /* No key is a prefix of another. */
    history_read(history, operation->op, operation->names[0]);
    if (worker->last_revision != 0 && chance_permille(&worker->chance, 200)) {
        list->has_after_case = PB__KV_LIST_REQUEST__HAS_AFTER_AFTER;
        list->after = worker->last_revision;
        list->stale = chance_permille(&worker->chance, 500);
        history_after(history, operation->op, list->after);
    } else {
        list->stale = chance_permille(&worker->chance, 50);
    }
    if (list->stale) history_past(history, operation->op);
}

static void draw_list(struct worker *worker, struct operation *operation, uint64_t epoch)
{
    operation->lists = true;
    operation->request = wire_message_create(KIND_KV_LIST_REQUEST);
    char prefix[KEY_SIZE];
    (void)snprintf(prefix, sizeof prefix, "h/%05" PRIu64 "/", epoch);
    ((Pb__KvListRequest *)operation->request->body)->prefix = wire_string(operation->request, prefix);
    for (uint32_t key = 0; key < KEYS; key++) {
        char name[KEY_SIZE];
        key_name(name, epoch, key);
        history_read(worker->load->history, operation->op, name);
    }
}

static void draw(struct worker *worker, struct operation *operation)
{
    uint64_t epoch = worker->load->ops++ / EPOCH_OPS;
    if (epoch != worker->epoch) memset(worker->seen, 0, sizeof worker->seen);
    worker->epoch = epoch;
    *operation = (struct operation){ .key = (uint32_t)(chance_next(&worker->chance) % KEYS) };
    key_name(operation->names[0], epoch, operation->key);
    key_name(operation->names[1], epoch, (operation->key + 1) % KEYS);
    operation->op = history_begin(worker->load->history, worker->number, now_ns());
    uint64_t roll = chance_next(&worker->chance) % 100;
    if (roll < 40) draw_put(worker, operation, false);
    else if (roll < 55) draw_put(worker, operation, worker->seen[operation->key].known);
    else if (roll < 60) draw_txn(worker, operation);
    else if (roll < 62) draw_delete(worker, operation);
    else if (roll < 95) draw_get(worker, operation);
    else draw_list(worker, operation, epoch);
    if (operation->writes)
        worker->seen[operation->key].known = false; /* To be read again before it is compared. */
}

static uint32_t key_of(const char *name)
{
    return (uint32_t)strtoul(strrchr(name, '/') + 1, NULL, 10);
}

static void note_records(struct worker *worker, const struct operation *operation,
                         const Pb__KvListReply *reply)
{
    struct history *history = worker->load->history;
    bool seen[KEYS] = { 0 };
    for (size_t i = 0; i < reply->n_records; i++) {
        const Pb__KvRecord *record = reply->records[i];
        uint32_t key = key_of(record->key);
        uint64_t value = number_in(&record->value);
        CHECK(key < KEYS);
        seen[key] = true;
        history_saw(history, operation->op, record->key, value, record->revision);
        worker->seen[key].value = value;
        worker->seen[key].revision = record->revision;
        worker->seen[key].known = true;
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        if (seen[key] || (!operation->lists && key != operation->key)) continue;
        worker->seen[key].value = worker->seen[key].revision = 0;
        worker->seen[key].known = true;
    }
}

static uint64_t revision_of(const struct message *reply)
{
    switch (reply->kind) {
    case KIND_KV_CHANGE_REPLY: return ((const Pb__KvChangeReply *)reply->body)->revision;
    case KIND_KV_TXN_REPLY: return ((const Pb__KvTxnReply *)reply->body)->revision;
    default: return ((const Pb__KvListReply *)reply->body)->index;
    }
}

static void note_acknowledged(struct load *load)
{
    int64_t now = now_ns();
    if (load->last_ns != 0 && now - load->last_ns > load->longest_ns) load->longest_ns = now - load->last_ns;
    load->last_ns = now;
    load->writes++;
    (void)pthread_cond_broadcast(&load->acknowledged);
}

static bool surely_nothing(enum status status)
{
    return status == STATUS_NO_LEADER || status == STATUS_NOT_LEADER || status == STATUS_NOT_READY ||
           status == STATUS_OVERLOADED || status == STATUS_INVALID;
}

static void note_end(struct worker *worker, struct operation *operation, enum status status)
{
    struct load *load = worker->load;
    load->outcomes[status]++;
    if (status == STATUS_OK) {
        if (operation->reply->kind == KIND_KV_LIST_REPLY)
            note_records(worker, operation, operation->reply->body);
        else worker->last_revision = revision_of(operation->reply);
        if (worker->last_revision > load->newest) load->newest = worker->last_revision;
        history_end_ok(load->history, operation->op, now_ns(), revision_of(operation->reply));
        if (operation->writes) note_acknowledged(load);
    } else if (status == STATUS_CONFLICT) {
        history_end_refused(load->history, operation->op, now_ns());
    } else if (surely_nothing(status)) {
        history_end_failed(load->history, operation->op);
    } /* Else nobody knows. */
}

/* --- threads ------------------------------------------------------------------------------------- */

static bool is_ending(struct load *load)
{
    (void)pthread_mutex_lock(&load->lock);
    bool ending = load->ending;
    (void)pthread_mutex_unlock(&load->lock);
    return ending;
}

static struct connection *open_connection(struct load *load, const char *endpoints)
{
    struct connection *connection = NULL;
    struct error error;
    while (connection_open(endpoints, &connection, &error) != STATUS_OK && !is_ending(load)) {
    }
    return connection;
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct load *load = worker->load;
    struct connection *connection = open_connection(load, worker->endpoints);
    while (connection != NULL && !is_ending(load)) {
        struct operation operation;
        (void)pthread_mutex_lock(&load->lock);
        draw(worker, &operation);
        (void)pthread_mutex_unlock(&load->lock);
        struct connection_terms terms = { .timeout_ns = patience_ns,
                                          .repeats = !operation.writes,
                                          .changes = operation.writes };
        enum status status = connection_ask(connection, &operation.request, &terms, &operation.reply, NULL);
        (void)pthread_mutex_lock(&load->lock);
        note_end(worker, &operation, status);
        (void)pthread_mutex_unlock(&load->lock);
        if (operation.reply != NULL) message_destroy(&operation.reply);
    }
    connection_close(&connection);
    return NULL;
}

/* --- the one who watches ------------------------------------------------------------------------- */

static uint64_t value_of_record(const Pb__KvRecord *record)
{
    return record == NULL ? 0 : number_in(&record->value);
}

static void note_events(struct load *load, uint32_t watcher, const Pb__KvWatchReply *reply)
{
    for (size_t i = 0; i < reply->n_events; i++) {
        const Pb__KvEvent *event = reply->events[i];
        history_watch_event(load->history, watcher, event->record->revision, event->record->key,
                            event->deleted ? 0 : value_of_record(event->record),
                            value_of_record(event->previous));
    }
    history_watch_told(load->history, watcher, reply->next_revision);
}

static struct message *watch_request(uint64_t from)
{
    struct message *request = wire_message_create(KIND_KV_WATCH_REQUEST);
    Pb__KvWatchRequest *watch = request->body;
    watch->prefix = wire_string(request, "h/");
    watch->has_from_case = PB__KV_WATCH_REQUEST__HAS_FROM_FROM;
    watch->from = from;
    watch->has_wait_case = PB__KV_WATCH_REQUEST__HAS_WAIT_WAIT_MS;
    watch->wait_ms = 500;
    return request;
}

static void *follow(void *context)
{
    struct worker *worker = context;
    struct load *load = worker->load;
    struct connection *connection = open_connection(load, worker->endpoints);
    uint64_t from = 1;
    (void)pthread_mutex_lock(&load->lock);
    uint32_t watcher = history_watch(load->history, "h/", from);
    (void)pthread_mutex_unlock(&load->lock);
    while (connection != NULL && !is_ending(load)) {
        struct message *request = watch_request(from);
        struct message *reply = NULL;
        struct connection_terms terms = { .timeout_ns = patience_ns, .repeats = true };
        enum status status = connection_ask(connection, &request, &terms, &reply, NULL);
        (void)pthread_mutex_lock(&load->lock);
        if (status == STATUS_OK) {
            note_events(load, watcher, reply->body);
            from = ((const Pb__KvWatchReply *)reply->body)->next_revision;
        } else if (status ==
                   STATUS_NOT_FOUND) { /* Compacted: a watch anew, from what is acknowledged by now. */
            from = load->newest + 1;
            watcher = history_watch(load->history, "h/", from);
        }
        (void)pthread_mutex_unlock(&load->lock);
        if (reply != NULL) message_destroy(&reply);
    }
    connection_close(&connection);
    return NULL;
}

/* --- what the driver wants ----------------------------------------------------------------------- */

static void begin_interval(struct load *load)
{
    load->writes = 0;
    load->longest_ns = 0;
    load->last_ns = now_ns();
}

static void obey(struct load *load, const char *line)
{
    (void)pthread_mutex_lock(&load->lock);
    uint64_t wanted = strncmp(line, "await ", 6) == 0 ? strtoull(line + 6, NULL, 10) : 0;
    if (strncmp(line, "mark", 4) == 0) begin_interval(load);
    struct timespec limit;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &limit) == 0);
    limit.tv_sec += AWAIT_MAX_S;
    while (load->writes < wanted && pthread_cond_timedwait(&load->acknowledged, &load->lock, &limit) == 0) {
    }
    printf("{\"acknowledged\": %" PRIu64 ", \"longest-gap-ms\": %.3f}\n", load->writes,
           (double)load->longest_ns / 1e6);
    (void)pthread_mutex_unlock(&load->lock);
    (void)fflush(stdout);
}

static void print_verdict(const struct load *load, enum status status, const struct error *error)
{
    struct history_counts counts = history_counts(load->history);
    printf("{\"verdict\": \"%s\", \"operations\": %u, \"refused\": %u, \"failed\": %u, \"unknown\": %u, "
           "\"keys\": %u, \"watch-events\": %u, \"outcomes\": {",
           status == STATUS_OK ? "linearizable" : status_name(status), counts.operations, counts.refused,
           counts.failed, counts.unknown, counts.keys, counts.watch_events);
    const char *separator = "";
    for (int i = 0; i < STATUS_COUNT; i++) {
        if (load->outcomes[i] == 0) continue;
        printf("%s\"%s\": %" PRIu64, separator, status_name((enum status)i), load->outcomes[i]);
        separator = ", ";
    }
    printf("}}\n");
    if (status != STATUS_OK) (void)fprintf(stderr, "%s\n", error->message);
}

static void keep(const struct history *history, const char *path)
{
    struct text lines = { 0 };
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    if (file == NULL) return;
    history_lines_write(history, &lines);
    (void)fwrite(text_string(&lines), 1, lines.size, file);
    (void)fclose(file);
    text_fini(&lines);
}

static int run(struct load *load, struct worker *workers, uint32_t count)
{
    pthread_t threads[CLIENTS_MAX + 1];
    for (uint32_t i = 0; i <= count; i++)
        CHECK(pthread_create(&threads[i], NULL, i == count ? follow : work, &workers[i]) == 0);
    char line[64];
    while (fgets(line, sizeof line, stdin) != NULL)
        obey(load, line);
    (void)pthread_mutex_lock(&load->lock);
    load->ending = true;
    (void)pthread_mutex_unlock(&load->lock);
    for (uint32_t i = 0; i <= count; i++)
        (void)pthread_join(threads[i], NULL);
    struct error error = { 0 };
    enum status status = history_check(load->history, &error);
    print_verdict(load, status, &error);
    return status == STATUS_OK ? 0 : 1;
}

/* The set that is its turn. */
static void set_endpoints(struct worker *worker, const char *sets)
{
    uint32_t count = 1;
    for (const char *at = sets; (at = strchr(at, ';')) != NULL; at++)
        count++;
    for (uint32_t skip = (worker->number - 1) % count; skip > 0; skip--)
        sets = strchr(sets, ';') + 1;
    int length = (int)strcspn(sets, ";");
    CHECK(length < ENDPOINTS_SIZE);
    (void)snprintf(worker->endpoints, sizeof worker->endpoints, "%.*s", length, sets);
}

int main(int argument_count, char **arguments)
{
    long count = argument_count < 4 ? 0 : strtol(arguments[2], NULL, 10);
    if (count < 1 || count > CLIENTS_MAX) {
        (void)fprintf(stderr, "usage: kv_load ENDPOINTS CLIENTS SEED [HISTORY-FILE]\n");
        return 2;
    }
    struct load load = { .history = history_create() };
    (void)pthread_mutex_init(&load.lock, NULL);
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&load.acknowledged, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    struct worker *workers = memory_array((size_t)count + 1, sizeof *workers);
    for (uint32_t i = 0; i <= (uint32_t)count; i++) {
        workers[i] = (struct worker){ .load = &load, .number = i + 1 };
        set_endpoints(&workers[i], arguments[1]);
        workers[i].chance = chance_of(strtoull(arguments[3], NULL, 10), i + 1);
    }
    int code = run(&load, workers, (uint32_t)count);
    if (code != 0) keep(load.history, argument_count > 4 ? arguments[4] : NULL);
    history_destroy(&load.history);
    memory_free(workers);
    (void)pthread_mutex_destroy(&load.lock);
    (void)pthread_cond_destroy(&load.acknowledged);
    return code;
}
