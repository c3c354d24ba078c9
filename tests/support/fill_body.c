/* fill_body: see the header. */
#include "tests/support/fill_body.h"

#include "wire/proto/codec.h"

#include <stdbool.h>
#include <string.h>

static const ProtobufCBinaryData json_bytes = { 7, (uint8_t *)(uintptr_t) "{\"a\":1}" };

static void fill_part(struct arena *arena, const ProtobufCFieldDescriptor *field, uint32_t seed, void *part)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)part = 1; break;
    case PROTOBUF_C_TYPE_ENUM: {
        const ProtobufCEnumDescriptor *type = field->descriptor;
        *(int *)part = type->values[seed % type->n_values].value;
        break;
    }
    case PROTOBUF_C_TYPE_FLOAT: *(float *)part = (float)seed + 0.5F; break;
    case PROTOBUF_C_TYPE_DOUBLE: *(double *)part = (double)seed + 0.25; break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64: *(uint64_t *)part = UINT64_C(1000000) * seed + 7; break;
    case PROTOBUF_C_TYPE_STRING:
        *(char **)part = arena_printf(arena, "%s-%u", field->name, (unsigned)seed);
        break;
    case PROTOBUF_C_TYPE_BYTES: *(ProtobufCBinaryData *)part = json_bytes; break;
    case PROTOBUF_C_TYPE_MESSAGE: {
        ProtobufCMessage *child = codec_create(arena, field->descriptor);
        fill_body(arena, child);
        *(ProtobufCMessage **)part = child;
        break;
    }
    default: *(uint32_t *)part = 1000 * seed + 3; break;
    }
}

static size_t part_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_ENUM: return sizeof(int);
    case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64: return sizeof(uint64_t);
    default: return sizeof(uint32_t);
    }
}

static void fill_field(struct arena *arena, const ProtobufCFieldDescriptor *field, ProtobufCMessage *body)
{
    uint8_t *member = (uint8_t *)body + field->offset;
    void *quantifier = (uint8_t *)body + field->quantifier_offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t size = part_size(field->type);
        uint8_t *parts = arena_array(arena, 2, size);
        fill_part(arena, field, field->id, parts);
        fill_part(arena, field, field->id + 1, parts + size);
        *(size_t *)quantifier = 2;
        *(void **)(void *)member = parts;
        return;
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        if (*(uint32_t *)quantifier != 0) return; /* An earlier member is set. */
        *(uint32_t *)quantifier = field->id;
    }
    fill_part(arena, field, field->id, member);
}

void fill_body(struct arena *arena, ProtobufCMessage *body)
{
    for (unsigned i = 0; i < body->descriptor->n_fields; i++)
        fill_field(arena, &body->descriptor->fields[i], body);
}
