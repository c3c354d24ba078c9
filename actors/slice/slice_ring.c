/* slice_ring: single producer, single consumer, in bytes. Positions only grow; their difference is what lies
 * between. A side that finds nothing to do first says so in a flag, then looks again: the other side
 * publishes its position first and then reads the flag, so that (both sequentially consistent) no ring is
 * missed. */
#include "actors/slice/slice_ring.h"

#include "runtime/base/check.h"

#include <string.h>

struct slice_ring_shared {
    _Alignas(64) uint64_t written; /* By the writer. */
    uint32_t writer_waits;
    _Alignas(64) uint64_t taken; /* By the reader. */
    uint32_t reader_sleeps;
    _Alignas(64) uint32_t unused;
    _Alignas(64) uint8_t data[];
};
_Static_assert(offsetof(struct slice_ring_shared, data) == SLICE_RING_HEAD_SIZE,
               "both processes agree on it");
_Static_assert((SLICE_RING_CAPACITY & (SLICE_RING_CAPACITY - 1)) == 0, "positions are masked");

enum { SIZE_PREFIX = sizeof(uint32_t) };

void slice_ring_init(struct slice_ring *ring, void *memory)
{
    CHECK((uintptr_t)memory % _Alignof(struct slice_ring_shared) == 0);
    *ring = (struct slice_ring){ .shared = memory };
}

static void copy_in(struct slice_ring *ring, uint64_t position, const void *from, size_t size)
{
    size_t at = (size_t)(position & (SLICE_RING_CAPACITY - 1));
    size_t first = SLICE_RING_CAPACITY - at < size ? SLICE_RING_CAPACITY - at : size;
    if (first > 0) memcpy(ring->shared->data + at, from, first);
    if (size > first) memcpy(ring->shared->data, (const uint8_t *)from + first, size - first);
}

static void copy_out(const struct slice_ring *ring, uint64_t position, void *to, size_t size)
{
    size_t at = (size_t)(position & (SLICE_RING_CAPACITY - 1));
    size_t first = SLICE_RING_CAPACITY - at < size ? SLICE_RING_CAPACITY - at : size;
    if (first > 0) memcpy(to, ring->shared->data + at, first);
    if (size > first) memcpy((uint8_t *)to + first, ring->shared->data, size - first);
}

static enum slice_ring_result fail(struct slice_ring *ring)
{
    ring->corrupt = true;
    return RING_CORRUPT;
}

/* How much lies between the two positions; false: more than there can be. */
static bool between(uint64_t ahead, uint64_t behind, size_t *out_size)
{
    if (ahead - behind > SLICE_RING_CAPACITY) return false;
    *out_size = (size_t)(ahead - behind);
    return true;
}

/* Takes the flag that the other side may have set: rings are not repeated. */
static bool take_flag(uint32_t *flag)
{
    if (__atomic_load_n(flag, __ATOMIC_SEQ_CST) == 0) return false;
    return __atomic_exchange_n(flag, 0, __ATOMIC_SEQ_CST) != 0;
}

enum slice_ring_result slice_ring_write(struct slice_ring *ring, const struct slice_ring_span *spans,
                                        size_t span_count, bool *out_ring)
{
    struct slice_ring_shared *shared = ring->shared;
    *out_ring = false;
    if (ring->corrupt) return RING_CORRUPT;
    size_t size = 0;
    for (size_t i = 0; i < span_count; i++)
        size += spans[i].size;
    CHECK(size <= SLICE_RING_FRAME_MAX);
    size_t used;
    if (!between(ring->position, __atomic_load_n(&shared->taken, __ATOMIC_ACQUIRE), &used)) return fail(ring);
    if (SLICE_RING_CAPACITY - used < SIZE_PREFIX + size) {
        __atomic_store_n(&shared->writer_waits, 1, __ATOMIC_SEQ_CST);
        if (!between(ring->position, __atomic_load_n(&shared->taken, __ATOMIC_SEQ_CST), &used))
            return fail(ring);
        if (SLICE_RING_CAPACITY - used < SIZE_PREFIX + size) return RING_NOT_NOW;
    }
    uint32_t prefix = (uint32_t)size;
    copy_in(ring, ring->position, &prefix, SIZE_PREFIX);
    uint64_t at = ring->position + SIZE_PREFIX;
    for (size_t i = 0; i < span_count; at += spans[i++].size)
        copy_in(ring, at, spans[i].data, spans[i].size);
    ring->position = at;
    __atomic_store_n(&shared->written, ring->position, __ATOMIC_SEQ_CST);
    *out_ring = take_flag(&shared->reader_sleeps);
    return RING_DONE;
}

enum slice_ring_result slice_ring_read(struct slice_ring *ring, struct bytes **out_frame, bool *out_ring)
{
    struct slice_ring_shared *shared = ring->shared;
    *out_ring = false;
    if (ring->corrupt) return RING_CORRUPT;
    size_t there;
    if (!between(__atomic_load_n(&shared->written, __ATOMIC_ACQUIRE), ring->position, &there))
        return fail(ring);
    if (there == 0) {
        __atomic_store_n(&shared->reader_sleeps, 1, __ATOMIC_SEQ_CST);
        if (!between(__atomic_load_n(&shared->written, __ATOMIC_SEQ_CST), ring->position, &there))
            return fail(ring);
        if (there == 0) return RING_NOT_NOW;
    }
    uint32_t size;
    if (there < SIZE_PREFIX) return fail(ring);
    copy_out(ring, ring->position, &size, SIZE_PREFIX);
    if (size > SLICE_RING_FRAME_MAX || there - SIZE_PREFIX < size) return fail(ring);
    struct bytes *frame = bytes_create(size);
    copy_out(ring, ring->position + SIZE_PREFIX, frame->data, size);
    ring->position += SIZE_PREFIX + size;
    __atomic_store_n(&shared->taken, ring->position, __ATOMIC_SEQ_CST);
    *out_ring = take_flag(&shared->writer_waits);
    *out_frame = frame;
    return RING_DONE;
}
