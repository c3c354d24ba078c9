/* slice_ring: frames through memory that two processes share, one writer and one reader. Each side keeps its
 * own position private and only publishes it; what the other side publishes is read once and checked before
 * it is believed. So a hostile peer can stop the talk, and nothing else. The ring never blocks and never
 * rings a bell: it says when the caller should.
 *
 * A frame lies in one piece: what doesn't fit before the end of the memory begins at its start. A ring that
 * runs empty of small ones begins there again too, so that talk keeps to few pages. */
#ifndef AETHER_ACTORS_SLICE_SLICE_RING_H
#define AETHER_ACTORS_SLICE_SLICE_RING_H

#include "runtime/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SLICE_RING_CAPACITY = 4 * 1024 * 1024,          /* A power of two. */
    SLICE_RING_FRAME_MAX = 1024 * 1024 + 64 * 1024, /* A payload of the largest size, and its head. */
    SLICE_RING_HEAD_SIZE = 192,                     /* Of the shared positions: three cache lines. */
    SLICE_RING_SIZE = SLICE_RING_HEAD_SIZE + SLICE_RING_CAPACITY,
};

enum slice_ring_result {
    RING_DONE,
    RING_NOT_NOW, /* Writer: no room; the reader will ring when there is more. Reader: nothing is there. */
    RING_CORRUPT, /* The other side broke the rules. For good: every later call says the same. */
};

struct slice_ring_shared;

struct slice_ring {
    struct slice_ring_shared *shared;
    uint64_t position;   /* Ours: bytes ever written, or ever read. */
    uint64_t seen_taken; /* Writer: what the reader had read when we last looked. */
    uint32_t unlooked;   /* Writer: frames since then. */
    size_t peeked;       /* The record that slice_ring_drop gives back. */
    bool corrupt;
};

struct slice_ring_span {
    const void *data;
    size_t size;
};

/* Over SLICE_RING_SIZE zeroed bytes, aligned to 64; each side calls it once, as writer or as reader. */
void slice_ring_init(struct slice_ring *ring, void *memory);

/* --- the writer --- */
/* One frame out of spans, at most SLICE_RING_FRAME_MAX in all (CHECKed). *out_ring: the reader sleeps, ring
 * it. */
enum slice_ring_result slice_ring_write(struct slice_ring *ring, const struct slice_ring_span *spans,
                                        size_t span_count, bool *out_ring);

/* --- the reader --- */
/* One frame, copied before anybody looks into it: the writer may go on writing there. *out_ring: the writer
 * waits for room, ring it. */
enum slice_ring_result slice_ring_read(struct slice_ring *ring, struct bytes **out_frame, bool *out_ring);
/* The same in place, for a reader that trusts its writer; good until slice_ring_drop, which makes room. */
enum slice_ring_result slice_ring_peek(struct slice_ring *ring, struct slice_ring_span *out_frame);
void slice_ring_drop(struct slice_ring *ring, bool *out_ring);
/* A look that costs no more than a load; what came may still be against the rules. */
bool slice_ring_has_frame(const struct slice_ring *ring);
/* true: from now on the reader counts as asleep, and the next write says that it must be rung. false: a frame
 * has come meanwhile. */
bool slice_ring_sleep(struct slice_ring *ring);
/* The reader looks by itself until it sleeps again: nobody need ring it for what comes now. */
void slice_ring_wake(struct slice_ring *ring);

#endif
