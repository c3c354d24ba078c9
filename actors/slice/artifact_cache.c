/* artifact_cache: an index in memory of what is on the disk. The order of use survives a restart in the
 * files' times of modification. */
#include "actors/slice/artifact_cache.h"

#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/schema/artifact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t LEFTOVER_NS = SECONDS(86400);

struct cached {
    char sha256[SHA256_TEXT_SIZE];
    uint64_t size_bytes;
    uint64_t used; /* Which use it was last: larger is later. */
    bool pinned;
};

/* --- names ---------------------------------------------------------------------------------------------- */

void artifact_cache_path(const struct artifact_cache *cache, char path[ARTIFACT_PATH_SIZE],
                         const char *sha256)
{
    (void)snprintf(path, ARTIFACT_PATH_SIZE, "%s/%s", cache->directory, sha256);
}

void artifact_cache_part_path(const struct artifact_cache *cache, char path[ARTIFACT_PATH_SIZE],
                              const char *name, const char *suffix)
{
    (void)snprintf(path, ARTIFACT_PATH_SIZE, "%s/tmp/%s%s", cache->directory, name, suffix);
}

static void remove_file(const struct artifact_cache *cache, const char *path)
{
    (void)cache->files->remove(cache->files->context, path, NULL); /* Or the next start tries again. */
}

static void remove_object(const struct artifact_cache *cache, const char *sha256)
{
    char path[ARTIFACT_PATH_SIZE];
    char signature[ARTIFACT_PATH_SIZE + 8];
    artifact_cache_path(cache, path, sha256);
    (void)snprintf(signature, sizeof signature, "%s.sig", path);
    remove_file(cache, path);
    remove_file(cache, signature);
}

/* --- the index ------------------------------------------------------------------------------------------ */

static struct cached *add(struct artifact_cache *cache, const char *sha256, uint64_t size)
{
    struct cached *object = memory_zalloc(sizeof *object);
    (void)text_copy(object->sha256, sizeof object->sha256, sha256);
    object->size_bytes = size;
    object->used = ++cache->uses;
    object->pinned = map_get(&cache->pins, sha256) != NULL;
    cache->bytes += size;
    (void)map_put(&cache->objects, sha256, object);
    return object;
}

static void forget(struct artifact_cache *cache, struct cached *object)
{
    (void)map_remove(&cache->objects, object->sha256);
    cache->bytes -= object->size_bytes;
    memory_free(object);
}

static void use(struct artifact_cache *cache, struct cached *object)
{
    char path[ARTIFACT_PATH_SIZE];
    artifact_cache_path(cache, path, object->sha256);
    object->used = ++cache->uses;
    (void)cache->files->touch(cache->files->context, path, NULL); /* Only the order after a restart. */
}

bool artifact_cache_has(struct artifact_cache *cache, const char *sha256, uint64_t *out_size)
{
    struct cached *object = map_get(&cache->objects, sha256);
    char path[ARTIFACT_PATH_SIZE];
    uint64_t size = 0;
    if (object == NULL) return false;
    artifact_cache_path(cache, path, sha256);
    if (cache->files->size(cache->files->context, path, &size, NULL) != STATUS_OK ||
        size != object->size_bytes) {
        forget(cache, object);
        return false;
    }
    *out_size = size;
    return true;
}

/* --- reading -------------------------------------------------------------------------------------------- */

enum status artifact_cache_hash(struct artifact_cache *cache, const char *path, enum digest_kind kind,
                                struct artifact_hashes *out_hashes, struct error *error)
{
    const struct file_port *files = cache->files;
    struct file file;
    struct digest sha256, other;
    enum status status = files->open(files->context, path, FILE_READ, &file, error);
    if (status != STATUS_OK) return status;
    digest_begin(&sha256, DIGEST_SHA256);
    digest_begin(&other, kind);
    *out_hashes = (struct artifact_hashes){ 0 };
    for (size_t count = 1; count > 0;) {
        status = files->read(files->context, &file, cache->buffer, sizeof cache->buffer, &count, error);
        if (status != STATUS_OK) break;
        if (out_hashes->size == 0) {
            out_hashes->head_size = count < sizeof out_hashes->head ? count : sizeof out_hashes->head;
            memcpy(out_hashes->head, cache->buffer, out_hashes->head_size);
        }
        digest_add(&sha256, cache->buffer, count);
        if (kind != DIGEST_SHA256) digest_add(&other, cache->buffer, count);
        out_hashes->size += count;
    }
    files->close(files->context, &file);
    if (status != STATUS_OK) return status;
    digest_end(&sha256, out_hashes->sha256);
    digest_end(&other, out_hashes->other);
    if (kind == DIGEST_SHA256) memcpy(out_hashes->other, out_hashes->sha256, sizeof out_hashes->other);
    return STATUS_OK;
}

