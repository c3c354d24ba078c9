/* kv_snapshot: the side tables hold references to immutable versions of records, so saving one copies
 * nothing; sessions are saved packed. */
#include "store/memory/kv_snapshot.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/planted.h"
#include "store/memory/kv_state.h"

#include <stdlib.h>
#include <string.h>

/* What stood under a key, or a session's id, when the walk began. */
struct saved {
    struct kv_item *item;  /* A reference; or */
    struct bytes *session; /* a packed session; both NULL: there was nothing. */
};

struct kv_snapshot {
    struct kv *kv;
    struct log_position position;
    uint8_t hash[16];
    struct tree side[COPY_HISTORY]; /* By space: key -> struct saved. */
    size_t side_bytes;
    size_t side_bytes_max;
    enum log_copy_space space;   /* Where the cursor is; COPY_HISTORY: at the end. */
    char cursor[KV_KEY_MAX + 1]; /* The last key that was given out; "": none of this space yet. */
    char **sessions;             /* Keys of all sessions as of the beginning, in order. */
    uint32_t session_count;
    uint32_t session_next;
};

/* --- begin and end --- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sessions lie in no order: their keys are put into one now, at most KV_SESSIONS_MAX of them. */
static void list_sessions(struct kv_snapshot *snapshot)
{
    const struct map *by_id = &snapshot->kv->sessions.by_id;
    uint64_t id = 0;
    snapshot->sessions = memory_array(by_id->count, sizeof *snapshot->sessions);
    for (size_t i = 0; map_next_number(by_id, &i, &id, NULL);) {
        char key[RECORD_NUMBER_KEY_SIZE];
        record_number_key(key, id);
        snapshot->sessions[snapshot->session_count++] = memory_strdup(key);
    }
    if (PLANTED("kv.sessions_left_out_of_snapshots")) snapshot->session_next = snapshot->session_count;
    if (snapshot->session_count == 0) return;
    qsort(snapshot->sessions, snapshot->session_count, sizeof *snapshot->sessions, compare_keys);
}

struct kv_snapshot *kv_snapshot_begin(struct kv *kv, size_t side_bytes_max)
{
    uint32_t place = 0;
    while (place < KV_SNAPSHOTS_MAX && kv->snapshots[place] != NULL)
        place++;
    if (place == KV_SNAPSHOTS_MAX) return NULL;
    struct kv_snapshot *snapshot = memory_zalloc(sizeof *snapshot);
    snapshot->kv = kv;
    snapshot->position = kv->applied;
    snapshot->side_bytes_max = side_bytes_max == 0 ? KV_SNAPSHOT_SIDE_BYTES : side_bytes_max;
    kv_state_hash(kv, snapshot->hash);
    list_sessions(snapshot);
    kv->snapshots[place] = snapshot;
    return snapshot;
}

static void free_side(struct tree *side)
{
    const char *key = "";
    void *value = NULL;
    for (bool more = tree_at_or_after(side, key, &key, &value); more;
         more = tree_after(side, key, &key, &value)) {
        struct saved *saved = value;
        kv_item_unref(&saved->item);
        bytes_unref(&saved->session);
        memory_free(saved);
    }
    tree_fini(side);
}

void kv_snapshot_end(struct kv_snapshot **snapshot)
{
    struct kv_snapshot *taken = *snapshot;
    *snapshot = NULL;
    if (taken == NULL) return;
    for (uint32_t i = 0; i < KV_SNAPSHOTS_MAX; i++) {
        if (taken->kv->snapshots[i] == taken) taken->kv->snapshots[i] = NULL;
    }
    free_side(&taken->side[COPY_RECORD]);
    free_side(&taken->side[COPY_SESSION]);
    for (uint32_t i = 0; i < taken->session_count; i++)
        memory_free(taken->sessions[i]);
    memory_free(taken->sessions);
    memory_free(taken);
}

struct log_position kv_snapshot_position(const struct kv_snapshot *snapshot)
{
    return snapshot->position;
}

void kv_snapshot_hash(const struct kv_snapshot *snapshot, uint8_t out_hash[16])
{
    memcpy(out_hash, snapshot->hash, sizeof snapshot->hash);
}

/* --- changes ahead of the cursor --- */

static bool is_ahead(const struct kv_snapshot *snapshot, enum log_copy_space space, const char *key)
{
    if (snapshot->space != space) return snapshot->space < space;
    return strcmp(key, snapshot->cursor) > 0;
}

static bool overflowed(const struct kv_snapshot *snapshot)
{
    return snapshot->side_bytes > snapshot->side_bytes_max;
}

/* NULL: not needed, for it is behind, or saved already. */
static struct saved *save(struct kv_snapshot *snapshot, enum log_copy_space space, const char *key,
                          size_t bytes)
{
    if (overflowed(snapshot) || !is_ahead(snapshot, space, key)) return NULL;
    if (tree_get(&snapshot->side[space], key) != NULL) return NULL;
    struct saved *saved = memory_zalloc(sizeof *saved);
    (void)tree_put(&snapshot->side[space], key, saved);
    snapshot->side_bytes += bytes + strlen(key) + sizeof *saved;
    return saved;
}

