/* lmdb_map: where the data file lies in our memory, and how much of it stays there. LMDB reads by a mapping,
 * so every page that was ever looked at counts as ours, sixteen neighbours with it, until the whole file
 * does. The kernel keeps file pages anyway, and a page comes back without a read of the disk: so now and then
 * all are let go. */
#ifndef AETHER_STORE_LMDB_LMDB_MAP_H
#define AETHER_STORE_LMDB_LMDB_MAP_H

#include <lmdb.h>

#include <stddef.h>

struct lmdb_map {
    void *address; /* NULL: not found; then nothing is let go. */
    size_t size;
};

/* The environment doesn't tell where its map is; the kernel does. */
void lmdb_map_find(MDB_env *environment, struct lmdb_map *out_map);
/* Any time: who reads meanwhile sees the same bytes, a little later. */
void lmdb_map_let_go(const struct lmdb_map *map);

#endif
