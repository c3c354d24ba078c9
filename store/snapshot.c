/* snapshot: see the header. */
#include "store/snapshot.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/crypto/digest.h"
#include "store/pack.h"

#include <string.h>

enum {
    TAG_HEADER = 0x68536541, /* "AeSh", "AeSc", "AeSe" */
    TAG_CHUNK = 0x63536541,
    TAG_END = 0x65536541,
};
enum {
    HEADER_FIXED_SIZE = 4 + 8 * 5 + 16 + 8 + 4,
    RECORD_HEAD_SIZE = 1 + 2 + 1 + 4,
    END_SIZE = SNAPSHOT_DIGEST_BYTES + 8 + 8,
};

/* --- blocks --- */

static uint32_t block_crc(const uint8_t *block, size_t size)
{
    return crc32c(crc32c(0, block, 8), block + SNAPSHOT_BLOCK_HEAD_BYTES, size - SNAPSHOT_BLOCK_HEAD_BYTES);
}

/* The payload is in its place behind the head already. */
static void seal(uint8_t *block, size_t size, uint32_t tag)
{
    struct pack_writer writer = { block, SNAPSHOT_BLOCK_HEAD_BYTES };
    pack_u32(&writer, tag);
    pack_u32(&writer, (uint32_t)(size - SNAPSHOT_BLOCK_HEAD_BYTES));
    pack_u32(&writer, block_crc(block, size));
}

struct bytes *snapshot_header_block(const struct snapshot_header *header)
{
    struct bytes *configuration = configuration_pack(&header->configuration);
    struct bytes *block =
        bytes_create(SNAPSHOT_BLOCK_HEAD_BYTES + (size_t)HEADER_FIXED_SIZE + configuration->size);
    struct pack_writer writer = { block->data + SNAPSHOT_BLOCK_HEAD_BYTES,
                                  block->size - SNAPSHOT_BLOCK_HEAD_BYTES };
    pack_u32(&writer, SNAPSHOT_FORMAT);
    pack_u64(&writer, header->id);
    pack_u64(&writer, header->cluster_id);
    pack_u64(&writer, header->position.index);
    pack_u64(&writer, header->position.term);
    pack_u64(&writer, header->position.chain);
    pack_bytes(&writer, header->state_hash, sizeof header->state_hash);
    pack_u64(&writer, header->configuration_index);
    pack_u32(&writer, (uint32_t)configuration->size);
    pack_bytes(&writer, configuration->data, configuration->size);
    CHECK(writer.left == 0);
    bytes_unref(&configuration);
    seal(block->data, block->size, TAG_HEADER);
    return block;
}

void snapshot_chunk_add(struct snapshot_chunk *chunk, const struct log_copy_record *record)
{
    size_t key_size = strlen(record->key);
    CHECK(key_size <= UINT16_MAX);
    CHECK(record->value_size <= SNAPSHOT_RECORD_BYTES_MAX);
    size_t size = RECORD_HEAD_SIZE + key_size + record->value_size;
    if (chunk->size == 0) chunk->size = SNAPSHOT_BLOCK_HEAD_BYTES;
    if (chunk->size + size > chunk->room) {
        chunk->room = chunk->size + size + SNAPSHOT_CHUNK_BYTES;
        chunk->data = memory_realloc(chunk->data, chunk->room);
    }
    struct pack_writer writer = { chunk->data + chunk->size, size };
    pack_u8(&writer, (uint8_t)record->space);
    pack_u16(&writer, (uint16_t)key_size);
    pack_bytes(&writer, record->key, key_size + 1);
    pack_u32(&writer, (uint32_t)record->value_size);
    pack_bytes(&writer, record->value, record->value_size);
    CHECK(writer.left == 0);
    chunk->size += size;
    chunk->record_count++;
}

bool snapshot_chunk_is_full(const struct snapshot_chunk *chunk)
{
    size_t full = chunk->full_bytes == 0 ? SNAPSHOT_CHUNK_BYTES : chunk->full_bytes;
    return chunk->size >= SNAPSHOT_BLOCK_HEAD_BYTES + full;
}

