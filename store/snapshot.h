/* snapshot: the whole state as of one index, as an ordered stream of blocks: how it goes to another node and
 * into a backup's file, byte for byte the same (N1, N5). It holds records and sessions; no hard state, no
 * guard, no log, no history.
 *
 *   block   u32 tag, u32 payload size, u32 crc32c of tag, size and payload, payload
 *   stream  one header block, chunk blocks, one end block
 *   header  u32 format, u64 snapshot id, u64 cluster id, u64 index, u64 term, u64 chain, 16 bytes state hash,
 *           u64 configuration index, u32 size and bytes of the packed configuration
 *   chunk   records in the order (space, key): u8 space, u16 key size, key and its 0, u32 size, packed record
 *   end     SHA-256 digest, u64 number of records, u64 bytes of all blocks before this one
 *
 * A chunk ends with the record that makes it 256 KiB or more, so none is cut in two and each can be stored as
 * it comes. The digest is chained, digest(k) = SHA-256(digest(k-1), block k), digest(0) zeros: so whoever was
 * interrupted goes on from the few bytes of a snapshot_progress instead of from the start.
 * Pure. Decoding takes outside input: CORRUPT, never a crash. */
#ifndef AETHER_STORE_SNAPSHOT_H
#define AETHER_STORE_SNAPSHOT_H

#include "store/raft/configuration.h"
#include "store/record.h"

enum {
    SNAPSHOT_FORMAT = 1,
    SNAPSHOT_CHUNK_BYTES = 256 * 1024,
    SNAPSHOT_RECORD_BYTES_MAX = 1024 * 1024, /* One packed record or session. */
    SNAPSHOT_BLOCK_HEAD_BYTES = 12,
    SNAPSHOT_BLOCK_BYTES_MAX = SNAPSHOT_CHUNK_BYTES + SNAPSHOT_RECORD_BYTES_MAX + 4096,
    SNAPSHOT_DIGEST_BYTES = 32,
};

struct snapshot_header {
    uint64_t id; /* Random; a walk that had to begin again has another. */
    uint64_t cluster_id;
    struct log_position position;  /* The state is that after this entry. */
    uint8_t state_hash[16];        /* D2: of what follows. */
    log_index configuration_index; /* At or below position.index. */
    struct configuration configuration;
};

enum snapshot_block_type { SNAPSHOT_BLOCK_HEADER = 1, SNAPSHOT_BLOCK_CHUNK, SNAPSHOT_BLOCK_END };

/* --- making one --- */

/* A reference for the caller, as all blocks are. */
struct bytes *snapshot_header_block(const struct snapshot_header *header);

struct snapshot_chunk { /* Zeroed: empty. */
    uint8_t *data;
    size_t size;
    size_t room;
    uint64_t record_count;
    size_t full_bytes; /* From when on it is full; 0: SNAPSHOT_CHUNK_BYTES. */
};
/* CHECKs that the record is no larger than SNAPSHOT_RECORD_BYTES_MAX. */
void snapshot_chunk_add(struct snapshot_chunk *chunk, const struct log_copy_record *record);
bool snapshot_chunk_is_full(const struct snapshot_chunk *chunk);
struct bytes *snapshot_chunk_block(struct snapshot_chunk *chunk); /* Leaves it empty, and as large. */
void snapshot_chunk_fini(struct snapshot_chunk *chunk);

/* --- the sum of what went by, on either side --- */

/* Plain values: may be stored as snapshot_progress_pack gives them. Zeroed: nothing went by yet. */
struct snapshot_progress {
    uint64_t offset; /* Bytes of all blocks that are counted in. */
    uint64_t record_count;
    struct record_hash hash; /* Of their records and sessions. */
    uint8_t digest[SNAPSHOT_DIGEST_BYTES];
};
enum { SNAPSHOT_PROGRESS_BYTES = 8 + 8 + 16 + SNAPSHOT_DIGEST_BYTES };
void snapshot_progress_pack(const struct snapshot_progress *progress,
                            uint8_t out_bytes[SNAPSHOT_PROGRESS_BYTES]);
MUST_CHECK enum status snapshot_progress_unpack(const void *data, size_t size,
                                                struct snapshot_progress *out_progress);
/* Counts in one whole block of any type but the end, without looking into it (the making side). */
void snapshot_progress_add(struct snapshot_progress *progress, const struct bytes *block,
                           uint64_t record_count);
struct bytes *snapshot_end_block(const struct snapshot_progress *progress);

/* --- reading one --- */

/* Of the block whose first SNAPSHOT_BLOCK_HEAD_BYTES these are: its whole size. CORRUPT: no such block. */
MUST_CHECK enum status snapshot_block_size(const uint8_t head[SNAPSHOT_BLOCK_HEAD_BYTES], size_t *out_size,
                                           struct error *error);
/* One whole block, nothing before or behind it: its checksum and its type. */
MUST_CHECK enum status snapshot_block_check(const void *data, size_t size, enum snapshot_block_type *out_type,
                                            struct error *error);
MUST_CHECK enum status snapshot_header_read(const void *data, size_t size, struct snapshot_header *out_header,
                                            struct error *error);

/* One block, which continues `progress`: header first, once; chunks; the end, which must say what went by and
 * bring the sum to the header's state hash (D2). `visit` (NULL: nobody) sees each record; it borrows.
 * `progress` is changed only by a block that is sound as a whole, but visit may have been called before the
 * fault. */
typedef enum status snapshot_visit(void *context, const struct log_copy_record *record, struct error *error);
MUST_CHECK enum status snapshot_read(struct snapshot_progress *progress, const struct snapshot_header *header,
                                     const void *data, size_t size, snapshot_visit *visit, void *context,
                                     enum snapshot_block_type *out_type, struct error *error);

#endif
