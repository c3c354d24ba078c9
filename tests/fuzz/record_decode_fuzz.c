/* record_decode: bytes as a damaged disk might give them, into every decoder of the store: records, sessions,
 * history and log entries. The first byte chooses; where the second is odd the checksum is made to fit first,
 * so that the decoders behind it are reached. Nothing may crash, and what decodes must pack to the same
 * bytes. */
#include "runtime/base/arena.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "store/lmdb/lmdb_entry.h"
#include "store/pack.h"
#include "store/record.h"

#include <string.h>

#define KEY "0000000000000001"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend_checksum(uint8_t *data, size_t size, bool of_entry)
{
    uint8_t index[8] = { 1 };
    if (size < 4) return;
    const void *key = of_entry ? (const void *)index : KEY;
    uint32_t crc = crc32c(crc32c(0, key, of_entry ? sizeof index : strlen(KEY)), data + 4, size - 4);
    struct pack_writer writer = { data, 4 };
    pack_u32(&writer, crc);
}

static void check_same(const struct record_blob *packed, const uint8_t *data, size_t size)
{
    CHECK(packed->size == size);
    CHECK(memcmp(packed->data, data, size) == 0);
}

static void decode_record(const uint8_t *data, size_t size, struct arena *arena)
{
    struct kv_record record;
    if (record_unpack(KEY, data, size, &record, NULL) != STATUS_OK) return;
    struct record_blob packed = record_pack(&record, arena);
    check_same(&packed, data, size);
}

static void decode_session(const uint8_t *data, size_t size, struct arena *arena)
{
    struct record_session session;
    if (record_unpack_session(KEY, data, size, &session, NULL) != STATUS_OK) return;
    struct record_blob packed = record_pack_session(&session, arena);
    check_same(&packed, data, size);
}

static void decode_history(const uint8_t *data, size_t size, struct arena *arena)
{
    struct record_history history;
    if (record_unpack_history(KEY, data, size, arena, &history, NULL) != STATUS_OK) return;
    struct record_blob packed = record_pack_history(history.revision, history.changes, history.count, arena);
    check_same(&packed, data, size);
}

static void decode_entry(const uint8_t *data, size_t size)
{
    struct lmdb_entry_view view;
    if (lmdb_entry_unpack(1, data, size, &view, NULL) != STATUS_OK) return;
    CHECK(view.payload_size <= size);
    CHECK(view.payload + view.payload_size == data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    struct arena arena = { 0 };
    unsigned which = data[0] % 4;
    size_t left = size - 2;
    uint8_t *bytes = arena_memdup(&arena, data + 2, left);
    if (data[1] % 2 == 1) mend_checksum(bytes, left, which == 3);
    if (which == 0) decode_record(bytes, left, &arena);
    if (which == 1) decode_session(bytes, left, &arena);
    if (which == 2) decode_history(bytes, left, &arena);
    if (which == 3) decode_entry(bytes, left);
    arena_fini(&arena);
    return 0;
}
