/* lmdb_system: what `sys` and `hard` hold, and how it lies there. Unpacking takes outside input: CORRUPT.
 * Each record begins with a crc32c of the rest. */
#ifndef AETHER_STORE_LMDB_LMDB_SYSTEM_H
#define AETHER_STORE_LMDB_LMDB_SYSTEM_H

#include "store/log.h"

enum {
    LMDB_GENERATIONS = 2,
    LMDB_SYSTEM_SIZE = 4 + 4 + 8 * 2 + 24 * 2 + 8 * 2 + 16 + 4 + 1 + 8 + LOG_DOUBT_REASON_MAX + 8 + 8 * 3,
    LMDB_HARD_SIZE = 4 + 8 + 8,
    LMDB_RECEIVING_MAX = 4 + 8 + 8 + 4 + LOG_NOTE_MAX,
};

struct lmdb_system { /* What `sys` and `hard` hold. */
    struct log_identity identity;
    struct hard_state hard;
    struct log_position base; /* Just before the first entry of the log. */
    struct log_position applied;
    log_index committed; /* >= applied; more only after damage to the copy (T6). */
    uint64_t history_first;
    uint8_t state_hash[16];
    uint32_t generation;
    bool copy_damaged; /* F4, T6: only a snapshot mends it. */
    struct log_receiving receiving;
    replica_id retired_id; /* T2 */
    char doubt_reason[LOG_DOUBT_REASON_MAX];
    uint64_t transaction; /* D4: the number of the transaction that wrote it. */
    /* Since format 3: the journal that belongs to these tables (0: none), the newest of its batches that they
     * have, and where in it the next one goes (journal_scan.h). */
    uint64_t journal;
    uint64_t journal_sequence;
    uint64_t journal_at;
};
enum log_copy_state lmdb_system_copy_state(const struct lmdb_system *system); /* T6 */

/* The main record of `sys`: all but hard and receiving. VERSION_MISMATCH: a format that we don't know; one of
 * format 2 is a store without a journal. */
void lmdb_system_pack(const struct lmdb_system *system, uint8_t data[LMDB_SYSTEM_SIZE]);
MUST_CHECK enum status lmdb_system_unpack(const void *data, size_t size, struct lmdb_system *out_system,
                                          struct error *error);
void lmdb_system_pack_hard(const struct hard_state *hard, uint8_t data[LMDB_HARD_SIZE]);
MUST_CHECK enum status lmdb_system_unpack_hard(const void *data, size_t size, struct hard_state *out_hard,
                                               struct error *error);
/* The size that is used. */
size_t lmdb_system_pack_receiving(const struct log_receiving *receiving, uint8_t data[LMDB_RECEIVING_MAX]);
MUST_CHECK enum status lmdb_system_unpack_receiving(const void *data, size_t size,
                                                    struct log_receiving *out_receiving, struct error *error);

#endif
