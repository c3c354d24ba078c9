/* lmdb_log: log, hard state, identity and state copy in one transaction a write. After any error of a write
 * the log is dead: a failed sync is never tried again (F1).
 * Order of what becomes durable: guard (when term or vote change, D5), the transaction, `member` (I3). */
#include "store/lmdb/lmdb_log.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "store/lmdb/lmdb_check.h"
#include "store/lmdb/lmdb_entry.h"
#include "store/lmdb/lmdb_guard.h"
#include "store/lmdb/lmdb_member.h"
#include "store/lmdb/lmdb_meta.h"
#include "store/lmdb/lmdb_tables.h"
#include "store/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const size_t map_bytes_default = (size_t)16 * 1024 * 1024 * 1024; /* D6 */

struct lmdb_log {
    struct log log;
    char *directory;
    char *store;
    int lock;
    struct lmdb_guard guard;
    struct lmdb_tables tables;
    struct lmdb_system system; /* As committed last. */
    log_index last;
    uint64_t member; /* What the file says; 0: there is none. */
    bool dead;
};

static struct lmdb_log *lmdb_of(struct log *log)
{
    return CONTAINER_OF(log, struct lmdb_log, log);
}

/* --- one step ------------------------------------------------------------------------------------------- */

struct step { /* What a write has staged. */
    struct lmdb_log *lmdb;
    MDB_txn *txn;
    struct lmdb_system system;
    log_index last;
    struct error *error;
};

static MDB_val index_key(log_index *index)
{
    _Static_assert(sizeof *index == sizeof(size_t), "INTEGERKEY wants size_t");
    return (MDB_val){ sizeof *index, index };
}

static enum status delete_index(struct step *step, enum lmdb_table table, log_index index)
{
    MDB_val key = index_key(&index);
    int code = mdb_del(step->txn, step->lmdb->tables.table[table], &key, NULL);
    if (code == 0 || code == MDB_NOTFOUND) return STATUS_OK; /* Few indices are in `conf`. */
    return lmdb_tables_error(step->error, code, "truncate the log");
}

static enum status truncate_log(struct step *step, log_index from)
{
    CHECK(from > step->system.applied.index); /* R3: applied is committed. */
    CHECK(from > step->system.base.index);
    enum status status = STATUS_OK;
    while (step->last >= from && status == STATUS_OK) {
        status = delete_index(step, TABLE_LOG, step->last);
        if (status == STATUS_OK) status = delete_index(step, TABLE_CONFIGURATION, step->last);
        step->last--;
    }
    return status;
}

static enum status put_entry(struct step *step, enum lmdb_table table, const struct raft_entry *entry)
{
    log_index index = entry->index;
    MDB_val key = index_key(&index);
    MDB_val value = { lmdb_entry_size(entry), NULL };
    MDB_dbi dbi = step->lmdb->tables.table[table];
    int code = mdb_put(step->txn, dbi, &key, &value, MDB_APPEND | MDB_RESERVE);
    if (code != 0) return lmdb_tables_error(step->error, code, "append to the log");
    lmdb_entry_pack(entry, value.mv_data);
    return STATUS_OK;
}

static enum status append(struct step *step, const struct raft_entry *entry)
{
    CHECK(entry->index == step->last + 1);
    enum status status = put_entry(step, TABLE_LOG, entry);
    if (status == STATUS_OK && entry->type == ENTRY_CONFIGURATION) {
        status = put_entry(step, TABLE_CONFIGURATION, entry);
    }
    step->last = entry->index;
    return status;
}

static enum status put_copy_record(struct step *step, const struct log_copy_record *record)
{
    MDB_dbi dbi = step->lmdb->tables.table[record->space];
    MDB_val key = { strlen(record->key), (void *)record->key };
    MDB_val value = { record->value_size, (void *)record->value };
    int code = 0;
    if (record->value != NULL) code = mdb_put(step->txn, dbi, &key, &value, 0);
    else code = mdb_del(step->txn, dbi, &key, NULL);
    bool good = code == 0 || (record->value == NULL && code == MDB_NOTFOUND);
    return good ? STATUS_OK : lmdb_tables_error(step->error, code, "write the state copy");
}

