/* lmdb_tables: see the header. `sys` has two records. The first is all that a transaction changes, so that
 * its parts can't disagree; the second is the snapshot being received. Both begin with a crc32c of the rest.
 * `hard`: u32 crc, term, vote. */
#include "store/lmdb/lmdb_tables.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "store/pack.h"

#include <string.h>

enum {
    FORMAT = 2,
    SYSTEM_SIZE = 4 + 4 + 8 * 2 + 24 * 2 + 8 * 2 + 16 + 4 + 1 + 8 + LOG_DOUBT_REASON_MAX + 8,
    HARD_SIZE = 4 + 8 + 8,
    RECEIVING_FIXED_SIZE = 4 + 8 + 8 + 4,
};

static const struct {
    const char *name;
    unsigned flags;
} table_rows[TABLE_COUNT] = {
    [TABLE_KV] = { "kv0", 0 },
    [TABLE_KV + 1] = { "kv1", 0 },
    [TABLE_SESSION] = { "sess0", 0 },
    [TABLE_SESSION + 1] = { "sess1", 0 },
    [TABLE_HISTORY] = { "hist", 0 },
    [TABLE_LOG] = { "log", MDB_INTEGERKEY },
    [TABLE_CONFIGURATION] = { "conf", MDB_INTEGERKEY },
    [TABLE_HARD] = { "hard", 0 },
    [TABLE_SYSTEM] = { "sys", 0 },
};

static const char main_key[] = "1";      /* The one record of `hard`, the first of `sys`. */
static const char receiving_key[] = "2"; /* Absent: nothing is being received. */

enum lmdb_table lmdb_tables_of(enum log_copy_space space, uint32_t generation)
{
    CHECK(generation < LMDB_GENERATIONS);
    switch (space) {
    case COPY_RECORD: return TABLE_KV + generation;
    case COPY_SESSION: return TABLE_SESSION + generation;
    default: return TABLE_HISTORY;
    }
}

enum log_copy_state lmdb_system_copy_state(const struct lmdb_system *system)
{
    if (system->copy_damaged) return LOG_COPY_SNAPSHOT;
    if (system->applied.index >= system->committed) return LOG_COPY_SOUND;
    return system->base.index > system->applied.index ? LOG_COPY_SNAPSHOT : LOG_COPY_REPLAY;
}

enum status lmdb_tables_error(struct error *error, int code, const char *what)
{
    bool damaged = code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_INVALID ||
                   code == MDB_VERSION_MISMATCH || code == MDB_BAD_VALSIZE || code == MDB_INCOMPATIBLE;
    return error_set(error, damaged ? STATUS_CORRUPT : STATUS_IO, "%s: %s", what, mdb_strerror(code));
}

enum status lmdb_tables_open(struct lmdb_tables *tables, const char *directory, size_t map_bytes,
                             enum lmdb_opening opening, struct error *error)
{
    MDB_env *environment = NULL;
    unsigned flags = MDB_NOTLS | (opening == LMDB_TO_PROBE ? MDB_RDONLY | MDB_NOLOCK : 0);
    int code = mdb_env_create(&environment);
    if (code != 0) return lmdb_tables_error(error, code, "make the environment");
    code = mdb_env_set_mapsize(environment, map_bytes);
    if (code == 0) code = mdb_env_set_maxdbs(environment, TABLE_COUNT);
    if (code == 0) code = mdb_env_open(environment, directory, flags, 0600);
    if (code != 0) {
        mdb_env_close(environment);
        return lmdb_tables_error(error, code, "open the environment");
    }
    *tables = (struct lmdb_tables){ .environment = environment };
    return STATUS_OK;
}

void lmdb_tables_close(struct lmdb_tables *tables)
{
    if (tables->environment != NULL) mdb_env_close(tables->environment);
    tables->environment = NULL;
}

enum status lmdb_tables_begin(const struct lmdb_tables *tables, bool writes, MDB_txn **out_txn,
                              struct error *error)
{
    int code = mdb_txn_begin(tables->environment, NULL, writes ? 0 : MDB_RDONLY, out_txn);
    return code == 0 ? STATUS_OK : lmdb_tables_error(error, code, "begin a transaction");
}

enum status lmdb_tables_commit(MDB_txn **txn, struct error *error)
{
    int code = mdb_txn_commit(*txn);
    *txn = NULL; /* Gone either way. */
    return code == 0 ? STATUS_OK : lmdb_tables_error(error, code, "commit");
}

void lmdb_tables_abort(MDB_txn **txn)
{
    if (*txn != NULL) mdb_txn_abort(*txn);
    *txn = NULL;
}

