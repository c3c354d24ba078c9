/* Goal: a frame carries a message whole; anything else that looks like one is refused with a status and a
 * text, whatever byte is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "wire/frame.h"
#include "wire/kinds.h"
#include "wire/proto/codec.h"

#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/envelope.pb-c.h"
#include "wire/proto/store.pb-c.h"

static const struct frame_header sealed = { .protocol = PROTOCOL_MAX,
                                            .flags = FRAME_REPLY,
                                            .cluster_id = UINT64_MAX,
                                            .from_replica = 2,
                                            .to_replica = 3,
                                            .term = 4,
                                            .correlation = 5,
                                            .request_id = { 6, 7 },
                                            .budget_ms = UINT32_MAX };

static struct bytes *put_request(const char *key)
{
    struct message *message = wire_message_create(KIND_KV_PUT_REQUEST);
    Pb__KvPutRequest *request = message->body;
    request->key = arena_strdup(&message->arena, key); /* As it is: wire_string would repair it. */
    request->value = wire_string(message, NULL);
    request->has_if_rev_case = PB__KV_PUT_REQUEST__HAS_IF_REV_IF_REV;
    request->if_rev = 0;
    struct bytes *attachment = bytes_copy("\0\1\2", 3);
    message_attach(message, &attachment);
    struct bytes *frame = NULL;
    assert_int_equal(frame_pack(message, &frame, NULL), STATUS_OK);
    frame_seal(frame, &sealed);
    message_destroy(&message);
    return frame;
}

static enum status read_frame(const uint8_t *data, size_t size, struct error *error)
{
    struct frame_header header;
    struct message *message = NULL;
    enum status status = frame_parse(data, size, &header, error);
    if (status == STATUS_OK) status = frame_decode(data, size, &header, &message, error);
    if (message != NULL) message_destroy(&message);
    return status;
}

/* After a change of the content, so that only the change is wrong. */
static void fix_checksums(struct bytes *frame)
{
    uint32_t crc = crc32c(0, frame->data + FRAME_HEADER_SIZE, frame->size - FRAME_HEADER_SIZE);
    memcpy(frame->data + 80, &crc, 4);
    crc = crc32c(0, frame->data, 84);
    memcpy(frame->data + 84, &crc, 4);
}

static void a_message_arrives_whole(void **unused)
{
    (void)unused;
    struct bytes *frame = put_request("colour");
    struct frame_header header = { 0 };
    struct error error = { 0 };
    assert_int_equal(frame_parse(frame->data, frame->size, &header, &error), STATUS_OK);
    assert_int_equal(header.kind, KIND_KV_PUT_REQUEST);
    assert_int_equal(header.flags, FRAME_REPLY);
    assert_true(header.cluster_id == UINT64_MAX);
    assert_int_equal(header.correlation, 5);
    assert_int_equal(header.budget_ms, UINT32_MAX);
    struct message *message = NULL;
    assert_int_equal(frame_decode(frame->data, frame->size, &header, &message, &error), STATUS_OK);
    const Pb__KvPutRequest *request = message->body;
    assert_string_equal(request->key, "colour");
    assert_string_equal(request->value, "");
    assert_int_equal(request->has_if_rev_case, PB__KV_PUT_REQUEST__HAS_IF_REV_IF_REV);
    assert_int_equal(message->attachment->size, 3);
    assert_memory_equal(message->attachment->data, "\0\1\2", 3);
    assert_int_equal(message->request_id.high, 6);
    assert_int_equal(message->request_id.low, 7);
    assert_int_equal(message->from_replica, 2);
    message_destroy(&message);
    bytes_unref(&frame);
}

