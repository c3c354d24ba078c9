/* lmdb_check: see the header. The order is from what the rest is read by to the rest. */
#include "store/lmdb/lmdb_check.h"

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "store/lmdb/lmdb_entry.h"
#include "store/lmdb/lmdb_free_list.h"
#include "store/lmdb/lmdb_journal.h"
#include "store/lmdb/lmdb_meta.h"
#include "store/lmdb/lmdb_read.h"
#include "store/raft/configuration.h"
#include "store/record.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

/* --- the log -------------------------------------------------------------------------------------------- */

struct walk {
    struct log_position before; /* Of the entry checked last. */
    struct log_position applied;
    log_index configuration_index;
};

static enum status check_entry(struct walk *walk, log_index index, const MDB_val *value, struct error *error)
{
    struct lmdb_entry_view view;
    if (index != walk->before.index + 1) {
        return error_set(error, STATUS_CORRUPT, "entry %llu is missing from the log",
                         (unsigned long long)walk->before.index + 1);
    }
    enum status status = lmdb_entry_unpack(index, value->mv_data, value->mv_size, &view, error);
    if (status != STATUS_OK) return status;
    const struct raft_entry *entry = &view.entry;
    if (entry->term < walk->before.term) {
        return error_set(error, STATUS_CORRUPT, "the term of entry %llu falls", (unsigned long long)index);
    }
    uint64_t chain =
        entry_chain(walk->before.chain, index, entry->term, entry->type, view.payload, view.payload_size);
    if (entry->chain != chain) {
        return error_set(error, STATUS_CORRUPT, "entry %llu does not follow from the one before",
                         (unsigned long long)index);
    }
    walk->before = (struct log_position){ index, entry->term, chain };
    if (index == walk->applied.index) walk->applied = walk->before;
    if (entry->type == ENTRY_CONFIGURATION) walk->configuration_index = index;
    return STATUS_OK;
}

static enum status walk_log(MDB_cursor *cursor, struct walk *walk, struct error *error)
{
    MDB_val key;
    MDB_val value;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    for (; code == 0; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        log_index index = 0;
        code = lmdb_entry_index(&key, &index);
        if (code != 0) break;
        enum status status = check_entry(walk, index, &value, error);
        if (status != STATUS_OK) return status;
    }
    return code == MDB_NOTFOUND ? STATUS_OK : lmdb_tables_error(error, code, "walk the log");
}

static bool position_equal(const struct log_position *a, const struct log_position *b)
{
    return a->index == b->index && a->term == b->term && a->chain == b->chain;
}

static enum status check_log(const struct lmdb_tables *tables, MDB_txn *txn, struct walk *walk,
                             const struct lmdb_system *system, struct error *error)
{
    MDB_cursor *cursor = NULL;
    *walk = (struct walk){ .before = system->base, .applied = { .index = system->applied.index } };
    if (system->applied.index == system->base.index) walk->applied = system->base;
    int code = mdb_cursor_open(txn, tables->table[TABLE_LOG], &cursor);
    if (code != 0) return lmdb_tables_error(error, code, "open the log");
    enum status status = walk_log(cursor, walk, error);
    mdb_cursor_close(cursor);
    bool has_copy = system->applied.index != 0;
    if (status != STATUS_OK || !has_copy || position_equal(&walk->applied, &system->applied)) return status;
    return error_set(error, STATUS_CORRUPT, "the state copy is of entry %llu, which the log doesn't hold",
                     (unsigned long long)system->applied.index);
}

/* --- configurations ------------------------------------------------------------------------------------- */

/* Every one in `conf` parses; the newest is the log's newest, or lies before the log's first entry. */
static enum status check_configurations(const struct lmdb_tables *tables, MDB_txn *txn,
                                        const struct walk *walk, log_index base, log_index *out_index,
                                        struct configuration *out_newest, struct error *error)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    log_index index = 0;
    enum status status = STATUS_OK;
    int code = mdb_cursor_open(txn, tables->table[TABLE_CONFIGURATION], &cursor);
    if (code != 0) return lmdb_tables_error(error, code, "open conf");
    code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    for (; code == 0 && status == STATUS_OK; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        struct lmdb_entry_view view;
        code = lmdb_entry_index(&key, &index);
        if (code != 0) break;
        status = lmdb_entry_unpack(index, value.mv_data, value.mv_size, &view, error);
        if (status != STATUS_OK) break;
        status = configuration_unpack(view.payload, view.payload_size, out_newest);
        if (status != STATUS_OK) {
            (void)error_set(error, status, "configuration %llu does not parse", (unsigned long long)index);
        }
    }
    mdb_cursor_close(cursor);
    if (status != STATUS_OK) return status;
    if (code != 0 && code != MDB_NOTFOUND) return lmdb_tables_error(error, code, "read conf");
    bool agrees = walk->configuration_index == index || (walk->configuration_index == 0 && index <= base);
    *out_index = index;
    return agrees ? STATUS_OK
                  : error_set(error, STATUS_CORRUPT, "conf does not hold the log's newest configuration");
}