enum status artifact_cache_check(struct artifact_cache *cache, const char *sha256, uint64_t *out_size,
                                 struct error *error)
{
    char path[ARTIFACT_PATH_SIZE];
    struct artifact_hashes hashes;
    struct cached *object = map_get(&cache->objects, sha256);
    if (object == NULL) return error_set(error, STATUS_NOT_FOUND, "%.16s... is not in the cache", sha256);
    artifact_cache_path(cache, path, sha256);
    enum status status = artifact_cache_hash(cache, path, DIGEST_SHA256, &hashes, error);
    if (status == STATUS_OK && strcmp(hashes.sha256, sha256) == 0) {
        *out_size = hashes.size;
        use(cache, object);
        return STATUS_OK;
    }
    if (status == STATUS_OK)
        status = error_set(error, STATUS_CORRUPT, "%s hashes to %s", path, hashes.sha256);
    MARK("artifact_cache.is_damaged");
    remove_object(cache, sha256);
    forget(cache, object);
    return status;
}

/* --- room ----------------------------------------------------------------------------------------------- */

static struct cached *used_longest_ago(const struct artifact_cache *cache)
{
    struct cached *oldest = NULL;
    const char *key = NULL;
    void *value = NULL;
    for (size_t i = 0; map_next(&cache->objects, &i, &key, &value);) {
        struct cached *object = value;
        if (!object->pinned && (oldest == NULL || object->used < oldest->used)) oldest = object;
    }
    return oldest;
}

static bool fits(const struct artifact_cache *cache, uint64_t bytes)
{
    uint64_t taken = cache->bytes + cache->reserved_bytes;
    return taken <= cache->bytes_max && bytes <= cache->bytes_max - taken;
}

/* Nothing is evicted in vain. */
static uint64_t evictable(const struct artifact_cache *cache)
{
    uint64_t bytes = 0;
    const char *key = NULL;
    void *value = NULL;
    for (size_t i = 0; map_next(&cache->objects, &i, &key, &value);)
        if (!((struct cached *)value)->pinned) bytes += ((struct cached *)value)->size_bytes;
    return bytes;
}

static enum status make_room(struct artifact_cache *cache, uint64_t bytes, struct error *error)
{
    uint64_t left = cache->bytes + cache->reserved_bytes - evictable(cache);
    if (left > cache->bytes_max || bytes > cache->bytes_max - left) {
        (void)error_set(error, STATUS_OVERLOADED,
                        "the artifact cache has no room for %llu bytes: %llu of %llu are pinned or promised",
                        (unsigned long long)bytes, (unsigned long long)left,
                        (unsigned long long)cache->bytes_max);
        error_hint(error, "raise limits.artifact-cache of this node");
        return STATUS_OVERLOADED;
    }
    while (!fits(cache, bytes)) {
        struct cached *oldest = used_longest_ago(cache);
        CHECK(oldest != NULL); /* There was enough to evict. */
        MARK("artifact_cache.evicts");
        remove_object(cache, oldest->sha256);
        forget(cache, oldest);
    }
    return STATUS_OK;
}

enum status artifact_cache_reserve(struct artifact_cache *cache, uint64_t bytes, struct error *error)
{
    enum status status = make_room(cache, bytes, error);
    if (status == STATUS_OK) cache->reserved_bytes += bytes;
    return status;
}

void artifact_cache_release(struct artifact_cache *cache, uint64_t bytes)
{
    CHECK(cache->reserved_bytes >= bytes);
    cache->reserved_bytes -= bytes;
}

enum status artifact_cache_keep(struct artifact_cache *cache, const char *part, const char *sha256,
                                uint64_t size, struct error *error)
{
    const struct file_port *files = cache->files;
    char path[ARTIFACT_PATH_SIZE];
    struct cached *object = map_get(&cache->objects, sha256);
    enum status status = object != NULL ? STATUS_OK : make_room(cache, size, error);
    artifact_cache_path(cache, path, sha256);
    if (status == STATUS_OK) status = files->protect(files->context, part, error);
    if (status == STATUS_OK) status = files->rename(files->context, part, path, error);
    if (status != STATUS_OK) return status;
    if (object == NULL) (void)add(cache, sha256, size);
    else use(cache, object); /* The same content; replaced as a whole. */
    return STATUS_OK;
}

void artifact_cache_pin(struct artifact_cache *cache, const struct artifact_pin *pins, uint32_t count)
{
    const char *key = NULL;
    void *value = NULL;
    map_fini(&cache->pins);
    cache->pins = (struct map){ 0 };
    for (uint32_t i = 0; i < count; i++)
        (void)map_put(&cache->pins, pins[i].sha256, cache);
    for (size_t i = 0; map_next(&cache->objects, &i, &key, &value);)
        ((struct cached *)value)->pinned = map_get(&cache->pins, key) != NULL;
}

/* --- the start ------------------------------------------------------------------------------------------ */

