/* lmdb_journal: see the header. */
#include "store/lmdb/lmdb_journal.h"

#include "runtime/base/check.h"
#include "runtime/base/failpoint.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "store/lmdb/lmdb_space.h"
#include "store/lmdb/lmdb_state.h"
#include "store/lmdb/lmdb_step.h"

#include <string.h>

/* More than that in one write is no small thing anyway: the tables take it. */
static const size_t batch_bytes_max = (size_t)1024 * 1024;
static const size_t buffer_bytes_kept = (size_t)64 * 1024;

/* --- what a write comes from ---------------------------------------------------------------------------- */

static void make_buffer(struct lmdb_journal *journal, size_t size)
{
    if (journal->buffer_size >= size) return;
    memory_free(journal->buffer);
    journal->buffer_size = size < buffer_bytes_kept ? buffer_bytes_kept : size;
    journal->buffer = journal_file_buffer(journal->buffer_size);
}

static void clean_buffer(struct lmdb_journal *journal, size_t used)
{
    memset(journal->buffer, 0, used);
    if (journal->buffer_size <= buffer_bytes_kept) return;
    memory_free(journal->buffer);
    journal->buffer = NULL;
    journal->buffer_size = 0;
}

/* --- a start -------------------------------------------------------------------------------------------- */

static log_index floor_of(const struct lmdb_system *system)
{
    return system->committed > system->base.index ? system->committed : system->base.index;
}

enum status lmdb_journal_examine(const struct journal_file *file, const struct lmdb_system *system,
                                 log_index tables_last, struct journal_pending *pending,
                                 struct journal_scan *out_scan, struct error *error)
{
    uint8_t *segments = NULL;
    struct journal_point tables = { system->journal_sequence, system->journal_at };
    journal_pending_begin(pending, tables_last, floor_of(system));
    enum status status = journal_file_read(file, &segments, error);
    if (status != STATUS_OK) return status;
    struct journal_image image = { segments, file->segment_size, file->journal };
    status = journal_scan(&image, &tables, pending, out_scan, error);
    memory_free(segments);
    if (status != STATUS_OK) journal_pending_clear(pending);
    return status;
}

/* J2 */
static enum status erase(struct lmdb_journal *journal, const struct journal_scan *scan, struct error *error)
{
    MARK("lmdb.journal_torn_at_open");
    make_buffer(journal, scan->torn_size);
    enum status status =
        journal_file_write(&journal->file, scan->torn_at, journal->buffer, scan->torn_size, error);
    clean_buffer(journal, scan->torn_size);
    return status;
}

/* What was found is durable before the tables rely on it: who wrote it may not have come to that. */
static enum status replay(struct lmdb_log *lmdb, bool *out_replayed, struct error *error)
{
    struct lmdb_journal *journal = &lmdb->journal;
    struct journal_scan scan;
    enum status status = journal_file_sync(&journal->file, error);
    if (status == STATUS_OK) {
        status =
            lmdb_journal_examine(&journal->file, &lmdb->system, lmdb->last, &journal->pending, &scan, error);
    }
    if (status != STATUS_OK) return status;
    if (scan.torn_size > 0) status = erase(journal, &scan, error);
    if (status != STATUS_OK) return status;
    journal_cursor_resume(&journal->cursor, journal->file.segment_size, &scan, lmdb->system.journal_sequence);
    *out_replayed = scan.end.sequence != lmdb->system.journal_sequence;
    if (!*out_replayed) return STATUS_OK;
    MARK("lmdb.journal_replayed");
    struct log_space space;
    lmdb_space_look(lmdb, &space); /* F2: on a full disk it takes the reserve to come up. */
    FAILPOINT("replay.before");
    status = lmdb_step_write(lmdb, NULL, 0, error);
    FAILPOINT("replay.committed");
    return status;
}

enum status lmdb_journal_open(struct lmdb_log *lmdb, bool *out_replayed, struct error *error)
{
    struct lmdb_journal *journal = &lmdb->journal;
    *out_replayed = false;
    journal_pending_begin(&journal->pending, lmdb->last, floor_of(&lmdb->system));
    if (lmdb->system.journal == 0) return STATUS_OK;
    journal->file = (struct journal_file){ -1, lmdb->system.journal, lmdb->system.identity.replica_id, 0 };
    enum status status = journal_file_open(lmdb->store, true, &journal->file, error);
    return status == STATUS_OK ? replay(lmdb, out_replayed, error) : status;
}

void lmdb_journal_close(struct lmdb_journal *journal, const char *store)
{
    journal_file_give_up(store, &journal->making);
    journal_file_close(&journal->file);
    journal_pending_clear(&journal->pending);
    memory_free(journal->buffer);
    journal->buffer = NULL;
}

/* --- writing -------------------------------------------------------------------------------------------- */

