/* lmdb_system: see the header. */
#include "store/lmdb/lmdb_system.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "store/pack.h"

#include <string.h>

enum { FORMAT = 3, FORMAT_WITHOUT_JOURNAL = 2, CRC_SIZE = 4 };

enum log_copy_state lmdb_system_copy_state(const struct lmdb_system *system)
{
    if (system->copy_damaged) return LOG_COPY_SNAPSHOT;
    if (system->applied.index >= system->committed) return LOG_COPY_SOUND;
    return system->base.index > system->applied.index ? LOG_COPY_SNAPSHOT : LOG_COPY_REPLAY;
}

static void seal(uint8_t *data, size_t size)
{
    struct pack_writer start = { data, CRC_SIZE };
    pack_u32(&start, crc32c(0, data + CRC_SIZE, size - CRC_SIZE));
}

/* Past the checksum. */
static enum status unseal(const void *data, size_t size, const char *what, struct pack_reader *out_reader,
                          struct error *error)
{
    struct pack_reader reader = { .at = data, .left = size };
    uint32_t crc = unpack_u32(&reader);
    if (reader.failed || crc != crc32c(0, reader.at, reader.left)) {
        return error_set(error, STATUS_CORRUPT, "the checksum of %s does not match", what);
    }
    *out_reader = reader;
    return STATUS_OK;
}

static enum status check_end(const struct pack_reader *reader, const char *what, struct error *error)
{
    if (!reader->failed && reader->left == 0) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "%s has another size", what);
}

static void pack_position(struct pack_writer *writer, const struct log_position *position)
{
    pack_u64(writer, position->index);
    pack_u64(writer, position->term);
    pack_u64(writer, position->chain);
}

static struct log_position unpack_position(struct pack_reader *reader)
{
    struct log_position position = { .index = unpack_u64(reader) };
    position.term = unpack_u64(reader);
    position.chain = unpack_u64(reader);
    return position;
}

void lmdb_system_pack(const struct lmdb_system *system, uint8_t data[LMDB_SYSTEM_SIZE])
{
    struct pack_writer writer = { data + CRC_SIZE, LMDB_SYSTEM_SIZE - CRC_SIZE };
    pack_u32(&writer, FORMAT);
    pack_u64(&writer, system->identity.cluster_id);
    pack_u64(&writer, system->identity.replica_id);
    pack_position(&writer, &system->base);
    pack_position(&writer, &system->applied);
    pack_u64(&writer, system->committed);
    pack_u64(&writer, system->history_first);
    pack_bytes(&writer, system->state_hash, sizeof system->state_hash);
    pack_u32(&writer, system->generation);
    pack_u8(&writer, system->copy_damaged);
    pack_u64(&writer, system->retired_id);
    pack_bytes(&writer, system->doubt_reason, sizeof system->doubt_reason);
    pack_u64(&writer, system->transaction);
    pack_u64(&writer, system->journal);
    pack_u64(&writer, system->journal_sequence);
    pack_u64(&writer, system->journal_at);
    CHECK(writer.left == 0);
    seal(data, LMDB_SYSTEM_SIZE);
}

static void unpack_array(struct pack_reader *reader, void *to, size_t size)
{
    const uint8_t *data = unpack_bytes(reader, size);
    if (data != NULL) memcpy(to, data, size);
}

enum status lmdb_system_unpack(const void *data, size_t size, struct lmdb_system *out_system,
                               struct error *error)
{
    struct pack_reader reader;
    enum status status = unseal(data, size, "sys", &reader, error);
    if (status != STATUS_OK) return status;
    uint32_t format = unpack_u32(&reader);
    if (format != FORMAT && format != FORMAT_WITHOUT_JOURNAL)
        return error_set(error, STATUS_VERSION_MISMATCH, "the store has format %u", format);
    out_system->identity.cluster_id = unpack_u64(&reader);
    out_system->identity.replica_id = unpack_u64(&reader);
    out_system->base = unpack_position(&reader);
    out_system->applied = unpack_position(&reader);
    out_system->committed = unpack_u64(&reader);
    out_system->history_first = unpack_u64(&reader);
    unpack_array(&reader, out_system->state_hash, sizeof out_system->state_hash);
    out_system->generation = unpack_u32(&reader);
    out_system->copy_damaged = unpack_u8(&reader) != 0;
    out_system->retired_id = unpack_u64(&reader);
    unpack_array(&reader, out_system->doubt_reason, sizeof out_system->doubt_reason);
    out_system->doubt_reason[sizeof out_system->doubt_reason - 1] = '\0';
    out_system->transaction = unpack_u64(&reader);
    out_system->journal = format == FORMAT ? unpack_u64(&reader) : 0;
    out_system->journal_sequence = format == FORMAT ? unpack_u64(&reader) : 0;
    out_system->journal_at = format == FORMAT ? unpack_u64(&reader) : 0;
    if (out_system->generation >= LMDB_GENERATIONS) {
        return error_set(error, STATUS_CORRUPT, "sys names generation %u", out_system->generation);
    }
    return check_end(&reader, "sys", error);
}

void lmdb_system_pack_hard(const struct hard_state *hard, uint8_t data[LMDB_HARD_SIZE])
{
    struct pack_writer writer = { data + CRC_SIZE, LMDB_HARD_SIZE - CRC_SIZE };
    pack_u64(&writer, hard->term);
    pack_u64(&writer, hard->vote);
    CHECK(writer.left == 0);
    seal(data, LMDB_HARD_SIZE);
}

enum status lmdb_system_unpack_hard(const void *data, size_t size, struct hard_state *out_hard,
                                    struct error *error)
{
    struct pack_reader reader;
    enum status status = unseal(data, size, "hard", &reader, error);
    if (status != STATUS_OK) return status;
    out_hard->term = unpack_u64(&reader);
    out_hard->vote = unpack_u64(&reader);
    return check_end(&reader, "hard", error);
}

size_t lmdb_system_pack_receiving(const struct log_receiving *receiving, uint8_t data[LMDB_RECEIVING_MAX])
{
    CHECK(receiving->note_size <= LOG_NOTE_MAX);
    size_t size = LMDB_RECEIVING_MAX - LOG_NOTE_MAX + receiving->note_size;
    struct pack_writer writer = { data + CRC_SIZE, size - CRC_SIZE };
    pack_u64(&writer, receiving->snapshot_id);
    pack_u64(&writer, receiving->offset);
    pack_u32(&writer, receiving->note_size);
    pack_bytes(&writer, receiving->note, receiving->note_size);
    CHECK(writer.left == 0);
    seal(data, size);
    return size;
}

enum status lmdb_system_unpack_receiving(const void *data, size_t size, struct log_receiving *out_receiving,
                                         struct error *error)
{
    struct pack_reader reader;
    enum status status = unseal(data, size, "what is being received", &reader, error);
    if (status != STATUS_OK) return status;
    out_receiving->snapshot_id = unpack_u64(&reader);
    out_receiving->offset = unpack_u64(&reader);
    out_receiving->note_size = unpack_u32(&reader);
    if (out_receiving->note_size > LOG_NOTE_MAX) {
        return error_set(error, STATUS_CORRUPT, "the note of a receiver is too long");
    }
    unpack_array(&reader, out_receiving->note, out_receiving->note_size);
    return check_end(&reader, "what is being received", error);
}
