/* frame: the fixed header, byte by byte. Nothing of a frame is believed before its checksums hold. */
#include "wire/frame.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/word.h"
#include "wire/kinds.h"
#include "wire/proto/codec.h"

#include <string.h>

enum {
    AT_MAGIC = 0,
    AT_PROTOCOL = 4,
    AT_FLAGS = 6,
    AT_CLUSTER = 8,
    AT_FROM = 16,
    AT_TO = 24,
    AT_TERM = 32,
    AT_CORRELATION = 40,
    AT_REQUEST_HIGH = 48,
    AT_REQUEST_LOW = 56,
    AT_BUDGET = 64,
    AT_KIND = 68,
    AT_BODY_SIZE = 72,
    AT_ATTACHMENT_SIZE = 76,
    AT_BODY_CRC = 80,
    AT_HEADER_CRC = 84,
};

static const uint8_t magic[4] = { 'A', 'E', 'T', 'H' };

static inline void put(uint8_t *frame, size_t at, uint64_t number, size_t size)
{
    word_put(frame + at, number, size);
}

static inline uint64_t get(const uint8_t *frame, size_t at, size_t size)
{
    return word_get(frame + at, size);
}

enum status frame_pack(const struct message *message, struct bytes **out_frame, struct error *error)
{
    const struct kind_row *row = kind_find(message->kind);
    if (row == NULL || row->descriptor == NULL || message->body == NULL)
        return error_set(error, STATUS_INVALID, "a message of kind %s never leaves its node",
                         kind_name(message->kind));
    size_t body_size = codec_size(message->body);
    size_t attachment_size = message->attachment == NULL ? 0 : message->attachment->size;
    size_t room = FRAME_SIZE_MAX - FRAME_HEADER_SIZE;
    if (body_size > room || attachment_size > room - body_size)
        return error_set(error, STATUS_INVALID, "%s of %zu bytes; a frame holds %zu at most", row->name,
                         body_size + attachment_size, room);
    struct bytes *frame = bytes_create(FRAME_HEADER_SIZE + body_size + attachment_size);
    uint8_t *data = frame->data;
    memset(data, 0, FRAME_HEADER_SIZE);
    codec_pack(message->body, data + FRAME_HEADER_SIZE);
    if (attachment_size > 0)
        memcpy(data + FRAME_HEADER_SIZE + body_size, message->attachment->data, attachment_size);
    memcpy(data + AT_MAGIC, magic, sizeof magic);
    put(data, AT_REQUEST_HIGH, message->request_id.high, 8);
    put(data, AT_REQUEST_LOW, message->request_id.low, 8);
    put(data, AT_KIND, message->kind, 4);
    put(data, AT_BODY_SIZE, body_size, 4);
    put(data, AT_ATTACHMENT_SIZE, attachment_size, 4);
    put(data, AT_BODY_CRC, crc32c(0, data + FRAME_HEADER_SIZE, body_size + attachment_size), 4);
    *out_frame = frame;
    return STATUS_OK;
}

void frame_seal(struct bytes *frame, const struct frame_header *header)
{
    CHECK(frame->size >= FRAME_HEADER_SIZE);
    CHECK(__atomic_load_n(&frame->references, __ATOMIC_RELAXED) == 1);
    uint8_t *data = frame->data;
    put(data, AT_PROTOCOL, header->protocol, 2);
    put(data, AT_FLAGS, header->flags, 2);
    put(data, AT_CLUSTER, header->cluster_id, 8);
    put(data, AT_FROM, header->from_replica, 8);
    put(data, AT_TO, header->to_replica, 8);
    put(data, AT_TERM, header->term, 8);
    put(data, AT_CORRELATION, header->correlation, 8);
    put(data, AT_REQUEST_HIGH, header->request_id.high, 8);
    put(data, AT_REQUEST_LOW, header->request_id.low, 8);
    put(data, AT_BUDGET, header->budget_ms, 4);
    put(data, AT_HEADER_CRC, crc32c(0, data, AT_HEADER_CRC), 4);
}

uint32_t frame_kind(const uint8_t *data, size_t size)
{
    return size < FRAME_HEADER_SIZE ? 0 : (uint32_t)get(data, AT_KIND, 4);
}

