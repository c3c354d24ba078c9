/* log_memory: a log without a disk, for tests and the simulator, with an explicit model of crashes and
 * damage: guard, journal and tables, as on a real one. The disk outlives the log: a node's crash is
 * log->ops->close, its start is log_memory_open on the same disk. A write that returned OK is durable; one
 * that failed left exactly what its fault says. */
#ifndef AETHER_STORE_MEMORY_LOG_MEMORY_H
#define AETHER_STORE_MEMORY_LOG_MEMORY_H

#include "runtime/port/random.h"
#include "store/kv.h"
#include "store/log.h"

struct log_memory_disk;

enum log_memory_fault {
    LOG_MEMORY_NO_FAULT,
    LOG_MEMORY_FAIL,       /* An error of the disk: nothing was written (F1). */
    LOG_MEMORY_LOSE,       /* A crash before the transaction: nothing was written. */
    LOG_MEMORY_GUARD_ONLY, /* A crash between guard slot and transaction (D5, T1). */
    LOG_MEMORY_TEAR_GUARD, /* A crash within the guard slot, if the write has one: that slot is not valid. */
    LOG_MEMORY_TEAR,       /* A crash while the journal is written: some of its sectors are there (J1). A
                            * transaction of the tables, instead, was not made. */
    LOG_MEMORY_KEEP,       /* A crash after the transaction: all was written, nobody was told. */
};

struct log_memory_disk *log_memory_disk_create(void);
void log_memory_disk_destroy(struct log_memory_disk **disk); /* Logs on it must be closed. */
/* FLT18: what an operator's copy of the directory would hold. */
struct log_memory_disk *log_memory_disk_clone(const struct log_memory_disk *disk);
/* What befalls the next write, once. After any fault this log answers IO for ever: its node has ended. */
void log_memory_disk_set_fault(struct log_memory_disk *disk, enum log_memory_fault fault);
/* Which write it is to be: the next one that carries such a thing. */
enum log_memory_occasion {
    LOG_MEMORY_AT_ANY_WRITE,
    LOG_MEMORY_AT_HARD_STATE,
    LOG_MEMORY_AT_TRUNCATION,
    LOG_MEMORY_AT_COPY,
    LOG_MEMORY_AT_CHUNK,
    LOG_MEMORY_AT_CLEARING,
    LOG_MEMORY_AT_INSTALL, /* N2: the flip. */
    LOG_MEMORY_AT_COMPACTION,
    LOG_MEMORY_AT_DOUBT, /* T3, F4. */
    LOG_MEMORY_OCCASION_COUNT,
};
void log_memory_disk_set_fault_at(struct log_memory_disk *disk, enum log_memory_fault fault,
                                  enum log_memory_occasion occasion);
uint64_t log_memory_disk_writes(const struct log_memory_disk *disk); /* That were tried. */

/* FLT14: how much it holds in all. A write beyond it fails like LOG_MEMORY_FAIL; truncation, compaction and
 * deletes give room back. UINT64_MAX, as at first: unbounded. */
enum { LOG_MEMORY_LOW_BYTES = 64 * 1024, LOG_MEMORY_FULL_BYTES = 16 * 1024 };
void log_memory_disk_set_capacity(struct log_memory_disk *disk, uint64_t bytes);
uint64_t log_memory_disk_used(const struct log_memory_disk *disk);

/* FLT15, FLT17: damage at rest, while no log is open; found by the next open. `pick` chooses which of what is
 * there. false: there is nothing of the kind. */
enum log_memory_damage {
    LOG_MEMORY_DAMAGE_ENTRY,   /* A flipped bit in the log: doubt. */
    LOG_MEMORY_DAMAGE_JOURNAL, /* One in what only the journal has: doubt. */
    LOG_MEMORY_DAMAGE_RECORD,  /* In the state copy: T6. */
    LOG_MEMORY_DAMAGE_HISTORY, /* Likewise. */
    LOG_MEMORY_DAMAGE_PAGE,    /* A page that kills who reads it: doubt. */
    LOG_MEMORY_DAMAGE_SLOT,    /* One of the guard's slots: doubt if it was the newer one and counts. */
    LOG_MEMORY_DAMAGE_GUARD,   /* The guard is gone: doubt. */
    LOG_MEMORY_DAMAGE_STATE,   /* A record says something else and every sum fits: what a bug would leave. */
};
bool log_memory_disk_damage(struct log_memory_disk *disk, enum log_memory_damage damage, uint64_t pick);

/* For checkers: what is durable. NULL: not there, or compacted. */
const struct raft_entry *log_memory_disk_entry(const struct log_memory_disk *disk, log_index index);
log_index log_memory_disk_base(const struct log_memory_disk *disk); /* The first entry is behind it. */
log_index log_memory_disk_last(const struct log_memory_disk *disk);
struct hard_state log_memory_disk_hard(const struct log_memory_disk *disk); /* Of the guard: newest. */
replica_id log_memory_disk_replica(const struct log_memory_disk *disk);     /* 0: it was never opened. */
const struct raft_entry *log_memory_disk_configuration(
    const struct log_memory_disk *disk); /* The newest; NULL: none. */
/* A record of the state copy, borrowed until the next write; its key is `key`. false: none, or damaged. */
bool log_memory_disk_record(const struct log_memory_disk *disk, const char *key,
                            struct kv_record *out_record);

/* Checks all of it, as the real one's probe does; store/log.h tells how it ends. Two openers are a bug. */
MUST_CHECK enum status log_memory_open(struct log_memory_disk *disk, const struct random *random,
                                       struct log **out_log, struct error *error);

#endif
