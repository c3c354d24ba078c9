/* journal_batch: how what one write makes durable lies in the journal: pure packing, no I/O.
 *
 * A batch is a run of sectors of 512 bytes, the most that a disk writes whole or not at all, and begins at a
 * block of 4 KiB, so that a larger physical sector is never shared with a batch that was acknowledged before.
 * Each sector says what it is: u32 crc32c of the rest, u64 journal id, u64 sequence of its batch, u32 its
 * place in the batch, u32 how many sectors the batch has, 484 bytes of the batch's stream. So after a crash a
 * sector is of its batch, or what was there before (a write that was cut short: journal_scan), or neither,
 * which no power cut leaves (damage).
 *
 * The stream: u64 its own size, then records in the order of their effects: u8 JOURNAL_HARD, u64 term, u64
 * vote; u8 JOURNAL_TRUNCATE, u64 first index that goes; u8 JOURNAL_ENTRY, u64 index, u64 term, u8 type, u64
 * stamp, u64 chain, u32 size, payload. */
#ifndef AETHER_STORE_JOURNAL_JOURNAL_BATCH_H
#define AETHER_STORE_JOURNAL_JOURNAL_BATCH_H

#include "store/journal/journal_pending.h"

enum {
    JOURNAL_SECTOR = 512,
    JOURNAL_SECTOR_HEAD = 4 + 8 + 8 + 4 + 4,
    JOURNAL_SECTOR_ROOM = JOURNAL_SECTOR - JOURNAL_SECTOR_HEAD,
    JOURNAL_BLOCK = 4096,
    JOURNAL_BLOCK_SECTORS = JOURNAL_BLOCK / JOURNAL_SECTOR,
};

struct journal_stamp { /* What a sector says of itself. */
    uint64_t journal;
    uint64_t sequence; /* From 1. */
    uint32_t place;
    uint32_t count;
};

enum journal_sector_state {
    JOURNAL_SECTOR_BLANK,   /* All zeros: never written. */
    JOURNAL_SECTOR_SOUND,   /* The stamp holds. */
    JOURNAL_SECTOR_DAMAGED, /* Its sum does not fit, or it is of no batch that could be. */
};
enum journal_sector_state journal_batch_read_stamp(const uint8_t sector[JOURNAL_SECTOR],
                                                   struct journal_stamp *out_stamp);

/* J4: whether the journal can say it: hard states, truncations and entries only. The rest goes to the tables.
 */
bool journal_batch_fits(const struct log_batch *batch);
/* Of their stream; 0: there is nothing to write. */
size_t journal_batch_stream_size(const struct log_batch *batches, uint32_t count);
/* What a stream takes on disk: whole blocks. */
size_t journal_batch_disk_size(size_t stream_size);
/* Into zeroed memory of that disk size. */
void journal_batch_pack(uint64_t journal, uint64_t sequence, const struct log_batch *batches, uint32_t count,
                        uint8_t *to);

/* Its stream again, from sectors that are all sound and of one batch, into JOURNAL_SECTOR_ROOM * count bytes.
 */
void journal_batch_join(const uint8_t *sectors, uint32_t count, uint8_t *stream);
/* Adds what the stream says. Outside input: CORRUPT. */
MUST_CHECK enum status journal_batch_unpack(const uint8_t *stream, size_t room,
                                            struct journal_pending *pending, struct error *error);

#endif
