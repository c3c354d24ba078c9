/* Goal: every body of every kind becomes a document and the same body again; what a person or an agent writes
 * wrong is refused with the place, and a hint where there is a near name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/memory.h"
#include "tests/support/fill_body.h"
#include "wire/json/convert.h"
#include "wire/kinds.h"

#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/slice.pb-c.h"
#include "wire/proto/store.pb-c.h"

static void assert_document(const void *body, const char *expected)
{
    struct value *value = convert_to_value(body);
    char *text = value_dump(value);
    assert_string_equal(text, expected);
    memory_free(text);
    value_free(&value);
}

static enum status read_document(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                                 const char *json, void **out_body, struct error *error)
{
    struct value *value = NULL;
    assert_int_equal(value_parse_json(json, strlen(json), &value, error), STATUS_OK);
    enum status status = convert_from_value(value, arena, descriptor, out_body, error);
    value_free(&value);
    return status;
}

static void assert_refused(const ProtobufCMessageDescriptor *descriptor, const char *json,
                           const char *message, const char *hint)
{
    struct arena arena = { 0 };
    struct error error = { 0 };
    void *body = NULL;
    assert_int_equal(read_document(&arena, descriptor, json, &body, &error), STATUS_INVALID);
    assert_string_equal(error.message, message);
    assert_string_equal(error.hint, hint);
    arena_fini(&arena);
}

static void every_kind_comes_back(void **unused)
{
    (void)unused;
    for (size_t i = 0; kind_at(i) != NULL; i++) {
        const ProtobufCMessageDescriptor *descriptor = kind_at(i)->descriptor;
        if (descriptor == NULL) continue;
        struct arena arena = { 0 };
        void *body = codec_create(&arena, descriptor);
        fill_body(&arena, body);
        struct value *value = convert_to_value(body);
        void *again = NULL;
        struct error error = { 0 };
        enum status status = convert_from_value(value, &arena, descriptor, &again, &error);
        if (status != STATUS_OK) print_message("%s: %s\n", kind_at(i)->name, error.message);
        assert_int_equal(status, STATUS_OK);
        size_t size = codec_size(body);
        assert_int_equal(codec_size(again), size);
        uint8_t *packed = arena_alloc(&arena, size);
        uint8_t *packed_again = arena_alloc(&arena, size);
        codec_pack(body, packed);
        codec_pack(again, packed_again);
        assert_memory_equal(packed, packed_again, size);
        value_free(&value);
        arena_fini(&arena);
    }
}

static void documents_read_well(void **unused)
{
    (void)unused;
    Pb__KvRecord record = PB__KV_RECORD__INIT;
    record.key = (char *)(uintptr_t) "a";
    record.value = (ProtobufCBinaryData){ 9, (uint8_t *)(uintptr_t) "{\"x\":[1]}" };
    record.revision = (UINT64_C(1) << 53) - 1;
    record.version = UINT64_C(1) << 53;
    record.term = UINT64_MAX;
    assert_document(&record, "{\"key\":\"a\",\"value\":{\"x\":[1]},\"create-revision\":0,"
                             "\"revision\":9007199254740991,\"version\":\"9007199254740992\","
                             "\"term\":\"18446744073709551615\",\"lease\":\"\"}");
    record = (Pb__KvRecord)PB__KV_RECORD__INIT;
    record.value = (ProtobufCBinaryData){ 4, (uint8_t *)(uintptr_t) "\xff\xfe\xfd\xfc" };
    assert_document(&record, "{\"key\":\"\",\"value\":\"//79/A==\",\"create-revision\":0,\"revision\":0,"
                             "\"version\":0,\"term\":0,\"lease\":\"\"}");
    Pb__KvGetRequest request = PB__KV_GET_REQUEST__INIT;
    assert_document(&request, "{\"key\":\"\",\"stale\":false}");
    request.has_after_case = PB__KV_GET_REQUEST__HAS_AFTER_AFTER;
    assert_document(&request, "{\"key\":\"\",\"stale\":false,\"after\":0}");
    Pb__KvGetReply reply = PB__KV_GET_REPLY__INIT;
    assert_document(&reply, "{\"stale\":false,\"index\":0,\"lag\":0}");
    Pb__KvReadReply list = PB__KV_READ_REPLY__INIT;
    assert_document(&list, "{\"records\":[],\"revision\":0,\"more\":false,\"stale\":false,\"lag\":0}");
    Pb__Command command = PB__COMMAND__INIT;
    command.origin = PB__ORIGIN__ORIGIN_NODE;
    struct value *value = convert_to_value(&command);
    assert_string_equal(value_get_string(value, "origin", ""), "ORIGIN_NODE");
    value_free(&value);
    command.origin = (Pb__Origin)77;
    value = convert_to_value(&command);
    assert_int_equal(value_get_integer(value, "origin", 0), 77);
    value_free(&value);
}

static void absent_and_null_are_defaults(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    void *body = NULL;
    struct error error = { 0 };
    assert_int_equal(read_document(&arena, &pb__kv_put_request__descriptor,
                                   "{\"key\":\"k\",\"if-rev\":null,\"force\":null}", &body, &error),
                     STATUS_OK);
    const Pb__KvPutRequest *put = body;
    assert_string_equal(put->key, "k");
    assert_string_equal(put->value, "");
    assert_int_equal(put->has_if_rev_case, 0);
    assert_int_equal(
        read_document(&arena, &pb__kv_put_request__descriptor, "{\"if-rev\":\"0\"}", &body, &error),
        STATUS_OK);
    put = body;
    assert_int_equal(put->has_if_rev_case, PB__KV_PUT_REQUEST__HAS_IF_REV_IF_REV);
    assert_int_equal(
        read_document(&arena, &pb__kv_put_request__descriptor, "{\"if-rev\":7.0}", &body, &error), STATUS_OK);
    assert_int_equal(((const Pb__KvPutRequest *)body)->if_rev, 7);
    arena_fini(&arena);
}

static void wrong_documents_are_refused_by_place(void **unused)
{
    (void)unused;
    const ProtobufCMessageDescriptor *put = &pb__kv_put_request__descriptor;
    assert_refused(put, "{\"kez\":\"k\"}", "kez: unknown key", "did you mean \"key\"?");
    assert_refused(put, "{\"if_rev\":1}", "if_rev: unknown key", "did you mean \"if-rev\"?");
    assert_refused(put, "{\"something\":1}", "something: unknown key", "");
    assert_refused(put, "[]", "must be an object", "");
    assert_refused(put, "{\"key\":1}", "key: must be a string", "");
    assert_refused(put, "{\"force\":\"yes\"}", "force: must be true or false", "");
    assert_refused(put, "{\"if-rev\":-1}", "if-rev: must be an integer, not below 0", "");
    assert_refused(put, "{\"if-rev\":1.5}", "if-rev: must be an integer, not below 0", "");
    assert_refused(put, "{\"if-rev\":\"x\"}", "if-rev: must be an integer, not below 0", "");
    assert_refused(put, "{\"if-rev\":1e300}", "if-rev: must be an integer, not below 0", "");
    assert_refused(&pb__kv_list_request__descriptor, "{\"limit\":4294967296}",
                   "limit: must be an integer from 0 to 4294967295", "");
    assert_refused(&pb__slice_list_reply__descriptor, "{\"instances\":[{},{\"instance\":\"?\"}]}",
                   "instances[1].instance: must be an integer from 0 to 4294967295", "");
    assert_refused(&pb__slice_list_reply__descriptor, "{\"instances\":{}}", "instances: must be an array",
                   "");
    assert_refused(&pb__compare__descriptor, "{\"revision\":1,\"absent\":true}",
                   "absent: excludes another member that is there too", "");
    assert_refused(&pb__command__descriptor, "{\"origin\":\"CLIENT\"}",
                   "origin: must be one of ORIGIN_UNSPECIFIED, ORIGIN_CLIENT, ORIGIN_FORCED, "
                   "ORIGIN_MANAGER, ORIGIN_NODE, ORIGIN_SYSTEM",
                   "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back),
        cmocka_unit_test(documents_read_well),
        cmocka_unit_test(absent_and_null_are_defaults),
        cmocka_unit_test(wrong_documents_are_refused_by_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