enum status lmdb_tables_use(struct lmdb_tables *tables, MDB_txn *txn, bool make, struct error *error)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        unsigned flags = table_rows[i].flags | (make ? MDB_CREATE : 0);
        int code = mdb_dbi_open(txn, table_rows[i].name, flags, &tables->table[i]);
        if (code == MDB_NOTFOUND) {
            return error_set(error, STATUS_CORRUPT, "the environment has no table %s", table_rows[i].name);
        }
        if (code != 0) return lmdb_tables_error(error, code, table_rows[i].name);
    }
    return STATUS_OK;
}

/* The checksum stands first and covers the rest. */
static enum status put_record(struct lmdb_tables *tables, MDB_txn *txn, enum lmdb_table table,
                              const char *name, uint8_t *data, size_t size, struct error *error)
{
    struct pack_writer start = { data, 4 };
    pack_u32(&start, crc32c(0, data + 4, size - 4));
    MDB_val key = { sizeof main_key, (void *)name };
    MDB_val value = { size, data };
    int code = mdb_put(txn, tables->table[table], &key, &value, 0);
    return code == 0 ? STATUS_OK : lmdb_tables_error(error, code, table_rows[table].name);
}

/* Past its checksum; NOT_FOUND: there is no such record. */
static enum status get_record(struct lmdb_tables *tables, MDB_txn *txn, enum lmdb_table table,
                              const char *name, struct pack_reader *out_reader, struct error *error)
{
    MDB_val key = { sizeof main_key, (void *)name };
    MDB_val value;
    int code = mdb_get(txn, tables->table[table], &key, &value);
    if (code == MDB_NOTFOUND) {
        return error_set(error, STATUS_NOT_FOUND, "a record of %s is missing", table_rows[table].name);
    }
    if (code != 0) return lmdb_tables_error(error, code, table_rows[table].name);
    struct pack_reader reader = { .at = value.mv_data, .left = value.mv_size };
    uint32_t crc = unpack_u32(&reader);
    if (reader.failed || crc != crc32c(0, reader.at, reader.left)) {
        return error_set(error, STATUS_CORRUPT, "the checksum of %s does not match", table_rows[table].name);
    }
    *out_reader = reader;
    return STATUS_OK;
}

/* One that must be there. */
static enum status get_main(struct lmdb_tables *tables, MDB_txn *txn, enum lmdb_table table,
                            struct pack_reader *out_reader, struct error *error)
{
    enum status status = get_record(tables, txn, table, main_key, out_reader, error);
    return status == STATUS_NOT_FOUND
               ? error_set(error, STATUS_CORRUPT, "%s is empty", table_rows[table].name)
               : status;
}

static void pack_position(struct pack_writer *writer, const struct log_position *position)
{
    pack_u64(writer, position->index);
    pack_u64(writer, position->term);
    pack_u64(writer, position->chain);
}

static struct log_position unpack_position(struct pack_reader *reader)
{
    struct log_position position = { .index = unpack_u64(reader) };
    position.term = unpack_u64(reader);
    position.chain = unpack_u64(reader);
    return position;
}

enum status lmdb_tables_put_system(struct lmdb_tables *tables, MDB_txn *txn, struct lmdb_system *system,
                                   struct error *error)
{
    uint8_t data[SYSTEM_SIZE];
    struct pack_writer writer = { data + 4, sizeof data - 4 };
    system->transaction = mdb_txn_id(txn); /* D4 */
    pack_u32(&writer, FORMAT);
    pack_u64(&writer, system->identity.cluster_id);
    pack_u64(&writer, system->identity.replica_id);
    pack_position(&writer, &system->base);
    pack_position(&writer, &system->applied);
    pack_u64(&writer, system->committed);
    pack_u64(&writer, system->history_first);
    pack_bytes(&writer, system->state_hash, sizeof system->state_hash);
    pack_u32(&writer, system->generation);
    pack_u8(&writer, system->copy_damaged);
    pack_u64(&writer, system->retired_id);
    pack_bytes(&writer, system->doubt_reason, sizeof system->doubt_reason);
    pack_u64(&writer, system->transaction);
    CHECK(writer.left == 0);
    return put_record(tables, txn, TABLE_SYSTEM, main_key, data, sizeof data, error);
}

enum status lmdb_tables_put_hard(struct lmdb_tables *tables, MDB_txn *txn, const struct hard_state *hard,
                                 struct error *error)
{
    uint8_t data[HARD_SIZE];
    struct pack_writer writer = { data + 4, sizeof data - 4 };
    pack_u64(&writer, hard->term);
    pack_u64(&writer, hard->vote);
    CHECK(writer.left == 0);
    return put_record(tables, txn, TABLE_HARD, main_key, data, sizeof data, error);
}

