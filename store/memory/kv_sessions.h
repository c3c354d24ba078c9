/* kv_sessions: who may write exactly once (A4): for each session the last sequence that was executed and what
 * came of it. Changes come from entries only; the one that is dropped for another is the one used longest ago
 * by log order, so every replica drops the same. */
#ifndef AETHER_STORE_MEMORY_KV_SESSIONS_H
#define AETHER_STORE_MEMORY_KV_SESSIONS_H

#include "runtime/base/map.h"
#include "store/record.h"

struct kv_sessions {
    struct map by_id; /* id -> session, private. */
    struct map dirty; /* id -> any: changed or gone since the last kv_sessions_copy. */
    struct record_hash hash;
    /* Whoever has to know what stood there: before each change; former NULL: nothing. NULL: nobody. */
    void (*before_change)(void *context, uint64_t id, const struct record_session *former);
    void *context;
};

/* NULL: unknown. Borrowed until the next change. */
const struct record_session *kv_sessions_find(const struct kv_sessions *sessions, uint64_t id);
/* Makes or replaces; drops the one used longest ago when there would be more than KV_SESSIONS_MAX. */
void kv_sessions_put(struct kv_sessions *sessions, const struct record_session *record);
bool kv_sessions_drop(struct kv_sessions *sessions, uint64_t id); /* false: unknown. */
struct record_hash kv_sessions_hash_scan(const struct kv_sessions *sessions);
/* Appends one copy record for each dirty session, and forgets that they were. Returns how many. */
uint32_t kv_sessions_copy(struct kv_sessions *sessions, struct arena *arena, struct log_copy_record *records);
void kv_sessions_clean(struct kv_sessions *sessions); /* What is here now came from the copy. */
void kv_sessions_fini(struct kv_sessions *sessions);

#endif
