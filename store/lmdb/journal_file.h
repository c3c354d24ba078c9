/* journal_file: the file DATA/store/journal: a header block, then JOURNAL_SEGMENTS segments, all of it
 * written with zeros before it is used, so that a write changes no metadata and costs one round to the disk.
 * Blocking.
 *
 * It is made in slices as `journal.new`, durable before it gets its name (J5). Opened past the page cache
 * where the file system can (O_DIRECT), always with O_DSYNC: a write has returned when it is durable. */
#ifndef AETHER_STORE_LMDB_JOURNAL_FILE_H
#define AETHER_STORE_LMDB_JOURNAL_FILE_H

#include "store/journal/journal_scan.h"

struct journal_file {
    int fd;              /* -1: none. */
    uint64_t journal;    /* Random: of this file, and no other. */
    replica_id replica;  /* Whose it is. */
    size_t segment_size; /* Whole blocks. */
};

struct journal_making { /* One that is not finished. */
    int fd;             /* -1: none. */
    uint64_t blank;     /* Zeros written so far. */
};

/* Memory that a write may come from: of whole blocks, zeroed; memory_free. */
uint8_t *journal_file_buffer(size_t size);

/* Takes room for all of it. `file` says what is to be made. IO: there is none; nothing is left behind. */
MUST_CHECK enum status journal_file_make(const char *store, const struct journal_file *file,
                                         struct journal_making *making, struct error *error);
/* A slice more; *out_done: it has its name, and is durable. IO: given up, nothing is left behind. */
MUST_CHECK enum status journal_file_make_more(const char *store, const struct journal_file *file,
                                              struct journal_making *making, bool *out_done,
                                              struct error *error);
void journal_file_give_up(const char *store, struct journal_making *making);

/* CORRUPT: it is not there, or not the one that is asked for by `journal` and `replica`. The rest is filled.
 */
MUST_CHECK enum status journal_file_open(const char *store, bool writes, struct journal_file *file,
                                         struct error *error);
/* All segments; memory_free. First makes durable what an opener before us may have left half written. */
MUST_CHECK enum status journal_file_read(const struct journal_file *file, uint8_t **out_segments,
                                         struct error *error);
MUST_CHECK enum status journal_file_sync(const struct journal_file *file, struct error *error);
/* Whole blocks, from a buffer of journal_file_buffer, to an offset in the segments. Durable when it returns
 * OK; anything else is never tried again (F1). */
MUST_CHECK enum status journal_file_write(const struct journal_file *file, uint64_t at, const uint8_t *data,
                                          size_t size, struct error *error);
void journal_file_close(struct journal_file *file);

/* The header of what may be any bytes; false: it is none. */
bool journal_file_parse(const uint8_t *header, size_t size, struct journal_file *out_file);

#endif