/* Deletes history below the first revision that is kept: the keys sort as their numbers. */
static enum status trim_history(struct step *step, uint64_t first)
{
    char limit[RECORD_NUMBER_KEY_SIZE];
    MDB_cursor *cursor = NULL;
    MDB_val key;
    record_number_key(limit, first);
    int code = mdb_cursor_open(step->txn, step->lmdb->tables.table[TABLE_HISTORY], &cursor);
    if (code != 0) return lmdb_tables_error(step->error, code, "trim the history");
    code = mdb_cursor_get(cursor, &key, NULL, MDB_FIRST);
    while (code == 0 && key.mv_size == sizeof limit - 1 && memcmp(key.mv_data, limit, key.mv_size) < 0) {
        code = mdb_cursor_del(cursor, 0);
        if (code == 0) code = mdb_cursor_get(cursor, &key, NULL, MDB_FIRST);
    }
    mdb_cursor_close(cursor);
    return code == 0 || code == MDB_NOTFOUND ? STATUS_OK
                                             : lmdb_tables_error(step->error, code, "trim the history");
}

static enum status write_copy(struct step *step, const struct log_batch *batch)
{
    if (batch->copy_from != step->system.applied.index) return STATUS_OK; /* N6 */
    CHECK(batch->copy_to.index <= step->last);                            /* Applied is durable. */
    for (uint32_t i = 0; i < batch->copy_count; i++) {
        enum status status = put_copy_record(step, &batch->copy[i]);
        if (status != STATUS_OK) return status;
    }
    step->system.applied = batch->copy_to; /* D3: in the same transaction. */
    step->system.history_first = batch->copy_history_first;
    memcpy(step->system.state_hash, batch->state_hash, sizeof step->system.state_hash);
    return trim_history(step, batch->copy_history_first);
}

static enum status write_batch(struct step *step, const struct log_batch *batch)
{
    enum status status = STATUS_OK;
    if (batch->hard != NULL) step->system.hard = *batch->hard;
    if (batch->truncate_from != 0) status = truncate_log(step, batch->truncate_from);
    for (uint32_t i = 0; i < batch->entry_count && status == STATUS_OK; i++) {
        status = append(step, &batch->entries[i]);
    }
    if (batch->cluster_id != 0) step->system.identity.cluster_id = batch->cluster_id;
    if (status == STATUS_OK && batch->has_copy) status = write_copy(step, batch);
    return status;
}

static enum status write_transaction(struct step *step, const struct log_batch *batches, uint32_t count)
{
    struct lmdb_tables *tables = &step->lmdb->tables;
    enum status status = lmdb_tables_begin(tables, true, &step->txn, step->error);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        status = write_batch(step, &batches[i]);
    }
    if (status == STATUS_OK) {
        status = lmdb_tables_put_hard(tables, step->txn, &step->system.hard, step->error);
    }
    if (status == STATUS_OK) status = lmdb_tables_put_system(tables, step->txn, &step->system, step->error);
    if (status == STATUS_OK) status = lmdb_tables_commit(&step->txn, step->error);
    lmdb_tables_abort(&step->txn);
    return status;
}

static bool hard_equal(const struct hard_state *a, const struct hard_state *b)
{
    return a->term == b->term && a->vote == b->vote;
}

/* D5. The last change counts: nothing leaves between the batches of one write. */
static enum status write_guard(struct lmdb_log *lmdb, const struct log_batch *batches, uint32_t count,
                               struct error *error)
{
    struct lmdb_guard_state state = { lmdb->system.identity, lmdb->guard.state.hard };
    for (uint32_t i = 0; i < count; i++) {
        if (batches[i].hard != NULL) state.hard = *batches[i].hard;
        if (batches[i].cluster_id != 0) state.identity.cluster_id = batches[i].cluster_id;
    }
    if (hard_equal(&state.hard, &lmdb->guard.state.hard)) return STATUS_OK;
    return lmdb_guard_write(&lmdb->guard, &state, error);
}

