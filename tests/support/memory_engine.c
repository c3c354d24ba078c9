/* memory_engine: the state is the list of all changes, oldest first; what a key is at a revision is the last
 * change of it up to there. Slow and plain: easier to believe than to optimise. */
#include "tests/support/memory_engine.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/store.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WATCHES_MAX = 16, WAITING_MAX = 16, TERM = 1, LIMIT = 1000, SWEEP_KIND = KIND_STATE_SWEEP };
#define LEASES "leases/"

struct change {
    uint64_t revision;
    char *key;
    char *value; /* NULL: deleted. */
    size_t size;
    char *lease;
    uint64_t created;
    uint64_t version;
};
struct watch {
    struct actor_id watcher;
    uint64_t id;
    char *prefix;
    uint64_t next;
};
struct memory_engine {
    char node[NODE_NAME_MAX];
    struct actor_id state;
    struct change *changes;
    size_t count, room;
    uint64_t revision;
    struct watch watches[WATCHES_MAX];
    uint32_t watch_count;
    struct message *waiting[WAITING_MAX]; /* Reads that wait for a revision. */
    uint32_t waiting_count;
};

/* --- the state ----------------------------------------------------------------------------------- */

/* The last change of a key up to a revision; NULL where it is not there. `before`: only the changes so far.
 */
static const struct change *find(const struct memory_engine *engine, const char *key, uint64_t at,
                                 size_t before)
{
    for (size_t i = before; i > 0; i--) {
        const struct change *change = &engine->changes[i - 1];
        if (change->revision <= at && strcmp(change->key, key) == 0)
            return change->value == NULL ? NULL : change;
    }
    return NULL;
}

static const struct change *now(const struct memory_engine *engine, const char *key)
{
    return find(engine, key, UINT64_MAX, engine->count);
}

static struct change *add(struct memory_engine *engine, const char *key)
{
    if (engine->count == engine->room) {
        engine->room = engine->room == 0 ? 64 : engine->room * 2;
        engine->changes = memory_realloc(engine->changes, engine->room * sizeof *engine->changes);
    }
    struct change *change = &engine->changes[engine->count++];
    *change = (struct change){ .revision = engine->revision, .key = memory_strdup(key) };
    return change;
}

static void put(struct memory_engine *engine, const char *key, const void *value, size_t size,
                const char *lease)
{
    const struct change *before = now(engine, key);
    bool same = before != NULL && before->revision == engine->revision; /* Twice in one entry. */
    uint64_t created = before == NULL ? engine->revision : before->created;
    uint64_t version = before == NULL ? 1 : before->version + !same;
    struct change *change = add(engine, key);
    change->value = memory_zalloc(size + 1);
    if (size > 0) memcpy(change->value, value, size);
    change->size = size;
    change->lease = memory_strdup(lease);
    change->created = created;
    change->version = version;
}

static bool delete_key(struct memory_engine *engine, const char *key)
{
    if (now(engine, key) == NULL) return false;
    (void)add(engine, key);
    return true;
}

/* The keys that are there at a revision, in order; the caller frees the array. */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **keys_at(const struct memory_engine *engine, uint64_t at, size_t *out_count)
{
    const char **keys = memory_array(engine->count + 1, sizeof(char *));
    size_t count = 0;
    for (size_t i = 0; i < engine->count; i++)
        keys[count++] = engine->changes[i].key;
    if (count > 0) qsort(keys, count, sizeof(char *), by_text);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool again = kept > 0 && strcmp(keys[kept - 1], keys[i]) == 0;
        if (!again && find(engine, keys[i], at, engine->count) != NULL) keys[kept++] = keys[i];
    }
    *out_count = kept;
    return keys;
}

/* --- commands ------------------------------------------------------------------------------------ */

static bool holds(const struct memory_engine *engine, const Pb__Compare *compare)
{
    const struct change *found = now(engine, compare->key);
    switch (compare->target_case) {
    case PB__COMPARE__TARGET_VALUE:
        return found != NULL && found->size == compare->value.len &&
               memcmp(found->value, compare->value.data, found->size) == 0;
    case PB__COMPARE__TARGET_REVISION: return compare->revision == (found == NULL ? 0 : found->revision);
    case PB__COMPARE__TARGET_CREATED: return compare->created == (found == NULL ? 0 : found->created);
    default: return (found == NULL) == (bool)compare->absent;
    }
}

struct lease {
    char holder[128];
    uint64_t fence;
    uint64_t revision;
};