static bool is_sole_voter(const struct configuration *configuration, replica_id self)
{
    uint32_t voters = 0;
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        const struct configuration_member *member = &configuration->members[i];
        if (member->voter || member->outgoing_voter) voters++;
    }
    return voters == 1 && configuration_is_voter(configuration, self);
}

/* --- the guard ------------------------------------------------------------------------------------------ */

static bool hard_newer(const struct hard_state *a, const struct hard_state *b)
{
    return a->term > b->term || (a->term == b->term && a->vote != 0 && b->vote == 0);
}

static bool same_replica(const struct log_identity *a, const struct log_identity *b)
{
    return a->replica_id == b->replica_id &&
           (a->cluster_id == 0 || b->cluster_id == 0 || a->cluster_id == b->cluster_id);
}

/* T1. A crash may have come between guard and journal or transaction: then the guard is newer. */
static enum status check_guard(const struct lmdb_guard *guard, const struct hard_state *stored,
                               bool sole_voter, struct lmdb_check *check, struct error *error)
{
    const struct hard_state *guarded = &guard->state.hard;
    if (guard->sequence != 0 && !same_replica(&guard->state.identity, &check->system.identity)) {
        return error_set(error, STATUS_CORRUPT, "the guard belongs to another replica");
    }
    bool two_votes = guarded->term == stored->term && guarded->vote != 0 && stored->vote != 0 &&
                     guarded->vote != stored->vote;
    bool sound = guard->sequence != 0 && !two_votes && !hard_newer(stored, guarded);
    if (sound) {
        check->hard = *guarded;
        return STATUS_OK;
    }
    check->guard_lost = sole_voter; /* Nobody else can have had a vote of ours. */
    check->hard = (struct hard_state){ .term = stored->term + 1 };
    if (sole_voter) return STATUS_OK;
    if (guard->sequence == 0) return error_set(error, STATUS_CORRUPT, "the guard has no valid slot");
    return error_set(error, STATUS_CORRUPT, "the guard is older than the environment");
}

static enum status read_guard(const char *store, struct lmdb_guard *out_guard, struct error *error)
{
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof path, "%s/guard", store);
    if (length < 0 || length >= (int)sizeof path) return error_set(error, STATUS_IO, "the path is too long");
    enum status status = lmdb_guard_open(out_guard, path, false, error);
    if (status == STATUS_OK) lmdb_guard_close(out_guard);
    return status;
}

/* --- the journal ---------------------------------------------------------------------------------------- */

/* What is in the journal only continues the tables, entry by entry (D1). */
static enum status check_continues(const struct journal_pending *pending, struct log_position before,
                                   struct error *error)
{
    for (uint32_t i = 0; i < pending->entry_count; i++) {
        const struct raft_entry *entry = &pending->entries[i];
        const struct bytes *payload = entry->payload;
        uint64_t chain =
            entry_chain(before.chain, entry->index, entry->term, entry->type,
                        payload == NULL ? NULL : payload->data, payload == NULL ? 0 : payload->size);
        if (entry->chain != chain || entry->term < before.term) {
            return error_set(error, STATUS_CORRUPT,
                             "entry %llu of the journal does not follow from the one before",
                             (unsigned long long)entry->index);
        }
        before = (struct log_position){ entry->index, entry->term, entry->chain };
    }
    return STATUS_OK;
}

/* Where the tables' log will end once what is pending has cut it. */
static enum status find_before(const struct lmdb_tables *tables, MDB_txn *txn, const struct lmdb_check *check,
                               const struct journal_pending *pending, struct log_position *out_before,
                               struct error *error)
{
    log_index index = journal_pending_settled_last(pending);
    MDB_val key = { sizeof index, &index };
    MDB_val value;
    struct lmdb_entry_view view;
    *out_before = index == check->last.index ? check->last : check->system.base;
    if (index == out_before->index) return STATUS_OK;
    int code = mdb_get(txn, tables->table[TABLE_LOG], &key, &value);
    if (code != 0) return lmdb_tables_error(error, code, "find what the journal continues");
    enum status status = lmdb_entry_unpack(index, value.mv_data, value.mv_size, &view, error);
    *out_before = (struct log_position){ index, view.entry.term, view.entry.chain };
    return status;
}

