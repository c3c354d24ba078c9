/* log_memory: see the header: the ops of a log on a disk in memory, and its opening. */
#include "store/memory/log_memory.h"

#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/planted.h"
#include "runtime/base/text.h"
#include "store/memory/log_memory_check.h"
#include "store/memory/log_memory_disk.h"
#include "store/record.h"

#include <string.h>

struct log_memory {
    struct log log;
    struct log_memory_disk *disk;
    bool dead;
};

static struct log_memory *memory_of(struct log *log)
{
    return CONTAINER_OF(log, struct log_memory, log);
}

/* --- one step ------------------------------------------------------------------------------------------- */

static uint32_t inactive(const struct log_memory_disk *disk)
{
    return 1 - disk->generation;
}

static void write_copy(struct log_memory_disk *disk, const struct log_batch *batch)
{
    bool continues = batch->copy_generation == disk->generation && batch->copy_from == disk->applied.index;
    if (!continues) { /* N6 */
        MARK("log_memory.copy_dropped");
        return;
    }
    CHECK(batch->copy_to.index <= log_memory_disk_last(disk));
    for (uint32_t i = 0; i < batch->copy_count; i++) {
        log_memory_put(disk, disk->generation, &batch->copy[i]);
    }
    const char *key = NULL;
    uint64_t revision = 0;
    while (tree_at_or_after(&disk->history, "", &key, NULL) && record_number_of_key(key, &revision) &&
           revision < batch->copy_history_first) {
        log_memory_remove(disk, &disk->history, key);
    }
    disk->applied = batch->copy_to;
    if (disk->committed < disk->applied.index) disk->committed = disk->applied.index;
    disk->history_first = batch->copy_history_first;
    memcpy(disk->state_hash, batch->state_hash, sizeof disk->state_hash);
}

static bool inactive_is_empty(const struct log_memory_disk *disk)
{
    const struct tree *spaces = disk->copy[inactive(disk)];
    return spaces[COPY_RECORD].count == 0 && spaces[COPY_SESSION].count == 0;
}

static void receive(struct log_memory_disk *disk, const struct log_chunk *chunk)
{
    struct log_receiving *receiving = &disk->receiving;
    bool continues = chunk->snapshot_id == receiving->snapshot_id && chunk->from == receiving->offset;
    bool begins = chunk->from == 0 && inactive_is_empty(disk);
    CHECK(chunk->snapshot_id != 0);
    CHECK(chunk->note_size <= LOG_NOTE_MAX);
    if (!continues && !begins) {
        MARK("log_memory.chunk_dropped");
        return;
    }
    for (uint32_t i = 0; i < chunk->record_count; i++) {
        CHECK(chunk->records[i].value != NULL);
        CHECK(chunk->records[i].space != COPY_HISTORY);
        log_memory_put(disk, inactive(disk), &chunk->records[i]);
    }
    *receiving = (struct log_receiving){ .snapshot_id = chunk->snapshot_id, .offset = chunk->to };
    receiving->note_size = chunk->note_size;
    if (chunk->note_size > 0) memcpy(receiving->note, chunk->note, chunk->note_size);
}

static void clear_inactive(struct log_memory_disk *disk)
{
    const char *key = NULL;
    uint32_t left = LOG_CLEAR_STEP_MAX;
    disk->receiving = (struct log_receiving){ 0 };
    for (int space = 0; space < COPY_HISTORY; space++) {
        struct tree *records = &disk->copy[inactive(disk)][space];
        for (; left > 0 && tree_at_or_after(records, "", &key, NULL); left--) {
            log_memory_remove(disk, records, key);
        }
    }
}

