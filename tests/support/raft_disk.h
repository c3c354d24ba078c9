/* raft_disk: the log, hard state and state copy of one simulated replica: what is durable, and what was only
 * written. A crash keeps a prefix of the unfinished batches. */
#ifndef AETHER_TESTS_SUPPORT_RAFT_DISK_H
#define AETHER_TESTS_SUPPORT_RAFT_DISK_H

#include "store/raft/core.h"

struct raft_log {             /* entries[i].index == base.index + i + 1. */
    struct log_position base; /* What came before is gone. */
    struct raft_entry *entries;
    uint64_t count;
    uint64_t capacity;
};

void raft_log_append(struct raft_log *log, const struct raft_entry *entry); /* Takes a reference. */
void raft_log_truncate(struct raft_log *log, log_index from);
void raft_log_restart(struct raft_log *log,
                      const struct log_position *base); /* Holds nothing, begins there. */
void raft_log_copy(struct raft_log *to, const struct raft_log *from);
const struct raft_entry *raft_log_at(const struct raft_log *log, log_index index); /* NULL: not there. */
struct log_position raft_log_last(const struct raft_log *log);
void raft_log_fini(struct raft_log *log);

/* What a state would hold that applied the log so far: the chain stands for all of it (D1). */
struct raft_state {
    struct log_position position;
    struct core_log_configuration configuration;
    struct checkpoint checkpoint; /* The newest applied one (T3). */
};

/* false: the entry does not follow what the state has applied. */
bool raft_state_apply(struct raft_state *state, const struct raft_entry *entry);

struct raft_batch {
    struct raft_batch *next;
    uint64_t sequence;
    bool hard_changed;
    struct hard_state hard;
    log_index truncate_from;
    struct raft_log entries; /* Only a list. */
    bool installs;           /* The flip of a snapshot, with what it brings. */
    bool keep_log;
    struct raft_state received;
};

struct raft_disk {
    struct hard_state hard;
    struct raft_log log;      /* Durable. */
    struct raft_log written;  /* Durable and what is on its way. */
    struct raft_batch *first; /* On their way, oldest first. */
    struct raft_batch *last;
    struct core_log_configuration base_configuration; /* In force at the base of `written`; index 0: none. */
    struct raft_state copy;                           /* Of the state. */
    bool damaged;                                     /* The copy is, and needs a snapshot (T6). */
    log_index replay_till; /* The copy was, and is built again from the log, committed so far; 0: no. */
};

void raft_disk_write(struct raft_disk *disk, const struct core_persist *persist);
void raft_disk_install(struct raft_disk *disk, const struct core_install *install,
                       const struct raft_state *received);
/* The log's entries up to `index`, which is applied durably, go (D7). Their last position. */
struct log_position raft_disk_compact(struct raft_disk *disk, log_index index);
void raft_disk_clone(struct raft_disk *to,
                     const struct raft_disk *from); /* What is durable. `to` is zeroed. */
bool raft_disk_finish_one(struct raft_disk *disk, uint64_t *out_sequence); /* false: nothing on its way. */
uint64_t raft_disk_crash(struct raft_disk *disk); /* The rest is lost; how many batches. */
void raft_disk_fini(struct raft_disk *disk);

/* What the core needs to start from this disk; the arrays are the caller's. */
void raft_disk_init(const struct raft_disk *disk, struct core_term_run *runs,
                    struct core_log_configuration *configurations, struct core_init *out_init);

#endif
