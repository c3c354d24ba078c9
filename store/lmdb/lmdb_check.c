/* lmdb_check: see the header. */
#include "store/lmdb/lmdb_check.h"

#include "store/lmdb/lmdb_entry.h"

#include <string.h>

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

static log_index index_of(const MDB_val *key)
{
    log_index index = 0;
    if (key->mv_size == sizeof index) memcpy(&index, key->mv_data, sizeof index);
    return index;
}

static enum status walk_log(MDB_cursor *cursor, struct walk *walk, struct error *error)
{
    MDB_val key;
    MDB_val value;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    for (; code == 0; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        enum status status = check_entry(walk, index_of(&key), &value, error);
        if (status != STATUS_OK) return status;
    }
    return code == MDB_NOTFOUND ? STATUS_OK : lmdb_tables_error(error, code, "walk the log");
}

/* The newest in `conf`, which may lie before the first entry of a log whose start was dropped. */
static enum status check_configuration(struct lmdb_tables *tables, MDB_txn *txn, struct walk *walk,
                                       log_index base, struct error *error)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    int code = mdb_cursor_open(txn, tables->table[TABLE_CONFIGURATION], &cursor);
    if (code != 0) return lmdb_tables_error(error, code, "open conf");
    code = mdb_cursor_get(cursor, &key, NULL, MDB_LAST);
    mdb_cursor_close(cursor);
    if (code != 0 && code != MDB_NOTFOUND) return lmdb_tables_error(error, code, "read conf");
    log_index newest = code == 0 ? index_of(&key) : 0;
    bool agrees = walk->configuration_index == newest || (walk->configuration_index == 0 && newest <= base);
    if (!agrees) return error_set(error, STATUS_CORRUPT, "conf does not hold the log's newest configuration");
    walk->configuration_index = newest;
    return STATUS_OK;
}

static bool position_equal(const struct log_position *a, const struct log_position *b)
{
    return a->index == b->index && a->term == b->term && a->chain == b->chain;
}

enum status lmdb_check_log(struct lmdb_tables *tables, MDB_txn *txn, const struct lmdb_system *system,
                           struct lmdb_check_log *out_log, struct error *error)
{
    struct walk walk = { .before = system->base, .applied = { .index = system->applied.index } };
    if (system->applied.index == system->base.index) walk.applied = system->base;
    MDB_cursor *cursor = NULL;
    int code = mdb_cursor_open(txn, tables->table[TABLE_LOG], &cursor);
    if (code != 0) return lmdb_tables_error(error, code, "open the log");
    enum status status = walk_log(cursor, &walk, error);
    mdb_cursor_close(cursor);
    if (status == STATUS_OK) status = check_configuration(tables, txn, &walk, system->base.index, error);
    if (status != STATUS_OK) return status;
    if (!position_equal(&walk.applied, &system->applied)) {
        return error_set(error, STATUS_CORRUPT, "the state copy is of entry %llu, which the log doesn't hold",
                         (unsigned long long)system->applied.index);
    }
    *out_log = (struct lmdb_check_log){ walk.before, walk.configuration_index };
    return STATUS_OK;
}

static bool hard_newer(const struct hard_state *a, const struct hard_state *b)
{
    return a->term > b->term || (a->term == b->term && a->vote != 0 && b->vote == 0);
}

enum status lmdb_check_guard(const struct lmdb_guard *guard, const struct lmdb_system *system,
                             struct hard_state *out_hard, struct error *error)
{
    if (guard->sequence == 0) return error_set(error, STATUS_CORRUPT, "the guard has no valid slot");
    const struct log_identity *theirs = &guard->state.identity;
    const struct log_identity *ours = &system->identity;
    bool same = theirs->replica_id == ours->replica_id &&
                (theirs->cluster_id == 0 || ours->cluster_id == 0 || theirs->cluster_id == ours->cluster_id);
    if (!same) return error_set(error, STATUS_CORRUPT, "the guard belongs to another replica");
    const struct hard_state *guarded = &guard->state.hard;
    bool two_votes = guarded->term == system->hard.term && guarded->vote != 0 && system->hard.vote != 0 &&
                     guarded->vote != system->hard.vote;
    if (two_votes || hard_newer(&system->hard, guarded)) {
        return error_set(error, STATUS_CORRUPT, "the guard is older than the environment");
    }
    *out_hard = *guarded;
    return STATUS_OK;
}