/* I3: as soon as the first entry is durable, and before anything else leaves. */
static enum status write_member(struct lmdb_log *lmdb, struct error *error)
{
    uint64_t cluster_id = lmdb->system.identity.cluster_id;
    if (lmdb->last == 0 || cluster_id == 0 || lmdb->member == cluster_id) return STATUS_OK;
    enum status status = lmdb_member_write(lmdb->directory, cluster_id, error);
    if (status == STATUS_OK) lmdb->member = cluster_id;
    return status;
}

static enum status write_all(struct lmdb_log *lmdb, const struct log_batch *batches, uint32_t count,
                             struct error *error)
{
    struct step step = { .lmdb = lmdb, .system = lmdb->system, .last = lmdb->last, .error = error };
    enum status status = write_guard(lmdb, batches, count, error);
    if (status == STATUS_OK) status = write_transaction(&step, batches, count);
    if (status != STATUS_OK) return status;
    lmdb->system = step.system;
    lmdb->last = step.last;
    return write_member(lmdb, error);
}

static bool asks_for_more(const struct log_batch *batch)
{
    return batch->install != NULL || batch->chunk != NULL || batch->clear_inactive ||
           batch->compact_to != 0 || batch->copy_damaged || batch->doubt != NULL;
}

static enum status lmdb_write(struct log *log, const struct log_batch *batches, uint32_t count,
                              struct error *error)
{
    struct lmdb_log *lmdb = lmdb_of(log);
    if (lmdb->dead) return error_set(error, STATUS_IO, "the store has failed before");
    for (uint32_t i = 0; i < count; i++) {
        if (asks_for_more(&batches[i])) return error_set(error, STATUS_INVALID, "not built yet");
    }
    enum status status = write_all(lmdb, batches, count, error);
    lmdb->dead = status != STATUS_OK;
    return status;
}

/* --- reading -------------------------------------------------------------------------------------------- */

struct emission {
    void (*emit)(void *context, const struct raft_entry *entry);
    void *context;
};

static enum status emit_entry(const struct emission *emission, log_index index, const MDB_val *value,
                              size_t *bytes, struct error *error)
{
    struct lmdb_entry_view view;
    enum status status = lmdb_entry_unpack(index, value->mv_data, value->mv_size, &view, error);
    if (status != STATUS_OK) return status;
    if (view.payload_size > 0) view.entry.payload = bytes_copy(view.payload, view.payload_size);
    emission->emit(emission->context, &view.entry);
    bytes_unref(&view.entry.payload);
    *bytes += view.payload_size;
    return STATUS_OK;
}

static enum status read_range(MDB_cursor *cursor, log_index from, log_index to, size_t max_bytes,
                              const struct emission *emission, struct error *error)
{
    log_index index = from;
    MDB_val key = index_key(&index);
    MDB_val value;
    size_t bytes = 0;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY);
    if (code == MDB_NOTFOUND) {
        return error_set(error, STATUS_NOT_FOUND, "the log holds no entry %llu", (unsigned long long)from);
    }
    for (log_index at = from; code == 0 && at <= to; at++) {
        enum status status = emit_entry(emission, at, &value, &bytes, error);
        if (status != STATUS_OK) return status;
        if (bytes >= max_bytes) return STATUS_OK;
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT); /* Contiguous: the start checked it. */
    }
    return code == 0 || code == MDB_NOTFOUND ? STATUS_OK : lmdb_tables_error(error, code, "read the log");
}

static enum status lmdb_read(struct log *log, log_index from, log_index to, size_t max_bytes,
                             void (*emit)(void *context, const struct raft_entry *entry), void *context,
                             struct error *error)
{
    struct lmdb_log *lmdb = lmdb_of(log);
    struct emission emission = { emit, context };
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    enum status status = lmdb_tables_begin(&lmdb->tables, false, &txn, error);
    if (status != STATUS_OK) return status;
    int code = mdb_cursor_open(txn, lmdb->tables.table[TABLE_LOG], &cursor);
    if (code == 0) status = read_range(cursor, from, to, max_bytes, &emission, error);
    else status = lmdb_tables_error(error, code, "read the log");
    if (cursor != NULL) mdb_cursor_close(cursor);
    lmdb_tables_abort(&txn);
    return status;
}

