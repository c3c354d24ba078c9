/* log_memory_check: what a start finds out about a disk in memory; the same rules as lmdb_check (consensus.md
 * section 4). */
#ifndef AETHER_STORE_MEMORY_LOG_MEMORY_CHECK_H
#define AETHER_STORE_MEMORY_LOG_MEMORY_CHECK_H

#include "store/memory/log_memory_disk.h"

struct log_memory_verdict {
    struct hard_state hard; /* T1: the newer of `hard` and guard. */
    bool guard_lost;        /* T1: of a sole voter. */
    bool copy_damaged;      /* T6 */
};

/* CORRUPT: doubt (T2). */
MUST_CHECK enum status log_memory_check(const struct log_memory_disk *disk,
                                        struct log_memory_verdict *out_verdict, struct error *error);

#endif
