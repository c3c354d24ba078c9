/* backup_file: bytes as the file that `cluster restore` was given: read from end to end and loaded, as
 * restore does before it touches anything. Where the first byte is odd, each block's size and checksum are
 * made to fit first, so that what lies behind them is reached. Nothing may crash, and what is not whole is
 * refused. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "nodes/backup_file.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "store/kv.h"
#include "store/pack.h"
#include "store/schema/rules.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    struct kv *kv;
    struct snapshot_header header;
    uint64_t offset; /* Of the last chunk. */
    uint32_t chunks;
};

/* Bytes 4 to 8 of a block say how much follows its head, the next four are its sum (store/snapshot.h). */
static void mend(uint8_t *file, size_t size)
{
    enum { SIZE_AT = 4, CRC_AT = 8 };
    for (size_t at = 0; size - at >= SNAPSHOT_BLOCK_HEAD_BYTES;) {
        uint8_t *block = file + at;
        struct pack_reader reader = { .at = block + SIZE_AT, .left = 4 };
        size_t left = size - at - SNAPSHOT_BLOCK_HEAD_BYTES;
        size_t body = unpack_u32(&reader);
        if (body > left) body = left;
        struct pack_writer writer = { block + SIZE_AT, 8 };
        pack_u32(&writer, (uint32_t)body);
        pack_u32(&writer, crc32c(crc32c(0, block, CRC_AT), block + SNAPSHOT_BLOCK_HEAD_BYTES, body));
        at += SNAPSHOT_BLOCK_HEAD_BYTES + body;
    }
}

static enum status on_header(void *context, const struct snapshot_header *header, struct error *error)
{
    (void)error;
    ((struct reading *)context)->header = *header;
    return STATUS_OK;
}

static enum status on_record(void *context, const struct log_copy_record *record, struct error *error)
{
    return kv_load(((struct reading *)context)->kv, record, error);
}

static enum status on_chunk(void *context, const struct snapshot_progress *progress, struct error *error)
{
    struct reading *reading = context;
    (void)error;
    CHECK(progress->offset > reading->offset || reading->chunks == 0);
    reading->offset = progress->offset;
    reading->chunks++;
    return STATUS_OK;
}

static void read_file(const char *path)
{
    struct reading reading = { .kv = kv_create(&schema_rules) };
    struct backup_visitor visitor = { &reading, on_header, on_record, on_chunk };
    struct snapshot_progress progress = { 0 };
    enum status status = backup_file_read(path, &visitor, &progress, NULL);
    CHECK(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_INVALID);
    if (status == STATUS_OK) {
        const struct snapshot_header *header = &reading.header;
        status =
            kv_load_end(reading.kv, &header->position, header->position.index + 1, header->state_hash, NULL);
        CHECK(status == STATUS_OK || status == STATUS_CORRUPT);
    }
    kv_destroy(&reading.kv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    char path[64];
    uint8_t *file = memory_alloc(size);
    memcpy(file, data + 1, size - 1);
    if (data[0] % 2 == 1) mend(file, size - 1);
    int fd = memfd_create("backup", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(write(fd, file, size - 1) == (ssize_t)(size - 1));
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_file(path);
    CHECK(close(fd) == 0);
    memory_free(file);
    return 0;
}