static void install_log(struct log_memory_disk *disk, const struct log_install *install)
{
    const struct raft_entry configuration = { .index = install->configuration_index,
                                              .type = ENTRY_CONFIGURATION,
                                              .payload = install->configuration };
    CHECK(install->configuration_index <= install->position.index);
    if (install->keep_log) { /* N3 */
        CHECK(install->position.index >= disk->base.index);
        CHECK(install->position.index <= log_memory_disk_last(disk));
        log_memory_trim_configurations(disk, install->position.index, true);
    } else {
        log_memory_truncate(disk, disk->base.index + 1);
        log_memory_trim_configurations(disk, UINT64_MAX, true);
        disk->base = install->position;
    }
    log_memory_keep_configuration(disk, &configuration);
}

static void install(struct log_memory_disk *disk, const struct log_install *install)
{
    CHECK(disk->receiving.snapshot_id == install->snapshot_id);
    install_log(disk, install);
    log_memory_clear(disk, &disk->history);
    disk->generation = inactive(disk);
    disk->applied = install->position;
    if (disk->committed < install->position.index) disk->committed = install->position.index;
    disk->history_first = install->position.index + 1;
    memcpy(disk->state_hash, install->state_hash, sizeof disk->state_hash);
    disk->copy_damaged = false;
    disk->receiving = (struct log_receiving){ 0 };
}

/* D7 */
static void compact(struct log_memory_disk *disk, log_index to)
{
    log_index from = disk->base.index + 1;
    if (to > disk->applied.index && !PLANTED("compaction.beyond_the_applied_index")) to = disk->applied.index;
    if (to > from + LOG_COMPACT_STEP_MAX - 1) to = from + LOG_COMPACT_STEP_MAX - 1;
    if (to < from) return;
    log_memory_drop_prefix(disk, to);
    log_memory_trim_configurations(disk, to, false);
}

static void write_batch(struct log_memory_disk *disk, const struct log_batch *batch)
{
    if (batch->hard != NULL) disk->hard = *batch->hard;
    if (batch->install != NULL) install(disk, batch->install);
    if (batch->truncate_from != 0) {
        CHECK(batch->truncate_from > disk->committed); /* R3 */
        log_memory_truncate(disk, batch->truncate_from);
    }
    for (uint32_t i = 0; i < batch->entry_count; i++) {
        log_memory_append(disk, &batch->entries[i]);
    }
    if (batch->cluster_id != 0) disk->identity.cluster_id = batch->cluster_id;
    if (batch->has_copy) write_copy(disk, batch);
    if (batch->chunk != NULL) receive(disk, batch->chunk);
    if (batch->clear_inactive) clear_inactive(disk);
    if (batch->compact_to != 0) compact(disk, batch->compact_to);
    if (batch->copy_damaged) disk->copy_damaged = true;
    if (batch->doubt != NULL) (void)text_copy(disk->lost, sizeof disk->lost, batch->doubt);
}

static const struct hard_state *last_hard(const struct log_batch *batches, uint32_t count)
{
    const struct hard_state *hard = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (batches[i].hard != NULL) hard = batches[i].hard;
    }
    return hard;
}

/* F2: about what the entries need; the rest is small in a simulation. */
static bool has_room(const struct log_memory_disk *disk, const struct log_batch *batches, uint32_t count)
{
    uint64_t needed = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < batches[i].entry_count; j++) {
            const struct bytes *payload = batches[i].entries[j].payload;
            needed += 64 + (payload == NULL ? 0 : payload->size);
        }
    }
    return needed == 0 || log_memory_disk_used(disk) + needed <= disk->capacity;
}

static void refresh(struct log_memory *memory)
{
    const struct log_memory_disk *disk = memory->disk;
    struct log_live *live = &memory->log.live;
    live->base = disk->base;
    live->last = log_memory_disk_last(disk);
    live->applied = disk->applied;
    live->entry_bytes = disk->entry_bytes + disk->journal.pending.bytes;
    live->generation = disk->generation;
    live->inactive_empty = inactive_is_empty(disk);
    live->receiving = disk->receiving;
    live->unsettled = !journal_pending_is_empty(&disk->journal.pending);
    live->unsettled_entries = disk->journal.pending.entry_count;
    live->unsettled_bytes = disk->journal.pending.bytes;
}

