/* journal_batch: see the header. */
#include "store/journal/journal_batch.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "store/pack.h"

#include <string.h>

enum {
    JOURNAL_HARD = 1,
    JOURNAL_TRUNCATE = 2,
    JOURNAL_ENTRY = 3,
    CRC_SIZE = 4,
    STREAM_HEAD = 8,
    HARD_SIZE = 1 + 8 + 8,
    TRUNCATE_SIZE = 1 + 8,
    ENTRY_HEAD = 1 + 8 + 8 + 1 + 8 + 8 + 4,
    RECORD_HEAD_MAX = ENTRY_HEAD,
};

/* --- sectors -------------------------------------------------------------------------------------------- */

static bool is_blank(const uint8_t *sector)
{
    return sector[0] == 0 && memcmp(sector, sector + 1, JOURNAL_SECTOR - 1) == 0;
}

enum journal_sector_state journal_batch_read_stamp(const uint8_t sector[JOURNAL_SECTOR],
                                                   struct journal_stamp *out_stamp)
{
    struct pack_reader reader = { .at = sector, .left = JOURNAL_SECTOR };
    uint32_t crc = unpack_u32(&reader);
    out_stamp->journal = unpack_u64(&reader);
    out_stamp->sequence = unpack_u64(&reader);
    out_stamp->place = unpack_u32(&reader);
    out_stamp->count = unpack_u32(&reader);
    if (is_blank(sector)) return JOURNAL_SECTOR_BLANK;
    bool sound = crc == crc32c(0, sector + CRC_SIZE, JOURNAL_SECTOR - CRC_SIZE);
    bool possible = out_stamp->sequence != 0 && out_stamp->place < out_stamp->count;
    return sound && possible ? JOURNAL_SECTOR_SOUND : JOURNAL_SECTOR_DAMAGED;
}

static void stamp(uint8_t *sector, const struct journal_stamp *stamp)
{
    struct pack_writer writer = { sector + CRC_SIZE, JOURNAL_SECTOR_HEAD - CRC_SIZE };
    pack_u64(&writer, stamp->journal);
    pack_u64(&writer, stamp->sequence);
    pack_u32(&writer, stamp->place);
    pack_u32(&writer, stamp->count);
    struct pack_writer start = { sector, CRC_SIZE };
    pack_u32(&start, crc32c(0, sector + CRC_SIZE, JOURNAL_SECTOR - CRC_SIZE));
}

static size_t sectors_of(size_t stream_size)
{
    return (stream_size + JOURNAL_SECTOR_ROOM - 1) / JOURNAL_SECTOR_ROOM;
}

/* Spreads a stream over sectors. */
struct spreading {
    uint8_t *sector;
    size_t filled; /* Of its room. */
};

static void spread(struct spreading *spreading, const void *data, size_t size)
{
    const uint8_t *from = data;
    while (size > 0) {
        if (spreading->filled == JOURNAL_SECTOR_ROOM) {
            spreading->sector += JOURNAL_SECTOR;
            spreading->filled = 0;
        }
        size_t piece = JOURNAL_SECTOR_ROOM - spreading->filled;
        if (piece > size) piece = size;
        memcpy(spreading->sector + JOURNAL_SECTOR_HEAD + spreading->filled, from, piece);
        spreading->filled += piece;
        from += piece;
        size -= piece;
    }
}

/* --- packing -------------------------------------------------------------------------------------------- */

bool journal_batch_fits(const struct log_batch *batch)
{
    bool more = batch->install != NULL || batch->has_copy || batch->chunk != NULL || batch->clear_inactive ||
                batch->compact_to != 0 || batch->copy_damaged || batch->doubt != NULL;
    return !more;
}

static size_t payload_size(const struct raft_entry *entry)
{
    return entry->payload == NULL ? 0 : entry->payload->size;
}

size_t journal_batch_stream_size(const struct log_batch *batches, uint32_t count)
{
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct log_batch *batch = &batches[i];
        if (batch->hard != NULL) size += HARD_SIZE;
        if (batch->truncate_from != 0) size += TRUNCATE_SIZE;
        for (uint32_t j = 0; j < batch->entry_count; j++) {
            size += ENTRY_HEAD + payload_size(&batch->entries[j]);
        }
    }
    return size == 0 ? 0 : STREAM_HEAD + size;
}

size_t journal_batch_disk_size(size_t stream_size)
{
    size_t sectors = sectors_of(stream_size);
    return (sectors + JOURNAL_BLOCK_SECTORS - 1) / JOURNAL_BLOCK_SECTORS * JOURNAL_BLOCK;
}

static void spread_hard(struct spreading *spreading, const struct hard_state *hard)
{
    uint8_t head[RECORD_HEAD_MAX];
    struct pack_writer writer = { head, sizeof head };
    pack_u8(&writer, JOURNAL_HARD);
    pack_u64(&writer, hard->term);
    pack_u64(&writer, hard->vote);
    spread(spreading, head, HARD_SIZE);
}

static void spread_truncation(struct spreading *spreading, log_index from)
{
    uint8_t head[RECORD_HEAD_MAX];
    struct pack_writer writer = { head, sizeof head };
    pack_u8(&writer, JOURNAL_TRUNCATE);
    pack_u64(&writer, from);
    spread(spreading, head, TRUNCATE_SIZE);
}

