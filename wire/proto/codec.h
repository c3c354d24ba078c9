/* codec: protobuf bodies to bytes and back. Unpacked bodies live in an arena, with all they point to. */
#ifndef AETHER_WIRE_PROTO_CODEC_H
#define AETHER_WIRE_PROTO_CODEC_H

#include "runtime/base/arena.h"
#include "runtime/base/error.h"

#include <protobuf-c/protobuf-c.h>

#include <stddef.h>
#include <stdint.h>

/* A body of this type in the arena, all fields at their defaults. */
void *codec_create(struct arena *arena, const ProtobufCMessageDescriptor *descriptor);
size_t codec_size(const void *body);
void codec_pack(const void *body, uint8_t *to); /* Exactly codec_size bytes. */

/* Outside input. CORRUPT: it doesn't parse, a string is no UTF-8, a field has number 0, or it would unfold to
 * far more memory than its size warrants. Fields that we don't know stay aside in the body and are packed
 * again with it. */
MUST_CHECK enum status codec_unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                                    const uint8_t *data, size_t size, void **out_body, struct error *error);

#endif
