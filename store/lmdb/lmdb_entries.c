/* lmdb_entries: see the header. */
#include "store/lmdb/lmdb_entries.h"

#include "runtime/base/check.h"
#include "store/lmdb/lmdb_entry.h"

static MDB_val index_key(log_index *index)
{
    _Static_assert(sizeof *index == sizeof(size_t), "INTEGERKEY wants size_t");
    return (MDB_val){ sizeof *index, index };
}

static enum status delete_index(struct lmdb_step *step, enum lmdb_table table, log_index index)
{
    MDB_val key = index_key(&index);
    int code = mdb_del(step->txn, step->lmdb->tables.table[table], &key, NULL);
    if (code == 0 || code == MDB_NOTFOUND) return STATUS_OK; /* Few indices are in `conf`. */
    return lmdb_tables_error(step->error, code, "truncate the log");
}

enum status lmdb_entries_truncate(struct lmdb_step *step, log_index from)
{
    CHECK(from > step->system.committed); /* R3 */
    CHECK(from > step->system.base.index);
    enum status status = STATUS_OK;
    while (step->last >= from && status == STATUS_OK) {
        status = delete_index(step, TABLE_LOG, step->last);
        if (status == STATUS_OK) status = delete_index(step, TABLE_CONFIGURATION, step->last);
        step->last--;
    }
    return status;
}

static enum status put_entry(struct lmdb_step *step, MDB_cursor *cursor, const struct raft_entry *entry,
                             unsigned flags)
{
    log_index index = entry->index;
    MDB_val key = index_key(&index);
    MDB_val value = { lmdb_entry_size(entry), NULL };
    int code = mdb_cursor_put(cursor, &key, &value, flags | MDB_RESERVE);
    if (code != 0) return lmdb_tables_error(step->error, code, "append to the log");
    lmdb_entry_pack(entry, value.mv_data);
    return STATUS_OK;
}

static enum status put_configuration(struct lmdb_step *step, const struct raft_entry *entry, unsigned flags)
{
    MDB_cursor *cursor = NULL;
    int code = mdb_cursor_open(step->txn, step->lmdb->tables.table[TABLE_CONFIGURATION], &cursor);
    if (code != 0) return lmdb_tables_error(step->error, code, "note a configuration");
    enum status status = put_entry(step, cursor, entry, flags);
    mdb_cursor_close(cursor);
    return status;
}

/* With one cursor, which stays at the end: no entry has to look for it again. */
enum status lmdb_entries_append(struct lmdb_step *step, const struct raft_entry *entries, uint32_t count)
{
    MDB_cursor *cursor = NULL;
    enum status status = STATUS_OK;
    if (count == 0) return STATUS_OK;
    int code = mdb_cursor_open(step->txn, step->lmdb->tables.table[TABLE_LOG], &cursor);
    if (code != 0) return lmdb_tables_error(step->error, code, "append to the log");
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        CHECK(entries[i].index == step->last + 1);
        status = put_entry(step, cursor, &entries[i], MDB_APPEND);
        if (status == STATUS_OK && entries[i].type == ENTRY_CONFIGURATION)
            status = put_configuration(step, &entries[i], MDB_APPEND);
        step->last = entries[i].index;
    }
    mdb_cursor_close(cursor);
    return status;
}

/* --- the prefix goes ------------------------------------------------------------------------------------ */

