/* Goal: both logs keep store/log.h alike: what a write acknowledged is there after a reopen, all of it or
 * nothing (D1, D3, N6); the real one besides keeps its directory to itself, finds damage, and survives kill
 * -9 at any moment (I1, I3, D4, D5, T1, F1, K3, FLT7, FLT15, FLT17). Method: the same tests on a log in
 * memory and on LMDB in a temporary directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/arena.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/lmdb/lmdb_log.h"
#include "store/memory/log_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    struct log_memory_disk *disk; /* NULL: on LMDB. */
    char directory[64];
    struct log *log;
    uint64_t chain; /* Of the last entry made. */
    struct arena arena;
};

static void fill_random(void *context, void *buffer, size_t size)
{
    static uint64_t state = 1;
    (void)context;
    uint8_t *to = buffer;
    for (size_t i = 0; i < size; i++) {
        state = hash64_mix(state, i);
        to[i] = (uint8_t)state;
    }
}
static const struct random test_random = { .fill = fill_random };

static enum status try_open(struct fixture *fixture, struct error *error)
{
    if (fixture->disk != NULL) return log_memory_open(fixture->disk, &test_random, &fixture->log, error);
    struct lmdb_log_options options = { fixture->directory, &test_random, (size_t)64 * 1024 * 1024 };
    return lmdb_log_open(&options, &fixture->log, error);
}

static void open_log(struct fixture *fixture)
{
    struct error error = { 0 };
    enum status status = try_open(fixture, &error);
    if (status != STATUS_OK) fail_msg("open: %s", error.message);
}

static void close_log(struct fixture *fixture)
{
    if (fixture->log != NULL) fixture->log->ops->close(fixture->log);
    fixture->log = NULL;
}

static void reopen(struct fixture *fixture)
{
    close_log(fixture);
    open_log(fixture);
}

static int set_up_memory(void **state)
{
    struct fixture *fixture = memory_zalloc(sizeof *fixture);
    fixture->disk = log_memory_disk_create();
    open_log(fixture);
    *state = fixture;
    return 0;
}

