/* lmdb_copy: see the header. */
#include "store/lmdb/lmdb_copy.h"

#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "store/record.h"

#include <string.h>

/* One cursor a table: a key beside the one before is found on the same page. */
struct writer {
    struct lmdb_step *step;
    uint32_t generation;
    MDB_cursor *cursors[COPY_SPACE_COUNT]; /* NULL: not needed yet. */
};

/* Revisions rise, so the history's keys come in their order: appended, they fill each page to its end. */
static int put_at(MDB_cursor *cursor, enum log_copy_space space, MDB_val *key, MDB_val *value)
{
    int code = space == COPY_HISTORY ? mdb_cursor_put(cursor, key, value, MDB_APPEND) : MDB_KEYEXIST;
    return code == MDB_KEYEXIST ? mdb_cursor_put(cursor, key, value, 0) : code;
}

static int delete_at(MDB_cursor *cursor, MDB_val *key)
{
    int code = mdb_cursor_get(cursor, key, NULL, MDB_SET);
    return code == 0 ? mdb_cursor_del(cursor, 0) : code;
}

static enum status put_record(struct writer *writer, const struct log_copy_record *record)
{
    struct lmdb_step *step = writer->step;
    MDB_cursor **cursor = &writer->cursors[record->space];
    MDB_dbi dbi = step->lmdb->tables.table[lmdb_tables_of(record->space, writer->generation)];
    MDB_val key = { strlen(record->key), (void *)record->key };
    MDB_val value = { record->value_size, (void *)record->value };
    int code = *cursor == NULL ? mdb_cursor_open(step->txn, dbi, cursor) : 0;
    if (code == 0 && record->value != NULL) code = put_at(*cursor, record->space, &key, &value);
    else if (code == 0) code = delete_at(*cursor, &key);
    bool good = code == 0 || (record->value == NULL && code == MDB_NOTFOUND);
    return good ? STATUS_OK : lmdb_tables_error(step->error, code, "write the state copy");
}

static enum status put_records(struct lmdb_step *step, uint32_t generation,
                               const struct log_copy_record *records, uint32_t count)
{
    struct writer writer = { .step = step, .generation = generation };
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++)
        status = put_record(&writer, &records[i]);
    for (size_t i = 0; i < COPY_SPACE_COUNT; i++)
        if (writer.cursors[i] != NULL) mdb_cursor_close(writer.cursors[i]);
    return status;
}

/* Deletes history below the first revision that is kept: the keys sort as their numbers. */
static enum status trim_history(struct lmdb_step *step, uint64_t first)
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

enum status lmdb_copy_write(struct lmdb_step *step, const struct log_batch *batch)
{
    struct lmdb_system *system = &step->system;
    bool continues =
        batch->copy_generation == system->generation && batch->copy_from == system->applied.index;
    if (!continues) { /* N6 */
        MARK("lmdb.copy_dropped");
        return STATUS_OK;
    }
    CHECK(batch->copy_to.index <= step->last); /* Applied is durable. */
    enum status status = put_records(step, system->generation, batch->copy, batch->copy_count);
    if (status != STATUS_OK) return status;
    system->applied = batch->copy_to; /* D3: in the same transaction. */
    if (system->committed < system->applied.index) system->committed = system->applied.index;
    system->history_first = batch->copy_history_first;
    memcpy(system->state_hash, batch->state_hash, sizeof system->state_hash);
    return trim_history(step, batch->copy_history_first);
}

/* --- the other generation ------------------------------------------------------------------------------- */

static uint32_t inactive(const struct lmdb_step *step)
{
    return 1 - step->system.generation;
}

/* Of one table; *left counts down what this step may still delete. */
static enum status clear_some(struct lmdb_step *step, enum log_copy_space space, uint32_t *left)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_dbi dbi = step->lmdb->tables.table[lmdb_tables_of(space, inactive(step))];
    int code = mdb_cursor_open(step->txn, dbi, &cursor);
    if (code != 0) return lmdb_tables_error(step->error, code, "clear the inactive generation");
    for (; *left > 0 && code == 0; (*left)--) {
        code = mdb_cursor_get(cursor, &key, NULL, MDB_FIRST);
        if (code == 0) code = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    if (code == 0 || code == MDB_NOTFOUND) return STATUS_OK;
    return lmdb_tables_error(step->error, code, "clear the inactive generation");
}