enum status lmdb_tables_put_receiving(struct lmdb_tables *tables, MDB_txn *txn,
                                      const struct log_receiving *receiving, struct error *error)
{
    uint8_t data[RECEIVING_FIXED_SIZE + LOG_NOTE_MAX];
    size_t size = RECEIVING_FIXED_SIZE + receiving->note_size;
    CHECK(receiving->note_size <= LOG_NOTE_MAX);
    if (receiving->snapshot_id == 0) {
        MDB_val key = { sizeof receiving_key, (void *)receiving_key };
        int code = mdb_del(txn, tables->table[TABLE_SYSTEM], &key, NULL);
        return code == 0 || code == MDB_NOTFOUND ? STATUS_OK : lmdb_tables_error(error, code, "sys");
    }
    struct pack_writer writer = { data + 4, size - 4 };
    pack_u64(&writer, receiving->snapshot_id);
    pack_u64(&writer, receiving->offset);
    pack_u32(&writer, receiving->note_size);
    pack_bytes(&writer, receiving->note, receiving->note_size);
    CHECK(writer.left == 0);
    return put_record(tables, txn, TABLE_SYSTEM, receiving_key, data, size, error);
}

static enum status check_end(const struct pack_reader *reader, const char *what, struct error *error)
{
    if (!reader->failed && reader->left == 0) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "%s has another size", what);
}

static enum status get_receiving(struct lmdb_tables *tables, MDB_txn *txn,
                                 struct log_receiving *out_receiving, struct error *error)
{
    struct pack_reader reader;
    *out_receiving = (struct log_receiving){ 0 };
    enum status status = get_record(tables, txn, TABLE_SYSTEM, receiving_key, &reader, error);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) return status;
    out_receiving->snapshot_id = unpack_u64(&reader);
    out_receiving->offset = unpack_u64(&reader);
    uint32_t size = unpack_u32(&reader);
    const uint8_t *note = size <= LOG_NOTE_MAX ? unpack_bytes(&reader, size) : NULL;
    if (note == NULL) return error_set(error, STATUS_CORRUPT, "the note of a receiver is too long");
    memcpy(out_receiving->note, note, size);
    out_receiving->note_size = size;
    return check_end(&reader, "what is being received", error);
}

static enum status get_system(struct lmdb_tables *tables, MDB_txn *txn, struct lmdb_system *out_system,
                              struct error *error)
{
    struct pack_reader reader;
    enum status status = get_main(tables, txn, TABLE_SYSTEM, &reader, error);
    if (status != STATUS_OK) return status;
    uint32_t format = unpack_u32(&reader);
    if (format != FORMAT) return error_set(error, STATUS_VERSION_MISMATCH, "the store has format %u", format);
    out_system->identity.cluster_id = unpack_u64(&reader);
    out_system->identity.replica_id = unpack_u64(&reader);
    out_system->base = unpack_position(&reader);
    out_system->applied = unpack_position(&reader);
    out_system->committed = unpack_u64(&reader);
    out_system->history_first = unpack_u64(&reader);
    const uint8_t *hash = unpack_bytes(&reader, sizeof out_system->state_hash);
    if (hash != NULL) memcpy(out_system->state_hash, hash, sizeof out_system->state_hash);
    out_system->generation = unpack_u32(&reader);
    out_system->copy_damaged = unpack_u8(&reader) != 0;
    out_system->retired_id = unpack_u64(&reader);
    const uint8_t *reason = unpack_bytes(&reader, sizeof out_system->doubt_reason);
    if (reason != NULL) memcpy(out_system->doubt_reason, reason, sizeof out_system->doubt_reason);
    out_system->doubt_reason[sizeof out_system->doubt_reason - 1] = '\0';
    out_system->transaction = unpack_u64(&reader);
    if (out_system->generation >= LMDB_GENERATIONS) {
        return error_set(error, STATUS_CORRUPT, "sys names generation %u", out_system->generation);
    }
    return check_end(&reader, "sys", error);
}

enum status lmdb_tables_get_system(struct lmdb_tables *tables, MDB_txn *txn, struct lmdb_system *out_system,
                                   struct error *error)
{
    struct pack_reader reader;
    enum status status = get_system(tables, txn, out_system, error);
    if (status == STATUS_OK) status = get_receiving(tables, txn, &out_system->receiving, error);
    if (status == STATUS_OK) status = get_main(tables, txn, TABLE_HARD, &reader, error);
    if (status != STATUS_OK) return status;
    out_system->hard.term = unpack_u64(&reader);
    out_system->hard.vote = unpack_u64(&reader);
    status = check_end(&reader, "hard", error);
    if (status != STATUS_OK) return status;
    MDB_envinfo info;
    int code = mdb_env_info(tables->environment, &info);
    if (code != 0) return lmdb_tables_error(error, code, "look at the environment");
    if (info.me_last_txnid == out_system->transaction) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "the environment is at transaction %zu, its own record says %llu",
                     info.me_last_txnid, (unsigned long long)out_system->transaction);
}
