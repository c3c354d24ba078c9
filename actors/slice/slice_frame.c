/* slice_frame: a fixed head, three words with their terminating zeros, the payload. Native byte order. */
#include "actors/slice/slice_frame.h"

#include "actors/slice/sdk/aether/slice.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "store/schema/coordinates.h"

#include <string.h>

struct head {
    uint32_t type;
    uint32_t guest;
    int32_t status;
    uint32_t unused; /* 0 */
    uint64_t id;
    uint64_t number;
    int64_t budget_ns;
    uint64_t request_high;
    uint64_t request_low;
    uint32_t word_sizes[SLICE_FRAME_WORDS]; /* Without the zero. */
    uint32_t payload_size;
};

enum { SHARED_FROM = 16 * 1024 }; /* Less is copied in the time that sharing takes. */

struct entry_head {
    uint32_t id;
    uint32_t deadline_ms;
    uint32_t concurrency_max;
    uint8_t readonly;
    uint8_t idempotent;
    uint8_t name_size;
    uint8_t unused;
};

enum status slice_frame_encode(const struct slice_frame *frame, struct arena *arena, const void **out_head,
                               size_t *out_size, struct error *error)
{
    struct head head = {
        .type = frame->type,
        .guest = frame->guest,
        .status = frame->status,
        .id = frame->id,
        .number = frame->number,
        .budget_ns = frame->budget_ns,
        .request_high = frame->request_id.high,
        .request_low = frame->request_id.low,
        .payload_size = (uint32_t)frame->payload_size,
    };
    if (frame->payload_size > AETHER_PAYLOAD_MAX)
        return error_set(error, STATUS_INVALID, "a payload of %zu bytes; at most %d", frame->payload_size,
                         AETHER_PAYLOAD_MAX);
    size_t size = sizeof head;
    for (int i = 0; i < SLICE_FRAME_WORDS; i++) {
        size_t length = frame->words[i] != NULL ? strlen(frame->words[i]) : 0;
        if (length > SLICE_FRAME_WORD_MAX)
            return error_set(error, STATUS_INVALID, "a word of %zu bytes; at most %d", length,
                             SLICE_FRAME_WORD_MAX);
        head.word_sizes[i] = (uint32_t)length;
        size += length + 1;
    }
    uint8_t *data = arena_alloc(arena, size); /* Zeroed: the words end by themselves. */
    memcpy(data, &head, sizeof head);
    uint8_t *at = data + sizeof head;
    for (int i = 0; i < SLICE_FRAME_WORDS; at += head.word_sizes[i++] + 1)
        if (head.word_sizes[i] > 0) memcpy(at, frame->words[i], head.word_sizes[i]);
    *out_head = data;
    *out_size = size;
    return STATUS_OK;
}

enum status slice_frame_decode(const struct bytes *bytes, struct slice_frame *out_frame, struct error *error)
{
    struct head head;
    if (bytes->size < sizeof head)
        return error_set(error, STATUS_INVALID, "a frame of %zu bytes", bytes->size);
    memcpy(&head, bytes->data, sizeof head);
    if (head.type == SLICE_FRAME_NONE || head.type >= SLICE_FRAME_TYPE_COUNT)
        return error_set(error, STATUS_INVALID, "a frame of type %u", head.type);
    if (head.unused != 0)
        return error_set(error, STATUS_INVALID, "a frame with more in it than this release knows");
    struct slice_frame frame = {
        .type = head.type,
        .guest = head.guest,
        .status = head.status,
        .id = head.id,
        .number = head.number,
        .budget_ns = head.budget_ns,
        .request_id = { head.request_high, head.request_low },
        .payload_size = head.payload_size,
    };
    size_t at = sizeof head;
    for (int i = 0; i < SLICE_FRAME_WORDS; i++) {
        size_t length = head.word_sizes[i];
        if (length > SLICE_FRAME_WORD_MAX || bytes->size - at < length + 1)
            return error_set(error, STATUS_INVALID, "word %d of a frame doesn't fit into it", i);
        const char *word = (const char *)bytes->data + at;
        if (word[length] != '\0' || strlen(word) != length || !text_is_utf8(word, length))
            return error_set(error, STATUS_INVALID, "word %d of a frame is not a text", i);
        frame.words[i] = word;
        at += length + 1;
    }
    if (bytes->size - at != head.payload_size || head.payload_size > AETHER_PAYLOAD_MAX)
        return error_set(error, STATUS_INVALID, "the payload's size is not the frame's");
    frame.payload = bytes->data + at;
    frame.whole = NULL; /* The caller knows whether `bytes` may be kept. */
    *out_frame = frame;
    return STATUS_OK;
}

