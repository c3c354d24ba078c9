/* Goal: a frame comes back as it was; a frame cut or changed anywhere is refused or is another well-formed
 * frame, never an access outside of it; entry points of an instance are checked as outside input. */
#include "actors/slice/slice_frame.h"

#include "actors/slice/sdk/aether/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static struct bytes *whole(const struct slice_frame *frame)
{
    struct arena arena = { 0 };
    const void *head;
    size_t size;
    assert_int_equal(slice_frame_encode(frame, &arena, &head, &size, NULL), STATUS_OK);
    struct bytes *bytes = bytes_create(size + frame->payload_size);
    memcpy(bytes->data, head, size);
    if (frame->payload_size > 0) memcpy(bytes->data + size, frame->payload, frame->payload_size);
    arena_fini(&arena);
    return bytes;
}

static const struct slice_frame sample = {
    .type = SLICE_FRAME_INVOKE,
    .status = -3,
    .id = UINT64_C(0x123456789abcdef0),
    .number = 77,
    .budget_ns = 5000000000,
    .request_id = { 1, 2 },
    .guest = 77,
    .words = { "org.example:pricing/quote", "", "k\xc3\xa4se" },
    .payload = "{\"net-cents\":1}",
    .payload_size = 15,
};

static void round_trip(void **unused)
{
    (void)unused;
    struct bytes *bytes = whole(&sample);
    struct slice_frame frame;
    assert_int_equal(slice_frame_decode(bytes, &frame, NULL), STATUS_OK);
    assert_int_equal(frame.type, sample.type);
    assert_int_equal(frame.guest, sample.guest);
    assert_int_equal(frame.status, sample.status);
    assert_true(frame.id == sample.id && frame.number == sample.number);
    assert_true(frame.budget_ns == sample.budget_ns);
    assert_true(frame.request_id.high == 1 && frame.request_id.low == 2);
    for (int i = 0; i < SLICE_FRAME_WORDS; i++)
        assert_string_equal(frame.words[i], sample.words[i]);
    assert_int_equal(frame.payload_size, sample.payload_size);
    assert_memory_equal(frame.payload, sample.payload, sample.payload_size);
    bytes_unref(&bytes);
}

static void every_cut_is_refused(void **unused)
{
    (void)unused;
    struct bytes *bytes = whole(&sample);
    for (size_t size = 0; size < bytes->size; size++) {
        struct bytes *cut = bytes_copy(bytes->data, size); /* Of its own size, so that ASan sees its end. */
        struct slice_frame frame;
        struct error error;
        assert_int_equal(slice_frame_decode(cut, &frame, &error), STATUS_INVALID);
        bytes_unref(&cut);
    }
    bytes_unref(&bytes);
}

static void every_changed_byte_is_survived(void **unused)
{
    (void)unused;
    struct bytes *bytes = whole(&sample);
    for (size_t at = 0; at < bytes->size; at++) {
        for (int value = 0; value < 256; value += 17) {
            struct bytes *changed = bytes_copy(bytes->data, bytes->size);
            changed->data[at] = (uint8_t)value;
            struct slice_frame frame;
            if (slice_frame_decode(changed, &frame, NULL) == STATUS_OK)
                for (int i = 0; i < SLICE_FRAME_WORDS; i++)
                    assert_true(strlen(frame.words[i]) <= SLICE_FRAME_WORD_MAX);
            bytes_unref(&changed);
        }
    }
    bytes_unref(&bytes);
}

static void sizes_are_bounded(void **unused)
{
    (void)unused;
    static char payload[AETHER_PAYLOAD_MAX + 1];
    static char word[SLICE_FRAME_WORD_MAX + 2];
    memset(word, 'a', sizeof word - 1);
    struct arena arena = { 0 };
    const void *head;
    size_t size;
    struct error error;
    struct slice_frame large = { .type = SLICE_FRAME_CALL,
                                 .payload = payload,
                                 .payload_size = sizeof payload };
    assert_int_equal(slice_frame_encode(&large, &arena, &head, &size, &error), STATUS_INVALID);
    struct slice_frame wordy = { .type = SLICE_FRAME_CALL, .words = { word } };
    assert_int_equal(slice_frame_encode(&wordy, &arena, &head, &size, &error), STATUS_INVALID);
    arena_fini(&arena);
}

static const struct instance_entry entries[] = {
    { .name = "quote", .id = 1, .readonly = true, .deadline_ms = 2000 },
    { .name = "place", .id = 2, .idempotent = true, .concurrency_max = 4 },
};

static void entries_round_trip_and_every_cut(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    const void *data;
    size_t size;
    slice_frame_put_entries(entries, 2, &arena, &data, &size);
    struct instance_entry *back;
    uint32_t count;
    assert_int_equal(slice_frame_get_entries(data, size, &arena, &back, &count, NULL), STATUS_OK);
    assert_int_equal(count, 2);
    assert_string_equal(back[0].name, "quote");
    assert_true(back[0].readonly && !back[0].idempotent && back[0].deadline_ms == 2000);
    assert_true(back[1].idempotent && back[1].concurrency_max == 4 && back[1].id == 2);
    uint32_t whole_rows = 0;
    for (size_t cut = 0; cut < size; cut++) {
        struct bytes *part = bytes_copy(data, cut);
        if (slice_frame_get_entries(part->data, cut, &arena, &back, &count, NULL) == STATUS_OK) whole_rows++;
        bytes_unref(&part);
    }
    assert_int_equal(whole_rows, 2); /* Nothing, and the first entry alone. */
    arena_fini(&arena);
}

static void repeated_entries_are_refused(void **unused)
{
    (void)unused;
    const struct instance_entry twice[][2] = {
        { { .name = "a", .id = 1 }, { .name = "a", .id = 2 } },
        { { .name = "a", .id = 1 }, { .name = "b", .id = 1 } },
    };
    for (size_t i = 0; i < 2; i++) {
        struct arena arena = { 0 };
        const void *data;
        size_t size;
        struct instance_entry *back;
        uint32_t count;
        struct error error;
        slice_frame_put_entries(twice[i], 2, &arena, &data, &size);
        assert_int_equal(slice_frame_get_entries(data, size, &arena, &back, &count, &error), STATUS_INVALID);
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(every_changed_byte_is_survived),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(entries_round_trip_and_every_cut),
        cmocka_unit_test(repeated_entries_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
