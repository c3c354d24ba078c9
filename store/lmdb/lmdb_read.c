/* lmdb_read: see the header. */
#include "store/lmdb/lmdb_read.h"

#include "store/lmdb/lmdb_entry.h"

#include <string.h>

static MDB_val index_key(log_index *index)
{
    _Static_assert(sizeof *index == sizeof(size_t), "INTEGERKEY wants size_t");
    return (MDB_val){ sizeof *index, index };
}

/* --- entries -------------------------------------------------------------------------------------------- */

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
                              const struct emission *emission, size_t *bytes, struct error *error)
{
    log_index index = from;
    MDB_val key = index_key(&index);
    MDB_val value;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY);
    if (code == MDB_NOTFOUND) {
        return error_set(error, STATUS_NOT_FOUND, "the log holds no entry %llu", (unsigned long long)from);
    }
    for (log_index at = from; code == 0 && at <= to; at++) {
        enum status status = emit_entry(emission, at, &value, bytes, error);
        if (status != STATUS_OK) return status;
        if (*bytes >= max_bytes) return STATUS_OK;
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT); /* Contiguous: the start checked it. */
    }
    return code == 0 || code == MDB_NOTFOUND ? STATUS_OK : lmdb_tables_error(error, code, "read the log");
}

/* NOT_FOUND: they begin later, or end before; also when `to` says that they hold nothing of it. */
static enum status read_tables(struct lmdb_log *lmdb, log_index from, log_index to, size_t max_bytes,
                               const struct emission *emission, size_t *bytes, struct error *error)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    if (from > to) {
        return error_set(error, STATUS_NOT_FOUND, "the log holds no entry %llu", (unsigned long long)from);
    }
    enum status status = lmdb_tables_begin(&lmdb->tables, false, &txn, error);
    if (status != STATUS_OK) return status;
    int code = mdb_cursor_open(txn, lmdb->tables.table[TABLE_LOG], &cursor);
    if (code == 0) status = read_range(cursor, from, to, max_bytes, emission, bytes, error);
    else status = lmdb_tables_error(error, code, "read the log");
    if (cursor != NULL) mdb_cursor_close(cursor);
    lmdb_tables_abort(&txn);
    return status;
}

static void emit_pending(const struct journal_pending *pending, log_index from, log_index to,
                         size_t max_bytes, const struct emission *emission)
{
    size_t bytes = 0;
    for (log_index index = from; index <= to && bytes < max_bytes; index++) {
        const struct raft_entry *entry = journal_pending_entry(pending, index);
        if (entry == NULL) return;
        emission->emit(emission->context, entry);
        bytes += entry->payload == NULL ? 0 : entry->payload->size;
    }
}

enum status lmdb_read_entries(struct log *log, log_index from, log_index to, size_t max_bytes,
                              void (*emit)(void *context, const struct raft_entry *entry), void *context,
                              struct error *error)
{
    struct lmdb_log *lmdb = lmdb_log_of(log);
    const struct journal_pending *pending = &lmdb->journal.pending;
    struct emission emission = { emit, context };
    log_index settled = journal_pending_settled_last(pending);
    size_t bytes = 0;
    enum status status = STATUS_OK;
    if (from <= settled || journal_pending_entry(pending, from) == NULL) {
        status = read_tables(lmdb, from, to < settled ? to : settled, max_bytes, &emission, &bytes, error);
    }
    if (status == STATUS_OK && bytes < max_bytes) {
        emit_pending(pending, from > settled ? from : settled + 1, to, max_bytes - bytes, &emission);
    }
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
        code = lmdb_entry_index(&key, &index);
        if (code != 0) break;
        enum status status = emit_entry(emission, index, &value, &bytes, error);
        if (status != STATUS_OK) return status;
    }
    return code == MDB_NOTFOUND ? STATUS_OK : lmdb_tables_error(error, code, "read conf");
}

enum status lmdb_read_configurations(struct log *log,
                                     void (*emit)(void *context, const struct raft_entry *entry),
                                     void *context, struct error *error)
{
    struct lmdb_log *lmdb = lmdb_log_of(log);
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

/* --- the end ---------------------------------------------------------------------------------------------
 */

/* MDB_NOTFOUND: the table is empty. */
static int last_of(const struct lmdb_tables *tables, MDB_txn *txn, enum lmdb_table table,
                   log_index *out_index, MDB_val *out_value)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    int code = mdb_cursor_open(txn, tables->table[table], &cursor);
    if (code != 0) return code;
    code = mdb_cursor_get(cursor, &key, out_value, MDB_LAST);
    if (code == 0) code = lmdb_entry_index(&key, out_index);
    mdb_cursor_close(cursor);
    return code;
}

