/* map: see the header. Entries stand in one array in order of insertion; `slots` is an open-addressing index
 * into it (linear probing, at most half full, 0 = free, else entry index + 1). Removing leaves a dead entry
 * (value NULL) that its slot still names, so probes and iterations go on across it; the dead are swept out
 * when the array is full, which only a put can find. */
#include "runtime/base/map.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"

#include <string.h>

enum { CAPACITY_MIN = 8 };

struct map_entry {
    uint64_t hash;
    union {
        char *text;
        uint64_t number;
    } key;
    bool is_text;
    void *value; /* NULL: removed, and a text key is freed already. */
};

/* What is looked for; text NULL means a number. */
struct map_key {
    const char *text;
    uint64_t number;
    uint64_t hash;
};

static struct map_key key_of_text(const char *text)
{
    return (struct map_key){ .text = text, .hash = hash64(text, strlen(text), 0) };
}

static struct map_key key_of_number(uint64_t number)
{
    return (struct map_key){ .number = number, .hash = hash64_mix(number, 1) };
}

static bool key_matches(const struct map_key *key, const struct map_entry *entry)
{
    if (entry->value == NULL || entry->hash != key->hash) return false;
    CHECK(entry->is_text == (key->text != NULL)); /* One map uses either kind of key. */
    return entry->is_text ? strcmp(entry->key.text, key->text) == 0 : entry->key.number == key->number;
}

static struct map_entry *entry_find(const struct map *map, const struct map_key *key)
{
    if (map->count == 0) return NULL;
    uint32_t mask = map->slot_count - 1;
    for (uint32_t at = (uint32_t)key->hash & mask; map->slots[at] != 0; at = (at + 1) & mask) {
        struct map_entry *entry = &map->entries[map->slots[at] - 1];
        if (key_matches(key, entry)) return entry;
    }
    return NULL;
}

static void slot_take(struct map *map, uint32_t entry_index)
{
    uint32_t mask = map->slot_count - 1;
    uint32_t at = (uint32_t)map->entries[entry_index].hash & mask;
    while (map->slots[at] != 0) {
        at = (at + 1) & mask;
    }
    map->slots[at] = entry_index + 1;
}

/* Called with a full array: sweeps the dead out, and doubles the room unless that freed half of it. */
static void make_room(struct map *map)
{
    uint32_t capacity = map->capacity == 0 ? CAPACITY_MIN : map->capacity;
    if (map->count > capacity / 2) {
        CHECK(capacity <= UINT32_MAX / 4);
        capacity *= 2;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < map->used; i++) {
        if (map->entries[i].value != NULL) map->entries[kept++] = map->entries[i];
    }
    CHECK(kept == map->count);
    map->entries = memory_realloc(map->entries, capacity * sizeof *map->entries);
    memory_free(map->slots);
    map->slot_count = capacity * 2;
    map->slots = memory_array(map->slot_count, sizeof *map->slots);
    map->capacity = capacity;
    map->used = kept;
    for (uint32_t i = 0; i < kept; i++) {
        slot_take(map, i);
    }
}

static void *put(struct map *map, const struct map_key *key, void *value)
{
    CHECK(value != NULL);
    struct map_entry *entry = entry_find(map, key);
    if (entry != NULL) {
        void *former = entry->value;
        entry->value = value;
        return former;
    }
    if (map->used == map->capacity) make_room(map);
    entry = &map->entries[map->used];
    *entry = (struct map_entry){ .hash = key->hash, .is_text = key->text != NULL, .value = value };
    if (entry->is_text) entry->key.text = memory_strdup(key->text);
    else entry->key.number = key->number;
    slot_take(map, map->used++);
    map->count++;
    return NULL;
}

static void *take_out(struct map *map, const struct map_key *key)
{
    struct map_entry *entry = entry_find(map, key);
    if (entry == NULL) return NULL;
    void *value = entry->value;
    entry->value = NULL;
    if (entry->is_text) memory_free(entry->key.text);
    map->count--;
    return value;
}

void *map_get(const struct map *map, const char *key)
{
    struct map_key wanted = key_of_text(key);
    const struct map_entry *entry = entry_find(map, &wanted);
    return entry == NULL ? NULL : entry->value;
}

void *map_put(struct map *map, const char *key, void *value)
{
    struct map_key wanted = key_of_text(key);
    return put(map, &wanted, value);
}

void *map_remove(struct map *map, const char *key)
{
    struct map_key wanted = key_of_text(key);
    return take_out(map, &wanted);
}

void *map_get_number(const struct map *map, uint64_t key)
{
    struct map_key wanted = key_of_number(key);
    const struct map_entry *entry = entry_find(map, &wanted);
    return entry == NULL ? NULL : entry->value;
}

void *map_put_number(struct map *map, uint64_t key, void *value)
{
    struct map_key wanted = key_of_number(key);
    return put(map, &wanted, value);
}

void *map_remove_number(struct map *map, uint64_t key)
{
    struct map_key wanted = key_of_number(key);
    return take_out(map, &wanted);
}

static const struct map_entry *next_live(const struct map *map, size_t *position)
{
    while (*position < map->used) {
        const struct map_entry *entry = &map->entries[(*position)++];
        if (entry->value != NULL) return entry;
    }
    return NULL;
}

bool map_next(const struct map *map, size_t *position, const char **out_key, void **out_value)
{
    const struct map_entry *entry = next_live(map, position);
    if (entry == NULL) return false;
    CHECK(entry->is_text);
    if (out_key != NULL) *out_key = entry->key.text;
    if (out_value != NULL) *out_value = entry->value;
    return true;
}

bool map_next_number(const struct map *map, size_t *position, uint64_t *out_key, void **out_value)
{
    const struct map_entry *entry = next_live(map, position);
    if (entry == NULL) return false;
    CHECK(!entry->is_text);
    if (out_key != NULL) *out_key = entry->key.number;
    if (out_value != NULL) *out_value = entry->value;
    return true;
}

void map_fini(struct map *map)
{
    for (uint32_t i = 0; i < map->used; i++) {
        struct map_entry *entry = &map->entries[i];
        if (entry->value != NULL && entry->is_text) memory_free(entry->key.text);
    }
    memory_free(map->entries);
    memory_free(map->slots);
    *map = (struct map){ 0 };
}