struct found {
    char name[DIGEST_TEXT_MAX + 32]; /* "" = too long to be ours. */
    uint64_t size_bytes;
    int64_t modified_ns;
};
struct finds {
    struct found *items;
    uint32_t count;
    uint32_t room;
};

static void find(void *context, const struct file_entry *entry)
{
    struct finds *finds = context;
    if (finds->count == finds->room) {
        finds->room = finds->room == 0 ? 64 : 2 * finds->room;
        finds->items = memory_realloc(finds->items, finds->room * sizeof *finds->items);
    }
    struct found *found = &finds->items[finds->count++];
    *found = (struct found){ .size_bytes = entry->size_bytes, .modified_ns = entry->modified_ns };
    if (!text_copy(found->name, sizeof found->name, entry->name)) finds->count--; /* Not ours to touch. */
}

/* The oldest first; names decide between equals, so that the order is the same each time. */
static int compare_found(const void *left, const void *right)
{
    const struct found *a = left, *b = right;
    if (a->modified_ns != b->modified_ns) return a->modified_ns < b->modified_ns ? -1 : 1;
    return strcmp(a->name, b->name);
}

static enum status list(const struct artifact_cache *cache, const char *folder, struct finds *finds,
                        struct error *error)
{
    enum status status = cache->files->list(cache->files->context, folder, find, finds, error);
    if (status == STATUS_OK && finds->count > 1)
        qsort(finds->items, finds->count, sizeof *finds->items, compare_found);
    return status;
}

/* Half-written signatures, and those whose object went. */
static void sweep_beside(struct artifact_cache *cache, const struct finds *finds)
{
    for (uint32_t i = 0; i < finds->count; i++) {
        char path[ARTIFACT_PATH_SIZE], sha256[DIGEST_TEXT_MAX + 32];
        const char *name = finds->items[i].name;
        (void)text_copy(sha256, sizeof sha256, name);
        sha256[strcspn(sha256, ".")] = '\0';
        bool stray = text_ends_with(name, ".part") ||
                     (text_ends_with(name, ".sig") && map_get(&cache->objects, sha256) == NULL);
        artifact_cache_path(cache, path, name);
        if (stray) remove_file(cache, path);
    }
}

static enum status index_objects(struct artifact_cache *cache, struct error *error)
{
    struct finds finds = { 0 };
    enum status status = list(cache, cache->directory, &finds, error);
    for (uint32_t i = 0; status == STATUS_OK && i < finds.count; i++)
        if (artifact_sha256_is_valid(finds.items[i].name))
            (void)add(cache, finds.items[i].name, finds.items[i].size_bytes);
    if (status == STATUS_OK) sweep_beside(cache, &finds);
    memory_free(finds.items);
    return status;
}

/* What was interrupted may be continued for a day, as far as there is room for it. */
static enum status sweep_parts(struct artifact_cache *cache, int64_t wall_ms, struct error *error)
{
    char folder[ARTIFACT_PATH_SIZE + 8];
    struct finds finds = { 0 };
    uint64_t bytes = 0;
    (void)snprintf(folder, sizeof folder, "%s/tmp", cache->directory);
    enum status status = list(cache, folder, &finds, error);
    for (uint32_t i = finds.count; status == STATUS_OK && i > 0; i--) {
        char path[ARTIFACT_PATH_SIZE];
        const struct found *found = &finds.items[i - 1];
        bytes += found->size_bytes;
        bool old = MILLISECONDS(wall_ms) - found->modified_ns > LEFTOVER_NS;
        artifact_cache_part_path(cache, path, found->name, "");
        if (old || bytes > cache->bytes_max / 4) remove_file(cache, path);
    }
    memory_free(finds.items);
    return status;
}

enum status artifact_cache_open(struct artifact_cache *cache, const struct file_port *files,
                                const char *data_directory, uint64_t bytes_max, int64_t wall_ms,
                                struct error *error)
{
    char tmp[ARTIFACT_PATH_SIZE + 8];
    *cache = (struct artifact_cache){ .files = files, .bytes_max = bytes_max };
    if (strlen(data_directory) > ARTIFACT_PATH_SIZE - 256)
        return error_set(error, STATUS_INVALID, "the data directory's name is too long");
    (void)snprintf(cache->directory, sizeof cache->directory, "%s/artifacts", data_directory);
    (void)snprintf(tmp, sizeof tmp, "%s/tmp", cache->directory);
    enum status status = files->make_folder(files->context, tmp, error);
    if (status == STATUS_OK) status = index_objects(cache, error);
    if (status == STATUS_OK) status = sweep_parts(cache, wall_ms, error);
    if (status != STATUS_OK) artifact_cache_close(cache);
    return status;
}

void artifact_cache_close(struct artifact_cache *cache)
{
    const char *key = NULL;
    void *value = NULL;
    for (size_t i = 0; map_next(&cache->objects, &i, &key, &value);)
        memory_free(value);
    map_fini(&cache->objects);
    map_fini(&cache->pins);
}
