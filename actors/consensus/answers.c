/* answers: copies of records, events and results in their protobuf form, in the arena of the reply. */
#include "actors/consensus/answers.h"

#include "actors/consensus/messages.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"

struct answer_terms answers_terms(const struct message *request)
{
    switch (request->kind) {
    case KIND_KV_READ_REQUEST: {
        const Pb__KvReadRequest *read = request->body;
        return (struct answer_terms){ .stale = read->stale, .after = read->after, .at = read->at };
    }
    case KIND_KV_GET_REQUEST: {
        const Pb__KvGetRequest *get = request->body;
        return (struct answer_terms){
            .stale = get->stale,
            .after = get->has_after_case == PB__KV_GET_REQUEST__HAS_AFTER_AFTER ? get->after : 0,
            .at = get->has_at_case == PB__KV_GET_REQUEST__HAS_AT_AT ? get->at : 0,
        };
    }
    case KIND_KV_LIST_REQUEST: {
        const Pb__KvListRequest *list = request->body;
        return (struct answer_terms){
            .stale = list->stale,
            .after = list->has_after_case == PB__KV_LIST_REQUEST__HAS_AFTER_AFTER ? list->after : 0,
            .at = list->has_at_case == PB__KV_LIST_REQUEST__HAS_AT_AT ? list->at : 0,
        };
    }
    case KIND_READ_BARRIER: {
        const struct read_barrier *barrier = request->body;
        if (barrier == NULL) break;
        return (struct answer_terms){ .stale = barrier->stale,
                                      .after = barrier->after,
                                      .patient = barrier->patient };
    }
    default: break;
    }
    return (struct answer_terms){ 0 };
}

Pb__KvRecord *answers_record(struct arena *arena, const struct kv_record *record)
{
    Pb__KvRecord *copy = arena_alloc(arena, sizeof *copy);
    pb__kv_record__init(copy);
    copy->key = arena_strdup(arena, record->key);
    if (record->value_size > 0) copy->value.data = arena_memdup(arena, record->value, record->value_size);
    copy->value.len = record->value_size;
    copy->create_revision = record->create_revision;
    copy->revision = record->revision;
    copy->version = record->version;
    copy->term = record->term;
    copy->lease = arena_strdup(arena, record->lease);
    return copy;
}

Pb__KvEvent *answers_event(struct arena *arena, const struct kv_change *change, uint64_t revision)
{
    Pb__KvEvent *event = arena_alloc(arena, sizeof *event);
    pb__kv_event__init(event);
    if (change->previous != NULL) event->previous = answers_record(arena, change->previous);
    event->deleted = change->record == NULL;
    if (!event->deleted) {
        event->record = answers_record(arena, change->record);
        return event;
    }
    event->record = arena_alloc(arena, sizeof *event->record);
    pb__kv_record__init(event->record);
    event->record->key = arena_strdup(arena, change->key);
    event->record->revision = revision;
    return event;
}

struct message *answers_propose_reply(const Pb__ProposeReply *reply)
{
    struct message *message = wire_message_create(KIND_PROPOSE_REPLY);
    Pb__ProposeReply *copy = message->body;
    copy->status = reply->status;
    copy->message = wire_string(message, reply->message);
    copy->hint = wire_string(message, reply->hint);
    copy->revision = reply->revision;
    copy->term = reply->term;
    copy->compares_held = reply->compares_held;
    if (reply->n_results == 0) return message;
    Pb__OperationResult *results = arena_array(&message->arena, reply->n_results, sizeof *results);
    copy->results = arena_array(&message->arena, reply->n_results, sizeof(Pb__OperationResult *));
    copy->n_results = reply->n_results;
    for (size_t i = 0; i < reply->n_results; i++) {
        pb__operation_result__init(&results[i]);
        results[i].value = reply->results[i]->value;
        results[i].holder = wire_string(message, reply->results[i]->holder);
        results[i].left_ms = reply->results[i]->left_ms;
        copy->results[i] = &results[i];
    }
    return message;
}

/* Records of a scan, in an array that grows in the arena. */
struct gathering {
    struct arena *arena;
    Pb__KvRecord **records;
    size_t count;
    size_t room;
};

static bool gather(void *context, const struct kv_record *record)
{
    struct gathering *gathering = context;
    if (gathering->count == gathering->room) {
        gathering->room = gathering->room == 0 ? 16 : gathering->room * 2;
        Pb__KvRecord **grown = arena_array(gathering->arena, gathering->room, sizeof *grown);
        for (size_t i = 0; i < gathering->count; i++)
            grown[i] = gathering->records[i];
        gathering->records = grown;
    }
    gathering->records[gathering->count++] = answers_record(gathering->arena, record);
    return true;
}

static uint64_t lag_of(const struct answer_view *view)
{
    log_index applied = kv_applied(view->kv).index;
    return view->commit > applied ? view->commit - applied : 0;
}

