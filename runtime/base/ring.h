/* ring: a bounded first-in first-out queue of pointers, for one thread. A zeroed ring is empty and has no
 * room before ring_init. */
#ifndef AETHER_RUNTIME_BASE_RING_H
#define AETHER_RUNTIME_BASE_RING_H

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <stdbool.h>
#include <stdint.h>

struct ring {
    void **items; /* Private. */
    uint32_t capacity;
    uint32_t first;
    uint32_t count;
};

static inline void ring_init(struct ring *ring, uint32_t capacity)
{
    CHECK(capacity > 0);
    *ring = (struct ring){ .items = memory_array(capacity, sizeof(void *)), .capacity = capacity };
}

static inline bool ring_push(struct ring *ring, void *item) /* false: full. */
{
    CHECK(item != NULL);
    if (ring->count == ring->capacity) return false;
    ring->items[(ring->first + ring->count) % ring->capacity] = item;
    ring->count++;
    return true;
}

static inline void *ring_peek(const struct ring *ring) /* The oldest; NULL: empty. */
{
    return ring->count == 0 ? NULL : ring->items[ring->first];
}

static inline void *ring_pop(struct ring *ring) /* The oldest; NULL: empty. */
{
    void *item = ring_peek(ring);
    if (item == NULL) return NULL;
    ring->first = (ring->first + 1) % ring->capacity;
    ring->count--;
    return item;
}

static inline void ring_fini(struct ring *ring) /* Frees the ring, not the items. */
{
    memory_free(ring->items);
    *ring = (struct ring){ 0 };
}

#endif
