/* lmdb_log: opens a directory, or doubts it, or makes it; then log, hard state, identity and state copy
 * change in one durable step a write: a batch of the journal, or a transaction. After any error of a write
 * the log is dead: a failed sync is never tried again (F1). Order of what becomes durable: guard (D5), batch
 * (lmdb_journal) or transaction (lmdb_step), `retired` (T3), `member` (I3). */
#include "store/lmdb/lmdb_log.h"

#include "runtime/base/check.h"
#include "runtime/base/failpoint.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/lmdb/lmdb_doubt.h"
#include "store/lmdb/lmdb_line.h"
#include "store/lmdb/lmdb_member.h"
#include "store/lmdb/lmdb_probe.h"
#include "store/lmdb/lmdb_read.h"
#include "store/lmdb/lmdb_space.h"
#include "store/lmdb/lmdb_step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const size_t map_bytes_default = (size_t)16 * 1024 * 1024 * 1024; /* D6 */
static const char *const store_files[] = { "data.mdb", "lock.mdb", "guard" };

struct lmdb_log *lmdb_log_of(struct log *log)
{
    return CONTAINER_OF(log, struct lmdb_log, log);
}

static char *join(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = memory_alloc(size);
    (void)snprintf(path, size, "%s/%s", directory, name);
    return path;
}

/* --- writing -------------------------------------------------------------------------------------------- */

/* I3: as soon as the first entry is durable, and before anything else leaves. */
static enum status write_member(struct lmdb_log *lmdb, struct error *error)
{
    uint64_t cluster_id = lmdb->system.identity.cluster_id;
    if (lmdb->log.live.last == 0 || cluster_id == 0 || lmdb->member == cluster_id) return STATUS_OK;
    FAILPOINT("member.before");
    enum status status = lmdb_member_write(lmdb->directory, cluster_id, error);
    if (status == STATUS_OK) lmdb->member = cluster_id;
    FAILPOINT("member.written");
    return status;
}

/* T3: from now on this store is only ever moved aside. */
static enum status write_doubts(const struct lmdb_log *lmdb, const struct log_batch *batches, uint32_t count,
                                struct error *error)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        if (batches[i].doubt == NULL) continue;
        struct lmdb_retired retired = { .replica_id = lmdb->system.identity.replica_id };
        (void)text_copy(retired.reason, sizeof retired.reason, batches[i].doubt);
        status = lmdb_doubt_write(lmdb->directory, &retired, error);
        FAILPOINT("doubt.marked");
    }
    return status;
}

static enum status write_step(struct lmdb_log *lmdb, const struct log_batch *batches, uint32_t count,
                              struct error *error)
{
    enum status status = lmdb_step_guard(lmdb, batches, count, error);
    if (status != STATUS_OK) return status;
    if (lmdb_journal_takes(lmdb, batches, count)) return lmdb_journal_write(lmdb, batches, count, error);
    return lmdb_step_write(lmdb, batches, count, error);
}

/* F1 */
static enum status die(struct lmdb_log *lmdb, enum status status, struct error *error)
{
    lmdb->dead = true;
    lmdb_space_explain(lmdb, error);
    return status;
}

static enum status lmdb_write(struct log *log, const struct log_batch *batches, uint32_t count,
                              struct error *error)
{
    struct lmdb_log *lmdb = lmdb_log_of(log);
    if (lmdb->dead) return error_set(error, STATUS_IO, "the store has failed before");
    enum status status = write_step(lmdb, batches, count, error);
    if (status == STATUS_OK) status = write_doubts(lmdb, batches, count, error);
    if (status == STATUS_OK) status = write_member(lmdb, error);
    return status == STATUS_OK ? STATUS_OK : die(lmdb, status, error);
}