/* The configuration that counts once what is pending counts: out_newest stays if that has none. */
static enum status check_newest(const struct journal_pending *pending, struct configuration *newest,
                                struct error *error)
{
    for (uint32_t i = 0; i < pending->entry_count; i++) {
        const struct raft_entry *entry = &pending->entries[i];
        if (entry->type != ENTRY_CONFIGURATION) continue;
        const struct bytes *payload = entry->payload;
        enum status status =
            payload == NULL ? STATUS_CORRUPT : configuration_unpack(payload->data, payload->size, newest);
        if (status != STATUS_OK) {
            return error_set(error, status, "configuration %llu does not parse",
                             (unsigned long long)entry->index);
        }
    }
    return STATUS_OK;
}

static enum status read_pending(const struct lmdb_check_options *options, const struct lmdb_check *check,
                                struct journal_pending *pending, struct error *error)
{
    struct journal_scan scan;
    const struct lmdb_system *system = &check->system;
    struct journal_file file = { -1, system->journal, system->identity.replica_id, 0 };
    journal_pending_begin(pending, check->last.index, 0);
    if (system->journal == 0) return STATUS_OK;
    enum status status = journal_file_open(options->store, false, &file, error);
    if (status != STATUS_OK) return status;
    status = lmdb_journal_examine(&file, system, check->last.index, pending, &scan, error);
    journal_file_close(&file);
    return status;
}

static enum status check_journal(const struct lmdb_tables *tables, MDB_txn *txn,
                                 const struct lmdb_check_options *options, const struct lmdb_check *check,
                                 struct journal_pending *pending, struct configuration *newest,
                                 struct error *error)
{
    struct log_position before;
    enum status status = read_pending(options, check, pending, error);
    if (status == STATUS_OK && pending->has_hard && hard_newer(&check->system.hard, &pending->hard)) {
        status = error_set(error, STATUS_CORRUPT, "the journal is of an earlier term than the tables");
    }
    if (status == STATUS_OK) status = find_before(tables, txn, check, pending, &before, error);
    if (status == STATUS_OK) status = check_continues(pending, before, error);
    return status == STATUS_OK ? check_newest(pending, newest, error) : status;
}

/* --- the copy ------------------------------------------------------------------------------------------- */

struct copy_check {
    struct record_hash hash; /* D2, of what was seen. */
    struct arena scratch;
    struct error *error; /* The first thing that is wrong with a record. */
    bool damaged;
};

static enum status hash_session(struct copy_check *check, const struct log_copy_record *copy)
{
    struct record_session session;
    enum status status =
        record_unpack_session(copy->key, copy->value, copy->value_size, &session, check->error);
    if (status != STATUS_OK) return status;
    struct record_hash hash = record_hash_session(&session);
    record_hash_add(&check->hash, &hash);
    return STATUS_OK;
}

static enum status hash_record(struct copy_check *check, const struct log_copy_record *copy)
{
    struct kv_record record;
    enum status status = record_unpack(copy->key, copy->value, copy->value_size, &record, check->error);
    if (status != STATUS_OK) return status;
    struct record_hash hash = record_hash(&record);
    record_hash_add(&check->hash, &hash);
    return STATUS_OK;
}

static enum status check_history(struct copy_check *check, const struct log_copy_record *copy)
{
    struct record_history history;
    enum status status = record_unpack_history(copy->key, copy->value, copy->value_size, &check->scratch,
                                               &history, check->error);
    arena_fini(&check->scratch);
    return status;
}

/* A damaged record does not end the walk: what follows must be readable too, before anybody throws it away.
 */
static enum status check_copied(void *context, const struct log_copy_record *copy, struct error *error)
{
    (void)error;
    struct copy_check *check = context;
    if (check->damaged) return STATUS_OK;
    enum status status = STATUS_OK;
    if (copy->space == COPY_RECORD) status = hash_record(check, copy);
    else if (copy->space == COPY_SESSION) status = hash_session(check, copy);
    else status = check_history(check, copy);
    check->damaged = status != STATUS_OK;
    return STATUS_OK;
}

/* The other generation is complete only when its receiver says so: here it only has to be readable. */
static enum status touch(void *context, const struct log_copy_record *copy, struct error *error)
{
    (void)error;
    uint32_t *crc = context;
    *crc = crc32c(*crc, copy->value, copy->value_size);
    return STATUS_OK;
}