static bool lease_read(const struct memory_engine *engine, const char *name, struct lease *out_lease)
{
    char key[256];
    (void)snprintf(key, sizeof key, LEASES "%s", name);
    const struct change *found = now(engine, key);
    if (found == NULL) return false;
    *out_lease = (struct lease){ .fence = found->created, .revision = found->revision };
    return sscanf(found->value, "{\"holder\":\"%127[^\"]", out_lease->holder) == 1;
}

static void lease_write(struct memory_engine *engine, const char *name, const struct lease *lease)
{
    char key[256];
    char value[256];
    (void)snprintf(key, sizeof key, LEASES "%s", name);
    int size = snprintf(value, sizeof value, "{\"holder\":\"%s\",\"fence\":%llu}", lease->holder,
                        (unsigned long long)lease->fence);
    put(engine, key, value, (size_t)size, "");
}

static void lease_end(struct memory_engine *engine, const char *name)
{
    char key[256];
    (void)snprintf(key, sizeof key, LEASES "%s", name);
    (void)delete_key(engine, key);
    size_t count = 0;
    const char **keys = keys_at(engine, UINT64_MAX, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(now(engine, keys[i])->lease, name) == 0) (void)delete_key(engine, keys[i]);
    }
    memory_free(keys);
}

static enum status grant(struct memory_engine *engine, const Pb__OpLeaseGrant *wish,
                         Pb__OperationResult *result, struct error *error)
{
    struct lease lease;
    bool held = lease_read(engine, wish->name, &lease);
    if (held && strcmp(lease.holder, wish->holder) != 0)
        return error_set(error, STATUS_CONFLICT, "lease %s is held by %s", wish->name, lease.holder);
    if (!held) lease = (struct lease){ .fence = engine->revision };
    (void)text_copy(lease.holder, sizeof lease.holder, wish->holder);
    lease_write(engine, wish->name, &lease);
    result->value = lease.fence;
    result->left_ms = wish->ttl_ms;
    return STATUS_OK;
}

static enum status renew(struct memory_engine *engine, const Pb__OpLeaseRenew *wish,
                         Pb__OperationResult *result, struct error *error)
{
    struct lease lease;
    bool held = lease_read(engine, wish->name, &lease) && strcmp(lease.holder, wish->holder) == 0;
    if (!held || lease.fence != wish->fence)
        return error_set(error, STATUS_CONFLICT, "%s does not hold lease %s", wish->holder, wish->name);
    lease_write(engine, wish->name, &lease);
    result->value = lease.fence;
    return STATUS_OK;
}

static enum status revoke(struct memory_engine *engine, const Pb__OpLeaseRevoke *wish, struct error *error)
{
    struct lease lease;
    if (!lease_read(engine, wish->name, &lease))
        return error_set(error, STATUS_NOT_FOUND, "nobody holds lease %s", wish->name);
    if (wish->holder[0] != '\0' && strcmp(wish->holder, lease.holder) != 0)
        return error_set(error, STATUS_CONFLICT, "lease %s is held by %s", wish->name, lease.holder);
    lease_end(engine, wish->name);
    return STATUS_OK;
}

static enum status put_checked(struct memory_engine *engine, const Pb__OpPut *wish, struct error *error)
{
    struct lease lease;
    if (wish->key[0] == '\0') return error_set(error, STATUS_INVALID, "the key is empty");
    if (wish->lease[0] != '\0' && !lease_read(engine, wish->lease, &lease))
        return error_set(error, STATUS_CONFLICT, "nobody holds lease %s", wish->lease);
    put(engine, wish->key, wish->value.data, wish->value.len, wish->lease);
    return STATUS_OK;
}

static uint64_t delete_prefix(struct memory_engine *engine, const char *prefix)
{
    size_t count = 0;
    uint64_t deleted = 0;
    const char **keys = keys_at(engine, UINT64_MAX, &count);
    for (size_t i = 0; i < count; i++)
        deleted += text_starts_with(keys[i], prefix) && delete_key(engine, keys[i]);
    memory_free(keys);
    return deleted;
}