enum status lmdb_copy_clear(struct lmdb_step *step)
{
    uint32_t left = LOG_CLEAR_STEP_MAX;
    step->system.receiving = (struct log_receiving){ 0 };
    step->receiving_changed = true;
    enum status status = clear_some(step, COPY_RECORD, &left);
    return status == STATUS_OK ? clear_some(step, COPY_SESSION, &left) : status;
}

enum status lmdb_copy_is_empty(struct lmdb_step *step, bool *out_empty)
{
    *out_empty = true;
    for (enum log_copy_space space = COPY_RECORD; space <= COPY_SESSION; space++) {
        MDB_stat stat;
        MDB_dbi dbi = step->lmdb->tables.table[lmdb_tables_of(space, inactive(step))];
        int code = mdb_stat(step->txn, dbi, &stat);
        if (code != 0) return lmdb_tables_error(step->error, code, "look at the inactive generation");
        if (stat.ms_entries > 0) *out_empty = false;
    }
    return STATUS_OK;
}

static enum status continues_snapshot(struct lmdb_step *step, const struct log_chunk *chunk,
                                      bool *out_continues)
{
    const struct log_receiving *receiving = &step->system.receiving;
    *out_continues = chunk->snapshot_id == receiving->snapshot_id && chunk->from == receiving->offset;
    if (*out_continues || chunk->from != 0) return STATUS_OK;
    return lmdb_copy_is_empty(step, out_continues);
}

enum status lmdb_copy_receive(struct lmdb_step *step, const struct log_chunk *chunk)
{
    bool continues = false;
    CHECK(chunk->snapshot_id != 0);
    CHECK(chunk->note_size <= LOG_NOTE_MAX);
    enum status status = continues_snapshot(step, chunk, &continues);
    if (status != STATUS_OK || !continues) return status;
    for (uint32_t i = 0; i < chunk->record_count; i++) {
        CHECK(chunk->records[i].value != NULL);
        CHECK(chunk->records[i].space != COPY_HISTORY);
    }
    status = put_records(step, inactive(step), chunk->records, chunk->record_count);
    struct log_receiving *receiving = &step->system.receiving;
    receiving->snapshot_id = chunk->snapshot_id;
    receiving->offset = chunk->to;
    receiving->note_size = chunk->note_size;
    if (chunk->note_size > 0) memcpy(receiving->note, chunk->note, chunk->note_size);
    step->receiving_changed = true;
    return status;
}

enum status lmdb_copy_flip(struct lmdb_step *step, const struct log_install *install)
{
    struct lmdb_system *system = &step->system;
    CHECK(system->receiving.snapshot_id == install->snapshot_id);
    system->generation = inactive(step);
    system->applied = install->position;
    if (system->committed < install->position.index) system->committed = install->position.index;
    system->history_first = install->position.index + 1;
    memcpy(system->state_hash, install->state_hash, sizeof system->state_hash);
    system->copy_damaged = false;
    system->receiving = (struct log_receiving){ 0 };
    step->receiving_changed = true;
    int code = mdb_drop(step->txn, step->lmdb->tables.table[TABLE_HISTORY], 0);
    return code == 0 ? STATUS_OK : lmdb_tables_error(step->error, code, "drop the history");
}

enum status lmdb_copy_drop(struct lmdb_step *step)
{
    struct lmdb_system *system = &step->system;
    static const enum log_copy_space spaces[] = { COPY_RECORD, COPY_SESSION, COPY_HISTORY };
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        MDB_dbi dbi = step->lmdb->tables.table[lmdb_tables_of(spaces[i], system->generation)];
        int code = mdb_drop(step->txn, dbi, 0);
        if (code != 0) return lmdb_tables_error(step->error, code, "drop the damaged copy");
    }
    system->applied = (struct log_position){ 0 };
    system->history_first = 1;
    memset(system->state_hash, 0, sizeof system->state_hash);
    return STATUS_OK;
}