static enum status read_configurations(MDB_cursor *cursor, const struct emission *emission,
                                       struct error *error)
{
    MDB_val key;
    MDB_val value;
    size_t bytes = 0;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    for (; code == 0; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        log_index index = 0;
        if (key.mv_size == sizeof index) memcpy(&index, key.mv_data, sizeof index);
        enum status status = emit_entry(emission, index, &value, &bytes, error);
        if (status != STATUS_OK) return status;
    }
    return code == MDB_NOTFOUND ? STATUS_OK : lmdb_tables_error(error, code, "read conf");
}

static enum status lmdb_read_configurations(struct log *log,
                                            void (*emit)(void *context, const struct raft_entry *entry),
                                            void *context, struct error *error)
{
    struct lmdb_log *lmdb = lmdb_of(log);
    struct emission emission = { emit, context };
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    enum status status = lmdb_tables_begin(&lmdb->tables, false, &txn, error);
    if (status != STATUS_OK) return status;
    int code = mdb_cursor_open(txn, lmdb->tables.table[TABLE_CONFIGURATION], &cursor);
    if (code == 0) status = read_configurations(cursor, &emission, error);
    else status = lmdb_tables_error(error, code, "read conf");
    if (cursor != NULL) mdb_cursor_close(cursor);
    lmdb_tables_abort(&txn);
    return status;
}

struct copy_reading {
    struct log_copy_cursor *at;
    size_t max_bytes;
    size_t bytes;
    log_emit_copy *emit;
    void *context;
};

/* LMDB's keys have no terminating 0. */
static enum status emit_record(struct copy_reading *reading, const MDB_val *key, const MDB_val *value,
                               struct error *error)
{
    struct log_copy_cursor *at = reading->at;
    if (key->mv_size >= sizeof at->key) {
        return error_set(error, STATUS_CORRUPT, "a key of the copy is too long");
    }
    memcpy(at->key, key->mv_data, key->mv_size);
    at->key[key->mv_size] = '\0';
    reading->bytes += key->mv_size + value->mv_size;
    struct log_copy_record record = { at->space, at->key, value->mv_data, value->mv_size };
    return reading->emit(reading->context, &record, error);
}

/* To the first record after the key that was seen last. */
static int seek(MDB_cursor *cursor, const struct log_copy_cursor *at, MDB_val *out_key, MDB_val *out_value)
{
    if (at->key[0] == '\0') return mdb_cursor_get(cursor, out_key, out_value, MDB_FIRST);
    size_t size = strlen(at->key);
    *out_key = (MDB_val){ size, (void *)at->key };
    int code = mdb_cursor_get(cursor, out_key, out_value, MDB_SET_RANGE);
    bool same = code == 0 && out_key->mv_size == size && memcmp(out_key->mv_data, at->key, size) == 0;
    return same ? mdb_cursor_get(cursor, out_key, out_value, MDB_NEXT) : code;
}

static enum status read_space(struct lmdb_log *lmdb, MDB_txn *txn, struct copy_reading *reading,
                              struct error *error)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    enum status status = STATUS_OK;
    int code = mdb_cursor_open(txn, lmdb->tables.table[reading->at->space], &cursor);
    if (code != 0) return lmdb_tables_error(error, code, "read the state copy");
    code = seek(cursor, reading->at, &key, &value);
    while (code == 0 && status == STATUS_OK && reading->bytes < reading->max_bytes) {
        status = emit_record(reading, &key, &value, error);
        if (status == STATUS_OK) code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (status != STATUS_OK || code == 0) return status;
    if (code != MDB_NOTFOUND) return lmdb_tables_error(error, code, "read the state copy");
    reading->at->key[0] = '\0';
    reading->at->space++;
    return STATUS_OK;
}

static enum status lmdb_read_copy(struct log *log, uint32_t generation, struct log_copy_cursor *cursor,
                                  size_t max_bytes, log_emit_copy *emit, void *context, struct error *error)
{
    struct lmdb_log *lmdb = lmdb_of(log);
    struct copy_reading reading = { cursor, max_bytes, 0, emit, context };
    MDB_txn *txn = NULL;
    CHECK(generation == 0);
    enum status status = lmdb_tables_begin(&lmdb->tables, false, &txn, error);
    while (status == STATUS_OK && cursor->space < COPY_SPACE_COUNT && reading.bytes < max_bytes) {
        status = read_space(lmdb, txn, &reading, error);
    }
    cursor->done = cursor->space == COPY_SPACE_COUNT;
    lmdb_tables_abort(&txn);
    return status;
}

