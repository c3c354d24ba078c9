/* log_memory_journal: see the header. */
#include "store/memory/log_memory_journal.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "store/memory/log_memory_disk.h"

#include <string.h>

/* So small that it comes round, and is full, all the time. */
enum { SEGMENT = 8 * JOURNAL_BLOCK, IMAGE = JOURNAL_SEGMENTS * SEGMENT };

static void begin_pending(struct log_memory_disk *disk)
{
    log_index floor = disk->committed > disk->base.index ? disk->committed : disk->base.index;
    journal_pending_begin(&disk->journal.pending, log_memory_tables_last(disk), floor);
}

void log_memory_journal_make(struct log_memory_disk *disk)
{
    struct log_memory_journal *journal = &disk->journal;
    CHECK(journal->id == 0);
    journal->id = disk->identity.replica_id;
    journal->image = memory_zalloc(IMAGE);
    journal_cursor_begin(&journal->cursor, SEGMENT);
    begin_pending(disk);
}

void log_memory_journal_fini(struct log_memory_disk *disk)
{
    journal_pending_clear(&disk->journal.pending);
    memory_free(disk->journal.image);
    disk->journal = (struct log_memory_journal){ .id = 0 };
}

void log_memory_journal_clone(struct log_memory_disk *to, const struct log_memory_disk *from)
{
    const struct journal_pending *pending = &from->journal.pending;
    to->journal = from->journal;
    if (from->journal.id == 0) return;
    to->journal.image = memory_alloc(IMAGE);
    memcpy(to->journal.image, from->journal.image, IMAGE);
    to->journal.pending.entries = NULL;
    to->journal.pending.entry_count = to->journal.pending.entry_room = 0;
    to->journal.pending.bytes = 0;
    for (uint32_t i = 0; i < pending->entry_count; i++) {
        enum status status = journal_pending_append(&to->journal.pending, &pending->entries[i], NULL);
        CHECK(status == STATUS_OK);
    }
}

/* --- writing -------------------------------------------------------------------------------------------- */

static size_t disk_size(const struct log_batch *batches, uint32_t count)
{
    return journal_batch_disk_size(journal_batch_stream_size(batches, count));
}

bool log_memory_journal_takes(const struct log_memory_disk *disk, const struct log_batch *batches,
                              uint32_t count)
{
    const struct log_memory_journal *journal = &disk->journal;
    if (journal->id == 0 || count == 0) return false;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t cluster_id = batches[i].cluster_id;
        bool joins = cluster_id != 0 && cluster_id != disk->identity.cluster_id;
        if (joins || !journal_batch_fits(&batches[i])) return false;
    }
    uint64_t at = 0;
    size_t size = disk_size(batches, count);
    if (size == 0 || journal_cursor_find(&journal->cursor, size, &at)) return true;
    MARK("log_memory.journal_is_full");
    return false;
}

/* The bytes of one write, whole blocks; memory_free. */
static uint8_t *pack(const struct log_memory_journal *journal, const struct log_batch *batches,
                     uint32_t count, size_t size)
{
    uint8_t *data = memory_zalloc(size);
    journal_batch_pack(journal->id, journal->cursor.end.sequence + 1, batches, count, data);
    return data;
}

void log_memory_journal_write(struct log_memory_disk *disk, const struct log_batch *batches, uint32_t count)
{
    struct log_memory_journal *journal = &disk->journal;
    size_t size = disk_size(batches, count);
    uint64_t at = 0;
    if (size > 0) {
        bool found = journal_cursor_find(&journal->cursor, size, &at);
        CHECK(found);
        uint8_t *data = pack(journal, batches, count, size);
        memcpy(journal->image + at, data, size);
        memory_free(data);
        journal_cursor_wrote(&journal->cursor, at, size);
    }
    for (uint32_t i = 0; i < count; i++)
        journal_pending_keep(&journal->pending, &batches[i]);
}

void log_memory_journal_tear(struct log_memory_disk *disk, const struct log_batch *batches, uint32_t count)
{
    struct log_memory_journal *journal = &disk->journal;
    size_t size = disk_size(batches, count);
    uint64_t at = 0;
    if (size == 0) return;
    bool found = journal_cursor_find(&journal->cursor, size, &at);
    CHECK(found);
    uint8_t *data = pack(journal, batches, count, size);
    uint64_t draw = journal->id;
    for (size_t offset = 0; offset < size; offset += JOURNAL_SECTOR) {
        draw = hash64_mix(draw, disk->writes);
        if ((draw >> 32) % 2 == 0) memcpy(journal->image + at + offset, data + offset, JOURNAL_SECTOR);
    }
    memory_free(data);
}

void log_memory_journal_settled(struct log_memory_disk *disk)
{
    struct log_memory_journal *journal = &disk->journal;
    if (journal->id == 0) return;
    journal_cursor_settle(&journal->cursor);
    journal->tables = journal->cursor.end;
    journal_pending_clear(&journal->pending);
    begin_pending(disk);
}

/* --- a start -------------------------------------------------------------------------------------------- */

enum status log_memory_journal_examine(struct log_memory_disk *disk, struct error *error)
{
    struct log_memory_journal *journal = &disk->journal;
    const struct journal_image image = { journal->image, SEGMENT, journal->id };
    struct journal_scan scan;
    if (journal->id == 0) return STATUS_OK;
    journal_pending_clear(&journal->pending);
    begin_pending(disk);
    enum status status = journal_scan(&image, &journal->tables, &journal->pending, &scan, error);
    if (status != STATUS_OK) {
        journal_pending_clear(&journal->pending);
        return status;
    }
    if (scan.torn_size > 0) {
        MARK("log_memory.journal_torn_at_open");
        memset(journal->image + scan.torn_at, 0, scan.torn_size);
    }
    if (scan.end.sequence != journal->tables.sequence) MARK("log_memory.journal_replayed");
    journal_cursor_resume(&journal->cursor, SEGMENT, &scan, journal->tables.sequence);
    return STATUS_OK;
}

bool log_memory_journal_damage(struct log_memory_disk *disk, uint64_t pick)
{
    struct log_memory_journal *journal = &disk->journal;
    if (journal->id == 0) return false;
    for (size_t i = 0; i < IMAGE / JOURNAL_SECTOR; i++) { /* From any sector on, the first that counts. */
        struct journal_stamp stamp;
        uint8_t *sector = journal->image + (i + pick) % (IMAGE / JOURNAL_SECTOR) * JOURNAL_SECTOR;
        bool sound = journal_batch_read_stamp(sector, &stamp) == JOURNAL_SECTOR_SOUND;
        if (!sound || stamp.journal != journal->id || stamp.sequence <= journal->tables.sequence) continue;
        sector[(pick >> 16) % JOURNAL_SECTOR] ^= (uint8_t)(1u << (pick >> 32) % 8);
        return true;
    }
    return false;
}
