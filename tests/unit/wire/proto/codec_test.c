/* Goal: the quick way of bodies (codec_plain) gives the bodies of protobuf-c, and leaves to it
 * what is not plain. Method: random bodies of every kind that can cross a wire, whole and damaged, through
 * both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/hash.h"
#include "wire/kinds.h"
#include "wire/proto/codec.h"
#include "wire/proto/codec_plain.h"
#include "wire/proto/store.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 20, DAMAGES = 20, ALLOWANCE = 1 << 20 };

struct chance {
    uint64_t state;
};

static uint64_t draw(struct chance *chance, uint64_t below)
{
    chance->state = hash64_mix(chance->state, 7);
    return (chance->state >> 16) % below;
}

/* --- random bodies ---------------------------------------------------------------------------------------
 */

static void *random_body(struct arena *arena, struct chance *chance,
                         const ProtobufCMessageDescriptor *descriptor);

static uint64_t random_number(struct chance *chance)
{
    uint64_t number = draw(chance, UINT64_C(1) << 48) * UINT64_C(0x10001);
    return number >> draw(chance, 64); /* Of any length. */
}

static char *random_text(struct arena *arena, struct chance *chance)
{
    static const char *const texts[] = { "", "a", "key-000000000017", "\xC3\xA4\xE2\x82\xAC", "leases/x" };
    char *text = arena_printf(arena, "%s", texts[draw(chance, 5)]);
    if (draw(chance, 8) > 0) return text;
    char *filled = arena_alloc(arena, 301);
    memset(filled, 'v', 300); /* Its size takes two bytes. */
    return filled;
}

static void set_value(struct arena *arena, struct chance *chance, const ProtobufCFieldDescriptor *field,
                      void *member)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)member = (int)draw(chance, 2); break;
    case PROTOBUF_C_TYPE_ENUM: *(int32_t *)member = (int32_t)draw(chance, 4); break;
    case PROTOBUF_C_TYPE_UINT32: *(uint32_t *)member = (uint32_t)random_number(chance); break;
    case PROTOBUF_C_TYPE_DOUBLE: *(double *)member = (double)draw(chance, 1000) / 7; break;
    case PROTOBUF_C_TYPE_STRING: *(char **)member = random_text(arena, chance); break;
    case PROTOBUF_C_TYPE_MESSAGE: *(void **)member = random_body(arena, chance, field->descriptor); break;
    case PROTOBUF_C_TYPE_BYTES: {
        ProtobufCBinaryData *bytes = member;
        bytes->len = draw(chance, 4) == 0 ? 0 : 1 + draw(chance, 200);
        bytes->data = arena_alloc(arena, bytes->len + 1);
        break;
    }
    default: *(uint64_t *)member = random_number(chance);
    }
}

static void set_list(struct arena *arena, struct chance *chance, const ProtobufCFieldDescriptor *field,
                     uint8_t *body)
{
    size_t *count = (size_t *)(void *)(body + field->quantifier_offset);
    bool pointers = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
    if (!pointers) return; /* Lists of numbers: only protobuf-c's, and nobody's but slices' histograms. */
    *count = draw(chance, 5);
    void **list = arena_array(arena, *count + 1, sizeof *list);
    for (size_t i = 0; i < *count; i++)
        set_value(arena, chance, field, &list[i]);
    *(void ***)(void *)(body + field->offset) = list;
}

static void *random_body(struct arena *arena, struct chance *chance,
                         const ProtobufCMessageDescriptor *descriptor)
{
    uint8_t *body = codec_create(arena, descriptor);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (draw(chance, 3) == 0) continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            set_list(arena, chance, field, body);
            continue;
        }
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
            uint32_t *which = (uint32_t *)(void *)(body + field->quantifier_offset);
            if (*which != 0) continue;
            *which = field->id;
        }
        set_value(arena, chance, field, body + field->offset);
    }
    return body;
}

/* --- both ways -------------------------------------------------------------------------------------------
 */

struct packed {
    uint8_t *data;
    size_t size;
};

static struct packed pack_slowly(struct arena *arena, const void *body)
{
    struct packed packed = { .size = protobuf_c_message_get_packed_size(body) };
    packed.data = arena_alloc(arena, packed.size + 1);
    assert_int_equal(protobuf_c_message_pack(body, packed.data), packed.size);
    return packed;
}

