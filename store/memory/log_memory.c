/* log_memory: see the header. Entries lie in an array, the copy in ordered trees as LMDB would keep it. */
#include "store/memory/log_memory.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/base/tree.h"
#include "store/record.h"

#include <string.h>

enum { GUARD_SLOTS = 2 };

struct guard_slot {
    uint64_t sequence; /* 0: never written. */
    struct hard_state hard;
};

struct blob {
    size_t size;
    uint8_t data[];
};

struct log_memory_disk {
    struct log_identity identity;
    struct hard_state hard;
    struct guard_slot guard[GUARD_SLOTS];
    struct raft_entry *entries; /* entries[i] has index i + 1. */
    size_t entry_count;
    size_t entry_capacity;
    struct tree copy[COPY_SPACE_COUNT]; /* key -> blob */
    struct log_position applied;
    uint64_t history_first;
    uint8_t state_hash[16];
    enum log_memory_fault fault;
    uint64_t writes;
    uint32_t open_count;
};

struct log_memory {
    struct log log;
    struct log_memory_disk *disk;
    bool dead;
};

static struct log_memory *memory_of(struct log *log)
{
    return CONTAINER_OF(log, struct log_memory, log);
}

/* --- the disk ---------------------------------------------------------------------------------------------
 */

struct log_memory_disk *log_memory_disk_create(void)
{
    return memory_zalloc(sizeof(struct log_memory_disk));
}

static void copy_set(struct log_memory_disk *disk, const struct log_copy_record *record)
{
    struct tree *space = &disk->copy[record->space];
    if (record->value == NULL) {
        memory_free(tree_remove(space, record->key));
        return;
    }
    struct blob *blob = memory_alloc(sizeof *blob + record->value_size);
    blob->size = record->value_size;
    memcpy(blob->data, record->value, record->value_size);
    memory_free(tree_put(space, record->key, blob));
}

static void copy_clear(struct tree *space)
{
    const char *key = "";
    void *blob = NULL;
    for (bool more = tree_at_or_after(space, key, &key, &blob); more;
         more = tree_after(space, key, &key, &blob)) {
        memory_free(blob);
    }
    tree_fini(space);
}

static void truncate_entries(struct log_memory_disk *disk, size_t count)
{
    while (disk->entry_count > count) {
        bytes_unref(&disk->entries[--disk->entry_count].payload);
    }
}

void log_memory_disk_destroy(struct log_memory_disk **disk)
{
    struct log_memory_disk *taken = *disk;
    *disk = NULL;
    if (taken == NULL) return;
    CHECK(taken->open_count == 0);
    truncate_entries(taken, 0);
    for (size_t i = 0; i < COPY_SPACE_COUNT; i++) {
        copy_clear(&taken->copy[i]);
    }
    memory_free(taken->entries);
    memory_free(taken);
}

void log_memory_disk_set_fault(struct log_memory_disk *disk, enum log_memory_fault fault)
{
    disk->fault = fault;
}

uint64_t log_memory_disk_writes(const struct log_memory_disk *disk)
{
    return disk->writes;
}

log_index log_memory_disk_last(const struct log_memory_disk *disk)
{
    return disk->entry_count;
}

const struct raft_entry *log_memory_disk_entry(const struct log_memory_disk *disk, log_index index)
{
    return index == 0 || index > disk->entry_count ? NULL : &disk->entries[index - 1];
}

static struct guard_slot *newest_guard(const struct log_memory_disk *disk)
{
    const struct guard_slot *first = &disk->guard[0];
    const struct guard_slot *second = &disk->guard[1];
    return (struct guard_slot *)(first->sequence > second->sequence ? first : second);
}

struct hard_state log_memory_disk_hard(const struct log_memory_disk *disk)
{
    return newest_guard(disk)->hard;
}

/* In turn: a torn write would damage the older slot only. */
static void guard_write(struct log_memory_disk *disk, const struct hard_state *hard)
{
    uint64_t sequence = newest_guard(disk)->sequence + 1;
    disk->guard[sequence % GUARD_SLOTS] = (struct guard_slot){ sequence, *hard };
}

/* --- one step ------------------------------------------------------------------------------------------- */

static void append(struct log_memory_disk *disk, const struct raft_entry *entry)
{
    CHECK(entry->index == disk->entry_count + 1);
    if (disk->entry_count == disk->entry_capacity) {
        disk->entry_capacity = disk->entry_capacity == 0 ? 64 : disk->entry_capacity * 2;
        disk->entries = memory_realloc(disk->entries, disk->entry_capacity * sizeof *disk->entries);
    }
    disk->entries[disk->entry_count++] = *entry;
    (void)bytes_ref(entry->payload);
}

