/* log_fixture: a log under test, in memory or on LMDB in a temporary directory, and what it is to hold:
 * entries chained as they should be (D1), a state copy with the hash that it should have (D2). */
#ifndef AETHER_TESTS_SUPPORT_LOG_FIXTURE_H
#define AETHER_TESTS_SUPPORT_LOG_FIXTURE_H

#include "runtime/base/arena.h"
#include "runtime/port/random.h"
#include "store/memory/log_memory.h"
#include "store/record.h"

#define LOG_FIXTURE_COPY_MAX      64
#define LOG_FIXTURE_SEGMENT_BYTES ((size_t)64 * 1024) /* Small: it is changed often. */

/* Another state than the log's own: what a snapshot brings. */
struct log_fixture_state {
    struct record_hash hash;
    struct log_copy_record changes[LOG_FIXTURE_COPY_MAX]; /* Since the last batch. */
    uint32_t change_count;
    struct { /* What is there: to take its hash out again. */
        char key[32];
        struct record_hash hash;
    } held[LOG_FIXTURE_COPY_MAX];
    uint32_t held_count;
};

struct log_fixture {
    struct log_memory_disk *disk; /* NULL: on LMDB. */
    char directory[64];
    bool journal; /* On LMDB: with one in front, made by the first open. */
    struct log *log;
    uint64_t chain; /* Of the last entry made. */
    struct log_fixture_state state;
    struct arena arena;
};

extern const struct random log_fixture_random;

/* For cmocka: a fixture with its log open; LMDB's lies in memory where there is such a place. */
int log_fixture_memory(void **state);
int log_fixture_lmdb(void **state);
int log_fixture_journal(void **state); /* LMDB, with a journal of LOG_FIXTURE_SEGMENT_BYTES a segment. */
int log_fixture_free(void **state);

enum status log_fixture_try_open(struct log_fixture *fixture, struct error *error);
void log_fixture_open(struct log_fixture *fixture);
void log_fixture_close(struct log_fixture *fixture);
void log_fixture_reopen(struct log_fixture *fixture);
char *log_fixture_path(struct log_fixture *fixture, const char *name);  /* In the directory; the arena's. */
void log_fixture_remove(struct log_fixture *fixture, const char *name); /* A folder in it. */

/* Chained to the one made last. The caller unrefs the payload. */
struct raft_entry log_fixture_entry(struct log_fixture *fixture, log_index index, log_term term,
                                    enum entry_type type, const char *payload);
/* A configuration of these voters. */
struct raft_entry log_fixture_configuration(struct log_fixture *fixture, log_index index, log_term term,
                                            const replica_id *voters, uint32_t count);
enum status log_fixture_write(struct log_fixture *fixture, const struct log_batch *batch,
                              struct error *error);
void log_fixture_write_ok(struct log_fixture *fixture, const struct log_batch *batch);
/* Entries "INDEX" from index on. */
void log_fixture_append(struct log_fixture *fixture, log_index index, uint32_t count, log_term term);
/* "INDEX:TERM:PAYLOAD " for each, in a buffer of the function's; CHECKs their stamps. */
const char *log_fixture_read(struct log_fixture *fixture, log_index from, log_index to, size_t max_bytes);
uint32_t log_fixture_count(struct log_fixture *fixture, log_index from); /* How many entries are there. */
/* Position of an entry that the log holds. */
struct log_position log_fixture_position(struct log_fixture *fixture, log_index index);

/* Changes of a state, to be written by the next batch. A NULL value deletes. */
void log_fixture_put(struct log_fixture *fixture, struct log_fixture_state *state, const char *key,
                     const char *value);
void log_fixture_put_session(struct log_fixture *fixture, struct log_fixture_state *state, uint64_t id);
void log_fixture_put_history(struct log_fixture *fixture, struct log_fixture_state *state, uint64_t revision);
/* The copy batch of fixture->state, from the durable applied index to `to`. */
struct log_batch log_fixture_copy(struct log_fixture *fixture, log_index to);
/* "KEY=VALUE " for records, "s:ID " for sessions, "h:REVISION " for history. */
const char *log_fixture_read_copy(struct log_fixture *fixture, uint32_t generation);

#endif
