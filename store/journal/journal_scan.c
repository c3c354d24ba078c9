/* journal_scan: see the header. */
#include "store/journal/journal_scan.h"

#include "runtime/base/memory.h"
#include "runtime/base/planted.h"

#include <stdlib.h>

struct found { /* A batch beyond the tables, of which at least one sector was seen. */
    uint64_t sequence;
    size_t sector; /* Its first one. */
    uint32_t count;
    uint32_t seen;
};

struct search {
    const struct journal_image *image;
    struct found *found;
    size_t found_count;
    size_t found_room;
    uint64_t newest;
};

static size_t sector_count(const struct journal_image *image)
{
    return JOURNAL_SEGMENTS * image->segment_size / JOURNAL_SECTOR;
}

static const uint8_t *sector_at(const struct journal_image *image, size_t sector)
{
    return image->data + sector * JOURNAL_SECTOR;
}

/* --- finding -------------------------------------------------------------------------------------------- */

static enum status misplaced(uint64_t sequence, size_t sector, struct error *error)
{
    return error_set(error, STATUS_CORRUPT, "batch %llu of the journal is at sector %zu, where it can't be",
                     (unsigned long long)sequence, sector);
}

/* It lies in one segment, and begins a block. */
static bool may_lie(const struct journal_image *image, size_t first, uint32_t count)
{
    size_t per_segment = image->segment_size / JOURNAL_SECTOR;
    return first % JOURNAL_BLOCK_SECTORS == 0 && first % per_segment + count <= per_segment;
}

static enum status note_sector(struct search *search, size_t sector, const struct journal_stamp *stamp,
                               struct error *error)
{
    struct found *last = search->found_count == 0 ? NULL : &search->found[search->found_count - 1];
    if (sector < stamp->place || !may_lie(search->image, sector - stamp->place, stamp->count)) {
        return misplaced(stamp->sequence, sector, error);
    }
    size_t first = sector - stamp->place;
    bool same = last != NULL && last->sequence == stamp->sequence && last->sector == first;
    if (same && last->count == stamp->count) {
        last->seen++;
        return STATUS_OK;
    }
    if (search->found_count == search->found_room) {
        search->found_room = search->found_room == 0 ? 64 : search->found_room * 2;
        search->found = memory_realloc(search->found, search->found_room * sizeof *search->found);
    }
    search->found[search->found_count++] = (struct found){ stamp->sequence, first, stamp->count, 1 };
    return STATUS_OK;
}

static int by_sequence(const void *a, const void *b)
{
    const struct found *left = a;
    const struct found *right = b;
    if (left->sequence != right->sequence) return left->sequence < right->sequence ? -1 : 1;
    return 0;
}

static enum status find(struct search *search, uint64_t settled, struct error *error)
{
    enum status status = STATUS_OK;
    size_t sectors = sector_count(search->image);
    for (size_t sector = 0; sector < sectors && status == STATUS_OK; sector++) {
        struct journal_stamp stamp;
        enum journal_sector_state state = journal_batch_read_stamp(sector_at(search->image, sector), &stamp);
        if (state != JOURNAL_SECTOR_SOUND || stamp.journal != search->image->journal) continue;
        if (stamp.sequence > search->newest) search->newest = stamp.sequence;
        if (stamp.sequence > settled) status = note_sector(search, sector, &stamp, error);
    }
    if (search->found_count > 1) {
        qsort(search->found, search->found_count, sizeof *search->found, by_sequence);
    }
    return status;
}

/* --- judging -------------------------------------------------------------------------------------------- */

/* Not what was written, and not what was there before. */
static bool is_damaged(const struct journal_image *image, size_t sector)
{
    struct journal_stamp stamp;
    enum journal_sector_state state = journal_batch_read_stamp(sector_at(image, sector), &stamp);
    if (state == JOURNAL_SECTOR_BLANK) return false;
    return state == JOURNAL_SECTOR_DAMAGED || stamp.journal != image->journal;
}

static enum status check_sectors(const struct journal_image *image, size_t first, size_t count,
                                 struct error *error)
{
    for (size_t i = first; i < first + count; i++) {
        if (!is_damaged(image, i)) continue;
        return error_set(error, STATUS_CORRUPT, "sector %zu of the journal is damaged", i);
    }
    return STATUS_OK;
}

static uint64_t other_segment(const struct journal_image *image, uint64_t at)
{
    return (at / image->segment_size + 1) % JOURNAL_SEGMENTS * image->segment_size;
}

