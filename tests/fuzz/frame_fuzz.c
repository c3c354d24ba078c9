/* frame_fuzz: a frame from anywhere is decoded or refused; what is decoded packs into the same bytes again,
 * and has a document form that reads back. Half of the inputs get right checksums, else a fuzzer would never
 * pass them. */
#include "runtime/base/bytes.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "wire/frame.h"
#include "wire/json/convert.h"
#include "wire/kinds.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_u32(uint8_t *to, uint32_t number)
{
    memcpy(to, &number, sizeof number);
}

/* Magic, sizes (all body, but the last `data[0] % 16` bytes) and checksums as they should be. */
static struct bytes *make_plausible(const uint8_t *data, size_t size)
{
    struct bytes *frame = bytes_copy(data, size);
    if (size < FRAME_HEADER_SIZE) return frame;
    size_t content = size - FRAME_HEADER_SIZE;
    size_t attachment = data[0] % 16 < content ? data[0] % 16 : content;
    memcpy(frame->data, "AETH", 4);
    put_u32(frame->data + 72, (uint32_t)(content - attachment));
    put_u32(frame->data + 76, (uint32_t)attachment);
    put_u32(frame->data + 80, crc32c(0, frame->data + FRAME_HEADER_SIZE, content));
    put_u32(frame->data + 84, crc32c(0, frame->data, 84));
    return frame;
}

static void check_document(const struct message *message)
{
    struct value *value = convert_to_value(message->body);
    struct arena arena = { 0 };
    void *body = NULL;
    struct error error;
    const struct kind_row *row = kind_find(message->kind);
    /* An enum may carry a number that has no name, and a real may be no number: those are refused, by place.
     */
    enum status status = convert_from_value(value, &arena, row->descriptor, &body, &error);
    CHECK(status == STATUS_OK || error.message[0] != 0);
    arena_fini(&arena);
    value_free(&value);
}

static void check_frame(const uint8_t *data, size_t size)
{
    struct frame_header header;
    struct message *message = NULL;
    struct error error;
    if (frame_parse(data, size, &header, &error) != STATUS_OK) return;
    if (frame_decode(data, size, &header, &message, &error) != STATUS_OK) return;
    struct bytes *again = NULL;
    if (frame_pack(message, &again, &error) == STATUS_OK) {
        frame_seal(again, &header);
        struct message *message_again = NULL;
        struct frame_header header_again;
        enum status status = frame_parse(again->data, again->size, &header_again, &error);
        CHECK(status == STATUS_OK);
        status = frame_decode(again->data, again->size, &header_again, &message_again, &error);
        CHECK(status == STATUS_OK);
        message_destroy(&message_again);
        bytes_unref(&again);
    }
    check_document(message);
    message_destroy(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 65536) return 0;
    check_frame(data, size);
    struct bytes *plausible = make_plausible(data, size);
    check_frame(plausible->data, plausible->size);
    bytes_unref(&plausible);
    return 0;
}
