/* lmdb_tables: see the header. `sys` is one record, so that reading it is one look and its parts can't
 * disagree: u32 crc, u32 format, cluster id, replica id, base, applied (index, term, chain each), first
 * revision of hist, state hash, transaction number. `hard`: u32 crc, term, vote. */
#include "store/lmdb/lmdb_tables.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "store/pack.h"

#include <string.h>

enum { FORMAT = 1, SYSTEM_SIZE = 4 + 4 + 8 * 2 + 24 * 2 + 8 + 16 + 8, HARD_SIZE = 4 + 8 + 8 };

static const struct {
    const char *name;
    unsigned flags;
} table_rows[TABLE_COUNT] = {
    [TABLE_KV] = { "kv0", 0 },
    [TABLE_SESSION] = { "sess0", 0 },
    [TABLE_HISTORY] = { "hist", 0 },
    [TABLE_LOG] = { "log", MDB_INTEGERKEY },
    [TABLE_CONFIGURATION] = { "conf", MDB_INTEGERKEY },
    [TABLE_HARD] = { "hard", 0 },
    [TABLE_SYSTEM] = { "sys", 0 },
};

static const char record_key[] = "1"; /* The one key of `hard` and of `sys`. */

enum status lmdb_tables_error(struct error *error, int code, const char *what)
{
    bool damaged = code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_INVALID ||
                   code == MDB_VERSION_MISMATCH || code == MDB_BAD_VALSIZE;
    return error_set(error, damaged ? STATUS_CORRUPT : STATUS_IO, "%s: %s", what, mdb_strerror(code));
}

enum status lmdb_tables_open(struct lmdb_tables *tables, const char *directory, size_t map_bytes,
                             bool *out_fresh, struct error *error)
{
    MDB_env *environment = NULL;
    MDB_envinfo info;
    int code = mdb_env_create(&environment);
    if (code != 0) return lmdb_tables_error(error, code, "make the environment");
    code = mdb_env_set_mapsize(environment, map_bytes);
    if (code == 0) code = mdb_env_set_maxdbs(environment, TABLE_COUNT);
    if (code == 0) code = mdb_env_open(environment, directory, MDB_NOTLS, 0600);
    if (code == 0) code = mdb_env_info(environment, &info);
    if (code != 0) {
        mdb_env_close(environment);
        return lmdb_tables_error(error, code, "open the environment");
    }
    *tables = (struct lmdb_tables){ .environment = environment };
    *out_fresh = info.me_last_txnid == 0;
    return STATUS_OK;
}

void lmdb_tables_close(struct lmdb_tables *tables)
{
    if (tables->environment != NULL) mdb_env_close(tables->environment);
    tables->environment = NULL;
}

enum status lmdb_tables_begin(struct lmdb_tables *tables, bool writes, MDB_txn **out_txn, struct error *error)
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
static enum status put_record(struct lmdb_tables *tables, MDB_txn *txn, enum lmdb_table table, uint8_t *data,
                              size_t size, struct error *error)
{
    struct pack_writer start = { data, 4 };
    pack_u32(&start, crc32c(0, data + 4, size - 4));
    MDB_val key = { sizeof record_key, (void *)record_key };
    MDB_val value = { size, data };
    int code = mdb_put(txn, tables->table[table], &key, &value, 0);
    return code == 0 ? STATUS_OK : lmdb_tables_error(error, code, table_rows[table].name);
}

static enum status get_record(struct lmdb_tables *tables, MDB_txn *txn, enum lmdb_table table, size_t size,
                              struct pack_reader *out_reader, struct error *error)
{
    const char *name = table_rows[table].name;
    MDB_val key = { sizeof record_key, (void *)record_key };
    MDB_val value;
    int code = mdb_get(txn, tables->table[table], &key, &value);
    if (code == MDB_NOTFOUND || (code == 0 && value.mv_size != size)) {
        return error_set(error, STATUS_CORRUPT, "%s is missing, or of another size", name);
    }
    if (code != 0) return lmdb_tables_error(error, code, name);
    *out_reader = (struct pack_reader){ .at = value.mv_data, .left = size };
    if (unpack_u32(out_reader) != crc32c(0, out_reader->at, out_reader->left)) {
        return error_set(error, STATUS_CORRUPT, "the checksum of %s does not match", name);
    }
    return STATUS_OK;
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
    pack_u64(&writer, system->history_first);
    pack_bytes(&writer, system->state_hash, sizeof system->state_hash);
    pack_u64(&writer, system->transaction);
    CHECK(writer.left == 0);
    return put_record(tables, txn, TABLE_SYSTEM, data, sizeof data, error);
}

enum status lmdb_tables_put_hard(struct lmdb_tables *tables, MDB_txn *txn, const struct hard_state *hard,
                                 struct error *error)
{
    uint8_t data[HARD_SIZE];
    struct pack_writer writer = { data + 4, sizeof data - 4 };
    pack_u64(&writer, hard->term);
    pack_u64(&writer, hard->vote);
    CHECK(writer.left == 0);
    return put_record(tables, txn, TABLE_HARD, data, sizeof data, error);
}

static enum status unpack_system(struct pack_reader *reader, struct lmdb_system *out_system,
                                 struct error *error)
{
    uint32_t format = unpack_u32(reader);
    if (format != FORMAT) return error_set(error, STATUS_VERSION_MISMATCH, "the store has format %u", format);
    out_system->identity.cluster_id = unpack_u64(reader);
    out_system->identity.replica_id = unpack_u64(reader);
    out_system->base = unpack_position(reader);
    out_system->applied = unpack_position(reader);
    out_system->history_first = unpack_u64(reader);
    const uint8_t *hash = unpack_bytes(reader, sizeof out_system->state_hash);
    CHECK(hash != NULL); /* The size was compared before. */
    memcpy(out_system->state_hash, hash, sizeof out_system->state_hash);
    out_system->transaction = unpack_u64(reader);
    return STATUS_OK;
}

enum status lmdb_tables_get_system(struct lmdb_tables *tables, MDB_txn *txn, struct lmdb_system *out_system,
                                   struct error *error)
{
    struct pack_reader reader;
    enum status status = get_record(tables, txn, TABLE_SYSTEM, SYSTEM_SIZE, &reader, error);
    if (status == STATUS_OK) status = unpack_system(&reader, out_system, error);
    if (status == STATUS_OK) status = get_record(tables, txn, TABLE_HARD, HARD_SIZE, &reader, error);
    if (status != STATUS_OK) return status;
    out_system->hard.term = unpack_u64(&reader);
    out_system->hard.vote = unpack_u64(&reader);
    MDB_envinfo info;
    int code = mdb_env_info(tables->environment, &info);
    if (code != 0) return lmdb_tables_error(error, code, "look at the environment");
    if (info.me_last_txnid == out_system->transaction) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "the environment is at transaction %zu, its own record says %llu",
                     info.me_last_txnid, (unsigned long long)out_system->transaction);
}
