/* codec: see the header. protobuf-c allocates through us: everything goes into the arena and nothing is freed
 * singly; an allowance keeps a body of many empty parts from unfolding without bound. */
#include "wire/proto/codec.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "wire/proto/codec_plain.h"

#include <string.h>

/* An ordinary body needs some six times its packed size, in parts that may each be all defaults (two bytes).
 */
enum { ALLOWANCE_BASE = 64 * 1024, ALLOWANCE_FACTOR = 64, ALLOWANCE_MAX = 64 * 1024 * 1024 };

struct allowance {
    struct arena *arena;
    size_t left;
};

static void *allowance_alloc(void *data, size_t size)
{
    struct allowance *allowance = data;
    if (size > allowance->left) return NULL; /* protobuf-c gives up. */
    allowance->left -= size;
    return arena_alloc(allowance->arena, size);
}

static void allowance_free(void *data, void *block)
{
    (void)data, (void)block; /* The arena goes as a whole. */
}

void *codec_create(struct arena *arena, const ProtobufCMessageDescriptor *descriptor)
{
    void *body = arena_alloc(arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, body);
    return body;
}

size_t codec_size(const void *body)
{
    return protobuf_c_message_get_packed_size(body);
}

void codec_pack(const void *body, uint8_t *to)
{
    (void)protobuf_c_message_pack(body, to);
}

/* --- text fields: protobuf-c takes any bytes ------------------------------------------------------------ */

static bool is_sound(const ProtobufCMessage *body);

static bool is_part_sound(const ProtobufCFieldDescriptor *field, const void *part)
{
    const void *pointer = *(void *const *)part;
    if (pointer == NULL) return true;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) return is_sound(pointer);
    return text_is_utf8(pointer, strlen(pointer));
}

static bool is_field_sound(const ProtobufCMessage *body, const ProtobufCFieldDescriptor *field)
{
    const uint8_t *member = (const uint8_t *)body + field->offset;
    const void *quantifier = (const uint8_t *)body + field->quantifier_offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = *(const size_t *)quantifier;
        const uint8_t *parts = *(const uint8_t *const *)(const void *)member;
        for (size_t i = 0; i < count; i++)
            if (!is_part_sound(field, parts + i * sizeof(void *))) return false;
        return true;
    }
    bool in_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    if (in_oneof && *(const uint32_t *)quantifier != field->id) return true; /* Another member is set. */
    return is_part_sound(field, member);
}

/* No message type contains itself, so the recursion ends with the types. */
static bool is_sound(const ProtobufCMessage *body)
{
    for (unsigned i = 0; i < body->n_unknown_fields; i++)
        if (body->unknown_fields[i].tag == 0) return false;
    for (unsigned i = 0; i < body->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &body->descriptor->fields[i];
        bool inspect = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
        if (inspect && !is_field_sound(body, field)) return false;
    }
    return true;
}

enum status codec_unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                         const uint8_t *data, size_t size, void **out_body, struct error *error)
{
    struct allowance allowance = { .arena = arena, .left = ALLOWANCE_MAX };
    if (size < (ALLOWANCE_MAX - ALLOWANCE_BASE) / ALLOWANCE_FACTOR)
        allowance.left = ALLOWANCE_BASE + size * ALLOWANCE_FACTOR;
    void *plain = NULL;
    if (codec_plain_unpack(arena, descriptor, data, size, &allowance.left, &plain)) {
        *out_body = plain;
        return STATUS_OK;
    }
    ProtobufCAllocator allocator = { allowance_alloc, allowance_free, &allowance };
    ProtobufCMessage *body = protobuf_c_message_unpack(descriptor, &allocator, size, data);
    if (body == NULL)
        return error_set(error, STATUS_CORRUPT, "%zu bytes that are no %s", size, descriptor->short_name);
    if (!is_sound(body))
        return error_set(error, STATUS_CORRUPT, "a %s with text that is not UTF-8, or a field 0",
                         descriptor->short_name);
    *out_body = body;
    return STATUS_OK;
}
