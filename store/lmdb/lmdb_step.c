/* lmdb_step: see the header. What a write changes is staged in struct lmdb_step and taken over once it is
 * durable. */
#include "store/lmdb/lmdb_step.h"

#include "runtime/base/check.h"
#include "runtime/base/failpoint.h"
#include "store/lmdb/lmdb_copy.h"
#include "store/lmdb/lmdb_entries.h"

static enum status install(struct lmdb_step *step, const struct log_install *install)
{
    enum status status = lmdb_entries_install(step, install);
    return status == STATUS_OK ? lmdb_copy_flip(step, install) : status;
}

static enum status write_log(struct lmdb_step *step, const struct log_batch *batch)
{
    enum status status = STATUS_OK;
    if (batch->hard != NULL) step->system.hard = *batch->hard;
    if (batch->install != NULL) status = install(step, batch->install);
    if (status == STATUS_OK && batch->truncate_from != 0) {
        status = lmdb_entries_truncate(step, batch->truncate_from);
    }
    if (status == STATUS_OK) status = lmdb_entries_append(step, batch->entries, batch->entry_count);
    if (batch->cluster_id != 0) step->system.identity.cluster_id = batch->cluster_id;
    return status;
}

static enum status write_batch(struct lmdb_step *step, const struct log_batch *batch)
{
    enum status status = write_log(step, batch);
    if (status == STATUS_OK && batch->has_copy) status = lmdb_copy_write(step, batch);
    if (status == STATUS_OK && batch->chunk != NULL) status = lmdb_copy_receive(step, batch->chunk);
    if (status == STATUS_OK && batch->clear_inactive) status = lmdb_copy_clear(step);
    if (status == STATUS_OK && batch->compact_to != 0) status = lmdb_entries_compact(step, batch->compact_to);
    if (batch->copy_damaged) step->system.copy_damaged = true;
    return status;
}

/* What is live after this step; of the log's size LMDB knows the pages. */
static enum status look(struct lmdb_step *step, struct log_live *live)
{
    MDB_stat stat;
    int code = mdb_stat(step->txn, step->lmdb->tables.table[TABLE_LOG], &stat);
    if (code != 0) return lmdb_tables_error(step->error, code, "look at the log");
    live->entry_bytes =
        (uint64_t)stat.ms_psize * (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages);
    live->base = step->system.base;
    live->last = step->last;
    live->applied = step->system.applied;
    live->generation = step->system.generation;
    live->receiving = step->system.receiving;
    live->preparing = step->lmdb->log.live.preparing;
    return lmdb_copy_is_empty(step, &live->inactive_empty);
}

/* Puts what all of it has in common, makes it durable, and takes it over. */
static enum status finish(struct lmdb_step *step)
{
    struct lmdb_log *lmdb = step->lmdb;
    struct log_live live = { .entry_bytes = 0 };
    step->system.journal_sequence = lmdb->journal.cursor.end.sequence;
    step->system.journal_at = lmdb->journal.cursor.end.at;
    enum status status = lmdb_tables_put_hard(&lmdb->tables, step->txn, &step->system.hard, step->error);
    if (status == STATUS_OK && step->receiving_changed) {
        status = lmdb_tables_put_receiving(&lmdb->tables, step->txn, &step->system.receiving, step->error);
    }
    if (status == STATUS_OK) {
        status = lmdb_tables_put_system(&lmdb->tables, step->txn, &step->system, step->error);
    }
    if (status == STATUS_OK) status = look(step, &live);
    if (status == STATUS_OK) status = lmdb_tables_commit(&step->txn, step->error);
    if (status != STATUS_OK) return status;
    lmdb->system = step->system;
    lmdb->last = step->last;
    lmdb->log.live = live;
    lmdb_journal_settled(lmdb);
    return STATUS_OK;
}