static enum status lmdb_settle(struct log *log, struct error *error)
{
    struct lmdb_log *lmdb = lmdb_log_of(log);
    if (lmdb->dead) return error_set(error, STATUS_IO, "the store has failed before");
    enum status status =
        log->live.unsettled ? lmdb_step_write(lmdb, NULL, 0, error) : lmdb_journal_prepare(lmdb, error);
    return status == STATUS_OK ? STATUS_OK : die(lmdb, status, error);
}

/* Asked once a second while there are writes: the time to let the map go, too. */
static void lmdb_space(struct log *log, struct log_space *out_space)
{
    struct lmdb_log *lmdb = lmdb_log_of(log);
    lmdb_space_look(lmdb, out_space);
    lmdb_map_let_go(&lmdb->map);
    bool spare = !lmdb->dead && out_space->disk_free > out_space->disk_mark;
    lmdb_journal_consider(lmdb, spare ? out_space->disk_free - out_space->disk_mark : 0);
}

static void lmdb_close(struct log *log)
{
    struct lmdb_log *lmdb = lmdb_log_of(log);
    lmdb_journal_close(&lmdb->journal, lmdb->store);
    lmdb_tables_close(&lmdb->tables);
    lmdb_guard_close(&lmdb->guard);
    if (lmdb->lock >= 0) (void)close(lmdb->lock); /* And the lock with it. */
    memory_free(lmdb->directory);
    memory_free(lmdb->store);
    memory_free(lmdb);
}

static const struct log_ops lmdb_ops = {
    .write = lmdb_write,
    .settle = lmdb_settle,
    .read = lmdb_read_entries,
    .read_configurations = lmdb_read_configurations,
    .read_copy = lmdb_read_copy,
    .space = lmdb_space,
    .close = lmdb_close,
};

/* --- a new store ---------------------------------------------------------------------------------------- */

static enum status make_directory(const char *path, struct error *error)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return STATUS_OK;
    return error_set(error, STATUS_IO, "make %s: %s", path, strerror(errno));
}

/* What a start left that was cut short while it made a store: nobody has heard of that replica id. */
static enum status remove_unfinished(const char *fresh, struct error *error)
{
    for (size_t i = 0; i < sizeof store_files / sizeof store_files[0]; i++) {
        char *path = join(fresh, store_files[i]);
        (void)unlink(path);
        memory_free(path);
    }
    if (rmdir(fresh) == 0 || errno == ENOENT) return STATUS_OK;
    return error_set(error, STATUS_IO, "remove %s: %s", fresh, strerror(errno));
}

static enum status make_guard(const char *fresh, const struct log_identity *identity, struct error *error)
{
    struct lmdb_guard guard;
    char *path = join(fresh, "guard");
    enum status status = lmdb_guard_open(&guard, path, true, error);
    if (status == STATUS_OK) {
        status = lmdb_guard_write(&guard, &(struct lmdb_guard_state){ .identity = *identity }, error);
        lmdb_guard_close(&guard);
    }
    memory_free(path);
    return status;
}

static enum status make_environment(const char *fresh, size_t map_bytes, struct lmdb_system *system,
                                    struct error *error)
{
    struct lmdb_tables tables = { .environment = NULL };
    MDB_txn *txn = NULL;
    enum status status = lmdb_tables_open(&tables, fresh, map_bytes, LMDB_TO_MAKE, error);
    if (status == STATUS_OK) status = lmdb_tables_begin(&tables, true, &txn, error);
    if (status == STATUS_OK) status = lmdb_tables_use(&tables, txn, true, error);
    if (status == STATUS_OK) status = lmdb_tables_put_hard(&tables, txn, &system->hard, error);
    if (status == STATUS_OK) status = lmdb_tables_put_system(&tables, txn, system, error);
    if (status == STATUS_OK) status = lmdb_tables_commit(&txn, error);
    lmdb_tables_abort(&txn);
    lmdb_tables_close(&tables);
    return status;
}

/* I1: a replica id for a store that has none. A node that was a member once may only join that cluster (I3).
 */
