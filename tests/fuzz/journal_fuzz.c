/* journal: bytes as a damaged disk might give them, as a journal. Byte 0: the header instead, if odd; byte 1:
 * which batch the tables have; byte 2: what their log ends with; bytes 3 and 4: for which sectors the
 * checksum is made to fit first. Nothing may crash; what is found continues the tables, and is found again.
 */
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "store/lmdb/journal_file.h"
#include "store/pack.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHOICES = 5, SEGMENT = JOURNAL_BLOCK, IMAGE = JOURNAL_SEGMENTS * SEGMENT };

static void mend(uint8_t *image, uint32_t chosen)
{
    for (size_t i = 0; i < IMAGE / JOURNAL_SECTOR; i++) {
        uint8_t *sector = image + i * JOURNAL_SECTOR;
        struct pack_writer writer = { sector, 4 };
        if ((chosen >> i & 1) != 0) pack_u32(&writer, crc32c(0, sector + 4, JOURNAL_SECTOR - 4));
    }
}

static void parse_header(const uint8_t *data, size_t size)
{
    struct journal_file file;
    if (!journal_file_parse(data, size, &file)) return;
    CHECK(file.segment_size > 0);
    CHECK(file.segment_size % JOURNAL_BLOCK == 0);
}

static enum status scan_once(const uint8_t *bytes, const uint8_t *choices, struct journal_pending *pending,
                             struct journal_scan *out_scan)
{
    struct journal_image image = { bytes, SEGMENT, 1 };
    struct journal_point tables = { choices[1], (choices[1] % JOURNAL_SEGMENTS) * (uint64_t)SEGMENT };
    journal_pending_begin(pending, choices[2], choices[2] / 2);
    return journal_scan(&image, &tables, pending, out_scan, NULL);
}

static void scan(const uint8_t *bytes, const uint8_t *choices)
{
    struct journal_pending pending;
    struct journal_pending again;
    struct journal_scan found;
    struct journal_scan found_again;
    enum status status = scan_once(bytes, choices, &pending, &found);
    CHECK(scan_once(bytes, choices, &again, &found_again) == status);
    CHECK(journal_pending_last(&again) == journal_pending_last(&pending));
    CHECK(journal_pending_settled_last(&pending) >= choices[2] / 2);
    for (uint32_t i = 0; i < pending.entry_count; i++) {
        CHECK(pending.entries[i].index == journal_pending_settled_last(&pending) + 1 + i);
    }
    if (status == STATUS_OK) CHECK(found.end.sequence >= choices[1]);
    if (status == STATUS_OK) CHECK(found.torn_at + found.torn_size <= IMAGE);
    if (status == STATUS_OK) CHECK(found.end.at % JOURNAL_BLOCK == 0);
    journal_pending_clear(&pending);
    journal_pending_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CHOICES) return 0;
    if (data[0] % 2 == 1) {
        parse_header(data + CHOICES, size - CHOICES);
        return 0;
    }
    uint8_t *image = memory_zalloc(IMAGE);
    size_t given = size - CHOICES < IMAGE ? size - CHOICES : IMAGE;
    memcpy(image, data + CHOICES, given);
    mend(image, (uint32_t)data[3] | (uint32_t)data[4] << 8);
    scan(image, data);
    memory_free(image);
    return 0;
}