static void write_copy(struct log_memory_disk *disk, const struct log_batch *batch)
{
    if (batch->copy_from != disk->applied.index) return; /* N6 */
    for (uint32_t i = 0; i < batch->copy_count; i++) {
        copy_set(disk, &batch->copy[i]);
    }
    struct tree *history = &disk->copy[COPY_HISTORY];
    const char *key = NULL;
    uint64_t revision = 0;
    while (tree_at_or_after(history, "", &key, NULL) && record_number_of_key(key, &revision) &&
           revision < batch->copy_history_first) {
        memory_free(tree_remove(history, key));
    }
    disk->applied = batch->copy_to;
    disk->history_first = batch->copy_history_first;
    memcpy(disk->state_hash, batch->state_hash, sizeof disk->state_hash);
}

static void write_batch(struct log_memory_disk *disk, const struct log_batch *batch)
{
    if (batch->hard != NULL) disk->hard = *batch->hard;
    if (batch->truncate_from != 0) {
        CHECK(batch->truncate_from > disk->applied.index); /* R3 */
        if (batch->truncate_from <= disk->entry_count) truncate_entries(disk, batch->truncate_from - 1);
    }
    for (uint32_t i = 0; i < batch->entry_count; i++) {
        append(disk, &batch->entries[i]);
    }
    if (batch->cluster_id != 0) disk->identity.cluster_id = batch->cluster_id;
    if (batch->has_copy) write_copy(disk, batch);
}

static const struct hard_state *last_hard(const struct log_batch *batches, uint32_t count)
{
    const struct hard_state *hard = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (batches[i].hard != NULL) hard = batches[i].hard;
    }
    return hard;
}

static bool asks_for_more(const struct log_batch *batch)
{
    return batch->install != NULL || batch->chunk != NULL || batch->clear_inactive ||
           batch->compact_to != 0 || batch->copy_damaged || batch->doubt != NULL;
}

static enum status memory_write(struct log *log, const struct log_batch *batches, uint32_t count,
                                struct error *error)
{
    struct log_memory *memory = memory_of(log);
    struct log_memory_disk *disk = memory->disk;
    if (memory->dead) return error_set(error, STATUS_IO, "the disk has failed before");
    for (uint32_t i = 0; i < count; i++) {
        if (asks_for_more(&batches[i])) return error_set(error, STATUS_INVALID, "not built yet");
    }
    enum log_memory_fault fault = disk->fault;
    disk->fault = LOG_MEMORY_NO_FAULT;
    disk->writes++;
    const struct hard_state *hard = last_hard(batches, count);
    bool guard = fault != LOG_MEMORY_FAIL && fault != LOG_MEMORY_LOSE;
    if (guard && hard != NULL) guard_write(disk, hard); /* D5: before the transaction. */
    for (uint32_t i = 0; i < count && guard && fault != LOG_MEMORY_GUARD_ONLY; i++) {
        write_batch(disk, &batches[i]);
    }
    if (fault == LOG_MEMORY_NO_FAULT) return STATUS_OK;
    memory->dead = true;
    return error_set(error, STATUS_IO, "the disk failed, as planned");
}

/* --- reading -------------------------------------------------------------------------------------------- */

static enum status memory_read(struct log *log, log_index from, log_index to, size_t max_bytes,
                               void (*emit)(void *context, const struct raft_entry *entry), void *context,
                               struct error *error)
{
    struct log_memory *memory = memory_of(log);
    if (memory->dead) return error_set(error, STATUS_IO, "the disk has failed before");
    const struct raft_entry *entry = log_memory_disk_entry(memory->disk, from);
    if (entry == NULL) {
        return error_set(error, STATUS_NOT_FOUND, "the log holds no entry %llu", (unsigned long long)from);
    }
    size_t bytes = 0;
    for (log_index index = from; index <= to && entry != NULL; index++) {
        emit(context, entry);
        bytes += entry->payload == NULL ? 0 : entry->payload->size;
        if (bytes >= max_bytes) break;
        entry = log_memory_disk_entry(memory->disk, index + 1);
    }
    return STATUS_OK;
}

static void find_configuration(const struct log_memory_disk *disk, struct log_boot *boot)
{
    for (log_index index = disk->entry_count; index > 0 && boot->configuration_index == 0; index--) {
        if (disk->entries[index - 1].type == ENTRY_CONFIGURATION) boot->configuration_index = index;
    }
}

