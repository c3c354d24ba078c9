/* lmdb_map: see the header. A line of /proc/self/maps: `START-END PERMISSIONS OFFSET MAJOR:MINOR INODE PATH`,
 * numbers in hex but for the inode. */
#include "store/lmdb/lmdb_map.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static bool is_of_file(const char *line, const struct stat *file, struct lmdb_map *out_map)
{
    uintptr_t start = 0;
    uintptr_t end = 0;
    unsigned major_number = 0;
    unsigned minor_number = 0;
    uint64_t inode = 0;
    int got = sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %x:%x %" SCNu64, &start, &end, &major_number,
                     &minor_number, &inode);
    if (got != 5 || inode != file->st_ino || makedev(major_number, minor_number) != file->st_dev)
        return false;
    *out_map = (struct lmdb_map){ (void *)start, end - start }; /* NOLINT(performance-no-int-to-ptr) */
    return true;
}

void lmdb_map_find(MDB_env *environment, struct lmdb_map *out_map)
{
    *out_map = (struct lmdb_map){ NULL, 0 };
    mdb_filehandle_t fd = -1;
    struct stat file;
    if (mdb_env_get_fd(environment, &fd) != 0 || fstat(fd, &file) != 0) return;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL) return;
    char line[512]; /* A longer path comes in parts, of which none begins like a line. */
    while (fgets(line, sizeof line, maps) != NULL && !is_of_file(line, &file, out_map)) {
    }
    (void)fclose(maps);
}

void lmdb_map_let_go(const struct lmdb_map *map)
{
    if (map->address != NULL) (void)madvise(map->address, map->size, MADV_DONTNEED);
}