static enum status find_end(const struct lmdb_log *lmdb, MDB_txn *txn, struct log_position *out_last,
                            log_index *out_configuration_index, struct error *error)
{
    MDB_val value;
    log_index index = 0;
    *out_configuration_index = 0;
    *out_last = lmdb->system.base;
    int code = last_of(&lmdb->tables, txn, TABLE_CONFIGURATION, out_configuration_index, &value);
    if (code == 0 || code == MDB_NOTFOUND) code = last_of(&lmdb->tables, txn, TABLE_LOG, &index, &value);
    if (code == MDB_NOTFOUND) return STATUS_OK;
    if (code != 0) return lmdb_tables_error(error, code, "find the end of the log");
    struct lmdb_entry_view view;
    enum status status = lmdb_entry_unpack(index, value.mv_data, value.mv_size, &view, error);
    if (status == STATUS_OK) *out_last = (struct log_position){ index, view.entry.term, view.entry.chain };
    return status;
}

enum status lmdb_read_end(struct lmdb_log *lmdb, struct log_position *out_last,
                          log_index *out_configuration_index, struct error *error)
{
    MDB_txn *txn = NULL;
    enum status status = lmdb_tables_begin(&lmdb->tables, false, &txn, error);
    if (status != STATUS_OK) return status;
    status = find_end(lmdb, txn, out_last, out_configuration_index, error);
    lmdb_tables_abort(&txn);
    return status;
}

/* --- the copy ------------------------------------------------------------------------------------------- */

struct copy_reading {
    const struct lmdb_copy_walk *walk;
    struct log_copy_cursor *at;
    size_t max_bytes;
    size_t bytes;
};

/* LMDB's keys have no terminating 0. */
static enum status emit_record(struct copy_reading *reading, const MDB_val *key, const MDB_val *value,
                               struct error *error)
{
    struct log_copy_cursor *at = reading->at;
    bool good =
        key->mv_size > 0 && key->mv_size < sizeof at->key && memchr(key->mv_data, '\0', key->mv_size) == NULL;
    if (!good) return error_set(error, STATUS_CORRUPT, "the state copy has a key of %zu bytes", key->mv_size);
    memcpy(at->key, key->mv_data, key->mv_size);
    at->key[key->mv_size] = '\0';
    reading->bytes += key->mv_size + value->mv_size;
    struct log_copy_record record = { at->space, at->key, value->mv_data, value->mv_size };
    return reading->walk->emit(reading->walk->context, &record, error);
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

static enum status read_space(const struct lmdb_tables *tables, MDB_txn *txn, struct copy_reading *reading,
                              struct error *error)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    enum status status = STATUS_OK;
    MDB_dbi dbi = tables->table[lmdb_tables_of(reading->at->space, reading->walk->generation)];
    int code = mdb_cursor_open(txn, dbi, &cursor);
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

enum status lmdb_read_copy_in(const struct lmdb_tables *tables, MDB_txn *txn,
                              const struct lmdb_copy_walk *walk, struct log_copy_cursor *cursor,
                              size_t max_bytes, struct error *error)
{
    struct copy_reading reading = { walk, cursor, max_bytes, 0 };
    enum log_copy_space end = walk->with_history ? COPY_SPACE_COUNT : COPY_HISTORY;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && cursor->space < end && reading.bytes < max_bytes) {
        status = read_space(tables, txn, &reading, error);
    }
    cursor->done = cursor->space >= end;
    return status;
}

enum status lmdb_read_copy(struct log *log, uint32_t generation, struct log_copy_cursor *cursor,
                           size_t max_bytes, log_emit_copy *emit, void *context, struct error *error)
{
    struct lmdb_log *lmdb = lmdb_log_of(log);
    struct lmdb_copy_walk walk = { generation, generation == lmdb->system.generation, emit, context };
    MDB_txn *txn = NULL;
    enum status status = lmdb_tables_begin(&lmdb->tables, false, &txn, error);
    if (status != STATUS_OK) return status;
    status = lmdb_read_copy_in(&lmdb->tables, txn, &walk, cursor, max_bytes, error);
    lmdb_tables_abort(&txn);
    return status;
}