static enum status operate(struct memory_engine *engine, const Pb__Operation *operation,
                           Pb__OperationResult *result, struct error *error)
{
    struct lease lease;
    switch (operation->op_case) {
    case PB__OPERATION__OP_PUT: return put_checked(engine, operation->put, error);
    case PB__OPERATION__OP_DELETE:
        result->value = delete_key(engine, operation->delete_->key);
        return STATUS_OK;
    case PB__OPERATION__OP_DELETE_PREFIX:
        result->value = delete_prefix(engine, operation->delete_prefix->prefix);
        return STATUS_OK;
    case PB__OPERATION__OP_LEASE_GRANT: return grant(engine, operation->lease_grant, result, error);
    case PB__OPERATION__OP_LEASE_RENEW: return renew(engine, operation->lease_renew, result, error);
    case PB__OPERATION__OP_LEASE_REVOKE: return revoke(engine, operation->lease_revoke, error);
    case PB__OPERATION__OP_LEASE_EXPIRE: /* A3: only if no renewal came between. */
        if (lease_read(engine, operation->lease_expire->name, &lease) &&
            lease.revision == operation->lease_expire->revision)
            lease_end(engine, operation->lease_expire->name);
        return STATUS_OK;
    default: return error_set(error, STATUS_INVALID, "an operation of no known kind");
    }
}

static void drop_changes(struct memory_engine *engine, size_t down_to)
{
    while (engine->count > down_to) {
        struct change *change = &engine->changes[--engine->count];
        memory_free(change->key);
        memory_free(change->value);
        memory_free(change->lease);
    }
}

/* All of it, or nothing. */
static enum status execute(struct memory_engine *engine, const Pb__Command *command, struct message *answer,
                           struct error *error)
{
    Pb__ProposeReply *reply = answer->body;
    if (command->leader_term != 0 && command->leader_term != TERM)
        return error_set(error, STATUS_CONFLICT, "this is term %d", TERM);
    bool held = true;
    for (size_t i = 0; i < command->n_compares; i++)
        held = held && holds(engine, command->compares[i]);
    reply->compares_held = held;
    if (!held && command->n_failure == 0) return error_set(error, STATUS_CONFLICT, "a compare does not hold");
    size_t count = held ? command->n_success : command->n_failure;
    Pb__Operation **operations = held ? command->success : command->failure;
    reply->results = arena_array(&answer->arena, count + 1, sizeof(Pb__OperationResult *));
    for (size_t i = 0; i < count; i++) {
        reply->results[i] = arena_alloc(&answer->arena, sizeof(Pb__OperationResult));
        pb__operation_result__init(reply->results[i]);
        enum status status = operate(engine, operations[i], reply->results[i], error);
        if (status != STATUS_OK) return status;
    }
    reply->n_results = count;
    return STATUS_OK;
}

/* --- what goes out ------------------------------------------------------------------------------- */

static Pb__KvRecord *record_of(struct message *message, const struct change *change)
{
    Pb__KvRecord *record = arena_alloc(&message->arena, sizeof *record);
    pb__kv_record__init(record);
    record->key = wire_string(message, change->key);
    record->revision = change->revision;
    if (change->value == NULL) return record;
    record->value.data = arena_memdup(&message->arena, change->value, change->size + 1);
    record->value.len = change->size;
    record->create_revision = change->created;
    record->version = change->version;
    record->term = TERM;
    record->lease = wire_string(message, change->lease);
    return record;
}

static bool is_last_of_revision(const struct memory_engine *engine, size_t at)
{
    for (size_t i = at + 1; i < engine->count && engine->changes[i].revision == engine->changes[at].revision;
         i++) {
        if (strcmp(engine->changes[i].key, engine->changes[at].key) == 0) return false;
    }
    return true;
}

/* All events of one revision, in the order of keys; NULL: none for this watch. */
static struct message *changed(const struct memory_engine *engine, const struct watch *watch,
                               uint64_t revision)
{
    struct message *message = wire_message_create(KIND_STATE_CHANGED);
    Pb__StateChanged *body = message->body;
    body->watch_id = watch->id;
    body->revision = revision;
    body->events = arena_array(&message->arena, engine->count + 1, sizeof(Pb__KvEvent *));
    for (size_t i = 0; i < engine->count; i++) {
        const struct change *change = &engine->changes[i];
        if (change->revision != revision || !is_last_of_revision(engine, i)) continue;
        const struct change *previous = find(engine, change->key, revision - 1, engine->count);
        bool nothing = previous == NULL && change->value == NULL; /* It came and went in one entry. */
        if (nothing || !text_starts_with(change->key, watch->prefix)) continue;
        Pb__KvEvent *event = arena_alloc(&message->arena, sizeof *event);
        pb__kv_event__init(event);
        event->record = record_of(message, change);
        event->deleted = change->value == NULL;
        if (previous != NULL) event->previous = record_of(message, previous);
        size_t at = body->n_events++;
        for (; at > 0 && strcmp(body->events[at - 1]->record->key, change->key) > 0; at--)
            body->events[at] = body->events[at - 1];
        body->events[at] = event;
    }
    if (body->n_events == 0) message_destroy(&message);
    return message;
}