static enum status memory_read_configurations(struct log *log,
                                              void (*emit)(void *context, const struct raft_entry *entry),
                                              void *context, struct error *error)
{
    (void)error;
    const struct log_memory_disk *disk = memory_of(log)->disk;
    for (size_t i = 0; i < disk->entry_count; i++) {
        if (disk->entries[i].type == ENTRY_CONFIGURATION) emit(context, &disk->entries[i]);
    }
    return STATUS_OK;
}

/* The record after the cursor in its space, or the first of the next space that has one. */
static const struct blob *next_record(const struct log_memory_disk *disk, struct log_copy_cursor *cursor,
                                      const char **out_key)
{
    for (; cursor->space < COPY_SPACE_COUNT; cursor->space++, cursor->key[0] = '\0') {
        const struct tree *space = &disk->copy[cursor->space];
        void *value = NULL;
        bool found = cursor->key[0] == '\0' ? tree_at_or_after(space, "", out_key, &value)
                                            : tree_after(space, cursor->key, out_key, &value);
        if (found) return value;
    }
    return NULL;
}

static enum status memory_read_copy(struct log *log, uint32_t generation, struct log_copy_cursor *cursor,
                                    size_t max_bytes, log_emit_copy *emit, void *context, struct error *error)
{
    const struct log_memory_disk *disk = memory_of(log)->disk;
    size_t bytes = 0;
    CHECK(generation == 0);
    while (bytes < max_bytes) {
        const char *key = NULL;
        const struct blob *blob = next_record(disk, cursor, &key);
        cursor->done = blob == NULL;
        if (cursor->done) return STATUS_OK;
        struct log_copy_record record = { cursor->space, key, blob->data, blob->size };
        enum status status = emit(context, &record, error);
        if (status != STATUS_OK) return status;
        bool fits = text_copy(cursor->key, sizeof cursor->key, key);
        CHECK(fits);
        bytes += strlen(key) + blob->size;
    }
    return STATUS_OK;
}

static void memory_space(struct log *log, struct log_space *out_space)
{
    (void)log;
    *out_space = (struct log_space){ .disk_free = UINT64_MAX, .map_free = UINT64_MAX };
}

static void memory_close(struct log *log)
{
    struct log_memory *memory = memory_of(log);
    CHECK(memory->disk->open_count > 0);
    memory->disk->open_count--;
    memory_free(memory);
}

static const struct log_ops memory_ops = {
    .write = memory_write,
    .read = memory_read,
    .read_configurations = memory_read_configurations,
    .read_copy = memory_read_copy,
    .space = memory_space,
    .close = memory_close,
};

/* --- opening -------------------------------------------------------------------------------------------- */

static bool hard_before(const struct hard_state *a, const struct hard_state *b)
{
    return a->term < b->term || (a->term == b->term && a->vote == 0 && b->vote != 0);
}

static struct log_boot boot_of(const struct log_memory_disk *disk)
{
    struct log_boot boot = { .identity = disk->identity, .hard = disk->hard };
    boot.applied = disk->applied;
    boot.history_first = disk->history_first;
    boot.committed = disk->applied.index;
    memcpy(boot.state_hash, disk->state_hash, sizeof boot.state_hash);
    find_configuration(disk, &boot);
    const struct raft_entry *last = log_memory_disk_entry(disk, disk->entry_count);
    if (last != NULL) boot.last = (struct log_position){ last->index, last->term, last->chain };
    return boot;
}

enum status log_memory_open(struct log_memory_disk *disk, const struct random *random, struct log **out_log,
                            struct error *error)
{
    CHECK(disk->open_count == 0); /* Two openers are forbidden (section 3). */
    while (disk->identity.replica_id == 0) {
        guard_write(disk, &disk->hard);
        disk->identity.replica_id = random_u64(random);
    }
    const struct guard_slot *guard = newest_guard(disk);
    if (hard_before(&guard->hard, &disk->hard)) {
        return error_set(error, STATUS_CORRUPT, "the guard is older than the hard state");
    }
    disk->hard = guard->hard; /* T1: equal, or a crash came between the two. */
    struct log_memory *memory = memory_zalloc(sizeof *memory);
    memory->disk = disk;
    memory->log = (struct log){ .ops = &memory_ops, .boot = boot_of(disk) };
    disk->open_count++;
    *out_log = &memory->log;
    return STATUS_OK;
}