static void every_flipped_bit_is_noticed(void **unused)
{
    (void)unused;
    struct bytes *frame = put_request("colour");
    for (size_t bit = 0; bit < frame->size * 8; bit++) {
        struct error error = { 0 };
        frame->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        enum status status = read_frame(frame->data, frame->size, &error);
        assert_true(status == STATUS_INVALID || status == STATUS_CORRUPT);
        assert_true(error.message[0] != 0);
        frame->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_int_equal(read_frame(frame->data, frame->size, NULL), STATUS_OK);
    bytes_unref(&frame);
}

static void every_cut_is_noticed(void **unused)
{
    (void)unused;
    struct bytes *frame = put_request("colour");
    for (size_t size = 0; size < frame->size; size++) {
        uint8_t *cut = size == 0 ? NULL : test_malloc(size); /* Exactly as long: ASan sees a read past it. */
        if (size > 0) memcpy(cut, frame->data, size);
        assert_int_not_equal(read_frame(cut, size, NULL), STATUS_OK);
        if (size > 0) test_free(cut);
    }
    bytes_unref(&frame);
}

static void wrong_content_is_refused(void **unused)
{
    (void)unused;
    struct error error = { 0 };
    struct bytes *frame = put_request("\xff\xfe");
    assert_int_equal(read_frame(frame->data, frame->size, &error), STATUS_CORRUPT);
    assert_non_null(strstr(error.message, "UTF-8"));
    bytes_unref(&frame);
    frame = put_request("colour");
    memset(frame->data + FRAME_HEADER_SIZE, 0xff, 4);
    fix_checksums(frame);
    assert_int_equal(read_frame(frame->data, frame->size, &error), STATUS_CORRUPT);
    assert_non_null(strstr(error.message, "KvPutRequest"));
    const uint32_t strange[] = { 0, KIND_TRANSPORT_SEND, 99999, UINT32_MAX };
    for (size_t i = 0; i < ARRAY_COUNT(strange); i++) {
        memcpy(frame->data + 68, &strange[i], 4);
        fix_checksums(frame);
        assert_int_equal(read_frame(frame->data, frame->size, &error), STATUS_INVALID);
    }
    bytes_unref(&frame);
}

static void what_is_local_or_too_large_is_not_packed(void **unused)
{
    (void)unused;
    struct error error = { 0 };
    struct bytes *frame = NULL;
    struct message *local = message_create(KIND_TRANSPORT_SEND, 8);
    assert_int_equal(frame_pack(local, &frame, &error), STATUS_INVALID);
    message_destroy(&local);
    struct message *message = wire_message_create(KIND_KV_GET_REQUEST);
    struct bytes *bulk = bytes_create(FRAME_SIZE_MAX - FRAME_HEADER_SIZE);
    memset(bulk->data, 1, bulk->size);
    message_attach(message, &bulk);
    assert_int_equal(frame_pack(message, &frame, &error), STATUS_OK);
    bytes_unref(&frame);
    ((Pb__KvGetRequest *)message->body)->stale = 1;
    assert_int_equal(frame_pack(message, &frame, &error), STATUS_INVALID);
    assert_non_null(strstr(error.message, "KV_GET_REQUEST of 4194218 bytes"));
    message_destroy(&message);
}

/* Two bytes of input a record, more than a hundred of memory each: the allowance ends it. */
static void a_body_unfolds_within_bounds(void **unused)
{
    (void)unused;
    enum { SIZE = 2000000 };
    uint8_t *data = test_malloc(SIZE);
    for (size_t i = 0; i < SIZE; i += 2) {
        data[i] = 1 << 3 | 2; /* KvReadReply.records, of length 0. */
        data[i + 1] = 0;
    }
    struct arena arena = { 0 };
    struct error error = { 0 };
    void *body = NULL;
    assert_int_equal(codec_unpack(&arena, &pb__kv_read_reply__descriptor, data, SIZE, &body, &error),
                     STATUS_CORRUPT);
    assert_true(arena.used_bytes <= 80U << 20);
    arena_fini(&arena);
    assert_int_equal(codec_unpack(&arena, &pb__kv_read_reply__descriptor, data, 200, &body, &error),
                     STATUS_OK);
    assert_int_equal(((Pb__KvReadReply *)body)->n_records, 100);
    arena_fini(&arena);
    test_free(data);
}

static void text_and_refusals_always_arrive(void **unused)
{
    (void)unused;
    struct error error;
    char text[ERROR_MESSAGE_MAX];
    memset(text, 'x', sizeof text);
    memcpy(text + sizeof text - 3, "\xc3\xbc", 3); /* Cut by error_set in the middle of a letter. */
    (void)error_set(&error, STATUS_CONFLICT, "x%s", text);
    error_hint(&error, "look");
    struct message *refusal = wire_refusal_create(&error);
    struct bytes *frame = NULL;
    assert_int_equal(frame_pack(refusal, &frame, NULL), STATUS_OK);
    frame_seal(frame, &sealed);
    assert_int_equal(read_frame(frame->data, frame->size, NULL), STATUS_OK);
    struct error read;
    wire_refusal_read(refusal, &read);
    assert_int_equal(read.status, STATUS_CONFLICT);
    assert_string_equal(read.hint, "look");
    message_destroy(&refusal);
    bytes_unref(&frame);
    refusal = wire_message_create(KIND_REFUSAL);
    wire_refusal_read(refusal, &read);
    assert_int_equal(read.status, STATUS_UNKNOWN); /* Status 0 would be OK. */
    ((Pb__Refusal *)refusal->body)->status = 1000;
    wire_refusal_read(refusal, &read);
    assert_int_equal(read.status, STATUS_UNKNOWN);
    message_destroy(&refusal);
}

static void unknown_fields_stay_aside(void **unused)
{
    (void)unused;
    const uint8_t data[] = { 1 << 3 | 2, 1, 'k', 0xf8, 0x07, 0x2a }; /* key = "k", field 127 = 42. */
    struct arena arena = { 0 };
    void *body = NULL;
    assert_int_equal(codec_unpack(&arena, &pb__kv_get_request__descriptor, data, sizeof data, &body, NULL),
                     STATUS_OK);
    assert_string_equal(((Pb__KvGetRequest *)body)->key, "k");
    assert_int_equal(codec_size(body), sizeof data);
    uint8_t again[sizeof data];
    codec_pack(body, again);
    assert_memory_equal(again, data, sizeof data);
    arena_fini(&arena);
}

static void kinds_are_found_by_number(void **unused)
{
    (void)unused;
    assert_null(kind_find(0));
    assert_null(kind_find(102));
    assert_string_equal(kind_find(KIND_HELLO)->name, "HELLO");
    assert_int_equal(kind_find(KIND_KV_PUT_REQUEST)->flags, KIND_FROM_CLIENT);
    assert_null(kind_find(KIND_PEER_UP)->descriptor);
    assert_string_equal(kind_name(KIND_DOWN), "DOWN");
    assert_string_equal(kind_name(KIND_PEER_UP), "PEER_UP");
    assert_string_equal(kind_name(77), "?");
    for (size_t i = 1; kind_at(i) != NULL; i++) {
        assert_ptr_equal(kind_find(kind_at(i)->kind), kind_at(i));
        assert_true(kind_at(i - 1)->kind > KIND_RUNTIME_LAST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_arrives_whole),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(wrong_content_is_refused),
        cmocka_unit_test(what_is_local_or_too_large_is_not_packed),
        cmocka_unit_test(a_body_unfolds_within_bounds),
        cmocka_unit_test(text_and_refusals_always_arrive),
        cmocka_unit_test(unknown_fields_stay_aside),
        cmocka_unit_test(kinds_are_found_by_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