bool frame_is_reply(const uint8_t *data, size_t size)
{
    return size >= FRAME_HEADER_SIZE && (get(data, AT_FLAGS, 2) & FRAME_REPLY) != 0;
}

size_t frame_length(const uint8_t *data, size_t size)
{
    if (size < FRAME_HEADER_SIZE) return 0;
    if (memcmp(data + AT_MAGIC, magic, sizeof magic) != 0) return SIZE_MAX;
    if (get(data, AT_HEADER_CRC, 4) != crc32c(0, data, AT_HEADER_CRC)) return SIZE_MAX;
    uint64_t content = get(data, AT_BODY_SIZE, 4) + get(data, AT_ATTACHMENT_SIZE, 4);
    return content > FRAME_SIZE_MAX - FRAME_HEADER_SIZE ? SIZE_MAX : FRAME_HEADER_SIZE + (size_t)content;
}

static void read_header(const uint8_t *data, struct frame_header *header)
{
    *header = (struct frame_header){
        .protocol = (uint16_t)get(data, AT_PROTOCOL, 2),
        .flags = (uint16_t)get(data, AT_FLAGS, 2),
        .cluster_id = get(data, AT_CLUSTER, 8),
        .from_replica = get(data, AT_FROM, 8),
        .to_replica = get(data, AT_TO, 8),
        .term = get(data, AT_TERM, 8),
        .correlation = get(data, AT_CORRELATION, 8),
        .request_id = { get(data, AT_REQUEST_HIGH, 8), get(data, AT_REQUEST_LOW, 8) },
        .budget_ms = (uint32_t)get(data, AT_BUDGET, 4),
        .kind = (uint32_t)get(data, AT_KIND, 4),
        .body_size = (uint32_t)get(data, AT_BODY_SIZE, 4),
        .attachment_size = (uint32_t)get(data, AT_ATTACHMENT_SIZE, 4),
    };
}

enum status frame_parse(const uint8_t *data, size_t size, struct frame_header *out_header,
                        struct error *error)
{
    if (size < FRAME_HEADER_SIZE || size > FRAME_SIZE_MAX)
        return error_set(error, STATUS_INVALID, "%zu bytes; a frame has %d to %d", size, FRAME_HEADER_SIZE,
                         FRAME_SIZE_MAX);
    if (memcmp(data + AT_MAGIC, magic, sizeof magic) != 0)
        return error_set(error, STATUS_INVALID, "no frame: it doesn't begin with AETH");
    if (get(data, AT_HEADER_CRC, 4) != crc32c(0, data, AT_HEADER_CRC))
        return error_set(error, STATUS_CORRUPT, "the checksum of the frame's header doesn't hold");
    struct frame_header header;
    read_header(data, &header);
    if ((uint64_t)header.body_size + header.attachment_size != size - FRAME_HEADER_SIZE)
        return error_set(error, STATUS_CORRUPT, "a frame of %zu bytes that should have %u + %u + %d", size,
                         header.body_size, header.attachment_size, FRAME_HEADER_SIZE);
    if (get(data, AT_BODY_CRC, 4) != crc32c(0, data + FRAME_HEADER_SIZE, size - FRAME_HEADER_SIZE))
        return error_set(error, STATUS_CORRUPT, "the checksum of the frame's content doesn't hold");
    *out_header = header;
    return STATUS_OK;
}

enum status frame_decode(const uint8_t *data, size_t size, const struct frame_header *header,
                         struct message **out_message, struct error *error)
{
    CHECK(size == (size_t)FRAME_HEADER_SIZE + header->body_size + header->attachment_size);
    const struct kind_row *row = kind_find(header->kind);
    if (row == NULL || row->descriptor == NULL)
        return error_set(error, STATUS_INVALID, "kind %u is not known here", header->kind);
    struct message *message = message_create(header->kind, 0);
    const uint8_t *body = data + FRAME_HEADER_SIZE;
    enum status status =
        codec_unpack(&message->arena, row->descriptor, body, header->body_size, &message->body, error);
    if (status != STATUS_OK) {
        message_destroy(&message);
        return status;
    }
    if (header->attachment_size > 0) {
        struct bytes *attachment = bytes_copy(body + header->body_size, header->attachment_size);
        message_attach(message, &attachment);
    }
    message->request_id = header->request_id;
    message->from_replica = header->from_replica;
    *out_message = message;
    return STATUS_OK;
}
