/* crash_disk: what a disk may hold after the power went (FLT9): of some files, all that was synced, and of
 * what was not, any subset of its sectors, whatever file they are of. Fed with the writes and syncs of a run
 * in their order; the steps between them say what was acknowledged when. */
#ifndef AETHER_TESTS_SUPPORT_CRASH_DISK_H
#define AETHER_TESTS_SUPPORT_CRASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CRASH_FILES = 3, CRASH_SECTOR = 512, CRASH_SECTOR_LARGE = 4096 };

struct crash_disk;

struct crash_disk *crash_disk_create(void);
void crash_disk_destroy(struct crash_disk **disk);
/* What a file holds at the start, durable. One that never begins is not there. */
void crash_disk_begin(struct crash_disk *disk, uint32_t file, const void *data, size_t size);
/* `through`: durable once it has returned (O_DSYNC), as are not those before it. */
void crash_disk_write(struct crash_disk *disk, uint32_t file, uint64_t offset, const void *data, size_t size,
                      bool through);
void crash_disk_sync(struct crash_disk *disk, uint32_t file);
void crash_disk_step(struct crash_disk *disk); /* One more thing was acknowledged. */

uint32_t crash_disk_points(const struct crash_disk *disk); /* Events so far: a crash may come after each. */

struct crash_image {
    uint8_t *data[CRASH_FILES]; /* memory_free; NULL: not there. */
    size_t size[CRASH_FILES];
    uint32_t steps;   /* Acknowledged before the crash. */
    uint32_t pending; /* Sectors that it was free to lose. */
};
/* The image of a crash after `point` events, drawn by `seed`, which also says how large the sectors are. */
struct crash_image crash_disk_image(const struct crash_disk *disk, uint32_t point, uint64_t seed);
void crash_image_fini(struct crash_image *image);

#endif
