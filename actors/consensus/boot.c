/* boot: looks where terms begin instead of reading all entries: they were checked when the log was opened. */
#include "actors/consensus/boot.h"

#include "runtime/base/memory.h"
#include "store/record.h"
#include "store/schema/cluster_checkpoint.h"

#include <string.h>

enum {
    CHECKPOINT_STEP = 64,
    CHECKPOINT_STEPS_MAX = 24
}; /* A CHECKPOINT is written each 1,024 entries (T5). */

static void keep_entry(void *context, const struct raft_entry *entry)
{
    struct raft_entry *kept = context;
    *kept = *entry;
    bytes_ref(entry->payload);
}

/* One entry, with a reference. */
static enum status read_one(struct log *log, log_index index, struct raft_entry *out_entry,
                            struct error *error)
{
    enum status status = log->ops->read(log, index, index, 1, keep_entry, out_entry, error);
    if (status != STATUS_NOT_FOUND) return status;
    return error_set(error, STATUS_CORRUPT, "entry %llu is missing", (unsigned long long)index);
}

static enum status term_of(struct log *log, log_index index, log_term *out_term, struct error *error)
{
    struct raft_entry entry;
    enum status status = read_one(log, index, &entry, error);
    if (status != STATUS_OK) return status;
    *out_term = entry.term;
    bytes_unref(&entry.payload);
    return STATUS_OK;
}

/* --- term runs ------------------------------------------------------------------------------------------ */

static void note_run(struct boot *boot, log_term term, log_index first)
{
    if (boot->run_count == CORE_TERM_RUNS_MAX) {
        boot->run_count--;
        memmove(boot->runs, boot->runs + 1, boot->run_count * sizeof *boot->runs);
    }
    boot->runs[boot->run_count++] = (struct core_term_run){ .term = term, .first = first };
}

/* The first index after `from` whose term is not that of `from`; last + 1 if there is none. Terms never fall,
 * so the steps may double, and then halve. */
static enum status end_of_run(struct log *log, log_index from, log_index last, log_term term,
                              log_index *out_end, struct error *error)
{
    log_index inside = from;
    log_index outside = last + 1;
    log_index step = 1;
    while (outside - inside > 1) {
        log_index at = step < outside - inside ? inside + step : inside + (outside - inside) / 2;
        log_term found = 0;
        enum status status = term_of(log, at, &found, error);
        if (status != STATUS_OK) return status;
        if (found == term) inside = at;
        else outside = at;
        step = found == term ? step * 2 : last; /* Past the end: halve from now on. */
    }
    *out_end = outside;
    return STATUS_OK;
}

