/* checkpoint: see the header. Packed form: version 1, count, then for each member its id and match (8 bytes
 * each, little-endian). */
#include "store/raft/checkpoint.h"

#include "runtime/base/check.h"

enum { VERSION = 1, HEADER_SIZE = 2, MATCH_SIZE = 16, PACKED_MAX = HEADER_SIZE + REPLICAS_MAX * MATCH_SIZE };

log_index checkpoint_match_of(const struct checkpoint *checkpoint, replica_id id)
{
    for (uint32_t i = 0; i < checkpoint->count; i++) {
        if (checkpoint->matches[i].id == id) return checkpoint->matches[i].match;
    }
    return 0;
}

static void put_u64(uint8_t *to, uint64_t value)
{
    for (int byte = 0; byte < 8; byte++) {
        to[byte] = (uint8_t)(value >> (8 * byte));
    }
}

static uint64_t get_u64(const uint8_t *from)
{
    uint64_t value = 0;
    for (int byte = 0; byte < 8; byte++) {
        value |= (uint64_t)from[byte] << (8 * byte);
    }
    return value;
}

struct bytes *checkpoint_pack(const struct checkpoint *checkpoint)
{
    CHECK(checkpoint->count <= REPLICAS_MAX);
    uint8_t packed[PACKED_MAX] = { VERSION, (uint8_t)checkpoint->count };
    uint8_t *to = packed + HEADER_SIZE;
    for (uint32_t i = 0; i < checkpoint->count; i++, to += MATCH_SIZE) {
        put_u64(to, checkpoint->matches[i].id);
        put_u64(to + 8, checkpoint->matches[i].match);
    }
    return bytes_copy(packed, (size_t)(to - packed));
}

enum status checkpoint_unpack(const void *data, size_t size, struct checkpoint *out_checkpoint)
{
    const uint8_t *from = data;
    if (size < HEADER_SIZE || from[0] != VERSION || from[1] > REPLICAS_MAX) return STATUS_CORRUPT;
    struct checkpoint read = { .count = from[1] };
    if (size != HEADER_SIZE + (size_t)read.count * MATCH_SIZE) return STATUS_CORRUPT;
    from += HEADER_SIZE;
    replica_id before = 0;
    for (uint32_t i = 0; i < read.count; i++, from += MATCH_SIZE) {
        read.matches[i] = (struct checkpoint_match){ .id = get_u64(from), .match = get_u64(from + 8) };
        if (read.matches[i].id <= before) return STATUS_CORRUPT;
        before = read.matches[i].id;
    }
    *out_checkpoint = read;
    return STATUS_OK;
}