static void unref_whole(void *owner)
{
    struct bytes *whole = owner;
    bytes_unref(&whole);
}

struct bytes *slice_frame_payload(const struct slice_frame *frame)
{
    if (frame->whole == NULL || frame->payload_size < SHARED_FROM)
        return bytes_copy(frame->payload, frame->payload_size);
    uint8_t *data = frame->whole->data + ((const uint8_t *)frame->payload - frame->whole->data);
    return bytes_wrap(data, frame->payload_size, unref_whole, bytes_ref(frame->whole));
}

void slice_frame_put_entries(const struct instance_entry *entries, uint32_t count, struct arena *arena,
                             const void **out_data, size_t *out_size)
{
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        size += sizeof(struct entry_head) + strlen(entries[i].name);
    uint8_t *data = arena_alloc(arena, size + 1);
    uint8_t *at = data;
    for (uint32_t i = 0; i < count; i++) {
        CHECK(coordinates_part_is_valid(entries[i].name, COORDINATES_ARTIFACT_MAX));
        struct entry_head head = {
            .id = entries[i].id,
            .deadline_ms = entries[i].deadline_ms,
            .concurrency_max = entries[i].concurrency_max,
            .readonly = entries[i].readonly,
            .idempotent = entries[i].idempotent,
            .name_size = (uint8_t)strlen(entries[i].name),
        };
        memcpy(at, &head, sizeof head);
        memcpy(at + sizeof head, entries[i].name, head.name_size);
        at += sizeof head + head.name_size;
    }
    *out_data = data;
    *out_size = size;
}

static bool is_repeated(const struct instance_entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (entries[i].id == entries[count].id || strcmp(entries[i].name, entries[count].name) == 0)
            return true;
    return false;
}

enum status slice_frame_get_entries(const void *data, size_t size, struct arena *arena,
                                    struct instance_entry **out_entries, uint32_t *out_count,
                                    struct error *error)
{
    struct instance_entry *entries = arena_array(arena, AETHER_ENTRIES_MAX, sizeof *entries);
    uint32_t count = 0;
    for (const uint8_t *at = data; size > 0; count++) {
        struct entry_head head;
        if (count == AETHER_ENTRIES_MAX)
            return error_set(error, STATUS_INVALID, "more than %d entry points", AETHER_ENTRIES_MAX);
        if (size < sizeof head) return error_set(error, STATUS_INVALID, "entry point %u is cut", count);
        memcpy(&head, at, sizeof head);
        if (size - sizeof head < head.name_size)
            return error_set(error, STATUS_INVALID, "entry point %u is cut", count);
        entries[count] = (struct instance_entry){
            .name = arena_strndup(arena, (const char *)at + sizeof head, head.name_size),
            .id = head.id,
            .readonly = head.readonly != 0,
            .idempotent = head.idempotent != 0,
            .deadline_ms = head.deadline_ms,
            .concurrency_max = head.concurrency_max,
        };
        const char *name = entries[count].name;
        bool whole = strlen(name) == head.name_size; /* Nothing hides behind a zero. */
        if (!whole || !coordinates_part_is_valid(name, COORDINATES_ARTIFACT_MAX) ||
            is_repeated(entries, count))
            return error_set(error, STATUS_INVALID, "entry point %u has a bad or repeated name or id", count);
        at += sizeof head + head.name_size;
        size -= sizeof head + head.name_size;
    }
    *out_entries = entries;
    *out_count = count;
    return STATUS_OK;
}