static enum status found_store(const struct lmdb_log *lmdb, const struct lmdb_log_options *options,
                               size_t map_bytes, const struct lmdb_retired *retired, struct error *error)
{
    struct lmdb_system system = { .identity = { .cluster_id = lmdb->member }, .history_first = 1 };
    while (system.identity.replica_id == 0) {
        system.identity.replica_id = random_u64(options->random);
    }
    system.retired_id = retired->replica_id;
    memcpy(system.doubt_reason, retired->reason, sizeof system.doubt_reason);
    char *fresh = join(lmdb->directory, "store.new");
    enum status status = remove_unfinished(fresh, error);
    if (status == STATUS_OK) status = make_directory(fresh, error);
    if (status == STATUS_OK) status = make_guard(fresh, &system.identity, error);
    FAILPOINT("found.guard");
    if (status == STATUS_OK) status = make_environment(fresh, map_bytes, &system, error);
    if (status == STATUS_OK) status = lmdb_line_sync_directory(fresh, error);
    FAILPOINT("found.before_rename");
    if (status == STATUS_OK && rename(fresh, lmdb->store) != 0) { /* Replaces an empty folder. */
        status = error_set(error, STATUS_IO, "rename %s: %s", fresh, strerror(errno));
    }
    if (status == STATUS_OK) status = lmdb_line_sync_directory(lmdb->directory, error);
    FAILPOINT("found.renamed");
    memory_free(fresh);
    return status;
}

/* --- an existing one ------------------------------------------------------------------------------------ */

static enum status lock_directory(struct lmdb_log *lmdb, struct error *error)
{
    lmdb->lock = open(lmdb->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lmdb->lock < 0) return error_set(error, STATUS_IO, "open %s: %s", lmdb->directory, strerror(errno));
    if (flock(lmdb->lock, LOCK_EX | LOCK_NB) == 0) return STATUS_OK;
    if (errno != EWOULDBLOCK) {
        return error_set(error, STATUS_IO, "lock %s: %s", lmdb->directory, strerror(errno));
    }
    (void)error_set(error, STATUS_CONFLICT, "%s is in use by another process", lmdb->directory);
    error_hint(error, "stop the node that runs on it, or give this one a node.data of its own");
    return STATUS_CONFLICT;
}

/* In the order of the rule: known to be retired, then the probe's word. */
static enum status examine(const struct lmdb_log *lmdb, size_t map_bytes, const struct lmdb_retired *retired,
                           struct lmdb_check *out_check, struct error *error)
{
    struct lmdb_check_options options = { lmdb->store, lmdb->member, map_bytes };
    enum status status = lmdb_probe(&options, out_check, error);
    replica_id id = out_check->system.identity.replica_id;
    bool was_retired = status == STATUS_OK && id != 0 && id == retired->replica_id;
    return was_retired ? error_set(error, STATUS_CORRUPT, "%s", retired->reason) : status;
}

/* The probe may have died before it read `sys`: the guard names the replica too. */
static replica_id id_of_doubted(const struct lmdb_log *lmdb, const struct lmdb_check *check)
{
    struct lmdb_guard guard = { .fd = -1 };
    replica_id id = check->system.identity.replica_id;
    char *path = join(lmdb->store, "guard");
    if (id == 0 && lmdb_guard_open(&guard, path, false, NULL) == STATUS_OK && guard.sequence != 0) {
        id = guard.state.identity.replica_id;
    }
    lmdb_guard_close(&guard);
    memory_free(path);
    return id;
}

/* T2. The retirement is durable before the directory moves, so that it is told whatever comes between. */
static enum status retire(const struct lmdb_log *lmdb, const struct lmdb_check *check,
                          struct lmdb_retired *retired, struct error *error)
{
    retired->replica_id = id_of_doubted(lmdb, check);
    (void)text_copy(retired->reason, sizeof retired->reason, error->message);
    enum status status = lmdb_doubt_write(lmdb->directory, retired, error);
    FAILPOINT("doubt.written");
    return status == STATUS_OK ? lmdb_doubt_set_aside(lmdb->directory, retired->replica_id, error) : status;
}

