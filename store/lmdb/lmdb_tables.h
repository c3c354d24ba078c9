/* lmdb_tables: the environment of one replica and its sub-databases (consensus.md section 3), and the small
 * records of `hard` and `sys` (lmdb_system). Every call returns OK or IO with LMDB's own words, or CORRUPT.
 */
#ifndef AETHER_STORE_LMDB_LMDB_TABLES_H
#define AETHER_STORE_LMDB_LMDB_TABLES_H

#include "store/lmdb/lmdb_system.h"

#include <lmdb.h>

enum lmdb_table {
    TABLE_KV, /* kv0, kv1 */
    TABLE_SESSION = TABLE_KV + LMDB_GENERATIONS,
    TABLE_HISTORY = TABLE_SESSION + LMDB_GENERATIONS,
    TABLE_LOG,
    TABLE_CONFIGURATION,
    TABLE_HARD,
    TABLE_SYSTEM,
    TABLE_COUNT
};
/* Where a space of the state copy lies; history has no generation. */
enum lmdb_table lmdb_tables_of(enum log_copy_space space, uint32_t generation);

struct lmdb_tables {
    MDB_env *environment;
    MDB_dbi table[TABLE_COUNT];
};

enum lmdb_opening {
    LMDB_TO_WRITE,
    LMDB_TO_MAKE, /* The tables too. */
    LMDB_TO_PROBE /* Reads only, and leaves no trace, not even a lock. */
};

/* The environment in an existing directory. */
MUST_CHECK enum status lmdb_tables_open(struct lmdb_tables *tables, const char *directory, size_t map_bytes,
                                        enum lmdb_opening opening, struct error *error);
void lmdb_tables_close(struct lmdb_tables *tables);

MUST_CHECK enum status lmdb_tables_begin(const struct lmdb_tables *tables, bool writes, MDB_txn **out_txn,
                                         struct error *error);
/* Takes the transaction; durable when it returns OK (a write's). */
MUST_CHECK enum status lmdb_tables_commit(MDB_txn **txn, struct error *error);
void lmdb_tables_abort(MDB_txn **txn); /* NULL content is fine. */

/* Opens (or makes) the sub-databases in the first transaction. */
MUST_CHECK enum status lmdb_tables_use(struct lmdb_tables *tables, MDB_txn *txn, bool make,
                                       struct error *error);
/* Writes all of it but hard, with the transaction's own number. */
MUST_CHECK enum status lmdb_tables_put_system(struct lmdb_tables *tables, MDB_txn *txn,
                                              struct lmdb_system *system, struct error *error);
MUST_CHECK enum status lmdb_tables_put_hard(struct lmdb_tables *tables, MDB_txn *txn,
                                            const struct hard_state *hard, struct error *error);
/* CORRUPT: a checksum fails, the format is another, or D4: the environment is not where we left it. */
MUST_CHECK enum status lmdb_tables_get_system(struct lmdb_tables *tables, MDB_txn *txn,
                                              struct lmdb_system *out_system, struct error *error);

/* Just the receiving part of it, which changes on its own. */
MUST_CHECK enum status lmdb_tables_put_receiving(struct lmdb_tables *tables, MDB_txn *txn,
                                                 const struct log_receiving *receiving, struct error *error);

/* CORRUPT for what LMDB finds damaged, IO for the rest; code: LMDB's or errno. */
enum status lmdb_tables_error(struct error *error, int code, const char *what);

#endif
