/* journal_pending: what is durable in the journal and not yet in the tables, as one change: the newest hard
 * state, the lowest truncation of what the tables hold, the entries after it. The next transaction takes all
 * of it (lmdb_step), so it is never written in parts (J4). */
#ifndef AETHER_STORE_JOURNAL_JOURNAL_PENDING_H
#define AETHER_STORE_JOURNAL_JOURNAL_PENDING_H

#include "store/log.h"

struct journal_pending {
    bool has_hard;
    struct hard_state hard;
    log_index truncate_from;    /* In the tables; 0: nothing of theirs goes. */
    struct raft_entry *entries; /* Contiguous; each holds a reference to its payload. */
    uint32_t entry_count;
    uint32_t entry_room;
    size_t bytes;          /* Of payloads. */
    log_index tables_last; /* What the tables end with. */
    log_index floor;       /* Never truncated: compacted or committed (R3). */
};

/* Empty, on tables that hold so much. Frees nothing: for one that is zeroed, or was cleared. */
void journal_pending_begin(struct journal_pending *pending, log_index tables_last, log_index floor);
void journal_pending_clear(struct journal_pending *pending); /* The tables have it. Gives memory back. */
bool journal_pending_is_empty(const struct journal_pending *pending);

/* CORRUPT, and unchanged: it does not continue what is there. */
MUST_CHECK enum status journal_pending_set_hard(struct journal_pending *pending,
                                                const struct hard_state *hard, struct error *error);
MUST_CHECK enum status journal_pending_truncate(struct journal_pending *pending, log_index from,
                                                struct error *error);
/* Takes a reference to the payload. */
MUST_CHECK enum status journal_pending_append(struct journal_pending *pending, const struct raft_entry *entry,
                                              struct error *error);

/* The three, as a batch of the leader has them: it sends nothing that does not continue the log, so what a
 * stranger's bytes answer CORRUPT for would be a bug here. */
void journal_pending_keep(struct journal_pending *pending, const struct log_batch *batch);

log_index journal_pending_last(const struct journal_pending *pending); /* Of the log as it is now. */
/* Up to here the log is as the tables have it. */
log_index journal_pending_settled_last(const struct journal_pending *pending);
/* NULL: the tables hold it, or nobody. */
const struct raft_entry *journal_pending_entry(const struct journal_pending *pending, log_index index);
/* For the tables; borrows. */
struct log_batch journal_pending_batch(const struct journal_pending *pending);

#endif