/* D2, T6. */
static enum status check_copy(const struct lmdb_tables *tables, MDB_txn *txn, struct lmdb_check *result,
                              struct error *error)
{
    const struct lmdb_system *system = &result->system;
    struct copy_check check = { .error = &result->copy_error };
    struct lmdb_copy_walk walk = { system->generation, true, check_copied, &check };
    struct log_copy_cursor cursor = { .done = false };
    enum status status = lmdb_read_copy_in(tables, txn, &walk, &cursor, SIZE_MAX, error);
    if (status != STATUS_OK) return status;
    uint8_t hash[16];
    record_hash_bytes(&check.hash, hash);
    if (!check.damaged && memcmp(hash, system->state_hash, sizeof hash) != 0) {
        (void)error_set(check.error, STATUS_CORRUPT,
                        "the state copy does not have the hash that was kept with it");
        check.damaged = true;
    }
    result->copy_damaged = check.damaged;
    uint32_t crc = 0;
    walk = (struct lmdb_copy_walk){ 1 - system->generation, false, touch, &crc };
    cursor = (struct log_copy_cursor){ .done = false };
    return lmdb_read_copy_in(tables, txn, &walk, &cursor, SIZE_MAX, error);
}

/* --- all of it ------------------------------------------------------------------------------------------ */

struct telling {
    void (*say)(void *context, const char *what);
    void *context;
};

static enum status check_cluster(const struct lmdb_check_options *options, const struct lmdb_system *system,
                                 struct error *error)
{
    uint64_t ours = system->identity.cluster_id;
    if (options->member == 0 || ours == 0 || options->member == ours) return STATUS_OK;
    return error_set(error, STATUS_CONFLICT, "%s is of cluster %016llx, but `member` beside it says %016llx",
                     options->store, (unsigned long long)ours, (unsigned long long)options->member);
}

/* The journal, and whether the guard is as new as both. To be the sole voter, one has to be it in what the
 * tables have, if anything, and in what is pending. */
static enum status check_terms(const struct lmdb_tables *tables, MDB_txn *txn,
                               const struct lmdb_check_options *options, struct lmdb_check *check,
                               struct configuration *newest, struct error *error)
{
    struct journal_pending pending;
    struct lmdb_guard guard = { .fd = -1 };
    replica_id self = check->system.identity.replica_id;
    bool sole_voter = check->configuration_index == 0 || is_sole_voter(newest, self);
    enum status status = check_journal(tables, txn, options, check, &pending, newest, error);
    if (status == STATUS_OK) status = read_guard(options->store, &guard, error);
    if (status == STATUS_OK) {
        const struct hard_state *stored = pending.has_hard ? &pending.hard : &check->system.hard;
        status = check_guard(&guard, stored, sole_voter && is_sole_voter(newest, self), check, error);
    }
    journal_pending_clear(&pending);
    return status;
}

static enum status check_tables(struct lmdb_tables *tables, MDB_txn *txn,
                                const struct lmdb_check_options *options, struct lmdb_check *check,
                                const struct telling *telling, struct error *error)
{
    struct walk walk;
    struct configuration newest = { .member_count = 0 };
    const struct lmdb_system *system = &check->system;
    enum status status = lmdb_tables_use(tables, txn, false, error);
    if (status == STATUS_OK) status = lmdb_tables_get_system(tables, txn, &check->system, error);
    if (status == STATUS_OK) status = check_cluster(options, system, error);
    if (status != STATUS_OK) return status;
    telling->say(telling->context, "the list of free pages");
    status = lmdb_free_list_check(tables->environment, txn, error);
    if (status != STATUS_OK) return status;
    telling->say(telling->context, "the log");
    status = check_log(tables, txn, &walk, system, error);
    if (status != STATUS_OK) return status;
    check->last = walk.before;
    telling->say(telling->context, "the configurations");
    status = check_configurations(tables, txn, &walk, system->base.index, &check->configuration_index,
                                  &newest, error);
    if (status != STATUS_OK) return status;
    telling->say(telling->context, "the journal");
    status = check_terms(tables, txn, options, check, &newest, error);
    if (status != STATUS_OK) return status;
    telling->say(telling->context, "the state copy");
    return check_copy(tables, txn, check, error);
}

enum status lmdb_check(const struct lmdb_check_options *options, struct lmdb_check *out_check,
                       void (*say)(void *context, const char *what), void *context, struct error *error)
{
    char data[PATH_SIZE];
    struct lmdb_tables tables = { .environment = NULL };
    struct telling telling = { say, context };
    MDB_txn *txn = NULL;
    int length = snprintf(data, sizeof data, "%s/data.mdb", options->store);
    if (length < 0 || length >= (int)sizeof data) return error_set(error, STATUS_IO, "the path is too long");
    say(context, "the meta pages");
    enum status status = lmdb_meta_check(data, error);
    if (status != STATUS_OK) return status;
    say(context, "the tables");
    status = lmdb_tables_open(&tables, options->store, options->map_bytes, LMDB_TO_PROBE, error);
    if (status == STATUS_OK) status = lmdb_tables_begin(&tables, false, &txn, error);
    if (status == STATUS_OK) status = check_tables(&tables, txn, options, out_check, &telling, error);
    lmdb_tables_abort(&txn);
    lmdb_tables_close(&tables);
    return status;
}