static size_t disk_size(const struct found *found)
{
    size_t blocks = ((size_t)found->count + JOURNAL_BLOCK_SECTORS - 1) / JOURNAL_BLOCK_SECTORS;
    return blocks * JOURNAL_BLOCK;
}

/* A full segment's end is the next one's start. */
static uint64_t end_of(const struct journal_image *image, const struct found *found)
{
    uint64_t end = (uint64_t)found->sector * JOURNAL_SECTOR + disk_size(found);
    return end % (JOURNAL_SEGMENTS * image->segment_size);
}

static enum status check_block(const struct journal_image *image, uint64_t at, struct error *error)
{
    return check_sectors(image, (size_t)at / JOURNAL_SECTOR, JOURNAL_BLOCK_SECTORS, error);
}

/* Nothing was found after `end`: then nothing that was there is damaged, either. */
static enum status check_end(const struct journal_image *image, uint64_t at, struct error *error)
{
    enum status status = check_block(image, at, error);
    return status == STATUS_OK ? check_block(image, other_segment(image, at), error) : status;
}

static enum status check_place(const struct journal_image *image, const struct found *found,
                               const struct journal_scan *scan, struct error *error)
{
    uint64_t at = (uint64_t)found->sector * JOURNAL_SECTOR;
    if (found->sequence != scan->end.sequence + 1) {
        return error_set(error, STATUS_CORRUPT, "batch %llu is missing from the journal, which has %llu",
                         (unsigned long long)scan->end.sequence + 1, (unsigned long long)found->sequence);
    }
    bool follows = at == scan->end.at || at == other_segment(image, scan->end.at);
    return follows ? STATUS_OK : misplaced(found->sequence, found->sector, error);
}

static enum status take(const struct journal_image *image, const struct found *found,
                        struct journal_pending *pending, struct error *error)
{
    size_t room = (size_t)found->count * JOURNAL_SECTOR_ROOM;
    uint8_t *stream = memory_alloc(room);
    journal_batch_join(sector_at(image, found->sector), found->count, stream);
    enum status status = journal_batch_unpack(stream, room, pending, error);
    memory_free(stream);
    return status;
}

static enum status judge_one(const struct journal_image *image, const struct found *found, bool newest,
                             struct journal_pending *pending, struct journal_scan *scan, struct error *error)
{
    enum status status = check_place(image, found, scan, error);
    if (status != STATUS_OK) return status;
    if (found->seen == found->count || PLANTED("journal.torn_batch_is_taken")) {
        scan->end = (struct journal_point){ found->sequence, end_of(image, found) };
        return take(image, found, pending, error);
    }
    if (!newest) {
        return error_set(error, STATUS_CORRUPT,
                         "batch %llu of the journal is damaged, and another follows it",
                         (unsigned long long)found->sequence);
    }
    scan->torn_at = (uint64_t)found->sector * JOURNAL_SECTOR;
    scan->torn_size = disk_size(found);
    return check_sectors(image, found->sector, found->count, error);
}

static enum status judge(const struct search *search, const struct journal_point *tables,
                         struct journal_pending *pending, struct journal_scan *scan, struct error *error)
{
    enum status status = STATUS_OK;
    *scan = (struct journal_scan){ .end = *tables };
    if (search->newest < tables->sequence) {
        return error_set(error, STATUS_CORRUPT, "the journal ends with batch %llu, but the tables have %llu",
                         (unsigned long long)search->newest, (unsigned long long)tables->sequence);
    }
    for (size_t i = 0; i < search->found_count && status == STATUS_OK; i++) {
        bool newest = i + 1 == search->found_count;
        status = judge_one(search->image, &search->found[i], newest, pending, scan, error);
    }
    if (status != STATUS_OK || scan->torn_size > 0) return status;
    return check_end(search->image, scan->end.at, error);
}

enum status journal_scan(const struct journal_image *image, const struct journal_point *tables,
                         struct journal_pending *pending, struct journal_scan *out_scan, struct error *error)
{
    struct search search = { .image = image };
    bool fits = tables->at % JOURNAL_BLOCK == 0 && tables->at < JOURNAL_SEGMENTS * image->segment_size;
    if (!fits) return error_set(error, STATUS_CORRUPT, "the tables name no place in the journal");
    enum status status = find(&search, tables->sequence, error);
    if (status == STATUS_OK) status = judge(&search, tables, pending, out_scan, error);
    memory_free(search.found);
    return status;
}
