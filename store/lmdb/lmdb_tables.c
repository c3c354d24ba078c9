/* lmdb_tables: see the header. `sys` has two records. The first is all that a transaction changes, so that
 * its parts can't disagree; the second is the snapshot being received. Both begin with a crc32c of the rest.
 * `hard`: u32 crc, term, vote. */
#include "store/lmdb/lmdb_tables.h"

#include "runtime/base/check.h"

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

static enum status put_record(struct lmdb_tables *tables, MDB_txn *txn, enum lmdb_table table,
                              const char *name, uint8_t *data, size_t size, struct error *error)
{
    MDB_val key = { sizeof main_key, (void *)name };
    MDB_val value = { size, data };
    int code = mdb_put(txn, tables->table[table], &key, &value, 0);
    return code == 0 ? STATUS_OK : lmdb_tables_error(error, code, table_rows[table].name);
}

/* NOT_FOUND: there is no such record. */
static enum status get_record(struct lmdb_tables *tables, MDB_txn *txn, enum lmdb_table table,
                              const char *name, MDB_val *out_value, struct error *error)
{
    MDB_val key = { sizeof main_key, (void *)name };
    int code = mdb_get(txn, tables->table[table], &key, out_value);
    if (code == 0) return STATUS_OK;
    if (code != MDB_NOTFOUND) return lmdb_tables_error(error, code, table_rows[table].name);
    return error_set(error, STATUS_NOT_FOUND, "a record of %s is missing", table_rows[table].name);
}

/* One that must be there. */
static enum status get_main(struct lmdb_tables *tables, MDB_txn *txn, enum lmdb_table table,
                            MDB_val *out_value, struct error *error)
{
    enum status status = get_record(tables, txn, table, main_key, out_value, error);
    return status == STATUS_NOT_FOUND
               ? error_set(error, STATUS_CORRUPT, "%s is empty", table_rows[table].name)
               : status;
}

enum status lmdb_tables_put_system(struct lmdb_tables *tables, MDB_txn *txn, struct lmdb_system *system,
                                   struct error *error)
{
    uint8_t data[LMDB_SYSTEM_SIZE];
    system->transaction = mdb_txn_id(txn); /* D4 */
    lmdb_system_pack(system, data);
    return put_record(tables, txn, TABLE_SYSTEM, main_key, data, sizeof data, error);
}

enum status lmdb_tables_put_hard(struct lmdb_tables *tables, MDB_txn *txn, const struct hard_state *hard,
                                 struct error *error)
{
    uint8_t data[LMDB_HARD_SIZE];
    lmdb_system_pack_hard(hard, data);
    return put_record(tables, txn, TABLE_HARD, main_key, data, sizeof data, error);
}

enum status lmdb_tables_put_receiving(struct lmdb_tables *tables, MDB_txn *txn,
                                      const struct log_receiving *receiving, struct error *error)
{
    uint8_t data[LMDB_RECEIVING_MAX];
    if (receiving->snapshot_id == 0) {
        MDB_val key = { sizeof receiving_key, (void *)receiving_key };
        int code = mdb_del(txn, tables->table[TABLE_SYSTEM], &key, NULL);
        return code == 0 || code == MDB_NOTFOUND ? STATUS_OK : lmdb_tables_error(error, code, "sys");
    }
    size_t size = lmdb_system_pack_receiving(receiving, data);
    return put_record(tables, txn, TABLE_SYSTEM, receiving_key, data, size, error);
}

static enum status get_receiving(struct lmdb_tables *tables, MDB_txn *txn,
                                 struct log_receiving *out_receiving, struct error *error)
{
    MDB_val value;
    *out_receiving = (struct log_receiving){ 0 };
    enum status status = get_record(tables, txn, TABLE_SYSTEM, receiving_key, &value, error);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) return status;
    return lmdb_system_unpack_receiving(value.mv_data, value.mv_size, out_receiving, error);
}

/* D4 */
static enum status check_transaction(const struct lmdb_tables *tables, const struct lmdb_system *system,
                                     struct error *error)
{
    MDB_envinfo info;
    int code = mdb_env_info(tables->environment, &info);
    if (code != 0) return lmdb_tables_error(error, code, "look at the environment");
    if (info.me_last_txnid == system->transaction) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "the environment is at transaction %zu, its own record says %llu",
                     info.me_last_txnid, (unsigned long long)system->transaction);
}

enum status lmdb_tables_get_system(struct lmdb_tables *tables, MDB_txn *txn, struct lmdb_system *out_system,
                                   struct error *error)
{
    MDB_val value;
    enum status status = get_main(tables, txn, TABLE_SYSTEM, &value, error);
    if (status == STATUS_OK) status = lmdb_system_unpack(value.mv_data, value.mv_size, out_system, error);
    if (status == STATUS_OK) status = get_receiving(tables, txn, &out_system->receiving, error);
    if (status == STATUS_OK) status = get_main(tables, txn, TABLE_HARD, &value, error);
    if (status != STATUS_OK) return status;
    status = lmdb_system_unpack_hard(value.mv_data, value.mv_size, &out_system->hard, error);
    return status == STATUS_OK ? check_transaction(tables, out_system, error) : status;
}
