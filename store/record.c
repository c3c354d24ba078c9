/* record: see the header.
 *   record   u32 crc, u64 create revision, u64 revision, u64 version, u64 term, u16 lease size, lease, value
 *   session  u32 crc, u64 id, u64 used revision, u64 sequence, u16 client size, client, result
 *   history  u32 crc, u64 revision, u32 count, then for each change: u16 key size, key and its 0,
 *            u32 size and packed record before, u32 size and packed record after (size 0: none)
 * Strings that a kv_record borrows need their terminating 0, so it is packed with them. */
#include "store/record.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/text.h"
#include "store/pack.h"

#include <string.h>

enum {
    RECORD_FIXED_SIZE = 4 + 8 * 4 + 2,
    SESSION_FIXED_SIZE = 4 + 8 * 3 + 2,
    HISTORY_FIXED_SIZE = 4 + 8 + 4
};
/* Each kept change has a key of at least one byte and one packed record. */
enum { CHANGE_SIZE_MIN = 2 + 2 + 4 + 4 + RECORD_FIXED_SIZE };

static struct pack_writer blob_begin(struct arena *arena, size_t size, struct record_blob *out_blob)
{
    uint8_t *data = arena_alloc(arena, size);
    *out_blob = (struct record_blob){ data, size };
    return (struct pack_writer){ data + 4, size - 4 };
}

static uint32_t blob_crc(const char *key, const uint8_t *data, size_t size)
{
    return crc32c(crc32c(0, key, strlen(key)), data + 4, size - 4);
}

static void blob_end(const struct record_blob *blob, const char *key, const struct pack_writer *writer)
{
    CHECK(writer->left == 0);
    struct pack_writer start = { (uint8_t *)blob->data, 4 };
    pack_u32(&start, blob_crc(key, blob->data, blob->size));
}

/* Leaves the reader behind the checksum. */
static enum status blob_open(const char *what, const char *key, const void *data, size_t size,
                             size_t size_min, struct pack_reader *out_reader, struct error *error)
{
    if (size < size_min) {
        return error_set(error, STATUS_CORRUPT, "%s \"%.64s\" is only %zu bytes long", what, key, size);
    }
    *out_reader = (struct pack_reader){ .at = data, .left = size };
    if (unpack_u32(out_reader) != blob_crc(key, data, size)) {
        return error_set(error, STATUS_CORRUPT, "checksum of %s \"%.64s\" does not match", what, key);
    }
    return STATUS_OK;
}

/* NULL: not that long, or not terminated, or with a 0 inside. */
static const char *unpack_text(struct pack_reader *reader)
{
    uint16_t size = unpack_u16(reader);
    const uint8_t *text = unpack_bytes(reader, (size_t)size + 1);
    if (text == NULL || memchr(text, 0, (size_t)size + 1) != text + size) {
        reader->failed = true;
        return NULL;
    }
    return (const char *)text;
}

static void pack_text(struct pack_writer *writer, const char *text)
{
    size_t size = strlen(text);
    CHECK(size <= UINT16_MAX);
    pack_u16(writer, (uint16_t)size);
    pack_bytes(writer, text, size + 1);
}

static size_t record_size(const struct kv_record *record)
{
    return record == NULL ? 0 : RECORD_FIXED_SIZE + strlen(record->lease) + 1 + record->value_size;
}

static void pack_record(struct pack_writer *writer, const struct kv_record *record)
{
    pack_u64(writer, record->create_revision);
    pack_u64(writer, record->revision);
    pack_u64(writer, record->version);
    pack_u64(writer, record->term);
    pack_text(writer, record->lease);
    pack_bytes(writer, record->value, record->value_size);
}

struct record_blob record_pack(const struct kv_record *record, struct arena *arena)
{
    struct record_blob blob;
    struct pack_writer writer = blob_begin(arena, record_size(record), &blob);
    pack_record(&writer, record);
    blob_end(&blob, record->key, &writer);
    return blob;
}

