/* lmdb_free_list: see the header. The list is the sub-database 0: transaction number -> {count, page
 * number...}, all of them size_t. */
#include "store/lmdb/lmdb_free_list.h"

#include "runtime/base/memory.h"
#include "store/lmdb/lmdb_tables.h"

#include <string.h>

enum { FREE_TABLE = 0, META_PAGES = 2, BITS = 8 };

struct page_set { /* Which pages have been seen. */
    uint8_t *bits;
    size_t count; /* Of the environment's pages. */
    uint64_t seen;
};

static size_t number_at(const MDB_val *value, size_t place)
{
    size_t number;
    memcpy(&number, (const uint8_t *)value->mv_data + place * sizeof number, sizeof number);
    return number;
}

static bool is_list(const MDB_val *value)
{
    size_t places = value->mv_size / sizeof(size_t);
    return places > 0 && number_at(value, 0) < places;
}

static bool add(struct page_set *pages, size_t page)
{
    if (page < META_PAGES || page >= pages->count) return false;
    uint8_t bit = (uint8_t)(1u << (page % BITS));
    if (pages->bits[page / BITS] & bit) return false;
    pages->bits[page / BITS] |= bit;
    pages->seen++;
    return true;
}

static enum status check_list(struct page_set *pages, const MDB_val *value, struct error *error)
{
    if (!is_list(value)) return error_set(error, STATUS_CORRUPT, "the list of free pages is damaged");
    for (size_t i = 1; i <= number_at(value, 0); i++) {
        if (add(pages, number_at(value, i))) continue;
        return error_set(error, STATUS_CORRUPT, "page %zu can't stand in the list of free pages",
                         number_at(value, i));
    }
    return STATUS_OK;
}

static enum status walk(MDB_txn *txn,
                        enum status (*visit)(void *context, const MDB_val *value, struct error *error),
                        void *context, struct error *error)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    enum status status = STATUS_OK;
    int code = mdb_cursor_open(txn, FREE_TABLE, &cursor);
    if (code != 0) return lmdb_tables_error(error, code, "open the list of free pages");
    code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (code == 0 && status == STATUS_OK) {
        status = visit(context, &value, error);
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (status != STATUS_OK || code == MDB_NOTFOUND) return status;
    return lmdb_tables_error(error, code, "read the list of free pages");
}

static enum status visit_check(void *context, const MDB_val *value, struct error *error)
{
    return check_list(context, value, error);
}

enum status lmdb_free_list_check(MDB_env *environment, MDB_txn *txn, struct error *error)
{
    MDB_envinfo info;
    MDB_stat stat;
    int code = mdb_env_info(environment, &info);
    if (code == 0) code = mdb_env_stat(environment, &stat);
    if (code != 0) return lmdb_tables_error(error, code, "look at the environment");
    struct page_set pages = { .count = info.me_last_pgno + 1 };
    if (pages.count > info.me_mapsize / stat.ms_psize) {
        return error_set(error, STATUS_CORRUPT, "the last page lies beyond the map");
    }
    pages.bits = memory_zalloc(pages.count / BITS + 1);
    enum status status = walk(txn, visit_check, &pages, error);
    memory_free(pages.bits);
    return status;
}

static enum status visit_count(void *context, const MDB_val *value, struct error *error)
{
    (void)error;
    if (is_list(value)) *(uint64_t *)context += number_at(value, 0);
    return STATUS_OK;
}

enum status lmdb_free_list_count(MDB_txn *txn, uint64_t *out_pages, struct error *error)
{
    *out_pages = 0;
    return walk(txn, visit_count, out_pages, error);
}
