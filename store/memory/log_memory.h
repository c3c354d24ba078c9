/* log_memory: a log without a disk, for tests and the simulator, with an explicit model of crashes. The disk
 * outlives the log: a node's crash is log->ops->close, its start is log_memory_open on
 * the same disk. A write that returned OK is durable; one that failed left exactly what its fault says. */
#ifndef AETHER_STORE_MEMORY_LOG_MEMORY_H
#define AETHER_STORE_MEMORY_LOG_MEMORY_H

#include "runtime/port/random.h"
#include "store/log.h"

struct log_memory_disk;

enum log_memory_fault {
    LOG_MEMORY_NO_FAULT,
    LOG_MEMORY_FAIL,       /* An error of the disk: nothing was written (F1). */
    LOG_MEMORY_LOSE,       /* A crash before the transaction: nothing was written. */
    LOG_MEMORY_GUARD_ONLY, /* A crash between guard slot and transaction (D5, T1). */
    LOG_MEMORY_KEEP,       /* A crash after the transaction: all was written, nobody was told. */
};

struct log_memory_disk *log_memory_disk_create(void);
void log_memory_disk_destroy(struct log_memory_disk **disk); /* Logs on it must be closed. */
/* What befalls the next write, once. After any fault this log answers IO for ever: its node has ended. */
void log_memory_disk_set_fault(struct log_memory_disk *disk, enum log_memory_fault fault);
uint64_t log_memory_disk_writes(const struct log_memory_disk *disk); /* That were tried. */

/* For checkers: what is durable. NULL: not there. */
const struct raft_entry *log_memory_disk_entry(const struct log_memory_disk *disk, log_index index);
log_index log_memory_disk_last(const struct log_memory_disk *disk);
struct hard_state log_memory_disk_hard(const struct log_memory_disk *disk); /* Of the guard: newest. */

/* Makes the replica id of an empty disk (I1). CORRUPT: the guard is older than `hard` (T1). */
MUST_CHECK enum status log_memory_open(struct log_memory_disk *disk, const struct random *random,
                                       struct log **out_log, struct error *error);

#endif
