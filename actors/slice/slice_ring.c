/* slice_ring: single producer, single consumer, in bytes. Positions only grow; their difference is what lies
 * between. A record is its size, 8 bytes, then the frame, filled up to 8; a size of PAD says that the rest of
 * the memory up to its end is skipped. A side that finds nothing to do first says so in a flag, then looks
 * again: the other side publishes its position first and then reads the flag, so that (both sequentially
 * consistent) no ring is missed. */
#include "actors/slice/slice_ring.h"

#include "runtime/base/check.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct slice_ring_shared {
    _Alignas(64) uint64_t written; /* By the writer. */
    uint32_t writer_waits;
    _Alignas(64) uint64_t taken; /* By the reader. */
    _Alignas(64) uint32_t
        reader_sleeps; /* Apart: the writer looks here each time, and into `taken` seldom. */
    _Alignas(64) uint8_t data[];
};
_Static_assert(offsetof(struct slice_ring_shared, data) == SLICE_RING_HEAD_SIZE,
               "both processes agree on it");
_Static_assert((SLICE_RING_CAPACITY & (SLICE_RING_CAPACITY - 1)) == 0, "positions are masked");

enum {
    PREFIX = 8, /* And the unit of records: a prefix always lies in one piece. */
    REWIND_FROM = 512 * 1024,
    REWIND_RECORD_MAX = 4096,
    LOOKS_EVERY = 16, /* Frames. */
    STREAMED_FROM = 32 * 1024,
};
static const uint64_t pad = UINT64_MAX;
_Static_assert(SLICE_RING_CAPACITY % PREFIX == 0, "the end of the memory is the end of a unit");
_Static_assert(SLICE_RING_CAPACITY > 2 * (SLICE_RING_FRAME_MAX + 2 * PREFIX),
               "an empty ring takes any frame, wherever it stands");

void slice_ring_init(struct slice_ring *ring, void *memory)
{
    CHECK((uintptr_t)memory % _Alignof(struct slice_ring_shared) == 0);
    *ring = (struct slice_ring){ .shared = memory };
}

static size_t place_of(uint64_t position)
{
    return (size_t)(position & (SLICE_RING_CAPACITY - 1));
}

static size_t record_size(size_t frame_size)
{
    return PREFIX + (frame_size + PREFIX - 1) / PREFIX * PREFIX;
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

/* --- the writer ----------------------------------------------------------------------------------------- */

/* What is skipped before a record: where it would not lie in one piece, or an empty ring has wandered off
 * with small ones. (Until the reader has seen the skip there is room for REWIND_FROM bytes only.) */
static size_t skip_before(const struct slice_ring *ring, size_t record, size_t used)
{
    size_t at = place_of(ring->position), to_end = SLICE_RING_CAPACITY - at;
    if (to_end < record) return to_end;
    bool rewind = used == 0 && at >= REWIND_FROM && record <= REWIND_RECORD_MAX;
    return rewind ? to_end : 0;
}

/* By what the reader had taken when we last looked: it has not given anything back since, but more. */
static bool has_room(const struct slice_ring *ring, size_t record, size_t *out_skip)
{
    size_t used = (size_t)(ring->position - ring->seen_taken);
    *out_skip = skip_before(ring, record, used);
    return SLICE_RING_CAPACITY - used >= *out_skip + record;
}

/* Room for the record and what is skipped before it; if there is none the writer counts as waiting. A look at
 * `taken` costs the reader its line of cache: only where it can make a difference, and now and then, so that
 * a reader who lies there is found out. */
static enum slice_ring_result make_room(struct slice_ring *ring, size_t record, size_t *out_skip)
{
    struct slice_ring_shared *shared = ring->shared;
    bool looks = place_of(ring->position) >= REWIND_FROM || ++ring->unlooked >= LOOKS_EVERY;
    if (!looks && has_room(ring, record, out_skip)) return RING_DONE;
    ring->unlooked = 0;
    for (int look = 0; look < 2; look++) {
        size_t used;
        uint64_t taken = __atomic_load_n(&shared->taken, __ATOMIC_SEQ_CST);
        if (!between(ring->position, taken, &used)) return fail(ring);
        ring->seen_taken = taken;
        if (has_room(ring, record, out_skip)) return RING_DONE;
        __atomic_store_n(&shared->writer_waits, 1, __ATOMIC_SEQ_CST);
    }
    return RING_NOT_NOW;
}

static void put_prefix(struct slice_ring *ring, uint64_t prefix)
{
    memcpy(ring->shared->data + place_of(ring->position), &prefix, PREFIX);
}

/* Past our caches. What lay here before is in the cache of the reader's core, and a plain store would fetch
 * each line from there first, only to overwrite it: 1 MiB took 250 us so, and takes 50. */
static void stream(uint8_t *to, const uint8_t *from, size_t size)
{
#ifdef __SSE2__
    size_t before =
        (uintptr_t)to % sizeof(__m128i) == 0 ? 0 : sizeof(__m128i) - (uintptr_t)to % sizeof(__m128i);
    memcpy(to, from, before);
    size_t at = before;
    for (; size - at >= sizeof(__m128i); at += sizeof(__m128i))
        _mm_stream_si128((__m128i *)(void *)(to + at),
                         _mm_loadu_si128((const __m128i *)(const void *)(from + at)));
    memcpy(to + at, from + at, size - at);
    _mm_sfence(); /* Before the position that says that it is there. */
#else
    memcpy(to, from, size);
#endif
}

static void put_span(uint8_t *to, const struct slice_ring_span *span)
{
    if (span->size >= STREAMED_FROM) stream(to, span->data, span->size);
    else if (span->size > 0) memcpy(to, span->data, span->size);
}

enum slice_ring_result slice_ring_write(struct slice_ring *ring, const struct slice_ring_span *spans,
                                        size_t span_count, bool *out_ring)
{
    *out_ring = false;
    if (ring->corrupt) return RING_CORRUPT;
    size_t size = 0, skip;
    for (size_t i = 0; i < span_count; i++)
        size += spans[i].size;
    CHECK(size <= SLICE_RING_FRAME_MAX);
    enum slice_ring_result result = make_room(ring, record_size(size), &skip);
    if (result != RING_DONE) return result;
    if (skip > 0) put_prefix(ring, pad);
    ring->position += skip;
    put_prefix(ring, size);
    uint8_t *to = ring->shared->data + place_of(ring->position) + PREFIX;
    for (size_t i = 0; i < span_count; to += spans[i++].size)
        put_span(to, &spans[i]);
    ring->position += record_size(size);
    __atomic_store_n(&ring->shared->written, ring->position, __ATOMIC_SEQ_CST);
    *out_ring = take_flag(&ring->shared->reader_sleeps);
    return RING_DONE;
}

/* --- the reader ----------------------------------------------------------------------------------------- */

static bool get_prefix(const struct slice_ring *ring, size_t there, uint64_t *out_prefix)
{
    if (there < PREFIX) return false;
    /* Once: whoever writes there may change it at any time. */
    const uint8_t *at = ring->shared->data + place_of(ring->position);
    *out_prefix = __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_RELAXED);
    return true;
}