bool lmdb_journal_takes(const struct lmdb_log *lmdb, const struct log_batch *batches, uint32_t count)
{
    const struct lmdb_journal *journal = &lmdb->journal;
    if (journal->file.fd < 0) return false;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t cluster_id = batches[i].cluster_id;
        bool joins = cluster_id != 0 && cluster_id != lmdb->system.identity.cluster_id;
        if (joins || !journal_batch_fits(&batches[i])) return false;
    }
    size_t size = journal_batch_disk_size(journal_batch_stream_size(batches, count));
    uint64_t at = 0;
    if (size > batch_bytes_max) return false;
    return size == 0 || journal_cursor_find(&journal->cursor, size, &at);
}

static void refresh_live(struct lmdb_log *lmdb, size_t bytes)
{
    const struct journal_pending *pending = &lmdb->journal.pending;
    struct log_live *live = &lmdb->log.live;
    live->last = journal_pending_last(pending);
    live->entry_bytes += bytes;
    live->unsettled_entries = pending->entry_count;
    live->unsettled_bytes = pending->bytes;
    live->unsettled = !journal_pending_is_empty(pending);
}

static enum status append(struct lmdb_journal *journal, const struct log_batch *batches, uint32_t count,
                          size_t size, struct error *error)
{
    uint64_t at = 0;
    bool found = journal_cursor_find(&journal->cursor, size, &at);
    CHECK(found); /* lmdb_journal_takes said so. */
    if (at % journal->file.segment_size == 0) FAILPOINT("journal.switch");
    make_buffer(journal, size);
    journal_batch_pack(journal->file.journal, journal->cursor.end.sequence + 1, batches, count,
                       journal->buffer);
    FAILPOINT("journal.before");
    enum status status = journal_file_write(&journal->file, at, journal->buffer, size, error);
    FAILPOINT("journal.written");
    clean_buffer(journal, size);
    if (status != STATUS_OK) return status;
    journal_cursor_wrote(&journal->cursor, at, size);
    return STATUS_OK;
}

enum status lmdb_journal_write(struct lmdb_log *lmdb, const struct log_batch *batches, uint32_t count,
                               struct error *error)
{
    struct lmdb_journal *journal = &lmdb->journal;
    size_t bytes = journal_batch_stream_size(batches, count);
    enum status status = STATUS_OK;
    if (bytes > 0) status = append(journal, batches, count, journal_batch_disk_size(bytes), error);
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; i < count; i++) {
        journal_pending_keep(&journal->pending, &batches[i]);
    }
    refresh_live(lmdb, bytes);
    return STATUS_OK;
}

void lmdb_journal_settled(struct lmdb_log *lmdb)
{
    struct lmdb_journal *journal = &lmdb->journal;
    journal_pending_clear(&journal->pending);
    journal_pending_begin(&journal->pending, lmdb->last, floor_of(&lmdb->system));
    journal_cursor_settle(&journal->cursor);
}

/* --- making one ----------------------------------------------------------------------------------------- */

void lmdb_journal_consider(struct lmdb_log *lmdb, uint64_t spare_bytes)
{
    struct lmdb_journal *journal = &lmdb->journal;
    bool wanted = journal->segment_size > 0 && journal->file.fd < 0 && journal->making.fd < 0;
    if (!wanted || spare_bytes < (uint64_t)JOURNAL_SEGMENTS * journal->segment_size * 2) return;
    struct journal_file *file = &journal->file;
    file->segment_size = journal->segment_size;
    file->replica = lmdb->system.identity.replica_id;
    /* Failing is fine: it is tried again at the next look. */
    lmdb->log.live.preparing = journal_file_make(lmdb->store, file, &journal->making, NULL) == STATUS_OK;
}

/* From now on writes go there. One that has its name and is not in `sys` is nobody's: it is made again. */
static enum status begin_using(struct lmdb_log *lmdb, struct error *error)
{
    struct lmdb_journal *journal = &lmdb->journal;
    enum status status = journal_file_open(lmdb->store, true, &journal->file, error);
    if (status != STATUS_OK) return status;
    journal_cursor_begin(&journal->cursor, journal->file.segment_size);
    lmdb->system.journal = journal->file.journal;
    status = lmdb_step_write(lmdb, NULL, 0, error);
    FAILPOINT("journal.known");
    return status;
}

enum status lmdb_journal_prepare(struct lmdb_log *lmdb, struct error *error)
{
    struct lmdb_journal *journal = &lmdb->journal;
    bool done = false;
    if (journal->making.fd < 0) return STATUS_OK;
    enum status status = journal_file_make_more(lmdb->store, &journal->file, &journal->making, &done, NULL);
    lmdb->log.live.preparing = status == STATUS_OK && !done;
    return done && status == STATUS_OK ? begin_using(lmdb, error) : STATUS_OK;
}
