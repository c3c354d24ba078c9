/* codec_plain: see the header. The format is that of Protocol Buffers ("Encoding", developers' guide): a
 * field is a varint of its number and wire type, then its value. Of types, those that our .proto files use.
 */
#include "wire/proto/codec_plain.h"

#include "runtime/base/text.h"
#include "runtime/base/word.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_SIZED = 2 };

/* Lists of numbers are packed into one field: not here. */
static bool is_listed(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
}

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    struct arena *arena;
    size_t *allowance; /* What is left of it. */
};

static void *take_room(const struct reader *reader, size_t size)
{
    if (size > *reader->allowance) return NULL;
    *reader->allowance -= size;
    return arena_alloc(reader->arena, size);
}

/* In its shortest form only. */
static bool read_varint(struct reader *reader, uint64_t *out_number)
{
    uint64_t number = 0;
    for (uint32_t shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        number |= (uint64_t)(byte & 0x7F) << shift;
        *out_number = number;
        if (byte < 0x80) return (byte > 0 || shift == 0) && (shift < 63 || byte == 1);
    }
    return false;
}

/* A part that says its size: leaves the reader behind it. */
static bool read_sized(struct reader *reader, struct reader *out_part)
{
    uint64_t size = 0;
    if (!read_varint(reader, &size) || size > (size_t)(reader->end - reader->at)) return false;
    *out_part = *reader;
    reader->at += size;
    out_part->end = reader->at;
    return true;
}

static bool read_text(struct reader *reader, char **out_text)
{
    struct reader part;
    if (!read_sized(reader, &part)) return false;
    size_t size = (size_t)(part.end - part.at);
    char *text = take_room(reader, size + 1); /* Zeroed. */
    if (text == NULL) return false;
    memcpy(text, part.at, size);
    *out_text = text;
    return text_is_utf8(text, strlen(text));
}

static bool read_bytes(struct reader *reader, ProtobufCBinaryData *out_bytes)
{
    struct reader part;
    if (!read_sized(reader, &part)) return false;
    size_t size = (size_t)(part.end - part.at);
    *out_bytes = (ProtobufCBinaryData){ .len = size };
    if (size == 0) return true;
    out_bytes->data = take_room(reader, size);
    if (out_bytes->data == NULL) return false;
    memcpy(out_bytes->data, part.at, size);
    return true;
}

static bool read_message(struct reader *reader, const ProtobufCMessageDescriptor *descriptor,
                         void **out_body);

static bool read_part(struct reader *reader, const ProtobufCFieldDescriptor *field, void **out_body)
{
    struct reader part;
    return read_sized(reader, &part) && read_message(&part, field->descriptor, out_body);
}

static bool read_number(struct reader *reader, const ProtobufCFieldDescriptor *field, void *member)
{
    uint64_t number = 0;
    if (!read_varint(reader, &number)) return false;
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)member = number != 0; return true;
    case PROTOBUF_C_TYPE_UINT64: *(uint64_t *)member = number; return true;
    case PROTOBUF_C_TYPE_UINT32: *(uint32_t *)member = (uint32_t)number; return number <= UINT32_MAX;
    case PROTOBUF_C_TYPE_ENUM: *(int32_t *)member = (int32_t)number; return number <= INT32_MAX;
    default: return false;
    }
}

static bool read_fixed64(struct reader *reader, void *member)
{
    if (reader->end - reader->at < (ptrdiff_t)sizeof(uint64_t)) return false;
    uint64_t bits = word_get(reader->at, sizeof bits);
    memcpy(member, &bits, sizeof bits);
    reader->at += sizeof bits;
    return true;
}

static bool read_value(struct reader *reader, const ProtobufCFieldDescriptor *field, uint32_t wire,
                       void *member)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: return wire == WIRE_SIZED && read_text(reader, member);
    case PROTOBUF_C_TYPE_BYTES: return wire == WIRE_SIZED && read_bytes(reader, member);
    case PROTOBUF_C_TYPE_MESSAGE: /* Twice: the two become one. */
        return wire == WIRE_SIZED && *(void **)member == NULL && read_part(reader, field, member);
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return wire == WIRE_FIXED64 && read_fixed64(reader, member);
    default: return wire == WIRE_VARINT && read_number(reader, field, member);
    }
}

/* Room for twice as many, whenever their count is a power of two. */
static bool read_element(struct reader *reader, const ProtobufCFieldDescriptor *field, uint32_t wire,
                         size_t *count, void ***list)
{
    if (!is_listed(field)) return false;
    if ((*count & (*count - 1)) == 0) {
        void **grown = take_room(reader, (*count == 0 ? 1 : *count * 2) * sizeof(void *));
        if (grown == NULL) return false;
        if (*count > 0) memcpy(grown, *list, *count * sizeof(void *));
        *list = grown;
    }
    (*list)[*count] = NULL;
    return read_value(reader, field, wire, &(*list)[(*count)++]);
}

static bool read_field(struct reader *reader, const ProtobufCFieldDescriptor *field, uint32_t wire,
                       uint8_t *body)
{
    void *member = body + field->offset;
    void *quantifier = body + field->quantifier_offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return read_element(reader, field, wire, quantifier, member);
    if (field->label != PROTOBUF_C_LABEL_NONE) return false;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        uint32_t *which = quantifier;
        if (*which != 0) return false;
        *which = field->id;
    }
    return read_value(reader, field, wire, member);
}

static bool read_message(struct reader *reader, const ProtobufCMessageDescriptor *descriptor, void **out_body)
{
    uint8_t *body = take_room(reader, descriptor->sizeof_message);
    if (body == NULL) return false;
    protobuf_c_message_init(descriptor, body);
    *out_body = body;
    for (unsigned next = 0; reader->at < reader->end;) {
        uint64_t tag = 0;
        if (!read_varint(reader, &tag) || tag > UINT32_MAX) return false;
        while (next < descriptor->n_fields && descriptor->fields[next].id < tag >> 3)
            next++;
        if (next == descriptor->n_fields || descriptor->fields[next].id != tag >> 3) return false;
        if (!read_field(reader, &descriptor->fields[next], tag & 7, body)) return false;
    }
    return true;
}

bool codec_plain_unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                        const uint8_t *data, size_t size, size_t *allowance, void **out_body)
{
    struct reader reader = { .at = data, .end = data + size, .arena = arena, .allowance = allowance };
    return read_message(&reader, descriptor, out_body);
}
