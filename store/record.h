/* record: how records, sessions and history lie in the state copy and in snapshots: fields of store/pack.h
 * behind a crc32c that also covers the key, so that a sound value under the wrong key is found out.
 * Unpacking takes outside input: CORRUPT, never a crash. */
#ifndef AETHER_STORE_RECORD_H
#define AETHER_STORE_RECORD_H

#include "store/kv.h"

struct record_blob {
    const uint8_t *data;
    size_t size;
};

/* Memory of a pack is the arena's. What unpack gives points into `data` and `key`. */
struct record_blob record_pack(const struct kv_record *record, struct arena *arena);
MUST_CHECK enum status record_unpack(const char *key, const void *data, size_t size,
                                     struct kv_record *out_record, struct error *error);

struct record_session {
    uint64_t id;            /* = index of the entry that opened it. */
    uint64_t used_revision; /* Of the last command executed under it, or its opening. */
    uint64_t sequence;      /* Of that command; 0: none yet. */
    const char *client;
    const uint8_t *result; /* Packed pb.ProposeReply of that command. */
    size_t result_size;
};
struct record_blob record_pack_session(const struct record_session *session, struct arena *arena);
MUST_CHECK enum status record_unpack_session(const char *key, const void *data, size_t size,
                                             struct record_session *out_session, struct error *error);

struct record_history {
    uint64_t revision;
    struct kv_change *changes; /* In the arena. */
    uint32_t count;
};
struct record_blob record_pack_history(uint64_t revision, const struct kv_change *changes, uint32_t count,
                                       struct arena *arena);
MUST_CHECK enum status record_unpack_history(const char *key, const void *data, size_t size,
                                             struct arena *arena, struct record_history *out_history,
                                             struct error *error);

/* Keys of sessions and history: 16 hex digits, which sort as their numbers do. */
enum { RECORD_NUMBER_KEY_SIZE = 17 };
void record_number_key(char key[RECORD_NUMBER_KEY_SIZE], uint64_t number);
bool record_number_of_key(const char *key, uint64_t *out_number);

/* D2: 128-bit numbers that are added and subtracted modulo 2^128. */
struct record_hash {
    uint64_t low;
    uint64_t high;
};
struct record_hash record_hash(const struct kv_record *record);
struct record_hash record_hash_session(const struct record_session *session);
void record_hash_add(struct record_hash *sum, const struct record_hash *part);
void record_hash_subtract(struct record_hash *sum, const struct record_hash *part);
void record_hash_bytes(const struct record_hash *hash, uint8_t out_bytes[16]);

#endif
