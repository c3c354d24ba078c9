/* store_files: bytes as a damaged disk might give them, into the decoders of everything that a start reads
 * beside entries and records (record_decode): guard, meta page, `sys`, `hard`, the receiver's place,
 * `member`, `retired`. The first byte chooses; where the second is odd the checksum is made to fit first.
 * Nothing may crash, and what decodes must pack to the same bytes. */
#include "runtime/base/arena.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "store/lmdb/lmdb_doubt.h"
#include "store/lmdb/lmdb_guard.h"
#include "store/lmdb/lmdb_member.h"
#include "store/lmdb/lmdb_meta.h"
#include "store/lmdb/lmdb_system.h"
#include "store/pack.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { GUARD_SLOT = 512, GUARD_FIELDS = 4 + 4 + 8 * 5 };

static void mend_checksum(uint8_t *data, size_t size)
{
    if (size < 4) return;
    struct pack_writer writer = { data, 4 };
    pack_u32(&writer, crc32c(0, data + 4, size - 4));
}

static void mend_guard(uint8_t *data, size_t size)
{
    if (size < GUARD_SLOT) return;
    struct pack_writer writer = { data + GUARD_FIELDS, 4 };
    pack_u32(&writer, crc32c(0, data, GUARD_FIELDS));
}

static void decode_guard(const uint8_t *data, size_t size)
{
    struct lmdb_guard_state state = { .hard = { 0, 0 } };
    uint64_t sequence = lmdb_guard_unpack(data, size, &state);
    if (size < GUARD_SLOT) CHECK(sequence == 0);
}

static void decode_meta(const uint8_t *data, size_t size)
{
    struct lmdb_meta meta;
    if (size < LMDB_META_SIZE || !lmdb_meta_parse(data, &meta)) return;
    CHECK(meta.page_size >= 512);
}

static void decode_system(const uint8_t *data, size_t size)
{
    struct lmdb_system system = { .history_first = 0 };
    uint8_t packed[LMDB_SYSTEM_SIZE];
    if (lmdb_system_unpack(data, size, &system, NULL) != STATUS_OK) return;
    CHECK(size <= sizeof packed); /* Less: of the format before the journal. */
    CHECK(system.generation < LMDB_GENERATIONS);
    CHECK(strlen(system.doubt_reason) < LOG_DOUBT_REASON_MAX);
    lmdb_system_pack(&system, packed);
}

static void decode_hard(const uint8_t *data, size_t size)
{
    struct hard_state hard;
    uint8_t packed[LMDB_HARD_SIZE];
    if (lmdb_system_unpack_hard(data, size, &hard, NULL) != STATUS_OK) return;
    lmdb_system_pack_hard(&hard, packed);
    CHECK(size == sizeof packed);
    CHECK(memcmp(packed, data, size) == 0);
}

static void decode_receiving(const uint8_t *data, size_t size)
{
    struct log_receiving receiving;
    uint8_t packed[LMDB_RECEIVING_MAX];
    if (lmdb_system_unpack_receiving(data, size, &receiving, NULL) != STATUS_OK) return;
    CHECK(lmdb_system_pack_receiving(&receiving, packed) == size);
    CHECK(memcmp(packed, data, size) == 0);
}

static void decode_line(const char *line)
{
    struct lmdb_retired retired;
    uint64_t id = 0;
    if (lmdb_member_parse(line, &id)) CHECK(id != 0);
    if (lmdb_doubt_parse(line, &retired)) CHECK(strlen(retired.reason) < LOG_DOUBT_REASON_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    struct arena arena = { 0 };
    unsigned which = data[0] % 6;
    bool mend = data[1] % 2 == 1;
    size_t left = size - 2;
    uint8_t *bytes = arena_memdup(&arena, data + 2, left);
    if (mend && which == 0) mend_guard(bytes, left);
    if (mend && which >= 2 && which <= 4) mend_checksum(bytes, left);
    switch (which) {
    case 0: decode_guard(bytes, left); break;
    case 1: decode_meta(bytes, left); break;
    case 2: decode_system(bytes, left); break;
    case 3: decode_hard(bytes, left); break;
    case 4: decode_receiving(bytes, left); break;
    default: decode_line(arena_strndup(&arena, (const char *)bytes, left)); break;
    }
    arena_fini(&arena);
    return 0;
}
