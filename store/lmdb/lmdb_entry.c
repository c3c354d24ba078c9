/* lmdb_entry: see the header. */
#include "store/lmdb/lmdb_entry.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "store/pack.h"

#include <string.h>

enum { CRC_SIZE = 4, FIXED_SIZE = CRC_SIZE + 8 + 1 + 8 + 8 };

static uint32_t crc_of(log_index index, const uint8_t *data, size_t size)
{
    uint8_t bytes[8];
    struct pack_writer writer = { bytes, sizeof bytes };
    pack_u64(&writer, index);
    return crc32c(crc32c(0, bytes, sizeof bytes), data + CRC_SIZE, size - CRC_SIZE);
}

size_t lmdb_entry_size(const struct raft_entry *entry)
{
    return FIXED_SIZE + (entry->payload == NULL ? 0 : entry->payload->size);
}

void lmdb_entry_pack(const struct raft_entry *entry, uint8_t *to)
{
    size_t size = lmdb_entry_size(entry);
    struct pack_writer writer = { to + CRC_SIZE, size - CRC_SIZE };
    pack_u64(&writer, entry->term);
    pack_u8(&writer, (uint8_t)entry->type);
    pack_u64(&writer, entry->stamp_ms);
    pack_u64(&writer, entry->chain);
    if (entry->payload != NULL) pack_bytes(&writer, entry->payload->data, entry->payload->size);
    CHECK(writer.left == 0);
    struct pack_writer start = { to, CRC_SIZE };
    pack_u32(&start, crc_of(entry->index, to, size));
}

static bool type_is_known(uint8_t type)
{
    return type >= ENTRY_NO_OP && type <= ENTRY_CHECKPOINT;
}

enum status lmdb_entry_unpack(log_index index, const void *data, size_t size,
                              struct lmdb_entry_view *out_view, struct error *error)
{
    struct pack_reader reader = { .at = data, .left = size };
    uint32_t crc = unpack_u32(&reader);
    struct lmdb_entry_view view = { .entry = { .index = index, .term = unpack_u64(&reader) } };
    uint8_t type = unpack_u8(&reader);
    view.entry.stamp_ms = unpack_u64(&reader);
    view.entry.chain = unpack_u64(&reader);
    if (reader.failed || reader.left > ENTRY_PAYLOAD_MAX) {
        return error_set(error, STATUS_CORRUPT, "entry %llu has a size of %zu bytes",
                         (unsigned long long)index, size);
    }
    if (crc != crc_of(index, data, size) || !type_is_known(type)) {
        return error_set(error, STATUS_CORRUPT, "the checksum of entry %llu does not match",
                         (unsigned long long)index);
    }
    view.entry.type = (enum entry_type)type;
    view.payload = reader.at;
    view.payload_size = reader.left;
    *out_view = view;
    return STATUS_OK;
}

int lmdb_entry_index(const MDB_val *key, log_index *out_index)
{
    if (key->mv_size != sizeof *out_index) return MDB_CORRUPTED;
    memcpy(out_index, key->mv_data, sizeof *out_index);
    return 0;
}