static int set_up_lmdb(void **state)
{
    struct fixture *fixture = memory_zalloc(sizeof *fixture);
    (void)snprintf(fixture->directory, sizeof fixture->directory, "/tmp/aether_log_XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    open_log(fixture);
    *state = fixture;
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    close_log(fixture);
    log_memory_disk_destroy(&fixture->disk);
    if (fixture->directory[0] != '\0') {
        assert_int_equal(nftw(fixture->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    }
    arena_fini(&fixture->arena);
    memory_free(fixture);
    return 0;
}

/* --- entries ----------------------------------------------------------------------------------------------
 */

static struct raft_entry make_entry(struct fixture *fixture, log_index index, log_term term,
                                    enum entry_type type, const char *payload)
{
    struct raft_entry entry = { .index = index, .term = term, .stamp_ms = 1000 + index, .type = type };
    size_t size = payload == NULL ? 0 : strlen(payload);
    if (payload != NULL) entry.payload = bytes_copy(payload, size);
    entry.chain = entry_chain(fixture->chain, index, term, type, payload, size);
    fixture->chain = entry.chain;
    return entry;
}

static enum status write_one(struct fixture *fixture, const struct log_batch *batch, struct error *error)
{
    return fixture->log->ops->write(fixture->log, batch, 1, error);
}

static void write_ok(struct fixture *fixture, const struct log_batch *batch)
{
    struct error error = { 0 };
    enum status status = write_one(fixture, batch, &error);
    if (status != STATUS_OK) fail_msg("write: %s", error.message);
}

/* Appends count entries "INDEX" from index on. */
static void append(struct fixture *fixture, log_index index, uint32_t count, log_term term)
{
    struct raft_entry entries[16];
    assert_true(count <= 16);
    for (uint32_t i = 0; i < count; i++) {
        char payload[32];
        (void)snprintf(payload, sizeof payload, "%llu", (unsigned long long)(index + i));
        entries[i] = make_entry(fixture, index + i, term, ENTRY_COMMAND, payload);
    }
    write_ok(fixture, &(struct log_batch){ .entries = entries, .entry_count = count });
    for (uint32_t i = 0; i < count; i++) {
        bytes_unref(&entries[i].payload);
    }
}

struct reading {
    char text[1024]; /* "INDEX:TERM:PAYLOAD " for each. */
    uint32_t count;
    uint64_t chain;
};
static void note_entry(void *context, const struct raft_entry *entry)
{
    struct reading *reading = context;
    size_t used = strlen(reading->text);
    (void)snprintf(reading->text + used, sizeof reading->text - used, "%llu:%llu:%.*s ",
                   (unsigned long long)entry->index, (unsigned long long)entry->term,
                   entry->payload == NULL ? 0 : (int)entry->payload->size,
                   entry->payload == NULL ? "" : (const char *)entry->payload->data);
    assert_int_equal(entry->stamp_ms, 1000 + entry->index);
    reading->count++;
    reading->chain = entry->chain;
}

static struct reading read_log(struct fixture *fixture, log_index from, log_index to, size_t max_bytes)
{
    struct reading reading = { .count = 0 };
    struct error error = { 0 };
    enum status status =
        fixture->log->ops->read(fixture->log, from, to, max_bytes, note_entry, &reading, &error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) fail_msg("read: %s", error.message);
    assert_true((status == STATUS_OK) == (reading.count > 0));
    return reading;
}

/* --- both logs ------------------------------------------------------------------------------------------ */

static void an_empty_log_has_a_replica_id_for_good(void **state) /* I1 */
{
    struct fixture *fixture = *state;
    struct log_boot first = fixture->log->boot;
    assert_int_not_equal(first.identity.replica_id, 0);
    assert_int_equal(first.identity.cluster_id, 0);
    assert_int_equal(first.last.index, 0);
    assert_int_equal(first.applied.index, 0);
    assert_int_equal(first.hard.term, 0);
    reopen(fixture);
    assert_int_equal(fixture->log->boot.identity.replica_id, first.identity.replica_id);
}

static void entries_are_there_after_a_reopen(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 1, 3, 1);
    append(fixture, 4, 1, 2);
    struct raft_entry no_op = make_entry(fixture, 5, 3, ENTRY_NO_OP, NULL);
    write_ok(fixture, &(struct log_batch){ .entries = &no_op, .entry_count = 1 });
    for (int i = 0; i < 2; i++) {
        struct reading reading = read_log(fixture, 1, 100, SIZE_MAX);
        assert_string_equal(reading.text, "1:1:1 2:1:2 3:1:3 4:2:4 5:3: ");
        assert_int_equal(reading.chain, fixture->chain);
        reopen(fixture);
    }
    assert_int_equal(fixture->log->boot.last.index, 5);
    assert_int_equal(fixture->log->boot.last.term, 3);
    assert_int_equal(fixture->log->boot.last.chain, fixture->chain);
}

static void reads_are_bounded_but_give_at_least_one(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 1, 5, 1);
    assert_string_equal(read_log(fixture, 2, 3, SIZE_MAX).text, "2:1:2 3:1:3 ");
    assert_string_equal(read_log(fixture, 2, 5, 1).text, "2:1:2 ");
    assert_string_equal(read_log(fixture, 2, 5, 2).text, "2:1:2 3:1:3 ");
    assert_int_equal(read_log(fixture, 6, 9, SIZE_MAX).count, 0);
}

static void truncation_goes_before_the_append(void **state) /* R3 */
{
    struct fixture *fixture = *state;
    append(fixture, 1, 2, 1);
    uint64_t kept = fixture->chain;
    append(fixture, 3, 3, 1);
    fixture->chain = kept;
    struct raft_entry entry = make_entry(fixture, 3, 2, ENTRY_COMMAND, "new");
    write_ok(fixture, &(struct log_batch){ .truncate_from = 3, .entries = &entry, .entry_count = 1 });
    bytes_unref(&entry.payload);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(read_log(fixture, 1, 9, SIZE_MAX).text, "1:1:1 2:1:2 3:2:new ");
        reopen(fixture);
    }
    append(fixture, 4, 1, 2);
    assert_int_equal(read_log(fixture, 1, 9, SIZE_MAX).count, 4);
    write_ok(fixture, &(struct log_batch){ .truncate_from = 1 });
    reopen(fixture);
    assert_int_equal(fixture->log->boot.last.index, 0);
}

static void the_newest_configuration_is_found(void **state) /* M1 */
{
    struct fixture *fixture = *state;
    struct raft_entry first = make_entry(fixture, 1, 1, ENTRY_CONFIGURATION, "one");
    write_ok(fixture, &(struct log_batch){ .entries = &first, .entry_count = 1 });
    append(fixture, 2, 1, 1);
    struct raft_entry second = make_entry(fixture, 3, 1, ENTRY_CONFIGURATION, "two");
    write_ok(fixture, &(struct log_batch){ .entries = &second, .entry_count = 1 });
    reopen(fixture);
    assert_int_equal(fixture->log->boot.configuration_index, 3);
    write_ok(fixture, &(struct log_batch){ .truncate_from = 3 });
    reopen(fixture);
    assert_int_equal(fixture->log->boot.configuration_index, 1);
    bytes_unref(&first.payload);
    bytes_unref(&second.payload);
}

