/* kv_sessions: see the header. */
#include "store/memory/kv_sessions.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <string.h>

struct session {
    struct record_session record; /* Points into data. */
    struct record_hash hash;      /* Its part of the sum. */
    char data[];                  /* Client, 0, result. */
};

static struct session *session_create(const struct record_session *record)
{
    size_t client_size = strlen(record->client) + 1;
    struct session *session = memory_alloc(sizeof *session + client_size + record->result_size);
    session->record = *record;
    memcpy(session->data, record->client, client_size);
    if (record->result_size > 0) memcpy(session->data + client_size, record->result, record->result_size);
    session->record.client = session->data;
    session->record.result = (const uint8_t *)session->data + client_size;
    session->hash = record_hash_session(&session->record);
    return session;
}

const struct record_session *kv_sessions_find(const struct kv_sessions *sessions, uint64_t id)
{
    const struct session *session = map_get_number(&sessions->by_id, id);
    return session == NULL ? NULL : &session->record;
}

static void count_out(struct kv_sessions *sessions, struct session **session)
{
    record_hash_subtract(&sessions->hash, &(*session)->hash);
    memory_free(*session);
    *session = NULL;
}

static void mark_dirty(struct kv_sessions *sessions, uint64_t id)
{
    (void)map_put_number(&sessions->dirty, id, sessions);
}

static void tell_before(const struct kv_sessions *sessions, uint64_t id)
{
    if (sessions->before_change == NULL) return;
    sessions->before_change(sessions->context, id, kv_sessions_find(sessions, id));
}

/* Revisions of use are distinct, for an entry uses one session at most: so there is one oldest. */
static void drop_oldest(struct kv_sessions *sessions)
{
    const struct session *oldest = NULL;
    void *value = NULL;
    for (size_t i = 0; map_next_number(&sessions->by_id, &i, NULL, &value);) {
        const struct session *session = value;
        if (oldest == NULL || session->record.used_revision < oldest->record.used_revision) oldest = session;
    }
    CHECK(oldest != NULL);
    (void)kv_sessions_drop(sessions, oldest->record.id);
}

void kv_sessions_put(struct kv_sessions *sessions, const struct record_session *record)
{
    bool is_new = map_get_number(&sessions->by_id, record->id) == NULL;
    if (is_new && sessions->by_id.count >= KV_SESSIONS_MAX) drop_oldest(sessions);
    tell_before(sessions, record->id);
    struct session *session = session_create(record);
    struct session *former = map_put_number(&sessions->by_id, record->id, session);
    if (former != NULL) count_out(sessions, &former);
    record_hash_add(&sessions->hash, &session->hash);
    mark_dirty(sessions, session->record.id);
}

bool kv_sessions_drop(struct kv_sessions *sessions, uint64_t id)
{
    tell_before(sessions, id);
    struct session *session = map_remove_number(&sessions->by_id, id);
    if (session == NULL) return false;
    count_out(sessions, &session);
    mark_dirty(sessions, id);
    return true;
}

struct record_hash kv_sessions_hash_scan(const struct kv_sessions *sessions)
{
    struct record_hash sum = { 0 };
    void *value = NULL;
    for (size_t i = 0; map_next_number(&sessions->by_id, &i, NULL, &value);) {
        const struct session *session = value;
        struct record_hash part = record_hash_session(&session->record);
        record_hash_add(&sum, &part);
    }
    return sum;
}

uint32_t kv_sessions_copy(struct kv_sessions *sessions, struct arena *arena, struct log_copy_record *records)
{
    uint32_t count = 0;
    uint64_t id = 0;
    for (size_t i = 0; map_next_number(&sessions->dirty, &i, &id, NULL);) {
        char key[RECORD_NUMBER_KEY_SIZE];
        record_number_key(key, id);
        struct log_copy_record *copy = &records[count++];
        *copy = (struct log_copy_record){ .space = COPY_SESSION, .key = arena_strdup(arena, key) };
        const struct record_session *session = kv_sessions_find(sessions, id);
        if (session == NULL) continue;
        struct record_blob blob = record_pack_session(session, arena);
        copy->value = blob.data;
        copy->value_size = blob.size;
    }
    kv_sessions_clean(sessions);
    return count;
}

void kv_sessions_clean(struct kv_sessions *sessions)
{
    map_fini(&sessions->dirty);
}

void kv_sessions_fini(struct kv_sessions *sessions)
{
    void *value = NULL;
    for (size_t i = 0; map_next_number(&sessions->by_id, &i, NULL, &value);) {
        memory_free(value);
    }
    map_fini(&sessions->by_id);
    map_fini(&sessions->dirty);
}