void kv_snapshot_before_record(struct kv *kv, const char *key, struct kv_item *former)
{
    for (uint32_t i = 0; i < KV_SNAPSHOTS_MAX; i++) {
        if (kv->snapshots[i] == NULL) continue;
        struct saved *saved = save(kv->snapshots[i], COPY_RECORD, key, kv_item_bytes(former));
        if (saved != NULL) saved->item = kv_item_ref(former);
    }
}

void kv_snapshot_before_session(void *context, uint64_t id, const struct record_session *former)
{
    struct kv *kv = context;
    char key[RECORD_NUMBER_KEY_SIZE];
    record_number_key(key, id);
    for (uint32_t i = 0; i < KV_SNAPSHOTS_MAX; i++) {
        if (kv->snapshots[i] == NULL) continue;
        struct saved *saved =
            save(kv->snapshots[i], COPY_SESSION, key, former == NULL ? 0 : former->result_size);
        if (saved == NULL || former == NULL) continue;
        struct arena scratch = { 0 };
        struct record_blob blob = record_pack_session(former, &scratch);
        saved->session = bytes_copy(blob.data, blob.size);
        arena_fini(&scratch);
    }
}

/* --- the walk --- */

static void add(struct snapshot_chunk *chunk, enum log_copy_space space, const char *key, const void *value,
                size_t size)
{
    snapshot_chunk_add(
        chunk, &(struct log_copy_record){ .space = space, .key = key, .value = value, .value_size = size });
}

static void add_item(struct snapshot_chunk *chunk, const struct kv_item *item)
{
    struct arena scratch = { 0 };
    struct record_blob blob = record_pack(&item->record, &scratch);
    add(chunk, COPY_RECORD, item->record.key, blob.data, blob.size);
    arena_fini(&scratch);
}

/* What the tree and the side table hold behind `after`, merged: for a key in both the side table is right.
 * *out_item NULL: there was nothing under this key. The key stays where it is found until the next change. */
static bool next_record(const struct kv_snapshot *snapshot, const char **out_key, struct kv_item **out_item)
{
    const char *live_key = NULL;
    const char *side_key = NULL;
    void *live = NULL;
    void *side = NULL;
    bool has_live = tree_after(&snapshot->kv->records, snapshot->cursor, &live_key, &live);
    bool has_side = tree_after(&snapshot->side[COPY_RECORD], snapshot->cursor, &side_key, &side);
    if (!has_live && !has_side) return false;
    bool takes_side = has_side && (!has_live || strcmp(side_key, live_key) <= 0);
    *out_key = takes_side ? side_key : live_key;
    *out_item = takes_side ? ((const struct saved *)side)->item : live;
    return true;
}

static void fill_records(struct kv_snapshot *snapshot, struct snapshot_chunk *chunk)
{
    const char *key = NULL;
    struct kv_item *item = NULL;
    for (uint32_t count = 0; count < KV_SNAPSHOT_FILL_KEYS && !snapshot_chunk_is_full(chunk); count++) {
        if (!next_record(snapshot, &key, &item)) {
            snapshot->space = COPY_SESSION;
            snapshot->cursor[0] = '\0';
            return;
        }
        if (item != NULL) add_item(chunk, item);
        memcpy(snapshot->cursor, key, strlen(key) + 1);
    }
}

static void add_session(struct kv_snapshot *snapshot, struct snapshot_chunk *chunk, const char *key)
{
    const struct saved *saved = tree_get(&snapshot->side[COPY_SESSION], key);
    if (saved != NULL) {
        CHECK(saved->session != NULL); /* It was there when the walk began. */
        add(chunk, COPY_SESSION, key, saved->session->data, saved->session->size);
        return;
    }
    uint64_t id = 0;
    bool is_number = record_number_of_key(key, &id);
    CHECK(is_number);
    const struct record_session *session = kv_sessions_find(&snapshot->kv->sessions, id);
    CHECK(session != NULL);
    struct arena scratch = { 0 };
    struct record_blob blob = record_pack_session(session, &scratch);
    add(chunk, COPY_SESSION, key, blob.data, blob.size);
    arena_fini(&scratch);
}

static void fill_sessions(struct kv_snapshot *snapshot, struct snapshot_chunk *chunk)
{
    for (uint32_t count = 0; count < KV_SNAPSHOT_FILL_KEYS && !snapshot_chunk_is_full(chunk); count++) {
        if (snapshot->session_next == snapshot->session_count) {
            snapshot->space = COPY_HISTORY;
            return;
        }
        const char *key = snapshot->sessions[snapshot->session_next++];
        add_session(snapshot, chunk, key);
        memcpy(snapshot->cursor, key, strlen(key) + 1);
    }
}

enum status kv_snapshot_fill(struct kv_snapshot *snapshot, struct snapshot_chunk *chunk)
{
    if (overflowed(snapshot)) return STATUS_OVERLOADED;
    if (snapshot->space == COPY_RECORD) fill_records(snapshot, chunk);
    else if (snapshot->space == COPY_SESSION) fill_sessions(snapshot, chunk);
    return STATUS_OK;
}

bool kv_snapshot_is_done(const struct kv_snapshot *snapshot)
{
    return snapshot->space == COPY_HISTORY;
}