enum status record_unpack(const char *key, const void *data, size_t size, struct kv_record *out_record,
                          struct error *error)
{
    struct pack_reader reader;
    enum status status = blob_open("record", key, data, size, RECORD_FIXED_SIZE + 1, &reader, error);
    if (status != STATUS_OK) return status;
    struct kv_record record = { .key = key };
    record.create_revision = unpack_u64(&reader);
    record.revision = unpack_u64(&reader);
    record.version = unpack_u64(&reader);
    record.term = unpack_u64(&reader);
    record.lease = unpack_text(&reader);
    if (reader.failed) return error_set(error, STATUS_CORRUPT, "record \"%.64s\" is malformed", key);
    record.value = reader.at;
    record.value_size = reader.left;
    *out_record = record;
    return STATUS_OK;
}

struct record_blob record_pack_session(const struct record_session *session, struct arena *arena)
{
    char key[RECORD_NUMBER_KEY_SIZE];
    record_number_key(key, session->id);
    struct record_blob blob;
    size_t size = SESSION_FIXED_SIZE + strlen(session->client) + 1 + session->result_size;
    struct pack_writer writer = blob_begin(arena, size, &blob);
    pack_u64(&writer, session->id);
    pack_u64(&writer, session->used_revision);
    pack_u64(&writer, session->sequence);
    pack_text(&writer, session->client);
    pack_bytes(&writer, session->result, session->result_size);
    blob_end(&blob, key, &writer);
    return blob;
}

enum status record_unpack_session(const char *key, const void *data, size_t size,
                                  struct record_session *out_session, struct error *error)
{
    struct pack_reader reader;
    enum status status = blob_open("session", key, data, size, SESSION_FIXED_SIZE + 1, &reader, error);
    if (status != STATUS_OK) return status;
    uint64_t named = 0;
    struct record_session session = { .id = unpack_u64(&reader) };
    session.used_revision = unpack_u64(&reader);
    session.sequence = unpack_u64(&reader);
    session.client = unpack_text(&reader);
    bool matches = record_number_of_key(key, &named) && named == session.id;
    if (reader.failed || !matches)
        return error_set(error, STATUS_CORRUPT, "session \"%.64s\" is malformed", key);
    session.result = reader.at;
    session.result_size = reader.left;
    *out_session = session;
    return STATUS_OK;
}

static size_t change_size(const struct kv_change *change)
{
    return 2 + strlen(change->key) + 1 + 4 + record_size(change->previous) + 4 + record_size(change->record);
}

/* Its size, then as record_pack makes it: with a checksum of its own, which is known last. */
static void pack_side(struct pack_writer *writer, const struct kv_record *record)
{
    size_t size = record_size(record);
    CHECK(size <= UINT32_MAX);
    pack_u32(writer, (uint32_t)size);
    if (size == 0) return;
    uint8_t *data = writer->at;
    pack_u32(writer, 0);
    pack_record(writer, record);
    struct pack_writer start = { data, 4 };
    pack_u32(&start, blob_crc(record->key, data, size));
}

struct record_blob record_pack_history(uint64_t revision, const struct kv_change *changes, uint32_t count,
                                       struct arena *arena)
{
    size_t size = HISTORY_FIXED_SIZE;
    for (uint32_t i = 0; i < count; i++)
        size += change_size(&changes[i]);
    char key[RECORD_NUMBER_KEY_SIZE];
    record_number_key(key, revision);
    struct record_blob blob;
    struct pack_writer writer = blob_begin(arena, size, &blob);
    pack_u64(&writer, revision);
    pack_u32(&writer, count);
    for (uint32_t i = 0; i < count; i++) {
        pack_text(&writer, changes[i].key);
        pack_side(&writer, changes[i].previous);
        pack_side(&writer, changes[i].record);
    }
    blob_end(&blob, key, &writer);
    return blob;
}

/* *out_record stays NULL where there is none. */
static enum status unpack_side(struct pack_reader *reader, const char *key, struct arena *arena,
                               const struct kv_record **out_record, struct error *error)
{
    uint32_t size = unpack_u32(reader);
    const uint8_t *data = unpack_bytes(reader, size);
    if (reader->failed) return error_set(error, STATUS_CORRUPT, "history of \"%.64s\" is cut short", key);
    if (size == 0) return STATUS_OK;
    struct kv_record *record = arena_alloc(arena, sizeof *record);
    enum status status = record_unpack(key, data, size, record, error);
    if (status == STATUS_OK) *out_record = record;
    return status;
}