/* The configurations below the newest one that is still at or below `upto`: nobody asks for them any more. */
static enum status trim_configurations(struct lmdb_step *step, log_index upto)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    log_index first = 0;
    log_index second = 0;
    int code = mdb_cursor_open(step->txn, step->lmdb->tables.table[TABLE_CONFIGURATION], &cursor);
    if (code != 0) return lmdb_tables_error(step->error, code, "trim conf");
    for (;;) {
        code = mdb_cursor_get(cursor, &key, NULL, MDB_FIRST);
        if (code == 0) code = lmdb_entry_index(&key, &first);
        if (code == 0) code = mdb_cursor_get(cursor, &key, NULL, MDB_NEXT);
        if (code == 0) code = lmdb_entry_index(&key, &second);
        if (code != 0 || second > upto) break;
        code = mdb_cursor_get(cursor, &key, NULL, MDB_FIRST);
        if (code == 0) code = mdb_cursor_del(cursor, 0);
        if (code != 0) break;
    }
    mdb_cursor_close(cursor);
    return code == 0 || code == MDB_NOTFOUND ? STATUS_OK : lmdb_tables_error(step->error, code, "trim conf");
}

/* What the log now begins after is read before it is gone. */
static enum status move_base(struct lmdb_step *step, log_index to)
{
    struct lmdb_entry_view view;
    MDB_val value;
    MDB_val key = index_key(&to);
    int code = mdb_get(step->txn, step->lmdb->tables.table[TABLE_LOG], &key, &value);
    if (code != 0) return lmdb_tables_error(step->error, code, "compact the log");
    enum status status = lmdb_entry_unpack(to, value.mv_data, value.mv_size, &view, step->error);
    if (status == STATUS_OK)
        step->system.base = (struct log_position){ to, view.entry.term, view.entry.chain };
    return status;
}

enum status lmdb_entries_compact(struct lmdb_step *step, log_index to)
{
    log_index from = step->system.base.index + 1;
    if (to > step->system.applied.index) to = step->system.applied.index; /* D7 */
    if (to > from + LOG_COMPACT_STEP_MAX - 1) to = from + LOG_COMPACT_STEP_MAX - 1;
    if (to < from) return STATUS_OK;
    enum status status = move_base(step, to);
    for (log_index index = from; index <= to && status == STATUS_OK; index++) {
        status = delete_index(step, TABLE_LOG, index);
    }
    return status == STATUS_OK ? trim_configurations(step, to) : status;
}

/* --- after a snapshot ----------------------------------------------------------------------------------- */

/* In place of all configurations at or below its position stands the snapshot's. */
static enum status replace_configuration(struct lmdb_step *step, const struct log_install *install)
{
    MDB_dbi dbi = step->lmdb->tables.table[TABLE_CONFIGURATION];
    struct raft_entry entry = { .index = install->configuration_index,
                                .type = ENTRY_CONFIGURATION,
                                .payload = install->configuration };
    enum status status = trim_configurations(step, install->position.index);
    if (status != STATUS_OK) return status;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    log_index first = 0;
    int code = mdb_cursor_open(step->txn, dbi, &cursor);
    if (code != 0) return lmdb_tables_error(step->error, code, "replace conf");
    code = mdb_cursor_get(cursor, &key, NULL, MDB_FIRST);
    if (code == 0) code = lmdb_entry_index(&key, &first);
    if (code == 0 && first <= install->position.index) code = mdb_cursor_del(cursor, 0);
    mdb_cursor_close(cursor);
    if (code != 0 && code != MDB_NOTFOUND) return lmdb_tables_error(step->error, code, "replace conf");
    return put_configuration(step, &entry, 0);
}

enum status lmdb_entries_install(struct lmdb_step *step, const struct log_install *install)
{
    CHECK(install->configuration_index <= install->position.index);
    if (install->keep_log) { /* N3: only advance. */
        CHECK(install->position.index >= step->system.base.index);
        CHECK(install->position.index <= step->last);
        return replace_configuration(step, install);
    }
    int code = mdb_drop(step->txn, step->lmdb->tables.table[TABLE_LOG], 0);
    if (code == 0) code = mdb_drop(step->txn, step->lmdb->tables.table[TABLE_CONFIGURATION], 0);
    if (code != 0) return lmdb_tables_error(step->error, code, "drop the log");
    step->system.base = install->position;
    step->last = install->position.index;
    return replace_configuration(step, install);
}
