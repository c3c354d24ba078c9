/* frame: one ZeroMQ part between nodes, or between a client and a node: a fixed header, the packed body, the
 * attachment. Layout, little-endian (consensus.md section 11):
 *   0  u32 magic "AETH"   4 u16 protocol   6 u16 flags (1 = reply;
 * upper byte: see frame_ask_depth)   8 u64 cluster id   16 u64 from replica
 *  24 u64 to replica     32 u64 term (0 when the kind has none)      40 u64 correlation (0 = no reply
 * awaited) 48 u64 request id high  56 u64 request id low   64 u32 budget ms (0 = none)   68 u32 kind   72 u32
 * body size 76 u32 attachment size  80 u32 crc32c of the body and attachment  84 u32 crc32c of bytes 0..83
 * followed by body and attachment. At most FRAME_SIZE_MAX in all. Clients send cluster id, from and to as 0.
 */
#ifndef AETHER_WIRE_FRAME_H
#define AETHER_WIRE_FRAME_H

#include "runtime/message.h"

#include <stdbool.h>

enum { FRAME_HEADER_SIZE = 88, FRAME_SIZE_MAX = 4 * 1024 * 1024, FRAME_REPLY = 1 };
enum { PROTOCOL_MIN = 1, PROTOCOL_MAX = 1 };

struct frame_header {
    uint16_t protocol;
    uint16_t flags;
    uint64_t cluster_id;
    uint64_t from_replica;
    uint64_t to_replica;
    uint64_t term;
    uint64_t correlation;
    struct request_id request_id;
    uint32_t budget_ms;
    uint32_t kind;
    uint32_t body_size;
    uint32_t attachment_size;
};

/* How many asks wait in a chain for the answer to this one: so that a chain that goes in a circle over nodes
 * ends as one within a node does (actor_ask). From senders that don't say it: 0. */
static inline uint16_t frame_ask_depth(const struct frame_header *header)
{
    return header->flags >> 8;
}
static inline uint16_t frame_flags_of_depth(uint16_t depth)
{
    return (uint16_t)((depth > UINT8_MAX ? UINT8_MAX : depth) << 8);
}

/* Packs body and attachment after an all-but-empty header (kind, sizes, body crc, request id), which
 * frame_seal completes in place before the frame leaves: bytes must have one reference then.
 * INVALID: the kind is local, or the frame would be too large. The term is for people who read captures. */
MUST_CHECK enum status frame_pack(const struct message *message, struct bytes **out_frame,
                                  struct error *error);
void frame_seal(struct bytes *frame, const struct frame_header *header); /* kind and sizes are kept. */

/* What a frame claims to be, before any check; kind 0: too short for a frame. */
uint32_t frame_kind(const uint8_t *data, size_t size);
bool frame_is_reply(const uint8_t *data, size_t size);
/* In a row of frames: how long the one is that begins here, as its header says, whose checksum holds.
 * 0: less than a header is there; SIZE_MAX: no frame begins here. */
size_t frame_length(const uint8_t *data, size_t size);

/* Outside input: checks everything (size, magic, both crcs, sizes). INVALID or CORRUPT, never a crash. */
MUST_CHECK enum status frame_parse(const uint8_t *data, size_t size, struct frame_header *out_header,
                                   struct error *error);
/* The message of a parsed frame: body decoded into its arena, attachment copied; request id and from_replica
 * as the header has them. INVALID: unknown kind; CORRUPT: the body doesn't parse. */
MUST_CHECK enum status frame_decode(const uint8_t *data, size_t size, const struct frame_header *header,
                                    struct message **out_message, struct error *error);

#endif