struct bytes *snapshot_chunk_block(struct snapshot_chunk *chunk)
{
    CHECK(chunk->record_count > 0);
    seal(chunk->data, chunk->size, TAG_CHUNK);
    struct bytes *block = bytes_copy(chunk->data, chunk->size);
    size_t full = chunk->full_bytes;
    snapshot_chunk_fini(chunk);
    chunk->full_bytes = full;
    return block;
}

void snapshot_chunk_fini(struct snapshot_chunk *chunk)
{
    memory_free(chunk->data);
    *chunk = (struct snapshot_chunk){ 0 };
}

/* --- progress --- */

void snapshot_progress_pack(const struct snapshot_progress *progress,
                            uint8_t out_bytes[SNAPSHOT_PROGRESS_BYTES])
{
    struct pack_writer writer = { out_bytes, SNAPSHOT_PROGRESS_BYTES };
    pack_u64(&writer, progress->offset);
    pack_u64(&writer, progress->record_count);
    pack_u64(&writer, progress->hash.low);
    pack_u64(&writer, progress->hash.high);
    pack_bytes(&writer, progress->digest, sizeof progress->digest);
}

enum status snapshot_progress_unpack(const void *data, size_t size, struct snapshot_progress *out_progress)
{
    if (size != SNAPSHOT_PROGRESS_BYTES) return STATUS_CORRUPT;
    struct pack_reader reader = { .at = data, .left = size };
    struct snapshot_progress progress = { .offset = unpack_u64(&reader),
                                          .record_count = unpack_u64(&reader) };
    progress.hash.low = unpack_u64(&reader);
    progress.hash.high = unpack_u64(&reader);
    memcpy(progress.digest, unpack_bytes(&reader, sizeof progress.digest), sizeof progress.digest);
    *out_progress = progress;
    return STATUS_OK;
}

static void count_in(struct snapshot_progress *progress, const void *block, size_t size,
                     uint64_t record_count)
{
    struct digest digest;
    char text[DIGEST_TEXT_MAX];
    digest_begin(&digest, DIGEST_SHA256);
    digest_add(&digest, progress->digest, sizeof progress->digest);
    digest_add(&digest, block, size);
    digest_end(&digest, text);
    bool hex = text_from_hex(progress->digest, sizeof progress->digest, text);
    CHECK(hex);
    progress->offset += size;
    progress->record_count += record_count;
}

void snapshot_progress_add(struct snapshot_progress *progress, const struct bytes *block,
                           uint64_t record_count)
{
    count_in(progress, block->data, block->size, record_count);
}

struct bytes *snapshot_end_block(const struct snapshot_progress *progress)
{
    struct bytes *block = bytes_create(SNAPSHOT_BLOCK_HEAD_BYTES + (size_t)END_SIZE);
    struct pack_writer writer = { block->data + SNAPSHOT_BLOCK_HEAD_BYTES, END_SIZE };
    pack_bytes(&writer, progress->digest, sizeof progress->digest);
    pack_u64(&writer, progress->record_count);
    pack_u64(&writer, progress->offset);
    CHECK(writer.left == 0);
    seal(block->data, block->size, TAG_END);
    return block;
}

/* --- reading --- */

static enum snapshot_block_type type_of(uint32_t tag)
{
    switch (tag) {
    case TAG_HEADER: return SNAPSHOT_BLOCK_HEADER;
    case TAG_CHUNK: return SNAPSHOT_BLOCK_CHUNK;
    case TAG_END: return SNAPSHOT_BLOCK_END;
    default: return 0;
    }
}

enum status snapshot_block_size(const uint8_t head[SNAPSHOT_BLOCK_HEAD_BYTES], size_t *out_size,
                                struct error *error)
{
    struct pack_reader reader = { .at = head, .left = SNAPSHOT_BLOCK_HEAD_BYTES };
    if (type_of(unpack_u32(&reader)) == 0) {
        return error_set(error, STATUS_CORRUPT, "this is no part of a snapshot");
    }
    size_t size = SNAPSHOT_BLOCK_HEAD_BYTES + (size_t)unpack_u32(&reader);
    if (size == SNAPSHOT_BLOCK_HEAD_BYTES || size > SNAPSHOT_BLOCK_BYTES_MAX) {
        return error_set(error, STATUS_CORRUPT, "a snapshot has no block of %zu bytes", size);
    }
    *out_size = size;
    return STATUS_OK;
}