static void catch_up(struct actor *self, const struct memory_engine *engine, struct watch *watch)
{
    for (; watch->next <= engine->revision; watch->next++) {
        struct message *message = changed(engine, watch, watch->next);
        if (message != NULL) actor_tell(self, watch->watcher, &message);
    }
}

static void send_snapshot(struct actor *self, const struct memory_engine *engine, struct watch *watch)
{
    struct message *message = wire_message_create(KIND_STATE_CHANGED);
    Pb__StateChanged *body = message->body;
    body->watch_id = watch->id;
    body->revision = engine->revision;
    body->snapshot = true;
    size_t count = 0;
    const char **keys = keys_at(engine, UINT64_MAX, &count);
    body->events = arena_array(&message->arena, count + 1, sizeof(Pb__KvEvent *));
    for (size_t i = 0; i < count; i++) {
        if (!text_starts_with(keys[i], watch->prefix)) continue;
        Pb__KvEvent *event = arena_alloc(&message->arena, sizeof *event);
        pb__kv_event__init(event);
        event->record = record_of(message, now(engine, keys[i]));
        body->events[body->n_events++] = event;
    }
    memory_free(keys);
    actor_tell(self, watch->watcher, &message);
    watch->next = engine->revision + 1;
}

static bool in_range(const Pb__KvReadRequest *read, const char *key)
{
    if (read->start_after[0] != '\0' && strcmp(key, read->start_after) <= 0) return false;
    if (read->prefix) return text_starts_with(key, read->key);
    if (read->range_end[0] != '\0') return strcmp(key, read->key) >= 0 && strcmp(key, read->range_end) < 0;
    return strcmp(key, read->key) == 0;
}

static void answer_read(struct actor *self, const struct memory_engine *engine, const struct message *request)
{
    const Pb__KvReadRequest *read = request->body;
    struct message *message = wire_message_create(KIND_KV_READ_REPLY);
    Pb__KvReadReply *reply = message->body;
    uint64_t at = read->at == 0 ? engine->revision : read->at;
    uint32_t limit = read->limit == 0 || read->limit > LIMIT ? LIMIT : read->limit;
    size_t count = 0;
    const char **keys = keys_at(engine, at, &count);
    reply->records = arena_array(&message->arena, count + 1, sizeof(Pb__KvRecord *));
    for (size_t i = 0; i < count; i++) {
        if (!in_range(read, keys[i])) continue;
        reply->more = reply->n_records == limit;
        if (reply->more) break;
        reply->records[reply->n_records++] = record_of(message, find(engine, keys[i], at, engine->count));
    }
    memory_free(keys);
    reply->revision = engine->revision;
    reply->stale = read->stale;
    actor_reply(self, request, &message);
}

/* --- actors -------------------------------------------------------------------------------------- */

static void on_proposer(struct actor *self, void *context, const struct message *message)
{
    struct memory_engine *engine = context;
    const Pb__Command *command = ((const Pb__ProposeRequest *)message->body)->command;
    struct message *answer = wire_message_create(KIND_PROPOSE_REPLY);
    Pb__ProposeReply *reply = answer->body;
    struct error error = { 0 };
    size_t before = engine->count;
    engine->revision++;
    enum status status = execute(engine, command, answer, &error);
    if (status != STATUS_OK) {
        drop_changes(engine, before);
        reply->n_results = 0;
    }
    reply->status = (uint32_t)status;
    reply->message = wire_string(answer, error.message);
    reply->revision = engine->revision;
    reply->term = TERM;
    actor_reply(self, message, &answer);
    struct message *sweep = message_create(SWEEP_KIND, 0);
    actor_tell(self, engine->state, &sweep);
}

/* It is always fresh: only what is still to come is waited for. */
static bool is_ready(const struct memory_engine *engine, const struct message *request)
{
    if (request->kind == KIND_READ_BARRIER) {
        const struct read_barrier *barrier = request->body;
        return barrier == NULL || engine->revision >= barrier->after;
    }
    return engine->revision >= ((const Pb__KvReadRequest *)request->body)->after;
}

