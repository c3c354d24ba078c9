/* log_fixture: see the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/log_fixture.h"

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/lmdb/lmdb_log.h"
#include "store/raft/configuration.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_SIZE = 8192 };

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
const struct random log_fixture_random = { .fill = fill_random };

/* --- its life ------------------------------------------------------------------------------------------- */

static enum status make_journal(struct log *log, struct error *error)
{
    struct log_space space;
    enum status status = STATUS_OK;
    log->ops->space(log, &space);
    while (log->live.preparing && status == STATUS_OK) {
        status = log->ops->settle(log, error);
    }
    return status;
}

enum status log_fixture_try_open(struct log_fixture *fixture, struct error *error)
{
    if (fixture->disk != NULL) {
        return log_memory_open(fixture->disk, &log_fixture_random, &fixture->log, error);
    }
    struct lmdb_log_options options = { .directory = fixture->directory,
                                        .random = &log_fixture_random,
                                        .map_bytes = (size_t)64 * 1024 * 1024,
                                        .segment_bytes = fixture->journal ? LOG_FIXTURE_SEGMENT_BYTES : 0 };
    enum status status = lmdb_log_open(&options, &fixture->log, error);
    return status == STATUS_OK && fixture->journal ? make_journal(fixture->log, error) : status;
}

void log_fixture_open(struct log_fixture *fixture)
{
    struct error error = { 0 };
    enum status status = log_fixture_try_open(fixture, &error);
    if (status != STATUS_OK) fail_msg("open: %s", error.message);
}

void log_fixture_close(struct log_fixture *fixture)
{
    if (fixture->log != NULL) fixture->log->ops->close(fixture->log);
    fixture->log = NULL;
}

void log_fixture_reopen(struct log_fixture *fixture)
{
    log_fixture_close(fixture);
    log_fixture_open(fixture);
}

int log_fixture_memory(void **state)
{
    struct log_fixture *fixture = memory_zalloc(sizeof *fixture);
    fixture->disk = log_memory_disk_create();
    log_fixture_open(fixture);
    *state = fixture;
    return 0;
}

