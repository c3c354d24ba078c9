/* crash_disk: see the header. */
#include "tests/support/crash_disk.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"

#include <string.h>

enum crash_event_type { EVENT_WRITE, EVENT_SYNC, EVENT_STEP };

struct crash_event {
    enum crash_event_type type;
    uint32_t file;
    uint64_t offset;
    uint8_t *data;
    size_t size;
    bool through;
};

struct crash_disk {
    uint8_t *first[CRASH_FILES];
    size_t first_size[CRASH_FILES];
    struct crash_event *events;
    uint32_t count;
    uint32_t room;
};

struct crash_disk *crash_disk_create(void)
{
    return memory_zalloc(sizeof(struct crash_disk));
}

void crash_disk_destroy(struct crash_disk **disk)
{
    struct crash_disk *taken = *disk;
    *disk = NULL;
    for (uint32_t i = 0; i < taken->count; i++) {
        memory_free(taken->events[i].data);
    }
    for (uint32_t i = 0; i < CRASH_FILES; i++) {
        memory_free(taken->first[i]);
    }
    memory_free(taken->events);
    memory_free(taken);
}

static uint8_t *copy_of(const void *data, size_t size)
{
    uint8_t *copy = memory_alloc(size + 1);
    memcpy(copy, data, size);
    return copy;
}

void crash_disk_begin(struct crash_disk *disk, uint32_t file, const void *data, size_t size)
{
    CHECK(file < CRASH_FILES);
    disk->first[file] = copy_of(data, size);
    disk->first_size[file] = size;
}

static void add(struct crash_disk *disk, struct crash_event event)
{
    if (disk->count == disk->room) {
        disk->room = disk->room == 0 ? 256 : disk->room * 2;
        disk->events = memory_realloc(disk->events, disk->room * sizeof *disk->events);
    }
    disk->events[disk->count++] = event;
}

void crash_disk_write(struct crash_disk *disk, uint32_t file, uint64_t offset, const void *data, size_t size,
                      bool through)
{
    add(disk, (struct crash_event){ EVENT_WRITE, file, offset, copy_of(data, size), size, through });
}

void crash_disk_sync(struct crash_disk *disk, uint32_t file)
{
    add(disk, (struct crash_event){ .type = EVENT_SYNC, .file = file });
}

void crash_disk_step(struct crash_disk *disk)
{
    add(disk, (struct crash_event){ .type = EVENT_STEP });
}

uint32_t crash_disk_points(const struct crash_disk *disk)
{
    return disk->count;
}

/* --- images --------------------------------------------------------------------------------------------- */

/* Ways of losing sectors: the extremes are where the bugs are. */
enum loss { LOSE_ALL, LOSE_NONE, LOSE_SOME, KEEP_FIRST, KEEP_ONE, LOSE_ONE, LOSS_COUNT };

struct drawing {
    struct crash_image *image;
    enum loss loss;
    size_t sector;
    uint64_t seed;
    uint32_t chosen; /* Of KEEP_FIRST, KEEP_ONE, LOSE_ONE. */
};

static bool is_kept(struct drawing *drawing)
{
    uint32_t sector = drawing->image->pending++;
    drawing->seed = hash64_mix(drawing->seed, sector);
    switch (drawing->loss) {
    case LOSE_ALL: return false;
    case LOSE_NONE: return true;
    case LOSE_SOME: return drawing->seed % 2 == 0;
    case KEEP_FIRST: return sector < drawing->chosen;
    case KEEP_ONE: return sector == drawing->chosen;
    default: return sector != drawing->chosen;
    }
}

static void put(struct crash_image *image, uint32_t file, uint64_t offset, const uint8_t *data, size_t size)
{
    size_t end = (size_t)offset + size;
    if (end > image->size[file]) {
        image->data[file] = memory_realloc(image->data[file], end);
        memset(image->data[file] + image->size[file], 0, end - image->size[file]);
        image->size[file] = end;
    }
    memcpy(image->data[file] + offset, data, size);
}

/* Sector by sector, as the disk may have got them. */
static void put_pending(struct drawing *drawing, const struct crash_event *event)
{
    size_t done = 0;
    while (done < event->size) {
        uint64_t at = event->offset + done;
        size_t piece = drawing->sector - (size_t)(at % drawing->sector);
        if (piece > event->size - done) piece = event->size - done;
        if (is_kept(drawing)) put(drawing->image, event->file, at, event->data + done, piece);
        done += piece;
    }
}

static uint32_t count_pending(const struct crash_disk *disk, uint32_t point, const bool *durable)
{
    uint32_t sectors = 0;
    for (uint32_t i = 0; i < point; i++) {
        const struct crash_event *event = &disk->events[i];
        if (event->type == EVENT_WRITE && !durable[i]) {
            sectors += (uint32_t)(event->size / CRASH_SECTOR) + 2;
        }
    }
    return sectors;
}

/* Which of the first `point` events are on the disk for sure. With `during`, the last one had not returned.
 */
static bool *find_durable(const struct crash_disk *disk, uint32_t point, bool during)
{
    bool *durable = memory_zalloc(point + 1);
    bool synced[CRASH_FILES] = { false };
    for (uint32_t i = point; i-- > 0;) {
        const struct crash_event *event = &disk->events[i];
        bool returned = !(during && i == point - 1);
        if (event->type == EVENT_SYNC && returned) synced[event->file] = true;
        if (event->type == EVENT_WRITE) durable[i] = synced[event->file] || (event->through && returned);
    }
    return durable;
}

struct crash_image crash_disk_image(const struct crash_disk *disk, uint32_t point, uint64_t seed)
{
    struct crash_image image = { .steps = 0 };
    seed = hash64_mix(seed, point);
    bool during = seed % 2 == 0;
    bool *durable = find_durable(disk, point, during);
    uint32_t pending = count_pending(disk, point, durable);
    struct drawing drawing = { &image, (enum loss)((seed >> 8) % LOSS_COUNT), CRASH_SECTOR, seed, 0 };
    if ((seed >> 40) % 3 == 0) drawing.sector = CRASH_SECTOR_LARGE;
    pending = pending * CRASH_SECTOR / (uint32_t)drawing.sector;
    if (pending > 0) drawing.chosen = (uint32_t)((seed >> 16) % pending);
    for (uint32_t file = 0; file < CRASH_FILES; file++) {
        if (disk->first[file] == NULL) continue;
        image.data[file] = copy_of(disk->first[file], disk->first_size[file]);
        image.size[file] = disk->first_size[file];
    }
    for (uint32_t i = 0; i < point; i++) {
        const struct crash_event *event = &disk->events[i];
        if (event->type == EVENT_STEP) image.steps++;
        if (event->type != EVENT_WRITE) continue;
        if (durable[i]) put(&image, event->file, event->offset, event->data, event->size);
        else put_pending(&drawing, event);
    }
    memory_free(durable);
    return image;
}

void crash_image_fini(struct crash_image *image)
{
    for (uint32_t file = 0; file < CRASH_FILES; file++) {
        memory_free(image->data[file]);
        image->data[file] = NULL;
    }
}