static void spread_entry(struct spreading *spreading, const struct raft_entry *entry)
{
    uint8_t head[RECORD_HEAD_MAX];
    struct pack_writer writer = { head, sizeof head };
    pack_u8(&writer, JOURNAL_ENTRY);
    pack_u64(&writer, entry->index);
    pack_u64(&writer, entry->term);
    pack_u8(&writer, (uint8_t)entry->type);
    pack_u64(&writer, entry->stamp_ms);
    pack_u64(&writer, entry->chain);
    pack_u32(&writer, (uint32_t)payload_size(entry));
    spread(spreading, head, ENTRY_HEAD);
    if (entry->payload != NULL) spread(spreading, entry->payload->data, entry->payload->size);
}

void journal_batch_pack(uint64_t journal, uint64_t sequence, const struct log_batch *batches, uint32_t count,
                        uint8_t *to)
{
    size_t size = journal_batch_stream_size(batches, count);
    uint32_t sectors = (uint32_t)sectors_of(size);
    uint8_t head[STREAM_HEAD];
    struct spreading spreading = { to, 0 };
    struct pack_writer writer = { head, sizeof head };
    pack_u64(&writer, size);
    spread(&spreading, head, sizeof head);
    for (uint32_t i = 0; i < count; i++) {
        const struct log_batch *batch = &batches[i];
        CHECK(journal_batch_fits(batch));
        if (batch->hard != NULL) spread_hard(&spreading, batch->hard);
        if (batch->truncate_from != 0) spread_truncation(&spreading, batch->truncate_from);
        for (uint32_t j = 0; j < batch->entry_count; j++) {
            spread_entry(&spreading, &batch->entries[j]);
        }
    }
    for (uint32_t place = 0; place < sectors; place++) {
        stamp(to + (size_t)place * JOURNAL_SECTOR,
              &(struct journal_stamp){ journal, sequence, place, sectors });
    }
}

/* --- unpacking ------------------------------------------------------------------------------------------ */

void journal_batch_join(const uint8_t *sectors, uint32_t count, uint8_t *stream)
{
    for (uint32_t i = 0; i < count; i++) {
        memcpy(stream + (size_t)i * JOURNAL_SECTOR_ROOM,
               sectors + (size_t)i * JOURNAL_SECTOR + JOURNAL_SECTOR_HEAD, JOURNAL_SECTOR_ROOM);
    }
}

static enum status unpack_hard(struct pack_reader *reader, struct journal_pending *pending,
                               struct error *error)
{
    struct hard_state hard = { .term = unpack_u64(reader) };
    hard.vote = unpack_u64(reader);
    return reader->failed ? STATUS_OK : journal_pending_set_hard(pending, &hard, error);
}

static enum status unpack_truncation(struct pack_reader *reader, struct journal_pending *pending,
                                     struct error *error)
{
    log_index from = unpack_u64(reader);
    return reader->failed ? STATUS_OK : journal_pending_truncate(pending, from, error);
}

static bool type_is_known(uint8_t type)
{
    return type >= ENTRY_NO_OP && type <= ENTRY_CHECKPOINT;
}

static enum status unpack_entry(struct pack_reader *reader, struct journal_pending *pending,
                                struct error *error)
{
    struct raft_entry entry = { .index = unpack_u64(reader) };
    entry.term = unpack_u64(reader);
    uint8_t type = unpack_u8(reader);
    entry.stamp_ms = unpack_u64(reader);
    entry.chain = unpack_u64(reader);
    uint32_t size = unpack_u32(reader);
    const uint8_t *payload = unpack_bytes(reader, size);
    if (reader->failed) return STATUS_OK;
    if (!type_is_known(type) || size > ENTRY_PAYLOAD_MAX) {
        return error_set(error, STATUS_CORRUPT, "entry %llu in the journal is of type %u and %u bytes",
                         (unsigned long long)entry.index, type, size);
    }
    entry.type = (enum entry_type)type;
    if (size > 0) entry.payload = bytes_copy(payload, size);
    enum status status = journal_pending_append(pending, &entry, error);
    bytes_unref(&entry.payload);
    return status;
}

static enum status unpack_record(struct pack_reader *reader, struct journal_pending *pending,
                                 struct error *error)
{
    uint8_t type = unpack_u8(reader);
    switch (type) {
    case JOURNAL_HARD: return unpack_hard(reader, pending, error);
    case JOURNAL_TRUNCATE: return unpack_truncation(reader, pending, error);
    case JOURNAL_ENTRY: return unpack_entry(reader, pending, error);
    default: return error_set(error, STATUS_CORRUPT, "the journal has a record of type %u", type);
    }
}

enum status journal_batch_unpack(const uint8_t *stream, size_t room, struct journal_pending *pending,
                                 struct error *error)
{
    struct pack_reader head = { .at = stream, .left = room };
    uint64_t size = unpack_u64(&head);
    if (head.failed || size < STREAM_HEAD || size > room) {
        return error_set(error, STATUS_CORRUPT, "a batch of the journal has another size");
    }
    struct pack_reader reader = { .at = head.at, .left = (size_t)size - STREAM_HEAD };
    enum status status = STATUS_OK;
    while (reader.left > 0 && !reader.failed && status == STATUS_OK) {
        status = unpack_record(&reader, pending, error);
    }
    if (status != STATUS_OK || !reader.failed) return status;
    return error_set(error, STATUS_CORRUPT, "a record of the journal is cut short");
}