static enum status begin(struct lmdb_step *step, struct lmdb_log *lmdb, struct error *error)
{
    *step = (struct lmdb_step){ .lmdb = lmdb, .system = lmdb->system, .last = lmdb->last, .error = error };
    return lmdb_tables_begin(&lmdb->tables, true, &step->txn, error);
}

static bool hard_equal(const struct hard_state *a, const struct hard_state *b)
{
    return a->term == b->term && a->vote == b->vote;
}

/* D5. The last change counts: nothing leaves between the batches of one write. */
enum status lmdb_step_guard(struct lmdb_log *lmdb, const struct log_batch *batches, uint32_t count,
                            struct error *error)
{
    struct lmdb_guard_state state = { lmdb->system.identity, lmdb->guard.state.hard };
    for (uint32_t i = 0; i < count; i++) {
        if (batches[i].hard != NULL) state.hard = *batches[i].hard;
        if (batches[i].cluster_id != 0) state.identity.cluster_id = batches[i].cluster_id;
    }
    if (hard_equal(&state.hard, &lmdb->guard.state.hard)) return STATUS_OK;
    FAILPOINT("guard.before");
    enum status status = lmdb_guard_write(&lmdb->guard, &state, error);
    FAILPOINT("guard.written");
    return status;
}

/* Between which of its effects a step can be cut short: named by what the step is for. */
static void pass_failpoint(const struct log_batch *batches, uint32_t count, bool after)
{
    (void)after;
    for (uint32_t i = 0; i < count; i++) {
        if (batches[i].install != NULL) FAILPOINT(after ? "install.committed" : "install.before");
        if (batches[i].chunk != NULL) FAILPOINT(after ? "chunk.committed" : "chunk.before");
        if (batches[i].clear_inactive) FAILPOINT(after ? "clear.committed" : "clear.before");
        if (batches[i].compact_to != 0) FAILPOINT(after ? "compact.committed" : "compact.before");
        if (batches[i].truncate_from != 0) FAILPOINT(after ? "truncate.committed" : "truncate.before");
        if (batches[i].has_copy) FAILPOINT(after ? "copy.committed" : "copy.before");
        if (batches[i].entry_count > 0) FAILPOINT(after ? "entries.committed" : "entries.before");
    }
}

enum status lmdb_step_write(struct lmdb_log *lmdb, const struct log_batch *batches, uint32_t count,
                            struct error *error)
{
    struct lmdb_step step;
    struct log_batch pending = journal_pending_batch(&lmdb->journal.pending);
    bool settles = !journal_pending_is_empty(&lmdb->journal.pending);
    enum status status = begin(&step, lmdb, error);
    if (status != STATUS_OK) return status;
    if (settles) status = write_batch(&step, &pending);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        status = write_batch(&step, &batches[i]);
    }
    pass_failpoint(batches, count, false);
    if (settles) FAILPOINT("settle.before");
    if (status == STATUS_OK) status = finish(&step);
    lmdb_tables_abort(&step.txn);
    if (settles) FAILPOINT("settle.committed");
    pass_failpoint(batches, count, true);
    return status;
}

enum status lmdb_step_drop_copy(struct lmdb_log *lmdb, struct error *error)
{
    struct lmdb_step step;
    CHECK(journal_pending_is_empty(&lmdb->journal.pending)); /* Replayed. */
    enum status status = begin(&step, lmdb, error);
    if (status != STATUS_OK) return status;
    status = lmdb_copy_drop(&step);
    if (status == STATUS_OK) status = finish(&step);
    lmdb_tables_abort(&step.txn);
    return status;
}

enum status lmdb_step_look(struct lmdb_log *lmdb, struct error *error)
{
    struct lmdb_step step = { .lmdb = lmdb, .system = lmdb->system, .last = lmdb->last, .error = error };
    enum status status = lmdb_tables_begin(&lmdb->tables, false, &step.txn, error);
    if (status == STATUS_OK) status = look(&step, &lmdb->log.live);
    lmdb_tables_abort(&step.txn);
    return status;
}
