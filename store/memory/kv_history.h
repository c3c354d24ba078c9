/* kv_history: what each of the last revisions changed, with the value before: watches resume from it and
 * reads look back through it. Bounded by KV_HISTORY_REVISIONS_MAX and KV_HISTORY_BYTES_MAX; the newest
 * revision always stays. */
#ifndef AETHER_STORE_MEMORY_KV_HISTORY_H
#define AETHER_STORE_MEMORY_KV_HISTORY_H

#include "store/kv.h"

struct kv_revision {
    uint64_t revision;
    struct kv_change *changes; /* Each record is a reference to a kv_item. */
    uint32_t count;
    size_t bytes;
};

struct kv_history {
    struct kv_revision *ring; /* KV_HISTORY_REVISIONS_MAX + 1 places; NULL until the first. */
    uint32_t start;
    uint32_t count;
    size_t bytes;
    uint64_t first;  /* All changes of revisions >= first are here. */
    uint64_t copied; /* Revisions up to this one are in the copy. */
};

void kv_history_init(struct kv_history *history);
/* Takes the array and the references in it; drops what exceeds the bounds. The changes as they lie here. */
const struct kv_change *kv_history_add(struct kv_history *history, uint64_t revision,
                                       struct kv_change *changes, uint32_t count);
const struct kv_revision *kv_history_at(const struct kv_history *history, uint32_t position); /* From 0. */
/* Position of the first kept revision >= this one; count when there is none. */
uint32_t kv_history_position(const struct kv_history *history, uint64_t revision);
/* A single revision beyond the bounds (a huge delete by prefix) is shown to watches, but not copied. */
uint32_t kv_history_uncopied(const struct kv_history *history);
uint64_t kv_history_first_copied(const struct kv_history *history); /* What the copy begins with. */
/* Appends a copy record for each uncopied revision. Returns how many. */
uint32_t kv_history_copy(struct kv_history *history, struct arena *arena, struct log_copy_record *records);
void kv_history_clean(struct kv_history *history, uint64_t first); /* What is here now came from the copy. */
void kv_history_fini(struct kv_history *history);

#endif
