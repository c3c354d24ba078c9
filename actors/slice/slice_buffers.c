/* slice_buffers: in no order, for a slice holds few at a time. */
#include "actors/slice/slice_buffers.h"

void slice_buffers_fini(struct slice_buffers *buffers)
{
    while (buffers->count > 0)
        bytes_unref(&buffers->held[--buffers->count]);
}

void *slice_buffers_add(struct slice_buffers *buffers, size_t size)
{
    if (size > AETHER_PAYLOAD_MAX || buffers->count == AETHER_BUFFERS_MAX) return NULL;
    struct bytes *bytes = bytes_create(size);
    buffers->held[buffers->count++] = bytes;
    return bytes->data;
}

struct bytes *slice_buffers_take(struct slice_buffers *buffers, const void *data)
{
    for (uint32_t i = 0; i < buffers->count; i++) {
        struct bytes *bytes = buffers->held[i];
        if (bytes->data != data) continue;
        buffers->held[i] = buffers->held[--buffers->count];
        return bytes;
    }
    return NULL;
}

struct slice_given slice_buffers_give(struct slice_buffers *buffers, struct aether_bytes payload)
{
    return (struct slice_given){ payload, slice_buffers_take(buffers, payload.data) };
}

bool slice_given_is_too_large(const struct slice_given *given)
{
    size_t most = given->buffer != NULL ? given->buffer->size : AETHER_PAYLOAD_MAX;
    return given->payload.size > most;
}
