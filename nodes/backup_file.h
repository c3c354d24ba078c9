/* backup_file: reads what `cluster backup` wrote: a snapshot's stream (store/snapshot.h) from end to end,
 * every sum of it checked. */
#ifndef AETHER_NODES_BACKUP_FILE_H
#define AETHER_NODES_BACKUP_FILE_H

#include "store/snapshot.h"

struct backup_visitor {
    void *context;
    enum status (*on_header)(void *context, const struct snapshot_header *header, struct error *error);
    enum status (*on_record)(void *context, const struct log_copy_record *record, struct error *error);
    /* After the records of a chunk, which are readable until it returns: all before progress->offset went by.
     */
    enum status (*on_chunk)(void *context, const struct snapshot_progress *progress, struct error *error);
};

/* OK only if the end came, was right, and nothing follows it. CORRUPT, INVALID (another format), IO. */
MUST_CHECK enum status backup_file_read(const char *path, const struct backup_visitor *visitor,
                                        struct snapshot_progress *out_progress, struct error *error);

#endif