static void answer_barrier(struct actor *self, const struct memory_engine *engine,
                           const struct message *request)
{
    struct message *reply = message_create(KIND_READ_BARRIER_REPLY, sizeof(struct read_barrier_reply));
    *(struct read_barrier_reply *)reply->body =
        (struct read_barrier_reply){ .revision = engine->revision, .term = TERM };
    actor_reply(self, request, &reply);
}

static void answer_ready(struct actor *self, struct memory_engine *engine, const struct message *request)
{
    if (request->kind == KIND_READ_BARRIER) {
        answer_barrier(self, engine, request);
    } else if (((const Pb__KvReadRequest *)request->body)->at > engine->revision) {
        actor_refuse(self, request, STATUS_INVALID); /* The future. */
    } else {
        answer_read(self, engine, request);
    }
}

static void serve_waiting(struct actor *self, struct memory_engine *engine)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < engine->waiting_count; i++) {
        struct message *request = engine->waiting[i];
        bool ready = is_ready(engine, request);
        if (ready) answer_ready(self, engine, request);
        if (ready || actor_refuse_if_late(self, request)) message_destroy(&request);
        else engine->waiting[left++] = request;
    }
    engine->waiting_count = left;
}

static void add_watch(struct actor *self, struct memory_engine *engine, const struct message *message)
{
    const Pb__StateWatch *wish = message->body;
    CHECK(engine->watch_count < WATCHES_MAX);
    struct watch *watch = &engine->watches[engine->watch_count++];
    *watch = (struct watch){ .watcher = message->sender,
                             .id = wish->watch_id,
                             .prefix = memory_strdup(wish->prefix),
                             .next = wish->from_revision };
    if (watch->next == 0) send_snapshot(self, engine, watch);
}

static void drop_watch(struct memory_engine *engine, struct actor_id watcher, uint64_t id)
{
    for (uint32_t i = 0; i < engine->watch_count; i++) {
        struct watch *watch = &engine->watches[i];
        if (watch->id != id || !actor_id_equal(watch->watcher, watcher)) continue;
        memory_free(watch->prefix);
        *watch = engine->watches[--engine->watch_count];
        return;
    }
}

static void on_state(struct actor *self, void *context, const struct message *message)
{
    struct memory_engine *engine = context;
    switch (message->kind) {
    case KIND_READ_BARRIER:
    case KIND_KV_READ_REQUEST:
        if (is_ready(engine, message)) {
            answer_ready(self, engine, message);
        } else {
            CHECK(engine->waiting_count < WAITING_MAX);
            engine->waiting[engine->waiting_count++] = actor_keep(self);
        }
        break;
    case KIND_STATE_WATCH: add_watch(self, engine, message); break;
    case KIND_STATE_UNWATCH:
        drop_watch(engine, message->sender, ((const Pb__StateUnwatch *)message->body)->watch_id);
        break;
    default: break;
    }
    serve_waiting(self, engine);
    for (uint32_t i = 0; i < engine->watch_count; i++)
        catch_up(self, engine, &engine->watches[i]);
}

static void on_leader(struct actor *self, void *context, const struct message *message)
{
    const struct memory_engine *engine = context;
    if (message->kind != KIND_ROLE_SUBSCRIBE) return;
    struct message *changed_role = message_create(KIND_ROLE_CHANGED, sizeof(struct role_changed));
    struct role_changed *role = changed_role->body;
    *role = (struct role_changed){ .leading = true, .term = TERM, .revision = engine->revision };
    (void)text_copy(role->leader, sizeof role->leader, engine->node);
    actor_tell(self, message->sender, &changed_role);
}

struct memory_engine *memory_engine_create(struct runtime *runtime, const char *node)
{
    struct memory_engine *engine = memory_zalloc(sizeof *engine);
    (void)text_copy(engine->node, sizeof engine->node, node);
    engine->revision = 1; /* Its founding, so to speak: 0 is nobody's revision. */
    (void)stub_spawn(runtime, TO_PROPOSER, on_proposer, engine);
    engine->state = stub_spawn(runtime, TO_STATE, on_state, engine);
    (void)stub_spawn(runtime, TO_LEADER, on_leader, engine);
    return engine;
}

void memory_engine_destroy(struct memory_engine **engine)
{
    struct memory_engine *gone = *engine;
    *engine = NULL;
    drop_changes(gone, 0);
    for (uint32_t i = 0; i < gone->watch_count; i++)
        memory_free(gone->watches[i].prefix);
    for (uint32_t i = 0; i < gone->waiting_count; i++)
        message_destroy(&gone->waiting[i]);
    memory_free(gone->changes);
    memory_free(gone);
}
