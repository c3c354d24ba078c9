/* lmdb_free_list: looks at LMDB's own list of free pages: a page that stands there by a flipped bit would be
 * written over although it is in use. And says how many there are. */
#ifndef AETHER_STORE_LMDB_LMDB_FREE_LIST_H
#define AETHER_STORE_LMDB_LMDB_FREE_LIST_H

#include "runtime/base/error.h"

#include <lmdb.h>
#include <stdint.h>

/* CORRUPT: a page is listed twice, or is none that the environment has. */
MUST_CHECK enum status lmdb_free_list_check(MDB_env *environment, MDB_txn *txn, struct error *error);
MUST_CHECK enum status lmdb_free_list_count(MDB_txn *txn, uint64_t *out_pages, struct error *error);

#endif