enum status snapshot_block_check(const void *data, size_t size, enum snapshot_block_type *out_type,
                                 struct error *error)
{
    size_t named = 0;
    if (size < SNAPSHOT_BLOCK_HEAD_BYTES) {
        return error_set(error, STATUS_CORRUPT, "a block of the snapshot is cut short");
    }
    enum status status = snapshot_block_size(data, &named, error);
    if (status != STATUS_OK) return status;
    if (named != size) {
        return error_set(error, STATUS_CORRUPT, "a block of %zu bytes says that it has %zu", size, named);
    }
    struct pack_reader reader = { .at = data, .left = size };
    uint32_t tag = unpack_u32(&reader);
    (void)unpack_u32(&reader);
    if (unpack_u32(&reader) != block_crc(data, size)) {
        return error_set(error, STATUS_CORRUPT, "the checksum of a block does not match");
    }
    *out_type = type_of(tag);
    return STATUS_OK;
}

static struct pack_reader payload_of(const void *data, size_t size)
{
    return (struct pack_reader){ .at = (const uint8_t *)data + SNAPSHOT_BLOCK_HEAD_BYTES,
                                 .left = size - SNAPSHOT_BLOCK_HEAD_BYTES };
}

static enum status read_configuration(struct pack_reader *reader, struct snapshot_header *header)
{
    size_t size = unpack_u32(reader);
    const uint8_t *packed = unpack_bytes(reader, size);
    if (reader->failed || reader->left != 0) return STATUS_CORRUPT;
    return configuration_unpack(packed, size, &header->configuration);
}

static bool positions_agree(const struct snapshot_header *header)
{
    return header->id != 0 && header->position.index != 0 && header->position.term != 0 &&
           header->configuration_index != 0 && header->configuration_index <= header->position.index;
}

enum status snapshot_header_read(const void *data, size_t size, struct snapshot_header *out_header,
                                 struct error *error)
{
    enum snapshot_block_type type = 0;
    enum status status = snapshot_block_check(data, size, &type, error);
    if (status != STATUS_OK) return status;
    if (type != SNAPSHOT_BLOCK_HEADER) {
        return error_set(error, STATUS_CORRUPT, "the snapshot does not begin with its header");
    }
    struct pack_reader reader = payload_of(data, size);
    uint32_t format = unpack_u32(&reader);
    if (format != SNAPSHOT_FORMAT) {
        return error_set(error, STATUS_INVALID, "the snapshot has format %u; this program reads format %d",
                         format, SNAPSHOT_FORMAT);
    }
    struct snapshot_header header = { .id = unpack_u64(&reader), .cluster_id = unpack_u64(&reader) };
    header.position.index = unpack_u64(&reader);
    header.position.term = unpack_u64(&reader);
    header.position.chain = unpack_u64(&reader);
    const uint8_t *hash = unpack_bytes(&reader, sizeof header.state_hash);
    if (hash != NULL) memcpy(header.state_hash, hash, sizeof header.state_hash);
    header.configuration_index = unpack_u64(&reader);
    status = read_configuration(&reader, &header);
    if (status != STATUS_OK || !positions_agree(&header)) {
        return error_set(error, STATUS_CORRUPT, "the snapshot's header is malformed");
    }
    *out_header = header;
    return STATUS_OK;
}

static bool unpack_record(struct pack_reader *reader, struct log_copy_record *out_record)
{
    uint8_t space = unpack_u8(reader);
    size_t key_size = unpack_u16(reader);
    const uint8_t *key = unpack_bytes(reader, key_size + 1);
    size_t size = unpack_u32(reader);
    const uint8_t *value = unpack_bytes(reader, size);
    if (reader->failed || size == 0) return false;
    if (space != COPY_RECORD && space != COPY_SESSION) return false;
    if (key_size == 0 || key_size > KV_KEY_MAX || memchr(key, 0, key_size + 1) != key + key_size)
        return false;
    *out_record = (struct log_copy_record){
        .space = (enum log_copy_space)space, .key = (const char *)key, .value = value, .value_size = size
    };
    return true;
}

