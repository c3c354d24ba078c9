/* codec_plain: bytes to bodies, quickly, where they are as plain as nearly all are: fields that we know, in
 * the order of their numbers, none of them twice but the elements of a list. The bodies are those of
 * protobuf-c (tests/unit/wire/proto/codec_test.c compares them); whatever is not plain is left to that. */
#ifndef AETHER_WIRE_PROTO_CODEC_PLAIN_H
#define AETHER_WIRE_PROTO_CODEC_PLAIN_H

#include "runtime/base/arena.h"

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Outside input. true: it was plain, its texts are UTF-8, and it took at most `allowance` bytes of the arena.
 * false says nothing of it: it may be good, or bad. Either way `allowance` is what is left. */
bool codec_plain_unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                        const uint8_t *data, size_t size, size_t *allowance, void **out_body);

#endif
