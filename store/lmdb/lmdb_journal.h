/* lmdb_journal: the journal in front of the tables: what a write makes durable with one round to the disk
 * instead of LMDB's two (consensus.md sections 3, 4 and 12). Entries, hard states and truncations are
 * appended to it (journal_batch, journal_file) and kept in memory (journal_pending) until the next
 * transaction takes all of them into the tables; what else there is goes into the tables directly, and takes
 * them along.
 * - D5: the guard is written before the batch, as before a transaction.
 * - J3: a segment is written over only when the tables have all of it: else the write goes to them.
 * - J2: the tables say which batches they have in the transaction that brought them (`sys`:
 * journal_sequence), so a start replays exactly the others, in one transaction, before anything else is read.
 * - J5: a store without a journal works as it did before there was one: the tables take every write. It is
 * made once there is ample room (F2), beside the writes of a running node. */
#ifndef AETHER_STORE_LMDB_LMDB_JOURNAL_H
#define AETHER_STORE_LMDB_LMDB_JOURNAL_H

#include "store/journal/journal_cursor.h"
#include "store/lmdb/journal_file.h"
#include "store/lmdb/lmdb_system.h"

struct lmdb_log;

struct lmdb_journal {
    struct journal_file file;
    struct journal_making making;
    struct journal_cursor cursor;
    uint64_t segment_size; /* Of the one to be made; 0: none is wanted. */
    uint8_t *buffer;       /* Zeroed between writes. */
    size_t buffer_size;
    struct journal_pending pending;
};

/* Of a store, whose `sys` may know of no journal: then nothing is pending. `pending` becomes what the tables
 * (which end with tables_last) lack. OK, IO or CORRUPT. */
MUST_CHECK enum status lmdb_journal_examine(const struct journal_file *file, const struct lmdb_system *system,
                                            log_index tables_last, struct journal_pending *pending,
                                            struct journal_scan *out_scan, struct error *error);

/* At open, with the tables: opens the journal for writing, and replays. *out_replayed: the tables changed. */
MUST_CHECK enum status lmdb_journal_open(struct lmdb_log *lmdb, bool *out_replayed, struct error *error);
void lmdb_journal_close(struct lmdb_journal *journal, const char *store);

/* Whether these batches can go there: else the tables take them, and what is pending first. */
bool lmdb_journal_takes(const struct lmdb_log *lmdb, const struct log_batch *batches, uint32_t count);
/* Durable when it returns OK. The guard is the caller's, before. */
MUST_CHECK enum status lmdb_journal_write(struct lmdb_log *lmdb, const struct log_batch *batches,
                                          uint32_t count, struct error *error);
/* A transaction that took all that was pending is durable. */
void lmdb_journal_settled(struct lmdb_log *lmdb);

/* Begins to make one, if it is wanted, there is none, and that much room is to spare. */
void lmdb_journal_consider(struct lmdb_log *lmdb, uint64_t spare_bytes);
/* A slice more of what was begun; at its end the tables know of it. */
MUST_CHECK enum status lmdb_journal_prepare(struct lmdb_log *lmdb, struct error *error);

#endif