static enum status reply_read(struct actor *self, const struct answer_view *view,
                              const struct message *request, struct error *error)
{
    const Pb__KvReadRequest *read = request->body;
    struct message *message = wire_message_create(KIND_KV_READ_REPLY);
    Pb__KvReadReply *reply = message->body;
    struct gathering gathering = { .arena = &message->arena };
    struct kv_range range = { .key = read->key,
                              .prefix = read->prefix,
                              .range_end = read->range_end,
                              .start_after = read->start_after,
                              .limit = read->limit,
                              .at = read->at };
    bool more = false;
    enum status status = kv_scan(view->kv, &range, gather, &gathering, &more, error);
    if (status != STATUS_OK) {
        message_destroy(&message);
        return status;
    }
    reply->records = gathering.records;
    reply->n_records = gathering.count;
    reply->revision = kv_applied(view->kv).index;
    reply->more = more;
    reply->stale = read->stale;
    reply->lag = lag_of(view);
    actor_reply(self, request, &message);
    return STATUS_OK;
}

/* A copy of one key's record as of revision `at`, 0: now. *out_record stays NULL where there is none. */
static enum status find_record(const struct answer_view *view, const char *key, uint64_t at,
                               struct arena *arena, Pb__KvRecord **out_record, struct error *error)
{
    if (at == 0) {
        const struct kv_record *record = kv_get(view->kv, key);
        if (record != NULL) *out_record = answers_record(arena, record);
        return STATUS_OK;
    }
    struct gathering gathering = { .arena = arena };
    struct kv_range range = { .key = key, .at = at };
    bool more = false;
    enum status status = kv_scan(view->kv, &range, gather, &gathering, &more, error);
    if (status == STATUS_OK && gathering.count > 0) *out_record = gathering.records[0];
    return status;
}

static enum status reply_get(struct actor *self, const struct answer_view *view,
                             const struct message *request, struct error *error)
{
    const Pb__KvGetRequest *get = request->body;
    if (get->key[0] == '\0') return error_set(error, STATUS_INVALID, "the key is empty");
    struct message *message = wire_message_create(KIND_KV_GET_REPLY);
    Pb__KvGetReply *reply = message->body;
    enum status status =
        find_record(view, get->key, answers_terms(request).at, &message->arena, &reply->record, error);
    if (status == STATUS_OK && reply->record == NULL) {
        status = error_set(error, STATUS_NOT_FOUND, "there is no key %s", get->key);
        error_hint(error, "aether kv list PREFIX shows the keys that there are");
    }
    if (status != STATUS_OK) {
        message_destroy(&message);
        return status;
    }
    reply->stale = get->stale;
    reply->index = kv_applied(view->kv).index;
    reply->lag = lag_of(view);
    actor_reply(self, request, &message);
    return STATUS_OK;
}

static enum status reply_list(struct actor *self, const struct answer_view *view,
                              const struct message *request, struct error *error)
{
    const Pb__KvListRequest *list = request->body;
    struct message *message = wire_message_create(KIND_KV_LIST_REPLY);
    Pb__KvListReply *reply = message->body;
    struct gathering gathering = { .arena = &message->arena };
    struct kv_range range = {
        .key = list->prefix, .prefix = true, .start_after = list->start_after, .at = answers_terms(request).at
    };
    if (list->has_limit_case == PB__KV_LIST_REQUEST__HAS_LIMIT_LIMIT) range.limit = list->limit;
    bool more = false;
    enum status status = kv_scan(view->kv, &range, gather, &gathering, &more, error);
    if (status != STATUS_OK) {
        message_destroy(&message);
        return status;
    }
    reply->records = gathering.records;
    reply->n_records = gathering.count;
    reply->more = more;
    reply->stale = list->stale;
    reply->index = kv_applied(view->kv).index;
    reply->lag = lag_of(view);
    actor_reply(self, request, &message);
    return STATUS_OK;
}

static enum status reply_barrier(struct actor *self, const struct answer_view *view,
                                 const struct message *request)
{
    struct message *message = messages_create(KIND_READ_BARRIER_REPLY, sizeof(struct read_barrier_reply));
    struct read_barrier_reply *reply = message->body;
    reply->revision = kv_applied(view->kv).index;
    reply->term = view->term;
    /* In the same lane as what watchers were told, so that it can't overtake that. */
    message->lane = LANE_USER;
    actor_reply(self, request, &message);
    return STATUS_OK;
}

void answers_reply(struct actor *self, const struct answer_view *view, const struct message *request)
{
    struct error error = { 0 };
    enum status status = STATUS_OK;
    switch (request->kind) {
    case KIND_KV_READ_REQUEST: status = reply_read(self, view, request, &error); break;
    case KIND_KV_GET_REQUEST: status = reply_get(self, view, request, &error); break;
    case KIND_KV_LIST_REQUEST: status = reply_list(self, view, request, &error); break;
    case KIND_READ_BARRIER: status = reply_barrier(self, view, request); break;
    default: status = error_set(&error, STATUS_INVALID, "not a read"); break;
    }
    if (status != STATUS_OK) actor_refuse_error(self, request, &error);
}