static void lmdb_space(struct log *log, struct log_space *out_space)
{
    (void)log;
    *out_space = (struct log_space){ .disk_free = UINT64_MAX, .map_free = UINT64_MAX };
}

static void lmdb_close(struct log *log)
{
    struct lmdb_log *lmdb = lmdb_of(log);
    lmdb_tables_close(&lmdb->tables);
    lmdb_guard_close(&lmdb->guard);
    if (lmdb->lock >= 0) (void)close(lmdb->lock); /* And the lock with it. */
    memory_free(lmdb->directory);
    memory_free(lmdb->store);
    memory_free(lmdb);
}

static const struct log_ops lmdb_ops = {
    .write = lmdb_write,
    .read = lmdb_read,
    .read_configurations = lmdb_read_configurations,
    .read_copy = lmdb_read_copy,
    .space = lmdb_space,
    .close = lmdb_close,
};

/* --- opening -------------------------------------------------------------------------------------------- */

static char *join(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = memory_alloc(size);
    (void)snprintf(path, size, "%s/%s", directory, name);
    return path;
}

static enum status make_directory(const char *path, struct error *error)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return STATUS_OK;
    return error_set(error, STATUS_IO, "make %s: %s", path, strerror(errno));
}

static enum status lock_directory(struct lmdb_log *lmdb, struct error *error)
{
    lmdb->lock = open(lmdb->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lmdb->lock < 0) return error_set(error, STATUS_IO, "open %s: %s", lmdb->store, strerror(errno));
    if (flock(lmdb->lock, LOCK_EX | LOCK_NB) == 0) return STATUS_OK;
    if (errno != EWOULDBLOCK) return error_set(error, STATUS_IO, "lock %s: %s", lmdb->store, strerror(errno));
    (void)error_set(error, STATUS_CONFLICT, "%s is in use by another process", lmdb->store);
    error_hint(error, "stop the node that runs on it, or give this one a node.data of its own");
    return STATUS_CONFLICT;
}

static enum status open_guard(struct lmdb_log *lmdb, struct error *error)
{
    char *file = join(lmdb->store, "guard");
    enum status status = lmdb_guard_open(&lmdb->guard, file, error);
    memory_free(file);
    return status;
}

static enum status check_meta(const struct lmdb_log *lmdb, struct error *error)
{
    char *file = join(lmdb->store, "data.mdb");
    enum status status = lmdb_meta_check(file, error);
    memory_free(file);
    return status;
}

/* I1: a replica id for an empty directory; the guard has it before `sys` does. A node that was a member once
 * may only join that cluster (I3). */
static enum status found_store(struct lmdb_log *lmdb, const struct random *random, struct error *error)
{
    struct lmdb_guard_state state = { .identity = { .cluster_id = lmdb->member } };
    while (state.identity.replica_id == 0) {
        state.identity.replica_id = random_u64(random);
    }
    enum status status = lmdb_guard_write(&lmdb->guard, &state, error);
    MDB_txn *txn = NULL;
    lmdb->system = (struct lmdb_system){ .identity = state.identity, .history_first = 1 };
    if (status == STATUS_OK) status = lmdb_tables_begin(&lmdb->tables, true, &txn, error);
    if (status == STATUS_OK) status = lmdb_tables_use(&lmdb->tables, txn, true, error);
    if (status == STATUS_OK) status = lmdb_tables_put_hard(&lmdb->tables, txn, &lmdb->system.hard, error);
    if (status == STATUS_OK) status = lmdb_tables_put_system(&lmdb->tables, txn, &lmdb->system, error);
    if (status == STATUS_OK) status = lmdb_tables_commit(&txn, error);
    lmdb_tables_abort(&txn);
    if (status == STATUS_OK) status = lmdb_member_sync_directory(lmdb->store, error);
    if (status == STATUS_OK) status = lmdb_member_sync_directory(lmdb->directory, error);
    return status;
}