static enum status open_tables(struct lmdb_log *lmdb, size_t map_bytes, struct error *error)
{
    MDB_txn *txn = NULL;
    char *path = join(lmdb->store, "guard");
    enum status status = lmdb_guard_open(&lmdb->guard, path, true, error);
    memory_free(path);
    if (status == STATUS_OK) {
        status = lmdb_tables_open(&lmdb->tables, lmdb->store, map_bytes, LMDB_TO_WRITE, error);
    }
    if (status == STATUS_OK) lmdb_map_find(lmdb->tables.environment, &lmdb->map);
    if (status == STATUS_OK) status = lmdb_tables_begin(&lmdb->tables, false, &txn, error);
    if (status == STATUS_OK) status = lmdb_tables_use(&lmdb->tables, txn, false, error);
    if (status == STATUS_OK) status = lmdb_tables_get_system(&lmdb->tables, txn, &lmdb->system, error);
    if (status == STATUS_OK) status = lmdb_tables_commit(&txn, error); /* Keeps the table handles. */
    lmdb_tables_abort(&txn);
    return status;
}

/* T1, T6: what a start may mend of what the probe found. */
static enum status mend(struct lmdb_log *lmdb, const struct lmdb_check *check, struct error *error)
{
    struct log_boot *boot = &lmdb->log.boot;
    if (check->guard_lost) {
        struct lmdb_guard_state state = { lmdb->system.identity, check->hard };
        enum status status = lmdb_guard_write(&lmdb->guard, &state, error);
        if (status != STATUS_OK) return status;
        (void)snprintf(boot->warning, sizeof boot->warning,
                       "the guard was lost; the sole voter goes on in term %llu",
                       (unsigned long long)check->hard.term);
    }
    bool damaged = check->copy_damaged || lmdb->system.copy_damaged;
    if (!damaged || lmdb->system.applied.index == 0) return STATUS_OK;
    if (check->copy_damaged) (void)text_copy(boot->warning, sizeof boot->warning, check->copy_error.message);
    FAILPOINT("copy.before_drop");
    return lmdb_step_drop_copy(lmdb, error);
}

static void fill_boot(struct lmdb_log *lmdb, const struct lmdb_check *check)
{
    const struct lmdb_system *system = &lmdb->system;
    struct log_boot *boot = &lmdb->log.boot;
    boot->identity = system->identity;
    if (boot->identity.cluster_id == 0) boot->identity.cluster_id = lmdb->member;
    boot->hard = check->hard;
    boot->base = system->base;
    boot->last = check->last;
    boot->applied = system->applied;
    boot->committed = system->committed;
    boot->history_first = system->history_first;
    memcpy(boot->state_hash, system->state_hash, sizeof boot->state_hash);
    boot->generation = system->generation;
    boot->copy_state = lmdb_system_copy_state(system);
    boot->configuration_index = check->configuration_index;
    boot->receiving = system->receiving;
    boot->retired_id = system->retired_id;
    memcpy(boot->doubt_reason, system->doubt_reason, sizeof boot->doubt_reason);
}

/* Before anything else is read: what the journal has beyond the tables is brought there. */
static enum status replay(struct lmdb_log *lmdb, struct lmdb_check *check, struct error *error)
{
    bool replayed = false;
    enum status status = lmdb_journal_open(lmdb, &replayed, error);
    if (status == STATUS_IO && replayed) {
        error->status = STATUS_NOT_READY;
        return die(lmdb, STATUS_NOT_READY, error);
    }
    if (status != STATUS_OK || !replayed) return status;
    return lmdb_read_end(lmdb, &check->last, &check->configuration_index, error);
}