static void term_and_vote_change_as_one(void **state) /* D5 */
{
    struct fixture *fixture = *state;
    for (log_term term = 1; term <= 5; term++) {
        struct hard_state hard = { term, term * 11 };
        write_ok(fixture, &(struct log_batch){ .hard = &hard });
        reopen(fixture);
        assert_int_equal(fixture->log->boot.hard.term, term);
        assert_int_equal(fixture->log->boot.hard.vote, term * 11);
    }
    append(fixture, 1, 1, 5); /* A batch without hard leaves it. */
    reopen(fixture);
    assert_int_equal(fixture->log->boot.hard.vote, 55);
}

static void batches_are_joined_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct hard_state hards[2] = { { 1, 7 }, { 2, 0 } };
    struct raft_entry old = make_entry(fixture, 1, 1, ENTRY_COMMAND, "old");
    fixture->chain = 0;
    struct raft_entry new = make_entry(fixture, 1, 2, ENTRY_COMMAND, "new");
    struct log_batch batches[] = {
        { .hard = &hards[0], .entries = &old, .entry_count = 1, .cluster_id = 99 },
        { .hard = &hards[1], .truncate_from = 1, .entries = &new, .entry_count = 1 },
    };
    struct error error;
    assert_int_equal(fixture->log->ops->write(fixture->log, batches, 2, &error), STATUS_OK);
    reopen(fixture);
    assert_string_equal(read_log(fixture, 1, 9, SIZE_MAX).text, "1:2:new ");
    assert_int_equal(fixture->log->boot.hard.term, 2);
    assert_int_equal(fixture->log->boot.hard.vote, 0);
    assert_int_equal(fixture->log->boot.identity.cluster_id, 99);
    bytes_unref(&old.payload);
    bytes_unref(&new.payload);
}

/* --- the copy ------------------------------------------------------------------------------------------- */

static struct log_copy_record record(enum log_copy_space space, const char *key, const char *value)
{
    size_t size = value == NULL ? 0 : strlen(value);
    return (struct log_copy_record){ .space = space, .key = key, .value = value, .value_size = size };
}

static struct log_batch copy_batch(log_index from, struct log_position to,
                                   const struct log_copy_record *records, uint32_t count)
{
    struct log_batch batch = { .has_copy = true, .copy_from = from, .copy_to = to, .copy = records };
    batch.copy_count = count;
    batch.copy_history_first = 1;
    batch.state_hash[0] = (uint8_t)to.index;
    return batch;
}

static enum status note_record(void *context, const struct log_copy_record *copied, struct error *error)
{
    char *text = context;
    size_t used = strlen(text);
    (void)error;
    (void)snprintf(text + used, 1024 - used, "%d/%s=%.*s ", (int)copied->space, copied->key,
                   (int)copied->value_size, (const char *)copied->value);
    return STATUS_OK;
}

static const char *read_copy(struct fixture *fixture, uint8_t *out_hash)
{
    static char text[1024];
    struct error error;
    struct log *log = fixture->log;
    struct log_copy_cursor cursor = { 0 };
    text[0] = '\0';
    while (!cursor.done) { /* One record at a time: the cursor finds its place again. */
        assert_int_equal(log->ops->read_copy(log, 0, &cursor, 1, note_record, text, &error), STATUS_OK);
    }
    if (out_hash != NULL) *out_hash = log->boot.state_hash[0];
    return text;
}

static struct log_position last_position(const struct fixture *fixture, log_index index)
{
    return (struct log_position){ index, 1, fixture->chain };
}

#define HISTORY_1 "0000000000000001"
#define HISTORY_2 "0000000000000002"

