/* slice_buffers: memory that a slice fills and then gives away whole (host->buffer), so that a large payload
 * is not copied on its way out of it. Part of a runner. */
#ifndef AETHER_ACTORS_SLICE_SLICE_BUFFERS_H
#define AETHER_ACTORS_SLICE_SLICE_BUFFERS_H

#include "actors/slice/sdk/aether/slice.h"
#include "runtime/base/bytes.h"

#include <stdbool.h>

struct slice_buffers { /* Zeroed: none. */
    struct bytes *held[AETHER_BUFFERS_MAX];
    uint32_t count;
};

void slice_buffers_fini(struct slice_buffers *buffers);
/* NULL: too large, or the slice holds AETHER_BUFFERS_MAX of them. */
void *slice_buffers_add(struct slice_buffers *buffers, size_t size);
/* The buffer that begins there, from now on the caller's; NULL: none does. */
struct bytes *slice_buffers_take(struct slice_buffers *buffers, const void *data);

/* What a slice hands over: bytes of its own, or in a buffer, which is no longer its own then. */
struct slice_given {
    struct aether_bytes payload;
    struct bytes *buffer; /* A reference, for whoever takes it over to give back; NULL: it is none. */
};
struct slice_given slice_buffers_give(struct slice_buffers *buffers, struct aether_bytes payload);
bool slice_given_is_too_large(const struct slice_given *given); /* Or larger than its buffer. */

#endif