static int set_up_lmdb(void **state, bool journal)
{
    struct log_fixture *fixture = memory_zalloc(sizeof *fixture);
    fixture->journal = journal;
    (void)snprintf(fixture->directory, sizeof fixture->directory, "%s/aether_log_XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(fixture->directory));
    log_fixture_open(fixture);
    *state = fixture;
    return 0;
}

int log_fixture_lmdb(void **state)
{
    return set_up_lmdb(state, false);
}

int log_fixture_journal(void **state)
{
    return set_up_lmdb(state, true);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

int log_fixture_free(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_close(fixture);
    log_memory_disk_destroy(&fixture->disk);
    if (fixture->directory[0] != '\0') {
        assert_int_equal(nftw(fixture->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    }
    arena_fini(&fixture->arena);
    memory_free(fixture);
    return 0;
}

char *log_fixture_path(struct log_fixture *fixture, const char *name)
{
    return arena_printf(&fixture->arena, "%s/%s", fixture->directory, name);
}

void log_fixture_remove(struct log_fixture *fixture, const char *name)
{
    assert_int_equal(nftw(log_fixture_path(fixture, name), remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* --- entries -------------------------------------------------------------------------------------------- */

static struct raft_entry chained(struct log_fixture *fixture, struct raft_entry entry)
{
    const struct bytes *payload = entry.payload;
    entry.stamp_ms = 1000 + entry.index;
    entry.chain = entry_chain(fixture->chain, entry.index, entry.term, entry.type,
                              payload == NULL ? NULL : payload->data, payload == NULL ? 0 : payload->size);
    fixture->chain = entry.chain;
    return entry;
}

struct raft_entry log_fixture_entry(struct log_fixture *fixture, log_index index, log_term term,
                                    enum entry_type type, const char *payload)
{
    struct raft_entry entry = { .index = index, .term = term, .type = type };
    if (payload != NULL) entry.payload = bytes_copy(payload, strlen(payload));
    return chained(fixture, entry);
}

struct raft_entry log_fixture_configuration(struct log_fixture *fixture, log_index index, log_term term,
                                            const replica_id *voters, uint32_t count)
{
    struct configuration configuration = { .member_count = 0 };
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "node-%u", i);
        assert_int_equal(configuration_add(&configuration, voters[i], name, true), STATUS_OK);
    }
    struct raft_entry entry = { .index = index, .term = term, .type = ENTRY_CONFIGURATION };
    entry.payload = configuration_pack(&configuration);
    return chained(fixture, entry);
}

enum status log_fixture_write(struct log_fixture *fixture, const struct log_batch *batch, struct error *error)
{
    return fixture->log->ops->write(fixture->log, batch, 1, error);
}

void log_fixture_write_ok(struct log_fixture *fixture, const struct log_batch *batch)
{
    struct error error = { 0 };
    enum status status = log_fixture_write(fixture, batch, &error);
    if (status != STATUS_OK) fail_msg("write: %s", error.message);
}

void log_fixture_append(struct log_fixture *fixture, log_index index, uint32_t count, log_term term)
{
    struct raft_entry *entries = arena_array(&fixture->arena, count, sizeof *entries);
    for (uint32_t i = 0; i < count; i++) {
        char payload[32];
        (void)snprintf(payload, sizeof payload, "%llu", (unsigned long long)(index + i));
        entries[i] = log_fixture_entry(fixture, index + i, term, ENTRY_COMMAND, payload);
    }
    log_fixture_write_ok(fixture, &(struct log_batch){ .entries = entries, .entry_count = count });
    for (uint32_t i = 0; i < count; i++) {
        bytes_unref(&entries[i].payload);
    }
}

static void note_entry(void *context, const struct raft_entry *entry)
{
    char *text = context;
    size_t used = strlen(text);
    bool printable = entry->type != ENTRY_CONFIGURATION && entry->payload != NULL;
    (void)snprintf(text + used, TEXT_SIZE - used, "%llu:%llu:%.*s ", (unsigned long long)entry->index,
                   (unsigned long long)entry->term, printable ? (int)entry->payload->size : 0,
                   printable ? (const char *)entry->payload->data : "");
    assert_int_equal(entry->stamp_ms, 1000 + entry->index);
}

const char *log_fixture_read(struct log_fixture *fixture, log_index from, log_index to, size_t max_bytes)
{
    static char text[TEXT_SIZE];
    struct error error = { 0 };
    text[0] = '\0';
    enum status status = fixture->log->ops->read(fixture->log, from, to, max_bytes, note_entry, text, &error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) fail_msg("read: %s", error.message);
    assert_true((status == STATUS_OK) == (text[0] != '\0'));
    return text;
}

static void count_entry(void *context, const struct raft_entry *entry)
{
    (void)entry;
    ++*(uint32_t *)context;
}

uint32_t log_fixture_count(struct log_fixture *fixture, log_index from)
{
    uint32_t count = 0;
    (void)!fixture->log->ops->read(fixture->log, from, UINT64_MAX, SIZE_MAX, count_entry, &count, NULL);
    return count;
}

static void note_position(void *context, const struct raft_entry *entry)
{
    *(struct log_position *)context = (struct log_position){ entry->index, entry->term, entry->chain };
}

struct log_position log_fixture_position(struct log_fixture *fixture, log_index index)
{
    struct log_position position = { 0, 0, 0 };
    assert_int_equal(fixture->log->ops->read(fixture->log, index, index, 1, note_position, &position, NULL),
                     STATUS_OK);
    return position;
}

/* --- the copy ------------------------------------------------------------------------------------------- */

/* Takes what was there under the key out of the sum. */
static void forget(struct log_fixture_state *state, const char *key)
{
    for (uint32_t i = 0; i < state->held_count; i++) {
        if (strcmp(state->held[i].key, key) != 0) continue;
        record_hash_subtract(&state->hash, &state->held[i].hash);
        state->held[i] = state->held[--state->held_count];
        return;
    }
}

static void hold(struct log_fixture_state *state, const char *key, struct record_hash hash)
{
    assert_true(state->held_count < LOG_FIXTURE_COPY_MAX);
    record_hash_add(&state->hash, &hash);
    state->held[state->held_count].hash = hash;
    (void)text_copy(state->held[state->held_count].key, sizeof state->held[0].key, key);
    state->held_count++;
}

static void stage(struct log_fixture_state *state, enum log_copy_space space, const char *key,
                  struct record_blob blob)
{
    assert_true(state->change_count < LOG_FIXTURE_COPY_MAX);
    state->changes[state->change_count++] =
        (struct log_copy_record){ .space = space, .key = key, .value = blob.data, .value_size = blob.size };
}

void log_fixture_put(struct log_fixture *fixture, struct log_fixture_state *state, const char *key,
                     const char *value)
{
    const char *name = arena_strdup(&fixture->arena, key);
    struct record_blob blob = { NULL, 0 };
    forget(state, key);
    if (value != NULL) {
        struct kv_record record = { .key = name,
                                    .value = (const uint8_t *)value,
                                    .value_size = strlen(value),
                                    .create_revision = 1,
                                    .revision = 2,
                                    .version = 1,
                                    .term = 1,
                                    .lease = "" };
        hold(state, key, record_hash(&record));
        blob = record_pack(&record, &fixture->arena);
    }
    stage(state, COPY_RECORD, name, blob);
}

void log_fixture_put_session(struct log_fixture *fixture, struct log_fixture_state *state, uint64_t id)
{
    char *key = arena_alloc(&fixture->arena, RECORD_NUMBER_KEY_SIZE);
    struct record_session session = { .id = id, .used_revision = id, .client = "test" };
    record_number_key(key, id);
    forget(state, key);
    hold(state, key, record_hash_session(&session));
    stage(state, COPY_SESSION, key, record_pack_session(&session, &fixture->arena));
}

void log_fixture_put_history(struct log_fixture *fixture, struct log_fixture_state *state, uint64_t revision)
{
    char *key = arena_alloc(&fixture->arena, RECORD_NUMBER_KEY_SIZE);
    struct kv_record record = { .key = "k",
                                .value = (const uint8_t *)"v",
                                .value_size = 1,
                                .create_revision = revision,
                                .revision = revision,
                                .version = 1,
                                .term = 1,
                                .lease = "" };
    struct kv_change change = { .key = "k", .record = &record };
    record_number_key(key, revision);
    stage(state, COPY_HISTORY, key, record_pack_history(revision, &change, 1, &fixture->arena));
}

struct log_batch log_fixture_copy(struct log_fixture *fixture, log_index to)
{
    struct log_fixture_state *state = &fixture->state;
    const struct log_live *live = &fixture->log->live;
    struct log_batch batch = { .has_copy = true,
                               .copy_generation = live->generation,
                               .copy_from = live->applied.index,
                               .copy_history_first = 1 };
    batch.copy_to = log_fixture_position(fixture, to);
    batch.copy = arena_memdup(&fixture->arena, state->changes, sizeof state->changes);
    batch.copy_count = state->change_count;
    record_hash_bytes(&state->hash, batch.state_hash);
    state->change_count = 0;
    return batch;
}

static enum status note_record(void *context, const struct log_copy_record *copied, struct error *error)
{
    char *text = context;
    size_t used = strlen(text);
    struct kv_record record;
    uint64_t number = 0;
    if (copied->space == COPY_RECORD) {
        enum status status = record_unpack(copied->key, copied->value, copied->value_size, &record, error);
        if (status != STATUS_OK) return status;
        (void)snprintf(text + used, TEXT_SIZE - used, "%s=%.*s ", record.key, (int)record.value_size,
                       (const char *)record.value);
        return STATUS_OK;
    }
    assert_true(record_number_of_key(copied->key, &number));
    (void)snprintf(text + used, TEXT_SIZE - used, "%c:%llu ", copied->space == COPY_SESSION ? 's' : 'h',
                   (unsigned long long)number);
    return STATUS_OK;
}

const char *log_fixture_read_copy(struct log_fixture *fixture, uint32_t generation)
{
    static char text[TEXT_SIZE];
    struct error error = { 0 };
    struct log *log = fixture->log;
    struct log_copy_cursor cursor = { .done = false };
    text[0] = '\0';
    while (!cursor.done) { /* One record at a time: the cursor finds its place again. */
        enum status status = log->ops->read_copy(log, generation, &cursor, 1, note_record, text, &error);
        if (status != STATUS_OK) fail_msg("read_copy: %s", error.message);
    }
    return text;
}
