/* slice_frame: bytes as a hostile process might put them into its ring: a frame, or, where the first byte is
 * odd, the entry points that it says it has. Nothing may crash; what decodes lies in the bytes that were
 * given, and encodes to the same frame again. */
#include "actors/slice/slice_frame.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_word(const struct bytes *bytes, const char *word)
{
    const uint8_t *at = (const uint8_t *)word;
    CHECK(at >= bytes->data);
    CHECK(at < bytes->data + bytes->size);
    CHECK(strlen(word) <= SLICE_FRAME_WORD_MAX);
    CHECK(text_is_utf8(word, strlen(word)));
}

static void decode_frame(const struct bytes *bytes, struct arena *arena)
{
    struct slice_frame frame;
    const void *head = NULL;
    size_t head_size = 0;
    if (slice_frame_decode(bytes, &frame, NULL) != STATUS_OK) return;
    for (int i = 0; i < SLICE_FRAME_WORDS; i++)
        check_word(bytes, frame.words[i]);
    enum status status = slice_frame_encode(&frame, arena, &head, &head_size, NULL);
    CHECK(status == STATUS_OK);
    CHECK(head_size + frame.payload_size == bytes->size);
    CHECK(memcmp(head, bytes->data, head_size) == 0);
    CHECK((const uint8_t *)frame.payload == bytes->data + head_size);
    struct bytes *payload = slice_frame_payload(&frame);
    CHECK(payload->size == frame.payload_size);
    bytes_unref(&payload);
}

static bool entry_equals(const struct instance_entry *a, const struct instance_entry *b)
{
    return strcmp(a->name, b->name) == 0 && a->id == b->id && a->readonly == b->readonly &&
           a->idempotent == b->idempotent && a->deadline_ms == b->deadline_ms &&
           a->concurrency_max == b->concurrency_max;
}

static void decode_entries(const uint8_t *data, size_t size, struct arena *arena)
{
    struct instance_entry *entries = NULL;
    struct instance_entry *again = NULL;
    uint32_t count = 0;
    uint32_t count_again = 0;
    const void *packed = NULL;
    size_t packed_size = 0;
    if (slice_frame_get_entries(data, size, arena, &entries, &count, NULL) != STATUS_OK) return;
    slice_frame_put_entries(entries, count, arena, &packed, &packed_size);
    CHECK(packed_size == size);
    enum status status = slice_frame_get_entries(packed, packed_size, arena, &again, &count_again, NULL);
    CHECK(status == STATUS_OK);
    CHECK(count_again == count);
    for (uint32_t i = 0; i < count; i++)
        CHECK(entry_equals(&entries[i], &again[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct arena arena = { 0 };
    struct bytes *bytes = bytes_copy(data + 1, size - 1);
    if (data[0] % 2 == 1) decode_entries(bytes->data, bytes->size, &arena);
    else decode_frame(bytes, &arena);
    bytes_unref(&bytes);
    arena_fini(&arena);
    return 0;
}
