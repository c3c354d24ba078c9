/* raft_disk: see the header. */
#include "tests/support/raft_disk.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <string.h>

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

void raft_log_restart(struct raft_log *log, const struct log_position *base)
{
    raft_log_truncate(log, 0);
    log->base = *base;
}

void raft_log_copy(struct raft_log *to, const struct raft_log *from)
{
    to->base = from->base;
    for (uint64_t i = 0; i < from->count; i++) {
        raft_log_append(to, &from->entries[i]);
    }
}

const struct raft_entry *raft_log_at(const struct raft_log *log, log_index index)
{
    if (index <= log->base.index || index - log->base.index > log->count) return NULL;
    return &log->entries[index - log->base.index - 1];
}

struct log_position raft_log_last(const struct raft_log *log)
{
    if (log->count == 0) return log->base;
    const struct raft_entry *entry = &log->entries[log->count - 1];
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
        CHECK(entries[i].index == raft_log_last(log).index + 1);
        raft_log_append(log, &entries[i]);
    }
}

static void flip(struct raft_log *log, const struct raft_state *received, bool keep_log)
{
    if (!keep_log) raft_log_restart(log, &received->position);
}

bool raft_state_apply(struct raft_state *state, const struct raft_entry *entry)
{
    const void *payload = entry->payload == NULL ? NULL : entry->payload->data;
    size_t size = entry->payload == NULL ? 0 : entry->payload->size;
    uint64_t chain =
        entry_chain(state->position.chain, entry->index, entry->term, entry->type, payload, size);
    if (entry->index != state->position.index + 1 || entry->chain != chain) return false;
    state->position =
        (struct log_position){ .index = entry->index, .term = entry->term, .chain = entry->chain };
    if (entry->type == ENTRY_CONFIGURATION) {
        state->configuration.index = entry->index;
        CHECK(configuration_unpack(payload, size, &state->configuration.configuration) == STATUS_OK);
    }
    if (entry->type == ENTRY_CHECKPOINT)
        CHECK(checkpoint_unpack(payload, size, &state->checkpoint) == STATUS_OK);
    return true;
}

static void append_batch(struct raft_disk *disk, struct raft_batch *batch)
{
    if (disk->last == NULL) disk->first = batch;
    else disk->last->next = batch;
    disk->last = batch;
}

void raft_disk_install(struct raft_disk *disk, const struct core_install *install,
                       const struct raft_state *received)
{
    struct raft_batch *batch = memory_zalloc(sizeof *batch);
    batch->sequence = install->sequence;
    batch->installs = true;
    batch->keep_log = install->keep_log;
    batch->received = *received;
    append_batch(disk, batch);
    flip(&disk->written, received, install->keep_log);
}

static void note_configuration(struct raft_disk *disk, const struct raft_entry *entry)
{
    if (entry->type != ENTRY_CONFIGURATION) return;
    disk->base_configuration.index = entry->index;
    CHECK(configuration_unpack(entry->payload->data, entry->payload->size,
                               &disk->base_configuration.configuration) == STATUS_OK);
}

static void drop_first(struct raft_log *log, uint64_t count)
{
    const struct raft_entry *last = &log->entries[count - 1];
    log->base = (struct log_position){ .index = last->index, .term = last->term, .chain = last->chain };
    for (uint64_t i = 0; i < count; i++) {
        bytes_unref(&log->entries[i].payload);
    }
    log->count -= count;
    memmove(log->entries, log->entries + count, log->count * sizeof log->entries[0]);
}

struct log_position raft_disk_compact(struct raft_disk *disk, log_index index)
{
    CHECK(index <= disk->copy.position.index);
    uint64_t count = index - disk->log.base.index;
    for (uint64_t i = 0; i < count; i++) {
        note_configuration(disk, &disk->log.entries[i]);
    }
    drop_first(&disk->log, count);
    drop_first(&disk->written, index - disk->written.base.index);
    return disk->log.base;
}

void raft_disk_clone(struct raft_disk *to, const struct raft_disk *from)
{
    to->hard = from->hard;
    raft_log_copy(&to->log, &from->log);
    raft_log_copy(&to->written, &from->log);
    to->base_configuration = from->base_configuration;
    to->copy = from->copy;
    to->damaged = from->damaged;
    to->replay_till = from->replay_till;
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
    append_batch(disk, batch);
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
    if (batch->installs) {
        flip(&disk->log, &batch->received, batch->keep_log);
        if (!batch->keep_log) disk->base_configuration = batch->received.configuration;
        disk->copy = batch->received;
        disk->damaged = false;
    }
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

static void add_configuration(struct core_init *init, struct core_log_configuration *configurations,
                              const struct core_log_configuration *found)
{
    uint32_t *count = &init->configuration_count;
    if (found->index <= init->applied) *count = 0; /* The newest of those counts. */
    if (*count == CORE_CONFIGURATIONS_MAX) {
        (*count)--;
        memmove(configurations, configurations + 1, *count * sizeof configurations[0]);
    }
    configurations[(*count)++] = *found;
}

void raft_disk_init(const struct raft_disk *disk, struct core_term_run *runs,
                    struct core_log_configuration *configurations, struct core_init *out_init)
{
    *out_init = (struct core_init){
        .start = CORE_START_RESTARTED,
        .hard = disk->hard,
        .base = disk->log.base,
        .last = raft_log_last(&disk->log),
        .applied = disk->damaged ? disk->log.base.index : disk->copy.position.index,
        .damaged = disk->damaged,
        .replay_till = disk->replay_till,
        .term_runs = runs,
        .configurations = configurations,
    };
    if (disk->base_configuration.index != 0) {
        add_configuration(out_init, configurations, &disk->base_configuration);
    }
    for (uint64_t i = 0; i < disk->log.count; i++) {
        const struct raft_entry *entry = &disk->log.entries[i];
        uint32_t *count = &out_init->term_run_count;
        if (*count == 0 || runs[*count - 1].term != entry->term) {
            CHECK(*count < CORE_TERM_RUNS_MAX);
            runs[(*count)++] = (struct core_term_run){ .term = entry->term, .first = entry->index };
        }
        if (entry->type != ENTRY_CONFIGURATION) continue;
        struct core_log_configuration found = { .index = entry->index };
        CHECK(configuration_unpack(entry->payload->data, entry->payload->size, &found.configuration) ==
              STATUS_OK);
        add_configuration(out_init, configurations, &found);
    }
}
