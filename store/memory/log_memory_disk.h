/* log_memory_disk: what lies on a disk in memory, and how it is damaged. Private to log_memory*. */
#ifndef AETHER_STORE_MEMORY_LOG_MEMORY_DISK_H
#define AETHER_STORE_MEMORY_LOG_MEMORY_DISK_H

#include "runtime/base/tree.h"
#include "store/memory/log_memory.h"
#include "store/memory/log_memory_journal.h"

enum { LOG_MEMORY_GUARD_SLOTS = 2, LOG_MEMORY_GENERATIONS = 2 };

struct log_memory_slot {
    uint64_t sequence; /* 0: not valid. */
    struct hard_state hard;
};

struct log_memory_blob { /* A record of the copy. */
    size_t size;
    uint8_t data[];
};

struct log_memory_stored { /* An entry, and what was computed when it was written. */
    struct raft_entry entry;
    uint32_t crc;
};

struct log_memory_disk {
    struct log_identity identity;
    struct hard_state hard;
    struct log_memory_slot guard[LOG_MEMORY_GUARD_SLOTS];
    struct log_memory_journal journal; /* In front of all that follows: the tables. */
    struct log_memory_stored *entries; /* entries[i] has index base.index + 1 + i. */
    size_t entry_count;
    size_t entry_capacity;
    struct raft_entry *configurations; /* `conf` */
    size_t configuration_count;
    size_t configuration_capacity;
    struct tree copy[LOG_MEMORY_GENERATIONS][COPY_HISTORY]; /* key -> struct log_memory_blob */
    struct tree history;
    struct log_position base;
    struct log_position applied;
    log_index committed;
    uint64_t history_first;
    uint8_t state_hash[16];
    uint32_t generation;
    bool copy_damaged;
    struct log_receiving receiving;
    replica_id retired_id;
    char doubt_reason[LOG_DOUBT_REASON_MAX];
    char lost[LOG_DOUBT_REASON_MAX]; /* Not "": T3, the next open retires this id. */
    bool page_damaged;
    enum log_memory_fault fault;
    enum log_memory_occasion occasion; /* Of the fault. */
    uint64_t capacity;
    uint64_t used;        /* By the tables. */
    uint64_t entry_bytes; /* Of `used`. */
    uint64_t writes;
    uint32_t open_count;
};

struct tree *log_memory_space(struct log_memory_disk *disk, enum log_copy_space space, uint32_t generation);
struct log_memory_slot *log_memory_newest_slot(const struct log_memory_disk *disk);
void log_memory_write_slot(struct log_memory_disk *disk, const struct hard_state *hard);
log_index log_memory_tables_last(const struct log_memory_disk *disk);
uint32_t log_memory_crc(const struct raft_entry *entry);

void log_memory_append(struct log_memory_disk *disk, const struct raft_entry *entry);
void log_memory_truncate(struct log_memory_disk *disk, log_index from);
/* What D8 forbids, for the planted bug of it: the log from the first damaged entry on. */
void log_memory_cut_damage(struct log_memory_disk *disk);
void log_memory_drop_prefix(struct log_memory_disk *disk, log_index to);
void log_memory_keep_configuration(struct log_memory_disk *disk, const struct raft_entry *entry);
/* The configurations before the newest one at or below `upto`; with it, if `all`. */
void log_memory_trim_configurations(struct log_memory_disk *disk, log_index upto, bool all);
void log_memory_put(struct log_memory_disk *disk, uint32_t generation, const struct log_copy_record *record);
void log_memory_remove(struct log_memory_disk *disk, struct tree *space, const char *key);
void log_memory_clear(struct log_memory_disk *disk, struct tree *space);
/* Everything but capacity and counters: a store that was never made. */
void log_memory_empty(struct log_memory_disk *disk);

#endif
