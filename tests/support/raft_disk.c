/* raft_disk: see the header. */
#include "tests/support/raft_disk.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

void raft_log_append(struct raft_log *log, const struct raft_entry *entry)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 64 : 2 * log->capacity;
        log->entries = memory_realloc(log->entries, log->capacity * sizeof log->entries[0]);
    }
    log->entries[log->count] = *entry;
    bytes_ref(entry->payload);
    log->count++;
}

void raft_log_truncate(struct raft_log *log, log_index from)
{
    while (log->count > 0 && log->entries[log->count - 1].index >= from) {
        bytes_unref(&log->entries[--log->count].payload);
    }
}

void raft_log_copy(struct raft_log *to, const struct raft_log *from)
{
    for (uint64_t i = 0; i < from->count; i++) {
        raft_log_append(to, &from->entries[i]);
    }
}

const struct raft_entry *raft_log_at(const struct raft_log *log, log_index index)
{
    if (index == 0 || index > log->count) return NULL;
    return &log->entries[index - 1];
}

struct log_position raft_log_last(const struct raft_log *log)
{
    const struct raft_entry *entry = raft_log_at(log, log->count);
    if (entry == NULL) return (struct log_position){ 0 };
    return (struct log_position){ .index = entry->index, .term = entry->term, .chain = entry->chain };
}

void raft_log_fini(struct raft_log *log)
{
    raft_log_truncate(log, 0);
    memory_free(log->entries);
    *log = (struct raft_log){ 0 };
}

static void take(struct raft_log *log, log_index truncate_from, const struct raft_entry *entries,
                 uint64_t count)
{
    if (truncate_from != 0) raft_log_truncate(log, truncate_from);
    for (uint64_t i = 0; i < count; i++) {
        CHECK(entries[i].index == log->count + 1);
        raft_log_append(log, &entries[i]);
    }
}

void raft_disk_write(struct raft_disk *disk, const struct core_persist *persist)
{
    struct raft_batch *batch = memory_zalloc(sizeof *batch);
    batch->sequence = persist->sequence;
    batch->hard_changed = persist->hard_changed;
    batch->hard = persist->hard;
    batch->truncate_from = persist->truncate_from;
    for (uint32_t i = 0; i < persist->entry_count; i++) {
        raft_log_append(&batch->entries, &persist->entries[i]);
    }
    if (disk->last == NULL) disk->first = batch;
    else disk->last->next = batch;
    disk->last = batch;
    take(&disk->written, persist->truncate_from, persist->entries, persist->entry_count);
}

static struct raft_batch *pop(struct raft_disk *disk)
{
    struct raft_batch *batch = disk->first;
    if (batch == NULL) return NULL;
    disk->first = batch->next;
    if (disk->first == NULL) disk->last = NULL;
    return batch;
}

static void batch_destroy(struct raft_batch *batch)
{
    raft_log_fini(&batch->entries);
    memory_free(batch);
}

bool raft_disk_finish_one(struct raft_disk *disk, uint64_t *out_sequence)
{
    struct raft_batch *batch = pop(disk);
    if (batch == NULL) return false;
    if (batch->hard_changed) disk->hard = batch->hard;
    take(&disk->log, batch->truncate_from, batch->entries.entries, batch->entries.count);
    *out_sequence = batch->sequence;
    batch_destroy(batch);
    return true;
}

uint64_t raft_disk_crash(struct raft_disk *disk)
{
    uint64_t lost = 0;
    for (struct raft_batch *batch = pop(disk); batch != NULL; batch = pop(disk)) {
        batch_destroy(batch);
        lost++;
    }
    raft_log_fini(&disk->written);
    raft_log_copy(&disk->written, &disk->log);
    return lost;
}

void raft_disk_fini(struct raft_disk *disk)
{
    (void)raft_disk_crash(disk);
    raft_log_fini(&disk->written);
    raft_log_fini(&disk->log);
}

void raft_disk_init(const struct raft_disk *disk, struct core_term_run *runs,
                    struct core_log_configuration *configurations, struct core_init *out_init)
{
    *out_init = (struct core_init){
        .start = CORE_START_RESTARTED,
        .hard = disk->hard,
        .last = raft_log_last(&disk->log),
        .applied = disk->applied,
        .term_runs = runs,
        .configurations = configurations,
    };
    for (uint64_t i = 0; i < disk->log.count; i++) {
        const struct raft_entry *entry = &disk->log.entries[i];
        uint32_t *count = &out_init->term_run_count;
        if (*count == 0 || runs[*count - 1].term != entry->term) {
            CHECK(*count < CORE_TERM_RUNS_MAX);
            runs[(*count)++] = (struct core_term_run){ .term = entry->term, .first = entry->index };
        }
        if (entry->type != ENTRY_CONFIGURATION) continue;
        CHECK(out_init->configuration_count < CORE_CONFIGURATIONS_MAX);
        struct core_log_configuration *configuration = &configurations[out_init->configuration_count++];
        configuration->index = entry->index;
        CHECK(configuration_unpack(entry->payload->data, entry->payload->size,
                                   &configuration->configuration) == STATUS_OK);
    }
}