/* One transaction: all that is pending in the journal, then these (J4). */
static void write_tables(struct log_memory_disk *disk, const struct log_batch *batches, uint32_t count)
{
    struct log_batch pending = journal_pending_batch(&disk->journal.pending);
    write_batch(disk, &pending);
    log_memory_journal_settled(disk);
    for (uint32_t i = 0; i < count; i++)
        write_batch(disk, &batches[i]);
    log_memory_journal_settled(disk);
}

/* What a crash leaves where planted bugs cut one transaction in two (D3, N2). */
static void write_half(struct log_memory_disk *disk, const struct log_batch *batch)
{
    bool copies = batch->has_copy && batch->copy_from == disk->applied.index;
    if (copies && PLANTED("log_memory.applied_in_its_own_transaction")) {
        for (uint32_t i = 0; i < batch->copy_count; i++)
            log_memory_put(disk, disk->generation, &batch->copy[i]);
    }
    if (batch->install != NULL && PLANTED("log_memory.flip_in_two_transactions")) {
        disk->generation = inactive(disk);
    }
}

/* Writes as much as the fault lets through. */
static void write_until(struct log_memory_disk *disk, enum log_memory_fault fault,
                        const struct log_batch *batches, uint32_t count)
{
    for (uint32_t i = 0; i < count && fault == LOG_MEMORY_LOSE; i++)
        write_half(disk, &batches[i]);
    if (fault == LOG_MEMORY_FAIL || fault == LOG_MEMORY_LOSE) return;
    const struct hard_state *hard = last_hard(batches, count);
    bool guard_last = fault == LOG_MEMORY_GUARD_ONLY && PLANTED("log_memory.guard_after_the_transaction");
    if (guard_last) write_tables(disk, batches, count);
    if (guard_last) return;
    if (hard != NULL) log_memory_write_slot(disk, hard); /* D5: before the transaction. */
    if (hard != NULL && fault == LOG_MEMORY_TEAR_GUARD) log_memory_newest_slot(disk)->sequence = 0;
    if (fault == LOG_MEMORY_GUARD_ONLY || fault == LOG_MEMORY_TEAR_GUARD) return;
    bool journal = log_memory_journal_takes(disk, batches, count);
    if (fault == LOG_MEMORY_TEAR && journal) log_memory_journal_tear(disk, batches, count);
    if (fault == LOG_MEMORY_TEAR) return;
    if (journal) log_memory_journal_write(disk, batches, count);
    else write_tables(disk, batches, count);
}

static bool is_occasion(const struct log_batch *batch, enum log_memory_occasion occasion)
{
    switch (occasion) {
    case LOG_MEMORY_AT_HARD_STATE: return batch->hard != NULL;
    case LOG_MEMORY_AT_TRUNCATION: return batch->truncate_from != 0;
    case LOG_MEMORY_AT_COPY: return batch->has_copy;
    case LOG_MEMORY_AT_CHUNK: return batch->chunk != NULL;
    case LOG_MEMORY_AT_CLEARING: return batch->clear_inactive;
    case LOG_MEMORY_AT_INSTALL: return batch->install != NULL;
    case LOG_MEMORY_AT_COMPACTION: return batch->compact_to != 0;
    case LOG_MEMORY_AT_DOUBT: return batch->doubt != NULL || batch->copy_damaged;
    default: return true;
    }
}

/* The planned one, if this is the write that it was planned for: then it is spent. */
static enum log_memory_fault take_fault(struct log_memory_disk *disk, const struct log_batch *batches,
                                        uint32_t count)
{
    enum log_memory_fault fault = disk->fault;
    bool now = disk->occasion == LOG_MEMORY_AT_ANY_WRITE;
    for (uint32_t i = 0; i < count; i++)
        now = now || is_occasion(&batches[i], disk->occasion);
    if (!now) return LOG_MEMORY_NO_FAULT;
    if (fault != LOG_MEMORY_NO_FAULT && disk->occasion == LOG_MEMORY_AT_INSTALL)
        MARK("log_memory.crash_at_the_flip");
    disk->fault = LOG_MEMORY_NO_FAULT;
    return fault;
}

