/* artifact: artifacts/{group}:{artifact}:{version}, one record for each artifact that the cluster itself
 * keeps:
 *
 *     {"size":183520,"sha256":"9f…","signature":"…","holders":["node-1","node-3"],"timestamp":1763752800000}
 *
 * `signature` (hex of an Ed25519 signature of the bytes) is left out where there is none. The record is made
 * by the entry that makes the artifact visible: by then every holder has all bytes, checked and synced. The
 * bytes themselves never stand in the log. */
#ifndef AETHER_STORE_SCHEMA_ARTIFACT_H
#define AETHER_STORE_SCHEMA_ARTIFACT_H

#include "runtime/base/arena.h"
#include "store/schema/coordinates.h"

#include <stdint.h>

enum {
    ARTIFACT_HOLDERS_MAX = 8,
    ARTIFACT_SHA256_SIZE = 65,     /* Hex and the terminating 0. */
    ARTIFACT_SIGNATURE_SIZE = 129, /* Likewise. */
    ARTIFACT_KEY_MAX = COORDINATES_TEXT_MAX + 16,
};

struct artifact_record {
    uint64_t size_bytes;
    const char *sha256;
    const char *signature;      /* Hex; "" = none. */
    const char *const *holders; /* Names of nodes, each once. */
    uint32_t holder_count;
    uint64_t timestamp; /* Unix ms: when these bytes came. */
};

void artifact_key(char key[ARTIFACT_KEY_MAX], const char *artifact);
/* false: no such key. Points into `key`. */
bool artifact_key_parse(const char *key, const char **out_artifact);
bool artifact_sha256_is_valid(const char *text); /* 64 lower-case hex digits. */
/* CORRUPT: not such a value. Strings are the arena's. */
MUST_CHECK enum status artifact_record_read(struct arena *arena, const void *value, size_t size,
                                            struct artifact_record *out_record, struct error *error);
char *artifact_record_write(struct arena *arena, const struct artifact_record *record);
bool artifact_record_has_holder(const struct artifact_record *record, const char *node);

#endif
