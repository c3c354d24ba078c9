/* map: hash table from strings, or from 64-bit numbers, to pointers. Iteration is in order of insertion
 * (after removals, still a function of the history of calls only), so it is the same on every run. Not
 * thread-safe. A zeroed map is empty and valid. */
#ifndef AETHER_RUNTIME_BASE_MAP_H
#define AETHER_RUNTIME_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry;

struct map {
    struct map_entry *entries; /* Private. */
    uint32_t *slots;
    uint32_t slot_count;
    uint32_t used; /* Entries, removed ones included. */
    uint32_t capacity;
    uint32_t count; /* Live ones. */
};

/* String keys: copied into the map. */
void *map_get(const struct map *map, const char *key); /* NULL: absent. */
void *map_put(struct map *map, const char *key,
              void *value);                         /* The former value, or NULL. value is not NULL. */
void *map_remove(struct map *map, const char *key); /* The removed value, or NULL. */
/* Number keys: one map uses either kind, never both. */
void *map_get_number(const struct map *map, uint64_t key);
void *map_put_number(struct map *map, uint64_t key, void *value);
void *map_remove_number(struct map *map, uint64_t key);
/* for (size_t i = 0; map_next(&map, &i, &key, &value);) — removing the entry just seen is fine. */
bool map_next(const struct map *map, size_t *position, const char **out_key, void **out_value);
bool map_next_number(const struct map *map, size_t *position, uint64_t *out_key, void **out_value);
void map_fini(struct map *map); /* Frees the map, not the values. */

#endif