static void the_copy_is_kept_with_its_position(void **state) /* D3 */
{
    struct fixture *fixture = *state;
    append(fixture, 1, 1, 1);
    struct log_copy_record first[] = { record(COPY_HISTORY, HISTORY_1, "h1"), record(COPY_RECORD, "b", "1"),
                                       record(COPY_RECORD, "a", "1"), record(COPY_SESSION, HISTORY_1, "s1"),
                                       record(COPY_RECORD, "c", "") };
    struct log_batch batch = copy_batch(0, last_position(fixture, 1), first, 5);
    write_ok(fixture, &batch);
    append(fixture, 2, 1, 1);
    struct log_copy_record second[] = { record(COPY_RECORD, "a", "2"), record(COPY_RECORD, "b", NULL),
                                        record(COPY_RECORD, "never", NULL),
                                        record(COPY_HISTORY, HISTORY_2, "h2") };
    batch = copy_batch(1, last_position(fixture, 2), second, 4);
    batch.copy_history_first = 2;
    write_ok(fixture, &batch);
    for (int i = 0; i < 2; i++) {
        reopen(fixture);
        uint8_t hash = 0;
        assert_string_equal(read_copy(fixture, &hash), "0/a=2 0/c= 1/" HISTORY_1 "=s1 2/" HISTORY_2 "=h2 ");
        assert_int_equal(hash, 2);
    }
    assert_int_equal(fixture->log->boot.applied.index, 2);
    assert_int_equal(fixture->log->boot.applied.chain, fixture->chain);
    assert_int_equal(fixture->log->boot.history_first, 2);
}

static void a_copy_that_does_not_continue_is_dropped(void **state) /* N6 */
{
    struct fixture *fixture = *state;
    append(fixture, 1, 1, 1);
    struct log_copy_record one = record(COPY_RECORD, "a", "1");
    struct log_batch batch = copy_batch(5, last_position(fixture, 1), &one, 1);
    struct raft_entry entry = make_entry(fixture, 2, 1, ENTRY_COMMAND, "2");
    batch.entries = &entry;
    batch.entry_count = 1;
    write_ok(fixture, &batch); /* Its entries count all the same. */
    bytes_unref(&entry.payload);
    reopen(fixture);
    assert_string_equal(read_copy(fixture, NULL), "");
    assert_int_equal(fixture->log->boot.applied.index, 0);
    assert_int_equal(fixture->log->boot.last.index, 2);
}

/* --- memory: planned crashes ---------------------------------------------------------------------------- */

static void a_fault_leaves_what_it_says(void **state) /* F1, FLT7 */
{
    struct fixture *fixture = *state;
    static const struct {
        enum log_memory_fault fault;
        log_term term; /* After the restart. */
        log_index last;
    } cases[] = { { LOG_MEMORY_FAIL, 1, 1 },
                  { LOG_MEMORY_LOSE, 1, 1 },
                  { LOG_MEMORY_GUARD_ONLY, 2, 1 }, /* T1: the guard counts. */
                  { LOG_MEMORY_KEEP, 2, 2 } };
    struct hard_state hard = { 1, 0 };
    write_ok(fixture, &(struct log_batch){ .hard = &hard });
    append(fixture, 1, 1, 1);
    struct raft_entry entry = make_entry(fixture, 2, 2, ENTRY_COMMAND, "x");
    hard.term = 2;
    struct log_batch batch = { .hard = &hard, .entries = &entry, .entry_count = 1 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error;
        log_memory_disk_set_fault(fixture->disk, cases[i].fault);
        assert_int_equal(write_one(fixture, &batch, &error), STATUS_IO);
        assert_int_equal(write_one(fixture, &batch, &error), STATUS_IO); /* Dead for good. */
        reopen(fixture);
        assert_int_equal(fixture->log->boot.hard.term, cases[i].term);
        assert_int_equal(fixture->log->boot.last.index, cases[i].last);
    }
    bytes_unref(&entry.payload);
    assert_int_equal(log_memory_disk_hard(fixture->disk).term, 2);
    assert_int_equal(log_memory_disk_entry(fixture->disk, 2)->term, 2);
    assert_null(log_memory_disk_entry(fixture->disk, 3));
}

/* --- LMDB: directories, damage, kill -9 ----------------------------------------------------------------- */

static char *path_in(struct fixture *fixture, const char *name)
{
    return arena_printf(&fixture->arena, "%s/%s", fixture->directory, name);
}

static void a_directory_has_one_opener(void **state)
{
    struct fixture *fixture = *state;
    struct log *other = NULL;
    struct error error;
    struct lmdb_log_options options = { fixture->directory, &test_random, 0 };
    assert_int_equal(lmdb_log_open(&options, &other, &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.message, "in use by another process"));
}