static enum status add_hash(struct record_hash *sum, const struct log_copy_record *record,
                            struct error *error)
{
    struct record_hash part;
    enum status status;
    if (record->space == COPY_RECORD) {
        struct kv_record unpacked;
        status = record_unpack(record->key, record->value, record->value_size, &unpacked, error);
        if (status == STATUS_OK) part = record_hash(&unpacked);
    } else {
        struct record_session unpacked;
        status = record_unpack_session(record->key, record->value, record->value_size, &unpacked, error);
        if (status == STATUS_OK) part = record_hash_session(&unpacked);
    }
    if (status == STATUS_OK) record_hash_add(sum, &part);
    return status;
}

static bool follows(const struct log_copy_record *last, const struct log_copy_record *record)
{
    if (last->key == NULL) return true;
    if (last->space != record->space) return last->space < record->space;
    return strcmp(last->key, record->key) < 0;
}

static enum status read_chunk(struct snapshot_progress *progress, const void *data, size_t size,
                              snapshot_visit *visit, void *context, struct error *error)
{
    struct pack_reader reader = payload_of(data, size);
    struct record_hash hash = progress->hash;
    struct log_copy_record last = { 0 };
    uint64_t count = 0;
    for (; reader.left > 0; count++) {
        struct log_copy_record record;
        if (!unpack_record(&reader, &record)) {
            return error_set(error, STATUS_CORRUPT, "a record of the snapshot is malformed");
        }
        if (!follows(&last, &record)) {
            return error_set(error, STATUS_CORRUPT, "the snapshot is out of order at \"%.64s\"", record.key);
        }
        enum status status = add_hash(&hash, &record, error);
        if (status == STATUS_OK && visit != NULL) status = visit(context, &record, error);
        if (status != STATUS_OK) return status;
        last = record;
    }
    progress->hash = hash;
    count_in(progress, data, size, count);
    return STATUS_OK;
}

static enum status read_end(const struct snapshot_progress *progress, const struct snapshot_header *header,
                            const void *data, size_t size, struct error *error)
{
    struct pack_reader reader = payload_of(data, size);
    const uint8_t *digest = unpack_bytes(&reader, SNAPSHOT_DIGEST_BYTES);
    uint64_t record_count = unpack_u64(&reader);
    uint64_t offset = unpack_u64(&reader);
    if (reader.failed || reader.left != 0) {
        return error_set(error, STATUS_CORRUPT, "the snapshot's end is malformed");
    }
    if (record_count != progress->record_count || offset != progress->offset ||
        memcmp(digest, progress->digest, SNAPSHOT_DIGEST_BYTES) != 0) {
        return error_set(error, STATUS_CORRUPT, "the snapshot does not have the digest that its end names");
    }
    uint8_t hash[16];
    record_hash_bytes(&progress->hash, hash);
    if (memcmp(hash, header->state_hash, sizeof hash) != 0) { /* D2 */
        return error_set(error, STATUS_CORRUPT, "the snapshot's records do not have the hash of its header");
    }
    return STATUS_OK;
}

enum status snapshot_read(struct snapshot_progress *progress, const struct snapshot_header *header,
                          const void *data, size_t size, snapshot_visit *visit, void *context,
                          enum snapshot_block_type *out_type, struct error *error)
{
    enum snapshot_block_type type = 0;
    enum status status = snapshot_block_check(data, size, &type, error);
    if (status != STATUS_OK) return status;
    if ((type == SNAPSHOT_BLOCK_HEADER) != (progress->offset == 0)) {
        return error_set(error, STATUS_CORRUPT, "the snapshot's header is missing, or comes twice");
    }
    *out_type = type;
    if (type == SNAPSHOT_BLOCK_CHUNK) return read_chunk(progress, data, size, visit, context, error);
    if (type == SNAPSHOT_BLOCK_END) return read_end(progress, header, data, size, error);
    count_in(progress, data, size, 0);
    return STATUS_OK;
}
