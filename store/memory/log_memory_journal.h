/* log_memory_journal: the journal in front of a disk in memory, byte for byte as the real one lays it out and
 * read back by the same code (store/journal), so that what a crash leaves of a write is judged by the rules
 * J1 to J4 and J6 under the simulator too. It is there from the founding on: how one is made beside a running
 * node's writes (J5) is the real log's alone. Private to log_memory*. */
#ifndef AETHER_STORE_MEMORY_LOG_MEMORY_JOURNAL_H
#define AETHER_STORE_MEMORY_LOG_MEMORY_JOURNAL_H

#include "store/journal/journal_cursor.h"

struct log_memory_disk;

struct log_memory_journal {
    uint64_t id;    /* 0: there is none. */
    uint8_t *image; /* Its segments. */
    struct journal_cursor cursor;
    struct journal_point tables; /* What the tables have of it: J2. */
    struct journal_pending pending;
};

void log_memory_journal_make(struct log_memory_disk *disk);
void log_memory_journal_fini(struct log_memory_disk *disk);
void log_memory_journal_clone(struct log_memory_disk *to, const struct log_memory_disk *from);

/* J3, J4: else the tables take them, and what is pending first. */
bool log_memory_journal_takes(const struct log_memory_disk *disk, const struct log_batch *batches,
                              uint32_t count);
void log_memory_journal_write(struct log_memory_disk *disk, const struct log_batch *batches, uint32_t count);
/* Power goes while it is written: some of its sectors are there, the others are as they were. */
void log_memory_journal_tear(struct log_memory_disk *disk, const struct log_batch *batches, uint32_t count);
/* A transaction took what was pending. */
void log_memory_journal_settled(struct log_memory_disk *disk);

/* At open: what is pending becomes what the bytes prove, whatever was known before. CORRUPT: evidence (T2).
 */
MUST_CHECK enum status log_memory_journal_examine(struct log_memory_disk *disk, struct error *error);
/* A flipped bit in what only the journal has. false: there is nothing of the kind. */
bool log_memory_journal_damage(struct log_memory_disk *disk, uint64_t pick);

#endif