static void the_member_file_follows_the_first_entry(void **state) /* I3 */
{
    struct fixture *fixture = *state;
    struct log_batch joined = { .cluster_id = 0xabcdef };
    write_ok(fixture, &joined);
    assert_int_not_equal(access(path_in(fixture, "member"), F_OK), 0);
    append(fixture, 1, 1, 1);
    assert_int_equal(access(path_in(fixture, "member"), F_OK), 0);
    assert_int_equal(unlink(path_in(fixture, "member")), 0);
    reopen(fixture);
    assert_int_equal(access(path_in(fixture, "member"), F_OK), 0);
    replica_id former = fixture->log->boot.identity.replica_id;
    close_log(fixture); /* The store is lost; the membership is not. */
    assert_int_equal(nftw(path_in(fixture, "store"), remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    open_log(fixture);
    assert_int_equal(fixture->log->boot.identity.cluster_id, 0xabcdef);
    assert_int_not_equal(fixture->log->boot.identity.replica_id, former);
    assert_int_equal(fixture->log->boot.last.index, 0);
}

static size_t read_file(const char *path, uint8_t **out_data)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    rewind(file);
    *out_data = memory_alloc(size);
    assert_int_equal(fread(*out_data, 1, size, file), size);
    (void)fclose(file);
    return size;
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void assert_refused(struct fixture *fixture, const char *word)
{
    struct error error = { 0 };
    fixture->log = NULL;
    assert_int_equal(try_open(fixture, &error), STATUS_CORRUPT);
    if (strstr(error.message, word) == NULL) fail_msg("\"%s\" is not in: %s", word, error.message);
}

static void a_flipped_bit_in_an_entry_is_doubt(void **state) /* FLT15, D8 */
{
    struct fixture *fixture = *state;
    struct raft_entry entry = make_entry(fixture, 1, 1, ENTRY_COMMAND, "the one and only payload");
    write_ok(fixture, &(struct log_batch){ .entries = &entry, .entry_count = 1 });
    bytes_unref(&entry.payload);
    close_log(fixture);
    uint8_t *data = NULL;
    size_t size = read_file(path_in(fixture, "store/data.mdb"), &data);
    uint8_t *at = memmem(data, size, "only payload", 12);
    assert_non_null(at);
    for (; at != NULL; at = memmem(at, size - (size_t)(at - data), "only payload", 12)) {
        *at ^= 1; /* Copies in freed pages too. */
    }
    write_file(path_in(fixture, "store/data.mdb"), data, size);
    memory_free(data);
    assert_refused(fixture, "checksum of entry 1");
}

static void a_damaged_meta_page_is_doubt(void **state) /* FLT15: LMDB itself would go one commit back. */
{
    struct fixture *fixture = *state;
    append(fixture, 1, 3, 1);
    append(fixture, 4, 1, 1);
    close_log(fixture);
    const char *file = path_in(fixture, "store/data.mdb");
    uint8_t *sound = NULL;
    size_t size = read_file(file, &sound);
    static const size_t places[] = { 10, 16, 20, 40, 144, 151 }; /* Flags, magic, version, sizes, number. */
    for (size_t page = 0; page < 2; page++) {
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            uint8_t *damaged = arena_memdup(&fixture->arena, sound, size);
            damaged[page * 4096 + places[i]] ^= 0xFF;
            write_file(file, damaged, size);
            assert_refused(fixture, "meta page");
        }
    }
    write_file(file, sound, size);
    memory_free(sound);
    open_log(fixture);
    assert_int_equal(fixture->log->boot.last.index, 4);
}

static void a_lost_or_old_guard_is_doubt(void **state) /* T1, FLT17 */
{
    struct fixture *fixture = *state;
    const char *guard = path_in(fixture, "store/guard");
    uint8_t *old = NULL;
    struct hard_state hard = { 1, 7 };
    write_ok(fixture, &(struct log_batch){ .hard = &hard });
    size_t size = read_file(guard, &old);
    hard = (struct hard_state){ 2, 0 };
    write_ok(fixture, &(struct log_batch){ .hard = &hard });
    hard = (struct hard_state){ 2, 9 };
    write_ok(fixture, &(struct log_batch){ .hard = &hard });
    close_log(fixture);
    uint8_t *current = NULL;
    assert_int_equal(read_file(guard, &current), size);
    write_file(guard, old, size);
    assert_refused(fixture, "older than the environment");
    assert_int_equal(unlink(guard), 0);
    assert_refused(fixture, "no valid slot");
    for (size_t i = 0; i < size; i += 512) { /* One torn slot is survived when it is the older one. */
        uint8_t *torn = arena_memdup(&fixture->arena, current, size);
        torn[i + 20] ^= 1;
        write_file(guard, torn, size);
        struct error error = { 0 };
        enum status status = try_open(fixture, &error);
        assert_true(status == STATUS_OK || status == STATUS_CORRUPT);
        if (status == STATUS_OK) assert_int_equal(fixture->log->boot.hard.vote, 9);
        close_log(fixture);
    }
    write_file(guard, current, size);
    open_log(fixture);
    memory_free(old);
    memory_free(current);
}

static void a_guard_ahead_of_the_environment_counts(void **state) /* T1: a crash between the two. */
{
    struct fixture *fixture = *state;
    uint8_t *before = NULL;
    const char *data = path_in(fixture, "store/data.mdb");
    struct hard_state hard = { 1, 7 };
    write_ok(fixture, &(struct log_batch){ .hard = &hard });
    close_log(fixture);
    size_t size = read_file(data, &before);
    open_log(fixture);
    hard = (struct hard_state){ 2, 9 };
    write_ok(fixture, &(struct log_batch){ .hard = &hard });
    close_log(fixture);
    write_file(data, before, size); /* As if that transaction never came. */
    memory_free(before);
    open_log(fixture);
    assert_int_equal(fixture->log->boot.hard.term, 2);
    assert_int_equal(fixture->log->boot.hard.vote, 9);
}

/* Writes one entry after another, says each once it is durable, until it is killed. */
_Noreturn static void write_until_killed(struct fixture *fixture, int says)
{
    for (log_index index = 1;; index++) {
        struct hard_state hard = { index, index };
        struct raft_entry entry = make_entry(fixture, index, index, ENTRY_COMMAND, "payload");
        struct log_batch batch = { .hard = &hard, .entries = &entry, .entry_count = 1, .cluster_id = 5 };
        if (write_one(fixture, &batch, NULL) != STATUS_OK) _exit(1);
        if (write(says, &index, sizeof index) != sizeof index) _exit(1);
        bytes_unref(&entry.payload);
    }
}

static void what_was_acknowledged_survives_kill(void **state) /* K3, FLT7 */
{
    struct fixture *fixture = *state;
    close_log(fixture);
    for (log_index wanted = 1; wanted <= 40; wanted += 13) {
        int channel[2];
        assert_int_equal(pipe(channel), 0);
        assert_int_equal(nftw(path_in(fixture, "store"), remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
        pid_t child = fork();
        if (child == 0) {
            fixture->chain = 0;
            if (try_open(fixture, NULL) != STATUS_OK) _exit(1);
            write_until_killed(fixture, channel[1]);
        }
        (void)close(channel[1]);
        log_index acknowledged = 0;
        while (acknowledged < wanted) {
            assert_int_equal(read(channel[0], &acknowledged, sizeof acknowledged), sizeof acknowledged);
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (read(channel[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
        }
        (void)close(channel[0]);
        open_log(fixture);
        assert_true(fixture->log->boot.last.index >= acknowledged);
        assert_true(fixture->log->boot.hard.term >= fixture->log->boot.last.index); /* S16 */
        close_log(fixture);
    }
}

int main(void)
{
#define MEMORY(name) cmocka_unit_test_setup_teardown(name, set_up_memory, tear_down)
#define LMDB(name)   cmocka_unit_test_setup_teardown(name, set_up_lmdb, tear_down)
#define BOTH(name)   MEMORY(name), LMDB(name)
    const struct CMUnitTest tests[] = {
        BOTH(an_empty_log_has_a_replica_id_for_good),
        BOTH(entries_are_there_after_a_reopen),
        BOTH(reads_are_bounded_but_give_at_least_one),
        BOTH(truncation_goes_before_the_append),
        BOTH(the_newest_configuration_is_found),
        BOTH(term_and_vote_change_as_one),
        BOTH(batches_are_joined_in_order),
        BOTH(the_copy_is_kept_with_its_position),
        BOTH(a_copy_that_does_not_continue_is_dropped),
        MEMORY(a_fault_leaves_what_it_says),
        LMDB(a_directory_has_one_opener),
        LMDB(the_member_file_follows_the_first_entry),
        LMDB(a_flipped_bit_in_an_entry_is_doubt),
        LMDB(a_damaged_meta_page_is_doubt),
        LMDB(a_lost_or_old_guard_is_doubt),
        LMDB(a_guard_ahead_of_the_environment_counts),
        LMDB(what_was_acknowledged_survives_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