static enum status memory_write(struct log *log, const struct log_batch *batches, uint32_t count,
                                struct error *error)
{
    struct log_memory *memory = memory_of(log);
    struct log_memory_disk *disk = memory->disk;
    if (memory->dead) return error_set(error, STATUS_IO, "the disk has failed before");
    enum log_memory_fault fault = take_fault(disk, batches, count);
    if (fault == LOG_MEMORY_NO_FAULT && !has_room(disk, batches, count)) {
        MARK("log_memory.disk_full");
        fault = LOG_MEMORY_FAIL;
    }
    disk->writes++;
    write_until(disk, fault, batches, count);
    refresh(memory);
    if (fault == LOG_MEMORY_NO_FAULT) return STATUS_OK;
    memory->dead = true;
    return error_set(error, STATUS_IO, "the disk failed, as planned");
}

static enum status memory_settle(struct log *log, struct error *error)
{
    struct log_memory *memory = memory_of(log);
    if (memory->dead) return error_set(error, STATUS_IO, "the disk has failed before");
    write_tables(memory->disk, NULL, 0);
    refresh(memory);
    return STATUS_OK;
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

static enum status memory_read_configurations(struct log *log,
                                              void (*emit)(void *context, const struct raft_entry *entry),
                                              void *context, struct error *error)
{
    (void)error;
    const struct log_memory_disk *disk = memory_of(log)->disk;
    for (size_t i = 0; i < disk->configuration_count; i++) {
        emit(context, &disk->configurations[i]);
    }
    return STATUS_OK;
}

/* The record after the cursor in its space, or the first of the next space that has one. */
static const struct log_memory_blob *next_record(struct log_memory_disk *disk, uint32_t generation,
                                                 struct log_copy_cursor *cursor, const char **out_key)
{
    enum log_copy_space end = generation == disk->generation ? COPY_SPACE_COUNT : COPY_HISTORY;
    for (; cursor->space < end; cursor->space++, cursor->key[0] = '\0') {
        const struct tree *space = log_memory_space(disk, cursor->space, generation);
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
    struct log_memory *memory = memory_of(log);
    size_t bytes = 0;
    if (memory->dead) return error_set(error, STATUS_IO, "the disk has failed before");
    while (bytes < max_bytes) {
        const char *key = NULL;
        const struct log_memory_blob *blob = next_record(memory->disk, generation, cursor, &key);
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
    const struct log_memory_disk *disk = memory_of(log)->disk;
    uint64_t used = log_memory_disk_used(disk);
    uint64_t left = disk->capacity > used ? disk->capacity - used : 0;
    *out_space = (struct log_space){ .disk_free = left, .map_free = UINT64_MAX };
    out_space->disk_mark = LOG_MEMORY_LOW_BYTES;
    out_space->low = left < LOG_MEMORY_LOW_BYTES;
    out_space->ample = left >= LOG_MEMORY_LOW_BYTES + LOG_MEMORY_LOW_BYTES / 4;
    out_space->full = left < LOG_MEMORY_FULL_BYTES;
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
    .settle = memory_settle,
    .read = memory_read,
    .read_configurations = memory_read_configurations,
    .read_copy = memory_read_copy,
    .space = memory_space,
    .close = memory_close,
};

/* --- opening -------------------------------------------------------------------------------------------- */

static void found(struct log_memory_disk *disk, const struct random *random)
{
    log_memory_write_slot(disk, &disk->hard);
    while (disk->identity.replica_id == 0) {
        disk->identity.replica_id = random_u64(random);
    }
    log_memory_journal_make(disk);
}

/* T2: as if the directory had been moved aside. */
static void retire(struct log_memory_disk *disk, const char *reason)
{
    replica_id retired = disk->identity.replica_id;
    MARK("log_memory.doubt");
    log_memory_empty(disk);
    disk->retired_id = retired;
    (void)text_copy(disk->doubt_reason, sizeof disk->doubt_reason, reason);
}

/* T6 */
static void drop_copy(struct log_memory_disk *disk)
{
    MARK("log_memory.copy_dropped_at_open");
    for (int space = 0; space < COPY_SPACE_COUNT; space++) {
        log_memory_clear(disk, log_memory_space(disk, (enum log_copy_space)space, disk->generation));
    }
    disk->applied = (struct log_position){ 0 };
    disk->history_first = 1;
    memset(disk->state_hash, 0, sizeof disk->state_hash);
}

static enum log_copy_state copy_state(const struct log_memory_disk *disk)
{
    if (disk->copy_damaged) return LOG_COPY_SNAPSHOT;
    if (disk->applied.index >= disk->committed) return LOG_COPY_SOUND;
    return disk->base.index > disk->applied.index ? LOG_COPY_SNAPSHOT : LOG_COPY_REPLAY;
}

/* J2: before anything else is read, the tables get what the journal has beyond them. */
static enum status replay(struct log_memory_disk *disk, struct error *error)
{
    enum status status = log_memory_journal_examine(disk, error);
    if (status == STATUS_OK) write_tables(disk, NULL, 0);
    return status;
}

static void fill_boot(const struct log_memory_disk *disk, struct log_boot *boot)
{
    boot->identity = disk->identity;
    boot->hard = disk->hard;
    boot->base = disk->base;
    boot->last = disk->base;
    boot->applied = disk->applied;
    boot->committed = disk->committed;
    boot->history_first = disk->history_first;
    memcpy(boot->state_hash, disk->state_hash, sizeof boot->state_hash);
    boot->generation = disk->generation;
    boot->copy_state = copy_state(disk);
    boot->receiving = disk->receiving;
    boot->retired_id = disk->retired_id;
    memcpy(boot->doubt_reason, disk->doubt_reason, sizeof boot->doubt_reason);
    const struct raft_entry *last = log_memory_disk_entry(disk, log_memory_disk_last(disk));
    if (last != NULL) boot->last = (struct log_position){ last->index, last->term, last->chain };
    size_t count = disk->configuration_count;
    boot->configuration_index = count == 0 ? 0 : disk->configurations[count - 1].index;
}

enum status log_memory_open(struct log_memory_disk *disk, const struct random *random, struct log **out_log,
                            struct error *error)
{
    struct log_memory_verdict verdict = { .copy_damaged = false };
    struct error own;
    CHECK(disk->open_count == 0); /* Two openers are forbidden (section 3). */
    (void)error;
    bool sound = replay(disk, &own) == STATUS_OK;
    if (PLANTED("log_memory.damage_is_truncated")) log_memory_cut_damage(disk);
    if (sound && disk->identity.replica_id != 0) sound = log_memory_check(disk, &verdict, &own) == STATUS_OK;
    if (!sound) {
        retire(disk, own.message);
        verdict = (struct log_memory_verdict){ .copy_damaged = false };
    }
    bool forgets =
        PLANTED("log_memory.last_entry_is_forgotten") && log_memory_disk_last(disk) > disk->committed;
    if (forgets) log_memory_truncate(disk, log_memory_disk_last(disk));
    if (disk->identity.replica_id == 0) found(disk, random);
    else disk->hard = verdict.hard; /* T1 */
    if (verdict.guard_lost) log_memory_write_slot(disk, &disk->hard);
    bool damaged = verdict.copy_damaged || disk->copy_damaged;
    if (damaged && disk->applied.index != 0) drop_copy(disk);
    struct log_memory *memory = memory_zalloc(sizeof *memory);
    memory->disk = disk;
    memory->log.ops = &memory_ops;
    fill_boot(disk, &memory->log.boot);
    refresh(memory);
    disk->open_count++;
    *out_log = &memory->log;
    return STATUS_OK;
}
