/* history: what clients of a store did and what they were told, in one time: the material of the
 * linearizability checkers (proof.md section 4). The simulator records in virtual time; programs that drive
 * real processes record in one process, by one monotonic clock.
 *
 *     uint32_t op = history_begin(history, client, now_ns);      // As the request leaves.
 *     history_put(history, op, "k3", history_value(client, n));  // What it does: one part a key.
 *     ...
 *     history_end_ok(history, op, now_ns, revision);             // As the answer is there.
 *
 * and for a read: history_read before, history_saw(... what it found ...) and history_end_ok after. An
 * operation that is never ended has an unknown outcome: it may have happened, at any time since it began, or
 * not. Every written value is a number of its own (history_value), 0 means "absent", and all keys are absent
 * at the beginning: use keys that no other test writes. Transactions have several parts; their other list is
 * empty.
 *
 * The verdicts: history_check.h (all of them), or one by one in history_witness.h, history_search.h,
 * history_intervals.h, history_watch.h. As text: history_lines.h. Not thread-safe. */
#ifndef AETHER_NODES_SIM_HISTORY_H
#define AETHER_NODES_SIM_HISTORY_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct history;

struct history *history_create(void);
void history_destroy(struct history **history);

/* A value that no other write has: the client's n-th. */
uint64_t history_value(uint32_t client, uint32_t n); /* n from 1. */

/* --- what was asked --- */
/* In the order of time. */
uint32_t history_begin(struct history *history, uint32_t client, int64_t now_ns);
/* Its parts, before anything else is begun. A compare goes with `value`, what it must be; 0: absent. (`if-rev
 * N` is a compare with the value that was seen at revision N: values are unique, so it is the same.) */
void history_compare(struct history *history, uint32_t op, const char *key, uint64_t value);
void history_read(struct history *history, uint32_t op, const char *key);
void history_put(struct history *history, uint32_t op, const char *key, uint64_t value);
void history_delete(struct history *history, uint32_t op, const char *key);
/* It asked to see this revision (`--after`); it is a read of the past (`--at`), or a stale one: as of the
 * revision that it names, whenever that was. */
void history_after(struct history *history, uint32_t op, uint64_t revision);
void history_past(struct history *history, uint32_t op);

/* --- what was answered --- */
/* Of a part that reads: the value, or 0, and the record's own revision; 0: it was not told. Before
 * history_end_ok. */
void history_saw(struct history *history, uint32_t op, const char *key, uint64_t value, uint64_t revision);
/* `revision`: of the change, or that at which it was read. */
void history_end_ok(struct history *history, uint32_t op, int64_t now_ns, uint64_t revision);
/* A compare did not hold (CONFLICT), nothing was changed. */
void history_end_refused(struct history *history, uint32_t op, int64_t now_ns);
/* Surely nothing happened, and never will: what it would have written must not be seen by anybody. */
void history_end_failed(struct history *history, uint32_t op);

/* --- what watchers were told (K6) --- */
/* A stream of changes from this revision on, of keys that begin with `prefix`. A resumed one is a new
 * watcher. */
uint32_t history_watch(struct history *history, const char *prefix, uint64_t from_revision);
/* value 0: deleted. previous 0: there was none. In the order of arrival. */
void history_watch_event(struct history *history, uint32_t watcher, uint64_t revision, const char *key,
                         uint64_t value, uint64_t previous);
/* All changes below this revision have been told: a bookmark, or the revision to resume from. */
void history_watch_told(struct history *history, uint32_t watcher, uint64_t below_revision);

/* --- how much there is --- */
struct history_counts {
    uint32_t operations; /* Ended OK. */
    uint32_t refused;
    uint32_t failed;
    uint32_t unknown;
    uint32_t keys;
    uint32_t watch_events;
};
struct history_counts history_counts(const struct history *history);

#endif