static enum status load_store(struct lmdb_log *lmdb, size_t map_bytes, struct lmdb_check *check,
                              struct error *error)
{
    enum status status = open_tables(lmdb, map_bytes, error);
    if (status != STATUS_OK) return status;
    lmdb->last = check->last.index;
    lmdb_space_open(lmdb);
    status = replay(lmdb, check, error);
    if (status != STATUS_OK) return status;
    lmdb->system.hard = check->hard; /* T1: the guard's may be ahead of both. */
    status = mend(lmdb, check, error);
    if (status == STATUS_OK) status = lmdb_step_look(lmdb, error);
    if (status != STATUS_OK) return status;
    fill_boot(lmdb, check);
    return write_member(lmdb, error); /* "Written again by a start that finds entries without it." */
}

/* --- opening -------------------------------------------------------------------------------------------- */

static bool exists(const char *path)
{
    struct stat entry;
    return lstat(path, &entry) == 0;
}

/* A folder that somebody made beforehand. Without one of its files it is a damaged store. */
static bool is_empty(const char *store)
{
    static const char *const files[] = { "data.mdb", "guard", "journal" };
    bool empty = true;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *path = join(store, files[i]);
        if (exists(path)) empty = false;
        memory_free(path);
    }
    return empty;
}

static enum status prepare(struct lmdb_log *lmdb, struct lmdb_retired *out_retired, struct error *error)
{
    enum status status = make_directory(lmdb->directory, error);
    if (status == STATUS_OK) status = lock_directory(lmdb, error);
    if (status == STATUS_OK) status = lmdb_member_read(lmdb->directory, &lmdb->member, error);
    if (status == STATUS_OK) status = lmdb_doubt_read(lmdb->directory, out_retired, error);
    return status;
}

static enum status open_store(struct lmdb_log *lmdb, const struct lmdb_log_options *options,
                              struct error *error)
{
    struct lmdb_check check = { .copy_damaged = false };
    struct lmdb_retired retired;
    size_t map_bytes = options->map_bytes == 0 ? map_bytes_default : options->map_bytes;
    enum status status = prepare(lmdb, &retired, error);
    if (status != STATUS_OK) return status;
    if (exists(lmdb->store) && !is_empty(lmdb->store)) {
        status = examine(lmdb, map_bytes, &retired, &check, error);
        if (status == STATUS_CORRUPT) status = retire(lmdb, &check, &retired, error);
        if (status != STATUS_OK) return status;
    }
    if (!exists(lmdb->store) || is_empty(lmdb->store)) { /* Never was, or stands aside now. */
        check = (struct lmdb_check){ .copy_damaged = false };
        status = found_store(lmdb, options, map_bytes, &retired, error);
        if (status != STATUS_OK) return status;
    }
    return load_store(lmdb, map_bytes, &check, error);
}

enum status lmdb_log_open(const struct lmdb_log_options *options, struct log **out_log, struct error *error)
{
    struct error own = { 0 }; /* T2 keeps the words of what was wrong. */
    struct error *story = error != NULL ? error : &own;
    struct lmdb_log *lmdb = memory_zalloc(sizeof *lmdb);
    lmdb->directory = memory_strdup(options->directory);
    lmdb->store = join(options->directory, "store");
    lmdb->reserve_bytes = options->reserve_bytes;
    lmdb->lock = -1;
    lmdb->guard.fd = -1;
    lmdb->journal.file.fd = -1;
    lmdb->journal.making.fd = -1;
    lmdb->journal.segment_size = options->segment_bytes;
    if (options->segment_bytes > 0) lmdb->journal.file.journal = random_u64(options->random) | 1; /* Not 0. */
    lmdb->log.ops = &lmdb_ops;
    enum status status = open_store(lmdb, options, story);
    if (status != STATUS_OK) {
        lmdb_close(&lmdb->log);
        (void)error_wrap(story, "open the store in %s", options->directory);
        return status;
    }
    *out_log = &lmdb->log;
    return STATUS_OK;
}