enum slice_ring_result slice_ring_peek(struct slice_ring *ring, struct slice_ring_span *out_frame)
{
    size_t there;
    uint64_t prefix;
    if (ring->corrupt) return RING_CORRUPT;
    if (!between(__atomic_load_n(&ring->shared->written, __ATOMIC_ACQUIRE), ring->position, &there))
        return fail(ring);
    if (there == 0) return RING_NOT_NOW;
    if (!get_prefix(ring, there, &prefix)) return fail(ring);
    if (prefix == pad) {
        size_t skip = SLICE_RING_CAPACITY - place_of(ring->position);
        if (skip >= there) return fail(ring);
        ring->position += skip;
        there -= skip;
        if (!get_prefix(ring, there, &prefix)) return fail(ring);
    }
    if (prefix > SLICE_RING_FRAME_MAX || record_size((size_t)prefix) > there) return fail(ring);
    size_t at = place_of(ring->position);
    if (record_size((size_t)prefix) > SLICE_RING_CAPACITY - at) return fail(ring);
    *out_frame = (struct slice_ring_span){ ring->shared->data + at + PREFIX, (size_t)prefix };
    ring->peeked = record_size((size_t)prefix);
    return RING_DONE;
}

void slice_ring_drop(struct slice_ring *ring, bool *out_ring)
{
    CHECK(ring->peeked > 0);
    ring->position += ring->peeked;
    ring->peeked = 0;
    __atomic_store_n(&ring->shared->taken, ring->position, __ATOMIC_SEQ_CST);
    *out_ring = take_flag(&ring->shared->writer_waits);
}

enum slice_ring_result slice_ring_read(struct slice_ring *ring, struct bytes **out_frame, bool *out_ring)
{
    struct slice_ring_span frame;
    *out_ring = false;
    enum slice_ring_result result = slice_ring_peek(ring, &frame);
    if (result != RING_DONE) return result;
    *out_frame = bytes_copy(frame.data, frame.size);
    slice_ring_drop(ring, out_ring);
    return RING_DONE;
}

bool slice_ring_has_frame(const struct slice_ring *ring)
{
    return __atomic_load_n(&ring->shared->written, __ATOMIC_ACQUIRE) != ring->position;
}

bool slice_ring_sleep(struct slice_ring *ring)
{
    __atomic_store_n(&ring->shared->reader_sleeps, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&ring->shared->written, __ATOMIC_SEQ_CST) == ring->position) return true;
    __atomic_store_n(&ring->shared->reader_sleeps, 0, __ATOMIC_SEQ_CST);
    return false;
}

void slice_ring_wake(struct slice_ring *ring)
{
    uint32_t *flag = &ring->shared->reader_sleeps;
    if (__atomic_load_n(flag, __ATOMIC_RELAXED) != 0) __atomic_store_n(flag, 0, __ATOMIC_RELAXED);
}
