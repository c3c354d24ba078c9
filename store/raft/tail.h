/* tail: the newest part of the log in memory, and what is known of the rest: its term runs and last position.
 * Entries lie side by side, so that a PERSIST, an APPEND or an APPLY points straight at them; they move only
 * in tail_tidy, which the core calls before a step makes its first action. */
#ifndef AETHER_STORE_RAFT_TAIL_H
#define AETHER_STORE_RAFT_TAIL_H

#include "store/raft/term_runs.h"

enum {
    TAIL_STEP_ENTRIES_MAX = CORE_APPEND_ENTRIES_MAX + 8, /* What one step may append. */
};

struct tail {
    struct log_position base;   /* Of the entry before the log's first one; index 0: it begins at 1. */
    struct log_position before; /* Of the entry before the first one in memory; at least base. */
    struct raft_entry *slots;
    uint32_t slot_count;
    uint32_t first; /* Slot of the first entry. */
    uint32_t count;
    uint32_t keep_entries; /* Above these, tail_tidy lets go what is no longer needed. */
    size_t keep_bytes;
    size_t bytes;
    uint64_t last_stamp_ms;
    struct term_runs runs;
};

void tail_init(struct tail *tail, uint32_t keep_entries, size_t keep_bytes);
void tail_fini(struct tail *tail);

struct log_position tail_last(const struct tail *tail);
const struct raft_entry *tail_at(const struct tail *tail, log_index index); /* NULL: not in memory. */
/* false: neither in memory nor the one before it, nor base. Index 0 is known. */
bool tail_position(const struct tail *tail, log_index index, struct log_position *out_position);
log_term tail_term_at(const struct tail *tail, log_index index); /* 0: unknown, or beyond the last. */
/* How many entries from `from` on (which is in memory) fit into both limits; at least one. */
uint32_t tail_fit(const struct raft_entry *entries, uint32_t count, uint32_t entries_max, size_t bytes_max);
size_t tail_entry_bytes(const struct raft_entry *entry); /* What an entry counts for in limits. */

/* Room for that many more, within twice the limits: what can't be let go yet must still be held. */
bool tail_has_room(const struct tail *tail, uint32_t entries, size_t bytes);
/* Takes a reference to the payload. CHECKs that it follows and that there is a slot. */
void tail_append(struct tail *tail, const struct raft_entry *entry);
/* All after `last` go. `last` is the position that is then the last one. */
void tail_truncate(struct tail *tail, const struct log_position *last);
/* A log that begins after `base` and holds nothing. */
void tail_restart(struct tail *tail, const struct log_position *base);
/* The log's first entries are gone up to this one. Those still in memory stay. */
void tail_compact(struct tail *tail, const struct log_position *base);
/* Lets the first entry go. CHECKs that there is one. */
void tail_drop_first(struct tail *tail);
/* Lets go entries <= not_needed above the limits, and makes slots for one step. */
void tail_tidy(struct tail *tail, log_index not_needed);

#endif
