/* kv_snapshot: a walk over the state as of one index while entries go on being applied (N1): records in key
 * order, then sessions by id. What an entry changes ahead of the cursor is first saved to the walk's side
 * table; behind the cursor nobody cares. Several walks may be under way (a follower's, a worker's, a
 * backup's); each is the state actor's, as its kv is, and has to end before it. */
#ifndef AETHER_STORE_MEMORY_KV_SNAPSHOT_H
#define AETHER_STORE_MEMORY_KV_SNAPSHOT_H

#include "store/kv.h"
#include "store/record.h"
#include "store/snapshot.h"

enum {
    KV_SNAPSHOTS_MAX = 8,                      /* Of one kv, at a time. */
    KV_SNAPSHOT_SIDE_BYTES = 64 * 1024 * 1024, /* N1: then the walk has to begin again. */
    KV_SNAPSHOT_FILL_KEYS = 4096,              /* Looked at in one step, at most. */
};

struct kv_snapshot;

/* As of kv_applied. side_bytes_max: 0 = KV_SNAPSHOT_SIDE_BYTES. NULL: KV_SNAPSHOTS_MAX are under way. */
struct kv_snapshot *kv_snapshot_begin(struct kv *kv, size_t side_bytes_max);
void kv_snapshot_end(struct kv_snapshot **snapshot);
struct log_position kv_snapshot_position(const struct kv_snapshot *snapshot);
void kv_snapshot_hash(const struct kv_snapshot *snapshot, uint8_t out_hash[16]); /* D2, as of then. */

/* Adds to the chunk until it is full, or a few milliseconds' worth of keys was looked at, or all was given.
 * OVERLOADED: the side table outgrew its bound; nothing of this walk is of use any more. */
MUST_CHECK enum status kv_snapshot_fill(struct kv_snapshot *snapshot, struct snapshot_chunk *chunk);
bool kv_snapshot_is_done(const struct kv_snapshot *snapshot); /* Everything was given out. */

/* For kv (context: the kv): a record or a session is about to change; NULL: there is none as yet. */
struct kv_item;
void kv_snapshot_before_record(struct kv *kv, const char *key, struct kv_item *former);
void kv_snapshot_before_session(void *context, uint64_t id, const struct record_session *former);

#endif