static enum status unpack_change(struct pack_reader *reader, struct arena *arena,
                                 struct kv_change *out_change, struct error *error)
{
    out_change->key = unpack_text(reader);
    if (out_change->key == NULL) return error_set(error, STATUS_CORRUPT, "a key in the history is malformed");
    enum status status = unpack_side(reader, out_change->key, arena, &out_change->previous, error);
    if (status == STATUS_OK) status = unpack_side(reader, out_change->key, arena, &out_change->record, error);
    bool empty = out_change->previous == NULL && out_change->record == NULL;
    if (status == STATUS_OK && empty)
        return error_set(error, STATUS_CORRUPT, "a change in the history is empty");
    return status;
}

enum status record_unpack_history(const char *key, const void *data, size_t size, struct arena *arena,
                                  struct record_history *out_history, struct error *error)
{
    struct pack_reader reader;
    enum status status = blob_open("history", key, data, size, HISTORY_FIXED_SIZE, &reader, error);
    if (status != STATUS_OK) return status;
    uint64_t named = 0;
    struct record_history history = { .revision = unpack_u64(&reader), .count = unpack_u32(&reader) };
    bool matches = record_number_of_key(key, &named) && named == history.revision;
    if (!matches || history.count > reader.left / CHANGE_SIZE_MIN) {
        return error_set(error, STATUS_CORRUPT, "history \"%.64s\" is malformed", key);
    }
    history.changes = arena_array(arena, history.count, sizeof *history.changes);
    for (uint32_t i = 0; i < history.count; i++) {
        status = unpack_change(&reader, arena, &history.changes[i], error);
        if (status != STATUS_OK) return status;
    }
    if (reader.left != 0) return error_set(error, STATUS_CORRUPT, "history \"%.64s\" has a tail", key);
    *out_history = history;
    return STATUS_OK;
}

void record_number_key(char key[RECORD_NUMBER_KEY_SIZE], uint64_t number)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < RECORD_NUMBER_KEY_SIZE - 1; i++)
        key[i] = digits[number >> (60 - 4 * i) & 0xF];
    key[RECORD_NUMBER_KEY_SIZE - 1] = '\0';
}

bool record_number_of_key(const char *key, uint64_t *out_number)
{
    uint8_t bytes[8];
    if (!text_from_hex(bytes, sizeof bytes, key)) return false;
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        number = number << 8 | bytes[i];
    }
    *out_number = number;
    return true;
}

/* Two independent seeds give the two halves; every field stands at a place of its own in the chain. */
static struct record_hash hash_of(const char *key, const uint64_t *numbers, size_t count, const char *text,
                                  const void *data, size_t size)
{
    uint64_t half[2] = { 1, 2 };
    for (size_t i = 0; i < 2; i++) {
        half[i] = hash64(key, strlen(key), half[i]);
        for (size_t n = 0; n < count; n++) {
            half[i] = hash64_mix(half[i], numbers[n]);
        }
        half[i] = hash64(text, strlen(text), half[i]);
        half[i] = hash64(data, size, half[i]);
    }
    return (struct record_hash){ .low = half[0], .high = half[1] };
}

struct record_hash record_hash(const struct kv_record *record)
{
    uint64_t numbers[] = { record->create_revision, record->revision, record->version, record->term };
    return hash_of(record->key, numbers, ARRAY_COUNT(numbers), record->lease, record->value,
                   record->value_size);
}

struct record_hash record_hash_session(const struct record_session *session)
{
    uint64_t numbers[] = { session->id, session->used_revision, session->sequence };
    return hash_of("", numbers, ARRAY_COUNT(numbers), session->client, session->result, session->result_size);
}

void record_hash_add(struct record_hash *sum, const struct record_hash *part)
{
    uint64_t low = sum->low + part->low;
    uint64_t carry = low < sum->low ? 1 : 0;
    *sum = (struct record_hash){ .low = low, .high = sum->high + part->high + carry };
}

void record_hash_subtract(struct record_hash *sum, const struct record_hash *part)
{
    uint64_t borrow = sum->low < part->low ? 1 : 0;
    *sum = (struct record_hash){ .low = sum->low - part->low, .high = sum->high - part->high - borrow };
}

void record_hash_bytes(const struct record_hash *hash, uint8_t out_bytes[16])
{
    struct pack_writer writer = { out_bytes, 16 };
    pack_u64(&writer, hash->low);
    pack_u64(&writer, hash->high);
}