static enum status check_member(const struct lmdb_log *lmdb, struct error *error)
{
    uint64_t ours = lmdb->system.identity.cluster_id;
    if (lmdb->member == 0 || ours == 0 || lmdb->member == ours) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "%s belongs to cluster %016llx, but its store to %016llx",
                     lmdb->directory, (unsigned long long)lmdb->member, (unsigned long long)ours);
}

static enum status load_store(struct lmdb_log *lmdb, struct lmdb_check_log *out_log, struct error *error)
{
    MDB_txn *txn = NULL;
    enum status status = lmdb_tables_begin(&lmdb->tables, false, &txn, error);
    if (status == STATUS_OK) status = lmdb_tables_use(&lmdb->tables, txn, false, error);
    if (status == STATUS_OK) status = lmdb_tables_get_system(&lmdb->tables, txn, &lmdb->system, error);
    if (status == STATUS_OK) status = check_member(lmdb, error);
    if (status == STATUS_OK) {
        status = lmdb_check_guard(&lmdb->guard, &lmdb->system, &lmdb->system.hard, error);
    }
    if (status == STATUS_OK) status = lmdb_check_log(&lmdb->tables, txn, &lmdb->system, out_log, error);
    if (status == STATUS_OK) status = lmdb_tables_commit(&txn, error); /* Keeps the table handles. */
    lmdb_tables_abort(&txn);
    return status;
}

static void fill_boot(struct lmdb_log *lmdb, const struct lmdb_check_log *checked)
{
    const struct lmdb_system *system = &lmdb->system;
    lmdb->last = checked->last.index;
    lmdb->log.boot = (struct log_boot){ .identity = system->identity,
                                        .hard = system->hard,
                                        .last = checked->last,
                                        .applied = system->applied,
                                        .committed = system->applied.index,
                                        .history_first = system->history_first,
                                        .configuration_index = checked->configuration_index };
    memcpy(lmdb->log.boot.state_hash, system->state_hash, sizeof system->state_hash);
    if (lmdb->log.boot.identity.cluster_id == 0) lmdb->log.boot.identity.cluster_id = lmdb->member;
}

static enum status open_store(struct lmdb_log *lmdb, const struct lmdb_log_options *options,
                              struct error *error)
{
    bool fresh = false;
    struct lmdb_check_log checked = { 0 };
    size_t map_bytes = options->map_bytes == 0 ? map_bytes_default : options->map_bytes;
    enum status status = make_directory(lmdb->directory, error);
    if (status == STATUS_OK) status = make_directory(lmdb->store, error);
    if (status == STATUS_OK) status = lock_directory(lmdb, error);
    if (status == STATUS_OK) status = lmdb_member_read(lmdb->directory, &lmdb->member, error);
    if (status == STATUS_OK) status = open_guard(lmdb, error);
    if (status == STATUS_OK) status = check_meta(lmdb, error);
    if (status == STATUS_OK) status = lmdb_tables_open(&lmdb->tables, lmdb->store, map_bytes, &fresh, error);
    if (status != STATUS_OK) return status;
    if (fresh) status = found_store(lmdb, options->random, error);
    else status = load_store(lmdb, &checked, error);
    if (status != STATUS_OK) return status;
    fill_boot(lmdb, &checked);
    return write_member(lmdb, error); /* "Written again by a start that finds entries without it." */
}

enum status lmdb_log_open(const struct lmdb_log_options *options, struct log **out_log, struct error *error)
{
    struct lmdb_log *lmdb = memory_zalloc(sizeof *lmdb);
    lmdb->directory = memory_strdup(options->directory);
    lmdb->store = join(options->directory, "store");
    lmdb->lock = -1;
    lmdb->guard.fd = -1;
    lmdb->log.ops = &lmdb_ops;
    enum status status = open_store(lmdb, options, error);
    if (status != STATUS_OK) {
        lmdb_close(&lmdb->log);
        (void)error_wrap(error, "open the store in %s", options->directory);
        return status;
    }
    *out_log = &lmdb->log;
    return STATUS_OK;
}