/* What is read quickly is what protobuf-c reads. Returns whether it was. */
static bool agree(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                  const struct packed *packed)
{
    void *quick = NULL;
    size_t left = ALLOWANCE;
    if (!codec_plain_unpack(arena, descriptor, packed->data, packed->size, &left, &quick)) return false;
    ProtobufCMessage *slow = protobuf_c_message_unpack(descriptor, NULL, packed->size, packed->data);
    assert_non_null(slow);
    struct packed one = pack_slowly(arena, quick);
    struct packed other = pack_slowly(arena, slow);
    assert_int_equal(one.size, other.size);
    assert_memory_equal(one.data, other.data, one.size);
    protobuf_c_message_free_unpacked(slow, NULL);
    return true;
}

static void damage(struct chance *chance, struct packed *packed)
{
    if (packed->size == 0) return;
    uint64_t way = draw(chance, 3);
    if (way == 0) packed->size = draw(chance, packed->size);
    else
        packed->data[draw(chance, packed->size)] ^=
            (uint8_t)(way == 1 ? 1u << draw(chance, 8) : draw(chance, 256));
}

static void try_body(struct arena *arena, struct chance *chance, const ProtobufCMessageDescriptor *descriptor)
{
    const void *body = random_body(arena, chance, descriptor);
    struct packed packed = pack_slowly(arena, body);
    assert_true(agree(arena, descriptor, &packed));
    for (int i = 0; i < DAMAGES; i++) {
        struct packed bad = { arena_memdup(arena, packed.data, packed.size), packed.size };
        damage(chance, &bad);
        (void)agree(arena, descriptor, &bad);
    }
}

static void every_kind_is_read_the_same_both_ways(void **unused)
{
    (void)unused;
    struct chance chance = { 1 };
    const struct kind_row *row;
    for (size_t i = 0; (row = kind_at(i)) != NULL; i++) {
        for (int round = 0; row->descriptor != NULL && round < ROUNDS; round++) {
            struct arena arena = { 0 };
            try_body(&arena, &chance, row->descriptor);
            arena_fini(&arena);
        }
    }
}

/* --- what is not plain -----------------------------------------------------------------------------------
 */

static bool is_plain(const char *data, size_t size)
{
    struct arena arena = { 0 };
    void *body = NULL;
    size_t left = ALLOWANCE;
    bool plain =
        codec_plain_unpack(&arena, &pb__command__descriptor, (const uint8_t *)data, size, &left, &body);
    arena_fini(&arena);
    return plain;
}
#define IS_PLAIN(bytes) is_plain(bytes, sizeof(bytes) - 1)

static void what_is_not_plain_is_left_alone(void **unused)
{
    (void)unused;
    assert_true(IS_PLAIN(""));
    assert_true(IS_PLAIN("\x08\x01\x10\x02"));  /* session 1, sequence 2 */
    assert_false(IS_PLAIN("\x10\x02\x08\x01")); /* in another order */
    assert_false(IS_PLAIN("\x08\x81\x00"));     /* a number that is longer than it has to be */
    assert_false(IS_PLAIN("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x03")); /* of more than 64 bits */
    assert_false(IS_PLAIN("\x0A\x01x"));                                    /* of another wire type */
    assert_false(IS_PLAIN("\xF8\x3F\x01"));                                 /* a field that we don't know */
    assert_false(IS_PLAIN("\x00\x01"));                                     /* field 0 */
    assert_false(IS_PLAIN("\x08"));                                         /* cut short */
    assert_false(IS_PLAIN("\x22\x7Fxx"));                                   /* bytes beyond the end */
}

static void little_does_not_unfold_to_much(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    void *body = NULL;
    const uint8_t empty[] = { 0 };
    size_t left = pb__command__descriptor.sizeof_message;
    assert_true(codec_plain_unpack(&arena, &pb__command__descriptor, empty, 0, &left, &body));
    assert_int_equal(left, 0);
    left = pb__command__descriptor.sizeof_message - 1;
    assert_false(codec_plain_unpack(&arena, &pb__command__descriptor, empty, 0, &left, &body));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read_the_same_both_ways),
        cmocka_unit_test(what_is_not_plain_is_left_alone),
        cmocka_unit_test(little_does_not_unfold_to_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
