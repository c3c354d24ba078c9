/* artifact_cache: artifacts on this node's disk, by content: {data}/artifacts/{sha256}, mode 0444, and
 * {sha256}.sig where somebody signed it; {data}/artifacts/tmp holds what is not whole yet. Bounded in bytes:
 * what was used longest ago goes first, what is pinned never does. Passive, owned by artifact_store, whose
 * thread may block. */
#ifndef AETHER_ACTORS_SLICE_ARTIFACT_CACHE_H
#define AETHER_ACTORS_SLICE_ARTIFACT_CACHE_H

#include "actors/slice/artifact_messages.h"
#include "actors/slice/maven_layout.h"
#include "runtime/base/map.h"
#include "runtime/crypto/digest.h"
#include "runtime/port/file.h"

enum { ARTIFACT_PATH_SIZE = 1024, ARTIFACT_READ_SIZE = 64 * 1024 };

struct artifact_cache {
    const struct file_port *files;
    char directory[ARTIFACT_PATH_SIZE];
    uint64_t bytes_max;
    uint64_t bytes;          /* Of all objects. */
    uint64_t reserved_bytes; /* Promised to what is on its way. */
    uint64_t uses;           /* Counts them: the order of use. */
    struct map objects;      /* SHA-256 -> struct cached * */
    struct map pins;         /* SHA-256 -> anything: what is never evicted, here or not. */
    uint8_t buffer[ARTIFACT_READ_SIZE];
};

struct artifact_hashes {
    char sha256[DIGEST_TEXT_MAX];
    char other[DIGEST_TEXT_MAX]; /* Of the kind asked for. */
    uint64_t size;
    uint8_t head[MAVEN_OBJECT_HEAD_SIZE];
    size_t head_size;
};

/* Makes the folders, forgets what was half written, and what lies in tmp/ for more than a day: the
 * rest of it may be continued, up to a quarter of bytes_max, the newest first. */
MUST_CHECK enum status artifact_cache_open(struct artifact_cache *cache, const struct file_port *files,
                                           const char *data_directory, uint64_t bytes_max, int64_t wall_ms,
                                           struct error *error);
void artifact_cache_close(struct artifact_cache *cache);

void artifact_cache_path(const struct artifact_cache *cache, char path[ARTIFACT_PATH_SIZE],
                         const char *sha256);
void artifact_cache_part_path(const struct artifact_cache *cache, char path[ARTIFACT_PATH_SIZE],
                              const char *name, const char *suffix); /* In tmp/. */

/* Is it there, as far as its size tells? What vanished is forgotten. */
bool artifact_cache_has(struct artifact_cache *cache, const char *sha256, uint64_t *out_size);
/* Reads and hashes all of it; OK counts as a use. NOT_FOUND; CORRUPT: it was not what its name says, and is
 * gone.
 */
MUST_CHECK enum status artifact_cache_check(struct artifact_cache *cache, const char *sha256,
                                            uint64_t *out_size, struct error *error);
MUST_CHECK enum status artifact_cache_hash(struct artifact_cache *cache, const char *path,
                                           enum digest_kind kind, struct artifact_hashes *out_hashes,
                                           struct error *error);

/* Room for so many bytes more, made by evicting. OVERLOADED: what is there is pinned, or promised to others.
 * What was reserved is given back by _release, whatever became of it. */
MUST_CHECK enum status artifact_cache_reserve(struct artifact_cache *cache, uint64_t bytes,
                                              struct error *error);
void artifact_cache_release(struct artifact_cache *cache, uint64_t bytes);
/* The whole, checked and synced file `part` becomes visible under its content's name; there must be room, so
 * some is made. What is there already stays. */
MUST_CHECK enum status artifact_cache_keep(struct artifact_cache *cache, const char *part, const char *sha256,
                                           uint64_t size, struct error *error);
/* Replaces all pins. */
void artifact_cache_pin(struct artifact_cache *cache, const struct artifact_pin *pins, uint32_t count);

#endif
