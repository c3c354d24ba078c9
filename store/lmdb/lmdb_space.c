/* lmdb_space: see the header. What can't be looked up counts as plenty: a wrong alarm would stop the cluster.
 */
#include "store/lmdb/lmdb_space.h"

#include "store/lmdb/lmdb_free_list.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, LOW_SHARE = 20 /* 5 % */ };
static const uint64_t low_bytes = (uint64_t)64 * 1024 * 1024;
/* 5 % of a large disk is no scarcity. */
static const uint64_t low_bytes_max = (uint64_t)1024 * 1024 * 1024;
/* A group commit (4 MiB), the copy beside it, and what copy-on-write adds. */
static const uint64_t full_bytes = (uint64_t)16 * 1024 * 1024;

static uint64_t low_mark(uint64_t total)
{
    uint64_t share = total / LOW_SHARE;
    if (share > low_bytes_max) share = low_bytes_max;
    return share > low_bytes ? share : low_bytes;
}

/* From here on an alarm ends: not at the mark itself, or it would come and go with each write. */
static uint64_t ample_mark(uint64_t total)
{
    uint64_t low = low_mark(total);
    return low + low / 4;
}

static bool reserve_path(const struct lmdb_log *lmdb, char path[PATH_SIZE])
{
    int length = snprintf(path, PATH_SIZE, "%s/reserve", lmdb->directory);
    return length > 0 && length < PATH_SIZE;
}

void lmdb_space_open(struct lmdb_log *lmdb)
{
    char path[PATH_SIZE];
    struct stat entry;
    lmdb->reserved = reserve_path(lmdb, path) && stat(path, &entry) == 0 && entry.st_size > 0;
}

/* Failing is fine: then there is none, and it is tried again at the next look. */
static void take_reserve(struct lmdb_log *lmdb)
{
    char path[PATH_SIZE];
    if (!reserve_path(lmdb, path)) return;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;
    lmdb->reserved = fallocate(fd, 0, 0, (off_t)lmdb->reserve_bytes) == 0;
    (void)close(fd);
    if (!lmdb->reserved) (void)unlink(path);
}

static void give_reserve(struct lmdb_log *lmdb)
{
    char path[PATH_SIZE];
    if (reserve_path(lmdb, path) && unlink(path) == 0) lmdb->reserved = false;
}

static bool look_at_disk(const struct lmdb_log *lmdb, uint64_t *out_free, uint64_t *out_total)
{
    struct statvfs disk;
    if (statvfs(lmdb->store, &disk) != 0) return false;
    *out_free = (uint64_t)disk.f_bavail * disk.f_frsize;
    *out_total = (uint64_t)disk.f_blocks * disk.f_frsize;
    return true;
}

/* Pages beyond the last one, and (when those are scarce: it takes a walk) those that are free before it. */
static uint64_t map_free(const struct lmdb_log *lmdb, uint64_t *out_total)
{
    MDB_envinfo info;
    MDB_stat stat;
    MDB_txn *txn = NULL;
    *out_total = UINT64_MAX;
    if (mdb_env_info(lmdb->tables.environment, &info) != 0) return UINT64_MAX;
    if (mdb_env_stat(lmdb->tables.environment, &stat) != 0) return UINT64_MAX;
    uint64_t used = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
    *out_total = info.me_mapsize;
    uint64_t left = info.me_mapsize > used ? info.me_mapsize - used : 0;
    if (left >= ample_mark(info.me_mapsize)) return left;
    uint64_t pages = 0;
    struct error error;
    if (lmdb_tables_begin(&lmdb->tables, false, &txn, &error) != STATUS_OK) return left;
    if (lmdb_free_list_count(txn, &pages, &error) == STATUS_OK) left += pages * stat.ms_psize;
    lmdb_tables_abort(&txn);
    return left;
}

void lmdb_space_look(struct lmdb_log *lmdb, struct log_space *out_space)
{
    uint64_t disk = UINT64_MAX;
    uint64_t disk_total = 0;
    uint64_t map_total = 0;
    bool known = look_at_disk(lmdb, &disk, &disk_total);
    if (known && lmdb->reserved && disk < full_bytes) {
        give_reserve(lmdb);
        known = look_at_disk(lmdb, &disk, &disk_total);
    }
    uint64_t map = map_free(lmdb, &map_total);
    bool disk_low = known && disk < low_mark(disk_total);
    bool disk_ample = !known || disk >= ample_mark(disk_total);
    if (known && disk_ample && !lmdb->reserved && lmdb->reserve_bytes > 0 &&
        disk - ample_mark(disk_total) > lmdb->reserve_bytes) {
        take_reserve(lmdb);
    }
    *out_space = (struct log_space){ .disk_free = known ? disk : UINT64_MAX, .map_free = map };
    out_space->disk_mark = known ? low_mark(disk_total) : 0;
    out_space->map_mark = map == UINT64_MAX ? 0 : low_mark(map_total);
    out_space->low = disk_low || map < out_space->map_mark;
    out_space->ample = disk_ample && (map == UINT64_MAX || map >= ample_mark(map_total));
    out_space->full = (known && disk < full_bytes) || map < full_bytes;
}

void lmdb_space_explain(struct lmdb_log *lmdb, struct error *error)
{
    struct log_space space;
    lmdb_space_look(lmdb, &space);
    if (!space.full) return;
    error_hint(error, "the disk is full: %llu KiB are free for %s",
               (unsigned long long)(space.disk_free / 1024), lmdb->directory);
}
