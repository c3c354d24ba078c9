/* snapshot: bytes as a damaged file or a hostile peer might give them, as a stream of blocks: the first byte
 * says whether each block's size and checksum are made to fit first, so that the decoders behind them are
 * reached. Nothing may crash; a header that is read packs to the same bytes; every record that is shown lies
 * in the block. */
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "store/pack.h"
#include "store/snapshot.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct window {
    const uint8_t *data;
    size_t size;
};

static enum status look(void *context, const struct log_copy_record *record, struct error *error)
{
    const struct window *window = context;
    (void)error;
    CHECK((const uint8_t *)record->value >= window->data);
    CHECK((const uint8_t *)record->value + record->value_size <= window->data + window->size);
    CHECK(strlen(record->key) <= KV_KEY_MAX);
    return STATUS_OK;
}

static void mend(uint8_t *block, size_t size)
{
    struct pack_writer writer = { block + 4, 8 };
    pack_u32(&writer, (uint32_t)(size - SNAPSHOT_BLOCK_HEAD_BYTES));
    uint32_t crc =
        crc32c(crc32c(0, block, 8), block + SNAPSHOT_BLOCK_HEAD_BYTES, size - SNAPSHOT_BLOCK_HEAD_BYTES);
    pack_u32(&writer, crc);
}

static void read_header(const uint8_t *data, size_t size)
{
    struct snapshot_header header;
    if (snapshot_header_read(data, size, &header, NULL) != STATUS_OK) return;
    struct bytes *again = snapshot_header_block(&header);
    CHECK(again->size == size);
    CHECK(memcmp(again->data, data, size) == 0);
    bytes_unref(&again);
}

/* Each block of the input is u8 or u16 long as its first two bytes say. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    bool mends = data[0] % 2 == 1;
    struct snapshot_header header = { .id = 1 };
    struct snapshot_progress progress = { 0 };
    struct pack_reader reader = { .at = data + 1, .left = size - 1 };
    while (reader.left > 2) {
        size_t length = unpack_u16(&reader);
        if (length > reader.left) length = reader.left;
        uint8_t *block = memory_alloc(length + 1);
        memcpy(block, unpack_bytes(&reader, length), length);
        if (mends && length >= SNAPSHOT_BLOCK_HEAD_BYTES) mend(block, length);
        struct window window = { block, length };
        enum snapshot_block_type type = 0;
        read_header(block, length);
        enum status status = snapshot_read(&progress, &header, block, length, look, &window, &type, NULL);
        CHECK(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_INVALID);
        memory_free(block);
    }
    struct snapshot_progress unpacked;
    uint8_t packed[SNAPSHOT_PROGRESS_BYTES];
    if (snapshot_progress_unpack(data, size, &unpacked) != STATUS_OK) return 0;
    snapshot_progress_pack(&unpacked, packed);
    CHECK(memcmp(packed, data, size) == 0);
    return 0;
}
