/* boot: one walk over the log. */
#include "actors/consensus/boot.h"

#include "runtime/base/memory.h"

#include <string.h>

enum { WALK_BYTES = 1024 * 1024 };

struct walk {
    struct boot *boot;
    log_index applied;
    log_index next;
    log_term term; /* Of the entry before. */
    enum status status;
    struct error *error;
};

static void note_run(struct boot *boot, const struct raft_entry *entry)
{
    if (boot->run_count == CORE_TERM_RUNS_MAX) {
        boot->run_count--;
        memmove(boot->runs, boot->runs + 1, boot->run_count * sizeof *boot->runs);
    }
    boot->runs[boot->run_count++] = (struct core_term_run){ .term = entry->term, .first = entry->index };
}

static enum status note_configuration(struct walk *walk, const struct raft_entry *entry)
{
    struct boot *boot = walk->boot;
    struct core_log_configuration found = { .index = entry->index };
    enum status status = STATUS_CORRUPT;
    if (entry->payload != NULL) {
        status = configuration_unpack(entry->payload->data, entry->payload->size, &found.configuration);
    }
    if (status != STATUS_OK) {
        return error_set(walk->error, STATUS_CORRUPT, "entry %llu is no configuration",
                         (unsigned long long)entry->index);
    }
    if (entry->index <= walk->applied) boot->configuration_count = 0;
    if (boot->configuration_count == CORE_CONFIGURATIONS_MAX) {
        return error_set(walk->error, STATUS_CORRUPT, "more than %d configurations after the applied one",
                         CORE_CONFIGURATIONS_MAX);
    }
    boot->configurations[boot->configuration_count++] = found;
    return STATUS_OK;
}

static void on_entry(void *context, const struct raft_entry *entry)
{
    struct walk *walk = context;
    if (walk->status != STATUS_OK) return;
    if (entry->index != walk->next || entry->term < walk->term) {
        walk->status = error_set(walk->error, STATUS_CORRUPT, "entry %llu follows %llu of term %llu",
                                 (unsigned long long)entry->index, (unsigned long long)walk->next - 1,
                                 (unsigned long long)walk->term);
        return;
    }
    if (entry->index == 1 && entry->type != ENTRY_CONFIGURATION) { /* I2 */
        walk->status = error_set(walk->error, STATUS_CORRUPT, "entry 1 is no configuration");
        return;
    }
    if (entry->term > walk->term) note_run(walk->boot, entry);
    if (entry->type == ENTRY_CONFIGURATION) walk->status = note_configuration(walk, entry);
    if (entry->index == 1) {
        walk->boot->first = *entry;
        bytes_ref(entry->payload);
    }
    walk->boot->last_stamp_ms = entry->stamp_ms;
    walk->term = entry->term;
    walk->next++;
}

enum status boot_read(struct log *log, struct boot *out_boot, struct error *error)
{
    struct boot boot = { .runs = memory_array(CORE_TERM_RUNS_MAX, sizeof *boot.runs) };
    log_index last = log->boot.last.index;
    struct walk walk = { .boot = &boot, .applied = log->boot.applied.index, .next = 1, .error = error };
    while (walk.status == STATUS_OK && walk.next <= last) {
        log_index before = walk.next;
        enum status status = log->ops->read(log, walk.next, last, WALK_BYTES, on_entry, &walk, error);
        if (status != STATUS_OK) walk.status = status;
        else if (walk.status == STATUS_OK && walk.next == before) {
            walk.status =
                error_set(error, STATUS_CORRUPT, "entry %llu is missing", (unsigned long long)before);
        }
    }
    if (walk.status != STATUS_OK) boot_fini(&boot);
    else *out_boot = boot;
    return walk.status;
}

void boot_fini(struct boot *boot)
{
    memory_free(boot->runs);
    boot->runs = NULL;
    bytes_unref(&boot->first.payload);
}