static enum status find_runs(struct log *log, struct boot *boot, struct error *error)
{
    log_index last = log->boot.last.index;
    log_term before = log->boot.base.term;
    log_index at = log->boot.base.index + 1;
    while (at <= last) {
        log_term term = 0;
        enum status status = term_of(log, at, &term, error);
        if (status == STATUS_OK && term < before) {
            status = error_set(error, STATUS_CORRUPT, "the term of entry %llu falls", (unsigned long long)at);
        }
        if (status != STATUS_OK) return status;
        note_run(boot, term, at);
        before = term;
        status = end_of_run(log, at, last, term, &at, error);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

/* --- configurations ------------------------------------------------------------------------------------- */

struct finding {
    struct boot *boot;
    log_index applied;
    enum status status;
    struct error *error;
};

static void note_configuration(void *context, const struct raft_entry *entry)
{
    struct finding *finding = context;
    struct boot *boot = finding->boot;
    struct core_log_configuration found = { .index = entry->index };
    enum status status = STATUS_CORRUPT;
    if (finding->status != STATUS_OK) return;
    if (entry->payload != NULL) {
        status = configuration_unpack(entry->payload->data, entry->payload->size, &found.configuration);
    }
    if (status != STATUS_OK) {
        finding->status = error_set(finding->error, STATUS_CORRUPT, "entry %llu is no configuration",
                                    (unsigned long long)entry->index);
        return;
    }
    if (entry->index <= finding->applied) boot->configuration_count = 0;
    if (boot->configuration_count == CORE_CONFIGURATIONS_MAX) { /* No truncation reaches the oldest. */
        boot->configuration_count--;
        memmove(boot->configurations, boot->configurations + 1,
                boot->configuration_count * sizeof boot->configurations[0]);
    }
    boot->configurations[boot->configuration_count++] = found;
}

static enum status find_configurations(struct log *log, struct boot *boot, struct error *error)
{
    const struct log_boot *from = &log->boot;
    log_index applied = from->applied.index > from->base.index ? from->applied.index : from->base.index;
    struct finding finding = { .boot = boot, .applied = applied, .error = error };
    enum status status = log->ops->read_configurations(log, note_configuration, &finding, error);
    if (status == STATUS_OK) status = finding.status;
    if (status == STATUS_OK && from->last.index > 0 && boot->configuration_count == 0) {
        return error_set(error, STATUS_CORRUPT, "the log holds no configuration");
    }
    return status;
}

/* --- the applied checkpoint (T3) ------------------------------------------------------------------------ */

static void note_checkpoint(void *context, const struct raft_entry *entry)
{
    struct checkpoint *checkpoint = context;
    struct checkpoint read;
    if (entry->type != ENTRY_CHECKPOINT || entry->payload == NULL) return;
    if (checkpoint_unpack(entry->payload->data, entry->payload->size, &read) == STATUS_OK) *checkpoint = read;
}

/* Backwards, in steps. */
static enum status find_in_log(struct log *log, struct boot *boot, struct error *error)
{
    log_index base = log->boot.base.index;
    log_index end = log->boot.committed;
    for (uint32_t step = 0; step < CHECKPOINT_STEPS_MAX && end > base; step++) {
        log_index from = end > base + CHECKPOINT_STEP ? end - CHECKPOINT_STEP + 1 : base + 1;
        enum status status =
            log->ops->read(log, from, end, SIZE_MAX, note_checkpoint, &boot->checkpoint, error);
        if (status != STATUS_OK || boot->checkpoint.count > 0) return status;
        end = from - 1;
    }
    return STATUS_OK;
}

struct seeking {
    struct checkpoint *checkpoint;
    bool past; /* The record was seen, or is not there. */
};

static enum status look_at_record(void *context, const struct log_copy_record *copy, struct error *error)
{
    struct seeking *seeking = context;
    struct kv_record record;
    int order = copy->space == COPY_RECORD ? strcmp(copy->key, CLUSTER_CHECKPOINT_KEY) : 1;
    seeking->past = order >= 0;
    if (order != 0) return STATUS_OK;
    enum status status = record_unpack(copy->key, copy->value, copy->value_size, &record, error);
    if (status != STATUS_OK) return status;
    if (cluster_checkpoint_read(&record, seeking->checkpoint) == STATUS_OK) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "%s is no checkpoint", CLUSTER_CHECKPOINT_KEY);
}

/* A snapshot that replaced the log, or compaction, has left it in the state only. */
static enum status find_in_copy(struct log *log, struct boot *boot, struct error *error)
{
    struct seeking seeking = { .checkpoint = &boot->checkpoint };
    struct log_copy_cursor cursor = { .space = COPY_RECORD };
    enum status status = STATUS_OK;
    memcpy(cursor.key, CLUSTER_CHECKPOINT_KEY, sizeof CLUSTER_CHECKPOINT_KEY - 2); /* Just before it. */
    while (status == STATUS_OK && !seeking.past && !cursor.done)
        status = log->ops->read_copy(log, log->boot.generation, &cursor, 1, look_at_record, &seeking, error);
    return status;
}

static enum status find_checkpoint(struct log *log, struct boot *boot, struct error *error)
{
    enum status status = find_in_log(log, boot, error);
    bool found = status != STATUS_OK || boot->checkpoint.count > 0;
    return found || log->boot.applied.index == 0 ? status : find_in_copy(log, boot, error);
}

/* --- the two ends --------------------------------------------------------------------------------------- */

static enum status find_ends(struct log *log, struct boot *boot, struct error *error)
{
    const struct log_boot *from = &log->boot;
    struct raft_entry last;
    if (from->last.index == from->base.index) return STATUS_OK; /* No entry is there. */
    enum status status = read_one(log, from->last.index, &last, error);
    if (status != STATUS_OK) return status;
    boot->last_stamp_ms = last.stamp_ms;
    bytes_unref(&last.payload);
    if (from->base.index > 0) return STATUS_OK;
    status = read_one(log, 1, &boot->first, error);
    if (status != STATUS_OK || boot->first.type == ENTRY_CONFIGURATION) return status; /* I2 */
    return error_set(error, STATUS_CORRUPT, "entry 1 is no configuration");
}

enum status boot_read(struct log *log, struct boot *out_boot, struct error *error)
{
    struct boot boot = { .runs = memory_array(CORE_TERM_RUNS_MAX, sizeof *boot.runs) };
    enum status status = find_ends(log, &boot, error);
    if (status == STATUS_OK) status = find_configurations(log, &boot, error);
    if (status == STATUS_OK) status = find_runs(log, &boot, error);
    if (status == STATUS_OK) status = find_checkpoint(log, &boot, error);
    if (status != STATUS_OK) boot_fini(&boot);
    else *out_boot = boot;
    return status;
}

void boot_fini(struct boot *boot)
{
    memory_free(boot->runs);
    boot->runs = NULL;
    bytes_unref(&boot->first.payload);
}
